"""Repeat the command behind a folder of results, and compare the results."""

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
from selectormlp.gate.files import check_regular, read_start
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
"""Repeatable commands."""

MAX_TABLE, MAX_COLUMNS = 1 << 28, 5_000
"""Maximum size of a table to compare, 256 MiB; the scores of 60,000 genes take a hundredth of it."""

RESULTS_FOLDER = "feature_selection_results"
"""Name of the folder with rankings of a run."""


@dataclass(frozen=True)
class Agreement:
    """Agreement of new results with earlier ones.

    Attributes
    ----------
    same
        Whether everything comparable is the same.
    lines
        Description of what was compared, and of differences.
    """

    same: bool
    lines: tuple[str, ...]


def recorded_settings(folder: Path | str, data: Sequence[Path] = ()) -> Repeatable:
    """Read the settings with which a folder of results was made.

    Parameters
    ----------
    folder
        Folder of results, or log folder of a run of ``train``; or a folder with the ``panel.json`` of a panel chosen in
        Python.
    data
        New location of data that have moved: AnnData files or, for ``train``, the folder of the split.

    Raises
    ------
    SettingsError
        If the folder is absent or holds no settings, or data are not given.
    PanelError
        If there is only a panel, and it is damaged or was not chosen by ``select``.
    """
    place = Path(folder)
    check_regular(place, SettingsError)
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
            f"{str(place)!r} holds a panel but no {SETTINGS_NAME}, so the location of its cells is unknown; name them: "
            "--data"
        )
    panel = read_panel(place / JSON_NAME)
    return cast("Repeatable", settings_of(panel, data, lazy="files" in panel.provenance.settings))


def in_folder(settings: TrainSettings, out: Path) -> TrainSettings:
    """Return settings of a new training that writes everything to one folder."""
    checkpoint = settings.checkpoint.model_copy(update={"dir": out / "trained_models" / "checkpoints"})
    places = {"log_dir": out / "logs", "trained_models_dir": out / "trained_models", "checkpoint": checkpoint}
    return settings.model_copy(update={"restart": False, **places})


def compare_panels(before: Panel, now: Panel) -> Agreement:
    """Compare the genes and their order in two panels, and name possible causes of differences.

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
    """Compare tables in two folders, except columns of seconds.

    Parameters
    ----------
    before, now
        The folders.
    names
        Relative paths of the tables; missing ones are not compared.
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
    """Read a table for comparison; None if it is not a valid table, since it may have been altered."""
    try:
        content = read_start(file, MAX_TABLE + 1)
        if len(content) > MAX_TABLE or content.partition(b"\n")[0].count(b",") > MAX_COLUMNS:
            return None
        return pd.read_csv(io.BytesIO(content)).drop(columns="seconds", errors="ignore")
    except (ValueError, OSError):  # pandas raises kinds of ValueError for invalid tables
        return None


def compare_runs(before: Path, now: Path) -> Agreement:
    """Compare rankings, scores and panels of two runs."""
    ranked = sorted(path.relative_to(now) for path in (now / RESULTS_FOLDER).glob("*.csv"))
    tables = compare_tables(before, now, ["split.csv", "comparison.csv", *ranked])
    files = [folder / "panel" / JSON_NAME for folder in (before, now)]
    if not all(file.exists() for file in files):
        return tables
    panels = compare_panels(*map(read_panel, files))
    return Agreement(tables.same and panels.same, (*tables.lines, *panels.lines))


def compare_trainings(before: Path, now: Path) -> Agreement:
    """Compare the gene scores of two trainings."""
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
        raise SettingsError(f"{str(file)!r} does not name its command; give a folder that this version wrote")
    if command not in REPEATABLE:
        raise SettingsError(f"{str(file)!r} is of {command!r}; only {quoted(REPEATABLE)} can be repeated: use --config")
    return cast("Repeatable", read_settings(find_kind(command), file))


def _with_data(settings: Repeatable, data: Sequence[Path]) -> Repeatable:
    """Replace the paths of data that have moved."""
    places = tuple(path.absolute() for path in data)
    if isinstance(settings, Choice):
        # a scheduler can run any code here, and the folder may be from a stranger; the panel is the same without it
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
            raise SettingsError("the settings do not name the data; name them: --data")
        return settings
    cells = settings.cells.model_copy(update={"adata_path": place, "dataset": None})
    return settings.model_copy(update={"cells": cells})


def repeat(settings: Repeatable, before: Path, out: Path, *, progress: bool) -> Agreement:
    """Run settings again, and compare the results with the earlier ones."""
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
    """Evaluate panels again; an existing classifier file is not replaced."""
    from selectormlp.cli import measuring

    if isinstance(settings, ReportRequest):
        measuring.report_panel(settings, out)
        return Agreement(True, ("the page was written again; it is not compared",))
    if isinstance(settings, EvaluateRequest):
        measuring.evaluate_panel(settings.model_copy(update={"model": None}), out)
    else:
        measuring.compare_panels(settings, out)
    return compare_tables(before, out, sorted(path.name for path in before.glob("*.csv")))
