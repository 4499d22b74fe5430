"""Handing a matrix to scanpy, whose rankers want AnnData."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from selectormlp.data.cells import IntArray
from selectormlp.moments.stream import AnyMatrix

if TYPE_CHECKING:
    from anndata import AnnData


def as_anndata(X: AnyMatrix, codes: IntArray | None = None) -> AnnData:
    """Wrap cells × genes without copying; genes are named by their column, ``obs["label"]`` holds the codes.

    Examples
    --------
    >>> as_anndata(np.ones((2, 3)), np.array([1, 0])).obs["label"].tolist()
    ['1', '0']
    """
    import pandas as pd
    from anndata import AnnData

    obs = pd.DataFrame(index=np.arange(X.shape[0]).astype(str))
    if codes is not None:
        obs["label"] = pd.Categorical(codes.astype(str))
    known = sp.csr_matrix(X) if sp.issparse(X) else X  # scanpy 1.11 does not know csr_array
    return AnnData(known, obs=obs)
