"""Promise: what would fill memory or the disk is refused before it is unpacked or parsed: tables of text."""

import contextlib
import json
import time

import pytest

from selectormlp.assessment.label_map import read_label_map
from selectormlp.data.common_labels import common_labels
from selectormlp.data.label_tables import read_label_tree, read_mistake_costs
from selectormlp.data.orthologs import ortholog_pairs
from selectormlp.errors import PanelError, SelectorMLPError, SettingsError
from selectormlp.gate.tables import MAX_CELLS
from selectormlp.panel.gene_files import read_gene_facts, read_gene_sets
from selectormlp.panel.storage import read_costs
from selectormlp.panel.vendors import read_panel

READERS = {
    "tree of labels": (lambda place: read_label_tree(place, ["T"]), "type,parent"),
    "costs of mistakes": (lambda place: read_mistake_costs(place, ["T"]), ",T"),
    "map of labels": (read_label_map, "cell_type,common"),
    "labels of data sets": (common_labels, "data,label,common"),
    "orthologs": (ortholog_pairs, "from,to"),
    "facts of genes": (read_gene_facts, "gene,n_probes"),
    "sets of genes": (read_gene_sets, "set,gene"),
    "costs": (read_costs, "gene,cost"),
    "panel": (read_panel, "gene,score"),
}
N_WIDE = 6_000


def above(header):
    wide = ",".join(f"c{number}" for number in range(N_WIDE))
    return f"{header},{wide}\n" + "T,1\n" * (MAX_CELLS // N_WIDE)


def within(header):
    lines = "".join(f"g{number},x{number}\n" for number in range(1_000))
    return f"{header}\n{lines}" + ",".join(f"c{number}" for number in range(N_WIDE)) + f"\n{lines.upper()}"


@pytest.mark.parametrize("text", [above, within])
@pytest.mark.parametrize("name", READERS)
def test_few_characters_that_make_many_cells_are_refused(tmp_path, name, text):
    read, header = READERS[name]
    file = tmp_path / "table.csv"
    file.write_text(text(header))
    with pytest.raises(SelectorMLPError, match=r"more than 5,000,000 cells .*; keep the columns needed"):
        read(file)


def test_records_with_keys_of_their_own_are_refused(tmp_path):
    records = [{"gene": "CD3E"}, *({f"key {number}": 1} for number in range(2_300))]
    (tmp_path / "panel.json").write_text(json.dumps(records))
    with pytest.raises(PanelError, match="more than 5,000,000 cells"):
        read_panel(tmp_path / "panel.json")


def many_lines(header):
    return f"{header}\n" + "".join(f"g{number},{number}\n" for number in range(40_000))


def many_columns(header):
    return f"{header}," + ",".join(f"{number}_names" for number in range(40_000)) + "\na,b\n"


def a_chain(header):
    return f"{header}\nT,0\n" + "".join(f"{number},{number + 1}\n" for number in range(40_000))


def one_set(header):
    return f"{header}\n" + "".join(f"T,g{number}\n" for number in range(40_000))


@pytest.mark.parametrize("text", [many_lines, many_columns, a_chain, one_set])
@pytest.mark.parametrize("name", READERS)
def test_long_tables_are_read_or_refused_soon(tmp_path, name, text):
    read, header = READERS[name]
    file = tmp_path / "table.csv"
    file.write_text(text(header))
    start = time.process_time()
    with contextlib.suppress(SelectorMLPError):
        read(file)
    assert time.process_time() - start < 8  # what is quadratic takes minutes


def test_a_tree_is_no_deeper_than_trees_of_types_are(tmp_path):
    (tmp_path / "tree.csv").write_text(a_chain("type,parent"))
    with pytest.raises(SettingsError, match="more than 50 nodes above 'T'; expected a tree of a few levels"):
        read_label_tree(tmp_path / "tree.csv", ["T"])


@pytest.mark.parametrize("number", ["9" * 5000, "1_0", "-1", "²", "1.5"])
def test_bounds_of_sets_are_whole_numbers(tmp_path, number):
    (tmp_path / "sets.csv").write_text(f"set,gene,min\nT,CD3E,{number}\n", encoding="utf-8")
    with pytest.raises(PanelError, match="expected a whole number from 0 up") as caught:
        read_gene_sets(tmp_path / "sets.csv")
    assert len(str(caught.value)) < 500
