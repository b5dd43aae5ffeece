"""Contraction, influence and conflict of the headline quantities, for tables, page and terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import xarray as xr

from reebayes.answers.contraction import (
    LEARNT,
    PRIOR_ONLY,
    confounding,
    confounding_sentences,
    label_shares,
    label_spans,
    learnt,
)
from reebayes.answers.leave_one_out import LeftOut, disagreement, influences
from reebayes.conventions import (
    CI_PROB,
    POSTERIOR,
    PRIOR,
    QUANTITY,
    RECORD,
    REPORTER,
    YEAR,
)
from reebayes.results.contents import PREDICTIVE
from reebayes.results.reading import Contents, Fit, contents_of
from reebayes.results.selection import Span
from reebayes.wording import format_band, format_value

SHOWN = 5
"""Records listed for each headline quantity, and for leave-one-out predictive conflict."""

_GLOSSED = {
    LEARNT: f"{LEARNT} (data-informed)",
    PRIOR_ONLY: f"{PRIOR_ONLY} (prior-dominated)",
}


@dataclass(frozen=True, slots=True)
class Drivers:
    """Posterior contraction, PSIS-LOO influence and leave-one-out predictive conflict of a fit.

    Parameters
    ----------
    names : list of str
        The headline quantities.
    yearly, sums : Dataset or None
        `learnt` of the headline quantities, each followed by its parts; None without prior draws,
        or where all are ratios.
    shares : dict
        Share of headline quantity-years by label.
    confounding : str
        `confounding_sentences` of the fit; empty without prior draws.
    records : dict of DataFrame
        `influence` of records on every headline quantity.
    disagreement : DataFrame
        `disagreement` of the fit.
    """

    names: Sequence[str]
    yearly: xr.Dataset | None
    sums: xr.Dataset | None
    shares: Mapping[str, float]
    confounding: str
    records: Mapping[str, pd.DataFrame]
    disagreement: pd.DataFrame

    @property
    def verdict(self) -> str:
        """Shares of the labels as a sentence."""
        if self.yearly is None:
            return "The fit holds no prior draws, so it gives no posterior contraction."
        parts = ", ".join(
            f"{100 * share:.0f} % {_GLOSSED.get(label, label)}"
            for label, share in self.shares.items()
        )
        return f"Of the headline quantities and years: {parts}."


def gather_drivers(fit: Fit, names: Sequence[str] | None = None) -> Drivers:
    """Gather what informs the headline quantities of a fit.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    names : list of str, optional
        Headline quantities; those of the study's report, or its first three, if left out.

    Returns
    -------
    Drivers

    Raises
    ------
    ResultError
        If a name is unknown.
    """
    contents = contents_of(fit)
    names = list(names) if names is not None else contents.headline()
    spans = {name: _span(contents, name) for name in names}
    shown = contents.with_parts(names)
    summable = [name for name in shown if name not in contents.ratios]
    has_prior = contents.has(PRIOR)
    yearly = learnt(contents, shown) if has_prior else None
    without = LeftOut.of(contents)
    return Drivers(
        names=names,
        yearly=yearly,
        sums=learnt(contents, summable, total=True) if has_prior and summable else None,
        shares={} if yearly is None else label_shares(yearly.sel({QUANTITY: names})),
        confounding=confounding_sentences(confounding(contents)) if has_prior else "",
        records=influences(contents, spans, left_out=without),
        disagreement=disagreement(contents, left_out=without)
        if contents.has(PREDICTIVE)
        else pd.DataFrame(),
    )


def reporter_influence(contents: Contents, names: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return `influence` of reporters on quantities."""
    return influences(contents, {name: _span(contents, name) for name in names}, by=REPORTER)


def _span(contents: Contents, name: str) -> Span:
    """Years of which influence is asked: a sum over all, or the last one of a ratio."""
    return contents.years[-1] if name in contents.ratios else None


# --- tables ---------------------------------------------------------------------------------------


def driver_tables(fit: Fit) -> dict[str, pd.DataFrame]:
    """Return contraction, influence and conflict of a fit as tidy tables.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.

    Returns
    -------
    dict of DataFrame
        ``learnt`` (all quantities and years), ``learnt_sums`` (their sums), ``influence`` (records
        and reporters on the headline quantities) and ``disagreement``. Without prior draws there
        is no ``learnt``, without predictive draws no ``disagreement``.
    """
    contents = contents_of(fit)
    drivers = gather_drivers(contents)
    reporters = reporter_influence(contents, drivers.names)
    tables = {}
    if contents.has(PRIOR):
        yearly, sums = learnt(contents), learnt(contents, total=True)
        tables = {"learnt": _tidy(yearly), "learnt_sums": _tidy(sums)}
    tables["influence"] = pd.concat(
        [
            _named(table, name, by)
            for by, found in ((RECORD, drivers.records), (REPORTER, reporters))
            for name, table in found.items()
        ],
        ignore_index=True,
    )
    if not drivers.disagreement.empty:
        tables["disagreement"] = drivers.disagreement.reset_index()
    return tables


def _named(table: pd.DataFrame, quantity: str, by: str) -> pd.DataFrame:
    """Rows of one `influence`, with the quantity that is moved and who moves it in front."""
    rows = table.rename(columns={QUANTITY: "observes"}).rename_axis("name").reset_index()
    rows.insert(0, QUANTITY, quantity)
    rows.insert(1, "by", by)
    return rows


def _tidy(table: xr.Dataset) -> pd.DataFrame:
    order = [QUANTITY, YEAR] if YEAR in table.dims else [QUANTITY]
    return table.to_dataframe(dim_order=order).reset_index().assign(ci_prob=CI_PROB)


# --- text -----------------------------------------------------------------------------------------


def driver_text(fit: Fit) -> str:
    """Write contraction, influence and conflict of a fit as lines for a terminal.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.

    Returns
    -------
    str
        Posterior contraction of every headline quantity, biases confounded with the flow they
        distort, the records and reporters with the largest influence on each headline quantity,
        and the records with the largest leave-one-out predictive conflict.
    """
    contents = contents_of(fit)
    drivers = gather_drivers(contents)
    reporters = reporter_influence(contents, drivers.names)
    blocks = [_learnt_block(drivers)]
    if drivers.confounding:
        blocks.append(drivers.confounding)
    moved = [name for name in reporters if not drivers.records[name].empty]
    blocks += [_influence_block(name, drivers.records[name], reporters[name]) for name in moved]
    if not drivers.disagreement.empty:
        blocks.append(_disagreement_block(drivers.disagreement))
    return "\n\n".join(blocks)


def _learnt_block(drivers: Drivers) -> str:
    lines = [drivers.verdict]
    if drivers.yearly is None:
        return lines[0]
    for name in drivers.yearly[QUANTITY].values.tolist():
        lines.append(f"{name}: {label_spans(drivers.yearly['label'].sel({QUANTITY: name}))}")
        if drivers.sums is not None and name in drivers.sums[QUANTITY].values:
            what = "sum over all years: " if drivers.yearly.sizes[YEAR] > 1 else ""
            lines.append(f"  {what}{sum_text(drivers.sums.sel({QUANTITY: name}))}")
    return "\n".join(lines)


def sum_text(one: xr.Dataset) -> str:
    """Write prior, posterior and label of one sum."""
    texts = {
        group: format_band(*(float(one[f"{group}_{end}"]) for end in ("median", "lower", "upper")))
        for group in (PRIOR, POSTERIOR)
    }
    return (
        f"{one['label'].item()}; the records narrow the band by "
        f"{100 * float(one['contraction']):.0f} %: from {texts[PRIOR]} to {texts[POSTERIOR]}"
    )


def _influence_block(name: str, records: pd.DataFrame, reporters: pd.DataFrame) -> str:
    unit = records["unit"].iloc[0]
    lines = [f"Leave-one-out influence on {name} (mean with it less mean without it, {unit})"]
    for heading, table in (("record", records), ("reporter", reporters)):
        rows = [
            (str(index), pull_text(row), khat_text(row))
            for index, row in table.head(SHOWN).iterrows()
        ]
        lines += _columns([(heading, "pull", "k-hat"), *rows])
    return "\n".join(lines)


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Indented lines with the cells of each column below one another."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _disagreement_block(table: pd.DataFrame) -> str:
    rows = [
        (str(index), z_text(row), figure_text(row), expected_text(row))
        for index, row in table.head(SHOWN).iterrows()
    ]
    title = "Leave-one-out predictive conflict (z in standard deviations)"
    return "\n".join([title, *_columns([("record", "z", "stated", "expected by the rest"), *rows])])


def pull_text(row: pd.Series) -> str:
    """Write a row's pull with its standard error, or alone where it is to first order only."""
    error = "" if pd.isna(row["error"]) else f" ± {format_value(row['error'])}"
    return f"{signed(row['pull'])}{error}"


def z_text(row: pd.Series) -> str:
    """Write the conflict of a record with the rest, and its method if to first order."""
    without = " (unreliable)" if pd.isna(row["stated"]) else " (first order)"
    return f"{row['z']:+.1f}" + ("" if row["reliable"] else without)


def expected_text(row: pd.Series) -> str:
    """Write the leave-one-out prediction of a record; to first order it has no band."""
    if not row["reliable"]:
        return f"{format_value(row['expected'])} (first order)"
    return format_band(row["expected"], row["expected_lower"], row["expected_upper"])


def signed(value: float) -> str:
    """Write a change with its sign."""
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{format_value(abs(value))}"


def figure_text(row: pd.Series) -> str:
    """Write a record's figure, or the kind of its bound."""
    return str(row["kind"]) if pd.isna(row["stated"]) else format_value(row["stated"])


def khat_text(row: pd.Series) -> str:
    """Write k-hat, and what a number rests on where it is too large."""
    khat = "–" if not abs(row["khat"]) < float("inf") else f"{row['khat']:.2f}"
    return khat if row["reliable"] else f"{khat}  first order"
