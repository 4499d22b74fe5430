"""Steps from cells to a panel: resolve names, measure markers, rank genes, choose."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from selectormlp.data.cells import Cells, FloatArray, IntArray, Matrix
from selectormlp.data.label_tree import Mistakes
from selectormlp.data.stored import StoredCells
from selectormlp.data.subsample import subsample
from selectormlp.errors import PanelError, nearest, quoted
from selectormlp.moments.dask import Workers, stored_moments
from selectormlp.panel.assay import assumption
from selectormlp.panel.choose import all_limits, choose
from selectormlp.panel.constraints import Constraints
from selectormlp.panel.limits import Limit
from selectormlp.panel.markers import Markers, measure_markers
from selectormlp.panel.node_markers import with_node_markers
from selectormlp.panel.panel import Panel
from selectormlp.panel.provenance import Provenance
from selectormlp.panel.rules import Rules
from selectormlp.selection.crowding import counts_per_type
from selectormlp.selection.ranking import Ranking, rank_genes, rank_stored_genes, warn_of_silent_genes
from selectormlp.selection.request import Choice, ExtendRequest
from selectormlp.selectors.registry import Method, find_method

logger = logging.getLogger(__name__)


def log_assumption(options: Mapping[str, Any]) -> None:
    """Log which technology a panel is chosen for; ``options`` are those of its method."""
    logger.info("the panel assumes %s", assumption(options.get("assay", "sequencing")))


SAMPLE_PER_CLASS = 5000
"""Maximum number of cells per class read for methods that need cells in memory, as in the published program."""

SAMPLE_UNLABELLED = 50_000
"""Maximum number of cells read in that case without classes."""


@dataclass(frozen=True, eq=False)
class How:
    """Method and settings for ranking genes.

    Attributes
    ----------
    method
        Method that ranks them.
    options, seed
        Non-default parameters of its selector, and its seed.
    target
        Profiles to predict, for methods that take them; None: those of the cells.
    workers
        Threads or cluster that read cells on disk.
    mistakes
        Costs of mistakes between types; None if all are equal.
    """

    method: Method
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    target: Matrix | None = None
    workers: Workers | None = None
    mistakes: Mistakes | None = None


@dataclass(frozen=True, eq=False)
class Ranked:
    """A ranking of the allowed genes.

    Attributes
    ----------
    rules
        Rules restricted to these genes.
    ranking
        Order of the genes.
    markers
        Markers among them; None unless the rules need them.
    learned
        Cells from which the ranking was learned.
    """

    rules: Rules
    ranking: Ranking
    markers: Markers | None
    learned: Cells | StoredCells

    def panel(self, n_genes: int, *, ids: pd.Series | None = None, provenance: Provenance) -> Panel:
        """Choose a panel.

        Parameters
        ----------
        n_genes
            Its size.
        ids
            Identifier of each gene, indexed by name, or None.
        provenance
            Provenance of the panel.
        """
        choice = choose(self.ranking.order, self.rules, n_genes, self.markers)
        provenance = with_use(provenance, all_limits(self.rules, self.markers), choice.positions)
        warn_of_silent_genes(self.ranking, self.rules.genes, self.rules.genes[choice.positions].tolist())
        return Panel.from_choice(
            replace(choice, nested=choice.nested and self.ranking.nested),
            self.rules.genes,
            scores=self.ranking.scores,
            gene_ids=None if ids is None else ids[self.rules.genes].tolist(),
            thresholds=self.ranking.thresholds,
            provenance=provenance,
        )


def with_use(provenance: Provenance, limits: Sequence[Limit], genes: IntArray) -> Provenance:
    """Record how much of each limit a panel uses, and log the three closest to their bound."""
    if not limits:
        return provenance
    sums = [float(limit.amounts[genes].sum()) for limit in limits]
    bounded = [(used, limit) for used, limit in zip(sums, limits, strict=True) if 0 < limit.high < np.inf]
    for used, limit in sorted(bounded, key=lambda one: -one[0] / one[1].high)[:3]:
        logger.info("%s: %.4g of at most %g", limit.name, used, limit.high)
    use = [
        {
            "limit": limit.name,
            "use": used,
            "low": limit.low if np.isfinite(limit.low) else None,
            "high": limit.high if np.isfinite(limit.high) else None,
        }
        for used, limit in zip(sums, limits, strict=True)
    ]
    return replace(provenance, settings={**provenance.settings, "limit_use": use})


@dataclass(frozen=True, eq=False)
class Task:
    """Request to a method: panel size, must-have genes, limits, priorities and costs of mistakes."""

    n_genes: int
    must_have: list[int]
    limits: Sequence[Limit]
    priorities: FloatArray | None
    mistakes: Mistakes | None

    def as_keywords(self) -> dict[str, Any]:
        """Return the fields by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def resolve(
    cells: Cells | StoredCells,
    constraints: Constraints,
    *,
    n_genes: int | None = None,
    aliases: pd.Index[str] | None = None,
    workers: Workers | None = None,
) -> Rules:
    """Resolve the genes that constraints name, and bounds on mean expression.

    Raises
    ------
    SettingsError
        If a name is unknown, or constraints clash.
    """
    means = _mean_expression(cells, workers) if constraints.bounds_means else None
    counts = None
    if constraints.needs_counts:
        counts = counts_per_type(in_memory(cells, "a limit in counts", 0), constraints.crowding_quantile)
    return constraints.resolve(cells.genes, n_genes=n_genes, aliases=aliases, mean_expression=means, counts=counts)


def rules_with(panel: Panel, rules: Rules, *, ignore_unknown: bool, strict: bool = False) -> Rules:
    """Return rules that keep the genes of a panel, restricted to allowed genes.

    Raises
    ------
    PanelError
        If genes of the panel are missing from the data and not to be ignored, or all are missing.
    """
    absent = [
        gene for gene, positions in rules.names.find_by_either(panel.genes, panel.gene_ids).items() if not positions
    ]
    if absent and not ignore_unknown:
        raise PanelError(
            f"{len(absent)} of the {len(panel)} genes of the panel are not in the data: {quoted(absent)}; "
            f"{absent[0]!r}: {nearest(absent[0], rules.names.positions)}; correct them, or ask for unknown names to "
            "be ignored (--ignore-unknown)"
        )
    held = rules.with_existing(panel.genes, panel.gene_ids, strict=strict)
    if not held.n_existing:
        raise PanelError(
            f"none of the {len(panel)} genes of the panel ({quoted(panel.genes, most=3)}) is in the data (first: "
            f"{quoted(rules.genes, most=3)}); use the same gene names, or name a column of var with second "
            "names (gene_name_key, --gene-name-key)"
        )
    return held.restricted()


def rules_beside(panel: Panel, rules: Rules, request: Choice) -> Rules:
    """Return rules for adding genes to a panel; see :func:`rules_with`."""
    strict = isinstance(request, ExtendRequest) and request.strict_limits
    return rules_with(panel, rules, ignore_unknown=request.ignore_unknown, strict=strict)


def rank(cells: Cells | StoredCells, rules: Rules, how: How, n_genes: int) -> Ranked:
    """Measure markers if the rules need them, and rank the allowed genes.

    A method that learns from moments uses all cells on disk; for others, a sample is read. ``auto`` tries methods on a
    sample; if the method it takes learns from moments, that one then ranks on all cells.

    Parameters
    ----------
    cells
        In memory or on disk.
    rules
        Rules, restricted to allowed genes.
    how
        Method and its parameters.
    n_genes
        Size of the panel.
    """
    markers = None
    if rules.min_markers_per_type or rules.min_markers_per_node:
        asked = "min_markers_per_type" if rules.min_markers_per_type else "min_markers_per_node"
        few = in_memory(cells.take_genes(rules.genes), asked, how.seed)
        markers = measure_markers(few) if rules.min_markers_per_type else None
        rules = with_node_markers(rules, few, None if how.mistakes is None else how.mistakes.tree)
    task = Task(n_genes, rules.must_have.tolist(), all_limits(rules, markers), rules.priorities, how.mistakes)
    ranking, learned = _rank(cells, rules, how, task)
    return Ranked(rules, ranking, markers, learned)


def _rank(cells: Cells | StoredCells, rules: Rules, how: How, task: Task) -> tuple[Ranking, Cells | StoredCells]:
    kind = how.method.kind
    if isinstance(cells, StoredCells) and kind.learns_from_moments:
        return _rank_stored(cells, rules, how, task), cells
    wanted = cells if isinstance(cells, Cells) or kind.takes_target else cells.take_genes(rules.genes)
    learned = in_memory(wanted, f"the method {how.method.name!r}", how.seed)
    ranking = rank_genes(
        learned.take_genes(rules.genes),
        how.method,
        **task.as_keywords(),
        options=how.options,
        seed=how.seed,
        target=(learned.X if how.target is None else how.target) if kind.takes_target else None,
    )
    taken = ranking.settings.get("choice")  # by 'auto', on the sample
    if isinstance(cells, Cells) or taken is None or not find_method(taken["method"]).kind.learns_from_moments:
        return ranking, learned
    again = replace(how, method=find_method(taken["method"]), options=taken["options"])
    whole = _rank_stored(cells, rules, again, task)
    return replace(whole, method=ranking.method, settings=ranking.settings), cells


def _rank_stored(cells: StoredCells, rules: Rules, how: How, task: Task) -> Ranking:
    return rank_stored_genes(
        cells.take_genes(rules.genes),
        how.method,
        **task.as_keywords(),
        options=how.options,
        workers=how.workers,
    )


def in_memory(cells: Cells | StoredCells, what: str, seed: int) -> Cells:
    """Read cells into memory, a sample if there are many; log how many."""
    if isinstance(cells, Cells):
        return cells
    rows = sample_rows(cells, np.random.default_rng(seed))
    if len(rows) < cells.n_cells:
        logger.warning(
            "%s needs cells in memory: it takes a sample of %d of the %d cells, %s",
            what,
            len(rows),
            cells.n_cells,
            f"at most {SAMPLE_PER_CLASS:,} a class" if cells.n_classes else "drawn at random",
        )
    return cells.load(rows)


def sample_rows(cells: StoredCells, rng: np.random.Generator) -> IntArray:
    """Draw cells to read into memory, with large classes capped; rows increase."""
    if not cells.n_classes:
        return subsample(np.zeros(cells.n_cells, dtype=np.int64), rng, per_class=SAMPLE_UNLABELLED)
    return subsample(cells.labels, rng, per_class=SAMPLE_PER_CLASS)


def _mean_expression(cells: Cells | StoredCells, workers: Workers | None) -> FloatArray:
    measured = 1.0 if cells.coverage is None else np.maximum(1, cells.coverage.n_cells_measured) / cells.n_cells
    if isinstance(cells, Cells):
        return np.asarray(cells.X.mean(axis=0, dtype=np.float64)).ravel() / measured
    one_class = np.zeros(cells.n_cells, dtype=np.int64)
    found = stored_moments(
        cells.X, one_class, cell_weights=np.ones(1), within=False, total=False, workers=workers or Workers()
    )
    return found.mean / measured
