"""`batch_key`: batches are told from types, wherever the cells are and whatever else is asked for."""

import logging
import warnings

import anndata
import numpy as np
import pytest
from scipy.stats import mannwhitneyu

import selectormlp as sm
from selectormlp.errors import DataError, SettingsError
from selectormlp.selectors.discriminant import DiscriminantSelector
from selectormlp.selectors.forest import ForestSelector
from selectormlp.selectors.markers import MarkerSelector
from selectormlp.selectors.registry import METHODS

BATCH_GENES = ["gene20", "gene21", "gene22", "gene23"]
"""Genes that every cell of the second batch shows, whatever its type."""


@pytest.fixture
def two_batches(make_adata):
    """Types with weak markers, each mostly in one of two batches, and genes that mark the batch."""
    adata = make_adata(n_cells=400, seed=2)
    codes = np.arange(400) % 4
    rng = np.random.default_rng(0)
    second = rng.random(400) < np.where(codes < 2, 0.05, 0.95)
    adata.obs["study"] = np.where(second, "two", "one")
    X = rng.poisson(np.where(np.arange(30) % 4 == codes[:, None], 2.0, 0.5)).astype(np.float32)
    X[:, 20:24] = rng.poisson(np.where(second, 40.0, 0.05)[:, None], size=(400, 4))
    adata.X = X.astype(np.float32)
    return adata


def choose(data, **options):
    return sm.select(data, label_key="cell_type", n_genes=4, progress=False, **{"method": "discriminant", **options})


@pytest.mark.parametrize("method", ["discriminant", "discriminant-bhattacharyya", "markers", "markers-wilcoxon"])
def test_genes_of_a_batch_are_not_taken_for_genes_of_types(two_batches, method):
    pooled = choose(two_batches, method=method)
    told = choose(two_batches, method=method, batch_key="study")
    assert set(pooled.genes) & set(BATCH_GENES)
    assert not set(told.genes) & set(BATCH_GENES)


@pytest.mark.parametrize("combine", ["new-study", "corrected", "worst"])
@pytest.mark.parametrize(
    "more", [{}, {"assay": "imaging"}, {"must_have": ["gene5"]}, {"min_markers_per_type": 1, "min_marker_auc": 0.6}]
)
def test_every_way_of_combining_goes_with_assays_and_constraints(two_batches, combine, more):
    panel = choose(two_batches, batch_key="study", combine=combine, **more)
    assert not set(panel.genes) & set(BATCH_GENES)
    assert set(more.get("must_have", [])) <= set(panel.genes)
    assert panel.provenance.settings["batch_key"] == "study"
    assert panel.provenance.settings["selector"]["combine"] == combine


@pytest.mark.parametrize("ending", ["h5ad", "zarr"])
def test_cells_on_disk_give_the_same_panel(two_batches, tmp_path, ending):
    file = tmp_path / f"cells.{ending}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of anndata, on the version of the format
        two_batches.write_h5ad(file) if ending == "h5ad" else two_batches.write_zarr(file)
    for combine in ("new-study", "worst"):
        asked = {"batch_key": "study", "combine": combine}
        assert choose(str(file), **asked).genes == choose(two_batches, **asked).genes


def test_several_files_with_their_own_batches(two_batches, tmp_path):
    files = []
    for study in ("one", "two"):
        files.append(str(tmp_path / f"{study}.h5ad"))
        two_batches[two_batches.obs["study"] == study].copy().write_h5ad(files[-1])
    assert set(choose(files, batch_key="study").genes) == set(choose(two_batches, batch_key="study").genes)


def test_the_order_of_cells_and_the_names_of_batches_do_not_matter(two_batches):
    expected = choose(two_batches, batch_key="study").genes
    order = np.random.default_rng(1).permutation(400)
    shuffled = two_batches[order].copy()
    shuffled.obs["study"] = shuffled.obs["study"].map({"one": "z", "two": "a"})
    assert choose(shuffled, batch_key="study").genes == expected


def test_auto_leaves_batches_out_and_repeats_itself(make_adata):
    adata = make_adata(n_cells=240)
    first, second = (
        sm.select(adata, label_key="cell_type", n_genes=4, batch_key="donor", combine="worst", progress=False)
        for _ in range(2)
    )
    assert first.genes == second.genes
    assert first.provenance.taken.options.get("combine") == "worst"


def test_one_batch_is_pooling_and_said(make_adata, caplog):
    adata = make_adata()
    adata.obs["study"] = "only"
    with caplog.at_level(logging.WARNING):
        assert choose(adata, batch_key="study").genes == choose(adata).genes
    assert "all 200 cells are of one batch ('only' in 'study')" in caplog.text


def test_batches_that_say_nothing_are_refused(make_adata):
    adata = make_adata()
    adata.obs["each"] = adata.obs_names
    adata.obs["gaps"] = adata.obs["donor"].where(np.arange(200) > 2)
    for key, message in (
        ("doner", "no batch column 'doner' in obs; did you mean 'donor'"),
        ("each", "200 different batches in 'each'"),
        ("gaps", "3 cells have no batch in 'gaps'"),
        ("cell_type", "each of the 4 types is in one batch of 'cell_type' only"),
    ):
        with pytest.raises(DataError, match=message):
            choose(adata, batch_key=key)


def test_combine_needs_batches_and_a_method_that_combines(make_adata):
    adata = make_adata()
    with pytest.raises(SettingsError, match="without batches; name their column"):
        choose(adata, combine="worst")
    with pytest.raises(SettingsError, match="expected one of the methods 'auto', 'discriminant'"):
        choose(adata, method="svm", batch_key="donor", combine="worst")


@pytest.mark.parametrize("method", ["variance", "markers-logreg"])
def test_a_method_that_ignores_batches_says_so(make_adata, caplog, method):
    with caplog.at_level(logging.WARNING):
        choose(make_adata(), method=method, batch_key="donor")
    assert f"the method {method!r} ignores batches" in caplog.text


@pytest.mark.parametrize("key", ["batch_key", "donor_key"])
def test_types_of_one_batch_or_donor_are_named(make_adata, caplog, key):
    adata = make_adata()
    adata.obs["study"] = np.where(
        (adata.obs["cell_type"] == "type A") | (adata.obs["donor"] == "donor 1"), "one", "two"
    )
    with caplog.at_level(logging.WARNING):
        choose(adata, **{key: "study"})
    what = key.removesuffix("_key")
    assert f"Types of one {what} only: 'type A' (50 cells, 'one')" in caplog.text


def test_explain_and_price_take_the_batches_of_the_panel(two_batches, caplog):
    panel = choose(two_batches, batch_key="study", must_have=["gene5"], price=True)
    prices = {one["without"]: one for one in panel.provenance.settings["limit_price"]}
    assert set(prices) == {"", "must_have"}
    found = sm.explain(two_batches, panel, label_key="cell_type", progress=False)
    assert found.settings.described.endswith("over batches of 'study' (new-study)")
    pooled = sm.explain(two_batches, list(panel.genes), label_key="cell_type", progress=False)
    assert pooled.settings.described.endswith("mean over pairs of types")
    assert pooled.criterion != found.criterion
    del two_batches.obs["study"]
    with caplog.at_level(logging.WARNING):
        sm.explain(two_batches, panel, label_key="cell_type", progress=False)
    assert "the data lack the batch column with which the panel was chosen ('study')" in caplog.text


def test_batches_of_another_length_are_refused():
    X, y = np.random.default_rng(0).normal(size=(20, 3)), np.repeat([0, 1], 10)
    with pytest.raises(DataError, match="one per cell"):
        DiscriminantSelector(1).fit(X, y, batches=["a", "b"])
    with pytest.raises(DataError, match="1 cell has no batch"):
        DiscriminantSelector(1).fit(X, y, batches=np.array([None, *"abababababababababa"], dtype=object))


def confounded():
    """Two classes unequally in two batches; gene 0 marks the class, gene 1 the batch, others nothing."""
    rng = np.random.default_rng(0)
    batches = np.repeat(["a", "b"], 100)
    y = (rng.random(200) < np.where(batches == "a", 0.2, 0.8)).astype(int)
    X = rng.normal(size=(200, 6))
    X[:, 0] += 1.5 * y
    X[:, 1] += 5.0 * (batches == "b")
    return X, y, batches


def test_the_forest_grows_within_batches():
    X, y, batches = confounded()
    scores = [
        ForestSelector(1, n_estimators=40, random_state=0).fit(X, y, batches=given).scores_ for given in (None, batches)
    ]
    assert scores[0][1] > 0.15
    assert scores[1][1] < scores[1][0] / 2


def test_wilcoxon_is_van_elteren_over_batches():
    X, y, batches = confounded()
    found = MarkerSelector(1, method="wilcoxon").fit(X, y, batches=batches).scores_
    for gene in range(2):
        top = below = 0.0
        for batch in "ab":
            one, rest = (X[(batches == batch) & (y == side), gene] for side in (1, 0))
            n_all = len(one) + len(rest)
            rank_sum = mannwhitneyu(one, rest).statistic - len(one) * len(rest) / 2
            top += rank_sum / (n_all + 1)
            below += len(one) * len(rest) * (n_all + 1) / 12 / (n_all + 1) ** 2
        assert found[gene] == pytest.approx(abs(top / np.sqrt(below)), rel=1e-3)


def test_the_t_test_combines_differences_within_batches():
    X, y, batches = confounded()
    found = MarkerSelector(1).fit(X, y, batches=batches).scores_
    for gene in range(2):
        top = below = 0.0
        for batch in "ab":
            one, rest = (X[(batches == batch) & (y == side), gene] for side in (1, 0))
            weight = len(one) * len(rest) / (len(one) + len(rest))
            top += weight * (one.mean() - rest.mean())
            below += weight**2 * (one.var(ddof=1) / len(one) + rest.var(ddof=1) / len(rest))
        assert found[gene] == pytest.approx(abs(top / np.sqrt(below)), rel=1e-5)


def test_a_class_that_no_batch_can_test_is_tested_against_all_cells():
    X, y, batches = confounded()
    y, batches = np.append(y, [2, 2, 2]), np.append(batches, ["c", "c", "c"])
    X = np.vstack([X, np.full((3, 6), [0, 0, 0, 9.0, 0, 0])])
    for method in ("t-test", "wilcoxon"):
        assert 3 in MarkerSelector(3, method=method).fit(X, y, batches=batches).get_support(indices=True)


@pytest.mark.parametrize("combine", ["new-study", "corrected", "worst"])
def test_data_sets_with_genes_of_their_own_are_batches(two_batches, combine):
    first, second = (two_batches[two_batches.obs["study"] == study].copy() for study in ("one", "two"))
    second = second[:, second.var_names != "gene5"].copy()
    panel = sm.select(
        {"one": first, "two": second},
        label_key="cell_type",
        n_genes=8,
        method="discriminant",
        batch_key="data_set",
        combine=combine,
        join_genes="union",
        progress=False,
    )
    assert not set(panel.genes) & set(BATCH_GENES)


@pytest.mark.parametrize("combine", ["new-study", "corrected", "worst"])
def test_quotas_hold_with_batches_in_memory_and_on_disk(two_batches, two_files, combine):
    sets = {
        "few": {"genes": ["gene4", "gene8", "gene12", "gene16"], "max": 1},
        "some": {"genes": [*BATCH_GENES, "gene29"], "min": 1, "max": 2},
        "both": {"genes": ["gene5", "gene9"], "together": True},
    }
    asked = {"gene_sets": sets, "batch_key": "study", "combine": combine}
    panel = choose(two_batches, **asked)
    held = {name: len(set(panel.genes) & set(one["genes"])) for name, one in sets.items()}
    assert held["few"] <= 1
    assert 1 <= held["some"] <= 2
    assert held["both"] in (0, 2)
    assert set(choose(list(two_files), **asked).genes) == set(panel.genes)


@pytest.mark.parametrize("combine", ["new-study", "worst"])
def test_a_union_of_files_on_disk_with_batches(two_batches, tmp_path, combine):
    sets = {}
    for study, lost in (("one", "gene6"), ("two", "gene5")):
        part = two_batches[two_batches.obs["study"] == study]
        sets[study] = part[:, part.var_names != lost].copy()
        sets[study].write_h5ad(tmp_path / f"{study}.h5ad")
    files = [tmp_path / f"{study}.h5ad" for study in sets]
    asked = {"join_genes": "union", "combine": combine}
    panel = choose(files, **asked)
    assert panel.genes == choose(files, **asked, batch_key="study").genes == choose(sets, **asked).genes
    assert not set(panel.genes) & set(BATCH_GENES)


def test_methods_that_tell_batches_are_those_that_the_docs_name():
    told = {name for name, method in METHODS.items() if method.make().takes_batches}
    assert told == {
        "auto", "discriminant", "discriminant-bhattacharyya", "discriminant-binary", "mixture", "forest", "markers",
        "markers-wilcoxon",
    }  # fmt: skip


@pytest.fixture
def two_files(two_batches, tmp_path):
    """Write each batch to a file of its own; return their paths."""
    files = []
    for study in ("one", "two"):
        files.append(tmp_path / f"{study}.h5ad")
        two_batches[two_batches.obs["study"] == study].copy().write_h5ad(files[-1])
    return files


def in_memory(files):
    return {file.stem: anndata.read_h5ad(file) for file in files}


@pytest.mark.parametrize("given", [list, in_memory], ids=["disk", "memory"])
def test_several_files_are_batches_where_no_others_are_named(two_batches, two_files, given, caplog):
    with caplog.at_level(logging.INFO):
        panel = choose(given(two_files))
    assert "each data set is a batch" in caplog.text
    assert panel.genes == choose(two_batches, batch_key="study").genes
    assert panel.provenance.settings["batch_key"] == "data_set"
    worst = choose(given(two_files), combine="worst")
    assert worst.provenance.settings["selector"]["combine"] == "worst"
    pooled = choose(given(two_files), pool_files=True)
    assert set(pooled.genes) & set(BATCH_GENES)
    assert pooled.provenance.settings["batch_key"] is None
    assert pooled.genes == choose(two_batches).genes


@pytest.mark.parametrize("method", ["auto", "forest", "markers"])
def test_every_method_that_tells_batches_takes_files_as_such(two_files, method):
    panel = choose(list(two_files), method=method)
    assert not set(panel.genes) & set(BATCH_GENES)
    assert panel.provenance.settings["batch_key"] == "data_set"


def test_a_method_that_ignores_batches_pools_files_and_says_nothing(two_files, caplog):
    with caplog.at_level(logging.WARNING):
        panel = choose(list(two_files), method="variance")
    assert panel.provenance.settings["batch_key"] is None
    assert "ignores batches" not in caplog.text


def test_files_that_share_no_type_are_pooled_and_that_is_said(make_adata, caplog):
    adata = make_adata()
    first = adata.obs["cell_type"].isin(["type A", "type B"]).to_numpy()
    with caplog.at_level(logging.WARNING):
        panel = choose([adata[first].copy(), adata[~first].copy()])
    assert "no type is in two data sets" in caplog.text
    assert panel.provenance.settings["batch_key"] is None
    assert panel.genes == choose(adata).genes


def test_pooling_is_refused_beside_batches_and_combine(two_files):
    with pytest.raises(SettingsError, match="batches not told apart"):
        choose(list(two_files), pool_files=True, batch_key="study")
    with pytest.raises(SettingsError, match="without batches; name their column"):
        choose(list(two_files), pool_files=True, combine="worst")
    with pytest.raises(SettingsError, match="without batches; name their column"):
        choose([two_files[0]], combine="worst")
