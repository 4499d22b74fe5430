"""Several data sets with their own genes and labels, made one: in memory and on disk."""

import json

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import selectormlp as sm
from selectormlp.data.common_labels import common_labels
from selectormlp.data.orthologs import Orthologs, ortholog_pairs
from selectormlp.data.set_tables import set_names
from selectormlp.errors import DataError, SettingsError

KEY = {"label_key": "cell_type", "method": "discriminant", "n_genes": 6}
MAP = {
    "a": {f"type {one}": one for one in "ABCD"},
    "b": {f"kind {one}": one for one in "ABCD"},
}


@pytest.fixture
def sets(make_adata):
    """Two data sets: the second has the labels and the order of genes of its own, and ten genes more."""
    first, second = make_adata(seed=1), make_adata(n_genes=40, seed=2)
    second.obs_names = [f"other {name}" for name in second.obs_names]
    return {"a": first, "b": second[:, ::-1].copy()}


def renamed(sets):
    sets["b"].obs["kind"] = [label.replace("type", "kind") for label in sets["b"].obs["cell_type"]]
    del sets["b"].obs["cell_type"]
    return {"label_map": MAP, "label_keys": {"b": "kind"}}


@pytest.fixture
def written(tmp_path):
    """Write data sets to h5ad files named by them."""

    def write(sets):
        for name, adata in sets.items():
            adata.write_h5ad(tmp_path / f"{name}.h5ad")
        return [tmp_path / f"{name}.h5ad" for name in sets]

    return write


# --- names


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["lung.h5ad", "lung.zarr"], None),
        (["x/lung.h5ad", "y/lung.h5ad"], ("x/lung", "y/lung")),
        (["x/s/lung.h5ad", "y/s/lung.h5ad"], ("x/s/lung", "y/s/lung")),
        (["lung.v2.h5ad.gz", "heart"], ("lung.v2", "heart")),
    ],
)
def test_data_sets_are_named_by_files(tmp_path, files, names):
    found = set_names([tmp_path / file for file in files])
    assert len(set(found)) == 2
    assert names is None or found == names


def test_a_file_that_is_named_twice_counts_twice(tmp_path, said):
    assert set_names([tmp_path / "a.h5ad"] * 2) == ("a", "a (2)")
    assert "is named twice, so its cells count twice" in said()


# --- genes in common, labels by a map


def test_memory_disk_and_one_object_give_one_panel(sets, written):
    asked = renamed(sets)
    joined = sm.read_sets(sets, label_key="cell_type", **asked)
    assert joined.shape == (400, 30)
    assert joined.obs["data_set"].value_counts().to_dict() == {"a": 200, "b": 200}
    assert list(joined.obs["cell_type"].cat.categories) == list("ABCD")
    expected = sm.select(joined, **KEY, batch_key="data_set")
    for given in (sets, written(sets), {"a": written(sets)[0], "b": written(sets)[1]}):
        found = sm.select(given, **KEY, **asked)
        assert found.genes == expected.genes
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)


@pytest.mark.parametrize("on_disk", [False, True])
def test_the_order_of_data_sets_does_not_matter(make_adata, written, on_disk):
    many = {name: make_adata(seed=seed, n_cells=60) for seed, name in enumerate("abc")}
    for seed, adata in enumerate(many.values()):
        order = np.random.default_rng(seed).permutation(adata.n_vars)
        many["abc"[seed]] = adata[:, order].copy()
    given = written(many) if on_disk else list(many.values())
    panels = [sm.select([given[place] for place in order], **KEY) for order in [(0, 1, 2), (2, 0, 1), (1, 2, 0)]]
    assert panels[0].genes == panels[1].genes == panels[2].genes
    for panel in panels[1:]:  # objects in a list are named by their place, and batches summed in the order of names
        np.testing.assert_allclose(panel.scores, panels[0].scores, rtol=1e-9)
    if not on_disk:
        forward, backward = (sm.select(dict(items), **KEY) for items in (many.items(), reversed(many.items())))
        assert forward.scores == backward.scores


def test_data_sets_are_not_altered(sets):
    asked = renamed(sets)
    before = {name: adata.copy() for name, adata in sets.items()}
    sm.select(sets, **KEY, **asked)
    for name, adata in sets.items():
        assert adata.obs.equals(before[name].obs)
        assert adata.var.equals(before[name].var)
        assert (adata.X != before[name].X).nnz == 0
        assert list(adata.uns) == list(before[name].uns)


def test_each_cell_is_normalised_by_its_own_counts(sets):
    deep = sets["b"].copy()
    deep.X = deep.X * 7
    plain, scaled = (sm.select({"a": sets["a"], "b": b}, **KEY) for b in (sets["b"], deep))
    assert plain.genes == scaled.genes
    np.testing.assert_allclose(plain.scores, scaled.scores, rtol=1e-5)


def test_what_each_brings_is_logged_and_recorded(sets, said):
    sets["b"] = sets["b"][sets["b"].obs["cell_type"] != "type D"].copy()
    panel = sm.select(sets, **KEY)
    assert "2 data sets: 350 cells × 30 genes, 4 types" in said()
    assert "b: 150 cells, 30 of its 40 genes, 3 types" in said()
    assert "'type D' is in 1 of 2 data sets: 'a'" in said()
    record = panel.provenance.settings["data_sets"]
    assert record["b"] == {
        "cells": 150,
        "genes": 40,
        "genes_taken": 30,
        "types": {"type A": 50, "type B": 50, "type C": 50},
    }


def test_a_label_without_a_common_type_is_left_out(sets, said):
    asked = renamed(sets)
    asked["label_map"] = {**MAP, "b": {**MAP["b"], "kind D": ""}}
    panel = sm.select(sets, **KEY, **asked)
    assert len(panel.provenance.cells) == 350
    assert "b: 50 cells without a common type: left out" in said()


def test_one_line_may_stand_for_all_data_sets(sets):
    joined = sm.read_sets(sets, label_key="cell_type", label_map={"*": MAP["a"], "b": {"type D": "A"}})
    assert joined.obs["cell_type"].value_counts().to_dict() == {"A": 150, "B": 100, "C": 100, "D": 50}


def test_scaled_data_are_read_from_raw_and_layers_by_name(sets):
    scaled = sets["b"].copy()
    scaled.raw = sets["b"]
    scaled.X = scaled.X.toarray() - 1
    expected = sm.select(sets, **KEY)
    assert sm.select({"a": sets["a"], "b": scaled}, **KEY).genes == expected.genes
    for adata in (sets["a"], scaled):
        adata.layers["counts"] = (adata if adata.raw is None else adata.raw).X
        adata.X = -adata.layers["counts"]
    assert sm.select(sets | {"b": scaled}, **KEY, layer="counts").genes == expected.genes


def test_methods_without_labels_and_auto_work_on_several(sets):
    assert len(sm.select(sets, label_key=None, n_genes=4, method="variance")) == 4
    assert len(sm.select(sets, label_key="cell_type", n_genes=4, donor_key="data_set")) == 4


# --- names of genes


def test_identifiers_of_one_data_set_are_turned_to_its_symbols(sets, said):
    expected = sm.select(sets, **KEY)
    other = sets["b"].copy()
    other.var["symbol"] = other.var_names
    other.var_names = [f"ENSG{number:011d}" for number in range(other.n_vars)]
    assert sm.select({"a": sets["a"], "b": other}, **KEY).genes == expected.genes
    assert "symbols are taken from a column of var" in said()
    del other.var["symbol"]
    with pytest.raises(DataError, match=r"'b' names genes by identifiers .* 'a' by symbols .* add a column of symbols"):
        sm.select({"a": sets["a"], "b": other}, **KEY)


def test_orthologs_rename_genes_of_the_other_species(sets, written, said):
    expected = sm.select(sets, **KEY)
    mouse = sets["b"].copy()
    mouse.var_names = [name.replace("gene", "Mouse") for name in mouse.var_names]
    pairs = [(f"Mouse{i}", f"gene{i}") for i in range(40)]
    both = {"a": sets["a"], "b": mouse}
    for given in (both, written(both)):
        assert sm.select(given, **KEY, orthologs=pairs).genes == expected.genes
    assert "b: 40 of its 40 genes have one ortholog" in said()
    lost = expected.genes[0]
    number = lost.removeprefix("gene")
    few = sm.select(both, **KEY, orthologs=[*pairs, (f"Mouse{number}", "gene0a"), ("Mouse99", lost)])
    assert lost not in few.genes
    assert "3 pairs of orthologs left out, in which a gene has several partners; 39 kept" in said()


@pytest.mark.parametrize(
    ("pairs", "kept"),
    [
        ([("a", "A"), ("b", "B")], {"a": "A", "b": "B"}),
        ([("a", "A"), ("a", "A")], {"a": "A"}),
        ([("a", "A"), ("a", "B"), ("c", "C")], {"c": "C"}),
        ([("a", "A"), ("b", "A"), ("c", "C")], {"c": "C"}),
        ([("a", "A"), ("a", "B"), ("b", "A"), ("b", "B")], {}),
    ],
)
def test_only_pairs_that_are_one_to_one_are_kept(pairs, kept):
    found = Orthologs.of(ortholog_pairs(pairs))
    assert found.to == kept
    assert found.n_left_out == len(set(pairs)) - len(kept)


# --- what does not fit is refused in one line


def without(sets, change):
    change(sets)
    return sets


@pytest.mark.parametrize(
    ("change", "asked", "message"),
    [
        (lambda s: None, {"label_map": {"a": MAP["a"]}}, "no line for these data sets: 'b'; add a line"),
        (lambda s: None, {"label_map": {**MAP, "c": {}}}, "names the data set 'c'; there are: 'a', 'b'"),
        (lambda s: None, {"label_map": {"*": {"type A": "A"}}}, "does not name 3 labels of the data set 'a': 'type B'"),
        (lambda s: s["b"].obs.pop("cell_type"), {}, "no label column 'cell_type' in obs of the data set 'b'"),
        (lambda s: None, {"label_keys": {"c": "kind"}}, "label_keys names the data set 'c'; there are: 'a', 'b'"),
        (lambda s: setattr(s["b"], "X", sp.csr_matrix(np.log1p(s["b"].X))), {}, r"some data sets hold counts \('a'\)"),
        (lambda s: setattr(s["b"], "var_names", [f"G{i}" for i in range(40)]), {}, "no gene is in all 2 files"),
        (lambda s: None, {"orthologs": {"x": "y"}}, "the table of orthologs names more genes .* swap the columns"),
        (lambda s: setattr(s["b"], "X", -s["b"].X), {}, "data set 'b': X holds .* negative value"),
        (lambda s: None, {"join_genes": "both"}, "join_genes is 'both'; expected"),
        (lambda s: None, {"target_layer": "counts"}, "target_layer"),
        (lambda s: None, {"label_key": None, "method": "variance", "label_map": MAP}, "a label map needs labels"),
    ],
    ids=lambda value: None,
)
def test_data_sets_that_do_not_fit_are_refused(sets, change, asked, message):
    with pytest.raises((DataError, SettingsError), match=message) as caught:
        sm.select(without(sets, change), **{**KEY, **asked})
    assert "\n" not in str(caught.value)


def test_files_that_do_not_fit_are_refused(sets, written):
    sets["b"].obs.pop("cell_type")
    with pytest.raises(DataError, match="data set 'b': no label column 'cell_type' in obs"):
        sm.select(written(sets), **KEY)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data,label\na,x\n", "the header is 'data,label'; expected the columns data, label and common"),
        ("data,label,common\na,x,A\na,x,B\n", "gives 'x' of 'a' two common types"),
        ("data,label,common\na,,A\n", "a line of 'a' without a label"),
        ("data,label,common\na,x,A,B\n", "has 4 cells below a header of 3"),
        ("", "the header is ''"),
    ],
    ids=["no common", "two types", "no label", "too wide", "empty"],
)
def test_a_table_of_labels_that_is_not_usable_is_refused(tmp_path, text, message):
    place = tmp_path / "map.csv"
    place.write_text(text)
    with pytest.raises(SettingsError, match=message):
        common_labels(place)


@pytest.mark.parametrize(
    "given", [3, [("a", "b", "c")], pd.DataFrame({"data": ["a"]})], ids=["number", "list", "frame"]
)
def test_a_label_map_of_another_kind_is_refused(given):
    with pytest.raises(SettingsError, match="expected"):
        common_labels(given)


# --- genes that some data sets lack


@pytest.fixture
def halves(make_adata):
    """The same cells' genes in two data sets, of which each lacks ten; and both whole."""
    whole = {"a": make_adata(seed=1, n_cells=400), "b": make_adata(seed=2, n_cells=400)}
    return whole, {"a": whole["a"][:, :20].copy(), "b": whole["b"][:, 10:].copy()}


def test_a_union_of_data_sets_with_the_same_genes_is_their_intersection(halves, written):
    whole, _ = halves
    expected = sm.select(whole, **KEY)
    for given in (whole, written(whole)):
        found = sm.select(given, **KEY, join_genes="union")
        assert found.genes == expected.genes
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)


def test_a_union_has_genes_of_either(halves, written, said):
    _, parts = halves
    given = {**KEY, "n_genes": 20, "join_genes": "union"}
    panel = sm.select(parts, **given)
    own = [{f"gene{i}" for i in range(10)}, {f"gene{i}" for i in range(20, 30)}]
    assert all(names & set(panel.genes) for names in own)
    assert "100 pairs of genes were never measured together: their covariance is taken for 0" in said()
    on_disk = sm.select(written(parts), **given)
    assert on_disk.genes == panel.genes
    np.testing.assert_allclose(on_disk.scores, panel.scores, rtol=1e-6)


def test_auto_leaves_a_union_to_the_discriminant(halves, said):
    _, parts = halves
    found = sm.select(parts, label_key="cell_type", n_genes=6, join_genes="union")
    assert found.genes == sm.select(parts, **KEY, join_genes="union").genes
    assert "'discriminant' chooses instead" in said()


def test_a_type_of_one_data_set_is_told_by_the_genes_measured_there(halves):
    _, parts = halves
    parts["a"] = parts["a"][parts["a"].obs["cell_type"] != "type D"].copy()
    panel = sm.select(parts, **{**KEY, "n_genes": 4}, join_genes="union", candidates=[f"gene{i}" for i in range(11)])
    assert len(panel) == 4  # genes 0 to 9 say nothing of type D, and are chosen for the others


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"method": "markers"}, "the method 'markers' needs every gene in every data set"),
        ({"method": "reconstruction"}, "use 'discriminant', 'discriminant-bhattacharyya'"),
        ({"min_markers_per_type": 1}, "a minimum of markers per type needs every gene"),
        ({"max_counts": 5.0}, "limits in counts needs? every gene"),
        ({"assay": "imaging"}, "an assay needs every gene"),
        ({"price": True}, "the price of constraints needs every gene"),
    ],
    ids=lambda value: None,
)
def test_what_needs_every_gene_is_refused(halves, asked, message):
    _, parts = halves
    with pytest.raises(SettingsError, match=message):
        sm.select(parts, **{**KEY, **asked}, join_genes="union")


def test_bounds_on_means_are_of_the_cells_measured(halves):
    _, parts = halves
    given = {**KEY, "n_genes": 3, "join_genes": "union"}
    normalised = parts["a"].X.toarray()
    normalised = np.log1p(normalised / normalised.sum(axis=1, keepdims=True) * 1e4)
    lowest = float(normalised[:, :10].mean(axis=0).min())
    panel = sm.select(
        parts, **given, min_mean=lowest - 1e-3, must_have=[f"gene{normalised[:, :10].mean(axis=0).argmin()}"]
    )
    assert len(panel) == 3


# --- the command


def test_the_command_joins_files_and_repeats_it(sets, written, cli, tmp_path):
    asked = renamed(sets)
    files = written(sets)
    rows = [f"{data},{label},{common}" for data, labels in MAP.items() for label, common in labels.items()]
    (tmp_path / "labels.csv").write_text("data,label,common\n" + "\n".join(rows) + "\n")
    flags = ["--label-key", "cell_type", "--size", 5, "--method", "discriminant", "--label-map", "labels.csv"]
    flags += ["--label-key-of", "b=kind"]
    for name, more in [("memory", []), ("disk", ["--lazy"])]:
        done = cli("select", *files, *flags, *more, "--out", name)
        assert done.code == 0, done.err
        assert "2 data sets: 400 cells × 30 genes, 4 types" in done.err
        (tmp_path / "labels.csv").rename(tmp_path / "moved.csv")
        assert cli("rerun", name).code == 0
        (tmp_path / "moved.csv").rename(tmp_path / "labels.csv")
    lists = {(tmp_path / name / "genes.txt").read_text() for name in ("memory", "disk", "memory_rerun", "disk_rerun")}
    assert len(lists) == 1
    expected = sm.select(sets, **{**KEY, "n_genes": 5}, **asked)
    assert lists.pop().split() == list(expected.genes)
    kept = json.loads((tmp_path / "disk" / "settings.json").read_text())
    assert (kept["label_keys"], kept["label_map"]["b"]["kind A"]) == ({"b": "kind"}, "A")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--label-key-of", "b"], "expected the form DATA=COLUMN"),
        (["--label-map", "absent.csv"], "'absent.csv': cannot be read (No such file or directory)"),
        (["--orthologs", "absent.csv"], "'absent.csv': cannot be read (No such file or directory)"),
    ],
    ids=["key", "map", "orthologs"],
)
def test_flags_that_do_not_fit_are_refused(sets, written, cli, tmp_path, flags, message):
    done = cli("select", *written(sets), "--label-key", "cell_type", "--size", 5, "--out", "out", *flags)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert not (tmp_path / "out").exists()


def test_extend_adds_genes_over_several_data_sets(sets):
    panel = sm.extend(sets, ["gene3"], label_key="cell_type", n_new=3, method="discriminant")
    assert panel.genes[0] == "gene3"
    assert len(panel) == 4


def test_a_single_data_set_takes_a_label_map_too(sets):
    found = sm.select(sets["a"], **KEY, label_map={"*": MAP["a"]})
    assert found.genes == sm.select(sets["a"], **KEY).genes


def test_mixed_objects_and_files_are_read(sets, written):
    files = written(sets)
    found = sm.select({"a": sets["a"], "b": files[1]}, **KEY)
    assert found.genes == sm.select(sets, **KEY).genes


def test_no_data_set_is_refused():
    for nothing in ([], {}):
        with pytest.raises(DataError, match=r"no file is named|no data set is given|AnnData"):
            sm.select(nothing, **KEY)


def test_joined_values_are_as_they_were(sets):
    joined = sm.read_sets(sets, label_key="cell_type", join_genes="union")
    assert isinstance(joined, anndata.AnnData)
    assert joined.shape == (400, 40)
    part = joined[joined.obs["data_set"] == "b"]
    np.testing.assert_array_equal(part.X.toarray(), sets["b"][:, joined.var_names].X.toarray())
    assert joined[joined.obs["data_set"] == "a", "gene35"].X.sum() == 0
