"""Marker genes of each class, taken in turn, as scanpy ranks them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, Self, get_args

import numpy as np
from scipy.stats import ttest_ind_from_stats

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.errors import DataError, SettingsError, counted, quoted
from selectormlp.moments.stream import as_float, class_sums
from selectormlp.panel.markers import MEAN_ROUNDING
from selectormlp.quiet import quiet_warnings
from selectormlp.selectors.base import GeneSelector
from selectormlp.selectors.labels import encode_labels, rows_of_batches
from selectormlp.selectors.scanpy_input import as_anndata
from selectormlp.selectors.stratified_tests import Test, stratified_ranks, stratified_t

Method = Literal["t-test", "wilcoxon", "logreg"]
"""How scanpy scores a gene for a class against all other cells."""

METHODS: tuple[str, ...] = get_args(Method)


LARGEST = 1e30
"""Statistic of a gene that differs and does not vary."""


def each_in_turn(statistics: FloatArray) -> IntArray:
    """Let each class pick its best gene not yet taken, class after class, until all genes are ranked.

    Parameters
    ----------
    statistics
        Score of each gene for each class, shape (n_classes, n_genes), higher is better.

    Returns
    -------
    All genes in the order picked, shape (n_genes,).

    Examples
    --------
    >>> each_in_turn(np.array([[3.0, 2.0, 1.0], [2.0, 1.0, 0.0]]))
    array([0, 1, 2])
    """
    order = np.argsort(-statistics, axis=1, kind="stable")
    n_classes, n_genes = order.shape
    picks, taken, next_of = np.empty(n_genes, dtype=np.int64), np.zeros(n_genes, dtype=bool), [0] * n_classes
    for turn in range(n_genes):
        row = turn % n_classes
        while taken[order[row, next_of[row]]]:
            next_of[row] += 1
        picks[turn] = order[row, next_of[row]]
        taken[picks[turn]] = True
    return picks


class MarkerSelector(GeneSelector):
    """Rank genes by how well each marks one class against all other cells, each class in turn.

    Parameters
    ----------
    n_features_to_select
        How many genes to choose: a number, a fraction, or None for half of them. Smaller panels are the first
        genes of the same ranking.
    method
        ``t-test``, ``wilcoxon`` or ``logreg`` (coefficients of a logistic regression), see
        ``scanpy.tl.rank_genes_groups``.

    Attributes
    ----------
    classes_
        Labels, sorted, shape (n_classes,). A class of a single cell marks nothing and takes no turn.
    scores_
        Highest statistic of each gene over the classes, shape (n_features_in_,). The ranking is by turns, not
        by score.

    References
    ----------
    The tests as scanpy makes them: Wolf, Angerer, Theis, Genome Biology 2018. The t-test (Welch's) is taken from sums
    over classes, which gives the same in a fraction of the time.

    Examples
    --------
    >>> y = np.repeat(["B", "T"], 20)
    >>> X = np.random.default_rng(0).normal(size=(40, 4))
    >>> X[y == "B", 1] += 5
    >>> X[y == "T", 3] += 5
    >>> MarkerSelector(2).fit(X, y).get_support(indices=True)
    array([1, 3])
    """

    def __init__(self, n_features_to_select: int | float | None = None, *, method: Method = "t-test") -> None:
        self.n_features_to_select = n_features_to_select
        self.method = method

    @property
    def takes_batches(self) -> bool:  # type: ignore[override]  # it depends on the method
        """Whether it tells batches from classes: the tests do, a regression does not."""
        return self.method in ("t-test", "wilcoxon")

    def fit(self, X: Any, y: Any = None, *, batches: Any = None) -> Self:
        """Rank the genes of X, shape (n_cells, n_genes), dense or CSR, for labels, shape (n_cells,).

        With batches, shape (n_cells,), each class is tested against the other cells of its batch, and the tests of all
        batches are combined. ``logreg`` ignores them.

        Raises
        ------
        SettingsError
            If a parameter is not usable.
        DataError
            If there are fewer than two classes, or none of two cells.
        ValueError
            If X or y is not usable (as scikit-learn says it).
        """
        X, y = self._checked(X, y)
        if self.method not in METHODS:
            raise SettingsError(f"method={self.method!r}; expected one of {quoted(METHODS)}")
        self.classes_, codes = encode_labels(y)
        tested = np.flatnonzero(np.bincount(codes) >= 2)
        if len(self.classes_) < 2 or not len(tested):
            raise DataError(
                f"{counted(len(self.classes_), 'class', 'classes')}, {len(tested)} of them with two cells or more; "
                "markers need two classes, one of them with two cells"
            )
        parts = rows_of_batches(batches if self.takes_batches else None, len(codes))
        test = _t_statistics if self.method == "t-test" else partial(_scanpy, method=self.method)
        statistics = test(X, codes, tested) if len(parts) == 1 else _of_batches(X, codes, tested, parts, test)
        self._set_order(each_in_turn(statistics), statistics.max(axis=0))
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def _of_batches(X: Any, codes: IntArray, tested: IntArray, parts: Sequence[IntArray], test: Test) -> FloatArray:
    """Test within batches; a class that no batch can test, against all other cells."""
    if test is _t_statistics:
        found = stratified_t(X, codes, tested, parts)
        rounded = np.clip(np.nan_to_num(found, nan=np.nan, posinf=LARGEST, neginf=-LARGEST), -LARGEST, LARGEST)
        found = rounded.astype(np.float32).astype(np.float64)
    else:
        found = stratified_ranks(X, codes, tested, parts, test)
    alone = np.isnan(found).any(axis=1)
    if alone.any():
        found[alone] = test(X, codes, tested[alone])
    return found


def _t_statistics(X: Any, codes: IntArray, tested: IntArray) -> FloatArray:
    """Compare classes with all other cells by Welch's t, shape (n_tested, n_genes); 0 where nothing differs."""
    counts = np.bincount(codes).astype(np.float64)
    sums, squares = (class_sums(as_float(X), codes, len(counts), squared=squared) for squared in (False, True))

    def summary(sums: FloatArray, squares: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        means = sums / n
        return means, np.sqrt(np.maximum(squares / n - means**2, 0.0) * (n / (n - 1))), n

    n = counts[tested, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        one = summary(sums[tested], squares[tested], n)
        rest = summary(sums.sum(axis=0) - sums[tested], squares.sum(axis=0) - squares[tested], counts.sum() - n)
        found = np.nan_to_num(ttest_ind_from_stats(*one, *rest, equal_var=False).statistic, posinf=LARGEST)
    found[np.abs(one[0] - rest[0]) <= MEAN_ROUNDING * np.maximum(np.abs(one[0]), np.abs(rest[0]))] = 0.0
    rounded: FloatArray = np.clip(found, -LARGEST, LARGEST).astype(np.float32).astype(np.float64)  # scanpy's precision
    return rounded


def _scanpy(X: Any, codes: IntArray, tested: IntArray, method: str) -> FloatArray:
    import scanpy as sc

    adata = as_anndata(X, codes)
    options = {"max_iter": 1000} if method == "logreg" else {}  # scanpy's own limit of 100 leaves it unfinished
    with quiet_warnings():  # of fold changes of negative or constant values, which are not used here
        sc.tl.rank_genes_groups(adata, "label", groups=tested.astype(str).tolist(), method=method, **options)
    found = adata.uns["rank_genes_groups"]
    rows = []
    for group in found["names"].dtype.names:
        row = np.empty(X.shape[1])
        row[found["names"][group].astype(np.int64)] = np.nan_to_num(found["scores"][group], nan=-np.inf, neginf=-np.inf)
        rows.append(row)
    if method == "logreg" and len(rows) == 1:  # two classes share one row of coefficients, of opposite sign
        rows.append(-rows[0])
    return np.array(rows, dtype=np.float64)
