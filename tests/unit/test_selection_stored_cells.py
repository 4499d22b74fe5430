import warnings

import anndata
import numpy as np
import pytest

import selectormlp as sm
from selectormlp.data.anndata_io import CellsSource
from selectormlp.data.anndata_lazy import open_cells
from selectormlp.errors import DataError, PanelError, SettingsError
from selectormlp.selection import steps
from selectormlp.selection.steps import sample_rows

KEY = {"label_key": "cell_type", "method": "discriminant"}


@pytest.fixture
def adata(make_adata):
    data = make_adata(n_cells=600, n_genes=60)
    data.var["symbol"] = [f"S{i}" for i in range(60)]
    data.var["id"] = [f"ENS{i}" for i in range(60)]
    return data


@pytest.fixture
def file(adata, tmp_path):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


def assert_same_panel(found, expected):
    assert found.genes == expected.genes
    assert found.reasons == expected.reasons
    assert found.gene_ids == expected.gene_ids
    np.testing.assert_allclose(np.array(found.scores, float), np.array(expected.scores, float), rtol=1e-4)
    assert found.nested == expected.nested
    assert found.provenance.cells == expected.provenance.cells
    assert found.provenance.data_hash == expected.provenance.data_hash
    assert found.provenance.label_key == expected.provenance.label_key


@pytest.mark.parametrize("method", ["discriminant", "reconstruction", "mixture"])
@pytest.mark.parametrize(
    "options", [{}, {"max_genes": 20}, {"must_have": ["gene3"], "forbidden": ["gene1*"]}], ids=["all", "few", "rules"]
)
def test_panels_from_disk_are_those_of_memory(adata, file, method, options):
    options = dict(options)
    few = {"max_genes": options.pop("max_genes")} if "max_genes" in options else {}
    given = {**KEY, "n_genes": 8, "method": method, "options": few, **options}
    assert_same_panel(sm.select(file, **given), sm.select(adata, **given))


def test_names_ids_bounds_and_class_weights_work_as_in_memory(adata, file):
    given = {
        **KEY,
        "n_genes": 6,
        "must_have": ["S7"],
        "gene_name_key": "symbol",
        "gene_id_key": "id",
        "donor_key": "donor",
        "min_mean": 1.0,
        "exclude_labels": ["type B"],
        "options": {"class_weights": {"type A": 3.0}},
    }
    found = sm.select(str(file), **given)
    assert_same_panel(found, sm.select(adata, **given))
    assert found.gene_ids[0] == "ENS7"
    assert found.provenance.settings["files"] == ["cells.h5ad"]


def test_several_files_give_the_panel_of_all_cells(adata, tmp_path):
    adata[:250].copy().write_h5ad(tmp_path / "a.h5ad")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata[250:].copy().write_zarr(tmp_path / "b.zarr")
    files = [tmp_path / "a.h5ad", tmp_path / "b.zarr"]
    assert_same_panel(sm.select(files, **KEY, n_genes=8, pool_files=True), sm.select(adata, **KEY, n_genes=8))


@pytest.mark.parametrize("method", ["discriminant", "markers"])
def test_a_panel_is_extended_from_disk_as_in_memory(adata, file, method):
    known = sm.select(adata, **KEY, n_genes=4)
    given = {**KEY, "n_new": 5, "method": method, "forbidden": ["gene1*"], "min_markers_per_type": 1}
    found = sm.extend(file, known, **given)
    assert_same_panel(found, sm.extend(adata, known, **given))
    assert found.genes[:4] == known.genes
    assert found.provenance.settings["files"] == ["cells.h5ad"]


def test_a_panel_with_genes_that_the_files_lack_is_not_extended(file):
    with pytest.raises(PanelError, match="not in the data: 'gene600'"):
        sm.extend(file, ["gene0", "gene600"], **KEY, n_new=2)


def test_cells_of_no_class_and_no_labels_at_all(adata, file, tmp_path):
    given = {"label_key": None, "n_genes": 5, "method": "reconstruction"}
    assert_same_panel(sm.select(file, **given), sm.select(adata, **given))
    adata.uns["selectormlp"] = {"label_key": "cell_type", "classes": np.array(["type C", "type A", "type B"], object)}
    adata.write_h5ad(tmp_path / "split.h5ad")
    assert_same_panel(sm.select(tmp_path / "split.h5ad", **KEY, n_genes=5), sm.select(adata, **KEY, n_genes=5))


@pytest.mark.parametrize("method", ["variance", "markers", "persist-unsupervised"])
def test_other_methods_take_a_sample_and_say_so(adata, file, monkeypatch, said, method):
    given = {**KEY, "n_genes": 6, "method": method}
    assert sm.select(file, **given).genes == sm.select(adata, **given).genes  # all cells fit
    assert "sample" not in said()
    monkeypatch.setattr(steps, "SAMPLE_PER_CLASS", 40)
    panel = sm.select(file, **given)
    assert f"the method {method!r} needs cells in memory: it takes a sample of 160 of the 600 cells" in said()
    assert len(panel.provenance.cells) == 160


def test_markers_of_each_type_are_measured_on_a_sample(adata, file, monkeypatch, said):
    monkeypatch.setattr(steps, "SAMPLE_PER_CLASS", 100)
    panel = sm.select(file, **KEY, n_genes=8, min_markers_per_type=2)
    assert len(panel) == 8
    assert "min_markers_per_type needs cells in memory: it takes a sample of 400 of the 600 cells" in said()


def test_samples_cap_classes_and_take_every_small_one(file, monkeypatch):
    cells = open_cells(file, CellsSource("cell_type", exclude_labels=("type D",)), classes=["type A", "type C"])
    monkeypatch.setattr(steps, "SAMPLE_PER_CLASS", 149)
    rows = sample_rows(cells, np.random.default_rng(0))
    assert np.bincount(cells.labels[rows]).tolist() == [149, 149]
    assert (np.diff(rows) > 0).all()
    monkeypatch.setattr(steps, "SAMPLE_PER_CLASS", 1000)
    assert len(sample_rows(cells, np.random.default_rng(0))) == 300


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"n_genes": 0}, SettingsError, "n_genes is 0; expected a whole number from 1 up"),
        ({"options": {"depth": 3}}, SettingsError, "the method 'discriminant' has no option 'depth'"),
        (
            {"method": "persist-unsupervised", "target_layer": "x"},
            SettingsError,
            "target_layer cannot be read from disk",
        ),
        ({"label_key": "none"}, DataError, "no label column 'none' in obs"),
        ({"exclude_labels": ["type A", "type B", "type C"]}, DataError, "all 150 labelled cells are of one class"),
    ],
)
def test_what_cannot_be_done_is_refused(file, given, error, message):
    with pytest.raises(error, match=message):
        sm.select(file, **{**KEY, "n_genes": 5, **given})


def test_a_scheduler_for_cells_in_memory_is_refused(adata):
    with pytest.raises(SettingsError, match="a Dask scheduler needs cells on disk, and these are in memory"):
        sm.select(adata, **KEY, n_genes=3, dask_scheduler="tcp://127.0.0.1:8786")


def test_constant_genes_are_refused_as_in_memory(adata, tmp_path):
    adata.X = np.ones(adata.shape, dtype=np.float32)
    anndata.AnnData(adata.X, obs=adata.obs, var=adata.var).write_h5ad(tmp_path / "flat.h5ad")
    with pytest.raises(DataError, match="found nothing to choose by: every gene scores 0"):
        sm.select(tmp_path / "flat.h5ad", **KEY, n_genes=3)


# --- the command


def test_the_command_reads_from_disk(adata, file, cli, tmp_path):
    done = cli("select", file, "--label-key", "cell_type", "--size", 5, "--out", "lazy", "--lazy")
    assert done.code == 0, done.err
    assert "expression stays on disk" in done.err
    assert cli("select", file, "--label-key", "cell_type", "--size", 5, "--out", "memory").code == 0
    lists = [(tmp_path / folder / "genes.txt").read_text() for folder in ("lazy", "memory")]
    assert lists[0] == lists[1]
    done = cli("select", file, file, "--label-key", "cell_type", "--size", 5, "--out", "two", "--lazy")
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["other.h5ad"], "no file 'other.h5ad'"),
        (["--dask-scheduler", "nonsense://x"], "no Dask scheduler answers at 'nonsense://x'"),
    ],
)
def test_flags_that_do_not_fit_are_refused(file, cli, tmp_path, flags, message):
    done = cli("select", file, "--label-key", "cell_type", "--size", 5, "--out", "out", *flags)
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "out").exists()


def test_auto_tries_on_a_sample_and_chooses_from_all_cells(adata, file, monkeypatch):
    monkeypatch.setattr(steps, "SAMPLE_PER_CLASS", 40)
    given = {"label_key": "cell_type", "n_genes": 6}
    found = sm.select(file, **given, options={"contenders": ["discriminant", "markers"], "margin": 100})
    expected = sm.select(adata, **given, method="discriminant")
    assert found.genes == expected.genes
    assert found.provenance.method == "auto"
    assert found.provenance.cells == expected.provenance.cells
    assert len(found.provenance.settings["selector"]["choice"]["trials"]) == 2
    sampled = sm.select(file, **given, options={"contenders": ["markers"]})
    assert len(sampled.provenance.cells) == 40 * adata.obs["cell_type"].nunique()
