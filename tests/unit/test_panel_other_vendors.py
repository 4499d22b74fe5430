"""Lists of other vendors and tools, on invented lines: genes, identifiers and facts are read, controls left out."""

import datetime as dt
import gzip
import json
import os
from pathlib import Path

import h5py
import numpy as np
import openpyxl
import pytest

from selectormlp.errors import PanelError
from selectormlp.panel.vendors import read_panel

GENES = ("CD3E", "MS4A1")
IDS = ("ENSG00000198851", "ENSG00000156738")
A, B = IDS
COUNTS = ",".join("0123456789")

TARGETS = [{"type": {"data": {"id": gene_id, "name": gene}}} for gene, gene_id in zip(GENES, IDS, strict=True)]

TEXTS = {
    "codebook under a comment.csv": f"# v2\nname,id,barcodeType,b1,b2\nCD3E,{A},merfish,1,0\nblank0023,,merfish,1,1\n"
    f"MS4A1,{B},merfish,0,1\n",
    "codebook under keys.csv": f"codebook_name,M1\nversion,1\nbit_names,R1,R2\nname, id, barcode\nCD3E, {A}, 1010\n"
    f"Blank-1, , 0011\nMS4A1, {B}, 0110\n",
    "merscope list.csv": f"Vizgen Gene,Ensembl ID,FPKM\nCD3E,{A},3.4\nMS4A1,{B},0.1\n",
    "cosmx.csv": "Display Name,Annotations,Gene Name\nCD3E,Receptor,CD3 epsilon subunit\nNegPrb1,Negative,\n"
    "SystemControl12,System,\nFalseCode1,System,\nMS4A1,Antigen,membrane spanning 4-domains A1\n",
    "cosmx under a title.csv": "Human Universal Panel,,\n,,\nDisplay Name,Codeclass,Probe_ID\nCD3E,Endogenous,NM_1.1\n"
    "Odd one,Negative,\nMS4A1,Endogenous,NM_2.1\n",
    "molecules of cosmx.csv": "fov,cell_ID,x_global_px,target\n1,1,5,CD3E\n1,1,6,CD3E\n1,2,7,NegPrb3\n1,2,8,MS4A1\n",
    "molecules of xenium.csv": "transcript_id,cell_id,feature_name,x_location,qv\n1,1,CD3E,4,40\n2,1,CD3E,4,40\n"
    "3,1,NegControlProbe_00042,4,40\n4,2,MS4A1,4,40\n",
    "features.tsv": f"{A}\tCD3E\tGene Expression\n{B}\tMS4A1\tGene Expression\n"
    "NegControlProbe_00042\tNegControlProbe_00042\tNegative Control Probe\n"
    "BLANK_0006\tBLANK_0006\tUnassigned Codeword\n",
    "proteins beside.tsv": f"{A}\tCD3E\tGene Expression\n{B}\tMS4A1\tGene Expression\nCD4\tCD4p\tAntibody Capture\n",
    "genes.tsv": f"{A}\tCD3E\n{B}\tMS4A1\n",
    "ncounter.csv": "Gene,Accession,Codeclass\nCD3E,NM_000733.2,Endogenous\nPOS_A(128),ERCC_00117.1,Positive\n"
    "NEG_A(0),ERCC_00096.1,Negative\nMS4A1,NM_152866.2,Housekeeping\n",
    "rhapsody.csv": "##Immune panel\nTarget\nCD3E|NM_000733.3|PolyA_1\nMS4A1|NM_152866.2|PolyA_1\n",
    "rhapsody.fasta": ">CD3E|NM_000733.3|Reference_end\nACGT\n>MS4A1|NM_152866.2|Reference_end\nACGT\n",
    "gencode.fasta": f">ENST00000361763.9|{A}.10|O|O|C-1|CD3E|15|\nAC\n>ENST00000345732.9|{B}.18|O|O|M-1|MS4A1|3|\nA\n",
    "ensembl.fa": f">ENST1.9 cdna gene:{A}.10 gene_symbol:CD3E\nAC\n>ENST2.9 cdna gene:{B}.18 gene_symbol:MS4A1\nA\n",
    "gene and symbol.csv": f"gene,symbol,n\n{A},CD3E,1\n{B},MS4A1,2\n",
    "byte order mark, semicolons.csv": f"\ufeffGENE;ENSEMBL\r\nCD3E;{A}\r\nMS4A1;{B}\r\n",
    "parse.csv": f"gene_id,gene_name,genome\n{A},CD3E,hg38\n{B},MS4A1,hg38\n",
    "molecules of resolve.txt": "10\t20\t3\tCD3E\n11\t20\t3\tMS4A1\n13\t20\t3\tCD3E\n14\t2\t1\tFP T7p47\n",
    "semicolons.csv": f"Gen;Ensembl ID;Kosten\nCD3E;{A};2,5\nMS4A1;{B};1,0\n",
    "comments in between.tsv": "# a\ngene\tn_probes\nCD3E\t8\n# b\nMS4A1\t7\n",
    "notes at the end.csv": f"gene,Ensembl ID,,\nCD3E,{A},,\nMS4A1,{B},,\n,,,\nTotal: 2,,,\n",
    "missing.csv": "gene,ensembl_id\nCD3E,N/A\nMS4A1,NA\nNA,NA\n",
    "index column.csv": "Unnamed: 0,Gene\n0,CD3E\n1,MS4A1\n",
    "nsforest.csv": "clusterName,f_score,NSForest_markers,binary_genes\nT,0.9,['CD3E'],\"['CD3E', 'CD2']\"\n"
    "B,0.8,\"['MS4A1', 'CD3E']\",['MS4A1']\n",
    "nsforest of 2018.csv": "clusterName,f-measure,markerCount,1,2,index\nT,0.9,2,CD3E,MS4A1,0\nB,0.8,1,MS4A1,,1\n",
    "spapros.csv": ",selection,rank\nCD3E,True,1\nACTB,False,\nMS4A1,True,2\n",
    "rank_genes_groups_df.csv": ",group,names,scores\n0,T,CD3E,10\n1,B,MS4A1,9\n2,B,CD3E,-3\n",
    "rank_genes_groups, names.csv": ",T,B\n0,CD3E,MS4A1\n",
    "rank_genes_groups, pairs.csv": ",T_names,T_scores,B_names,B_scores\n0,CD3E,10,MS4A1,9\n",
    "rank_genes_groups, tutorial.csv": ",0_n,0_p,1_n,1_p\n0,CD3E,0,MS4A1,0\n",
    "lists in cells.csv": 'Cell type,Marker genes\nT,"CD3E, MS4A1"\nB,MS4A1\n',
    "starfish.json": json.dumps(
        {"version": "1", "mappings": [{"codeword": [{"r": 0}], "target": gene} for gene in (*GENES, "blank_1")]}
    ),
    "geomx.pkc": json.dumps(
        {"Targets": [{"DisplayName": gene, "Probes": [{"ID": 1}]} for gene in (*GENES, "NegProbe-WTX")]}
    ),
    "records.json": json.dumps(
        [{"gene": gene, "ensembl_id": gene_id} for gene, gene_id in zip(GENES, IDS, strict=True)]
    ),
    "columns.json": json.dumps({"gene": {"0": "CD3E", "1": "MS4A1"}, "n": {"0": 1, "1": 2}}),
    "lists.json": json.dumps({"T": ["CD3E"], "B": ["MS4A1", "CD3E"]}),
    "under a key.json": json.dumps({"genes": list(GENES)}),
    "long head.json": json.dumps(
        {
            "metadata": "x" * 6000,
            "payload": {
                "targets": [{"type": {"data": {"id": i, "name": g}}} for g, i in zip(GENES, IDS, strict=True)] * 2
            },
        }
    ),
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
def test_genes_of_each_kind_of_file_are_read(tmp_path, name, packed):
    file = tmp_path / (f"{name}.gz" if packed else name)
    text = TEXTS[name].encode()
    file.write_bytes(gzip.compress(text) if packed else text)
    panel = read_panel(file)
    assert panel.genes == GENES
    if panel.gene_ids and any(gene_id.startswith("ENSG") for gene_id in panel.gene_ids):
        assert tuple(gene_id.partition(".")[0] for gene_id in panel.gene_ids) == IDS


@pytest.mark.parametrize("start", ["cell", "fov,cell_ID", "cell_id,volume"])
def test_columns_of_cells_are_no_genes(tmp_path, start):
    file = tmp_path / "counts.csv"
    names = [f"G{i}" for i in range(10)]
    n = start.count(",") + 1
    file.write_text(f"{start},{','.join(names)},NegPrb1\n{'7.5,' * n}{COUNTS},0\n")
    assert read_panel(file).genes == tuple(names)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[Header]\nVersion=1\n[Content]\nRecord0=2,CD3E\n", "sections, as INI and RLF files"),
        ("1 0 1 0\n0 1 1 0\n", "numbers and no gene names"),
        ("gene,n_probes\nCD3E,8\nCD3E,7\n", "listed more than once"),
        ("gene\nBlank-1\nNegPrb2\n", "all names are of controls"),
    ],
)
def test_what_names_no_genes_is_refused_in_one_line(tmp_path, text, message):
    file = tmp_path / "list.csv"
    file.write_text(text)
    with pytest.raises(PanelError, match=message) as caught:
        read_panel(file)
    assert "\n" not in str(caught.value)


def test_names_that_became_dates_are_said(tmp_path, caplog):
    (tmp_path / "a.csv").write_text("gene\n1-Sep\nCD3E\n")
    assert read_panel(tmp_path / "a.csv").genes == ("1-Sep", "CD3E")
    assert "1 name is a date ('1-Sep'), as a spreadsheet makes of genes such as SEPTIN1" in caplog.text
    book = openpyxl.Workbook()
    for row in (["gene"], [dt.datetime(2026, 9, 1)], ["CD3E"]):
        book.active.append(row)
    book.save(tmp_path / "b.xlsx")
    with pytest.raises(PanelError, match=r"1 cell is a date .*write these as text"):
        read_panel(tmp_path / "b.xlsx")


def test_the_first_sheet_that_names_genes_is_read_with_whole_numbers(tmp_path, caplog):
    caplog.set_level("INFO")
    book = openpyxl.Workbook()
    book.active.append(["Please read the terms of use before you order."])
    book.active.append(["They are long, and name no column."])
    sheet = book.create_sheet("Panel")
    for row in (["Gene", "Ensembl ID", "Probe sets"], ["CD3E", A, 8.0], [None, None, None], ["MS4A1", B, 7.0]):
        sheet.append(row)
    book.save(tmp_path / "panel.xlsx")
    panel = read_panel(tmp_path / "panel.xlsx")
    assert (panel.genes, panel.gene_ids, panel.facts) == (GENES, IDS, {"n_probes": ("8", "7")})
    assert "the sheet 'Panel' is read" in caplog.text


def write_matrix(file, names, ids, kinds):
    with h5py.File(file, "w") as store:
        group = store.create_group("matrix/features")
        for key, values in (("name", names), ("id", ids), ("feature_type", kinds)):
            group[key] = np.array(values, dtype="S")


def test_the_features_of_a_matrix_are_read_without_controls(tmp_path):
    file = tmp_path / "cell_feature_matrix.h5"
    write_matrix(file, [*GENES, "Extra"], [*IDS, "X"], ["Gene Expression"] * 2 + ["Negative Control Codeword"])
    panel = read_panel(file)
    assert (panel.genes, panel.gene_ids) == (GENES, IDS)


@pytest.mark.parametrize("damage", ["cut", "other"])
def test_hdf5_without_features_is_refused_in_one_line(tmp_path, damage):
    file = tmp_path / "a.h5"
    write_matrix(file, GENES, IDS, ["Gene Expression"] * 2)
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:400])
    else:
        with h5py.File(file, "w") as store:
            store["X"] = np.zeros(3)
    with pytest.raises(PanelError, match=r"a\.h5") as caught:
        read_panel(file)
    assert "\n" not in str(caught.value)


def test_it_is_said_what_each_column_is_taken_for(tmp_path, caplog):
    caplog.set_level("INFO")
    (tmp_path / "a.csv").write_text(f"Gene Symbol,Ensembl_ID,Num_Probesets\nCD3E,{A},8\n")
    read_panel(tmp_path / "a.csv")
    assert "genes from the column 'Gene Symbol', identifiers from 'Ensembl_ID', n_probes from 'num_probesets'" in (
        caplog.text
    )


@pytest.mark.skipif(not os.environ.get("SELECTORMLP_VENDOR"), reason="SELECTORMLP_VENDOR names no folder")
def test_a_real_matrix_of_a_run_is_read():
    panel = read_panel(Path(os.environ["SELECTORMLP_VENDOR"]) / "xenium/cell_feature_matrix_tiny.h5")
    assert panel.genes[:2] == ("ABCC11", "ACTA2")
    assert all(gene_id.startswith("ENSG") for gene_id in panel.gene_ids)
