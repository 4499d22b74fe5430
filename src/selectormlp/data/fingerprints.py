"""Recognise cells by their expression, since different cells may have the same name."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from selectormlp.data.cells import BoolArray, Cells, IntArray, Matrix, as_matrix
from selectormlp.data.stored import StoredCells
from selectormlp.errors import DataError

HashArray = npt.NDArray[np.uint64]

BLOCK = 4096
"""Number of cells read at a time."""

MAX_CELLS = 2**16
"""Number of cells on disk that are read for fingerprints, in evenly spaced runs."""

FEW_EXPRESSED = 5
"""Minimum number of expressed genes. Cells with fewer match other cells by chance."""

SAME_SHARE = 0.5
"""Names identify cells if at least this share of the cells with a known name have the expression of that cell."""

RECORD = np.dtype([("values", "<u8"), ("expressed", "<u4")])
"""Record of a cell: a hash of its genes and values, and a hash of the genes that it expresses."""


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """Fingerprints by which cells are recognised.

    Attributes
    ----------
    genes
        Hash of the set of genes that were measured.
    records
        Array of ``RECORD``, one per cell at :func:`spread_positions`.
    """

    genes: int
    records: npt.NDArray[np.void]

    def to_text(self) -> str:
        """Return them as text for a file."""
        return f"1:{self.genes:016x}:{base64.b64encode(self.records.tobytes()).decode('ascii')}"

    @classmethod
    def from_text(cls, text: str) -> Fingerprints:
        """Read what :meth:`to_text` wrote.

        Raises
        ------
        DataError
            If it is something else.
        """
        version, _, rest = text.partition(":")
        genes, _, packed = rest.partition(":")
        try:
            data = base64.b64decode(packed, validate=True)
            if version != "1" or len(data) % RECORD.itemsize:
                raise ValueError(f"version {version!r}, {len(data)} bytes")
            return cls(int(genes, 16), np.frombuffer(data, dtype=RECORD))
        except (ValueError, binascii.Error) as error:
            raise DataError(f"the fingerprints of cells cannot be read ({error}); write the panel again") from error


def fingerprints_of(cells: Cells | StoredCells, rows: IntArray | None = None) -> Fingerprints:
    """Compute fingerprints of cells; of many cells on disk, only those at :func:`spread_positions`.

    Parameters
    ----------
    cells
        Normalised cells with all genes. The order of genes, cell names, and genes with value 0 do not matter.
    rows
        Cells to use, increasing; None: all.

    Examples
    --------
    >>> X = np.arange(12, dtype=np.float32).reshape(2, 6)
    >>> names, genes = pd.Index(["a", "b"]), pd.Index([*"uvwxyz"])
    >>> dense = fingerprints_of(Cells(X, genes, names, np.array([0, 0]), ("T",)))
    >>> sparse = fingerprints_of(Cells(sp.csr_array(X[:, ::-1]), genes[::-1], names[::-1], np.array([0, 0]), ("T",)))
    >>> bool((dense.records == sparse.records).all())
    True
    """
    rows = np.arange(cells.n_cells) if rows is None else rows
    if isinstance(cells, StoredCells):
        rows = rows[spread_positions(len(rows))]
    hashes = _gene_hashes(cells.genes)
    blocks = [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
    records = [_records(cells.X[block], hashes) for block in blocks]
    total = int(hashes.sum(dtype=np.uint64))
    return Fingerprints(total, np.concatenate(records) if records else np.zeros(0, dtype=RECORD))


def spread_positions(n_cells: int) -> IntArray:
    """Return the positions of the cells on disk that get fingerprints, increasing.

    Examples
    --------
    >>> len(spread_positions(1000)), len(spread_positions(10**7))
    (1000, 65536)
    """
    if n_cells <= MAX_CELLS:
        return np.arange(n_cells)
    starts = np.linspace(0, n_cells - BLOCK, MAX_CELLS // BLOCK).astype(np.int64)
    return np.unique(starts[:, None] + np.arange(BLOCK))


def known_cells(cells: Cells, names: Sequence[str], known: Fingerprints | None) -> BoolArray:
    """Return which cells are among known cells.

    A cell is known if its genes and values match. Its name suffices if the known cell of that name expresses the same
    genes (values may be normalised differently), or if that cannot be compared since other genes were measured. Names
    that are mere numbers are ignored.

    Parameters
    ----------
    cells
        Cells in question.
    names
        Names of the listed cells.
    known
        Their fingerprints; None for panels of older releases, for which only names count.

    Returns
    -------
    A mask, shape (n_cells,).
    """
    places = pd.Index(list(names)).get_indexer(cells.names)
    by_name = places >= 0
    if known is None or not len(known.records):
        return by_name
    own = fingerprints_of(cells)
    values, n_times = np.unique(known.records["values"], return_counts=True)
    by_value = np.isin(own.records["values"], values[(n_times == 1) & (values != 0)])
    if own.genes != known.genes:
        are_numbers = bool(by_name.any()) and all(str(name).isdigit() for name in cells.names[by_name])
        return by_value if are_numbers else by_value | by_name
    looked_at = np.arange(len(names)) if len(known.records) == len(names) else spread_positions(len(names))
    record_of = np.full(len(names), -1, dtype=np.int64)
    record_of[looked_at[: len(known.records)]] = np.arange(min(len(looked_at), len(known.records)))
    records = np.where(by_name, record_of[places], -1)
    has_record = records >= 0
    expressed = known.records["expressed"]
    agrees = has_record & (expressed[records] == own.records["expressed"])
    trusted = agrees.sum() >= SAME_SHARE * max(1, has_record.sum())
    found: BoolArray = by_value | agrees | (by_name & ~has_record & trusted)
    return found


def _gene_hashes(genes: pd.Index[str]) -> HashArray:
    """Hash each name, shape (n_genes,); the same on every machine."""
    digests = b"".join(hashlib.blake2b(str(gene).encode(), digest_size=8).digest() for gene in genes)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def _records(block: Matrix, hashes: HashArray) -> npt.NDArray[np.void]:
    """Hash each cell of a block: sums over its genes, so that their order does not matter."""
    csr = sp.csr_array(as_matrix(block), copy=True)
    csr.eliminate_zeros()
    own = hashes[csr.indices]
    bits = (csr.data.astype("<f4").view("<u4").astype(np.uint64) + np.uint64(8)) >> np.uint64(
        4
    )  # the last bits may vary
    records = np.zeros(csr.shape[0], dtype=RECORD)
    n_expressed = np.diff(csr.indptr)
    values = _sums(_mixed(own ^ (bits * np.uint64(0x9E3779B97F4A7C15))), csr.indptr)
    records["values"] = np.where(n_expressed >= FEW_EXPRESSED, values, 0)
    records["expressed"] = (_sums(_mixed(own), csr.indptr) >> np.uint64(32)).astype(np.uint32)
    return records


def _sums(values: HashArray, starts: IntArray) -> HashArray:
    """Sum runs of values modulo 2⁶⁴."""
    totals = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(values, dtype=np.uint64)])
    found: HashArray = totals[starts[1:]] - totals[starts[:-1]]
    return found


def _mixed(values: HashArray) -> HashArray:
    """Spread differences over all bits (the last steps of SplitMix64, by Steele, Lea and Flood, 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: HashArray = values ^ (values >> np.uint64(31))
    return mixed
