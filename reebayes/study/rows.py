"""The nouns of a study: frozen rows of its tables."""

from collections.abc import Iterable
from dataclasses import dataclass

from reebayes.errors import Fault, StudyError
from reebayes.study.kinds import kind_of
from reebayes.study.targets import BIAS, SHARED, Target

PROCESS_KINDS = ("market", "conversion", "use", "loss", "environment")
RECALLED = "recalled"
STATUSES = ("", RECALLED)
DISTRIBUTIONS = ("lognormal", "share", "normal")
PARTS = ("num", "den")
DEPOSITS = ("these", "more", "another")

RATIO, SHARE, PERCENT = "ratio", "share", "%"
RATIO_UNITS = (RATIO, "fraction")
GROSS = "gross"
# Studies count in thousand tonnes of content a year; records may print tonnes, or millions.
STUDY_MASS = "kt"
MASS_SCALES = {"kt": 1.0, "t": 1e-3, "Mt": 1e3}


@dataclass(frozen=True, slots=True)
class Process:
    """A node: a market, a conversion, a use, a loss or the environment.

    Examples
    --------
    >>> import reebayes as rb
    >>> rb.read_study("zinc").processes["lithosphere"].kind
    'environment'
    """

    process: str
    kind: str
    region: str
    label: str


@dataclass(frozen=True, slots=True)
class Flow:
    """A stream between two processes, in the study's unit (kt of content a year).

    ``active`` holds the periods, first and last year included, in which the flow can exist;
    outside them it is a structural zero. ``tied`` names the flow whose transfer coefficient it
    has, where what it is part of moves as one mixture with something else; empty otherwise.

    Examples
    --------
    >>> import reebayes as rb
    >>> rb.read_study("zinc").flows["mined"].label
    'Zinc in ore mined'
    """

    flow: str
    source: str
    target: str
    product: str
    registered: bool
    active: tuple[tuple[int, int], ...]
    label: str
    tied: str = ""

    def is_active(self, year: int) -> bool:
        """Return whether the flow can exist in `year`."""
        return any(first <= year <= last for first, last in self.active)


def route_name(origin: str, destination: str, *, registered: bool) -> str | None:
    """Return the name of a trade route, such as ``"CN:US"`` or ``"CN:unregistered"``.

    What moves unregistered trade lies at the border it leaves, so it has one route for each
    origin. None within a region, or where a process belongs to none.
    """
    if not origin or not destination or origin == destination:
        return None
    return f"{origin}:{destination}" if registered else f"{origin}:unregistered"


@dataclass(frozen=True, slots=True)
class Term:
    """One row of ``quantities.csv``: a flow and its weight in a named quantity."""

    quantity: str
    part: str
    flow: str
    weight: float


@dataclass(frozen=True, slots=True)
class Quantity:
    """A linear combination of flows (unit of the study), or a ratio of two (no unit).

    Examples
    --------
    >>> import reebayes as rb
    >>> rb.read_study("zinc").quantities["mined"].numerator
    (('mined', 1.0),)
    """

    quantity: str
    numerator: tuple[tuple[str, float], ...]
    denominator: tuple[tuple[str, float], ...] = ()

    @property
    def is_ratio(self) -> bool:
        """Whether the quantity has a denominator."""
        return bool(self.denominator)

    @property
    def terms(self) -> list[Term]:
        """Its rows of ``quantities.csv``."""
        sides = (("num", self.numerator), ("den", self.denominator))
        return [Term(self.quantity, part, *pair) for part, side in sides for pair in side]


def quantities_of(terms: Iterable[Term]) -> list[Quantity]:
    """Gather the terms of each quantity, in the order quantities first appear."""
    parts: dict[str, dict[str, list[tuple[str, float]]]] = {}
    for term in terms:
        part = parts.setdefault(term.quantity, {"num": [], "den": []})
        part[term.part].append((term.flow, term.weight))
    return [Quantity(name, tuple(p["num"]), tuple(p["den"])) for name, p in parts.items()]


@dataclass(frozen=True, slots=True)
class Label:
    """Readable name and description of a quantity; nothing depends on them."""

    quantity: str
    label: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One published figure, in the unit in which it was printed.

    ``sd`` is a relative standard error (log scale); of a signed figure, whose error is normal, it
    is in the unit of the figure. ``year_end`` equals ``year`` unless the record
    spans years (kinds cumulative and mean). ``factor`` is the content of a gross tonne.

    ``shared`` names the systematic errors that the record has in common with others, beside its
    reporter's bias: common errors, or as ``bias:REPORTER`` the bias of another reporter whose
    figure this one was derived from; with a minus sign before it where it enters the other way
    round, as what stands below a ratio does. ``lag`` is the part of the figure that belongs to the
    year before (of the numerator, if the quantity is a ratio). ``other`` is the alternative value
    of an ambiguous figure, as probable as ``value``. ``status`` is empty, or ``"recalled"`` for an
    unverified (second-hand) figure, which nobody read in its source. ``composition`` names the
    printed table of which the figure is a part; its ``sd`` is then that of the part before the
    table is closed.

    Examples
    --------
    >>> import reebayes as rb
    >>> record = rb.read_study("zinc").records["mined"]
    >>> record.year, record.value, record.unit, record.sd
    (1994, 1290.0, 'kt Zn', 0.1)
    """

    record: str
    quantity: str
    year: int
    year_end: int
    kind: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    factor: float | None
    sd: float
    reporter: str
    source: str
    note: str = ""
    shared: tuple[str, ...] = ()
    lag: float = 0.0
    other: float | None = None
    status: str = ""
    composition: str = ""

    @property
    def scale(self) -> float:
        """Multiplier from the record's unit to the study's.

        Raises
        ------
        StudyError
            If the unit is unknown, or gross without a factor.
        """
        if self.unit in RATIO_UNITS:
            return 1.0
        mass, _, content = self.unit.partition(" ")
        if mass not in MASS_SCALES or not content or (content == GROSS and self.factor is None):
            given = f"unit {self.unit!r} and factor {self.factor}"
            message = f"record {self.record!r} has {given}, which give no scale"
            raise StudyError([Fault("records.csv", None, "unit", self.unit, message)])
        factor = self.factor if content == GROSS and self.factor is not None else 1.0
        return MASS_SCALES[mass] * factor

    @property
    def common(self) -> dict[str, float]:
        """Prior targets of the errors in ``shared``, and the sign with which each enters."""
        found = {}
        for name in self.shared:
            about = Target.parse(name.removeprefix("-"))
            target = about if about.group == BIAS else Target(SHARED, name.removeprefix("-"))
            found[str(target)] = -1.0 if name.startswith("-") else 1.0
        return found

    @property
    def common_errors(self) -> tuple[str, ...]:
        """Names of the common errors in ``shared``, without signs and without biases."""
        return self._common_in(SHARED)

    @property
    def reporters(self) -> tuple[str, ...]:
        """Everyone whose bias is in the record, its own reporter first."""
        return (self.reporter, *self.other_reporters)

    @property
    def other_reporters(self) -> tuple[str, ...]:
        """Reporters whose bias is in the record beside that of its own."""
        return self._common_in(BIAS)

    def _common_in(self, group: str) -> tuple[str, ...]:
        targets = map(Target.parse, self.common)
        return tuple(target.name for target in targets if target.group == group)

    @property
    def error(self) -> float:
        """Standard error on the scale of its score: a log, or of a signed figure the study's unit.

        Raises
        ------
        StudyError
            If the unit of a signed figure gives no scale.
        """
        return self.sd * self.scale if kind_of(self.kind).is_signed else self.sd


def _printed_scale(unit: str) -> float:
    return 1.0 if unit in RATIO_UNITS else MASS_SCALES[unit.partition(" ")[0]]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A literature estimate of a quantity: set beside a fit, never used in one.

    Where ``year_end`` is after ``year`` it is a sum over those years (of a ratio, the ratio of
    sums). ``why`` explains a difference from the fit, once there is one to explain.

    Examples
    --------
    >>> import reebayes as rb
    >>> estimate = rb.read_study().published["chen_consumed_world_2022"]
    >>> estimate.quantity, estimate.year, estimate.value, estimate.unit
    ('consumed_world', 2022, 286.0, 'kt REO')
    """

    name: str
    quantity: str
    year: int
    year_end: int
    kind: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    source: str
    note: str = ""
    why: str = ""

    @property
    def scale(self) -> float:
        """Multiplier from the estimate's unit to the study's."""
        return _printed_scale(self.unit)


@dataclass(frozen=True, slots=True)
class Indicator:
    """An indicator computed from the draws of a fit, such as net import reliance.

    ``members`` are what its ``kind`` is computed from, see `INDICATOR_KINDS`. One that has a
    ``convention`` is meant for that one; there may be another of the same name for each.
    ``reference`` is the source of its definition.

    Examples
    --------
    >>> import reebayes as rb
    >>> one = rb.read_study().indicators[0]
    >>> one.indicator, one.kind, one.convention, one.unit
    ('mined_share_CN', 'ratio', 'usgs', 'fraction')
    """

    indicator: str
    kind: str
    members: tuple[str, ...]
    region: str
    stage: str
    convention: str
    unit: str
    reference: str
    label: str


@dataclass(frozen=True, slots=True)
class PublishedIndicator:
    """A published value of an indicator: set beside a fit, never used in one.

    Where ``year_end`` is after ``year`` it is about those years taken together. ``definition`` is
    that of its source, where it makes the value differ from ours.

    Examples
    --------
    >>> import reebayes as rb
    >>> printed = rb.read_study().published_indicators["usgs_nir_US_2014"]
    >>> printed.indicator, printed.convention, printed.value
    ('nir_US', 'usgs', 0.56)
    """

    name: str
    indicator: str
    convention: str
    year: int
    year_end: int
    kind: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    source: str
    definition: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Assay:
    """The share of one element in one published analysis of a material, such as an ore.

    Analyses of one ``deposit`` are of the same thing; deposits of one ``family`` are alike, so that
    the spread between them can be learnt. ``share`` is of the whole, ``spread`` the standard error
    of its log. Elements that an analysis does not report are unknown, and no zeros.

    Examples
    --------
    >>> import reebayes as rb
    >>> assay = rb.read_study().assays[0]
    >>> assay.deposit, assay.element, assay.share
    ('Bayan Obo', 'La', 0.23)
    """

    analysis: str
    material: str
    deposit: str
    family: str
    element: str
    share: float
    spread: float
    assays: int | None
    source: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Material:
    """A material that a flow holds: an ore that is mined, or what an application is made of.

    ``share`` is its part of the flow, or of the part of it that the flow ``by`` is; shares are
    scaled to add up to 1, and ``spread`` is the standard error of the log of each. ``deposits``
    says of which deposits it is: ``these`` that were analysed, these and ``more``, or ``another``
    of their family.

    Examples
    --------
    >>> import reebayes as rb
    >>> material = rb.read_study().materials[0]
    >>> material.flow, material.material, material.deposits
    ('ore_CN_registered', 'ion_clay', 'more')
    """

    flow: str
    material: str
    by: str
    year: int | None
    year_end: int | None
    deposits: str
    share: float
    spread: float
    source: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class PublishedElement:
    """A published figure about elements: set beside a fit, never used in one.

    It is about the ``elements`` (such as ``Nd+Pr``) in ``at``, or their part of those in ``over``.

    Examples
    --------
    >>> import reebayes as rb
    >>> printed = rb.read_study().published_elements["pe_mountain_pass_2019"]
    >>> printed.elements, printed.at, printed.value, printed.unit
    ('Nd+Pr', 'mined_US', 4336.0, 't REO')
    """

    name: str
    elements: str
    at: str
    over: str
    year: int
    year_end: int
    kind: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    source: str
    definition: str
    note: str = ""

    @property
    def scale(self) -> float:
        """Multiplier from the figure's unit to the study's."""
        return _printed_scale(self.unit)


@dataclass(frozen=True, slots=True)
class Partner:
    """A partner in trade on a map: where its arrows end, and which countries it is.

    ``members`` are countries by their three letters (ISO 3166-1); a partner without any is every
    country that no other has. ``label_lon`` and ``label_lat`` are where its label stands, if not
    there.
    """

    partner: str
    label: str
    lon: float
    lat: float
    label_lon: float | None = None
    label_lat: float | None = None
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lane:
    """What flows from one partner to another: the quantity that a map draws as an arrow.

    ``declared`` is the quantity of the part that customs are meant to count, where that is another.
    """

    quantity: str
    origin: str
    destination: str
    goods: str
    declared: str = ""


@dataclass(frozen=True, slots=True)
class Prior:
    """The prior of one target: what is assumed before the records, and whose assumption it is.

    A target is a flow, ``route:<A>:<B>`` or ``route:<A>:unregistered`` (what trade between two
    regions, or undeclared trade out of one, does to all its flows), ``bias:<reporter>``,
    ``shared:<name>`` (a systematic error that several records have in common),
    ``noise:<reporter>``, ``noise:all`` (what the noise of all reporters has in common),
    ``noise:floor`` (the variance floor: the share of every stated variance that noise leaves as it
    is), ``noise:spread`` (a multiplier of how far reporters' noise differs), ``errors:freedom``
    (degrees of freedom of heavy-tailed errors) or ``step:<group>``.

    ``median`` and ``sd`` are on the scales their ``distribution`` says: lognormal (median in the
    target's unit, sd of the log), share (median transfer coefficient, sd of its log-odds against
    the reference category, the outflow without a prior), normal (log scale; for a
    route, added to the log-odds). Lognormal are flows out of an environment, and the product of a
    conversion whose inflow follows from it and the yield. ``step`` is the sd of the year-to-year
    change, None if constant. ``transition`` is the sd of the change with which a period begins,
    which then goes over from the one before within a year of its first year (see
    `reebayes.study.transitions`); None if the median jumps and the state is carried on.

    Examples
    --------
    >>> import reebayes as rb
    >>> prior = rb.read_study("zinc").priors[0]
    >>> prior.target, prior.distribution, prior.median, prior.sd
    ('mined', 'lognormal', 1000.0, 0.7)
    """

    target: str
    year: int | None
    year_end: int | None
    distribution: str
    median: float
    sd: float
    step: float | None
    unit: str
    source: str
    note: str = ""
    transition: float | None = None

    @property
    def about(self) -> Target:
        """What the prior is about, as a value."""
        return Target.parse(self.target)

    @property
    def label(self) -> str:
        """Target and, of a row for some years, those: ``"concentrate_US[2000-2002]"``."""
        return f"{self.target}[{self.period}]" if self.period else self.target

    @property
    def period(self) -> str:
        """Years for which it holds, ``"2000-2002"``; empty for all."""
        return "" if self.year is None else f"{self.year}-{self.year_end or self.year}"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a record or a prior comes from; for a judgement, whose it is and why.

    Examples
    --------
    >>> import reebayes as rb
    >>> rb.read_study("zinc").sources["wang2024"].year
    2024
    """

    source: str
    citation: str
    year: int | None
    url: str
    licence: str
    note: str = ""
