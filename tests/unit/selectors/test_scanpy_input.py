import numpy as np
import scipy.sparse as sp

from selectormlp.selectors.scanpy_input import as_anndata


def test_values_are_shared_not_copied():
    X = sp.csr_array(np.eye(3))
    assert np.shares_memory(as_anndata(X).X.data, X.data)
    assert list(as_anndata(X).var_names) == ["0", "1", "2"]
