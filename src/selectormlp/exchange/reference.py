"""The reference that vendors' designers ask for: whole counts, unique identifiers and a type for each cell."""

from __future__ import annotations

import gzip
import io
import logging
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse as sp

from selectormlp.data.cells import IntArray
from selectormlp.errors import DataError, quoted
from selectormlp.files import written_whole

logger = logging.getLogger(__name__)

MAX_BYTES = 2_000_000_000
"""Size of a reference that the Xenium designer takes: 2 GB."""

BYTES_PER_VALUE = 14
"""Characters of a line of a Matrix Market file, ``row column count``, for 30,000 genes and up to a million cells."""

COMPRESSION = 3
"""Level of gzip: 9 takes most of the time of an order, and saves little."""

REFERENCE_NAME = "xenium_reference.zip"


@dataclass(frozen=True, eq=False)
class Reference:
    """Labelled whole counts.

    Attributes
    ----------
    counts
        Shape (n_cells, n_genes), whole numbers from 0 up.
    gene_ids, gene_names
        Identifier (unique) and symbol of each gene.
    barcodes
        Name of each cell, unique.
    labels
        Type of each cell.

    Raises
    ------
    DataError
        If values are not counts, names repeat, or lengths differ.
    """

    counts: sp.csr_array
    gene_ids: Sequence[str]
    gene_names: Sequence[str]
    barcodes: Sequence[str]
    labels: Sequence[str]

    def __post_init__(self) -> None:
        n_cells, n_genes = self.counts.shape
        for what, values, expected in (
            ("gene identifiers", self.gene_ids, n_genes),
            ("gene names", self.gene_names, n_genes),
            ("barcodes", self.barcodes, n_cells),
            ("labels", self.labels, n_cells),
        ):
            if len(values) != expected:
                raise DataError(f"{len(values)} {what} for {n_cells} cells × {n_genes} genes; expected {expected}")
        for what, values in (("gene identifiers", self.gene_ids), ("barcodes", self.barcodes)):
            names = pd.Index(values)
            if not names.is_unique:
                repeated = names[names.duplicated()].unique()
                raise DataError(f"{len(repeated)} {what} repeat ({quoted(repeated)}); make them unique")
        data = self.counts.data
        if len(data) and (data.min() < 0 or np.any(data != np.floor(data))):
            raise DataError("a reference holds whole counts, and the values are none; name a layer with raw counts")

    def thinned(self, max_bytes: int = MAX_BYTES, *, seed: int = 0) -> Reference:
        """Keep as many cells of each type as fit: the largest types lose cells first.

        Parameters
        ----------
        max_bytes
            Size of the uncompressed matrix file that is allowed.
        seed
            Of the draw.
        """
        per_cell = np.diff(self.counts.indptr) * BYTES_PER_VALUE
        if per_cell.sum() <= max_bytes:
            return self
        codes, _ = pd.factorize(pd.Series(self.labels))
        order = np.random.default_rng(seed).permutation(len(codes))
        place = np.empty(len(codes), dtype=np.int64)
        place[order] = pd.Series(codes[order]).groupby(codes[order]).cumcount()
        size_by_place = np.cumsum(np.bincount(place, weights=per_cell))
        n_kept = int(np.searchsorted(size_by_place, max_bytes, side="right"))
        if not n_kept:
            raise DataError(f"one cell of each type takes more than {max_bytes:,} bytes; raise the limit")
        rows = np.flatnonzero(place < n_kept)
        logger.warning(
            "the reference keeps %d of %d cells, at most %d of a type, to stay below %s bytes",
            len(rows),
            len(codes),
            n_kept,
            f"{max_bytes:,}",
        )
        return self._take(rows)

    def _take(self, rows: IntArray) -> Reference:
        return Reference(
            self.counts[rows],
            self.gene_ids,
            self.gene_names,
            [self.barcodes[row] for row in rows],
            [self.labels[row] for row in rows],
        )


def write_reference(reference: Reference, folder: Path | str) -> Path:
    """Write a zip of ``matrix.mtx.gz``, ``features.tsv.gz``, ``barcodes.tsv.gz`` and ``celltypes.csv``.

    Parameters
    ----------
    reference
        Labelled whole counts.
    folder
        Where to; made where absent.

    Returns
    -------
    The file.

    Raises
    ------
    OutputError
        If the folder cannot be written to.
    """
    file = Path(folder) / REFERENCE_NAME
    features = pd.DataFrame(
        {"id": reference.gene_ids, "name": reference.gene_names, "kind": "Gene Expression"}, dtype=str
    )
    types = pd.DataFrame({"barcode": reference.barcodes, "annotation": reference.labels})
    with written_whole(file) as (draft,), zipfile.ZipFile(draft, "w") as bundle:
        with (
            _member(bundle, "matrix.mtx.gz") as raw,
            gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=COMPRESSION, mtime=0) as packed,
        ):
            counts: IntArray = reference.counts.data.astype(np.int64)
            whole = sp.csr_array((counts, reference.counts.indices, reference.counts.indptr), reference.counts.shape)
            scipy.io.mmwrite(packed, sp.coo_array(whole.T), field="integer", symmetry="general")
        _write_lines(bundle, "features.tsv.gz", features.to_csv(sep="\t", header=False, index=False))
        _write_lines(bundle, "barcodes.tsv.gz", "\n".join(reference.barcodes) + "\n")
        bundle.writestr(zipfile.ZipInfo("celltypes.csv"), types.to_csv(index=False, lineterminator="\n"))
    return file


def _member(bundle: zipfile.ZipFile, name: str) -> io.BufferedIOBase:
    return bundle.open(zipfile.ZipInfo(name), "w", force_zip64=True)  # type: ignore[return-value]


def _write_lines(bundle: zipfile.ZipFile, name: str, text: str) -> None:
    bundle.writestr(zipfile.ZipInfo(name), gzip.compress(text.encode(), mtime=0))
