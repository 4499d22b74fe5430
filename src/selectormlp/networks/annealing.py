"""Annealed training behind gates: genes are eliminated to a target, then exactly k of the rest are chosen."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from selectormlp.data.cells import IntArray
from selectormlp.networks.relaxed_gates import GATE_SCALE, BinaryGates, KHotMask
from selectormlp.networks.targets import CellRows, Targets

logger = logging.getLogger(__name__)

SETTLED = 0.01
"""A gate this near to 0 or 1 is settled, as published."""

CLOSED = 0.05
"""A gate less likely than this to be open leaves the matrix: it hardly gets a gradient that could open it again."""

CHECK_EVERY = 10
"""Steps between looks at which gates are settled, shared or closed."""

REACHED_AT = 0.7
"""Part of the elimination at which its target is to be reached; the rest settles the gates."""

AHEAD, GAIN, MOST_CHANGE = 10, 0.1, 1.1
"""λ is steered by the number of genes that the gates head for in so many steps: each step multiplies it by (number /
wanted)^gain, by 1.1 at the most. Steered by the number now it overshoots, since gates take some 50 steps to close."""

SHARPNESS = 2.0
"""Steepness of the count that steers λ: a gate counts as sigmoid(2 · logit), between its chance and "above ½"."""

FIRST_PENALTY = 0.1
"""First λ · genes, as a part of the first loss."""

WARM_UP = 0.4
"""Steps before the selection with all genes open, as a part of its own: what a network that has learned nothing yet says
of the genes is chance, and Adam would follow it as far as anything."""

MOST_DRAWN = 1 << 23
"""Numbers drawn for the masks of a step at the most; more cells share a mask where k · genes is large."""

SCORED_CELLS = 512
"""Cells on which the loss without each gene is measured."""

Report = Callable[[str, float, int], None]
"""Told of progress: the stage, λ (0 where there is none) and the number of genes left."""

FloatArray = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Annealing:
    """How the gates and the network behind them are trained.

    Attributes
    ----------
    hidden_sizes
        Units of each hidden layer.
    elimination_steps, selection_steps
        Gradient steps of the two stages; the temperature falls geometrically over them.
    batch_size
        Cells a step.
    cells_per_mask
        Cells of a batch that share one sample of the gates.
    learning_rate
        Of Adam, for the network.
    gate_learning_rate, mask_learning_rate
        Of Adam, for the parameters of the gates and of the mask.
    start_temperature, end_temperature
        Of the relaxed samples.
    tolerance
        How far the number of genes after the elimination may be off, as a part of the target.
    max_rounds
        Rounds of the search for λ after the annealed path, where that ends outside the tolerance.
    """

    hidden_sizes: tuple[int, ...] = (128, 128)
    elimination_steps: int = 150
    selection_steps: int = 400
    batch_size: int = 128
    cells_per_mask: int = 8
    learning_rate: float = 3e-3
    gate_learning_rate: float = 0.1
    mask_learning_rate: float = 0.03
    start_temperature: float = 10.0
    end_temperature: float = 0.01
    tolerance: float = 0.2
    max_rounds: int = 10

    def temperatures(self, n_steps: int) -> list[float]:
        """Return the temperature of each step, from the first to the last geometrically."""
        ratio = self.end_temperature / self.start_temperature
        return [self.start_temperature * ratio ** (step / max(1, n_steps - 1)) for step in range(n_steps)]


@dataclass(frozen=True)
class Task:
    """What is trained on; the same for both stages.

    Attributes
    ----------
    cells
        Inputs, shape (n_cells, n_fixed + n_free); the genes without a gate come first.
    targets
        What is to be predicted.
    n_fixed
        Genes that are always open (must-have).
    annealing
        How.
    generator
        Draws the samples, on the device of the cells.
    rng
        Draws the batches.
    report
        Told of progress.
    """

    cells: CellRows
    targets: Targets
    n_fixed: int
    annealing: Annealing
    generator: torch.Generator
    rng: np.random.Generator
    report: Report

    @property
    def n_free(self) -> int:
        """Genes to choose from."""
        return self.cells.n_genes - self.n_fixed


@dataclass(frozen=True, eq=False)
class Elimination:
    """What the first stage leaves.

    Attributes
    ----------
    probabilities
        Chance that each free gene's gate is open, shape (n_free,); 0.5 and more stays.
    penalty
        The last λ.
    n_rounds
        Rounds of the search for λ that followed the annealed path.
    """

    probabilities: FloatArray
    penalty: float
    n_rounds: int

    @property
    def n_open(self) -> int:
        """Genes that stay."""
        return int((self.probabilities > 0.5).sum())


@dataclass(frozen=True, eq=False)
class Selection:
    """What the second stage leaves.

    Attributes
    ----------
    chosen
        Free genes that were chosen, distinct, shape (n_chosen,).
    probabilities
        Chance that each free gene is in the mask, shape (n_free,).
    losses_without
        By how much the loss grows without each gene of the panel, shape (n_fixed + n_chosen,), fixed ones first.
    n_steps
        Steps taken; fewer than allowed where the mask settled early.
    """

    chosen: IntArray
    probabilities: FloatArray
    losses_without: FloatArray
    n_steps: int


class GatedNetwork(nn.Module):
    """A network of ReLU layers behind gates: x → x ∘ gates → hidden layers → outputs.

    Parameters
    ----------
    n_fixed
        Inputs, the first ones, without a gate.
    gates
        The gates of the others; None leaves all open.
    """

    def __init__(
        self, n_genes: int, n_outputs: int, hidden_sizes: tuple[int, ...], *, n_fixed: int, gates: nn.Module | None
    ) -> None:
        super().__init__()
        self.n_fixed = n_fixed
        self.gates = gates
        sizes = (n_genes, *hidden_sizes, n_outputs)
        self.first = nn.Linear(sizes[0], sizes[1])
        pairs = pairwise(sizes[1:])
        self.rest = nn.Sequential(*(layer for pair in pairs for layer in (nn.ReLU(), nn.Linear(*pair))))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Predict for cells, (n_cells, n_genes), of which equal numbers in turn share each mask, (n_masks, n_free)."""
        if mask is not None:
            whole = torch.cat([mask.new_ones(len(mask), self.n_fixed), mask], dim=1)
            x = (x.view(len(mask), -1, x.shape[1]) * whole[:, None, :]).view(x.shape)
        outputs: Tensor = self.rest(self.first(x))
        return outputs


class GatedTraining:
    """A network behind gates, trained a step at a time; columns whose gates have closed can leave it.

    Parameters
    ----------
    task
        What is trained on.
    gates
        Of the free genes of ``task.cells``, or None.
    gate_learning_rate
        For the gates' parameters.
    """

    def __init__(self, task: Task, gates: BinaryGates | KHotMask | None, gate_learning_rate: float) -> None:
        annealing = task.annealing
        device = task.cells.device
        self.task, self.cells, self.gates = task, task.cells, gates
        self.network = GatedNetwork(
            task.cells.n_genes, task.targets.n_outputs, annealing.hidden_sizes, n_fixed=task.n_fixed, gates=gates
        ).to(device)
        groups: list[dict[str, object]] = [
            {"params": [*self.network.first.parameters(), *self.network.rest.parameters()]}
        ]
        if gates is not None:
            groups.append({"params": list(gates.parameters()), "lr": gate_learning_rate})
        self.optimiser = torch.optim.Adam(groups, lr=annealing.learning_rate)
        n_cells = task.cells.n_cells
        drawn = task.n_free * (gates.weight.shape[0] if isinstance(gates, KHotMask) else 1)
        batch = min(annealing.batch_size, n_cells)
        sharing = max(annealing.cells_per_mask, math.ceil(batch * drawn / MOST_DRAWN))
        self.n_masks = max(1, batch // sharing)
        self.batch_size = batch // self.n_masks * self.n_masks
        self._waiting = np.empty(0, dtype=np.int64)

    def step(self, temperature: float | None, penalty: float = 0.0) -> float:
        """Take one step down loss + penalty · expected number of open gates; return the loss.

        Without a temperature all gates are open.
        """
        rows = self._next_rows()
        mask = None
        if self.gates is not None and temperature is not None:
            mask = self.gates.sample(self.n_masks, temperature, self.task.generator)
        loss = self.task.targets.loss(self.network(self.cells.take(rows), mask), rows)
        whole = loss
        if isinstance(self.gates, BinaryGates):
            whole = loss + penalty * self.gates.probabilities().sum()
        self.optimiser.zero_grad()
        whole.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return float(loss.detach())

    def _next_rows(self) -> IntArray:
        while len(self._waiting) < self.batch_size:
            self._waiting = np.concatenate([self._waiting, self.task.rng.permutation(self.cells.n_cells)])
        rows, self._waiting = self._waiting[: self.batch_size], self._waiting[self.batch_size :]
        return rows

    def keep(self, kept: IntArray) -> None:
        """Let all free genes but those at these positions leave the matrix, the network, gates and optimiser."""
        columns = np.concatenate([np.arange(self.task.n_fixed), self.task.n_fixed + kept])
        self.cells = self.cells.columns(columns)
        _keep(self.optimiser, self.network.first, columns, dim=1)
        if self.gates is not None:
            _keep(self.optimiser, self.gates, kept, dim=self.gates.weight.ndim - 1)

    def copied(self) -> GatedTraining:
        """Return a copy that is trained apart; both read the same cells."""
        twin = copy.copy(self)
        twin.network, twin.optimiser = copy.deepcopy((self.network, self.optimiser))
        twin.gates = twin.network.gates  # type: ignore[assignment]
        return twin

    @torch.no_grad()
    def losses_without(self) -> FloatArray:
        """Measure by how much the loss grows without each gene, all gates being open, shape (n_genes,)."""
        rows = np.sort(self.task.rng.permutation(self.cells.n_cells)[:SCORED_CELLS])
        x, first, rest = self.cells.take(rows), self.network.first, self.network.rest
        hidden = first(x)
        whole = float(self.task.targets.loss(rest(hidden), rows))
        without = [
            float(self.task.targets.loss(rest(hidden - x[:, j, None] * first.weight[:, j]), rows))
            for j in range(x.shape[1])
        ]
        return np.array(without) - whole


def _keep(optimiser: torch.optim.Optimizer, module: nn.Module, kept: IntArray, *, dim: int) -> None:
    """Cut a module's ``weight`` down to some positions, and what the optimiser remembers of it."""
    old = module.get_parameter("weight")
    positions = torch.from_numpy(kept).to(old.device)
    new = nn.Parameter(old.detach().index_select(dim, positions))
    state = optimiser.state.pop(old, {})
    for name, value in state.items():
        if torch.is_tensor(value) and value.shape == old.shape:
            state[name] = value.index_select(dim, positions)
    optimiser.state[new] = state
    for group in optimiser.param_groups:
        group["params"] = [new if parameter is old else parameter for parameter in group["params"]]
    module.weight = new


class _Closing:
    """Gates that close under a penalty, and which of all free genes they belong to."""

    def __init__(self, task: Task) -> None:
        self.gates = BinaryGates(task.n_free).to(task.cells.device)
        self.training = GatedTraining(task, self.gates, task.annealing.gate_learning_rate)
        self.all = np.zeros(task.n_free)
        self.genes = np.arange(task.n_free)
        self.velocity = torch.zeros(task.n_free, device=task.cells.device)

    def copied(self) -> _Closing:
        twin = copy.copy(self)
        twin.training = self.training.copied()
        twin.gates = twin.training.gates  # type: ignore[assignment]
        twin.all = self.all.copy()
        return twin

    def step(self, temperature: float, penalty: float) -> float:
        before = self.gates.weight.detach().clone()
        loss = self.training.step(temperature, penalty)
        self.velocity = torch.lerp(self.velocity, self.gates.weight.detach() - before, 0.1)
        return loss

    def n_ahead(self) -> float:
        """Count the genes that the gates head for."""
        weight = self.gates.weight.detach() + AHEAD * self.velocity
        return float(torch.sigmoid(SHARPNESS / GATE_SCALE * weight).sum())

    def n_now(self) -> int:
        """Count the gates that are open rather than closed."""
        return int((self.gates.weight.detach() > 0).sum())

    def look(self) -> bool:
        """Take note of the gates, let closed ones leave, and say whether the others are settled."""
        chances = self.gates.probabilities().detach().cpu().numpy().astype(np.float64)
        self.all[self.genes] = chances
        kept = np.flatnonzero(chances > CLOSED)
        if 0 < len(kept) < 0.9 * len(self.genes):
            self.training.keep(kept)
            self.velocity = self.velocity[torch.from_numpy(kept).to(self.velocity.device)]
            self.genes = self.genes[kept]
        return bool(np.minimum(chances, 1 - chances).max() < SETTLED)

    @property
    def n_open(self) -> int:
        return int((self.all > 0.5).sum())


def eliminate(task: Task, target: int) -> Elimination:
    """Close gates until about ``target`` free genes are left.

    One annealed path: while the temperature falls, λ is steered so that the number of genes follows a geometric
    schedule down to the target. Where that ends outside the tolerance, a bracketing search for λ goes on, each round
    from the last network that had too many genes. The published program trains a whole run for each λ, by secants,
    and ends with an error after ten.

    Parameters
    ----------
    task
        What is trained on.
    target
        Genes that are to be left, above 0 and below ``task.n_free``.

    Returns
    -------
    The gates; of the round that came nearest where none came within the tolerance, with a warning in the log.
    """
    annealing = task.annealing
    closing, penalty = _Closing(task), 0.0
    crowded = closing.copied()
    n_steps = annealing.elimination_steps
    for step, temperature in enumerate(annealing.temperatures(n_steps)):
        loss = closing.step(temperature, penalty)
        if step == 0:
            penalty = FIRST_PENALTY * abs(loss) / task.n_free or FIRST_PENALTY / task.n_free
        part = min(1.0, (step + AHEAD) / (REACHED_AT * n_steps))
        wanted = task.n_free * (target / task.n_free) ** part
        penalty *= float(np.clip((closing.n_ahead() / wanted) ** GAIN, 1 / MOST_CHANGE, MOST_CHANGE))
        if step % CHECK_EVERY == CHECK_EVERY - 1 or step == n_steps - 1:
            settled = closing.look()
            task.report("eliminating", penalty, closing.n_open)
            if closing.n_open > target * (1 + annealing.tolerance):
                crowded = closing.copied()
            elif settled and abs(closing.n_open - target) <= annealing.tolerance * target:
                break
    return _search(task, target, closing, crowded, penalty)


def _search(task: Task, target: int, closing: _Closing, crowded: _Closing, penalty: float) -> Elimination:
    """Bracket λ until the number of genes is within the tolerance, or rounds run out."""
    annealing = task.annealing
    slack = annealing.tolerance * target
    low, high = 0.0, math.inf
    best = Elimination(closing.all, penalty, 0)
    for n_round in range(1, annealing.max_rounds + 1):
        n_open = closing.n_open
        if abs(n_open - target) <= slack:
            return best
        if n_open > target:
            low, crowded = penalty, closing
        else:
            high = penalty
        penalty = math.sqrt(low * high) if low and high < math.inf else penalty * (3 if n_open > target else 1 / 3)
        closing = crowded.copied()
        colder = annealing.temperatures(annealing.elimination_steps)[annealing.elimination_steps // 2 :]
        for step, temperature in enumerate(colder):
            closing.step(temperature, penalty)
            if step % CHECK_EVERY == CHECK_EVERY - 1:
                task.report(f"searching λ, round {n_round}", penalty, closing.n_now())
            if abs(closing.n_now() - target) <= slack:
                break
        closing.look()
        if abs(closing.n_open - target) < abs(best.n_open - target):
            best = Elimination(closing.all, penalty, n_round)
    if abs(best.n_open - target) > slack:
        logger.warning(
            "%d genes are left where %d ± %.0f %% were wanted, the nearest that %d rounds of the search for λ found; "
            "more elimination_steps, or a larger tolerance, would help",
            best.n_open,
            target,
            100 * annealing.tolerance,
            annealing.max_rounds,
        )
    return best


def select(task: Task, n_chosen: int) -> Selection:
    """Choose exactly ``n_chosen`` of the free genes with an annealed k-hot mask.

    Slots that are sure of the same gene part from time to time; at the end each slot gets a gene of its own.

    Parameters
    ----------
    task
        What is trained on.
    n_chosen
        How many, up to ``task.n_free``; with all of them there is nothing to choose and the network alone is trained.

    Returns
    -------
    The genes chosen, and what the loss loses without each gene of the panel.
    """
    annealing = task.annealing
    mask = None
    if 0 < n_chosen < task.n_free:
        mask = KHotMask(task.n_free, n_chosen, generator=task.generator)
    training = GatedTraining(task, mask, annealing.mask_learning_rate)
    if not n_chosen:
        training.keep(np.empty(0, dtype=np.int64))
    n_steps = taken = annealing.selection_steps
    for _ in range(round(WARM_UP * n_steps)):
        training.step(None)
    for step, temperature in enumerate(annealing.temperatures(n_steps)):
        training.step(temperature)
        if step % CHECK_EVERY == CHECK_EVERY - 1:
            task.report("selecting", 0.0, task.n_fixed + n_chosen)
            if mask is not None and mask.is_settled(SETTLED):
                taken = step + 1
                break
            if mask is not None:
                mask.part_shared()
    chosen, chances = np.arange(n_chosen), np.zeros(task.n_free)
    chances[chosen] = 1.0
    if mask is not None:
        chosen = mask.chosen().numpy()
        chances = mask.probabilities().detach().cpu().numpy().astype(np.float64)
        training.keep(chosen)
    return Selection(chosen, chances, training.losses_without(), taken)
