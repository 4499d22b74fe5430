"""Options for columns and layers of AnnData objects, shared by all commands that read cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, WithJsonSchema, WrapValidator, model_validator
from pydantic_core import PydanticCustomError

from selectormlp.config.model import FileName, Flag, Names, Settings

if TYPE_CHECKING:
    from selectormlp.data.anndata_io import CellsSource

Normalization = Literal["auto", "counts", "none"]
"""``auto`` normalises values that look like raw counts; ``counts`` normalises integers and corrected counts; ``none``
nothing."""


def _labels(value: Any) -> Any:
    """Return labels of any type as text, as they are read from data."""
    if isinstance(value, str):
        raise PydanticCustomError("one_text", "expected a list, found a single text")
    if not isinstance(value, Iterable) or isinstance(value, Mapping | bytes):
        return value
    value = tuple(value)
    if all(isinstance(label, str) for label in value):
        return value
    from selectormlp.data.labels import text_of

    try:
        return tuple(text_of(label) for label in value)
    except TypeError as error:
        raise ValueError(f"exclude_labels: {error}; expected a list of labels") from error


Labels = Annotated[tuple[str, ...], BeforeValidator(_labels)]
"""Labels of any type, as text."""


def _label_columns(value: Any, validate: Callable[[Any], Any]) -> Any:
    """Return one column, or several as a tuple, which the model separates later."""
    if not isinstance(value, list | tuple):
        return validate(value)
    if not value or not all(isinstance(key, str) for key in value):
        raise ValueError(f"label_key is {value!r}; expected the name of a column, or several from coarse to fine")
    if len(set(value)) < len(value):
        raise ValueError(f"label_key names a column twice ({value!r}); expected each once, from coarse to fine")
    return tuple(value)


LabelKey = Annotated[
    str | None,
    WrapValidator(_label_columns),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}]}),
]
"""Column of the types. Several columns, coarse to fine, may be given; the last one is kept here."""


class Source(Settings):
    """Columns and layer to read from an AnnData object."""

    heading: ClassVar[str] = "What is read"

    label_key: Annotated[LabelKey, Flag(first=True, levels=True, recorded=False)] = None
    """Column of obs with the cell type, or several, coarse to fine (a tree of labels); reconstruction,
    persist-unsupervised, variance and random need none."""
    label_levels: Annotated[Names, Flag(direct=False, keyword=False)] = ()
    """Columns of obs above label_key, coarse to fine."""
    donor_key: Annotated[str | None, Flag(first=True)] = None
    """Column of obs with the donor."""
    batch_key: Annotated[str | None, Flag(first=True)] = None
    """Column of obs with the batch (study, chemistry, donor, file)."""
    layer: Annotated[str | None, Flag(first=True)] = None
    """Layer to read instead of X."""
    normalize: Annotated[Normalization, Flag()] = "auto"
    """auto (log1p of counts per 10,000 if X holds counts), counts (refuses other values), or none."""
    exclude_labels: Annotated[Labels, Flag(("--exclude-label",))] = ()
    """Labels whose cells are left out."""
    gene_name_key: Annotated[str | None, Flag()] = None
    """Column of var with second gene names, which may be used as well."""

    @model_validator(mode="after")
    def _types_and_levels(self) -> Self:
        """Split several label columns into the finest, the type, and the levels above it."""
        keys: Any = self.label_key
        if isinstance(keys, tuple):
            self.__dict__.update(label_key=keys[-1], label_levels=keys[:-1])
            self.model_fields_set.add("label_levels")
        return self

    def labelled(self, label_key: str | None = None) -> CellsSource:
        """Return the options for labelled cells.

        Raises
        ------
        SettingsError
            If no label column is named.
        """
        from selectormlp.data.anndata_io import CellsSource
        from selectormlp.errors import SettingsError

        key = label_key or self.label_key
        if key is None:
            raise SettingsError("no label column is named; give a column of obs with cell types as label_key")
        labels = tuple(self.exclude_labels)
        return CellsSource(key, self.donor_key, self.layer, self.normalize, labels, self.batch_key)


Balance = Literal["types", "nodes"]
"""Equal weights: of types, or of siblings in the tree."""

COST_PER_LEVEL = 2.0
"""Factor on the cost of a mistake for each level up; see docs/label_tree.md for how it was chosen."""


class TreeSource(Source):
    """Source with a tree of labels."""

    label_tree: Annotated[FileName | None, Flag()] = None
    """Table of types and their parents (type, parent), instead of several label columns."""

    @model_validator(mode="after")
    def _one_tree(self) -> Self:
        if self.label_tree is not None and self.label_levels:
            raise ValueError(
                f"there are two trees of labels: the columns {[*self.label_levels, self.label_key]!r} and the table "
                f"{self.label_tree!r}; give one column as label_key, or no table"
            )
        return self

    @property
    def has_tree(self) -> bool:
        """Whether a tree of labels is given."""
        return bool(self.label_levels) or self.label_tree is not None
