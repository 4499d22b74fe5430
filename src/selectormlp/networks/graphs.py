"""Training steps on cells kept on a device, one by one or, with CUDA, as a replayed graph.

A step of a small network consists of about forty kernels, and Python takes longer to launch each than it runs. A CUDA
graph launches all of them at once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from selectormlp.networks.module import ClassifierModule
from selectormlp.networks.resident import ResidentCells

PLAIN_STEPS = 3
"""Number of steps before the capture, in which libraries choose algorithms and the optimiser allocates memory."""


class ResidentSteps:
    """Takes the training steps of whole batches of one size.

    Parameters
    ----------
    module
        Module to train. The noise of each step is drawn from that step's seed, replayed or not.
    optimiser
        Optimiser of its parameters.
    cells
        On the module's device.
    batch_size
        Cells a step.
    captures
        Whether to replay a CUDA graph.
    """

    def __init__(
        self,
        module: ClassifierModule,
        optimiser: torch.optim.Optimizer,
        cells: ResidentCells,
        batch_size: int,
        *,
        captures: bool,
    ) -> None:
        self.module, self.optimiser, self.cells = module, optimiser, cells
        self.batch_size, self.captures = batch_size, captures
        self._n_plain = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._order = torch.empty(0, batch_size, dtype=torch.int64)
        self._next = torch.zeros(1, dtype=torch.int64, device=cells.labels.device)

    def run(self, order: Tensor, first_step: int) -> int:
        """Take a step for each batch of an order.

        Parameters
        ----------
        order
            Row numbers, shape (n_steps · batch_size,), on the device; the same length in every call.
        first_step
            Number of the first step; it determines the seeds.

        Returns
        -------
        Number of steps taken.
        """
        batches = order.view(-1, self.batch_size)
        n_plain = min(len(batches), max(0, PLAIN_STEPS - self._n_plain)) if self.captures else len(batches)
        for number, rows in enumerate(batches[:n_plain]):
            self.module.seed_step(first_step + number)
            self._step(rows)
        self._n_plain += n_plain
        if n_plain < len(batches):
            self._replay(batches, n_plain, first_step)
        return len(batches)

    def _step(self, rows: Tensor) -> None:
        self.optimiser.zero_grad()
        loss = self.module.loss(*self.cells.take(rows))
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.module.project()

    def _replay(self, batches: Tensor, n_done: int, first_step: int) -> None:
        if self._graph is None:
            self._order = torch.empty_like(batches)
            self._graph = self._captured()
        self._order.copy_(batches)
        self._next.fill_(n_done)
        for number in range(n_done, len(batches)):
            self.module.seed_step(first_step + number)
            self._graph.replay()

    def _captured(self) -> torch.cuda.CUDAGraph:
        """Record a step on the current batch without running it."""
        graph = torch.cuda.CUDAGraph()
        groups = self.optimiser.param_groups
        self.optimiser.zero_grad(set_to_none=True)
        for group in groups:
            group["capturable"] = True
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self._step(self._order.index_select(0, self._next)[0])
            self._next.add_(1)
        for group in groups:
            group["capturable"] = False  # as in checkpoints of runs without a graph
        self.optimiser.zero_grad(set_to_none=True)
        return graph
