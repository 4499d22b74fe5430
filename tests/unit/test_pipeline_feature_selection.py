"""The ranking and masking step on small files: files, columns, classes and genes that differ."""

import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from selectormlp.data.anndata_io import CellsSource
from selectormlp.data.split_index import SplitIndex, hash_names, write_split_index
from selectormlp.data.stored import StoredMatrix
from selectormlp.errors import DataError, ModelFileError
from selectormlp.models.model import Model
from selectormlp.models.storage import load_model, save_model
from selectormlp.pipeline.masking import select_features_from_files
from selectormlp.pipeline.settings import FeatureSelectionSettings
from selectormlp.selectors.mlp import MLP
from selectormlp.selectors.selector_mlp import SelectorMLP
from selectormlp.selectors.svm import LinearSVM

GENES = [f"g{i}" for i in range(12)]
COLUMNS = [
    "Accuracy (selected features)",
    "Accuracy (random features)",
    "Mean per-class acc. (selected)",
    "Mean per-class acc. (random)",
]
SMALL = {"hidden_sizes": (12,), "lr": 0.02, "max_epochs": 10, "batch_size": 16, "random_state": 0, "device": "cpu"}
SELECTORS = {
    "selector_mlp": SelectorMLP(**SMALL, alpha=0.001, batch_norm=True),
    "mlp": MLP(**SMALL),
    "svm": LinearSVM(random_state=0),
}
TRAINED = ("B", "NK", "T")


def cells(seed=0, n_cells=90, classes=TRAINED):
    rng = np.random.default_rng(seed)
    codes = np.arange(n_cells) % len(classes)
    X = np.abs(rng.normal(size=(n_cells, 12))).astype(np.float32)
    places = {"B": 4, "NK": 7, "T": 9}
    X[np.arange(n_cells), [places.get(classes[code], 0) for code in codes]] += 2.5
    return X, np.array(classes)[codes]


def write_cells(path, X, labels, genes=GENES):
    names = [f"cell{i}" for i in range(len(X))]
    ad.AnnData(X, obs=pd.DataFrame({"kind": labels}, index=names), var=pd.DataFrame(index=list(genes))).write_h5ad(path)


@pytest.fixture(autouse=True)
def _figures_are_not_painted(monkeypatch):
    """Painting takes longer than masking here; tests/end_to_end looks at the real files."""

    def write_figure(path, draw):
        draw()
        path.touch()
        return path

    monkeypatch.setattr("selectormlp.pipeline.masking.write_figure", write_figure)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A saved model of each type; the class "rare" is in the list but had no training cells."""
    folder = tmp_path_factory.mktemp("models")
    X, y = cells()
    for model_type, selector in SELECTORS.items():
        fitted = selector.fit(X, y, classes=[*TRAINED, "rare"])
        save_model(Model(fitted, tuple(GENES), CellsSource("kind")), folder / model_type)
    return folder


@pytest.fixture
def select(models, tmp_path):
    def run(model_type="svm", data=None, *, genes=GENES, expected=None, **settings):
        write_cells(tmp_path / "test.h5ad", *(data or cells(seed=1, n_cells=60)), genes=genes)
        given = {
            "model_path": models / model_type,
            "adata_input": tmp_path / "test.h5ad",
            "y_column": "kind",
            "group_size": 5,
            "random_reps": 3,
            "results_dir": tmp_path / "results",
        }
        return select_features_from_files(FeatureSelectionSettings(**(given | settings)), expected)

    return run


@pytest.mark.parametrize("model_type", SELECTORS)
def test_the_files_and_columns_are_the_published_ones(select, tmp_path, model_type):
    report = select(model_type)
    names = [f"{model_type}_{what}" for what in ("feature_selection_results", "ranked_genes")]
    expected = {f"{name}{suffix}" for name in names for suffix in (".csv", ".png")}
    assert {p.name for p in (tmp_path / "results").iterdir()} == expected | {f".{model_type}.manifest.json"}
    assert {p.name for p in report.files} == expected
    curve = pd.read_csv(tmp_path / "results" / f"{names[0]}.csv", index_col=0)
    assert curve.columns.tolist() == COLUMNS
    assert curve.index.tolist() == [0, 5, 10, 12]
    assert curve.to_numpy().min() >= 0
    assert curve.to_numpy().max() <= 1
    genes = pd.read_csv(tmp_path / "results" / f"{names[1]}.csv")
    assert genes.columns.tolist() == ["gene", "weight_abs", "idx"]


@pytest.mark.parametrize("model_type", SELECTORS)
def test_genes_are_ranked_by_the_models_scores(select, models, model_type):
    genes = select(model_type).genes
    scores = load_model(models / model_type).selector.scores_
    assert genes["weight_abs"].is_monotonic_decreasing
    assert sorted(genes["idx"]) == list(range(12))
    assert genes["gene"].tolist() == [GENES[i] for i in genes["idx"]]
    np.testing.assert_array_equal(genes["weight_abs"], scores[genes["idx"]])
    assert set(genes["gene"][:3]) == {"g4", "g7", "g9"}


@pytest.mark.parametrize("model_type", SELECTORS)
def test_the_curve_ends_with_all_genes_where_the_order_no_longer_matters(select, models, model_type):
    X, y = cells(seed=1, n_cells=60)
    table = select(model_type).curve.to_frame()
    score = load_model(models / model_type).selector.score(X, y)
    np.testing.assert_allclose(table.loc[12], score)  # as many cells of each class: both accuracies agree
    assert table.loc[5, COLUMNS[0]] > table.loc[5, COLUMNS[1]]


@pytest.mark.parametrize("model_type", SELECTORS)
def test_the_genes_of_the_test_file_may_come_in_another_order(select, tmp_path, model_type):
    def results():
        return [(tmp_path / "results" / f"{model_type}_{name}.csv").read_text() for name in names]

    names = ("feature_selection_results", "ranked_genes")
    X, y = cells(seed=1, n_cells=60)
    select(model_type, (X, y))
    expected = results()
    order = np.random.default_rng(0).permutation(12)
    more = np.hstack([X[:, order], X[:, :2]])
    select(model_type, (more, y), genes=[*np.array(GENES)[order], "more", "yet more"])
    assert results() == expected


def test_missing_genes_are_counted_and_named(select, tmp_path):
    X, y = cells(seed=1)
    with pytest.raises(DataError, match="2 of the 12 genes needed are missing: 'g3', 'g5'"):
        select(data=(np.delete(X, [3, 5], axis=1), y), genes=[g for g in GENES if g not in ("g3", "g5")])
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("model_type", SELECTORS)
@pytest.mark.parametrize("stranger", ["rare", "never heard of"])
def test_classes_never_trained_on_are_left_out_counted_and_said(select, caplog, monkeypatch, model_type, stranger):
    monkeypatch.setattr(logging.getLogger("selectormlp"), "propagate", True)
    X, y = cells(seed=1, n_cells=60)
    expected = select(model_type, (X, y)).curve.to_frame()
    assert "never trained on" not in caplog.text
    others = np.vstack([X, X[:7]]), np.concatenate([y, [stranger] * 7])
    pd.testing.assert_frame_equal(select(model_type, others).curve.to_frame(), expected)
    assert "7 of 67 cells are of classes that were never trained on: left out of the scores" in caplog.text


def test_a_file_without_any_trained_class_is_refused(select, tmp_path):
    X, _ = cells(seed=1, n_cells=30)
    with pytest.raises(DataError, match="none of the 30 cells is of a class that the model was trained on"):
        select(data=(X, ["rare"] * 30))
    assert not (tmp_path / "results").exists()


def test_a_trained_class_that_the_test_file_lacks_is_left_out_of_the_mean(select, models):
    X, y = cells(seed=1, n_cells=60)
    present = y != "T"
    table = select("svm", (X[present], y[present])).curve.to_frame()
    predicted = load_model(models / "svm").selector.predict(X[present])
    recalls = [(predicted == y[present])[y[present] == label].mean() for label in ("B", "NK")]
    assert table.loc[12, COLUMNS[2]] == pytest.approx(np.mean(recalls))


def test_labels_can_be_left_out(select):
    X, y = cells(seed=1, n_cells=60)
    expected = select(data=(X[y != "T"], y[y != "T"])).curve.to_frame()
    pd.testing.assert_frame_equal(select(data=(X, y), exclude_labels=("T",)).curve.to_frame(), expected)


def test_the_seed_decides_the_random_orders(select):
    first, again, other = (select(group_size=1, seed=seed).curve for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.random_accuracy, again.random_accuracy)
    assert not np.array_equal(first.random_accuracy, other.random_accuracy)
    np.testing.assert_array_equal(first.accuracy, other.accuracy)
    assert first.random_accuracy.shape == (3, 13)


def test_a_pickle_path_means_the_saved_model_of_that_stem(select, models, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("selectormlp"), "propagate", True)
    caplog.set_level("INFO", logger="selectormlp")
    report = select(model_path=models / "svm.pkl")
    assert report.files[0].name == "svm_feature_selection_results.csv"
    assert "svm.pkl is taken as the saved model" in caplog.text


def test_a_model_of_another_type_is_refused(select, tmp_path):
    with pytest.raises(ModelFileError, match="holds a model of type 'svm', not 'mlp'"):
        select("svm", expected="mlp")
    assert not (tmp_path / "results").exists()


def tables(folder, model_type):
    return [(folder / f"{model_type}_{name}.csv").read_text() for name in ("feature_selection_results", "ranked_genes")]


@pytest.mark.parametrize("model_type", SELECTORS)
def test_cells_on_disk_give_the_same_tables(select, tmp_path, monkeypatch, model_type):
    """Masked in several blocks of several batches."""
    select(model_type)
    expected = tables(tmp_path / "results", model_type)
    monkeypatch.setattr("selectormlp.data.batches.EVALUATION_BATCH", 7)
    monkeypatch.setattr(StoredMatrix.row_blocks, "__defaults__", (25 * 12 * 4,))
    monkeypatch.setattr(StoredMatrix, "load", lambda self: pytest.fail("read in one piece"))
    select(model_type, lazy=True, results_dir=tmp_path / "lazy")
    assert tables(tmp_path / "lazy", model_type) == expected


def test_the_index_of_a_split_stands_for_the_copy_that_is_named(select, tmp_path, said):
    select()
    expected = tables(tmp_path / "results", "svm")
    whole = tmp_path / "test.h5ad"
    names = hash_names([f"cell{i}" for i in range(60)])
    index = SplitIndex((whole,), np.arange(60), ((60, 12),), "kind", TRAINED, names)
    write_split_index(index, tmp_path / "adata_test.index.npz")
    select(adata_input=tmp_path / "adata_test.h5ad", results_dir=tmp_path / "by_index")
    assert tables(tmp_path / "by_index", "svm") == expected
    assert f"opened {tmp_path / 'adata_test.index.npz'}" in said()
