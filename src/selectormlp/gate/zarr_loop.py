"""The end of zarr's loop: where one chunk of many was refused, it still reads the others, and says so after the end."""

from __future__ import annotations

import asyncio
import atexit
import os
from concurrent.futures import TimeoutError as TooLongError
from contextlib import suppress

PATIENCE = 5
"""Seconds for what is read at the end of this process to stop."""

_loops: set[asyncio.AbstractEventLoop] = set()


def know_loop() -> None:
    """Remember the loop that runs this, so that nothing is left in it when the process ends."""
    _loops.add(asyncio.get_running_loop())


def stop_reading() -> None:
    """Stop all reads that nobody waits for any more; errors among them are dropped."""
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
    await asyncio.sleep(0)  # for those who have still to hear of it


atexit.register(stop_reading)
with suppress(AttributeError):  # Windows has no forks
    os.register_at_fork(after_in_child=_loops.clear)
