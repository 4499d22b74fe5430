"""What the selectors share that read genes as on or off."""

from __future__ import annotations

from typing import Any

from sklearn.utils.validation import check_is_fitted

from selectormlp.data.cells import AnyFloatArray, Matrix
from selectormlp.selectors.base import GeneSelector
from selectormlp.selectors.binarize import Threshold, binarized


class OnOffSelector(GeneSelector):
    """A selector that learns from genes as on or off (abstract).

    Attributes
    ----------
    thresholds_
        Expression above which each gene counts as on, in the units of X, shape (n_features_in_,).
    """

    threshold: Threshold
    quantile: float
    thresholds_: AnyFloatArray

    def binarize(self, X: Any) -> Matrix:
        """Return the panel's columns as on (1) or off (0) by the fitted thresholds.

        Parameters
        ----------
        X
            Expression of all genes, shape (n_cells, n_features_in_), dense or sparse, in the units of ``fit``.

        Returns
        -------
        Shape (n_cells, n_features_to_select_), float32; CSR for sparse X unless a threshold is below 0.
        """
        check_is_fitted(self, "ranking_")
        X = self._checked(X, reset=False)
        panel = self.get_support(indices=True)
        return binarized(X[:, panel], self.thresholds_[panel])
