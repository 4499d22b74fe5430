"""Batches of cells on disk: which cells, in which order, for which process, and what failures look like."""

import gc
import os
import weakref
from itertools import chain

import anndata
import numpy as np
import pytest
import scipy.sparse as sp
import torch

from selectormlp.data.batches import LabelledRows, Share
from selectormlp.data.disk import DiskMatrix, StoredPart
from selectormlp.data.stored import StoredMatrix
from selectormlp.data.stored_batches import Reading, StoredBatches, spread_rows
from selectormlp.errors import DataError
from unit.killed_reader import KilledReader

N_GENES = 5
NO_FORK_WARNING = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Cells whose first value is their row number, so that a batch tells which cells it holds."""

    def make(n_cells):
        X = np.ones((n_cells, N_GENES), dtype=np.float32)
        X[:, 0] = np.arange(n_cells) + 0.5
        path = tmp_path_factory.mktemp("cells") / "cells.h5ad"
        anndata.AnnData(sp.csr_matrix(X)).write_h5ad(path)
        return StoredMatrix((StoredPart(DiskMatrix(path, "X")),), "expression")

    return make


def batches_of(X, labels=None, batch_size=4, *, shuffle=True, share=None, epoch=0, seed=0, **reading):
    reading.setdefault("block_size", 2)
    reading.setdefault("buffer_bytes", 4 * N_GENES * batch_size * 3)  # three batches a fetch
    labels = np.arange(X.shape[0]) if labels is None else labels
    loader = StoredBatches(X, labels, batch_size, shuffle=shuffle, seed=seed, reading=Reading(**reading), share=share)
    loader.sampler.set_epoch(epoch)
    return loader


def rows_of(loader):
    return [(cells[:, 0] - 0.5).int().tolist() for cells, _ in loader]


@pytest.mark.parametrize("n_workers", [0, 2])
@NO_FORK_WARNING
def test_every_cell_comes_once_with_its_label(stored, n_workers):
    X = stored(50)
    seen = []
    for cells, labels in batches_of(X, np.arange(50) * 3, n_workers=n_workers):
        assert cells.dtype == torch.float32
        assert cells.shape == (len(labels), N_GENES)
        np.testing.assert_array_equal(cells[:, 0].numpy() - 0.5, labels.numpy() / 3)
        seen += labels.tolist()
    assert sorted(seen) == [3 * row for row in range(50)]
    assert seen != sorted(seen)


def test_unshuffled_cells_come_as_they_are(stored):
    assert rows_of(batches_of(stored(10), shuffle=False)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_the_seed_and_the_epoch_decide_the_order(stored):
    X = stored(60)
    orders = {
        (seed, epoch): list(chain.from_iterable(rows_of(batches_of(X, seed=seed, epoch=epoch))))
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    assert len({tuple(order) for order in orders.values()}) == 4
    assert list(chain.from_iterable(rows_of(batches_of(X, seed=1, epoch=1)))) == orders[1, 1]


def test_the_order_is_chosen_when_the_first_batch_is_asked_for(stored):
    """The trainer asks for the iterator before it says which epoch it is."""
    loader = batches_of(stored(60))
    waiting = iter(loader)
    loader.set_epoch(7)
    assert [(cells[:, 0] - 0.5).int().tolist() for cells, _ in waiting] == rows_of(batches_of(stored(60), epoch=7))


def test_the_global_random_state_is_left_alone(stored):
    before_torch, before_numpy = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    list(batches_of(stored(20)))
    assert torch.equal(torch.get_rng_state(), before_torch)
    np.testing.assert_array_equal(np.random.get_state()[1], before_numpy)  # noqa: NPY002


def test_blocks_of_neighbours_are_read_together(stored):
    order = np.array(
        list(chain.from_iterable(rows_of(batches_of(stored(64), block_size=8, buffer_bytes=1, batch_size=8))))
    )
    for fetch in order.reshape(8, 8):
        assert np.ptp(fetch) == 7


@pytest.mark.parametrize("n_processes", [1, 2, 3])
@pytest.mark.parametrize("n_workers", [0, 2])
@NO_FORK_WARNING
def test_all_processes_have_as_many_batches_and_share_the_cells(stored, n_processes, n_workers):
    for n_cells in range(12, 32) if not n_workers else (25, 26, 27):
        X = stored(n_cells)
        shares = [
            batches_of(X, share=Share(rank, n_processes), n_workers=n_workers, epoch=3) for rank in range(n_processes)
        ]
        found = [rows_of(loader) for loader in shares]
        assert {len(batches) for batches in found} == {len(loader) for loader in shares} == {len(found[0])}
        assert sorted(row for batches in found for batch in batches for row in batch) == list(range(n_cells))
        assert min(len(batch) for batches in found for batch in batches) >= 2


def test_the_shortest_batches_are_joined_only_where_they_must_be(stored):
    assert sorted(len(batch) for batch in rows_of(batches_of(stored(9)))) == [4, 5]
    assert sorted(len(batch) for batch in rows_of(batches_of(stored(10)))) == [2, 4, 4]


def test_class_balanced_cells_are_drawn_with_replacement(stored):
    labels = np.array([0] * 180 + [1] * 15 + [2] * 5)
    counts, drawn = np.zeros(3), []
    for epoch in range(10):
        loader = batches_of(stored(200), labels, class_balanced=True, epoch=epoch)
        for cells, codes in loader:
            counts += np.bincount(codes, minlength=3)
            drawn += cells[:, 0].tolist()
            np.testing.assert_array_equal(labels[(cells[:, 0] - 0.5).int()], codes)
    assert counts.sum() == 2000
    assert np.abs(counts / 2000 - 1 / 3).max() < 0.04  # a standard deviation is 0.01
    assert len(set(drawn)) < len(drawn)


def test_what_the_buffer_holds_is_bounded(stored, monkeypatch):
    X = stored(200)
    read = []
    original = StoredMatrix.__getitem__
    monkeypatch.setattr(StoredMatrix, "__getitem__", lambda self, rows: read.append(len(rows)) or original(self, rows))
    list(batches_of(X, buffer_bytes=4 * N_GENES * 40))
    assert read == [40] * 5


def test_the_buffer_is_gone_when_the_last_batch_is_handed_out(stored, monkeypatch):
    """Else it would stay through the validation that follows."""
    original, buffers = LabelledRows.read, []

    def read(self, rows):
        found = original(self, rows)
        buffers.append(weakref.ref(found))
        return found

    monkeypatch.setattr(LabelledRows, "read", read)
    loader = batches_of(stored(200), buffer_bytes=2**20)
    batches = iter(loader)
    for _ in range(len(loader)):
        next(batches)
    gc.collect()
    assert [buffer() for buffer in buffers] == [None]
    assert next(batches, None) is None


@pytest.mark.parametrize("n_workers", [0, 1])
@NO_FORK_WARNING
def test_an_unreadable_chunk_is_named(stored, n_workers):
    X = stored(5000)
    path = X.parts[0].matrix.path
    os.truncate(path, path.stat().st_size // 3)
    with pytest.raises(DataError, match=r"^cannot (read cells|open) .*cells\.h5ad") as caught:
        list(batches_of(X, n_workers=n_workers))
    assert "Traceback" not in str(caught.value)


@NO_FORK_WARNING
def test_a_helper_that_is_killed_is_reported(stored):
    X = stored(20)
    with pytest.raises(DataError, match=r"was killed .*lower dataloader\.buffer_mb"):
        list(batches_of(KilledReader(X.parts, X.kind), n_workers=1))


def test_more_processes_than_cells(stored):
    with pytest.raises(DataError, match=r"^1 cell for 2 processes; train with fewer$"):
        batches_of(stored(1), share=Share(0, 2))


@pytest.mark.parametrize(("n_cells", "n_wanted", "block"), [(100, 20, 4), (101, 50, 7), (10, 10, 3), (10, 1, 4)])
def test_spread_rows_reach_from_one_end_to_the_other(n_cells, n_wanted, block):
    rows = spread_rows(n_cells, n_wanted, block)
    assert (np.diff(rows) > 0).all()
    assert rows[0] == 0
    assert rows[-1] < n_cells
    assert abs(len(rows) - n_wanted) < block
    assert n_wanted < 20 or rows[-1] > 0.8 * n_cells
