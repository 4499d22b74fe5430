"""Commands with settings files, and their models."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from selectormlp.config.model import Settings
from selectormlp.errors import SettingsError, nearest, quoted

KINDS: Mapping[str, tuple[str, str]] = {
    "split_data": ("pipeline.settings", "SplitSettings"),
    "train": ("pipeline.settings", "TrainSettings"),
    "feature_selection": ("pipeline.settings", "FeatureSelectionSettings"),
    "run": ("pipeline.run_settings", "RunSettings"),
    "select": ("selection.request", "SelectRequest"),
    "extend": ("selection.request", "ExtendRequest"),
    "evaluate": ("assessment.request", "EvaluateRequest"),
    "compare": ("assessment.request", "CompareRequest"),
    "report": ("assessment.request", "ReportRequest"),
    "explain": ("selection.request", "ExplainRequest"),
}
"""Module and class of each command's settings; imported on demand, since some load PyTorch."""


def find_kind(command: str) -> type[Settings]:
    """Find the settings of a command.

    Raises
    ------
    SettingsError
        If the command has none; the nearest commands are offered.

    Examples
    --------
    >>> find_kind("select").__name__
    'SelectRequest'
    """
    if command not in KINDS:
        raise SettingsError(f"the command {quoted([command])} has no settings file; {nearest(command, KINDS)}")
    module, name = KINDS[command]
    kind: type[Settings] = getattr(import_module(f"selectormlp.{module}"), name)
    return kind
