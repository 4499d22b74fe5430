"""Data that ships with the package's dependencies; nothing is downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from selectormlp.quiet import quiet_warnings

if TYPE_CHECKING:
    from anndata import AnnData


def pbmc68k() -> AnnData:
    """Load 700 blood cells with 10 labelled types (``obs["bulk_labels"]``), as scanpy ships them.

    Returns
    -------
    AnnData of 700 cells × 765 genes; X is scaled, ``.raw`` holds log-normalised expression.

    References
    ----------
    Zheng et al., Nature Communications 2017 (8:14049); reduced by the authors of scanpy.

    Examples
    --------
    >>> pbmc68k().shape
    (700, 765)
    """
    import scanpy as sc

    with quiet_warnings():  # an older AnnData format, which still works
        return sc.datasets.pbmc68k_reduced()
