"""Training to a number of genes."""

import copy

import numpy as np
import pytest
import torch

from selectormlp.networks.budget import FEWEST_GENES, Budget, BudgetTraining, drop_to_budget, train_panel
from selectormlp.networks.embed import embed
from selectormlp.networks.mlp import predict_logits

SMALL = Budget(hidden_sizes=(16,), n_networks=2, first_steps=60, steps=5, panel_steps=80, batch_size=32, lr=0.01)


def cells(seed=0, *, n_cells=120, n_genes=20):
    """Three classes, each high in one gene (4, 9, 14)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n_cells) % 3
    X = rng.normal(size=(n_cells, n_genes)).astype(np.float32)
    X[np.arange(n_cells), np.array([4, 9, 14])[labels]] += 3
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    return torch.from_numpy(X), torch.from_numpy(labels)


def dropped(seed=0, data_seed=0, **settings):
    X, labels = cells(data_seed)
    return drop_to_budget(X, labels, 3, np.arange(len(X)) % 2, SMALL, seed=seed, **settings)


@pytest.mark.learned
def test_the_genes_that_matter_are_left_to_the_end_on_nine_of_ten_seeds():
    found = 0
    for seed in range(10):
        order, worth = dropped(seed, seed)
        assert sorted(order) == list(range(20))
        found += sorted(order[:3]) == [4, 9, 14] and worth[[4, 9, 14]].min() > np.delete(worth, [4, 9, 14]).max()
    assert found >= 9


def test_the_same_seed_drops_the_same_genes():
    np.testing.assert_array_equal(dropped(3)[0], dropped(3)[0])


def test_fixed_genes_come_first_and_each_gene_is_told_of_once():
    told = []
    order, _ = dropped(n_fixed=2, report=told.append)
    assert set(order[:2].tolist()) == {0, 1}
    assert min(told) >= 1
    assert sum(told) == 20
    assert told[-1] == FEWEST_GENES


def test_with_all_genes_fixed_none_is_dropped():
    order, _ = dropped(n_fixed=20)
    assert sorted(order) == list(range(20))


def test_costs_are_what_closing_the_gene_weight_costs():
    X, labels = cells()
    rows = np.arange(0, 120, 2)
    torch.manual_seed(0)
    training = BudgetTraining(X, labels, 3, np.arange(120), SMALL, 0)
    training.train(50)
    costs = dict(zip((4, 7), training.costs(rows, np.array([4, 7])), strict=True))

    def right(network):
        chances = predict_logits(network, X[rows].numpy()).softmax(dim=1)
        return np.mean([float(chances[labels[rows] == code, code].mean()) for code in range(3)])

    for gene in (4, 7):
        closed = copy.deepcopy(training.network)
        with torch.no_grad():
            closed.gates.weight[gene] = 0
        assert costs[gene] == pytest.approx(right(training.network) - right(closed), abs=1e-6)


@pytest.mark.learned
def test_slopes_put_the_genes_that_matter_first_on_nine_of_ten_seeds():
    first = 0
    for seed in range(10):
        X, labels = cells(seed)
        torch.manual_seed(seed)
        training = BudgetTraining(X, labels, 3, np.arange(120), SMALL, seed)
        training.train(50)
        slopes = training.slopes(np.arange(0, 120, 2))
        others = np.abs(np.delete(slopes, [4, 9, 14]))
        first += slopes[[4, 9, 14]].mean() > 5 * others.mean()  # 14 or more, as measured
    assert first >= 9


def test_slopes_are_what_closing_a_little_costs_scaled_up():
    X, labels = cells()
    rows = np.arange(0, 120, 2)
    torch.manual_seed(0)
    training = BudgetTraining(X, labels, 3, np.arange(120), SMALL, 0)
    training.train(50)
    slopes = training.slopes(rows)
    before = training.costs(rows, np.array([4, 7]))
    for place, gene in enumerate((4, 7)):
        with torch.no_grad():
            training.gates.weight[gene] *= 0.99
        after = training.costs(rows, np.array([gene]))[0]  # what is left to lose
        assert slopes[gene] == pytest.approx(100 * (before[place] - after), abs=0.01)
        with torch.no_grad():
            training.gates.weight[gene] /= 0.99


def test_columns_that_leave_take_their_part_of_the_optimiser_along():
    X, labels = cells()
    torch.manual_seed(0)
    training = BudgetTraining(X, labels, 3, np.arange(120), SMALL, 0)
    training.train(10)
    first = training.network.first.weight
    before = training.optimiser.state[first]["exp_avg"].clone()
    kept = np.array([1, 4, 9])
    weight = training.network.folded_weight()[:, kept].detach().clone()
    training.keep(kept)
    torch.testing.assert_close(training.network.folded_weight().detach(), weight)
    torch.testing.assert_close(training.optimiser.state[training.network.first.weight]["exp_avg"], before[:, kept])
    assert training.cells.shape == (120, 3)
    old = training.network.first.weight.detach().clone()
    training.train(1)
    assert not torch.equal(training.network.first.weight, old)


def test_an_embedded_network_gives_the_logits_of_the_panels_network():
    rng = np.random.default_rng(0)
    raw = rng.gamma(1.0, 2.0, size=(50, 6)).astype(np.float32)
    means, deviations = raw.mean(axis=0).astype(np.float64), raw.std(axis=0).astype(np.float64)
    genes = np.array([5, 0, 3])
    standardised = torch.from_numpy(((raw - means) / deviations)[:, genes].astype(np.float32))
    panel = train_panel(standardised, torch.from_numpy(np.arange(50) % 2), 2, SMALL)
    whole = embed(panel, genes, means, deviations)
    torch.testing.assert_close(predict_logits(whole, raw), predict_logits(panel, standardised.numpy()))
    raw[:, [1, 2, 4]] = 100.0
    torch.testing.assert_close(predict_logits(whole, raw), predict_logits(panel, standardised.numpy()))
