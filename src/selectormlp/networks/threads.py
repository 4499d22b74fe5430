"""Number of threads for a training step, and a lock so that one network is trained at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

WORTH_THREADS = 5e7
"""Multiplications in a step's first layer above which several threads pay off: about 5 ms of work for one thread. With
another process on one of two cores, 108 epochs on 411 cells × 765 genes took 180 s with two threads and 16 s with
one."""


_ONE = threading.RLock()


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Wait until no other thread trains a network.

    PyTorch's random state, its number of threads and Lightning's log level belong to the whole process: networks
    trained in parallel would change each other's.
    """
    with _ONE:
        yield


@contextmanager
def threads_worth(products: float) -> Iterator[None]:
    """Train alone in this process, and with one thread if a step is small.

    Parameters
    ----------
    products
        Multiplications in a step's first layer: cells × genes × hidden units.
    """
    with one_at_a_time():
        before = torch.get_num_threads()
        if products < WORTH_THREADS:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)
