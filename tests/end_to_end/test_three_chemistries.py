"""Three real chemistries of blood, a file each; where the folder of real data is at hand."""

import os
from pathlib import Path

import anndata
import pytest

import selectormlp as sm

FOLDERS = [os.environ[name] for name in ("SELECTORMLP_DATA", "SELECTORMLP_IMAGING") if name in os.environ]
FILE = next((file for folder in FOLDERS if (file := Path(folder) / "pbmc_3chem.h5ad").exists()), None)

pytestmark = [pytest.mark.data, pytest.mark.skipif(FILE is None, reason="needs pbmc_3chem.h5ad")]


def test_one_panel_over_three_chemistries(tmp_path):
    whole = anndata.read_h5ad(FILE)
    whole = anndata.AnnData(whole.X, obs=whole.obs[["cell_type", "batch"]], var=whole.var[[]])
    expected = sm.select(
        whole.copy(), label_key="cell_type", batch_key="batch", n_genes=20, method="discriminant", progress=False
    )
    files = []
    for name in sorted(whole.obs["batch"].unique()):
        part = whole[whole.obs["batch"] == name].copy()
        part.obs["own"] = [f"{name} {label}" for label in part.obs.pop("cell_type")]
        part.write_h5ad(tmp_path / f"{name}.h5ad")
        files.append(tmp_path / f"{name}.h5ad")
    label_map = {
        file.stem: {f"{file.stem} {label}": label for label in whole.obs["cell_type"].unique()} for file in files
    }
    given = {"label_key": "cell_type", "label_keys": dict.fromkeys(label_map, "own"), "label_map": label_map}
    for order in (files, files[::-1]):
        found = sm.select(order, n_genes=20, method="discriminant", **given)
        assert found.genes == expected.genes
    record = found.provenance.settings["data_sets"]
    assert sum(one["cells"] for one in record.values()) == whole.n_obs
    assert all(one["genes_taken"] == whole.n_vars for one in record.values())
