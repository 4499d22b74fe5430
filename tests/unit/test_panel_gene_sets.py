"""Named sets of genes from files: tables with a line a gene or a list a cell, a column a set, and the gene table."""

import pytest

from selectormlp.errors import PanelError, SettingsError
from selectormlp.panel.gene_files import read_gene_sets
from selectormlp.panel.quotas import quotas_of, with_groups

WANTED = {"T cell": ["CD3E", "CD3D"], "B": ["MS4A1"]}

FILES = {
    "sets.csv": "set,gene\nT cell,CD3E\nT cell,CD3D\nB,MS4A1\n",
    "types.csv": "cell_type,marker,source\nT cell,CD3E,a\nT cell,CD3D,b\nB,MS4A1,c\nB,MS4A1,d\n",
    "semicolons.csv": "Cell type;Gene symbol\nT cell;CD3E\nT cell;CD3D\nB;MS4A1\n",
    "lists.csv": 'cell type,markers\n"T cell","CD3E, CD3D"\nB,MS4A1\n',
    "comments.tsv": "# mine\npathway\tgene\nT cell\tCD3E\nT cell\tCD3D\nB\tMS4A1\n",
    "columns.csv": "T cell,B\nCD3E,MS4A1\nCD3D,\n",
    "nsforest.csv": "clusterName,f_score,NSForest_markers\nT cell,0.9,\"['CD3E', 'CD3D']\"\nB,0.8,['MS4A1']\n",
    "rank_genes_groups.csv": ",group,names,scores\n0,T cell,CD3E,9\n1,T cell,CD3D,8\n2,B,MS4A1,7\n",
    "sets.json": '{"T cell": ["CD3E", "CD3D"], "B": ["MS4A1"]}',
}


@pytest.mark.parametrize("name", FILES)
def test_sets_are_read_from_each_kind_of_file(tmp_path, name):
    (tmp_path / name).write_text(FILES[name])
    quotas = quotas_of(read_gene_sets(tmp_path / name), 2)
    assert {quota.name: list(quota.genes) for quota in quotas} == WANTED
    assert {quota.low for quota in quotas} == {2}


def test_bounds_of_the_first_line_of_a_set_count(tmp_path):
    (tmp_path / "sets.csv").write_text("set,gene,min,max\nT,CD3E,2,3\nT,CD3D,,\nB,MS4A1,,1\n")
    first, second = quotas_of(read_gene_sets(tmp_path / "sets.csv"), 2)
    assert (first.low, first.high, second.low, second.high) == (2, 3, 0, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("set,gene\nT,\n", "lacks the set or the gene"),
        ("set,gene,min\nT,CD3E,few\n", "min is 'few'"),
        ("kind,what it is\nT,a T cell\n", "expected the columns set and gene"),
        ("", "expected the columns set and gene"),
    ],
)
def test_what_is_no_set_is_refused(tmp_path, text, message):
    (tmp_path / "sets.csv").write_text(text)
    with pytest.raises(PanelError, match=message):
        read_gene_sets(tmp_path / "sets.csv")


def test_a_set_without_genes_takes_a_group_of_the_gene_table():
    groups = {"WNT": ["WNT5A", "WNT3"]}
    assert with_groups({"WNT": {"max": 1}, "T": ["CD3E"]}, groups) == {
        "WNT": {"max": 1, "genes": ["WNT5A", "WNT3"]},
        "T": ["CD3E"],
    }
    with pytest.raises(SettingsError, match="no group of this name; groups of the gene table: 'WNT'"):
        with_groups({"NOTCH": {"min": 1}}, groups)
