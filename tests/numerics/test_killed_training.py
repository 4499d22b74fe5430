"""Training from disk that is killed at any moment goes on, and ends as if nothing had happened, to the bit."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

N_CELLS, BATCH, EPOCHS = 300, 16, 5
STEPS_AN_EPOCH = 19
KILLED = -signal.SIGKILL

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    folder = tmp_path_factory.mktemp("split")
    rng = np.random.default_rng(0)
    for side, n_cells in (("train", N_CELLS), ("val", 60)):
        labels = np.arange(n_cells) % 3
        counts = rng.poisson(0.7, size=(n_cells, 12)).astype(np.float32)
        counts[np.arange(n_cells), labels] += 2
        obs = pd.DataFrame({"kind": pd.Categorical(np.array(["B", "NK", "T"])[labels])})
        obs.index = [f"{side}{i}" for i in range(n_cells)]
        anndata.AnnData(sp.csr_matrix(counts), obs=obs).write_h5ad(folder / f"adata_{side}.h5ad")
    return folder


@pytest.fixture(scope="module")
def trainer(split):
    """Train in a folder, in a process of its own; return how that ended."""
    script = Path(__file__).with_name("killed_runs.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )

    def train(folder, *, restart=False, kill=None, **dataloader):
        settings = {
            "restart": restart,
            "log_dir": str(folder / "logs"),
            "trained_models_dir": str(folder / "models"),
            "data": {"input_dir": str(split), "y_column": "kind", "lazy": True},
            "dataloader": {"batch_size": BATCH, "num_workers": 0, "block_size": 4, "buffer_mb": 1, **dataloader},
            "model": {"L1_size": 8, "L2_size": 6, "L3_size": 4},
            "training": {"max_epochs": EPOCHS, "lr": 0.02, "batch_norm": True, "device": "cpu"},
            "checkpoint": {"dir": str(folder / "checkpoints")},
        }
        process.stdin.write(json.dumps({"settings": settings, "kill": kill}) + "\n")
        process.stdin.flush()
        return int(process.stdout.readline())

    yield train
    process.stdin.close()
    process.stdout.close()
    process.wait()


@pytest.fixture(scope="module")
def unbroken(trainer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    assert trainer(folder) == 0
    return folder


def assert_same_end(found, expected):
    """The model, the history, and the weights and the optimiser's memory after the last step."""
    model = Path("models") / "SelectorMLP_best_model.safetensors"
    assert (found / model).read_bytes() == (expected / model).read_bytes()
    metrics = [next(folder.glob("logs/*/metrics.csv")).read_text() for folder in (found, expected)]
    assert metrics[0] == metrics[1]
    last = [torch.load(next(folder.glob("checkpoints/*/last.ckpt")), weights_only=True) for folder in (found, expected)]
    assert last[0]["global_step"] == last[1]["global_step"] == EPOCHS * STEPS_AN_EPOCH
    for name, value in last[1]["state_dict"].items():
        assert torch.equal(last[0]["state_dict"][name], value), name
    for number, memory in last[1]["optimizer_states"][0]["state"].items():
        for name, value in memory.items():
            assert torch.equal(last[0]["optimizer_states"][0]["state"][number][name], value), (number, name)
    assert len(list(found.glob("checkpoints/*"))) == 1


STEPS = np.random.default_rng(7).integers(EPOCHS * STEPS_AN_EPOCH, size=10).tolist()


@pytest.mark.parametrize(
    "step", [3, 40, *(pytest.param(step, marks=pytest.mark.slow) for step in STEPS)]
)  # the first before there is any checkpoint
def test_at_any_step(trainer, unbroken, tmp_path, step):
    assert trainer(tmp_path, kill={"step": step}) == KILLED
    assert not list(tmp_path.glob("models/[!.]*"))
    assert trainer(tmp_path, restart=True) == 0
    assert_same_end(tmp_path, unbroken)


@pytest.mark.slow
def test_again_and_again(trainer, unbroken, tmp_path):
    for number, step in enumerate(sorted(STEPS)):
        assert trainer(tmp_path, restart=number > 0, kill={"step": step}) == KILLED
    assert trainer(tmp_path, restart=True) == 0
    assert_same_end(tmp_path, unbroken)


@pytest.mark.parametrize(
    "kill",
    [
        {"writing": ".ckpt", "nth": 1},
        {"writing": ".ckpt", "nth": 6},
        {"renaming": ".ckpt", "nth": 1, "after": False},
        {"renaming": ".ckpt", "nth": 4, "after": True},
        {"renaming": ".csv", "nth": 2, "after": False},
        {"renaming": ".safetensors", "nth": 1, "after": False},
    ],
    ids=lambda kill: "-".join(map(str, kill.values())),
)
def test_while_a_file_is_written(trainer, unbroken, tmp_path, kill):
    assert trainer(tmp_path, kill=kill) == KILLED
    assert list(tmp_path.glob("**/.*.part*")) or kill.get("after")  # something half done was left behind
    assert trainer(tmp_path, restart=True) == 0
    assert_same_end(tmp_path, unbroken)
    assert not list(tmp_path.glob("**/.*.part*"))


def test_with_helpers_that_read_ahead(trainer, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert trainer(whole, num_workers=2) == 0
    assert trainer(broken, num_workers=2, kill={"step": 25}) == KILLED
    assert trainer(broken, num_workers=2, restart=True) == 0
    assert_same_end(broken, whole)
