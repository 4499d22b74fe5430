"""Run the tests of what is learned as other processors would: with other kernels, and other numbers of threads.

``make test-portable`` runs this file. Each setting is a process of its own, since libraries read theirs when they are
loaded. What this processor lacks is left out, and said.
"""

import os
import platform
import subprocess
import sys
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
SETTINGS = {
    "PyTorch without vector kernels": {"ATEN_CPU_CAPABILITY": "default"},
    "MKL for any processor": {"MKL_CBWR": "COMPATIBLE"},
    "oneDNN up to SSE 4.1": {"ONEDNN_MAX_CPU_ISA": "SSE41"},
    "OpenBLAS of Haswell": {"OPENBLAS_CORETYPE": "Haswell"},
    **{f"{n} threads": dict.fromkeys(THREADS, str(n)) for n in (1, 2, 4)},
}
NEEDED = {"oneDNN up to SSE 4.1": "sse4_1", "OpenBLAS of Haswell": "avx2"}
"""What a setting needs of the processor, as Linux calls it."""
X86 = ("MKL for any processor", "oneDNN up to SSE 4.1", "OpenBLAS of Haswell")


def lacks(name):
    """Say what this processor lacks for a setting; empty where nothing."""
    if name in X86 and platform.machine().lower() not in ("x86_64", "amd64"):
        return "an x86 processor"
    place = Path("/proc/cpuinfo")
    flag = NEEDED.get(name)
    if flag and place.exists() and flag not in place.read_text().split():
        return flag
    return ""


def main():
    """Run all settings; leave with 1 if one fails."""
    failed = []
    command = [sys.executable, "-m", "pytest", "-q", "-m", "learned and not gpu", "-p", "no:cacheprovider", "tests"]
    for name, settings in SETTINGS.items():
        missing = lacks(name)
        sys.stdout.write(f"\n{name}: {'left out, needs ' + missing if missing else settings}\n")
        sys.stdout.flush()
        if not missing and subprocess.run(command, env={**os.environ, **settings}, check=False).returncode:
            failed.append(name)
    sys.stdout.write(f"\nfailed: {', '.join(failed) or 'none'}\n")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
