import gzip
import io
import warnings
import zipfile

import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse as sp

from selectormlp.errors import DataError
from selectormlp.exchange.reference import BYTES_PER_VALUE, Reference, write_reference


def reference(n_cells=6, **changes):
    counts = sp.csr_array(np.arange(n_cells * 2).reshape(n_cells, 2) % 3)
    given = {
        "counts": counts,
        "gene_ids": ["ENSG1", "ENSG2"],
        "gene_names": ["A", "A"],
        "barcodes": [f"c{i}" for i in range(n_cells)],
        "labels": ["T"] * (n_cells - 2) + ["B"] * 2,
    }
    return Reference(**{**given, **changes})


def test_the_bundle_reads_back_as_it_was(tmp_path):
    one = reference()
    with zipfile.ZipFile(write_reference(one, tmp_path)) as bundle:
        parts = {name: bundle.read(name) for name in bundle.namelist()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # SciPy's, on the kind of matrix that it will return
        matrix = scipy.io.mmread(io.BytesIO(gzip.decompress(parts["matrix.mtx.gz"])))
    np.testing.assert_array_equal(matrix.toarray().T, one.counts.toarray())
    assert matrix.dtype.kind == "i"
    assert gzip.decompress(parts["features.tsv.gz"]).decode().splitlines() == [
        "ENSG1\tA\tGene Expression",
        "ENSG2\tA\tGene Expression",
    ]
    assert gzip.decompress(parts["barcodes.tsv.gz"]).decode().split() == one.barcodes
    types = pd.read_csv(io.BytesIO(parts["celltypes.csv"]))
    assert types.columns.tolist() == ["barcode", "annotation"]
    assert types["annotation"].tolist() == one.labels


def test_the_same_reference_is_written_the_same(tmp_path):
    first, second = (write_reference(reference(), tmp_path / name).read_bytes() for name in "ab")
    assert first == second


def test_the_largest_types_lose_cells_first():
    few = reference(100, labels=["T"] * 90 + ["B"] * 10).thinned(40 * BYTES_PER_VALUE)
    assert few.counts.nnz <= 40
    assert few.labels.count("B") == 10
    assert 10 < few.labels.count("T") < 90


def test_a_reference_that_fits_stays_whole():
    one = reference()
    assert one.thinned() is one


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"counts": sp.csr_array(np.full((6, 2), 0.5))}, "holds whole counts"),
        ({"counts": sp.csr_array(np.full((6, 2), -1))}, "holds whole counts"),
        ({"gene_ids": ["ENSG1", "ENSG1"]}, "1 gene identifiers repeat"),
        ({"barcodes": ["c"] * 6}, "1 barcodes repeat"),
        ({"labels": ["T"]}, "1 labels for 6 cells"),
    ],
)
def test_what_a_designer_would_refuse_is_refused(changes, message):
    with pytest.raises(DataError, match=message):
        reference(**changes)
