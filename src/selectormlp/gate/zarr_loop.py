"""Stop zarr's event loop: after a refused chunk, it would read on and report errors after the end."""

from __future__ import annotations

import asyncio
import atexit
import os
from concurrent.futures import TimeoutError as TooLongError
from contextlib import suppress

PATIENCE = 5
"""Seconds to wait for pending reads at the end of the process."""

_loops: set[asyncio.AbstractEventLoop] = set()


def know_loop() -> None:
    """Remember the running loop, to clean it up when the process ends."""
    _loops.add(asyncio.get_running_loop())


def stop_reading() -> None:
    """Cancel all reads that nobody awaits, and drop their errors."""
    for loop in list(_loops):
        if loop.is_running():
            rest = _stop_rest()
            try:
                stopped = asyncio.run_coroutine_threadsafe(rest, loop)
            except RuntimeError:  # the loop has just been closed
                rest.close()
                continue
            with suppress(TooLongError):
                stopped.result(PATIENCE)


async def _stop_rest() -> None:
    while rest := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
    await asyncio.sleep(0)  # so that pending tasks can finish


atexit.register(stop_reading)
with suppress(AttributeError):  # Windows has no forks
    os.register_at_fork(after_in_child=_loops.clear)
