"""How much memory this process may use: of the machine, of its control groups, of its own limits."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from selectormlp.causes import chain

GB = 1e9

UNLIMITED = 1 << 60
"""What a control group of the first version says where it has no limit is above this."""

WORDS = (
    "cannot allocate memory",
    "can't allocate memory",
    "unable to allocate",
    "failed to map",
    "out of memory",
    "bad_alloc",
)
"""What libraries say that do not raise :class:`MemoryError`."""


@dataclass(frozen=True, order=True)
class Limit:
    """Memory that is allowed.

    Attributes
    ----------
    free
        Bytes that are left.
    allowed
        Bytes in all.
    name
        What sets the limit.
    """

    free: int
    allowed: int
    name: str


def limits(root: Path = Path("/")) -> list[Limit]:
    """Return the limits that are known here, the tightest first.

    Parameters
    ----------
    root
        Where ``proc`` and ``sys`` are.

    Examples
    --------
    >>> all(limit.free <= limit.allowed for limit in limits())
    True
    """
    found = [_machine(root), _address_space(), *_groups(root)]
    return sorted(limit for limit in found if limit is not None)


def allowed_bytes() -> int | None:
    """Return how much memory this process may have in all; None where the system does not say."""
    known = [limit.allowed for limit in limits()]
    return min(known) if known else None


def is_shortage(error: BaseException | None) -> bool:
    """Return whether an error, or one that it came from, means that memory ran out."""
    return any(_is_shortage(link) for link in chain(error))


def _is_shortage(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    text = str(error).casefold()
    return isinstance(error, OSError | RuntimeError | ImportError) and any(word in text for word in WORDS)


def shortage_line(error: BaseException | None = None) -> str:
    """Say that memory ran out, what to do, and what the limit is."""
    known = limits()
    detail = f" ({error})" if error is not None and str(error) else ""
    limit = f" ({known[0].name} allows {known[0].allowed / GB:.1f} GB)" if known else ""
    return f"out of memory{detail}; use fewer cells or genes, --lazy where it exists, or a larger machine{limit}"


def _machine(root: Path) -> Limit | None:
    with suppress(OSError, ValueError, KeyError, IndexError):
        lines = (root / "proc/meminfo").read_text().splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.split()[1].isdigit()}
        return Limit(sizes["MemAvailable"], sizes["MemTotal"], "this machine")
    with suppress(AttributeError, ValueError, OSError):
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return Limit(total, total, "this machine")
    return None


def _address_space() -> Limit | None:
    try:
        import resource
    except ImportError:  # Windows has none
        return None
    allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
    if allowed == resource.RLIM_INFINITY:
        return None
    used = 0
    with suppress(OSError, ValueError):
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    return Limit(max(0, allowed - used), allowed, "the limit of this process (ulimit -v)")


def _groups(root: Path) -> list[Limit]:
    """Return the limits of the control groups that this process is in, and of those above, of both versions."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found: list[Limit | None] = []
    for line in lines:
        _, kinds, path = [*line.split(":", 2), "", ""][:3]
        if "memory" in kinds.split(","):
            base, names = root / "sys/fs/cgroup/memory", ("memory.limit_in_bytes", "memory.usage_in_bytes")
        elif not kinds:
            base, names = root / "sys/fs/cgroup", ("memory.max", "memory.current")
        else:
            continue
        parts = Path(path.lstrip("/")).parts
        found += [_group(base.joinpath(*parts[:n]), *names) for n in range(len(parts) + 1)]
    return [limit for limit in found if limit is not None]


def _group(folder: Path, allowed_name: str, used_name: str) -> Limit | None:
    try:
        allowed, used = int((folder / allowed_name).read_text()), int((folder / used_name).read_text())
    except (OSError, ValueError):  # no such group here, or "max"
        return None
    if allowed >= UNLIMITED:
        return None
    cached = 0
    with suppress(OSError, ValueError):
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        kinds = [name for name in ("inactive_file", "active_file") if name in stat]
        cached = sum(int(stat.get(f"total_{name}", stat[name])) for name in kinds)
    return Limit(max(0, allowed - used + cached), allowed, "the control group of this process")
