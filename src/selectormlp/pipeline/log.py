"""The text log of a run, held in memory until the run has a folder: a refused run leaves no file."""

from __future__ import annotations

import logging
from logging.handlers import MemoryHandler
from pathlib import Path
from types import TracebackType
from typing import Self

FORMAT = "%(asctime)s %(levelname)s %(message)s"


class TextLog:
    """Collects what the package logs while it is open, details included; :meth:`open` gives it a file.

    Examples
    --------
    >>> with TextLog() as log:
    ...     logging.getLogger("selectormlp").warning("kept back")
    """

    def __enter__(self) -> Self:
        self._root = logging.getLogger("selectormlp")
        self._level_before = self._root.level
        self._memory = MemoryHandler(capacity=1_000_000, flushLevel=logging.CRITICAL + 1, flushOnClose=False)
        self._root.addHandler(self._memory)
        self._root.setLevel(logging.DEBUG)
        return self

    def open(self, path: Path) -> None:
        """Write to a file from now on, and what was collected so far; an existing file is continued."""
        file = logging.FileHandler(path, mode="a", encoding="utf-8")
        file.setFormatter(logging.Formatter(FORMAT))
        self._close()
        self._memory.setTarget(file)
        self._memory.flush()
        self._memory.capacity = 1  # from here on, every record goes straight to the file

    def _close(self) -> None:
        if self._memory.target is not None:
            self._memory.flush()
            self._memory.target.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            # into the file only: whoever catches the error prints it on the terminal
            text = str(error) or type(error).__name__
            self._memory.handle(self._root.makeRecord(self._root.name, logging.ERROR, __file__, 0, text, (), None))
        self._close()
        self._root.removeHandler(self._memory)
        self._root.setLevel(self._level_before)
