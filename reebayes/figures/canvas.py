"""A drawing as shapes and lines of text, written as SVG or handed to matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from reebayes.errors import ResultError
from reebayes.figures.columns import Point, Step
from reebayes.figures.lettering import FAMILY, FONTS
from reebayes.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GROUND = "land"
PIECES = ("band", "arrow", "core")
TENTHS = ' transform="scale(.1)"'  # of outlines that are written in tenths of a pixel
FORMATS = ("svg", "pdf", "png")
PIXELS_PER_INCH = 96.0  # of a drawing at the size that it is made for
SHARPER = 2  # pixels of a PNG to one of the drawing


@dataclass(frozen=True, slots=True)
class Shape:
    """A filled outline.

    Parameters
    ----------
    kind : str
        ``"ribbon"``, ``"stub"``, ``"box"`` or ``"key"``.
    path : sequence of step
    colour : str
    opacity : float
    title : str
        What is told of it where one points at it.
    touches : tuple of str
        The boxes that it is of, or begins and ends at.
    panel : int
        Which of several diagrams in one drawing it is of.
    """

    kind: str
    path: Sequence[Step]
    colour: str
    opacity: float = 1.0
    title: str = ""
    touches: tuple[str, ...] = ()
    panel: int = 0

    def shifted(self, x: float, y: float, panel: int) -> Shape:
        """Return it elsewhere."""
        path = [(code, [(a + x, b + y) for a, b in points]) for code, points in self.path]
        return Shape(self.kind, path, self.colour, self.opacity, self.title, self.touches, panel)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text, with the left end of its baseline."""

    x: float
    y: float
    text: str
    size: float
    bold: bool = False
    colour: str = "#1c1f23"
    of: str = ""  # the box that it labels

    def shifted(self, x: float, y: float) -> Line:
        """Return it elsewhere."""
        return Line(self.x + x, self.y + y, self.text, self.size, self.bold, self.colour, self.of)


@dataclass(frozen=True)
class Drawing:
    """Shapes and text on a sheet, in pixels; y counts from above.

    Parameters
    ----------
    width, height : float
    title : str
        What it shows, in one line.
    shapes : sequence of Shape
        From the back.
    lines : sequence of Line
    description : str
        What it shows, in full sentences, for those who do not see it; none if empty.
    """

    width: float
    height: float
    title: str
    shapes: Sequence[Shape]
    lines: Sequence[Line]
    description: str = ""

    def svg(self) -> str:
        """Return the drawing as an ``<svg>`` element, whose text stays text."""
        return "\n".join(self._svg_lines())

    def _svg_lines(self) -> Iterator[str]:
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:.0f} '
            f'{self.height:.0f}" role="img" aria-label="{escape(self.title)}" '
            f'font-family="{FONTS}">'
        )
        if self.description:
            yield f"<title>{escape(self.title)}</title><desc>{escape(self.description)}</desc>"
        for _, alike in groupby(self.shapes, key=_alike):
            some = list(alike)
            yield _together(some) if some[0].kind == GROUND else _svg_shape(some)
        for line in self.lines:
            weight = ' font-weight="bold"' if line.bold else ""
            yield (
                f'<text x="{line.x:.1f}" y="{line.y:.1f}" font-size="{line.size:g}"{weight} '
                f'fill="{line.colour}">{escape(line.text)}</text>'
            )
        yield "</svg>"

    def figure(self) -> Figure:
        """Return the drawing as a matplotlib figure of its own size."""
        from matplotlib.figure import Figure
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path as Outline

        codes = {"M": Outline.MOVETO, "L": Outline.LINETO, "C": Outline.CURVE4}
        figure = Figure(figsize=(self.width / PIXELS_PER_INCH, self.height / PIXELS_PER_INCH))
        ax = figure.add_axes((0, 0, 1, 1))
        ax.set(xlim=(0, self.width), ylim=(self.height, 0))
        ax.set_axis_off()
        for shape in self.shapes:
            points: list[Point] = []
            kinds: list[int] = []
            for code, some in shape.path:
                points += some
                kinds += [int(codes[code])] * len(some)
            outline = Outline([*points, points[0]], [*kinds, int(Outline.CLOSEPOLY)])
            patch = PathPatch(outline, facecolor=shape.colour, alpha=shape.opacity, linewidth=0)
            ax.add_patch(patch)
        for line in self.lines:
            ax.text(
                line.x, line.y, line.text, fontsize=line.size * 72 / PIXELS_PER_INCH,
                fontweight="bold" if line.bold else "normal", color=line.colour,
                family=FAMILY, va="baseline", ha="left", parse_math=False,
            )  # fmt: skip
        return figure

    def write(self, path: Path, form: str) -> None:
        """Write the drawing to a file.

        Parameters
        ----------
        path : Path
        form : str
            One of `FORMATS`.
        """
        if form == "svg":
            path.write_text(self.svg(), encoding="utf-8")
            return
        import matplotlib as mpl

        dpi = PIXELS_PER_INCH * SHARPER
        # The same drawing gives the same bytes, and text in a PDF stays text.
        about = {"CreationDate": None} if form == "pdf" else {"Software": None}
        with mpl.rc_context({"pdf.fonttype": 42}):
            self.figure().savefig(path, format=form, dpi=dpi, metadata=about)


def _alike(shape: Shape) -> object:
    """What neighbours have in common that are written as one: land, and pieces of an arrow."""
    about = (shape.kind, shape.colour, shape.opacity, shape.title, shape.touches)
    return about if shape.kind in (GROUND, *PIECES) else id(shape)


def _svg_shape(pieces: Sequence[Shape]) -> str:
    shape = pieces[0]
    title = f"<title>{escape(shape.title)}</title>" if shape.title else ""
    faint = f' fill-opacity="{shape.opacity:g}"' if shape.opacity < 1 else ""
    straight = shape.kind in PIECES and all(code != "C" for one in pieces for code, _ in one.path)
    if straight:
        faint += TENTHS
    written = "".join(_in_steps(one) if straight else outline_text(one.path) for one in pieces)
    return f'<path class="{shape.kind}" d="{written}" fill="{shape.colour}"{faint}>{title}</path>'


def _together(land: Sequence[Shape]) -> str:
    """Write land as one outline."""
    return (
        f'<path class="{GROUND}" d="{"".join(map(_in_steps, land))}" fill="{land[0].colour}" '
        f'stroke="#fff" stroke-width="3"{TENTHS}></path>'
    )


def _in_steps(shape: Shape) -> str:
    """Write an outline of straight lines in steps of tenths of a pixel.

    A map has thousands of points, which would be a tenth of a page.
    """
    places = [(round(10 * x), round(10 * y)) for _, points in shape.path for x, y in points]
    (x, y), steps = places[0], ""
    for before, after in pairwise(places):
        if after != before:
            steps += f" {after[0] - before[0]} {after[1] - before[1]}"
    return f"M{x} {y}l{steps.strip()}z".replace(" -", "-") if steps else ""


def outline_text(path: Sequence[Step]) -> str:
    """Write an outline as SVG does."""
    steps = (
        code + " ".join(f"{_short(x)},{_short(y)}" for x, y in points) for code, points in path
    )
    return "".join(steps) + "Z"


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def save_drawing(path: str | Path, make: Callable[[], Drawing]) -> Path:
    """Write a drawing to a file whose ending says what it is.

    Parameters
    ----------
    path : str or Path
        File to write, ending in one of `FORMATS`.
    make : callable
        Returns the drawing; not asked if the ending is another.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ResultError
        If the ending is another, or the file cannot be written.
    """
    path = Path(path)
    form = path.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        raise ResultError(
            f"{path.name!r} must end in .{', .'.join(FORMATS[:-1])} or .{FORMATS[-1]}."
        )
    drawing = make()
    return write_whole(path, lambda temporary: drawing.write(temporary, form))
