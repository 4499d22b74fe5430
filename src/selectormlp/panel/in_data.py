"""Names of a panel's genes in an AnnData object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from selectormlp.data.symbols import other_names, shown_names
from selectormlp.errors import PanelError, quoted
from selectormlp.panel.names import GeneNames


def names_in_data(
    genes: Sequence[str], gene_ids: Sequence[str] | None, adata: Any, gene_name_key: str | None = None
) -> list[str]:
    """Return the names of genes in ``adata.var_names``; see :meth:`selectormlp.panel.panel.Panel.names_in`."""
    names = adata.var_names.astype(str)
    shown = shown_names(adata, gene_name_key)
    aliases = shown.shown if shown is not None else other_names(adata, names, gene_name_key)
    found = GeneNames(names, aliases).find_by_either(genes, gene_ids)
    unclear = [gene for gene, places in found.items() if len(places) != 1]
    if unclear:
        raise PanelError(
            f"{len(unclear)} of the {len(genes)} genes of the panel name no gene of the data, or several: "
            f"{quoted(unclear)}; name a column of var with second names (gene_name_key)"
        )
    return [str(names[places[0]]) for places in found.values()]
