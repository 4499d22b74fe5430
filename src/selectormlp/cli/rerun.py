"""Repeating what a folder of results was made by, and saying whether the results are the same."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pandas as pd
from pydantic_core import from_json

from selectormlp.assessment.request import CompareRequest, EvaluateRequest, Measuring, ReportRequest
from selectormlp.assessment.tables import RANKING_NAME
from selectormlp.cli.kinds import find_kind
from selectormlp.config.files import MAX_BYTES, SETTINGS_NAME, changed, read_settings
from selectormlp.errors import InputError, SettingsError, counted, nearest, quoted
from selectormlp.gate.files import read_start
from selectormlp.panel.panel import Panel
from selectormlp.panel.storage import JSON_NAME, PANEL_NAME, read_panel
from selectormlp.pipeline.run import RUN_NAME
from selectormlp.pipeline.run_settings import RunSettings
from selectormlp.pipeline.settings import TrainSettings
from selectormlp.results import check_together, whole_result
from selectormlp.selection.repeat import settings_of
from selectormlp.selection.request import Choice, ExtendRequest, SelectRequest

Measured = EvaluateRequest | CompareRequest | ReportRequest
Repeatable = SelectRequest | ExtendRequest | Measured | RunSettings | TrainSettings

REPEATABLE = ("select", "extend", "evaluate", "compare", "report", "run", "train")
"""Commands that can be repeated."""

MAX_TABLE, MAX_COLUMNS = 1 << 28, 5_000
"""Size of the largest table that is compared, 256 MiB; the scores of 60,000 genes take a hundredth of it."""

RESULTS_FOLDER = "feature_selection_results"
"""Folder of a run's rankings."""


@dataclass(frozen=True)
class Agreement:
    """How results agree with those before.

    Attributes
    ----------
    same
        Whether all that could be compared is the same.
    lines
        What was compared, and how it differs.
    """

    same: bool
    lines: tuple[str, ...]


def recorded_settings(folder: Path | str, data: Sequence[Path] = ()) -> Repeatable:
    """Read the settings that a folder of results was made with.

    Parameters
    ----------
    folder
        What ``select`` or ``run`` wrote, or the log folder of a run of ``train``; or a folder with the
        ``panel.json`` of a panel that was chosen in Python.
    data
        Where the data lie now, for those that have moved: AnnData files or, for ``train``, the folder of the split.

    Raises
    ------
    SettingsError
        If the folder is absent or holds no such settings, or no data are named.
    PanelError
        If there is a panel only, and it is damaged or was not chosen by ``select``.
    """
    place = Path(folder)
    if not place.is_dir():
        siblings = sorted(p.name for p in place.parent.iterdir() if p.is_dir()) if place.parent.is_dir() else []
        raise SettingsError(f"no folder {str(place)!r}; in {str(place.parent)!r}, {nearest(place.name, siblings)}")
    for name in (SETTINGS_NAME, JSON_NAME):
        if (place / name).is_symlink():
            raise SettingsError(f"{str(place / name)!r} is a link; copy what it leads to into the folder")
    for name in (PANEL_NAME, RUN_NAME):
        try:
            check_together(place, name, repeat="what made it")
        except InputError as error:
            raise SettingsError(str(error)) from error
    file = place / SETTINGS_NAME
    if file.exists():
        return _with_data(_read(file), data)
    if not (place / JSON_NAME).exists():
        raise SettingsError(
            f"{str(place)!r} holds neither {SETTINGS_NAME} nor {JSON_NAME}; give the folder that 'select' or "
            "'run' wrote, or the log folder of a run of 'train'"
        )
    if not data:
        raise SettingsError(
            f"{str(place)!r} holds a panel but no {SETTINGS_NAME}, so where its cells lie is not known; name them: "
            "--data"
        )
    panel = read_panel(place / JSON_NAME)
    return cast("Repeatable", settings_of(panel, data, lazy="files" in panel.provenance.settings))


def in_folder(settings: TrainSettings, out: Path) -> TrainSettings:
    """Return settings of a training that leaves everything in one folder, from the beginning."""
    checkpoint = settings.checkpoint.model_copy(update={"dir": out / "trained_models" / "checkpoints"})
    places = {"log_dir": out / "logs", "trained_models_dir": out / "trained_models", "checkpoint": checkpoint}
    return settings.model_copy(update={"restart": False, **places})


def compare_panels(before: Panel, now: Panel) -> Agreement:
    """Say whether two panels hold the same genes in the same order, and what may be why not.

    Examples
    --------
    >>> compare_panels(Panel(("CD3E", "MS4A1")), Panel(("CD3E", "NKG7"))).lines
    ("place 2 of the panel: 'MS4A1' before, 'NKG7' now",)
    """
    if before.genes == now.genes:
        moved = () if before.scores == now.scores else ("some scores differ",)
        return Agreement(True, (f"the same panel: {counted(len(now), 'gene', 'genes')} in the same order", *moved))
    lines = []
    if len(before) != len(now):
        lines.append(f"{counted(len(before), 'gene', 'genes')} before, {counted(len(now), 'gene', 'genes')} now")
    pairs = enumerate(zip(before.genes, now.genes, strict=False), start=1)
    place = next(((i, old, new) for i, (old, new) in pairs if old != new), None)
    if place is not None:
        lines.append(f"place {place[0]} of the panel: {place[1]!r} before, {place[2]!r} now")
    old, new = before.provenance, now.provenance
    if old.data_hash != new.data_hash:
        lines.append("the cells are not those of before")
    lines += [
        f"{name}: {old.versions[name]} before, {version} now"
        for name, version in new.versions.items()
        if old.versions.get(name, version) != version
    ]
    return Agreement(False, tuple(lines))


def compare_tables(before: Path, now: Path, names: Iterable[str | Path]) -> Agreement:
    """Say of tables in two folders which differ; columns of seconds apart.

    Parameters
    ----------
    before, now
        The folders.
    names
        The tables, as paths in these; those that either lacks are not compared.
    """
    compared, differing = [], []
    for name in map(str, names):
        if (before / name).exists() and (now / name).exists():
            compared.append(name)
            old, new = (_table(folder / name) for folder in (before, now))
            if old is None or new is None or not old.equals(new):
                differing.append(name)
    if not compared:
        return Agreement(False, (f"nothing is left in {str(before)!r} to compare with",))
    if differing:
        return Agreement(False, (f"these tables differ: {quoted(differing)}",))
    return Agreement(True, (f"the same tables: {quoted(compared)}",))


def _table(file: Path) -> pd.DataFrame | None:
    """Read a table that may have been altered, for comparison; None where it is no table of ours."""
    try:
        content = read_start(file, MAX_TABLE + 1)
        if len(content) > MAX_TABLE or content.partition(b"\n")[0].count(b",") > MAX_COLUMNS:
            return None
        return pd.read_csv(io.BytesIO(content)).drop(columns="seconds", errors="ignore")
    except (ValueError, OSError):  # what pandas raises of text that is no table is a ValueError, too
        return None


def compare_runs(before: Path, now: Path) -> Agreement:
    """Say whether two runs ranked all genes alike and scored the same, and chose the same panel, if any."""
    ranked = sorted(path.relative_to(now) for path in (now / RESULTS_FOLDER).glob("*.csv"))
    tables = compare_tables(before, now, ["split.csv", "comparison.csv", *ranked])
    files = [folder / "panel" / JSON_NAME for folder in (before, now)]
    if not all(file.exists() for file in files):
        return tables
    panels = compare_panels(*map(read_panel, files))
    return Agreement(tables.same and panels.same, (*tables.lines, *panels.lines))


def compare_trainings(before: Path, now: Path) -> Agreement:
    """Say whether two trainings ended with the same scores of all genes."""
    return compare_tables(before, now, [RANKING_NAME, "metrics.csv"])


def _read(file: Path) -> Repeatable:
    try:
        found = from_json(read_start(file, MAX_BYTES, SettingsError))
    except SettingsError:
        raise
    except (ValueError, OSError) as error:
        raise SettingsError(f"{str(file)!r} is not readable as JSON ({error}); copy it again") from error
    command = found.get("command") if isinstance(found, dict) else None
    if not isinstance(command, str):
        raise SettingsError(f"{str(file)!r} does not say which command it is of; give a folder that this version wrote")
    if command not in REPEATABLE:
        raise SettingsError(f"{str(file)!r} is of {command!r}; only {quoted(REPEATABLE)} are repeated: use --config")
    return cast("Repeatable", read_settings(find_kind(command), file))


def _with_data(settings: Repeatable, data: Sequence[Path]) -> Repeatable:
    """Put in where the data lie now, if that is given."""
    places = tuple(path.absolute() for path in data)
    if isinstance(settings, Choice):
        # a scheduler can run any code here, and the folder may be a stranger's; the panel is the same without
        return changed(settings.model_copy(update={"dask_scheduler": None}), data=places or None)
    if isinstance(settings, Measuring):
        return changed(settings, data=places or None)
    if len(places) > 1:
        raise SettingsError(f"--data names {len(places)} places; one is expected, as the command takes one")
    place = places[0] if places else None
    if isinstance(settings, TrainSettings):
        return changed(settings, data={"input_dir": place})
    if place is None:
        if settings.cells.adata_path is None and settings.cells.dataset is None:
            raise SettingsError("the settings do not say where the cells lie; name them: --data")
        return settings
    cells = settings.cells.model_copy(update={"adata_path": place, "dataset": None})
    return settings.model_copy(update={"cells": cells})


def repeat(settings: Repeatable, before: Path, out: Path, *, progress: bool) -> Agreement:
    """Do again what settings say, and compare the results with those before."""
    from selectormlp.cli import running
    from selectormlp.cli.terminal import print_files
    from selectormlp.pipeline.train import train_from_files

    if isinstance(settings, SelectRequest):
        return compare_panels(read_panel(before / JSON_NAME), running.select_panel(settings, out, progress=progress))
    if isinstance(settings, ExtendRequest):
        return compare_panels(read_panel(before / JSON_NAME), running.extend_panel(settings, out, progress=progress))
    if isinstance(settings, Measured):
        return _measure_again(settings, before, out)
    if isinstance(settings, RunSettings):
        running.run(settings, out, progress=progress)
        return compare_runs(before, out)
    with whole_result(out, "training"):
        report = train_from_files(in_folder(settings, out), settings.model_type, progress=progress)
    print_files([report.model_file, *sorted(report.log_folder.iterdir())])
    return compare_trainings(before, report.log_folder)


def _measure_again(settings: Measured, before: Path, out: Path) -> Agreement:
    """Measure panels again; a classifier that was written stays where it is, as it was."""
    from selectormlp.cli import measuring

    if isinstance(settings, ReportRequest):
        measuring.report_panel(settings, out)
        return Agreement(True, ("the page was written again; its figures are pictures, and not compared",))
    if isinstance(settings, EvaluateRequest):
        measuring.evaluate_panel(settings.model_copy(update={"model": None}), out)
    else:
        measuring.compare_panels(settings, out)
    return compare_tables(before, out, sorted(path.name for path in before.glob("*.csv")))
