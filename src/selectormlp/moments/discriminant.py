"""Choosing genes that tell classes apart, from moments alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, get_args

import numpy as np

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.errors import DataError, SettingsError, counted, quoted
from selectormlp.moments.batches import BatchMeans, Combine, combined
from selectormlp.moments.columns import CovarianceColumns
from selectormlp.moments.contrasts import Contrasts, contrasts_of, pair_places
from selectormlp.moments.failures import SUMS, FailingProbes
from selectormlp.moments.forward import COLLINEAR, Residual
from selectormlp.moments.losses import PairLosses, SummedTerms, WorstBatch
from selectormlp.moments.moments import Moments
from selectormlp.moments.unmeasured import gaps_measured

Criterion = Literal["inverse", "bhattacharyya", "log"]
"""Loss summed over pairs of classes: 1/(1 + D²), exp(−D²/8) or −log(1 + D²); lower is better."""

CRITERIA: tuple[str, ...] = get_args(Criterion)


ROUNDING = 1e-12
"""Gains below this are rounding errors: losses of pairs are of order 1, and their sums exact to about 1e-14."""

BLOCK_BYTES = 2**19
"""Size of a block of pairs × genes, half a megabyte. It is read several times and should stay in the cache."""


def _inverse(squared: FloatArray) -> FloatArray:
    squared += 1.0
    return np.reciprocal(squared, out=squared)


def _bhattacharyya(squared: FloatArray) -> FloatArray:
    squared *= -0.125
    return np.exp(squared, out=squared)


def _log(squared: FloatArray) -> FloatArray:
    return np.negative(np.log1p(squared, out=squared), out=squared)


_LOSSES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "inverse": _inverse,
    "bhattacharyya": _bhattacharyya,
    "log": _log,
}
"""Loss of a pair by its D². To save memory, each function overwrites its argument, an array of pairs × genes."""


class DiscriminantObjective:
    """Separation of every pair of classes on the chosen genes; a pair counts less once it is well separated.

    The squared Mahalanobis distance D² of two classes grows by g² / s if a gene is added, with g the gap between their
    means and s the variance of the gene, both given the genes chosen before. Correlations between genes are those
    within all classes together; the variance of a gene is estimated for each pair from its own cells, since a gene that
    one class expresses varies there and hardly elsewhere. The growth of D² that sampling alone explains, 1/n_a + 1/n_b,
    is subtracted: otherwise, once classes are separated, uninformative genes would be chosen for the smallest classes.

    Parameters
    ----------
    moments
        Moments with the within-class scatter; their class weights also weigh the pairs.
    criterion
        What is summed over pairs, see ``Criterion``. ``bhattacharyya`` bounds the error of two normal classes.
    ridge
        Added to the variances, in units of the median variance of genes that vary.
    pooling
        Weight, in cells, of a gene's common variance in the estimate for each class: with 0 each class has its own
        variance, with infinity all have the common one.
    shrinkage, shrink_after
        Once ``shrink_after`` genes are chosen, covariances between genes count less by the share ``shrinkage``, 0 to 1.
        The first genes must complement one another. Later ones, when classes are separated, serve best as backups of
        earlier ones, for which the full covariance gives little credit.
    specificity
        Share of the criterion that tells each class from all others mixed, 0 to 1; the rest tells pairs apart. A gene
        that marks one class still helps if another technology blurs small differences.
    failure
        Probability that the probes of a gene fail; the loss is its expectation over failures.
    costs
        Cost of taking one class (row) for another (column), ≥ 0, shape (n_classes, n_classes): the weight of a pair is
        multiplied by the mean of its two costs. None: all mistakes cost the same.
    combine
        For moments of groups, of one class in one batch each: how batches are combined, see
        :func:`selectormlp.moments.batches.combined`. With ``worst``, the loss of a pair is that in its worst batch.

    Raises
    ------
    SettingsError
        If the criterion is unknown, ridge or pooling negative, shrinkage or specificity outside 0 to 1, the failure
        outside 0 to below 1 or above 0 with the criterion ``log``, or ``combine`` unknown; or if no mistake costs
        anything.
    DataError
        If the moments hold no within-class scatter, or fewer than two classes.

    Attributes
    ----------
    covariance
        Within-class covariance, shape (n_genes, n_genes), without ridge; columns may be computed on demand.
    ridge
        Value added to its diagonal.
    gaps
        Difference of the means of each pair of classes, shape (n_rows, n_genes), scaled so that the pair's own variance
        equals that of the common covariance. Pairs are in the order of ``numpy.triu_indices``; with specificity, each
        class against the rest follows. A pair has one row, or, with ``worst``, one row for each batch.
    pair_weights
        Weight of each pair, shape (n_pairs,), sum 1.
    noise
        Growth of D² by sampling, shape (n_rows,).

    References
    ----------
    Bhattacharyya bound: Fukunaga, "Introduction to Statistical Pattern Recognition", 1990, eq. 3.152, for equal
    covariances. Moving close pairs to the front: Loog, Duin, Haeb-Umbach, IEEE TPAMI 2001, there for linear
    combinations of features, here for a choice of genes. Between own and common variances: Friedman, Journal of the
    American Statistical Association 1989, there for whole covariances. Shrinking covariances towards a diagonal:
    Schäfer, Strimmer, Statistical Applications in Genetics and Molecular Biology 2005, there to estimate them better.
    """

    def __init__(
        self,
        moments: Moments,
        *,
        criterion: Criterion = "inverse",
        ridge: float = 0.3,
        pooling: float = 300.0,
        shrinkage: float = 0.5,
        shrink_after: int = 20,
        specificity: float = 0.0,
        failure: float = 0.0,
        costs: FloatArray | None = None,
        combine: Combine = "new-study",
    ) -> None:
        _check(criterion, ridge, pooling, shrinkage, shrink_after, specificity, failure)
        moments, batches = combined(moments, combine)
        used = np.flatnonzero(moments.class_weights > 0)
        if len(used) < 2:
            raise DataError(
                f"{counted(len(used), 'class', 'classes')} with cells and weight; at least 2 are needed to tell apart"
            )
        self.covariance = moments.covariance()
        common = self.covariance.diagonal()
        self.ridge = ridge * _typical_variance(common)
        counts, shares = moments.counts[used], moments.class_weights[used]
        variances = _towards(common, moments.class_variances()[used], counts, pooling)
        costs = None if costs is None else costs[np.ix_(used, used)]
        if costs is not None and not np.any(costs[~np.eye(len(used), dtype=np.bool_)] > 0):
            raise SettingsError("every mistake between the classes costs 0; give some a cost above 0")
        told = contrasts_of(moments.means[used], variances, counts, shares, specificity, costs)
        if batches:
            made = [_in_batch(batch, used, variances, counts, shares, specificity) for batch in batches]
            told = told.in_batches(made)
        self.pair_weights, self.noise, self._starts = told.weights, told.noise, told.starts
        self.gaps = told.gaps * _units(common + self.ridge, told.variances + self.ridge)
        if moments.cells_measured is not None:
            self.gaps = gaps_measured(
                self.gaps, common + self.ridge, moments.cells_measured[used], counts, self._starts
            )
        self._block = max(1, BLOCK_BYTES // (8 * len(common)))
        self._loss = _LOSSES[criterion]
        self._shrinkage, self._shrink_after = shrinkage, shrink_after
        self._failure, self._criterion = failure, criterion
        self._chosen: list[int] = []
        self._condition_on([])

    def gains(self) -> FloatArray:
        """Return how much each gene would lower the mean loss of the pairs, shape (n_genes,)."""
        variance = np.where(self._residual.free, self._residual.variance, np.inf)
        gains = self.current_loss - self.losses_with(self._gaps_of, variance, self._state)
        gains = np.where(gains > ROUNDING, gains, 0.0)
        self.expect(gains)
        return gains

    def expect(self, gains: FloatArray) -> None:
        """Say which genes may be asked for next, those of most gain, shape (n_genes,)."""
        if isinstance(self.covariance, CovarianceColumns):
            self.covariance.expect(gains)

    def _gaps_of(self, rows: slice) -> FloatArray:
        return self._residual_gaps[rows]

    def choose(self, gene: int) -> None:
        """Condition on a gene (by column)."""
        self._chosen.append(gene)
        if len(self._chosen) == self._shrink_after:
            self._condition_on(self._chosen)
        else:
            self._condition(gene)

    @property
    def sums_up(self) -> bool:
        """Whether terms of genes sum up to the D² that the loss of a pair is of, as where no probes fail."""
        return not self._failure

    @property
    def current_loss(self) -> float:
        """Mean loss of the pairs on the genes chosen so far."""
        return self.mean_loss(self._state)

    def state(self) -> PairLosses:
        """Return an accumulator of losses of pairs, without genes yet."""
        n_rows = len(self.noise)
        rows: PairLosses = SummedTerms(self._loss, n_rows)
        if self._failure:
            rows = FailingProbes(self._failure, n_rows, self._criterion)
        return rows if self._starts is None else WorstBatch(rows, self._starts, n_rows)

    def mean_loss(self, state: PairLosses) -> float:
        """Return the mean loss of the pairs on the genes of a state."""
        return float(self.pair_weights @ state.losses())

    def shrinkage(self, n_chosen: int) -> float:
        """Return the shrinkage of covariances after this many chosen genes."""
        return self._shrinkage if n_chosen >= self._shrink_after else 0.0

    def _condition_on(self, genes: Sequence[int]) -> None:
        """Restart from genes already chosen."""
        shrinkage = self.shrinkage(len(genes))
        self._residual = Residual(self.covariance, ridge=self.ridge, shrinkage=shrinkage)
        self._residual_gaps = self.gaps.copy()
        self._state = self.state()
        for gene in genes:
            self._condition(gene)

    def _condition(self, gene: int) -> None:
        deviation = np.sqrt(self._residual.variance[gene])
        column = self._residual.choose(gene)
        if column is not None:
            gap = self._residual_gaps[:, gene] / deviation
            self._state.add(np.maximum(gap**2 - self.noise, 0.0))
            for rows, _ in self._blocks():
                self._residual_gaps[rows] -= np.outer(gap[rows], column)

    def _blocks(self) -> Iterator[tuple[slice, slice]]:
        """Cut the gaps into blocks that stay in the cache; yield the rows of each block and their pairs."""
        if self._starts is None:
            for start in range(0, len(self.noise), self._block):
                yield (pairs := slice(start, start + self._block)), pairs
            return
        ends = np.append(self._starts, len(self.noise))
        first = 0
        while first < len(self._starts):
            last = max(first + 1, int(np.searchsorted(ends, ends[first] + self._block, side="right")) - 1)
            yield slice(int(ends[first]), int(ends[last])), slice(first, last)
            first = last

    def losses_with(
        self,
        gaps: Callable[[slice], FloatArray],
        variance: FloatArray,
        state: PairLosses,
        taken_off: FloatArray | None = None,
    ) -> FloatArray:
        """Return the mean loss of the pairs with each gene added, shape (n_genes,).

        Parameters
        ----------
        gaps
            Returns the gaps of a run of rows, given the panel, shape (n_rows, n_genes); called block by block.
        variance
            Of each gene given the panel, shape (n_genes,).
        state
            The panel's own terms.
        taken_off
            Subtracted from the gene's share, which stays ≥ 0, shape (n_rows,); None: the growth by sampling.
        """
        less = self.noise if taken_off is None else taken_off
        losses = np.zeros(len(variance))
        for rows, pairs in self._blocks():
            squared = gaps(rows) ** 2
            squared /= variance
            squared -= less[rows, None]
            np.maximum(squared, 0.0, out=squared)
            losses += self.pair_weights[pairs] @ state.losses_with(squared, rows)
        return losses


def _check(
    criterion: str,
    ridge: float,
    pooling: float,
    shrinkage: float,
    shrink_after: int,
    specificity: float,
    failure: float,
) -> None:
    """Refuse parameters that are out of range."""
    if criterion not in CRITERIA:
        raise SettingsError(f"criterion={criterion!r}; expected one of {quoted(CRITERIA)}")
    if not ridge >= 0:
        raise SettingsError(f"ridge={ridge!r}; expected a number ≥ 0")
    if not pooling >= 0:
        raise SettingsError(f"pooling={pooling!r}; expected a number of cells ≥ 0")
    if not 0 <= shrinkage <= 1:
        raise SettingsError(f"shrinkage={shrinkage!r}; expected a number from 0 to 1")
    if shrink_after < 0:
        raise SettingsError(f"shrink_after={shrink_after!r}; expected a number of genes ≥ 0")
    if not 0 <= specificity <= 1:
        raise SettingsError(f"specificity={specificity!r}; expected a number from 0 to 1")
    if not 0 <= failure < 1 or (failure and criterion not in SUMS):
        raise SettingsError(
            f"failure={failure!r} with criterion {criterion!r}; expected a number from 0 to below 1, and one of "
            f"{quoted(tuple(SUMS))}"
        )


def _in_batch(
    batch: BatchMeans, used: IntArray, variances: FloatArray, counts: IntArray, shares: FloatArray, specificity: float
) -> tuple[IntArray, Contrasts]:
    """Compare the classes of one batch; return the positions among all comparisons, and the comparisons."""
    known = np.isin(batch.classes, used)
    of_used = np.searchsorted(used, batch.classes[known])
    places = pair_places(of_used, len(used))
    if specificity:
        places = np.concatenate([places, len(used) * (len(used) - 1) // 2 + of_used])
    return places, contrasts_of(batch.means[known], variances[of_used], counts[of_used], shares[of_used], specificity)


def _typical_variance(variances: FloatArray) -> float:
    varying = variances[variances > 0]
    return float(np.median(varying)) if len(varying) else 1.0


def _towards(common: FloatArray, own: FloatArray, counts: IntArray, pooling: float) -> FloatArray:
    """Mix class variances with the common one, of the weight of ``pooling`` cells; shape (n_classes, n_genes)."""
    if np.isinf(pooling):
        return np.broadcast_to(common, own.shape)
    share = (counts / (counts + pooling))[:, None]
    return share * own + (1.0 - share) * common


def _units(common: FloatArray, own: FloatArray) -> FloatArray:
    """Return the ratio of common to own standard deviations; 1 where a pair's variance is rounding error."""
    return np.sqrt(common / np.where(own > COLLINEAR * common, own, np.where(common > 0, common, 1.0)))
