"""What the commands and functions that measure panels are asked for: each option is declared here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema

from selectormlp.config.assay_name import AssayName
from selectormlp.config.model import (
    Count,
    CountOrNone,
    Counts,
    FileFlag,
    FileName,
    Flag,
    Inside,
    Names,
    Place,
    Seed,
    Settings,
    Share,
    Table,
)
from selectormlp.data.sampled import SampledSource
from selectormlp.data.source import Normalization, Source, TreeSource
from selectormlp.selection.request import MethodName

if TYPE_CHECKING:
    from selectormlp.assessment.label_map import LabelMap
    from selectormlp.data.joining import Joining

MIN_CONFIDENCE = 0.5
"""Probability below which a cell is unsure, by default."""

PRECISION = 0.9
"""How often a label that its level is barely sure of is to be right, by default."""

N_SPLITS = 3
"""Splits of a report: with a method that chooses again in each, five take nearly twice as long."""


def _classifier(given: Any) -> Any:
    if isinstance(given, str) or hasattr(given, "fit"):
        return given
    raise ValueError(f"classifier is {given!r}; expected a name, or an unfitted classifier of scikit-learn's kind")


def _name_of(classifier: Any) -> str:
    return classifier if isinstance(classifier, str) else type(classifier).__name__


def _markers(file: Path) -> dict[str, Any]:
    from selectormlp.panel.gene_files import read_gene_sets

    return read_gene_sets(file)


ClassifierName = Annotated[
    Any, PlainValidator(_classifier), PlainSerializer(_name_of, return_type=str), WithJsonSchema({"type": "string"})
]
"""Name of a classifier; in Python also an unfitted estimator."""


class Measuring(SampledSource):
    """What is read, and how panels are measured on it."""

    heading: ClassVar[str] = "Measuring"

    donor_key: Annotated[str | None, Flag(first=True)] = None
    """Column of obs with the donor: no donor is on both sides of a split."""
    batch_key: Annotated[str | None, Flag(("--batch-key", "--leave-out"), first=True)] = None
    """Column of obs with the batch (study, chemistry, file): each batch is left out once, whole, however many splits
    are asked for."""
    classifier: Annotated[ClassifierName, Flag(first=True)] = "logistic"
    """What is refitted on the panel: logistic, knn, forest or network."""
    n_splits: Annotated[int, Field(ge=2), Flag(("--splits", "--n-splits"))] = 5
    """Number of splits. With this many donors or fewer, leave one donor out per split."""
    confidence: Annotated[Inside, Flag()] = 0.95
    """Nominal coverage of intervals."""
    seed: Annotated[Seed, Flag(first=True)] = 0
    """Seed; the same seed gives the same result."""


class OnePanel(Settings):
    """The panel that is measured, at which sizes and under which labels."""

    heading: ClassVar[str] = "Measuring"

    panel: Annotated[Place | None, Flag(first=True, needed=True, keyword=False)] = None
    """Panel: panel.json, or genes in a CSV, TSV or text file."""
    sizes: Annotated[Counts | None, Flag()] = None
    """Numbers of genes to measure at, each the first genes of the panel; chosen by its size by default."""
    more_sizes: Annotated[Counts, Flag(("--at",))] = ()
    """Further numbers of genes to measure at; may be repeated."""
    coarse_key: Annotated[str | None, Flag()] = None
    """Column of obs with a coarse label above the other: scores at both levels."""


class Conditions(Settings):
    """Under which conditions the panel is measured besides."""

    heading: ClassVar[str] = "Measuring"

    harsh: Annotated[bool, Flag()] = False
    """Whether to disturb the cells as harshly as real assays do, and to lose each probe in turn; takes minutes."""
    assay: Annotated[AssayName | None, Flag()] = None
    """Score the panel as this assay would measure it too: imaging, or the JSON or YAML file of an assay."""


class OtherCells(Settings):
    """Real cells of another technology."""

    heading: ClassVar[str] = "Cells of another technology"

    measured: Annotated[Place | None, Flag(keyword=False)] = None
    """AnnData of cells that another technology measured, with counts: score the panel on them too."""
    measured_label_key: Annotated[str | None, Flag()] = None
    """Column of their obs with the cell type; as --label-key by default."""
    measured_layer: Annotated[str | None, Flag()] = None
    """Their layer with counts; X by default."""
    label_map: Annotated[FileName | None, Flag()] = None
    """Table of labels that mean the same: cell_type, common, and side (scrna or imaging). The command evaluate also
    takes data, label and common, to join files."""

    def labels_elsewhere(self) -> LabelMap:
        """Return which labels of the two sides mean the same.

        Raises
        ------
        SettingsError
            If the table is not usable.
        """
        from selectormlp.assessment.label_map import LabelMap, read_label_map

        return LabelMap() if self.label_map is None else read_label_map(self.label_map)


class EvaluateRequest(Measuring, TreeSource, OnePanel, Conditions, OtherCells):
    """Settings of ``evaluate``."""

    heading: ClassVar[str] = "Measuring"

    command: Literal["evaluate"] = "evaluate"
    """The command that these settings are for."""
    unsupervised: Annotated[bool, Flag()] = True
    """Whether to measure explained variance, neighbours, clusters and redundancy."""
    robustness: Annotated[bool, Flag()] = False
    """Whether to thin counts, drop genes, change gains and binarise; takes a while."""
    count_split: Annotated[bool, Flag()] = False
    """Whether to test the labels on counts that had no part in them: counts are cut into two parts; takes a while."""
    measures: Annotated[bool, Flag()] = False
    """Whether to take the measures of Spapros, NS-Forest and geneBasis too; takes a minute."""
    markers: Annotated[
        Table,
        Flag(
            direct=False, file=FileFlag("--markers", "Known markers for --measures: CSV (set, gene) or JSON.", _markers)
        ),
    ] = Field(default_factory=dict)
    """Known markers of each type, for measures; by default the five of largest AUC of each type."""
    n_stability: Annotated[CountOrNone, Flag(("--stability", "--n-stability"))] = 0
    """How often to choose again by the panel's method from part of the cells; 0: not."""
    level_metric: Annotated[str, Flag()] = "balanced_accuracy"
    """Metric by which the curve is called level."""
    level_distance: Annotated[float, Field(ge=0, lt=1), Flag()] = 0.02
    """Distance from the best size measured within which the curve counts as level."""
    model: Annotated[Place | None, Flag(keyword=False)] = None
    """File for the panel's classifier, which predict takes; .safetensors is added if absent."""

    @property
    def joined_by(self) -> Joining:
        """How the files are joined; the label map may be the one that measured cells share."""
        found, joining = self._labels_of_sets(), super().joined_by
        return joining if found is None else joining.model_copy(update={"label_map": found[0]})

    def labels_elsewhere(self) -> LabelMap:
        """Return which labels of the two sides mean the same; those of joined files are common ones already."""
        found = self._labels_of_sets()
        return super().labels_elsewhere() if found is None else found[1]

    @property
    def maps_files(self) -> bool:
        """Whether the label map is one of several files."""
        return self._labels_of_sets() is not None

    def _labels_of_sets(self) -> tuple[dict[str, dict[str, str]], LabelMap] | None:
        from selectormlp.assessment.label_map import labels_of_sets

        return (
            None
            if self.label_map is None or not self.data
            else labels_of_sets(self.label_map, self.data, self.measured)
        )


class CompareRequest(Measuring, TreeSource):
    """Settings of ``compare``."""

    heading: ClassVar[str] = "Measuring"

    command: Literal["compare"] = "compare"
    """The command that these settings are for."""
    panels: Annotated[tuple[Place, ...], Flag(("--panel",), first=True, keyword=False)] = ()
    """Panels: JSON, or genes in a CSV, TSV or text file; may be repeated."""
    methods: Annotated[Names, Flag(("--method",), first=True)] = ()
    """Methods of select to compare with, each chooses again in each split; may be repeated."""
    n_genes: Annotated[Count | None, Flag(("--n-genes", "--size"), first=True)] = None
    """Genes for the methods; as many as in the largest panel by default."""
    sizes: Annotated[Counts, Flag(("--at", "--sizes"))] = ()
    """Smaller numbers of genes to measure at too."""


class RobustnessRequest(Measuring):
    """Keywords of :func:`selectormlp.robustness`."""

    thinning: Annotated[tuple[float, ...], Flag()] = (0.5, 0.2)
    """Shares of the counts that are kept."""
    failures: Annotated[tuple[float, ...], Flag()] = (0.05, 0.1)
    """Shares of the panel's genes that read zero."""
    gains: Annotated[tuple[float, ...], Flag()] = (0.5,)
    """Standard deviations of the natural logarithm of a factor for each gene."""
    n_draws: Annotated[Count, Flag()] = 2
    """Draws of what is random."""
    harsh: Annotated[bool, Flag()] = False
    """Whether to disturb the cells as harshly as real assays do, whatever the other options, and to lose each probe."""


class LearnAssayRequest(Source, OtherCells):
    """Keywords of :func:`selectormlp.learn_assay`."""

    batch_key: Annotated[str | None, Flag(direct=False, keyword=False)] = None
    """Not used."""
    name: Annotated[str, Flag()] = "learned"
    """What messages and reports are to call the assay."""
    seed: Annotated[Seed, Flag()] = 0
    """Seed; the same seed gives the same result."""


class StabilityRequest(SampledSource):
    """Keywords of :func:`selectormlp.stability`."""

    heading: ClassVar[str] = "Measuring"

    method: Annotated[MethodName | None, Flag()] = None
    """Method whose panels are compared, instead of a panel."""
    n_genes: Annotated[Count | None, Flag()] = None
    """Size of its panels."""
    options: Annotated[Table, Flag()] = Field(default_factory=dict)
    """Parameters of its selector."""
    over: Annotated[Names, Flag()] = ("seeds", "subsamples", "donors")
    """What to vary."""
    n_repeats: Annotated[int, Field(ge=2), Flag()] = 10
    """Repetitions over seeds and over subsamples."""
    fraction: Annotated[Inside, Flag()] = 0.8
    """Share of each class's cells in a subsample."""
    min_correlation: Annotated[Inside, Flag()] = 0.3
    """Absolute Spearman correlation from which two genes are treated as interchangeable."""
    confidence: Annotated[Inside, Flag()] = 0.95
    """Nominal coverage of intervals."""
    seed: Annotated[Seed, Flag()] = 0
    """Seed; the same seed gives the same result."""


class FitClassifierRequest(TreeSource):
    """Keywords of :func:`selectormlp.fit_classifier`."""

    min_confidence: Annotated[float, Flag()] = MIN_CONFIDENCE
    """Probability below which a cell is unsure."""
    precision: Annotated[float, Flag()] = PRECISION
    """Share of the labels at a level of the tree that are to be right where the level is barely sure."""
    n_splits: Annotated[int, Flag()] = 5
    """Number of splits that the probabilities are calibrated on."""
    seed: Annotated[Seed, Flag()] = 0
    """Seed; the same seed gives the same result."""


class PredictRequest(Settings):
    """How cells are predicted with a panel's classifier."""

    layer: Annotated[str | None, Flag(first=True)] = None
    """Layer to read instead of X; by default as in training."""
    normalize: Annotated[Normalization | None, Flag(first=True)] = None
    """auto (log1p of counts per 10,000 if X holds counts), counts or none; by default as in training."""
    gene_name_key: Annotated[str | None, Flag(first=True)] = None
    """Column of var with second gene names, by which genes may be called too."""
    min_confidence: Annotated[Share | None, Flag(first=True)] = None
    """Probability below which a cell is unsure; by default the classifier's."""
    partial: Annotated[bool, Flag(first=True)] = False
    """Fill in genes that were not measured, and say what that costs."""


class ReportRequest(Measuring, TreeSource, OnePanel, Conditions):
    """Settings of ``report``."""

    heading: ClassVar[str] = "Measuring"

    command: Literal["report"] = "report"
    """The command that these settings are for."""
    n_splits: Annotated[int, Field(ge=2), Flag(("--splits", "--n-splits"))] = N_SPLITS
    """Number of splits. With this many donors or fewer, leave one donor out per split."""
    robustness: Annotated[bool, Flag()] = True
    """Whether to thin the counts and let probes fail."""
    n_stability: Annotated[CountOrNone, Flag(("--stability", "--n-stability"))] = 4
    """How often to choose again from part of the cells; 0: not."""
    title: Annotated[str, Flag()] = ""
    """Title of the page."""
    data_name: Annotated[str, Flag(direct=False)] = ""
    """Where the cells come from, as the page says it."""
    source_command: Annotated[str, Flag(direct=False, keyword=False)] = ""
    """Command that repeats the report, as the page says it."""
