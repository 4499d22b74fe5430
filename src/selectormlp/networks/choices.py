"""Choices that settings of networks offer; light to import, as PyTorch is not."""

from __future__ import annotations

from typing import Literal

SelectorType = Literal["std", "clamped", "none"]
"""``std``: free weights; ``clamped``: weights kept in [0, 1]; ``none``: no selection layer."""

Penalty = Literal["L1", "L2"]
"""Penalty on the gene weights."""
