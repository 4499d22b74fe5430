"""Find the genes that may come next, so that the panel can still be completed within all limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from selectormlp.data.cells import BoolArray, FloatArray, IntArray
from selectormlp.errors import SettingsError
from selectormlp.panel.clash import clash, hopeless, why_impossible
from selectormlp.panel.feasible import Answer, Solution, as_mask, find_panel
from selectormlp.panel.limit_rows import LimitRows, entries_of
from selectormlp.panel.limits import TOLERANCE, Limit
from selectormlp.panel.relaxation import certificate


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
    be swapped into it; else bounds on each limit decide, then a linear programme over fractions of genes, and then an
    integer programme. A proof by multipliers of the linear programme excludes all genes for which it holds. A refused
    gene stays refused, since the remaining choices only shrink.

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
        self._disproved = np.zeros(len(allowed), dtype=np.bool_)
        self.n_undecided = 0
        self.chosen: list[int] = []
        self._refused: dict[int, str] = {}
        self._rows = LimitRows(self.limits, len(allowed))
        alone = hopeless(self._rows, allowed, self._required, n_genes)
        found = Solution(Answer.NO) if alone else find_panel(self._rows, allowed, self._required, n_genes)
        if found.panel is None:
            raise SettingsError(why_impossible(self.limits, allowed, self._required, n_genes, found.answer))
        self._witness = found.panel
        self._close_impossible()

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
            if self._is_disproved(gene, allowed, given):
                self._refuse(gene, "")
                return False
            found = find_panel(self._rows, allowed, given, self.n_genes)
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
            # after a choice: limits to which the gene adds, and lower bounds, for which one place fewer is left
            self._close_impossible(np.isfinite(self._rows.floor) | (self._rows.sums([gene]) != 0))

    def may_replace(self, panel: IntArray, place: int) -> BoolArray:
        """Return which genes may replace one of a full panel within all limits, shape (n_genes_of_data,)."""
        left = np.delete(panel, place)
        may, genes = self._allowed.copy(), np.flatnonzero(self._allowed)
        may[genes] = self._rows.keeps(self._rows.sums(left), genes)
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
            self._refused[gene] = "; ".join(map(str, blocking.limits)) or f"the panel of {self.n_genes} genes is full"
        return self._refused[gene]

    def _is_disproved(self, gene: int, allowed: BoolArray, given: list[int]) -> bool:
        """Return whether limits clash even for fractions of genes; remember all genes for which the proof holds."""
        proof = None if self._disproved[gene] else certificate(self._rows, allowed, np.unique(given), self.n_genes)
        if proof is not None:
            for _, broken in self._impossible(LimitRows([proof.total], len(allowed))):
                self._disproved[broken] = True
        return bool(self._disproved[gene])

    def _refuse(self, gene: int, why: str) -> None:
        self.open[gene] = False
        self._refused[gene] = why

    def _swap(self, gene: int) -> BoolArray | None:
        """Swap a gene into the witness for one that is not required, if that keeps all limits."""
        free = self._witness.copy()
        free[[*self._required, *self.chosen]] = False
        out = np.flatnonzero(free)
        joins = self._rows.sums([gene])
        kept = self._rows.keeps(self._rows.sums(np.flatnonzero(self._witness)) + joins, out, -1.0)
        for leaver in out[kept]:
            witness = self._witness.copy()
            witness[leaver], witness[gene] = False, True
            panel = np.flatnonzero(witness)
            changed = np.flatnonzero(self._rows.sums([leaver]) != joins)
            if all(self.limits[place].is_kept(panel) for place in changed):
                return witness
        return None

    def _close_impossible(self, among: BoolArray | None = None) -> None:
        """Exclude genes that break one of the limits even with the best completion for that limit alone."""
        for limit, genes in self._impossible(self._rows, among):
            for gene in genes[self.open[genes]].tolist():
                self._refuse(gene, str(limit))

    def _impossible(self, rows: LimitRows, among: BoolArray | None = None) -> Iterator[tuple[Limit, IntArray]]:
        """Yield limits (of those in ``among``, all by default), and the open genes that break each."""
        held = list(dict.fromkeys([*self._required, *self.chosen]))
        n_left = self.n_genes - len(held)
        others = self.open.copy()
        others[held] = False
        n_others = int(others.sum())
        if n_left < 1 or not n_others:
            return
        sums = rows.sums(held)
        asked = ~(rows.easily_kept(sums + rows.most, n_left, n_others) & (rows.least >= 0))
        for place in np.flatnonzero(asked if among is None else asked & among).tolist():
            adding, amounts = entries_of(rows.amounts, place)
            adding, amounts = adding[others[adding]], amounts[others[adding]]
            n_idle = n_others - len(adding)
            least = sums[place] + _smallest(amounts, n_idle, n_left - 1)
            most = sums[place] - _smallest(-amounts, n_idle, n_left - 1)
            slack = TOLERANCE * np.abs(amounts).max(initial=0.0) * self.n_genes
            low, high = rows.floor[place] - slack, rows.ceiling[place] + slack
            broken = others & ((least > high) | (most < low))
            broken[adding] = (least + amounts > high) | (most + amounts < low)
            yield rows.limits[place], np.flatnonzero(broken & ~self._witness)


def _smallest(amounts: FloatArray, n_zeros: int, count: int) -> float:
    """Return the sum of the smallest of some amounts other than 0 and some zeros."""
    below, above = np.sort(amounts[amounts < 0])[:count], amounts[amounts > 0]
    n_above = max(0, count - np.count_nonzero(amounts < 0) - n_zeros)
    return float(below.sum() + np.sort(above)[:n_above].sum())
