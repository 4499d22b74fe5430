from itertools import chain

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from selectormlp.data.batches import BatchOrder, LabelledRows, Share, batch_loader, dense_batches, dense_rows

X = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.mark.parametrize("make", [np.array, sp.csr_array, np.asfortranarray], ids=["dense", "csr", "fortran"])
@pytest.mark.parametrize("rows", [slice(1, 3), np.array([2, 0, 2])], ids=["slice", "positions"])
def test_rows_become_a_dense_tensor(make, rows):
    found = dense_rows(make(X), rows)
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found.numpy(), X[rows])


@pytest.mark.parametrize("rows", [slice(1, 3), np.array([2, 0, 2])], ids=["slice", "positions"])
def test_rows_of_an_array_that_may_not_be_written_to_are_taken_without_a_warning(rows):
    fixed = X.copy()
    fixed.flags.writeable = False
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        np.testing.assert_array_equal(dense_rows(fixed, rows).numpy(), X[rows])
    finally:
        torch.set_warn_always(before)


def test_rows_and_labels_come_a_batch_at_a_time():
    cells, labels = LabelledRows(X, np.array([5, 6, 7, 8]))[np.array([3, 1])]
    np.testing.assert_array_equal(cells.numpy(), X[[3, 1]])
    assert labels.tolist() == [8, 6]
    assert len(LabelledRows(X, np.arange(4))) == 4


@pytest.mark.parametrize(
    ("n_cells", "batch_size", "expected"),
    [(8, 4, [4, 4]), (10, 4, [4, 4, 2]), (9, 4, [4, 5]), (5, 4, [5]), (3, 4, [3]), (1, 4, [1]), (3, 2, [3])],
)
def test_a_last_batch_of_one_cell_joins_the_one_before(n_cells, batch_size, expected):
    order = BatchOrder(n_cells, batch_size, shuffle=False)
    batches = list(order)
    assert [len(batch) for batch in batches] == expected
    assert len(order) == len(expected)
    assert np.concatenate(batches).tolist() == list(range(n_cells))


def test_every_epoch_has_an_order_of_its_own_that_the_seed_decides():
    orders = {}
    for seed in (0, 1):
        for epoch in (0, 1, 0):
            order = BatchOrder(50, 8, shuffle=True, seed=seed)
            order.set_epoch(epoch)
            rows = np.concatenate(list(order))
            assert sorted(rows) == list(range(50))
            assert orders.setdefault((seed, epoch), rows.tolist()) == rows.tolist()
    assert len({tuple(rows) for rows in orders.values()}) == 4


def test_an_epochs_order_can_be_walked_twice():
    order = BatchOrder(50, 8, shuffle=True)
    assert [b.tolist() for b in order] == [b.tolist() for b in order]


def test_the_loader_yields_whole_batches_and_leaves_the_global_random_state_alone():
    labels = np.arange(4)
    before_torch, before_numpy = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    batches = list(batch_loader(sp.csr_array(X), labels, BatchOrder(4, 3, shuffle=True, seed=2)))
    assert torch.equal(torch.get_rng_state(), before_torch)
    np.testing.assert_array_equal(np.random.get_state()[1], before_numpy)  # noqa: NPY002
    assert [len(codes) for _, codes in batches] == [4]
    for cells, codes in batches:
        np.testing.assert_array_equal(cells.numpy(), X[codes.numpy()])


@pytest.mark.parametrize("n_cells", range(8, 30))
def test_processes_share_every_batch(n_cells):
    alone = list(BatchOrder(n_cells, 8, shuffle=True, seed=1))
    shares = [list(BatchOrder(n_cells, 8, shuffle=True, seed=1, share=Share(rank, 3))) for rank in range(3)]
    assert len({len(batches) for batches in shares}) == 1
    together = [sorted(np.concatenate(parts)) for parts in zip(*shares, strict=True)]
    if n_cells % 8 not in (2, 3, 4, 5):  # a last batch that one process takes and three join
        assert together == [sorted(batch) for batch in alone]
    assert sorted(np.concatenate(together)) == list(range(n_cells))
    assert min(len(batch) for batches in shares for batch in batches) >= 2


def test_shares_cover_all_cells():
    for n_cells in range(20):
        parts = [list(range(n_cells))[Share(rank, 3).part(n_cells)] for rank in range(3)]
        assert list(chain.from_iterable(parts)) == list(range(n_cells))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("make", [np.array, sp.csr_array], ids=["dense", "csr"])
def test_all_cells_in_dense_batches(make, monkeypatch):
    monkeypatch.setattr("selectormlp.data.batches.EVALUATION_BATCH", 3)
    batches = list(dense_batches(make(X)))
    assert [len(batch) for batch in batches] == [3, 1]
    np.testing.assert_array_equal(torch.cat(batches).numpy(), X)
