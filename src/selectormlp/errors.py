"""The errors of the package, as one tree.

SelectorMLPError
└── InputError (also a ValueError): something handed to us is not usable
    ├── DataError        an AnnData file, matrix or label column
    ├── SettingsError    a settings file, a flag or a parameter
    │   └── UnknownGenesError    genes that it names are not in the data
    ├── ModelFileError   a saved model or checkpoint
    ├── PanelError       a panel, or a file that should hold one
    └── OutputError      a place that results should be written to

Every message states what was found, what was expected, and what to do. The command line prints the message
alone and exits with code 2.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

MAX_MESSAGE = 3000
"""Characters of a message; the middle of a longer one is left out."""


class SelectorMLPError(Exception):
    r"""Root of every error that this package raises on purpose.

    Its message is one line of bounded length, whatever the names are that a file brings into it.

    Examples
    --------
    >>> str(SelectorMLPError("no gene 'a\nb'"))
    "no gene 'a b'"
    """

    def __str__(self) -> str:
        text = printable(" ".join(super().__str__().splitlines()))
        if len(text) <= MAX_MESSAGE:
            return text
        end = MAX_MESSAGE // 4  # what to do stands there
        return f"{text[: MAX_MESSAGE - end]} … {text[-end:]}"


class InputError(SelectorMLPError, ValueError):
    """Input is not usable; the message gives the reason and the remedy."""


class DataError(InputError):
    """An AnnData file, a matrix, a gene name or a label column is not usable."""


class SettingsError(InputError):
    """A settings file, a flag or a parameter is not usable."""


class UnknownGenesError(SettingsError):
    """Genes that constraints name are not in the data.

    Attributes
    ----------
    names
        The genes.

    Examples
    --------
    >>> UnknownGenesError("no gene 'CD3Q'", ("CD3Q",)).names
    ('CD3Q',)
    """

    def __init__(self, message: str, names: tuple[str, ...]) -> None:
        super().__init__(message)
        self.names = names


class ModelFileError(InputError):
    """A saved model or checkpoint is not usable."""


class PanelError(InputError):
    """A panel, or a file that should hold one, is not usable."""


class OutputError(InputError):
    """Results cannot be written where they were asked for."""


def printable(text: str) -> str:
    r"""Write control codes as escapes, so that a name from a file cannot steer a terminal.

    Line ends and tabs stay. Characters that turn the direction of writing count as control codes.

    Examples
    --------
    >>> printable("T cell \x1b[2J")
    'T cell \\x1b[2J'
    """
    if text.isprintable():
        return text
    return "".join(
        repr(character)[1:-1] if unicodedata.category(character) in _CONTROLS and character not in "\n\t" else character
        for character in text
    )


_CONTROLS = ("Cc", "Cf", "Cs", "Zl", "Zp")


MAX_CHARACTERS = 200
"""Of a name in a message."""


def nearest(name: str, valid: Iterable[str], *, most: int = 3) -> str:
    """Name the valid names nearest to one that was not found.

    Parameters
    ----------
    name
        The name that was not found.
    valid
        The names that would have been.
    most
        How many to offer.

    Returns
    -------
    A sentence for the end of an error message: the nearest names or, if none is near, the first of the
    valid ones.

    Examples
    --------
    >>> nearest("celltype", ["cell_type", "batch"])
    "did you mean 'cell_type'?"
    >>> nearest("lr_rate", ["lr", "dropout"])
    "did you mean 'lr'?"
    >>> nearest("x", ["cell_type", "batch"])
    "there are: 'cell_type', 'batch'"
    >>> nearest("x", [])
    'there are none'
    """
    names = list(dict.fromkeys(map(str, valid)))
    folded: dict[str, str] = {}
    for candidate in names:
        folded.setdefault(candidate.casefold(), candidate)
    wanted = name.casefold()
    close = difflib.get_close_matches(wanted, list(folded), n=most, cutoff=0.6)
    if not close and wanted:
        longer = (candidate for candidate in folded if candidate.startswith(wanted) or wanted.startswith(candidate))
        close = sorted(longer, key=len, reverse=True)[:most]
    if close:
        return f"did you mean {quoted(folded[match] for match in close)}?"
    return f"there are: {quoted(names)}" if names else "there are none"


def counted(number: int, one: str, many: str | None = None) -> str:
    """Put a number before a noun in the singular or plural (by default, ``one`` with an s).

    Examples
    --------
    >>> counted(1, "cell"), counted(1200, "cell"), counted(2, "class", "classes")
    ('1 cell', '1,200 cells', '2 classes')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def quoted(names: Iterable[object], *, most: int = 8) -> str:
    """Join names for a message, each in quotes, the first ``most`` of them; what is long is cut.

    Examples
    --------
    >>> quoted(["a", "b"])
    "'a', 'b'"
    >>> quoted("abcdef", most=2)
    "'a', 'b' and 4 more"
    """
    listed = [str(name) for name in names]
    cut = (name if len(name) <= MAX_CHARACTERS else f"{name[:MAX_CHARACTERS]}…" for name in listed[:most])
    shown = ", ".join(map(repr, cut))
    return shown if len(listed) <= most else f"{shown} and {len(listed) - most} more"
