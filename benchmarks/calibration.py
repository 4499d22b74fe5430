"""Calibration of ``predict`` on a donor that nothing was learned from.

Each donor is left out before genes are chosen; the classifier is fitted on the others, by ``fit_classifier`` with
donors named where there are two or more, and predicts the cells of the one left out (types that the
others lack do not count).
*Before* is what earlier versions did: counts per 10,000 of the panel, one temperature for all cells of donors left out.

    SELECTORMLP_DATA=FOLDER python benchmarks/calibration.py baron_human ifnb_kang2800 --genes 25
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from scipy.special import log_softmax

import selectormlp as sm
from selectormlp.data.anndata_files import read_adata
from selectormlp.data.normalize import log1p_cp10k
from selectormlp.evaluation.calibration import calibration_error, fit_temperature
from selectormlp.evaluation.refit import fit_quietly, make_classifier
from selectormlp.evaluation.splits import make_folds


def scores_of(fitted, X, n_classes) -> np.ndarray:
    found = np.full((len(X), n_classes), -1e4)
    found[:, fitted[-1].classes_] = fitted.decision_function(X)
    return found


def before(X, labels, donors, X_new, n_classes) -> tuple[np.ndarray, float]:
    """Return probabilities of new cells, and the error on the cells that the temperature was fitted on."""
    folds = make_folds(labels, n_splits=5, donors=donors)
    unseen = [
        scores_of(fit_quietly(make_classifier("logistic"), X[train], labels[train]), X[test], n_classes)
        for train, test in folds
    ]
    scores, true = np.concatenate(unseen), labels[folds.test_rows]
    temperature = fit_temperature(scores, true)
    card = calibration_error(np.exp(log_softmax(scores / temperature, axis=1)), true)
    fitted = fit_quietly(make_classifier("logistic"), X, labels)
    return np.exp(log_softmax(scores_of(fitted, X_new, n_classes) / temperature, axis=1)), card


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--genes", type=int, default=25)
    given = parser.parse_args()
    for name in given.data:
        adata = read_adata(Path(os.environ["SELECTORMLP_DATA"]) / f"{name}.h5ad")
        donors = adata.obs["batch"].astype(str).to_numpy()
        rows = []
        for donor in np.unique(donors):
            learned, new = adata[donors != donor].copy(), adata[donors == donor].copy()
            new = new[new.obs["cell_type"].astype(str).isin(set(learned.obs["cell_type"].astype(str)))].copy()
            panel = sm.select(learned, label_key="cell_type", n_genes=given.genes, method="discriminant")
            several = len(np.unique(donors)) > 2
            classifier = sm.fit_classifier(
                learned, panel, label_key="cell_type", donor_key="batch" if several else None
            )
            found = sm.predict(new, classifier)
            codes = {label: code for code, label in enumerate(found.classes)}
            true, old_labels = (
                np.array([codes[str(label)] for label in part.obs["cell_type"]]) for part in (new, learned)
            )
            few, few_new = (
                log1p_cp10k(sp.csr_array(part[:, list(panel.genes)].X)).toarray() for part in (learned, new)
            )
            known = donors[donors != donor] if several else None
            old, card = before(few, old_labels, known, few_new, len(codes))
            right = float((found.probabilities.argmax(axis=1) == true).mean())
            errors = calibration_error(old, true), calibration_error(found.probabilities, true)
            rows.append((*errors, card, classifier.card.calibration_error))
            print(
                f"{name} without {donor}: error before {rows[-1][0]:.3f} (card {rows[-1][2]:.3f}), now "
                f"{rows[-1][1]:.3f} (card {rows[-1][3]:.3f}); {right:.3f} right",
                flush=True,
            )
        means = np.mean(rows, axis=0)
        print(
            f"{name}, {given.genes} genes: mean error before {means[0]:.3f} (card {means[2]:.3f}), now {means[1]:.3f} "
            f"(card {means[3]:.3f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
