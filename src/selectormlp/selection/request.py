"""Request models of ``select``, ``extend`` and ``explain``: every option is declared here or in a model used here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema, field_validator, model_validator

from selectormlp.config.assay_name import AssayName
from selectormlp.config.model import (
    Count,
    FileFlag,
    FileName,
    Flag,
    Names,
    NonNegative,
    Place,
    Seed,
    Settings,
    Share,
    Table,
    part_of,
)
from selectormlp.data.joining import Joining
from selectormlp.data.sampled import SampledSource
from selectormlp.data.source import COST_PER_LEVEL, Balance, TreeSource
from selectormlp.errors import SettingsError, quoted
from selectormlp.panel.assay_limits import AssayLimits
from selectormlp.panel.constraints import Allowed, Constraints


def _method(given: Any) -> Any:
    if isinstance(given, str) or hasattr(given, "fit"):
        return given
    raise ValueError(f"method is {given!r}; expected a name, or an estimator that scores genes")


def _name_of(method: Any) -> str:
    if isinstance(method, str):
        return method
    return f"{type(method).__module__}.{type(method).__qualname__}"


MethodName = Annotated[
    Any, PlainValidator(_method), PlainSerializer(_name_of, return_type=str), WithJsonSchema({"type": "string"})
]
"""Name of a method; in Python also an unfitted estimator."""


def _table_in(file: Path) -> dict[str, Any]:
    from selectormlp.config.files import read_table

    return _trusted(read_table(file))


def _trusted(options: Mapping[str, Any]) -> dict[str, Any]:
    if options.get("memory") is not None:
        raise SettingsError("memory names a folder of pickles, which can run any code; set it in Python only")
    return dict(options)


class PanelSource(TreeSource):
    """Options for reading the cells."""

    donor_key: Annotated[str | None, Flag(first=True)] = None
    """Column of obs with the donor: auto tests panels on other donors than it chose from, mlp uses separate donors for
    validation; other methods only record it."""
    batch_key: Annotated[str | None, Flag(first=True)] = None
    """Column of obs with the batch (study, chemistry, donor, file): differences between batches are told from
    differences between types, and genes are chosen for a new batch (see combine). For auto, discriminant, mixture,
    forest, markers and markers-wilcoxon; others ignore it. By default, each of several data sets is a batch."""
    pool_files: Annotated[bool, Flag()] = False
    """Pool the cells of several data sets, instead of taking each data set as a batch."""
    gene_id_key: Annotated[str | None, Flag()] = None
    """Column of var with gene identifiers, for the panel."""
    target_layer: Annotated[str | None, Flag()] = None
    """For persist-unsupervised: layer with the profiles to predict; by default the values that are read."""


class MethodOptions(Settings):
    """Method and its options."""

    heading: ClassVar[str] = "Method"

    method: Annotated[MethodName, Flag(first=True, recorded=False)] = "auto"
    """auto (discriminant, unless another method is better on unseen cells; takes seconds), discriminant (a second),
    discriminant-bhattacharyya, discriminant-binary, reconstruction, mixture, selector_mlp, selector_mlp-budget, mlp,
    persist, persist-unsupervised, svm, markers (t-test), markers-wilcoxon, markers-logreg, variance, forest or
    random."""
    assay: Annotated[AssayName | None, Flag(recorded=False), Field(exclude=True)] = None
    """Technology that will measure the panel: sequencing (the default), imaging, or a JSON or YAML file of an assay.
    For auto, discriminant and discriminant-bhattacharyya."""
    combine: Annotated[Literal["new-study", "corrected", "worst"] | None, Flag(recorded=False), Field(exclude=True)] = (
        None
    )
    """How to combine batches (with batch_key, or several data sets): new-study (the default: for a new batch),
    corrected (for data that will be corrected for batches) or worst (each pair of types by its worst batch). For auto,
    discriminant, discriminant-bhattacharyya, discriminant-binary and mixture."""
    options: Annotated[
        Table,
        Flag(
            direct=False,
            recorded=False,
            file=FileFlag("--options", "JSON, YAML or TOML file of parameters of the method.", _table_in),
        ),
    ] = Field(default_factory=dict)
    """Non-default parameters of the method."""
    min_recall: Annotated[Share | None, Flag(recorded=False), Field(exclude=True)] = None
    """For auto: aim for at least this recall of every type."""
    max_minutes: Annotated[NonNegative | None, Flag(recorded=False), Field(exclude=True)] = None
    """For auto: time limit in minutes, after which no more methods are tried."""
    seed: Annotated[Seed, Flag(first=True, recorded=False)] = 0
    """Seed; the same seed gives the same panel."""

    @field_validator("options")
    @classmethod
    def _from_files(cls, options: Mapping[str, Any], info: Any) -> Mapping[str, Any]:
        if info.mode == "json":
            try:
                return _trusted(options)
            except SettingsError as error:
                raise ValueError(str(error)) from error
        return options

    @model_validator(mode="after")
    def _options_in_one_place(self) -> Self:
        named = {name: value for name in NAMED_OPTIONS if (value := getattr(self, name)) is not None}
        if self.assay is not None and self.method not in ASSAY_METHODS:
            from selectormlp.panel.assay import find_assay  # loads NumPy

            if find_assay(self.assay).alters_choice:
                raise ValueError(
                    f"assay is {self.assay!r} with the method {_name_of(self.method)!r}; expected one of the methods "
                    f"{quoted(ASSAY_METHODS)}, or an assay of limits alone"
                )
            del named["assay"]  # limits work with every method
        if self.combine is not None and self.method not in COMBINE_METHODS:
            raise ValueError(
                f"combine is {self.combine!r} with the method {_name_of(self.method)!r}; expected one of the methods "
                f"{quoted(COMBINE_METHODS)}"
            )
        self.__dict__["options"] = {**self.options, **named}
        return self


NAMED_OPTIONS = ("min_recall", "max_minutes", "assay", "combine")
"""Parameters of methods with their own flag and keyword; stored in ``options``."""

ASSAY_METHODS = ("auto", "discriminant", "discriminant-bhattacharyya")
"""Methods that take an assay."""


COMBINE_METHODS = (*ASSAY_METHODS, "discriminant-binary", "mixture")
"""Methods that take ``combine``."""


class Mistaking(Settings):
    """Costs of mistakes between types, and weights of types, for choosing genes."""

    heading: ClassVar[str] = "Tree of labels"

    cost_per_level: Annotated[float, Field(ge=1, allow_inf_nan=False), Flag()] = COST_PER_LEVEL
    """With a tree of labels: factor on the cost of a mistake for each level up to the common node of both types; 1: all
    mistakes cost the same."""
    mistake_costs: Annotated[FileName | None, Flag()] = None
    """CSV matrix of costs instead: one line per true type, one column per predicted type."""
    balance_over: Annotated[Balance, Flag()] = "types"
    """Equal weights: of types, or of nodes (siblings in a tree of labels)."""


class Ordering(Settings):
    """Order lists to write with a panel."""

    heading: ClassVar[str] = "Ordering"

    order: Annotated[Names, Flag(split=True, keyword=False, recorded=False)] = ()
    """Also write order lists: xenium (target list and reference bundle), merscope, table."""
    order_new_only: Annotated[bool, Flag(keyword=False, recorded=False)] = False
    """List only new genes in order lists, without those of an existing panel and owned ones."""
    price: Annotated[bool, Flag()] = False
    """Report the price of each constraint: choose again without each, and compare the separation of types."""
    price_accuracy: Annotated[bool, Flag()] = False
    """Report prices in balanced accuracy, too: refit a classifier for each panel. Implies --price."""

    @field_validator("order")
    @classmethod
    def _known(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        for kind in kinds:
            if kind not in ORDER_KINDS:
                raise ValueError(f"no order list {kind!r}; expected {quoted(ORDER_KINDS)}")
        return kinds


ORDER_KINDS = ("xenium", "merscope", "table")
"""Order lists by name; see :mod:`selectormlp.exchange.orders`."""


class Choice(PanelSource, Joining, Constraints, MethodOptions, Mistaking, Ordering):
    """Options shared by ``select`` and ``extend``."""

    heading: ClassVar[str] = "Reading"

    data: Annotated[tuple[Place, ...], Flag(argument=True, needed=True, keyword=False, recorded=False)] = ()
    """AnnData: h5ad, gzipped h5ad or zarr; one or several."""
    lazy: Annotated[bool, Flag(keyword=False, recorded=False)] = False
    """Leave expression on disk: for data larger than memory, in one or more files."""
    dask_scheduler: Annotated[str | None, Flag(recorded=False)] = None
    """Address of a Dask cluster to read with (tcp://host:8786); implies --lazy."""

    @model_validator(mode="after")
    def _takes_limits_of_an_assay(self) -> Self:
        """Move the limits of an assay to the constraints if the method takes no assay."""
        if self.assay is not None and "assay" not in self.options:
            self.__dict__.update({name: getattr(self.constraints, name) for name in AssayLimits.model_fields})
        return self

    @model_validator(mode="after")
    def _has_tree_where_needed(self) -> Self:
        if not self.has_tree:
            for what, needed in (
                ("min_markers_per_node", self.min_markers_per_node > 0),
                ("balance_over 'nodes'", self.balance_over == "nodes"),
                ("cost_per_level", "cost_per_level" in self.model_fields_set and self.cost_per_level != COST_PER_LEVEL),
            ):
                if needed:
                    raise ValueError(
                        f"{what} needs a tree of labels; give several label columns, coarse to fine (--label-key), or "
                        "a table of types and parents (--label-tree)"
                    )
        return self

    @property
    def source(self) -> PanelSource:
        """What is read."""
        return part_of(self, PanelSource)

    @property
    def joining(self) -> Joining:
        """Options for joining several data sets."""
        return part_of(self, Joining)

    @property
    def constraints(self) -> Constraints:
        """Constraints of the panel, with the limits of the assay's profile unless the request sets them."""
        from selectormlp.panel.assay import find_assay  # loads NumPy

        own = part_of(self, Constraints)
        assay = self.options.get("assay", self.assay)
        profile = None if assay is None else find_assay(assay).limits
        if profile is None:
            return own
        limits = own.over(profile)
        return own.model_copy(update={**limits.given, "crowding_quantile": limits.crowding_quantile})


class SelectRequest(Choice):
    """Settings of ``select``; the command line overrides each."""

    command: Literal["select"] = "select"
    """The command that these settings are for."""
    n_genes: Annotated[Count | None, Flag(("--n-genes", "--size"), first=True, needed=True)] = None
    """Number of genes."""


class ExtendRequest(Choice):
    """Settings of ``extend``; the command line overrides each."""

    command: Literal["extend"] = "extend"
    """The command that these settings are for."""
    panel: Annotated[
        Place | None, Flag(("--panel", "--start-from"), first=True, needed=True, keyword=False, recorded=False)
    ] = None
    """Panel: panel.json, genes in a table or list, or a vendor's pre-designed panel."""
    n_new: Annotated[Count | None, Flag(("--n-new", "--add"), first=True, needed=True)] = None
    """Number of genes to add."""
    strict_limits: Annotated[bool, Flag()] = False
    """Refuse a panel that already exceeds a limit; by default, no new gene may add to that limit."""


class ExplainRequest(SampledSource, Allowed):
    """Settings of ``explain``."""

    command: Literal["explain"] = "explain"
    """The command that these settings are for."""
    panel: Annotated[Place | None, Flag(first=True, needed=True, keyword=False, recorded=False)] = None
    """Panel: panel.json, or genes in a CSV, TSV or text file."""
    assay: Annotated[AssayName | None, Flag()] = None
    """Explain for this assay: sequencing, imaging, or the JSON or YAML file of an assay; by default the one that the
    panel was chosen for."""


def check_choice(request: Choice, *, several: bool = False) -> None:
    """Raise unless the method can work with the request.

    Parameters
    ----------
    request
        What is asked for.
    several
        Whether there are several data sets, which are batches where no others are named.

    Raises
    ------
    SettingsError
        If the method is unknown, it needs labels and no column is given, or it takes no target and one is given.
    """
    from selectormlp.selectors.registry import METHODS, find_method

    method = find_method(request.method)
    if request.pool_files and request.batch_key is not None:
        raise SettingsError(
            f"batch_key is {request.batch_key!r} and pool_files is given, which has batches not told apart; give one"
        )
    if request.combine is not None and request.batch_key is None and (request.pool_files or not several):
        raise SettingsError(
            f"combine is {request.combine!r} without batches; name their column (batch_key, "
            "--batch-key), or leave combine out"
        )
    if request.target_layer is not None and not method.kind.takes_target:
        able = [name for name, known in METHODS.items() if known.kind.takes_target]
        raise SettingsError(
            f"target_layer={request.target_layer!r} for the method {method.name!r}, which predicts no profile; leave "
            f"it out, or use {quoted(able)}"
        )
    if request.label_key is not None:
        return
    for what, needed in (
        (f"the method {method.name!r}", method.kind.needs_labels),
        ("a minimum of markers per type", request.min_markers_per_type > 0),
        ("leaving labels out", bool(request.exclude_labels)),
        ("a tree of labels", request.has_tree),
        ("a matrix of costs of mistakes", request.mistake_costs is not None),
        ("the price of constraints", request.price or request.price_accuracy),
    ):
        if needed:
            raise SettingsError(f"{what} needs labels; name a column of obs with cell types as label_key (--label-key)")
