"""The command that writes a panel's report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selectormlp.cli import options as opt

SAME_NAME = ("label_key", "donor_key", "layer", "normalize", "gene_name_key")
"""Flags that the façade takes as they are."""


def report(
    data: opt.SampledFiles,
    label_key: opt.LabelKey,
    panel: opt.PanelFile,
    out: Annotated[Path, typer.Option(help="File that ends in .html, or folder for report.html.", show_default=False)],
    donor_key: opt.DonorKey = None,
    coarse_key: Annotated[str | None, typer.Option(help="Column of obs with a coarse label above the other.")] = None,
    layer: opt.Layer = None,
    normalize: opt.Normalize = "auto",
    exclude_label: opt.ExcludeLabel = None,
    gene_name_key: opt.GeneNameKey = None,
    at: opt.SizesFlag = None,
    classifier: opt.ClassifierName = "logistic",
    splits: opt.SplitsFlag = 3,
    cells_per_type: opt.CellsPerType = None,
    robustness: Annotated[bool, typer.Option(help="Thin the counts, let probes fail.")] = True,
    stability: Annotated[
        int, typer.Option("--stability", min=0, help="Choose so often anew from part of the cells; 0: not.")
    ] = 4,
    title: Annotated[str, typer.Option(help="Title of the page.", show_default=False)] = "",
    seed: opt.SeedFlag = None,
    quiet: opt.Quiet = False,
) -> None:
    """Write one HTML file that shows a panel, why each gene is in it, and what it is worth."""
    from selectormlp.api_report import report as write_report
    from selectormlp.cli.evaluation import sampled
    from selectormlp.cli.running import read_some
    from selectormlp.cli.terminal import command_line, print_files, set_up_log
    from selectormlp.panel.storage import read_panel
    from selectormlp.reports import check_place

    set_up_log(quiet=quiet)
    check_place(out)
    known = read_panel(panel)
    flags = locals()
    file = write_report(
        read_some(sampled(flags)),
        known,
        out,
        **{name: flags[name] for name in SAME_NAME},
        exclude_labels=exclude_label or (),
        more_sizes=at or (),
        classifier=classifier,
        n_splits=splits,
        coarse_key=coarse_key,
        robustness=robustness,
        n_stability=stability,
        title=title,
        data_name=", ".join(place.name for place in data),
        command=command_line(),
        seed=seed or 0,
    )
    print_files([file])
