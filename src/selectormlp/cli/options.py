"""Arguments and options shared by several commands."""

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
Out = Annotated[Path, typer.Option(help="Folder for all results.", show_default=False)]
Layer = Annotated[str | None, typer.Option(help="Layer to read instead of X.")]
Normalize = Annotated[
    str,
    typer.Option(help="auto (log1p of counts per 10,000 if X holds counts), counts (refuses other values), or none."),
]
