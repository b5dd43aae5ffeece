"""Draw the pictures of the page on figures from a fit: python docs/gallery.py results/fit.nc."""

import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from xarray import DataTree

import reebayes as rb

OUT = Path(__file__).parent / "gallery"
HIDDEN = ("mined_CN_unregistered", "mined_RW_unregistered", "smuggled_CN")


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
}


def main(fit_file: str) -> None:
    """Draw all of them, and the system diagrams of the studies that come along."""
    OUT.mkdir(exist_ok=True)
    fit = rb.open_fit(fit_file)
    with mpl.rc_context({"backend": "agg"}):
        for name, draw in PICTURES.items():
            figure = draw(fit)
            figure.savefig(OUT / f"{name}.png", dpi=100, metadata={"Software": None})
            plt.close(figure)
    rb.save_system(rb.study_of(fit), OUT / "system.svg")
    rb.save_system(rb.read_study("zinc"), OUT / "system_zinc.svg")


if __name__ == "__main__":
    main(*sys.argv[1:])
