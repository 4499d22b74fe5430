"""What a panel must obey, as the user states it."""

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
"""AUC from which a gene marks a type: the least that Hosmer, Lemeshow and Sturdivant (Applied Logistic Regression,
3rd ed., 2013, §5.2.4) call acceptable discrimination."""


def _genes_in(file: Path) -> tuple[str, ...]:
    from selectormlp.panel.vendors import read_panel

    return read_panel(file).genes


def _costs_in(file: Path) -> dict[str, float]:
    from selectormlp.panel.storage import read_costs

    return read_costs(file)


class Allowed(Settings):
    """Which genes may be chosen."""

    heading: ClassVar[str] = "Constraints"

    forbidden: Annotated[
        Names,
        Flag(
            ("--forbid",),
            first=True,
            split=True,
            file=FileFlag("--forbid-file", "File of genes or patterns to keep out.", _genes_in),
        ),
    ] = ()
    """Genes, or patterns such as 'RPL*' (case matters), to keep out."""
    candidates: Annotated[
        Names | None,
        Flag(direct=False, file=FileFlag("--candidates", "File of the only genes to choose from.", _genes_in)),
    ] = None
    """The only genes to choose from, must-have genes among them; all by default."""
    ignore_unknown: Annotated[bool, Flag()] = False
    """Go on without gene names that the data lack, with a warning; an extended panel keeps them."""


def _sets_in(file: Path) -> dict[str, Any]:
    from selectormlp.panel.gene_files import read_gene_sets

    return read_gene_sets(file)


class Constraints(Allowed, AssayLimits):
    """What a panel must obey, in the user's words; all hold together.

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
    """The most that the panel may cost; no limit by default."""
    min_mean: Annotated[Finite | None, Flag()] = None
    """Least mean expression over all cells, in the unit of the matrix (log scale for counts)."""
    max_mean: Annotated[Finite | None, Flag()] = None
    """Largest mean expression over all cells, in the unit of the matrix (log scale for counts)."""
    min_markers_per_type: Annotated[CountOrNone, Flag()] = 0
    """Fewest genes that mark each cell type."""
    min_markers_per_node: Annotated[CountOrNone, Flag()] = 0
    """Fewest genes that mark each node of a tree of labels, all its types together."""
    min_marker_auc: Annotated[float, Field(ge=0.5, le=1), Flag()] = MARKER_AUC
    """AUC against all other cells from which a gene marks a type."""
    forbid_preset: Annotated[Names, Flag(split=True)] = ()
    """Families of genes to keep out: ribosomal, mitochondrial, hemoglobin, sex, cell-cycle (human and mouse)."""
    gene_table: Annotated[FileName | None, Flag()] = None
    """Table of genes: length_nt, n_probes, codewords, homolog_group, cost, priority; see docs/ordering.md."""
    gene_sets: Annotated[
        Table,
        Flag(
            direct=False,
            file=FileFlag("--gene-sets", "Sets of genes: CSV (set, gene, min, max) or JSON.", _sets_in),
        ),
    ] = Field(default_factory=dict)
    """Named sets of genes, each a list (one or more of it) or with genes, min, max and together (all or none)."""
    min_per_set: Annotated[Count, Flag()] = 1
    """Fewest genes of each set that states no bounds, as of own lists of markers by type."""
    owned: Annotated[
        Names,
        Flag(split=True, file=FileFlag("--owned-file", "File of genes whose probes are there already.", _genes_in)),
    ] = ()
    """Genes whose probes are there already: they cost nothing and are preferred."""

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
        """Whether mean expression is needed to resolve them."""
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
            Size of the panel, to be checked against the rest; None to check that later.
        aliases
            A second name for each gene; a name is looked for among ``genes`` first.
        mean_expression
            Mean of each gene over all cells, shape (len(genes),); needed for bounds.
        counts
            Counts per cell of each gene in each type; needed for limits in counts.

        Raises
        ------
        SettingsError
            If names are unknown or fit several genes, or the constraints cannot all be kept: one message says
            which clash.

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
