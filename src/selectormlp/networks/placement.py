"""Devices and machines on which a network is trained, and the position of this process."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal, get_args

from lightning.fabric.utilities.rank_zero import rank_zero_only

from selectormlp.errors import SettingsError, counted, quoted

Strategy = Literal["auto", "ddp"]
"""``ddp``: every process holds the whole network, and gradients are averaged; ``auto``: ``ddp`` with several
processes."""

LAUNCHERS = {"torchrun": ("TORCHELASTIC_RUN_ID", "WORLD_SIZE"), "srun": ("SLURM_STEP_ID", "SLURM_STEP_NUM_TASKS")}
"""Launchers of processes: the variable that reveals each, and the one with the number of processes."""


@dataclass(frozen=True)
class Placement:
    """Devices and machines on which a network is trained, with one process per device.

    Attributes
    ----------
    devices
        Devices of each machine: GPUs or, on a CPU, processes.
    num_nodes
        Machines.
    strategy
        ``"auto"`` or ``"ddp"``.

    Raises
    ------
    SettingsError
        If a number is below 1 or the strategy is unknown.
    """

    devices: int = 1
    num_nodes: int = 1
    strategy: Strategy = "auto"

    def __post_init__(self) -> None:
        if min(self.devices, self.num_nodes) < 1:
            raise SettingsError(f"devices={self.devices}, num_nodes={self.num_nodes}; expected 1 or more of each")
        if self.strategy not in get_args(Strategy):
            raise SettingsError(f"strategy={self.strategy!r}; expected one of {quoted(get_args(Strategy))}")

    @property
    def n_processes(self) -> int:
        """Processes on all machines together."""
        return self.devices * self.num_nodes


def is_writer() -> bool:
    """Return whether this process writes files and prints messages: the first, or the only one."""
    return int(rank_zero_only.rank) == 0  # type: ignore[attr-defined]


def check_started(placement: Placement) -> None:
    """Raise if the number of started processes differs from the number that train together.

    Otherwise each process would train alone, and overwrite the files of the others.

    Raises
    ------
    SettingsError
        If torchrun or srun has started a different number.
    """
    for launcher, (sign, count) in LAUNCHERS.items():
        n_started = int(os.environ.get(count, "1")) if sign in os.environ else 1
        if n_started > 1 and n_started != placement.n_processes:
            raise SettingsError(
                f"{launcher} has started {n_started} processes, but {counted(placement.devices, 'device', 'devices')} "
                f"on {counted(placement.num_nodes, 'machine', 'machines')} take {placement.n_processes}; give "
                "--devices (processes on each machine) and --num-nodes (machines) to match"
            )
