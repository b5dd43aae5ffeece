"""The table of targets: what was asked, what was measured, and whether that is enough."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MET, MISSED, UNKNOWN = "met", "not met", "not measured"


@dataclass(frozen=True, slots=True)
class Target:
    """One row: a measure, the bound on it, and where its figure stands in the results.

    ``places`` are paths into the results, such as ``"fit.cold.seconds"``; the row's figures are
    their values, each held against ``bound`` (from above, or from below where ``least``).
    """

    measure: str
    wanted: str
    places: tuple[str, ...]
    bound: float
    text: str
    least: bool = False


TARGETS = (
    Target("`reebayes fit`, process start to saved file, empty caches", "<= 60 s",
           ("fit.cold.seconds",), 60, "{:.0f} s"),
    Target("the same with caches", "",
           ("fit.warm.seconds",), float("inf"), "{:.0f} s"),
    Target("minimum bulk and tail ESS over every flow-year and parameter", ">= 1,000",
           ("fit.saved.ess_bulk_min", "fit.saved.ess_tail_min"), 1000, "{:,.0f}, {:,.0f}",
           least=True),
    Target("R-hat", "<= 1.01", ("fit.saved.rhat_max",), 1.01, "{:.4f}"),
    Target("divergences, saturated trees", "0, 0",
           ("fit.saved.divergences", "fit.saved.saturated_fraction"), 0, "{:.0f}, {:.0f}"),
    Target("mean gradients a draw", "<= 31", ("fit.saved.gradients_per_draw",), 31, "{:.1f}"),
    Target("one gradient over a compiled floor of the same arithmetic", "<= 3x",
           ("gradient.ratio",), 3, "{:.1f}x"),
    Target("refit with new record values, other priors, another switch", "<= 15 s each",
           ("refit.seconds.values", "refit.seconds.priors", "refit.seconds.switch"), 15,
           "{:.0f}, {:.0f}, {:.0f} s"),
    Target("compilations and new signatures by these refits", "0, 0",
           ("refit.compiled", "refit.new_signatures"), 0, "{:.0f}, {:.0f}"),
    Target("peak memory of a fit, cold and warm", "<= 1 GB",
           ("fit.cold.gigabytes", "fit.warm.gigabytes"), 1, "{:.2f}, {:.2f} GB"),
    Target("`reebayes learnt`, `export` and `report`, each over the same at an earlier commit",
           "<= 0.5x each", ("readers.ratio.learnt", "readers.ratio.export", "readers.ratio.report"),
           0.5, "{:.2f}x, {:.2f}x, {:.2f}x"),
    Target("file of a fit", "<= 230 MB", ("readers.megabytes",), 230, "{:.1f} MB"),
    Target("exponent of the cost of a gradient, 1x to 100x the flows", "<= 1.1",
           ("gradient.scaling.exponent",), 1.1, "{:.2f}"),
    Target("memory of the process with 100x the flows", "<= 1 GB",
           ("gradient.gigabytes",), 1, "{:.2f} GB"),
    Target("compilations and new signatures at 100x", "<= 60 s: 0, 0",
           ("gradient.scaling.compiled", "gradient.scaling.new_signatures"), 0,
           "{:.0f}, {:.0f}"),
    Target("three copies of the study side by side over the time of one", "<= 3.7x",
           ("size.three_over_one",), 3.7, "{:.1f}x"),
    Target("peak memory of a fit of ten copies", "<= 4 GB",
           ("size.copies.10.gigabytes",), 4, "{:.1f} GB"),
    Target("its exit code (0: it passed the gate)", "0", ("size.copies.10.code",), 0, "{:.0f}"),
    Target("500 calibration refits", "<= 10 min", ("calibration.minutes",), 10, "{:.0f} min"),
    Target("200 refits by two workers: their wall time over the sum of the refits' own seconds, "
           "less 1 (median of three)", "<= 5 %", ("studies.overhead_median",), 0.05, "{:.1%}"),
    Target("figures of their tables that differ from a run by one", "0", ("studies.differing",), 0,
           "{:.0f}"),
    Target("minimum ESS/s on the aluminium problem with ratio data over the published form",
           ">= 50x", ("aluminium.B.ratio",), 50, "{:.0f}x", least=True),
    Target("the same without ratio data", ">= 50x", ("aluminium.A.ratio",), 50, "{:.0f}x",
           least=True),
)  # fmt: skip


def find(results: Mapping[str, Any], place: str) -> float | None:
    """Value at a path into nested results, the length of a list; None if there is none."""
    value: Any = results
    for name in place.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    if value is None:
        return None
    return float(len(value) if isinstance(value, list) else value)


def judge(results: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield measure, target, measured value and verdict of every row."""
    for target in TARGETS:
        values = [find(results, place) for place in target.places]
        known = [value for value in values if value is not None]
        yield {
            "measure": target.measure,
            "target": target.wanted,
            "measured": target.text.format(*known) if len(known) == len(values) else "",
            "verdict": _verdict(target, known, complete=len(known) == len(values)),
        }


def _verdict(target: Target, values: list[float], *, complete: bool) -> str:
    if not complete:
        return UNKNOWN
    if not target.wanted:
        return ""
    good = [v >= target.bound if target.least else v <= target.bound for v in values]
    return MET if all(good) else MISSED


def table(results: Mapping[str, Any]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| measure | target | measured | |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(row.values())} |" for row in judge(results)]
    return "\n".join(lines) + "\n"


READER_ROWS = (
    ("first run, s", "first_seconds", "{:.1f}"),
    ("later runs, median, s", "seconds", "{:.1f}"),
    ("of the processor, median, s", "processor", "{:.1f}"),
    ("peak memory, GB", "peak", "{:.2f}"),
)


def reader_table(found: Mapping[str, Any]) -> str:
    """Return what the commands that read a fit take, and took at an earlier commit."""
    sides = [("now", found)]
    if "earlier" in found:
        sides.insert(0, (f"commit {found['earlier']['commit']}", found["earlier"]))
    heads = [f"`{command}`, {side}" for command in found["seconds"] for side, _ in sides]
    lines = [f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for label, key, text in READER_ROWS:
        cells = [text.format(part[key][command]) for command in found["seconds"]
                 for _, part in sides]  # fmt: skip
        lines.append(f"| {label} | {' | '.join(cells)} |")
    sizes = ", ".join(f"{part['megabytes']:.1f} MB ({side})" for side, part in sides)
    return "\n".join(lines) + f"\n\nFile of the fit: {sizes}.\n"


SIZE_COLUMNS = (
    ("unknowns", "unknowns", "{:,}"),
    ("s", "seconds", "{:,.0f}"),
    ("peak, GB", "gigabytes", "{:.2f}"),
    ("estimated, GB", "estimated", "{:.2f}"),
    ("file, MB", "megabytes", "{:,.0f}"),
    ("converged", "converged", "{}"),
    ("R-hat", "rhat_max", "{:.4f}"),
    ("bulk ESS", "ess_bulk_min", "{:,.0f}"),
    ("tail ESS", "ess_tail_min", "{:,.0f}"),
    ("divergences", "divergences", "{:.0f}"),
    ("gradients a transition", "gradients_per_draw", "{:.0f}"),
)


def size_table(found: Mapping[str, Any]) -> str:
    """Return what whole fits of ever more copies of the study take."""
    lines = [f"| copies | {' | '.join(name for name, _, _ in SIZE_COLUMNS)} |",
             "|---" * (len(SIZE_COLUMNS) + 1) + "|"]  # fmt: skip
    for times, row in found["copies"].items():
        cells = [text.format(row[key]) if row.get(key) is not None else ""
                 for _, key, text in SIZE_COLUMNS]  # fmt: skip
        named = f"{times}, first transitions" if row["short"] else times
        lines.append(f"| {named} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


PEER_ROWS = (
    ("sampling, s", "seconds", "{:.0f}"),
    ("minimum bulk ESS of flows and stock changes", "least_bulk_ess", "{:,.0f}"),
    ("minimum tail ESS", "least_tail_ess", "{:,.0f}"),
    ("minimum bulk ESS a second", "bulk_ess_per_second", "{:.1f}"),
    ("gradients a draw", "gradients_per_draw", "{:,.0f}"),
    ("saturated trees", "saturated", "{:.0%}"),
    ("divergences", "divergences", "{:.0f}"),
    ("largest R-hat", "rhat", "{:.3f}"),
    ("compilation before, s", "compile_seconds", "{:.0f}"),
)


def peer_table(found: Mapping[str, Any]) -> str:
    """Return the two forms of both scenarios side by side."""
    scenarios = [name for name, value in found.items() if isinstance(value, Mapping)]
    names = [(scenario, form) for scenario in scenarios for form in ("published", "ours")]
    heads = [f"{scenario}, {form}" for scenario, form in names]
    lines = [f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for label, key, text in PEER_ROWS:
        cells = [text.format(found[scenario][form][key]) for scenario, form in names]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


AGREEMENT_ROWS = (
    ("flows whose bands overlap", "overlapping_bands", "{:.0%}"),
    ("flows whose medians lie in each other's band", "medians_inside", "{:.0%}"),
    ("factor between medians of flows, median", "factor_between_medians", "{:.2f}"),
    ("the same of what data observe", "observed_factor", "{:.2f}"),
    ("width of our bands over that of theirs, median", "width_ratio", "{:.2f}"),
)


def agreement_table(found: Mapping[str, Any]) -> str:
    """Return how the two posteriors agree, and the flows whose medians lie farthest apart."""
    scenarios = [name for name, value in found.items() if isinstance(value, Mapping)]
    lines = [f"| | {' | '.join(scenarios)} |", "|---" * (len(scenarios) + 1) + "|"]
    for label, key, text in AGREEMENT_ROWS:
        cells = [text.format(found[scenario]["agree"][key]) for scenario in scenarios]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    lines += [
        "",
        "| flow, farthest apart | scenario | published, Mt | ours, Mt |",
        "|---|---|---|---|",
    ]
    for scenario in scenarios:
        for flow, (ours, theirs) in found[scenario]["agree"]["farthest"].items():
            lines.append(f"| `{flow}` | {scenario} | {_band(theirs)} | {_band(ours)} |")
    return "\n".join(lines) + "\n"


def _band(quantiles: Sequence[float]) -> str:
    low, middle, high = quantiles
    return f"{middle:.2g} ({low:.2g} to {high:.2g})"


def _where(results: Mapping[str, Any]) -> str:
    found = results["machine"]
    versions = ", ".join(f"{n} {found['versions'][n]}" for n in ("numba", "nutpie", "pymc"))
    return (
        f"{found['cpu']}, {found['cores']} cores, {found['date'][:10]}, load {found['load'][0]:g}; "
        f"Python {found['python']}, {versions}.{' Short runs.' if results['quick'] else ''}"
    )


def page(results: Mapping[str, Any]) -> str:
    """Return every table, and where they were measured."""
    parts = [table(results), f"Measured on {_where(results)}\n"]
    parts += [
        f"The part `{name}` by itself: {_where(part)}\n"
        for name, part in results.get("apart", {}).items()
    ]
    if results.get("readers"):
        parts += ["## Reading a fit\n", reader_table(results["readers"])]
    if results.get("size"):
        parts += ["## Larger studies\n", size_table(results["size"])]
    if results.get("aluminium"):
        parts += [
            "## The aluminium problem\n",
            peer_table(results["aluminium"]),
            "Medians and 90 % bands of the two posteriors:\n",
            agreement_table(results["aluminium"]),
        ]
    return "\n".join(parts)
