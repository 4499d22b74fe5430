"""Gene families often excluded from panels, for human and mouse."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources

import numpy as np

from selectormlp.data.cells import BoolArray
from selectormlp.errors import SettingsError, nearest
from selectormlp.panel.names import GeneNames

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class GeneFamily:
    """A named family of genes.

    Attributes
    ----------
    name
        Name for users.
    source
        Source of the members.
    symbols
        Member symbols of human and mouse, in upper case: case is ignored.
    pattern
        Regular expression for whole symbols in upper case, or ``""``.
    """

    name: str
    source: str
    symbols: frozenset[str] = field(default_factory=frozenset)
    pattern: str = ""

    def holds(self, name: str) -> bool:
        """Return whether a symbol (in any case) or an Ensembl ID (with or without version) belongs to the family.

        Examples
        --------
        >>> FAMILIES["ribosomal"].holds("Rps27a"), FAMILIES["ribosomal"].holds("RPS6KA1")
        (True, False)
        >>> FAMILIES["ribosomal"].holds("ENSG00000137154.13")
        True
        """
        upper = name.upper()
        if upper.startswith("ENS"):
            return upper.partition(".")[0] in family_ids()[self.name]
        return upper in self.symbols or bool(self.pattern and re.fullmatch(self.pattern, upper))


@lru_cache(maxsize=1)
def family_ids() -> dict[str, frozenset[str]]:
    """Return the Ensembl IDs of each family, human and mouse, from release 109.

    Alternative loci and assembly patches are excluded.

    Examples
    --------
    >>> {family: len(ids) for family, ids in family_ids().items()}
    {'ribosomal': 174, 'mitochondrial': 74, 'hemoglobin': 22, 'sex': 31, 'cell-cycle': 194}
    """
    text = resources.files("selectormlp.panel").joinpath("family_ids.csv").read_text(encoding="utf-8")
    found: dict[str, set[str]] = {}
    for line in text.splitlines()[1:]:
        family, gene_id, _ = line.split(",")
        found.setdefault(family, set()).add(gene_id)
    return {family: frozenset(ids) for family, ids in found.items()}


def _family(name: str, source: str, symbols: str = "", pattern: str = "") -> GeneFamily:
    return GeneFamily(name, source, frozenset(symbols.split()), pattern)


FAMILIES = {
    family.name: family
    for family in (
        _family(
            "ribosomal",
            "HGNC gene groups of S and L ribosomal proteins, and their mouse orthologs",
            "RPSA RPLP0 RPLP1 RPLP2 RPSA2",
            r"RP[SL][0-9]+(A|X|Y[0-9]|L|L1|AL)?",
        ),
        _family(
            "mitochondrial", "genes of the mitochondrial genome, by the prefix MT- (human) or mt- (mouse)", "", "MT-.+"
        ),
        _family(
            "hemoglobin",
            "HGNC gene group of hemoglobin subunits, and mouse genes of MGI",
            "HBA1 HBA2 HBB HBD HBE1 HBG1 HBG2 HBM HBQ1 HBZ HBA-A1 HBA-A2 HBA-X HBB-BS HBB-BT HBB-B1 HBB-B2 HBB-BH0 "
            "HBB-BH1 HBB-BH2 HBB-BH3 HBB-Y HBQ1A HBQ1B",
        ),
        _family(
            "sex",
            "X inactivation (XIST, TSIX) and genes of the male-specific region of Y: Skaletsky et al., Nature 2003 "
            "(human); Soh et al., Cell 2014 (mouse)",
            "XIST TSIX RPS4Y1 RPS4Y2 ZFY TBL1Y USP9Y DDX3Y UTY TMSB4Y NLGN4Y KDM5D EIF1AY PRKY AMELY PCDH11Y SRY "
            "TXLNGY EIF2S3Y UBA1Y ZFY1 ZFY2 RBMY",
        ),
        _family(
            "cell-cycle",
            "Tirosh et al., Science 2016, 352:189: genes of the S phase (43), G2 and M (54), and newer symbols",
            "MCM5 PCNA TYMS FEN1 MCM2 MCM4 RRM1 UNG GINS2 MCM6 CDCA7 DTL PRIM1 UHRF1 MLF1IP CENPU HELLS RFC2 RPA2 NASP "
            "RAD51AP1 GMNN WDR76 SLBP CCNE2 UBR7 POLD3 MSH2 ATAD2 RAD51 RRM2 CDC45 CDC6 EXO1 TIPIN DSCC1 BLM CASP8AP2 "
            "USP1 CLSPN POLA1 CHAF1B BRIP1 E2F8 HMGB2 CDK1 NUSAP1 UBE2C BIRC5 TPX2 TOP2A NDC80 CKS2 NUF2 CKS1B MKI67 "
            "TMPO CENPF TACC3 FAM64A PIMREG SMC4 CCNB2 CKAP2L CKAP2 AURKB BUB1 KIF11 ANP32E TUBB4B GTSE1 KIF20B HJURP "
            "CDCA3 HN1 JPT1 CDC20 TTK CDC25C KIF2C RANGAP1 NCAPD2 DLGAP5 CDCA2 CDCA8 ECT2 KIF23 HMMR AURKA PSRC1 ANLN "
            "LBR CKAP5 CENPE CTCF NEK2 G2E3 GAS2L3 CBX5 CENPA",
        ),
    )
}
"""Families by name."""


def in_family(family: str, names: GeneNames) -> BoolArray:
    """Return which genes of the data belong to a family, by name or second name; shape (n_genes,).

    Raises
    ------
    SettingsError
        If there is no such family.

    Examples
    --------
    >>> import pandas as pd
    >>> in_family("mitochondrial", GeneNames(pd.Index(["MT-CO1", "mt-Nd1", "MTOR"])))
    array([ True,  True, False])
    """
    if family not in FAMILIES:
        raise SettingsError(f"no gene family {family!r}; {nearest(family, FAMILIES)}")
    found = np.zeros(len(names.genes), dtype=np.bool_)
    for name, positions in names.positions.items():
        if FAMILIES[family].holds(name):
            found[positions] = True
    if not found.any():
        logger.warning(
            "no gene of the data is in the family %r; families list symbols and Ensembl IDs of human and mouse", family
        )
    return found
