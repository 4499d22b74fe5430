"""Passes over cells with class codes for selectors in closed form: in memory or on disk, on the CPU or on a GPU."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.data.count_scale import find_count_scale
from selectormlp.data.rows import rows_of
from selectormlp.data.stored import StoredMatrix
from selectormlp.devices import AnyDevice, Device, Work, choose_device
from selectormlp.moments.columns import moments_for_choice
from selectormlp.moments.dask import Workers, stored_moments, stored_variances, uses_cluster
from selectormlp.moments.moments import Moments
from selectormlp.moments.stream import AnyMatrix, moments_of, row_chunks
from selectormlp.moments.variable import gene_variances, work_of_moments

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kept:
    """Which moments a selector needs.

    Attributes
    ----------
    within, total
        Which scatters.
    molecules
        Whether those of counts; they are computed on the CPU, and the others with them.
    n_columns
        How many columns of the covariance within classes are needed, those of the genes to choose; None: all. Cells in
        memory are then gone over for these alone, where that is cheaper.
    """

    within: bool
    total: bool
    molecules: bool
    n_columns: int | None = None

    def work(self, n_cells: int, n_genes: int) -> Work:
        """Return the number of multiplications."""
        return work_of_moments(n_cells, n_genes, self.within + self.total)

    @property
    def scatters(self) -> dict[str, Any]:
        """What a GPU can keep, as keywords."""
        return {"within": self.within, "total": self.total}

    @property
    def summed(self) -> dict[str, Any]:
        """What a CPU is to sum, as keywords."""
        return {**self.scatters, "molecules": self.molecules}


class Passes(Protocol):
    """Passes over cells with class codes, wherever they are."""

    @property
    def codes(self) -> IntArray:
        """Class of each cell, shape (n_cells,)."""

    def with_codes(self, codes: IntArray) -> Passes:
        """Return passes over the same cells with other codes."""

    def variances(self, cell_weights: FloatArray) -> FloatArray:
        """Compute the variance of each gene over weighted cells, shape (n_genes,)."""

    def device(self, asked: Device, work: Work, kept: Kept) -> AnyDevice:
        """Choose where moments are computed."""

    def moments(self, columns: IntArray, cell_weights: FloatArray, kept: Kept, device: AnyDevice) -> Moments:
        """Compute the moments of some genes."""


SHARED_BYTES = 2**27
"""Size of a covariance up to which it is held for other selectors, 128 MiB: of 4,096 genes."""

_SHARED: ContextVar[SharedMoments | None] = ContextVar("shared moments", default=None)


class SharedMoments:
    """Moments that selectors in closed form compute once, if they are fitted on the same matrix inside :meth:`shared`.

    They are held as long as this is, and the matrix with them, unless their covariance is large.
    """

    def __init__(self) -> None:
        self._found: list[tuple[MatrixPasses, tuple[Any, ...], Moments]] = []

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Let moments be taken from here, and be held here."""
        token = _SHARED.set(self)
        try:
            yield
        finally:
            _SHARED.reset(token)

    def find(self, cells: MatrixPasses, key: tuple[Any, ...]) -> Moments | None:
        """Return the moments of these very cells, or None."""
        for other, its_key, moments in self._found:
            if other.X is cells.X and its_key == key and np.array_equal(other.codes, cells.codes):
                return moments
        return None

    def hold(self, cells: MatrixPasses, key: tuple[Any, ...], moments: Moments) -> None:
        """Hold moments for other selectors, unless they are large."""
        if moments.columns is not None or 8 * moments.n_genes**2 <= SHARED_BYTES:
            self._found.append((cells, key, moments))


@dataclass(frozen=True, eq=False)
class MatrixPasses:
    """Passes over a matrix in memory, shape (n_cells, n_genes)."""

    X: AnyMatrix
    codes: IntArray

    def with_codes(self, codes: IntArray) -> MatrixPasses:
        """Return passes over the same cells with other codes."""
        return replace(self, codes=codes)

    def variances(self, cell_weights: FloatArray) -> FloatArray:
        """Compute the variance of each gene over weighted cells."""
        return gene_variances(self.X, self.codes, cell_weights)

    def device(self, asked: Device, work: Work, kept: Kept) -> AnyDevice:
        """Choose where moments are computed."""
        return _device(asked, work, on_cpus="moments of counts" if kept.molecules else "")

    def moments(self, columns: IntArray, cell_weights: FloatArray, kept: Kept, device: AnyDevice) -> Moments:
        """Compute the moments of some genes, or return those that another selector shares."""
        shared = None if kept.n_columns is None else _SHARED.get()
        key = columns.tobytes(), cell_weights.tobytes(), kept, device
        found = None if shared is None else shared.find(self, key)
        if found is None:
            found = self._moments(columns, cell_weights, kept, device)
            if shared is not None:
                shared.hold(self, key, found)
        return found

    def _moments(self, columns: IntArray, cell_weights: FloatArray, kept: Kept, device: AnyDevice) -> Moments:
        few = self.X if len(columns) == self.X.shape[1] else self.X[:, columns]
        if device == "cpu":
            scale = find_count_scale(self.X) if kept.molecules else None
            counts = None if scale is None else scale.counts(few)
            if kept.n_columns is not None:
                settings: dict[str, Any] = {"molecules": kept.molecules, "counts": counts}
                return moments_for_choice(few, self.codes, kept.n_columns, cell_weights=cell_weights, **settings)
            return moments_of(few, self.codes, cell_weights=cell_weights, counts=counts, **kept.summed)
        from selectormlp.moments.on_device import moments_on_device  # loads PyTorch

        chunks = ((rows_of(few, rows), self.codes[rows]) for rows in row_chunks(few))
        return moments_on_device(chunks, cell_weights=cell_weights, device=device, **kept.scatters)


@dataclass(frozen=True, eq=False)
class StoredPasses:
    """Passes over cells on disk."""

    X: StoredMatrix
    codes: IntArray
    workers: Workers

    def with_codes(self, codes: IntArray) -> StoredPasses:
        """Return passes over the same cells with other codes."""
        return replace(self, codes=codes)

    def variances(self, cell_weights: FloatArray) -> FloatArray:
        """Compute the variance of each gene over weighted cells."""
        return stored_variances(self.X, self.codes, cell_weights=cell_weights, workers=self.workers)

    def device(self, asked: Device, work: Work, kept: Kept) -> AnyDevice:
        """Choose where moments are computed."""
        reason = "a Dask cluster" if uses_cluster(self.workers) else "moments of counts" if kept.molecules else ""
        return _device(asked, work, on_cpus=reason)

    def moments(self, columns: IntArray, cell_weights: FloatArray, kept: Kept, device: AnyDevice) -> Moments:
        """Compute the moments of some genes."""
        few = self.X if len(columns) == self.X.shape[1] else self.X.take_genes(columns)
        workers = self.workers
        settings: dict[str, Any] = {"cell_weights": cell_weights}
        if device == "cpu":
            return stored_moments(few, self.codes, workers=workers, **settings, **kept.summed)
        from selectormlp.moments.on_device import stored_moments_on_device

        settings |= {"n_threads": workers.n_threads, "on_start": workers.on_start, "on_block": workers.on_block}
        return stored_moments_on_device(few, self.codes, device=device, **settings, **kept.scatters)


def _device(asked: Device, work: Work, *, on_cpus: str) -> AnyDevice:
    """Choose by the size of the work, unless something else, which is named, is for CPUs."""
    if not on_cpus:
        return choose_device(asked, work, what="computing covariances")
    if asked == "cuda":
        logger.info("covariances are computed on CPUs: %s", on_cpus)
    return "cpu"
