import numpy as np
import pandas as pd
import pytest

from selectormlp.evaluation.masking import MaskingCurve, masked_hits, masking_curve, masking_sizes
from selectormlp.selectors.svm import LinearSVM


def cells(n_cells=120, n_genes=12, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n_cells) % 3
    X = rng.normal(size=(n_cells, n_genes)).astype(np.float32)
    X[np.arange(n_cells), labels] += 4
    return X, labels


@pytest.fixture(scope="module")
def svm():
    return LinearSVM(random_state=0).fit(*cells())


@pytest.mark.parametrize(
    ("n_genes", "group_size", "extra", "expected"),
    [
        (100, 50, (), [0, 50, 100]),
        (101, 50, (), [0, 50, 100, 101]),
        (10, 50, (), [0, 10]),
        (4, 1, (), [0, 1, 2, 3, 4]),
        (100, 50, (10, 25, 50, 100, 200), [0, 10, 25, 50, 100]),
    ],
)
def test_sizes_go_from_nothing_to_all_genes(n_genes, group_size, extra, expected):
    sizes = masking_sizes(n_genes, group_size, extra)
    assert sizes.tolist() == expected
    assert sizes.dtype == np.int64


def test_the_columns_are_the_published_ones(svm):
    X, labels = cells(seed=1)
    curve = masking_curve(svm, X, labels, sizes=masking_sizes(12, 5), random_reps=3, rng=np.random.default_rng(0))
    table = curve.to_frame()
    assert table.columns.tolist() == [
        "Accuracy (selected features)",
        "Accuracy (random features)",
        "Mean per-class acc. (selected)",
        "Mean per-class acc. (random)",
    ]
    assert table.index.tolist() == [0, 5, 10, 12]
    assert table.index.name == "n_genes"


def test_random_orders_are_averaged():
    curve = MaskingCurve(
        np.array([0, 2]),
        np.array([0.1, 0.9]),
        np.array([0.2, 0.8]),
        np.array([[0.1, 0.5], [0.3, 0.9]]),
        np.array([[0.0, 0.2], [1.0, 0.4]]),
    )
    expected = {
        "Accuracy (selected features)": [0.1, 0.9],
        "Accuracy (random features)": [0.2, 0.7],
        "Mean per-class acc. (selected)": [0.2, 0.8],
        "Mean per-class acc. (random)": [0.5, 0.3],
    }
    pd.testing.assert_frame_equal(curve.to_frame(), pd.DataFrame(expected, index=pd.Index([0, 2], name="n_genes")))


def test_the_genes_that_matter_are_enough(svm):
    X, labels = cells(seed=1)
    curve = masking_curve(svm, X, labels, sizes=np.array([0, 3, 12]), random_reps=5, rng=np.random.default_rng(0))
    assert curve.accuracy[0] == pytest.approx(1 / 3)
    assert curve.accuracy[1] > 0.9
    assert curve.random_accuracy.shape == (5, 3)
    assert curve.random_accuracy[:, 1].mean() < 0.75


def test_another_ranking_can_be_masked_by(svm):
    X, labels = cells(seed=1)
    worst_first = 13 - svm.ranking_
    arguments = {"sizes": np.array([0, 3, 12]), "random_reps": 1, "rng": np.random.default_rng(0)}
    assert masking_curve(svm, X, labels, ranking=worst_first, **arguments).accuracy[1] < 0.5


def test_the_generator_decides_the_random_orders(svm):
    X, labels = cells(seed=1)

    def random_part(seed):
        rng = np.random.default_rng(seed)
        return masking_curve(svm, X, labels, sizes=masking_sizes(12, 1), random_reps=2, rng=rng).random_accuracy

    np.testing.assert_array_equal(random_part(0), random_part(0))
    assert not np.array_equal(random_part(0), random_part(1))
    assert not np.array_equal(random_part(0)[0], random_part(0)[1])


def test_progress_counts_every_cell(svm):
    X, labels = cells(n_cells=2500)
    done = []
    masked_hits(svm, X, labels, [np.arange(12)], np.array([0, 12]), advance=done.append)
    assert len(done) > 1
    assert sum(done) == 2500
