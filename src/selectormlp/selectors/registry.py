"""The methods that choose genes, by name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from selectormlp.errors import SettingsError, nearest
from selectormlp.selectors.base import GeneSelector


@dataclass(frozen=True)
class Method:
    """A selector under the name that users call it by; its module is imported when it is made.

    Attributes
    ----------
    module, class_name
        Where the selector lives, in ``selectormlp``.
    needs_labels
        Whether it learns from labels.
    is_network
        Whether it trains a network, whose settings depend on the size of the data.
    keeps_best_epoch
        Whether it takes the weights of the epoch that is best on validation cells, rather than of the last.
    is_nested
        Whether the order is the same for every size, so that a smaller panel is the beginning of a larger one.
    takes_target
        Whether its ``fit`` takes profiles to be predicted (``target``).
    takes_donors
        Whether its ``fit`` takes donors, to keep cells of one together.
    learns_from_moments
        Whether class means and covariances are all it needs, so that cells may stay on disk (``fit_stored``).
    settings
        What the name says beside the class.
    """

    module: str
    class_name: str
    needs_labels: bool = True
    is_network: bool = False
    keeps_best_epoch: bool = False
    is_nested: bool = True
    takes_target: bool = False
    takes_donors: bool = False
    learns_from_moments: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def may_contend(self) -> bool:
        """Whether ``auto`` can try it: it learns from labels, with settings that do not depend on the data."""
        return self.needs_labels and not self.is_network and not self.takes_donors

    def make(self) -> GeneSelector:
        """Make the selector with its defaults, not yet fitted."""
        kind = getattr(importlib.import_module(f"selectormlp.{self.module}"), self.class_name)
        selector: GeneSelector = kind(**self.settings)
        return selector


METHODS: dict[str, Method] = {
    "auto": Method("auto.selector", "AutoSelector", takes_donors=True),
    "discriminant": Method("selectors.discriminant", "DiscriminantSelector", learns_from_moments=True),
    "discriminant-bhattacharyya": Method(
        "selectors.discriminant",
        "DiscriminantSelector",
        learns_from_moments=True,
        settings={"criterion": "bhattacharyya"},
    ),
    "discriminant-binary": Method("selectors.binary", "BinaryDiscriminantSelector"),
    "reconstruction": Method(
        "selectors.reconstruction", "ReconstructionSelector", needs_labels=False, learns_from_moments=True
    ),
    "mixture": Method("selectors.mixture", "MixtureSelector", learns_from_moments=True),
    "selector_mlp": Method("selectors.selector_mlp", "SelectorMLP", is_network=True),
    "selector_mlp-budget": Method("selectors.budget", "BudgetSelectorMLP"),
    "mlp": Method("selectors.mlp", "MLP", is_network=True, keeps_best_epoch=True),
    "persist": Method("selectors.persist", "PersistSelector", is_nested=False),
    "persist-unsupervised": Method(
        "selectors.persist", "UnsupervisedPersistSelector", needs_labels=False, is_nested=False, takes_target=True
    ),
    "svm": Method("selectors.svm", "LinearSVM"),
    "markers": Method("selectors.markers", "MarkerSelector"),
    "markers-wilcoxon": Method("selectors.markers", "MarkerSelector", settings={"method": "wilcoxon"}),
    "markers-logreg": Method("selectors.markers", "MarkerSelector", settings={"method": "logreg"}),
    "variance": Method("selectors.variance", "VarianceSelector", needs_labels=False),
    "forest": Method("selectors.forest", "ForestSelector"),
    "random": Method("selectors.random_order", "RandomSelector", needs_labels=False),
}


def find_method(name: str) -> Method:
    """Find a method by name.

    Raises
    ------
    SettingsError
        If there is none; the nearest names are offered.

    Examples
    --------
    >>> find_method("markers-wilcoxon").make()
    MarkerSelector(method='wilcoxon')
    """
    if name not in METHODS:
        raise SettingsError(f"no method {name!r}; {nearest(str(name), METHODS)}")
    return METHODS[name]
