"""A file object for HDF5, so that a full disk is an error and not a crash."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class _Forgiving(io.RawIOBase):
    """A file that stores its first error and then only pretends to write.

    If HDF5 cannot write to a file, it cannot close it either; it retries at the end of the process and crashes.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b", buffering=0)
        self._size = 0
        self.error: OSError | None = None

    def _try(self, act: Callable[[], Any], instead: Any) -> Any:
        if self.error is None:
            try:
                return act()
            except OSError as error:
                self.error = error
        return instead

    def write(self, data: Any) -> int:
        """Write all of it."""
        view = memoryview(data).cast("B")
        start = self._file.tell()
        self._try(lambda: self._write(view), None)
        self._file.seek(start + len(view))
        self._size = max(self._size, start + len(view))
        return len(view)

    def _write(self, view: memoryview) -> None:
        while view:
            view = view[self._file.write(view) :]

    def readinto(self, buffer: Any) -> int:
        """Read; zeros for data that could not be written."""
        view = memoryview(buffer).cast("B")
        n_read = self._try(lambda: self._file.readinto(view), 0) or 0
        view[n_read:] = bytes(len(view) - n_read)
        return len(view)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position; the end is computed as if everything had been written."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._file.tell(), io.SEEK_END: self._size}[whence]
        return self._file.seek(start + offset)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def truncate(self, size: int | None = None) -> int:
        """Set the size."""
        self._size = self._file.tell() if size is None else size
        self._try(lambda: self._file.truncate(self._size), None)
        return self._size

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Close it."""
        try:
            self._file.close()
        except OSError as error:
            self.error = self.error or error
        super().close()


@contextmanager
def forgiving_stream(path: Path) -> Iterator[io.RawIOBase]:
    """Open a file for HDF5 to write to; the first disk error is raised after HDF5 has closed it.

    Raises
    ------
    OSError
        If the file could not be written completely.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> import h5py
    >>> path = Path(mkdtemp()) / "a.h5"
    >>> with forgiving_stream(path) as stream, h5py.File(stream, "w") as file:
    ...     file["x"] = [1, 2]
    >>> with h5py.File(path) as file:
    ...     file["x"][:].tolist()
    [1, 2]
    """
    stream = _Forgiving(path)
    try:
        yield stream
    finally:
        stream.close()
        if stream.error is not None:
            raise stream.error
