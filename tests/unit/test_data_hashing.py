import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from selectormlp.data import hashing
from selectormlp.data.anndata_io import CellsSource
from selectormlp.data.anndata_lazy import open_cells
from selectormlp.data.hashing import hash_cells


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """50 cells on disk, of which 4 × 5 are hashed."""
    monkeypatch.setattr(hashing, "HASHED_CELLS", 5)
    monkeypatch.setattr(hashing, "MAX_BLOCKS", 4)

    def write(changed=None, n_cells=50):
        X = np.arange(1, 1 + 3 * n_cells, dtype=np.float32).reshape(-1, 3) / 2
        if changed is not None:
            X[changed] += 1
        obs = pd.DataFrame({"kind": ["a", "b"] * (n_cells // 2)}, index=[f"c{i}" for i in range(n_cells)])
        place = tmp_path / f"{len(list(tmp_path.iterdir()))}.h5ad"
        anndata.AnnData(sp.csr_matrix(X), obs=obs).write_h5ad(place)
        return open_cells(place, CellsSource("kind"))

    return write


def test_few_cells_on_disk_have_the_hash_of_those_in_memory(stored):
    cells = stored(n_cells=20)
    assert hash_cells(cells) == hash_cells(cells.load())


@pytest.mark.slow
def test_of_many_cells_on_disk_some_are_hashed_from_one_end_to_the_other(stored):
    cells = stored()
    expected = hash_cells(cells)
    assert expected.startswith("sha256-sample:")
    assert hash_cells(cells.load()).startswith("sha256:")
    assert hash_cells(stored()) == expected
    noticed = [row for row in range(50) if hash_cells(stored(row)) != expected]
    assert len(noticed) == 20
    assert {0, 49} <= set(noticed)


def test_all_labels_are_hashed(stored):
    cells = stored()
    before = hash_cells(cells)
    cells.labels[6] = 1 - cells.labels[6]
    assert hash_cells(cells) != before
