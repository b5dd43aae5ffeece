"""The command line: choose a command and call it with what was typed."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import TextIO

from reebayes.cli import (
    answers,
    contained,
    experiments,
    figures,
    fits,
    judgements,
    outlooks,
    partners,
    readers,
    scenarios,
    sensitivities,
    studies,
)
from reebayes.cli.console import (
    EXIT_CODES,
    INTERRUPTED,
    NOT_CONVERGED,
    WRONG_INPUT,
    complain,
    unread,
)
from reebayes.cli.options import RUN_AGAIN
from reebayes.errors import FitError, ReebayesError, StudyWarning
from reebayes.provenance import package_version

# As the help lists them.
COMMANDS = {
    name: add
    for group in (
        *(fits, studies, readers, figures, partners, answers, contained),
        *(sensitivities, scenarios, outlooks, experiments, judgements),
    )
    for name, add in group.adders().items()
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the program's name; those of the process if left out.

    Returns
    -------
    int
        Exit code: 0 done, 2 wrong input or a file that cannot be read or written, 3 not
        converged, 130 interrupted, 141 if nobody reads what is printed.
    """
    interrupted = RUN_AGAIN
    try:
        values = vars(make_parser().parse_args(argv))
        command: Callable[..., int] = values.pop("command")
        interrupted = values.pop("interrupted")
        with warnings.catch_warnings():
            warnings.simplefilter("always", StudyWarning)
            warnings.showwarning = _shown(warnings.showwarning)
            code = command(**values)
        sys.stdout.flush()
        return code
    except FitError as error:
        complain(str(error))
        return NOT_CONVERGED
    except ReebayesError as error:
        complain(str(error))
        return WRONG_INPUT
    except BrokenPipeError:
        return unread()
    except OSError as error:
        where = f"{error.filename}: " if error.filename else "cannot be written: "
        complain(f"{where}{error.strerror or error}")
        return unread(WRONG_INPUT)
    except MemoryError:
        complain("There is not enough memory for this. Ask for fewer draws or chains.")
        return WRONG_INPUT
    except KeyboardInterrupt:
        complain(interrupted)
        return INTERRUPTED


def _shown(otherwise: Callable[..., None]) -> Callable[..., None]:
    """Return what shows a warning: of a study in its own words, any other as it is."""

    def show(
        message: Warning | str, category: type[Warning], filename: str, lineno: int,
        file: TextIO | None = None, line: str | None = None,
    ) -> None:  # fmt: skip
        if isinstance(message, StudyWarning):
            complain(str(message))
        else:
            otherwise(message, category, filename, lineno, file, line)

    return show


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; what it gives is a command and its keywords."""
    parser = argparse.ArgumentParser(
        prog="reebayes",
        description="Bayesian material flow analysis: infer every flow of a system, year by year "
        "and with credible bands, from published records that are incomplete and contradict one "
        "another. Without --data, commands use the bundled study of rare earths.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"reebayes {package_version()}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for add in COMMANDS.values():
        add(commands)
    return parser
