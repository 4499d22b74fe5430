import base64
import json
import zlib

import pytest

from selectormlp.errors import OutputError, PanelError
from selectormlp.panel.panel import Panel
from selectormlp.panel.provenance import Provenance
from selectormlp.panel.storage import read_panel, write_panel

PANEL = Panel(
    genes=("=cmd|x", "'x", "'=x", "-a", "+b", "@c", "1E5", "B,C", 'q"q', "7SK", "µ"),
    reasons=("must-have", *("selected",) * 9, "marker of T;\tB (minimum per type)"),
    scores=(0.1, None, 1 / 3, 1e-300, -2.0, 5e15, 1.0, 2.0, 3.0, 4.0, 5.0),
    gene_ids=("E1", "", "-E3", *map(str, range(8))),
    thresholds=(None, *(0.5,) * 10),
    n_required=1,
    nested=False,
    provenance=Provenance(
        method="discriminant",
        settings={"alpha": 0.1, "layers": [64, 32], "layer": None},
        seed=7,
        versions={"numpy": "2.0"},
        data_hash="sha256:00",
        label_key="cell type",
        cells=tuple(f"AACG-{i}\n" for i in range(3000)),
    ),
)


def test_json_brings_everything_back(tmp_path):
    assert PANEL.write(tmp_path / "new" / "folder") == tmp_path / "new" / "folder"
    assert read_panel(tmp_path / "new" / "folder" / "panel.json") == PANEL


def test_cell_names_are_stored_compactly(tmp_path):
    write_panel(PANEL, tmp_path)
    assert (tmp_path / "panel.json").stat().st_size < 0.6 * sum(map(len, PANEL.provenance.cells))


def test_cell_names_that_are_all_alike_come_back_too(tmp_path):
    cells = tuple(f"{'x' * 5000}{i}" for i in range(100))
    panel = Panel(("a",), provenance=Provenance(cells=cells))
    assert read_panel(write_panel(panel, tmp_path) / "panel.json").provenance.cells == cells


def test_csv_brings_the_columns_back(tmp_path):
    found = read_panel(write_panel(PANEL, tmp_path) / "panel.csv")
    for column in ("genes", "reasons", "scores", "gene_ids", "thresholds"):
        assert getattr(found, column) == getattr(PANEL, column)


def test_the_list_brings_the_genes_back(tmp_path):
    assert read_panel(write_panel(PANEL, tmp_path) / "genes.txt").genes == PANEL.genes


def test_no_cell_of_the_csv_is_a_formula(tmp_path):
    lines = (write_panel(PANEL, tmp_path) / "panel.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "position,gene,gene_id,score,threshold,reason"
    assert lines[1].startswith("1,'=cmd|x,E1,0.1,")
    assert lines[3].startswith("3,''=x,'-E3,")


def test_writing_where_no_folder_can_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file; name a folder"):
        write_panel(PANEL, tmp_path / "file")


@pytest.mark.parametrize(
    ("name", "text", "genes"),
    [
        ("a.txt", "CD3E\nMS4A1\n", ("CD3E", "MS4A1")),
        ("a.txt", "Gene\r\nCD3E \r\n\r\nMS4A1", ("CD3E", "MS4A1")),
        ("a.txt", "HLA-A,x\nCD3E\nMS4A1\n", ("HLA-A,x", "CD3E", "MS4A1")),
        ("a.csv", "CD3E\nMS4A1\n", ("CD3E", "MS4A1")),
        ("a.csv", "CD3E,1\nMS4A1,2\n", ("CD3E", "MS4A1")),
        ("a.csv", "\ufeffscore,Gene_Name\n1,CD3E\n2,MS4A1\n", ("CD3E", "MS4A1")),
        ("a.csv", "name,symbol\nx,CD3E\n", ("CD3E",)),
        ("a.csv", ",score\nCD3E,3\nMS4A1,2\n", ("CD3E", "MS4A1")),
        ("a.csv", "rank;gene\n1;CD3E\n2;MS4A1\n", ("CD3E", "MS4A1")),
        ("a.tsv", "ensembl\tgenes\nE1\tCD3E\n", ("CD3E",)),
        ("a.txt", "ensembl\tgenes\nE1\tCD3E\n", ("CD3E",)),
        ("a.csv", 'gene\n"7,8-x"\n', ("7,8-x",)),
    ],
)
def test_other_peoples_lists_are_read(tmp_path, name, text, genes):
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    panel = read_panel(tmp_path / name)
    assert panel.genes == genes
    assert panel.provenance.method == "given"
    assert panel.reasons == ("given",) * len(genes)


def test_scores_that_are_no_numbers_are_none(tmp_path):
    (tmp_path / "a.csv").write_text("gene,score\nA,0.5\nB,high\nC,inf\n")
    assert read_panel(tmp_path / "a.csv").scores == (0.5, None, None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file holds no genes"),
        (b"gene\n", "a header but no genes"),
        (b"gene,x\nA,1\n,2\n", "the line ',2' names no gene"),
        (b"x,gene\nA\n", r"the line 'A' names no gene \(column 2\)"),
        (b"gene,x\nA,1\nB,1\nA,2\n", "'A'"),
        (b"\x89HDF\r\n\x1a\n", "is not UTF-8 text"),
        (b'gene\n"A', "not a readable table"),
        (b'A,"B"C\n', "not a readable table"),
        (b"gene\nA\x00B\n", "cannot be printed"),
        (b"{", "not a panel file of this package .*Invalid JSON"),
        (b'{"x":' * 100_000, "recursion limit"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path, content, message):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(PanelError, match=message) as caught:
        read_panel(tmp_path / "a.csv")
    assert "\n" not in str(caught.value)
    assert "a.csv" in str(caught.value)


def test_absent_files_are_refused_with_the_nearest(tmp_path):
    write_panel(PANEL, tmp_path)
    with pytest.raises(PanelError, match=r"did you mean 'panel\.json'"):
        read_panel(tmp_path / "panle.json")
    with pytest.raises(PanelError, match="is a folder; name a file in it"):
        read_panel(tmp_path)


def test_files_too_large_for_a_panel_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("selectormlp.panel.text_files.MAX_BYTES", 3)
    (tmp_path / "a.txt").write_text("CD3E")
    with pytest.raises(PanelError, match="has 4 bytes; a panel has at most 3"):
        read_panel(tmp_path / "a.txt")


def packed(text):
    return base64.b64encode(zlib.compress(text)).decode()


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("format",), "other", "at 'format'"),
        (("version",), 2, "at 'version'"),
        (("panel", "genes"), ["A", "A"], r"genes listed more than once \(1\)"),
        (("panel", "genes"), "AB", "at 'panel.genes'"),
        (("panel", "genes"), ["A", 1], "at 'panel.genes.1'"),
        (("panel", "scores"), ["1"], "at 'panel.scores.0"),
        (("panel", "scores"), [1.0], "1 scores for 11 genes"),
        (("panel", "scores"), [float("nan")] * 11, "the scores of a panel hold NaN"),
        (("panel", "nested"), "yes", "at 'panel.nested'"),
        (("panel", "provenance", "cells"), 3, "at 'panel.provenance.cells'"),
        (("panel", "provenance", "seed"), 1.5, "at 'panel.provenance.seed'"),
        (("cells", "zlib"), "!!", "cell names cannot be unpacked"),
        (("cells", "zlib"), "AAAA", "cell names cannot be unpacked"),
        (("cells", "zlib"), "", "cell names are cut short"),
        (("cells", "zlib"), packed(b'["' + b"x" * 10_000_000 + b'"]'), "unpack to 100 times their size"),
        (("cells", "zlib"), packed(b'["a", 1]'), "cell names are not a list of names"),
        (("cells", "zlib"), packed(b'["a"]'), "it should name 3000 cells and names 1"),
        (("cells", "n"), -1, "it should name -1 cells"),
    ],
)
def test_strangers_json_is_checked(tmp_path, place, value, message):
    write_panel(PANEL, tmp_path)
    file = json.loads((tmp_path / "panel.json").read_text())
    inner = file
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (tmp_path / "panel.json").write_text(json.dumps(file))
    with pytest.raises(PanelError, match=message):
        read_panel(tmp_path / "panel.json")


def test_repeated_cells_in_a_file_are_refused(tmp_path):
    file = json.loads((write_panel(Panel(("A",)), tmp_path) / "panel.json").read_text())
    file["cells"] = {"n": 2, "zlib": packed(b'["c","c"]')}
    (tmp_path / "panel.json").write_text(json.dumps(file))
    with pytest.raises(PanelError, match=r"panel.json.*cells that it was learned on, and only"):
        read_panel(tmp_path / "panel.json")


def test_a_json_list_of_names_is_a_panel(tmp_path):
    file = tmp_path / "mine.json"
    file.write_text('["CD3E",\n "MS4A1"]')
    assert read_panel(file).genes == ("CD3E", "MS4A1")
    for text in ('["CD3E", 3]', '"CD3E"', "[]", "CD3E", '["CD3E"'):
        file.write_text(text)
        with pytest.raises(PanelError, match=r"mine.json.*expected the panel.json of this package, or a list"):
            read_panel(file)
