"""Limits of an assay as excluded genes and bounds on sums: probes, codewords, homologs, crowding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from selectormlp.data.cells import BoolArray, FloatArray
from selectormlp.errors import SettingsError, quoted
from selectormlp.panel.assay_limits import AssayLimits
from selectormlp.panel.limits import Limit


@dataclass(frozen=True, eq=False)
class TypeCounts:
    """Counts per cell of each gene in each type.

    Attributes
    ----------
    types
        Names of the types.
    means
        Mean counts per cell over all cells of a type, shape (n_types, n_genes).
    dense
        Mean counts over the densest cells of a type (see ``AssayLimits.crowding_quantile``), shape (n_types, n_genes).
    shares
        Share of all cells in each type, shape (n_types,), sum 1.
    """

    types: tuple[str, ...]
    means: FloatArray
    dense: FloatArray
    shares: FloatArray

    def take(self, genes: BoolArray) -> TypeCounts:
        """Return the counts of some genes."""
        return TypeCounts(self.types, self.means[:, genes], self.dense[:, genes], self.shares)


GENE_FACTS = {
    "min_length_nt": ("length_nt", "transcript length"),
    "min_probes": ("n_probes", "probes"),
    "max_codewords": ("codewords", "codewords"),
    "max_per_homolog_group": ("homolog_group", "homolog group"),
}
"""Column of the gene table that each limit needs."""


def exclusions(
    limits: AssayLimits, facts: Mapping[str, pd.Series], counts: TypeCounts | None, n_genes: int
) -> dict[str, BoolArray]:
    """Return the genes that each limit excludes.

    Parameters
    ----------
    limits
        Limits of the assay.
    facts
        Columns of the gene table, aligned with the genes of the data, NaN if unknown; see ``GENE_FACTS``.
    counts
        Counts per cell; needed for limits in counts.
    n_genes
        Number of genes of the data.

    Raises
    ------
    SettingsError
        If a column or counts are missing.
    """
    found: dict[str, BoolArray] = {}
    for name in ("min_length_nt", "min_probes"):
        bound = getattr(limits, name)
        if bound is not None:
            values, what = _fact(name, facts), GENE_FACTS[name][1]
            found[f"{what} below {bound:g}"] = (values < bound).to_numpy(dtype=np.bool_)
            found[f"{what} unknown"] = values.isna().to_numpy(dtype=np.bool_)
    means = _means(limits, counts, n_genes)
    if limits.max_gene_counts is not None:
        found[f"above {limits.max_gene_counts:g} counts per cell in a type"] = (
            means.max(axis=0) > limits.max_gene_counts
        )
    if limits.min_gene_counts is not None:
        found[f"below {limits.min_gene_counts:g} counts per cell in every type"] = (
            means.max(axis=0) < limits.min_gene_counts
        )
    return {name: mask for name, mask in found.items() if mask.any()}


def limit_rows(
    limits: AssayLimits, facts: Mapping[str, pd.Series], counts: TypeCounts | None, n_genes: int
) -> tuple[Limit, ...]:
    """Return the bounds on sums over the panel; parameters and errors as :func:`exclusions`.

    A gene with unknown codewords is assumed to take the largest known number.
    """
    rows: list[Limit] = []
    if limits.max_codewords is not None:
        codewords = _fact("max_codewords", facts)
        amounts = codewords.fillna(codewords.max()).to_numpy(dtype=np.float64)
        rows.append(Limit("codewords", amounts, high=limits.max_codewords))
    if limits.max_per_homolog_group is not None:
        groups = _fact("max_per_homolog_group", facts)
        sizes = groups.value_counts()
        codes = pd.Categorical(groups, sizes.index).codes
        rows += [
            Limit(
                f"genes of homolog group {group!r}", (codes == code).astype(np.int8), high=limits.max_per_homolog_group
            )
            for code, group in enumerate(sizes.index)
            if sizes.iloc[code] > limits.max_per_homolog_group
        ]
    means = _means(limits, counts, n_genes)
    if counts is not None and limits.max_counts_per_type is not None:
        which = "the densest cells of " if limits.crowding_quantile else ""
        rows += [
            Limit(f"counts per cell in {which}{name!r}", amounts, high=limits.max_counts_per_type)
            for name, amounts in zip(counts.types, counts.dense, strict=True)
        ]
    if counts is not None and limits.max_counts is not None:
        rows.append(Limit("counts per cell over all cells", counts.shares @ means, high=limits.max_counts))
    return tuple(rows)


def check_facts(limits: AssayLimits, columns: Sequence[str]) -> None:
    """Raise if the gene table lacks a column that a limit needs.

    Raises
    ------
    SettingsError
        Naming limits and columns.
    """
    missing = [name for name in limits.given if name in GENE_FACTS and GENE_FACTS[name][0] not in columns]
    if missing:
        wanted = [GENE_FACTS[name][0] for name in missing]
        raise SettingsError(
            f"{quoted(missing)} cannot be kept without {quoted(wanted)} in the gene table, which has "
            f"{quoted(columns) if columns else 'no such column'}: add them, or give a table (gene_table, --gene-table)"
        )


def _fact(limit: str, facts: Mapping[str, pd.Series]) -> pd.Series:
    check_facts(AssayLimits(**{limit: 1}), list(facts))
    return facts[GENE_FACTS[limit][0]]


def _means(limits: AssayLimits, counts: TypeCounts | None, n_genes: int) -> FloatArray:
    if counts is None:
        if limits.needs_counts:
            raise SettingsError(
                "limits in counts per cell need raw counts, and the data hold none; name a layer with counts (layer, "
                "--layer), or drop these limits"
            )
        return np.zeros((1, n_genes))
    return counts.means
