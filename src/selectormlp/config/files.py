"""Settings files (JSON, YAML, TOML): read, checked, changed by flags, and described by a schema."""

from __future__ import annotations

import json
import textwrap
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from selectormlp.config.model import AnySettings, Settings, describe, short
from selectormlp.config.yaml_text import parse_yaml
from selectormlp.errors import SettingsError, nearest
from selectormlp.files import written_whole
from selectormlp.gate.files import read_start
from selectormlp.gate.text import check_json, check_toml

SETTINGS_NAME = "settings.json"
"""The file in a folder of results that holds the settings they were made with."""

MAX_BYTES = 1 << 22
"""Size of the largest settings file read: costs of all genes and candidates take a tenth of it."""

SCHEMA_KEY = "$schema"
"""Key under which a file may name its schema, which editors follow."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def read_settings(kind: type[AnySettings], path: Path | str) -> AnySettings:
    """Read a settings file.

    Parameters
    ----------
    kind
        Which settings it holds.
    path
        A JSON file; or YAML (``.yaml``, ``.yml``; as version 1.2 has it, without aliases) or TOML (``.toml``).

    Raises
    ------
    SettingsError
        If it is absent, too large, no such file or nested too deep, or holds a key twice, an unknown key, or a value of
        the wrong type or range; the nearest key is offered.
    """
    place = Path(path)
    text = _text_of(place)
    try:
        return kind.model_validate_json(_as_json(text, place.suffix.lower()))
    except ValidationError as error:
        raise SettingsError(f"{str(place)!r}: {describe(error, kind)}") from error
    except RecursionError as error:
        raise SettingsError(f"{str(place)!r}: lists or objects are nested too deeply; expected settings") from error
    except ValueError as error:
        raise SettingsError(f"{str(place)!r}: {textwrap.shorten(str(error), 300, placeholder=' …')}") from error


def read_table(path: Path | str) -> dict[str, Any]:
    """Read values by name from a JSON, YAML or TOML file.

    Raises
    ------
    SettingsError
        If it is absent, too large, or holds anything else.
    """
    place = Path(path)
    text = _text_of(place)
    try:
        found = json.loads(_as_json(text, place.suffix.lower()))
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{str(place)!r}: {textwrap.shorten(str(error), 300, placeholder=' …')}") from error
    if not isinstance(found, dict):
        raise SettingsError(f"{str(place)!r} holds {short(found)}; expected values by name")
    return found


def write_settings(settings: Settings, path: Path | str) -> Path:
    """Write settings to a JSON file, every value decided.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    place = Path(path)
    with written_whole(place) as (draft,):
        draft.write_text(settings_text(settings), encoding="utf-8")
    return place


def settings_text(settings: Settings) -> str:
    """Return settings as the text of a JSON file."""
    return settings.model_dump_json(indent=2) + "\n"


def schema_of(kind: type[Settings]) -> dict[str, Any]:
    """Return the JSON schema of a settings file: keys, types, ranges, defaults and what each is for.

    What several keys must obey together is not in it; :func:`read_settings` checks that, too.

    Examples
    --------
    >>> from pydantic import create_model
    >>> from selectormlp.config.model import Positive
    >>> Example = create_model("Example", __base__=Settings, lr=(Positive, 0.1))
    >>> schema_of(Example)["properties"]["lr"]["default"]
    0.1
    """
    schema = kind.model_json_schema()
    schema["properties"] = {SCHEMA_KEY: {"type": "string", "description": "Where this schema is."}} | schema[
        "properties"
    ]
    return {SCHEMA_KEY: DIALECT, **schema}


def changed(settings: AnySettings, **flags: Any) -> AnySettings:
    """Return settings with some replaced by what a command line says; a dictionary is for a section.

    Raises
    ------
    SettingsError
        If a value is of the wrong type or range.

    Examples
    --------
    >>> from selectormlp.pipeline.settings import TrainSettings
    >>> changed(TrainSettings(), restart=None, training={"devices": 2, "seed": None}).training.devices
    2
    """
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    update: dict[str, Any] = {}
    for name, value in flags.items():
        if isinstance(value, dict) and isinstance(getattr(settings, name), Settings):
            update[name] = changed(getattr(settings, name), **value)
        elif value is not None:
            update[name] = value
    try:
        return type(settings).model_validate({**given, **update})
    except ValidationError as error:
        raise SettingsError(describe(error, type(settings))) from error


def _text_of(place: Path) -> str:
    try:
        content = read_start(place, MAX_BYTES + 1, SettingsError)
        if len(content) > MAX_BYTES:
            raise SettingsError(
                f"the settings file {str(place)!r} has more than {MAX_BYTES:,} bytes; expected settings"
            )
        return content.decode("utf-8-sig")  # some editors begin a file with a byte order mark
    except UnicodeDecodeError as error:
        raise SettingsError(f"the settings file {str(place)!r} is not text in UTF-8; save it as such") from error
    except OSError as error:
        found = place.parent.iterdir() if place.parent.is_dir() else ()
        siblings = sorted(p.name for p in found if p.suffix.lower() in (".json", *PARSERS))
        raise SettingsError(
            f"cannot read the settings file {str(place)!r} ({error.strerror}); name one with --config: in "
            f"{str(place.parent)!r}, {nearest(place.name, siblings)}"
        ) from error


def _as_json(text: str, suffix: str) -> str:
    """Turn YAML and TOML into JSON, so that all three are checked alike; refuse JSON that holds a key twice."""
    if suffix in PARSERS:
        found = _parsed(text, *PARSERS[suffix])
    else:
        check_json(text)
        try:
            from_json(text)
        except ValueError:
            return text  # the check of the settings says what is wrong
        found = json.loads(text, object_pairs_hook=_each_once)
    if isinstance(found, dict) and isinstance(found.get(SCHEMA_KEY), str):
        del found[SCHEMA_KEY]
    try:
        return json.dumps(found)
    except TypeError as error:
        raise ValueError(f"it holds values that settings do not have ({error}); put dates in quotes") from error


def _parsed(text: str, name: str, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"not valid {name} ({error}); expected settings") from error


def _parse_toml(text: str) -> Any:
    check_toml(text)
    return tomllib.loads(text)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        repeated, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"the setting {short(repeated)} is given twice; leave one")
    return found


PARSERS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    ".yaml": ("YAML", parse_yaml),
    ".yml": ("YAML", parse_yaml),
    ".toml": ("TOML", _parse_toml),
}
"""Languages of settings files beside JSON, by the end of a file's name."""
