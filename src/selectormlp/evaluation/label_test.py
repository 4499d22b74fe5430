"""Whether labels are more than clustered noise: learned from one part of the counts, told by the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold

from selectormlp.data.cells import AnyFloatArray, BoolArray, FloatArray, IntArray
from selectormlp.evaluation.neighborhoods import N_NEIGHBORS, Communities, neighbor_graph, neighbors
from selectormlp.evaluation.thinning import dispersions, homogeneous, split_counts
from selectormlp.progress import track

N_COMPONENTS = 20
"""Principal components that cells are clustered and told apart in."""

N_GENES = 1000
"""Genes of most variance that these are taken of."""

MAX_CELLS_PER_TYPE = 400
"""Cells of a type that are looked at: enough to know its distance to others to a few hundredths."""

MAX_CELLS = 1500
"""Cells that are clustered again."""

MIN_CELLS = 12
"""Cells of a type below which nothing is said of it."""

MAX_RESOLUTION, N_RESOLUTIONS = 32.0, 8
"""Largest resolution that is tried, and how often the one between two is, to find a number of clusters."""

MIN_CELLS_CUT = 50
"""Cells of a type from which it is cut in two, to see how far apart two halves of one type are."""

N_FOLDS = 4
"""Folds by which a cell is labelled and told by what others taught."""

N_NULL = 6
"""Draws of a homogeneous type that a distance is compared with."""

MARGIN = 4.0
"""Standard deviations of these draws that a distance must be above their mean."""

LEAST_GAP = 0.02
"""By how much it must be above their mean at least."""

CLEARLY_APART = 0.9
"""Distance (area under the curve) from which a pair is compared with the draws of nearer pairs."""

NEAREST_PAIRS = 4
"""Pairs that are compared with draws of their own, whatever their distance."""


@dataclass(frozen=True, eq=False)
class LabelTest:
    """What is left of labels on counts that had no part in them.

    Attributes
    ----------
    score
        Balanced accuracy by which clusters of the first part are told by the second, 0 to 1.
    null
        The same of homogeneous cells of the same depths, shape (n_draws,).
    n_clusters
        Clusters that the first part was cut into, as near to the number of types as it came.
    pairs
        One line per pair of types: ``first``, ``second``, ``distance`` (area under the curve by which the second part
        tells the labels of the first part), ``null`` (mean of homogeneous cells), ``limit`` (to be exceeded),
        ``apart``; nearest first.
    halves
        Distance, of each type with cells enough, of the two clusters that its own first part is cut into, on the second
        part, shape (n_types,).
    left_out
        Types with too few cells.
    """

    score: float
    null: FloatArray
    n_clusters: int
    pairs: pd.DataFrame
    halves: FloatArray
    left_out: tuple[str, ...]

    @property
    def limit(self) -> float:
        """Score above which there is more than noise."""
        return limit_of(self.null)

    @property
    def is_something(self) -> bool:
        """Whether clusters of the first part are told by the second better than those of homogeneous cells."""
        return self.score > self.limit

    @property
    def not_apart(self) -> list[tuple[str, str]]:
        """Pairs of types that are no further apart than what clustering makes of one homogeneous type."""
        rows = self.pairs[~self.pairs["apart"].astype(bool)]
        return list(zip(rows["first"], rows["second"], strict=True))


def limit_of(null: FloatArray) -> float:
    """Return what must be exceeded, given draws without any structure."""
    return float(null.mean() + max(LEAST_GAP, MARGIN * null.std(ddof=1)))


def judge_labels(counts: sp.csr_array, codes: IntArray, names: tuple[str, ...], *, seed: int = 0) -> LabelTest:
    """Compare labels with what the same clustering makes of one homogeneous type.

    Counts are cut into two parts whose noise is independent. Cells are clustered by the first, into as many clusters as
    there are types, and the second is asked for these clusters. And for each pair of types: each cell is given one of
    the two labels by its counts in the first part alone, as other cells have taught; the second part is asked for these
    labels. Labels that repeat noise of the counts are not found in the second part. As a measure of what would be found
    anyway (depths vary, dispersions are not quite right), homogeneous cells of the same depths and dispersions are
    drawn, cut into two by the same clustering, and treated alike. Real cells of one type differ by more than noise
    (stages, stress), along an axis that clustering cuts in two: so each type is cut in two as well, and pairs of types
    must be further apart than the halves of half of the types are.

    Parameters
    ----------
    counts
        Whole numbers, shape (n_cells, n_genes).
    codes
        Type of each cell, shape (n_cells,); negative for none.
    names
        Of the types.
    seed
        Seed; the same seed gives the same result.

    Notes
    -----
    What is said is that two labels are more than noise, and further apart than clustering takes the cells of one type;
    not that they are two types.
    """
    rng = np.random.default_rng(seed)
    sizes = np.bincount(codes[codes >= 0], minlength=len(names))
    usable = np.flatnonzero(sizes >= MIN_CELLS)
    left_out = tuple(names[code] for code in np.flatnonzero((sizes > 0) & (sizes < MIN_CELLS)))
    rows = _capped(codes, usable, rng)
    counts, codes = counts[rows], codes[rows]
    score, null, n_clusters = _overall(counts, len(usable), rng)
    pairs = [(a, b) for place, a in enumerate(usable.tolist()) for b in usable[place + 1 :].tolist()]
    distances = np.array([_distance(counts, codes, pair, rng) for pair in track(pairs, "telling types apart")])
    order = np.argsort(distances, kind="stable")
    n_near = max(min(NEAREST_PAIRS, len(order)), int((distances < CLEARLY_APART).sum()))
    near = [pairs[place] for place in order[:n_near]]
    nulls = np.array(
        [
            _repeated(lambda cells: _null_distance(cells, rng), counts[np.isin(codes, pair)])
            for pair in track(near, "drawing homogeneous types")
        ]
    )
    halves = _halves(counts, codes, usable, rng)
    limits = np.maximum(_limits(nulls), np.median(halves) if len(halves) else 0.0)
    lines: list[tuple[str, str, float, float, float, bool]] = []
    for rank, place in enumerate(order):
        like = int(limits.argmax()) if rank >= n_near else rank
        first, second = (names[code] for code in pairs[place])
        distance, limit = float(distances[place]), float(limits[like])
        lines.append((first, second, distance, float(nulls[like].mean()), limit, distance > limit))
    columns = ["first", "second", "distance", "null", "limit", "apart"]
    return LabelTest(score, null, n_clusters, pd.DataFrame(lines, columns=columns), halves, left_out)


def _halves(counts: sp.csr_array, codes: IntArray, usable: IntArray, rng: np.random.Generator) -> FloatArray:
    """Cut each type in two by the same clustering of its first part, and say how far apart the second has the two."""
    found = []
    for code in usable:
        rows = np.flatnonzero(codes == code)
        if len(rows) < MIN_CELLS_CUT:
            continue
        first, second = _split(counts[rows], rng)
        clusters = cluster_into(components(first), 2, seed=int(rng.integers(2**31)))
        found.append(_told_again(first, second, clusters > 0, rng))
    return np.array(found)


def _limits(nulls: FloatArray) -> FloatArray:
    """Return what the distance of each pair must exceed; few draws of one pair say little of how they vary."""
    if not len(nulls):
        return np.zeros(0)
    own = nulls.std(axis=1, ddof=1)
    common = float(np.sqrt(np.mean(own**2)))
    found: FloatArray = nulls.mean(axis=1) + np.maximum(LEAST_GAP, MARGIN * np.maximum(own, common))
    return found


def _capped(codes: IntArray, usable: IntArray, rng: np.random.Generator) -> IntArray:
    found = []
    for code in usable:
        rows = np.flatnonzero(codes == code)
        found.append(rows if len(rows) <= MAX_CELLS_PER_TYPE else rng.choice(rows, MAX_CELLS_PER_TYPE, replace=False))
    return np.sort(np.concatenate(found))


def _overall(counts: sp.csr_array, n_types: int, rng: np.random.Generator) -> tuple[float, FloatArray, int]:
    rows = np.arange(counts.shape[0])
    if len(rows) > MAX_CELLS:
        rows = np.sort(rng.choice(rows, MAX_CELLS, replace=False))
    few = counts[rows]
    score, n_clusters = _anew(few, n_types, rng)
    null = _repeated(lambda cells: _anew(homogeneous(cells, _spread(cells), rng), n_types, rng)[0], few)
    return score, null, n_clusters


def _anew(counts: sp.csr_array, n_types: int, rng: np.random.Generator) -> tuple[float, int]:
    """Cluster the first part, and tell the clusters by the second."""
    first, second = _split(counts, rng)
    clusters = cluster_into(components(first), n_types, seed=int(rng.integers(2**31)))
    found = np.bincount(clusters)
    large = np.isin(clusters, np.flatnonzero(found >= 2 * N_FOLDS))
    if len(np.unique(clusters[large])) < 2:
        return 1.0 / max(1, len(found)), len(found)
    points, labels = components(second)[large], clusters[large]
    told = _told(points, labels, rng, _predicted)
    return float(balanced_accuracy_score(labels, told)), len(found)


def _distance(counts: sp.csr_array, codes: IntArray, pair: tuple[int, int], rng: np.random.Generator) -> float:
    both = np.flatnonzero(np.isin(codes, pair))
    return _told_again(*_split(counts[both], rng), codes[both] == pair[1], rng)


def _split(counts: sp.csr_array, rng: np.random.Generator) -> tuple[sp.csr_array, sp.csr_array]:
    """Cut counts as if all cells were of one type, which is what is to be refuted.

    Dispersions within labels that cut one type are too small, and would leave noise in both parts.
    """
    return split_counts(counts, _spread(counts), rng)


def _spread(counts: sp.csr_array) -> FloatArray:
    return dispersions(counts, np.zeros(counts.shape[0], dtype=np.int64))


def _told_again(first: sp.csr_array, second: sp.csr_array, labels: BoolArray, rng: np.random.Generator) -> float:
    """Label cells by the first part, as others teach, and say how well the second tells these labels, 0.5 to 1."""
    anew = _told(components(first), labels.astype(np.int64), rng, _predicted).astype(np.int64)
    if np.bincount(anew, minlength=2).min() < N_FOLDS:
        return 0.5
    scores = _told(components(second), anew, rng, _scored)
    return float(roc_auc_score(anew, scores))


def _null_distance(counts: sp.csr_array, rng: np.random.Generator) -> float:
    drawn = homogeneous(counts, _spread(counts), rng)
    clusters = cluster_into(components(drawn), 2, seed=int(rng.integers(2**31)))
    labels = clusters > 0
    if min(labels.sum(), (~labels).sum()) < N_FOLDS:
        return 0.5
    return _told_again(*_split(drawn, rng), labels, rng)


def _repeated(draw: Callable[[sp.csr_array], float], counts: sp.csr_array) -> FloatArray:
    return np.array([draw(counts) for _ in range(N_NULL)])


def _told(
    points: AnyFloatArray, labels: IntArray, rng: np.random.Generator, tell: Callable[..., AnyFloatArray]
) -> AnyFloatArray:
    """Fit on all folds but one and tell that one, in turn."""
    n_folds = max(2, min(N_FOLDS, int(np.bincount(labels)[np.unique(labels)].min())))
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=int(rng.integers(2**31)))
    found = np.zeros(len(labels))
    for known, asked in folds.split(points, labels):
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=_even(labels[known]))
        found[asked] = tell(model.fit(points[known], labels[known]), points[asked])
    return found


def _even(labels: IntArray) -> FloatArray:
    n_classes = len(np.unique(labels))
    return np.full(n_classes, 1.0 / n_classes)


def _predicted(model: LinearDiscriminantAnalysis, points: AnyFloatArray) -> AnyFloatArray:
    return np.asarray(model.predict(points), dtype=np.float64)


def _scored(model: LinearDiscriminantAnalysis, points: AnyFloatArray) -> AnyFloatArray:
    return np.asarray(model.decision_function(points))


def components(counts: sp.csr_array) -> AnyFloatArray:
    """Return principal components of log counts, scaled to the median total, of the genes of most variance."""
    totals = np.asarray(counts.sum(axis=1)).ravel()
    target = float(np.median(totals[totals > 0])) if (totals > 0).any() else 1.0
    factors = target / np.where(totals > 0, totals, 1.0)
    logs = sp.csr_array(
        (np.log1p(counts.data * np.repeat(factors, np.diff(counts.indptr))), counts.indices, counts.indptr),
        shape=counts.shape,
    )
    mean = np.asarray(logs.mean(axis=0)).ravel()
    variances = np.asarray(logs.multiply(logs).mean(axis=0)).ravel() - mean**2
    genes = np.sort(np.argsort(-variances, kind="stable")[:N_GENES])
    few = logs[:, genes].toarray()
    n_components = max(1, min(N_COMPONENTS, few.shape[0] // 3, few.shape[1] - 1))
    return np.asarray(PCA(n_components, svd_solver="randomized", random_state=0).fit_transform(few))


def cluster_into(points: AnyFloatArray, n_clusters: int, *, seed: int) -> IntArray:
    """Cluster cells by the Leiden algorithm, with a resolution that gives about this number of clusters.

    Parameters
    ----------
    points
        Shape (n_cells, n_components).
    n_clusters
        How many are wanted.
    seed
        Of the algorithm.

    Returns
    -------
    Cluster of each cell, from 0, the largest first, shape (n_cells,).
    """
    found = neighbors(points.astype(np.float32), min(N_NEIGHBORS, len(points) - 1))
    communities = Communities(neighbor_graph(found), seed)
    low, high = 0.0, 1.0
    best = communities.at(high)
    while best.max() + 1 < n_clusters and high < MAX_RESOLUTION:
        low, high = high, high * 2
        best = communities.at(high)
    for _ in range(N_RESOLUTIONS):
        if best.max() + 1 == n_clusters:
            break
        middle = (low + high) / 2
        tried = communities.at(middle)
        low, high = (middle, high) if tried.max() + 1 < n_clusters else (low, middle)
        if abs(int(tried.max()) + 1 - n_clusters) <= abs(int(best.max()) + 1 - n_clusters):
            best = tried
    return best
