"""Customs files into records: read, sift, add up."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

import pandas as pd

from reebayes.customs import gacc
from reebayes.customs.aggregation import (
    REJECTED,
    TONNES,
    Rules,
    as_records,
    coverage_of,
    mark_incomplete,
    mark_quantities,
    mark_second_offices,
    rejected_rows,
    sum_records,
)
from reebayes.customs.codebooks import (
    AREAS,
    CODES,
    QUANTITIES,
    SIDES,
    Area,
    AreaTable,
    CodeTable,
    TargetTable,
    read_areas,
    read_codes,
    read_targets,
)
from reebayes.customs.exclusions import EXCLUSIONS, mark
from reebayes.customs.flows import EXPORT, IMPORT
from reebayes.customs.formats import Reading, read_shipments
from reebayes.customs.grids import Document, read_document
from reebayes.customs.plausibility import mark_imputed, mark_outliers
from reebayes.customs.prices import PRICES, PriceTable, read_prices
from reebayes.customs.remarks import remarks
from reebayes.customs.shipments import Shipment
from reebayes.errors import Fault, StudyError
from reebayes.study import Study, read_study

SOURCES: Mapping[str, str] = {
    "comtrade": "UN_COMTRADE",
    "usitc": "USITC_DATAWEB",
    "gacc": "GACC_STATISTICS",
    "comext": "EUROSTAT_COMEXT",
    "japan": "JAPAN_CUSTOMS",
}
"""Keys of ``sources.csv`` for downloads; a plain table names its own."""

type Said = dict[str, object]

NOBODY = Area("", "", "", "", ())


@dataclass(frozen=True)
class Harmonised:
    """What became of customs files.

    Parameters
    ----------
    records : DataFrame
        Rows in the columns of ``records.csv``: weights in t gross, with content and error.
    rejected : DataFrame
        Every line that was not counted, and every remark on one that was (``outcome`` "kept"):
        file, row, column, value, reason, what_to_do, tonnes, outcome.
    files : DataFrame
        The files: layout, lines, tonnes of all their lines.
    """

    records: pd.DataFrame
    rejected: pd.DataFrame
    files: pd.DataFrame

    @property
    def summary(self) -> str:
        """Counts and tonnes, in lines to print."""
        lost = self.rejected[self.rejected["outcome"] == "rejected"]
        counted = self.records[["value", "low"]].sum().sum()
        lines = [
            f"{file}: {layout}, {count} lines, {tonnes:,.1f} t"
            if count
            else f"{file}: no lines below the header"
            for file, layout, count, tonnes in self.files.itertuples(index=False)
        ]
        lines.append(f"{len(self.records)} records, {counted:,.1f} t gross")
        lines.append(f"{len(lost)} lines not counted, {lost['tonnes'].sum():,.1f} t gross")
        lines += _reasons(self.rejected)
        return "\n".join(lines)


def harmonise(
    files: Sequence[str | Path],
    codes: str | Path | None = None,
    *,
    study: Study | None = None,
    areas: str | Path | None = None,
    quantities: str | Path | None = None,
    imports: Iterable[str | Path] = (),
    exports: Iterable[str | Path] = (),
    sd: float = 0.05,
    misbooked: float = 30.0,
    outlier: float = 4.0,
    all_partners: bool = False,
    incomplete: Literal["reject", "bound"] = "reject",
) -> Harmonised:
    """Turn raw customs files into records, and say of every line that is left out why.

    The layouts of UN Comtrade (today's, its bulk files and frames, and the older), USITC DataWeb,
    the statistics site of Chinese customs, Eurostat Comext, Japanese customs, and a plain table are
    told apart by their columns. Every sheet of a workbook is read.

    Parameters
    ----------
    files : sequence of str or Path
        CSV files and workbooks, as downloaded.
    codes, areas, quantities : str or Path, optional
        Tables of commodity codes, of areas, and of what customs figures observe; by default those
        beside the study's tables, or the bundled ones.
    study : Study, optional
        The study that the records are for; the bundled one if omitted.
    imports, exports : iterable of str or Path
        Files, also to be read, that do not say which way the goods went, as those of Chinese
        customs do not.
    sd : float
        Relative error of the weights themselves; that of the content is added in quadrature.
    misbooked : float
        Error of any sum, in t of content: a consignment booked wrongly or a year late.
    outlier : float
        How far a log unit value may lie from the prices of what a code holds, in units of 0.3,
        before the line is left out; and from other partners before it is remarked on.
    all_partners : bool
        Whether the files hold every partner of each reporter, where no total says so.
    incomplete : {"reject", "bound"}
        What becomes of sums that lack partners, reporters or codes: left out, or lower bounds.

    Returns
    -------
    Harmonised
        ``records``, ``rejected`` and ``files``.

    Raises
    ------
    StudyError
        If a file or table cannot be read, or a file's layout is not recognised.

    Examples
    --------
    >>> import reebayes as rb
    >>> study = rb.read_study()
    >>> found = rb.harmonise(["customs/comtrade_legacy_china_imports_2019.csv"], study=study)
    >>> found.rejected.columns[:5].tolist()
    ['file', 'row', 'column', 'value', 'reason']
    """
    study = read_study() if study is None else study
    given = {
        str(file): flow for flow, some in ((IMPORT, imports), (EXPORT, exports)) for file in some
    }
    documents = _documents([*map(str, files), *given])
    tables = (
        read_codes(_table(codes, study, CODES)),
        read_areas(_table(areas, study, AREAS)),
        read_targets(_table(quantities, study, QUANTITIES)),
        read_prices(_table(None, study, PRICES)),
    )
    readings = _readings(documents, given)
    unread = _unread(readings)
    if not any(reading.shipments for reading in readings.values()):
        return Harmonised(as_records([]), unread, _described(readings))
    frame = _frame(readings, documents)
    _look_up(frame, *tables, study)
    rules = Rules(sd, misbooked, all_partners, incomplete == "bound")
    bounds = _sift(frame, study, rules, outlier)
    rejected = rejected_rows(frame, remarks(frame, study, outlier))
    return Harmonised(
        records=sum_records(frame, bounds, rules),
        rejected=pd.concat([rejected, unread], ignore_index=True) if len(unread) else rejected,
        files=_described(readings),
    )


def common_codes(codes: str | Path | None, study: Study) -> list[str]:
    """Return the codes of six digits, shared by all countries, that a table of codes uses."""
    return read_codes(_table(codes, study, CODES)).common


def _sift(frame: pd.DataFrame, study: Study, rules: Rules, outlier: float) -> pd.Series:
    for exclude in EXCLUSIONS:
        exclude(frame)
    mark_imputed(frame)
    mark_outliers(frame, outlier)
    # Before rows go for other reasons than their own: all partners add up to the total.
    coverage = coverage_of(frame)
    mark_quantities(frame, study)
    bounds = mark_incomplete(frame, coverage, rules)
    mark_second_offices(frame, bounds)
    return bounds


def _documents(files: Iterable[str]) -> list[Document]:
    names = sorted(dict.fromkeys(files))
    if not names:
        raise StudyError([Fault("harmonise", None, "", "", "no files are given")])
    faults: list[Fault] = []
    documents = []
    for name in names:
        try:
            documents.append(read_document(Path(name)))
        except StudyError as error:
            faults += error.faults
    if faults:
        raise StudyError(faults)
    return documents


def _readings(documents: Sequence[Document], given: Mapping[str, str]) -> dict[str, Reading]:
    faults: list[Fault] = []
    readings: dict[str, Reading] = {}
    for document in documents:
        try:
            readings[document.name] = read_shipments(document, given.get(document.name))
        except StudyError as error:
            faults += error.faults
    if faults:
        raise StudyError(faults)
    return readings


def _unread(readings: Mapping[str, Reading]) -> pd.DataFrame:
    """Return the sheets of no known layout as rows of the table of what was not counted."""
    rows = [
        (_place(name, sheet, many=True), row, problem.column, problem.value, problem.reason,
         problem.advice, 0.0, "rejected")
        for name, reading in readings.items()
        for sheet, row, problem in reading.unread
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(REJECTED)).astype({"row": int, "tonnes": float})


def _place(file: str, sheet: str, *, many: bool) -> str:
    return f"{file}, sheet {sheet!r}" if sheet and many else file


def _table(given: str | Path | None, study: Study, name: str) -> Path:
    """Return the table given, the one beside the study's tables, or the bundled one."""
    if given is not None:
        return Path(given)
    beside = study.path / name
    return beside if beside.is_file() else read_study().path / name


def _frame(readings: Mapping[str, Reading], documents: Sequence[Document]) -> pd.DataFrame:
    """Return the lines as a frame, with the reasons against some that the readers found."""
    shipments = [shipment for reading in readings.values() for shipment in reading.shipments]
    names = [item.name for item in fields(Shipment)]
    frame = pd.DataFrame([[getattr(s, n) for n in names] for s in shipments], columns=names)
    frame = frame.rename(columns={"weight": "weight_kg", "value": "value_usd"})
    frame = frame.astype({"weight_kg": float, "value_usd": float})
    frame["breakdown"] = frame["breakdown"].map("; ".join)
    frame["source"] = frame["source"].where(frame["source"] != "", frame["layout"].map(SOURCES))
    frame["source"] = frame["source"].fillna("")
    many = frame.groupby("file")["sheet"].transform("nunique") > 1
    where = zip(frame["file"], frame["sheet"], many, strict=True)
    frame["place"] = [_place(file, sheet, many=several) for file, sheet, several in where]
    own = frame["layout"] == "own"
    frame["series"] = frame["layout"].where(~own, frame["source"].str.casefold())
    frame["cut"] = frame.groupby("file")["file"].transform("size") >= gacc.MOST_ROWS
    for name in ("reason", "advice", "column", "shown"):
        frame[name] = ""
    frame["lost"] = False
    # What becomes of a line depends on what it says, not on where it stands.
    order = ["series", "flow", "reporter", "partner", "code", "year", "month", "part"]
    frame = frame.sort_values(
        [*order, "weight_kg", "value_usd", "file", "sheet", "row"], ignore_index=True
    )
    _mark_copies(frame, documents)
    for row, problem in zip(frame.index, frame.pop("problem"), strict=True):
        if problem is not None and not frame.at[row, "reason"]:
            frame.loc[row, ["reason", "advice", "column", "shown"]] = [
                problem.reason, problem.advice, problem.column, problem.value,
            ]  # fmt: skip
    return frame


def _mark_copies(frame: pd.DataFrame, documents: Sequence[Document]) -> None:
    first: dict[str, str] = {}
    for document in documents:
        original = first.setdefault(document.digest, document.name)
        if original != document.name:
            mark(frame, frame["file"] == document.name, "file", f"file is a copy of {original}",
                 "give it once")  # fmt: skip


@dataclass(frozen=True)
class _Lookup:
    """What the tables say of a line; said once for all lines that are alike."""

    codes: CodeTable
    targets: TargetTable
    prices: PriceTable
    study: Study
    rest: str
    known: dict[tuple[str, int, str, Area, Area], Said] = field(default_factory=dict)

    def of(self, code: str, year: int, flow: str, reporter: Area, partner: Area) -> Said:
        """Return product, content and quantity of a line."""
        key = (code, year, flow, reporter, partner)
        if key not in self.known:
            entry = self.codes.find(code, reporter.jurisdiction, year)
            low, high = self.prices.span(entry.elements if entry else (), year)
            self.known[key] = {
                "price_low": low * entry.low if entry else float("nan"),
                "price_high": high * entry.high if entry else float("nan"),
                "known": "" if entry is None else "used" if entry.used else "unused",
                "factor": entry.factor if entry else float("nan"),
                "factor_low": entry.low if entry else float("nan"),
                "factor_high": entry.high if entry else float("nan"),
                **self._observed(
                    entry.product if entry and entry.used else "", flow, reporter, partner
                ),
            }
        return self.known[key]

    def _observed(self, product: str, flow: str, reporter: Area, partner: Area) -> Said:
        out = flow == EXPORT
        exporter, importer = (reporter, partner) if out else (partner, reporter)
        side = SIDES[0] if out else SIDES[1]
        names = (exporter.area, exporter.region), (importer.area, importer.region)
        target = self.targets.find(*names, side, product)
        ends = (target.exporter, target.importer) if target else (exporter.region, importer.region)
        # A row of the table about one country of the rest of the world is a figure of its own.
        pairs = zip(ends, (exporter, importer), strict=True)
        apart = [end for end, area in pairs if area.region == self.rest and end != self.rest]
        at_reporter, at_partner = ends if out else ends[::-1]
        return {
            "product": product,
            "exporter": exporter.region,
            "importer": importer.region,
            "side": side,
            "quantity": target.quantity if target else _by_rule(self.study, ends, product, side),
            "headings": target.headings if target else (),
            "apart": "_".join(apart),
            "rest_reporter": at_reporter == self.rest,
            "rest_partner": at_partner == self.rest,
        }


_SAID: Mapping[str, type] = {
    **dict.fromkeys(("product", "known", "exporter", "importer", "side", "quantity", "apart"), str),
    **dict.fromkeys(("factor", "factor_low", "factor_high", "price_low", "price_high"), float),
    **dict.fromkeys(("rest_partner", "rest_reporter"), bool),
    "headings": object,
}


def _look_up(
    frame: pd.DataFrame,
    codes: CodeTable,
    areas: AreaTable,
    targets: TargetTable,
    prices: PriceTable,
    study: Study,
) -> None:
    """Add what the tables say of each line: areas, product, content and quantity."""
    found = {}
    for side in ("reporter", "partner"):
        known = {names: areas.find(names) or NOBODY for names in set(frame[f"{side}_names"])}
        found[side] = [known[names] for names in frame[f"{side}_names"]]
        for name in ("area", "region", "role"):
            texts = [getattr(area, name) for area in found[side]]
            frame[f"{side}_{name}"] = pd.Series(texts, frame.index, dtype=str)
        frame[f"{side}_listed"] = [area.listed for area in found[side]]
    frame["is_world"] = frame["partner_role"] == "total"
    lookup = _Lookup(codes, targets, prices, study, areas.rest)
    lines = zip(frame["code"], frame["year"], frame["flow"], *found.values(), strict=True)
    said = [lookup.of(*line) for line in lines]
    for name, kind in _SAID.items():
        frame[name] = pd.Series([each[name] for each in said], frame.index, dtype=kind)


def _by_rule(study: Study, ends: tuple[str, str], product: str, side: str) -> str:
    """Return ``exported_<A>_<B>_<product>``; on the exporter's side, what registers see of it."""
    name = f"exported_{ends[0]}_{ends[1]}_{product}"
    registered = f"{name}_registered"
    if side == SIDES[0] and registered in study.quantities.names:
        return registered
    if name not in study.quantities.names:
        return ""
    flows = (study.flows[flow] for flow, _ in study.quantities[name].numerator)
    return name if side != SIDES[0] or all(flow.registered for flow in flows) else ""


def _described(readings: Mapping[str, Reading]) -> pd.DataFrame:
    rows = []
    for name, reading in readings.items():
        lines = reading.shipments
        layout = lines[0].layout if lines else "no lines"
        tonnes = sum(line.weight or 0.0 for line in lines) * TONNES
        rows.append((name, layout, len(lines), tonnes))
    return pd.DataFrame(rows, columns=["file", "layout", "lines", "tonnes"])


def _reasons(rejected: pd.DataFrame) -> Iterator[str]:
    """Yield a line for each kind of reason: lines not counted, and remarks on lines that are."""
    kinds = rejected.assign(kind=rejected["reason"].map(_kind), out=rejected["outcome"] != "kept")
    groups = sorted(kinds.groupby("kind"), key=lambda pair: (not pair[1]["out"].any(), pair[0]))
    for kind, some in groups:
        out, kept = some[some["out"]], some[~some["out"]]
        sums = f"{kind}: {len(out)} lines, {out['tonnes'].sum():,.1f} t"
        if out.empty:
            yield f"  counted, but: {kind}: {len(kept)} lines, 0.0 t"
        else:
            yield f"  {sums}" + (f"; {len(kept)} more are counted" if len(kept) else "")


def _kind(reason: str) -> str:
    """Return the general part of a reason: what comes before its own figures."""
    for end in (" USD/kg", ": ", " (", " far from"):
        reason = reason.split(end)[0]
    return " ".join(word for word in reason.split() if not _is_figure(word))


def _is_figure(word: str) -> bool:
    try:
        float(word.replace(",", ""))
    except ValueError:
        return False
    return True
