"""A short run of the fuzzer, always the same; `make fuzz` runs it for longer, each time another way."""

import numpy as np
import pytest

pytest.importorskip("resource", reason="limits of time and memory are those of POSIX")
from fuzz.fuzzing import fuzz, judge
from fuzz.readers import readers

READERS = readers()
N_CASES, N_CELL_FILES = 40, 12
"""Files a reader gets; those of cells take a process each."""


@pytest.mark.parametrize("name", READERS)
def test_changed_files_are_read_or_refused_in_one_line(tmp_path, name):
    rng = np.random.default_rng(list(name.encode()))
    n_cases = N_CELL_FILES if name.startswith(("cells", "store")) else N_CASES
    found = [wrong for wrong, _ in fuzz(name, READERS[name], tmp_path / "cases", rng, n_cases)]
    assert not found, "\n".join(found[:3])


def test_the_fuzzer_notices_tracebacks_and_hangs(monkeypatch, tmp_path):
    monkeypatch.setattr("fuzz.fuzzing.TIMEOUT_S", 1)

    def stuck(_):
        while True:
            pass

    def broken(_):
        raise KeyError("x")

    assert "KeyError" in judge(broken, tmp_path)
    assert "Hang" in judge(stuck, tmp_path)
    assert judge(lambda place: place, tmp_path) is None
