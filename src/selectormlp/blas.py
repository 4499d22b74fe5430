"""Linear algebra on one thread, where products are too small to be shared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


@contextmanager
def one_thread() -> Iterator[None]:
    """Let linear algebra use one thread for a while: on small products the others do nothing but wait, at full speed.

    Examples
    --------
    >>> with one_thread():
    ...     pass
    """
    with threadpool_limits(1, user_api="blas"):
        yield
