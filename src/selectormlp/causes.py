"""What an error was raised from. Imports nothing of weight: it is used where memory has run out."""

from __future__ import annotations

from collections.abc import Iterator


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error, what it was raised from, and so on; each once, though libraries link errors in circles.

    Examples
    --------
    >>> outer, inner = ValueError("outer"), OSError("inner")
    >>> outer.__cause__, inner.__cause__ = inner, outer
    >>> list(chain(outer))
    [ValueError('outer'), OSError('inner')]
    """
    seen: list[int] = []
    while error is not None and id(error) not in seen:
        yield error
        seen.append(id(error))
        error = error.__cause__ or error.__context__
