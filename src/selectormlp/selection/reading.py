"""Read the cells to choose a panel from: an object in memory, or files with expression on disk."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pandas as pd

from selectormlp.data.anndata_io import cells_from_adata, drop_unlisted, warn_of_rare_types
from selectormlp.data.anndata_lazy import are_paths, open_adata, stored_cells, stored_unlabelled_cells
from selectormlp.data.cell_batches import can_be_told_apart, check_batches, warn_of_lone_types
from selectormlp.data.cells import Cells, Matrix
from selectormlp.data.held_sets import DataSets, JoinedSets, are_sets, join_sets, stay_on_disk
from selectormlp.data.joining import DATA_SET_KEY
from selectormlp.data.label_levels import find_tree
from selectormlp.data.label_tables import read_mistake_costs
from selectormlp.data.label_tree import Mistakes
from selectormlp.data.open_sets import Paths
from selectormlp.data.panel_io import gene_column, unlabelled_cells
from selectormlp.data.set_summary import SetsSummary
from selectormlp.data.source import Source
from selectormlp.data.stored import StoredCells
from selectormlp.data.symbols import named_by_symbol, other_names, stored_genes
from selectormlp.errors import SettingsError, UnknownGenesError
from selectormlp.moments.cluster import check_scheduler
from selectormlp.moments.dask import Workers
from selectormlp.panel.constraints import Constraints
from selectormlp.panel.rules import Rules
from selectormlp.progress import step
from selectormlp.selection.request import Choice, PanelSource
from selectormlp.selection.steps import How, resolve
from selectormlp.selection.unmeasured import method_for_unmeasured
from selectormlp.selectors.registry import Method, find_method

if TYPE_CHECKING:
    from anndata import AnnData


logger = logging.getLogger(__name__)

AnyCells = TypeVar("AnyCells", Cells, StoredCells)


@dataclass(frozen=True, eq=False)
class Opened:
    """Cells, with the tables of cells and genes.

    Attributes
    ----------
    cells
        In memory or on disk.
    table
        Object with ``obs`` and ``var``.
    files
        Names of files on disk; empty for cells in memory.
    sets
        Summary of several data sets; None for one.
    batch_key
        Column of ``obs`` with the batches, if they are told from types.
    """

    cells: Cells | StoredCells
    table: AnnData
    files: tuple[str, ...] = ()
    sets: SetsSummary | None = None
    batch_key: str | None = None

    def aliases(self, source: Source) -> pd.Index[str] | None:
        """Return the second name of each gene, if a column of ``var`` with names or identifiers is given."""
        key = source.gene_name_key or (source.gene_id_key if isinstance(source, PanelSource) else None)
        return other_names(self.table, self.cells.genes, key)

    def stored(self, genes: pd.Index[str], source: Source) -> pd.Index[str]:
        """Return the names of genes in the data, which differ if symbols are shown instead."""
        return stored_genes(self.table, genes, source.gene_name_key)

    def ids(self, source: PanelSource) -> pd.Series | None:
        """Return the identifier of each gene, indexed by name.

        Identifiers come from the given column of ``var``; else, if symbols are shown, they are the names in the data;
        else None.
        """
        genes, key = self.cells.genes, source.gene_id_key
        stored = self.stored(genes, source)
        if key is not None:
            return pd.Series(gene_column(self.table, key, stored), index=genes)
        return None if stored.equals(genes) else pd.Series(stored, index=genes)

    def mistakes(self, request: Choice) -> Mistakes | None:
        """Return the costs of mistakes between types; None without a tree of labels and a matrix of costs.

        Raises
        ------
        DataError, SettingsError
            If the columns do not form a tree, or a table is not usable.
        """
        tree = find_tree(self.table, self.cells, request.label_levels, request.label_tree)
        costs = None
        if request.mistake_costs is not None:
            classes = self.cells.classes
            present = [classes[code] for code in np.flatnonzero(self.cells.class_counts())]
            costs = read_mistake_costs(request.mistake_costs, present)
        if tree is None and costs is None:
            return None
        return Mistakes(tree, request.cost_per_level, costs, request.balance_over)

    def resolve(
        self, source: Source, constraints: Constraints, *, n_genes: int | None = None, workers: Workers | None = None
    ) -> Rules:
        """Resolve constraints, with genes looked up by either of their names.

        Raises
        ------
        SettingsError
            If genes are missing or constraints clash; if a column of ``var`` holds the names, the message offers it.
        """
        aliases = self.aliases(source)
        try:
            return resolve(self.cells, constraints, n_genes=n_genes, aliases=aliases, workers=workers)
        except UnknownGenesError as error:
            var = self.table.var
            column = next((name for name in var if var[name].astype(object).isin(error.names).any()), None)
            if column is None:
                raise
            raise SettingsError(
                f"{error}; var has a column {column!r} with such names: give it as gene_name_key (--gene-name-key)"
            ) from error


def are_several(data: object) -> bool:
    """Return whether the value holds several data sets, joined or not."""
    if isinstance(data, JoinedSets):
        return len(data.sets.names) > 1
    return isinstance(data, Mapping | list | tuple) and len(data) > 1


def read(data: AnnData | JoinedSets, source: Source, *, layer: str | None = None, by_file: bool = False) -> Opened:
    """Read cells of an object, or of joined objects; without a label column, all cells, without class.

    With ``by_file``, batches are the data sets, since no others are given. They are ignored if they cannot be told from
    types.
    """
    adata, sets = (data.adata, data.sets) if isinstance(data, JoinedSets) else (data, None)
    layer = layer or source.layer
    if source.label_key is None:
        cells = unlabelled_cells(
            adata,
            layer=layer,
            normalize=source.normalize,
            donor_key=source.donor_key,
            batch_key=source.batch_key,
        )
    else:
        cells = drop_unlisted(cells_from_adata(adata, source.model_copy(update={"layer": layer}).labelled()))
        warn_of_rare_types(cells)
    cells = _with_units_checked(cells, source, by_file=by_file)
    if sets is not None and sets.coverage is not None:
        rows = adata.obs_names.get_indexer(cells.names)
        cells = replace(cells, coverage=sets.coverage.take(rows))
    batch_key = None if cells.batches is None else source.batch_key
    return Opened(named_by_symbol(cells, adata, source.gene_name_key), adata, sets=sets, batch_key=batch_key)


@contextmanager
def opened(data: AnnData | DataSets | JoinedSets, request: Choice) -> Iterator[tuple[Opened, How]]:
    """Read cells, or open their files, and prepare the ranking of genes.

    Parameters
    ----------
    data
        An object, paths of files to be left on disk, or several of either.
    request
        What to read, and the method to rank genes by.

    Raises
    ------
    SettingsError, DataError
        If the data are not usable, a file cannot be read by rows, or a cluster cannot be reached.
    """
    method = find_method(request.method)
    if request.batch_key is not None and not method.make().takes_batches:
        logger.warning(
            "the method %r ignores batches: the cells of all batches are pooled; 'auto', 'discriminant', 'mixture', "
            "'forest', 'markers' and 'markers-wilcoxon' tell batches from types",
            method.name,
        )
    by_file = request.batch_key is None and not request.pool_files and are_several(data)
    by_file = by_file and request.label_key is not None and method.make().takes_batches
    if by_file:
        request = request.model_copy(update={"batch_key": DATA_SET_KEY})
    if request.joining.is_asked and not (are_sets(data) or are_paths(data) or isinstance(data, JoinedSets)):
        data = [data]
    if are_sets(data) and not stay_on_disk(data):
        names = ("label_key", "layer", "normalize")
        data = join_sets(data, request.joining, **{name: getattr(request, name) for name in names})
    if isinstance(data, JoinedSets) or not (are_paths(data) or are_sets(data)):
        yield _held(data, request, method, by_file=by_file)
        return
    with step("reading cells", 0) as bar:
        workers = Workers(request.dask_scheduler, on_start=bar.restart, on_block=bar.advance)
        yield _on_disk(data, request, method, workers, by_file=by_file)


def _held(data: AnnData | JoinedSets, request: Choice, method: Method, *, by_file: bool) -> tuple[Opened, How]:
    """Read cells of objects in memory; see :func:`opened`."""
    if request.dask_scheduler is not None:
        raise SettingsError("a Dask scheduler needs cells on disk, and these are in memory; give a file instead")
    found = read(data, request.source, by_file=by_file)
    if found.cells.coverage is not None:
        method = method_for_unmeasured(request, method)
    target = _target(data, request)
    return found, How(method, request.options, request.seed, target, mistakes=found.mistakes(request))


def _on_disk(
    data: Paths | Mapping[str, Path | str], request: Choice, method: Method, workers: Workers, *, by_file: bool
) -> tuple[Opened, How]:
    """Open files, with expression on disk; see :func:`opened`."""
    if request.target_layer is not None:
        raise SettingsError("target_layer cannot be read from disk; read the file in memory, or leave it out")
    check_scheduler(request.dask_scheduler)
    keys = ("label_key", "donor_key", "batch_key", "layer", "joining")
    stored = open_adata(data, levels=request.label_levels, **{key: getattr(request, key) for key in keys})
    if request.label_key is None:
        cells = stored_unlabelled_cells(
            stored, normalize=request.normalize, donor_key=request.donor_key, batch_key=request.batch_key
        )
    else:
        cells = drop_unlisted(stored_cells(stored, request.source.labelled()))
        warn_of_rare_types(cells)
    cells = _with_units_checked(cells, request, by_file=by_file)
    cells = named_by_symbol(cells, stored.table, request.gene_name_key)
    if cells.coverage is not None:
        method = method_for_unmeasured(request, method)
    files = tuple(matrix.path.name for matrix in stored.matrices)
    batch_key = None if cells.batches is None else request.batch_key
    found = Opened(cells, stored.table, files, stored.sets, batch_key)
    return found, How(method, request.options, request.seed, None, workers, found.mistakes(request))


def _with_units_checked(cells: AnyCells, source: Source, *, by_file: bool) -> AnyCells:
    """Raise for unusable batches, or pool unusable data sets, and warn of types in one batch or donor only."""
    if by_file and cells.batches is not None and not can_be_told_apart(cells):
        logger.warning(
            "no type is in two data sets, so type and data set cannot be told apart: all cells are pooled, and genes "
            "that mark a data set may be chosen for its types"
        )
        cells = replace(cells, batches=None)
    elif by_file:
        logger.info("each data set is a batch; pool_files (--pool-files) pools them, batch_key names other batches")
    if source.batch_key is not None:
        check_batches(cells, source.batch_key)
    warn_of_lone_types(cells)
    return cells


def _target(adata: AnnData | JoinedSets, request: Choice) -> Matrix | None:
    """Read the profiles to predict: of all genes, even those that may not be chosen."""
    if request.target_layer is None:
        return None
    if isinstance(adata, JoinedSets):
        raise SettingsError("target_layer cannot be read from several data sets; give one, or leave it out")
    cells = read(adata, request.source, layer=request.target_layer).cells
    assert isinstance(cells, Cells)  # noqa: S101
    return cells.X
