import logging

import numpy as np
import pandas as pd
import pytest

from selectormlp.errors import PanelError
from selectormlp.panel.facts import COLUMNS, GeneFacts
from selectormlp.panel.names import GeneNames


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Ensembl ID", "ensembl_id"),
        ("Ensembl_ID", "ensembl_id"),
        ("Num_Probesets", "n_probes"),
        ("Probe sets", "n_probes"),
        ("probe_count", "n_probes"),
        ("Codewords", "codewords"),
        ("length_nt", "length_nt"),
        ("Annotation", "group"),
    ],
)
def test_headers_of_vendors_are_known_and_said(header, name, caplog):
    with caplog.at_level(logging.INFO):
        facts = GeneFacts.from_columns(("CD3E",), {header: ("8",)})
    assert facts.columns == {name: ("8",) if COLUMNS[name].kind == "text" else (8.0,)}
    assert f"the column '{header}' of the gene table is taken for {name}" in caplog.text


def test_numbers_may_be_unknown_and_have_thousands():
    facts = GeneFacts.from_columns(("A", "B", "C"), {"length": ("1,234", "", "NA")})
    np.testing.assert_array_equal(facts.columns["length_nt"], [1234, np.nan, np.nan])


def test_all_cells_that_hold_no_number_are_listed():
    with pytest.raises(PanelError, match="n_probes of 'A' is 'many'; n_probes of 'B' is '-3'; correct them"):
        GeneFacts.from_columns(("A", "B"), {"probes": ("many", "-3")})


def test_unused_columns_are_said(caplog):
    with caplog.at_level(logging.INFO):
        GeneFacts.from_columns(("A",), {"chr": ("chr1",)})
    assert "not used: 'chr'" in caplog.text


def test_facts_follow_the_genes_of_the_data_by_name_or_alias():
    names = GeneNames(pd.Index(["ENSG1", "ENSG2", "ENSG3"]), pd.Index(["A", "B", "C"]))
    facts = GeneFacts.from_columns(
        ("B", "ENSG1", "GONE", "B"), {"cost": ("2", "5", "9", "7"), "group": ("x", "", "y", "z")}
    )
    aligned = facts.aligned(names)
    np.testing.assert_array_equal(aligned["cost"], [5, 2, np.nan])
    assert aligned["group"].tolist() == [None, "x", None]


def test_decimal_commas_are_read_where_nothing_else_can_be_meant():
    facts = GeneFacts.from_columns(("a", "b", "c"), {"cost": ("2,5", "1.000,5", "1,250"), "probes": ("1,250", "8", "")})
    assert facts.columns["cost"] == (2.5, 1000.5, 1.25)
    assert facts.columns["n_probes"][:2] == (1250, 8)
