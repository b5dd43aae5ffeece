"""Tables of shares: scored as log ratios whichever part is the reference, drawn, closed, shown."""

import math
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.special import expit, logit
from scipy.stats import multivariate_normal

from reebayes.answers.leave_one_out import LeftOut, disagreement, influence
from reebayes.answers.predictive import predictive_check
from reebayes.answers.scores import record_scores
from reebayes.errors import StudyError
from reebayes.figures.extents import error_ends
from reebayes.inference.datatree import (
    informative,
    log_likelihood,
    observed_data,
    part_log_likelihood,
    replicate,
)
from reebayes.inference.precision import parts_of
from reebayes.inference.sampling import fit
from reebayes.model.kernels import (
    locate,
    locate_adjoint,
    observe,
    record_terms,
    record_terms_adjoint,
    spreads,
    states,
)
from reebayes.model.layout import Layout, lay_out
from reebayes.model.unknowns import Floats
from reebayes.reporting.page import write_report
from reebayes.reporting.tables import record_table
from reebayes.results.description import composition_data, study_of
from reebayes.results.fitfile import open_fit, save_fit
from reebayes.results.reading import contents_of, off_scale, on_scale
from reebayes.simulation.records import record_log_likelihood, simulate_records
from reebayes.simulation.worlds import simulate_world
from reebayes.study import Study, read_study
from reebayes.study.compositions import sd_against_rest
from reebayes.study.kinds import kind_of
from tests.fakes import RECORDS, fake_fit
from tests.numerics import close, differences
from tests.shares import PRIORS, SD, TRUE, USES, part, rows, shares_study, write_shares

PRINTED = (0.6, 0.2, 0.16, 0.04)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return shares_study(tmp_path_factory.mktemp("shares") / "one", rows(PRINTED))


def at(layout: Layout, latents: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Levels, flows, location and scale of the records at a latent vector."""
    state = states(latents, layout.equations.steps)
    found: tuple[Floats, Floats, Floats, Floats] = observe(state, latents, layout.equations)
    return found


def point(layout: Layout, seed: int = 1) -> Floats:
    return 0.7 * np.random.default_rng(seed).standard_normal(layout.unknowns.size)


def terms_at(study: Study, seed: int = 1) -> Floats:
    """Log-likelihoods of the records of a study at one latent vector."""
    layout = lay_out(study)
    _, _, location, scale = at(layout, point(layout, seed))
    found: Floats = record_terms(location, scale, layout.equations.figures)
    return found


# --- the likelihood -------------------------------------------------------------------------------


def logistic_normal(study: Study, seed: int, reference: int) -> float:
    """Log density of the table of 2010 as scipy has it, in log ratios to one of its parts."""
    layout = lay_out(study)
    level, flow, _, _ = at(layout, point(layout, seed))
    flows = dict(zip(layout.flows, flow[:, 0], strict=True))
    records = [study.records[f"{use}_2010"] for use in USES]
    total = sum(flows[f"to_{use}"] for use in USES)
    shared = dict(zip(layout.shared, level[layout.rows("shared", layout.shared), 0], strict=True))
    mean = np.array(
        [
            math.log(flows[f"to_{use}"] / total) + sum(shared[name] for name in record.shared)
            for use, record in zip(USES, records, strict=True)
        ]
    )
    noise = (
        spreads(point(layout, seed), layout.equations.errors) / layout.equations.errors.record_sd
    )
    factor = noise[layout.records.index("a_2010")]
    covariance = np.diag(np.square([record.sd * factor for record in records]))
    ratios = np.delete(np.eye(len(USES)), reference, axis=0)
    ratios[:, reference] = -1.0
    logs = np.log([record.value or 0.0 for record in records])
    law = multivariate_normal(ratios @ mean, ratios @ covariance @ ratios.T)
    return float(law.logpdf(ratios @ logs))


@pytest.mark.parametrize("reference", range(4))
@pytest.mark.parametrize("seed", [1, 2])
def test_a_table_is_logistic_normal_whichever_part_is_the_reference(
    study: Study, seed: int, reference: int
) -> None:
    parts = [name.endswith("_2010") and name[0] in USES for name in lay_out(study).records]
    found = terms_at(study, seed)[np.array(parts) & ~np.char.startswith(study.records.names, "t")]
    assert found.sum() == pytest.approx(logistic_normal(study, seed, reference), rel=1e-10)


def test_the_order_of_rows_changes_nothing_of_a_table(tmp_path: Path, study: Study) -> None:
    expected = terms_at(study).sum()
    for order in [*permutations(range(4))][::7]:
        other = shares_study(tmp_path / "".join(map(str, order)), rows(PRINTED, order=order))
        assert terms_at(other).sum() == pytest.approx(expected, rel=1e-12)


def test_a_bias_of_all_parts_cancels_and_one_of_a_part_does_not(study: Study) -> None:
    layout = lay_out(study)
    latents = point(layout)
    names = list(layout.latents)

    def terms(name: str, by: float) -> Floats:
        moved = latents.copy()
        moved[names.index(name)] += by
        _, _, location, scale = at(layout, moved)
        found: Floats = record_terms(location, scale, layout.equations.figures)
        return found

    here, office, line = terms("bias:office", 0), terms("bias:office", 3), terms("shared:line_a", 3)
    np.testing.assert_allclose(office, here, rtol=1e-9)
    assert abs(line - here)[layout.records.index("b_2010")] > 0.1


def test_parts_are_normal_where_other_figures_are_not(study: Study) -> None:
    heavy = study.with_settings(error_distribution="student_t")
    parts = np.array([record.composition != "" for record in study.records])
    np.testing.assert_array_equal(terms_at(heavy)[parts], terms_at(study)[parts])
    assert not np.allclose(terms_at(heavy)[~parts], terms_at(study)[~parts])


def labelled(values: Floats, **dims: Sequence[object]) -> xr.DataArray:
    return xr.DataArray(values, dims=list(dims), coords={k: list(v) for k, v in dims.items()})


@pytest.mark.parametrize("seed", range(3))
def test_the_simulation_scores_every_part_alike(tmp_path: Path, seed: int) -> None:
    study = shares_study(tmp_path, rows(PRINTED, years=(2010, 2012)))
    layout = lay_out(study)
    level, flow, location, scale = at(layout, point(layout, seed))
    bias = level[layout.rows("bias", layout.reporters)].T
    noise = np.exp(
        layout.equations.errors.noise_mean[:-1]
        + layout.equations.errors.noise_sd[:-1]
        * point(layout, seed)[layout.unknowns.scales_start :][: len(layout.reporters)]
    )
    errors = level[layout.rows("shared", layout.shared), 0]
    expected = record_log_likelihood(
        study,
        labelled(flow.T, year=layout.years, flow=layout.flows),
        labelled(bias, year=layout.years, reporter=layout.reporters),
        labelled(noise, reporter=layout.reporters),
        labelled(errors, shared=layout.shared),
    )
    found = record_terms(location, scale, layout.equations.figures)
    np.testing.assert_allclose(found, expected.values, rtol=1e-9, atol=1e-9)


def test_the_adjoint_of_contrasts_is_their_derivative(study: Study) -> None:
    layout = lay_out(study)
    sums, figures = layout.equations.sums, layout.equations.figures
    level, flow, location, scale = at(layout, point(layout))
    bar = np.random.default_rng(2).normal(size=location.size)
    by_flow, by_level = locate_adjoint(flow, level, sums, bar)
    close(by_flow, differences(lambda f: float(locate(f, level, sums) @ bar), flow))
    close(by_level, differences(lambda v: float(locate(flow, v, sums) @ bar), level))
    by_location, by_scale = record_terms_adjoint(location, scale, figures, bar)
    close(
        by_location, differences(lambda x: float(record_terms(x, scale, figures) @ bar), location)
    )
    close(by_scale, differences(lambda x: float(record_terms(location, x, figures) @ bar), scale))


def test_without_compositions_nothing_is_seen_against_anything(tiny_study: Path) -> None:
    layout = lay_out(read_study(tiny_study))
    assert layout.equations.sums.against.index.size == 0
    assert layout.parts.at.size == 0
    np.testing.assert_array_equal(
        layout.equations.errors.record_sd,
        [record.error for record in read_study(tiny_study).records],
    )


def test_parts_of_a_table_are_tied_by_their_whole(study: Study) -> None:
    """No tie of their own is needed: records of one denominator share its flows."""
    layout = lay_out(study)
    names = [[layout.records[n] for n in piece.records] for piece in parts_of(layout)]
    assert sum("a_2010" in found for found in names) == 1
    (found,) = (found for found in names if "a_2010" in found)
    assert {f"{use}_2010" for use in USES} <= {*found}


# --- one part given the others --------------------------------------------------------------------


def drawn(layout: Layout, count: int = 4) -> dict[str, Floats]:
    """Location and scale (chain, draw, record) of some latent vectors, and these."""
    latents = [point(layout, seed) for seed in range(count)]
    found = [at(layout, latent) for latent in latents]
    return {
        "latents": np.array(latents)[None],
        "location": np.stack([one[2] for one in found])[None],
        "scale": np.stack([one[3] for one in found])[None],
    }


def test_what_a_part_adds_is_what_its_table_loses_without_it(study: Study) -> None:
    """The likelihood of the whole table less that of the table of the others."""
    layout = lay_out(study)
    draws = drawn(layout)
    whole = log_likelihood(layout, draws).sum(axis=-1)
    given = part_log_likelihood(layout, draws)
    names = [layout.records[n] for n in layout.parts.at]
    assert sorted(names) == [f"{use}_2010" for use in USES]
    for column, name in enumerate(names):
        fewer = study.with_records(r for r in study.records if r.record != name)
        # its unknowns are those of the whole study, a common error of the part alone apart
        rest = lay_out(fewer)
        kept = [layout.latents.index(latent) for latent in rest.latents]
        found = [
            record_terms(*at(rest, point(layout, seed)[kept])[2:], rest.equations.figures).sum()
            for seed in range(4)
        ]
        np.testing.assert_allclose(given[0, :, column], whole[0] - found, rtol=1e-8, atol=1e-8)


def test_held_out_parts_are_scored_given_those_that_stay(study: Study) -> None:
    held = {"a_2010", "c_2010"}
    layout, last = lay_out(study), lay_out(study, last=held)
    whole, moved = (log_likelihood(one, drawn(one)) for one in (layout, last))
    np.testing.assert_allclose(moved.sum(axis=-1), whole.sum(axis=-1), rtol=1e-10)
    rest = lay_out(study.with_records(r for r in study.records if r.record not in held))
    places = [last.records.index(name) for name in rest.records]
    kept = [layout.latents.index(latent) for latent in rest.latents]
    for seed in range(4):
        terms = record_terms(*at(rest, point(layout, seed)[kept])[2:], rest.equations.figures)
        np.testing.assert_allclose(moved[0, seed, places].sum(), terms.sum(), rtol=1e-10)
    only = lay_out(study, last={"b_2010"})
    column = [layout.records[n] for n in layout.parts.at].index("b_2010")
    one = log_likelihood(only, drawn(only))[..., only.records.index("b_2010")]
    np.testing.assert_allclose(one, part_log_likelihood(layout, drawn(layout))[..., column])


def test_replicated_parts_have_the_stated_error_and_lie_inside_the_table(study: Study) -> None:
    layout = lay_out(study)
    draws = {name: np.repeat(values, 4000, axis=1) for name, values in drawn(layout, 1).items()}
    scale = draws["scale"]
    found = replicate(layout, draws, np.random.default_rng(3))[0][:, layout.parts.at]
    factor = scale[0, 0, 0] / layout.equations.errors.record_sd[0]
    noise = [study.records[layout.records[n]] for n in layout.parts.at]
    office = layout.records.index("b_2010")
    factor = scale[0, 0, office] / layout.equations.errors.record_sd[office]
    spread = factor * np.array(sd_against_rest([record.sd for record in noise]))
    np.testing.assert_allclose(found.std(axis=0), spread, rtol=0.05)
    printed = observed_data(layout, study.unit)["value"].values[layout.parts.at]
    np.testing.assert_allclose(printed, logit(PRINTED))
    z = (printed - found.mean(axis=0)) / spread
    given = part_log_likelihood(layout, drawn(layout, 1))[0, 0]
    expected = -0.5 * z**2 - np.log(spread) - 0.5 * math.log(2 * math.pi)
    np.testing.assert_allclose(given, expected, atol=0.1)
    assert informative(log_likelihood(layout, drawn(layout))).sum() == len(study.records) - 1


def test_a_part_left_alone_goes_with_the_others(study: Study) -> None:
    one = study.with_records(r for r in study.records if r.record[0] not in "bcd")
    assert [record.record for record in one.records] == ["total_2010", "total_2011", "total_2012"]
    assert "bias:office" not in {prior.target for prior in one.priors}


def test_parts_are_shown_as_shares(study: Study) -> None:
    import pandas as pd

    data = composition_data(study)
    assert set(data["composition"].values) == {"uses"}
    np.testing.assert_allclose(data["whole"], 1.0)
    np.testing.assert_allclose(data["sd"], sd_against_rest(SD))
    kinds, whole = ["value"] * 3, pd.Series([1.0, 0.9, np.nan])
    seen = on_scale(np.array([0.25, 0.3, 5.0]), kinds, whole)
    np.testing.assert_allclose(seen, [logit(0.25), math.log(0.3 / 0.6), math.log(5)])
    np.testing.assert_allclose(off_scale(seen, kinds, whole), [0.25, 0.3, 5.0])
    assert off_scale(np.array([40.0]), ["value"], whole[:1])[0] <= 1.0


def test_readers_leave_a_part_out_of_its_table_and_a_reporter_with_its_tables() -> None:
    made = fake_fit()
    contents = contents_of(made)
    column = list(RECORDS.index).index("r10")
    given = made["log_likelihood_of_parts"]["value"].values.reshape(-1)
    alone = made["log_likelihood"]["value"].values[..., column].reshape(-1)
    assert not np.allclose(given, alone)
    np.testing.assert_allclose(LeftOut.of(contents).terms[:, column], given)
    survey = LeftOut.of(contents, "reporter")
    rows = (RECORDS["reporter"] == "survey").to_numpy()
    whole = made["log_likelihood"]["value"].values[..., rows].sum(axis=-1).reshape(-1)
    at_survey = list(survey.table.index).index("survey")
    np.testing.assert_allclose(survey.terms[:, at_survey], whole)
    np.testing.assert_allclose(contents.log_likelihood.values[..., column].reshape(-1), alone)


def test_a_part_s_conflict_is_of_its_log_ratio_and_told_as_a_share() -> None:
    """By hand: normal replicates, of which the rest is found by weights or by the closed form."""
    made = fake_fit(draws=400)
    row = disagreement(made).loc["r10"]
    assert row["stated"] == pytest.approx(0.2)
    assert 0 < row["expected_lower"] < row["expected"] < row["expected_upper"] < 1
    table = record_table(made).loc["r10"]
    replicas = made["posterior_predictive"]["value"].sel(record="r10").values
    assert table["predicted_median"] == pytest.approx(float(np.median(expit(replicas))), rel=1e-3)
    check = predictive_check(made).records.loc["r10"]
    assert check["pit"] == pytest.approx(float((replicas < logit(0.2)).mean()))


def test_error_bars_of_parts_stay_within_their_whole() -> None:
    value, sd, whole = np.array([0.75, 0.75]), np.array([0.3, 0.3]), np.array([1.0, np.nan])
    low, high = error_ends(kind_of("value"), value, sd, whole)
    assert 0.6 < low[0] < 0.75 < high[0] < 1.0 < high[1]
    assert logit(high[0]) - logit(0.75) == pytest.approx(math.log(high[1] / 0.75))


# --- drawn tables ---------------------------------------------------------------------------------


def test_simulated_tables_are_drawn_by_part_and_closed(tmp_path: Path) -> None:
    study = shares_study(tmp_path, rows(PRINTED))
    world = simulate_world(study, seed=4)
    tables = np.array(
        [
            [simulate_records(study, world, seed=n).records[f"{use}_2010"].value for use in USES]
            for n in range(400)
        ],
        dtype=float,
    )
    np.testing.assert_allclose(tables.sum(axis=1), 1.0)
    flows = world.flows.sel(year=2010)
    truth = np.array([float(flows.sel(flow=f"to_{use}")) for use in USES])
    truth[0] *= math.exp(float(world.shared.sel(shared="line_a")))
    noise = float(world.noise.sel(reporter="office"))
    factor = math.sqrt(study.variance_floor + (1 - study.variance_floor) * noise**2)
    ratios = np.log(tables[:, 1:] / tables[:, :1])
    error = factor * np.hypot(SD[1:], SD[0])
    assert np.all(np.abs(ratios.mean(axis=0) - np.log(truth[1:] / truth[0])) < 4 * error / 20)
    np.testing.assert_allclose(ratios.std(axis=0), error, rtol=0.15)
    covariance = np.cov(ratios.T)
    np.testing.assert_allclose(
        covariance[0, 1], (factor * SD[0]) ** 2, rtol=0.5
    )  # the reference's own error is in both


def test_heavy_tails_are_not_those_of_parts(tmp_path: Path) -> None:
    study = shares_study(tmp_path, rows(PRINTED))
    world = simulate_world(study, seed=4)
    parts_first = sorted(study.records, key=lambda record: not record.composition)
    one, other = (
        simulate_records(study, world, seed=3, design=parts_first, freedom=freedom)
        for freedom in (None, 4.0)
    )
    for use in USES:
        assert one.records[f"{use}_2010"] == other.records[f"{use}_2010"]


# --- what is no table -----------------------------------------------------------------------------

GOOD = rows(PRINTED)
NET = "share_net,num,to_a,1\nshare_net,den,supply,1\n"
FAULTS: dict[str, tuple[str, str, str]] = {
    "one": (part("a", 0.6, 0.2), "composition", "one part says nothing"),
    "reporter": (GOOD.replace("0.4,office", "0.4,other"), "reporter", "a printed table has one"),
    "sum": (rows((0.6, 0.3, 0.16, 0.04)), "value", "add up to 1.1"),
    "kind": (
        GOOD.replace("value,0.04,,", "upper,,,0.04"),
        "kind",
        "kind 'upper' is no part of a composition; leave composition empty, or use kind 'value'",
    ),
    "zero": (
        GOOD.replace("value,0.04,,", "zero,0,,0.01"), "kind", "a printed zero stands outside",
    ),
    "mass": (
        GOOD + part("a", 5, 0.2).replace("a_2010,share_a", "x_2010,supplied").replace(
            "fraction", "kt REO"
        ),
        "quantity", "is no ratio",
    ),
    "twice": (
        GOOD + part("a", 0.01, 0.2).replace("a_2010", "x_2010").replace("0.01", "0.001"),
        "quantity", "keep one",
    ),
    "whole": (
        GOOD + part("net", 0.001, 0.2), "quantity", "another denominator than 'share_a'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_table_is_told_with_its_place(tmp_path: Path, fault: str) -> None:
    parts, column, fragment = FAULTS[fault]
    priors = PRIORS.replace("shared:line_a,,,normal,0,0.3,,log scale,judgement,\n", "")
    priors = PRIORS if "line_a" in parts else priors
    folder = write_shares(tmp_path, parts, priors=priors)
    with (folder / "quantities.csv").open("a") as file:
        file.write(NET)
    with pytest.raises(StudyError) as error:
        read_study(folder)
    found = [one for one in error.value.faults if one.column == column and fragment in one.message]
    assert found, [str(one) for one in error.value.faults]
    assert all(one.row for one in found)


@pytest.mark.parametrize(("change", "column"), [("other", "other"), ("lag", "lag")])
def test_a_part_has_no_second_reading_and_no_lag(study: Study, change: str, column: str) -> None:
    with pytest.raises(StudyError) as error:
        study.with_record("b_2010", **{change: 0.1})
    assert column in {fault.column for fault in error.value.faults}


def test_parts_with_a_flow_in_common_are_told(tmp_path: Path) -> None:
    folder = write_shares(tmp_path, rows(PRINTED) + part("ab", 0.001, 0.2))
    both = "".join(f"share_ab,num,to_{use},1\n" for use in "ab")
    below = "".join(f"share_ab,den,to_{use},1\n" for use in USES)
    with (folder / "quantities.csv").open("a") as file:
        file.write(both + below)
    with pytest.raises(StudyError, match="have no flow in common"):
        read_study(folder)


def test_an_empty_composition_leaves_the_digest_as_it_was(study: Study) -> None:
    plain = study.with_records(r for r in study.records if not r.composition)
    assert plain.hash == plain.with_records(plain.records).hash
    from reebayes.study.hashing import rows_of

    assert not any("composition" in row for row in rows_of(plain, "records", moving=True))
    assert sum("composition" in row for row in rows_of(study, "records", moving=True)) == 4


def test_a_study_with_compositions_is_saved_as_itself(tmp_path: Path, study: Study) -> None:
    again = read_study(study.save(tmp_path / "again"))
    assert again.hash == study.hash
    assert [record.composition for record in again.records].count("uses") == 4


# --- a fit ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, xr.DataTree]:
    """A table of exact shares in every year, of which each part is known to 5 %."""
    parts = rows(TRUE, (0.05, 0.05, 0.05, 0.05), years=(2010, 2011, 2012))
    study = shares_study(tmp_path_factory.mktemp("fit") / "study", parts)
    return study, fit(study, seed=3, draws=300, progress=False)


def test_a_posterior_recovers_a_known_composition(fitted: tuple[Study, xr.DataTree]) -> None:
    _, found = fitted
    quantities = found["posterior"]["quantities"].sel(year=2011)
    for use, share in zip(USES, TRUE, strict=True):
        draws = quantities.sel(quantity=f"share_{use}")
        assert float(draws.mean()) == pytest.approx(share, rel=0.12)
        assert 0.02 < float(draws.std() / draws.mean()) < 0.35
    # the bias of all parts learns nothing
    office = found["posterior"]["bias"].sel(reporter="office")
    assert float(office.std()) == pytest.approx(0.5, rel=0.15)


def test_a_fit_holds_its_tables_and_what_each_part_adds(
    fitted: tuple[Study, xr.DataTree], tmp_path: Path
) -> None:
    study, found = fitted
    saved = open_fit(save_fit(found, tmp_path / "fit.nc"))
    contents = contents_of(saved)
    parts = [record.record for record in study.records if record.composition]
    assert list(contents.parts.index) == parts
    assert set(saved["log_likelihood"]["record"].values) == {*study.records.names} - {
        f"a_{year}" for year in study.years
    }
    assert (contents.records.loc[parts, "whole"] == 1.0).all()
    scores = record_scores(saved)
    assert {*parts} <= {*scores.index}
    conflict = disagreement(saved)
    assert conflict.loc[parts, "z"].abs().max() < 2
    assert {*influence(saved, "share_a", 2011).index} == {*study.records.names}
    table = record_table(saved).loc[parts]
    np.testing.assert_allclose(table["predicted_median"], table["value"], rtol=0.15)
    assert study_of(saved).hash == study.hash
    write_report(saved, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text("utf-8")
    assert "0.55 fraction" in text
