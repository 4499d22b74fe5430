"""The table of what works together (docs/panels.md), tried row by row on small cells."""

import logging
from pathlib import Path

import pytest

import selectormlp as sm
from selectormlp.errors import SettingsError
from selectormlp.selectors.registry import METHODS

TABLE = Path(__file__).parents[2] / "docs" / "panels.md"
FAILING = {"failure": 0.1}
EFFICIENT = {"efficiency": 0.5, "gene_efficiencies": {"gene0": 0.01}, "mixing": 0.1}
QUICK = ("auto", "discriminant", "discriminant-bhattacharyya", "discriminant-binary", "reconstruction", "mixture")
MORE = ("markers", "variance", "random")
"""Of the others, some that take no time; the rest share their code from the choice on."""


def claims():
    """Read the table: what each column says of each method."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("| method | `--assay`"))
    columns = ("assay", "disk", "dask", "limits", "donors", "refine")
    found = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        names, *said = [cell.strip() for cell in line.strip("|").split("|")]
        for name in names.replace("`", "").split(", "):
            found[name] = dict(zip(columns, said, strict=True))
    return found


CLAIMS = claims()


def claim(method, column):
    return CLAIMS.get(method, CLAIMS["others"])[column]


def choose(data, method, **more):
    return sm.select(data, label_key="cell_type", n_genes=4, method=method, progress=False, **more)


def test_the_table_names_methods_that_there_are():
    assert set(CLAIMS) - {"others"} <= set(METHODS)
    assert {claim(method, "limits") for method in METHODS} == {"yes"}


@pytest.mark.parametrize("assay", ["imaging", EFFICIENT, FAILING], ids=["imaging", "efficiency", "failure"])
@pytest.mark.parametrize("method", METHODS)
def test_assays(method, assay, adata):
    if claim(method, "assay") == "yes":
        assert len(choose(adata, method, assay=assay)) == 4
    else:
        for given in ({"assay": assay}, {"options": {"assay": assay}}):
            with pytest.raises(SettingsError) as refused:
                choose(adata, method, **given)
            assert "\n" not in str(refused.value)


@pytest.mark.parametrize("method", METHODS)
def test_exchange(method, adata):
    if claim(method, "refine") == "yes":
        for more in ({}, {"assay": FAILING}):
            assert len(choose(adata, method, options={"refine": True, "max_refine_s": 0.2}, **more)) == 4
    else:
        with pytest.raises(SettingsError, match="refine"):
            choose(adata, method, options={"refine": True})


@pytest.mark.parametrize("method", [*QUICK, *MORE])
def test_limits_and_donors(method, adata):
    limits = {"forbidden": ["gene0"], "costs": {"gene1": 9.0}, "budget": 5, "min_markers_per_type": 1}
    assay = {"assay": EFFICIENT} if claim(method, "assay") == "yes" else {}
    panel = choose(adata, method, donor_key="donor", **limits, **assay)
    assert len(panel) == 4
    assert not {"gene0", "gene1"} & set(panel.genes)
    assert panel.provenance.settings["donor_key"] == "donor"


@pytest.mark.parametrize("method", [*QUICK, *MORE])
def test_from_disk(method, adata, tmp_path, monkeypatch, caplog):
    """A sample of 160 of the 200 cells, where the table says so; all of them otherwise."""
    monkeypatch.setattr("selectormlp.selection.steps.SAMPLE_PER_CLASS", 40)
    monkeypatch.setattr("selectormlp.selection.steps.SAMPLE_UNLABELLED", 160)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    with caplog.at_level(logging.WARNING):
        panel = choose(tmp_path / "cells.h5ad", method)
    said = claim(method, "disk")
    assert len(panel.provenance.cells) == (160 if said == "a sample" else 200)
    assert ("it takes a sample of 160 of the 200 cells" in caplog.text) == ("sample" in said)
    for assay in ("imaging", EFFICIENT) if claim(method, "assay") == "yes" else ():
        assert choose(tmp_path / "cells.h5ad", method, assay=assay).genes == choose(adata, method, assay=assay).genes


@pytest.fixture(scope="module")
def scheduler():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        protocol="tcp://", n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        yield cluster.scheduler_address


@pytest.mark.parametrize("method", [*QUICK, *MORE])
def test_with_dask(method, adata, tmp_path, scheduler, caplog):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    for assay in ("imaging", EFFICIENT) if claim(method, "assay") == "yes" else (None,):
        caplog.clear()
        with caplog.at_level(logging.INFO):
            far = choose(tmp_path / "cells.h5ad", method, assay=assay, dask_scheduler=scheduler)
        assert ("by a Dask cluster" in caplog.text) == (claim(method, "dask") != "not used")
        assert far.genes == choose(adata, method, assay=assay).genes


@pytest.mark.parametrize("method", ["discriminant", "mixture"])
def test_batches_with_dask(method, adata, tmp_path, scheduler):
    for name, part in (("a", adata[:90]), ("b", adata[90:])):
        part.copy().write_h5ad(tmp_path / f"{name}.h5ad")
    files = [tmp_path / "a.h5ad", tmp_path / "b.h5ad"]
    for more in ({"batch_key": "donor"}, {"batch_key": "donor", "combine": "worst"}, {}):
        far = choose(files, method, dask_scheduler=scheduler, **more)
        assert far.genes == choose(files, method, **more).genes
        assert far.provenance.settings["batch_key"] == more.get("batch_key", "data_set")


@pytest.mark.parametrize("method", ["auto", "discriminant", "markers", "discriminant-binary"])
def test_an_assay_of_limits_alone_is_for_every_method(method, adata):
    counts = adata.to_df().groupby(adata.obs["cell_type"].astype(str)).mean()
    most = float(counts.max().sort_values().iloc[-15])
    limits = {"limits": {"max_gene_counts": most}, "source": "invented", "date": "2026-11-26"}
    panel = choose(adata, method, assay=limits)
    bright = set(counts.columns[counts.max() > most])
    assert len(bright) == 14
    assert not bright & set(panel.genes)
    assert panel.provenance.settings["constraints"]["max_gene_counts"] == most


def test_explain_and_stability_go_by_the_assay_of_the_choice(adata):
    panel = choose(adata, "auto", assay=EFFICIENT)
    assert sm.explain(adata, panel, label_key="cell_type").settings.assay.mixing == 0.1
    assert sm.stability(adata, panel=panel, label_key="cell_type", n_repeats=2, progress=False).genes
    longer = sm.extend(adata, panel, label_key="cell_type", n_new=1, method="discriminant", assay=EFFICIENT)
    assert len(longer) == 5
