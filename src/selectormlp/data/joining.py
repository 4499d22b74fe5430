"""Options for joining several data sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from selectormlp.config.model import FileFlag, Flag, Settings
from selectormlp.errors import SettingsError

Join = Literal["intersection", "union"]
"""``intersection``: genes that all data sets have. ``union``: genes that any of them has."""

DATA_SET_KEY = "data_set"
"""Column of ``obs`` with the data set of each joined cell; an existing column of this name is kept."""


def _label_map(given: Any) -> Any:
    from selectormlp.data.common_labels import common_labels

    return None if given is None else _refusing(common_labels, given)


def _orthologs(given: Any) -> Any:
    from selectormlp.data.orthologs import ortholog_pairs

    return None if given is None else _refusing(ortholog_pairs, given)


def _label_keys(given: Any) -> Any:
    if given is None:
        return {}
    if isinstance(given, Mapping):
        pairs = [(str(name), column) for name, column in given.items()]
    elif isinstance(given, Iterable) and not isinstance(given, str):
        pairs = [(name.strip(), column.strip()) for name, _, column in (str(text).rpartition("=") for text in given)]
    else:
        raise ValueError(f"label_keys is {given!r}; expected a column of obs for each data set that has its own")
    wrong = next((name for name, column in pairs if not name or not isinstance(column, str) or not column), None)
    if wrong is not None:
        raise ValueError(f"label_keys has no column for {wrong!r}; expected the form DATA=COLUMN, such as b=cluster")
    return dict(pairs)


def _refusing(read: Any, given: Any) -> Any:
    try:
        return read(given)
    except SettingsError as error:
        raise ValueError(str(error)) from error


def _read_label_map(path: Any) -> Any:
    from selectormlp.data.common_labels import common_labels

    return common_labels(path)


def _read_orthologs(path: Any) -> Any:
    from selectormlp.data.orthologs import ortholog_pairs

    return ortholog_pairs(path)


OfDataSets: dict[str, Any] = {
    "type": ["object", "string", "null"],
    "additionalProperties": {"type": "object", "additionalProperties": {"type": "string"}},
}
PairsOfGenes: dict[str, Any] = {
    "type": ["array", "object", "string", "null"],
    "items": {"type": "array", "items": {"type": "string"}},
}

LabelMap = Annotated[Any, PlainValidator(_label_map), PlainSerializer(lambda found: found), WithJsonSchema(OfDataSets)]
LabelKeys = Annotated[Mapping[str, str], BeforeValidator(_label_keys)]
OrthologPairs = Annotated[
    Any,
    PlainValidator(_orthologs),
    PlainSerializer(lambda found: found),
    WithJsonSchema(PairsOfGenes),
]


class SameNames(Settings):
    """Which labels and genes of several data sets are the same."""

    heading: ClassVar[str] = "Several data sets"

    label_map: Annotated[
        LabelMap,
        Flag(
            direct=False,
            file=FileFlag(
                "--label-map", "CSV table of labels that mean the same: data, label, common.", _read_label_map
            ),
        ),
    ] = None
    """Labels that mean the same type: a table with the columns data, label and common, or {data: {label: common}}."""
    label_keys: Annotated[LabelKeys, Flag(("--label-key-of",))] = Field(default_factory=dict)
    """Column of obs with the cell type where a data set has its own, as DATA=COLUMN; may be repeated."""
    orthologs: Annotated[
        OrthologPairs,
        Flag(
            direct=False,
            file=FileFlag("--orthologs", "CSV table of orthologous genes: from, to.", _read_orthologs),
        ),
    ] = None
    """Orthologous genes: a table with the columns from and to; only one-to-one pairs are used."""

    @property
    def is_asked(self) -> bool:
        """Whether an option is set that affects even a single data set."""
        return self.label_map is not None or bool(self.label_keys) or self.orthologs is not None


class Joining(SameNames):
    """How data sets are joined."""

    heading: ClassVar[str] = "Several data sets"

    join_genes: Annotated[Join, Flag()] = "intersection"
    """Genes to use: those of all data sets (intersection), or of any (union; for discriminant)."""
