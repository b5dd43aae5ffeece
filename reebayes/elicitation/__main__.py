"""``python -m reebayes.elicitation [--write] [--missing] [DIR]``: see `rewriting`."""

import sys

from reebayes.elicitation.rewriting import main

if __name__ == "__main__":
    sys.exit(main())
