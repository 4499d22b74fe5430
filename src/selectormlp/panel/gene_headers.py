"""Headers of the columns that people and programs write beside genes."""

from __future__ import annotations

import re

GENE_HEADERS = (
    *("gene", "genes", "genename", "genenames", "symbol", "genesymbol", "symbols", "genesymbols", "feature", "name"),
    *("featurename", "features", "featurenames", "names", "marker", "markers", "markergene", "markergenes"),
    *("hgncsymbol", "mgisymbol", "hugosymbol", "approvedsymbol", "officialsymbol", "externalgenename", "displayname"),
    *("geneshortname", "humangene", "mousegene", "nsforestmarkers", "targetgene", "target", "targets", "targetname"),
    *("genelist", "gen", "x"),
)
"""Headers of genes without blanks, ``_``, ``-`` and ``.`` and in small letters, the first that is there counting. ``x``
is what R's write.csv writes."""

GENE_ENDING = re.compile(r"(?!n|num|number|count|homolog|family)[a-z0-9]*(gene|genes|genename|symbol|symbols)s?")
"""Other headers that may stand above genes, where their cells look like it: ``Vizgen Gene``."""

ID_HEADERS = (
    *("geneid", "geneids", "ensembl", "ensemblid", "ensemblgeneid", "ensemblids", "ensemblgene", "genestableid"),
    *("featureid", "id", "accession"),
)
"""Headers of identifiers: genes where no other column is, else what goes with them."""

CHOSEN_HEADERS = ("selection", "selected", "selectormlpselected", "inpanel", "chosen")
"""Headers of columns that say, by True and False, which lines are meant; spapros writes ``selection``."""

GROUP_HEADERS = ("cluster", "clusters", "clustername", "celltype", "celltypes", "type", "group", "label", "leiden")
"""Headers beside which one gene may stand several times, once for each group."""

SET_HEADERS = ("set", "setname", "geneset", "genesetname", "pathway", "gsname", *GROUP_HEADERS)
"""Headers of the names of sets of genes, as a pathway or the type that genes mark."""

CODE_HEADERS = ("barcode", "barcodetype", "codeword", "codewords")
"""Headers of the codes in a codebook."""

PLACE_HEADERS = (
    "xlocation",
    "xglobalpx",
    "xlocalpx",
    "globalx",
    "xcentroid",
    "xposition",
    "transcriptid",
    "moleculeid",
)
"""Headers of tables with one line per molecule, in which a gene stands as often as it was found."""

CELL_HEADERS = (
    "cell",
    "cellid",
    "fov",
    "fovid",
    "barcode",
    "barcodes",
    "entityid",
    "volume",
    "centerx",
    "centery",
    "x",
    "y",
)
"""Headers of columns that describe cells, in tables of cells × genes."""

UNKNOWN = ("NA", "N/A", "#N/A", "NaN", "nan", "<NA>", "None", "NULL", "null", "-")
"""Texts that mean a missing name or identifier."""


def known(cell: str) -> str | None:
    """Return a header in the form that the lists of headers have, if it is one of genes or identifiers."""
    name = folded(cell)
    return name if name in GENE_HEADERS or name in ID_HEADERS else None


def folded(cell: str) -> str:
    """Write a header as the lists of headers do."""
    return re.sub(r"[\s_.\-#]+", "", cell).casefold()
