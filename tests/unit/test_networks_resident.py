"""Cells that stay on the device give the batches, steps, scores and checkpoints of the ordinary loop."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from selectormlp.networks.graphs import ResidentSteps
from selectormlp.networks.mlp import NetworkSpec
from selectormlp.networks.module import TrainingSpec
from selectormlp.networks.placement import Placement
from selectormlp.networks.resident import DenseRows, ResidentCells, SparseRows, bytes_of, dense_on, hold_rows
from selectormlp.networks.training import Run, train_network

CPU = torch.device("cpu")
NETWORK = NetworkSpec(12, 3, hidden_sizes=(8, 6), dropout=0.3, noise_std=0.5, batch_norm=True, selector_type="clamped")
TRAINING = TrainingSpec(lr=0.02, max_epochs=4, batch_size=16, alpha=0.01, seed=3, device="cpu")
ON_DEVICE = replace(TRAINING, resident=True)


def cells(seed=0, n_cells=90):
    rng = np.random.default_rng(seed)
    labels = np.arange(n_cells) % 3
    X = rng.normal(size=(n_cells, 12)).astype(np.float32) * (rng.random((n_cells, 12)) < 0.4)
    X[np.arange(n_cells), labels] += 1.5
    return X.astype(np.float32), labels


def train(training, folder=None, *, data=None, **run_settings):
    run = None
    if folder is not None:
        run = Run(folder / "logs", folder / "checkpoints", "{}", **run_settings)
        run.log_dir.mkdir(parents=True, exist_ok=True)
    weights = np.array([1.0, 2.0, 0.5], dtype=np.float32)
    return train_network(*(data or cells()), NETWORK, training, class_weights=weights, validation=cells(1), run=run)


def assert_same(found, expected):
    for name, value in expected.network.state_dict().items():
        assert torch.equal(found.network.state_dict()[name], value), name
    pd.testing.assert_frame_equal(found.history, expected.history, check_exact=True)
    assert found.best_epoch == expected.best_epoch


@pytest.mark.parametrize("n_cells", [90, 96, 97, 12])  # a last batch of ten, a whole one, one joined, and one alone
def test_the_loop_on_the_device_is_the_ordinary_one_to_the_bit(n_cells):
    data = cells(n_cells=n_cells)
    assert_same(train(ON_DEVICE, data=data), train(TRAINING, data=data))


def test_without_shuffling_too():
    ordinary = replace(TRAINING, shuffle=False)
    assert_same(train(replace(ordinary, resident=True)), train(ordinary))


def test_sparse_cells_that_stay_sparse_give_the_same_to_the_bit():
    X, labels = cells()
    X[:, 3:] = 0
    sparse = sp.csr_array(X)
    assert isinstance(hold_rows(sparse, CPU, bytes_of(X, dense=True) - 1), SparseRows)
    scored = sparse[:3], labels[:3]
    few = replace(ON_DEVICE, memory_gb=(bytes_of(X, dense=True) - 1) / 1e9)
    found = train_network(sparse, labels, NETWORK, few, validation=scored)
    assert_same(found, train_network(X, labels, NETWORK, TRAINING, validation=(X[:3], labels[:3])))


def test_cells_that_do_not_fit_travel_a_batch_at_a_time(said):
    assert_same(train(replace(ON_DEVICE, memory_gb=1e-6)), train(TRAINING))
    assert "do not fit" in said()


@pytest.mark.parametrize(("first", "then"), [(TRAINING, ON_DEVICE), (ON_DEVICE, TRAINING), (ON_DEVICE, ON_DEVICE)])
def test_a_run_goes_on_from_a_checkpoint_of_either_loop(tmp_path, first, then):
    unbroken = train(TRAINING, tmp_path / "unbroken")
    train(replace(first, max_epochs=2), tmp_path / "broken")
    last = tmp_path / "broken" / "checkpoints" / "last.ckpt"
    assert_same(train(then, tmp_path / "broken", resume_from=last), unbroken)
    states = [torch.load(tmp_path / kind / "checkpoints" / "last.ckpt") for kind in ("unbroken", "broken")]
    assert states[0]["global_step"] == states[1]["global_step"] == 24
    expected, found = (state["optimizer_states"][0] for state in states)
    assert found["param_groups"] == expected["param_groups"]
    for number, memory in expected["state"].items():
        assert all(torch.equal(found["state"][number][name], value) for name, value in memory.items())


def test_a_run_stopped_in_the_middle_of_an_epoch_goes_on_to_the_bit(tmp_path, monkeypatch):
    unbroken = train(ON_DEVICE, tmp_path / "unbroken")
    with monkeypatch.context() as patch:
        run, n_epochs = ResidentSteps.run, []

        def stopping(self, order, first_step):
            n_epochs.append(first_step)
            if len(n_epochs) == 3:
                run(self, order[:32], first_step)
                raise RuntimeError("power cut")
            return run(self, order, first_step)

        patch.setattr(ResidentSteps, "run", stopping)
        with pytest.raises(RuntimeError, match="power cut"):
            train(ON_DEVICE, tmp_path / "broken")
    last = tmp_path / "broken" / "checkpoints" / "last.ckpt"
    assert_same(train(ON_DEVICE, tmp_path / "broken", resume_from=last), unbroken)


def test_several_processes_do_not_keep_cells_on_a_device():
    from selectormlp.networks.loading import resident_data

    assert resident_data(*cells(), None, ON_DEVICE, Placement(devices=2)) is None
    assert resident_data(*cells(), None, ON_DEVICE, Placement()) is not None
    assert resident_data(*cells(), None, TRAINING, Placement()) is None  # a CPU has them already


def test_patience_ends_a_run_where_the_ordinary_loop_does():
    short = replace(TRAINING, max_epochs=30, patience=2)
    ordinary, on_device = train(short), train(replace(short, resident=True))
    assert len(ordinary.history) < 30
    assert_same(on_device, ordinary)


@pytest.mark.parametrize("density", [0.0, 0.3, 1.0])
def test_rows_of_a_sparse_matrix_are_made_dense(density):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 7)).astype(np.float32) * (rng.random((20, 7)) < density)
    X[3] = 0
    rows = torch.tensor([3, 19, 0, 3, 5])
    held = SparseRows(sp.csr_array(X), CPU)
    np.testing.assert_array_equal(held.take(rows), X[rows])
    np.testing.assert_array_equal(held.block(4, 9), X[4:9])
    np.testing.assert_array_equal(dense_on(sp.csr_array(X), CPU), X)


def test_places_that_are_stored_twice_are_added_up():
    X = sp.csr_array((np.array([1.0, 2.0, 5.0]), np.array([1, 1, 0]), np.array([0, 2, 3])), shape=(2, 3))
    expected = np.array([[0, 3, 0], [5, 0, 0]])
    held = hold_rows(X, CPU, limit=1)
    assert held is None
    held = hold_rows(X, CPU, limit=bytes_of(X, dense=True))
    np.testing.assert_array_equal(held.take(torch.arange(2)), expected)
    wide = sp.csr_array((X.data, X.indices, X.indptr), shape=(2, 300))
    held = hold_rows(wide, CPU, limit=bytes_of(wide, dense=False))
    assert isinstance(held, SparseRows)
    np.testing.assert_array_equal(held.take(torch.arange(2))[:, :3], expected)
    assert X.nnz == wide.nnz == 3


def test_all_cells_come_in_their_order_in_large_blocks():
    X = np.arange(15_000, dtype=np.float32).reshape(5_000, 3)
    held = ResidentCells(DenseRows(torch.from_numpy(X)), torch.arange(5_000))
    blocks = list(held.blocks())
    assert [len(labels) for _, labels in blocks] == [2048, 2048, 904]
    np.testing.assert_array_equal(torch.cat([values for values, _ in blocks]), X)
    np.testing.assert_array_equal(torch.cat([labels for _, labels in blocks]), np.arange(5_000))


@pytest.mark.parametrize("resident", [True, False])
def test_bfloat16_is_taken_where_it_is_asked_for_alone(resident, said):
    exact, rounded = (train(replace(TRAINING, resident=resident, precision=p)) for p in (None, "bf16"))
    first, second = (trained.network.first.weight.detach() for trained in (exact, rounded))
    assert second.dtype == torch.float32
    assert not torch.equal(first, second)
    torch.testing.assert_close(first, second, rtol=0.2, atol=0.05)
    assert "rounded to bf16, as requested" in said()


def test_tf32_is_for_the_training_alone(monkeypatch):
    from selectormlp.networks.module import ClassifierModule

    during = []
    loss = ClassifierModule.loss
    monkeypatch.setattr(
        ClassifierModule, "loss", lambda *a: during.append(torch.get_float32_matmul_precision()) or loss(*a)
    )
    torch.set_float32_matmul_precision("medium")
    try:
        train(replace(TRAINING, precision="tf32", max_epochs=1))
        train(replace(TRAINING, max_epochs=1))
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert set(during[:6]) == {"high"}
    assert set(during[6:]) == {"highest"}
