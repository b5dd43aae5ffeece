"""The start and end of the program: an interrupt while commands load, or after all is done."""

import os
import signal
import sys

INTERRUPTED = 130


def main() -> int:
    """Load the commands and run one.

    Returns
    -------
    int
        Exit code, see `reebayes.cli.main`.
    """
    signal.signal(signal.SIGINT, _stop)
    from reebayes.cli.main import main as run

    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = run()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done and told: nothing to interrupt
    return code


def _stop(*_: object) -> None:
    os.write(2, b"Interrupted.\n")
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
