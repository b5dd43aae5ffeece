"""Progress of many fits on standard error: a bar on a terminal, plain lines elsewhere."""

import math
import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Meter:
    """Tell how many fits are done, and how long the rest will take.

    Use it as a context, which ends the bar whatever happens.

    Parameters
    ----------
    noun : str
        What is counted, such as ``refits``.
    total, done : int
        How many there are, and how many of them were done before.
    show : bool
        Whether to tell anything.
    console : Console, optional
        Where to tell it; standard error if left out.
    """

    def __init__(
        self, noun: str, total: int, done: int, *, show: bool, console: Console | None = None
    ) -> None:
        self._console = console or _standard_error()
        live = self._console.is_terminal and self._console.is_interactive
        self._lines = show and not live
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=20), MofNCompleteColumn(),
            TaskProgressColumn(), "in", TimeElapsedColumn(), "left", TimeRemainingColumn(),
            console=self._console, disable=not (show and live), refresh_per_second=2,
            speed_estimate_period=math.inf,  # a fit may take longer than any window
            redirect_stdout=False,  # which may be a file, and is not to end in the bar
        )  # fmt: skip
        self._fits = self._progress.add_task(noun, total=total, completed=done)
        self._progress.advance(self._fits, 0)  # the clock starts here, not when the first ends

    def __enter__(self) -> Self:
        """Show the bar, if there is one."""
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the bar as it stands."""
        self._progress.stop()

    def tick(self) -> None:
        """Count a fit as done."""
        self._progress.advance(self._fits)
        if self._lines:
            self._console.out(self._line(), highlight=False)

    def _line(self) -> str:
        fits = self._progress.tasks[0]
        minutes = (fits.time_remaining or 0) / 60
        return (
            f"{fits.completed:.0f} of {fits.total:.0f} {fits.description}, "
            f"about {minutes:.0f} min left"
        )


def _standard_error() -> Console:
    # Variables such as FORCE_COLOR would have a file take what only a terminal understands.
    return Console(stderr=True, force_terminal=sys.stderr.isatty(), force_jupyter=False)
