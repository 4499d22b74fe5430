import numpy as np
import pytest
import scipy.sparse as sp
import torch

from selectormlp.networks import targets
from selectormlp.networks.losses import hurdle_loss, squared_error
from selectormlp.networks.targets import CellRows, LabelTargets, ProfileTargets

CPU = torch.device("cpu")
X = np.random.default_rng(0).poisson(1.0, size=(20, 6)).astype(np.float32)
ROWS, COLUMNS = np.array([3, 3, 17]), np.array([5, 0, 2])


@pytest.mark.parametrize("limit", [0, 1 << 30])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_rows_and_columns_agree_in_memory_and_by_batch(monkeypatch, limit, kind):
    monkeypatch.setattr(targets, "MAX_BYTES", limit)
    cells = CellRows(kind(X), CPU)
    np.testing.assert_array_equal(cells.take(ROWS), X[ROWS])
    few = cells.columns(COLUMNS)
    assert few.n_genes == 3
    np.testing.assert_array_equal(few.take(ROWS), X[np.ix_(ROWS, COLUMNS)])
    again = few.columns(np.array([1]))
    np.testing.assert_array_equal(again.take(ROWS), X[ROWS][:, [0]])


def test_labels_weigh_as_told():
    labels = LabelTargets(np.array([0, 1, 1, 1]), np.array([2.0, 0.5]), CPU)
    logits = torch.zeros(2, 2)
    assert labels.n_outputs == 2
    assert float(labels.loss(logits, np.array([0, 1]))) == pytest.approx(np.log(2) * (2 + 0.5) / 2)


def test_profiles_by_either_loss():
    rows = np.array([2, 5])
    target = torch.from_numpy(X[rows])
    outputs = torch.linspace(-1, 1, 24).view(2, 12)
    squared = ProfileTargets(CellRows(X, CPU), "mse", 10.0)
    assert squared.n_outputs == 6
    assert float(squared.loss(outputs[:, :6], rows)) == float(squared_error(outputs[:, :6], target))
    hurdle = ProfileTargets(CellRows(X, CPU), "hurdle", 3.0)
    assert hurdle.n_outputs == 12
    assert float(hurdle.loss(outputs, rows)) == float(hurdle_loss(outputs, target, zero_weight=3.0))
