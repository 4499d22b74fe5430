"""The methods by name: each ranks the genes of a pair's reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from other_technology.pairs import Codes, Pair
from other_technology.scoring import Draw
from selectormlp.selectors.base import GeneSelector
from selectormlp.selectors.discriminant import DiscriminantSelector
from selectormlp.selectors.forest import ForestSelector
from selectormlp.selectors.markers import MarkerSelector
from selectormlp.selectors.reconstruction import ReconstructionSelector

PEERS: Mapping[str, Callable[[int], GeneSelector]] = {
    "t-test": lambda k: MarkerSelector(k),
    "wilcoxon": lambda k: MarkerSelector(k, method="wilcoxon"),
    "logreg": lambda k: MarkerSelector(k, method="logreg"),
    "forest": lambda k: ForestSelector(k, random_state=0),
}
"""What other packages offer, in seconds; marker genes are taken of each type in turn."""

OURS: Mapping[str, Callable[[int], GeneSelector]] = {
    "discriminant": lambda k: DiscriminantSelector(k),
    "imaging": lambda k: DiscriminantSelector(k, assay="imaging"),
    "reconstruction": lambda k: ReconstructionSelector(k),
}

METHODS = {**PEERS, **OURS}

REFERENCE = "t-test"
"""What the others are compared with."""


def order(name: str, pair: Pair, draw: Draw, largest: int) -> Codes:
    """Rank genes, best first; the beginning is the panel of every size up to the largest."""
    selector = METHODS[name](largest).fit(pair.X[draw.reference], pair.reference.codes[draw.reference])
    return np.argsort(selector.ranking_)[:largest]
