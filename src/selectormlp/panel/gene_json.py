"""Read genes from JSON: lists, records, columns, the gene panel of a Xenium run, and codebooks."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from selectormlp.errors import PanelError, counted
from selectormlp.gate.tables import check_cells
from selectormlp.gate.text import check_json
from selectormlp.panel.controls import is_control
from selectormlp.panel.gene_columns import GeneTable, below_header
from selectormlp.panel.gene_headers import known

logger = logging.getLogger(__name__)

WANTED = "expected the panel.json of this package, or a list of gene names in double quotes, or records"

LISTED_UNDER = ("targets", "mappings", "genes", "panel", "markers", "features", "probes", "data")
"""Keys that may hold a list of genes or of records."""


COUNTED = ("probes", "codewords")
"""Keys whose number of entries is a fact of the gene."""


def is_json(text: str) -> bool:
    """Return whether text is JSON, not a list of genes that begins with a bracket.

    Examples
    --------
    >>> is_json('["CD3E"]'), is_json("[Header]"), is_json('{"genes": []}')
    (True, False, True)
    """
    return re.match(r'\s*(\[\s*["{\[\]\d-]|\{)', text) is not None


def table_from_json(text: str) -> GeneTable:
    """Read genes from JSON.

    Parameters
    ----------
    text
        A list of names; a list of records; an object with such a list; columns by header; lists by name, say of
        markers by type; ``gene_panel.json`` of a Xenium run (``payload.targets``).

    Raises
    ------
    PanelError
        If it is none of these, or names no gene.

    Examples
    --------
    >>> table_from_json('[{"gene": "CD3E", "n_probes": 8}, {"gene": "MS4A1"}]').columns
    {'n_probes': ('8', '')}
    """
    try:
        check_json(text)
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PanelError(f"not readable as JSON ({' '.join(str(error).split())[:160]}); {WANTED}") from error
    table = _list(found) if isinstance(found, list) else _object(found) if isinstance(found, dict) else None
    if table is None:
        raise PanelError(f"the JSON holds a {type(found).__name__}, and not of names only; {WANTED}")
    return table


def table_from_object(text: str) -> GeneTable | None:
    """Read genes from a JSON object; None if it is damaged or holds something else.

    Raises
    ------
    PanelError
        If it is the gene panel of a run and cannot be read.
    """
    try:
        check_json(text)
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return _object(found) if isinstance(found, dict) and "format" not in found else None


def _list(found: Sequence[Any]) -> GeneTable | None:
    """Read a list of names or records."""
    if not found:
        raise PanelError(f"the JSON list is empty; {WANTED}")
    if all(isinstance(gene, str) for gene in found):
        return GeneTable(tuple(gene.strip() for gene in found))
    if not all(isinstance(record, dict) for record in found):
        return None
    header = list(dict.fromkeys(str(key) for record in found for key in record))
    if not any(map(known, header)):
        return None
    check_cells(len(found), len(header), PanelError)
    kept = [
        key
        for key in header
        if not any(_is_nested(record.get(key)) and key.casefold() not in COUNTED for record in found)
    ]
    return below_header(kept, [[_cell(record.get(key)) for key in kept] for record in found])


def _object(found: Mapping[str, Any]) -> GeneTable | None:
    """Read a list under a known key, columns by header, or lists by name."""
    if "payload" in found:
        return _gene_panel(found)
    by_key = {str(key).casefold(): value for key, value in found.items()}
    for key in LISTED_UNDER:
        if isinstance(by_key.get(key), list) and (table := _list(by_key[key])) is not None:
            return table
    columns = {str(key): list(cells.values()) if isinstance(cells, dict) else cells for key, cells in found.items()}
    if not columns or not all(isinstance(cells, list) for cells in columns.values()):
        return None
    if any(map(known, columns)) and len(set(map(len, columns.values()))) == 1:
        return below_header(list(columns), [list(map(_cell, line)) for line in zip(*columns.values(), strict=True)])
    names = [gene for cells in columns.values() for gene in cells]
    if not names or not all(isinstance(gene, str) for gene in names):
        return None
    genes = tuple(dict.fromkeys(gene.strip() for gene in names))
    logger.info("%s are read from %s", counted(len(genes), "gene", "genes"), counted(len(columns), "list", "lists"))
    return GeneTable(genes)


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(part, dict | list) for part in value))


def _cell(value: Any) -> str:
    """Return a value as text for a table; for a list of objects, their number."""
    if value is None or isinstance(value, dict):
        return ""
    if isinstance(value, list):
        if _is_nested(value):
            return str(len(value))
        return "; ".join(map(str, value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _gene_panel(found: Mapping[str, Any]) -> GeneTable:
    """Read ``gene_panel.json`` of a Xenium run: ``payload.targets``, each with its type, codewords and source."""
    wanted = "expected the gene_panel.json of a Xenium run (payload.targets)"
    try:
        targets = [_target(target) for target in found["payload"]["targets"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise PanelError(f"not readable ({type(error).__name__}: {str(error)[:80]}); {wanted}") from error
    genes = [target for target in targets if target is not None]
    if not genes:
        raise PanelError(f"it names no gene; {wanted}")
    if len(genes) < len(targets):
        logger.info("%s are controls, and left out", counted(len(targets) - len(genes), "target", "targets"))
    columns = {name: tuple(gene[name] for gene in genes) for name in ("codewords", "coverage", "source")}
    return GeneTable(
        tuple(gene["gene"] for gene in genes),
        {name: cells for name, cells in columns.items() if any(cells)},
        tuple(gene["gene_id"] for gene in genes),
    )


def _target(target: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the facts of a target; None for a control."""
    kind = target["type"]
    if kind.get("descriptor", "gene") != "gene":
        return None
    data, info = kind["data"], target.get("info") or {}
    name, gene_id = data.get("name") or data.get("id"), data.get("id") or ""
    if not isinstance(name, str) or is_control(name):
        return None
    source = target.get("source") or {}
    identity = source.get("identity") or {} if isinstance(source, dict) else {}
    return {
        "gene": name,
        "gene_id": str(gene_id),
        "codewords": str(len(target.get("codewords") or [])),
        "coverage": str(info.get("gene_coverage") or ""),
        "source": str(identity.get("name") or (source.get("category") if isinstance(source, dict) else source) or ""),
    }
