"""Files as strangers might send them: cells in h5ad and zarr, good ones and altered ones."""

import json
import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
import zarr

from selectormlp.data.anndata_files import read_adata
from selectormlp.data.anndata_io import CellsSource
from selectormlp.data.anndata_lazy import open_cells

GENES = [f"g{i}" for i in range(8)]


def some_cells(n_cells=40):
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"kind": np.repeat(["B", "T"], n_cells // 2), "donor": list("abcd" * (n_cells // 4))})
    obs["depth"] = rng.random(n_cells)
    obs.index = [f"c{i}" for i in range(n_cells)]
    X = sp.csr_matrix(rng.poisson(2.0, (n_cells, len(GENES))).astype(np.float32))
    return ad.AnnData(X, obs=obs, var=pd.DataFrame(index=GENES), obsm={"X_pca": rng.random((n_cells, 2))})


def write_zarr(place, zarr_format=2, dense=False, n_cells=40):
    cells = some_cells(n_cells)
    if dense:
        cells.X = cells.X.toarray()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with ad.settings.override(zarr_write_format=zarr_format):
            cells.write_zarr(place)
    (place / ".zmetadata").unlink(missing_ok=True)
    if zarr_format == 3:
        change_json(place / "zarr.json", lambda found: found.pop("consolidated_metadata", None))
    return place


def text_array(place, name):
    """Name the array of a store that holds the texts; pandas 3 writes an index as values beside a mask."""
    return f"{name}/values" if (place / name / "values").exists() else name


def write_h5ad(place):
    some_cells().write_h5ad(place)
    return place


def change_json(file, change):
    found = json.loads(Path(file).read_text())
    change(found)
    Path(file).write_text(json.dumps(found))


def rewrite_array(place, name, **options):
    """Rewrite one array of a zarr store, with other codecs."""
    group = zarr.open_group(place, mode="r+")
    old = group[name]
    values, attributes = old[:], dict(old.attrs)
    del group[name]
    options.setdefault("chunks", values.shape)
    dtype = str if values.dtype.kind in "OT" else values.dtype  # NumPy before 2 holds text as objects
    new = group.create_array(name, shape=values.shape, dtype=dtype, **options)
    new[...] = values
    new.attrs.update(attributes)


def both_ways():
    """The two ways in which commands read a file."""
    return [read_adata, lambda place: open_cells(place, CellsSource("kind", "donor"))]
