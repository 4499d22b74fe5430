"""Constraints on a panel, as the user states them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from selectormlp.config.model import (
    Costs,
    Count,
    CountOrNone,
    FileFlag,
    FileName,
    Finite,
    Flag,
    Names,
    NonNegative,
    Settings,
    Table,
)
from selectormlp.panel.assay_limits import AssayLimits

if TYPE_CHECKING:
    import pandas as pd

    from selectormlp.data.cells import AnyFloatArray
    from selectormlp.panel.physics import TypeCounts
    from selectormlp.panel.rules import Rules

MARKER_AUC = 0.7
"""Minimum AUC of a marker: the lowest that Hosmer, Lemeshow and Sturdivant (Applied Logistic Regression, 3rd ed., 2013,
§5.2.4) call acceptable discrimination."""


def _genes_in(file: Path) -> tuple[str, ...]:
    from selectormlp.panel.vendors import read_panel

    return read_panel(file).genes


def _costs_in(file: Path) -> dict[str, float]:
    from selectormlp.panel.storage import read_costs

    return read_costs(file)


class Allowed(Settings):
    """Genes that may be chosen."""

    heading: ClassVar[str] = "Constraints"

    forbidden: Annotated[
        Names,
        Flag(
            ("--forbid",),
            first=True,
            split=True,
            file=FileFlag("--forbid-file", "File of genes or patterns to exclude.", _genes_in),
        ),
    ] = ()
    """Genes, or patterns such as 'RPL*' (case matters), to exclude."""
    candidates: Annotated[
        Names | None,
        Flag(direct=False, file=FileFlag("--candidates", "File of the only genes to choose from.", _genes_in)),
    ] = None
    """The only genes to choose from, including must-have genes; all by default."""
    ignore_unknown: Annotated[bool, Flag()] = False
    """Ignore gene names missing from the data, with a warning; an extended panel keeps them."""


def _sets_in(file: Path) -> dict[str, Any]:
    from selectormlp.panel.gene_files import read_gene_sets

    return read_gene_sets(file)


class Constraints(Allowed, AssayLimits):
    """Constraints on a panel, by gene names; all of them apply.

    Raises
    ------
    SettingsError
        If a value is out of its range, a single name stands where a list is expected, or costs lack a budget.

    Examples
    --------
    >>> Constraints(must_have=["CD3E"], forbidden=["MT-*"]).forbidden
    ('MT-*',)
    """

    must_have: Annotated[
        Names,
        Flag(
            first=True,
            split=True,
            file=FileFlag("--must-have-file", "File of genes that the panel must hold.", _genes_in),
        ),
    ] = ()
    """Genes that the panel must hold, in this order."""
    costs: Annotated[
        Costs,
        Count,
        Flag(
            direct=False,
            file=FileFlag(
                "--costs", "CSV file of genes and their costs; other genes cost 1. Needs --budget.", _costs_in
            ),
        ),
    ] = Field(default_factory=dict)
    """Costs of genes, 0 or more; others cost 1."""
    budget: Annotated[NonNegative | None, Flag()] = None
    """Maximum cost of the panel; no limit by default."""
    min_mean: Annotated[Finite | None, Flag()] = None
    """Minimum mean expression over all cells, in the unit of the matrix (log scale for counts)."""
    max_mean: Annotated[Finite | None, Flag()] = None
    """Maximum mean expression over all cells, in the unit of the matrix (log scale for counts)."""
    min_markers_per_type: Annotated[CountOrNone, Flag()] = 0
    """Minimum number of markers of each cell type."""
    min_markers_per_node: Annotated[CountOrNone, Flag()] = 0
    """Minimum number of markers of each node of a tree of labels, all its types taken together."""
    min_marker_auc: Annotated[float, Field(ge=0.5, le=1), Flag()] = MARKER_AUC
    """Minimum AUC of a marker of a type, against all other cells."""
    forbid_preset: Annotated[Names, Flag(split=True)] = ()
    """Gene families to exclude: ribosomal, mitochondrial, hemoglobin, sex, cell-cycle (human and mouse)."""
    gene_table: Annotated[FileName | None, Flag()] = None
    """Table of genes: length_nt, n_probes, codewords, homolog_group, cost, priority; see docs/ordering.md."""
    gene_sets: Annotated[
        Table,
        Flag(
            direct=False,
            file=FileFlag("--gene-sets", "Sets of genes: CSV (set, gene, min, max) or JSON.", _sets_in),
        ),
    ] = Field(default_factory=dict)
    """Named gene sets: a list of genes (at least one is chosen), or genes with min, max and together (all or none)."""
    min_per_set: Annotated[Count, Flag()] = 1
    """Minimum number of genes of each set without bounds of its own, such as a list of markers per type."""
    owned: Annotated[
        Names,
        Flag(split=True, file=FileFlag("--owned-file", "File of genes whose probes you already own.", _genes_in)),
    ] = ()
    """Genes whose probes you already own: they cost nothing and are preferred."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.costs and self.budget is None:
            raise ValueError(f"{len(self.costs)} costs but no budget, so they would change nothing; give a budget")
        low, high = self.min_mean, self.max_mean
        if low is not None and high is not None and low > high:
            raise ValueError(f"min_mean {low:g} is above max_mean {high:g}; expected it below")
        return self

    @property
    def bounds_means(self) -> bool:
        """Whether bounds on mean expression are set."""
        return self.min_mean is not None or self.max_mean is not None

    def resolve(
        self,
        genes: pd.Index[str],
        *,
        n_genes: int | None = None,
        aliases: pd.Index[str] | None = None,
        mean_expression: AnyFloatArray | None = None,
        counts: TypeCounts | None = None,
    ) -> Rules:
        """Turn names into positions and masks over the genes of the data.

        Parameters
        ----------
        genes
            Gene names of the data, unique.
        n_genes
            Size of the panel, to check it against the constraints; None to check it later.
        aliases
            A second name for each gene; names are looked up among ``genes`` first.
        mean_expression
            Mean of each gene over all cells, shape (len(genes),); needed for bounds.
        counts
            Counts per cell of each gene in each type; needed for limits in counts.

        Raises
        ------
        SettingsError
            If names are unknown or ambiguous, or constraints clash; the message says which.

        Examples
        --------
        >>> import pandas as pd
        >>> genes = pd.Index(["CD3E", "MT-CO1", "MS4A1", "NKG7"])
        >>> rules = Constraints(must_have=("NKG7",), forbidden=("MT-*",)).resolve(genes, n_genes=2)
        >>> rules.must_have, rules.allowed
        (array([3]), array([ True, False,  True,  True]))
        """
        from selectormlp.panel.resolution import resolve_constraints  # loads pandas

        return resolve_constraints(
            self, genes, n_genes=n_genes, aliases=aliases, mean_expression=mean_expression, counts=counts
        )
