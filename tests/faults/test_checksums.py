"""Promise: a network, a checkpoint or the data of a split that were altered are noticed."""

import numpy as np
import pytest

from faults.strangers import GENES, some_cells, write_h5ad, write_zarr
from selectormlp.data import fingerprint as fingerprints
from selectormlp.data.anndata_files import read_adata
from selectormlp.data.anndata_io import CellsSource
from selectormlp.data.anndata_lazy import open_cells
from selectormlp.data.split_index import SplitIndex, hash_names, read_split_index, write_split_index
from selectormlp.errors import DataError, ModelFileError
from selectormlp.models.model import MODEL_TYPES, Model
from selectormlp.models.storage import load_model, save_model


def a_model(kind, folder):
    rng = np.random.default_rng(0)
    X = rng.random((20, len(GENES)), dtype=np.float32)
    few = {} if kind == "svm" else {"hidden_sizes": (3, 2, 2), "max_epochs": 1, "device": "cpu"}
    selector = MODEL_TYPES[kind](random_state=0, **few).fit(X, np.repeat(["B", "T"], 10))
    return save_model(Model(selector, tuple(GENES), CellsSource("kind")), folder / kind)


@pytest.mark.parametrize("kind", ["selector_mlp", "mlp", "svm"])
def test_a_flipped_bit_in_a_model_is_noticed_or_changes_nothing(tmp_path, kind):
    place = a_model(kind, tmp_path)
    content, before = place.read_bytes(), load_model(place)
    cells = np.random.default_rng(1).random((30, len(GENES)), dtype=np.float32)
    rng = np.random.default_rng(2)
    n_refused = 0
    for _ in range(40):
        changed = bytearray(content)
        changed[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
        place.write_bytes(changed)
        try:
            now = load_model(place)
        except ModelFileError as error:
            n_refused += "\n" not in str(error)
            continue
        assert now.genes == before.genes
        np.testing.assert_array_equal(now.selector.predict(cells), before.selector.predict(cells))
        n_refused += kind == "svm"  # a zip file has bytes without a meaning
    assert n_refused == 40


SOURCE = CellsSource("kind", "donor")


@pytest.fixture(params=["h5ad", "zarr", "large"])
def split(request, tmp_path, monkeypatch):
    """An index of a split, and the file of cells that it names."""
    if request.param == "large":
        monkeypatch.setattr(fingerprints, "WHOLE", 100)
    place = tmp_path / f"cells.{'zarr' if request.param == 'zarr' else 'h5ad'}"
    cells = (write_zarr if request.param == "zarr" else write_h5ad)(place)
    names = hash_names(some_cells().obs_names)
    rows = np.arange(40)
    index = tmp_path / "adata_train.index.npz"
    write_split_index(SplitIndex((cells,), rows, ((40, len(GENES)),), "kind", ("B", "T"), names), index)
    return index, cells


def test_data_of_a_split_that_stayed_the_same_are_read(split):
    index, _ = split
    assert open_cells(index, SOURCE).n_cells == 40
    assert read_adata(index).n_obs == 40


def test_a_value_altered_after_the_split_is_noticed(split):
    import h5py
    import zarr

    index, cells = split
    if cells.is_dir():
        values = zarr.open_group(cells, mode="r+")["X/data"]
        values[3] = values[3] + 1
    else:
        with h5py.File(cells, "r+") as file:
            file["X/data"][3] += 1
    for read in (read_adata, lambda place: open_cells(place, SOURCE)):
        with pytest.raises(DataError, match=r"has changed since it was split .*; put the old file back"):
            read(index)


def test_an_index_of_an_earlier_version_is_read(split, monkeypatch):
    index, _ = split
    found = read_split_index(index)
    assert found.fingerprints
    monkeypatch.setattr("selectormlp.data.split_index.fingerprint", lambda _: 1 / 0)
    SplitIndex(found.paths, found.rows, found.shapes, "kind", ("B", "T"), found.names_hash).check_content()


def test_an_index_that_names_cells_that_are_not_there_is_refused(split):
    index, cells = split
    found = read_split_index(index)
    rows = np.array([*range(39), 2**40])
    write_split_index(SplitIndex((cells,), rows, found.shapes, "kind", ("B", "T"), found.names_hash), index)
    for read in (read_adata, lambda place: open_cells(place, SOURCE)):
        with pytest.raises(DataError, match=r"the index names cells beyond the 40 of"):
            read(index)
