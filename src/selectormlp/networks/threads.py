"""How many threads a step of training is worth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

WORTH_THREADS = 5e7
"""Multiplications in a step's first layer from which several threads pay: about 5 ms of work for one of them. With a
second process on one of two cores, 108 epochs on 411 cells × 765 genes took 180 s with two threads, 16 s with one."""


@contextmanager
def threads_worth(products: float) -> Iterator[None]:
    """Use one thread where a step is small: more bring little, and wait for one another on a busy machine.

    Parameters
    ----------
    products
        Multiplications in a step's first layer: cells × genes × hidden units.
    """
    before = torch.get_num_threads()
    if products < WORTH_THREADS:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
