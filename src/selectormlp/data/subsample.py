"""Draw a random subset of cells, class by class."""

from __future__ import annotations

import numpy as np

from selectormlp.data.cells import IntArray


def subsample(
    codes: IntArray,
    rng: np.random.Generator,
    *,
    share: float | None = None,
    per_class: int | None = None,
    total: int | None = None,
) -> IntArray:
    """Draw cells of each class at random, without replacement.

    Parameters
    ----------
    codes
        Class code of each cell, shape (n_cells,). Cells of a negative code are not drawn.
    rng
        Random generator.
    share
        Share of the cells of each class, in (0, 1]; at least one cell of each is drawn. None draws all.
    per_class
        Maximum number of cells of each class.
    total
        Maximum number of cells of all classes together: the largest classes are reduced to a common size, and every
        class keeps at least one cell.

    Returns
    -------
    Rows, increasing, shape (n_drawn,).

    Examples
    --------
    >>> codes = np.array([0, 0, 0, 0, 0, 0, 1, 1, -1])
    >>> rng = np.random.default_rng(0)
    >>> np.bincount(codes[subsample(codes, rng, share=0.5)])
    array([3, 1])
    >>> np.bincount(codes[subsample(codes, rng, per_class=4)])
    array([4, 2])
    >>> np.bincount(codes[subsample(codes, rng, total=5)])
    array([3, 2])
    """
    known = np.flatnonzero(codes >= 0)
    known = known[np.argsort(codes[known], kind="stable")]
    counts = np.bincount(codes[known])
    classes = np.split(known, np.cumsum(counts)[:-1]) if len(counts) else []
    sizes = counts if share is None else np.where(counts > 0, np.maximum(1, np.round(share * counts)), 0).astype(int)
    if per_class is not None:
        sizes = np.minimum(sizes, per_class)
    if total is not None and sizes.sum() > total:
        sizes = np.minimum(sizes, _level(sizes, total))
    drawn = [rng.choice(rows, size, replace=False) for rows, size in zip(classes, sizes, strict=True) if size]
    return np.sort(np.concatenate([known[:0], *drawn]))


def _level(sizes: IntArray, total: int) -> int:
    """Return the cap on class sizes that makes their sum at most ``total`` (at least 1)."""
    rising = np.sort(sizes[sizes > 0])
    below = np.concatenate([[0], np.cumsum(rising)[:-1]])
    levels = (total - below) // np.arange(len(rising), 0, -1)
    return max(1, int(levels[np.argmax(levels < rising)]))
