"""Splitting cells into training, validation and test, class by class and, on request, donor by donor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from selectormlp.data.cells import IntArray
from selectormlp.data.donors import assign_donors
from selectormlp.errors import DataError


@dataclass(frozen=True)
class SplitSizes:
    """The most cells of one class that each side may take (at least one for training)."""

    train: int
    validation: int
    test: int

    def as_array(self) -> IntArray:
        """Return the three sizes in the order of training, validation, test."""
        return np.array([self.train, self.validation, self.test], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Split:
    """Which cells lie on which side.

    Attributes
    ----------
    train, validation, test
        Row numbers, increasing; no row on two sides.
    kept_classes
        Codes of the classes that are large enough to take part, increasing.
    """

    train: IntArray
    validation: IntArray
    test: IntArray
    kept_classes: IntArray


def split_cells(
    labels: IntArray,
    sizes: SplitSizes,
    *,
    min_cluster_size: int = 1,
    donors: npt.NDArray[np.str_] | None = None,
    shuffle: bool = True,
    rng: np.random.Generator,
) -> Split:
    """Split cells within each class; large classes are capped, small ones split in the same proportion.

    With cap = train + validation + test and m = min(1, cells of the class / cap), the sides take
    int(train·m), int(validation·m) and int(test·m) cells of the class.

    With ``donors``, each donor goes to one side only. Donors are assigned so that every class reaches training where
    that can be, and the sides come as near to those same numbers as they can; see
    :func:`selectormlp.data.donors.assign_donors`. Then each side takes at most its number of cells.

    Parameters
    ----------
    labels
        Class code of each cell, shape (n_cells,); cells with a negative code take no part.
    sizes
        Cells a class for each side.
    min_cluster_size
        Classes with fewer cells are dropped.
    donors
        Donor of each cell, shape (n_cells,), or None.
    shuffle
        Take cells at random; without it, the first cells of each class in the order of the rows.
    rng
        Source of the shuffle.

    Raises
    ------
    DataError
        If fewer than two classes are large enough, no class is large enough for a training cell, or there are
        fewer donors than sides to fill.

    Examples
    --------
    >>> labels = np.repeat([0, 1], [100, 7])
    >>> split = split_cells(labels, SplitSizes(50, 10, 10), min_cluster_size=5, rng=np.random.default_rng(0))
    >>> len(split.train), len(split.validation), len(split.test)
    (55, 11, 11)
    """
    counts = np.bincount(labels[labels >= 0])
    kept = np.flatnonzero(counts >= max(1, min_cluster_size))
    if len(kept) < 2:
        present = int((counts > 0).sum())
        raise DataError(
            f"{len(kept)} of {present} class(es) have at least {min_cluster_size} cells (the largest has "
            f"{counts.max(initial=0)}); at least 2 are needed: lower min_cluster_size or use another label column"
        )
    wanted = wanted_cells(counts[kept], sizes)  # sides × classes
    side_of_cell = None
    if donors is not None:
        taking_part = np.isin(labels, kept)  # a donor of other classes only would fill a side with nothing
        donor_names, donor_codes = np.unique(donors[taking_part], return_inverse=True)
        per_donor = np.zeros((len(donor_names), len(kept)), dtype=np.int64)
        np.add.at(per_donor, (donor_codes, np.searchsorted(kept, labels[taking_part])), 1)
        side_of_cell = np.full(len(labels), -1)
        side_of_cell[taking_part] = assign_donors(per_donor, wanted, rng=rng)[donor_codes]

    sides: list[list[IntArray]] = [[], [], []]
    for column, label in enumerate(kept):
        rows = np.flatnonzero(labels == label)
        if shuffle:
            rng.shuffle(rows)
        start = 0
        for side, number in enumerate(wanted[:, column]):
            if side_of_cell is None:
                sides[side].append(rows[start : start + number])
                start += number
            else:
                sides[side].append(rows[side_of_cell[rows] == side][:number])
    train, validation, test = (np.sort(np.concatenate(parts)) for parts in sides)
    if not len(train):
        raise DataError(
            f"no training cells are left: the largest class has {counts.max()} cells, of which training is to have "
            f"{sizes.train} in {sizes.as_array().sum()}; use another label column or smaller sizes for the other sides"
        )
    return Split(train, validation, test, kept)


def wanted_cells(counts: IntArray, sizes: SplitSizes) -> IntArray:
    """Say how many cells each side is to take from each class, shape (3, n_classes)."""
    per_side = sizes.as_array()
    fraction = np.minimum(1.0, counts / per_side.sum())
    wanted: IntArray = (per_side[:, None] * fraction).astype(np.int64)
    return wanted
