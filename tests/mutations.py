"""Planted bugs: change one line of the package, and see that the tests notice.

``python -m tests.mutations`` plants every bug of `MUTATIONS`, one at a time, in a copy of the
repository, runs the tests that ought to notice, and prints a table of those that did. Kernels run
as plain Python there, so that nothing has to be compiled. ``--write`` puts the table into
``docs/validation-mutations.md``; words given as arguments pick the bugs whose names hold them.

A bug whose place is not found exactly once, or whose tests fail without it, is an error.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = Path("docs/validation-mutations.md")
LEFT_OUT = (".venv", ".git", ".*_cache", "_build", ".hypothesis")
SECONDS = 900
NAMED = 2  # tests named in a row of the table

APART = ("tests/test_model.py", "-k", "world_written_apart")
BY_HAND = ("tests/test_simulation.py", "-k", "by_hand or scipy or inactive or routes_are_named")
TRANSITIONS = "reebayes/study/transitions.py"
CONFLICTS = "reebayes/experiments/conflicts.py"
IMPLAUSIBLE = "tests/test_implausible.py"
EXTENSIONS = "tests/test_extensions.py"
# Fits are left out.
QUICK = ("-m", "not slow_ci")
GRADUAL = ("tests/test_transitions.py",)
AGAIN = "reebayes/experiments/calibration/again.py"
POSTERIOR_SBC = ("tests/test_posterior_sbc.py", *QUICK, "-k", "truth_of or printed_again_beside")
MULTIVERSE = "reebayes/experiments/multiverse.py"
MANY = ("tests/test_multiverse.py",)
ERRORS = ("tests/test_errors.py", *QUICK, "-k", "not fit")
HELD_OUT = ("tests/test_held_out.py", *QUICK)
# Drawing many files takes a while.
HARMONISATION = ("tests/test_harmonisation.py", "-k", "not conserved")


@dataclass(frozen=True, slots=True)
class Mutation:
    """A bug: what it does, the texts that it changes in a file, and the tests to run."""

    name: str
    file: str
    edits: tuple[tuple[str, str], ...]
    tests: tuple[str, ...]
    compiled: bool = False

    def planted(self, text: str) -> str:
        """Return the file with the bug in it.

        Raises
        ------
        LookupError
            If a text to change is not there exactly once.
        """
        for old, new in self.edits:
            if text.count(old) != 1:
                raise LookupError(f"{self.name}: {text.count(old)} times in {self.file}: {old!r}")
            text = text.replace(old, new)
        return text


type Done = subprocess.CompletedProcess[str]


def _bug(
    name: str, file: str, old: str, new: str, tests: Sequence[str], *, compiled: bool = False
) -> Mutation:
    return Mutation(name, file, ((old, new),), tuple(tests), compiled)


KERNELS, UNKNOWNS = "reebayes/model/kernels.py", "reebayes/model/unknowns.py"
OBSERVATIONS = "reebayes/model/observations.py"
COMPOSITIONS = "reebayes/model/compositions.py"
PRECISION = "reebayes/inference/precision.py"
IDENTIFIABILITY = "reebayes/inference/identifiability.py"
REWEIGHTING = "reebayes/inference/reweighting.py"
ENGINE, STUDIES = "reebayes/experiments/engine.py", "reebayes/experiments/studies.py"
SENSITIVITIES = "reebayes/experiments/sensitivities.py"
INFORMATION = "reebayes/answers/information.py"
HANGING = "reebayes/reporting/hanging.py"
IDENTITY, INDICES = "reebayes/results/identity.py", "reebayes/answers/indices.py"
MIXING, REGISTERS = "reebayes/answers/mixing.py", "reebayes/answers/registers.py"
BALANCING = "reebayes/answers/scenarios/balancing.py"
SETUP = "reebayes/answers/scenarios/setup.py"
SANKEY = "tests/test_sankey.py"
SCENARIOS = "tests/test_scenarios.py"
HARMONISING, EXCLUSIONS = "reebayes/customs/harmonising.py", "reebayes/customs/exclusions.py"

CHECKS = "reebayes/study/checks"


def _unseen(name: str, file: str, old: str, new: str, words: str) -> Mutation:
    """Return a bug in what is told of a study that is possible and hardly meant."""
    return _bug(name, f"{CHECKS}/{file}.py", old, new, (IMPLAUSIBLE, "-k", words))


def _added(
    name: str, file: str, old: str, new: str, words: str, *, compiled: bool = False
) -> Mutation:
    """Return a bug in what extensions add to a study."""
    tests = (EXTENSIONS, "-k", words)
    return _bug(name, f"reebayes/{file}.py", old, new, tests, compiled=compiled)


MUTATIONS: tuple[Mutation, ...] = (
    # --- extensions ---
    _added("a row of an extension stands beside the one it replaces", "study/extensions",
           "        return key in keys\n    # a prior",
           "        return False\n    # a prior", "replaced or given_anew"),
    _added("extensions replace terms, not quantities", "study/extensions",
           'columns = ("quantity",) if file == QUANTITIES.file else SCHEMA[file].key',
           "columns = SCHEMA[file].key", "given_anew"),
    _added("a prior for all years leaves those of some years", "study/extensions",
           "key in keys or (target, None) in keys or", "key in keys or", "by_period"),
    _added("periods of an extension leave the prior for all years", "study/extensions",
           " or (year is None and bool(keys))", "", "in_place_of or take_the_place"),
    _added("the order in which extensions are named changes the study", "study/extensions",
           "added = sorted(added, key=lambda one: one.name)", "added = list(added)", "any_order"),
    _added("extensions that contradict one another are taken", "study/extensions",
           "if first is not entries and _items(first) != _items(entries):",
           "if first is not entries and _items(first) == _items(entries):", "different_ways"),
    _added("headers that contradict one another are taken", "study/extensions",
           "if first is not one and same != value:", "if first is not one and same is value:",
           "contradict"),
    _added("a report of an extension takes the place of that of the study", "study/extensions",
           "there = parts[REPORT].get(key, [])", "there: list[Any] = []", "header_adds"),
    _added("a fault of an extension is told of the study", "study/drafts",
           "[replace(entry, file=file) for entry in entries]", "entries", "carry_file"),
    _added("a fault of an extension's header is told of the study", "study/checks/whole",
           "*placed(trusted, draft.loaded)", "*trusted", "of_a_header"),
    _added("a column that no study has is left alone in an extension", "study/drafts",
           "found, only=at is not None)", "found)", "unknown and column"),
    _added("two extensions have one name", "study/extensions",
           "first = by_name.setdefault(one.name, one)", "first = by_name[one.name] = one",
           "one_name"),
    _added("a file of a fit is written above its folder", "study/extensions",
           "plain and os.pardir not in folders and", "plain and", "written_only"),
    _added("a fit does not say with what it was made", "results/description",
           "json.dumps(list(study.extensions))", "json.dumps([])", "carries or made"),
    _added("a description of a study lacks what is added", "study/description",
           "    for name, added in study.extensions.items():", "    for name, added in ():",
           "description_holds"),
    _added("what a variant adds is no part of the description", "study/study",
           "| added_rows(self.additions))", ")", "is_described"),
    _added("what a variant adds is not checked", "study/checks/whole",
           "if grown or after.loaded != before.loaded:", "if False:", "faults_of_what"),
    _added("a variant takes extensions that contradict one another", "study/changes",
           "    for fault in grown.faults:", "    for fault in ():", "one_variant"),
    _added("a variant adds unverified records unasked", "study/study",
           "draft.additions if recalled else verified_additions(draft)", "draft.additions",
           "leaves_unverified"),
    _added("a saved study lacks what its variants add", "study/study",
           "return written | extension_texts(self.additions)", "return written", "travel"),
    _added("a case of a run file adds nothing", "study/runfile",
           'for one in case.get("extensions", ())]\n    draft', "for one in ()]\n    draft",
           "run_file"),
    _added("priors of an extension are held against those of the study", "elicitation/rewriting",
           "read_study(folder).priors if study is None else own_priors(folder)",
           "read_study(study or folder).priors", "statements", compiled=True),
    # --- sums and ratios, and second tries ---
    _bug("a ratio of a pair bends the sum the wrong way",
         "reebayes/model/kernels.py",
         "flat[a] = moved[a] - (_softplus(ratio)",
         "flat[a] = moved[a] + (_softplus(ratio)",
         ("tests/test_kernels.py", "-k", "sums_and_ratios")),
    _bug("pairs keep the prior of what stands in their place",
         "reebayes/model/kernels.py",
         "    total = own + change + whitening",
         "    total = own + whitening",
         ("tests/test_density.py", "-k", "random and tiny"), compiled=True),
    _bug("the step multiplier does not hear of pairs",
         "reebayes/model/kernels.py",
         "own_slope[k] + change_slope[k]",
         "own_slope[k]",
         ("tests/test_density.py", "-k", "random and tiny"), compiled=True),
    _bug("draws of pairs are told as sums and ratios",
         "reebayes/model/kernels.py",
         "state = split(smooth(shift, steps.which, table, whitening)[0], whitening.pairs)",
         "state = smooth(shift, steps.which, table, whitening)[0]",
         ("tests/test_density.py", "-k", "random and tiny"), compiled=True),
    _bug("terms that are known themselves are paired",
         "reebayes/inference/pairs.py",
         "if followed[series] < max(_FOLLOWED * size,",
         "if size < max(_FOLLOWED * size,",
         ("tests/test_pairs.py",), compiled=True),
    _bug("the lead of a term is any series",
         "reebayes/inference/pairs.py",
         "np.abs(slopes[term.year]).argmax()",
         "np.abs(slopes[term.year]).argmin()",
         ("tests/test_pairs.py",), compiled=True),
    _bug("a second try takes the same steps",
         "reebayes/inference/sampling.py",
         "seed=(self.seed + 1) % 2**32, accept=accept)",
         "seed=(self.seed + 1) % 2**32)",
         ("tests/test_sampler_calls.py",), compiled=True),
    _bug("the place of a divergence is where nothing is odd",
         "reebayes/inference/sampling.py",
         "named = np.argsort(-far)",
         "named = np.argsort(far)",
         ("tests/test_sampler_calls.py",), compiled=True),
    _bug("a verdict of a second try does not tell of the first",
         "reebayes/inference/convergence.py",
         "    after = tried if first_try else",
         "    after = tried if not first_try else",
         ("tests/test_sampler_calls.py",), compiled=True),
    _bug("the acceptance asked for does not reach the sampler",
         "reebayes/inference/sampling.py",
         "            accept=target_accept, thin=THIN,",
         "            thin=THIN,",
         ("tests/test_sampler_calls.py",), compiled=True),
    _bug("a changed study is drawn with other random numbers",
         "reebayes/experiments/prior_answers.py",
         "np.random.default_rng(seed)",
         "np.random.default_rng([seed, int(study.hash[:8], 16)])",
         ("tests/test_prior_answers.py",), compiled=True),
    # --- one list, one answer ---
    _bug("a fit of other code taken for the one asked for", "reebayes/provenance.py",
         '"code_hash": code_hash(),\n        "versions"', '"versions"',
         ("tests/test_provenance.py",)),
    _bug("a label asks for another fit", "reebayes/study/schema.py",
         "_told = partial(Column, read=Cells.text, moves=False)",
         "_told = partial(Column, read=Cells.text)", ("tests/test_provenance.py",)),
    _bug("a factor of a record moves nothing", "reebayes/study/schema.py",
         'gross.", Cells.number),', 'gross.", Cells.number, moves=False),',
         ("tests/test_provenance.py",)),
    # --- tables of shares ---
    _bug("a part is seen by itself", KERNELS,
         "location[r] -= against.weight[n] * own[against.index[n]]",
         "location[r] -= 0.0 * own[against.index[n]]",
         ("tests/test_compositions.py", "-k", "logistic_normal")),
    _bug("a part pulls those that it is seen against its own way", KERNELS,
         "shift_bar[against.index[n]] -= against.weight[n] * location_bar[r]",
         "shift_bar[against.index[n]] += against.weight[n] * location_bar[r]",
         ("tests/test_kernels.py", "-k", "locations")),
    _bug("the slope of a part by its error is that of its location", KERNELS,
         "d_scale = d_location * d_location - 1.0", "d_scale = d_location - 1.0",
         ("tests/test_compositions.py", "-k", "adjoint")),
    _bug("printed parts are not seen against one another", OBSERVATIONS,
         "value = value - weigh(value, _packed(contrasts.against))", "value = value + 0.0",
         ("tests/test_compositions.py", "-k", "logistic_normal")),
    _bug("parts have the heavy tails of other figures", OBSERVATIONS,
         "kind[contrasts.parts] = PART", "kind[contrasts.parts] = POINT",
         ("tests/test_compositions.py", "-k", "normal_where")),
    _bug("the first part of a table counts by itself", OBSERVATIONS,
         "kind[contrasts.first] = CERTAIN", "kind[contrasts.first] = PART",
         ("tests/test_compositions.py", "-k", "logistic_normal")),
    _bug("the error of the parts before a part is forgotten", COMPOSITIONS,
         "math.sqrt(1.0 / weights[number] + 1.0 / before)", "math.sqrt(1.0 / weights[number])",
         ("tests/test_compositions.py", "-k", "logistic_normal")),
    _bug("parts before a part weigh alike", COMPOSITIONS,
         "shares = (weights[:number] / before).tolist()", "shares = [1.0 / number] * number",
         ("tests/test_compositions.py", "-k", "logistic_normal")),
    _bug("held-out parts stay before the others", COMPOSITIONS,
         "key=lambda at: (names[at] in last, at)", "key=lambda at: at",
         ("tests/test_compositions.py", "-k", "held_out")),
    _bug("a part given the others has the error of a part given those before it", COMPOSITIONS,
         "found[at] = (printed[row], log_ratio, spread[row] / contrasts.sd[at])",
         "found[at] = (printed[row], log_ratio, 1.0)",
         ("tests/test_compositions.py", "-k", "loses_without")),
    _bug("a fit without some parts knows them", "reebayes/experiments/runs.py",
         "layout = lay_out(study, last=frozenset(held))", "layout = lay_out(study)",
         ("tests/test_runs.py", "-k", "parts_that_stay")),
    _bug("the error of the rest of a table is forgotten", "reebayes/study/compositions.py",
         "math.sqrt(sd**2 + 1.0 / (total - weight))", "math.sqrt(sd**2)",
         ("tests/test_compositions.py", "-k", "replicated")),
    _bug("a part that is left alone stays", "reebayes/study/compositions.py",
         "if len(parts) == 1 and len(whole.get(key, ())) > 1", "if len(parts) == 0",
         ("tests/test_compositions.py", "-k", "left_alone")),
    _bug("drawn tables are not closed", "reebayes/simulation/records.py",
         "return study.with_records(closed(printed, records))",
         "return study.with_records(printed)",
         ("tests/test_compositions.py", "-k", "drawn_by_part")),
    _bug("a part left out takes what it adds to the parts before it", "reebayes/results/reading.py",
         "return given.fillna(terms)", "return terms",
         ("tests/test_compositions.py", "-k", "readers_leave")),
    _bug("a share is shown as its log ratio", "reebayes/results/reading.py",
         "figures = np.where(part, whole.to_numpy(dtype=float) * shares, figures)",
         "figures = np.where(part, np.exp(values), figures)",
         ("tests/test_compositions.py", "-k", "shown_as_shares or told_as_a_share")),
    _bug("an empty composition changes a digest", "reebayes/study/hashing.py",
         'LATER = ("composition", "transition")', "LATER = ()",
         ("tests/test_compositions.py", "-k", "digest")),
    _bug("shares of more than one make a table", "reebayes/study/checks/compositions.py",
         "if len(shares) == len(entries) and total > most:", "if total > 10 * most:",
         ("tests/test_compositions.py", "-k", "no_table")),
    _bug("parts of two wholes make a table", "reebayes/study/checks/compositions.py",
         "if _below(known[0], context) != _below(entry, context):",
         "if not _below(known[0], context):",
         ("tests/test_compositions.py", "-k", "no_table")),
    # --- signed figures, units, one's own study ---
    _bug("a bias adds to a signed figure", "reebayes/model/kernels.py",
         "location[r] = math.exp(location[r]) * above[r] / below[r]",
         "location[r] = location[r] + above[r] / below[r]", ("tests/test_model.py", "-k",
         "written_apart and shared")),
    _bug("the slope of a signed figure by its bias is that of a log", "reebayes/model/kernels.py",
         "shift_bar[r] = above_bar[r] * above[r]", "shift_bar[r] = own_bar",
         ("tests/test_kernels.py", "-k", "locations")),
    _bug("a signed ratio does not feel what is below it", "reebayes/model/kernels.py",
         "below_bar[r] = -above_bar[r] * above[r] / below[r]", "below_bar[r] = 0.0",
         ("tests/test_kernels.py", "-k", "locations")),
    _bug("the error of a signed figure is taken for a fraction", "reebayes/study/rows.py",
         "return self.sd * self.scale if kind_of(self.kind).is_signed else self.sd",
         "return self.sd", ("tests/test_signed.py",)),
    _bug("a lower bound has its place below it", "reebayes/inference/pit.py",
         "1.0 if figure.kind == LOWER else below(figure.high)",
         "below(figure.low) if figure.kind == LOWER else below(figure.high)", HELD_OUT),
    _bug("bounds have the heavy tails of figures", "reebayes/inference/pit.py",
         "if figure.kind in (POINT, EITHER) else np.zeros_like(freedom)",
         "if figure.kind != CERTAIN else np.zeros_like(freedom)", HELD_OUT),
    _bug("the first reading of an ambiguous figure is taken", "reebayes/inference/pit.py",
         "return values[0] if rng.uniform() < chance else values[1]", "return values[0]", HELD_OUT),
    _bug("replicated records share nothing", "reebayes/inference/pit.py",
         "values = location[chosen, n]", "values = rng.permutation(location)[chosen, n]", HELD_OUT),
    _bug("the place of a record is of one draw", "reebayes/inference/pit.py",
         "return float(_below((value - location) / scale, heavy).mean())",
         "return float(_below((value - location) / scale, heavy)[0])", HELD_OUT),
    _bug("places are tested as if records shared nothing", "reebayes/answers/uniformity.py",
         "beyond = int((_distance(replicas) >= distance).sum())",
         "beyond = int((_distance(np.random.default_rng(0).uniform(size=replicas.shape))"
         " >= distance).sum())", HELD_OUT),
    _bug("bounds are tested among figures", "reebayes/answers/uniformity.py",
         'np.array([kind_of(kind).is_figure for kind in table["kind"]], dtype=bool)',
         'np.array([True for kind in table["kind"]], dtype=bool)', HELD_OUT),
    _bug("records are told of reporters in another order", "reebayes/answers/uniformity.py",
         'about.reindex(places.index).join(places',
         'about.set_axis(places.index).join(places', HELD_OUT),
    _bug("held-out records of another study are shown", "reebayes/reporting/checking.py",
         'if set(check.summary["study_hash"]) !=', 'if False and set(check.summary) !=', HELD_OUT),
    _bug("a refit that failed is not tried again", "reebayes/experiments/runs.py",
         "TRIES = 3", "TRIES = 1", ("tests/test_runs.py", *QUICK)),
    _bug("a short refit counts whatever it predicts", "reebayes/experiments/runs.py",
         "if passes(gate_figures(asked, stats, settings.gate), settings.gate):", "if asked:",
         ("tests/test_runs.py", *QUICK)),
    _bug("folds start from whatever fit lies there", "reebayes/experiments/runs.py",
         'or not is_asked_for(found, self._asked(study)):\n            return None, None',
         'and not is_asked_for(found, self._asked(study)):\n            return None, None',
         ("tests/test_runs.py", *QUICK)),
    _bug("a failed fold stops all by force", "reebayes/experiments/runs.py",
         "if failed and not force:", "if failed:", ("tests/test_runs.py", *QUICK)),
    _bug("one variant's records move the folds of another", "reebayes/experiments/runs.py",
         "    for name in others:\n        parts[int(sha256(f\"{seed}:{name}\".encode())"
         ".hexdigest(), 16) % len(parts)].append(name)",
         "    for n, name in enumerate(others):\n        parts[n % len(parts)].append(name)",
         ("tests/test_runs.py", *QUICK)),
    _bug("folds leave a record out of the check", "reebayes/cli/experiments.py",
         "dealt = folds_at_random(own, int(folds)", "dealt = folds_at_random(own[1:], int(folds)",
         ("tests/test_cli.py", "-k", "holds_out")),
    _bug("a figure is compared with a bound", "reebayes/answers/scores.py",
         "if rows.get(record, first) != first", "if False", ("tests/test_scores.py",)),
    _bug("records that a variant leaves out are not told", "reebayes/answers/scores.py",
         "if record not in rows", "if False", ("tests/test_scores.py",)),
    _bug("importance sampling leads", "reebayes/answers/scores.py",
         "rows.append(_score_rows(LOO, scores, about, exact, read))",
         "rows.insert(0, _score_rows(LOO, scores, about, exact, read))", ("tests/test_scores.py",)),
    _bug("a difference of a group is of all others", "reebayes/answers/scores.py",
         "[(REPORTER, name, who == name) for name", "[(REPORTER, name, who != name) for name",
         ("tests/test_scores.py",)),
    _bug("an added flow is in no quantity", "reebayes/study/changes.py",
         "terms=[*draft.terms, *(Entry(None, replace(e.item, flow=flow.flow)) for e in terms)]",
         "terms=draft.terms", ("tests/test_variants.py",)),
    _bug("an added flow has the prior of the other", "reebayes/study/changes.py",
         "replace(_with_numbers(entry.item, one), target", "replace(entry.item, target",
         ("tests/test_variants.py",)),
    _bug("an added flow is not checked", "reebayes/study/checks/whole.py",
         "grown = len(after.flows) != len(before.flows)", "grown = False",
         ("tests/test_variants.py",)),
    _bug("stated errors exceeded by noise without the floor", "docs/comparison.py",
         "np.sqrt(floor + (1 - floor) * multiplier**2)", "multiplier",
         ("tests/test_comparison_page.py",)),
    _bug("signed figures are compared as logs", "reebayes/results/reading.py",
         "return np.where(_are_signed(kinds), values, logs)", "return logs",
         ("tests/test_signed.py", "tests/test_predictive.py")),
    _bug("an error in per cent of a signed share stays", "reebayes/study/schema.py",
         'scaled.append("sd")', "pass", ("tests/test_signed.py",)),
    _bug("a million tonnes are a thousand", "reebayes/study/rows.py",
         '"Mt": 1e3', '"Mt": 1.0', ("tests/test_signed.py",)),
    _bug("a difference is recorded on the log scale", "reebayes/study/checks/records.py",
         "elif context.has_negative(record.quantity) and not _may_be_signed(entry):",
         "elif False:", ("tests/test_signed.py", "tests/test_bad_tables.py", "-k",
         "bad_signed or net_export")),
    _bug("labels ask for another fit", "reebayes/study/schema.py",
         '_told("description", "What it counts, and what it leaves out."),',
         'Column("description", "What it counts, and what it leaves out.", Cells.text),',
         ("tests/test_own_study.py",)),
    _bug("an example hides a directory of its name", "reebayes/study/examples.py",
         "if path is not None and (name not in EXAMPLES or Path(path).exists()):",
         "if path is not None and name not in EXAMPLES:", ("tests/test_own_study.py",)),
    _bug("one year is drawn as a line", "reebayes/figures/curves.py",
         "if band.sizes[YEAR] == 1:", "if False:", ("tests/test_one_year.py",)),
    _bug("a variance floor in the tables is not used", "reebayes/study/study.py",
         "return float(rows[0].median) if rows else VARIANCE_FLOOR", "return VARIANCE_FLOOR",
         ("tests/test_provenance.py",)),
    _bug("bands in a file under the wrong probability", "reebayes/results/intervals.py",
         "for level in ((1 - p) / 2, (1 + p) / 2)", "for level in ((1 - p) / 3, (2 + p) / 3)",
         ("tests/test_contents.py", "-k", "bands")),
    _bug("bands of sums in the unit of a year", "reebayes/results/contents.py",
         "SUM_UNIT: without_per_year(unit)}", "SUM_UNIT: unit}",
         ("tests/test_contents.py", "-k", "sums")),
    _bug("a bias that drifts told as one that does not", "reebayes/inference/datatree.py",
         "return np.asarray((rows < layout.unknowns.varying) | ~still)",
         "return np.zeros(rows.size, dtype=bool)",
         ("tests/test_sampling.py", "-k", "world_written_apart"), compiled=True),
    # --- possible and hardly meant ---
    _unseen("a figure that nothing comes near is not told", "likeness",
            "return statement.surprise > ALONE", "return False", "mined-cn-2010"),
    _unseen("a figure far from neighbours and priors is not told", "likeness",
            "if statement.surprise > BESIDE:", "if statement.surprise > 99:", "registered-2022"),
    _unseen("a figure between others that agree is not told", "likeness",
            "return agree and statement.surprise > BETWEEN", "return False", "imported-us-metal"),
    _unseen("neighbours alone speak against a figure", "likeness",
            "return agree and statement.surprise > BETWEEN", "return True", "any_part or jump"),
    _unseen("a loose bound is told as a wrong one", "likeness",
            "if statement.is_loose and", "if not statement.is_figure and False and",
            "themselves_print"),
    _unseen("a series in another unit is not told", "likeness",
            "yield from map(_told_series, series)", "pass", "series"),
    _unseen("a literature estimate that is out is not told", "likeness",
            "yield from _check_estimates(draft, flows)", "pass", "chen_mined"),
    _unseen("the prior that is out is not looked for", "likeness",
            "blamed = find_prior(draft, context, _middles(found), _shift(against))",
            "blamed = None", "named"),
    _unseen("a prior that is out told of every record", "likeness",
            "return found, against or _all_far(found)", "return found, against", "named"),
    _unseen("a prior that brings some figures near and takes others away", "blame",
            "return sum(distance > NEAR for distance in distances), sum(distances)",
            "return 0, min(distances)", "named"),
    _unseen("a route moves nothing that the priors expect", "prior_flows",
            "logs[number] += routes.get(", "logs[number] += 0.0 * routes.get(", "simulation"),
    _unseen("what the priors expect spreads too little", "prior_flows",
            "centre + sd * generator", "centre + 0.5 * sd * generator", "worlds"),
    _unseen("a sum over years expected as their mean", "prior_flows",
            "drawn.sum(axis=1) if total else", "drawn.mean(axis=1) if total else", "several_years"),
    _unseen("any stated error is believed", "limits",
            "if not LEAST_ERROR <= sd <= MOST_ERROR:", "if sd < 0:", "sd and quota"),
    _unseen("a range of any width is believed", "limits",
            "if low and high and high > WIDEST_RANGE * low:", "if low and high and high < low:",
            "range"),
    _unseen("two values of one figure may be anything", "limits",
            "other / value) >= OTHER_FACTOR:", "other / value) < 0:", "white"),
    _unseen("a prior of any width is believed", "limits",
            "if prior.sd > 0 and not limits", "if prior.sd > 9 and not limits",
            "concentrate or bias or content_metal"),
    _unseen("a factor taken for a bias on the log scale", "limits",
            "return abs(middle) <= limits.most_median", "return True", "median"),
    _unseen("a series that changes more than it varies", "limits",
            "prior.step > MOST_STEP * prior.sd:", "prior.step > 99 * prior.sd:", "step"),
    _unseen("a flow that counts ten times", "limits",
            "if not least < abs(weight) < most:", "if not abs(weight) < 99:", "weight"),
    _unseen("a source from the future", "limits",
            "not FIRST_PRINT <= year <= this_year:", "not FIRST_PRINT <= year:", "ABR_2011"),
    _unseen("years at the end of a study that no record reaches", "limits",
            "if blank > MOST_BLANK:", "if blank > 99:", "without_a_record"),
    _unseen("a study of centuries", "limits",
            "if last - first + 1 > MOST_YEARS:", "if last < first:", "any_register"),
    _unseen("a record named after another year", "company",
            "yield from _check_names(draft, context)", "pass", "magnets"),
    _unseen("a second edition of a figure", "company",
            "yield from _check_series_years(draft)", "pass", "entered_twice"),
    _unseen("a figure of another reporter to the last digit", "company",
            "yield from _check_copies(draft)", "pass", "entered_twice"),
    _unseen("a stated error unlike its series", "company",
            "yield from _check_errors(draft)", "pass", "quota and sd"),
    _unseen("a factor upside down", "company",
            "ONE_CONTENT_RATIO if one else", "CONTENT_RATIO if one else", "metal"),
    _unseen("content in a series of gross weights", "company",
            "yield from _check_units(draft)", "pass", "metal"),
    _unseen("an error in common forgotten once", "company",
            "yield from _check_common_errors(draft)", "pass", "metal"),
    _unseen("a reporter misspelt by a letter", "company",
            "yield from _check_reporters(draft)", "pass", "quota and reporter"),
    _unseen("a figure under another reporter", "company",
            "yield from _check_holes(draft)", "pass", "metal"),
    _unseen("shares of more than the whole", "company",
            "return sum(numbers) - 2 * error > 1", "return False", "share"),
    _unseen("a share above one", "company",
            "if column and (getattr(entry.item, column) or 0.0) > 1:",
            "if column and (getattr(entry.item, column) or 0.0) > 99:", "share-world"),
    _unseen("a source printed before the year it reports", "company",
            "record.year_end > year + ahead:", "record.year_end > year + 99:", "usgs-mine"),
    _unseen("a break in the bias of a reporter who is silent", "company",
            "yield from _check_silent_biases(draft)", "pass", "break"),
    _unseen("a bias that nothing ties down", "company",
            "yield from _check_lone_biases(draft)", "pass", "xitucn"),
    _unseen("an anchor on shares alone", "company",
            "yield from _check_anchors(draft, context)", "pass", "anchors"),
    _unseen("a copy of a study is looked at again", "whole",
            "    faults = list(_check_keys(draft))\n",
            "    faults = list(_check_keys(draft))\n"
            "    from reebayes.study.checks.plausible import implausible\n"
            "    faults += implausible(draft)\n", "copies"),
    _bug("warnings of a study as Python writes them", "reebayes/cli/main.py",
         "if isinstance(message, StudyWarning):", "if message is None:",
         (IMPLAUSIBLE, "-k", "command_line")),
    # --- the model ---
    _bug("a flow that is subtracted is added (net exports)", OBSERVATIONS,
         "(position[name], column, weight)", "(position[name], column, abs(weight))", APART),
    _bug("yield applied twice to the inflow of a product", KERNELS,
         "level[driven[n], t] += max(odds, 0.0) + math.log1p(math.exp(-abs(odds)))",
         "level[driven[n], t] += 2.0 * (max(odds, 0.0) + math.log1p(math.exp(-abs(odds))))",
         (*APART, "tests/test_kernels.py::test_levels_add_routes_and_yields")),
    _bug("a trade route moves nothing", KERNELS,
         "level[k, t] += on_route[k] * level[route[k], t]",
         "level[k, t] += 0.0 * level[route[k], t]", APART),
    _bug("reporter's bias on the wrong side", OBSERVATIONS,
         "shifts = {first + year: 1.0 / len(years) for year in years}",
         "shifts = {first + year: -1.0 / len(years) for year in years}", APART),
    Mutation("quota taken for an upper bound", OBSERVATIONS,
             (("SIGNED: POINT},", 'SIGNED: POINT}, {"quota": UPPER},'),
              ('high=np.where(printed, other, _figures(records, "high"))',
               'high=np.where(printed, other, _figures(records, "high")) '
               '+ np.where(np.isin([r.kind for r in records], "quota"), value, 0.0)')), APART),
    _bug("a record counts the flows of the year before", OBSERVATIONS,
         "at = row * len(study.years) + year - study.first_year",
         "at = row * len(study.years) + max(year - 1 - study.first_year, 0)", APART),
    _bug("gross weight taken for content", "reebayes/study/rows.py",
         "return MASS_SCALES[mass] * factor", "return MASS_SCALES[mass]",
         BY_HAND),
    _bug("tonnes taken for thousand tonnes", "reebayes/study/rows.py",
         'MASS_SCALES = {"kt": 1.0, "t": 1e-3', 'MASS_SCALES = {"kt": 1.0, "t": 1.0',
         BY_HAND),
    _bug("noise of a reporter squared", KERNELS,
         "scale[i] = errors.record_sd[i] * factor[errors.reporter[i]]",
         "scale[i] = errors.record_sd[i] * factor[errors.reporter[i]] ** 2", APART),
    _bug("part of a stated error that stands counted twice", KERNELS,
         "math.sqrt(floor + (1.0 - floor) * noise * noise)",
         "math.sqrt(floor + noise * noise)", APART),
    _bug("a record left out by weights without the error that stands",
         "reebayes/answers/leave_one_out.py",
         'floor + (1 - floor) * (noise**2)',
         '(noise**2)', ("tests/test_leave_one_out.py",)),
    _bug("weights taken for the closed form where they are not to be trusted",
         "reebayes/answers/leave_one_out.py",
         'by_weights = table["reliable"].to_numpy() | ~',
         'by_weights = True | ~', ("tests/test_leave_one_out.py",)),
    _bug("noise of all reporters left out", KERNELS,
         "noise = math.exp(common + noise_mean[r]",
         "noise = math.exp(noise_mean[r]", APART),
    _bug("noise common to all reporters beats a reporter's own", OBSERVATIONS,
         '[rows.get(target, every) for target in targets_in(NOISE, study.reporters)]',
         '[every or rows.get(target, []) for target in targets_in(NOISE, study.reporters)]', APART),
    _bug("a flow leaks into a year in which it is not active", KERNELS,
         "flow[f, t] = flow[f, t] if active[f, t] else 0.0", "flow[f, t] = flow[f, t]", APART),
    _bug("last active year lost", "reebayes/study/rows.py",
         "any(first <= year <= last for first, last in self.active)",
         "any(first <= year < last for first, last in self.active)",
         BY_HAND),
    _bug("share of the remainder forgotten", UNKNOWNS,
         "return np.asarray(np.log(median / reference))",
         "return np.asarray(np.log(median / (1.0 - median)))", APART),
    _bug("share taken for its logit", UNKNOWNS,
         "return np.asarray(np.log(median / reference))",
         "return np.asarray(median / reference)", APART),
    _bug("lag reversed: late arrivals are most of a year", OBSERVATIONS,
         "years = {record.year: 1.0 - record.lag, record.year - 1: record.lag}",
         "years = {record.year: record.lag, record.year - 1: 1.0 - record.lag}", APART),
    _bug("error that records share dropped", OBSERVATIONS,
         'for target, sign in record.common.items():', 'for target, sign in ():', APART),
    _bug("an error that enters the other way round enters straight", OBSERVATIONS,
         'shifts[start + study.first_year] = sign',
         'shifts[start + study.first_year] = abs(sign)', APART),
    _bug("bias of another reporter enters with the wrong sign", OBSERVATIONS,
         'start + year: sign / len(years) for year in years',
         'start + year: -sign / len(years) for year in years', APART),
    _bug("second reading of a figure ignored", OBSERVATIONS,
         'return EITHER if code == POINT and record.other is not None else code',
         'return code', APART),
    _bug("a sum over years taken for their mean", OBSERVATIONS,
         'kind_of(record.kind).years == MEAN and',
         'kind_of(record.kind).spans and', APART),
    _bug("upper bound taken for a lower one", KERNELS,
         "term[i] = _log_normal_cdf((high[i] - location[i]) / scale[i])",
         "term[i] = _log_normal_cdf((location[i] - high[i]) / scale[i])", APART),
    _bug("prior of the first period in all years", TRANSITIONS,
         "begun[number] = np.cumsum(steps)", "begun[number] = 0.0", APART),
    _bug("heavy tails asked for and not used", UNKNOWNS,
         'settings.get("error_distribution", "normal") == "student_t"',
         'settings.get("error_distribution", "normal") == "student"', APART),
    _bug("tails do not learn", KERNELS,
         "        tail_bar = freedom_adjoint(location, scale, seen, ones)\n",
         "        tail_bar = 0.0 * freedom_adjoint(location, scale, seen, ones)\n",
         ("tests/test_density.py", "-k", "gradient and identity and learnt"), compiled=True),
    _bug("slope in the degrees of freedom without that of the constant", KERNELS,
         "constant = 0.5 * (_digamma_step(0.5 * freedom) - 1.0 / freedom)",
         "constant = 0.5 * _digamma_step(0.5 * freedom)", ERRORS),
    _bug("learnt tails are those of their prior's centre", KERNELS,
         "errors.tail[0] + errors.tail[1] * latent[errors.tail_at[0]]",
         "errors.tail[0]", ERRORS),
    _bug("draws score with the tails of the prior", "reebayes/inference/datatree.py",
         "figures = with_freedom(layout.equations.figures, freedom[at])",
         "figures = layout.equations.figures", ERRORS),
    _bug("held-out figures are placed with the tails of the prior", "reebayes/inference/pit.py",
         "freedom = np.full(draws, figures.freedom) if freedom is None else freedom",
         "freedom = np.full(draws, figures.freedom)", ERRORS),
    _bug("simulated figures have the tails of the prior's centre", "reebayes/simulation/records.py",
         "freedom = freedom or world.freedom or _degrees_of_freedom(study)",
         "freedom = freedom or _degrees_of_freedom(study)", ERRORS),
    _bug("noise is spread as the prior says whatever was learnt", KERNELS,
         "own = stretch * noise_sd[r] * latent[begin + r]",
         "own = noise_sd[r] * latent[begin + r]", (*ERRORS[:1], "-k", "spread")),
    _bug("the spread of noise does not learn", KERNELS,
         "by_stretch = pull * own * latent[begin + r] * errors.stretch[1]",
         "by_stretch = 0.0 * own",
         ("tests/test_kernels.py", "-k", "spreads_are_stated")),
    _bug("what reporters have in common is stretched too", OBSERVATIONS,
         "spread[..., :-1] *= np.exp(stretch)", "spread *= np.exp(stretch)",
         (*ERRORS[:1], "-k", "spread")),
    _bug("an error that moves counts with its first year", OBSERVATIONS,
         "return len(rows) == 1 and rows[0].step is None", "return len(rows) == 1", APART),
    _bug("a transition is a jump of the median", TRANSITIONS,
         "PARTS = (0.25, 0.5, 0.25)", "PARTS = (0.0, 1.0, 0.0)", GRADUAL),
    _bug("a transition is of known size", KERNELS,
         "square = move * move + steps.jump[r] * steps.jump[r]", "square = move * move", APART),
    _bug("a multiplier of steps stretches transitions", KERNELS,
         "slope[r] = -persistence[r] * move * move * step_sd[g]",
         "slope[r] = -persistence[r] * square * step_sd[g]",
         ("tests/test_kernels.py::test_persistences_and_their_slopes",)),
    _bug("shares go over as they are", TRANSITIONS,
         "return np.asarray(np.exp(np.log(stated) @ part))", "return np.asarray(stated @ part)",
         GRADUAL),
    _bug("variance of a transition is lost before the first year", TRANSITIONS,
         "steps[year if inside else at] += part", "steps[at] += part if inside else 0.0", GRADUAL),
    _bug("a transition into no period is taken", "reebayes/study/checks/priors.py",
         "if prior.year is None or prior.year == first:", "if prior.year is None:", GRADUAL),
    _bug("a row has all of the spread of a year that two share", "reebayes/model/prior_rows.py",
         "return np.asarray(spreads[rows.index(prior)] / spreads.sum(axis=0))",
         "return np.asarray(spreads[rows.index(prior)] > 0, dtype=float)", GRADUAL),
    _bug("records are printed again in the place of others", AGAIN,
         "if kind == ALONE:", "if kind != ALONE:", POSTERIOR_SBC),
    _bug("a truth of a fit has the noise of each reporter alone", AGAIN,
         "noise=named(np.exp(noise[:-1] + noise[-1])", "noise=named(np.exp(noise[:-1])",
         POSTERIOR_SBC),
    _bug("groups of a multiverse weigh by their members", MULTIVERSE,
         "1 / (len(groups) * len(group.members))",
         "1 / sum(len(one.members) for one in groups.values())", MANY),
    _bug("members of a multiverse weigh by their draws", MULTIVERSE,
         "np.full(draws[name].size, share / draws[name].size)", "np.full(draws[name].size, share)",
         MANY),
    _bug("a declared list may change", MULTIVERSE,
         "if _digest(_read(path)) != _digest(declared):", "if not _read(path):", MANY),
    _bug("a multiverse lacks the members that failed", MULTIVERSE,
         'or table.loc[case, "converged"] != "yes"', "", MANY),
    _bug("a multiverse is shown for any study", "reebayes/reporting/choices.py",
         'multiverse is None or multiverse.study_hash != contents.attrs.get("study_hash")',
         "multiverse is None", MANY),
    _bug("what crosses a border moves with markets at home", UNKNOWNS,
         'return "market" if study.route(flows[name]) is None else "trade"',
         'return "market"', APART),
    _bug("series move too far in a year", KERNELS,
         "state[t, k] = persistence[r] * state[t - 1, k] + math.sqrt(innovation[r]) * here",
         "state[t, k] = state[t - 1, k] + math.sqrt(innovation[r]) * here", APART),
    _bug("flow out of a market added to what entered it twice", KERNELS,
         "                    for t in range(years):\n"
         "                        throughput[into, t] += flow[f, t]",
         "                    for t in range(years):\n"
         "                        throughput[into, t] += 2.0 * flow[f, t]", APART),
    _bug("gradient of the noise of reporters without its scale", KERNELS,
         "pull = scale_bar[i] * (scale[i] - fixed / scale[i])",
         "pull = scale_bar[i] * (1.0 - fixed / scale[i])",
         ("tests/test_kernels.py::test_spreads_are_stated_errors_times_noise_and_their_adjoint",)),
    _bug("gradient of a share ignores the other shares", KERNELS,
         "pull = flow[f, t] * (share_bar[f, t] - mean[t])",
         "pull = flow[f, t] * share_bar[f, t]",
         ("tests/test_kernels.py::test_balance_adjoint",)),
    _bug("seed ignored by the sampler", "reebayes/inference/sampling.py",
         "            seed=run.seed,", "            seed=0,",
         ("tests/test_sampler_calls.py",), compiled=True),
    _bug("seed ignored by predictive draws", "reebayes/inference/sampling.py",
         "sampled, np.random.default_rng(seed), store)", "sampled, np.random.default_rng(), store)",
         ("tests/test_sampler_calls.py",), compiled=True),
    # --- the gate ---
    # --- larger studies ---
    _bug("states of a year taken for independent of the year before", PRECISION,
         "here = here - tied @ tied.T", "here = here - 0.0 * (tied @ tied.T)",
         ("tests/test_precision.py", "-k", "dense_algebra"), compiled=True),
    _bug("constants not tied to earlier years", PRECISION,
         "edge = edge - lower.border[t - 1] @ tied.T", "edge = edge + 0.0 * tied.sum()",
         ("tests/test_precision.py", "-k", "dense_algebra"), compiled=True),
    _bug("records tie only what leaves the same process", PRECISION,
         "yield columns + source[ahead], columns + graph.target[ahead]",
         "yield columns + source[ahead], columns + source[ahead]",
         ("tests/test_precision.py", "-k", "parts"), compiled=True),
    _bug("a piece written over the one before", "reebayes/results/stores.py",
         "variable[chain, first : first + values.shape[1]] = values[0]",
         "variable[chain, : values.shape[1]] = values[0]",
         ("tests/test_memory.py", "-k", "bit_for_bit"), compiled=True),
    _bug("the gate reads the first names only", "reebayes/inference/convergence.py",
         "for begin in range(0, shape[-1], step):", "for begin in range(0, step, step):",
         ("tests/test_memory.py", "-k", "bit_for_bit"), compiled=True),
    _bug("sums of a piece of names without the last year", "reebayes/results/intervals.py",
         "for year in range(years):", "for year in range(years - 1):",
         ("tests/test_contents.py", "-k", "sums"), compiled=True),
    _bug("memory of the sampler's store left out of the estimate", "reebayes/inference/memory.py",
         '"sampling": 4 * chains * transitions * unknowns.size + white,', '"sampling": white,',
         ("tests/test_memory.py", "-k", "estimate"), compiled=True),
    _bug("limit of a container ignored", "reebayes/inference/memory.py",
         "return min([free, *_left_in_groups()])", "return free",
         ("tests/test_memory.py", "-k", "container"), compiled=True),
    _bug("a fit that does not fit starts all the same", "reebayes/inference/memory.py",
         "if needed <= free:", "if needed <= free or needed > 0:",
         ("tests/test_memory.py", "-k", "refused or refuses"), compiled=True),
    _bug("gate asks the best R-hat, not the worst", "reebayes/inference/convergence.py",
         'float(table["rhat"].max(initial=0.0))', 'float(table["rhat"].min(initial=1.0))',
         ("tests/test_convergence.py",), compiled=True),
    _bug("a fit that fails the gate passes", "reebayes/inference/convergence.py",
         '"converged": "no" if broken else "yes"',
         '"converged": "no" if len(broken) > 6 else "yes"',
         ("tests/test_convergence.py",), compiled=True),
    # --- readers ---
    _bug("bounds of a record swapped", "reebayes/study/schema.py",
         '        Column("low", "Lower bound as printed.", Cells.number),',
         '        Column("low", "Lower bound as printed.", lambda cells, _: '
         'cells.number("high")),', ("tests/test_study.py",)),
    _bug("minus sign of a weight lost", "reebayes/study/schema.py",
         'return lambda cells, column: cells.needed_number(column, stand_in)',
         'return lambda cells, column: abs(cells.needed_number(column, '
         'stand_in))', ("tests/test_study.py",)),
    _bug("recalled records kept unasked", "reebayes/study/study.py",
         "if recalled or not any(", "if not recalled or not any(", ("tests/test_study.py",)),
    _bug("name that is given twice accepted", "reebayes/study/checks/whole.py",
         "if first is not entry and not unreadable(entry, key):",
         "if first is entry and unreadable(entry, key):", ("tests/test_bad_tables.py",)),
    _bug("unregistered trade lies at the border it enters", "reebayes/study/rows.py",
         'else f"{origin}:unregistered"', 'else f"{destination}:unregistered"',
         ("tests/test_bad_tables.py", "-k", "route")),
    _bug("importers' figure lacks the smuggled flow", "data/quantities.csv",
         "exported_CN_US_oxide,num,smuggle_CN_US_oxide,1\n", "",
         ("tests/test_study.py", "-k", "bundled_trade")),
    # --- harmonise ---
    _bug("importers' customs see declared trade only", HARMONISING,
         "if side == SIDES[0] and registered in study.quantities.names:",
         "if registered in study.quantities.names:", HARMONISATION),
    _bug("exporter and importer swapped", HARMONISING,
         "exporter, importer = (reporter, partner) if out else (partner, reporter)",
         "exporter, importer = (partner, reporter) if out else (reporter, partner)", HARMONISATION),
    _bug("grams counted as kilograms", "reebayes/customs/shipments.py",
         '("g", "gram", "grams", "克"), 1e-3)', '("g", "gram", "grams", "克"), 1.0)',
         HARMONISATION),
    _bug("customs figures booked to the year after", "reebayes/customs/periods.py",
         "return Period(int(plain))", "return Period(int(plain) + 1)", HARMONISATION),
    _bug("total of all partners counted beside them", "reebayes/customs/aggregation.py",
         '        frame["is_world"],\n        "partner",\n        "total of all partners"',
         '        frame["is_world"] & False,\n        "partner",\n        "total of all partners"',
         HARMONISATION),
    _bug("repeated lines counted twice", EXCLUSIONS,
         "repeated = same.reindex(frame.index, fill_value=False)",
         "repeated = same.reindex(frame.index, fill_value=False) & False", HARMONISATION),
    _bug("a month counted beside its year", EXCLUSIONS,
         'beside = pd.Series(cells.isin(years), frame.index) & (frame["month"] > 0)',
         'beside = pd.Series(cells.isin(years), frame.index) & (frame["month"] < 0)',
         HARMONISATION),
    _bug("content of a code written as the weight", "reebayes/customs/aggregation.py",
         "figure = round(tonnes, 6)", "figure = round(content, 6)", HARMONISATION),
    # --- results and reporting ---
    _bug("bands of 80 % called 90 %", "reebayes/results/summaries.py",
         "tail = (1 - ci_prob) / 2", "tail = 1 - ci_prob", ("tests/test_results.py",)),
    _bug("last year left out of a sum", "reebayes/results/summaries.py",
         "slice(first, last)}).sum", "slice(first, last - 1)}).sum", ("tests/test_results.py",)),
    _bug("probability below a threshold called that above", "reebayes/results/summaries.py",
         "share = (da > x)", "share = (da < x)", ("tests/test_results.py",)),
    _bug("ratios upside down", "reebayes/inference/datatree.py",
         "values[..., ratio] / below", "below / values[..., ratio]", APART),
    _bug("records inside their bands flagged as outside", "reebayes/reporting/tables.py",
         'band["predicted_lower"] > high', 'band["predicted_lower"] < high',
         ("tests/test_tables.py",)),
    _bug("a published zero reported as no bound", "reebayes/study/kinds.py",
         'AT_MOST: (None, "high"),',
         'AT_MOST: (None, None),', ("tests/test_tables.py",)),
    _bug("prior columns of a table hold the posterior", "reebayes/reporting/tables.py",
         'bands_of(contents, what, group, total=total, ci_prob=ci_prob)',
         'bands_of(contents, what, total=total, ci_prob=ci_prob)', ("tests/test_tables.py",)),
    _bug("prior column of the report holds the posterior", "reebayes/reporting/sections.py",
         '_band(material.yearly[group].sel(one).isel({YEAR: -1}))',
         '_band(material.yearly[POSTERIOR].sel(one).isel({YEAR: '
         '-1}))', ("tests/test_reporting.py",)),
    _bug("a record that is held out is heard all the same", "reebayes/experiments/reported.py",
         'kind[at] = CERTAIN', 'kind[at] = kind[at]',
         ("tests/test_report_refits.py", "-k", "held")),
    _bug("a refit that did not pass tells of its record", "reebayes/experiments/reported.py",
         'passed = [name for name, one in judged.items() if one.passed]',
         'passed = list(judged)', ("tests/test_report_refits.py", "-k", "did_not_pass")),
    _bug("the weakest are fitted again", "reebayes/experiments/leaving_out.py",
         'pulls(draws, left_out).index[:strongest]', 'pulls(draws, left_out).index[strongest:]',
         ("tests/test_report_refits.py", "-k", "strongest")),
    _bug("refits of another fit are shown", "reebayes/answers/hangs.py",
         'found["digest"] != digest or found["sizes"]', 'found["sizes"]',
         ("tests/test_report_refits.py", "-k", "no_other")),
    _bug("a screen tells what a reporter adds as what goes with it",
         "reebayes/reporting/refitted.py",
         '"change": signed(-row["pull"])', '"change": signed(row["pull"])',
         ("tests/test_report_refits.py", "-k", "names_the_command")),
    _bug("what the rest predicts to first order has a band", "reebayes/answers/drivers.py",
         'if not row["reliable"]:\n        return f"{format_value(row[\'expected\'])}',
         'if False:\n        return f"{format_value(row[\'expected\'])}',
         ("tests/test_report_refits.py", "-k", "no_band")),
    _bug("a shift is told of the first year, not of the furthest", CONFLICTS,
         'furthest = int(np.abs(means).argmax())', 'furthest = 0',
         ("tests/test_prior_conflict.py", "-k", "algebra")),
    _bug("records that pull back are named as pulling away", CONFLICTS,
         'table["pull"] * np.sign(shift) > 0', 'table["pull"] * np.sign(shift) < 0',
         ("tests/test_prior_conflict.py", "-k", "pull")),
    _bug("a shift downwards is no conflict", CONFLICTS,
         'far = np.abs(means) > beyond', 'far = means > beyond',
         ("tests/test_prior_conflict.py", "-k", "algebra")),
    _bug("an unknown that never changes is shifted by another's draws",
         "reebayes/inference/reweighting.py",
         'at = unknowns.states + n - unknowns.varying', 'at = unknowns.states',
         ("tests/test_prior_conflict.py", "-k", "algebra")),
    _bug("a share of a prior is told as its odds", CONFLICTS,
         'return float(odds / (1 + odds))', 'return float(odds)',
         ("tests/test_prior_conflict.py", "-k", "share")),
    _bug("parts of a headline left out of the first table", "reebayes/results/reading.py",
         'for each in (name, *parts.get(name, ()))))',
         'for each in (name,)))', ("tests/test_reporting.py", "-k", "parts")),
    _bug("parts that miss some of the whole pass the check", "reebayes/study/checks/parts.py",
         'numbers = {name: 0.0 for name in links if context.kind(name) not in PASSING_KINDS}',
         'numbers: dict[str, float] = {}', ("tests/test_report_settings.py", "-k", "parts")),
    _bug("parts that a balance makes whole are refused", "reebayes/study/checks/parts.py",
         'numbers[there] = numbers[here] + weight', 'numbers[there] = numbers[here]',
         ("tests/test_report_settings.py", "-k", "parts")),
    _bug("a part is drawn as the whole", "reebayes/answers/registers.py",
         'part: _amount_and_share(contents, contents.terms[part][0], names, stage, part)',
         'part: _amount_and_share(contents, contents.terms[whole][0], names, stage, part)',
         ("tests/test_registers.py", "-k", "parts")),
    _bug("report of the wrong year's Sankey diagram", "reebayes/reporting/sections.py",
         '"sankey": draw_sankey(material.contents, year),',
         '"sankey": draw_sankey(material.contents, year - 1),', ("tests/test_reporting.py",)),
    _bug("boxes of the Sankey diagram say what goes the other way", "reebayes/figures/folding.py",
         "flows.get_indexer(sides[side][name])",
         'flows.get_indexer(sides["source"].get(name, []))', ("tests/test_figures.py",)),
    _bug("a label of the Sankey diagram takes no room", "reebayes/figures/columns.py",
         "return LINE * len(self.lines)", "return LINE * min(1, len(self.lines))",
         (SANKEY, "-k", "nothing_leaves")),
    _bug("a ribbon of the Sankey diagram has no slot where it turns round",
         "reebayes/figures/columns.py", "y = slots[column - 1]", "y = slots[column - 1] + 40.0",
         (SANKEY, "-k", "nothing_leaves")),
    _bug("slots of the Sankey diagram overlap", "reebayes/figures/columns.py",
         "        total += item.height + APART\n", "        total += item.height / 2\n",
         (SANKEY, "-k", "nothing_leaves")),
    _bug("a bend of the Sankey diagram swings out of the picture", "reebayes/figures/columns.py",
         "reach = swing / 0.75 *", "reach = 3 * swing *", (SANKEY, "-k", "nothing_leaves")),
    _bug("factual and counterfactual placed each by itself", "reebayes/figures/folding.py",
         "max(s.start for s in same), max(s.end for s in same)", "same[0].start, same[0].end",
         (SANKEY, "-k", "share_their_places")),
    _bug("a Sankey diagram of a span shows its first year", "reebayes/figures/folding.py",
         "draws.isel({YEAR: 0}) if one else draws.sum(YEAR)",
         "draws.isel({YEAR: 0}) if one else draws.isel({YEAR: 0})", (SANKEY, "-k", "span_is")),
    _bug("losses on the way are not drawn", "reebayes/figures/folding.py",
         "Stub(link.source, True, lost, True)", "Stub(link.source, True, 0.0, True)",
         (SANKEY, "-k", "inputs_losses")),
    _bug("what stocks give is drawn as an input", "reebayes/figures/folding.py",
         "STOCK if takes else INPUT", "INPUT", (SANKEY, "-k", "given_to_stock")),
    _bug("origins of a report under the wrong names", "reebayes/reporting/dependence.py",
         "values.swapaxes(0, 1), strict=True", "values.swapaxes(0, 1)[::-1], strict=True",
         ("tests/test_indices.py", "-k", "report_tells")),
    _bug("an indicator of a report in the wrong year", "reebayes/reporting/dependence.py",
         "found.set_index(YEAR).loc[list(years)]", "found.set_index(YEAR).loc[list(years)[::-1]]",
         ("tests/test_indices.py", "-k", "report_tells")),
    _bug("a report may trace what nothing enters", "reebayes/study/checks/whole.py",
         """return "" if enters else""", """return "" if True else""",
         ("tests/test_report_settings.py",)),
    _bug("a sum over years drawn as if it were of one year", "reebayes/figures/curves.py",
         'rows["stated"], rows["year"] - 0.4',
         'rows["value"], rows["year"] - 0.4', ("tests/test_figures.py",)),
    _bug("report written though the fit did not converge", "reebayes/reporting/page.py",
         'if not contents.converged and not force:',
         'if force is None:', ("tests/test_reporting.py",)),
    _bug("labels enter the page as HTML", "reebayes/reporting/templating.py",
         "autoescape=True", "autoescape=False", ("tests/test_reporting.py",)),
    _bug("formulas enter the workbook as formulas", "reebayes/reporting/spreadsheets.py",
         '    cell.data_type = "s"\n', "", ("tests/test_tables.py",)),
    _bug("text that a spreadsheet runs enters a CSV file as it is",
         "reebayes/reporting/spreadsheets.py",
         "table.map(_inert_text).rename(", "table.rename(",
         ("tests/test_hostile.py", "-k", "inert")),
    # --- what an answer hangs on ---
    _bug("score of a series without its persistence", REWEIGHTING,
         "scores = self._states[at] * self._pulls[at] - 1.0 + self._persistence_scores[at]",
         "scores = self._states[at] * self._pulls[at] - 1.0",
         ("tests/test_prior_rows.py", "-k", "scores and (tiny or linear)")),
    _bug("a share moves and its siblings stay", REWEIGHTING,
         "changes = {column: change.copy() for column in self._beside(before)}",
         "changes = {column: 0.0 * change for column in self._beside(before)}",
         ("tests/test_prior_rows.py", "-k", "changed_study and mixed")),
    _bug("a series is stretched and keeps its persistence", REWEIGHTING,
         "_persistences(self._moves[column] / stretch[1:, None])",
         "_persistences(self._moves[column])",
         ("tests/test_prior_rows.py", "-k", "ratios_of_priors and tiny")),
    _bug("weights of a changed prior upside down", SENSITIVITIES,
         "            weights, khat = smoothed_weights(-logs)\n            found[row.prior.label]",
         "            weights, khat = smoothed_weights(logs)\n            found[row.prior.label]",
         ("tests/test_sensitivities.py", "-k", "by_weights_are"),
         compiled=True),
    _bug("a period's prior moves the answer through the records alone", SENSITIVITIES,
         "slopes += [float(cov[0] + slope.mean()), float(error[0])]",
         "slopes += [float(cov[0]), float(error[0])]",
         ("tests/test_sensitivities.py", "-k", "several_periods"),
         compiled=True),
    _bug("a share moves beside a constant, which stays", "reebayes/model/prior_rows.py",
         "kind = PARTED if still else MOVING", "kind = MOVING",
         ("tests/test_prior_rows.py", "-k", "mixed")),
    _bug("a stretched series takes wider steps", REWEIGHTING,
         "steps.ratio[old] / stretch)", "steps.ratio[old])",
         ("tests/test_prior_rows.py", "-k", "changed_study and mixed")),
    _bug("a constant of several periods counts with each", "reebayes/model/prior_rows.py",
         "columns[constant & own]", "columns[constant]",
         ("tests/test_prior_rows.py", "-k", "from_one_row and tiny")),
    _bug("a row governs the years before it", "reebayes/model/prior_rows.py",
         'side="right") - 1', 'side="left") - 1',
         ("tests/test_prior_rows.py", "-k", "changed_study and linear")),
    _bug("share of a record's error by its variance, not its covariance",
         "reebayes/experiments/budgets.py",
         "pulls = location / np.sqrt(np.square(spread).mean(axis=0))",
         "pulls = location / np.square(spread).mean(axis=0)",
         ("tests/test_sensitivities.py", "-k", "budget"),
         compiled=True),
    _bug("the noise of a covariance counted as a share", "reebayes/experiments/budgets.py",
         '"share": float((square - noise).sum()) / total',
         '"share": float((square + 9 * noise).sum()) / total',
         ("tests/test_sensitivities.py", "-k", "budget"),
         compiled=True),
    _bug("a figure worth finding has no bias", INFORMATION,
         "own = errors * (self.own * np.eye(columns) + self.common)",
         "own = errors * self.own * np.eye(columns)",
         ("tests/test_information.py", "-k", "series")),
    _bug("a known figure is taken out as if it had no error", INFORMATION,
         "(turned * np.sqrt(np.clip(inner, 0.0, None))) @ turned.T",
         "(turned * 0.0) @ turned.T",
         ("tests/test_information.py", "-k", "beside_another")),
    _bug("a reporter's own bias is forgotten", INFORMATION,
         "        logs = logs + np.stack(bias, axis=1)\n", "",
         ("tests/test_information.py", "-k", "known_reporter")),
    _bug("what other code found of a fit is shown again", "reebayes/experiments/overview.py",
         '"code": code_hash(spared=()), ', "",
         ("tests/test_hanging.py", "-k", "made_once"), compiled=True),
    _bug("changes by weights are called first order", HANGING,
         'if row["by"] == FIRST_ORDER:', 'if row["by"] != FIRST_ORDER:',
         ("tests/test_hanging.py", "-k", "first_order"), compiled=True),
    _bug("the budget of the page stops before what is not linear", HANGING,
         'return [*rows, _input_row("not linear, and records of bounds", rest.drop("kind"))]',
         "return rows",
         ("tests/test_hanging.py", "-k", "budget"), compiled=True),
    _bug("the band that a figure would leave is told as it is now", HANGING,
         'format_value(float(row["after"]))', 'format_value(float(row["before"]))',
         ("tests/test_hanging.py", "-k", "worth_finding"), compiled=True),
    _bug("a sensitivity summary of another fit enters the page", "reebayes/reporting/page.py",
         'raise ResultError("The sensitivity summary is of another fit.")', "pass",
         ("tests/test_hanging.py", "-k", "another_fit"), compiled=True),
    _bug("without a source an answer moves by its pull, not against it", "docs/predicted.py",
         'Prediction(-row["pull"]', 'Prediction(row["pull"]',
         ("tests/test_predicted.py", "-k", "fitted_again"), compiled=True),
    # --- indicators and origins ---
    _bug("a ratio by hand passes for a mass", IDENTITY,
         "if HOLDS_FOR in da.attrs and not _unchanged(da):",
         "if HOLDS_FOR in da.attrs and DRAWN not in da.coords:",
         ("tests/test_identity.py", "-k", "arithmetic")),
    _bug("what the unit holds for is changed in place with the values", IDENTITY,
         "np.array(bound.values)", "bound.values", ("tests/test_identity.py", "-k", "in_place")),
    _bug("a ratio over years is of the first of them", INDICES,
         "return np.asarray(chosen.sum(axis=-1, keepdims=True))",
         "return np.asarray(chosen[..., :1].sum(axis=-1, keepdims=True))",
         ("tests/test_indices.py", "-k", "by_hand or ratio_of_sums")),
    _bug("stocks count in every convention", INDICES,
         "if stocks and convention != EU:", "if stocks:",
         ("tests/test_indices.py", "-k", "conventions")),
    _bug("a net exporter relies on imports below 0", INDICES,
         "np.where(exporter, 0.0, found)", "found",
         ("tests/test_indices.py", "-k", "conventions")),
    _bug("concentration without squares", INDICES,
         "(_shares(parts) ** 2).sum(axis=0)", "_shares(parts).sum(axis=0)",
         ("tests/test_indices.py", "-k", "by_hand")),
    _bug("a rate of several years not compounded", INDICES,
         "np.abs(factor) ** (1 / years) - 1", "(np.abs(factor) - 1) / years",
         ("tests/test_indices.py", "-k", "by_hand")),
    _bug("a published bound holds the wrong way round", INDICES,
         "AT_MOST: lambda draws, low, high: (draws <= high).mean()",
         "AT_MOST: lambda draws, low, high: (draws >= high).mean()",
         ("tests/test_indices.py", "-k", "beside_ours")),
    _bug("an indicator may be computed from itself", f"{CHECKS}/formulas.py",
         "        if name in _reached(needs.get(name, set()), needs):",
         "        if False:", ("tests/test_indices.py", "-k", "faults")),
    _bug("content that comes round is forgotten", MIXING,
         "left[:, row, row_of[root]] -= share", "pass",
         ("tests/test_tracing.py", "-k", "rationals or one")),
    _bug("what comes out of stock counts as mined", MIXING,
         "STOCKS if source in stocks and by != BY_SOURCE else plain", "plain",
         ("tests/test_tracing.py", "-k", "telling")),
    _bug("a bound lets other ore pass for the origin", MIXING,
         "upper = np.where(self.fixed == 0, 0.0, most)", "upper = most",
         ("tests/test_tracing.py", "-k", "bounds")),
    _bug("what a refinery takes in is lost to its bound", MIXING,
         "renewed = np.flatnonzero(out & (system.stops >= 0))",
         "renewed = np.flatnonzero(out & (system.stops > 9))",
         ("tests/test_tracing.py", "-k", "renewed")),
    _bug("losses of mines count as mined", REGISTERS,
         'if row["source"] in mines and kinds[row["target"]] != "loss":',
         'if row["source"] in mines:', ("tests/test_registers.py", "-k", "by_hand or bundled")),
    _bug("a quota exceeded where it was kept", REGISTERS,
         "(draws > limit).mean()", "(draws < limit).mean()",
         ("tests/test_registers.py", "-k", "quotas_beside")),
    _bug("imports drawn as exports", "reebayes/figures/panels.py",
         "assign(sign=-1.0,", "assign(sign=1.0,",
         ("tests/test_registers.py", "-k", "net_exports")),
    # --- scenarios ---
    _bug("flows of a scenario are copied", SETUP,
         "return Solved(found.flows, found.stranded", "return Solved(flows, found.stranded",
         ("tests/test_balancing.py", "-k", "not_copied")),
    _bug("what a full plant refuses in a scenario vanishes", BALANCING,
         "stranded = handed.stranded + (offered - flows) @ back",
         "stranded = handed.stranded + 0 * (offered - flows) @ back",
         ("tests/test_balancing.py", "-k", "leaves_or_is_told")),
    _bug("what a limit of a scenario leaves goes to no other flow", BALANCING,
         "have = there * x + np.where(grows, 0.0, gap).sum(axis=1)", "have = there * x",
         ("tests/test_balancing.py", "-k", "round_by_round")),
    _bug("what a scenario loses is told as stranded", BALANCING,
         "rest = handed.stranded if rule.absorbed_by == STAYS else handed.lost",
         "rest = handed.stranded",
         ("tests/test_balancing.py", "-k", "round_by_round")),
    _bug("mines are plants to a scenario", SETUP,
         "plants &= ~self.graph.mines", "plants &= True",
         ("tests/test_balancing.py", "-k", "no_plant_passes")),
    _bug("a scenario of demand forgets losses", SETUP,
         "gain = _ratio(was, was - losses, 1.0)", "gain = _ratio(was, was - 0 * losses, 1.0)",
         ("tests/test_balancing.py", "-k", "demand_asks or without_change")),
    _bug("unmet use of a scenario is not followed downstream", SETUP,
         "traced(forwards, after, shortage)", "traced(forwards, after, 0 * shortage)",
         (SCENARIOS, "-k", "what_is_missing")),
    _bug("a multiple of a scenario taken for an amount", SETUP,
         "size = size * (was if change.relative else self._parts(flows))",
         "size = size * self._parts(flows)", (SCENARIOS, "-k", "what_is_missing")),
    _bug("quantiles of a scenario's size are standard deviations", SETUP,
         ".standard_normal(shape) / HIGH_QUANTILE", ".standard_normal(shape)",
         (SCENARIOS, "-k", "quantiles_they_were_given")),
    _bug("a scenario comes about at once", SETUP,
         '    if change.shape == "linear":\n        return done',
         '    if change.shape == "linear":\n        return 1.0', (SCENARIOS, "-k", "comes_about")),
    _bug("differences of a scenario the wrong way round", "reebayes/answers/scenarios/running.py",
         "DIFFERENCE: after - before", "DIFFERENCE: before - after",
         (SCENARIOS, "-k", "draw_by_draw")),
    _bug("a gain of a scenario told as a loss", "reebayes/answers/scenarios/effects.py",
         "loss = after if gap else -change", "loss = after if gap else change",
         (SCENARIOS, "-k", "probability_of_a_loss or by_hand")),
    _bug("a limit of a scenario below zero", f"{CHECKS}/scenarios.py",
         "if change.way != ADD and low < 0:", "if change.way != ADD and low < -99:",
         (SCENARIOS, "-k", "fault_of_a_change")),
    _bug("a scenario changes a flow twice in a year", f"{CHECKS}/scenarios.py",
         "if first is not change and {*first.years} & {*change.years}:",
         "if first is not change and {*first.years} < {*change.years}:",
         (SCENARIOS, "-k", "changes_once_a_year")),
    _bug("scenarios are no part of what is shown", "reebayes/study/study.py",
         '            "scenarios": self.scenarios.plain,\n        }\n        return digest',
         '        }\n        return digest', (SCENARIOS, "-k", "move_no_posterior")),
    _bug("a refit is tried twice whatever the first gave", "reebayes/experiments/refits.py",
         "settings.gate).passed:\n            break\n",
         "settings.gate).passed:\n            pass\n",
         ("tests/test_refits.py", "-k", "tried_once")),
    _bug("refits of all cases have one seed", "reebayes/experiments/refits.py",
         'own = digest_of({"study": study.hash, "near"', 'own = digest_of({"near"',
         ("tests/test_refits.py", "-k", "seeds_are")),
    _bug("trees that are cut off pass", "reebayes/experiments/refits.py",
         'self.saturated < GATE["saturated_fraction"][1]',
         'self.saturated <= 1', ("tests/test_refits.py", "-k", "cut_off")),
    _bug("a case as long as a fit passes the gate of short ones", "reebayes/experiments/refits.py",
         "thin=THIN, gate=WHOLE)", "thin=THIN)",
         ("tests/test_many_studies.py", "-k", "as_long_as")),
    # --- many cases ---
    _bug("a finished case is done again", ENGINE,
         "folder is not None and case.file(folder).is_file()", "False",
         ("tests/test_engine.py", "-k", "never_done_again")),
    _bug("a case that failed is taken for finished", ENGINE,
         "if folder is not None and not outcome.fault:", "if folder is not None:",
         ("tests/test_engine.py", "-k", "stops_no_other")),
    _bug("a case is lost with its worker", ENGINE,
         "if deaths[rank] < workers.tries:", "if deaths[rank] < 0:",
         ("tests/test_engine.py", "-k", "whose_worker_dies")),
    _bug("a case may kill any number of workers", ENGINE,
         "deaths[rank] += 1", "deaths[rank] += 0",
         ("tests/test_engine.py", "-k", "whose_worker_dies")),
    _bug("cases that matter most are done last", ENGINE,
         "waiting = deque(enumerate(todo))", "waiting = deque(reversed([*enumerate(todo)]))",
         ("tests/test_engine.py", "-k", "matters_most")),
    _bug("all cases share one file", "reebayes/experiments/cases.py",
         "return digest_of(self.asked)", "return digest_of({})",
         ("tests/test_engine.py", "-k", "never_done_again")),
    _bug("what fails in a case ends the run", "reebayes/experiments/workers.py",
         "except Exception as error:", "except ReebayesError as error:",
         ("tests/test_engine.py", "-k", "stops_no_other")),
    _bug("a case of a worker takes all cores", "reebayes/experiments/workers.py",
         "line.send(done_here(work, arguments, 1))", "line.send(done_here(work, arguments, None))",
         ("tests/test_engine.py", "-k", "takes_one_core")),
    _bug("refits of a calibration that failed are not told",
         "reebayes/experiments/calibration/running.py", "    if faults:", "    if not tasks:",
         ("tests/test_calibration.py", "-k", "fails_loses")),
    _bug("a case shifts the wrong way", STUDIES,
         "one.draws[name].mean() - before.mean()", "before.mean() - one.draws[name].mean()",
         ("tests/test_many_studies.py", "-k", "row_holds")),
    _bug("figures of a case that did not pass are cited", STUDIES,
         "    if one.passed:\n        for name", "    if one.draws:\n        for name",
         ("tests/test_many_studies.py", "-k", "without_figures")),
    _bug("the table of a run comes at its end", STUDIES,
         "if time.monotonic() - last > seconds:", "if time.monotonic() < last:",
         ("tests/test_many_studies.py", "-k", "while_it_grows")),
    _bug("a fault of a case told of another file", "reebayes/study/runfile.py",
         "replace(fault, table=file, column=", "replace(fault, column=",
         ("tests/test_many_studies.py", "-k", "every_fault")),
    _bug("a run file's case makes any study", "reebayes/study/runfile.py",
         "            found.faults += _of_case(name, error, found.table)", "            pass",
         ("tests/test_many_studies.py", "-k", "every_fault")),
    # --- files ---
    _bug("a file is written under its own name", "reebayes/files.py",
         'temporary = _beside(place, f"{os.getpid()}-{token_hex(3)}.part")',
         "temporary = place", ("tests/test_results.py",)),
    _bug("a pipe is written over", "reebayes/files.py",
         'if kind not in ("", FILE):',
         'if kind not in ("", FILE, "pipe"):', ("tests/test_places.py", "-k", "plain_file")),
    _bug("a link is replaced by a file", "reebayes/files.py",
         "temporary.replace(place)",
         "temporary.replace(target)", ("tests/test_places.py", "-k", "link")),
    _bug("stored sums told of fewer years", "reebayes/results/intervals.py",
         "return made == _made_of(draws) and known and alike",
         "return known or alike", ("tests/test_places.py", "-k", "what_is_left")),
    _bug("a file that is open is opened again", "reebayes/results/fitfile.py",
         "identity = found.st_dev, found.st_ino",
         "identity = found.st_dev, id(self)", ("tests/test_places.py", "-k", "opened_once")),
    _bug("infinite draws are summarised", "reebayes/results/reading.py",
         "if np.isinf(draws).any():",
         "if np.isnan(draws).all():", ("tests/test_places.py", "-k", "infinite")),
    _bug("two runs write one file", "reebayes/files.py",
         '        lock.acquire()\n',
         '        held.append(path.stat()) if path.exists() else '
         'lock.acquire()\n', ("tests/test_faults.py", "-k", "two_runs or holds_nothing")),
    _bug("a fit is saved without checksums", "reebayes/results/fitfile.py",
         '"fletcher32": True,', '"fletcher32": False,',
         ("tests/test_faults.py", "-k", "changed_bytes")),
    _bug("a fit put together in pieces lies there without checksums", "reebayes/results/stores.py",
         "fletcher32=bool(np.prod(shape))", "fletcher32=False",
         ("tests/test_memory.py", "-k", "bit_for_bit"), compiled=True),
    _bug("a fit of another seed taken for the one asked for", "reebayes/provenance.py",
         'for name, value in asked.items() if _plain',
         'for name, value in asked.items() if name != "seed" and '
         '_plain', ("tests/test_faults.py", "-k", "another_run")),
    _bug("a sampler that was interrupted returns what it has", "reebayes/inference/sampling.py",
         "        sampler.cancel()\n        raise\n", "        return sampler.abort()\n",
         ("tests/test_sampler_calls.py",), compiled=True),
)  # fmt: skip


# --- planting -------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """Plant the bugs, print the table; 1 if one is not caught, 2 if one cannot be planted."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("words", nargs="*", help="bugs whose names hold one of these")
    parser.add_argument("--write", action="store_true", help=f"write the table to {PAGE}")
    arguments = parser.parse_args(argv)
    words = arguments.words or [""]
    chosen = [mutation for mutation in MUTATIONS if any(word in mutation.name for word in words)]
    wrong = misplaced(chosen, ROOT)
    if wrong or not chosen:
        sys.stderr.write("\n".join(wrong or ["no bug of that name"]) + "\n")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(ROOT, Path(folder) / "copy", symlinks=True,
                                    ignore=_left_out))  # fmt: skip
        check_without(chosen, copy)
        found = [(mutation, caught_by(mutation, copy)) for mutation in chosen]
    text = table(found)
    sys.stdout.write(text)
    if arguments.write and len(chosen) == len(MUTATIONS):
        (ROOT / PAGE).write_text(page(text), "utf-8")
    return 0 if all(tests for _, tests in found) else 1


def misplaced(mutations: Iterable[Mutation], root: Path) -> list[str]:
    """Return what is wrong with bugs whose place is not found exactly once."""
    wrong = []
    for mutation in mutations:
        try:
            mutation.planted((root / mutation.file).read_text("utf-8"))
        except (LookupError, OSError) as error:
            wrong.append(str(error))
    return wrong


def _left_out(folder: str, names: list[str]) -> set[str]:
    """Names not to copy; the folder of results at the top is none of the package's."""
    left = shutil.ignore_patterns(*LEFT_OUT)(folder, names)
    return left | ({"results"} if Path(folder) == ROOT else set())


def check_without(mutations: Iterable[Mutation], copy: Path) -> None:
    """Run the tests of all bugs without a bug.

    Raises
    ------
    RuntimeError
        If a test fails: it would seem to catch a bug.
    """
    where = _python(copy, "-c", "import reebayes; print(reebayes.__file__)").stdout
    if not Path(where.strip()).is_relative_to(copy):
        raise RuntimeError(f"the copy is not what runs, but {where}")
    for tests, compiled in dict.fromkeys((m.tests, m.compiled) for m in mutations):
        failed, output = run(tests, copy, compiled=compiled)
        if failed:
            raise RuntimeError(f"fail without a bug: {', '.join(failed)}\n{output}")


def caught_by(mutation: Mutation, copy: Path) -> list[str]:
    """Return the tests that fail with a bug, which is then taken out again."""
    path = copy / mutation.file
    text, stat = path.read_text("utf-8"), path.stat()
    path.write_text(mutation.planted(text), "utf-8")
    try:
        failed, _ = run(mutation.tests, copy, compiled=mutation.compiled)
    finally:
        path.write_text(text, "utf-8")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    sys.stderr.write(f"{mutation.name}: {', '.join(failed) or 'NOT CAUGHT'}\n")
    return failed


def run(tests: Sequence[str], copy: Path, *, compiled: bool) -> tuple[list[str], str]:
    """Return which test functions fail, in the order in which they do, and what pytest said."""
    done = _python(copy, "-m", "pytest", "-q", "--tb=line", "-rfE", "--maxfail=4", "-p",
                   "no:cacheprovider", *tests, compiled=compiled)  # fmt: skip
    if done.returncode > 1:  # tests that could not be run caught nothing
        raise RuntimeError(f"pytest {' '.join(tests)}:\n{done.stdout}{done.stderr}")
    names = re.findall(r"^(?:FAILED|ERROR) tests/(\w+)\.py::(\w+)", done.stdout, re.MULTILINE)
    return list(dict.fromkeys(f"{file}: {name}" for file, name in names)), done.stdout


def _python(copy: Path, *arguments: str, compiled: bool = False) -> Done:
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    if not compiled:
        environment["NUMBA_DISABLE_JIT"] = "1"
    return subprocess.run(
        [sys.executable, *arguments], cwd=copy, env=environment, check=False,
        capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip


# --- the table ------------------------------------------------------------------------------------


def table(found: Sequence[tuple[Mutation, Sequence[str]]]) -> str:
    """Return a table of bugs, where they were planted and what caught them."""
    lines = ["| bug | planted in | caught by |", "|---|---|---|"]
    for mutation, tests in found:
        named = "; ".join(f"`{test}`" for test in tests[:NAMED])
        more = " and others" if len(tests) > NAMED else ""
        lines.append(f"| {mutation.name} | `{mutation.file}` | {named or '**nothing**'}{more} |")
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """Return the page that holds the table."""
    return f"""# Planted bugs

Each row is a bug that was put into a copy of the package, alone, and the tests that failed with it
and pass without it. `python -m tests.mutations --write` plants them all again and writes this page;
it fails if one is not noticed, or can no longer be planted.

{text}"""


if __name__ == "__main__":
    sys.exit(main())
