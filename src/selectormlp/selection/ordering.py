"""Write files for vendors: order lists, and the reference for their design tools."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from selectormlp.data.cells import Cells
from selectormlp.errors import DataError
from selectormlp.exchange.orders import FORMATS, Order, write_order
from selectormlp.exchange.reference import REFERENCE_NAME, Reference, write_reference
from selectormlp.panel.markers import measure_markers
from selectormlp.panel.names import GeneNames
from selectormlp.panel.panel import Panel
from selectormlp.selection.crowding import whole_counts
from selectormlp.selection.reading import read
from selectormlp.selection.request import Choice

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)


def order_files(kinds: Sequence[str]) -> list[str]:
    """Return the names of the files written for these kinds of order lists."""
    return [name for kind in kinds for name in (FORMATS[kind][0], *([REFERENCE_NAME] if kind == "xenium" else []))]


def write_orders(
    panel: Panel,
    request: Choice,
    folder: Path,
    *,
    n_existing: int = 0,
    adata: AnnData | None = None,
    sample: AnnData | None = None,
) -> None:
    """Write the requested order lists; warn of genes a vendor may refuse.

    Parameters
    ----------
    panel
        All genes, existing ones first.
    request
        Kinds of lists, and whether to list new genes only.
    folder
        Target folder.
    n_existing
        Number of first genes that belong to an existing panel.
    adata
        The cells, for the reference of ``xenium``; None leaves it out, with a log message.
    sample
        Some cells, if there is no ``adata``, to find which types each gene marks.

    Raises
    ------
    PanelError
        If only new genes are requested and there are none.
    DataError, SettingsError
        If the cells hold no integer counts, which a reference needs.
    """
    order = Order(panel, n_existing, request.owned)
    for problem in order.problems() if request.order else ():
        logger.warning("%s", problem)
    described = sample if adata is None else adata
    for kind in request.order:
        marked = marked_types(panel, request, described) if kind == "table" and described is not None else None
        write_order(order, folder, kind, new_only=request.order_new_only, types=marked)
    if "xenium" in request.order:
        if adata is None:
            logger.warning("no reference for the designer is written for cells on disk; read the file without lazy")
        else:
            write_reference(reference_of(adata, request).thinned(seed=request.seed), folder)


def marked_types(panel: Panel, request: Choice, adata: AnnData) -> list[str] | None:
    """Return the types that each gene of a panel marks, as text, best first; None without labels.

    A gene marks a type if its AUC against all other cells is ``request.min_marker_auc`` or more.
    """
    if request.label_key is None:
        return None
    found = read(adata, request.source)
    names = GeneNames(found.cells.genes, found.aliases(request.source))
    at = [places[:1] for places in names.find_by_either(panel.genes, panel.gene_ids).values()]
    genes = list(dict.fromkeys(place for places in at for place in places))
    cells = found.cells.take_genes(found.cells.genes[genes])
    if not isinstance(cells, Cells):
        return None
    markers = measure_markers(cells)
    marks, auc = markers.marks(request.min_marker_auc), np.nan_to_num(markers.auc)
    column = {place: number for number, place in enumerate(genes)}
    lists = []
    for places in at:
        mine = column[places[0]] if places else 0
        kinds = np.flatnonzero(marks[:, mine]).tolist() if places else []
        lists.append("; ".join(markers.classes[kind] for kind in sorted(kinds, key=lambda kind: -auc[kind, mine])))
    return lists


def reference_of(adata: AnnData, request: Choice) -> Reference:
    """Make a reference from labelled cells: integer counts, identifiers and types.

    Raises
    ------
    DataError
        If no label column is given, or identifiers repeat.
    SettingsError
        If the values are not counts and none can be told from them.
    """
    if request.label_key is None:
        raise DataError("a reference needs the type of each cell; name their column (label_key, --label-key)")
    found = read(adata, request.source)
    cells = found.cells
    if not isinstance(cells, Cells):
        raise DataError("a reference needs cells in memory")
    kept = cells.take(cells.labels >= 0)
    ids = found.ids(request)
    names = list(map(str, kept.genes))
    return Reference(
        sp.csr_array(whole_counts(kept)),
        names if ids is None else [str(gene_id) for gene_id in ids[kept.genes]],
        names,
        list(map(str, kept.names)),
        [kept.classes[code] for code in kept.labels],
    )
