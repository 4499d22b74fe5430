"""Choosing panels from cells that stay on disk."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from selectormlp.data.anndata_io import drop_unlisted, warn_of_rare_types
from selectormlp.data.anndata_lazy import Paths, StoredAdata, open_adata, stored_cells, stored_unlabelled_cells
from selectormlp.data.anndata_sample import capped_rows
from selectormlp.data.cells import Cells, IntArray
from selectormlp.data.hashing import hash_cells
from selectormlp.data.stored import StoredCells
from selectormlp.data.symbols import named_by_symbol
from selectormlp.errors import SettingsError
from selectormlp.moments.dask import Workers, check_scheduler, stored_moments
from selectormlp.panel.markers import Markers, measure_markers
from selectormlp.panel.panel import Panel
from selectormlp.panel.rules import Rules
from selectormlp.progress import pass_bar
from selectormlp.selection.panels import extended_panel, gene_ids, panel_of, provenance_of, resolve_rules, rules_beside
from selectormlp.selection.ranking import Ranking, rank_genes, rank_stored_genes
from selectormlp.selection.task import PanelTask, check_whole
from selectormlp.selectors.registry import find_method

logger = logging.getLogger(__name__)

SAMPLE_PER_CLASS = 5000
"""The most cells of one class that are read where a method needs cells in memory: as many as the published program
trains on."""

SAMPLE_UNLABELLED = 50_000
"""The most cells that are read there without classes."""


def select_from_files(paths: Paths, task: PanelTask, n_genes: int, *, scheduler: str | None = None) -> Panel:
    """Choose a panel from files whose expression stays on disk; see :func:`selectormlp.api.select`.

    Raises
    ------
    SettingsError, DataError
        As for cells in memory; and if a file cannot be read by rows, or the cluster cannot be reached.
    """
    check_whole("n_genes", n_genes, least=1)
    with _opened(paths, task, scheduler) as (opened, cells, workers):
        rules = _rules(opened, cells, task, workers, n_genes).restricted()
        markers = _markers(cells, rules, task)
        ranking, learned = _rank(cells, rules, task, n_genes, workers)
    size = {"n_genes": n_genes, "files": _file_names(opened)}
    origin = provenance_of(learned, task, ranking, size, data_hash=hash_cells(cells), whole=cells)
    ids = gene_ids(opened.table, task.source, cells.genes)
    return panel_of(rules, ranking, markers, n_genes, ids=ids, provenance=origin)


def extend_from_files(
    paths: Paths, panel: Panel, task: PanelTask, n_new: int, *, scheduler: str | None = None
) -> Panel:
    """Add genes to a panel from files whose expression stays on disk; see :func:`selectormlp.api.extend`.

    Raises
    ------
    SettingsError, DataError
        As for cells in memory; and if a file cannot be read by rows, or the cluster cannot be reached.
    """
    check_whole("n_new", n_new, least=1)
    with _opened(paths, task, scheduler) as (opened, cells, workers):
        rules = rules_beside(panel, _rules(opened, cells, task, workers), task.constraints, n_new)
        markers = _markers(cells, rules, task)
        ranking, learned = _rank(cells, rules, task, rules.n_existing + n_new, workers)
    size = {"n_new": n_new, "extended": list(panel.genes), "files": _file_names(opened)}
    origin = provenance_of(learned, task, ranking, size, data_hash=hash_cells(cells), whole=cells)
    ids = gene_ids(opened.table, task.source, cells.genes)
    return extended_panel(panel, rules, ranking, markers, n_new, ids=ids, provenance=origin)


@contextmanager
def _opened(paths: Paths, task: PanelTask, scheduler: str | None) -> Iterator[tuple[StoredAdata, StoredCells, Workers]]:
    source = task.source
    if source.target_layer is not None:
        raise SettingsError("target_layer cannot be read from disk; read the file in memory, or leave it out")
    check_scheduler(scheduler)
    opened = open_adata(paths, label_key=source.label_key, donor_key=source.donor_key, layer=source.layer)
    with pass_bar("reading cells", visible=task.progress) as (on_start, on_block):
        yield opened, _cells(opened, task), Workers(scheduler, on_start=on_start, on_block=on_block)


def _rules(
    opened: StoredAdata, cells: StoredCells, task: PanelTask, workers: Workers, n_genes: int | None = None
) -> Rules:
    means = _mean_expression(cells, workers) if task.constraints.bounds_means else None
    return resolve_rules(
        opened.table, cells.genes, task.source, task.constraints, n_genes=n_genes, mean_expression=means
    )


def _markers(cells: StoredCells, rules: Rules, task: PanelTask) -> Markers | None:
    if not rules.min_markers_per_type:
        return None
    return measure_markers(_sample(cells.take_genes(rules.genes), "min_markers_per_type", task.seed))


def _file_names(opened: StoredAdata) -> list[str]:
    return [matrix.path.name for matrix in opened.matrices]


def _cells(opened: StoredAdata, task: PanelTask) -> StoredCells:
    source = task.source
    if source.label_key is None:
        cells = stored_unlabelled_cells(opened, normalize=source.normalize, donor_key=source.donor_key)
    else:
        cells = drop_unlisted(stored_cells(opened, source.labelled(source.label_key)))
        warn_of_rare_types(cells)
    return named_by_symbol(cells, opened.table, source.gene_name_key)


def _mean_expression(cells: StoredCells, workers: Workers) -> npt.NDArray[np.float64]:
    one_class = np.zeros(cells.n_cells, dtype=np.int64)
    moments = stored_moments(cells.X, one_class, cell_weights=np.ones(1), within=False, total=False, workers=workers)
    return moments.mean


def _rank(
    cells: StoredCells, rules: Rules, task: PanelTask, n_genes: int, workers: Workers
) -> tuple[Ranking, Cells | StoredCells]:
    """Rank on all cells where the method learns from moments, else on a sample in memory; return these cells, too.

    ``auto`` tries methods on the sample; the one that it takes chooses from all cells if it learns from moments.
    """
    method = find_method(task.method)
    must_have = rules.must_have.tolist()
    if method.learns_from_moments:
        few = cells.take_genes(rules.genes)
        ranking = rank_stored_genes(
            few, task.method, n_genes=n_genes, must_have=must_have, options=task.options, workers=workers
        )
        return ranking, cells
    wanted = cells if method.takes_target else cells.take_genes(rules.genes)
    sample = _sample(wanted, f"the method {task.method!r}", task.seed)
    ranking = rank_genes(
        sample.take_genes(rules.genes),
        task.method,
        n_genes=n_genes,
        must_have=must_have,
        options=task.options,
        seed=task.seed,
        target=sample.X if method.takes_target else None,
        progress=task.progress,
    )
    chosen = ranking.settings.get("choice")  # by 'auto', on the sample; what needs moments only is done on all cells
    if chosen is None or not find_method(chosen["method"]).learns_from_moments:
        return ranking, sample
    few = cells.take_genes(rules.genes)
    whole = rank_stored_genes(
        few, chosen["method"], n_genes=n_genes, must_have=must_have, options=chosen["options"], workers=workers
    )
    return replace(whole, method=ranking.method, settings=ranking.settings), cells


def _sample(cells: StoredCells, what: str, seed: int) -> Cells:
    """Read cells for what needs them in memory; say how many."""
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
    """Draw cells to be read into memory, class by class; large classes are capped; rows increase."""
    if not cells.n_classes:
        n_drawn = min(cells.n_cells, SAMPLE_UNLABELLED)
        return np.sort(rng.choice(cells.n_cells, n_drawn, replace=False))
    return capped_rows(cells.labels, SAMPLE_PER_CLASS, rng)
