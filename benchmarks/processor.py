"""The processor that measurements ran on, and what they took of it; needs the standard library alone."""

from __future__ import annotations

import platform
import resource
from contextlib import suppress
from pathlib import Path


def cpu_seconds() -> float:
    """Return what this process and those that it has started and that have ended took of all cores."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def processor_name() -> str:
    """Name the processor where the system tells."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
