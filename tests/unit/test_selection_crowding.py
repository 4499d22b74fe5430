"""Counts per cell and type, which limits on crowding sum up."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from selectormlp.data.cells import Cells
from selectormlp.errors import SettingsError
from selectormlp.selection.crowding import counts_per_type

COUNTS = np.array([[1, 3], [4, 1], [6, 4], [7, 1], [2, 0], [50, 50]], dtype=np.float32)
LABELS = np.array([1, 1, 1, 0, 0, -1])


def cells_of(X):
    names = pd.Index([f"c{number}" for number in range(len(LABELS))])
    return Cells(X, pd.Index(["A", "B"]), names, LABELS, ("T", "B", "never seen"))


@pytest.mark.parametrize("as_matrix", [np.asarray, sp.csr_array])
def test_counts_are_averaged_over_all_or_the_densest_cells_of_each_type(as_matrix):
    found = counts_per_type(cells_of(as_matrix(COUNTS)), 0.5)
    assert found.types == ("T", "B")
    np.testing.assert_allclose(found.means, [[4.5, 0.5], [11 / 3, 8 / 3]])
    np.testing.assert_allclose(found.dense, [[7, 1], [5, 2.5]])  # the median of B, a total of 5, counts as dense
    np.testing.assert_allclose(found.shares, [0.4, 0.6])
    everyone = counts_per_type(cells_of(as_matrix(COUNTS)))
    np.testing.assert_allclose(everyone.dense, everyone.means)


@pytest.mark.parametrize("X", [COUNTS + 0.25, -COUNTS])
def test_values_that_are_no_counts_are_refused(X):
    with pytest.raises(SettingsError, match="limits in counts per cell need counts"):
        counts_per_type(cells_of(X))
