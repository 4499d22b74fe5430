"""Progress of long work: what is done, how much of how much, and the time left; on a terminal or in a notebook.

Whatever is long says so with :func:`track` or :func:`step`, and knows nothing of who watches. A function of the
package, a command, or a selector with ``progress=True`` asks for it with :func:`showing`. Nothing is drawn where
standard error is no terminal (and there is no notebook), nothing in the first second, and nothing on standard output;
what was drawn is taken away at the end.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol, TypeVar

import rich
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.text import Text

from selectormlp.errors import printable

T = TypeVar("T")

DELAY = 1.0
"""Seconds of work before anything is drawn."""

REFRESHED = 0.5
"""Seconds between two drawings in a notebook."""

_wanted: ContextVar[bool] = ContextVar("wanted", default=False)


@contextmanager
def showing(visible: bool = True) -> Iterator[None]:
    """Show the progress of what runs in the block, where somebody sees it.

    Parameters
    ----------
    visible
        Whether to; False leaves it to who called this function.

    Examples
    --------
    >>> with showing():
    ...     sum(track(range(3), "adding"))  # nothing is drawn of what takes less than a second
    3
    """
    token = _wanted.set(visible or _wanted.get())
    try:
        yield
    finally:
        _wanted.reset(token)


def show_from_now_on(visible: bool) -> None:
    """Show progress, or do not, until the program ends."""
    _wanted.set(visible)


class Bar(Protocol):
    """What a step tells of itself."""

    def advance(self, units: int = 1) -> object:
        """Count units as done."""

    def restart(self, total: int) -> object:
        """Begin again, with this number of units."""

    def say(self, what: str) -> object:
        """Change the text beside the bar."""


class _NoBar:
    def advance(self, units: int = 1) -> None: ...
    def restart(self, total: int) -> None: ...
    def say(self, what: str) -> None: ...


@dataclass(frozen=True)
class _Line:
    """One line of what is drawn."""

    lines: Progress
    task: TaskID

    def advance(self, units: int = 1) -> None:
        self.lines.update(self.task, advance=units, counted=time.monotonic())

    def restart(self, total: int) -> None:
        self.lines.reset(self.task, total=total)

    def say(self, what: str) -> None:
        self.lines.update(self.task, description=printable(what), refresh=True)  # a stage may be short


@contextmanager
def step(what: str, total: int | None = None) -> Iterator[Bar]:
    """Show a line while the block runs: a bar or, without a total, the time passed.

    Parameters
    ----------
    what
        Said beside the bar.
    total
        Units of work, or None where they cannot be counted.

    Yields
    ------
    What the block tells its progress to. Steps within steps have lines of their own, below.

    Examples
    --------
    >>> with step("reading", total=2) as bar:
    ...     bar.advance()
    """
    if not (_wanted.get() and (_in_notebook() or sys.stderr.isatty())):
        yield _NoBar()
        return
    with _screen.lines() as lines:
        task = lines.add_task(printable(what), total=total, counted=time.monotonic())
        try:
            yield _Line(lines, task)
        finally:
            lines.remove_task(task)


def track(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yield items, and show how many are done; one counts once the next is asked for.

    Parameters
    ----------
    items
        Anything to go through.
    what
        Said beside the bar.
    total
        How many there are; by default their length, where they have one.

    Examples
    --------
    >>> [fold for fold in track(["first", "second"], "fitting")]
    ['first', 'second']
    """
    if total is None and isinstance(items, Collection):
        total = len(items)
    with step(what, total) as bar:
        for item in items:
            yield item
            bar.advance()


def _in_notebook() -> bool:
    """Return whether this runs in a kernel of Jupyter."""
    kernel = sys.modules.get("IPython")
    shell = kernel.get_ipython() if kernel is not None else None
    return shell is not None and hasattr(shell, "kernel")


class _Screen:
    """What all steps of this process share, in whichever thread: a terminal, or a cell of a notebook, is one place."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._n_steps = 0
        self._drawn: Progress | None = None

    @contextmanager
    def lines(self) -> Iterator[Progress]:
        """Yield the lines that are drawn, which are taken away when the last step has ended."""
        with self._lock:
            if self._drawn is None:
                self._drawn = _NotebookLines(*_columns()) if _in_notebook() else _terminal_lines()
                self._drawn.start()
            self._n_steps += 1
            drawn = self._drawn
        try:
            yield drawn
        finally:
            with self._lock:
                self._n_steps -= 1
                if not self._n_steps:
                    self._drawn = None
                    drawn.stop()


_screen = _Screen()


def _terminal_lines() -> Progress:
    """Draw on standard error; what the log and warnings say meanwhile goes above."""
    console = rich.get_console()
    console = console if console.stderr else Console(stderr=True)
    return _Lines(*_columns(), console=console, transient=True, redirect_stdout=False)


class _Lines(Progress):
    """Lines that are not drawn in the first second."""

    began = 0.0

    def start(self) -> None:
        self.began = time.monotonic()
        super().start()

    def get_renderables(self) -> Iterator[RenderableType]:
        if time.monotonic() - self.began >= DELAY:
            yield self.make_tasks_table(_unfinished(self.tasks))


class _NotebookLines(Progress):
    """Lines in the cell that runs, by IPython alone: ``ipywidgets`` need not be there.

    A thread draws them every half second, since one unit of work may take minutes.
    """

    def start(self) -> None:
        self._ended = threading.Event()
        self._drawing = threading.Thread(target=self._draw, daemon=True)
        self._drawing.start()

    def stop(self) -> None:
        self._ended.set()
        self._drawing.join()

    def refresh(self) -> None:
        """Leave it to the thread."""

    def _draw(self) -> None:
        from IPython.display import HTML, display

        place = None
        while not self._ended.wait(DELAY if place is None else REFRESHED):
            table = self.make_tasks_table(_unfinished(self.tasks))
            if place is None:
                place = display(table, display_id=True)
            else:
                place.update(table)
        if place is not None:
            place.update(HTML(""))


def _unfinished(tasks: list[Task]) -> list[Task]:
    return [task for task in tasks if task.total is None or task.completed < task.total]


def _columns() -> list[ProgressColumn]:
    """Make the columns: what, a bar, how many of how many, the time left."""
    return [SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(24), _Done(), _Left()]


class _Done(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if task.total is None else f"{int(task.completed):,} of {int(task.total):,}")


class _Left(ProgressColumn):
    def render(self, task: Task) -> Text:
        elapsed = task.elapsed or 0.0
        return Text(time_left(task.completed, task.total, elapsed, time.monotonic() - task.fields["counted"]))


def time_left(completed: float, total: float | None, elapsed: float, since: float) -> str:
    """Say how long the rest will take if it goes on as before; how long it has taken, where nothing is done yet.

    Parameters
    ----------
    completed, total
        Units; None where they cannot be counted.
    elapsed, since
        Seconds since the beginning, and since the last unit was done.

    Examples
    --------
    >>> time_left(1, 4, 32.0, 2.0), time_left(0, 4, 30.0, 30.0), time_left(0, None, 3700.0, 3700.0)
    ('1:28 left', '0:30', '1:01:40')
    """
    known = total is not None and completed > 0
    left = (elapsed - since) * ((total or 0) - completed) / completed - since if known else elapsed
    minutes, seconds = divmod(max(round(left), 0), 60)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return f"{clock} left" if known else clock
