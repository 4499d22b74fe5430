"""How many threads a step of training is worth, and that one network is trained at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

WORTH_THREADS = 5e7
"""Multiplications in a step's first layer from which several threads pay: about 5 ms of work for one of them. With a
second process on one of two cores, 108 epochs on 411 cells × 765 genes took 180 s with two threads, 16 s with one."""


_ONE = threading.RLock()


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Wait until no other thread trains a network.

    PyTorch's random state, its number of threads and Lightning's log level belong to the whole process: networks that
    are trained side by side would draw from one another's seeds, and leave them changed.
    """
    with _ONE:
        yield


@contextmanager
def threads_worth(products: float) -> Iterator[None]:
    """Train alone, and by one thread where a step is small: more bring little and wait for one another.

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
