"""The start of the program: ready for an interrupt while the commands are still being loaded."""

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
    from reebayes.cli import main as run

    signal.signal(signal.SIGINT, signal.default_int_handler)
    return run()


def _stop(*_: object) -> None:
    os.write(2, b"Interrupted.\n")
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
