"""Number of epochs and batch size by the number of cells; the published settings fit 100,000 cells."""

from __future__ import annotations

import math

WANTED_STEPS = 1500
"""Number of training steps. Each moves a weight by at most the learning rate, so a few hundred leave the ranking near
its random start. For 700 to 8,600 cells and a learning rate of 0.001, 1,500 were enough: 3,000 gained up to 0.09 at 50
genes on the smallest set, for twice the time."""

TRAIN_SHARE = 0.6
"""Share of the cells that a network is assumed to train on."""

LEARNING_RATE = 1e-3
"""Learning rate that goes with :data:`WANTED_STEPS`."""


def training_cells(n_cells: int) -> int:
    """Return the assumed number of training cells, at least 1."""
    return max(1, int(n_cells * TRAIN_SHARE))


def batch_size_for(n_cells: int) -> int:
    """Return the batch size for a number of cells: a power of two from 32 to 256.

    Examples
    --------
    >>> batch_size_for(700), batch_size_for(100_000)
    (32, 256)
    """
    exponent = round(math.log2(training_cells(n_cells) / 32))
    return int(min(256, max(32, 2**exponent)))


def epochs_for(n_cells: int, batch_size: int) -> int:
    """Return the number of epochs that amount to :data:`WANTED_STEPS` steps: 20 to 300.

    Examples
    --------
    >>> epochs_for(700, 32), epochs_for(100_000, 256)
    (108, 20)
    """
    steps = math.ceil(training_cells(n_cells) / batch_size)
    return min(300, max(20, math.ceil(WANTED_STEPS / steps)))
