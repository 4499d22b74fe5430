"""Whatever stands in a file, it is read or refused in one line; what is written is safe to open in a spreadsheet."""

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from selectormlp.assessment.tables import safe_table
from selectormlp.cli.kinds import KINDS, find_kind
from selectormlp.config.files import parse_yaml, read_settings
from selectormlp.data.anndata_io import CellsSource, cells_from_adata
from selectormlp.data.cells import as_matrix
from selectormlp.errors import DataError, SelectorMLPError
from selectormlp.panel.storage import FORMULA_STARTS, read_costs, read_panel

words = st.text(max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile")


def in_one_line(read, file):
    try:
        read(file)
    except SelectorMLPError as error:
        message = str(error)
    else:
        return
    assert "\n" not in message
    assert len(message) < 5000


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(KINDS)), st.data())
def test_settings_of_any_type_are_read_or_refused(place, command, data):
    kind = find_kind(command)
    keys = st.sampled_from(sorted(kind.model_fields)) | words
    file = place / "settings.json"
    file.write_text(json.dumps(data.draw(st.dictionaries(keys, values, max_size=4))))
    in_one_line(lambda path: read_settings(kind, path), file)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=40) | st.text("[]{}:,-&*!|>#'\" \n\tab1.~", max_size=40))
def test_any_text_as_settings_or_panel_is_read_or_refused(place, text):
    for name in ("x.json", "x.yaml", "x.toml", "x.csv", "x.txt"):
        file = place / name
        file.write_text(text, encoding="utf-8", newline="")
        if file.suffix in (".csv", ".txt", ".json"):
            in_one_line(read_panel, file)
            in_one_line(read_costs, file)
        if file.suffix in (".json", ".yaml", ".toml"):
            in_one_line(lambda path: read_settings(find_kind("select"), path), file)


@settings(max_examples=60, deadline=None)
@given(values.filter(lambda value: value == value and "nan" not in repr(value)))
def test_json_is_read_as_yaml_is(value):
    try:
        text = json.dumps(value, allow_nan=False)
        text.encode()
    except ValueError:
        return
    if not any(mark in text for mark in ("\\u", "e+", "E+")):  # surrogates, which YAML has not
        assert parse_yaml(text) == value


@settings(max_examples=60, deadline=None)
@given(st.lists(words, min_size=1, max_size=5), words)
def test_tables_are_safe_to_open_in_a_spreadsheet(column, header):
    text = safe_table(pd.DataFrame({header: column})).to_csv(index=False)
    for row in csv.reader(io.StringIO(text, newline="")):
        assert not any(cell.startswith(tuple(FORMULA_STARTS)) for cell in row)


DAMAGED = {
    "gene beyond": ([0, 1, 2], [0, 99], 2),
    "gene below": ([0, 1, 2], [0, -1], 2),
    "cells beyond": ([0, 1, 10**6], [0, 1], 2),
    "cells fall": ([0, 2, 1], [0, 1], 2),
    "a cell short": ([0, 2], [0, 1], 2),
    "values short": ([0, 1, 2], [0, 1], 1),
    "begins late": ([1, 1, 2], [0, 1], 2),
}


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csc_matrix, sp.csr_array])
@pytest.mark.parametrize(("starts", "positions", "n_values"), DAMAGED.values(), ids=DAMAGED)
def test_a_sparse_matrix_that_points_outside_itself_is_refused(kind, starts, positions, n_values):
    matrix = kind(np.eye(2, dtype=np.float32))
    matrix.indptr, matrix.indices = np.array(starts, dtype=np.int32), np.array(positions, dtype=np.int32)
    matrix.data = np.ones(n_values, dtype=np.float32)
    with pytest.raises(DataError, match="is damaged: its indptr or indices are outside it"):
        as_matrix(matrix)


@pytest.mark.parametrize(
    "carried",
    [
        {"label_key": np.array(["a", "b"]), "classes": ["x"]},
        {"label_key": "cell_type", "classes": 3},
        {"label_key": "cell_type", "classes": {"a": 1}},
        {"label_key": np.array([])},
        ["label_key"],
        "text",
    ],
)
def test_odd_class_lists_in_uns_are_passed_over(adata, carried):
    adata.uns["selectormlp"] = carried
    assert cells_from_adata(adata, CellsSource("cell_type")).n_classes == 4


def test_costs_without_a_column_of_genes_take_the_first(tmp_path):
    (tmp_path / "costs.csv").write_text("probe,cost\nCD3E,2\n")
    assert read_costs(tmp_path / "costs.csv") == {"CD3E": 2.0}
