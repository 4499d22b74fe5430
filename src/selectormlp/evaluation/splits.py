"""Splits into cells to learn from and cells to test, each tested once, donors kept apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold, StratifiedKFold

from selectormlp.data.cells import BoolArray, FloatArray, IntArray
from selectormlp.data.subsample import subsample
from selectormlp.errors import DataError, counted
from selectormlp.quiet import quiet_warnings

STRATIFIED, GROUPED, ONE_OUT = "stratified", "grouped", "leave one donor out"

PLURALS = {"donor": "donors", "batch": "batches"}
"""What is kept apart, and how several are called."""


@dataclass(frozen=True)
class Dropped:
    """A part of the cells that could not be tested, since too little was left to learn from.

    Attributes
    ----------
    donors
        Its donors; empty where donors are not used.
    n_cells
        Its cells that were to be tested.
    n_learned
        Cells that were left to learn from.
    learned
        Codes of their classes: one at most, or none of those to be tested.
    """

    donors: tuple[str, ...]
    n_cells: int
    n_learned: int
    learned: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Folds:
    """Cells to learn from and to test, split by split.

    Attributes
    ----------
    scheme
        ``"stratified"``, ``"grouped"``, ``"leave one donor out"`` or ``"leave one batch out"``.
    train, test
        Rows of each split, increasing.
    n_untested
        Cells that no split could test: those of the dropped parts, and those of whose class none was left to learn
        from.
    dropped
        Parts that could not be tested at all.
    unlearned
        Classes of which cells were not tested in the other parts, since none was left to learn from there: their codes,
        and how many cells.
    """

    scheme: str
    train: tuple[IntArray, ...]
    test: tuple[IntArray, ...]
    n_untested: int
    dropped: tuple[Dropped, ...] = ()
    unlearned: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        return len(self.train)

    def __iter__(self) -> Iterator[tuple[IntArray, IntArray]]:
        return iter(zip(self.train, self.test, strict=True))

    @property
    def test_rows(self) -> IntArray:
        """All test cells, split by split, shape (n_test,)."""
        return np.concatenate(self.test)

    @property
    def split_of_test(self) -> IntArray:
        """Split of each of ``test_rows``, shape (n_test,)."""
        return np.repeat(np.arange(len(self)), [len(rows) for rows in self.test])

    @property
    def test_shares(self) -> FloatArray:
        """Test cells / training cells of each split, shape (n_splits,)."""
        return np.array([len(test) / len(train) for train, test in self])


def make_folds(
    labels: IntArray,
    *,
    n_splits: int,
    donors: npt.NDArray[np.str_] | None = None,
    testable: BoolArray | None = None,
    max_train: int | None = None,
    seed: int = 0,
    unit: Literal["donor", "batch"] = "donor",
) -> Folds:
    """Split cells so that each is tested at most once.

    Parameters
    ----------
    labels
        Class code of each cell, shape (n_cells,).
    n_splits
        Number of splits; fewer where fewer donors (or cells of the largest class) can be tested.
    donors
        Donor of each cell: none is on both sides. Each is left out once where there are at most ``n_splits``.
    testable
        Which cells may be tested, by default all; the others are learned from, where their donor is not tested.
    max_train
        The most cells to learn from in one split: a random part of them, each class to the same share and at least
        one cell of each.
    seed
        Of the shuffle.
    unit
        What ``donors`` holds, for messages; of batches each is left out once, however many there are.

    Raises
    ------
    DataError
        If there is one donor, as many classes as cells, or nothing to learn from or to test.

    Examples
    --------
    >>> folds = make_folds(np.array([0, 0, 1, 1]), n_splits=2)
    >>> folds.scheme, [len(test) for test in folds.test]
    ('stratified', [2, 2])
    """
    _check_cells(labels, donors, unit)
    if donors is not None and unit == "batch":
        n_splits = len(np.unique(donors))
    rows = np.arange(len(labels)) if testable is None else np.flatnonzero(testable)
    scheme, parts = _parts(labels[rows], n_splits, None if donors is None else donors[rows], seed)
    rng = np.random.default_rng(seed)
    train, test, dropped = [], [], []
    unlearned = np.zeros(int(labels.max(initial=-1)) + 1, dtype=np.int64)
    for tested in (rows[part] for part in parts):
        learned = _rows_to_learn(labels, donors, tested, max_train, rng)
        known = np.isin(labels[tested], labels[learned])
        classes = tuple(np.unique(labels[learned]).tolist())
        if known.any() and len(classes) > 1:
            train.append(learned)
            test.append(tested[known])
            np.add.at(unlearned, labels[tested[~known]], 1)
        else:
            whose = () if donors is None else tuple(np.unique(donors[tested]).tolist())
            dropped.append(Dropped(whose, len(tested), len(learned), classes))
    if not train:
        raise DataError(_no_split(labels, donors, rows, unit))
    return Folds(
        scheme=scheme.replace("donor", unit),
        train=tuple(train),
        test=tuple(test),
        n_untested=int(unlearned.sum()) + sum(part.n_cells for part in dropped),
        dropped=tuple(dropped),
        unlearned=tuple((int(code), int(unlearned[code])) for code in np.flatnonzero(unlearned)),
    )


def _check_cells(labels: IntArray, donors: npt.NDArray[np.str_] | None, unit: str) -> None:
    """Refuse cells of one donor, and labels that no two cells share."""
    if donors is not None and len(np.unique(donors)) < 2:
        raise DataError(
            f"all {len(labels)} cells are of one {unit} ({str(donors[0])!r}); at least 2 are needed: leave the {unit} "
            "column out"
        )
    n_classes = len(np.unique(labels))
    if n_classes == len(labels) > 1:
        raise DataError(
            f"the label column has {n_classes:,} different labels for {len(labels):,} cells, one for each; expected "
            "cell types that several cells share: name another label column"
        )


def _rows_to_learn(
    labels: IntArray,
    donors: npt.NDArray[np.str_] | None,
    tested: IntArray,
    max_train: int | None,
    rng: np.random.Generator,
) -> IntArray:
    """Return the training cells of a split: none that is tested and none of a tested donor, at most ``max_train``."""
    left = np.ones(len(labels), dtype=np.bool_)
    left[tested] = False
    if donors is not None:
        left &= ~np.isin(donors, np.unique(donors[tested]))
    learned = np.flatnonzero(left)
    if max_train is None or len(learned) <= max_train:
        return learned
    return learned[subsample(labels[learned], rng, share=max_train / len(learned))]


def _no_split(labels: IntArray, donors: npt.NDArray[np.str_] | None, rows: IntArray, unit: str) -> str:
    """Explain why nothing can be tested."""
    many = PLURALS[unit]
    if donors is not None:
        classes = np.unique(labels)
        if all(len(np.unique(donors[labels == code])) == 1 for code in classes):
            return (
                f"each of the {len(classes)} classes comes from one {unit} only ({len(np.unique(donors))} {many}), so "
                f"no {unit} can be left out and its classes still be learned; leave the {unit} column out (scores then "
                f"hold for these {many} only), or give data in which {many} share classes"
            )
        tested = counted(len(np.unique(donors[rows])), unit, many)
        return (
            f"no {unit} can be left out: for each of the {tested} to test, the others lack its classes or hold one "
            f"class only ({len(classes)} classes); leave the {unit} column out (scores then hold for these {many} "
            f"only), or give data in which {many} share classes"
        )
    return (
        f"no split of {counted(len(rows), 'cell')} leaves two classes to learn from and cells of them to test; use a "
        "label column with larger classes"
    )


def _parts(
    labels: IntArray, n_splits: int, donors: npt.NDArray[np.str_] | None, seed: int
) -> tuple[str, list[IntArray]]:
    """Divide cells into parts that are tested in turn."""
    everything = np.zeros((len(labels), 1))
    splitter: Any
    most = int(np.bincount(labels).max(initial=0))
    if donors is None:
        if most < 2:
            raise DataError(
                "none of the classes has more than 1 cell to test, expected 2 or more; "
                "use a label column with larger classes"
            )
        scheme, splitter = STRATIFIED, StratifiedKFold(min(n_splits, most), shuffle=True, random_state=seed)
    else:
        n_donors = len(np.unique(donors))
        if n_donors == 1:
            return ONE_OUT, [np.arange(len(labels))]
        if n_donors <= n_splits or most < 2:
            scheme, splitter = ONE_OUT, LeaveOneGroupOut()
        else:
            scheme, splitter = GROUPED, StratifiedGroupKFold(min(n_splits, most), shuffle=True, random_state=seed)
    with quiet_warnings(category=UserWarning):  # classes with fewer cells than splits: some parts lack them
        return scheme, [test for _, test in splitter.split(everything, labels, donors)]
