"""Order lists: the genes of a panel as vendors' designers and laboratories take them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from selectormlp.errors import PanelError, counted, quoted
from selectormlp.files import written_whole
from selectormlp.panel.panel import Panel
from selectormlp.panel.storage import shielded

PROBE_SETS = "n_probes"
"""Name under which a panel keeps the probe sets of its genes."""


@dataclass(frozen=True)
class Order:
    """A panel to be ordered, and which of its genes are there already.

    Attributes
    ----------
    panel
        All genes, existing ones first.
    n_existing
        How many of the first genes belong to a pre-designed panel.
    owned
        Genes whose probes the laboratory has.

    Examples
    --------
    >>> Order(Panel(("CD3E", "NKG7"), gene_ids=("ENSG00000198851", "")), n_existing=1).without_id
    ('NKG7',)
    """

    panel: Panel
    n_existing: int = 0
    owned: Collection[str] = ()

    @property
    def status(self) -> tuple[str, ...]:
        """Of each gene: ``existing``, ``owned`` or ``new``."""
        held = set(self.owned)
        return tuple(
            "existing" if place < self.n_existing else "owned" if gene in held else "new"
            for place, gene in enumerate(self.panel.genes)
        )

    @property
    def without_id(self) -> tuple[str, ...]:
        """Genes without an identifier."""
        ids = self.panel.gene_ids or ("",) * len(self.panel)
        return tuple(gene for gene, gene_id in zip(self.panel.genes, ids, strict=True) if not gene_id)

    @property
    def ambiguous_ids(self) -> tuple[str, ...]:
        """Identifiers that several genes share."""
        known = pd.Series([gene_id for gene_id in self.panel.gene_ids or () if gene_id], dtype=str)
        return tuple(known[known.duplicated()].unique())

    def problems(self) -> list[str]:
        """Return what a vendor may refuse, one sentence each."""
        found = []
        if self.without_id:
            found.append(
                f"{counted(len(self.without_id), 'gene has', 'genes have')} no Ensembl ID ({quoted(self.without_id)}); "
                "name the column of var that has them (gene_id_key, --gene-id-key), or give a gene table with them"
            )
        if self.ambiguous_ids:
            found.append(
                f"{counted(len(self.ambiguous_ids), 'Ensembl ID stands', 'Ensembl IDs stand')} for several genes: "
                f"{quoted(self.ambiguous_ids)}"
            )
        return found


def order_table(order: Order, *, types: Sequence[str] | None = None, new_only: bool = False) -> pd.DataFrame:
    """Return one line per gene: ``gene``, ``ensembl_id``, ``status``, ``reason``, ``types`` and the panel's facts.

    Parameters
    ----------
    order
        What to order.
    types
        The types that each gene marks, as text, one per gene of the panel; None leaves the column out.
    new_only
        Leave out existing and owned genes.

    Raises
    ------
    PanelError
        If there is not one entry of ``types`` a gene.
    """
    panel = order.panel
    if types is not None and len(types) != len(panel):
        raise PanelError(f"{len(types)} lists of types for {len(panel)} genes; expected one each")
    frame = pd.DataFrame(
        {
            "gene": panel.genes,
            "ensembl_id": panel.gene_ids or ("",) * len(panel),
            "status": order.status,
            "reason": panel.reasons,
            **({} if types is None else {"types": types}),
            **panel.facts,
        }
    )
    return frame[frame["status"] == "new"] if new_only else frame


def xenium_targets(order: Order, *, new_only: bool = False) -> pd.DataFrame:
    """Return the target list of the Xenium designer: ``Gene``, ``Ensembl ID``, ``Probe sets``, ``Force``.

    ``Force`` is ``forced`` for must-have genes. Probe sets that are not known stay empty: the designer fills them in.
    """
    panel = order.panel
    frame = pd.DataFrame(
        {
            "Gene": panel.genes,
            "Ensembl ID": panel.gene_ids or ("",) * len(panel),
            "Probe sets": panel.facts.get(PROBE_SETS, ("",) * len(panel)),
            "Force": ["forced" if reason == "must-have" else "" for reason in panel.reasons],
        }
    )
    return frame[[status == "new" for status in order.status]] if new_only else frame


def merscope_list(order: Order, *, new_only: bool = False) -> pd.DataFrame:
    """Return ``gene`` and ``ensembl_id``, the columns by which a MERSCOPE panel names its targets."""
    return order_table(order, new_only=new_only)[["gene", "ensembl_id"]]


FORMATS: dict[str, tuple[str, Callable[..., pd.DataFrame]]] = {
    "table": ("order.csv", order_table),
    "xenium": ("xenium_targets.csv", xenium_targets),
    "merscope": ("merscope_genes.csv", merscope_list),
}
"""File name and maker of each order list."""


def write_order(
    order: Order, folder: Path | str, kind: str, *, new_only: bool = False, types: Sequence[str] | None = None
) -> Path:
    """Write an order list; cells that a spreadsheet would take for formulas stand after an apostrophe.

    Parameters
    ----------
    order
        What to order.
    folder
        Where to; made where absent.
    kind
        ``table``, ``xenium`` or ``merscope``.
    new_only
        Leave out existing and owned genes.
    types
        For ``table``: the types that each gene marks, as text.

    Returns
    -------
    The file.

    Raises
    ------
    PanelError
        If the format is unknown, or no gene is left to order.
    OutputError
        If the folder cannot be written to.
    """
    if kind not in FORMATS:
        raise PanelError(f"no order format {kind!r}; expected one of {quoted(FORMATS)}")
    name, make = FORMATS[kind]
    frame = make(order, new_only=new_only, **({} if types is None or kind != "table" else {"types": types}))
    if frame.empty:
        raise PanelError(f"none of the {len(order.panel)} genes is new; write all of them instead")
    file = Path(folder) / name
    with written_whole(file) as (draft,):
        frame.map(lambda cell: shielded(str(cell))).to_csv(draft, index=False, lineterminator="\n")
    return file
