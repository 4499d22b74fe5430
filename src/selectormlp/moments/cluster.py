"""The Dask cluster that is named, or whose client is active."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from selectormlp.errors import SettingsError

if TYPE_CHECKING:
    from distributed import Client

CONNECT_S = 20
"""Seconds to wait for the scheduler of a cluster."""


def check_scheduler(address: str | None) -> None:
    """Refuse the address of a cluster that does not answer, before any work is done; None is none.

    Raises
    ------
    SettingsError
        If it cannot be reached.
    """
    if address is not None:
        _connected(address).close()


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


def _connected(scheduler: str) -> Client:
    if importlib.util.find_spec("distributed") is None:
        raise SettingsError("a Dask scheduler is named and Dask is not installed; pip install 'selectormlp[dask]'")
    from distributed import Client

    try:
        return Client(scheduler, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"no Dask scheduler answers at {scheduler!r} ({error}); start one (dask scheduler) and name its address, "
            "such as 'tcp://host:8786', or leave it out to use this machine"
        ) from error
