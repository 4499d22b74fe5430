"""Choices in the settings of networks, kept apart from PyTorch for a fast import."""

from __future__ import annotations

from typing import Literal

SelectorType = Literal["std", "clamped", "none"]
"""``std``: free weights; ``clamped``: weights kept in [0, 1]; ``none``: no selection layer."""

Penalty = Literal["L1", "L2"]
"""Penalty on the gene weights."""
