"""Cells are known again by what they express, never by a bare barcode or a number."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc

import selectormlp as sm
from selectormlp.data import fingerprints
from selectormlp.panel.storage import panel_to_json

KEYS = {"label_key": "ct"}


def cells(seed, names=None, n=240):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 4
    mean = np.full((4, 30), 0.4)
    for k in range(4):
        mean[k, k * 4 : k * 4 + 4] = 3
    obs = pd.DataFrame({"ct": [f"t{k}" for k in y]}, index=names or [f"AAAC{i:04d}-1" for i in range(n)])
    return ad.AnnData(
        rng.poisson(mean[y]).astype(np.float32), obs=obs, var=pd.DataFrame(index=[f"G{i}" for i in range(30)])
    )


def select(given):
    return sm.select(given, n_genes=6, method="discriminant", **KEYS)


def protocol(adata, panel):
    return sm.evaluate(adata, panel, unsupervised=False, **KEYS).protocol


@pytest.fixture
def files(tmp_path):
    places = [tmp_path / f"sample{seed}.h5ad" for seed in (1, 2)]
    for seed, place in enumerate(places, start=1):
        cells(seed).write_h5ad(place)
    return places


def test_cells_of_several_files_with_the_same_barcodes_are_known(files):
    panel = select([str(place) for place in files])
    for seed in (1, 2):
        assert protocol(cells(seed), panel) == "reselected"
    assert protocol(cells(3), panel) == "other cells"


@pytest.mark.parametrize("names", ["barcodes", "numbers"])
def test_other_cells_of_the_same_names_are_others(names):
    given = None if names == "barcodes" else [str(i) for i in range(300)]
    panel = select(cells(1, given and given[:240]))
    assert protocol(cells(2, given, 300 if given else 240), panel) == "other cells"


def test_the_same_cells_are_known_under_other_names_in_another_order_and_in_part():
    adata = cells(1)
    panel = select(adata.copy())
    renamed = adata[::-1, ::-1].copy()
    renamed.obs_names = [f"x{i}" for i in range(240)]
    assert protocol(renamed, panel) == "reselected"
    both = ad.concat([adata, cells(2)], index_unique="-")
    found = sm.evaluate(both, panel, unsupervised=False, **KEYS)
    assert "learned on 240 of these 480 cells" in found.notes[0]


def test_the_same_cells_are_known_when_they_are_normalised_or_fewer_genes_are_left():
    panel = select(cells(1))
    logs = cells(1)
    sc.pp.normalize_total(logs, target_sum=1234)
    sc.pp.log1p(logs)
    assert protocol(logs, panel) == "reselected"
    assert protocol(cells(1)[:, list({*panel.genes, "G0", "G9", "G29"})].copy(), panel) == "reselected"


def test_numbers_name_no_cells_where_other_genes_were_measured():
    names = [str(i) for i in range(240)]
    panel = select(cells(1, names))
    assert protocol(cells(2, names)[:, list(panel.genes)].copy(), panel) == "other cells"


def test_panels_of_older_releases_are_read_and_their_cells_known_by_name(tmp_path):
    import json

    panel = json.loads(panel_to_json(select(cells(1))))
    del panel["panel"]["provenance"]["fingerprints"]
    (tmp_path / "panel.json").write_text(json.dumps(panel))
    old = sm.read_panel(tmp_path / "panel.json")
    assert old.provenance.fingerprints == ""
    assert protocol(cells(1), old) == "reselected"


def test_of_many_cells_on_disk_some_stand_for_all(files, monkeypatch):
    monkeypatch.setattr(fingerprints, "MAX_CELLS", 64)
    monkeypatch.setattr(fingerprints, "BLOCK", 16)
    panel = select(str(files[0]))
    assert len(fingerprints.Fingerprints.from_text(panel.provenance.fingerprints).records) == 64
    assert protocol(cells(1), panel) == "reselected"
    assert protocol(cells(2), panel) == "other cells"
