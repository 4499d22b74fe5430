"""Labels of pbmc3k on counts that had no part in them; where the folder of real data is at hand."""

import os
from pathlib import Path

import anndata
import numpy as np
import pytest
import scipy.sparse as sp

from selectormlp.evaluation.label_test import cluster_into, components, judge_labels

FILE = Path(os.environ.get("SELECTORMLP_DATA", "")) / "pbmc3k.h5ad"

pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.learned,
    pytest.mark.skipif(not FILE.exists(), reason="needs pbmc3k.h5ad"),
]


def test_a_type_that_was_cut_too_finely_is_listed_and_the_others_are_not():
    adata = anndata.read_h5ad(FILE)
    counts = sp.csr_array(adata.X.astype(np.float64))
    labels = adata.obs["cell_type"].astype(str).to_numpy().astype(object)
    rows = np.flatnonzero(labels == "B")
    labels[rows] = [f"B{cluster}" for cluster in cluster_into(components(counts[rows]), 3, seed=0)]
    names, codes = np.unique(labels.astype(str), return_inverse=True)
    found = judge_labels(counts, codes, tuple(map(str, names)), seed=0)
    assert found.is_something
    assert sorted(map(sorted, found.not_apart)) == [["B0", "B1"], ["B0", "B2"], ["B1", "B2"]]
