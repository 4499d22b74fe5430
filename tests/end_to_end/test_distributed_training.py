"""Two processes on one machine train together: `train --devices 2`, torchrun, and what goes wrong."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from selectormlp.data.anndata_files import read_adata
from selectormlp.models.storage import load_model

pytestmark = pytest.mark.slow

CLASSES = [f"type {letter}" for letter in "ABCDEF"]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """5,003 training and 4,001 validation cells of six types that overlap, sorted by type, as files often are."""
    folder = tmp_path_factory.mktemp("split")
    rng = np.random.default_rng(1)
    means = rng.gamma(0.5, 0.35, size=(len(CLASSES), 60))
    for side, n_cells in (("train", 5003), ("val", 4001)):
        labels = np.sort(rng.integers(len(CLASSES), size=n_cells))
        obs = pd.DataFrame({"kind": pd.Categorical(np.array(CLASSES)[labels])})
        obs.index = [f"{side}{i}" for i in range(n_cells)]
        counts = rng.poisson(means[labels]).astype(np.float32)
        anndata.AnnData(sp.csr_matrix(counts), obs=obs).write_h5ad(folder / f"adata_{side}.h5ad")
    return folder


def settings_file(folder, split, **training):
    settings = {
        "log_dir": str(folder / "logs"),
        "trained_models_dir": str(folder / "models"),
        "data": {"input_dir": str(split), "y_column": "kind"},
        "dataloader": {"batch_size": 64, "num_workers": 0, "block_size": 16, "buffer_mb": 1},
        "model": {"L1_size": 32, "L2_size": 16, "L3_size": 8},
        "training": {"max_epochs": 8, "lr": 0.003, "alpha": 0.001, "device": "cpu", **training},
        "checkpoint": {"dir": str(folder / "checkpoints")},
    }
    folder.mkdir(exist_ok=True)
    path = folder / "train.json"
    path.write_text(json.dumps(settings))
    return path


def start(settings, *flags, launcher=()):
    environment = {name: value for name, value in os.environ.items() if name not in ("RANK", "LOCAL_RANK")}
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", "selectormlp", "train", "--config", str(settings), *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, "OMP_NUM_THREADS": "1"},
    )


def finish(process):
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def scores(folder, split):
    """Accuracy on the validation cells of the model that was saved."""
    model = load_model(folder / "models" / "SelectorMLP_best_model")
    cells = model.read_cells(read_adata(split / "adata_val.h5ad"))
    return (model.selector.class_scores(cells.X).argmax(axis=1) == cells.labels).mean()


@pytest.fixture(scope="module")
def one_process(split, tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    code, _, err = finish(start(settings_file(folder, split), "--lazy"))
    assert code == 0, err
    return folder


def assert_one_writer(folder, out):
    assert out.count("Written:") == 1
    for pattern in ("logs/*", "checkpoints/*", "models/*", "logs/*/metrics.csv", "logs/*/events.*"):
        assert len(list(folder.glob(pattern))) == 1, pattern
    assert pd.read_csv(next(folder.glob("logs/*/metrics.csv")))["epoch"].tolist() == list(range(1, 9))


@pytest.mark.learned
@pytest.mark.parametrize(
    ("where", "launcher"),
    [("--lazy", ()), ("--in-memory", ()), ("--lazy", TORCHRUN)],
    ids=["lazy", "memory", "torchrun"],
)
def test_two_processes_are_as_accurate_as_one(split, one_process, tmp_path, where, launcher):
    code, out, err = finish(start(settings_file(tmp_path, split), where, "--devices", "2", launcher=launcher))
    assert code == 0, err
    assert_one_writer(tmp_path, out)
    assert err.count("epoch 8 of 8") == 1
    expected = scores(one_process, split)
    assert 0.7 < expected < 0.99
    assert abs(scores(tmp_path, split) - expected) < 0.02  # by chance 0.0035, if they disagree on 5 % of the cells


def test_the_scores_of_two_processes_are_those_of_all_cells(split, tmp_path):
    """The last row of the history is what the saved model, were it of the last epoch, scores."""
    code, _, err = finish(start(settings_file(tmp_path, split, max_epochs=1), "--lazy", "--devices", "2"))
    assert code == 0, err
    history = pd.read_csv(next(tmp_path.glob("logs/*/metrics.csv")))
    assert history["val_accuracy"].iloc[0] == pytest.approx(scores(tmp_path, split), abs=1e-6)


def test_processes_that_were_not_asked_for(split, tmp_path):
    code, _, err = finish(start(settings_file(tmp_path, split), launcher=TORCHRUN))
    assert code != 0
    assert "torchrun has started 2 processes, but 1 device on 1 machine take 1; give --devices" in err
    assert not list(tmp_path.glob("models/*"))


def test_a_truncated_file_is_named_and_ends_both(split, tmp_path):
    broken = tmp_path / "split"
    broken.mkdir()
    for file in split.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    import h5py

    with h5py.File(broken / "adata_train.h5ad", "r+") as file:
        file["X/indices"][-20_000:] = 10_000
    code, _, err = finish(start(settings_file(tmp_path, broken), "--lazy", "--devices", "2"))
    assert code != 0
    assert "name genes beyond the 60 that it has; the file is damaged" in err
    assert not list(tmp_path.glob("models/*"))


@pytest.mark.skipif(shutil.which("pgrep") is None, reason="needs pgrep")
def test_one_of_two_is_killed_and_the_run_goes_on_later(split, tmp_path):
    settings = settings_file(tmp_path, split, max_epochs=16)
    process = start(settings, "--lazy", "--devices", "2")
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("checkpoints/*/last.ckpt")) and time.monotonic() < deadline:
        time.sleep(0.05)
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True).stdout
    os.kill(int(children.split()[0]), signal.SIGKILL)
    code, _, _ = finish(process)
    assert code != 0
    assert not list(tmp_path.glob("models/*"))
    before = torch.load(next(tmp_path.glob("checkpoints/*/last.ckpt")), weights_only=True)["epoch"]
    code, _, err = finish(start(settings, "--lazy", "--devices", "2", "--restart"))
    assert code == 0, err
    history = pd.read_csv(next(tmp_path.glob("logs/*/metrics.csv")))
    assert history["epoch"].tolist() == list(range(1, 17))
    assert before < 15
    assert len(list(tmp_path.glob("checkpoints/*"))) == 1
