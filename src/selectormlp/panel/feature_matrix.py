"""Read the features of 10x's HDF5 matrices, such as ``cell_feature_matrix.h5`` of a Xenium run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from selectormlp.errors import DataError, PanelError
from selectormlp.gate.hdf5 import check_hdf5
from selectormlp.panel.gene_columns import GeneTable

MAGIC = b"\x89HDF\r\n\x1a\n"

MAX_FEATURES = 1_000_000


def features_of(place: Path) -> GeneTable:
    """Read names, identifiers and types of the features of a matrix in HDF5.

    Raises
    ------
    PanelError
        If the file is damaged, or holds no ``matrix/features``.
    """
    import h5py

    wanted = "expected the cell_feature_matrix.h5 of a run (matrix/features), or a list of genes as text"
    try:
        check_hdf5(place)
    except DataError as error:
        raise PanelError(str(error).removeprefix(f"{str(place)!r} ")) from error
    try:
        with h5py.File(place, "r") as file:
            features = file["matrix/features"]
            names, ids, kinds = (_texts(features, key) for key in ("name", "id", "feature_type"))
    except (OSError, KeyError, ValueError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise PanelError(f"an HDF5 file without a list of features; {wanted}") from error
    if not names or len(ids) != len(names) or len(kinds) not in (0, len(names)):
        raise PanelError(f"{len(names)} names and {len(ids)} identifiers of features; {wanted}")
    columns = {"feature_type": tuple(kinds)} if kinds else {}
    return GeneTable(tuple(names), columns, tuple(ids), "matrix/features/name", "matrix/features/id")


def _texts(features: Any, key: str) -> list[str]:
    if key not in features:
        return []
    column = features[key]
    if column.ndim != 1 or column.shape[0] > MAX_FEATURES:
        raise ValueError(f"{key} has the shape {column.shape}")
    return [value.decode() if isinstance(value, bytes) else str(value) for value in column[:]]
