"""Compare two AnnData objects exactly, without the helpers of AnnData's own tests, which change with its versions."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import scipy.sparse as sp

TABLES, MAPPINGS = ("obs", "var"), ("layers", "obsm", "varm", "obsp", "varp", "uns")


def assert_unchanged(found, before):
    """Assert that each part of `found` has the type, the type of numbers and the values that it has in `before`."""
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(found, name), getattr(before, name))
    for name in MAPPINGS:
        assert_same(dict(getattr(found, name)), dict(getattr(before, name)), name)
    assert_same(found.X, before.X, "X")
    assert (found.raw is None) == (before.raw is None)
    if before.raw is not None:
        assert_same(found.raw.X, before.raw.X, "raw.X")
        pd.testing.assert_frame_equal(found.raw.var, before.raw.var)


def assert_same(found, before, where):
    """Assert that two values of an AnnData object are the same."""
    assert type(found) is type(before), where
    if isinstance(before, Mapping):
        assert found.keys() == before.keys(), where
        for key, value in before.items():
            assert_same(found[key], value, f"{where}[{key!r}]")
    elif isinstance(before, pd.DataFrame):
        pd.testing.assert_frame_equal(found, before)
    elif sp.issparse(before):
        for part in ("data", "indices", "indptr"):
            assert_same(getattr(found, part), getattr(before, part), f"{where}.{part}")
        assert found.shape == before.shape, where
    elif isinstance(before, np.ndarray):
        assert found.dtype == before.dtype, where
        np.testing.assert_array_equal(found, before, err_msg=where)
    else:
        assert found == before, where
