"""A restart goes by what checkpoints record, not by names, times of files or the zone (docs/security.md)."""

import json
import os
import time

import anndata
import numpy as np
import pandas as pd
import pytest
import torch

from selectormlp.pipeline.settings import TrainSettings
from selectormlp.pipeline.train import train_from_files


@pytest.fixture
def train(tmp_path):
    """Train a small network for some epochs; return the name of its run."""
    rng = np.random.default_rng(0)
    for side, n_cells in (("train", 60), ("val", 30)):
        labels = np.tile(["B", "NK", "T"], n_cells // 3)
        counts = rng.poisson(1 + 3 * (labels[:, None] == np.tile(["B", "NK", "T"], 4))).astype(np.float32)
        obs = pd.DataFrame({"kind": labels}, index=[f"{side}{i}" for i in range(n_cells)])
        cells = anndata.AnnData(counts, obs, pd.DataFrame(index=[f"g{i}" for i in range(12)]))
        (tmp_path / "split").mkdir(exist_ok=True)
        cells.write_h5ad(tmp_path / "split" / f"adata_{side}.h5ad")

    def run(max_epochs, *, restart=False):
        sections = {
            "log_dir": str(tmp_path / "logs"),
            "trained_models_dir": str(tmp_path / "models"),
            "restart": restart,
            "data": {"input_dir": str(tmp_path / "split"), "y_column": "kind"},
            "dataloader": {"batch_size": 16, "num_workers": 0},
            "model": {"L1_size": 8, "L2_size": 6, "L3_size": 4},
            "training": {"max_epochs": max_epochs, "device": "cpu"},
            "checkpoint": {"dir": str(tmp_path / "checkpoints")},
        }
        return train_from_files(TrainSettings.model_validate_json(json.dumps(sections)), "mlp").log_folder.name

    return run


def test_names_and_times_of_files_do_not_tell_which_run_is_the_last(train, tmp_path):
    first, last = train(1), train(1)
    later = time.time() + 10**6
    for folder in ("checkpoints", "logs"):  # as if the clock had been wrong
        renamed = tmp_path / folder / "mlp-99991231-235959"
        (tmp_path / folder / first).rename(renamed)
        for place in (renamed, *renamed.iterdir()):
            os.utime(place, (later, later))
    assert train(2, restart=True) == last


def test_a_clock_that_was_set_back_does_not_tell_which_run_is_the_last(train, tmp_path):
    first, last = train(1), train(1)
    for name, utc in ((first, "2030-01-01T00:00:00.000+00:00"), (last, "2020-01-01T00:00:00.000+00:00")):
        for file in (tmp_path / "checkpoints" / name).glob("*.ckpt"):
            found = torch.load(file, weights_only=True)
            start = json.loads(found["selectormlp_start"])
            found["selectormlp_start"] = json.dumps(start | {"utc": utc})
            torch.save(found, file)
    assert train(2, restart=True) == last


def test_a_run_that_ended_before_its_first_checkpoint_is_the_last_one_too(train, tmp_path):
    train(1)
    last = train(1)
    for file in (tmp_path / "checkpoints" / last).glob("*.ckpt"):
        file.unlink()
    (tmp_path / "checkpoints" / last / ".start.json").write_text(json.dumps({"number": 2, "utc": ""}))
    assert train(2, restart=True) == last
