"""Progress of long steps, on the terminal or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import rich
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


@contextmanager
def progress_bar(what: str, total: int | None = None, *, visible: bool) -> Iterator[Callable[[int], object]]:
    """Show a bar (or, without a total, a spinner with the time) while the block runs.

    Parameters
    ----------
    what
        Said beside the bar.
    total
        Units of work, or None where they cannot be counted.
    visible
        Whether to show anything.

    Yields
    ------
    A function to call with the units done since the last call.
    """
    columns = [SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()]
    if total is not None:
        columns[2:2] = [BarColumn(), MofNCompleteColumn()]
    with Progress(*columns, console=rich.get_console(), transient=True, disable=not visible) as bar:
        task = bar.add_task(what, total=total)
        yield lambda units: bar.advance(task, units)


@contextmanager
def pass_bar(what: str, *, visible: bool) -> Iterator[tuple[Callable[[int], object], Callable[[int], object]]]:
    """Show a bar for passes over data, of which each says how long it is when it starts.

    Parameters
    ----------
    what
        Said beside the bar.
    visible
        Whether to show anything.

    Yields
    ------
    Two functions: to call with the units of the pass that begins, and with the units done since the last call.
    """
    columns = [
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    ]
    with Progress(*columns, console=rich.get_console(), transient=True, disable=not visible) as bar:
        task = bar.add_task(what, total=None)
        yield lambda units: bar.reset(task, total=units), lambda units: bar.advance(task, units)
