"""Sums over blocks on disk are those of memory, whoever takes them."""

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from functools import partial
from pathlib import Path

import anndata
import numpy as np
import pytest
import scipy.sparse as sp
from threadpoolctl import threadpool_info, threadpool_limits

from selectormlp.data.disk import DiskMatrix, StoredPart
from selectormlp.data.normalize import log1p_cp10k
from selectormlp.data.stored import StoredMatrix
from selectormlp.errors import DataError, SettingsError
from selectormlp.moments import cluster as cluster_module
from selectormlp.moments import dask as blocks_module
from selectormlp.moments import stream
from selectormlp.moments.cluster import active_client, check_scheduler, computed
from selectormlp.moments.dask import (
    Workers,
    moments_of_dask,
    stored_moments,
    stored_variances,
    sum_over_blocks,
)
from selectormlp.moments.stream import balanced_cell_weights, moments_of, moments_of_chunks
from selectormlp.moments.variable import gene_variances

N_CELLS, N_GENES, N_CLASSES = 900, 12, 4

rng = np.random.default_rng(0)
CODES = rng.integers(-1, N_CLASSES, N_CELLS)
X = np.log1p(rng.poisson(rng.gamma(0.5, 1.0, (N_CLASSES + 1, N_GENES))[CODES])).astype(np.float32)
WEIGHTS = balanced_cell_weights(np.bincount(CODES[CODES >= 0], minlength=N_CLASSES))


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    file = tmp_path_factory.mktemp("cells") / "cells.h5ad"
    anndata.AnnData(sp.csr_matrix(X)).write_h5ad(file)
    return StoredMatrix((StoredPart(DiskMatrix(file, "X")),), "expression")


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(stream, "CHUNK_BYTES", 4 * N_GENES * 40)


def assert_same(found, expected, *, rtol=1e-10):
    np.testing.assert_array_equal(found.counts, expected.counts)
    for name in ("means", "within", "total"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=rtol, atol=1e-12)


@pytest.fixture
def one_thread(stored):
    """The moments, summed one block after the other."""
    return stored_moments(stored, CODES, cell_weights=WEIGHTS, workers=Workers(n_threads=1))


def test_blocks_have_the_moments_of_memory(one_thread):
    exact = moments_of(X.astype(np.float64), CODES, cell_weights=WEIGHTS)
    assert_same(one_thread, exact, rtol=1e-4)  # products within a block are in float32
    known = CODES >= 0
    assert_same(one_thread, moments_of(X[known], CODES[known], cell_weights=WEIGHTS))  # in blocks of the same cells


@pytest.mark.parametrize("n_threads", [2, 5])
def test_threads_find_what_one_finds(stored, one_thread, n_threads):
    assert_same(stored_moments(stored, CODES, cell_weights=WEIGHTS, workers=Workers(n_threads=n_threads)), one_thread)


def test_cells_of_no_class_are_refused(stored):
    with pytest.raises(DataError, match="no cell has a class"):
        stored_moments(stored, np.full(N_CELLS, -1), cell_weights=WEIGHTS)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_threads_find_the_variances_of_memory(stored, n_threads):
    found = stored_variances(stored, CODES, cell_weights=WEIGHTS, workers=Workers(n_threads=n_threads))
    np.testing.assert_allclose(found, gene_variances(X, CODES, WEIGHTS), rtol=1e-10)


@pytest.mark.parametrize("kind", [np.array, sp.csr_array], ids=["dense", "csr"])
def test_dask_arrays_have_the_moments_of_memory(kind):
    import dask.array as da

    lazy = da.from_array(X, chunks=(137, 5)).rechunk({1: -1}).map_blocks(kind)
    assert_same(moments_of_dask(lazy, CODES, cell_weights=WEIGHTS), moments_of(X, CODES, cell_weights=WEIGHTS))
    with pytest.raises(DataError, match="no cell has a class"):
        moments_of_dask(lazy, np.full(N_CELLS, -1), cell_weights=WEIGHTS)


def test_blocks_are_dealt_evenly_each_once(stored):
    blocks = list(stored.row_blocks(stream.CHUNK_BYTES))
    runs = list(blocks_module._Run(stored, CODES, tuple(blocks), False).dealt(6))
    assert [len(run.codes) for run in runs] == [160, 120, 160, 160, 160, 140]  # of blocks of 40
    np.testing.assert_array_equal(np.concatenate([run.codes for run in runs]), CODES)
    read = [run.X[rows].toarray() for run in runs for rows in run.blocks]
    np.testing.assert_array_equal(np.concatenate(read), X)
    assert [len(run.blocks) for run in blocks_module._Run(stored, CODES, tuple(blocks), False).dealt(100)] == [1] * len(
        blocks
    )


ALL_AT_ONCE, TWO_BLOCKS, SMALL_BLOCKS = (4 * N_GENES * n_cells for n_cells in (N_CELLS, N_CELLS // 2, 40))


@pytest.mark.parametrize(
    ("n_cores", "n_threads", "chunk_bytes", "expected"),
    [
        (3, None, SMALL_BLOCKS, 3),
        (1, None, SMALL_BLOCKS, 1),
        (1, 2, TWO_BLOCKS, 2),
        (3, 1, SMALL_BLOCKS, 1),
        (3, 3, ALL_AT_ONCE, 1),
    ],
)
def test_blocks_are_read_by_the_threads_that_are_wanted(stored, n_cores, n_threads, chunk_bytes, expected, monkeypatch):
    monkeypatch.setattr(blocks_module.joblib, "cpu_count", lambda: n_cores)
    monkeypatch.setattr(stream, "CHUNK_BYTES", chunk_bytes)
    met, seen = threading.Barrier(expected), set()

    def summarise(chunks):
        if threading.get_ident() not in seen:
            seen.add(threading.get_ident())
            met.wait(timeout=60)
        return moments_of_chunks(chunks, cell_weights=WEIGHTS)

    sum_over_blocks(stored, CODES, summarise, Workers(n_threads=n_threads))
    assert len(seen) == expected
    assert (threading.get_ident() in seen) == (expected == 1)


@pytest.mark.parametrize(("n_cores", "n_threads", "expected"), [(6, 3, 2), (1, 2, 1)])
def test_threads_share_the_cores(stored, n_cores, n_threads, expected, monkeypatch):
    monkeypatch.setattr(blocks_module.joblib, "cpu_count", lambda: n_cores)
    seen = set()

    def summarise(chunks):
        seen.update(library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas")
        return moments_of_chunks(chunks, cell_weights=WEIGHTS)

    with threadpool_limits(4, user_api="blas"):
        sum_over_blocks(stored, CODES, summarise, Workers(n_threads=n_threads))
    assert seen == {expected}


def marked(chunks, *, folder, **settings):
    """Sum as always, leaving a mark a task."""
    Path(folder, uuid.uuid4().hex).touch()
    return moments_of_chunks(chunks, **settings)


def test_each_thread_is_dealt_several_tasks(stored, tmp_path, monkeypatch):
    monkeypatch.setattr(blocks_module, "TASKS_A_WORKER", 3)
    summarise = partial(marked, folder=tmp_path, cell_weights=WEIGHTS)
    sum_over_blocks(stored, CODES, summarise, Workers(n_threads=2))
    assert len(list(tmp_path.iterdir())) == 6


@pytest.mark.parametrize(("chunk_bytes", "n_rows"), [(SMALL_BLOCKS + 20, 40), (1, 1)])
def test_dask_arrays_are_cut_anew_and_blocks_of_no_class_left_out(chunk_bytes, n_rows, monkeypatch):
    import dask.array as da

    shapes, threads = [], set()

    def summarise(block, codes, **settings):
        shapes.append(block.shape)
        threads.add(threading.get_ident())
        return moments_of_chunks([(block, codes)], **settings)

    monkeypatch.setattr(stream, "CHUNK_BYTES", chunk_bytes)
    monkeypatch.setattr(blocks_module, "summarise_block", summarise)
    lazy, codes = da.from_array(X[:90], chunks=(33, 5)), CODES[:90].copy()
    codes[:40] = -1
    codes[40:] = np.maximum(codes[40:], 0)
    moments_of_dask(lazy, codes, cell_weights=WEIGHTS, workers=Workers(n_threads=1))
    assert {rows for rows, _ in shapes} == {n_rows, 50 % n_rows or n_rows}
    assert sum(rows for rows, _ in shapes) == 50
    assert {n_genes for _, n_genes in shapes} == {N_GENES}
    assert len(threads) == 1


def test_only_the_scatter_asked_for_is_summed(stored):
    import dask.array as da

    for kept in ({"within": False}, {"total": False}):
        for found in (
            stored_moments(stored, CODES, cell_weights=WEIGHTS, **kept),
            moments_of_dask(da.from_array(X), CODES, cell_weights=WEIGHTS, **kept),
        ):
            assert (found.within is None, found.total is None) == ("within" in kept, "total" in kept)


def test_dask_is_not_loaded_to_see_whether_a_cluster_is_in_use(stored, one_thread, monkeypatch):
    monkeypatch.delitem(sys.modules, "distributed", raising=False)
    assert_same(stored_moments(stored, CODES, cell_weights=WEIGHTS), one_thread)
    assert "distributed" not in sys.modules


@pytest.mark.parametrize("n_threads", [1, 2])
def test_each_block_is_told_once(stored, n_threads):
    said, total = [], []
    workers = Workers(n_threads=n_threads, on_start=total.append, on_block=said.append)
    stored_moments(stored, CODES, cell_weights=WEIGHTS, workers=workers)
    assert total == [len(said)]
    assert set(said) == {1}


def test_without_dask_one_thread_does_it(stored, one_thread, monkeypatch):
    monkeypatch.setattr(blocks_module.importlib.util, "find_spec", lambda name: None)
    assert_same(stored_moments(stored, CODES, cell_weights=WEIGHTS), one_thread)
    with pytest.raises(
        SettingsError, match=r"^a Dask scheduler is named and Dask is not installed; pip install 'selectormlp\[dask\]'$"
    ):
        stored_moments(stored, CODES, cell_weights=WEIGHTS, workers=Workers("tcp://127.0.0.1:1"))


def test_a_scheduler_that_does_not_answer_is_one_error(stored, monkeypatch):
    monkeypatch.setattr(cluster_module, "CONNECT_S", 0.2)
    start = time.monotonic()
    with pytest.raises(
        SettingsError,
        match=r"^no Dask scheduler answers at 'tcp://127\.0\.0\.1:1' \(.*\); start one \(dask scheduler\) and name its "
        r"address, such as 'tcp://host:8786', or leave it out to use this machine$",
    ):
        stored_moments(stored, CODES, cell_weights=WEIGHTS, workers=Workers("tcp://127.0.0.1:1"))
    assert time.monotonic() - start < 20  # Dask itself would wait for 30
    with pytest.raises(SettingsError, match="no Dask scheduler answers at 'tcp://127"):
        check_scheduler("tcp://127.0.0.1:1")
    check_scheduler(None)
    with pytest.raises(SettingsError, match="no Dask scheduler answers at 'nonsense://x'"):
        stored_moments(stored, CODES, cell_weights=WEIGHTS, workers=Workers("nonsense://x"))


# --- clusters that lack something

ALONE = """
import sys, time
from distributed import LocalCluster
if __name__ == "__main__":
    cluster = LocalCluster(
        protocol="tcp://",
        n_workers=int(sys.argv[1]), threads_per_worker=1, processes=False, dashboard_address=":0", host="127.0.0.1"
    )
    print(cluster.scheduler_address, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def far():
    """Start a cluster in another process; return the process and the address of its scheduler."""
    started = []

    def start(n_workers):
        process = subprocess.Popen(
            [sys.executable, "-c", ALONE, str(n_workers)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_cluster_without_workers_is_one_error(stored, far, monkeypatch, said):
    monkeypatch.setattr(cluster_module, "WORKERS_S", 1.0)
    _, address = far(0)
    with pytest.raises(
        SettingsError,
        match=rf"^the Dask cluster at '{address}' has had no worker for 1 s; start one \(dask worker {address}\), or "
        r"leave the scheduler out to use this machine$",
    ):
        stored_moments(stored, CODES, cell_weights=WEIGHTS, workers=Workers(address))
    assert not said()


def test_a_scheduler_that_is_lost_is_one_error(far, said):
    import dask

    process, address = far(1)
    with active_client(address) as client:
        threading.Timer(1.0, process.kill).start()
        begun = time.monotonic()
        with pytest.raises(
            SettingsError, match=rf"^the Dask scheduler at '{address}' is lost; start it and its workers again"
        ):
            computed(client, dask.delayed(time.sleep)(500), 3)
    assert time.monotonic() - begun < 100
    assert not said()


# --- a cluster in this process


@pytest.fixture(scope="module")
def nearby():
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0", silence_logs="CRITICAL"
    ) as two:
        yield two


@pytest.mark.parametrize("tell", [True, False])
def test_a_cluster_finds_the_same_and_tells_of_blocks(stored, one_thread, nearby, tmp_path, said, tell):
    told, total = [], []
    summarise = partial(slowly, folder=tmp_path, pause_s=0.01, cell_weights=WEIGHTS)
    workers = Workers(nearby.scheduler_address, on_start=total.append, on_block=told.append if tell else None)
    assert_same(sum_over_blocks(stored, CODES, summarise, workers), one_thread)
    assert f"summing over {total[0]} blocks by a Dask cluster of 2 threads" in said().splitlines()
    assert 0 < sum(told) <= total[0] if tell else not told
    assert set(told) <= {1}


def test_a_client_in_use_is_used_and_stays(stored, one_thread, nearby, said):
    import dask.array as da
    from distributed import Client

    with Client(nearby.scheduler_address) as client:
        assert_same(stored_moments(stored, CODES, cell_weights=WEIGHTS), one_thread)
        assert "by a Dask cluster of 2 threads" in said()
        found = moments_of_dask(da.from_array(X, chunks=200), CODES, cell_weights=WEIGHTS)
        assert client.status == "running"
    assert_same(found, moments_of(X, CODES, cell_weights=WEIGHTS))


def test_a_dask_array_is_summed_by_the_scheduler_that_is_named(nearby, monkeypatch):
    import dask.array as da

    monkeypatch.setattr("dask.compute", None)  # which takes the threads of this machine
    found = moments_of_dask(
        da.from_array(X, chunks=200), CODES, cell_weights=WEIGHTS, workers=Workers(nearby.scheduler_address)
    )
    assert_same(found, moments_of(X, CODES, cell_weights=WEIGHTS))


def test_each_thread_of_a_cluster_is_dealt_several_tasks(stored, nearby, tmp_path, monkeypatch):
    monkeypatch.setattr(blocks_module, "TASKS_A_WORKER", 3)
    summarise = partial(marked, folder=tmp_path, cell_weights=WEIGHTS)
    sum_over_blocks(stored, CODES, summarise, Workers(nearby.scheduler_address))
    assert len(list(tmp_path.iterdir())) == 6


def broken_once(chunks, *, folder, **settings):
    """Fail at first, then sum as always."""
    mark = Path(folder, "broken")
    if not mark.exists():
        mark.touch()
        raise OSError("the drive was away")
    return moments_of_chunks(chunks, **settings)


def test_a_task_that_failed_is_tried_again(stored, one_thread, nearby, tmp_path):
    summarise = partial(broken_once, folder=tmp_path, cell_weights=WEIGHTS)
    assert_same(sum_over_blocks(stored, CODES, summarise, Workers(nearby.scheduler_address)), one_thread)


def test_a_result_that_takes_longer_to_fetch_than_between_two_checks_is_waited_for(nearby, monkeypatch):
    import dask

    monkeypatch.setattr(cluster_module, "LOOK_S", 1e-6)  # nothing is fetched within a microsecond
    with active_client(nearby.scheduler_address) as client:
        assert computed(client, dask.delayed(sum)([1, 2]), 0) == 3


def test_a_timeout_of_the_task_is_told_as_such(nearby):
    import dask

    def late():
        raise TimeoutError("the drive does not answer")

    with (
        pytest.raises(TimeoutError, match=r"^the drive does not answer$"),
        active_client(nearby.scheduler_address) as client,
    ):
        computed(client, dask.delayed(late)(), 0)


# --- a cluster of two processes

CLUSTER = pytest.mark.cluster


def slowly(chunks, *, folder, pause_s=0.05, **settings):
    """Sum as always, leaving a mark a chunk and taking a while, so that a worker can be lost in between."""

    def told():
        for number, chunk in enumerate(chunks):
            Path(folder, f"{os.getpid()}-{threading.get_ident()}-{number}").touch()
            time.sleep(pause_s)
            yield chunk

    return moments_of_chunks(told(), **settings)


@pytest.fixture(scope="module")
def cluster():
    from distributed import LocalCluster

    src = str(Path(__file__).parents[3] / "src")
    os.environ["PYTHONPATH"] = os.pathsep.join([src, str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs="CRITICAL"
    ) as two:
        yield two


pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@CLUSTER
def test_a_cluster_finds_what_one_thread_finds(stored, one_thread, cluster):
    said, total = [], []
    workers = Workers(cluster.scheduler_address, on_start=total.append, on_block=said.append)
    assert_same(stored_moments(stored, CODES, cell_weights=WEIGHTS, workers=workers), one_thread)
    assert 0 < sum(said) <= total[0]  # the last may be told after the end


@CLUSTER
def test_a_lost_worker_changes_nothing(stored, one_thread, cluster, tmp_path):
    workers = Workers(cluster.scheduler_address)
    summarise = partial(slowly, folder=tmp_path, cell_weights=WEIGHTS)
    found = []
    summing = threading.Thread(target=lambda: found.append(sum_over_blocks(stored, CODES, summarise, workers)))
    summing.start()
    deadline = time.monotonic() + 60
    while len(marks := list(tmp_path.iterdir())) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    victim = int(marks[-1].name.split("-")[0])
    assert victim != os.getpid()
    os.kill(victim, signal.SIGKILL)
    summing.join(timeout=120)
    assert_same(found[0], one_thread)
    assert len({mark.name.split("-")[0] for mark in tmp_path.iterdir()}) >= 2


@CLUSTER
def test_the_client_that_is_active_is_used(stored, one_thread, cluster, said):
    import dask.array as da
    from distributed import Client

    with Client(cluster.scheduler_address):
        assert_same(stored_moments(stored, CODES, cell_weights=WEIGHTS), one_thread)
        found = moments_of_dask(da.from_array(X, chunks=200), CODES, cell_weights=WEIGHTS)
    assert_same(found, moments_of(X, CODES, cell_weights=WEIGHTS))
    assert "by a Dask cluster of" in said()  # of one thread, until a worker that was lost is back


@CLUSTER
def test_an_error_of_a_worker_is_ours(stored, cluster, tmp_path):
    part = stored.parts[0]
    gone = DiskMatrix(part.matrix.path, "X")
    gone.path = tmp_path / "gone.h5ad"
    with pytest.raises(DataError, match=r"cannot open .*gone\.h5ad"):
        stored_moments(
            StoredMatrix((StoredPart(gone),), "expression"),
            CODES,
            cell_weights=WEIGHTS,
            workers=Workers(cluster.scheduler_address),
        )


@pytest.fixture(scope="module")
def stored_counts(tmp_path_factory):
    counts = np.random.default_rng(1).poisson(3.0, X.shape).astype(np.float32)
    file = tmp_path_factory.mktemp("counts") / "cells.h5ad"
    anndata.AnnData(sp.csr_matrix(counts)).write_h5ad(file)
    return counts, StoredMatrix((StoredPart(DiskMatrix(file, "X")),), "counts")


@pytest.mark.parametrize("columns", [np.arange(N_GENES), np.array([3, 0])])
def test_counts_on_disk_have_the_moments_of_counts_in_memory(stored_counts, columns):
    counts, on_disk = stored_counts
    values = log1p_cp10k(counts)[:, columns]
    expected = moments_of(values, CODES, cell_weights=WEIGHTS, molecules=True, counts=counts[:, columns])
    found = stored_moments(
        on_disk.take_genes(columns), CODES, cell_weights=WEIGHTS, molecules=True, workers=Workers(n_threads=2)
    )
    assert_same(found, expected, rtol=1e-4)
    assert found.count_moments().absolute
    np.testing.assert_allclose(found.count_moments().means, expected.count_moments().means)
    np.testing.assert_allclose(found.count_moments().squares, expected.count_moments().squares)


def test_counts_of_dask_arrays_go_beside_the_values():
    import dask.array as da

    counts = np.random.default_rng(1).poisson(3.0, X.shape).astype(np.float64)
    lazy, beside = da.from_array(np.log1p(counts), chunks=(33, 5)), da.from_array(counts, chunks=(50, 3))
    found = moments_of_dask(lazy, CODES, cell_weights=WEIGHTS, molecules=True, counts=beside)
    expected = moments_of(np.log1p(counts), CODES, cell_weights=WEIGHTS, molecules=True, counts=counts)
    np.testing.assert_allclose(found.count_moments().squares, expected.count_moments().squares)
    alone = moments_of_dask(lazy, CODES, cell_weights=WEIGHTS, molecules=True).count_moments()
    np.testing.assert_allclose(alone.means, expected.count_moments().means)
    assert not alone.absolute


def test_values_on_disk_stand_for_counts(stored):
    found = stored_moments(stored, CODES, cell_weights=WEIGHTS, molecules=True, workers=Workers(n_threads=1))
    assert not found.count_moments().absolute
    with pytest.raises(DataError, match="do not hold counts"):
        stored.read_with_counts(slice(0, 3))
