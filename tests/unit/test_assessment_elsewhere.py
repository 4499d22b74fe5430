"""A panel on real cells of another technology: matching, scoring, and what is refused."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import selectormlp as sm
from selectormlp.assessment.label_map import read_label_map
from selectormlp.errors import DataError, InputError, SettingsError

WAYS = ["refitted", "transferred", "transferred, standardised"]
MAP = "side,cell_type,common\n" + "".join(
    f"scrna,type {letter},{letter}\nimaging,img {letter},{letter}\n" for letter in "ABC"
)


@pytest.fixture
def sides(make_adata, tmp_path):
    """Cells, and other cells that another technology saw: other label names, gains by gene, fewer genes."""
    reference, measured = make_adata(), make_adata(seed=5)
    measured = measured[:, [f"gene{i}" for i in range(20)]].copy()
    gains = np.exp(np.linspace(-1, 1, 20))
    measured.X = sp.csr_matrix(np.random.default_rng(0).poisson(measured.X.toarray() * gains).astype(np.float32))
    measured.obs["kind"] = measured.obs.pop("cell_type").astype(str).str.replace("type", "img")
    (tmp_path / "map.csv").write_text(MAP)
    return reference, measured, tmp_path / "map.csv"


def evaluate(sides, panel=("gene0", "gene1", "gene2", "gene3", "gene25"), **given):
    reference, measured, labels = sides
    settings = {"measured_label_key": "kind", "label_map": labels, "measured": measured, **given}
    return sm.evaluate(reference, list(panel), label_key="cell_type", n_splits=2, unsupervised=False, **settings)


def test_the_panel_is_scored_refitted_and_transferred_on_shared_genes_and_types(sides):
    found = evaluate(sides).elsewhere
    assert found.genes == ("gene0", "gene1", "gene2", "gene3")
    assert found.classes == ("A", "B", "C")
    assert (found.n_reference, found.n_measured) == (150, 150)
    assert [curve.name for curve in found.curves] == WAYS
    table = found.to_frame().query("metric == 'balanced_accuracy'").set_index("way")["value"]
    assert (table[WAYS] > 0.5).all()  # of three types
    assert any("gene25" in note for note in found.notes)
    assert any("50 cells of the reference and 50 measured" in note for note in found.notes)
    frame = found.class_frame()
    assert frame.groupby("way")["n_cells"].sum().tolist() == [150, 150, 150]


def test_the_same_cells_on_both_sides_transfer_as_they_fit(make_adata):
    cells = make_adata(n_cells=400)
    found = sm.evaluate(
        cells, ["gene0", "gene1", "gene2", "gene3"], label_key="cell_type", measured=cells, unsupervised=False
    ).elsewhere
    refitted, transferred, standardised = (curve.balanced_accuracy.value[-1] for curve in found.curves)
    assert transferred == standardised  # logistic regression standardises by itself, and both sides are the same
    assert transferred == pytest.approx(refitted, abs=0.05)


def test_standardising_takes_out_gains_of_genes(sides):
    reference, measured, labels = sides
    panel = [f"gene{i}" for i in range(20)]
    strong = measured.copy()
    strong.X = sp.csr_matrix(np.rint(strong.X.toarray() * np.exp(3 * np.sin(np.arange(20)))).astype(np.float32))
    found = evaluate((reference, strong, labels), panel).elsewhere
    _, transferred, standardised = (curve.balanced_accuracy.value[-1] for curve in found.curves)
    assert standardised > transferred + 0.02


def test_shuffled_measured_labels_give_chance(sides):
    reference, measured, labels = sides
    measured.obs["kind"] = np.random.default_rng(0).permutation(measured.obs["kind"])
    found = evaluate((reference, measured, labels)).elsewhere
    for curve in found.curves:
        assert abs(curve.balanced_accuracy.value[-1] - 1 / 3) < 0.15


def test_a_map_without_sides_holds_for_both(tmp_path):
    file = tmp_path / "map.tsv"
    file.write_text("\ufeffCell_type\tcommon\r\nT1\tT\r\nT2\tT\r\nB\t\r\n", encoding="utf-8")
    found = read_label_map(file)
    assert found.reference == found.measured == {"T1": "T", "T2": "T", "B": ""}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the header is ''; expected the columns cell_type and common"),
        ("a,b\n1,2\n", "the header is 'a,b'"),
        ("side,cell_type,common\nleft,T,T\n", "side is 'left'; expected"),
        ("cell_type,common\nT,A\nT,B\n", "'T' has two common types"),
        ("cell_type,common\n,A\n", "a line has no cell_type"),
        ("cell_type,common\nT,A,B\n", "has 3 cells below a header of 2"),
        ('cell_type,common\n"T,A\n', "not a readable table"),
    ],
)
def test_maps_that_make_no_sense_are_refused(tmp_path, text, message):
    (tmp_path / "map.csv").write_text(text)
    with pytest.raises(SettingsError, match=message) as caught:
        read_label_map(tmp_path / "map.csv")
    assert "\n" not in str(caught.value)
    assert "map.csv" in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00cell", None])
def test_maps_that_are_no_text_or_absent_are_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "map.csv").write_bytes(content)
    with pytest.raises(SettingsError, match=r"map\.csv"):
        read_label_map(tmp_path / "map.csv")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"measured_label_key": "kinds"}, "the measured cells: .*kinds"),
        ({"measured_label_key": None}, "name their label column as measured_label_key"),
        ({"label_map": None}, "0 types have 10 cells or more on both sides"),
        ({"measured": None}, "are given without measured cells"),
        ({"panel": ["gene25", "gene26"]}, "can be found"),
    ],
)
def test_what_cannot_be_matched_is_refused_in_one_line(sides, given, message):
    with pytest.raises(InputError, match=message) as caught:
        evaluate(sides, **given)
    assert "\n" not in str(caught.value)


def test_values_that_are_no_counts_are_refused(sides):
    reference, measured, labels = sides
    scaled = ad.AnnData(np.random.default_rng(0).uniform(0, 4, measured.shape), obs=measured.obs, var=measured.var)
    with pytest.raises(DataError, match="compared by counts"):
        evaluate((reference, scaled, labels))
    scaled.layers["counts"] = measured.X
    assert evaluate((reference, scaled, labels), measured_layer="counts").elsewhere is not None


def test_an_assay_is_learned_and_serves_as_a_file(sides, tmp_path):
    reference, measured, labels = sides
    found = sm.learn_assay(
        reference, measured, label_key="cell_type", measured_label_key="kind", label_map=labels, name="mine"
    )
    assert isinstance(found, sm.Calibration)
    gains = np.linspace(-1, 1, 20)[[int(gene[4:]) for gene in found.genes]]
    assert np.corrcoef(found.log_efficiency, gains)[0, 1] > 0.9
    found.assay.write(tmp_path / "assay.json")
    by_file, by_model = (
        sm.select(reference, label_key="cell_type", n_genes=4, method="discriminant", assay=assay)
        for assay in (str(tmp_path / "assay.json"), found.assay)
    )
    assert by_file.genes == by_model.genes
    few = reference[:, [f"gene{i}" for i in range(5)]].copy()
    with pytest.raises(DataError, match="8 are needed"):
        sm.learn_assay(few, measured, label_key="cell_type", measured_label_key="kind", label_map=labels)


def test_harsh_robustness_names_the_worst_probe_and_an_assay_is_simulated(adata):
    panel = ["gene4", "gene8", "gene1", "gene5", "gene2"]  # two genes mark each of the first two types, one the third
    found = sm.evaluate(
        adata,
        panel,
        label_key="cell_type",
        n_splits=2,
        unsupervised=False,
        harsh=True,
        assay=sm.Assay(name="mine", efficiency=0.05),
    )
    kinds = [(one.kind, one.level) for one in found.robustness.disturbances]
    assert ("mixed with another cell", 0.2) in kinds
    assert ("probes failed", 0.02) in kinds
    assert [len(one.accuracy) for one in found.robustness.disturbances if one.kind == "probes failed"] == [20, 20]
    probes = found.robustness.probes
    assert probes.genes[int(np.argmin(probes.refitted))] == "gene2"  # without it, two types look alike
    assert probes.to_frame()["gene"][0] == probes.genes[probes.worst]
    assert probes.masked[probes.worst] < probes.whole - 0.1
    table = found.as_measured.to_frame().set_index("way")["balanced_accuracy"]
    assert table["as sequenced"] > table["as measured, refitted"] + 0.03
    again = sm.robustness(adata, panel, label_key="cell_type", n_splits=2, harsh=True)
    pd.testing.assert_frame_equal(again.to_frame(), found.robustness.to_frame())
    pd.testing.assert_frame_equal(again.probes.to_frame(), probes.to_frame())


def test_an_assay_cannot_be_simulated_without_counts_and_the_result_says_so(adata):
    adata.X = np.random.default_rng(0).uniform(0, 4, adata.shape)
    found = sm.evaluate(
        adata, ["gene0", "gene1"], label_key="cell_type", n_splits=2, unsupervised=False, assay="imaging"
    )
    assert found.as_measured is None
    assert any("could not be measured: the values are neither counts" in note for note in found.notes)


def test_an_unknown_assay_is_refused_before_the_long_part(adata):
    with pytest.raises(SettingsError, match="'imaginh'; did you mean 'imaging'"):
        sm.evaluate(adata, ["gene0"], label_key="cell_type", assay="imaginh")
