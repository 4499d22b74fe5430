"""Cells that stay on a GPU, replayed steps, and covariances there; skipped without a CUDA device."""

from dataclasses import replace

import anndata
import numpy as np
import pytest
import scipy.sparse as sp
import torch

from selectormlp.data.disk import DiskMatrix, StoredPart
from selectormlp.data.stored import StoredMatrix
from selectormlp.moments.on_device import moments_on_device, stored_moments_on_device
from selectormlp.moments.stream import moments_of_chunks
from selectormlp.networks.mlp import NetworkSpec
from selectormlp.networks.module import TrainingSpec
from selectormlp.networks.resident import ResidentRows, SparseRows, dense_on, hold_rows
from selectormlp.networks.training import Run, train_network
from selectormlp.selectors.discriminant import DiscriminantSelector
from selectormlp.selectors.selector_mlp import SelectorMLP

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

NETWORK = NetworkSpec(20, 3, hidden_sizes=(16, 8), dropout=0.3, noise_std=0.5, batch_norm=True, selector_type="clamped")
TRAINING = TrainingSpec(lr=0.003, alpha=0.01, max_epochs=4, batch_size=32, seed=3, device="cuda")
CLOSE = {"rtol": 1e-3, "atol": 1e-4}


def cells(seed=0, *, n_cells=300, n_genes=20, density=1.0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n_cells) % 3
    X = rng.normal(size=(n_cells, n_genes)).astype(np.float32) * (rng.random((n_cells, n_genes)) < density)
    X[np.arange(n_cells), labels] += 4
    return X.astype(np.float32), labels


def train(training=TRAINING, folder=None, *, network=NETWORK, sparse=False, **run_settings):
    run = None
    if folder is not None:
        run = Run(folder / "logs", folder / "checkpoints", "{}", **run_settings)
        run.log_dir.mkdir(parents=True, exist_ok=True)
    (X, labels), (scored, codes) = cells(density=0.1), cells(1, n_cells=90, density=0.1)
    if sparse:
        X, scored = sp.csr_array(X), sp.csr_array(scored)
    weights = np.array([1.0, 2.0, 0.5], dtype=np.float32)
    return train_network(X, labels, network, training, class_weights=weights, validation=(scored, codes), run=run)


def assert_close(found, expected, *, batch_norm=True, **tolerance):
    """Compare weights; a bias before a batch norm has no gradient but rounding errors, which Adam scales up."""
    exact = tolerance == {"rtol": 0, "atol": 0}
    for name, value in expected.network.state_dict().items():
        if exact or not (batch_norm and name.endswith(("bias", "running_mean"))):
            torch.testing.assert_close(found.network.state_dict()[name], value, **(tolerance or CLOSE))
    losses = ["val_loss", "train_loss"]
    np.testing.assert_allclose(
        found.history[losses], expected.history[losses], rtol=max(1e-3, tolerance.get("rtol", 0))
    )


@pytest.mark.parametrize("change", [{}, {"batch_norm": False}, {"selector_type": "none"}, {"selector_type": "std"}])
def test_replayed_steps_are_those_of_the_ordinary_loop_noise_and_dropout_included(change):
    network = replace(NETWORK, **change)
    assert_close(train(network=network), train(replace(TRAINING, resident=False), network=network))


def test_replayed_steps_repeat_themselves_to_the_bit():
    first, second = train(), train()
    assert_close(first, second, rtol=0, atol=0)
    other = train(replace(TRAINING, seed=4))
    assert not torch.equal(first.network.first.weight, other.network.first.weight)


def test_sparse_cells_that_stay_sparse_give_the_same():
    needed = cells(density=0.1)[0].nbytes / 1e9
    sparse = train(replace(TRAINING, memory_gb=0.9 * needed), sparse=True)
    assert_close(sparse, train(sparse=True))
    assert_close(sparse, train())


@pytest.mark.parametrize("devices", [("cuda", "cuda"), ("cpu", "cuda"), ("cuda", "cpu")])
def test_a_run_goes_on_from_a_checkpoint_of_either_device(tmp_path, devices):
    still = replace(NETWORK, dropout=0.0, noise_std=0.0)  # what is drawn on a GPU is not what is drawn on a CPU
    network = NETWORK if devices == ("cuda", "cuda") else still
    unbroken = train(network=network)
    first, then = (replace(TRAINING, device=device) for device in devices)
    train(replace(first, max_epochs=2), tmp_path, network=network)
    last = tmp_path / "checkpoints" / "last.ckpt"
    resumed = train(then, tmp_path, network=network, resume_from=last)
    assert_close(resumed, unbroken, rtol=1e-2, atol=1e-3)
    state = torch.load(last, map_location="cpu")
    assert state["global_step"] == 4 * 10
    assert not state["optimizer_states"][0]["param_groups"][0]["capturable"]


def test_cudas_random_state_and_precision_are_left_as_they_were():
    before = torch.cuda.get_rng_state(), torch.get_float32_matmul_precision()
    train(replace(TRAINING, precision="tf32"))
    assert torch.equal(torch.cuda.get_rng_state(), before[0])
    assert torch.get_float32_matmul_precision() == before[1]


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_rounded_products_are_near_those_of_float32(precision):
    exact, rounded = train(), train(replace(TRAINING, precision=precision))
    one, other = rounded.network.first.weight, exact.network.first.weight
    assert not torch.equal(one, other)
    assert torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1] > 0.95


@pytest.mark.parametrize("density", [0.0, 0.1, 1.0])
def test_rows_taken_on_the_gpu_are_those_of_the_matrix(density):
    X = np.random.default_rng(0).normal(size=(5000, 30)).astype(np.float32)
    X[np.random.default_rng(1).random(X.shape) >= density] = 0
    device, sparse = torch.device("cuda", 0), sp.csr_array(X)
    rows = torch.tensor([4999, 0, 0, 17])
    held: list[ResidentRows] = [SparseRows(sparse, device), hold_rows(sparse, device, 1e9), hold_rows(X, device, 1e9)]
    for matrix in held:
        np.testing.assert_array_equal(matrix.take(rows.to(device)).cpu(), X[rows])
        np.testing.assert_array_equal(matrix.block(100, 4200).cpu(), X[100:4200])
    np.testing.assert_array_equal(dense_on(sparse, device).cpu(), X)


def exact_and_found(form, tmp_path, dtype=np.float32):
    rng = np.random.default_rng(0)
    X = (rng.gamma(2.0, size=(20_000, 60)) * (rng.random((20_000, 60)) < 0.3) + 5 * rng.random(60)).astype(dtype)
    codes, weights = rng.integers(-1, 4, size=20_000), np.array([0.1, 1.0, 0.5, 0.0])
    exact = moments_of_chunks([(X.astype(np.float64), codes)], cell_weights=weights)
    if form == "disk":
        anndata.AnnData(sp.csr_matrix(X)).write_h5ad(tmp_path / "cells.h5ad")
        stored = StoredMatrix((StoredPart(DiskMatrix(tmp_path / "cells.h5ad", "X")),), "any")
        return exact, stored_moments_on_device(stored, codes, cell_weights=weights, device="cuda")
    matrix = sp.csr_array(X) if form == "sparse" else X
    chunks = [(matrix[start : start + 3000], codes[start : start + 3000]) for start in range(0, 20_000, 3000)]
    return exact, moments_on_device(chunks, cell_weights=weights, device="cuda")


@pytest.mark.parametrize(
    ("form", "dtype", "rtol"),
    [
        ("dense", np.float32, 1e-12),
        ("sparse", np.float32, 1e-12),
        ("disk", np.float32, 1e-12),
        ("dense", np.float64, 1e-12),
    ],
)
def test_moments_on_the_gpu_are_as_exact_as_on_the_cpu(form, dtype, rtol, tmp_path):
    torch.set_float32_matmul_precision("high")  # what others have set must not matter
    try:
        exact, found = exact_and_found(form, tmp_path, dtype)
    finally:
        torch.set_float32_matmul_precision("highest")
    np.testing.assert_array_equal(found.counts, exact.counts)
    np.testing.assert_allclose(found.means, exact.means, rtol=1e-6)
    np.testing.assert_allclose(found.squares, exact.squares, rtol=2e-6)
    for name in ("within", "total"):
        one, other = getattr(found, name), getattr(exact, name)
        scale = np.sqrt(np.outer(np.diag(other), np.diag(other)))
        assert np.abs((one - other) / scale).max() < rtol


def test_the_discriminant_chooses_the_same_on_either_device():
    rng = np.random.default_rng(0)
    y = np.arange(2000) % 5
    X = rng.poisson(rng.gamma(0.5, 1.0, (5, 80))[y]).astype(np.float32)
    on_cpu, on_gpu = (DiscriminantSelector(20, device=device).fit(np.log1p(X), y) for device in ("cpu", "cuda"))
    np.testing.assert_array_equal(on_cpu.ranking_, on_gpu.ranking_)
    assert (on_cpu.device_, on_gpu.device_) == ("cpu", "cuda")


def test_auto_goes_by_the_size_of_the_work():
    X, y = cells(n_cells=600, n_genes=2000)
    assert SelectorMLP(5, max_epochs=1, random_state=0).fit(X, y).device_ == "cpu"
    assert SelectorMLP(5, max_epochs=30, random_state=0).fit(X, y).device_ == "cuda"


@pytest.mark.parametrize("combine", ["new-study", "corrected", "worst"])
def test_batches_are_told_from_classes_on_cuda_as_on_the_cpu(combine):
    X, labels = cells(n_cells=600)
    batches = np.where(np.random.default_rng(1).random(600) < 0.5, "a", "b")
    X[batches == "b", 10:12] += 3.0
    found = [
        DiscriminantSelector(6, device=device, combine=combine).fit(X, labels, batches=batches)
        for device in ("cpu", "cuda")
    ]
    np.testing.assert_array_equal(*(one.get_support() for one in found))
    np.testing.assert_allclose(*(one.scores_ for one in found), **CLOSE)
