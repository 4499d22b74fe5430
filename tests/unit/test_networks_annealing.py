import numpy as np
import pytest
import torch

from selectormlp.networks.annealing import eliminate, select
from selectormlp.networks.gated import Annealing, GatedTraining, Task
from selectormlp.networks.relaxed_gates import BinaryGates
from selectormlp.networks.targets import CellRows, LabelTargets

CPU = torch.device("cpu")
FAST = {"hidden_sizes": (8,), "elimination_steps": 100, "selection_steps": 200}


def make_task(n_genes=60, *, n_fixed=0, seed=0, reports=None, **settings):
    """Three classes; gene j marks class j mod 3 with a strength that falls from the first gene to the last."""
    rng = np.random.default_rng(seed)
    codes = np.arange(150) % 3
    strength = np.linspace(0.9, 0.0, n_genes)
    on = rng.random((150, n_genes)) < np.where(np.arange(n_genes) % 3 == codes[:, None], 0.05 + strength, 0.05)
    torch.manual_seed(seed)
    return Task(
        cells=CellRows(on.astype(np.float32), CPU),
        targets=LabelTargets(codes, np.ones(3), CPU),
        n_fixed=n_fixed,
        annealing=Annealing(**{**FAST, **settings}),
        generator=torch.Generator().manual_seed(seed),
        rng=np.random.default_rng(seed),
        report=lambda *what: None if reports is None else reports.append(what),
    )


@pytest.fixture(autouse=True)
def _own_random_state():
    with torch.random.fork_rng():
        yield


def test_temperatures_fall_geometrically():
    found = Annealing(start_temperature=8.0, end_temperature=0.5).temperatures(5)
    np.testing.assert_allclose(found, [8, 4, 2, 1, 0.5])
    assert Annealing().temperatures(1) == [10.0]


@pytest.mark.parametrize("target", [30, 10])
def test_elimination_ends_within_the_tolerance(target, said):
    reports = []
    left = eliminate(make_task(reports=reports), target)
    assert abs(left.n_open - target) <= 0.2 * target  # the search goes on until it is
    assert left.penalty > 0
    assert {stage.split(",")[0] for stage, _, _ in reports} <= {"eliminating", "searching λ"}
    assert all(penalty > 0 and 0 <= n_genes <= 60 for _, penalty, n_genes in reports)
    assert said() == ""


@pytest.mark.slow
@pytest.mark.learned
def test_elimination_keeps_what_matters_on_nine_of_ten_seeds():
    kept = 0
    for seed in range(10):
        left = eliminate(make_task(seed=seed), 10)
        kept += left.probabilities[:20].mean() > 2 * left.probabilities[40:].mean()  # those that mark most; 4 or more
    assert kept >= 9


def test_a_path_that_misses_is_followed_by_a_search():
    left = eliminate(make_task(elimination_steps=40), 12)  # too few steps to get there
    assert left.n_rounds >= 1
    assert abs(left.n_open - 12) <= 0.2 * 12


def test_where_no_penalty_is_found_the_nearest_is_taken_and_that_is_said(said):
    left = eliminate(make_task(elimination_steps=1, max_rounds=1), 12)
    assert left.probabilities.shape == (60,)
    assert f"{left.n_open} genes are left instead of 12 ± 20 %" in said()


def test_columns_that_leave_take_their_weights_with_them():
    task = make_task(n_fixed=2)
    training = GatedTraining(task, BinaryGates(58), 0.1)
    for _ in range(3):
        training.step(1.0, 0.01)
    twin = training.copied()
    weight = training.network.first.weight.detach().clone()
    gates = training.gates.weight.detach().clone()
    memory = training.optimiser.state[training.network.first.weight]["exp_avg"].clone()
    kept = np.array([1, 4, 50])
    training.keep(kept)
    columns = [0, 1, 3, 6, 52]
    assert torch.equal(training.network.first.weight, weight[:, columns])
    assert torch.equal(training.gates.weight, gates[kept])
    assert torch.equal(training.optimiser.state[training.network.first.weight]["exp_avg"], memory[:, columns])
    before = training.network.first.weight.detach().clone()
    training.step(1.0, 0.01)
    assert not torch.equal(training.network.first.weight, before)
    assert torch.equal(twin.network.first.weight, weight)  # a copy is trained apart
    assert twin.cells.n_genes == 60


def test_loss_without_a_gene_is_that_of_a_network_that_does_not_see_it():
    task = make_task(n_genes=6)
    training = GatedTraining(task, None, 0.1)
    for _ in range(50):
        training.step(1.0)
    growth = training.losses_without()
    rows = np.arange(150)
    x = task.cells.take(rows)
    with torch.no_grad():
        whole = task.targets.loss(training.network(x, None), rows)
        for gene in range(6):
            closed = x.clone()
            closed[:, gene] = 0
            expected = float(task.targets.loss(training.network(closed, None), rows) - whole)
            assert growth[gene] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("n_chosen", [0, 1, 3, 9, 10])
def test_exactly_so_many_distinct_genes(n_chosen):
    task = make_task(n_genes=12, n_fixed=2, selection_steps=30)
    found = select(task, n_chosen)
    assert len(set(found.chosen.tolist())) == n_chosen
    assert found.probabilities.shape == (10,)
    assert found.losses_without.shape == (2 + n_chosen,)


@pytest.mark.slow
@pytest.mark.learned
def test_selection_stops_once_the_mask_is_settled():
    settled = 0
    for seed in range(10):
        found = select(make_task(n_genes=12, selection_steps=600, seed=seed), 2)
        settled += found.n_steps < 600 and np.sort(found.probabilities)[-2:].min() > 0.98
    assert settled >= 9


def test_few_cells_and_large_masks_still_make_batches(monkeypatch):
    monkeypatch.setattr("selectormlp.networks.gated.MAX_DRAWN", 100)
    task = make_task(n_genes=12, selection_steps=5, batch_size=100, cells_per_mask=8)
    assert len(select(task, 3).chosen) == 3
