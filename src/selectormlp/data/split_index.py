"""One side of a split as an index of cells in files, instead of a copy."""

from __future__ import annotations

import hashlib
import json
import logging
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from selectormlp.data.cells import IntArray
from selectormlp.data.fingerprint import fingerprint
from selectormlp.errors import DataError, quoted
from selectormlp.gate.archives import check_zip
from selectormlp.gate.files import check_regular
from selectormlp.gate.text import check_json
from selectormlp.manifests import RUN_KEY
from selectormlp.results import current_run

logger = logging.getLogger(__name__)

SPLIT_NAME = "split"
"""Name of the three sides as one result of a folder."""

SUFFIX = ".index.npz"
"""Suffix of index files: ``adata_train.index.npz``."""

FORMAT = "selectormlp split index 1"


@dataclass(frozen=True, eq=False)
class SplitIndex:
    """Cells of one side of a split.

    Attributes
    ----------
    paths
        Absolute paths of the files, in order.
    rows
        Row numbers, counted over all files, increasing.
    shapes
        Cells and genes of each file when it was split.
    label_key, classes
        Label column, and ordered class list of all sides.
    names_hash
        Hash of the names of the cells in ``rows``, see :func:`hash_names`.
    fingerprints
        Fingerprints of the files when they were split, see :func:`selectormlp.data.fingerprint.fingerprint`; none in
        indices of earlier versions.
    """

    paths: tuple[Path, ...]
    rows: IntArray
    shapes: tuple[tuple[int, int], ...]
    label_key: str
    classes: tuple[str, ...]
    names_hash: str
    fingerprints: tuple[str, ...] = ()

    def check(self, shapes: Sequence[tuple[int, int]]) -> None:
        """Raise if files do not have the shapes they had when they were split.

        Raises
        ------
        DataError
            If the number of cells or genes of a file has changed, or the index names cells beyond it.
        """
        for path, then, now in zip(self.paths, self.shapes, shapes, strict=True):
            if then != now:
                raise DataError(
                    f"{str(path)!r} has {now[0]} cells × {now[1]} genes and had {then[0]} × {then[1]} when it was "
                    "split; split it again"
                )
        n_cells = sum(shape[0] for shape in shapes)
        if len(self.rows) and not 0 <= self.rows.min() <= self.rows.max() < n_cells:
            raise DataError(f"the index names cells beyond the {n_cells} of {quoted(self.paths)}; split again")

    def check_cells(self, obs: pd.DataFrame) -> None:
        """Raise if names or order of cells have changed since the split, or the label column is missing.

        Raises
        ------
        DataError
            If the names at ``rows`` differ, or the label column is missing.
        """
        if self.label_key not in obs:
            raise DataError(
                f"the index takes labels from the column {self.label_key!r}, which {quoted(self.paths)} lacks; split "
                "again"
            )
        if hash_names(obs.index[self.rows]) != self.names_hash:
            raise DataError(
                f"the cells of {quoted(self.paths)} are not those that were split (their names, or their order, "
                "differ); split again"
            )

    def check_content(self) -> None:
        """Raise if files were changed or rewritten after the split.

        Raises
        ------
        DataError
            If the content of a file has changed.
        """
        for path, then in zip(self.paths, self.fingerprints, strict=bool(self.fingerprints)):
            if fingerprint(path) != then:
                raise DataError(
                    f"{str(path)!r} has changed since it was split (its content was altered or rewritten); "
                    "put the old file back, or split again"
                )


def hash_names(names: Iterable[str]) -> str:
    """Hash names in their order.

    Examples
    --------
    >>> hash_names(["a", "b"]) == hash_names(["b", "a"])
    False
    """
    digest = hashlib.sha256()
    for name in names:
        digest.update(f"{name}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def write_split_index(index: SplitIndex, file: Path) -> None:
    """Write an index file, with the run it belongs to."""
    card = {
        "format": FORMAT,
        "paths": [str(path.absolute()) for path in index.paths],
        "shapes": index.shapes,
        "label_key": index.label_key,
        "classes": index.classes,
        "names_hash": index.names_hash,
        "fingerprints": index.fingerprints or tuple(map(fingerprint, index.paths)),
        RUN_KEY: current_run(),
    }
    with file.open("wb") as stream:
        np.savez_compressed(stream, rows=index.rows, card=np.array(json.dumps(card)))


def index_for(file: Path) -> Path:
    """Return the path of the index that replaces a copy at ``file``.

    Examples
    --------
    >>> index_for(Path("adata_train.h5ad")).name
    'adata_train.index.npz'
    """
    return file.parent / (file.name.removesuffix(".h5ad") + SUFFIX)


def found_side(place: Path) -> Path:
    """Return the file of a side of a split, or its index if the file is absent."""
    check_regular(place)
    index = index_for(place)
    if place.exists() or not index.exists():
        return place
    logger.info("%s is not there; reading %s", place, index.name)
    return index


def is_split_index(path: Path) -> bool:
    """Return whether a file is an index, by its name or content (other zip files are not)."""
    if path.name.endswith(SUFFIX):
        return True
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as parts:
            return "card.npy" in parts.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def read_split_index(path: Path) -> SplitIndex:
    """Read an index file.

    Raises
    ------
    DataError
        If it is absent, truncated, or not an index file.
    """
    if not path.exists():
        raise DataError(f"no file {str(path)!r}; run the split step first")
    check_zip(path)
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as parts:
            text = str(parts["card"])
            check_json(text)
            card = json.loads(text)
            rows: IntArray = parts["rows"].astype(np.int64)
        if card["format"] != FORMAT:
            raise DataError(f"{str(path)!r} is of the format {card['format']!r}; expected {FORMAT!r}: split again")
        return SplitIndex(
            paths=tuple(map(Path, card["paths"])),
            rows=rows,
            shapes=tuple((int(n_cells), int(n_genes)) for n_cells, n_genes in card["shapes"]),
            label_key=str(card["label_key"]),
            classes=tuple(map(str, card["classes"])),
            names_hash=str(card["names_hash"]),
            fingerprints=tuple(map(str, card.get("fingerprints", ()))),
        )
    except DataError:
        raise
    except Exception as error:  # zipfile, numpy and json raise many kinds of errors for damaged files
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{str(path)!r} is not a complete index of a split ({reason}); split again") from error
