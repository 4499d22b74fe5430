"""What a panel classifier's file says of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from selectormlp.data.normalize import TARGET_SUM
from selectormlp.data.source import Normalization
from selectormlp.errors import SettingsError
from selectormlp.models.predictions import UNSURE
from selectormlp.models.stopping import TreeCard, check_paths


class ClassifierCard(BaseModel):
    """What a classifier's file says of it, checked on reading.

    ``scheme`` and ``target_sum`` say how counts are normalised: each cell's counts of the panel's genes are scaled to
    the target, then log1p is taken. Files of format 1 do not say so: theirs is 10,000.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[1, 2, 3] = 2
    """3 where there is a tree of labels."""

    genes: list[str] = Field(min_length=1)
    classes: list[str] = Field(min_length=2)
    label_key: str
    layer: str | None = None
    normalize: Normalization
    is_counts: bool
    scheme: Literal["counts per 10,000", "median total of the panel", "as they were"] = "counts per 10,000"
    target_sum: float = Field(default=TARGET_SUM, gt=0, allow_inf_nan=False)
    temperature: float = Field(gt=0, allow_inf_nan=False)
    min_confidence: float = Field(ge=0, le=1)
    accuracy: float = Field(ge=0, le=1)
    calibration_error: float = Field(ge=0, le=1)
    n_cells: int = Field(ge=1)
    data_hash: str
    versions: dict[str, str]
    tree: TreeCard | None = None
    """The tree of labels, along which cells are labelled at the deepest level that is sure."""

    @model_validator(mode="after")
    def _consistent(self) -> ClassifierCard:
        if len(set(self.genes)) < len(self.genes) or len(set(self.classes)) < len(self.classes):
            raise ValueError("genes or classes repeat")
        check_class_names(self.classes)
        if self.tree is not None:
            check_class_names(node for path in self.tree.paths.values() for node in path)
            check_paths(self.tree.paths, self.classes)
        if (self.tree is not None) != (self.format_version > 2):
            raise ValueError("a tree of labels comes with format version 3, and that with a tree")
        return self


def check_class_names(classes: Iterable[str]) -> None:
    """Refuse a class that is named as a cell without a label is.

    Raises
    ------
    SettingsError
        With what to do.
    """
    if UNSURE in classes:
        raise SettingsError(
            f"a class is named {UNSURE!r}, which is what a cell without a confident label is called; rename it in obs, "
            f"or leave it out (exclude_labels, --exclude-label {UNSURE})"
        )


def check_precision(value: float) -> None:
    """Refuse a share of right labels that is not between 0 and 1.

    Raises
    ------
    SettingsError
        With the range.
    """
    if not 0 < value < 1:
        raise SettingsError(f"precision is {value!r}; expected a share above 0 and below 1")


def check_confidence(value: float) -> None:
    """Refuse a confidence outside 0 to 1.

    Raises
    ------
    SettingsError
        With the range.
    """
    if not 0 <= value <= 1:
        raise SettingsError(
            f"min_confidence is {value!r}; expected a probability, 0 (label every cell that has counts) to 1"
        )
