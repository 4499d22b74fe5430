import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import selectormlp as sm
from selectormlp.data.cells import Cells
from selectormlp.data.label_tree import LabelTree, Mistakes
from selectormlp.data.normalize import log1p_cp10k
from selectormlp.errors import DataError
from selectormlp.moments.discriminant import DiscriminantObjective
from selectormlp.moments.measurement import measured_moments
from selectormlp.moments.stream import balanced_cell_weights, moments_of
from selectormlp.panel.assay import Assay, find_assay
from selectormlp.panel.explain import REST, explain_panel, expressed_genes
from selectormlp.panel.provenance import Provenance
from selectormlp.panel.separation import SeparationSettings, measure_separation, settings_of

SIZES = (8, 15, 30, 60)
EVERY = {"criterion": "log", "ridge": 0.2, "pooling": 40.0, "shrinkage": 0.4, "shrink_after": 3}


def cells_of(seed, *, n_genes=14, sizes=SIZES):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    mix = rng.normal(size=(n_genes, n_genes)) * rng.uniform(0.5, 2, size=(len(sizes), 1, 1))
    X = (
        rng.normal(size=(len(sizes), n_genes))[labels]
        + np.einsum("cg,cgh->ch", rng.normal(size=(len(labels), n_genes)), mix[labels]) / 4
    )
    return X, labels


def moments(seed, **size):
    X, labels = cells_of(seed, **size)
    return moments_of(X, labels, cell_weights=balanced_cell_weights(np.bincount(labels)), total=False)


def chosen_loss(given, genes, settings, shrunk):
    """The loss by which genes are chosen, after these have been, one at a time, under a fixed shrinkage."""
    fixed = settings | {"shrinkage": settings.get("shrinkage", 0.5) if shrunk else 0.0, "shrink_after": 0}
    objective = DiscriminantObjective(given, **fixed)
    steps, before, start = [], objective, objective.current_loss
    for gene in genes:
        steps.append(before.gains()[gene])
        before.choose(int(gene))
    return start - sum(steps)


def counted(seed):
    """Moments of cells with counts, as an assay with an efficiency needs them."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(SIZES)), SIZES)
    counts = rng.poisson(rng.gamma(2.0, 2.0, size=(len(SIZES), 14))[labels] * rng.gamma(4.0, 0.25, (len(labels), 1)))
    weights = balanced_cell_weights(np.bincount(labels))
    return moments_of(
        np.log1p(counts), labels, cell_weights=weights, total=False, molecules=True, counts=counts.astype(float)
    )


GENES = [f"g{column}" for column in range(14)]
ASSAYS = {
    "types against the rest": Assay(specificity=0.8),
    "failing probes": Assay(failure=0.1),
    "efficiencies": Assay(efficiency=0.4, gene_efficiencies={"g3": 0.1, "g8": 4.0}, background=0.2, mixing=0.1),
    "all of it": Assay(specificity=0.5, failure=0.05, efficiency=2.0, mixing=0.2),
}


@pytest.mark.parametrize("assay", ASSAYS)
@pytest.mark.parametrize("n_panel", [1, 4])
def test_losses_for_an_assay_are_those_of_the_choice(assay, n_panel):
    measurement = ASSAYS[assay].measurement(GENES)
    more = {"specificity": measurement.specificity, "failure": measurement.failure, "ridge": 0.2}
    for seed in range(3):
        given, order = counted(seed), np.random.default_rng(seed).permutation(14)
        panel, outside = order[:n_panel], order[n_panel:]
        settings = SeparationSettings({"ridge": 0.2}, assay=ASSAYS[assay])
        found = measure_separation(given, panel, outside, settings, genes=GENES)
        as_measured = measured_moments(given, measurement)
        whole = chosen_loss(as_measured, panel, more, False)
        assert found.criterion == pytest.approx(whole, abs=1e-9)
        n_contrasts = 6 + 4 * bool(measurement.specificity)
        assert found.pair_losses.shape == (n_panel, n_contrasts)
        for place in range(n_panel):
            rest = np.delete(panel, place)
            lost = chosen_loss(as_measured, rest, more, False) - whole
            assert found.losses[place] == pytest.approx(max(lost, 0), abs=1e-9)
            if found.substitutes[place] >= 0:
                needed = [
                    chosen_loss(as_measured, [*rest, other], more, False)
                    - chosen_loss(as_measured, [*panel, other], more, False)
                    for other in outside
                ]
                assert found.substitutes[place] == outside[np.argmin(needed)]


@pytest.mark.parametrize("settings", [{}, EVERY, {"criterion": "bhattacharyya", "pooling": np.inf}])
@pytest.mark.parametrize("n_panel", [1, 2, 5])
def test_losses_and_substitutes_are_those_of_the_choice(settings, n_panel):
    shrunk = n_panel >= settings.get("shrink_after", 20)
    for seed in range(4):
        given = moments(seed)
        order = np.random.default_rng(seed).permutation(14)
        panel, outside = order[:n_panel], order[n_panel:]
        found = measure_separation(given, panel, outside, SeparationSettings(settings))

        def loss(*genes, given=given):
            return chosen_loss(given, np.array(genes, dtype=int), settings, shrunk)

        whole = loss(*panel)
        assert found.criterion == pytest.approx(whole, abs=1e-9)
        for place, gene in enumerate(panel):
            rest = np.delete(panel, place)
            lost = max(loss(*rest) - whole, 0)
            assert found.losses[place] == pytest.approx(lost, abs=1e-9)
            if found.substitutes[place] >= 0:
                needed = [loss(*rest, other) - loss(*panel, other) for other in outside]
                assert found.substitutes[place] == outside[np.argmin(needed)]
                restored = loss(*rest) - loss(*rest, found.substitutes[place])
                assert 0 <= found.substitute_losses[place] <= lost / 2
                assert found.substitute_losses[place] >= lost - restored - 1e-9
            assert gene not in found.substitutes


def test_losses_rank_genes_as_leaving_them_out_does():
    X, labels = cells_of(3, n_genes=12)
    weights = balanced_cell_weights(np.bincount(labels))
    found = measure_separation(moments_of(X, labels, cell_weights=weights), np.arange(12), np.array([], dtype=int))
    losses = [chosen_loss(moments(3, n_genes=12), np.delete(np.arange(12), g), {}, False) for g in range(12)]
    assert np.argsort(found.losses).tolist() == np.argsort(losses).tolist()


def test_where_no_gene_is_left_there_is_no_substitute():
    found = measure_separation(moments(0), np.arange(14), np.array([], dtype=np.int64))
    assert (found.substitutes == -1).all()
    assert np.isnan(found.substitute_losses).all()


def twins(n_cells=300, seed=0):
    """Gene 0 has a twin, gene 3; genes 1 and 2 have none; gene 4 adds to everything; gene 5 is nearly never seen."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n_cells) % 3
    X = rng.poisson(0.2, size=(n_cells, 6)).astype(np.float32)
    X[:, 0] += 3 * (labels == 0)
    X[:, 1] += 3 * (labels == 1)
    X[:, 2] += 3 * (labels == 2)
    X[:, 3] = X[:, 0]
    X[:, 5] = np.where(np.arange(n_cells) < 6, 50 * (labels == 0), 0)
    names = pd.RangeIndex(n_cells).astype(str)
    cells = Cells(X, pd.Index(["MARK0", "MARK1", "MARK2", "TWIN0", "NOISE", "SEEN2"]), names, labels, ("A", "B", "C"))
    return cells, moments_of(X, labels, cell_weights=balanced_cell_weights(cells.class_counts()), total=False)


def test_a_twin_replaces_its_gene_and_no_other():
    cells, given = twins()
    found = explain_panel(["MARK0", "MARK1", "MARK2"], cells, moments=given)
    assert [gene.substitute for gene in found.genes] == ["TWIN0", None, None]
    assert 0 <= found.genes[0].substitute_loss <= found.genes[0].loss / 2
    assert found.genes[1].substitute_loss is None


def test_a_gene_of_a_few_cells_is_no_substitute():
    cells, given = twins()
    assert expressed_genes(cells).tolist() == [True, True, True, True, True, False]
    without = np.array([True, True, True, False, True, True])
    panel = ["MARK0", "MARK1", "MARK2"]
    assert explain_panel(panel, cells, moments=given, allowed=without).genes[0].substitute is None


def test_scaled_values_have_no_absent_genes():
    cells, _ = twins()
    scaled = Cells(cells.X - 1, cells.genes, cells.names, cells.labels, cells.classes)
    assert expressed_genes(scaled).all()


def test_settings_are_those_of_the_choice(adata):
    options = {"criterion": "log", "ridge": 0.7, "pooling": 20.0, "shrinkage": 0.2, "shrink_after": 2}
    panel = sm.select(adata, label_key="cell_type", n_genes=5, method="discriminant", options=options)
    assert settings_of(panel.provenance).objective == {**options, "combine": "new-study"}
    found = sm.explain(adata, panel, label_key="cell_type")
    assert found.settings.objective == settings_of(panel.provenance).objective
    assert found.criterion != sm.explain(adata, list(panel.genes), label_key="cell_type").criterion
    other = sm.select(adata, label_key="cell_type", n_genes=5, method="discriminant-bhattacharyya")
    assert settings_of(other.provenance).objective["criterion"] == "bhattacharyya"
    weighted = sm.select(
        adata, label_key="cell_type", n_genes=5, method="discriminant", options={"class_weights": {"type A": 3.0}}
    )
    assert settings_of(weighted.provenance).class_weights == {"type A": 3.0}
    assert sm.explain(adata, weighted, label_key="cell_type").criterion > 0


@pytest.mark.parametrize("selector", [None, {"ridge": "much", "criterion": "none", "pooling": -1}, {"ridge": True}])
def test_settings_that_are_none_are_left_at_their_defaults(selector):
    assert settings_of(Provenance("discriminant", {"selector": selector})) == SeparationSettings()
    assert settings_of(Provenance("markers", {"selector": {"ridge": 3.0}})) == SeparationSettings()


def test_the_report_explains_by_the_settings_of_the_choice(adata):
    taken = {"method": "discriminant", "options": {"ridge": 0.9}, "reason": "it did best"}
    origin = Provenance("auto", {"selector": {"choice": taken}})
    assert settings_of(origin).objective == {"ridge": 0.9}


LEARNED = {"specificity": 0.8, "efficiency": 0.5, "gene_efficiencies": {"gene0": 0.01, "gene4": 2.0}, "failure": 0.05}


@pytest.mark.parametrize("assay", ["imaging", LEARNED], ids=["imaging", "learned"])
@pytest.mark.parametrize("method", ["discriminant", "auto"])
def test_a_panel_chosen_for_an_assay_is_explained_for_it(adata, assay, method):
    """The criterion that the choice ended at, and the loss of the last gene, its score."""
    panel = sm.select(adata, label_key="cell_type", n_genes=5, method=method, assay=assay)
    found = sm.explain(adata, panel, label_key="cell_type")
    plain = sm.explain(adata, panel, label_key="cell_type", assay="sequencing")
    assert found.genes[-1].loss == pytest.approx(panel.scores[-1], rel=1e-6)
    assert plain.genes[-1].loss != pytest.approx(panel.scores[-1], rel=1e-3)
    assert plain.criterion != pytest.approx(found.criterion, rel=1e-3)
    listed = sm.explain(adata, list(panel.genes), label_key="cell_type", assay=assay)
    assert listed.genes == found.genes
    assert found.settings.assay.specificity == 0.8
    assert "each type and all others" in found.settings.described
    pairs = [pair for gene in found.genes for pair in gene.pairs]
    assert any(pair.second == REST for pair in pairs)
    assert REST not in {pair.second for gene in plain.genes for pair in gene.pairs}


def test_counts_behind_log_values_are_found_to_explain_by(adata):
    panel = sm.select(adata, label_key="cell_type", n_genes=4, method="discriminant", assay=LEARNED)
    logged = adata.copy()
    logged.X = log1p_cp10k(sp.csr_array(adata.X))
    explained, found = (sm.explain(cells, panel, label_key="cell_type") for cells in (logged, adata))
    assert explained.criterion == pytest.approx(found.criterion, rel=1e-4)


@pytest.mark.parametrize("options", [{}, {"threshold": "quantile", "quantile": 0.7}, {"threshold": 3.0}])
def test_genes_that_were_read_as_on_or_off_are_explained_so(adata, options):
    panel = sm.select(adata, label_key="cell_type", n_genes=5, method="discriminant-binary", options=options)
    found = sm.explain(adata, panel, label_key="cell_type")
    assert found.genes[-1].loss == pytest.approx(panel.scores[-1], rel=1e-6)
    plain = sm.explain(adata, list(panel.genes), label_key="cell_type")
    assert plain.genes[-1].loss != pytest.approx(panel.scores[-1], rel=1e-3)
    assert "on or off" in found.settings.described


@pytest.mark.parametrize("selector", [{"threshold": "high"}, {"threshold": True, "quantile": 2}, {}])
def test_thresholds_in_provenance_that_are_none_are_left_at_their_defaults(selector):
    found = settings_of(Provenance("discriminant-binary", {"selector": selector}))
    assert found.on_off == {"threshold": 0.0, "quantile": 0.5}


@pytest.mark.parametrize("assay", ["imagine", "/absent/assay.json", {"failure": 2}, ["imaging"], 3, {"no": 1}])
def test_an_assay_in_provenance_that_is_none_is_left_out(assay):
    """A panel is data from elsewhere: no file that it names is opened."""
    origin = Provenance("discriminant", {"selector": {"ridge": 0.2, "assay": assay}})
    assert settings_of(origin) == SeparationSettings({"ridge": 0.2})


def test_the_report_explains_for_the_assay_of_the_choice(adata, tmp_path):
    panel = sm.select(adata, label_key="cell_type", n_genes=4, method="discriminant", assay="imaging")
    quick = {"label_key": "cell_type", "robustness": False, "n_stability": 0, "n_splits": 2}
    page = sm.report(adata, panel, tmp_path / "page.html", **quick).read_text()
    assert f"{sm.explain(adata, panel, label_key='cell_type').genes[0].loss:.3g}" in page
    assert "for the assay &#39;imaging&#39;" in page or "for the assay 'imaging'" in page


def test_genes_that_never_vary_do_no_harm():
    cells, _ = twins()
    X = cells.X.copy()
    X[:, 4:] = 1
    given = moments_of(X, cells.labels, cell_weights=balanced_cell_weights(cells.class_counts()), total=False)
    found = measure_separation(given, np.array([0, 4]), np.array([1, 5]))
    assert found.losses[1] == pytest.approx(0, abs=1e-12)
    assert found.losses[0] > 0


def test_unusable_moments_are_refused():
    cells, given = twins()
    one = moments_of(cells.X, np.zeros(300, dtype=int), cell_weights=np.array([1 / 300]), total=False)
    with pytest.raises(DataError, match=r"1 class with cells"):
        measure_separation(one, np.array([0]), np.array([1]))
    given.means[0, 0] = np.nan
    with pytest.raises(DataError, match="NaN or infinite"):
        measure_separation(given, np.array([0]), np.array([1]))


def explained(**options):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 3], 40)
    X = rng.normal(5, 0.1, size=(120, 5)).astype(np.float32)
    X[labels == 1, 0] += 3  # gene 0 marks B
    X[labels == 0, 1] += 2  # gene 1 marks A
    X[labels == 3, 2] += 1  # gene 2 marks D, gene 3 too
    X[labels == 3, 3] += 1
    given = Cells(X, pd.Index(list("vwxyz")), pd.RangeIndex(120).astype(str), labels, ("A", "B", "C", "D"))
    weights = balanced_cell_weights(given.class_counts())
    genes = options.pop("genes", ("x", "v"))
    return explain_panel(genes, given, moments=moments_of(X, labels, n_classes=4, cell_weights=weights), **options)


def test_a_gene_is_explained_by_types_pairs_and_substitute():
    first, second = explained(most_pairs=1, allowed=np.array([True, False, True, True, True])).genes
    assert first.gene == "x"
    assert [t.name for t in first.marks] == ["D"]
    assert first.marks[0].auc == 1
    assert first.marks[0].effect > 5
    assert [(p.first, p.second) for p in first.pairs] == [("A", "D")]
    assert first.substitute == "y"
    assert [t.name for t in second.marks] == ["B"]
    assert first.pairs[0].loss <= first.loss


def test_only_allowed_genes_are_substitutes():
    last = explained(allowed=np.zeros(5, dtype=bool)).genes[0]
    assert last.substitute is None
    assert last.substitute_loss is None


def test_a_stricter_auc_marks_fewer_types():
    assert explained(min_auc=1.01).genes[0].marks == ()


def test_the_frame_has_a_line_a_gene():
    found = explained()
    frame = found.to_frame()
    assert frame.columns.tolist() == ["gene", "marks", "separates", "loss", "substitute", "substitute_loss"]
    assert frame["gene"].tolist() == ["x", "v"]
    assert frame["marks"][0].startswith("D (AUC 1.00, effect ")
    assert frame["separates"][0].startswith("A | D (")
    assert frame["loss"].tolist() == [gene.loss for gene in found.genes]
    assert frame["substitute_loss"].dtype == np.float64


def test_genes_that_the_cells_lack_are_refused():
    with pytest.raises(DataError, match="1 of the 2 genes needed is missing: 'q'"):
        explained(genes=("q", "x"))


def test_classes_weigh_as_given_and_as_the_tree_balances_them():
    tree = LabelTree({"S1": ("neuron",), "CA1": ("neuron",), "Astro": ("glia",)}, ("class",))
    names = ("S1", "CA1", "Astro", "other")
    plain = SeparationSettings(class_weights={"S1": 2.0})
    np.testing.assert_allclose(plain.importance(names), [2.0, 1.0, 1.0, 1.0])
    balanced = SeparationSettings(class_weights={"S1": 2.0}, mistakes=Mistakes(tree, balance_over="nodes"))
    np.testing.assert_allclose(balanced.importance(names), [1.5, 0.75, 1.5, 1.0])


def test_the_criterion_in_words():
    tree = Mistakes(LabelTree({"CA1": ("neuron",), "S1": ("neuron",), "Astro": ("glia",)}, ("level1",)))
    assert SeparationSettings().described == "1 / (1 + D²), mean over pairs of types"
    assert SeparationSettings(mistakes=tree).described.startswith("1 / (1 + D²) times what the mistake costs, mean")
    assert "each type and all others, for the assay" in SeparationSettings(assay=find_assay("imaging")).described
    assert "all others" not in SeparationSettings(assay=Assay(name="own", failure=0.1)).described
    assert SeparationSettings({"combine": "worst"}, batch_key="study").described.endswith("of 'study' (worst)")
