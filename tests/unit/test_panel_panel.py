import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from selectormlp.data.cells import Cells
from selectormlp.data.hashing import hash_cells
from selectormlp.errors import InputError, PanelError, SettingsError
from selectormlp.panel.choose import choose
from selectormlp.panel.constraints import Constraints
from selectormlp.panel.panel import Panel, extend_panel
from selectormlp.panel.provenance import Provenance
from selectormlp.versions import package_versions

GENES = pd.Index(["a", "b", "c", "d", "e"])


def test_a_panel_is_made_of_a_choice():
    rules = Constraints(must_have=("d",)).resolve(GENES)
    choice = choose(np.arange(5), rules, 3)
    scores = np.array([2.0, np.nan, 0, 1.5, 0], dtype=np.float32)
    panel = Panel.from_choice(
        choice, GENES, scores=scores, gene_ids=["E1", np.nan, "E3", "E4", "E5"], provenance=Provenance("svm", seed=3)
    )
    assert panel.genes == ("d", "a", "b")
    assert panel.reasons == ("must-have", "selected", "selected")
    assert panel.scores == (1.5, 2.0, None)
    assert panel.gene_ids == ("E4", "E1", "")
    assert panel.n_required == 1
    assert panel.nested
    assert len(panel) == 3


def test_the_frame_has_a_line_a_gene_and_leaves_absent_columns_out():
    frame = Panel(("b", "a"), scores=(None, 1.5), reasons=("selected", "must-have")).to_frame()
    assert frame.columns.tolist() == ["position", "gene", "score", "reason"]
    assert frame["gene"].tolist() == ["b", "a"]
    assert frame["position"].tolist() == [1, 2]
    assert np.isnan(frame["score"][0])
    full = Panel(("b",), gene_ids=("E",), thresholds=(0.5,)).to_frame()
    assert full.columns.tolist() == ["position", "gene", "gene_id", "score", "threshold", "reason"]


def test_head_cuts_every_column():
    panel = Panel(("a", "b", "c"), ("x", "y", "z"), (1, 2, 3), ("E1", "E2", "E3"), (0.1, 0.2, 0.3), n_required=1)
    assert panel.head(2) == Panel(("a", "b"), ("x", "y"), (1, 2), ("E1", "E2"), (0.1, 0.2), n_required=1)


@pytest.mark.parametrize("n_genes", [0, 1, 4])
def test_head_keeps_the_required_genes_and_adds_none(n_genes):
    with pytest.raises(PanelError, match=f"the first {n_genes} genes of a panel of 3 with 2 required ones; expected 2"):
        Panel(("a", "b", "c"), n_required=2).head(n_genes)


def test_head_of_a_panel_that_is_not_nested_is_refused_but_the_whole_is_not():
    panel = Panel(("a", "b", "c"), nested=False)
    assert panel.head(3) == panel
    with pytest.raises(PanelError, match="the first 2 genes of this panel are not the panel of 2"):
        panel.head(2)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"genes": ()}, "a panel without genes"),
        ({"genes": ("a", "b", "a")}, r"genes listed more than once \(1\): 'a'"),
        ({"genes": ("a", "")}, "are empty or hold characters"),
        ({"genes": ("a", "b\nc")}, "are empty or hold characters"),
        ({"genes": ("a", "b"), "reasons": ("x",)}, "1 reasons for 2 genes"),
        ({"genes": ("a", "b"), "gene_ids": ("x",)}, "1 gene_ids for 2 genes"),
        ({"genes": ("a",), "scores": (float("nan"),)}, "the scores of a panel hold NaN"),
        ({"genes": ("a",), "thresholds": (float("inf"),)}, "the thresholds of a panel hold NaN"),
        ({"genes": ("a",), "n_required": 2}, "2 required genes in a panel of 1"),
    ],
)
def test_what_is_no_panel_is_refused(columns, message):
    with pytest.raises(PanelError, match=message):
        Panel(**columns)


def test_panel_errors_are_input_errors():
    assert issubclass(PanelError, InputError)


def test_provenance_holds_what_json_holds():
    assert Provenance(settings={"layers": (1, 2)}).settings == {"layers": [1, 2]}
    assert Provenance(settings={"n": np.int64(1)}).settings == {"n": 1}
    for unusable in (float("nan"), object()):
        with pytest.raises(PanelError, match="the settings of a panel hold what JSON cannot"):
            Provenance(settings={"x": unusable})


def test_cells_are_named_once():
    with pytest.raises(PanelError, match=r"names 3 cells .* and only 2 are different"):
        Provenance(cells=("c1", "c2", "c1"))


def test_versions_name_this_package():
    assert {"python", "selectormlp", "numpy"} <= set(package_versions())


def cells(**changes):
    X = np.zeros((5000, 3), dtype=np.float32)  # more cells than are hashed at a time
    X[4999, 2], X[1, 0] = 2, -1
    labels = np.arange(5000) % 2
    given = {"X": X, "genes": GENES[:3], "names": pd.RangeIndex(5000).astype(str), "labels": labels}
    return Cells(**{**given, "classes": ("T", "B"), **changes})


def test_the_hash_is_of_values_not_of_their_form():
    whole = cells()
    stored_zero = sp.csr_array(whole.X)
    stored_zero = sp.csr_array(
        (np.append(stored_zero.data, 0), np.append(stored_zero.indices, 0), np.append(stored_zero.indptr[:-1], 3)),
        shape=whole.X.shape,
    )
    assert hash_cells(cells(X=sp.csr_array(whole.X))) == hash_cells(whole)
    assert hash_cells(cells(X=stored_zero)) == hash_cells(whole)
    assert hash_cells(cells(labels=1 - whole.labels, classes=("B", "T"))) == hash_cells(whole)
    assert hash_cells(cells(names=pd.RangeIndex(1, 5001).astype(str))) == hash_cells(whole)


def test_the_hash_is_stable_between_versions():
    tiny = Cells(np.eye(2, dtype=np.float32), GENES[:2], GENES[:2], np.array([0, -1]), ("T",))
    assert hash_cells(tiny) == "sha256:70e7566e17c89df152bb68a7227f82a4cf5c4e0d4e1d201120796d9abb2d8efd"


def test_the_hash_tells_data_apart():
    whole = cells()
    X = whole.X.copy()
    X[4999, 2] = 3
    labels = whole.labels.copy()
    labels[0] = -1
    others = [cells(X=X), cells(labels=labels), cells(genes=GENES[1:4]), cells(classes=("T", "C")), cells(X=X[:, ::-1])]
    assert len({hash_cells(other) for other in (whole, *others)}) == 6


def test_extension_keeps_the_panel_and_adds_genes_with_their_gains():
    panel = Panel(("gone", "b"), ("x", "y"), (9.0, 8.0), n_required=2, provenance=Provenance("old"))
    rules = Constraints(must_have=("e",), forbidden=("b", "c")).resolve(GENES).with_existing(panel.genes)
    gains = np.array([0.5, 8, 7, 6, 5])
    extended = extend_panel(panel, np.array([1, 2, 0, 3, 4]), gains, rules, n_new=2, provenance=Provenance("new"))
    assert extended.genes == ("gone", "b", "e", "a")
    assert extended.scores == (9, 8, 5, 0.5)
    assert extended.reasons == ("x", "y", "must-have", "added to a panel of 2")
    assert extended.n_required == 3
    assert extended.provenance.method == "new"
    assert extended.head(3).genes == ("gone", "b", "e")


def test_extension_keeps_and_looks_up_gene_ids_and_thresholds():
    panel = Panel(("gone", "b"), thresholds=(1, 2))
    rules = Constraints().resolve(GENES).with_existing(panel.genes)
    ids = ["E1", "E2", "E3", "E4", "E5"]
    given = {"n_new": 1, "provenance": Provenance("new")}
    extended = extend_panel(panel, np.arange(5), np.ones(5), rules, gene_ids=ids, **given)
    assert extended.gene_ids == ("", "E2", "E1")
    assert extended.thresholds == (1, 2, None)
    own = Panel(("gone", "b"), gene_ids=("X1", "X2"))
    assert extend_panel(own, np.arange(5), np.ones(5), rules, **given).gene_ids == ("X1", "X2", "")
    assert extend_panel(own, np.arange(5), np.ones(5), rules, gene_ids=ids, **given).gene_ids == ("X1", "X2", "E1")


def test_extension_by_a_budget_pays_for_new_genes_only():
    panel = Panel(("a", "b"))
    rules = Constraints(costs={"a": 50, "c": 3}, budget=2).resolve(GENES).with_existing(panel.genes)
    extended = extend_panel(panel, np.arange(5), np.ones(5), rules, n_new=2, provenance=Provenance("new"))
    assert extended.genes == ("a", "b", "d", "e")
    assert not extended.nested


def test_extension_by_nothing_is_refused():
    rules = Constraints().resolve(GENES).with_existing(["a"])
    with pytest.raises(SettingsError, match="0 genes to add"):
        extend_panel(Panel(("a",)), np.arange(5), np.ones(5), rules, n_new=0, provenance=Provenance())


@pytest.mark.parametrize("named_by", ["symbols", "identifiers and symbols", "identifiers alone"])
def test_a_panel_cuts_data_out_however_these_name_genes(named_by):
    symbols, ids = ["NKG7", "MS4A1", "CD3E", "GAPDH"], [f"ENSG{i:011d}" for i in range(4)]
    index = symbols if named_by == "symbols" else [f"{gene_id}.2" for gene_id in ids]
    var = pd.DataFrame({"symbol": symbols} if "and" in named_by else {}, index=index)
    adata = AnnData(np.arange(8.0).reshape(2, 4), var=var)
    panel = Panel(("CD3E", "NKG7"), gene_ids=(ids[2], ids[0]) if "alone" in named_by else None)
    assert adata[:, panel.names_in(adata)].X.tolist() == [[2, 0], [6, 4]]
    with pytest.raises(PanelError, match=r"1 of the 2 genes .* 'ABSENT'"):
        Panel(("ABSENT", symbols[0] if named_by != "identifiers alone" else f"{ids[0]}")).names_in(adata)
