"""Find the genes that may come next, so that the panel can still be completed within all limits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from selectormlp.data.cells import BoolArray, IntArray
from selectormlp.errors import SettingsError, counted
from selectormlp.panel.clash import clash, hopeless, why_impossible
from selectormlp.panel.feasible import Answer, Solution, as_mask, find_panel
from selectormlp.panel.limits import TOLERANCE, Limit


class Completion:
    """Decide which genes may come next so that a panel within all limits remains possible, and explain refusals.

    Parameters
    ----------
    limits
        Limits that the panel keeps.
    allowed
        Genes that may be chosen at all, shape (n_genes_of_data,).
    required
        Positions of genes that the panel holds.
    n_genes
        Its size.

    Raises
    ------
    SettingsError
        If there is no such panel, or the bounded search found none.

    Notes
    -----
    One panel that keeps all limits (the witness) is always known. A gene may come next if it is in the witness or can
    be swapped into it; else bounds on each limit decide, and then an integer programme. A refused gene stays refused,
    since the remaining choices only shrink.

    Examples
    --------
    >>> cost = Limit("cost", np.array([3.0, 1.0, 1.0, 2.0]), high=4)
    >>> completion = Completion([cost], np.ones(4, dtype=bool), [0], 2)
    >>> [completion.may_follow(gene) for gene in range(1, 4)], completion.why_not(3)
    ([True, True, False], 'cost at most 4')
    """

    def __init__(
        self, limits: Sequence[Limit], allowed: BoolArray, required: Iterable[int] = (), n_genes: int = 1
    ) -> None:
        self.limits, self.n_genes = tuple(limits), n_genes
        self._required = list(dict.fromkeys(int(gene) for gene in required))
        self._allowed, self.open = allowed.copy(), allowed.copy()
        self.n_undecided = 0
        self.chosen: list[int] = []
        self._refused: dict[int, str] = {}
        self._amounts = np.array([limit.amounts for limit in self.limits]).reshape(len(self.limits), len(allowed))
        self._floor = np.array([limit.floor for limit in self.limits])
        self._ceiling = np.array([limit.ceiling for limit in self.limits])
        self._least, self._most = self._amounts.min(axis=1, initial=0.0), self._amounts.max(axis=1, initial=0.0)
        alone = hopeless(self.limits, allowed, self._required, n_genes)
        found = Solution(Answer.NO) if alone else find_panel(self.limits, allowed, self._required, n_genes)
        if found.panel is None:
            raise SettingsError(why_impossible(self.limits, allowed, self._required, n_genes, found.answer))
        self._witness = found.panel
        self._close_impossible(range(len(self.limits)))

    @property
    def example(self) -> IntArray:
        """A panel within all limits with the genes chosen so far, increasing positions, shape (n_genes,)."""
        return np.flatnonzero(self._witness)

    def may_follow(self, gene: int) -> bool:
        """Return whether a panel within all limits exists with the genes chosen so far and this one."""
        if not self.open[gene]:
            return False
        if self._witness[gene]:
            return True
        swapped = self._swap(gene)
        if swapped is None:
            given = [*self._required, *self.chosen, gene]
            allowed = self.open | as_mask(np.array(given), len(self.open))
            found = find_panel(self.limits, allowed, given, self.n_genes)
            if found.panel is None:
                self.n_undecided += found.answer is Answer.OPEN
                self._refuse(
                    gene, "" if found.answer is Answer.NO else "a panel with it was neither found nor proved impossible"
                )
                return False
            swapped = found.panel
        self._witness = swapped
        return True

    def choose(self, gene: int) -> None:
        """Add a gene that may come next."""
        if not self._witness[gene] and not self.may_follow(gene):
            raise SettingsError(f"gene {gene} may not follow: {self.why_not(gene)}")
        self.chosen.append(gene)
        self.open[gene] = False
        if gene not in self._required:  # these were counted at the start
            self._close_impossible(np.flatnonzero(np.isfinite(self._floor) | (self._amounts[:, gene] != 0)))

    def may_replace(self, panel: IntArray, place: int) -> BoolArray:
        """Return which genes may replace one of a full panel within all limits, shape (n_genes_of_data,)."""
        left = np.delete(panel, place)
        held = self._amounts[:, left].sum(axis=1)
        bind = np.flatnonzero((held + self._least < self._floor) | (held + self._most > self._ceiling))
        sums = held[bind, None] + self._amounts[bind]
        kept = ((sums >= self._floor[bind, None]) & (sums <= self._ceiling[bind, None])).all(axis=0)
        may: BoolArray = self._allowed & kept
        may[left] = False
        if panel[place] in self._required:
            may = np.arange(len(may)) == panel[place]
        return may

    def why_not(self, gene: int) -> str:
        """Name the limits that keep a gene out, or ``""`` if it may come next."""
        if gene in self.chosen or self.may_follow(gene):
            return ""
        if not self._allowed[gene]:
            return "not allowed"
        if not self._refused[gene]:
            given = [*self._required, *self.chosen, gene]
            blocking = clash(self.limits, self._allowed, given, self.n_genes)
            self._refused[gene] = (
                "; ".join(map(str, blocking.limits)) or f"the panel of {counted(self.n_genes, 'gene')} is full"
            )
        return self._refused[gene]

    def _refuse(self, gene: int, why: str) -> None:
        self.open[gene] = False
        self._refused[gene] = why

    def _swap(self, gene: int) -> BoolArray | None:
        """Swap a gene into the witness for one that is not required, if that keeps all limits."""
        free = self._witness.copy()
        free[[*self._required, *self.chosen]] = False
        out = np.flatnonzero(free)
        sums = self._amounts[:, self._witness].sum(axis=1, keepdims=True)
        sums = sums - self._amounts[:, out] + self._amounts[:, [gene]]
        kept = ((sums >= self._floor[:, None]) & (sums <= self._ceiling[:, None])).all(axis=0)
        for leaver in out[kept]:
            witness = self._witness.copy()
            witness[leaver], witness[gene] = False, True
            panel = np.flatnonzero(witness)
            changed = np.flatnonzero(self._amounts[:, leaver] != self._amounts[:, gene])
            if all(self.limits[place].is_kept(panel) for place in changed):
                return witness
        return None

    def _close_impossible(self, places: Iterable[int]) -> None:
        """Exclude genes that break one of the limits even with the best completion for that limit alone.

        After a choice, check limits with a lower bound, for which one place fewer is left, and limits to which the gene
        adds.
        """
        held = list(dict.fromkeys([*self._required, *self.chosen]))
        n_left = self.n_genes - len(held)
        others = self.open.copy()
        others[held] = False
        candidates = np.flatnonzero(others)
        if n_left < 1 or not len(candidates):
            return
        for limit in map(self.limits.__getitem__, places):
            amounts = limit.amounts[candidates]
            fillers = np.sort(amounts)
            least = limit.amounts[held].sum() + amounts + fillers[: n_left - 1].sum()
            most = limit.amounts[held].sum() + amounts + fillers[len(fillers) - n_left + 1 :].sum()
            slack = TOLERANCE * np.abs(amounts).max(initial=0.0) * self.n_genes
            for gene in candidates[(least - slack > limit.ceiling) | (most + slack < limit.floor)]:
                if self.open[gene] and not self._witness[gene]:
                    self._refuse(int(gene), str(limit))
