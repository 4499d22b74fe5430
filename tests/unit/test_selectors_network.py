import logging

import numpy as np
import pytest
import torch

from selectormlp.errors import DataError, SettingsError
from selectormlp.networks.gates import GeneWeights
from selectormlp.selectors.mlp import MLP
from selectormlp.selectors.selector_mlp import SelectorMLP

SMALL = {"hidden_sizes": (8,), "lr": 0.02, "max_epochs": 3, "batch_size": 32, "device": "cpu", "random_state": 0}


def cells(seed=0, *, n_cells=90, n_genes=10):
    rng = np.random.default_rng(seed)
    codes = np.arange(n_cells) % 3
    X = rng.normal(size=(n_cells, n_genes)).astype(np.float32)
    X[np.arange(n_cells), codes] += 4
    return X, np.array(["B", "NK", "T"])[codes]


@pytest.fixture
def seen(monkeypatch):
    """What a fit hands on to the training of the network."""
    handed = {}

    class CaughtError(Exception):
        pass

    def catch(X, labels, network, training, **others):
        handed.update(others, X=X, labels=labels, network=network, training=training)
        raise CaughtError("before any training")

    monkeypatch.setattr("selectormlp.selectors.network.train_network", catch)

    def fit(selector, *args, **kwargs):
        with pytest.raises(CaughtError, match="before any training"):
            selector.fit(*(args or cells()), **kwargs)
        return handed

    return fit


OTHER_THAN_DEFAULT = {
    "hidden_sizes": (9, 5),
    "leak_angle": 0.1,
    "dropout": 0.4,
    "noise_std": 0.7,
    "batch_norm": True,
    "lr": 0.002,
    "weight_decay": 0.05,
    "max_epochs": 9,
    "batch_size": 17,
    "shuffle": False,
    "patience": 4,
    "device": "cpu",
    "precision": "bf16",
    "memory_gb": 2.5,
}
OF_THE_SELECTOR = {"selector_type": "clamped", "penalty": "L2", "alpha": 0.3}


def found_setting(handed, name):
    return getattr(handed["network"] if hasattr(handed["network"], name) else handed["training"], name)


@pytest.mark.parametrize("kind", [SelectorMLP, MLP])
def test_every_setting_reaches_the_training(seen, kind):
    settings = OTHER_THAN_DEFAULT | (OF_THE_SELECTOR if kind is SelectorMLP else {})
    defaults = kind().get_params()
    handed = seen(kind(**settings, random_state=11, progress=True))
    for name, value in settings.items():
        assert defaults[name] != value, f"{name} is tried with its default"
        assert found_setting(handed, name) == value, name
    assert handed["training"].seed == 11
    assert handed["progress"] is True
    untried = set(defaults) - set(settings) - {"random_state", "progress", "class_weight", "n_features_to_select"}
    assert not untried


def test_the_plain_network_has_neither_selector_nor_penalty(seen):
    handed = seen(MLP())
    assert handed["network"].selector_type == "none"
    assert (handed["training"].penalty, handed["training"].alpha) == (None, 0)


def test_numpys_settings_are_as_good_as_pythons():
    X, y = cells()
    given = SMALL | {"hidden_sizes": np.array([8]), "max_epochs": np.int64(3), "lr": np.float64(0.02)}
    np.testing.assert_array_equal(SelectorMLP(**given).fit(X, y).scores_, SelectorMLP(**SMALL).fit(X, y).scores_)


@pytest.mark.parametrize("class_weight", ["balanced", {"B": 1.0, "NK": 2.0, "T": 0.5}])
def test_class_weights_are_by_label(seen, class_weight):
    X, y = cells()
    y[:60] = np.where(y[:60] == "T", "B", y[:60])
    handed = seen(SelectorMLP(class_weight=class_weight), X, y, classes=["T", "never", "NK", "B"])
    counts = {label: int((y == label).sum()) for label in ("T", "NK", "B")}
    expected = {label: 90 / (3 * n) for label, n in counts.items()} if class_weight == "balanced" else class_weight
    np.testing.assert_allclose(handed["class_weights"], [expected["T"], 0, expected["NK"], expected["B"]], rtol=1e-6)
    assert handed["class_weights"].dtype == np.float32


def test_labels_are_coded_by_the_class_list(seen):
    X, y = cells()
    handed = seen(SelectorMLP(), X, y, classes=["T", "never", "NK", "B"])
    assert handed["labels"][:3].tolist() == [3, 2, 0]
    assert handed["network"].n_classes == 4
    assert handed["class_weights"] is None


def test_the_class_list_and_what_was_trained_on_are_kept():
    X, y = cells()
    fitted = SelectorMLP(**SMALL).fit(X, y, classes=["T", "never", "NK", "B"])
    assert fitted.classes_.tolist() == ["T", "never", "NK", "B"]
    assert fitted.trained_classes_.tolist() == [True, False, True, True]
    assert fitted.predict_proba(X).shape == (90, 4)
    np.testing.assert_allclose(fitted.predict_proba(X).sum(axis=1), 1, rtol=1e-5)


def test_validation_cells_choose_the_best_epoch():
    fitted = SelectorMLP(**SMALL).fit(*cells(), validation=cells(seed=1))
    assert len(fitted.history_) == 3
    assert fitted.best_epoch_ == fitted.history_["val_mean_per_class_accuracy"].idxmax() + 1
    assert fitted.fit(*cells()).best_epoch_ is None
    assert fitted.history_.empty


def test_validation_cells_of_classes_never_trained_on_are_left_out(seen):
    X, y = cells()
    known = y != "T"
    handed = seen(SelectorMLP(), X[known], y[known], validation=(X, y), classes=["B", "NK", "T"])
    assert handed["validation"][0].shape == (60, 10)
    assert set(handed["validation"][1]) == {0, 1}


def test_validation_cells_of_no_trained_class_are_refused():
    X, y = cells()
    with pytest.raises(SettingsError, match="no validation cell is of a class with training cells"):
        SelectorMLP(**SMALL).fit(
            X[y != "T"], y[y != "T"], validation=(X[y == "T"], y[y == "T"]), classes=["B", "NK", "T"]
        )


def test_scores_are_the_absolute_gene_weights_of_the_network_kept():
    fitted = SelectorMLP(**SMALL).fit(*cells(), validation=cells(seed=1))
    np.testing.assert_array_equal(fitted.scores_, fitted.network_.gates.weight.detach().abs().numpy())
    assert isinstance(fitted.network_.gates, GeneWeights)


def test_scores_of_the_plain_network_are_sums_over_its_first_layer():
    fitted = MLP(**SMALL).fit(*cells())
    expected = fitted.network_.first.weight.detach().abs().sum(dim=0)
    np.testing.assert_allclose(fitted.scores_, expected.numpy(), rtol=1e-6)
    without = SelectorMLP(**SMALL, selector_type="none", alpha=0.0).fit(*cells())
    np.testing.assert_array_equal(without.scores_, fitted.scores_)


def test_the_first_layer_and_the_rest_make_up_the_network():
    X, y = cells()
    for selector in (SelectorMLP(**SMALL, batch_norm=True).fit(X, y), MLP(**SMALL).fit(X, y)):
        weights, offset = selector.first_layer()
        assert weights.shape == (10, 8)
        assert weights.flags.c_contiguous
        np.testing.assert_allclose(
            selector.scores_from_first_layer(X @ weights + offset), selector.class_scores(X), atol=1e-4
        )


def test_the_decision_is_one_column_for_two_classes():
    X, y = cells()
    X, y = X[y != "T"], y[y != "T"]
    fitted = SelectorMLP(**SMALL).fit(X, y)
    decision = fitted.decision_function(X)
    assert decision.shape == (60,)
    np.testing.assert_array_equal(np.where(decision > 0, "NK", "B"), fitted.predict(X))
    assert fitted.class_scores(X).shape == (60, 2)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ({"selector_type": "hard"}, "selector_type='hard'; expected one of 'std', 'clamped', 'none'"),
        ({"penalty": "l1"}, "penalty='l1'; expected one of 'L1', 'L2', 'None'"),
        ({"device": "tpu"}, "device='tpu'; expected one of 'auto', 'cpu', 'cuda', 'mps'"),
        ({"hidden_sizes": ()}, "hidden_sizes=.*; expected a sequence of one or more sizes from 1 up"),
        ({"hidden_sizes": 16}, "hidden_sizes=16; expected a sequence of one or more sizes from 1 up"),
        ({"hidden_sizes": (4, 0)}, "hidden_sizes=.*; expected a sequence of one or more sizes from 1 up"),
        ({"leak_angle": -0.1}, "leak_angle=-0.1; expected 0 or more"),
        ({"dropout": 1.0}, "dropout=1.0; expected 0 or more, below 1"),
        ({"dropout": -0.1}, "dropout=-0.1; expected 0 or more, below 1"),
        ({"noise_std": -1}, "noise_std=-1; expected 0 or more"),
        ({"alpha": -1}, "alpha=-1; expected 0 or more"),
        ({"lr": 0}, "lr=0; expected above 0"),
        ({"lr": float("nan")}, "lr=nan; expected above 0"),
        ({"weight_decay": -1}, "weight_decay=-1; expected 0 or more"),
        ({"max_epochs": 0}, "max_epochs=0; expected 1 or more"),
        ({"batch_size": 1}, "batch_size=1; expected 2 or more"),
        ({"class_weight": "x"}, "class_weight='x'; expected 'balanced', a mapping from labels to weights, or None"),
        ({"class_weight": 2.0}, "class_weight=2.0; expected 'balanced', a mapping from labels to weights, or None"),
        ({"patience": 0}, "patience=0; expected 1 or more, or None"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_setting_out_of_range_is_refused(setting, expected):
    with pytest.raises(SettingsError, match=expected):
        SelectorMLP(**setting).fit(*cells())


def test_one_class_is_refused():
    with pytest.raises(DataError, match=r"all cells are of one class \('B'\); a classifier needs more than one class"):
        SelectorMLP(**SMALL).fit(cells()[0], ["B"] * 90)


def test_a_label_outside_the_class_list_is_refused():
    with pytest.raises(DataError, match="30 cells have labels outside the class list: 'T'"):
        SelectorMLP(**SMALL).fit(*cells(), classes=["B", "NK"])


def test_the_same_seed_gives_the_same_ranking_and_the_random_state_is_left_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, second = SelectorMLP(**SMALL).fit(*cells()), SelectorMLP(**SMALL).fit(*cells())
    np.testing.assert_array_equal(first.scores_, second.scores_)
    assert torch.equal(torch.get_rng_state(), before)
    other = SelectorMLP(**(SMALL | {"random_state": 1})).fit(*cells())
    assert not np.array_equal(other.scores_, first.scores_)


def test_a_random_state_object_decides_too():
    scores = [
        SelectorMLP(**(SMALL | {"random_state": np.random.RandomState(4)})).fit(*cells()).scores_ for _ in range(2)
    ]
    np.testing.assert_array_equal(*scores)


def test_a_run_says_how_it_goes(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("selectormlp"), "propagate", True)
    with caplog.at_level("INFO", logger="selectormlp"):
        SelectorMLP(**SMALL).fit(*cells(), validation=cells(seed=1))
    assert "epoch 3 of 3: mean per-class accuracy" in caplog.text
