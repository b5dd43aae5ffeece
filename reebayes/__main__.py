"""The start and end of the program: an interrupt while commands load, or after all is done."""

import os
import signal
import sys

INTERRUPTED = 130

READERS = ("export", "learnt", "report")
"""Commands that read a fit."""


def main() -> int:
    """Load the commands and run one.

    Returns
    -------
    int
        Exit code, see `reebayes.cli.main`.
    """
    signal.signal(signal.SIGINT, _stop)
    if sys.argv[1:2] and sys.argv[1] in READERS:
        # xarray loads Dask for 0.4 s wherever it is installed, and no array of a fit is Dask's.
        sys.modules.setdefault("dask", None)  # type: ignore[arg-type]
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
