"""Rows are taken as SciPy takes them."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from selectormlp.data.rows import rows_of

DENSE = np.random.default_rng(0).poisson(0.7, (9, 5)).astype(np.float32)


@pytest.mark.parametrize("kind", [np.array, sp.csr_array, sp.csr_matrix, sp.csc_array], ids=lambda kind: kind.__name__)
@given(start=st.none() | st.integers(-12, 12), stop=st.none() | st.integers(-12, 12))
def test_rows_are_those_of_the_slice(kind, start, stop):
    X = kind(DENSE)
    found, expected = rows_of(X, slice(start, stop)), X[start:stop]
    assert type(found) is type(expected)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    if sp.issparse(found):
        assert found.indices.dtype == expected.indices.dtype
        found, expected = found.toarray(), expected.toarray()
    np.testing.assert_array_equal(found, expected)


def test_what_is_done_to_rows_does_not_change_the_matrix():
    X = sp.csr_array(DENSE)
    rows_of(X, slice(2, 5)).data[:] = 99
    np.testing.assert_array_equal(X.toarray(), DENSE)
