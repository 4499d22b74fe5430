"""Connect to a Dask cluster, by its address or its active client."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import sys
import time
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from selectormlp.errors import SettingsError

if TYPE_CHECKING:
    from distributed import Client

CONNECT_S = 20
"""Seconds to wait for the scheduler of a cluster to answer."""

WORKERS_S = 30.0
"""Seconds to wait for a first worker, or for a new one after all were lost."""

LOOK_S = 1.0
"""Seconds between checks that the cluster is alive."""

CLOSE_S = 5
"""Seconds to wait when disconnecting from a scheduler."""


def check_scheduler(address: str | None) -> None:
    """Raise if a cluster does not answer at its address, before any work is done; None is allowed.

    Raises
    ------
    SettingsError
        If the cluster does not answer.
    """
    if address is not None:
        with _connected(address):
            pass


def active_client(scheduler: str | None) -> Any:
    """Return a context that gives the client of a cluster, or None where there is none.

    Raises
    ------
    SettingsError
        If the scheduler that is named cannot be reached.
    """
    if scheduler is not None:
        return _connected(scheduler)
    if "distributed" not in sys.modules:
        return None
    from distributed import default_client

    try:
        return _as_it_is(default_client())
    except ValueError:  # there is none
        return None


@contextmanager
def _as_it_is(client: Client) -> Iterator[Client]:
    yield client


@contextmanager
def _connected(scheduler: str) -> Iterator[Client]:
    """Connect to a scheduler, without Dask's own log messages about losing it."""
    if importlib.util.find_spec("distributed") is None:
        raise SettingsError("a Dask scheduler is named and Dask is not installed; pip install 'selectormlp[dask]'")
    from distributed import Client

    with _silent("distributed"):
        try:
            client = Client(scheduler, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"no Dask scheduler answers at {scheduler!r} ({error}); start one (dask scheduler) and name its "
                "address, such as 'tcp://host:8786', or leave it out to use this machine"
            ) from error
        try:
            yield client
        finally:
            client.close(timeout=CLOSE_S)


@contextmanager
def _silent(name: str) -> Iterator[None]:
    """Silence a library's log inside the block, and restore its levels at the end."""
    inner = [key for key in logging.Logger.manager.loggerDict if key.startswith(f"{name}.")]
    levels = {each: logging.getLogger(each).level for each in (name, *inner)}
    for each in levels:
        logging.getLogger(each).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for each, level in levels.items():
            logging.getLogger(each).setLevel(level)


def threads_of(client: Client) -> int:
    """Return the number of threads of all workers, once there is one.

    Raises
    ------
    SettingsError
        If no worker joins, or the scheduler is lost.
    """
    end = time.monotonic() + WORKERS_S
    while not (n_threads := _threads(client)):
        if time.monotonic() > end:
            raise SettingsError(
                f"the Dask cluster at {_address(client)!r} has had no worker for {WORKERS_S:g} s; start one (dask "
                f"worker {_address(client)}), or leave the scheduler out to use this machine"
            )
        time.sleep(LOOK_S)
    return n_threads


def computed(client: Client, whole: Any, retries: int) -> Any:
    """Compute on a cluster; if a worker is lost, another repeats its task.

    Parameters
    ----------
    client
        Of the cluster.
    whole
        What to compute.
    retries
        How often a task that failed is tried again.

    Raises
    ------
    SettingsError
        If the scheduler or the workers are lost.
    """
    from distributed import CancelledError, KilledWorker
    from distributed.comm import CommClosedError

    try:
        future = client.compute(whole, retries=retries)
        while not future.done():
            try:
                future.exception(timeout=LOOK_S)  # waits, and fetches no result
            except TimeoutError:
                threads_of(client)
        if future.status in ("error", "cancelled"):
            return future.result()  # raises what went wrong
        gathering = client.gather(future, asynchronous=True)
        found = asyncio.run_coroutine_threadsafe(gathering, client.loop.asyncio_loop)
        try:
            while not wait([found], timeout=LOOK_S).done:
                threads_of(client)
            return found.result()
        finally:
            found.cancel()
    except (CancelledError, CommClosedError) as error:
        raise _lost(client) from error
    except KilledWorker as error:
        raise SettingsError(
            f"the workers of the Dask cluster at {_address(client)!r} die during this work, as they do when memory is "
            "short; give them more, or leave the scheduler out to use this machine"
        ) from error


def _threads(client: Client) -> int:
    if client.status != "running":
        raise _lost(client)
    try:
        return sum(client.nthreads().values())
    except (OSError, TimeoutError) as error:
        raise _lost(client) from error


def _address(client: Client) -> str:
    return str(getattr(client.scheduler, "address", "an address of its own"))


def _lost(client: Client) -> SettingsError:
    return SettingsError(
        f"the Dask scheduler at {_address(client)!r} is lost; start it and its workers again, or leave it out to use "
        "this machine"
    )
