import numpy as np
import pandas as pd
import pytest

from selectormlp.errors import SettingsError
from selectormlp.panel.assay_limits import AssayLimits
from selectormlp.panel.limit_use import LimitUse, uses_of
from selectormlp.panel.names import GeneNames
from selectormlp.panel.physics import TypeCounts, exclusions, limit_rows
from selectormlp.panel.presets import FAMILIES, in_family
from selectormlp.panel.provenance import Provenance
from selectormlp.panel.quotas import Quota, quota_limits, quotas_of

FACTS = {
    "length_nt": pd.Series([700.0, 699.0, np.nan]),
    "n_probes": pd.Series([5.0, 8.0, 4.0]),
    "codewords": pd.Series([1.0, 3.0, np.nan]),
    "homolog_group": pd.Series(["a", "a", None]),
}
COUNTS = TypeCounts(
    ("T", "B"),
    np.array([[1.0, 4.0, 0.0], [0.5, 0.0, 0.1]]),
    np.array([[2.0, 9.0, 0.0], [1.0, 0.0, 0.2]]),
    np.array([0.75, 0.25]),
)


def test_short_transcripts_and_unknown_ones_are_kept_out():
    found = exclusions(AssayLimits(min_length_nt=700), FACTS, None, 3)
    assert {name: mask.tolist() for name, mask in found.items()} == {
        "transcript length below 700": [False, True, False],
        "transcript length unknown": [False, False, True],
    }


def test_genes_too_bright_or_too_dim_everywhere_are_kept_out():
    found = exclusions(AssayLimits(max_gene_counts=3, min_gene_counts=0.5), {}, COUNTS, 3)
    assert found["above 3 counts per cell in a type"].tolist() == [False, True, False]
    assert found["below 0.5 counts per cell in every type"].tolist() == [False, False, True]


def test_a_gene_of_unknown_codewords_counts_as_the_largest_known():
    (row,) = limit_rows(AssayLimits(max_codewords=4), FACTS, None, 3)
    assert row.amounts.tolist() == [1, 3, 3]
    assert str(row) == "codewords at most 4"


def test_only_homolog_groups_larger_than_the_limit_bind():
    rows = limit_rows(AssayLimits(max_per_homolog_group=1), FACTS, None, 3)
    assert [(row.name, row.amounts.tolist(), row.high) for row in rows] == [
        ("genes of homolog group 'a'", [1, 1, 0], 1)
    ]


def test_crowding_is_of_the_densest_cells_by_type_and_of_all_cells_in_the_whole():
    limits = AssayLimits(max_counts_per_type=5, max_counts=2, crowding_quantile=0.9)
    rows = limit_rows(limits, {}, COUNTS, 3)
    assert [row.name for row in rows] == [
        "counts per cell in the densest cells of 'T'",
        "counts per cell in the densest cells of 'B'",
        "counts per cell over all cells",
    ]
    np.testing.assert_allclose(rows[0].amounts, [2, 9, 0])
    np.testing.assert_allclose(rows[2].amounts, [0.75 * 1 + 0.25 * 0.5, 3, 0.025])


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"min_probes": -1}, "min_probes is -1; expected a number from 0 up"),
        ({"max_counts": float("nan")}, "max_counts is nan"),
        ({"crowding_quantile": 1.0}, "crowding_quantile is 1.0; expected a number from 0, below 1"),
    ],
)
def test_limits_out_of_range_are_refused(limits, message):
    with pytest.raises(SettingsError, match=message):
        AssayLimits(**limits)


def test_limits_in_counts_need_counts_and_others_their_column():
    with pytest.raises(SettingsError, match="need raw counts"):
        limit_rows(AssayLimits(max_counts=1), {}, None, 3)
    with pytest.raises(SettingsError, match="'min_probes' cannot be kept without 'n_probes' in the gene table"):
        exclusions(AssayLimits(min_probes=1), {"length_nt": FACTS["length_nt"]}, None, 3)


NAMES = GeneNames(pd.Index(["CD3E", "IL2", "IL2RA", "MS4A1"]))


def test_sets_bound_their_members_and_some_come_together():
    sets = {
        "T": ["CD3E", "ABSENT"],
        "few": {"genes": ["IL2", "MS4A1"], "max": 1},
        "pair": {"genes": ["IL2", "IL2RA"], "together": True},
        "broken": {"genes": ["MS4A1", "GONE"], "together": True},
    }
    rows, absent = quota_limits(quotas_of(sets), NAMES)
    assert [row.amounts.tolist() for row in rows] == [[1, 0, 0, 0], [0, 1, 0, 1], [0, -1, 1, 0], [0, 0, 0, 1]]
    assert [(row.low, row.high) for row in rows] == [(1, np.inf), (-np.inf, 1), (0, 0), (0, 0)]
    assert absent == ("ABSENT", "GONE")


def test_a_set_that_the_data_cannot_meet_is_refused():
    with pytest.raises(SettingsError, match="2 genes of 'T' are asked for, and the data have 1 of its 2"):
        quota_limits([Quota("T", ("CD3E", "ABSENT"), low=2)], NAMES)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("CD3E", "the set 'T' is 'CD3E'; expected a list of genes"),
        ({"genes": ["CD3E"], "least": 1}, "expected a list of genes, or 'genes', 'min', 'max', 'together'"),
        ({"genes": ["CD3E"], "min": 1.5}, "min of the set 'T' is 1.5; expected a whole number"),
        ({"genes": ["CD3E"], "min": 2, "max": 1}, "asks for 2 to 1 genes"),
        ({"genes": []}, "lists no genes"),
    ],
)
def test_entries_that_are_no_sets_are_refused(entry, message):
    with pytest.raises(SettingsError, match=message):
        quotas_of({"T": entry})


@pytest.mark.parametrize(
    ("family", "inside", "outside"),
    [
        ("ribosomal", "RPS4Y1 RPL13A RPLP0 RPSA RPS27L RPL36AL RPL7L1 Rpl3 rps15a", "RPS6KA1 RPS6KL1 RPRD1A RPSAP58"),
        ("mitochondrial", "MT-CO1 mt-Nd4l MT-RNR2", "MTOR MT1X"),
        ("hemoglobin", "HBA1 Hbb-bs HBZ", "HBEGF HBP1"),
        ("sex", "XIST Ddx3y UTY", "UTX DDX3X"),
        ("cell-cycle", "MKI67 Top2a", "CDK4"),
    ],
)
def test_families_hold_their_members_and_nothing_that_looks_like_them(family, inside, outside):
    assert in_family(family, GeneNames(pd.Index(inside.split()))).all()
    assert not in_family(family, GeneNames(pd.Index(outside.split()))).any()


def test_the_cell_cycle_has_the_published_number_of_genes():
    renamed = {"CENPU", "PIMREG", "JPT1"}
    assert len(FAMILIES["cell-cycle"].symbols - renamed) == 43 + 54


def test_a_family_that_the_data_lack_is_warned_of(caplog):
    in_family("mitochondrial", GeneNames(pd.Index(["MT-CO1", "CD3E"])))
    assert caplog.messages == []
    in_family("mitochondrial", GeneNames(pd.Index(["CD3E"])))
    assert "no gene of the data is in the family 'mitochondrial'" in caplog.text


def test_families_go_by_second_names_too():
    names = GeneNames(pd.Index(["ENSG1", "ENSG2"]), pd.Index(["RPL3", "CD3E"]))
    assert in_family("ribosomal", names).tolist() == [True, False]


def test_an_unknown_family_is_refused():
    with pytest.raises(SettingsError, match=r"no gene family 'ribo'; .*'ribosomal'"):
        in_family("ribo", NAMES)


@pytest.mark.parametrize(
    ("family", "inside", "outside"),
    [
        ("ribosomal", "ENSG00000137154 ENSMUSG00000028495.15", "ENSG00000117676 ENSG00000198851"),
        ("mitochondrial", "ENSG00000198804 ENSMUSG00000064351", "ENSG00000198793"),
        ("hemoglobin", "ENSG00000206172 ENSG00000244734.4", "ENSG00000113070"),
        ("sex", "ENSG00000229807 ENSMUSG00000086503", "ENSG00000215301"),
        ("cell-cycle", "ENSG00000148773 ENSMUSG00000031004", "ENSG00000135446"),
    ],
)
def test_families_hold_the_identifiers_of_their_members(family, inside, outside):
    assert in_family(family, GeneNames(pd.Index(inside.split()))).all()
    assert not in_family(family, GeneNames(pd.Index(outside.split()))).any()


def test_the_use_of_limits_is_read_from_provenance():
    kept = [
        {"limit": "cost", "use": 3.0, "low": None, "high": 4.0},
        {"limit": "set", "use": 2.0, "low": 1.0},
        {"limit": "?"},
    ]
    found = uses_of(Provenance(settings={"limit_use": kept}))
    assert found == (LimitUse("cost", 3.0, -np.inf, 4.0), LimitUse("set", 2.0, 1.0, np.inf))
