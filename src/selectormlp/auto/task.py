"""What every method that is tried is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from selectormlp.data.cells import IntArray
from selectormlp.data.label_tree import Mistakes
from selectormlp.moments.measurement import Measurement
from selectormlp.panel.completion import Completion
from selectormlp.panel.limits import Limit
from selectormlp.selectors.base import GeneSelector
from selectormlp.selectors.options import set_options
from selectormlp.selectors.registry import Method, find_method


@dataclass(frozen=True, eq=False)
class Task:
    """What every method is asked for.

    Attributes
    ----------
    n_genes
        Size of the panel.
    must_have
        Columns that come first.
    seed
        Of whatever is random in a method.
    limits
        Hard limits that the panel keeps.
    assay
        What will measure the panel, for methods that take it; efficiencies of genes are by column.
    combine
        How batches are combined, for methods that do.
    mistakes
        What mistakes between classes cost; None: all the same.
    """

    n_genes: int
    must_have: IntArray
    seed: int
    limits: Sequence[Limit] = ()
    assay: Measurement = field(default_factory=Measurement)
    combine: str = "new-study"
    mistakes: Mistakes | None = None

    def selector(self, wanted: Method | str, options: Mapping[str, Any], *, n_genes: int | None = None) -> GeneSelector:
        """Make a method's selector for this task, or for another number of genes, not yet fitted."""
        method = find_method(wanted)
        selector = method.make()
        given = {
            "n_features_to_select": n_genes or self.n_genes,
            "must_have": self.must_have.tolist(),
            "random_state": self.seed,
            "limits": list(self.limits) or None,
            "assay": self.assay,
            "combine": self.combine,
            "mistakes": self.mistakes,
        }
        known = selector.get_params(deep=False)
        selector.set_params(**{name: value for name, value in given.items() if name in known})
        set_options(selector, options, method=method.name)
        return selector

    def order(self, selector: GeneSelector) -> IntArray:
        """Return all columns in the order of a fitted selector: must-have ones first, then those within all limits."""
        order = np.argsort(selector.ranking_)
        order = np.concatenate([self.must_have, order[~np.isin(order, self.must_have)]])
        if not self.limits:
            return order
        completion = Completion(self.limits, np.ones(len(order), dtype=np.bool_), self.must_have, self.n_genes)
        for gene in order.tolist():
            if len(completion.chosen) < self.n_genes and completion.may_follow(gene):
                completion.choose(gene)
        panel = np.array(completion.chosen, dtype=np.int64)
        return np.concatenate([panel, order[~np.isin(order, panel)]])

    def panel(self, selector: GeneSelector) -> IntArray:
        """Return the panel of a fitted selector, increasing columns, shape (n_genes,)."""
        return np.sort(self.order(selector)[: self.n_genes])
