"""Draw the picture of the data card: python docs/coverage.py [study directory]."""

import sys
from pathlib import Path

import reebayes as rb


def main(directory: str | None = None) -> None:
    """Draw where the records of a study stand, the bundled one if none is given."""
    figure = rb.plot_coverage(rb.read_study(directory))
    figure.savefig(Path(__file__).with_name("coverage.png"), dpi=110)


if __name__ == "__main__":
    main(*sys.argv[1:])
