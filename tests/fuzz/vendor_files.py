"""Small files as vendors write them, for the fuzzer: what writes one into a folder, and ways to change it."""

import gzip
import io
import json

import openpyxl

from fuzz import mutate

TARGETS = [
    {
        "type": {"descriptor": "gene", "data": {"name": name, "id": f"ENSG{number}"}},
        "codewords": [number],
        "info": {"gene_coverage": 3},
        "source": {"category": "base", "identity": {"name": "brain"}},
    }
    for number, name in enumerate(["CD3E", "MS4A1", "LYZ"])
]
FASTA = ">ENSG1|CD3E|1\nACGT\n>ENSG1|CD3E|2\nACGT\n>ENSG2|MS4A1|1\nAC\n"
CODEBOOK = "name,id,barcodeType,bit1,bit2\nCD3E,ENSG1,merfish,1,0\nBlank-1,,merfish,0,1\n"
CELLS = f"cell,{','.join(f'g{i}' for i in range(12))}\n1{',0' * 12}\n2{',3' * 12}\n"


def file_of(name, content):
    def write(folder):
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return folder / name

    return write


def workbook():
    book, stream = openpyxl.Workbook(), io.BytesIO()
    for row in (["gene", "n_probes"], ["CD3E", 9], ["MS4A1", 41]):
        book.active.append(row)
    book.save(stream)
    return stream.getvalue()


VENDOR_FILES = (
    ("Xenium", file_of("gene_panel.json", json.dumps({"payload": {"targets": TARGETS}})), mutate.mutate_json),
    ("FASTA", file_of("probes.fasta", FASTA)),
    ("codebook", file_of("codebook.csv", CODEBOOK)),
    ("cells", file_of("cell_by_gene.csv", CELLS)),
    ("gzip", file_of("probes.fasta.gz", gzip.compress(FASTA.encode(), mtime=0))),
    ("workbook", file_of("genes.xlsx", workbook()), mutate.mutate_zip),
)
