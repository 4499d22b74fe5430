"""Promise: names may hold anything; no table has a formula of theirs, no page a script, no line an escape code."""

import csv
import re

import numpy as np
import pandas as pd
import pytest

from selectormlp.panel.gene_rows import FORMULA_STARTS

GENES = [
    "=1+1",
    "@SUM(A1)",
    '+HYPERLINK("http://x")',
    "-2",
    "[red]red",
    "<script>alert(1)</script>",
    "＝wide",
    "'=1",
]
TYPES = ["=cmd|' /C calc'!A0", "\x1b]0;title\x07T", "<script>alert(2)</script>", "@type"]
KEY = ("--label-key", "=kind", "--quiet")
QUICK = ("--splits", "2", "--stability", "0", "--no-robustness")
PANEL = ("--panel", "out/panel.json")
COMMANDS = {
    "select": ("select", "cells.h5ad", *KEY, "--method", "discriminant", "--size", "8", "--out", "out"),
    "explain": ("explain", "cells.h5ad", *KEY, *PANEL, "--out", "explained"),
    "evaluate": ("evaluate", "cells.h5ad", *KEY, *PANEL, "--splits", "2", "--out", "scores", "--model", "clf"),
    "predict": ("predict", "cells.h5ad", "--model", "clf", "--out", "predicted"),
    "report": ("report", "cells.h5ad", *KEY, *PANEL, *QUICK, "--out", "page"),
    "inspect": ("inspect", "cells.h5ad", "--label-key", "=kind"),
}


@pytest.fixture
def evil(tmp_path, make_adata):
    cells = make_adata(n_genes=12)
    cells.var_names = [*GENES, "A", "B", "C", "D"]
    types = np.array(TYPES)[np.arange(cells.n_obs) % 4]
    cells.obs = pd.DataFrame({"=kind": types, "\x1b[1mbold": "x"}, index=[f"=cell{i}" for i in range(cells.n_obs)])
    cells.write_h5ad(tmp_path / "cells.h5ad")


def is_formula(cell):
    return cell.startswith(tuple(FORMULA_STARTS)) and not re.fullmatch(r"[-+]?(\d+\.?\d*(e[-+]?\d+)?|inf)", cell)


def test_names_that_are_formulas_scripts_and_escapes_stay_names(evil, cli, tmp_path):
    for name, words in COMMANDS.items():
        outcome = cli(*words)
        assert outcome.code == 0, (name, outcome.err)
        for text in (outcome.out, outcome.err):
            assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text.replace("\r", "")), (name, text)
    tables = sorted(tmp_path.rglob("*.csv"))
    assert len(tables) > 5
    for table in tables:
        with table.open(encoding="utf-8", newline="") as stream:
            cells = [cell for row in csv.reader(stream) for cell in row]
        assert [cell for cell in cells if is_formula(cell)] == [], table
    page = next((tmp_path / "page").glob("*.html")).read_text(encoding="utf-8")
    assert "<script>alert" not in page
