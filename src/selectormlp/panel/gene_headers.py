"""Known headers of columns in tables of genes."""

from __future__ import annotations

import re

GENE_HEADERS = (
    *("gene", "genes", "genename", "genenames", "symbol", "genesymbol", "symbols", "genesymbols", "feature", "name"),
    *("featurename", "features", "featurenames", "names", "marker", "markers", "markergene", "markergenes"),
    *("hgncsymbol", "mgisymbol", "hugosymbol", "approvedsymbol", "officialsymbol", "externalgenename", "displayname"),
    *("geneshortname", "humangene", "mousegene", "nsforestmarkers", "targetgene", "target", "targets", "targetname"),
    *("genelist", "gen", "x"),
)
"""Headers of genes, in lower case without blanks, ``_``, ``-`` and ``.``, in order of preference. R's write.csv writes
``x``."""

GENE_ENDING = re.compile(r"(?!n|num|number|count|homolog|family)[a-z0-9]*(gene|genes|genename|symbol|symbols)s?")
"""Other possible headers of genes, if the cells look like names: ``Vizgen Gene``."""

ID_HEADERS = (
    *("geneid", "geneids", "ensembl", "ensemblid", "ensemblgeneid", "ensemblids", "ensemblgene", "genestableid"),
    *("featureid", "id", "accession"),
)
"""Headers of identifiers, which serve as genes if there is no other column."""

CHOSEN_HEADERS = ("selection", "selected", "selectormlpselected", "inpanel", "chosen")
"""Headers of columns that mark selected lines by True and False; spapros writes ``selection``."""

GROUP_HEADERS = ("cluster", "clusters", "clustername", "celltype", "celltypes", "type", "group", "label", "leiden")
"""Headers of groups; a table with one may list a gene several times, once per group."""

SET_HEADERS = ("set", "setname", "geneset", "genesetname", "pathway", "gsname", *GROUP_HEADERS)
"""Headers of the names of gene sets, such as pathways or marked types."""

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
"""Headers of tables with one line per molecule, in which genes repeat."""

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
"""Text that means a missing name or identifier."""


def known(cell: str) -> str | None:
    """Return a header as written in the lists of headers, if it means genes or identifiers."""
    name = folded(cell)
    return name if name in GENE_HEADERS or name in ID_HEADERS else None


def folded(cell: str) -> str:
    """Return a header as written in the lists of headers."""
    return re.sub(r"[\s_.\-#]+", "", cell).casefold()
