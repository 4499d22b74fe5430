"""Doing what settings say, for commands that are given flags and for those that are repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selectormlp.cli.terminal import command_line, print_comparison, print_files, print_panel

if TYPE_CHECKING:
    from selectormlp.cli.rerun import Agreement, Repeatable
    from selectormlp.panel.panel import Panel
    from selectormlp.pipeline.settings import RunSettings
    from selectormlp.selection.settings import SelectSettings


def panel_files(out: Path, *, settings: bool = False, report: bool = False) -> list[Path]:
    """Return the files that go to the folder of a panel."""
    from selectormlp.config.files import SETTINGS_NAME
    from selectormlp.panel.storage import CSV_NAME, JSON_NAME, LIST_NAME

    more = [*([SETTINGS_NAME] if settings else []), *(["report.html"] if report else [])]
    return [out / name for name in (CSV_NAME, JSON_NAME, LIST_NAME, *more)]


def read_or_leave(data: Sequence[Path], *, lazy: bool) -> Any:
    """Read a file, or leave one or several on disk.

    Raises
    ------
    SettingsError
        If there are several and they are not to stay there.
    """
    from selectormlp.data.anndata_files import check_one_file, read_adata

    if lazy:
        return list(data)
    check_one_file(data, "--lazy, from disk")
    return read_adata(data[0])


def read_some(flags: Mapping[str, Any]) -> Any:
    """Read the files that a command is given: one of them whole, or some cells of each type of one or several.

    Raises
    ------
    SettingsError
        If there are several and no number of cells a type.
    """
    from selectormlp.data.anndata_files import check_one_file, read_adata
    from selectormlp.data.anndata_sample import read_sample

    data, cells_per_type = flags["data"], flags["cells_per_type"]
    if cells_per_type is not None:
        return read_sample(
            data,
            label_key=flags["label_key"],
            cells_per_type=cells_per_type,
            layer=flags["layer"],
            exclude_labels=flags["exclude_label"] or (),
            seed=flags.get("seed") or 0,
        )
    check_one_file(data, "--cells-per-type, so many cells of each type")
    return read_adata(data[0])


def choose_panel(settings: SelectSettings, out: Path, *, report: bool = False, progress: bool = False) -> Panel:
    """Choose a panel, write it and the settings that repeat it, and print it."""
    from selectormlp.config.files import SETTINGS_NAME, write_settings
    from selectormlp.data.anndata_files import read_adata
    from selectormlp.panel.storage import PANEL_NAME
    from selectormlp.reports.page import FILE_NAME as REPORT_NAME
    from selectormlp.results import whole_result
    from selectormlp.selection.settings import check_reading, select_by, settings_of

    check_reading(settings)
    with whole_result(out, PANEL_NAME, replaces=[REPORT_NAME] if report else ()):
        adata = None if settings.lazy else read_adata(settings.data[0])
        panel = select_by(settings, adata, progress=progress)
        panel.write(out)
        write_settings(settings_of(panel, settings.data, lazy=settings.lazy), out / SETTINGS_NAME)
    if report:  # the panel is kept whatever becomes of it
        _report(adata if adata is not None else _sample(settings), panel, out, settings)
    print_panel(panel)
    print_files(panel_files(out, settings=True, report=report))
    return panel


def _sample(settings: SelectSettings) -> Any:
    """Read some cells of each type, to report on a panel that was chosen from disk."""
    from selectormlp.data.anndata_sample import read_sample

    named = {name: getattr(settings, name) for name in ("label_key", "layer", "exclude_labels")}
    return read_sample(settings.data, **named, seed=settings.seed or 0)


def _report(adata: Any, panel: Panel, out: Path, settings: SelectSettings) -> None:
    from selectormlp.api_report import report

    names = ("label_key", "donor_key", "layer", "normalize", "exclude_labels", "gene_name_key", "seed")
    same = {name: getattr(settings, name) for name in names}
    report(adata, panel, out, **same, data_name=settings.data[0].name, command=command_line())


def read_cells(settings: RunSettings) -> tuple[Any, Any]:
    """Read the data that the settings of a run name; return them, and what to take of them."""
    from selectormlp.data.anndata_files import read_adata
    from selectormlp.data.anndata_io import CellsSource
    from selectormlp.data.datasets import pbmc68k

    read = settings.cells
    named = read.model_dump(exclude={"adata_path", "dataset"})
    return (pbmc68k() if read.adata_path is None else read_adata(read.adata_path)), CellsSource(**named)


def run(settings: RunSettings, out: Path, *, progress: bool) -> None:
    """Do all that ``run`` does, write it to a folder, and print the closing table."""
    from selectormlp.panel.storage import PANEL_FILES
    from selectormlp.pipeline.run import RUN_NAME, run_all
    from selectormlp.reports.page import FILE_NAME
    from selectormlp.results import whole_result

    going = [] if settings.report_size is None else [FILE_NAME, *(f"panel/{name}" for name in PANEL_FILES)]
    with whole_result(out, RUN_NAME, replaces=going):
        adata, source = read_cells(settings)
        report = run_all(adata, source, out, settings, progress=progress)
    print_comparison(report.table)
    files = list(report.files)
    if settings.report_size is not None:  # the comparison is kept whatever becomes of it
        from selectormlp.pipeline.report import report_on_run

        place = settings.cells.adata_path
        page = report_on_run(
            adata,
            source,
            out,
            report,
            settings,
            n_genes=settings.report_size,
            data_name="pbmc68k_reduced" if place is None else place.name,
            command=command_line(),
        )
        files += [out / "panel" / "panel.csv", page]
    print_files(files)


def repeat(settings: Repeatable, before: Path, out: Path, *, progress: bool) -> Agreement:
    """Do again what settings say, and compare the results with those before."""
    from selectormlp.cli import rerun

    if settings.command == "select":
        from selectormlp.panel.storage import JSON_NAME, read_panel

        known = read_panel(before / JSON_NAME)
        return rerun.compare_panels(known, choose_panel(settings, out, progress=progress))
    if settings.command == "run":
        run(settings, out, progress=progress)
        return rerun.compare_runs(before, out)
    from selectormlp.pipeline.train import train_from_files
    from selectormlp.results import whole_result

    with whole_result(out, "training"):
        report = train_from_files(rerun.in_folder(settings, out), settings.model_type, progress=progress)
    print_files([report.model_file, *sorted(report.log_folder.iterdir())])
    return rerun.compare_trainings(before, report.log_folder)
