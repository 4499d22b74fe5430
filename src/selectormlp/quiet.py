"""Warnings left out for a while, by any number of threads at a time."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_lock = threading.Lock()
_depth = 0
_saved = ExitStack()


@contextmanager
def quiet_warnings(*, category: type[Warning] = Warning, message: str = "", module: str = "") -> Iterator[None]:
    """Leave out some warnings; the filters are as they were when the last thread that asked for this is done.

    Python's own way restores, in each thread, the filters that this thread met, so that those of another thread stay.

    Parameters
    ----------
    category, message, module
        As :func:`warnings.filterwarnings` takes them.

    Examples
    --------
    >>> before = list(warnings.filters)
    >>> with quiet_warnings(category=UserWarning):
    ...     warnings.warn("not shown", stacklevel=1)
    >>> warnings.filters == before
    True
    """
    global _depth  # the filters are global, too
    with _lock:
        if not _depth:
            _saved.enter_context(warnings.catch_warnings())
        _depth += 1
        warnings.filterwarnings("ignore", message=message, category=category, module=module)
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if not _depth:
                _saved.close()
