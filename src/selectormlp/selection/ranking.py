"""Rank genes: by any method for cells in memory, by methods that use moments for cells on disk."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from selectormlp.data.cells import AnyFloatArray, BoolArray, Cells, FloatArray, IntArray, Matrix
from selectormlp.data.label_tree import Mistakes
from selectormlp.data.stored import AnyCells, StoredCells
from selectormlp.errors import DataError, InputError, SettingsError, counted, quoted
from selectormlp.moments.dask import Workers
from selectormlp.panel.limits import Limit
from selectormlp.progress import step
from selectormlp.selectors.base import GeneSelector, check_scores
from selectormlp.selectors.closed_form import ClosedFormSelector
from selectormlp.selectors.registry import METHODS, SET_HERE, Method, find_method

logger = logging.getLogger(__name__)

MAX_CHOSEN = 500
"""Number of genes chosen one at a time if all are to be ranked; the others follow by their gain on top of these."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """Genes ranked by a method.

    Attributes
    ----------
    method
        Name of the method.
    order
        Columns from the best gene to the worst, shape (n_genes,).
    scores
        Score of each gene, or its gain when it was chosen, in the unit of the method, shape (n_genes,).
    settings
        Parameters of the selector, and its own choices (see ``record_`` of
        :class:`selectormlp.auto.selector.AutoSelector`).
    nested
        Whether the order is the same for every panel size.
    thresholds
        Expression above which each gene counts as on, shape (n_genes,), for methods that binarise; or None.
    silent
        Genes that no cell expresses, shape (n_genes,); they come last. None if not checked.
    """

    method: str
    order: IntArray
    scores: AnyFloatArray
    settings: dict[str, Any]
    nested: bool
    thresholds: AnyFloatArray | None = None
    silent: BoolArray | None = None

    @property
    def ranks(self) -> IntArray:
        """Rank of each gene, 1 best, shape (n_genes,)."""
        ranks: IntArray = np.argsort(self.order) + 1
        return ranks


def rank_genes(
    cells: Cells,
    method: Any,
    *,
    n_genes: int,
    must_have: Sequence[int] = (),
    limits: Sequence[Limit] = (),
    priorities: FloatArray | None = None,
    mistakes: Mistakes | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    target: Matrix | None = None,
) -> Ranking:
    """Rank genes by a method.

    Parameters
    ----------
    cells
        Cells to learn from; those without class are ignored unless the method needs no labels.
    method
        A method, its name, or an estimator; see :func:`selectormlp.selectors.registry.find_method`.
    n_genes
        Size of the panel; methods that choose one gene at a time stop there.
    must_have
        Columns to be chosen first. Methods that choose one gene at a time rank them first and take them into account;
        other methods rank them like other genes.
    limits
        Hard limits on the panel, amounts by column, taken into account by the same methods.
    priorities
        Factor per gene, shape (n_genes,): in those methods on its gain, in others on its rank (1 for the first, 0 for
        the last).
    mistakes
        Costs of mistakes between types, for methods that weigh them; others give a warning.
    options
        Non-default parameters of the selector.
    seed
        Random seed of the method.
    target
        Profiles to predict, shape (n_cells, n_target_genes), for methods that take them; None: the genes of ``cells``.

    Raises
    ------
    SettingsError
        If the method or an option is unknown, or a value is not usable.
    DataError
        If the method needs two classes and there are fewer, or it cannot use the matrix.

    Notes
    -----
    Networks use settings that fit the number of cells (:mod:`selectormlp.networks.sizes`). ``mlp`` keeps the weights of
    the best epoch on validation cells: a sixth of each class, at most 1,000 cells, or, with donors, separate donors
    with about as many cells. ``selector_mlp`` keeps those of the last epoch, since the best epoch may come long before
    the gene weights have settled: on pbmc68k, refitted logistic regression reached 0.67 with 10 genes of the last epoch
    and 0.54 with those of the best (mean of three splits).

    Examples
    --------
    >>> import pandas as pd
    >>> X = np.array([[0, 3], [1, 2], [0, 0], [1, 0]], dtype=np.float32)
    >>> names = pd.Index(["c1", "c2", "c3", "c4"])
    >>> cells = Cells(X, pd.Index(["ACTB", "CD3D"]), names, np.array([0, 0, 1, 1]), ("T", "B"))
    >>> rank_genes(cells, "discriminant", n_genes=1).ranks
    array([2, 1])
    """
    found = find_method(method)
    if found.kind.needs_labels:
        cells = _of_two_classes(cells, found.name)
    selector = found.prepared(
        n_genes=n_genes,
        must_have=list(map(int, must_have)),
        seed=seed,
        limits=limits,
        priorities=priorities,
        mistakes=mistakes,
        options=options or {},
        n_cells=cells.n_cells,
    )
    _warn_of_unused(mistakes, found)
    logger.info("choosing genes by %s from %d cells × %d genes", found.name, cells.n_cells, cells.n_genes)
    try:
        with step(f"choosing genes by {found.name}"):
            selector.fit_cells(cells, target=target, seed=seed)
    except InputError:
        raise
    except ValueError as error:  # scikit-learn's and scanpy's own checks
        reason = " ".join(str(error).split())[:300]
        raise DataError(f"the method {found.name!r} cannot use these cells or options: {reason}") from error
    ranking = _silent_last(_ranking(selector, found), unexpressed(cells.X))
    return ranking if priorities is None or hasattr(selector, "priorities") else _preferring(ranking, priorities)


def rank_stored_genes(
    cells: StoredCells,
    method: Method,
    *,
    n_genes: int,
    must_have: Sequence[int] = (),
    limits: Sequence[Limit] = (),
    priorities: FloatArray | None = None,
    mistakes: Mistakes | None = None,
    options: Mapping[str, Any] | None = None,
    workers: Workers | None = None,
) -> Ranking:
    """Rank genes by a method that learns from moments, from cells on disk.

    Parameters
    ----------
    cells, n_genes, must_have, limits, priorities, mistakes, options
        As in :func:`rank_genes`.
    method
        A method with ``learns_from_moments``.
    workers
        Threads or cluster to read with; None: the active Dask client, or threads of this machine.

    Raises
    ------
    SettingsError, DataError
        As :func:`rank_genes` does; and if a file cannot be read, or a cluster cannot be reached.
    """
    if method.kind.needs_labels:
        cells = _of_two_classes(cells, method.name)
    selector = method.prepared(
        n_genes=n_genes,
        must_have=list(map(int, must_have)),
        seed=0,
        limits=limits,
        priorities=priorities,
        mistakes=mistakes,
        options=options or {},
    )
    _warn_of_unused(mistakes, method)
    logger.info("choosing genes by %s from %d cells × %d genes on disk", method.name, cells.n_cells, cells.n_genes)
    if not isinstance(selector, ClosedFormSelector):
        able = [name for name, known in METHODS.items() if known.kind.learns_from_moments]
        raise SettingsError(f"the method {method.name!r} does not learn from cells on disk; use {quoted(able)}")
    with step(f"choosing genes by {method.name}"):
        selector.fit_stored(cells, workers=workers)
    return _ranking(selector, method)


def _warn_of_unused(mistakes: Mistakes | None, method: Method) -> None:
    """Warn if a method ignores the costs of mistakes."""
    if mistakes is not None and not method.takes_mistakes:
        able = [name for name, known in METHODS.items() if known.takes_mistakes]
        logger.warning(
            "the method %r weighs all mistakes between types equally: costs and balance over nodes change "
            "nothing (a minimum of markers per node still holds); methods that weigh them: %s",
            method.name,
            quoted(able, most=len(able)),
        )


def unexpressed(X: Matrix) -> BoolArray:
    """Return which genes are 0 in every cell, shape (n_genes,).

    Examples
    --------
    >>> unexpressed(np.array([[0, 1], [0, 0]], dtype=np.float32))
    array([ True, False])
    """
    if isinstance(X, sp.csr_array):
        silent: BoolArray = np.bincount(X.indices[X.data != 0], minlength=X.shape[1]) == 0
    else:
        silent = ~np.asarray((X != 0).any(axis=0))
    return silent


def _silent_last(ranking: Ranking, silent: BoolArray) -> Ranking:
    """Move genes that no cell expresses to the end of the ranking."""
    last = silent[ranking.order]
    order = ranking.order if not last.any() else np.concatenate([ranking.order[~last], ranking.order[last]])
    return replace(ranking, order=order, silent=silent)


def _preferring(ranking: Ranking, priorities: FloatArray) -> Ranking:
    """Order genes by rank times priority."""
    worth = (1.0 - np.arange(len(ranking.order)) / len(ranking.order)) * priorities[ranking.order]
    return replace(ranking, order=ranking.order[np.argsort(-worth, kind="stable")])


def warn_of_silent_genes(ranking: Ranking, genes: pd.Index[str], chosen: Sequence[str]) -> None:
    """Warn of genes of a panel that no cell expresses, if that was checked."""
    nothing = ranking.scores == 0 if ranking.silent is None else ranking.silent
    empty = [gene for gene in chosen if gene in set(genes[nothing])]
    several = len(empty) > 1
    if empty:
        logger.warning(
            "%s of the panel %s (%s): no others are left, or they are must-have genes; ask for fewer genes, or "
            "check that the right genes and cells were read",
            counted(len(empty), "gene", "genes"),
            ("adds nothing", "add nothing")[several]
            if ranking.silent is None
            else ("has", "have")[several] + " no count in any cell",
            quoted(empty),
        )


def rank_all_genes(cells: Cells, method: str, *, seed: int = 0) -> Ranking:
    """Rank all genes by a method, without a panel size.

    Parameters
    ----------
    cells, method, seed
        As in :func:`rank_genes`; at most ``MAX_CHOSEN`` genes are chosen one at a time.

    Raises
    ------
    SettingsError, DataError
        As :func:`rank_genes` does.
    """
    return rank_genes(cells, method, n_genes=min(cells.n_genes, MAX_CHOSEN), seed=seed)


def _of_two_classes(cells: AnyCells, method: str) -> AnyCells:
    """Drop cells without class; raise if all are of one class."""
    known = cells.labels >= 0
    kept = cells if known.all() else cells.take(known)
    if (kept.class_counts() > 0).sum() < 2:
        raise DataError(
            f"the method {method!r} tells classes apart, and all {kept.n_cells} labelled cells are of one class; "
            "use another label column, or a method that needs no labels ('reconstruction', 'variance')"
        )
    return kept


def _ranking(selector: GeneSelector, method: Method) -> Ranking:
    """Return the ranking of a fitted selector; raise if all scores are 0."""
    check_scores(selector.scores_, f"the method {method.name!r}")
    if not np.any(selector.scores_):
        raise DataError(
            f"the method {method.name!r} found nothing to choose by: every gene scores 0, as if none varied; check "
            "the matrix or layer and the labels"
        )
    parameters = {**selector.get_params(deep=False), **getattr(selector, "record_", {})}
    if hasattr(selector, "device_"):
        parameters["device_used"] = selector.device_
    return Ranking(
        method=method.name,
        order=np.argsort(selector.ranking_),
        scores=selector.scores_,
        settings={name: value for name, value in parameters.items() if name not in SET_HERE},
        nested=method.kind.is_nested and getattr(selector, "is_nested_", True),
        thresholds=getattr(selector, "thresholds_", None),
    )
