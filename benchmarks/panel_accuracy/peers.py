"""Methods of other packages, at their documented defaults; what had to be adapted is said where it is.

Each takes the learning cells, the size wanted and a seed, and returns columns, best first. All run on one core.
Packages are imported by the methods that want them.
"""

from __future__ import annotations

import collections
import collections.abc
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from anndata import AnnData
from sklearn.preprocessing import StandardScaler

from panel_accuracy.protocol import Learning
from selectormlp.data.cells import IntArray
from selectormlp.selectors.base import order_by_score
from selectormlp.selectors.scanpy_input import as_anndata

Select = Callable[[Learning, int, int], IntArray]


@dataclass(frozen=True)
class Peer:
    """A method of another package.

    Attributes
    ----------
    select
        Takes learning cells, size and seed; returns columns, best first, fewer than the size where the method names
        no more.
    package
        Distribution whose version is recorded.
    source
        The paper, and what was adapted.
    nested
        Whether one run gives the panels of every smaller size.
    quick
        Whether a run on a few made-up cells takes seconds at most, so that it can be done before the time is taken.
    """

    select: Select
    package: str
    source: str
    nested: bool = True
    quick: bool = True


def in_turn(lists: Sequence[Sequence[int]]) -> IntArray:
    """Let each class give its best gene not yet taken, class after class, until the lists are empty.

    Examples
    --------
    >>> in_turn([[3, 2], [3, 1, 0]])
    array([3, 1, 2, 0])
    """
    rest, taken = [list(columns) for columns in lists], dict[int, None]()
    while any(rest):
        for columns in rest:
            while columns and columns[0] in taken:
                columns.pop(0)
            if columns:
                taken[columns.pop(0)] = None
    return np.array(list(taken), dtype=np.int64)


def _adata(learning: Learning) -> AnnData:
    """Wrap the cells; classes are named so that no package takes them for numbers."""
    adata = as_anndata(learning.X)
    adata.obs["label"] = pd.Categorical([f"class{code}" for code in learning.y])
    adata.var_names = [f"g{column}" for column in range(adata.n_vars)]
    return adata


def _columns(genes: Sequence[str]) -> list[int]:
    return [int(gene[1:]) for gene in genes]


def cosg(learning: Learning, size: int, seed: int) -> IntArray:
    import cosg as package

    del size, seed
    adata = _adata(learning)
    package.cosg(adata, groupby="label", key_added="cosg", n_genes_user=adata.n_vars)
    found = adata.uns["cosg"]
    lists = []
    for group in found["names"].dtype.names:
        kept = np.asarray(found["scores"][group]) > -1  # -1 marks genes that too few cells of the class express
        lists.append(_columns(np.asarray(found["names"][group])[kept]))
    return in_turn(lists)


def nsforest(learning: Learning, size: int, seed: int) -> IntArray:
    import nsforest as package

    del size, seed  # it sets its own seed
    adata = package.pp.prep_medians(_adata(learning), "label")
    adata = package.pp.prep_binary_scores(adata, "label")
    with tempfile.TemporaryDirectory() as folder:  # made anew even where nothing is written
        markers = package.nsforesting.NSForest(adata, "label", n_jobs=1, output_folder=f"{folder}/")
    return in_turn([_columns(genes) for genes in markers["NSForest_markers"]])


def spapros(learning: Learning, size: int, seed: int) -> IntArray:
    np.in1d = np.isin  # noqa: NPY201 - a name that numpy 2.4 has dropped; the same values in one dimension
    import spapros as package

    adata = _adata(learning)
    selector = package.se.ProbesetSelector(
        adata, celltype_key="label", genes_key=None, n=size, verbosity=0, seed=seed, n_jobs=1
    )
    selector.select_probeset()
    chosen = selector.probeset[selector.probeset["selection"]].sort_values("rank", kind="stable")
    return np.array(_columns(chosen.index), dtype=np.int64)


def lassonet(learning: Learning, size: int, seed: int) -> IntArray:
    from lassonet import LassoNetClassifier

    del size
    model = LassoNetClassifier(verbose=0, random_state=seed, torch_seed=seed)
    model.path(StandardScaler().fit_transform(learning.X), learning.y)
    return order_by_score(model.feature_importances_.numpy())


def stg(learning: Learning, size: int, seed: int) -> IntArray:
    import torch

    for name in ("Iterable", "Mapping", "Sequence", "Set"):
        setattr(collections, name, getattr(collections.abc, name))  # where they were before Python 3.10
    from stg import STG

    del size
    torch.manual_seed(seed)  # its own random_state is not used
    X = StandardScaler().fit_transform(learning.X)
    model = STG(
        device="cpu",
        task_type="classification",
        input_dim=X.shape[1],
        output_dim=learning.n_classes,
        hidden_dims=[60, 20],
        activation="tanh",
        optimizer="SGD",
        learning_rate=0.1,
        batch_size=len(X),
        feature_selection=True,
        sigma=0.5,
        lam=0.5,
    )
    model.fit(X, learning.y, nr_epochs=STG_EPOCHS, verbose=False)
    return order_by_score(model.get_gates(mode="raw"))


STG_EPOCHS = 5_000
"""As in the package's own tests of classification, whose network, step and penalty are taken too: the constructor's
learning rate of 1e-5 hardly moves the gates."""


def xgboost(learning: Learning, size: int, seed: int) -> IntArray:
    from xgboost import XGBClassifier

    del size
    model = XGBClassifier(tree_method="hist", importance_type="gain", random_state=seed, n_jobs=1)
    return order_by_score(model.fit(learning.X, learning.y).feature_importances_)


def l1_svm(learning: Learning, size: int, seed: int) -> IntArray:
    from sklearn.svm import LinearSVC

    del size
    model = LinearSVC(penalty="l1", dual=False, class_weight="balanced", random_state=seed)
    model.fit(StandardScaler().fit_transform(learning.X), learning.y)
    return order_by_score(np.abs(model.coef_).sum(axis=0))


PEERS: Mapping[str, Peer] = {
    "cosg": Peer(cosg, "cosg", "Dai et al., Briefings in Bioinformatics 2022; markers of each class in turn"),
    "nsforest": Peer(
        nsforest,
        "nsforest",
        "Aevermann et al., Genome Research 2021; markers of each class in turn; names 1 to 6 genes a class, so that "
        "large panels hold fewer genes than asked for",
        quick=False,
    ),
    "spapros": Peer(
        spapros,
        "spapros",
        "Kuemmerle et al., Nature Methods 2024; a run for each size; names that numpy has dropped are put back",
        nested=False,
        quick=False,
    ),
    "lassonet": Peer(
        lassonet,
        "lassonet",
        "Lemhadri et al., JMLR 2021; genes standardised; ranked by when they leave the path",
        quick=False,
    ),
    "stg": Peer(
        stg,
        "stg",
        "Yamada et al., ICML 2020; genes standardised; settings of the package's tests; ranked by gate; names that "
        "Python has dropped are put back",
        quick=False,
    ),
    "xgboost": Peer(xgboost, "xgboost", "Chen and Guestrin, KDD 2016; ranked by mean gain"),
    "l1-svm": Peer(
        l1_svm,
        "scikit-learn",
        "LinearSVC, C = 1, classes balanced, genes standardised; ranked by the sum of |coefficients| over classes",
    ),
}
"""Peers by name. scanpy's rankers and the random forest are in :mod:`panel_accuracy.methods`."""
