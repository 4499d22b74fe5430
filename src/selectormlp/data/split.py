"""Split cells into training, validation and test, by class and, on request, by donor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from selectormlp.data.cells import IntArray
from selectormlp.data.donors import assign_donors
from selectormlp.errors import DataError, counted


@dataclass(frozen=True)
class SplitSizes:
    """Maximum number of cells of a class on each side (at least one for training)."""

    train: int
    validation: int
    test: int

    def as_array(self) -> IntArray:
        """Return the three sizes in the order training, validation, test."""
        return np.array([self.train, self.validation, self.test], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Split:
    """Cells of each side.

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
    """Split cells within each class; large classes are capped, small ones split in proportion.

    With cap = train + validation + test and m = min(1, cells of the class / cap), the sides take
    int(train·m), int(validation·m) and int(test·m) cells of the class.

    With ``donors``, each donor goes to one side only. Donors are assigned so that every class reaches training if
    possible, and the sides come as close to those numbers as possible; see
    :func:`selectormlp.data.donors.assign_donors`. Then each side takes at most its number of cells.

    Parameters
    ----------
    labels
        Class code of each cell, shape (n_cells,); cells with a negative code take no part.
    sizes
        Cells per class on each side.
    min_cluster_size
        Minimum number of cells of a class; smaller classes are dropped.
    donors
        Donor of each cell, shape (n_cells,), or None.
    shuffle
        Whether to take cells at random, rather than the first ones of each class.
    rng
        Random generator of the shuffle.

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
            f"{len(kept)} of {counted(present, 'class has', 'classes have')} at least {min_cluster_size} cells "
            f"(the largest has {counts.max(initial=0)}), and at least 2 are needed: lower min_cluster_size or use "
            "another label column"
        )
    wanted = wanted_cells(counts[kept], sizes)  # sides × classes
    side_of_cell = None
    if donors is not None:
        taking_part = np.isin(labels, kept)  # a donor without cells of these classes would leave a side empty
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
            f"no training cells are left: the largest class has {counted(counts.max(), 'cell')}, of which training is "
            f"to have {sizes.train} in {sizes.as_array().sum()}; use another label column or make the others smaller"
        )
    return Split(train, validation, test, kept)


def wanted_cells(counts: IntArray, sizes: SplitSizes) -> IntArray:
    """Return the number of cells that each side takes from each class, shape (3, n_classes)."""
    per_side = sizes.as_array()
    fraction = np.minimum(1.0, counts / per_side.sum())
    wanted: IntArray = (per_side[:, None] * fraction).astype(np.int64)
    return wanted
