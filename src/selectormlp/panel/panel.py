"""A panel: its genes, the reason for each, and its provenance."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from selectormlp.data.cells import AnyFloatArray, IntArray
from selectormlp.errors import PanelError, SettingsError, counted, quoted
from selectormlp.panel.choose import SELECTED, Choice, choose
from selectormlp.panel.markers import Markers
from selectormlp.panel.provenance import Provenance
from selectormlp.panel.rules import Rules
from selectormlp.values import Shown

T = TypeVar("T")

MAX_SHOWN = 10
"""Number of genes shown in the repr of a panel."""


@dataclass(frozen=True, repr=False)
class Panel(Shown):
    """A chosen set of genes, in order.

    Attributes
    ----------
    genes
        Gene names, distinct, the first chosen first.
    reasons
        Reason for each gene: ``"must-have"``, ``"selected"``, ``"marker of T (minimum per type)"``, …; by default the
        name of the method.
    scores
        Score or gain of each gene in the unit of the method, or None (the default).
    gene_ids
        An identifier of each gene (Ensembl), ``""`` if unknown; or None.
    thresholds
        Expression above which each gene counts as on, for methods that binarise; or None.
    facts
        Further facts of each gene, by column: probe sets, codewords, annotation, …; text as it was read, ``""`` if
        unknown.
    n_required
        Number of first genes that panels of every size hold: must-have genes, or the panel that was extended.
    nested
        Whether the first n genes (n ≥ ``n_required``) are the method's panel of size n.
    provenance
        Method, settings, seed, versions, data and cells.

    Raises
    ------
    PanelError
        If there are no genes, a gene is listed twice or its name is not printable, or a column has another length.

    Examples
    --------
    >>> panel = Panel(("CD3E", "MS4A1", "NKG7"), scores=(3.0, 2.5, 0.5))
    >>> panel.head(2).genes
    ('CD3E', 'MS4A1')
    >>> panel
    Panel(3 genes by given: CD3E, MS4A1, NKG7)
    """

    genes: tuple[str, ...]
    reasons: tuple[str, ...] = ()
    scores: tuple[float | None, ...] = ()
    gene_ids: tuple[str, ...] | None = None
    thresholds: tuple[float | None, ...] | None = None
    n_required: int = 0
    nested: bool = True
    provenance: Provenance = field(default_factory=Provenance)
    facts: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n_genes = len(self.genes)
        object.__setattr__(self, "genes", tuple(self.genes))
        object.__setattr__(self, "reasons", tuple(self.reasons) or (self.provenance.method,) * n_genes)
        object.__setattr__(self, "scores", tuple(self.scores) or (None,) * n_genes)
        if not n_genes:
            raise PanelError("a panel without genes; at least one is needed")
        unusable = [gene for gene in self.genes if not (gene.strip() and gene.isprintable())]
        if unusable:
            raise PanelError(
                f"gene names that are empty or hold characters that cannot be printed ({len(unusable)}): "
                f"{quoted(unusable, most=3)}; rename or remove them"
            )
        if len(set(self.genes)) < n_genes:
            repeated = [gene for gene, times in Counter(self.genes).items() if times > 1]
            raise PanelError(f"genes listed more than once ({len(repeated)}): {quoted(repeated)}; list each once")
        self._check_columns()

    def _check_columns(self) -> None:
        columns = {what: getattr(self, what) for what in ("reasons", "scores", "gene_ids", "thresholds")}
        facts = {f"values of {name!r}": values for name, values in self.facts.items()}
        for what, values in {**columns, **facts}.items():
            if values is not None and len(values) != len(self.genes):
                raise PanelError(f"{len(values)} {what} for {len(self.genes)} genes; expected one each")
        for what in ("scores", "thresholds"):
            if not all(value is None or math.isfinite(value) for value in columns[what] or ()):
                raise PanelError(f"the {what} of a panel hold NaN or infinite values; leave these out (None)")
        if not 0 <= self.n_required <= len(self.genes):
            raise PanelError(f"{self.n_required} required genes in a panel of {len(self.genes)}; expected no more")

    def __len__(self) -> int:
        return len(self.genes)

    def __repr__(self) -> str:
        """Return size, method and first genes; listing the cells would fill the screen."""
        more = ", …" if len(self) > MAX_SHOWN else ""
        genes = ", ".join(self.genes[:MAX_SHOWN])
        return f"Panel({counted(len(self), 'gene')} by {self.provenance.method}: {genes}{more})"

    @classmethod
    def from_choice(
        cls,
        choice: Choice,
        genes: pd.Index[str],
        *,
        scores: AnyFloatArray | None = None,
        gene_ids: Sequence[str] | None = None,
        thresholds: AnyFloatArray | None = None,
        provenance: Provenance,
    ) -> Panel:
        """Make a panel from chosen genes.

        Parameters
        ----------
        choice
            Positions and reasons.
        genes
            Gene names of the data that the positions refer to.
        scores
            Score or gain of every gene of the data, shape (len(genes),); non-finite values become None.
        gene_ids
            Identifier of every gene of the data, or None.
        thresholds
            Expression above which every gene of the data counts as on, or None.
        provenance
            Provenance of the panel.
        """
        return cls(
            genes=tuple(map(str, genes[choice.positions])),
            reasons=choice.reasons,
            scores=_finite(scores, choice.positions),
            gene_ids=None if gene_ids is None else _ids(gene_ids, choice.positions),
            thresholds=None if thresholds is None else _finite(thresholds, choice.positions),
            n_required=choice.n_required,
            nested=choice.nested,
            provenance=provenance,
        )

    def head(self, n_genes: int) -> Panel:
        """Return the smaller panel that this one contains.

        Parameters
        ----------
        n_genes
            Size, from ``n_required`` (at least 1) to the size of this panel.

        Raises
        ------
        PanelError
            If the size is out of range, or the panel is not nested: then its first genes are not the method's choice
            for that size.
        """
        if not max(1, self.n_required) <= n_genes <= len(self):
            raise PanelError(
                f"the first {n_genes} genes of a panel of {len(self)} with {self.n_required} required ones; expected "
                f"{max(1, self.n_required)} to {len(self)}"
            )
        if n_genes < len(self) and not self.nested:
            raise PanelError(
                f"the first {n_genes} genes of this panel are not the panel of {n_genes}: it was chosen under a budget "
                "or a minimum of markers per type, by exchanges, or by a method that is trained for one size; "
                f"select {n_genes} genes again"
            )
        return self.take(range(n_genes))

    def take(self, places: Sequence[int]) -> Panel:
        """Return a panel of some of the genes, by position (from 0), in the order given."""

        def some(values: Sequence[T]) -> tuple[T, ...]:
            return tuple(values[place] for place in places)

        return replace(
            self,
            genes=some(self.genes),
            reasons=some(self.reasons),
            scores=some(self.scores),
            gene_ids=None if self.gene_ids is None else some(self.gene_ids),
            thresholds=None if self.thresholds is None else some(self.thresholds),
            n_required=min(self.n_required, len(places)),
            facts={name: some(values) for name, values in self.facts.items()},
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row per gene: position (from 1), gene, gene_id, score, threshold, reason and facts, if known."""
        columns: dict[str, object] = {"position": range(1, len(self) + 1), "gene": self.genes}
        if self.gene_ids is not None:
            columns["gene_id"] = self.gene_ids
        columns["score"] = np.array(self.scores, dtype=np.float64)
        if self.thresholds is not None:
            columns["threshold"] = np.array(self.thresholds, dtype=np.float64)
        return pd.DataFrame({**columns, "reason": self.reasons, **self.facts})

    def names_in(self, adata: Any, *, gene_name_key: str | None = None) -> list[str]:
        """Return the names of the genes in ``adata.var_names``, for ``adata[:, panel.names_in(adata)]``.

        Parameters
        ----------
        adata
            An AnnData object, cells × genes, named by symbols or by identifiers.
        gene_name_key
            Column of ``var`` with second names; by default one with symbols if ``var_names`` are identifiers.

        Raises
        ------
        PanelError
            If a gene is missing or ambiguous.

        Examples
        --------
        >>> from anndata import AnnData
        >>> var = pd.DataFrame({"symbol": ["MS4A1", "CD3E"]}, index=["ENSG00000156738", "ENSG00000198851"])
        >>> Panel(("CD3E", "MS4A1")).names_in(AnnData(np.zeros((1, 2)), var=var))
        ['ENSG00000198851', 'ENSG00000156738']
        """
        from selectormlp.panel.in_data import names_in_data

        return names_in_data(self.genes, self.gene_ids, adata, gene_name_key)

    def write(self, folder: Path | str) -> Path:
        """Write ``panel.csv``, ``panel.json`` and ``genes.txt``; see :func:`selectormlp.panel.storage.write_panel`."""
        from selectormlp.panel.storage import write_panel  # storage imports this module

        return write_panel(self, folder)


def extend_panel(
    panel: Panel,
    order: IntArray,
    gains: AnyFloatArray,
    rules: Rules,
    *,
    n_new: int,
    provenance: Provenance,
    gene_ids: Sequence[str] | None = None,
    thresholds: AnyFloatArray | None = None,
    markers: Markers | None = None,
) -> Panel:
    """Add genes to an existing panel.

    Parameters
    ----------
    panel
        The existing panel; its genes stay in their order, even those missing from the data.
    order
        Positions of the genes of ``rules`` from the best to the worst, learned with ``rules.must_have`` given.
    gains
        Gain of each gene in the learned order, shape (n_genes,).
    rules
        Made by ``Rules.with_existing(panel.genes)``.
    n_new
        Number of genes to add, including must-have genes that the panel lacks.
    provenance
        Provenance of the new genes.
    gene_ids
        Identifier of every gene of the data, or None.
    thresholds
        Expression above which every gene of the data counts as on, or None; genes of the panel that have a threshold
        keep theirs.
    markers
        See :func:`selectormlp.panel.choose.choose`.

    Returns
    -------
    The extended panel: the existing genes with their reasons and scores, then the new ones with their gains.

    Raises
    ------
    SettingsError
        If ``n_new`` is below 1 or the rules cannot be kept.

    Examples
    --------
    >>> from selectormlp.panel.constraints import Constraints
    >>> panel = Panel(("CD3E", "ABSENT"))
    >>> rules = Constraints().resolve(pd.Index(["NKG7", "CD3E", "MS4A1"])).with_existing(panel.genes)
    >>> gains = np.array([0.5, 0.0, 2.5])
    >>> extended = extend_panel(panel, np.array([1, 2, 0]), gains, rules, n_new=1, provenance=Provenance("t-test"))
    >>> extended.genes, extended.scores
    (('CD3E', 'ABSENT', 'MS4A1'), (None, None, 2.5))
    """
    if n_new < 1:
        raise SettingsError(f"{counted(n_new, 'gene')} to add to a panel; expected 1 or more")
    choice = choose(order, rules, rules.n_existing + n_new, markers)
    new = choice.positions[rules.n_existing :]
    added = f"added to a panel of {len(panel)}"
    ids = panel.gene_ids
    if gene_ids is not None:
        found = rules.names.find_by_either(panel.genes, panel.gene_ids)
        known = [_ids(gene_ids, positions)[0] if (positions := found[gene]) else "" for gene in panel.genes]
        old = ids or ("",) * len(panel)
        ids = (*(own or data for own, data in zip(old, known, strict=True)), *_ids(gene_ids, new))
    elif ids is not None:
        ids = (*ids, *("",) * n_new)
    return Panel(
        genes=(*panel.genes, *map(str, rules.genes[new])),
        reasons=(*panel.reasons, *(added if r == SELECTED else r for r in choice.reasons[rules.n_existing :])),
        scores=(*panel.scores, *_finite(gains, new)),
        gene_ids=ids,
        thresholds=_extended_thresholds(panel, rules, thresholds, new),
        n_required=len(panel) + choice.n_required - rules.n_existing,
        nested=choice.nested,
        provenance=provenance,
        facts={name: (*values, *("",) * n_new) for name, values in panel.facts.items()},
    )


def _extended_thresholds(
    panel: Panel, rules: Rules, thresholds: AnyFloatArray | None, new: IntArray
) -> tuple[float | None, ...] | None:
    old = panel.thresholds
    if thresholds is None:
        return None if old is None else (*old, *(None,) * len(new))
    found = rules.names.find_by_either(panel.genes, panel.gene_ids)
    fitted = [float(thresholds[found[gene][0]]) if found[gene] else None for gene in panel.genes]
    kept = (own if own is not None else fit for own, fit in zip(old or (None,) * len(panel), fitted, strict=True))
    return (*kept, *_finite(thresholds, new))


def _finite(values: AnyFloatArray | None, positions: IntArray) -> tuple[float | None, ...]:
    if values is None:
        return (None,) * len(positions)
    return tuple(float(value) if np.isfinite(value) else None for value in values[positions])


def _ids(gene_ids: Sequence[str], positions: Iterable[int]) -> tuple[str, ...]:
    found = (gene_ids[position] for position in positions)
    return tuple("" if pd.isna(gene_id) else str(gene_id) for gene_id in found)
