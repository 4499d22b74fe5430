"""Processes of one machine that train together are reached from that machine only (docs/security.md)."""

import json
import subprocess
import sys
import time

import anndata
import numpy as np
import pandas as pd
import pytest

psutil = pytest.importorskip("psutil", reason="tells on which addresses a process listens")

CLASSES = ["A", "B", "C"]


def some_settings(folder, device_settings, max_epochs):
    """A small split, and settings to train on it."""
    rng = np.random.default_rng(0)
    for side in ("train", "val"):
        labels = np.tile(CLASSES, 80)
        counts = rng.poisson(1 + 3 * (labels[:, None] == np.tile(CLASSES, 4))).astype(np.float32)
        obs = pd.DataFrame({"kind": labels}, index=[f"{side}{i}" for i in range(len(labels))])
        anndata.AnnData(counts, obs=obs).write_h5ad(folder / f"adata_{side}.h5ad")
    settings = {
        "log_dir": str(folder / "logs"),
        "trained_models_dir": str(folder / "models"),
        "data": {"input_dir": str(folder), "y_column": "kind"},
        "dataloader": {"batch_size": 32, "num_workers": 0},
        "model": {"L1_size": 8, "L2_size": 8, "L3_size": 4},
        "training": {"max_epochs": max_epochs, "device": "cpu", **device_settings},
        "checkpoint": {"dir": str(folder / "checkpoints")},
    }
    (folder / "train.json").write_text(json.dumps(settings))
    return folder / "train.json"


def listening(process):
    """Addresses on which a process or one that it started listens."""
    found = set()
    for each in (process, *process.children(recursive=True)):
        try:
            connections = each.net_connections(kind="inet")
        except psutil.Error:  # it has just ended
            continue
        found |= {connection.laddr.ip for connection in connections if connection.status == psutil.CONN_LISTEN}
    return found


@pytest.mark.parametrize(
    ("placement", "max_epochs"),
    [({"strategy": "ddp"}, 20), pytest.param({"devices": 2}, 40, marks=pytest.mark.slow)],
    ids=["one process", "two processes"],
)
def test_training_listens_on_the_loopback_interface_only(tmp_path, placement, max_epochs):
    settings = some_settings(tmp_path, placement, max_epochs)
    command = [sys.executable, "-m", "selectormlp", "train", "--config", str(settings), "-q"]
    found = set()
    with (tmp_path / "said").open("w+") as said:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said)
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            found |= listening(watched)
            time.sleep(0.02)
        said.seek(0)
        assert process.returncode == 0, said.read()
    assert found
    assert found <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
