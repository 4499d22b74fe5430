"""Passes over cells with class codes for selectors in closed form: in memory or on disk, on the CPU or on a GPU."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.data.count_scale import find_count_scale
from selectormlp.data.stored import StoredMatrix
from selectormlp.devices import AnyDevice, Device, Work, choose_device
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
    """

    within: bool
    total: bool
    molecules: bool

    def work(self, n_cells: int, n_genes: int) -> Work:
        """Count what there is to multiply."""
        return work_of_moments(n_cells, n_genes, self.within + self.total)

    @property
    def scatters(self) -> dict[str, Any]:
        """What a GPU can keep, as keywords."""
        return {"within": self.within, "total": self.total}


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
        """Compute the moments of some genes."""
        few = self.X if len(columns) == self.X.shape[1] else self.X[:, columns]
        if device == "cpu":
            scale = find_count_scale(self.X) if kept.molecules else None
            counts = None if scale is None else scale.counts(few)
            return moments_of(few, self.codes, cell_weights=cell_weights, counts=counts, **asdict(kept))
        from selectormlp.moments.on_device import moments_on_device  # loads PyTorch

        chunks = ((few[rows], self.codes[rows]) for rows in row_chunks(few))
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
            return stored_moments(few, self.codes, workers=workers, **settings, **asdict(kept))
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
