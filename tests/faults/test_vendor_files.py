"""Promise: lists and vendors' files of a stranger are bounded before they are read, and refused in one line."""

import io
import os
import re
import sys
import time
import zipfile

import openpyxl
import pytest

from selectormlp.cli.rerun import compare_tables
from selectormlp.errors import PanelError
from selectormlp.panel.gene_files import read_gene_facts
from selectormlp.panel.vendors import read_panel

resource = pytest.importorskip("resource", reason="tells how much memory a process had")

SHEET = "xl/worksheets/sheet1.xml"
MAX_BYTES = 4e8


def most_memory():
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def write_workbook(place, change=str, n_rows=2):
    """Write a workbook with the genes g0, g1, …, its sheet changed as XML."""
    book, stream = openpyxl.Workbook(), io.BytesIO()
    for row in [["gene", "score"], *([f"g{number}", number] for number in range(n_rows))]:
        book.active.append(row)
    book.save(stream)
    with zipfile.ZipFile(stream) as before, zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            text = before.read(name)
            after.writestr(name, change(text.decode()) if name == SHEET else text)
    return place


def claim_all(xml):
    return xml.replace('ref="A1:B3"', 'ref="A1:XFD1048576"')


def last_row(xml):
    return claim_all(xml).replace('<row r="3"', '<row r="1048576"').replace('"A3"', '"A1048576"')


def row_beyond(xml):
    return xml.replace('<row r="3"', '<row r="999999999"').replace('"A3"', '"A999999999"')


def last_column(xml):
    return re.sub(r'r="B(\d+)"', r'r="XFD\1"', xml)


@pytest.mark.parametrize(
    ("change", "n_rows", "genes"),
    [(claim_all, 2, 2), (last_row, 2, 2), (row_beyond, 2, 1), (last_column, 400, None)],
    ids=["claim", "last row", "row beyond", "last column"],
)
def test_a_workbook_is_as_large_as_its_cells_not_as_it_says(tmp_path, change, n_rows, genes):
    place = write_workbook(tmp_path / "genes.xlsx", change, n_rows)
    start, before = time.process_time(), most_memory()
    if genes is None:
        with pytest.raises(PanelError, match=r"a sheet has more than 5,000,000 cells; save the part"):
            read_panel(place)
    else:
        assert len(read_panel(place).genes) == genes
    assert most_memory() - before < MAX_BYTES
    assert time.process_time() - start < 60


def test_a_workbook_that_is_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    place = write_workbook(tmp_path / "genes.xlsx", lambda xml: xml + " " * 10**8)
    with pytest.raises(
        PanelError, match=r"holds 100,0\d\d,\d\d\d bytes in a file of .*; at most 50 times its size is read"
    ):
        read_panel(place)


@pytest.mark.parametrize("content", [b">ENSG1|CD3\xe9\nACGT\n", b'{"payload": {"targets": "\xe9"}}'])
def test_other_encodings_are_refused_in_one_line(tmp_path, content):
    (tmp_path / "file.txt").write_bytes(content)
    with pytest.raises(PanelError, match=r"^'[^']*file.txt':? is not UTF-8 text; expected [^']*$"):
        read_panel(tmp_path / "file.txt")


def test_a_byte_order_mark_is_passed_over(tmp_path):
    target = '{"payload": {"targets": [{"type": {"data": {"name": "CD3E", "id": "ENSG1"}}}]}}'
    for number, text in enumerate((">ENSG1|CD3E\nACGT\n", target, "gene\nCD3E\n")):
        (tmp_path / f"{number}.txt").write_text(text, encoding="utf-8-sig")
        assert read_panel(tmp_path / f"{number}.txt").genes == ("CD3E",)


def test_of_a_large_table_of_cells_only_the_beginning_is_read(tmp_path):
    place = tmp_path / "cell_by_gene.csv"
    place.write_text(f"cell,{','.join(f'g{i}' for i in range(20))}\n1{',0' * 20}\n")
    os.truncate(place, 2**33)
    before = most_memory()
    assert len(read_panel(place).genes) == 20
    assert most_memory() - before < MAX_BYTES


def test_a_number_of_thousands_of_digits_is_cut_in_the_message(tmp_path):
    (tmp_path / "facts.csv").write_text(f"gene,cost\nCD3E,-{'9' * 5000}\n")
    with pytest.raises(PanelError, match="expected numbers from 0 up") as caught:
        read_gene_facts(tmp_path / "facts.csv")
    assert len(str(caught.value)) < 1000


def test_a_table_to_compare_with_that_has_columns_without_number_is_no_table_of_ours(tmp_path):
    (tmp_path / "split.csv").write_text(",".join(["g"] * 200_000) + "\n")
    start = time.process_time()
    assert not compare_tables(tmp_path, tmp_path, ["split.csv"]).same
    assert time.process_time() - start < 10
