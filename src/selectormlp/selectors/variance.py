"""Highly variable genes, as scanpy ranks them."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from selectormlp.errors import DataError
from selectormlp.quiet import quiet_warnings
from selectormlp.selectors.base import GeneSelector
from selectormlp.selectors.scanpy_input import as_anndata


class VarianceSelector(GeneSelector):
    """Rank genes by their dispersion, normalised among genes of similar mean; no labels are needed.

    Parameters
    ----------
    n_features_to_select
        How many genes to choose: a number, a fraction, or None for half of them.

    Attributes
    ----------
    scores_
        Normalised dispersion, shape (n_features_in_,); 1 below the lowest for a gene that has none (constant ones).

    References
    ----------
    Satija et al., Nature Biotechnology 2015, as ``scanpy.pp.highly_variable_genes`` has it (its flavor
    ``seurat``, which is for log1p of normalised counts).

    Examples
    --------
    >>> X = np.log1p(np.random.default_rng(0).poisson(2.0, size=(50, 30)))
    >>> int(VarianceSelector(5).fit(X).get_support().sum())
    5
    """

    needs_labels = False

    def __init__(self, n_features_to_select: int | float | None = None) -> None:
        self.n_features_to_select = n_features_to_select

    def fit(self, X: Any, y: Any = None) -> Self:
        """Rank the genes of X, shape (n_cells, n_genes), dense or CSR, log-transformed; y is not used.

        Raises
        ------
        SettingsError
            If n_features_to_select is not usable.
        DataError
            If scanpy cannot bin the genes by their mean.
        ValueError
            If X is not usable (as scikit-learn says it), negative values included.
        """
        del y
        X = self._checked(X, ensure_non_negative=True)
        import scanpy as sc

        with quiet_warnings():  # scanpy divides by zero for constant genes, and warns
            try:
                table = sc.pp.highly_variable_genes(as_anndata(X), flavor="seurat", inplace=False)
            except ValueError as error:
                raise DataError(
                    f"scanpy cannot normalise the dispersions of {X.shape[1]} genes of {X.shape[0]} cells ({error}); "
                    "log1p of normalised counts is expected"
                ) from error
        dispersion = table["dispersions_norm"].to_numpy(dtype=np.float64)
        none = np.isnan(dispersion)
        self._set_scores(np.where(none, dispersion[~none].min(initial=0.0) - 1, dispersion))
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags
