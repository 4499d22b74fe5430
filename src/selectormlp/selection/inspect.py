"""Inspect files: content, memory and time that work on them needs, and advice."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import joblib
import numpy as np
from threadpoolctl import threadpool_limits

from selectormlp.data.anndata_io import CellsSource
from selectormlp.data.anndata_lazy import StoredAdata, open_adata, stored_cells, stored_unlabelled_cells
from selectormlp.data.anndata_parts import categorical_columns
from selectormlp.data.disk import Layout
from selectormlp.data.open_sets import Paths
from selectormlp.data.source import Normalization
from selectormlp.data.stored import StoredCells
from selectormlp.errors import counted
from selectormlp.memory import allowed_bytes
from selectormlp.moments import stream
from selectormlp.selection.steps import SAMPLE_PER_CLASS
from selectormlp.selectors.discriminant import DiscriminantSelector

GB = 10**9

PROBED_BLOCKS = 3
"""Number of blocks read, and of products computed, to time this machine; the fastest counts."""

IMPORTS_GB, BYTES_A_NAME, CHUNKS_A_THREAD = 0.35, 300, 4
"""Memory of imports; memory per cell for its name, labels and lookup tables; and number of dense chunks per thread:
measured by ``benchmarks/out_of_core.py`` and rounded up."""

EPOCH_TO_PRODUCTS = 2.0
"""Duration of an epoch relative to its matrix products: measured by ``benchmarks/training_speed.py``."""

SMALL_CHUNK, LARGE_CHUNK = 2**15, 2**27
"""Chunks below 32 KiB take longer to find than to read; above 128 MiB, those of two threads exceed 2 GB of memory."""

SMALL_CLASS = 20
"""Classes with fewer cells have unreliable means."""


@dataclass(frozen=True)
class Part:
    """One file.

    Attributes
    ----------
    path
        Its path.
    n_cells, n_genes
        Numbers of cells and genes.
    layout
        Storage layout of its matrix.
    """

    path: Path
    n_cells: int
    n_genes: int
    layout: Layout


@dataclass(frozen=True)
class Inspection:
    """Content of files, and the resources that work on them needs.

    Attributes
    ----------
    parts
        The files.
    n_cells, n_genes
        Labelled cells and common genes of all files.
    is_counts
        Whether they hold counts, which are converted to log1p of counts per 10,000.
    density
        Share of nonzero values, 0 to 1, in the blocks read.
    classes
        Number of cells of each class, largest first; None without a label column.
    n_donors
        Number of donors; None without a donor column.
    label_columns
        Categorical columns of ``obs`` with their numbers of categories, if no label column was given.
    memory_gb, in_memory_gb
        Memory (10⁹ bytes) to choose genes with the cells on disk, and with the cells in memory.
    select_min, train_min
        Minutes to choose genes in closed form from disk with the threads of this machine, and to train SelectorMLP
        for the epochs of its settings; estimated from blocks read and multiplied here.
    advice
        Advice, one sentence each.
    """

    parts: tuple[Part, ...]
    n_cells: int
    n_genes: int
    is_counts: bool
    density: float
    classes: dict[str, int] | None
    n_donors: int | None
    label_columns: dict[str, int]
    memory_gb: float
    in_memory_gb: float
    select_min: float
    train_min: float
    advice: tuple[str, ...]


def inspect_files(
    paths: Paths,
    *,
    label_key: str | None = None,
    donor_key: str | None = None,
    layer: str | None = None,
    normalize: Normalization = "auto",
) -> Inspection:
    """Inspect files without reading them, except a few blocks to time this machine.

    Parameters
    ----------
    paths
        One AnnData file, or several to be joined.
    label_key, donor_key
        Columns of ``obs``, or None.
    layer, normalize
        As in :func:`selectormlp.select`.

    Raises
    ------
    DataError
        If a file is not usable or cannot be read in parts, or a column or layer is absent.
    SettingsError
        If ``normalize`` is not one of its three values.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> import anndata, numpy as np
    >>> file = Path(mkdtemp()) / "cells.h5ad"
    >>> anndata.AnnData(np.random.default_rng(0).poisson(1.0, size=(50, 4)).astype("float32")).write_h5ad(file)
    >>> found = inspect_files(file)
    >>> found.n_cells, found.n_genes, found.is_counts
    (50, 4, True)
    """
    opened = open_adata(paths, label_key=label_key, donor_key=donor_key, layer=layer)
    cells = _cells(opened, label_key, donor_key, normalize)
    parts = tuple(Part(matrix.path, *matrix.shape, matrix.layout()) for matrix in opened.matrices)
    n_threads = joblib.cpu_count()
    density, read_s, product_s = probe(cells)
    n_considered, n_passes = _considered(cells.n_genes)
    select_s = cells.n_cells * (n_passes * read_s + product_s / n_threads)
    counts = None
    if label_key is not None:
        pairs = zip(cells.classes, cells.class_counts().tolist(), strict=True)
        counts = dict(sorted(pairs, key=lambda pair: -pair[1]))
    memory_gb = _memory_gb(cells, n_considered, n_threads)
    in_memory_gb = IMPORTS_GB + 2 * cells.n_cells * cells.n_genes * (8 * density if cells.X.is_sparse else 4) / GB
    return Inspection(
        parts=parts,
        n_cells=cells.n_cells,
        n_genes=cells.n_genes,
        is_counts=cells.is_normalized,
        density=density,
        classes=counts,
        n_donors=None if cells.donors is None else len(np.unique(cells.donors)),
        label_columns={} if label_key is not None else categorical_columns(opened.matrices[0].path),
        memory_gb=memory_gb,
        in_memory_gb=in_memory_gb,
        select_min=select_s / 60,
        train_min=_train_s(cells, read_s, product_s / n_threads) / 60,
        advice=tuple(_advice(parts, cells, counts, in_memory_gb, density)),
    )


def _cells(opened: StoredAdata, label_key: str | None, donor_key: str | None, normalize: Normalization) -> StoredCells:
    if label_key is None:
        return stored_unlabelled_cells(opened, normalize=normalize, donor_key=donor_key)
    return stored_cells(opened, CellsSource(label_key, donor_key, opened.layer, normalize))


def probe(cells: StoredCells) -> tuple[float, float, float]:
    """Return the density, and the seconds per cell to read it and to add it to a covariance with one thread."""
    blocks = list(cells.X.row_blocks(stream.CHUNK_BYTES))
    chosen = [blocks[place] for place in np.unique(np.linspace(0, len(blocks) - 1, PROBED_BLOCKS).astype(int))]
    n_read = n_filled = 0
    read_s = []
    for rows in chosen:
        start = time.perf_counter()
        X = cells.X[rows]
        read_s.append((time.perf_counter() - start) / X.shape[0])
        n_read += X.shape[0]
        n_filled += int(np.count_nonzero(X.data if cells.X.is_sparse else X))
    width, _ = _considered(cells.n_genes)
    block = np.ones((stream.CHUNK_BYTES // (4 * width) or 1, width), dtype=np.float32)
    product_s = []
    with threadpool_limits(1):
        for _ in range(PROBED_BLOCKS):
            start = time.perf_counter()
            block.T @ block
            product_s.append((time.perf_counter() - start) / len(block))
    return n_filled / n_read / cells.n_genes, min(read_s), min(product_s)


def _considered(n_genes: int) -> tuple[int, int]:
    """Return the number of genes in the covariance, and the number of passes over the cells."""
    most = DiscriminantSelector().max_genes or n_genes
    return (n_genes, 1) if n_genes <= most else (most, 2)


def _memory_gb(cells: StoredCells, n_considered: int, n_threads: int) -> float:
    """Estimate the memory to choose genes from disk: three sums of a covariance per thread, and one in use."""
    covariance = 8 * n_considered**2
    a_thread = 3 * covariance + CHUNKS_A_THREAD * stream.CHUNK_BYTES
    return IMPORTS_GB + (covariance * 2 + n_threads * a_thread + BYTES_A_NAME * cells.n_cells) / GB


def _train_s(cells: StoredCells, read_s: float, product_s: float) -> float:
    """Estimate the training time: reading, the products of layers (once forward, twice backward), and overhead."""
    from selectormlp.selectors.selector_mlp import SelectorMLP  # loads PyTorch

    published = SelectorMLP()
    sizes = (cells.n_genes, *published.hidden_sizes, max(2, cells.n_classes))
    weights = sum(first * second for first, second in pairwise(sizes))
    width, _ = _considered(cells.n_genes)
    multiplication_s = 2 * product_s / width**2  # half for a symmetric product
    return published.max_epochs * cells.n_cells * (read_s + 3 * EPOCH_TO_PRODUCTS * weights * multiplication_s)


def _advice(
    parts: tuple[Part, ...], cells: StoredCells, counts: dict[str, int] | None, in_memory_gb: float, density: float
) -> list[str]:
    """Give advice: lazy or in memory, rechunking, sampling."""
    advice = []
    memory_gb = _machine_gb()
    if memory_gb is None:
        advice.append(f"in memory the cells take about {in_memory_gb:.1f} GB: use --lazy if that is too much")
    elif in_memory_gb > memory_gb / 2:
        advice.append(f"in memory the cells would take {in_memory_gb:.1f} of {memory_gb:.1f} GB: use --lazy")
    else:
        advice.append(f"the cells fit in memory ({in_memory_gb:.1f} of {memory_gb:.1f} GB): --lazy is not needed")
    for part in parts:
        chunk, name = part.layout.chunk_bytes, part.path.name
        if part.layout.chunk is not None and chunk < min(SMALL_CHUNK, 4 * part.layout.n_stored):
            advice.append(f"{name} has chunks of {chunk:,} bytes, which are slow: rewrite it with larger ones")
        if part.layout.chunk is not None and chunk > LARGE_CHUNK:
            advice.append(f"{name} has chunks of {chunk:,} bytes, each read whole: rewrite it with smaller ones")
        if not part.layout.is_sparse and density < 1 / 3:
            advice.append(f"{name} is dense and {1 - density:.0%} of it zero: as CSR it would be smaller and faster")
    n_considered, n_passes = _considered(cells.n_genes)
    if n_passes > 1:
        advice.append(
            f"the {n_considered:,} most variable of {cells.n_genes:,} genes are considered, after a pass to find them; "
            "max_genes sets their number"
        )
    if counts is None:
        advice.append("name the column of cell types with --label-key to see its types")
        return advice
    n_sampled = sum(min(count, SAMPLE_PER_CLASS) for count in counts.values())
    if n_sampled < cells.n_cells:
        advice.append(
            f"with --lazy, methods that are not in closed form take a sample of {n_sampled:,} cells, at most "
            f"{SAMPLE_PER_CLASS:,} a type"
        )
    rare = [name for name, count in counts.items() if count < SMALL_CLASS]
    if rare:
        few = counted(len(rare), "type has", "types have")
        advice.append(f"{few} fewer than {SMALL_CLASS} cells: join with others or exclude")
    return advice


def _machine_gb() -> float | None:
    """Return the memory available to this process, or None if the system does not tell."""
    allowed = allowed_bytes()
    return None if allowed is None else allowed / GB
