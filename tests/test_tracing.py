"""Origins and destinations: against a particle walk, exact rationals and maximum flows."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
import xarray as xr
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from reebayes.answers.registers import region_labels
from reebayes.answers.tracing import destinations, origin_bounds, origins, reliance
from reebayes.errors import ResultError
from reebayes.results.contents import DRAWS
from reebayes.results.identity import unit_of
from reebayes.results.reading import contents_of
from reebayes.results.summaries import cumulative
from tests.fakes import complete, fake_fit

type Edge = tuple[str, str, str, float]
"""Name, source, target, amount."""


def graph_fit(
    edges: Sequence[Edge],
    kinds: dict[str, str],
    regions: dict[str, str] | None = None,
    *,
    years: Sequence[Sequence[float]] = (),
    products: dict[str, str] | None = None,
    hidden: Sequence[str] = (),
) -> xr.DataTree:
    """Build a fit of one draw with these flows, the same or given ones in each year."""
    names = [edge[0] for edge in edges]
    nodes = list(dict.fromkeys(end for edge in edges for end in edge[1:3]))
    values = np.array(years or [[edge[3] for edge in edges]])
    flows = xr.Dataset(
        {"flows": (("chain", "draw", "year", "flow"), values[None, None])},
        coords={"year": 2010 + np.arange(len(values)), "flow": names, "chain": [0], "draw": [0]},
    )
    text = {
        "flow_source": [edge[1] for edge in edges],
        "flow_target": [edge[2] for edge in edges],
        "flow_product": [(products or {}).get(name, "ore") for name in names],
        "flow_label": [f"Flow {name}" for name in names],
    }
    columns = {key: ("flow", np.array(column, object)) for key, column in text.items()}
    columns["flow_registered"] = ("flow", np.array([name not in hidden for name in names], int))
    columns |= {
        "process_kind": ("process", np.array([kinds.get(n, "market") for n in nodes], object)),
        "process_region": (
            "process",
            np.array([(regions or {}).get(n, "") for n in nodes], object),
        ),
    }
    constant = xr.Dataset(columns, coords={"flow": names, "process": nodes})
    fit = xr.DataTree.from_dict(
        {"posterior": complete(flows, DRAWS), "constant_data": complete(constant)}
    )
    fit.attrs = {"study_name": "Graph", "unit": "kt REO/yr"}
    return fit


def random_graph(
    seed: int, *, mixes: int = 6, sources: int = 3
) -> tuple[list[Edge], dict[str, str]]:
    """Return a balanced system with loops: sources, mixes of each other, and two ends."""
    rng = np.random.default_rng(seed)
    inputs = np.zeros((sources, mixes))
    for source in range(sources):
        inputs[source, rng.choice(mixes, 2, replace=False)] = rng.uniform(1, 10, 2)
    onward = rng.dirichlet(np.ones(mixes + 2), mixes) * (rng.random((mixes, mixes + 2)) < 0.6)
    onward[:, -2:] += 0.05
    np.fill_diagonal(onward[:, :mixes], 0)
    onward /= onward.sum(axis=1, keepdims=True)
    through = np.linalg.solve(np.eye(mixes) - onward[:, :mixes].T, inputs.sum(axis=0))
    edges = [
        (f"in_{s}_{m}", f"source_{s}", f"mix_{m}", inputs[s, m])
        for s in range(sources)
        for m in range(mixes)
        if inputs[s, m] > 0
    ]
    ends = [*(f"mix_{m}" for m in range(mixes)), "use", "lost"]
    edges += [
        (f"{m}_to_{end}", f"mix_{m}", end, through[m] * onward[m, n])
        for m in range(mixes)
        for n, end in enumerate(ends)
        if onward[m, n] > 0
    ]
    kinds = {f"source_{s}": "environment" for s in range(sources)}
    return edges, kinds | {"use": "use", "lost": "loss"}


def walk(edges: Sequence[Edge], starts: Sequence[Edge], count: int, seed: int) -> dict[str, float]:
    """Let particles walk along the flows from some of them; return visits a particle by node."""
    rng = np.random.default_rng(seed)
    out: dict[str, tuple[list[str], np.ndarray]] = {}
    for node in {edge[1] for edge in edges}:
        leaving = [edge for edge in edges if edge[1] == node]
        amounts = np.array([edge[3] for edge in leaving])
        out[node] = ([edge[2] for edge in leaving], amounts / amounts.sum())
    amounts = np.array([edge[3] for edge in starts])
    at = rng.choice([edge[2] for edge in starts], count, p=amounts / amounts.sum())
    visits: dict[str, float] = {}
    while len(at):
        moved = []
        for node in np.unique(at):
            here = int((at == node).sum())
            visits[node] = visits.get(node, 0.0) + here / count
            if node in out:
                moved.append(rng.choice(out[node][0], here, p=out[node][1]))
        at = np.concatenate(moved) if moved else np.array([])
    return visits


def by_source(edges: Sequence[Edge]) -> dict[str, list[Edge]]:
    """Entries of a system by where they come from."""
    found: dict[str, list[Edge]] = {}
    for edge in edges:
        if edge[1].startswith("source"):
            found.setdefault(edge[1], []).append(edge)
    return found


@pytest.mark.parametrize("seed", range(2))
def test_particles_that_walk_arrive_from_the_same_origins(seed: int) -> None:
    edges, kinds = random_graph(seed)
    fit = graph_fit(edges, kinds)
    count = 40_000
    visits = {
        name: (sum(edge[3] for edge in starts), walk(edges, starts, count, seed))
        for name, starts in by_source(edges).items()
    }
    for place in ("use", "mix_0", "lost"):
        arrived = {name: amount * seen.get(place, 0.0) for name, (amount, seen) in visits.items()}
        ours = origins(fit, place, amounts=True).isel(chain=0, draw=0, year=0)
        for name, expected in arrived.items():
            of_source = [o for o in ours["origin"].values if str(o).split("_")[1] == name[-1]]
            found = float(ours.sel(origin=of_source).sum())
            error = 5 * visits[name][0] * max(expected / visits[name][0], 1e-3) ** 0.5 / count**0.5
            assert abs(found - expected) < 2 * error, (place, name)


@pytest.mark.parametrize("seed", range(2))
def test_particles_end_where_destinations_say(seed: int) -> None:
    edges, kinds = random_graph(seed)
    fit = graph_fit(edges, kinds)
    for start in [edge for edge in edges if edge[1] == "mix_1" or edge[1] == "source_0"][:4]:
        seen = walk(edges, [start], 40_000, seed)
        ours = destinations(fit, start[0]).isel(chain=0, draw=0, year=0)
        for end in ours["destination"].values:
            assert float(ours.sel(destination=end)) == pytest.approx(seen.get(end, 0.0), abs=0.015)


def exact(edges: Sequence[tuple[str, str, str, Fraction]], place: str) -> dict[str, Fraction]:
    """Solve for the origins of a place in rationals, by elimination."""
    nodes = sorted({edge[2] for edge in edges})
    entries = sorted({edge[0] for edge in edges if edge[1].startswith("source")})
    rows = []
    for node in nodes:
        into = [edge for edge in edges if edge[2] == node]
        total = sum(edge[3] for edge in into)
        left = [Fraction(int(node == other)) for other in nodes]
        right = [Fraction(0)] * len(entries)
        for name, source, _, amount in into:
            if name in entries:
                right[entries.index(name)] += amount / total
            else:
                left[nodes.index(source)] -= amount / total
        rows.append(left + right)
    for column in range(len(nodes)):
        pivot = next(r for r in range(column, len(nodes)) if rows[r][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [value / rows[column][column] for value in rows[column]]
        for other in range(len(nodes)):
            if other != column:
                factor = rows[other][column]
                pairs = zip(rows[other], rows[column], strict=True)
                rows[other] = [a - factor * b for a, b in pairs]
    return dict(zip(entries, rows[nodes.index(place)][len(nodes) :], strict=True))


SMALL = [
    ("in_a", "source_a", "x", Fraction(3)),
    ("in_b", "source_b", "y", Fraction(2)),
    ("x_y", "x", "y", Fraction(4)),
    ("y_x", "y", "x", Fraction(2)),
    ("y_z", "y", "z", Fraction(4)),
    ("z_x", "z", "x", Fraction(1)),
    ("x_use", "x", "use", Fraction(2)),
    ("z_use", "z", "use", Fraction(3)),
]
SMALL_KINDS = {"source_a": "environment", "source_b": "environment", "use": "use"}


@pytest.mark.parametrize("place", ["x", "y", "z", "use"])
def test_small_loops_as_exact_rationals(place: str) -> None:
    fit = graph_fit([(*edge[:3], float(edge[3])) for edge in SMALL], SMALL_KINDS)
    ours = origins(fit, place).isel(chain=0, draw=0, year=0)
    for name, share in exact(SMALL, place).items():
        assert float(ours.sel(origin=name)) == pytest.approx(float(share), abs=1e-13)


@pytest.mark.parametrize("seed", range(4))
def test_shares_add_to_one_and_amounts_to_what_arrives(seed: int) -> None:
    edges, kinds = random_graph(seed)
    fit = graph_fit(edges, kinds)
    for place in ("use", edges[0][2]):
        shares = origins(fit, place)
        np.testing.assert_allclose(shares.sum("origin", skipna=False), 1, atol=1e-10)
        assert float(shares.min()) >= -1e-12
        arriving = sum(edge[3] for edge in edges if edge[2] == place)
        amounts = origins(fit, place, amounts=True)
        np.testing.assert_allclose(amounts.sum("origin"), arriving, rtol=1e-10)


@pytest.mark.parametrize("seed", range(8, 11))
def test_what_comes_from_there_is_what_goes_there(seed: int) -> None:
    """Amounts traced back from a use are those traced onwards from each source."""
    edges, kinds = random_graph(seed)
    fit = graph_fit(edges, kinds)
    back = origins(fit, "use", amounts=True)
    for edge in edges:
        if edge[1].startswith("source"):
            onwards = destinations(fit, edge[0], amounts=True).sel(destination="use")
            np.testing.assert_allclose(back.sel(origin=edge[0]), onwards, rtol=1e-9, atol=1e-12)


def test_a_pure_chain_returns_its_source() -> None:
    edges = [("dig", "nature", "mine", 5.0), ("a", "mine", "plant", 5.0),
             ("b", "plant", "use", 4.0), ("waste", "plant", "lost", 1.0)]  # fmt: skip
    kinds = {"nature": "environment", "use": "use", "lost": "loss", "plant": "conversion"}
    fit = graph_fit(edges, kinds)
    for place in ("use", "lost", "plant", "b"):
        found = origins(fit, place)
        assert found["origin"].values.tolist() == ["dig"]
        np.testing.assert_array_equal(found, 1.0)
    ends = destinations(fit, "dig").isel(chain=0, draw=0, year=0)
    assert dict(zip(ends["destination"].values, ends.values, strict=True)) == {
        "use": pytest.approx(0.8), "lost": pytest.approx(0.2),
    }  # fmt: skip


def test_a_place_that_nothing_reaches_has_no_origins() -> None:
    edges = [("a", "nature", "x", 0.0), ("b", "nature", "x", 0.0), ("c", "x", "use", 0.0)]
    kinds = {"nature": "environment", "use": "use"}
    years = [[0.0, 0, 0], [1, 3, 4]]
    fit = graph_fit(edges, kinds, years=years)
    found = origins(fit, "use").isel(chain=0, draw=0)
    assert found.sel(year=2010).isnull().all()
    np.testing.assert_allclose(found.sel(year=2011), [0.25, 0.75])
    np.testing.assert_allclose(origins(fit, "use", years=(2010, 2011))[0, 0], [0.25, 0.75])


def test_years_together_are_weighted_by_what_arrives() -> None:
    edges = [("a", "nature", "x", 0.0), ("b", "nature", "x", 0.0), ("c", "x", "use", 0.0)]
    kinds = {"nature": "environment", "use": "use"}
    fit = graph_fit(edges, kinds, years=[[1.0, 1, 2], [9, 1, 10]])
    found = origins(fit, "use", years=(2010, 2011))
    np.testing.assert_allclose(found[0, 0], [10 / 12, 2 / 12])
    amounts = origins(fit, "use", years=(2010, 2011), amounts=True)
    assert unit_of(amounts) == "kt REO"
    assert unit_of(cumulative(origins(fit, "use", amounts=True))) == "kt REO"
    with pytest.raises(ResultError, match="cannot be added"):
        cumulative(origins(fit, "use"))
    np.testing.assert_allclose(origins(fit, "use", years=2011)[0, 0], [0.9, 0.1])


# Two regions: A mines 8 (2 of them hidden) and draws 1 from stock, B mines 2; A refines and sends
# oxide to B, which sends ore to A; both use oxide.
TWO = [
    ("dig_A", "nature", "mine_A", 6.0),
    ("dig_A_hidden", "nature", "ore_A", 2.0),
    ("ore_A_made", "mine_A", "ore_A", 6.0),
    ("dig_B", "nature", "ore_B", 2.0),
    ("ore_B_A", "ore_B", "ore_A", 2.0),
    ("ore_A_refined", "ore_A", "plant_A", 10.0),
    ("oxide_made", "plant_A", "oxide_A", 10.0),
    ("from_stock", "stock_A", "oxide_A", 1.0),
    ("into_stock", "oxide_A", "stock_A", 1.0),
    ("used_A", "oxide_A", "use_A", 6.0),
    ("oxide_A_B", "oxide_A", "oxide_B", 4.0),
    ("used_B", "oxide_B", "use_B", 4.0),
]
TWO_KINDS = {
    "nature": "environment", "stock_A": "environment", "mine_A": "conversion",
    "plant_A": "conversion", "use_A": "use", "use_B": "use",
}  # fmt: skip
TWO_REGIONS = {
    name: name[-1] for name in
    ("mine_A", "ore_A", "ore_B", "plant_A", "oxide_A", "oxide_B", "use_A", "use_B", "stock_A")
}  # fmt: skip


def two_regions() -> xr.DataTree:
    return graph_fit(TWO, TWO_KINDS, TWO_REGIONS, products={"oxide_made": "oxide"},
                     hidden=["dig_A_hidden"])  # fmt: skip


def shares(found: xr.DataArray) -> dict[str, float]:
    one = found.isel(chain=0, draw=0, year=0)
    return dict(zip(one[one.dims[0]].values.tolist(), one.values.tolist(), strict=True))


def test_ways_of_telling_origins_apart() -> None:
    fit = two_regions()
    ways = {
        "source": {"dig_A": 6, "dig_A_hidden": 2, "dig_B": 2, "from_stock": 1},
        "region": {"A": 8, "B": 2, "stocks": 1},
        "registered": {"registered": 8, "unregistered": 2, "stocks": 1},
        "refined_in": {"not refined": 0, "A": 10, "stocks": 1},
    }
    for by, expected in ways.items():
        found = shares(origins(fit, "use_B", by, refined="oxide"))
        assert found == {name: pytest.approx(amount / 11) for name, amount in expected.items()}
    assert shares(origins(fit, "ore_A_refined", "refined_in", refined="oxide"))["not refined"] == 1
    labels = origins(fit, "use_B")["label"].values.tolist()
    assert labels[0] == "Flow dig_A"


def test_origins_by_region_are_labelled_by_its_name() -> None:
    """By what stands before the colon in most labels of its processes; the key names the row."""
    fit = fake_fit()
    found = origins(fit, "use_B", "region")
    labels = dict(zip(found["origin"].values.tolist(), found["label"].values.tolist(), strict=True))
    assert labels["A"] == "Land A"
    contents = contents_of(fit)
    assert region_labels(contents) == {"A": "Land A", "B": "Land B"}
    contents.processes.loc["metal_A", "label"] = "Land B to Land A: metal"
    assert region_labels(contents)["A"] == "Land A"
    contents.processes.loc["metal_B", "label"] = "Land A to Land B: metal"
    assert region_labels(contents)["B"] == "B", "half of them is not most"


def test_reliance_direct_and_traced() -> None:
    fit = two_regions()
    found = reliance(fit, "B", on="A")
    assert float(found["direct"].squeeze()) == 1.0  # all that B uses comes over the border from A
    assert float(found["traced"].squeeze()) == pytest.approx(8 / 11)
    home = reliance(fit, "A", on="A")
    assert float(home["direct"].squeeze()) == pytest.approx(8 / 11)
    assert float(reliance(fit, "A", on="B")["traced"].squeeze()) == pytest.approx(2 / 11)
    refined = reliance(fit, "B", on="A", at="refined", refined="oxide")
    assert float(refined["traced"].squeeze()) == pytest.approx(10 / 11)
    nowhere = reliance(fit, "B", on="B", at="refined", refined="oxide")
    assert float(nowhere["traced"].squeeze()) == 0.0


def test_names_of_regions_change_names_of_results_only() -> None:
    other = {name: {"A": "X", "B": "Y"}[region] for name, region in TWO_REGIONS.items()}
    renamed = graph_fit(TWO, TWO_KINDS, other)
    assert shares(origins(renamed, "use_B", "region")) == {
        {"A": "X", "B": "Y"}.get(name, name): share
        for name, share in shares(origins(two_regions(), "use_B", "region")).items()
    }


def test_destinations_by_region_and_kind() -> None:
    fit = two_regions()
    assert shares(destinations(fit, "dig_B", "region")) == {
        "A": pytest.approx(7 / 11), "B": pytest.approx(4 / 11),
    }  # fmt: skip
    by_kind = shares(destinations(fit, "dig_B", "kind"))
    assert by_kind == {"environment": pytest.approx(1 / 11), "use": pytest.approx(10 / 11)}


def test_what_cannot_be_traced_is_told() -> None:
    fit = two_regions()
    for call, words in (
        (lambda: origins(fit, "use_C"), "Did you mean 'use_"),
        (lambda: origins(fit, "nature"), "Nothing enters 'nature'"),
        (lambda: destinations(fit, "use_A"), "Nothing leaves 'use_A'"),
        (lambda: origins(fit, "use_A", "regions"), "Did you mean 'region'"),
        (lambda: origins(fit, "use_A", years=1999), "not inside"),
        (lambda: origins(fit, "use_A", "refined_in"), "give refined= one of ore, oxide"),
        (lambda: origins(fit, "use_A", "refined_in", refined="oxid"), "Did you mean 'oxide'"),
        (lambda: reliance(fit, "C", on="A"), "Unknown region 'C'"),
        (lambda: reliance(fit, "A", on="B", at="mine"), "Did you mean 'mined'"),
        (lambda: origin_bounds(fit, "use_A", "dig"), "Unknown origin 'dig'"),
    ):
        with pytest.raises(ResultError, match=words):
            call()


def test_a_quantity_is_a_mix_of_its_flows() -> None:
    fit = fake_fit()
    both = origins(fit, "mined_world", amounts=True)
    parts = [origins(fit, name, amounts=True) for name in ("ore_mined", "ore_hidden")]
    np.testing.assert_allclose(both.values, parts[0].values + parts[1].values)
    for wrong in ("net_export_A", "share_hidden"):
        with pytest.raises(ResultError, match="is a ratio or subtracts flows"):
            origins(fit, wrong)


# --- without mixing -------------------------------------------------------------------------------


def most_by_maximum_flow(edges: Sequence[Edge], wanted: Sequence[str], place: str) -> float:
    """Most that could get from some entries to a place: a maximum flow, in thousandths."""
    nodes = ["start", *dict.fromkeys(end for edge in edges for end in edge[1:3])]
    position = {node: number for number, node in enumerate(nodes)}
    capacity = np.zeros((len(nodes), len(nodes)), dtype=np.int32)
    for name, source, target, amount in edges:
        if source.startswith("source"):
            if name not in wanted:
                continue
            source = "start"
        capacity[position[source], position[target]] += round(amount * 1000)
    return maximum_flow(csr_array(capacity), 0, position[place]).flow_value / 1000


@pytest.mark.parametrize("seed", range(4))
def test_bounds_are_maximum_flows(seed: int) -> None:
    edges, kinds = random_graph(seed)
    fit = graph_fit(edges, kinds)
    entries = [edge[0] for edge in edges if edge[1].startswith("source")]
    total = sum(edge[3] for edge in edges if edge[2] == "use")
    for origin in entries[:3]:
        found = origin_bounds(fit, "use", origin).isel(draw=0)
        most = most_by_maximum_flow(edges, [origin], "use")
        others = most_by_maximum_flow(edges, [e for e in entries if e != origin], "use")
        assert float(found["upper"]) == pytest.approx(most / total, abs=2e-3)
        assert float(found["lower"]) == pytest.approx(max(0, 1 - others / total), abs=2e-3)
        assert found["lower"] - 1e-9 <= found["mixed"] <= found["upper"] + 1e-9
        share = float(origins(fit, "use").sel(origin=origin).squeeze())
        assert float(found["mixed"]) == pytest.approx(share)


def test_bounds_of_a_chain_are_exact_and_of_years_add_up() -> None:
    edges = [("a", "nature", "x", 0.0), ("b", "nature", "x", 0.0), ("c", "x", "use", 0.0),
             ("d", "x", "lost", 0.0)]  # fmt: skip
    kinds = {"nature": "environment", "use": "use", "lost": "loss"}
    fit = graph_fit(edges, kinds, years=[[1.0, 1, 2, 0], [1, 3, 2, 2]])
    one = origin_bounds(fit, "use", "a", years=2010).isel(draw=0)
    assert (float(one["lower"]), float(one["upper"])) == (0.5, 0.5)
    both = origin_bounds(fit, "use", "a", years=(2010, 2011)).isel(draw=0)
    assert float(both["lower"]) == pytest.approx(1 / 4)
    assert float(both["upper"]) == pytest.approx(2 / 4)


def test_bounds_where_content_is_renewed() -> None:
    """What a refinery makes is of the refinery; its losses are still of what went in."""
    edges = [*TWO[:7], ("rest", "plant_A", "lost", 0.0), *TWO[7:]]
    values = [[6.0, 2, 6, 2, 2, 10, 8, 2, 1, 1, 5, 3, 3]]
    fit = graph_fit(edges, TWO_KINDS | {"lost": "loss"}, TWO_REGIONS, years=values,
                    products={"oxide_made": "oxide"})  # fmt: skip
    found = origin_bounds(fit, "use_B", "A", by="refined_in", refined="oxide").isel(draw=0)
    assert float(found["mixed"]) == pytest.approx(8 / 9)
    assert (float(found["lower"]), float(found["upper"])) == pytest.approx((2 / 3, 1.0))
    lost = origin_bounds(fit, "lost", "not refined", by="refined_in", refined="oxide")
    assert float(lost["lower"].squeeze()) == pytest.approx(1.0)


def test_draws_are_a_subset_and_say_so() -> None:
    found = origin_bounds(fake_fit(), "used_A", "dig_A_hidden", years=2012, draws=7)
    assert found.sizes["draw"] == found.attrs["draws"] == 7
    assert found.attrs["of_draws"] == 100
