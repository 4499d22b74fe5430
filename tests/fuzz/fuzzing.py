"""Feeding changed files to every reader: each must be read, or refused in one line, soon and in little memory.

``python tests/fuzz/fuzzing.py 10`` does so for ten minutes; what goes wrong is kept in ``fuzz_findings/``. Should the
process itself die, or hang in C code (then its place is printed), the file is the newest in ``fuzz_findings/last/``.
"""

import argparse
import faulthandler
import logging
import resource
import shutil
import signal
import sys
import time
import traceback
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from fuzz.mutate import content_of, restore

SYMLINKS = {True: {"symlinks": True, "dirs_exist_ok": True}, False: {}}

TIMEOUT_S = 30
"""A case that takes the processor for longer hangs."""

PATIENCE = 10
"""Times as long that a case may wait for others on a busy machine."""

MAX_GB = 4
"""Memory that the process may claim beyond what it holds at the start."""


class Hang(BaseException):
    """Raised by the alarm; not an ``Exception``, which readers may catch."""


@contextmanager
def alarm(seconds):
    """Interrupt what takes too long of the processor's time, or much too long on the clock."""
    end, cpu_end = time.monotonic() + PATIENCE * seconds, time.process_time() + seconds

    def ring(*_):
        if time.process_time() > cpu_end or time.monotonic() > end:
            raise Hang(f"longer than {seconds} s")
        signal.alarm(seconds)

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def judge(read, place):
    """Read a file; return what is wrong with the answer, or None."""
    from selectormlp.errors import SelectorMLPError

    faulthandler.dump_traceback_later(2 * PATIENCE * TIMEOUT_S, exit=True)
    try:
        with warnings.catch_warnings(), alarm(TIMEOUT_S):
            warnings.simplefilter("ignore")
            read(place)
    except SelectorMLPError as error:
        text = str(error)
        if "\n" in text or len(text) > 5000:
            return f"the message is {len(text)} characters on {text.count(chr(10)) + 1} lines"
        return None
    except (Exception, Hang):
        return traceback.format_exc(limit=-6)
    finally:
        faulthandler.cancel_dump_traceback_later()
    return None


def fuzz(name, reader, folder, rng, n_cases):
    """Try so many changed files; yield what went wrong, with the file."""
    folder.mkdir(parents=True, exist_ok=True)
    example = reader.example(folder)
    content = content_of(example)
    wrong = judge(reader.read, example)
    if wrong is not None:
        raise AssertionError(f"{name}: the example itself is not read: {wrong}")
    for _ in range(n_cases):
        reader.vary(content, example, rng)
        wrong = judge(reader.read, example)
        if wrong is not None:
            yield wrong, example
    restore(example, content)


def main():
    """Fuzz all readers in turn until the time is over."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("minutes", type=float)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", default="", help="readers whose name holds this")
    parser.add_argument("--findings", type=Path, default=Path("fuzz_findings"))
    given = parser.parse_args()
    from fuzz.readers import readers
    from selectormlp.gate import hdf5

    hdf5.SECONDS = TIMEOUT_S // 5  # so that what would be read for ever is refused before the alarm
    logging.disable(logging.CRITICAL)
    seed = int(time.time()) if given.seed is None else given.seed
    chosen = {name: reader for name, reader in readers().items() if given.only in name}
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MAX_GB * 2**30,) * 2)
    sys.stdout.write(f"seed {seed}: {len(chosen)} readers for {given.minutes:g} minutes\n")
    end, n_cases, found, round_number = time.monotonic() + 60 * given.minutes, 0, {}, 0
    last = given.findings / "last"
    while time.monotonic() < end:
        for place, (name, reader) in enumerate(chosen.items()):
            rng = np.random.default_rng([seed, round_number, place])
            for wrong, file in fuzz(name, reader, last / str(place), rng, 20):
                key = (name, wrong.strip().splitlines()[-1][:200])
                if key not in found:
                    kept = given.findings / f"{len(found)}-{file.name}"
                    (shutil.copytree if file.is_dir() else shutil.copy)(file, kept, **SYMLINKS[file.is_dir()])
                    sys.stdout.write(f"\n{name}: {kept}\n{wrong}\n")
                    sys.stdout.flush()
                found[key] = found.get(key, 0) + 1
            n_cases += 20
            if time.monotonic() >= end:
                break
        round_number += 1
    shutil.rmtree(last)
    sys.stdout.write(f"{n_cases:,} cases, {len(found)} kind(s) of findings\n")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
