"""Sums over blocks of cells on disk: by threads of this machine or workers of a Dask cluster."""

from __future__ import annotations

import importlib.util
import logging
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, TypeVar

import joblib
import numpy as np

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.data.stored import StoredMatrix
from selectormlp.moments import stream
from selectormlp.moments.cluster import active_client, computed, threads_of
from selectormlp.moments.moments import Moments
from selectormlp.moments.stream import AnyMatrix, Chunk, moments_of_chunks
from selectormlp.moments.variable import square_sums_of_chunks

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger(__name__)

TASKS_A_WORKER = 8
"""Tasks per worker: few enough that their sums fit in memory, many enough that no worker waits long."""

RETRIES = 3
"""How often a task is retried after it failed or its worker was lost."""


class Addable(Protocol):
    """A sum over part of the data; the sums of all parts add up to that of the whole."""

    def __add__(self, other: Self, /) -> Self: ...


Sum = TypeVar("Sum", bound=Addable)
Summarise: TypeAlias = Callable[[Iterable[Chunk]], Sum]


@dataclass(frozen=True)
class Workers:
    """Threads or cluster that read blocks of cells and sum over them.

    Attributes
    ----------
    scheduler
        Address of a Dask cluster's scheduler (``"tcp://host:8786"``), whose workers see the same files under the same
        names. None: the client that is active, if one is (``dask.distributed.Client``), or else threads.
    n_threads
        Threads of this machine; None: one per core. Without Dask installed, one.
    on_start, on_block
        Called with the number of blocks at the start of a pass, and with the number just done; for a progress bar.
    """

    scheduler: str | None = None
    n_threads: int | None = None
    on_start: Callable[[int], object] | None = None
    on_block: Callable[[int], object] | None = None


def stored_moments(
    X: StoredMatrix,
    codes: IntArray,
    *,
    cell_weights: FloatArray,
    within: bool = True,
    total: bool = True,
    molecules: bool = False,
    workers: Workers | None = None,
) -> Moments:
    """Compute the moments of cells on disk in one pass; as :func:`selectormlp.moments.stream.moments_of`.

    Blocks do not depend on the workers, and sums are in float64, so results agree to 1e-12.

    Raises
    ------
    DataError
        If a file cannot be read.
    SettingsError
        If the cluster cannot be reached.
    """
    summarise = partial(moments_of_chunks, cell_weights=cell_weights, within=within, total=total, molecules=molecules)
    return sum_over_blocks(X, codes, summarise, workers or Workers(), counted=molecules)


def stored_variances(
    X: StoredMatrix, codes: IntArray, *, cell_weights: FloatArray, workers: Workers | None = None
) -> FloatArray:
    """Compute the variance of each gene over weighted cells on disk, shape (n_genes,); see ``gene_variances``.

    Raises
    ------
    DataError
        If a file cannot be read.
    SettingsError
        If the cluster cannot be reached.
    """
    summarise = partial(square_sums_of_chunks, cell_weights=cell_weights)
    return sum_over_blocks(X, codes, summarise, workers or Workers()).variances


def sum_over_blocks(
    X: StoredMatrix, codes: IntArray, summarise: Summarise[Sum], workers: Workers, *, counted: bool = False
) -> Sum:
    """Read the blocks of a matrix, summarise runs of them, and add the summaries up.

    Parameters
    ----------
    X
        Cells on disk.
    codes
        Class code of each cell, shape (n_cells,); cells of a negative code are not read.
    summarise
        Turns chunks of cells into a sum over them; must be picklable.
    workers
        Who does it.
    counted
        Whether chunks hold counts beside the values, if the files hold counts.
    """
    known = codes >= 0
    if not known.all():
        X, codes = X.take_cells(known), codes[known]
    blocks = list(X.row_blocks(stream.CHUNK_BYTES))
    if workers.on_start is not None:
        workers.on_start(len(blocks))
    run = _Run(X, codes, tuple(blocks), counted and X.is_counts)
    client = active_client(workers.scheduler)
    if client is not None:
        with client as connected:
            return _on_cluster(connected, run, summarise, workers)
    n_threads = joblib.cpu_count() if workers.n_threads is None else workers.n_threads
    if n_threads > 1 and len(blocks) > 1 and importlib.util.find_spec("dask") is not None:
        return _in_threads(run, summarise, workers, n_threads)
    return _summarise_run(run, summarise, workers.on_block)


def moments_of_dask(
    X: Any,
    codes: IntArray,
    *,
    cell_weights: FloatArray,
    within: bool = True,
    total: bool = True,
    molecules: bool = False,
    counts: Any = None,
    workers: Workers | None = None,
) -> Moments:
    """Compute the moments of a Dask array in one pass; as :func:`selectormlp.moments.stream.moments_of`.

    Parameters
    ----------
    X
        ``dask.array.Array``, shape (n_cells, n_genes), of dense or CSR chunks. It is rechunked if chunks are too large,
        too small or do not hold all genes. Values are taken as they are.
    codes, cell_weights, within, total, molecules
        As there; cells with a negative code take no part.
    counts
        Counts as a Dask array of the shape of X; None: expm1 of the values is used instead.
    workers
        Who does it.

    Raises
    ------
    SettingsError
        If the cluster cannot be reached.
    DataError
        If no cell has a class.
    """
    import dask

    asked = workers or Workers()
    step = max(1, stream.CHUNK_BYTES // (X.shape[1] * X.dtype.itemsize))
    X = X.rechunk({0: step, 1: -1})
    parts = (
        [X.to_delayed()[:, 0]]
        if counts is None
        else [X.to_delayed()[:, 0], counts.rechunk(X.chunks).to_delayed()[:, 0]]
    )
    ends = np.cumsum(X.chunks[0])
    bounds = zip(ends - np.array(X.chunks[0]), ends, strict=True)
    summarise = partial(summarise_block, cell_weights=cell_weights, within=within, total=total, molecules=molecules)
    tasks = [
        dask.delayed(summarise)(block, codes[start:stop], *beside)
        for (block, *beside), (start, stop) in zip(zip(*parts, strict=True), bounds, strict=True)
        if (codes[start:stop] >= 0).any()
    ]
    if not tasks:
        return moments_of_chunks([], cell_weights=cell_weights)
    client = active_client(asked.scheduler)
    if client is not None:
        with client as connected:
            threads_of(connected)
            whole: Moments = computed(connected, _added(tasks), RETRIES)
            return whole
    found: Moments = dask.compute(_added(tasks), scheduler="threads", num_workers=asked.n_threads)[0]
    return found


def summarise_block(X: AnyMatrix, codes: IntArray, counts: AnyMatrix | None = None, **settings: Any) -> Moments:
    """Return the moments of one block of cells."""
    return moments_of_chunks([(X, codes, counts)], **settings)


@dataclass(frozen=True, eq=False)
class _Run:
    """Blocks of one task with their cells only, so that little is sent to workers."""

    X: StoredMatrix
    codes: IntArray
    blocks: tuple[slice, ...]
    counted: bool

    def chunks(self, on_block: Callable[[int], object] | None) -> Iterator[Chunk]:
        """Read the blocks one after another."""
        for rows in self.blocks:
            if self.counted:
                values, counts = self.X.read_with_counts(rows)
                yield values, self.codes[rows], counts
            else:
                yield self.X[rows], self.codes[rows]
            if on_block is not None:
                on_block(1)

    def dealt(self, n_tasks: int) -> Iterator[_Run]:
        """Divide the blocks into runs of about equal numbers of cells."""
        middles = np.array([(block.start + block.stop) / 2 for block in self.blocks])
        run_of_block = (middles * min(n_tasks, len(self.blocks)) / self.X.shape[0]).astype(int)
        for run in np.unique(run_of_block):
            taken = [self.blocks[place] for place in np.flatnonzero(run_of_block == run).tolist()]
            start, stop = taken[0].start, taken[-1].stop
            moved = tuple(slice(block.start - start, block.stop - start) for block in taken)
            yield _Run(self.X.take_cells(np.arange(start, stop)), self.codes[start:stop], moved, self.counted)


def _in_threads(whole: _Run, summarise: Summarise[Sum], workers: Workers, n_threads: int) -> Sum:
    import dask
    from threadpoolctl import threadpool_limits

    tasks = [
        dask.delayed(partial(_summarise_run, run, summarise, workers.on_block))()
        for run in whole.dealt(TASKS_A_WORKER * n_threads)
    ]
    with threadpool_limits(
        max(1, joblib.cpu_count() // n_threads), user_api="blas"
    ):  # one BLAS thread per task: the tasks are parallel already
        found: Sum = dask.compute(_added(tasks), scheduler="threads", num_workers=n_threads)[0]
    return found


def _summarise_run(run: _Run, summarise: Summarise[Sum], on_block: Callable[[int], object] | None) -> Sum:
    return summarise(run.chunks(on_block))


def _summarise_far(run: _Run, summarise: Summarise[Sum], topic: str) -> Sum:
    """Summarise on a worker of a cluster, and report each block to the client."""
    from distributed import get_worker

    worker = get_worker()
    return _summarise_run(run, summarise, lambda n_blocks: worker.log_event(topic, n_blocks))


def _on_cluster(client: Client, whole: _Run, summarise: Summarise[Sum], workers: Workers) -> Sum:
    import dask

    n_workers = threads_of(client)
    topic = f"selectormlp-{uuid.uuid4().hex}"
    logger.info("summing over %d blocks by a Dask cluster of %d threads", len(whole.blocks), n_workers)
    tasks = [
        dask.delayed(partial(_summarise_far, run, summarise, topic))()
        for run in whole.dealt(TASKS_A_WORKER * n_workers)
    ]
    on_block = workers.on_block
    if on_block is not None:
        client.subscribe_topic(topic, lambda event: on_block(event[1]))
    try:
        found: Sum = computed(client, _added(tasks), RETRIES)
    finally:
        if on_block is not None and client.status == "running":
            client.unsubscribe_topic(topic)
    return found


def _added(tasks: list[Any]) -> Any:
    """Add pairwise, so that the order of the sum does not depend on which task finishes first."""
    import dask

    add = dask.delayed(_add)
    while len(tasks) > 1:
        paired = [add(*tasks[place : place + 2]) for place in range(0, len(tasks) - 1, 2)]
        tasks = paired + tasks[2 * len(paired) :]
    return tasks[0]


def _add(first: Sum, second: Sum) -> Sum:
    return first + second


def uses_cluster(workers: Workers) -> bool:
    """Return whether a Dask cluster does the work: one given by address, or an active client."""
    return workers.scheduler is not None or active_client(None) is not None
