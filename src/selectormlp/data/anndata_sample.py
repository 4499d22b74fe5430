"""Read some cells of each type from files larger than memory."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from selectormlp.data.anndata_io import read_labels
from selectormlp.data.anndata_lazy import open_adata
from selectormlp.data.joining import Joining
from selectormlp.data.open_sets import Paths
from selectormlp.data.subsample import subsample
from selectormlp.errors import SettingsError

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)

CELLS_PER_TYPE = 1000
"""Default number of cells per type; enough to estimate the recall of a type to ± 0.03."""


def read_sample(
    paths: Paths,
    *,
    label_key: str,
    cells_per_type: int = CELLS_PER_TYPE,
    layer: str | None = None,
    exclude_labels: Sequence[str] = (),
    seed: int = 0,
    joining: Joining | None = None,
) -> AnnData:
    """Read some cells of each type from AnnData files, for testing and reports, which need cells in memory.

    Cells keep their names, so that a panel chosen from these files is known to have been learned from them.

    Parameters
    ----------
    paths
        h5ad files or zarr folders, as in :func:`selectormlp.select`; of several files, the common genes are read.
    label_key
        Column of ``obs`` with cell types; cells without one are not read.
    cells_per_type
        Maximum number of cells per type.
    layer
        Layer to read instead of X; it becomes X, and that layer.
    exclude_labels
        Types to leave out.
    seed
        The same seed draws the same cells.
    joining
        How several files are joined; None: with common genes and unchanged labels.

    Returns
    -------
    Cells × genes with all columns of ``obs``, values as they are stored, in the order of the files.

    Raises
    ------
    DataError
        If a file, the column or the layer is absent, or a matrix cannot be read by rows.
    SettingsError
        If ``cells_per_type`` is not an integer of 1 or more.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from selectormlp.data.datasets import pbmc68k
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pbmc68k().raw.to_adata().write_h5ad(Path(folder) / "cells.h5ad")
    ...     few = read_sample(Path(folder) / "cells.h5ad", label_key="bulk_labels", cells_per_type=20)
    >>> int(few.obs["bulk_labels"].value_counts().max())
    20
    """
    if not isinstance(cells_per_type, int | np.integer) or isinstance(cells_per_type, bool) or cells_per_type < 1:
        raise SettingsError(f"cells_per_type is {cells_per_type!r}; expected a whole number from 1 up")
    opened = open_adata(paths, label_key=label_key, layer=layer, all_columns=True, joining=joining)
    names, labels = read_labels(opened.table, label_key, exclude=exclude_labels)
    codes = np.asarray(labels.cat.codes, dtype=np.int64)
    of_type = subsample(codes, np.random.default_rng(seed), per_class=cells_per_type)
    rows = np.sort(names.get_indexer(labels.index[of_type]))
    adata = opened.table[rows].copy()
    if adata.obs[label_key].dtype == object:  # several files may hold numbers, strings or both
        adata.obs[label_key] = labels.loc[adata.obs_names]
    adata.X = opened.matrix("any", adata.var_names).take_cells(rows).load()
    if layer is not None:
        adata.layers[layer] = adata.X
    logger.info("read %d of %d cells: at most %d of a type", len(rows), opened.table.n_obs, cells_per_type)
    return adata
