"""Strong plain choices of scikit-learn, LightGBM and XGBoost."""

from __future__ import annotations

import numpy as np

from peers.shared import Labels, Peer, Values, best_first, standardised

DROPPED = 0.1
"""Share of the genes left that recursive elimination drops at a time."""

SHAP_CELLS = 1000
"""Cells that Shapley values are averaged over."""


def elimination(X: Values, y: Labels, size: int, seed: int, *, C: float = 1.0, dropped: float = DROPPED) -> Labels:
    """Fit a logistic regression, drop the genes with the least coefficients, and go on with the others."""
    from sklearn.linear_model import LogisticRegression

    scaled, left, order = standardised(X), np.arange(X.shape[1]), list[int]()
    while len(left) > 1:
        model = LogisticRegression(C=C, max_iter=100, tol=1e-3, class_weight="balanced", random_state=seed)
        strength = np.square(model.fit(scaled[:, left], y).coef_).sum(axis=0)
        weakest = best_first(strength)[::-1][: max(1, int(dropped * len(left)))]
        order += left[weakest].tolist()
        left = np.delete(left, weakest)
        if len(left) <= size:  # those that stay are in order of strength once more
            break
    last = LogisticRegression(C=C, max_iter=100, class_weight="balanced", random_state=seed).fit(scaled[:, left], y)
    return np.array([*left[best_first(np.square(last.coef_).sum(axis=0))], *order[::-1]], dtype=np.int64)


def shapley(X: Values, y: Labels, size: int, seed: int, *, num_leaves: int = 31, min_child_samples: int = 20) -> Labels:
    """Rank genes by the mean absolute Shapley value of boosted trees, over cells and classes."""
    from lightgbm import LGBMClassifier

    del size
    model = LGBMClassifier(
        num_leaves=num_leaves,
        min_child_samples=min_child_samples,
        class_weight="balanced",
        random_state=seed,
        deterministic=True,
        n_jobs=1,
        verbose=-1,
    ).fit(X, y)
    rows = np.random.default_rng(seed).permutation(len(X))[:SHAP_CELLS]
    values = np.abs(np.asarray(model.predict(X[rows], pred_contrib=True))).mean(axis=0)
    return best_first(values.reshape(-1, X.shape[1] + 1)[:, :-1].sum(axis=0))  # the last of each class is its bias


def naive_bayes(
    X: Values, y: Labels, size: int, seed: int, *, screened: int = 300, var_smoothing: float = 1e-2
) -> Labels:
    """Add the gene with which naive Bayes does best on a third of the cells that it has not learned from.

    Gaussian naive Bayes adds up a term of each gene, so that a further gene costs one sum. Ties are broken by the mean
    log probability of the true class.
    """
    from sklearn.feature_selection import f_classif
    from sklearn.model_selection import train_test_split
    from sklearn.naive_bayes import GaussianNB

    X_train, X_judge, y_train, y_judge = train_test_split(X, y, test_size=1 / 3, stratify=y, random_state=seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        some = best_first(np.nan_to_num(f_classif(X_train, y_train)[0]))[: max(screened, size)]
    model = GaussianNB(var_smoothing=var_smoothing).fit(X_train[:, some], y_train)
    judged, total = X_judge[:, some], np.tile(np.log(model.class_prior_), (len(y_judge), 1)).astype(np.float32)
    terms = [_log_normal(judged[:, place], model.theta_[:, place], model.var_[:, place]) for place in range(len(some))]
    weights = 1 / np.bincount(y_judge)[y_judge]
    chosen, left = list[int](), list(range(len(some)))
    while len(chosen) < min(size, len(some)):
        scores = [_judge(total + terms[place], y_judge, weights) for place in left]
        best = left.pop(max(range(len(scores)), key=scores.__getitem__))
        total += terms[best]
        chosen.append(int(some[best]))
    return np.array(chosen, dtype=np.int64)


def _log_normal(values: Values, means: Values, variances: Values) -> Values:
    found = -0.5 * (np.log(variances) + (values[:, None] - means) ** 2 / variances)
    return found.astype(np.float32)


def _judge(total: Values, y: Labels, weights: Values) -> tuple[float, float]:
    right = total.argmax(axis=1) == y
    top = total.max(axis=1)
    sure = total[np.arange(len(y)), y] - top - np.log(np.exp(total - top[:, None]).sum(axis=1))
    return float(weights @ right), float(weights @ sure)


def total_gain(X: Values, y: Labels, size: int, seed: int, *, max_depth: int = 6, learning_rate: float = 0.3) -> Labels:
    """Rank genes by the summed gain of boosted trees."""
    del size
    return _boosted(X, y, seed, importance_type="total_gain", max_depth=max_depth, learning_rate=learning_rate)


def mean_gain(X: Values, y: Labels, size: int, seed: int) -> Labels:
    """Rank genes by the mean gain of boosted trees, XGBoost's default."""
    del size
    return _boosted(X, y, seed, importance_type="gain")


def _boosted(X: Values, y: Labels, seed: int, **settings: object) -> Labels:
    from xgboost import XGBClassifier

    model = XGBClassifier(tree_method="hist", random_state=seed, n_jobs=1, **settings)
    return best_first(model.fit(X, y).feature_importances_)


def l1_svm(X: Values, y: Labels, size: int, seed: int) -> Labels:
    """Rank genes by the summed absolute coefficients of a linear machine with an L1 penalty."""
    from sklearn.svm import LinearSVC

    del size
    model = LinearSVC(penalty="l1", dual=False, class_weight="balanced", random_state=seed)
    return best_first(np.abs(model.fit(standardised(X), y).coef_).sum(axis=0))


def rank_average(X: Values, y: Labels, size: int, seed: int, *, C: float = 1.0, min_samples_leaf: int = 1) -> Labels:
    """Average the ranks by F test, random forest and logistic regression."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.feature_selection import f_classif
    from sklearn.linear_model import LogisticRegression

    del size
    with np.errstate(divide="ignore", invalid="ignore"):
        tested = np.nan_to_num(f_classif(X, y)[0])
    forest = RandomForestClassifier(
        200, class_weight="balanced", min_samples_leaf=min_samples_leaf, random_state=seed, n_jobs=1
    ).fit(X, y)
    linear = LogisticRegression(C=C, max_iter=200, class_weight="balanced").fit(standardised(X), y)
    scores = (tested, forest.feature_importances_, np.square(linear.coef_).sum(axis=0))
    return best_first(-np.mean([np.argsort(best_first(score)) for score in scores], axis=0))


PEERS = {
    "elimination": Peer(
        elimination,
        "scikit-learn",
        "logistic regression, a tenth of the genes dropped at a time; Guyon et al., Machine Learning 2002",
        nested=False,
        grid={"C": (0.01, 0.1, 1.0), "dropped": (0.1, 0.3)},
    ),
    "lightgbm-shap": Peer(
        shapley,
        "lightgbm",
        "Ke et al., NIPS 2017; Lundberg and Lee, NIPS 2017",
        grid={"num_leaves": (7, 31), "min_child_samples": (5, 20)},
    ),
    "naive-bayes": Peer(
        naive_bayes,
        "scikit-learn",
        "greedy, Gaussian; the genes with the largest F statistics",
        grid={"screened": (100, 300, 1000), "var_smoothing": (1e-3, 1e-2, 1e-1)},
    ),
    "xgboost-total": Peer(
        total_gain,
        "xgboost",
        "Chen and Guestrin, KDD 2016; ranked by total gain",
        grid={"max_depth": (3, 6), "learning_rate": (0.1, 0.3)},
    ),
    "xgboost": Peer(mean_gain, "xgboost", "Chen and Guestrin, KDD 2016; ranked by mean gain"),
    "l1-svm": Peer(
        l1_svm,
        "scikit-learn",
        "LinearSVC, C = 1, classes balanced, genes standardised; ranked by the sum of |coefficients| over classes",
    ),
    "rank-average": Peer(
        rank_average,
        "scikit-learn",
        "mean rank by F test, random forest and logistic regression",
        grid={"C": (0.01, 1.0), "min_samples_leaf": (1, 5)},
    ),
}
