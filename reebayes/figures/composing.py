"""What lets several plots share axes, and axes a page: colours, limits, titles and legends.

Whatever a legend names is labelled in the axes, so that a later plot knows what stands there, and
``ax.legend()`` and ``figure.legend()`` of matplotlib work as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, MaxNLocator
from matplotlib.transforms import ScaledTranslation
from numpy.typing import ArrayLike, NDArray

from reebayes.errors import ResultError
from reebayes.figures.lettering import width_of, wrapped
from reebayes.figures.style import POSTERIOR_COLOUR, SOURCE_COLOURS, new_figure, plain_text

CURVE_COLOURS = (
    POSTERIOR_COLOUR, "#d9822b", "#3f8f5b", "#a23b72", "#5b4bb0", "#35353a", "#00838f", "#8a5a2b",
)  # fmt: skip
"""Of several curves in one axes, in their order."""

type Colours = str | Sequence[str] | Mapping[str, str]

ARROW = r"$\uparrow$"
ABOVE = "record or error above the axis"

_SMALL, _TITLE = 0.8, 1.0  # of the size of letters, of a legend and of a title
_ENTRY = 2.2  # inches that an entry of a legend in letters of 10 points likes to have
_HANDLE, _GAP = 26.0, 12.0  # points of a handle, and between columns
_ASIDE = 0.7  # inches of numbers and label on the left of axes
_BELOW = 21.0  # points below axes at which what stands under them begins
_LABELLED = 14.0  # points that a label of the axis takes
_ACROSS = "across"  # of a legend below all of a figure


def is_fresh(ax: Axes, side: str = "y") -> bool:
    """Return whether nothing is drawn yet in axes and in those that share an axis with them."""
    shared = ax.get_shared_y_axes() if side == "y" else ax.get_shared_x_axes()
    return not any(other.has_data() for other in shared.get_siblings(ax))


def reach(ax: Axes, side: str, low: float, high: float, *, fresh: bool) -> None:
    """Set the limits of an axis, or widen those that an earlier plot has set.

    Parameters
    ----------
    ax : Axes
    side : str
        ``"x"`` or ``"y"``.
    low, high : float
    fresh : bool
        Whether nothing was drawn before.
    """
    get, put = (ax.get_xlim, ax.set_xlim) if side == "x" else (ax.get_ylim, ax.set_ylim)
    if not fresh:
        low, high = min(low, *get()), max(high, *get())
    put(low, high)


def next_colour(ax: Axes, palette: Sequence[str] = CURVE_COLOURS) -> str:
    """Return the first colour of a palette that nothing labelled in the axes has.

    Where all are taken they are cycled.
    """
    taken = [_colour_of(handle) for handle in ax.get_legend_handles_labels()[0]]
    free = [colour for colour in palette if to_hex(colour) not in taken]
    return free[0] if free else palette[len(taken) % len(palette)]


def colours_of(names: Sequence[str], color: Colours | None) -> dict[str, str]:
    """Return a colour for each of several names.

    Parameters
    ----------
    names : sequence of str
    color : str, sequence of str or mapping of name to colour, optional
        One colour for all, or one each in their order (cycled); names that a mapping leaves out
        have their ordinary ones.
    """
    ordinary = (POSTERIOR_COLOUR, *SOURCE_COLOURS)
    if isinstance(color, str):
        return dict.fromkeys(names, color)
    if isinstance(color, Mapping):
        usual = colours_of(names, None)
        return {name: color.get(name, usual[name]) for name in names}
    palette = ordinary if color is None else tuple(color)
    return {name: palette[number % len(palette)] for number, name in enumerate(names)}


def _colour_of(handle: Artist) -> str:
    if isinstance(handle, PolyCollection | LineCollection):
        colours = handle.get_facecolor() if isinstance(handle, PolyCollection) else None
        found = np.atleast_2d(handle.get_edgecolor() if colours is None else colours)
        return to_hex(found[0][:3]) if len(found) else ""
    if isinstance(handle, Line2D):
        return to_hex(handle.get_color())
    return to_hex(handle.get_facecolor()) if isinstance(handle, Patch) else ""


def entries(ax: Axes) -> list[Line2D | Patch]:
    """Return what a legend of axes shows: everything labelled, bands as patches."""
    found: dict[str, Line2D | Patch] = {}
    for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
        if isinstance(handle, Line2D | Patch):
            found.setdefault(label, handle)
        else:
            found.setdefault(label, Patch(color=_colour_of(handle), alpha=0.6, label=label))
    return list(found.values())


def inches_of(ax: Axes) -> float:
    """Return about how wide axes will be, before a layout has moved them."""
    figure, spec = ax.get_figure(root=True), ax.get_subplotspec()
    if figure is None:
        return 0.0
    if spec is None or figure.get_layout_engine() is None:
        return ax.get_window_extent().width / figure.dpi
    part = len(spec.colspan) / spec.get_gridspec().ncols
    return max(ax.figure.bbox.width / figure.dpi * part - _ASIDE, 0.5)


def legend_below(
    ax: Axes, handles: Iterable[Line2D | Patch] | None = None, *, labelled: bool = False
) -> None:
    """Set a legend below axes that is no wider than they are.

    Parameters
    ----------
    ax : Axes
    handles : iterable of handle, optional
        Everything labelled in the axes if left out.
    labelled : bool
        Whether the axis above it has a label.
    """
    chosen = entries(ax) if handles is None else list(handles)
    old, figure = ax.get_legend(), ax.get_figure(root=True)
    if old is not None:
        old.remove()
    if not chosen or figure is None:
        return
    inches, size = inches_of(ax), _SMALL * float(mpl.rcParams["font.size"])
    longest = max(width_of(str(h.get_label()), size) for h in chosen) + _HANDLE
    fitting = int((72.0 * inches + _GAP) / (longest + _GAP))
    columns = min(len(chosen), max(1, int(inches / (_ENTRY * size / 8.0)), fitting))
    room = max((72.0 * inches - _GAP * (columns - 1)) / columns - _HANDLE, 30.0)
    # a dollar sign is escaped already, and what is wrapped stays so
    texts = ["\n".join(wrapped(str(h.get_label()), room, size)) for h in chosen]
    below = (_BELOW + labelled * _LABELLED) * (2.0 + size) / 10.0
    down = ScaledTranslation(0, -below / 72, figure.dpi_scale_trans)
    ax.legend(
        handles=chosen, labels=texts, loc="upper left", bbox_to_anchor=(0, 0), frameon=False,
        bbox_transform=ax.transAxes + down, fontsize=size, ncols=columns, borderaxespad=0.0,
        borderpad=0.0, columnspacing=1.5,
    )  # fmt: skip
    if figure.get_layout_engine() is not None:
        # A layout that starts from narrower axes leaves room beside them for the legend.
        box = ax.get_position()
        ax.set_position((box.x0, box.y0, inches / figure.get_figwidth(), box.height))
        ax.set_in_layout(True)


def mark_years(ax: Axes) -> None:
    """Set as many whole years on the x axis as there is room for."""
    most = min(9, max(2, int(inches_of(ax) / (0.055 * float(mpl.rcParams["font.size"])))))
    ax.xaxis.set_major_locator(MaxNLocator(most, integer=True, steps=[1, 2, 5, 10]))


def headed(*parts: str) -> str:
    """Join what stands before a name, such as title and label, and the name; none if left out."""
    return ": ".join(part for part in parts if part)


def legend_across(figure: Figure, handles: Sequence[Line2D | Patch]) -> None:
    """Set a legend below all of a figure, in as many columns as it has room for.

    What an earlier plot has named there stays named.
    """
    named = {str(h.get_label()): h for h in (*_named_across(figure), *handles)}
    handles = list(named.values())
    size = _SMALL * float(mpl.rcParams["font.size"])
    needed = max((width_of(str(h.get_label()), size) for h in handles), default=0.0)
    room = 72.0 * figure.bbox.width / figure.dpi
    columns = min(len(handles), 5, max(1, int(room / (needed + _HANDLE + _GAP))))
    if handles:
        figure.legend(
            handles=handles, loc="outside lower center", ncols=columns, fontsize=size,
            frameon=False,
        ).set_gid(_ACROSS)  # fmt: skip


def _named_across(figure: Figure) -> list[Line2D | Patch]:
    """Take away the legend that `legend_across` has set before, and return its entries."""
    found: list[Line2D | Patch] = []
    for legend in [one for one in figure.legends if one.get_gid() == _ACROSS]:
        for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
            assert isinstance(handle, Line2D | Patch)  # as `legend_across` takes no other
            handle.set_label(text.get_text())
            found.append(handle)
        legend.remove()
    return found


def titled(ax: Axes, text: str) -> None:
    """Set the title of axes, in lines that are no wider than they are."""
    size = _TITLE * float(mpl.rcParams["font.size"])
    lines = wrapped(text, max(72.0 * inches_of(ax), 60.0), size, bold=True)
    ax.set_title(plain_text("\n".join(lines)), fontsize=size, loc="left", weight="bold")


def panels(
    ax: Axes | Sequence[Axes] | None, count: int, *, width: float, height: float
) -> tuple[Figure, list[Axes], bool]:
    """Return figure and axes of a plot of several panels, and whether they are new.

    Parameters
    ----------
    ax : Axes or sequence of Axes, optional
        Axes that a caller gives.
    count : int
        Panels that there are.
    width, height : float
        Inches of a new panel.

    Raises
    ------
    ResultError
        If another number of axes is given.
    """
    if ax is None:
        figure, axes = new_figure(1, count, width=width * count, height=height)
        return figure, list(axes.flat), True
    given = [ax] if isinstance(ax, Axes) else list(np.asarray(ax, dtype=object).flat)
    if len(given) != count:
        raise ResultError(f"The plot has {count} panels and needs as many axes, got {len(given)}.")
    whole = given[0].get_figure(root=True)
    assert isinstance(whole, Figure)  # axes that are in no figure cannot be drawn in
    return whole, given, False


def rows_for(ax: Axes, names: Sequence[str]) -> tuple[list[str], NDArray[np.float64]]:
    """Return the lines of axes whose y axis names them, and the places of some names among them.

    Names that stand there already keep their line; others come below.
    """
    named = isinstance(ax.yaxis.get_major_locator(), FixedLocator)
    known = [text.get_text() for text in ax.get_yticklabels()] if named else []
    shown = [plain_text(name) for name in names]
    lines = [*known, *(name for name in dict.fromkeys(shown) if name not in known)]
    return lines, np.array([lines.index(name) for name in shown], dtype=float)


class Note(Line2D):
    """An entry of a legend without a mark, which a later plot into the same axes writes anew.

    Parameters
    ----------
    about : str
        What it tells of; axes have one of each.
    text : str
        Of the entry; none if empty.
    held : object
        What a later plot has to know of earlier ones.
    """

    def __init__(self, about: str, text: str, held: Any) -> None:
        super().__init__([], [], linestyle="none", color="none", label=text)
        self.about, self.text, self.held = about, text, held


def note_of(ax: Axes, about: str) -> Note | None:
    """Return what earlier plots into axes have noted."""
    notes = (line for line in ax.lines if isinstance(line, Note))
    return next((note for note in notes if note.about == about), None)


def put_note(ax: Axes, about: str, text: str, held: Any) -> None:
    """Note something in axes, in the place of what was noted before."""
    old = note_of(ax, about)
    if old is not None:
        old.remove()
    ax.add_line(Note(about, text, held))


class AboveAxis(Line2D):
    """Arrows at the upper edge of axes, for what lies above it when it is drawn.

    Parameters
    ----------
    ax : Axes
    years, values : array
        Where each record stands.
    colour : str
    """

    def __init__(self, ax: Axes, years: ArrayLike, values: ArrayLike, colour: str) -> None:
        super().__init__(
            [], [], color=colour, marker=ARROW, markersize=7, linestyle="none", clip_on=False
        )
        self.records = np.asarray(years, dtype=float), np.asarray(values, dtype=float)
        figure = ax.get_figure(root=True)
        assert figure is not None
        down = ScaledTranslation(0, -5 / 72, figure.dpi_scale_trans)
        self.set_in_layout(False)  # it is inside the axes, and where is known when it is drawn
        self.set_transform(ax.get_xaxis_transform() + down)
        ax.add_artist(self)

    def above(self) -> int:
        """Return how many lie above the axis as it is now."""
        assert self.axes is not None
        return int((self.records[1] > self.axes.get_ylim()[1]).sum())

    def draw(self, renderer: RendererBase) -> None:
        """Draw an arrow for each that lies above the axis now, whoever has set its limits."""
        assert self.axes is not None
        years, values = self.records
        out = years[values > self.axes.get_ylim()[1]]
        self.set_data(out, np.ones(len(out)))
        super().draw(renderer)
