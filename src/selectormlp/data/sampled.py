"""Options for reading some cells of each type, shared by the commands that measure panels."""

from __future__ import annotations

from typing import Annotated, ClassVar

from selectormlp.config.model import Count, Flag, Place, Section
from selectormlp.data.joining import Joining, SameNames
from selectormlp.data.source import LabelKey, Source


class SampledSource(Source):
    """Files, and the part of them to read."""

    heading: ClassVar[str] = "What is read"

    data: Annotated[tuple[Place, ...], Flag(argument=True, needed=True, keyword=False, recorded=False)] = ()
    """AnnData: h5ad, gzipped h5ad or zarr; one, or several, which are joined."""
    label_key: Annotated[LabelKey, Flag(first=True, levels=True, needed=True, recorded=False)] = None
    """Column of obs with the cell type, or several, coarse to fine (a tree of labels)."""
    cells_per_type: Annotated[Count | None, Flag(keyword=False)] = None
    """Read only this many cells of each type: for data larger than memory, in one or more files."""
    joining: Annotated[SameNames, Section()] = SameNames()
    """Which labels and genes of several files are the same."""

    @property
    def joined_by(self) -> Joining:
        """How the files are joined: on genes that all have, since each cell is tested on each gene."""
        return Joining.model_construct(**dict(self.joining))
