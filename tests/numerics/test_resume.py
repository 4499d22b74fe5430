"""A run that was interrupted and resumed ends as one that was not, to the bit (on a CPU)."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from selectormlp.networks import module
from selectormlp.networks.mlp import NetworkSpec
from selectormlp.networks.module import ClassifierModule, TrainingSpec
from selectormlp.networks.training import Run, train_network

NETWORK = NetworkSpec(12, 3, hidden_sizes=(8, 6, 4), dropout=0.3, noise_std=0.5, batch_norm=True)
TRAINING = TrainingSpec(lr=0.02, max_epochs=6, batch_size=16, alpha=0.01, weight_decay=0.1, seed=3, device="cpu")


def cells(seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(90) % 3
    X = rng.normal(size=(90, 12)).astype(np.float32)
    X[np.arange(90), labels] += 1.5
    return X, labels


def train(folder, *, network=NETWORK, training=TRAINING, resume_from=None, **run_settings):
    run = Run(folder / "logs", folder / "checkpoints", "{}", resume_from=resume_from, **run_settings)
    run.log_dir.mkdir(parents=True, exist_ok=True)
    return train_network(*cells(0), network, training, validation=cells(1), run=run)


def assert_same(found, expected):
    assert list(found.network.state_dict()) == list(expected.network.state_dict())
    for name, value in expected.network.state_dict().items():
        assert torch.equal(found.network.state_dict()[name], value), name
    pd.testing.assert_frame_equal(found.history, expected.history, check_exact=True)
    assert found.best_epoch == expected.best_epoch


def last_state(folder):
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def assert_same_last_epoch(found, expected):
    """The weights and the optimiser's memory after the very last step, be it the best or not."""
    found, expected = last_state(found), last_state(expected)
    for name, value in expected["state_dict"].items():
        assert torch.equal(found["state_dict"][name], value), name
    for number, memory in expected["optimizer_states"][0]["state"].items():
        for name, value in memory.items():
            assert torch.equal(found["optimizer_states"][0]["state"][number][name], value), (number, name)
    assert found["global_step"] == expected["global_step"]


class StoppedError(RuntimeError):
    pass


def interrupt_at(monkeypatch, step):
    """Make training fail in the middle of an epoch."""
    original = ClassifierModule.training_step

    def training_step(self, batch, batch_idx):
        if self.global_step == step:
            raise StoppedError("power cut")
        return original(self, batch, batch_idx)

    monkeypatch.setattr(ClassifierModule, "training_step", training_step)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    return folder, train(folder)


@pytest.mark.parametrize("n_epochs", [1, 4])
def test_after_some_epochs(tmp_path, unbroken, n_epochs):
    train(tmp_path, training=replace(TRAINING, max_epochs=n_epochs))
    resumed = train(tmp_path, resume_from=tmp_path / "checkpoints" / "last.ckpt")
    assert_same(resumed, unbroken[1])
    assert_same_last_epoch(tmp_path, unbroken[0])


@pytest.mark.parametrize("step", [7, 20, 33])  # six steps an epoch: in the 2nd, 4th and 6th
def test_after_an_exception_in_the_middle_of_an_epoch(tmp_path, unbroken, monkeypatch, step):
    with monkeypatch.context() as patch:
        interrupt_at(patch, step)
        with pytest.raises(StoppedError, match="power cut"):
            train(tmp_path)
    assert last_state(tmp_path)["global_step"] == step // 6 * 6
    torch.randn(17)  # the state of the global generator does not matter
    resumed = train(tmp_path, resume_from=tmp_path / "checkpoints" / "last.ckpt")
    assert_same(resumed, unbroken[1])
    assert_same_last_epoch(tmp_path, unbroken[0])
    metrics = pd.read_csv(tmp_path / "logs" / "metrics.csv")
    pd.testing.assert_frame_equal(metrics, unbroken[1].history)


def test_twice_interrupted(tmp_path, unbroken, monkeypatch):
    last = None
    for step in (8, 27):
        with monkeypatch.context() as patch:
            interrupt_at(patch, step)
            with pytest.raises(StoppedError, match="power cut"):
                train(tmp_path, resume_from=last)
        last = tmp_path / "checkpoints" / "last.ckpt"
    assert_same(train(tmp_path, resume_from=last), unbroken[1])
    assert [p.name for p in (tmp_path / "checkpoints").glob("last*")] == ["last.ckpt"]


def test_from_one_of_the_best_checkpoints(tmp_path, unbroken):
    train(tmp_path, training=replace(TRAINING, max_epochs=3), save_last=False)
    best = max((tmp_path / "checkpoints").iterdir())
    assert_same(train(tmp_path, resume_from=best, save_last=False), unbroken[1])


def test_a_finished_run_stays_as_it_is(tmp_path, unbroken):
    train(tmp_path)
    assert_same(train(tmp_path, resume_from=tmp_path / "checkpoints" / "last.ckpt"), unbroken[1])


def test_a_finished_run_goes_on_with_more_epochs(tmp_path, unbroken):
    train(tmp_path)
    longer = replace(TRAINING, max_epochs=8)
    resumed = train(tmp_path, training=longer, resume_from=tmp_path / "checkpoints" / "last.ckpt")
    assert_same(resumed, train(tmp_path / "again", training=longer))
    assert len(resumed.history) == 8


def test_a_run_that_was_moved(tmp_path, unbroken):
    before, after = tmp_path / "before", tmp_path / "after"
    train(before, training=replace(TRAINING, max_epochs=3))
    before.rename(after)
    assert_same(train(after, resume_from=after / "checkpoints" / "last.ckpt"), unbroken[1])
    assert last_state(after)["epoch"] == 5
    assert not before.exists()


STUCK = replace(TRAINING, lr=1e-9, max_epochs=12, patience=3)


def test_a_run_that_stopped_early_stays_stopped(tmp_path):
    first = train(tmp_path, training=STUCK)
    assert_same(train(tmp_path, training=STUCK, resume_from=tmp_path / "checkpoints" / "last.ckpt"), first)


@pytest.mark.parametrize("patience", [5, None])
def test_a_run_that_stopped_early_goes_on_with_more_patience(tmp_path, patience):
    assert len(train(tmp_path / "first", training=STUCK).history) < 12
    patient = replace(STUCK, patience=patience)
    resumed = train(tmp_path, training=patient, resume_from=tmp_path / "first" / "checkpoints" / "last.ckpt")
    assert_same(resumed, train(tmp_path / "again", training=patient))


def test_each_step_has_a_seed_of_its_own():
    seeds = [module.step_seed(seed, step) for seed in range(3) for step in range(100)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert module.step_seed(3, 5) == module.step_seed(3, 5)
    assert len({module.step_seed(3, 5, rank) for rank in range(100)}) == 100
