"""Methods of other packages, at their defaults, from :mod:`peers`; here they run in the environment of the benchmark.

``python -m peers.run`` gives each an environment of its own, and tunes those that are quick.
"""

from __future__ import annotations

from collections.abc import Mapping

from peers.cosg import peer as cosg
from peers.lassonet import peer as lassonet
from peers.nsforest import peer as nsforest
from peers.plain import peer as plain
from peers.shared import Peer
from peers.spapros import peer as spapros
from peers.stg import peer as stg

PEERS: Mapping[str, Peer] = {
    **cosg.PEERS,
    **nsforest.PEERS,
    **spapros.PEERS,
    **lassonet.PEERS,
    **stg.PEERS,
    **{name: plain.PEERS[name] for name in ("xgboost", "l1-svm")},
}
"""Peers by name. scanpy's rankers and the random forest are in :mod:`panel_accuracy.methods`."""
