"""How well boosted trees tell types apart by a panel (Spapros' forest measure)."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import StratifiedKFold
from sklearn.utils.class_weight import compute_sample_weight

from selectormlp.data.cells import FloatArray, IntArray, Matrix, dense
from selectormlp.errors import DataError, SettingsError, counted

LEAST_CELLS = 40
"""Cells that a type must have to take part, Spapros' default."""

N_SPLITS, N_SEEDS = 5, 5
"""Splits, and how often they are drawn, Spapros' defaults."""


def boosted_confusion(
    X: Matrix, labels: IntArray, *, seed: int = 0, n_seeds: int = N_SEEDS, n_splits: int = N_SPLITS
) -> tuple[IntArray, FloatArray]:
    """Return the confusion of boosted trees over cross-validation, each type weighing alike.

    XGBoost with trees of depth 3, a step of 0.2, 250 rounds, stopped after 5 without a gain on the test cells, as in
    Kuemmerle et al. (Nature Methods 2024). The test cells thus have a say in when to stop: the accuracy is a little
    too good.

    Parameters
    ----------
    X
        Expression of the panel's genes, shape (n_cells, n_panel), dense or CSR.
    labels
        Class codes, shape (n_cells,); types of fewer than 40 cells are left out.
    seed, n_seeds, n_splits
        Splits are drawn with ``n_seeds`` seeds.

    Returns
    -------
    The codes of the types, and the mean confusion: a row is a true type and sums to 1, shape (n_types, n_types).

    Raises
    ------
    SettingsError
        If XGBoost is not installed.
    DataError
        If fewer than two types have cells enough.
    """
    try:
        from xgboost import XGBClassifier
    except ImportError as error:
        raise SettingsError(
            "the accuracy of boosted trees needs XGBoost, which is not installed; install selectormlp[measures]"
        ) from error
    counts = np.bincount(labels[labels >= 0])
    codes = np.flatnonzero(counts >= LEAST_CELLS).astype(np.int64)
    if len(codes) < 2:
        raise DataError(
            f"{counted(len(codes), 'type has', 'types have')} {LEAST_CELLS} cells or more; boosted trees need two"
        )
    rows = np.flatnonzero(np.isin(labels, codes))
    values, y = dense(X[rows]), np.searchsorted(codes, labels[rows])
    found = []
    for draw in np.random.default_rng(seed).integers(0, 100_000, n_seeds):
        folds = StratifiedKFold(n_splits, shuffle=True, random_state=int(draw))
        for train, test in folds.split(values, y):
            model = XGBClassifier(
                max_depth=3,
                n_estimators=250,
                learning_rate=0.2,
                early_stopping_rounds=5,
                random_state=int(draw),
                n_jobs=1,
            )
            weights, judging = (compute_sample_weight("balanced", y[part]) for part in (train, test))
            model.fit(
                values[train],
                y[train],
                sample_weight=weights,
                eval_set=[(values[test], y[test])],
                sample_weight_eval_set=[judging],
                verbose=False,
            )
            found.append(
                confusion_matrix(y[test], model.predict(values[test]), normalize="true", sample_weight=judging)
            )
    return codes, np.mean(found, axis=0)
