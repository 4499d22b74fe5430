"""Every setting of training is honoured; what is left behind is what was promised."""

import json
import logging
import random
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
import torch.nn.functional as F  # noqa: N812

from selectormlp.errors import SettingsError
from selectormlp.networks.losses import gene_penalty
from selectormlp.networks.mlp import NetworkSpec, predict_logits
from selectormlp.networks.module import CARD_KEY, MONITORED, EpochScore, TrainingSpec
from selectormlp.networks.training import BestWeights, Run, train_network

NETWORK = NetworkSpec(12, 3, hidden_sizes=(8, 4), dropout=0.0, noise_std=0.0)
TRAINING = TrainingSpec(lr=0.01, max_epochs=2, batch_size=32, alpha=0.0, weight_decay=0.0, seed=5, device="cpu")
COLUMNS = [f"{side}_{what}" for side in ("val", "train") for what in ("accuracy", "mean_per_class_accuracy", "loss")]


def cells(seed=0, *, n_cells=96, n_genes=12, signal=2.0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n_cells) % 3
    X = rng.normal(size=(n_cells, n_genes)).astype(np.float32)
    X[np.arange(n_cells), labels] += signal
    return X, labels


def train(network=NETWORK, training=TRAINING, *, data=None, validation=True, **arguments):
    X, labels = cells() if data is None else data
    scored = cells(seed=1) if validation else None
    return train_network(X, labels, network, training, validation=scored, **arguments)


def weights(trained):
    return torch.cat([value.flatten().double() for value in trained.network.state_dict().values()])


def run_in(folder, **settings):
    return Run(folder / "logs", folder / "checkpoints", json.dumps({"kind": "test"}), **settings)


def test_the_same_seed_gives_the_same_weights_to_the_bit():
    noisy = replace(NETWORK, dropout=0.3, noise_std=0.5, batch_norm=True)
    assert torch.equal(weights(train(noisy)), weights(train(noisy)))
    assert not torch.equal(weights(train(noisy)), weights(train(noisy, replace(TRAINING, seed=6))))


def test_dense_and_sparse_cells_give_the_same_weights():
    X, labels = cells()
    assert torch.equal(weights(train(data=(sp.csr_array(X), labels))), weights(train(data=(X, labels))))


@pytest.mark.parametrize(
    "change",
    [
        {"leak_angle": 0.9},
        {"dropout": 0.5},
        {"noise_std": 0.5},
        {"selector_type": "clamped"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_setting_of_the_network_changes_what_is_learned(change):
    assert not torch.equal(weights(train(replace(NETWORK, **change))), weights(train()))


@pytest.mark.parametrize(
    "change",
    [
        {"lr": 0.02},
        {"weight_decay": 0.5},
        {"batch_size": 48},
        {"shuffle": False},
        {"alpha": 0.1},
        {"max_epochs": 3},
        {"penalty": "L2", "alpha": 0.1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_setting_of_the_training_changes_what_is_learned(change):
    first, second = (train(training=t, validation=False) for t in (TRAINING, replace(TRAINING, **change)))
    assert not torch.equal(weights(first), weights(second))


def test_layers_follow_the_settings():
    plain, normalised = train(), train(replace(NETWORK, batch_norm=True, hidden_sizes=(9, 7, 5)))
    assert not any(isinstance(layer, torch.nn.BatchNorm1d) for layer in plain.network.modules())
    norms = [layer for layer in normalised.network.modules() if isinstance(layer, torch.nn.BatchNorm1d)]
    assert [layer.num_features for layer in norms] == [9, 7, 5]
    assert all(layer.num_batches_tracked > 0 for layer in norms)
    assert train(replace(NETWORK, selector_type="none")).network.gates is None


def test_without_a_penalty_alpha_means_nothing():
    harmless = replace(TRAINING, penalty=None, alpha=9.0)
    assert torch.equal(weights(train(training=harmless)), weights(train()))


@pytest.mark.parametrize("penalty", ["L1", "L2"])
def test_alpha_and_penalty_reach_the_loss(penalty):
    X, labels = cells()
    trained = train(training=replace(TRAINING, penalty=penalty, alpha=0.7, max_epochs=1))
    logits = predict_logits(trained.network, X)
    size = gene_penalty(trained.network.gates.weight.detach(), penalty)
    expected = F.cross_entropy(logits, torch.from_numpy(labels)) + 0.7 * size
    assert trained.history["train_loss"].iloc[-1] == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("penalty", ["L1", "L2"])
def test_a_strong_penalty_shrinks_the_gene_weights(penalty):
    strong = train(training=replace(TRAINING, penalty=penalty, alpha=50.0, max_epochs=20, lr=0.02), validation=False)
    free = train(training=replace(TRAINING, max_epochs=20, lr=0.02), validation=False)
    assert strong.network.gene_scores().sum() < 0.3 * free.network.gene_scores().sum()


def test_weight_decay_alone_shrinks_every_weight_by_the_same_share():
    constant = np.zeros((32, 12), dtype=np.float32), np.arange(32) % 3
    step = replace(TRAINING, max_epochs=1, batch_size=32, lr=0.1)
    kept = train(training=step, data=constant, validation=False)
    decayed = train(training=replace(step, weight_decay=0.5), data=constant, validation=False)
    # zero input: no gradient reaches the gene weights, so that decay alone moves them, by 1 − lr · decay
    torch.testing.assert_close(decayed.network.gates.weight, 0.95 * kept.network.gates.weight)


def test_clamped_gene_weights_end_in_their_range():
    fast = replace(TRAINING, lr=0.5, max_epochs=3)
    weight = train(replace(NETWORK, selector_type="clamped"), fast).network.gates.weight.detach()
    assert float(weight.min()) == 0
    assert float(weight.max()) <= 1


def test_class_weights_reach_the_loss():
    X, labels = cells(signal=0.0)
    favoured = np.array([0.0, 0.0, 1.0], dtype=np.float32)
    trained = train_network(
        X, labels, NETWORK, replace(TRAINING, max_epochs=20, lr=0.05), class_weights=favoured, validation=None
    )
    assert set(predict_logits(trained.network, X).argmax(dim=1).tolist()) == {2}


def test_without_validation_the_last_weights_are_kept_and_nothing_is_scored():
    trained = train(validation=False)
    assert trained.best_epoch is None
    assert trained.history.empty
    assert not trained.network.training


def test_the_history_has_a_row_an_epoch_with_the_promised_columns():
    history = train().history
    assert sorted(history.columns) == sorted(["epoch", *COLUMNS])
    assert history["epoch"].tolist() == [1, 2]
    scores = history.filter(like="accuracy")
    assert scores.to_numpy().min() >= 0
    assert scores.to_numpy().max() <= 1


def test_the_history_says_what_the_weights_do_in_evaluation_mode():
    noisy = replace(NETWORK, dropout=0.5, noise_std=1.0, batch_norm=True)
    trained = train(noisy, replace(TRAINING, max_epochs=1))
    for side, (X, labels) in {"train": cells(), "val": cells(seed=1)}.items():
        right = predict_logits(trained.network, X).argmax(dim=1).numpy() == labels
        assert trained.history[f"{side}_accuracy"].iloc[0] == pytest.approx(right.mean(), abs=1e-6)
        recalls = [right[labels == code].mean() for code in range(3)]
        assert trained.history[f"{side}_mean_per_class_accuracy"].iloc[0] == pytest.approx(np.mean(recalls), abs=1e-6)


def test_the_best_epochs_weights_are_kept():
    unstable = replace(TRAINING, lr=0.3, max_epochs=12)  # so fast that the last epoch is not the best
    trained = train(training=unstable, data=cells(signal=1.0))
    scores = trained.history[MONITORED]
    assert scores.idxmax() + 1 == trained.best_epoch
    assert scores.iloc[-1] < scores.max()
    X, labels = cells(seed=1)
    right = predict_logits(trained.network, X).argmax(dim=1).numpy() == labels
    assert np.mean([right[labels == code].mean() for code in range(3)]) == pytest.approx(scores.max(), abs=1e-6)
    shorter = train(training=replace(unstable, max_epochs=trained.best_epoch), data=cells(signal=1.0), validation=False)
    assert torch.equal(weights(trained), weights(shorter))


@pytest.mark.parametrize("patience", [1, 3])
def test_patience_stops_early(patience):
    stuck = replace(TRAINING, lr=1e-9, max_epochs=20, patience=patience)
    trained = train(training=stuck)
    assert len(trained.history) == 1 + patience
    assert trained.best_epoch == 1


def test_without_patience_all_epochs_are_run():
    assert len(train(training=replace(TRAINING, lr=1e-9, max_epochs=7)).history) == 7


def test_the_callers_random_state_is_left_as_it_was(tmp_path):
    torch.manual_seed(11)
    np.random.seed(11)  # noqa: NPY002
    random.seed(11)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    train(replace(NETWORK, dropout=0.3, noise_std=0.5), run=run_in(tmp_path))
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert random.getstate() == before[2]


def test_lightnings_log_levels_are_put_back():
    level = logging.getLogger("lightning.pytorch").level
    train()
    assert logging.getLogger("lightning.pytorch").level == level


def test_a_run_leaves_metrics_and_the_events_of_tensorboard(tmp_path):
    trained = train(run=run_in(tmp_path))
    metrics = pd.read_csv(tmp_path / "logs" / "metrics.csv")
    pd.testing.assert_frame_equal(metrics, trained.history)
    assert list((tmp_path / "logs").glob("events.out.tfevents.*"))


def test_without_a_run_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("save_top_k", [1, 3])
def test_the_best_checkpoints_and_the_last_are_kept(tmp_path, save_top_k):
    unstable = replace(TRAINING, lr=0.3, max_epochs=8)
    trained = train(training=unstable, data=cells(signal=1.0), run=run_in(tmp_path, save_top_k=save_top_k))
    names = sorted(p.name for p in (tmp_path / "checkpoints").iterdir())
    assert "last.ckpt" in names
    scores = trained.history.set_index("epoch")[MONITORED]
    best = [name for name in names if name != "last.ckpt"]
    assert len(best) == save_top_k
    kept = sorted(scores[int(name.removeprefix("epoch=")[:3]) + 1] for name in best)
    np.testing.assert_allclose(kept, np.sort(scores)[-save_top_k:])
    for name in best:
        state = torch.load(tmp_path / "checkpoints" / name, weights_only=True)
        assert state[CARD_KEY] == json.dumps({"kind": "test"})


@pytest.mark.parametrize("save_top_k", [0, 1, 3])
def test_the_last_checkpoint_is_of_the_last_epoch_be_it_good_or_bad(tmp_path, save_top_k):
    stuck = replace(TRAINING, lr=1e-9, max_epochs=5)  # no epoch is better than the first
    trained = train(training=stuck, run=run_in(tmp_path, save_top_k=save_top_k))
    last = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["epoch"] == 4  # counted from 0
    assert trained.best_epoch == 1


def test_a_run_of_many_epochs_does_not_write_its_last_checkpoint_after_each(tmp_path):
    tiny = cells(n_cells=16)
    train(training=replace(TRAINING, max_epochs=103, lr=1e-9), data=tiny, run=run_in(tmp_path, save_top_k=0))
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 101  # the 102nd: every 2nd


def test_the_last_checkpoint_can_be_left_out(tmp_path):
    train(run=run_in(tmp_path, save_top_k=1, save_last=False))
    assert [p.name.startswith("epoch=") for p in (tmp_path / "checkpoints").iterdir()] == [True]


def test_a_run_without_validation_keeps_its_last_checkpoint(tmp_path):
    trained = train(validation=False, run=run_in(tmp_path))
    state = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert torch.equal(state["network.first.weight"], trained.network.first.weight)


def test_long_training_says_every_tenth_epoch(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("selectormlp"), "propagate", True)
    with caplog.at_level("INFO", logger="selectormlp"):
        train(training=replace(TRAINING, max_epochs=25))
    said = [record.getMessage() for record in caplog.records if "of 25" in record.getMessage()]
    assert [line.split()[1] for line in said] == [str(epoch) for epoch in (*range(2, 25, 2), 25)]


def test_epoch_scores_leave_absent_classes_out():
    score = EpochScore(4)
    logits = torch.tensor([[9.0, 0, 0, 0], [9.0, 0, 0, 0], [0, 9.0, 0, 0], [0, 0, 0, 9.0]])
    score.update(logits[:3], torch.tensor([0, 1, 1]))
    score.update(logits[3:], torch.tensor([1]))
    found = score.close()
    assert float(found["accuracy"]) == 0.5
    assert float(found["mean_per_class_accuracy"]) == pytest.approx((1 + 1 / 3) / 2)
    assert float(found["loss"]) == pytest.approx(float(F.cross_entropy(logits, torch.tensor([0, 1, 1, 1]))))
    score.update(logits[:1], torch.tensor([0]))
    assert float(score.close()["accuracy"]) == 1.0


def test_small_networks_train_on_one_thread_and_give_the_others_back(monkeypatch):
    before, seen, note = torch.get_num_threads(), [], BestWeights.on_validation_end

    def noting_threads(self, *arguments):
        seen.append(torch.get_num_threads())
        note(self, *arguments)

    monkeypatch.setattr(BestWeights, "on_validation_end", noting_threads)
    train()
    assert set(seen) == {1}
    assert torch.get_num_threads() == before


def test_an_interruption_is_one_to_the_caller(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(BestWeights, "on_validation_end", interrupted)
    with pytest.raises(KeyboardInterrupt):  # Lightning makes an exit of it
        train()


@pytest.mark.parametrize("validation", [True, False])
def test_a_network_that_diverges_is_refused_and_leaves_no_checkpoint(tmp_path, validation):
    far_too_fast = replace(TRAINING, lr=1e30)
    with pytest.raises(SettingsError, match=r"the training diverged: .* \(lr=1e\+30\); lower the learning rate"):
        train(training=far_too_fast, validation=validation, run=run_in(tmp_path))
    assert not list(tmp_path.rglob("*.ckpt"))
