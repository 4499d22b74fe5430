"""Options for reading some cells of each type, shared by the commands that measure panels."""

from __future__ import annotations

from typing import Annotated, ClassVar

from selectormlp.config.model import Count, Flag, Place
from selectormlp.data.source import LabelKey, Source


class SampledSource(Source):
    """Files, and the part of them to read."""

    heading: ClassVar[str] = "What is read"

    data: Annotated[tuple[Place, ...], Flag(argument=True, needed=True, keyword=False, recorded=False)] = ()
    """AnnData: h5ad, gzipped h5ad or zarr; one, or several whose labels are written alike."""
    label_key: Annotated[LabelKey, Flag(first=True, levels=True, needed=True, recorded=False)] = None
    """Column of obs with the cell type, or several, coarse to fine (a tree of labels)."""
    cells_per_type: Annotated[Count | None, Flag(keyword=False)] = None
    """Read only this many cells of each type: for data larger than memory, in one or more files."""
