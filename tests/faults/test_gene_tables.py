"""Lists and tables of genes: all of what they hold is read, or they are refused with what to do."""

import pytest

import selectormlp as sm
from selectormlp.errors import PanelError
from selectormlp.panel.storage import read_costs

WANTED = ("CD3E", "MS4A1", "NKG7")

LISTS = {
    "commas.csv": "CD3E,MS4A1,NKG7\n",
    "commas and blanks.txt": "CD3E, MS4A1, NKG7",
    "tabs.tsv": "CD3E\tMS4A1\tNKG7\n",
    "tabs.txt": "CD3E\tMS4A1\tNKG7\n",
    "semicolons.csv": "CD3E;MS4A1;NKG7",
    "blanks.txt": "CD3E MS4A1  NKG7\n",
    "bars.txt": "CD3E|MS4A1|NKG7\n",
    "quoted.csv": '"CD3E","MS4A1","NKG7"\n',
    "commas at the ends.txt": "CD3E,\nMS4A1,\nNKG7\n",
    "wrapped.txt": "CD3E, MS4A1,\nNKG7\n",
    "a line a gene.txt": "CD3E\nMS4A1\nNKG7",
    "blank lines and blanks.csv": "\n CD3E \n\n\tMS4A1\nNKG7 \n\n",
    "windows.txt": "CD3E\r\nMS4A1\r\nNKG7\r\n",
    "old mac.txt": "CD3E\rMS4A1\rNKG7\r",
    "json.txt": '["CD3E", "MS4A1", "NKG7"]',
    "json.csv": ' [\n"CD3E",\n"MS4A1",\n"NKG7"]\n',
    "quotes.txt": '"CD3E"\n"MS4A1"\n"NKG7"\n',
}
TABLES = {
    "Gene Symbol": "Gene Symbol,n\nCD3E,1\nMS4A1,2\nNKG7,3\n",
    "GENE_SYMBOL, alone": "GENE_SYMBOL\nCD3E\nMS4A1\nNKG7\n",
    "scanpy": ",names,scores\n0,CD3E,5\n1,MS4A1,4\n2,NKG7,3\n",
    "scanpy, a type": ",group,names,scores\n0,B,CD3E,5\n1,B,MS4A1,4\n2,T,CD3E,4\n3,T,NKG7,3\n",
    "seurat": '"","p_val","cluster","gene"\n"CD3E",0,"0","CD3E"\n"MS4A1",0,"1","MS4A1"\n"NKG7",0,"1","NKG7"\n',
    "write.csv": '"","x"\n"1","CD3E"\n"2","MS4A1"\n"3","NKG7"\n',
    "write.csv, row names": '"","logFC"\n"CD3E",1.5\n"MS4A1",2\n"NKG7",3\n',
    "write.table": '"gene"\t"n"\n"1"\t"CD3E"\t3\n"2"\t"MS4A1"\t4\n"3"\t"NKG7"\t5\n',
    "biomart": "Gene stable ID,Gene name\nENSG1,CD3E\nENSG2,MS4A1\nENSG3,NKG7\n",
    "cellxgene": "feature_id,feature_name\nENSG1,CD3E\nENSG2,MS4A1\nENSG3,NKG7\n",
    "10x": "gene_id\tgene_name\tfeature_type\nENSG1\tCD3E\tRNA\nENSG2\tMS4A1\tRNA\nENSG3\tNKG7\tRNA\n",
    "spapros": ",selection,rank\nCD3E,True,1\nMS4A1,True,2\nACTB,False,3\nNKG7,True,4\n",
    "marked": "gene,selected\nCD3E,1\nACTB,0\nMS4A1,1\nNKG7,1\n",
    "comment": "# my panel\n# of today\ngene\nCD3E\nMS4A1\nNKG7\n",
    "header after a hash": "#Gene\tn\nCD3E\t1\nMS4A1\t2\nNKG7\t3\n",
    "Excel": "sep=;\r\ngene;n\r\nCD3E;1\r\nMS4A1;2\r\nNKG7;3\r\n",
    "title": "Table S3,\ngene,n\nCD3E,1\nMS4A1,2\nNKG7,3\n",
    "title alone": "Table S3. Markers of blood\n\nMarker genes\nCD3E\nMS4A1\nNKG7\n",
    "semicolon in quotes": 'gene,"note; source"\nCD3E,a\nMS4A1,b\nNKG7,c\n',
    "comma in quotes": 'gene;"note, source"\nCD3E;"a, b"\nMS4A1;b\nNKG7;c\n',
    "decimal commas": "gene;score\nCD3E;1,5\nMS4A1;2,5\nNKG7;3,5\n",
    "no header": "CD3E,5\nMS4A1,4\nNKG7,3\n",
    "an unknown header above numbers": "Probe set,n\nCD3E,1\nMS4A1,2\nNKG7,3\n",
    "ids alone": "gene_id,n\nCD3E,1\nMS4A1,2\nNKG7,3\n",
    "byte order mark": "\ufeffgene\nCD3E\nMS4A1\nNKG7\n",
}


@pytest.mark.parametrize("name", LISTS)
def test_lists(tmp_path, name):
    (tmp_path / name).write_bytes(LISTS[name].encode())
    assert sm.read_panel(tmp_path / name).genes == WANTED


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt"])
def test_tables(tmp_path, name, suffix):
    place = tmp_path / f"table{suffix}"
    place.write_bytes(TABLES[name].encode())
    assert sm.read_panel(place).genes == WANTED


def test_identifiers_go_with_the_names(tmp_path):
    (tmp_path / "t.csv").write_text(TABLES["biomart"])
    assert sm.read_panel(tmp_path / "t.csv").gene_ids == ("ENSG1", "ENSG2", "ENSG3")


def test_text_of_excel(tmp_path):
    (tmp_path / "t.txt").write_bytes("gene\tn\r\nCD3E\t1\r\nMS4A1\t2\r\nNKG7\t3\r\n".encode("utf-16"))
    assert sm.read_panel(tmp_path / "t.txt").genes == WANTED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("t0,t1\nG0,G3\nG1,G4\nG2,G5\n", "t0 t1 G0 G3 G1 G4 G2 G5"),  # no header can be told from a name
        ("T cell,B cell\nG0,G3\nG1,G4\n", "G0 G1 G3 G4"),
        (",0,1\n0,G0,G3\n1,G1,G4\n", "G0 G1 G3 G4"),
        ("T cell;B cell\nG0;G3\nG1;\n", "G0 G1 G3"),
        ("A 1,B 2\nG0,G0\nG1,G4\n", "G0 G1 G4"),  # a marker of both
    ],
)
def test_a_column_a_type_is_read_whole_with_a_word(tmp_path, text, expected, caplog):
    (tmp_path / "t.csv").write_text(text)
    assert sm.read_panel(tmp_path / "t.csv").genes == tuple(expected.split())
    assert "no header names a column of genes" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CD3E,T cell\nMS4A1,B cell\nNKG7,NK cell\n", "2 columns may hold genes .*; write 'gene' above"),
        ("CD3E,Tcell\nCD3D,Tcell\nNKG7,NK\n", "2 columns may hold genes"),
        ("T\tdescription\tCD3E\tCD3D\nB\tdescription\tMS4A1\n", "columns may hold genes"),
        ("gene\nCD3E,MS4A1,NKG7\n", "has 3 cells below a header of 1; write one gene per line"),
        ("gene,n\nCD3E,1,x,y\nMS4A1,2\n", "has 4 cells below a header of 2"),
        ("CD3E 1.5\nMS4A1 2.0\n", "each line holds several words .*; write one gene per line"),
        ("gene,n\nCD3E,1\n,2\n", r"names no gene \(column 1\)"),
        ("gene,n\nCD3E,1\nCD3E,2\n", "listed more than once"),
        ("1,2\n3,4\n", "holds numbers and no gene names"),
        (",selection\nCD3E,False\nMS4A1,False\n", "marks none of the 2 genes"),
        ("gene,n\n", "a header but no genes"),
        ('["CD3E", 3]', "and not of names only"),
        ("", "holds no genes"),
        ("# nothing\n", "holds no genes"),
    ],
)
def test_what_cannot_be_told_is_refused_in_one_line(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(PanelError, match=message) as error:
        sm.read_panel(tmp_path / "t.csv")
    assert "\n" not in str(error.value)


def test_what_is_no_workbook_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "t.xlsx").write_bytes(b"PK\x03\x04 and more")
    with pytest.raises(PanelError, match=r"not a readable workbook .*; save the sheet as CSV"):
        sm.read_panel(tmp_path / "t.xlsx")


def test_costs_stand_in_the_same_tables(tmp_path):
    (tmp_path / "t.csv").write_text("sep=;\nGene Symbol;Cost;note\nCD3E;2.5;a\nMS4A1;1;b\n")
    assert read_costs(tmp_path / "t.csv") == {"CD3E": 2.5, "MS4A1": 1.0}


def test_costs_given_twice_count_once_where_they_agree(tmp_path):
    (tmp_path / "t.csv").write_text("gene,cost\nCD3E,2.5\nMS4A1,1\nCD3E,2.5\n")
    assert read_costs(tmp_path / "t.csv") == {"CD3E": 2.5, "MS4A1": 1.0}
    (tmp_path / "t.csv").write_text("gene,cost\nCD3E,2.5\nMS4A1,1\nCD3E,2\n")
    with pytest.raises(PanelError, match="CD3E"):
        read_costs(tmp_path / "t.csv")


@pytest.mark.parametrize("name", ["line.csv", "line.tsv", "line.txt", "blanks.txt"])
def test_no_gene_of_a_forbidden_line_is_in_the_panel(tmp_path, adata, name):
    unwanted = [f"gene{i}" for i in range(6)]
    mark = {"line.csv": ",", "line.tsv": "\t", "line.txt": ", ", "blanks.txt": " "}[name]
    (tmp_path / name).write_text(mark.join(unwanted) + "\n")
    forbidden = sm.read_panel(tmp_path / name).genes
    panel = sm.select(adata, label_key="cell_type", n_genes=8, method="discriminant", forbidden=forbidden)
    assert not set(panel.genes) & set(unwanted)


def test_blanks_around_names_are_none_of_them(adata):
    adata.var_names = [f"{name} " if i == 3 else name for i, name in enumerate(adata.var_names)]
    given = {"label_key": "cell_type", "method": "discriminant"}
    panel = sm.select(adata, n_genes=3, must_have=[" gene2", "gene3"], forbidden=["gene4 "], **given)
    assert panel.genes[:2] == ("gene2", "gene3 ")
    found = sm.evaluate(adata, [" gene1 ", "gene2", "gene3"], label_key="cell_type", unsupervised=False)
    assert found.genes == ("gene1", "gene2", "gene3 ")


def test_costs_of_a_gene_that_stands_twice_alike_count_once(tmp_path):
    from selectormlp.panel.storage import read_costs

    (tmp_path / "costs.csv").write_text("gene,cost\nCD3E,2.5\nCD3E,2.5\nMS4A1,1\n")
    assert read_costs(tmp_path / "costs.csv") == {"CD3E": 2.5, "MS4A1": 1.0}
