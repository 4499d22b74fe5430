"""A trained selector together with what its numbers refer to: genes, classes, normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from selectormlp.data.anndata_io import CellsSource, cells_from_adata
from selectormlp.data.cells import Cells
from selectormlp.errors import SettingsError, quoted
from selectormlp.selectors.classifier import ClassifyingSelector
from selectormlp.selectors.mlp import MLP
from selectormlp.selectors.selector_mlp import SelectorMLP
from selectormlp.selectors.svm import LinearSVM

if TYPE_CHECKING:
    from anndata import AnnData

MODEL_TYPES: dict[str, type[ClassifyingSelector]] = {"selector_mlp": SelectorMLP, "mlp": MLP, "svm": LinearSVM}
"""Name of each kind of model on the command line, and the selector behind it."""

DISPLAY_NAMES = {"selector_mlp": "SelectorMLP", "mlp": "MLP", "svm": "SVM"}


@dataclass(frozen=True, eq=False)
class Model:
    """A trained selector, ready to rank genes and to predict cells of any AnnData object.

    Attributes
    ----------
    selector
        A fitted SelectorMLP, MLP or LinearSVM.
    genes
        Gene names, in the order of its columns.
    source
        How its training cells were read: label column, layer, normalisation.
    data_hashes
        Hashes of the training and validation cells, where known.
    class_balanced
        Whether training cells were drawn from disk with every class alike.
    split
        Run of the split step that its training cells are from, where there was one.
    """

    selector: ClassifyingSelector
    genes: tuple[str, ...]
    source: CellsSource
    data_hashes: tuple[str, ...] = ()
    class_balanced: bool = False
    split: str | None = None

    @property
    def model_type(self) -> str:
        """``"selector_mlp"``, ``"mlp"`` or ``"svm"``."""
        return model_type_of(self.selector)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of the scores' columns."""
        return tuple(map(str, self.selector.classes_))

    def read_cells(self, adata: AnnData, source: CellsSource | None = None) -> Cells:
        """Take labelled cells with this model's genes and classes, found by name, from an AnnData object.

        Parameters
        ----------
        adata
            Cells × genes, the genes in any order.
        source
            Where to look; by default as for the training cells.

        Raises
        ------
        DataError
            If a gene of the model is missing, or the object is not usable.
        """
        return cells_from_adata(adata, source or self.source, classes=self.classes, genes=self.genes)

    def ranked_genes(self) -> pd.DataFrame:
        """List all genes from the best down: ``gene``, ``weight_abs`` (score) and ``idx`` (column)."""
        columns = self.selector.ranking_.argsort()
        return pd.DataFrame(
            {"gene": [self.genes[i] for i in columns], "weight_abs": self.selector.scores_[columns], "idx": columns}
        )


def as_model(selector: object, genes: Sequence[str] | None, label_key: str) -> Model:
    """Make a model of a fitted selector and the names of its genes.

    Raises
    ------
    SettingsError
        If it is not one of the three kinds, not fitted, or the names are not known or not one per column.
    """
    kind = type(selector).__name__
    if not isinstance(selector, ClassifyingSelector) or type(selector) not in MODEL_TYPES.values():
        raise SettingsError(f"a {kind} cannot be saved as a model; expected one of {quoted(DISPLAY_NAMES.values())}")
    if not hasattr(selector, "ranking_"):
        raise SettingsError(f"this {kind} is not fitted; call its fit method first")
    names = getattr(selector, "feature_names_in_", None) if genes is None else genes
    if names is None:
        raise SettingsError(
            f"this {kind} does not know the names of its {selector.n_features_in_} genes; give them as genes"
        )
    if len(names) != selector.n_features_in_:
        raise SettingsError(f"{len(names)} gene names for the {selector.n_features_in_} columns of this {kind}")
    return Model(selector, tuple(map(str, names)), CellsSource(label_key))


def model_type_of(selector: ClassifyingSelector) -> str:
    """Return the name of a selector's kind: ``"selector_mlp"``, ``"mlp"`` or ``"svm"``."""
    return next(name for name, kind in MODEL_TYPES.items() if type(selector) is kind)
