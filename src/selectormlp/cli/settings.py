"""Settings on the command line: files, flags, ``--print-config``, schemas and ``rerun``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from selectormlp.cli import options as opt

if TYPE_CHECKING:
    from selectormlp.config.model import AnySettings, Settings

UsageError: Any = typer.BadParameter.__base__
"""Base class of usage errors; its place differs between versions of typer."""

PrintConfig = Annotated[
    bool, typer.Option("--print-config", help="Print the settings that would be used, as JSON, and do nothing else.")
]


ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="Settings file (JSON, YAML or TOML); flags override it.", show_default=False),
]


def settings_from(kind: type[AnySettings], config: Path | None, given: Mapping[str, Any]) -> AnySettings:
    """Read a settings file, if any, and apply flags."""
    from selectormlp.config.files import changed, read_settings

    return changed(kind() if config is None else read_settings(kind, config), **given)


def requested(
    kind: type[AnySettings], ctx: typer.Context, config: Path | None, given: Mapping[str, Any], *, print_config: bool
) -> AnySettings:
    """Return a request from a settings file and flags; with ``--print-config``, print it and end the command."""
    from selectormlp.cli.flags import needed

    request = settings_from(kind, config, given)
    needed(ctx, request)
    if print_config:
        print_settings(request)
        raise typer.Exit
    return request


def require(ctx: typer.Context, what: str, value: object) -> None:
    """Raise if a value is given neither on the command line nor in a settings file."""
    if not value:
        raise UsageError(f"missing {what}, on the command line or in the file of --config", ctx=ctx)


def print_settings(settings: Settings) -> None:
    """Print settings in the form of a settings file."""
    from selectormlp.config.files import settings_text

    sys.stdout.write(settings_text(settings))


def schema(
    command: Annotated[
        str | None,
        typer.Argument(help="split_data, train, feature_selection, run or select. [default: all, with --out]"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for COMMAND.schema.json, instead of the terminal.", show_default=False)
    ] = None,
) -> None:
    """Print the JSON schema of a command's settings file, for editors to complete and check it."""
    from selectormlp.cli.kinds import KINDS, find_kind
    from selectormlp.cli.terminal import print_files
    from selectormlp.config.files import schema_of
    from selectormlp.errors import SettingsError, quoted
    from selectormlp.files import written_whole

    names = list(KINDS) if command is None else [command]
    texts = {name: json.dumps(schema_of(find_kind(name)), indent=2) + "\n" for name in names}
    if out is not None:
        files = [out / f"{name}.schema.json" for name in texts]
        with written_whole(*files) as drafts:
            for draft, text in zip(drafts, texts.values(), strict=True):
                draft.write_text(text, encoding="utf-8")
        print_files(files)
        return
    if command is None:
        raise SettingsError(f"name a command ({quoted(KINDS)}), or a folder for all with --out")
    sys.stdout.write(texts[command])


def rerun(
    folder: Annotated[
        Path,
        typer.Argument(help="Folder of results, or log folder of a run of train.", show_default=False),
    ],
    out: Annotated[Path | None, typer.Option(help="Folder for the results. [default: FOLDER_rerun]")] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(help="New location of the data; for train, the folder of the split.", show_default=False),
    ] = None,
    print_config: PrintConfig = False,
    quiet: opt.Quiet = False,
) -> None:
    """Repeat the command behind a folder of results, and compare the results (exit code 1 if they differ)."""
    from selectormlp.cli.rerun import recorded_settings, repeat
    from selectormlp.cli.rerun_target import check_target, mark_target
    from selectormlp.cli.terminal import set_up_log
    from selectormlp.errors import SettingsError
    from selectormlp.files import check_folders

    progress = set_up_log(quiet=quiet)
    place = folder.absolute()
    target = out or place.with_name(f"{place.name}_rerun")
    if target.resolve() == folder.resolve():
        raise SettingsError(f"--out is {str(folder)!r} itself, whose results are to be compared with; choose another")
    check_target(target)
    check_folders(target)
    settings = recorded_settings(folder, data or ())
    if print_config:
        print_settings(settings)
        return
    mark_target(target, folder)
    agreement = repeat(settings, folder, target, progress=progress)
    head = "Repeated" if agreement.same else "Not the same"
    sys.stdout.write("".join(f"{head}: {line}\n" for line in agreement.lines))
    if not agreement.same:
        raise typer.Exit(1)
