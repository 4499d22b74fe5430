"""Map genes of several species to common names by a table of orthologs."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from selectormlp.data.cells import IntArray
from selectormlp.data.text_tables import read_rows
from selectormlp.errors import SettingsError, counted, quoted

logger = logging.getLogger(__name__)

HEADER = "from and to"

Pairs = tuple[tuple[str, str], ...]


def ortholog_pairs(given: Any) -> Pairs:
    r"""Read pairs of orthologs from a file, a data frame, a mapping, or a list of pairs.

    Parameters
    ----------
    given
        Path of a CSV or TSV table, or a data frame, with the columns ``from`` (a gene as named in some data sets) and
        ``to`` (its ortholog); or ``{from: to}``; or pairs.

    Returns
    -------
    Pairs in order, each once; lines with a blank side are skipped.

    Raises
    ------
    SettingsError
        If the file cannot be read, a column is missing, or there is no pair.

    Examples
    --------
    >>> ortholog_pairs({"Cd4": "CD4"})
    (('Cd4', 'CD4'),)
    """
    if isinstance(given, str | Path):
        lines: Iterable[Any] = ((row["from"], row["to"]) for row in read_rows(given, {"from", "to"}, HEADER))
    elif isinstance(given, pd.DataFrame):
        if not {"from", "to"} <= set(given.columns):
            raise SettingsError(f"the table of orthologs has the columns {quoted(given.columns)}; expected {HEADER}")
        lines = given[["from", "to"]].itertuples(index=False)
    elif isinstance(given, Mapping):
        lines = given.items()
    else:
        lines = given
    try:
        pairs = [(_text(one), _text(other)) for one, other in lines]
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"orthologs are of the type {type(given).__name__}; expected a file or a data frame with the columns "
            f"{HEADER}, or pairs"
        ) from error
    found = tuple(dict.fromkeys(pair for pair in pairs if all(pair)))
    if not found:
        raise SettingsError("the table of orthologs holds no pair; expected one pair per line below the header from,to")
    return found


def _text(value: Any) -> str:
    return "" if value is None or value is pd.NA or value != value else str(value).strip()  # NaN


@dataclass(frozen=True)
class Orthologs:
    """One-to-one pairs of orthologs.

    Attributes
    ----------
    to
        Ortholog of each gene.
    n_left_out
        Number of pairs left out since a gene has several partners.
    """

    to: Mapping[str, str]
    n_left_out: int

    @classmethod
    def of(cls, pairs: Pairs) -> Orthologs:
        """Keep one-to-one pairs; log how many others there are.

        Examples
        --------
        >>> found = Orthologs.of((("Cd4", "CD4"), ("Hba-a1", "HBA1"), ("Hba-a2", "HBA1")))
        >>> dict(found.to), found.n_left_out
        ({'Cd4': 'CD4'}, 2)
        """
        n_to, n_from = Counter(pair[0] for pair in pairs), Counter(pair[1] for pair in pairs)
        kept = {one: other for one, other in pairs if n_to[one] == 1 and n_from[other] == 1}
        left_out = len(pairs) - len(kept)
        if left_out:
            logger.info(
                "%s of orthologs left out, in which a gene has several partners; %s kept",
                counted(left_out, "pair", "pairs"),
                f"{len(kept):,}",
            )
        return cls(kept, left_out)

    def translated(self, names: Iterable[pd.Index[str]]) -> tuple[pd.Index[str], IntArray] | None:
        """Rename genes to their orthologs, using the names that the table knows best.

        Parameters
        ----------
        names
            Alternative names of the same genes, those of the data first.

        Returns
        -------
        The new names and the positions of these genes; genes without ortholog are left out. None if more genes are
        among the targets of the table than among its sources, or none is in it.
        """
        targets = set(self.to.values())
        best: tuple[int, pd.Index[str]] | None = None
        n_target = 0
        for known in names:
            n_known = int(known.isin(self.to).sum())
            n_target = max(n_target, int(known.isin(targets).sum()))
            if best is None or n_known > best[0]:
                best = n_known, known
        if best is None or best[0] <= n_target:
            return None
        places = np.flatnonzero(best[1].isin(self.to)).astype(np.int64)
        return pd.Index([self.to[gene] for gene in best[1][places]]), places
