import numpy as np
import scipy.sparse as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from selectormlp.data.normalize import log1p_cp10k, looks_like_counts
from selectormlp.data.split import SplitSizes, split_cells
from selectormlp.errors import DataError
from selectormlp.selectors.classifier import encode

SIZES = st.builds(SplitSizes, st.integers(1, 60), st.integers(0, 40), st.integers(0, 40))


@st.composite
def labelled(draw):
    """Codes of 2 to 6 classes in any order, some cells without a class."""
    counts = draw(st.lists(st.integers(1, 80), min_size=2, max_size=6))
    labels = np.repeat(np.arange(-1, len(counts)), [draw(st.integers(0, 5)), *counts])
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1))).permutation(labels), np.array(counts)


def sides(split):
    return (split.train, split.validation, split.test)


@settings(deadline=None, max_examples=60)
@given(labelled(), SIZES, st.booleans(), st.integers(0, 2**32 - 1))
def test_sides_are_disjoint_capped_and_in_proportion(data, sizes, shuffle, seed):
    labels, counts = data
    cap = sizes.as_array().sum()
    assume((sizes.train * np.minimum(1, counts / cap) >= 1).any())  # refused otherwise
    split = split_cells(labels, sizes, shuffle=shuffle, rng=np.random.default_rng(seed))
    rows = np.concatenate(sides(split))
    assert len(np.unique(rows)) == len(rows)
    assert (labels[rows] >= 0).all()
    for side, most in zip(sides(split), sizes.as_array(), strict=True):
        taken = np.bincount(labels[side], minlength=len(counts))
        assert (taken <= most).all()
        share = most * np.minimum(1, counts / cap)
        assert (taken <= share + 1e-9).all()
        assert (taken > share - 1 - 1e-9).all()


@settings(deadline=None, max_examples=25)
@given(labelled(), SIZES, st.integers(3, 8), st.integers(0, 2**32 - 1))
def test_donors_never_straddle_whatever_the_data(data, sizes, n_donors, seed):
    labels, counts = data
    rng = np.random.default_rng(seed)
    donors = np.array([f"d{i}" for i in rng.permutation(np.arange(len(labels)) % n_donors)])
    try:
        split = split_cells(labels, sizes, donors=donors, rng=rng)
    except DataError as error:
        refusals = (" for 2 sides", " for 3 sides", "no training cells are left")
        assert any(words in str(error) for words in refusals)  # noqa: PT017  # too few donors or cells is right
        return
    owners = [set(donors[side]) for side in sides(split)]
    assert sum(map(len, owners)) == len(set.union(*owners))
    for side, most in zip(sides(split), sizes.as_array(), strict=True):
        assert (np.bincount(labels[side], minlength=len(counts)) <= most).all()


COUNTS = hnp.arrays(np.float32, st.tuples(st.integers(1, 8), st.integers(1, 8)), elements=st.integers(0, 5000))


@settings(deadline=None)
@given(COUNTS)
def test_dense_and_csr_counts_are_normalised_alike(X):
    dense, sparse = log1p_cp10k(X), log1p_cp10k(sp.csr_array(X))
    np.testing.assert_allclose(sparse.toarray(), dense, rtol=2e-6)
    totals = np.expm1(dense.astype(np.float64)).sum(axis=1)
    np.testing.assert_allclose(totals, np.where(X.sum(axis=1) > 0, 10_000, 0), rtol=1e-4)
    assert ((dense > 0) == (X > 0)).all()
    assert not looks_like_counts(X) or X.max() > 1
    assert looks_like_counts(X) == looks_like_counts(sp.csr_array(X))


@given(COUNTS, st.integers(0, 2**32 - 1))
def test_permuting_cells_and_genes_permutes_what_is_normalised(X, seed):
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(X.shape[0]), rng.permutation(X.shape[1])
    np.testing.assert_allclose(log1p_cp10k(X[rows][:, columns]), log1p_cp10k(X)[rows][:, columns], rtol=2e-6)


CLASSES = st.lists(st.text(max_size=4), min_size=1, max_size=8, unique=True) | st.lists(
    st.integers(-9, 9), min_size=1, max_size=8, unique=True
)


@given(CLASSES, st.data())
def test_codes_lead_back_to_the_labels(classes, data):
    labels = data.draw(st.lists(st.sampled_from(classes), max_size=30))
    codes = encode(np.array(labels, dtype=np.array(classes).dtype), np.array(classes))
    assert [classes[code] for code in codes] == labels
