"""The methods that choose genes: ours by name, others' by entry point, and any estimator that scores genes."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from selectormlp.errors import SettingsError, nearest
from selectormlp.selectors.base import GeneSelector

logger = logging.getLogger(__name__)

ENTRY_POINTS = "selectormlp.selectors"
"""Group of entry points under which other packages register selectors."""

SET_HERE = (
    "n_features_to_select",
    "must_have",
    "candidates",
    "limits",
    "priorities",
    "mistakes",
    "random_state",
    "progress",
)
"""Parameters of selectors that follow from other arguments."""

UNTRUSTED = ("memory",)
"""Parameters that no file may set: from a folder that ``memory`` names, pickles are read, which can run any code."""


@dataclass(frozen=True, eq=False)
class Method:
    """A selector under the name that users call it by; its module is imported when it is made.

    Attributes
    ----------
    name
        Name of the method, or the class of an estimator that was passed.
    load
        Returns its class.
    settings
        Parameters that the name itself sets.
    build
        Makes the selector; by default the class with ``settings``.
    is_registered
        Whether the name alone leads to the selector, so that a run can be repeated from a file.
    """

    name: str
    load: Callable[[], type[GeneSelector]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    build: Callable[[], GeneSelector] | None = None
    is_registered: bool = True

    @property
    def kind(self) -> type[GeneSelector]:
        """Class of the selector, with its capabilities; see :class:`selectormlp.selectors.base.GeneSelector`."""
        return self.load()

    def make(self) -> GeneSelector:
        """Make the selector with its defaults, not yet fitted."""
        return self.load()(**self.settings) if self.build is None else self.build()

    @property
    def takes_mistakes(self) -> bool:
        """Whether it weighs mistakes between types, as along a tree of labels."""
        return "mistakes" in self.make().get_params(deep=False)

    @property
    def draws(self) -> bool:
        """Whether what it chooses depends on the seed of a run, as far as its parameters tell."""
        selector: Any = self.make()
        return bool(getattr(selector, "estimator", selector).get_params().get("random_state", 0) is None)

    def open_parameters(self) -> list[str]:
        """Return the names of the parameters that users may set as options."""
        known = self.make().get_params(deep=False)
        return [name for name in known if name not in {*SET_HERE, *self.settings}]

    def prepared(
        self,
        *,
        n_genes: int,
        must_have: list[int],
        seed: int,
        options: Mapping[str, Any],
        n_cells: int | None = None,
        limits: Sequence[Any] = (),
        priorities: Any = None,
        mistakes: Any = None,
    ) -> GeneSelector:
        """Make the selector for a task, not yet fitted.

        Parameters
        ----------
        n_genes, must_have, seed
            Size, columns that come first, and seed, for selectors that take them.
        options
            Parameters that are not to be left at their defaults.
        limits
            Hard limits that the panel keeps, for selectors that take them.
        priorities
            Factor on what each gene gains, for selectors that take it.
        mistakes
            What mistakes between types cost, for selectors that take it.
        n_cells
            Number of cells, for defaults that depend on it; None leaves them as the class has them.

        Raises
        ------
        SettingsError
            If an option is unknown, or of another type than the parameter.
        """
        from selectormlp.selectors.options import set_options  # its example uses this module

        selector = self.make()
        known = selector.get_params(deep=False)
        wanted: dict[str, Any] = {"n_features_to_select": n_genes, "must_have": must_have, "random_state": seed}
        if limits:
            wanted["limits"] = limits
        if priorities is not None:
            wanted["priorities"] = priorities
        if mistakes is not None:
            wanted["mistakes"] = mistakes
        fitting = {} if n_cells is None else self.kind.defaults_for(n_cells)
        set_here = {name: value for name, value in wanted.items() if name in known}
        selector.set_params(**{**fitting, **set_here})
        set_options(selector, options, method=self.name, closed=(*SET_HERE, *self.settings))
        return selector


def _ours(name: str, place: str, **settings: Any) -> Method:
    module, class_name = place.split(":")

    def load() -> type[GeneSelector]:
        kind: type[GeneSelector] = getattr(importlib.import_module(f"selectormlp.{module}"), class_name)
        return kind

    return Method(name, load, settings)


METHODS: dict[str, Method] = {
    name: _ours(name, place, **settings)
    for name, place, settings in (
        ("auto", "auto.selector:AutoSelector", {}),
        ("discriminant", "selectors.discriminant:DiscriminantSelector", {}),
        (
            "discriminant-bhattacharyya",
            "selectors.discriminant:DiscriminantSelector",
            {"criterion": "bhattacharyya"},
        ),
        ("discriminant-binary", "selectors.binary:BinaryDiscriminantSelector", {}),
        ("reconstruction", "selectors.reconstruction:ReconstructionSelector", {}),
        ("mixture", "selectors.mixture:MixtureSelector", {}),
        ("selector_mlp", "selectors.selector_mlp:SelectorMLP", {}),
        ("selector_mlp-budget", "selectors.budget:BudgetSelectorMLP", {}),
        ("mlp", "selectors.mlp:MLP", {}),
        ("persist", "selectors.persist:PersistSelector", {}),
        ("persist-unsupervised", "selectors.persist:UnsupervisedPersistSelector", {}),
        ("svm", "selectors.svm:LinearSVM", {}),
        ("markers", "selectors.markers:MarkerSelector", {}),
        ("markers-wilcoxon", "selectors.markers:MarkerSelector", {"method": "wilcoxon"}),
        ("markers-logreg", "selectors.markers:MarkerSelector", {"method": "logreg"}),
        ("variance", "selectors.variance:VarianceSelector", {}),
        ("forest", "selectors.forest:ForestSelector", {}),
        ("random", "selectors.random_order:RandomSelector", {}),
    )
}
"""Our methods, by name."""


def find_method(wanted: Any) -> Method:
    """Find a method by name, or take an estimator as one.

    Parameters
    ----------
    wanted
        A name of ours or of an entry point; or an unfitted estimator with ``fit`` that, once fitted, has ``ranking_``,
        ``scores_``, ``feature_importances_`` or ``coef_``. A method is returned as it is.

    Raises
    ------
    SettingsError
        If there is no such name (the nearest are offered), or the object is no estimator.

    Examples
    --------
    >>> find_method("markers-wilcoxon").make()
    MarkerSelector(method='wilcoxon')
    """
    if isinstance(wanted, Method):
        return wanted
    if not isinstance(wanted, str):
        from selectormlp.selectors.estimators import method_of  # imports this module

        return method_of(wanted)
    if wanted in METHODS:
        return METHODS[wanted]
    others = registered_elsewhere()
    kind = load_entry_point(others[wanted]) if wanted in others else None
    if kind is None:
        raise SettingsError(f"no method {wanted!r}; {nearest(wanted, method_names())}")
    from selectormlp.selectors.estimators import registered

    return registered(wanted, kind)


def method_names() -> list[str]:
    """Return the names of all methods, ours first, then those of other packages."""
    return [*METHODS, *registered_elsewhere()]


@cache
def registered_elsewhere() -> dict[str, EntryPoint]:
    """Return the entry points of other packages by name, none of them loaded; a name of ours stays ours."""
    return {point.name: point for point in entry_points(group=ENTRY_POINTS) if point.name not in METHODS}


@cache
def load_entry_point(point: EntryPoint) -> Any:
    """Load an entry point; one that is broken is one warning, and None."""
    try:
        return point.load()
    except Exception as error:  # other people's code
        reason = " ".join(str(error).split())[:200]
        logger.warning("the method %r of another package cannot be loaded: %s", point.name, reason)
        return None
