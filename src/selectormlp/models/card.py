"""What a model file says of its model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from selectormlp.data.anndata_io import CellsSource
from selectormlp.data.normalize import Normalization
from selectormlp.models.model import model_type_of
from selectormlp.selectors.classifier import ClassifyingSelector
from selectormlp.versions import package_versions


class ModelCard(BaseModel):
    """What a model file says of its model, checked on reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    format_version: Literal[1, 2] = 2
    """Networks of version 2 have a checksum."""

    model_type: Literal["selector_mlp", "mlp", "svm"]
    parameters: dict[str, Any]
    genes: list[str] = Field(min_length=1)
    classes: list[str] = Field(min_length=2)
    trained_classes: list[bool]
    label_key: str
    layer: str | None = None
    normalize: Normalization
    data_hashes: list[str] = []
    class_balanced: bool = False
    split: str | None = None
    """Run of the split step whose cells it learned from, where there was one."""

    versions: dict[str, str]

    @model_validator(mode="after")
    def _consistent(self) -> ModelCard:
        if len(set(self.genes)) < len(self.genes) or len(set(self.classes)) < len(self.classes):
            raise ValueError("genes or classes repeat")
        if len(self.trained_classes) != len(self.classes):
            raise ValueError("trained_classes and classes differ in length")
        return self


def model_card(
    selector: ClassifyingSelector,
    genes: Sequence[str],
    classes: Sequence[str],
    trained_classes: Sequence[bool],
    source: CellsSource,
    data_hashes: Sequence[str] = (),
    class_balanced: bool = False,
    split: str | None = None,
) -> ModelCard:
    """Describe a model, trained or about to be: the selector's parameters and what its numbers refer to."""
    parameters = selector.get_params(deep=False)
    parameters.pop("progress", None)
    return ModelCard(
        model_type=model_type_of(selector),  # type: ignore[arg-type]
        parameters={name: list(value) if isinstance(value, tuple) else value for name, value in parameters.items()},
        genes=list(genes),
        classes=list(classes),
        trained_classes=[bool(trained) for trained in trained_classes],
        label_key=source.label_key,
        layer=source.layer,
        normalize=source.normalize,
        data_hashes=list(data_hashes),
        class_balanced=class_balanced,
        split=split,
        versions=package_versions(),
    )
