"""Assign each donor to one side of a split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.errors import DataError, counted

SIDES = ("train", "validation", "test")


MAX_LOOKS = 2_000
"""Maximum number of moves tried in a search, about a second. Work is bounded rather than time, so that the same seed
gives the same split."""

MAX_STARTS = 30
"""Number of initial orders of donors, if the maximum number of moves allows."""

MAX_PARTNERS = 60
"""Number of donors with which an exchange of one donor is tried per round."""

NOTHING = 1e-9
"""Improvements below this are rounding errors."""


@dataclass(frozen=True, eq=False)
class _Problem:
    """Target numbers of cells, and the cost of falling short.

    Attributes
    ----------
    cells
        Of each donor in each class, shape (n_donors, n_classes).
    targets
        Target number of cells of each side, shape (n_sides, n_classes).
    absent
        Cost if a side has no cell of a class, shape (n_sides, n_classes).
    """

    cells: FloatArray
    targets: FloatArray
    absent: FloatArray

    def cost(self, held: FloatArray, side: int) -> FloatArray:
        """Return the cost of a side with these cells, summed over classes (the last axis)."""
        targets = self.targets[side]
        short = np.maximum(targets - held, 0.0) / np.maximum(targets, 1.0) + self.absent[side] * (held <= 0)
        total: FloatArray = short.sum(axis=-1)
        return total

    def held(self, sides: IntArray) -> FloatArray:
        """Return the number of cells on each side, shape (n_sides, n_classes)."""
        found = np.zeros_like(self.targets)
        np.add.at(found, sides, self.cells)
        return found

    def total(self, sides: IntArray) -> float:
        """Return the cost of an assignment."""
        held = self.held(sides)
        return float(sum(self.cost(held[side], side) for side in range(len(held))))


def assign_donors(per_donor: IntArray, wanted: IntArray, *, rng: np.random.Generator) -> IntArray:
    """Assign donors to sides so that training has every type it can have, and sides are least short of cells.

    The first aim is that every class reaches training; the second is to minimise the missing fraction of ``wanted``,
    summed over sides and classes. Donors are placed one by one, the largest first, where they help most; then single
    donors are moved and pairs exchanged while that improves the result. The best of several starts is taken.

    Parameters
    ----------
    per_donor
        Cells of each donor in each class, shape (n_donors, n_classes).
    wanted
        Target number of cells of each class on each side, shape (3, n_classes), training first; a side with targets of
        0 gets no donor.
    rng
        Random generator that breaks ties.

    Returns
    -------
    Side of each donor, shape (n_donors,).

    Raises
    ------
    DataError
        If there are fewer donors than sides to fill.

    Examples
    --------
    >>> per_donor = np.array([[50, 0], [50, 9], [50, 9], [50, 0]])
    >>> wanted = np.array([[80, 8], [20, 2], [20, 2]])
    >>> sides = assign_donors(per_donor, wanted, rng=np.random.default_rng(0))
    >>> bool(per_donor[sides == 0, 1].sum() > 0), len(np.unique(sides))
    (True, 3)
    """
    n_donors, n_classes = per_donor.shape
    filled = np.flatnonzero(wanted.sum(axis=1) > 0)
    if not len(filled):  # no class is large enough for any side; the caller reports it
        return np.zeros(n_donors, dtype=np.int64)
    if n_donors < len(filled):
        raise DataError(
            f"{counted(n_donors, 'donor')} for {len(filled)} sides ({', '.join(SIDES[s] for s in filled)}); each side "
            "needs a donor of its own: leave the donor column out, or set a side's size to 0"
        )
    targets = wanted[filled].astype(np.float64)
    absent = np.zeros_like(targets)
    if filled[0] == 0:
        # larger than the sum of all other costs
        absent[0] = np.where(targets[0] > 0, len(filled) * n_classes + 1.0, 0.0)
    problem = _Problem(per_donor.astype(np.float64), targets, absent)
    best, least = np.zeros(n_donors, dtype=np.int64), np.inf
    n_looks = 0
    for _ in range(MAX_STARTS):
        sides = _placed(problem, rng)
        n_looks += _improve(problem, sides, rng, MAX_LOOKS - n_looks)
        cost = problem.total(sides)
        if cost < least - NOTHING:
            best, least = sides, cost
        if least < NOTHING or n_looks + 2 * n_donors > MAX_LOOKS:
            break
    return filled[best]


def _placed(problem: _Problem, rng: np.random.Generator) -> IntArray:
    """Place donors one by one where they help most, roughly the largest first; no side stays empty."""
    n_donors, n_sides = len(problem.cells), len(problem.targets)
    size = (problem.cells / np.maximum(problem.cells.sum(axis=0), 1.0)).sum(axis=1)
    order = np.argsort(-size * rng.uniform(0.5, 1.0, n_donors))
    sides = np.zeros(n_donors, dtype=np.int64)
    held = np.zeros_like(problem.targets)
    n_held = np.zeros(n_sides, dtype=np.int64)
    for place, donor in enumerate(order):
        help_of = np.array(
            [problem.cost(held[s], s) - problem.cost(held[s] + problem.cells[donor], s) for s in range(n_sides)]
        )
        if n_donors - place <= (n_held == 0).sum():
            help_of[n_held > 0] = -np.inf
        side = int(help_of.argmax())
        sides[donor] = side
        held[side] += problem.cells[donor]
        n_held[side] += 1
    return sides


def _improve(problem: _Problem, sides: IntArray, rng: np.random.Generator, most_looks: int) -> int:
    """Move and exchange donors, in place, while the cost falls; return the number of moves tried."""
    held = problem.held(sides)
    n_looks = n_idle = 0
    while n_looks < most_looks and n_idle < len(sides):
        for donor in rng.permutation(len(sides)):
            n_looks += 1
            better = _move(problem, sides, held, donor) or _exchange(problem, sides, held, donor, rng)
            n_idle = 0 if better else n_idle + 1
            if n_looks >= most_looks or n_idle >= len(sides):
                break
    return n_looks


def _move(problem: _Problem, sides: IntArray, held: FloatArray, donor: int) -> bool:
    """Move a donor to the side where it helps most, if that lowers the cost."""
    here, own = sides[donor], problem.cells[donor]
    if (sides == here).sum() == 1:
        return False
    lost = problem.cost(held[here] - own, here) - problem.cost(held[here], here)
    change = np.array([problem.cost(held[s] + own, s) - problem.cost(held[s], s) for s in range(len(held))]) + lost
    change[here] = 0.0
    there = int(change.argmin())
    if change[there] > -NOTHING:
        return False
    held[here] -= own
    held[there] += own
    sides[donor] = there
    return True


def _exchange(problem: _Problem, sides: IntArray, held: FloatArray, donor: int, rng: np.random.Generator) -> bool:
    """Exchange a donor with the best donor of another side, if that lowers the cost."""
    here, own = sides[donor], problem.cells[donor]
    others = np.flatnonzero(sides != here)
    if len(others) > MAX_PARTNERS:
        others = rng.choice(others, MAX_PARTNERS, replace=False)
    change = np.zeros(len(others))
    for there in np.unique(sides[others]):
        some = np.flatnonzero(sides[others] == there)
        theirs = problem.cells[others[some]]
        change[some] = (
            problem.cost(held[here] - own + theirs, here)
            - problem.cost(held[here], here)
            + problem.cost(held[there] + own - theirs, there)
            - problem.cost(held[there], there)
        )
    if not len(change) or change.min() > -NOTHING:
        return False
    partner = int(others[change.argmin()])
    there = sides[partner]
    difference = problem.cells[partner] - own
    held[here] += difference
    held[there] -= difference
    sides[donor], sides[partner] = there, here
    return True
