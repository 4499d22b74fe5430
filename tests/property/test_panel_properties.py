import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from selectormlp.panel.choose import choose
from selectormlp.panel.constraints import Constraints
from selectormlp.panel.markers import Markers
from selectormlp.panel.panel import Panel
from selectormlp.panel.provenance import Provenance
from selectormlp.panel.storage import read_panel, write_panel


@st.composite
def feasible(draw, *, budget=None, minimum=None):
    """A ranking and constraints around a hidden panel that obeys them all; and the hidden panel's size."""
    n_genes = draw(st.integers(2, 25))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    genes = pd.Index([f"g{i}" for i in range(n_genes)])
    k = draw(st.integers(1, n_genes))
    hidden = rng.permutation(n_genes)[:k]
    must_have = hidden[: draw(st.integers(0, k))]
    outside = np.setdiff1d(np.arange(n_genes), hidden)
    forbidden = outside[: draw(st.integers(0, len(outside)))]
    candidates = np.setdiff1d(np.arange(n_genes), outside[len(outside) - draw(st.integers(0, len(outside))) :])
    given = {"must_have": genes[must_have], "forbidden": genes[forbidden], "candidates": genes[candidates]}
    if budget if budget is not None else draw(st.booleans()):
        costs = rng.choice([0.0, 0.1, 0.7, 1.0, 3.3], n_genes)
        given |= {"costs": dict(zip(genes, costs, strict=True)), "budget": float(costs[hidden].sum())}
    n_types = draw(st.integers(1, 4))
    auc = rng.uniform(0.3, 1, size=(n_types, n_genes))
    markers = Markers(tuple(f"t{t}" for t in range(n_types)), auc - 0.5, auc)
    if minimum if minimum is not None else draw(st.booleans()):
        given["min_markers_per_type"] = int(markers.marks()[:, hidden].sum(axis=1).min())
    order = rng.permutation(n_genes)
    return genes, Constraints(**given), order, markers, k


@settings(max_examples=150, deadline=None)
@given(feasible())
def test_exactly_k_distinct_genes_obey_every_feasible_rule(case):
    genes, constraints, order, markers, k = case
    rules = constraints.resolve(genes, n_genes=k)
    choice = choose(order, rules, k, markers)
    names = genes[choice.positions].tolist()
    assert len(names) == len(set(names)) == len(choice.reasons) == k
    assert tuple(names[: choice.n_required]) == constraints.must_have
    assert choice.reasons.count("must-have") == len(constraints.must_have)
    assert not set(names) & set(constraints.forbidden)
    assert set(names) <= set(constraints.candidates)
    if constraints.budget is not None:
        assert sum(constraints.costs[name] for name in names) <= constraints.budget * (1 + 1e-9) + 1e-12
    kept = markers.marks()[:, choice.positions].sum(axis=1)
    assert (kept >= constraints.min_markers_per_type).all()


@settings(max_examples=75, deadline=None)
@given(feasible(budget=False, minimum=False))
def test_the_larger_panel_holds_the_smaller_without_budget_and_minimum(case):
    genes, constraints, order, _, k = case
    rules = constraints.resolve(genes, n_genes=k)
    largest = choose(order, rules, k)
    assert largest.nested
    panel = Panel.from_choice(largest, genes, provenance=Provenance("any"))
    for n in range(max(1, len(rules.must_have)), k + 1):
        assert panel.head(n).genes == tuple(genes[choose(order, rules, n).positions])


@settings(max_examples=75, deadline=None)
@given(feasible(minimum=False))
def test_restricting_to_allowed_genes_changes_nothing(case):
    genes, constraints, order, _, k = case
    rules = constraints.resolve(genes, n_genes=k)
    few = rules.restricted()
    kept = np.flatnonzero(rules.allowed)
    order_of_few = np.searchsorted(kept, order[rules.allowed[order]])
    assert few.genes[choose(order_of_few, few, k).positions].equals(genes[choose(order, rules, k).positions])


@settings(max_examples=75, deadline=None)
@given(feasible(budget=True, minimum=False))
def test_under_a_budget_no_single_gene_could_give_way_to_a_better_ranked_one(case):
    genes, constraints, order, _, k = case
    rules = constraints.resolve(genes, n_genes=k)
    chosen = choose(order, rules, k).positions
    rank = np.argsort(order)
    spare = rules.cost_limit - rules.costs[chosen].sum()
    for out in chosen[len(rules.must_have) :]:
        for new in np.flatnonzero(rules.allowed):
            if new not in chosen and rank[new] < rank[out]:
                assert rules.costs[new] > rules.costs[out] + spare - 1e-9


printable = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(
    lambda t: t.isprintable() and t.strip()
)
trimmed = printable.map(str.strip)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(printable, st.none() | st.floats(allow_nan=False, allow_infinity=False)), min_size=1, max_size=6
    ),
    st.lists(st.text(st.characters(codec="utf-8"), max_size=6), unique=True, max_size=6),
)
def test_json_round_trip_is_exact(tmp_path_factory, entries, cells):
    by_gene = dict(entries)
    panel = Panel(tuple(by_gene), scores=tuple(by_gene.values()), provenance=Provenance("any", cells=tuple(cells)))
    folder = write_panel(panel, tmp_path_factory.mktemp("panel"))
    assert read_panel(folder / "panel.json") == panel


@settings(max_examples=75, deadline=None)
@given(st.lists(trimmed, min_size=1, max_size=6, unique=True))
def test_csv_round_trip_of_names_is_exact_and_safe(tmp_path_factory, genes):
    folder = write_panel(Panel(tuple(genes)), tmp_path_factory.mktemp("panel"))
    assert read_panel(folder / "panel.csv").genes == tuple(genes)
    cells = pd.read_csv(folder / "panel.csv", dtype=str, keep_default_na=False)["gene"]
    assert not cells.str.startswith(("=", "+", "-", "@")).any()
