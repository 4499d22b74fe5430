"""Annealed training with gates: eliminate genes down to a target, then choose exactly k of the rest."""

from __future__ import annotations

import copy
import logging
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from selectormlp.data.cells import AnyFloatArray, IntArray
from selectormlp.networks.gated import GatedTraining, Task
from selectormlp.networks.relaxed_gates import GATE_SCALE, BinaryGates, KHotMask
from selectormlp.progress import track

logger = logging.getLogger(__name__)

SETTLED = 0.01
"""A gate this near to 0 or 1 is settled, as published."""

CLOSED = 0.05
"""Gates less likely to be open than this are removed: they hardly get a gradient that could open them again."""

CHECK_EVERY = 10
"""Number of steps between checks for settled, shared or closed gates."""

REACHED_AT = 0.7
"""Share of the elimination steps after which the target is to be reached; the rest lets gates settle."""

AHEAD, GAIN, MAX_CHANGE = 10, 0.1, 1.1
"""λ is controlled by the number of genes predicted this many steps ahead: each step multiplies it by (number /
wanted)^gain, at most by 1.1. Control by the current number overshoots, since gates take about 50 steps to close."""

SHARPNESS = 2.0
"""Steepness of the count that controls λ: a gate counts as sigmoid(2 · logit), between its probability and "above
½"."""

FIRST_PENALTY = 0.1
"""Initial λ · genes, as a share of the initial loss."""

WARM_UP = 0.4
"""Steps with all genes open before the selection, as a share of its steps. An untrained network judges genes by chance,
and Adam would follow these gradients as far as any others."""


@dataclass(frozen=True, eq=False)
class Elimination:
    """Result of the first stage.

    Attributes
    ----------
    probabilities
        Probability that each free gene's gate is open, shape (n_free,); genes with 0.5 or more stay.
    penalty
        The last λ.
    n_rounds
        Number of rounds of the search for λ after the annealed path.
    """

    probabilities: AnyFloatArray
    penalty: float
    n_rounds: int

    @property
    def n_open(self) -> int:
        """Genes that stay."""
        return int((self.probabilities > 0.5).sum())


@dataclass(frozen=True, eq=False)
class Selection:
    """Result of the second stage.

    Attributes
    ----------
    chosen
        Free genes that were chosen, distinct, shape (n_chosen,).
    probabilities
        Probability that each free gene is in the mask, shape (n_free,).
    losses_without
        Growth of the loss without each gene of the panel, shape (n_fixed + n_chosen,), fixed genes first.
    n_steps
        Steps taken; fewer than allowed if the mask settled early.
    """

    chosen: IntArray
    probabilities: AnyFloatArray
    losses_without: AnyFloatArray
    n_steps: int


class _Closing:
    """Gates that close under a penalty, and the free genes they belong to."""

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

    def step(self, temperature: float, penalty: float) -> Tensor:
        before = self.gates.weight.detach().clone()
        loss = self.training.step(temperature, penalty)
        self.velocity = torch.lerp(self.velocity, self.gates.weight.detach() - before, 0.1)
        return loss

    def n_ahead(self) -> float:
        """Predict the number of genes from where the gates are heading."""
        weight = self.gates.weight.detach() + AHEAD * self.velocity
        return float(torch.sigmoid(SHARPNESS / GATE_SCALE * weight).sum())

    def n_now(self) -> int:
        """Count the gates that are open rather than closed."""
        return int((self.gates.weight.detach() > 0).sum())

    def look(self) -> bool:
        """Record the gates, remove closed ones, and return whether the others are settled."""
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

    On one annealed path, λ is controlled while the temperature falls, so that the number of genes follows a geometric
    schedule down to the target. If the path ends outside the tolerance, a bracketing search for λ follows; each round
    starts from the last network with too many genes. The published program trains a whole run for each λ, chosen by the
    secant method, and fails after ten.

    Parameters
    ----------
    task
        What is trained on.
    target
        Genes that are to be left, above 0 and below ``task.n_free``.

    Returns
    -------
    The gates; if no round came within the tolerance, those of the nearest round, with a warning in the log.
    """
    annealing = task.annealing
    closing, penalty = _Closing(task), 0.0
    crowded = closing.copied()
    n_steps = annealing.elimination_steps
    for step, temperature in enumerate(track(annealing.temperatures(n_steps), "eliminating genes")):
        loss = closing.step(temperature, penalty)
        if step == 0:
            penalty = FIRST_PENALTY * abs(float(loss)) / task.n_free or FIRST_PENALTY / task.n_free
        part = min(1.0, (step + AHEAD) / (REACHED_AT * n_steps))
        wanted = task.n_free * (target / task.n_free) ** part
        penalty *= float(np.clip((closing.n_ahead() / wanted) ** GAIN, 1 / MAX_CHANGE, MAX_CHANGE))
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
        for step, temperature in enumerate(track(colder, "searching λ")):
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
            "%d genes are left instead of %d ± %.0f %%, the nearest result in %d rounds of the search for λ; "
            "more elimination_steps, or a larger tolerance, would help",
            best.n_open,
            target,
            100 * annealing.tolerance,
            annealing.max_rounds,
        )
    return best


def select(task: Task, n_chosen: int) -> Selection:
    """Choose exactly ``n_chosen`` of the free genes with an annealed k-hot mask.

    Slots that agree on a gene are separated from time to time; at the end each slot gets a gene of its own.

    Parameters
    ----------
    task
        What is trained on.
    n_chosen
        Number of genes, up to ``task.n_free``; with all of them only the network is trained.

    Returns
    -------
    The genes chosen, and the growth of the loss without each gene of the panel.
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
    for step, temperature in enumerate(track(annealing.temperatures(n_steps), "selecting genes")):
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
