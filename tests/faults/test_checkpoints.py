"""Promise: a checkpoint is data. No name in it becomes an attribute; no path in it is opened, written or deleted."""

import json

import numpy as np
import pytest
import torch

from selectormlp.errors import ModelFileError
from selectormlp.networks.checkpoint_state import read_checkpoint
from selectormlp.networks.mlp import NetworkSpec
from selectormlp.networks.module import TrainingSpec
from selectormlp.networks.training import Run, train_network

N_GENES = 5


def train(folder, max_epochs, resume_from=None):
    rng = np.random.default_rng(0)
    X = rng.random((24, N_GENES), dtype=np.float32)
    labels = np.arange(24) % 2
    network = NetworkSpec(n_genes=N_GENES, n_classes=2, hidden_sizes=(4, 3, 2))
    training = TrainingSpec(max_epochs=max_epochs, batch_size=8, device="cpu", patience=50, seed=0)
    run = Run(folder / "logs", folder / "checkpoints", json.dumps({"card": 1}), resume_from=resume_from, save_top_k=2)
    return train_network(X, labels, network, training, validation=(X, labels), run=run)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    train(folder, 3)
    return folder


@pytest.fixture
def altered(trained, tmp_path):
    """Change the last checkpoint of a copy of a run, and go on from it."""
    import shutil

    shutil.copytree(trained, tmp_path / "run")
    place = tmp_path / "run" / "checkpoints" / "last.ckpt"

    def change(how):
        found = torch.load(place, weights_only=True)
        how(found)
        torch.save(found, place)
        return lambda: train(tmp_path / "run", 5, place)

    return change


def state_of(found, callback, monitor=""):
    return next(state for name, state in found["callbacks"].items() if name.startswith(callback) and monitor in name)


def test_a_run_goes_on_as_if_it_had_not_stopped(trained, tmp_path, altered):
    resumed = altered(lambda found: None)()
    whole = train(tmp_path / "whole", 5)
    assert resumed.history.equals(whole.history)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name])
    kept = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert kept == sorted(path.name for path in (tmp_path / "whole" / "checkpoints").iterdir())


def test_a_checkpoint_holds_no_path(trained):
    content = (trained / "checkpoints" / "last.ckpt").read_bytes()
    assert str(trained).encode() not in content


def test_a_run_of_an_earlier_version_goes_on(trained, altered, tmp_path):
    """Its checkpoints hold whole paths; the names of its own files are taken from them."""

    def older(found):
        state = state_of(found, "ModelCheckpoint", "val_mean")
        folder = str(tmp_path / "run" / "checkpoints")
        scores = {f"{folder}/{name}": score for name, score in state["best_k_models"].items()}
        state.update(
            dirpath=folder,
            monitor="val_mean_per_class_accuracy",
            best_k_models=scores,
            best_model_path=next(iter(scores)),
            kth_best_model_path=next(iter(scores)),
            kth_value=torch.tensor(0.0),
            best_model_score=torch.tensor(1.0),
            current_score=torch.tensor(1.0),
            last_model_path="",
        )

    assert len(altered(older)().history) == 5
    assert len(list((tmp_path / "run" / "checkpoints").glob("epoch*"))) == 2


@pytest.mark.parametrize("path", ["local://{}", "{}", "../../victim/thesis.ckpt", "{}/../thesis.ckpt"])
def test_no_path_in_a_checkpoint_is_deleted(altered, tmp_path, path):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "thesis.ckpt").write_text("years of work")

    def aim(found):
        gone = path.format(victim / "thesis.ckpt")
        state = state_of(found, "ModelCheckpoint", "val_mean")
        state["best_k_models"] = {gone: torch.tensor(-1.0), "b": torch.tensor(2.0)}
        state["kth_best_model_path"] = gone

    altered(aim)()
    assert (victim / "thesis.ckpt").read_text() == "years of work"


def test_a_link_in_the_folder_of_a_run_is_not_followed(altered, tmp_path):
    (tmp_path / "victim").write_text("years of work")

    def aim(found):
        state = state_of(found, "ModelCheckpoint", "val_mean")
        (tmp_path / "run" / "checkpoints" / "epoch=000.ckpt").symlink_to(tmp_path / "victim")
        state["best_k_models"] = {"epoch=000.ckpt": torch.tensor(-1.0), "last.ckpt": torch.tensor(2.0)}

    altered(aim)()
    assert (tmp_path / "victim").read_text() == "years of work"


def weights_of_another_size(found):
    state = state_of(found, "BestWeights")
    state["best_weights"] = {name: torch.zeros(2) for name in state["best_weights"]}


def a_bomb(found):
    found["state_dict"]["network.first.weight"] = torch.zeros(1).expand(10**9, 10**3)


CHANGES = {
    "a path of the log": lambda found: state_of(found, "BestWeights").update(metrics_csv="/tmp/x"),
    "a method": lambda found: state_of(found, "BestWeights").update(on_validation_end="x"),
    "text as a header": lambda found: state_of(found, "BestWeights").update(rows=[{"touch x #": 1.0}]),
    "text as a score": lambda found: state_of(found, "BestWeights").update(rows=[{"epoch": 1, "val_loss": "=1+1"}]),
    "rows of no kind": lambda found: state_of(found, "BestWeights").update(rows=3),
    "no best score": lambda found: state_of(found, "BestWeights").update(best_score=float("nan")),
    "no best epoch": lambda found: state_of(found, "BestWeights").update(best_epoch=-1),
    "best weights": weights_of_another_size,
    "patience": lambda found: state_of(found, "Patience").update(wait_count="x"),
    "more patience": lambda found: state_of(found, "Patience").update(monitor_op="x"),
    "checkpoints": lambda found: state_of(found, "ModelCheckpoint").update(filename="/etc/x"),
    "files": lambda found: state_of(found, "ModelCheckpoint", "val_mean").update(best_k_models={3: 4}),
    "scores": lambda found: state_of(found, "ModelCheckpoint", "val_mean").update(best_k_models={"a.ckpt": "x"}),
    "a callback": lambda found: found["callbacks"].update(Evil={"x": 1}),
    "no callbacks": lambda found: found.update(callbacks=3),
    "a part": lambda found: found.update(datamodule={"x": 1}),
    "schedules": lambda found: found.update(lr_schedulers=[{"step": 1}]),
    "an optimizer": lambda found: found["optimizer_states"][0].update(hook="x"),
    "its groups": lambda found: found["optimizer_states"][0]["param_groups"][0].update(lr="x"),
    "its own names": lambda found: found["optimizer_states"][0]["param_groups"][0].update(step="x"),
    "its sizes": lambda found: found["optimizer_states"][0]["state"][1].update(exp_avg=torch.zeros(2)),
    "loops": lambda found: found["loops"]["fit_loop"].update(state_dict={"x": "text"}),
    "no loops": lambda found: found.pop("loops"),
    "progress": lambda found: found["loops"]["fit_loop"].pop("epoch_progress"),
    "counts": lambda found: found["loops"]["fit_loop"]["epoch_progress"]["total"].update(ready=-3),
    "the epoch": lambda found: found.update(epoch="x"),
    "the step": lambda found: found.update(global_step=10**40),
    "the version": lambda found: found.update({"pytorch-lightning_version": "x"}),
    "a bomb": a_bomb,
    "other weights": lambda found: found["state_dict"].pop("network.first.bias"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_no_checkpoint_of_ours_holds_is_refused_before_training(altered, change):
    go_on = altered(change)
    with pytest.raises(ModelFileError, match=r"is not (a checkpoint )?of this (program|run)") as caught:
        go_on()
    assert "\n" not in str(caught.value)


def test_a_damaged_checkpoint_is_noticed_by_its_checksums(trained, tmp_path):
    content = (trained / "checkpoints" / "last.ckpt").read_bytes()
    rng = np.random.default_rng(2)
    where = content.index(b"FB")  # what PyTorch fills up with lies between parts
    for number in range(20):
        changed = bytearray(content)
        start = int(rng.integers(where, len(content) - 200))
        changed[start] ^= 1 << int(rng.integers(8))
        file = tmp_path / f"{number}.ckpt"
        file.write_bytes(changed)
        try:
            found = read_checkpoint(file)
        except ModelFileError:
            continue
        whole = read_checkpoint(trained / "checkpoints" / "last.ckpt")
        for name, value in whole["state_dict"].items():
            assert torch.equal(value, found["state_dict"][name])
