"""Settings that repeat the choice of a panel."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from selectormlp.config.files import SETTINGS_NAME, read_table
from selectormlp.config.model import describe, options_of
from selectormlp.errors import OutputError, PanelError, SettingsError, counted
from selectormlp.panel.panel import Panel
from selectormlp.selection.request import Choice, ExtendRequest, SelectRequest
from selectormlp.selectors.registry import UNTRUSTED, find_method

AnyChoice = TypeVar("AnyChoice", bound=Choice)

SIZES: Mapping[type[Choice], str] = {SelectRequest: "n_genes", ExtendRequest: "n_new"}
"""Setting with the number of genes, by command."""


def check_reading(settings: Choice) -> None:
    """Raise if settings name no data.

    Raises
    ------
    SettingsError
        If they do.
    """
    if not settings.data:
        raise SettingsError("no data are named; name an AnnData file on the command line, or under data")


def check_other_folder(settings: ExtendRequest, out: Path) -> None:
    """Raise if a folder holds a panel that ``extend`` must not replace: the one being extended, or another command's.

    Raises
    ------
    OutputError
        If it does.
    """
    place = out / SETTINGS_NAME
    own = settings.panel is not None and settings.panel.resolve().parent == out.resolve()
    if place.exists() and (own or read_table(place).get("command") != settings.command):
        raise OutputError(
            f"{str(out)!r} holds {SETTINGS_NAME!r}, which repeats the panel that is there; name another folder"
        )


def with_defaults(settings: AnyChoice) -> AnyChoice:
    """Fill in default options of the method that do not depend on the data.

    Raises
    ------
    SettingsError
        If the method is unknown.

    Examples
    --------
    >>> with_defaults(SelectRequest(method="auto")).options["n_folds"]
    3
    """
    method = find_method(settings.method)
    if method.kind.defaults_for(1):
        return settings
    known = method.make().get_params(deep=False)
    options = {name: known[name] for name in method.open_parameters() if name not in UNTRUSTED}
    return settings.model_copy(update={"options": {**json.loads(json.dumps(options)), **settings.options}})


def settings_of(panel: Panel, data: Sequence[Path], *, lazy: bool, existing: Path | None = None) -> Choice:
    """Return settings that repeat the choice of a panel, from its provenance.

    Parameters
    ----------
    panel
        Panel from ``select`` or ``extend``.
    data
        The files it was learned from.
    lazy
        Whether they were read from disk.
    existing
        File of the panel that was extended.

    Returns
    -------
    Settings with every parameter of the selector. For ``auto``, contenders skipped for lack of time are skipped again,
    however fast the machine is.

    Raises
    ------
    PanelError
        If the panel was truncated, not chosen here, or chosen by an estimator without registered name, or its
        provenance is damaged.
    """
    origin = panel.provenance
    recorded = origin.settings
    kind: type[Choice] = SelectRequest if existing is None else ExtendRequest
    size, selector, constraints = (recorded.get(name) for name in (SIZES[kind], "selector", "constraints"))
    if not (isinstance(size, int) and isinstance(selector, dict) and isinstance(constraints, dict)):
        raise PanelError(
            f"the panel of {counted(len(panel), 'gene', 'genes')} by {origin.method!r} does not record how 'select' "
            "would choose it again; only panels that 'select' chose do"
        )
    try:
        method = find_method(origin.method)
    except SettingsError as error:
        raise PanelError(
            f"the panel was chosen by {origin.method!r}, which is not registered here under this name ({error}); "
            "install the package that registers it, or choose again in Python"
        ) from error
    known = {*method.open_parameters()} - {*UNTRUSTED}
    named = {option.name for option in options_of(kind) if option.flag.recorded}
    given = {
        **{name: value for name, value in recorded.items() if name in named},
        **constraints,
        "data": [str(path.absolute()) for path in data],
        "label_key": origin.label_key,
        "method": origin.method,
        "options": {name: value for name, value in selector.items() if name in known},
        "lazy": lazy,
        "seed": origin.seed or 0,
        **({} if existing is None else {"panel": str(existing.absolute())}),
    }
    try:
        return kind.model_validate_json(json.dumps(given))
    except ValidationError as error:
        raise PanelError(f"the panel's provenance is damaged: {describe(error, kind)}") from error
