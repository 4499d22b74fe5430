"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print warnings, errors and results only.")]
SeedFlag = Annotated[
    int | None, typer.Option("--seed", min=0, max=2**32 - 1, help="Seed; the same seed gives the same result.")
]
Data = Annotated[Path, typer.Argument(help="AnnData: h5ad, gzipped h5ad or zarr.", show_default=False)]
DataFiles = Annotated[
    list[Path],
    typer.Argument(help="AnnData: h5ad, gzipped h5ad or zarr; several with --lazy.", show_default=False),
]
SampledFiles = Annotated[
    list[Path],
    typer.Argument(help="AnnData: h5ad, gzipped h5ad or zarr; several with --cells-per-type.", show_default=False),
]
DataFilesIfNeeded = Annotated[
    list[Path] | None,
    typer.Argument(
        help="AnnData: h5ad, gzipped h5ad or zarr; several with --lazy. Or in the file of --config.", show_default=False
    ),
]
Lazy = Annotated[
    bool, typer.Option("--lazy", help="Leave expression on disk: for data larger than memory, in one or many files.")
]
DaskScheduler = Annotated[
    str | None,
    typer.Option(
        "--dask-scheduler",
        help="Address of a Dask cluster to read with (tcp://host:8786); takes --lazy as given.",
        show_default=False,
    ),
]
CellsPerType = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Read only so many cells of each type: for data larger than memory, in one or many files.",
        show_default=False,
    ),
]
Out = Annotated[Path, typer.Option(help="Folder for all results.", show_default=False)]
LabelKey = Annotated[str, typer.Option(help="Column of obs with the cell type.", show_default=False)]
LabelKeyIfNeeded = Annotated[
    str | None,
    typer.Option(
        help="Column of obs with the cell type; reconstruction, persist-unsupervised, variance and random need none."
    ),
]
Layer = Annotated[str | None, typer.Option(help="Layer to read instead of X.")]
Normalize = Annotated[
    str,
    typer.Option(help="auto (log1p of counts per 10,000 if X holds counts), counts (refuses what is none), or none."),
]
ExcludeLabel = Annotated[
    list[str] | None, typer.Option(help="Label whose cells are left out; may be repeated.", show_default=False)
]

PanelFile = Annotated[
    Path,
    typer.Option("--panel", help="Panel: panel.json, or genes in a CSV, TSV or text file.", show_default=False),
]
MethodName = Annotated[
    str,
    typer.Option(
        "--method",
        help="auto (tries several, tests them, and takes the best; tens of seconds), discriminant (a second), "
        "discriminant-bhattacharyya, discriminant-binary, reconstruction, mixture, selector_mlp, selector_mlp-budget, "
        "mlp, persist, persist-unsupervised, svm, markers (t-test), markers-wilcoxon, markers-logreg, variance, forest "
        "or random.",
    ),
]
MethodDonorKey = Annotated[
    str | None,
    typer.Option(
        "--donor-key",
        help="Column of obs with the donor: auto tests on donors that it did not choose from, mlp is validated on "
        "donors of their own; other methods only write it down.",
    ),
]
DonorKey = Annotated[
    str | None, typer.Option(help="Column of obs with the donor: no donor is on both sides of a split.")
]
ClassifierName = Annotated[
    str, typer.Option("--classifier", help="What is refitted on the panel: logistic, knn, forest or network.")
]
SplitsFlag = Annotated[
    int, typer.Option("--splits", min=2, help="Splits; with as many donors or fewer, each donor is left out once.")
]
SizesFlag = Annotated[
    list[int] | None,
    typer.Option("--at", min=1, help="Number of genes to measure at too; may be repeated.", show_default=False),
]
MustHave = Annotated[
    list[str] | None,
    typer.Option(help="Genes that the panel must hold, with commas between them or repeated.", show_default=False),
]
MustHaveFile = Annotated[Path | None, typer.Option(help="File of genes that the panel must hold.", show_default=False)]
Forbid = Annotated[
    list[str] | None,
    typer.Option(
        help="Genes, or patterns such as 'MT-*', to keep out, with commas between them or repeated.", show_default=False
    ),
]
ForbidFile = Annotated[Path | None, typer.Option(help="File of genes or patterns to keep out.", show_default=False)]
Candidates = Annotated[Path | None, typer.Option(help="File of the only genes to choose from.", show_default=False)]
Costs = Annotated[
    Path | None,
    typer.Option(help="CSV file of genes and their costs; other genes cost 1. Needs --budget.", show_default=False),
]
Budget = Annotated[float | None, typer.Option(help="The most that the panel may cost.", show_default=False)]
MinMean = Annotated[
    float | None, typer.Option(help="Least mean expression over all cells (log scale).", show_default=False)
]
MaxMean = Annotated[
    float | None, typer.Option(help="Largest mean expression over all cells (log scale).", show_default=False)
]
MinMarkers = Annotated[
    int, typer.Option("--min-markers-per-type", min=0, help="Fewest genes that mark each cell type.")
]
IgnoreUnknown = Annotated[
    bool,
    typer.Option(
        "--ignore-unknown",
        help="Go on without gene names that the data lack, with a warning; an extended panel keeps them.",
    ),
]
GeneNameKey = Annotated[
    str | None, typer.Option(help="Column of var with second gene names, by which genes may be called too.")
]
GeneIdKey = Annotated[str | None, typer.Option(help="Column of var with gene identifiers, for the panel.")]
MinRecall = Annotated[
    float | None,
    typer.Option(
        min=0.0, max=1.0, help="For auto: share of its cells to be found of every type, as an aim.", show_default=False
    ),
]
MaxMinutes = Annotated[
    float | None, typer.Option(min=0.0, help="For auto: nothing more is tried after this time.", show_default=False)
]
TargetLayer = Annotated[
    str | None,
    typer.Option(help="For persist-unsupervised: layer with the profiles to be predicted, rather than what is read."),
]
