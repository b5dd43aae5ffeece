"""Draw the pictures of the page on figures from a fit: python docs/gallery.py results/fit.nc."""

import io
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image
from xarray import DataTree

import reebayes as rb

OUT = Path(__file__).parent / "gallery"
HIDDEN = ("mined_CN_unregistered", "mined_RW_unregistered", "smuggled_CN")
COLOURS = 96  # of a picture, whose areas are flat: a third of the bytes
DOTS = 150  # an inch, so that letters are sharp on screens of two dots a pixel


def records_and_prior(fit: DataTree) -> Figure:
    """One quantity over its prior and beside its records."""
    records = rb.record_table(fit)
    _, ax = plt.subplots(figsize=(7, 4), layout="constrained")
    rb.plot_bands(
        rb.quantity(fit, "smuggled_CN"), records[records["quantity"] == "smuggled_CN"],
        prior=rb.quantity(fit, "smuggled_CN", group="prior"), title="Smuggling out of China", ax=ax,
    )  # fmt: skip
    return ax.figure


def curves(fit: DataTree) -> Figure:
    """Three quantities in one axes."""
    labels = rb.catalogue(rb.study_of(fit))["label"]
    _, ax = plt.subplots(figsize=(7, 4), layout="constrained")
    for name in HIDDEN:
        rb.plot_bands(
            rb.quantity(fit, name), label=labels[name], title="What no register counts", ax=ax
        )
    return ax.figure


def totals(fit: DataTree) -> Figure:
    """Sums over all years."""
    labels = rb.catalogue(rb.study_of(fit))["label"]
    sums = [
        {labels[name]: rb.bands(rb.cumulative(rb.quantity(fit, name, group=group)))
         for name in HIDDEN}
        for group in ("posterior", "prior")
    ]  # fmt: skip
    return rb.plot_totals(*sums, unit="kt REO", title="Sums 2000-2022").figure


def net_exports(fit: DataTree) -> Figure:
    """Two plots side by side, in axes of one's own."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    for region, ax in zip(("CN", "US"), axes, strict=True):
        rb.plot_net_exports(fit, region, ax=ax, legend=region == "CN")  # one key for both
    return figure


def learnt(fit: DataTree) -> Figure:
    """What the records taught of some quantities."""
    names = [*HIDDEN, "mined_CN_registered", "refined_CN", "consumed_CN", "exported_CN_US"]
    labels = rb.catalogue(rb.study_of(fit))["label"]
    _, ax = plt.subplots(figsize=(9, 3), layout="constrained")
    return rb.plot_learnt(rb.learnt(fit, names), labels=dict(labels), ax=ax).figure


def effect(fit: DataTree) -> Figure:
    """What a scenario does to use."""
    tree = rb.scenario(fit, "no_trade_2022")
    _, ax = plt.subplots(figsize=(7, 5), layout="constrained")
    return rb.plot_effect(rb.effect(tree), title="No trade in 2022", ax=ax).figure


def tornado(fit: DataTree) -> Figure:
    """Priors that move an answer most."""
    _, ax = plt.subplots(figsize=(8, 4.4), layout="constrained")
    table = rb.sensitivity(fit, "smuggled_CN")
    return rb.plot_tornado(table, title="Smuggling out of China", ax=ax).figure


def predictive(fit: DataTree) -> Figure:
    """Whether the fit expects what was printed."""
    _, ax = plt.subplots(figsize=(7, 5.5), layout="constrained")
    return rb.plot_predictive(rb.predictive_check(fit).records, ax=ax).figure


PICTURES: dict[str, Callable[[DataTree], Figure]] = {
    "bands": records_and_prior,
    "curves": curves,
    "totals": totals,
    "net_exports": net_exports,
    "panel": lambda fit: rb.plot_panel(
        fit, ["mined_US", "mined_RW_australia", "exported_CN_registered"]
    ),
    "consumption": lambda fit: rb.plot_consumption(fit, ["CN", "US", "RW"]),
    "triangle": lambda fit: rb.plot_triangle(fit, [2010, 2022]),
    "quotas": lambda fit: rb.plot_quotas(fit, ["mined_CN_registered", "exported_CN_registered"]),
    "unregistered": rb.plot_unregistered,
    "learnt": learnt,
    "tornado": tornado,
    "predictive": predictive,
    "effect": effect,
}


def save(figure: Figure, file: Path) -> None:
    """Write a figure in few colours."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=DOTS)
    picture = Image.open(drawn).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(file, optimize=True)


def main(fit_file: str) -> None:
    """Draw all of them, and the diagrams of the system and of what flowed."""
    OUT.mkdir(exist_ok=True)
    fit = rb.open_fit(fit_file)
    with mpl.rc_context({"backend": "agg"}):
        for name, draw in PICTURES.items():
            figure = draw(fit)
            save(figure, OUT / f"{name}.png")
            plt.close(figure)
    rb.save_system(rb.study_of(fit), OUT / "system.svg")
    rb.save_system(rb.read_study("zinc"), OUT / "system_zinc.svg")
    rb.save_sankey(fit, OUT / "sankey.svg", 2020)


if __name__ == "__main__":
    main(*sys.argv[1:])
