"""Restrict processes that train together on one machine to its loopback interface."""

from __future__ import annotations

import os
import socket
from typing import Any

import torch.distributed
from lightning.pytorch.strategies import DDPStrategy, Strategy
from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.distributed.constants import default_pg_timeout

from selectormlp.networks.placement import Placement

LOOPBACK = "127.0.0.1"

INTERFACES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
"""Environment variables that set the network interface of PyTorch's two backends."""


class LoopbackDDP(DDPStrategy):
    """Lightning's data-parallel strategy, on the loopback interface.

    PyTorch has no authentication and by default listens on all interfaces, so anyone who reaches the machine could join
    a training. With torchrun, which connects the processes itself, only the exchange of gradients is restricted.
    """

    _before: dict[str, str | None]

    def setup_distributed(self) -> None:
        """Connect the processes before Lightning does."""
        self._before = {name: os.environ.get(name) for name in INTERFACES}
        os.environ.update(dict.fromkeys(INTERFACES, loopback_name()))
        if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True" and not torch.distributed.is_initialized():
            self._join()
        super().setup_distributed()

    def _join(self) -> None:
        self.set_world_ranks()
        on_gpu = self.root_device.type != "cpu"
        listening, given = None, dict[str, Any]()
        port = self.cluster_environment.main_port if self.cluster_environment is not None else 0
        if self.global_rank == 0:
            listening = socket.create_server((LOOPBACK, port))
            given["master_listen_fd"] = listening.detach()  # the store closes it
        store = TCPStore(
            LOOPBACK,
            port,
            self.world_size,
            is_master=listening is not None,
            timeout=self._timeout or default_pg_timeout,
            multi_tenant=True,
            **given,
        )
        torch.distributed.init_process_group(
            self._get_process_group_backend(),
            store=store,
            rank=self.global_rank,
            world_size=self.world_size,
            timeout=self._timeout,
            device_id=self.root_device if on_gpu else None,
        )

    def teardown(self) -> None:
        """Restore the environment."""
        super().teardown()
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def strategy_of(placement: Placement) -> Strategy | str:
    """Return the strategy for Lightning's Trainer."""
    if placement.n_processes == 1 and placement.strategy == "auto":
        return "auto"
    return "ddp" if placement.num_nodes > 1 else LoopbackDDP()


def loopback_name() -> str:
    """Return the name of the loopback interface: ``lo`` on Linux, ``lo0`` on macOS."""
    return next((name for _, name in socket.if_nameindex() if name in ("lo", "lo0")), "lo")
