"""How well a few genes of a panel mark each type by one split each (NS-Forest's F-beta)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from sklearn.metrics import fbeta_score, precision_score, recall_score
from sklearn.tree import DecisionTreeClassifier

from selectormlp.data.cells import BoolArray, FloatArray, IntArray, Matrix, dense

BETA = 0.5
"""Weight of recall against precision, NS-Forest's default: precision counts more."""

MOST = 6
"""Genes that are combined for a type, NS-Forest's default."""

TIE = 1e-12
"""A set of genes is better than a smaller one only by more than rounding."""


@dataclass(frozen=True)
class Marking:
    """The genes of a panel that mark a type best together.

    Attributes
    ----------
    type
        Its name.
    genes
        Columns of the panel.
    f_beta, precision, recall
        Of calling a cell of the type where every gene is above its split.
    """

    type: str
    genes: tuple[int, ...]
    f_beta: float
    precision: float
    recall: float


def above_split(values: FloatArray, member: BoolArray) -> BoolArray:
    """Split one gene where a decision tree would, and say which cells lie above; none where it does not split.

    Parameters
    ----------
    values
        Of the gene, shape (n_cells,).
    member
        Which cells are of the type, shape (n_cells,).

    Examples
    --------
    >>> above_split(np.array([0.0, 1.0, 4.0, 5.0]), np.array([False, False, True, True]))
    array([False, False,  True,  True])
    """
    column = values.reshape(-1, 1)
    found: BoolArray = DecisionTreeClassifier(max_leaf_nodes=2).fit(column, member).apply(column) == 2
    return found


def mark(above: BoolArray, member: BoolArray, *, beta: float = BETA) -> tuple[float, float, float]:
    """Return F-beta, precision and recall of calling the cells that lie above every split.

    Parameters
    ----------
    above
        Which cells lie above the split of each gene, shape (n_cells, n_genes).
    member
        Which cells are of the type, shape (n_cells,).
    beta
        Weight of recall.
    """
    called = above.all(axis=1)
    return (
        float(fbeta_score(member, called, beta=beta, zero_division=0)),
        float(precision_score(member, called, zero_division=0)),
        float(recall_score(member, called, zero_division=0)),
    )


def best_marking(X: Matrix, labels: IntArray, classes: Sequence[str], *, most: int = MOST) -> list[Marking]:
    """Find, for each type, the genes of a panel that mark it best.

    Aevermann et al. (Genome Research 2021): each gene is split once; a cell is called where it lies above the splits of
    all genes of a set; every set of the six genes that do best alone is tried, smaller ones first. NS-Forest takes its
    six from all genes of the data, by a random forest; here they come from the panel.

    Parameters
    ----------
    X
        Expression of the panel's genes, shape (n_cells, n_panel), dense or CSR.
    labels
        Class codes, shape (n_cells,).
    classes
        Names; those without cells are left out.
    most
        Genes that are combined.
    """
    values, found = dense(X).astype(np.float64), []
    for code, name in enumerate(classes):
        member = labels == code
        if not member.any() or member.all():
            continue
        above = np.column_stack([above_split(values[:, gene], member) for gene in range(values.shape[1])])
        alone = np.array([_f_beta(above[:, gene], member) for gene in range(values.shape[1])])
        some = np.argsort(-alone, kind="stable")[:most]
        best, score = (int(some[0]),), float(alone[some[0]])
        for size in range(2, len(some) + 1):
            for genes in combinations(some.tolist(), size):
                called: BoolArray = np.all(above[:, list(genes)], axis=1)
                more = _f_beta(called, member)
                if more > score + TIE:
                    best, score = genes, more
        found.append(Marking(name, best, *mark(above[:, list(best)], member)))
    return found


def _f_beta(called: BoolArray, member: BoolArray, beta: float = BETA) -> float:
    """F-beta from counts, many times faster than scikit-learn's checks of its input."""
    right = np.count_nonzero(called & member)
    weight = beta**2
    return (1 + weight) * right / (weight * np.count_nonzero(member) + np.count_nonzero(called))
