"""Draw the picture of the README from a fit: python docs/bands.py results/fit.nc."""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

import reebayes as rb

HEADLINE = {
    "mined_CN_unregistered": "Unregistered mining in China",
    "mined_RW_unregistered": "Unregistered mining, rest of world",
    "smuggled_CN": "Smuggling out of China",
}


def main(fit_file: str) -> None:
    """Draw the three headline quantities, posterior over prior."""
    fit = rb.open_fit(fit_file)
    figure, axes = plt.subplots(1, len(HEADLINE), figsize=(12, 3.6))
    for ax, (name, title) in zip(axes, HEADLINE.items(), strict=True):
        prior = rb.quantity(fit, name, group="prior")
        rb.plot_bands(rb.quantity(fit, name), prior=prior, ax=ax)
        ax.set_title(title, loc="left", fontsize=11)
        legend = ax.get_legend()
        handles = legend.legend_handles
        labels = [text.get_text() for text in legend.get_texts()]
        legend.remove()
        top = float(rb.bands(rb.quantity(fit, name))["upper"].max())
        ax.set_ylim(0, 1.15 * top)
    figure.legend(handles, labels, loc="lower center", ncols=2, frameon=False)
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    figure.savefig(Path(__file__).with_name("bands.png"), dpi=110)


if __name__ == "__main__":
    main(*sys.argv[1:])
