import gzip
import json

import openpyxl
import pytest

from selectormlp.errors import PanelError
from selectormlp.exchange.orders import Order, write_order
from selectormlp.panel.vendors import read_panel


def target(name, gene_id, kind="gene", codewords=(1,)):
    data = {"id": gene_id, "name": name} if kind == "gene" else {"name": name}
    return {
        "type": {"descriptor": kind, "data": data},
        "codewords": list(codewords),
        "info": {"gene_coverage": 8},
        "source": {"category": "gene", "identity": {"name": "base panel"}},
    }


@pytest.mark.parametrize(
    "header",
    ["gene,Ensembl_ID,Num_Probesets,Codewords,Annotation", "Gene,Ensembl ID,Probe sets,Codewords,Cell types"],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_tables_of_predesigned_panels_keep_probes_and_codewords(tmp_path, header, mark):
    file = tmp_path / "panel.csv"
    file.write_text(f"{mark}{header}\nCD3E,ENSG1,8,1,T cells\nMS4A1,ENSG2,7,2,B; plasma\n")
    panel = read_panel(file)
    assert panel.genes == ("CD3E", "MS4A1")
    assert panel.gene_ids == ("ENSG1", "ENSG2")
    assert panel.facts == {"n_probes": ("8", "7"), "codewords": ("1", "2"), "group": ("T cells", "B; plasma")}


def test_what_is_written_reads_back_the_same(tmp_path):
    (tmp_path / "panel.csv").write_text("gene,Ensembl_ID,Num_Probesets,Codewords\nCD3E,ENSG1,8,1\nMS4A1,ENSG2,7,2\n")
    panel = read_panel(tmp_path / "panel.csv")
    again = read_panel(write_order(Order(panel), tmp_path / "out", "table"))
    assert (again.genes, again.gene_ids) == (panel.genes, panel.gene_ids)
    assert {name: again.facts[name] for name in panel.facts} == panel.facts
    whole = read_panel(panel.write(tmp_path / "ours") / "panel.json")
    assert whole.facts == panel.facts


def test_a_bare_list_may_stand_under_its_title(tmp_path):
    file = tmp_path / "list.csv"
    file.write_text("gene_panel_VZ999_mouse\n2900052N01Rik\nGad1\n")
    assert read_panel(file).genes == ("2900052N01Rik", "Gad1")


def test_the_gene_panel_of_a_run_is_read_without_controls(tmp_path):
    file = tmp_path / "gene_panel.json"
    targets = [
        target("CD3E", "ENSG1"),
        target("NegControlProbe_1", "", "negative control probe"),
        target("MS4A1", "ENSG2", codewords=(2, 3)),
    ]
    file.write_text(json.dumps({"payload": {"targets": targets}}))
    panel = read_panel(file)
    assert (panel.genes, panel.gene_ids) == (("CD3E", "MS4A1"), ("ENSG1", "ENSG2"))
    assert panel.facts == {"codewords": ("1", "2"), "coverage": ("8", "8"), "source": ("base panel", "base panel")}


@pytest.mark.parametrize(
    "text",
    ['{"payload": {}}', '{"payload": {"targets": [1]}}', '{"payload": {"targets": []}}', '{"payload": ' + "[" * 5000],
)
def test_a_damaged_gene_panel_is_refused(tmp_path, text):
    file = tmp_path / "gene_panel.json"
    file.write_text(text)
    with pytest.raises(PanelError, match=r"gene_panel\.json"):
        read_panel(file)


def test_blanks_of_a_codebook_are_left_out_and_its_code_is_no_fact(tmp_path):
    file = tmp_path / "codebook.csv"
    file.write_text("name,id,barcodeType,bit1,bit2\nGad1,ENSMUST1,merfish,1,0\nBlank-1,,merfish,0,1\n")
    panel = read_panel(file)
    assert (panel.genes, panel.gene_ids, panel.facts) == (("Gad1",), ("ENSMUST1",), {})


def test_the_header_of_a_table_of_counts_names_the_genes(tmp_path):
    names = [f"G{n}" for n in range(12)]
    file = tmp_path / "cell_by_gene.csv"
    file.write_text(f"cell,{','.join(names)},Blank-1\n{'1,' * 13}0\n")
    assert read_panel(file).genes == tuple(names)


def test_probes_of_a_fasta_file_are_counted(tmp_path):
    file = tmp_path / "probes.fasta.gz"
    file.write_bytes(gzip.compress(b">ENSG1|CD3E|a\nACGT\n>ENSG1|CD3E|b\nACGA\n>ENSG2|MS4A1|c\nAC\n"))
    panel = read_panel(file)
    assert (panel.genes, panel.gene_ids, panel.facts) == (
        ("CD3E", "MS4A1"),
        ("ENSG1", "ENSG2"),
        {"n_probes": ("2", "1")},
    )


def test_a_workbook_is_read_by_its_first_sheet(tmp_path):
    book = openpyxl.Workbook()
    for row in (["Supplementary table 3", None], ["Gene Symbol", "Probe sets"], ["CD3E", 8], ["MS4A1", 7]):
        book.active.append(row)
    book.save(tmp_path / "genes.xlsx")
    panel = read_panel(tmp_path / "genes.xlsx")
    assert (panel.genes, panel.facts) == (("CD3E", "MS4A1"), {"n_probes": ("8", "7")})


def test_damaged_archives_are_refused_in_one_line(tmp_path):
    for name, content in (("a.xlsx", b"PK\x03\x04nonsense"), ("b.csv.gz", b"\x1f\x8bnonsense")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(PanelError, match=name):
            read_panel(tmp_path / name)


def test_lines_that_agree_count_once_and_others_are_refused(tmp_path, caplog):
    file = tmp_path / "panel.csv"
    file.write_text("gene,Ensembl ID\nCD3E,ENSG1\nCD3E,ENSG1\nMS4A1,ENSG2\n")
    assert read_panel(file).genes == ("CD3E", "MS4A1")
    assert "genes in several lines that agree count once (1): 'CD3E'" in caplog.text
    file.write_text("gene,Ensembl ID\nCD3E,ENSG1\nCD3E,ENSG9\n")
    with pytest.raises(PanelError, match="listed more than once"):
        read_panel(file)


def test_parts_of_records_are_counted_where_they_are_probes_or_codewords(tmp_path):
    records = [
        {"gene": f"G{i}", "probes": [{"at": 1}] * (i + 1), "codewords": ["7"], "notes": [{"by": "me"}]} for i in (0, 1)
    ]
    (tmp_path / "panel.json").write_text(json.dumps(records))
    panel = read_panel(tmp_path / "panel.json")
    assert panel.genes == ("G0", "G1")
    assert ("1", "2") in panel.facts.values()
    assert "notes" not in panel.facts
