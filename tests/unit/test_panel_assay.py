import numpy as np
import pytest

from selectormlp.errors import SettingsError
from selectormlp.panel.assay import ASSAYS, Assay, assumption, find_assay, make_assay
from selectormlp.panel.assay_limits import AssayLimits


def test_an_assay_comes_back_from_its_file(tmp_path):
    assay = Assay(
        name="ours",
        specificity=0.5,
        efficiency=0.4,
        gene_efficiencies={"CD3E": 2.0},
        limits=AssayLimits(max_counts=100.0, max_per_homolog_group=2),
        source="calibration",
        date="2026-11-01",
    )
    assert find_assay(str(assay.write(tmp_path / "assay.json"))) == assay
    assert find_assay(assay.model_dump(mode="json")) == assay


def test_yaml_is_read(tmp_path):
    file = tmp_path / "assay.yaml"
    file.write_text('efficiency: 0.5\nmixing: 0.1\nlimits: {min_probes: 3}\nsource: vendor\ndate: "2026-10-01"\n')
    assay = find_assay(file)
    assert (assay.efficiency, assay.mixing, assay.limits.min_probes) == (0.5, 0.1, 3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"limits": {"max_counts": 5}}, "without source and date"),
        ({"date": "yesterday"}, "year-month-day"),
        ({"background": 1.0}, "without efficiency"),
        ({"specificity": 1.5}, "specificity"),
        ({"failure": 1.0}, "failure"),
        ({"efficency": 1.0}, "efficiency"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(values, message):
    with pytest.raises(SettingsError, match=message) as found:
        make_assay(**values)
    assert "\n" not in str(found.value)


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(SettingsError, match="'imaging'"):
        find_assay("imagin")
    assert find_assay(ASSAYS["imaging"]) is ASSAYS["imaging"]


def test_efficiencies_of_genes_need_names():
    assay = Assay(efficiency=1.0, gene_efficiencies={"b": 3.0})
    np.testing.assert_array_equal(assay.measurement(["a", "b"]).gene_efficiency, [1.0, 3.0])
    with pytest.raises(SettingsError, match="no names"):
        assay.measurement()


def test_a_sentence_says_what_a_panel_assumes():
    assert "measurement by the technology of the data" in assumption("sequencing")
    assert "--assay imaging" in assumption("sequencing")
    for assay in ("imaging", Assay(name="own", failure=0.1)):
        said = assumption(assay)
        assert f"another technology (assay {find_assay(assay).name!r})" in said
        assert said.endswith("use assay 'sequencing'")
