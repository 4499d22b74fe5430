"""Run commands from their settings: of flags, a file, or a folder of results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selectormlp.cli.terminal import command_line, print_comparison, print_files, print_panel

if TYPE_CHECKING:
    from selectormlp.data.sampled import SampledSource
    from selectormlp.panel.panel import Panel
    from selectormlp.pipeline.run_settings import RunSettings
    from selectormlp.pipeline.settings import TrainSettings
    from selectormlp.selection.request import Choice, ExtendRequest, SelectRequest


def panel_files(out: Path, *, report: bool = False, order: Sequence[str] = ()) -> list[Path]:
    """Return the files written to the folder of a panel."""
    from selectormlp.config.files import SETTINGS_NAME
    from selectormlp.panel.storage import CSV_NAME, JSON_NAME, LIST_NAME
    from selectormlp.selection.ordering import order_files

    names = (CSV_NAME, JSON_NAME, LIST_NAME, SETTINGS_NAME, *order_files(order), *(["report.html"] if report else []))
    return [out / name for name in names]


def read_some(source: SampledSource) -> Any:
    """Read the files that settings name, joined if there are several: whole, or some cells of each type."""
    from selectormlp.data.anndata_files import read_adata
    from selectormlp.data.anndata_sample import read_sample
    from selectormlp.data.held_sets import join_sets

    joining = source.joined_by
    joined = len(source.data) > 1 or joining.is_asked
    label_key = str(source.label_key)
    if source.cells_per_type is not None:
        return read_sample(
            source.data,
            label_key=label_key,
            layer=source.layer,
            cells_per_type=source.cells_per_type,
            exclude_labels=source.exclude_labels,
            seed=getattr(source, "seed", 0),
            joining=joining if joined else None,
        )
    if joined:
        layer, normalize = source.layer, source.normalize
        return join_sets(source.data, joining, label_key=label_key, layer=layer, normalize=normalize).adata
    return read_adata(source.data[0])


def select_panel(settings: SelectRequest, out: Path, *, report: bool = False, progress: bool = False) -> Panel:
    """Choose a panel, write it and its settings, and print it."""
    from selectormlp.panel.storage import PANEL_NAME
    from selectormlp.reports.page import FILE_NAME as REPORT_NAME
    from selectormlp.results import whole_result
    from selectormlp.selection.ordering import write_orders
    from selectormlp.selection.select import choose_panel

    with whole_result(out, PANEL_NAME, replaces=[REPORT_NAME] if report else ()):
        data = _data(settings)
        panel = choose_panel(data, settings, progress=progress)
        _write_panel(panel, settings, out)
        write_orders(panel, settings, out, adata=_one_object(data), sample=_described(settings, data))
    if report:  # the panel is kept even if this fails
        _report(_sample(settings) if settings.lazy else _one_object(data), panel, out, settings)
    print_panel(panel)
    print_files(panel_files(out, report=report, order=settings.order))
    return panel


def extend_panel(settings: ExtendRequest, out: Path, *, progress: bool = False) -> Panel:
    """Add genes to a panel, write it and its settings, and print the new genes."""
    from selectormlp.panel.storage import PANEL_NAME
    from selectormlp.panel.vendors import read_panel
    from selectormlp.results import whole_result
    from selectormlp.selection.ordering import write_orders
    from selectormlp.selection.select import add_genes

    existing = read_panel(str(settings.panel))
    with whole_result(out, PANEL_NAME):
        data = _data(settings)
        panel = add_genes(data, existing, settings, progress=progress)
        _write_panel(panel, settings, out, existing=settings.panel)
        cells = {"adata": _one_object(data), "sample": _described(settings, data)}
        write_orders(panel, settings, out, n_existing=len(existing), **cells)
    print_panel(panel, n_known=len(existing))
    print_files(panel_files(out, order=settings.order))
    return panel


def _data(settings: Choice) -> Any:
    """Read the files of settings, or leave them on disk."""
    from selectormlp.data.anndata_files import read_adata
    from selectormlp.data.held_sets import join_sets

    if settings.lazy:
        return list(settings.data)
    if len(settings.data) == 1 and not settings.joining.is_asked:
        return read_adata(settings.data[0])
    named = {name: getattr(settings, name) for name in ("label_key", "layer", "normalize")}
    return join_sets(settings.data, settings.joining, **named)


def _one_object(data: Any) -> Any:
    """Return the object that was read or joined; None for files on disk."""
    from selectormlp.data.held_sets import JoinedSets

    return data.adata if isinstance(data, JoinedSets) else None if isinstance(data, list) else data


def _described(settings: Choice, data: Any) -> Any:
    """Return cells for finding which types a gene marks, for an order list; None if not needed or read already."""
    wanted = "table" in settings.order and settings.label_key is not None and _one_object(data) is None
    return _sample(settings) if wanted else None


def _write_panel(panel: Panel, settings: Choice, out: Path, *, existing: Path | None = None) -> None:
    from selectormlp.config.files import SETTINGS_NAME, write_settings
    from selectormlp.selection.repeat import settings_of

    panel.write(out)
    kept = settings_of(panel, settings.data, lazy=settings.lazy, existing=existing)
    write_settings(kept, out / SETTINGS_NAME)


def _sample(settings: Choice) -> Any:
    """Read some cells of each type for the report of a panel chosen from disk."""
    from selectormlp.data.anndata_sample import read_sample

    named = {name: getattr(settings, name) for name in ("label_key", "layer", "exclude_labels", "seed")}
    return read_sample(settings.data, **named, joining=settings.joining)


def _report(adata: Any, panel: Panel, out: Path, settings: SelectRequest) -> None:
    from selectormlp.assessment.report import report

    names = ("donor_key", "batch_key", "layer", "normalize", "exclude_labels", "gene_name_key", "label_tree", "seed")
    same = {name: getattr(settings, name) for name in names}
    same["label_key"] = [*settings.label_levels, str(settings.label_key)]
    report(adata, panel, out, **same, data_name=settings.data[0].name, command=command_line())


def read_cells(settings: RunSettings) -> tuple[Any, Any]:
    """Read the data of a run; return them with their columns and layer."""
    from selectormlp.data.anndata_files import read_adata
    from selectormlp.data.anndata_io import CellsSource
    from selectormlp.data.datasets import pbmc68k

    cells = settings.cells
    named = cells.model_dump(exclude={"adata_path", "dataset"})
    return (pbmc68k() if cells.adata_path is None else read_adata(cells.adata_path)), CellsSource(**named)


def run(settings: RunSettings, out: Path, *, progress: bool) -> None:
    """Do everything of ``run``, write it to a folder, and print the closing table."""
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
    if settings.report_size is not None:  # the comparison is kept even if this fails
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


def train(settings: TrainSettings, *, progress: bool) -> None:
    """Train a model, and print the files written."""
    from selectormlp.networks.placement import is_writer
    from selectormlp.pipeline.train import train_from_files

    report = train_from_files(settings, settings.model_type, progress=progress)
    if is_writer():
        print_files([report.model_file, *sorted(report.log_folder.iterdir())])
