"""Find genes by name, second name or pattern."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from selectormlp.data.cells import IntArray, check_unique
from selectormlp.errors import SettingsError, quoted

IDENTIFIER = re.compile(
    r"(ENS[A-Z]*[GTP]\d{6,}(\.\d+)?|FBgn\d{5,}|WBGene\d{6,}|[NX][MRP]_\d+(\.\d+)?|HGNC:\d+|MGI:\d+)(_\w+)?"
)
"""Identifiers of Ensembl, FlyBase, WormBase, RefSeq, HGNC and MGI."""

VERSIONED = re.compile(r"(ENS[A-Z]*[GTP]\d{6,})\.\d+")
"""An identifier of Ensembl with its version."""


@dataclass(frozen=True, eq=False)
class GeneNames:
    """Genes of the data, found by name and, optionally, by a second name.

    Attributes
    ----------
    genes
        Unique names, one per column of the data.
    aliases
        Second names in the same order (such as symbols if ``genes`` are Ensembl IDs); they may repeat or be missing.

    Raises
    ------
    DataError
        If a gene name repeats.
    SettingsError
        If there is not one alias per gene.
    """

    genes: pd.Index[str]
    aliases: pd.Index[str] | None = None

    def __post_init__(self) -> None:
        check_unique(self.genes, "gene", "adata.var_names_make_unique()")
        if self.aliases is not None and len(self.aliases) != len(self.genes):
            raise SettingsError(f"{len(self.aliases)} second gene names for {len(self.genes)} genes; expected one each")

    @cached_property
    def positions(self) -> dict[str, list[int]]:
        """Positions of the genes with each name; a gene's own name takes precedence over another's alias."""
        found: dict[str, list[int]] = {}
        for position, alias in enumerate(() if self.aliases is None else self.aliases):
            if not pd.isna(alias):
                found.setdefault(str(alias), []).append(position)
        found.update({str(gene): [position] for position, gene in enumerate(self.genes)})
        for position, gene in enumerate(self.genes):
            if (bare := str(gene).strip()) != gene:
                found.setdefault(bare, [position])
        for name, positions in list(found.items()):
            if versioned := VERSIONED.fullmatch(name):
                known = found.setdefault(versioned[1], [])
                known += [position for position in positions if position not in known]
        return found

    def find(self, names: Iterable[str], *, patterns: bool = False) -> dict[str, list[int]]:
        """Find genes by name or alias. Matches are exact, except that versions of Ensembl's identifiers are ignored.

        Parameters
        ----------
        names
            Names to look up.
        patterns
            Whether names that no gene has are tried as shell patterns (``*``, ``?``, ``[SL]``; case matters).

        Returns
        -------
        Positions for each name, in the same order; an empty list if there is no such gene.

        Examples
        --------
        >>> GeneNames(pd.Index(["MT-CO1", "CD3E", "MT-ND1"])).find(["CD3E", "MT-*", "x"], patterns=True)
        {'CD3E': [1], 'MT-*': [0, 2], 'x': []}
        """
        return {name: self._one(name) or (self._match(name) if patterns else []) for name in names}

    def find_by_either(self, names: Sequence[str], ids: Sequence[str] | None) -> dict[str, list[int]]:
        """Find genes by name, else by identifier.

        Parameters
        ----------
        names
            Names to look up.
        ids
            Identifier of each, ``""`` if unknown; or None.

        Returns
        -------
        Positions for each of the names; see :meth:`find`.

        Examples
        --------
        >>> GeneNames(pd.Index(["ENSG00000156738.18", "CD3E"])).find_by_either(["CD20"], ["ENSG00000156738"])
        {'CD20': [0]}
        """
        found = self.find(names)
        for name, gene_id in zip(names, ids or (), strict=False):
            if not found[name] and gene_id:
                found[name] = self._one(gene_id)
        return found

    def _one(self, name: str) -> list[int]:
        positions = self.positions.get(name, [])
        if not positions and (versioned := VERSIONED.fullmatch(name)):
            return self.positions.get(versioned[1], [])
        return positions

    def _match(self, pattern: str) -> list[int]:
        if not is_pattern(pattern):
            return []
        fits = re.compile(fnmatch.translate(pattern)).match
        return sorted({position for name, found in self.positions.items() if fits(name) for position in found})


def gene_names(given: object, what: str) -> tuple[str, ...]:
    """Return gene names from any kind of list, stripped of blanks.

    Parameters
    ----------
    given
        A list, tuple, set, or a column of pandas or NumPy.
    what
        Name of the list, for messages.

    Raises
    ------
    SettingsError
        If it is a single string, or not a list.

    Examples
    --------
    >>> gene_names(pd.Series([" CD3E", "NKG7"]), "must_have")
    ('CD3E', 'NKG7')
    """
    if isinstance(given, str):
        raise SettingsError(f"{what} is the text {given!r}; expected a list of gene names: [{given!r}]")
    if isinstance(given, pd.DataFrame) or not isinstance(given, Iterable):
        raise SettingsError(f"{what} is of the type {type(given).__name__}; expected a list of gene names")
    names = [str(name).strip() for name in given]
    return tuple(sorted(names) if isinstance(given, set | frozenset) else names)


def is_pattern(name: str) -> bool:
    """Return whether a name is a shell pattern."""
    return any(character in name for character in "*?[")


def one_each(found: Mapping[str, list[int]], genes: pd.Index[str]) -> IntArray:
    """Return the positions of genes found by name, each once, in order.

    Raises
    ------
    SettingsError
        If a name is ambiguous.
    """
    for name, positions in found.items():
        if len(positions) > 1:
            raise SettingsError(f"{name!r} names {len(positions)} genes ({quoted(genes[positions])}); name one of them")
    return np.array(list(dict.fromkeys(p for positions in found.values() for p in positions)), dtype=np.int64)
