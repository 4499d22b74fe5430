"""What the selectors share that read genes as on or off through gates that are annealed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
import torch

from selectormlp.data.cells import AnyFloatArray, IntArray
from selectormlp.devices import Device, Work, check_device, choose_device
from selectormlp.errors import SettingsError, counted
from selectormlp.networks.annealing import WARM_UP, Selection, eliminate, select
from selectormlp.networks.gated import Annealing, Report, Task
from selectormlp.networks.targets import CellRows, Targets
from selectormlp.networks.threads import threads_worth
from selectormlp.progress import showing, step
from selectormlp.selectors.base import seed_from
from selectormlp.selectors.binarize import binarized, gene_thresholds
from selectormlp.selectors.columns import checked_columns, checked_must_have
from selectormlp.selectors.on_off import OnOffSelector
from selectormlp.selectors.parameters import check_ranges, range_of_hidden_sizes

logger = logging.getLogger(__name__)

SELECTED_FROM, LEAST_SELECTED_FROM, MAX_SELECTED_FROM = 8, 100, 500
"""Genes left by the elimination for each gene to be chosen; the fewest, and the most but for twice those."""


class BinarizingSelector(OnOffSelector):
    """A selector that learns from binarised expression through gates that are annealed (abstract).

    Attributes
    ----------
    thresholds_
        Expression above which each gene counts as on, in the units of X, shape (n_features_in_,).
    candidates_
        Columns that were left by the elimination, increasing; must-have ones among them.
    gate_probabilities_
        Chance that each gene's gate was open after the elimination, shape (n_features_in_,); 1 where there was no
        elimination or the gene is must-have, 0 for columns that could not be chosen.
    mask_probabilities_
        Chance that each gene is in the final mask, shape (n_features_in_,).
    elimination_
        What the elimination left (λ, rounds), or None if there was none.
    device_
        Where it was trained: ``"cpu"`` or ``"cuda"``.
    """

    is_nested = False

    must_have: Sequence[int] | None
    candidates: Sequence[int] | None
    n_candidates: int | None
    tolerance: float
    hidden_sizes: Sequence[int]
    elimination_steps: int
    selection_steps: int
    batch_size: int
    lr: float
    start_temperature: float
    end_temperature: float
    device: Device
    random_state: Any
    progress: bool

    def _learn(self, X: Any, targets: Callable[[torch.device], Targets], n_outputs: int) -> Self:
        """Choose genes of checked X for the targets from ``targets(device)``, with this number of outputs."""
        self._check_settings()
        n_genes = X.shape[1]
        n_wanted = self._resolve_n_features(n_genes)
        must_have, free = self._columns(n_genes, n_wanted)
        n_chosen = n_wanted - len(must_have)
        if self.n_candidates is not None and self.n_candidates < n_chosen:
            raise SettingsError(
                f"n_candidates={self.n_candidates!r} for {n_chosen} genes to be chosen; expected {n_chosen} or more, "
                "or None"
            )
        self.thresholds_ = gene_thresholds(X, self.threshold, self.quantile)
        columns = np.concatenate([must_have, free])
        on = binarized(X[:, columns], self.thresholds_[columns])
        seed = seed_from(self.random_state)
        self.device_ = choose_device(self.device, self._work(len(columns), n_chosen, n_outputs), what="PERSIST")
        device = torch.device(self.device_)
        products = self.batch_size * len(columns) * self.hidden_sizes[0]
        with threads_worth(products), torch.random.fork_rng(devices=[]), _reporting(visible=self.progress) as report:
            torch.default_generator.manual_seed(seed)
            task = Task(
                cells=CellRows(on, device),
                targets=targets(device),
                n_fixed=len(must_have),
                annealing=self._annealing(),
                generator=torch.Generator(device).manual_seed(seed),
                rng=np.random.default_rng(seed),
                report=report,
            )
            self._choose(task, must_have, free, n_chosen)
        return self

    def _choose(self, task: Task, must_have: IntArray, free: IntArray, n_chosen: int) -> None:
        n_genes = len(self.thresholds_)
        gates: AnyFloatArray = np.ones(len(free))
        n_left = self._n_left(n_chosen)
        self.elimination_ = None
        left = np.arange(len(free))
        if len(free) > n_left * (1 + self.tolerance):
            self.elimination_ = eliminate(task, n_left)
            gates = self.elimination_.probabilities
            surest = np.argsort(-gates, kind="stable")
            left = np.sort(surest[: max(n_chosen, self.elimination_.n_open)])
            logger.info("%d of %d genes are left by the elimination", len(left), len(free))
        kept = np.concatenate([np.arange(len(must_have)), len(must_have) + left])
        selection = select(replace(task, cells=task.cells.columns(kept)), n_chosen)
        self.candidates_ = np.sort(np.concatenate([must_have, free[left]]))
        self.gate_probabilities_ = np.zeros(n_genes)
        self.gate_probabilities_[must_have] = 1.0
        self.gate_probabilities_[free] = gates
        self._rank(selection, must_have, free[left])

    def _n_left(self, n_chosen: int) -> int:
        """Return how many genes the elimination is to leave."""
        n_left = self.n_candidates
        if n_left is None:
            n_left = min(max(SELECTED_FROM * n_chosen, LEAST_SELECTED_FROM), max(2 * n_chosen, MAX_SELECTED_FROM))
        return max(n_left, n_chosen, 1)

    def _work(self, n_columns: int, n_chosen: int, n_outputs: int) -> Work:
        """Count the work of both stages: their inputs, and what is predicted."""
        n_left = self._n_left(n_chosen)
        n_eliminating = self.elimination_steps if n_columns > n_left * (1 + self.tolerance) else 0
        n_selecting = round((1 + WARM_UP) * self.selection_steps)
        n_steps = n_eliminating + n_selecting
        n_inputs = (n_eliminating * n_columns + n_selecting * min(n_columns, n_left)) // max(1, n_steps)
        of_steps = partial(Work.of_training, n_steps=n_steps, batch_size=self.batch_size)
        first = of_steps(n_inputs=n_inputs, n_hidden=self.hidden_sizes[0])
        last = of_steps(n_inputs=self.hidden_sizes[-1], n_hidden=n_outputs)
        return Work(n_steps, first.products + last.products)

    def _rank(self, selection: Selection, must_have: IntArray, left: IntArray) -> None:
        """Rank must-have genes, chosen ones by what they save, then the others by mask and by gate."""
        gates = self.gate_probabilities_
        self.mask_probabilities_ = np.zeros(len(gates))
        self.mask_probabilities_[must_have] = 1.0
        self.mask_probabilities_[left] = selection.probabilities
        chosen = left[selection.chosen]
        losses = selection.losses_without
        best_first = np.argsort(-losses[len(must_have) :], kind="stable")
        panel = np.concatenate([must_have, chosen[best_first]]).astype(np.int64)
        others = np.setdiff1d(np.arange(len(gates)), panel)
        others = others[np.lexsort((-gates[others], -self.mask_probabilities_[others]))]
        scores = np.zeros(len(gates))
        scores[np.concatenate([must_have, chosen]).astype(np.int64)] = losses
        self._set_order(np.concatenate([panel, others]), scores)

    def _columns(self, n_genes: int, n_wanted: int) -> tuple[IntArray, IntArray]:
        """Return the must-have columns, and those that may be chosen beside them."""
        must_have = checked_must_have(self.must_have, n_genes, n_wanted)
        named = (
            np.arange(n_genes) if self.candidates is None else checked_columns("candidates", self.candidates, n_genes)
        )
        free = np.setdiff1d(named, must_have)
        if len(free) < n_wanted - len(must_have):
            raise SettingsError(
                f"candidates leave {len(free)} columns beside {len(must_have)} must-have ones and {n_wanted} are to be "
                "selected; name more candidates, or lower n_features_to_select"
            )
        return must_have, free

    def _annealing(self) -> Annealing:
        return Annealing(
            hidden_sizes=tuple(map(int, self.hidden_sizes)),
            elimination_steps=int(self.elimination_steps),
            selection_steps=int(self.selection_steps),
            batch_size=int(self.batch_size),
            learning_rate=float(self.lr),
            start_temperature=float(self.start_temperature),
            end_temperature=float(self.end_temperature),
            tolerance=float(self.tolerance),
        )

    def _check_settings(self) -> None:
        check_device(self.device)
        in_range = {
            **range_of_hidden_sizes(self.hidden_sizes),
            "n_candidates": (self.n_candidates is None or self.n_candidates >= 1, "1 or more, or None"),
            "tolerance": (0 < self.tolerance < 1, "above 0, below 1"),
            "elimination_steps": (self.elimination_steps >= 1, "1 or more"),
            "selection_steps": (self.selection_steps >= 1, "1 or more"),
            "batch_size": (self.batch_size >= 1, "1 or more"),
            "lr": (self.lr > 0, "above 0"),
            "end_temperature": (self.end_temperature > 0, "above 0"),
            "start_temperature": (self.start_temperature >= self.end_temperature, "end_temperature or more"),
        }
        check_ranges(self, in_range)


@contextmanager
def _reporting(*, visible: bool) -> Iterator[Report]:
    """Show the stage, λ and the genes left while the block runs."""
    with showing(visible), step("PERSIST") as bar:

        def report(stage: str, penalty: float, n_genes: int) -> None:
            about = f", λ {penalty:.3g}" if penalty else ""
            bar.say(f"PERSIST: {stage}{about}, {counted(n_genes, 'gene')}")

        yield report
