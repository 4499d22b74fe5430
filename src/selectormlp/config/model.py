"""Models in which an option is declared once: name, type, default, limits, help, and how it appears as a flag.

From a model come the settings file and its JSON schema (:mod:`selectormlp.config.files`), the keywords of the Python
function (:mod:`selectormlp.config.keywords`), the flags of the command (:mod:`selectormlp.cli.flags`) and what a
panel's provenance records.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import get_annotations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from selectormlp.errors import SettingsError, nearest

MAX_SEED = 2**32 - 1
"""NumPy's largest seed."""

ENDS = ("ge", "le", "gt", "lt")
WORDS = {"ge": "from", "le": "up to", "gt": "above", "lt": "below"}
"""Limits of a number, and how a message says them."""

MAX_PROBLEMS = 5
"""Problems that one message names."""


@dataclass(frozen=True)
class FileFlag:
    """A flag that names a file which holds the value, or more of it.

    Attributes
    ----------
    name
        The flag, such as ``--costs``.
    help
        One line.
    read
        Reads the value from the file; raises an error of ours if it cannot.
    """

    name: str
    help: str
    read: Callable[[Path], Any]


@dataclass(frozen=True)
class Flag:
    """How a field appears outside Python.

    Attributes
    ----------
    names
        Flags, the first shown first; by default made from the field's name.
    first
        Whether the flag is among those shown first in the help, without a heading.
    direct
        Whether the value itself can be given; False where only a file or another command gives it.
    argument
        Whether it is a positional argument instead of a flag.
    split
        Whether names may be given with commas between them.
    levels
        Whether several names may be given, from coarse to fine, one after the other or with commas between them.
    file
        A flag for a file that holds the value.
    needed
        Whether the command requires it, from a flag or a settings file.
    keyword
        Whether it is a keyword of the Python function.
    recorded
        Whether provenance records it under its own name.
    """

    names: tuple[str, ...] = ()
    first: bool = False
    direct: bool = True
    argument: bool = False
    split: bool = False
    levels: bool = False
    file: FileFlag | None = None
    needed: bool = False
    keyword: bool = True
    recorded: bool = True


@dataclass(frozen=True)
class Section:
    """Mark of a field whose own fields are options of the model that holds it."""


@dataclass(frozen=True)
class Option:
    """One field of a model, with all that is declared about it.

    Attributes
    ----------
    name
        Name of the field: the keyword and the settings key.
    field
        Type, default, limits and help, as pydantic has them.
    flag
        How it appears on the command line.
    heading
        Heading of its group in the help; "" for those shown first.
    section
        Field of the model under which it stands; "" for the model itself.
    """

    name: str
    field: FieldInfo
    flag: Flag
    heading: str
    section: str = ""

    def value_in(self, settings: Settings) -> Any:
        """Return its value in settings."""
        return getattr(getattr(settings, self.section) if self.section else settings, self.name)

    @property
    def help(self) -> str:
        """One line of help."""
        return " ".join((self.field.description or "").split())

    @property
    def flags(self) -> tuple[str, ...]:
        """Flags under which the value itself can be given."""
        return self.flag.names or (f"--{self.name.replace('_', '-')}",)

    @property
    def default(self) -> Any:
        """Value if none is given."""
        return self.field.get_default(call_default_factory=True)


if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)  # which pydantic keeps private


class _Refusing(ModelMetaclass):
    """Makes a model raise an error of ours when it is called with wrong values."""

    def __call__(cls, *args: Any, **given: Any) -> Any:  # noqa: N805
        try:
            return super().__call__(*args, **{name: settled(value) for name, value in given.items()})
        except ValidationError as error:
            raise SettingsError(describe(error, cls, of_keywords=True)) from None  # type: ignore[arg-type]


class Settings(BaseModel, metaclass=_Refusing):
    """Base of all settings and requests: frozen; unknown keys and wrong types are refused."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, protected_namespaces=(), use_attribute_docstrings=True
    )
    heading: ClassVar[str] = "Other options"
    """Heading of the flags that this class declares."""


AnySettings = TypeVar("AnySettings", bound=Settings)


def options_of(kind: type[Settings]) -> list[Option]:
    """Return the options of a model, its own first (which hide those of sections), then those of its bases.

    Examples
    --------
    >>> class Example(Settings):
    ...     lr: Annotated[float, Flag(first=True)] = 0.1
    >>> [(option.name, option.flags, option.default) for option in options_of(Example)]
    [('lr', ('--lr',), 0.1)]
    """
    found: list[tuple[int, Option]] = []
    for name, field in kind.model_fields.items():
        flag = next((part for part in field.metadata if isinstance(part, Flag)), None)
        place = next(i for i, parent in enumerate(kind.__mro__) if name in get_annotations(parent))
        if any(isinstance(part, Section) for part in field.metadata):
            found += [(place, replace(option, section=name)) for option in options_of(field.annotation)]  # type: ignore[arg-type]
        if flag is not None:
            heading = "" if flag.first else getattr(kind.__mro__[place], "heading", Settings.heading)
            found.append((place, Option(name, field, flag, heading)))
    ordered = [one for _, one in sorted(found, key=lambda pair: pair[0])]
    return [one for one in ordered if not one.section or one.name not in kind.model_fields]


def part_of(request: Settings, kind: type[AnySettings]) -> AnySettings:
    """Return the fields of a request that a model it is composed of declares, as that model."""
    return kind.model_construct(**{name: getattr(request, name) for name in kind.model_fields})


def check_whole(name: str, value: object, *, least: int, most: int | None = None) -> None:
    """Raise unless ``value`` is an integer within bounds.

    Raises
    ------
    SettingsError
        With the range.
    """
    found = settled(value)
    if not isinstance(found, int) or isinstance(found, bool) or found < least or found > (most or found):
        limits = f"from {least} up" if most is None else f"from {least} to {most}"
        raise SettingsError(f"{name} is {value!r}; expected a whole number {limits}")


def describe(error: ValidationError, kind: type[BaseModel], *, of_keywords: bool = False) -> str:
    """Say in one line what is wrong with settings (or keywords), the nearest name included."""
    problems = [_problem(found, kind, of_keywords) for found in error.errors()]
    more = len(problems) - MAX_PROBLEMS
    return "; ".join(problems[:MAX_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")


def short(value: object) -> str:
    """Return a value as a message shows it: at most 80 characters."""
    return textwrap.shorten(repr(value), 80, placeholder=" …") if len(repr(value)) > 80 else repr(value)


def _problem(found: Any, kind: type[BaseModel], of_keywords: bool) -> str:
    loc = [str(part) for part in found["loc"]]
    key = ".".join(loc)
    what = "keyword" if of_keywords else "setting"
    named = key if of_keywords else f"setting {short(key)}" if key else "the whole"
    match found["type"]:
        case "json_invalid":
            return f"not valid JSON ({found['ctx']['error']}); expected one object of settings"
        case "extra_forbidden":
            return f"unknown {what} {short(key)}; {nearest(loc[-1], _keys_at(kind, loc[:-1]))}"
        case "value_error":
            text = str(found["ctx"]["error"])
            return text if of_keywords or not key else f"settings of {short(key)}: {text}"
        case "missing":
            return f"the {what} {key!r} is missing; give it"
        case "one_text":
            return f"{named} is the text {found['input']!r}; expected a list: [{found['input']!r}]"
    reason = found["msg"][0].lower() + found["msg"][1:]
    if of_keywords:
        reason = _range_at(kind, loc, found) or reason.replace("input should be", "expected")
    return f"{named} is {short(found['input'])}; {reason}"


def _range_at(kind: type[BaseModel], loc: Sequence[str], found: Any) -> str:
    """Say which numbers a field takes; nothing for a field of another type."""
    field = kind.model_fields.get(loc[0])
    base, limits = limits_of(field) if field is not None else (None, {})
    if base is None:
        base, limits = float, {name: end for name, end in found.get("ctx", {}).items() if name in ENDS}
    if base is float and not limits:
        return ""
    if base is int and "lt" in limits:
        limits["le"] = limits.pop("lt") - 1
    match limits:
        case {"ge": low, "le": high}:
            span = f"from {low:g} to {high}"
        case {"gt": low, "lt": high}:
            span = f"above {low:g} and below {high:g}"
        case {"ge": low, "lt": high}:
            span = f"from {low:g}, below {high:g}"
        case {"ge": low}:
            span = f"from {low:g} up"
        case _:
            span = " and ".join(f"{WORDS[name]} {end:g}" for name, end in limits.items())
    return f"expected a {'whole number' if base is int else 'number'} {span}".rstrip()


def limits_of(field: FieldInfo) -> tuple[Any, dict[str, Any]]:
    """Return the type of a field that holds a number, and its limits (``ge``, ``le``, ``gt``, ``lt``)."""
    parts: list[tuple[Any, Sequence[Any]]] = [(field.annotation, field.metadata)]
    parts += [(get_args(part)[0], get_args(part)[1:]) for part in get_args(field.annotation) if get_args(part)]
    base, marks = next(((base, marks) for base, marks in parts if base in (int, float)), (None, ()))
    metadata = [mark for part in marks for mark in (part.metadata if isinstance(part, FieldInfo) else [part])]
    return base, {name: getattr(mark, name) for mark in metadata for name in ENDS if hasattr(mark, name)}


def _keys_at(kind: type[BaseModel], loc: Iterable[str]) -> list[str]:
    fields = kind.model_fields
    for part in loc:
        inner = fields[part].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        fields = inner.model_fields
    return list(fields)


def settled(value: Any) -> Any:
    """Turn values of NumPy and pandas, and lists of them, into Python's own."""
    if "numpy" not in sys.modules:
        return value
    from selectormlp.values import plain

    return plain(value)


def _names(value: Any) -> Any:
    """Take names from any list of them, without blanks around them; sets in alphabetical order."""
    if isinstance(value, str):
        raise PydanticCustomError("one_text", "expected a list, found a single text")
    if isinstance(value, Iterable) and not isinstance(value, Mapping | bytes) and not hasattr(value, "columns"):
        names = [str(name).strip() for name in value]
        return tuple(sorted(names) if isinstance(value, set | frozenset) else names)
    return value


def _table(value: Any) -> Any:
    found = {} if value is None else value
    return {str(key).strip(): number for key, number in found.items()} if isinstance(found, Mapping) else value


def _numbers(value: Any) -> Any:
    return tuple(value) if isinstance(value, Iterable) and not isinstance(value, str | Mapping | bytes) else value


def _real_path(path: Path) -> Path:
    if "\0" in str(path):
        raise ValueError("a path cannot hold the character NUL")
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise ValueError("a path is not text in UTF-8, so it cannot be written down; rename the file") from error
    return path


def _absolute(value: Any) -> Any:
    return str(Path(value).absolute()) if isinstance(value, str | Path) and str(value) else value


Count = Annotated[int, Field(ge=1)]
CountOrNone = Annotated[int, Field(ge=0)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Inside = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=MAX_SEED + 1)]
Place = Annotated[Path, AfterValidator(_real_path)]
FileName = Annotated[str, BeforeValidator(_absolute)]
"""Path of a file that is read, text or ``Path``; kept absolute, so that a run can be repeated from elsewhere."""
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
"""Names in order; any iterable of text but text itself."""
Counts = Annotated[tuple[Count, ...], BeforeValidator(_numbers)]
Costs = Annotated[Mapping[str, NonNegative], BeforeValidator(_table)]
Table = Annotated[Mapping[str, Any], BeforeValidator(_table)]
"""Values by name."""
