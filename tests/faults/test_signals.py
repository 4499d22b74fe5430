"""What is stopped leaves the result before as it was, no draft, and one line at most (docs/security.md)."""

import json
import signal
import subprocess
import sys
import time
from functools import partial

import anndata
import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")

COMMANDS = {
    "select": ["--label-key", "kind", "--n-genes", "3", "--method", "forest"],
    "run": ["--label-key", "kind", "--methods", "svm"],
}


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM], ids=["interrupted", "terminated"])
@pytest.mark.parametrize("command", [pytest.param("run", marks=pytest.mark.slow), "select"])
def test_a_command_that_is_stopped_changes_nothing(tmp_path, command, stop):
    rng = np.random.default_rng(0)
    labels = np.repeat(["B", "NK", "T"], 2000)
    X = rng.poisson(1 + 2 * (labels[:, None] == np.resize(["B", "NK", "T"], 60))).astype(np.float32)
    obs = pd.DataFrame({"kind": labels}, index=[f"c{i}" for i in range(len(labels))])
    anndata.AnnData(X, obs).write_h5ad(tmp_path / "cells.h5ad")
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text(json.dumps("stays"))
    given = [sys.executable, "-m", "selectormlp", command, str(tmp_path / "cells.h5ad"), *COMMANDS[command]]
    with (tmp_path / "said").open("w+") as said:
        process = subprocess.Popen(
            [*given, "--out", str(out)],
            stdout=subprocess.DEVNULL,
            stderr=said,
            preexec_fn=partial(signal.signal, stop, signal.SIG_DFL),  # tests run in the background may ignore it
        )
        deadline = time.monotonic() + 120
        while not (tmp_path / "said").stat().st_size and time.monotonic() < deadline:  # its first words: it is at work
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(stop)
        code = process.wait(60)
        said.seek(0)
        text = said.read()
    assert code in (130, 128 + stop, -stop), text
    assert "Traceback" not in text
    assert [path.name for path in out.iterdir() if not path.name.endswith(".lock")] == ["mine.txt"]
