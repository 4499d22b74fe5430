"""Real files of vendors: read, and written back the same."""

import os
from pathlib import Path

import pandas as pd
import pytest

from selectormlp.exchange.orders import Order, write_order
from selectormlp.panel.vendors import read_panel

FOLDER = os.environ.get("SELECTORMLP_VENDOR", "")
pytestmark = pytest.mark.skipif(not FOLDER, reason="SELECTORMLP_VENDOR names no folder")

SIZES = {
    "xenium/hBrain.csv": 266,
    "xenium/hBreast.csv": 280,
    "xenium/hColon.csv": 322,
    "xenium/hMulti.csv": 377,
    "xenium/mBrain.csv": 247,
    "xenium/custom_94gene_panel.csv": 94,
    "xenium/custom_pancreas_panel.csv": 100,
    "xenium/breast_probe_sequences.fasta.gz": 280,
    "merscope/gene_panel_VZ142_mouse.csv": 500,
    "merscope/genes_Zhang_MOp.csv": 242,
    "merscope/cell_by_gene.csv": 130,
}


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_every_list_is_read_and_written_back_the_same(tmp_path, name, size):
    panel = read_panel(Path(FOLDER) / name)
    again = read_panel(write_order(Order(panel), tmp_path, "table"))
    assert len(panel) == size
    assert again.genes == panel.genes
    assert again.gene_ids == panel.gene_ids
    assert {fact: again.facts[fact] for fact in panel.facts} == panel.facts


@pytest.mark.parametrize("name", [name for name in SIZES if name.startswith(("xenium/h", "xenium/m"))])
def test_identifiers_probes_and_codewords_are_those_of_the_table(name):
    panel = read_panel(Path(FOLDER) / name)
    table = pd.read_csv(Path(FOLDER) / name, dtype=str)
    assert panel.gene_ids == tuple(table.iloc[:, 1])
    assert panel.facts["n_probes"] == tuple(table.iloc[:, 2])
    assert panel.facts["codewords"] == tuple(table["Codewords"])
