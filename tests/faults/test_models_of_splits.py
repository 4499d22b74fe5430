"""A model is not scored on the test cells of a split other than the one that it learned from (docs/security.md)."""

import anndata
import numpy as np
import pandas as pd
import pytest

from selectormlp.errors import DataError
from selectormlp.models.storage import load_model
from selectormlp.pipeline.masking import select_features_from_files
from selectormlp.pipeline.settings import FeatureSelectionSettings, SplitSettings, TrainSettings
from selectormlp.pipeline.split import split_file
from selectormlp.pipeline.train import train_from_files

SIZES = {"train_cluster_size": 20, "val_cluster_size": 8, "test_cluster_size": 8, "min_cluster_size": 1}


@pytest.mark.parametrize("write", ["copy", "index"])
def test_a_model_of_the_split_before_is_refused(tmp_path, write):
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"kind": np.repeat(["B", "T"], 40)}, index=[f"c{i}" for i in range(80)])
    counts = rng.poisson(1 + 4 * (np.arange(80)[:, None] // 40 == np.arange(6) % 2)).astype(np.float32)
    anndata.AnnData(counts, obs, pd.DataFrame(index=list("abcdef"))).write_h5ad(tmp_path / "cells.h5ad")

    def split(seed):
        given = {"adata_path": tmp_path / "cells.h5ad", "y_column": "kind", "save_dir": tmp_path / "split"}
        split_file(SplitSettings(**given, **SIZES, shuffle_seed=seed, write=write))

    def mask():
        side = tmp_path / "split" / ("adata_test.h5ad" if write == "copy" else "adata_test.index.npz")
        given = {"adata_input": side, "model_path": model_file, "results_dir": tmp_path / "results"}
        return select_features_from_files(FeatureSelectionSettings(**given, y_column="kind", random_reps=1), "svm")

    split(1)
    settings = TrainSettings(
        log_dir=tmp_path / "logs",
        trained_models_dir=tmp_path / "models",
        data={"input_dir": tmp_path / "split", "y_column": "kind", "lazy": False},
        checkpoint={"dir": tmp_path / "checkpoints"},
    )
    model_file = train_from_files(settings, "svm").model_file
    assert load_model(model_file).split
    mask()
    split(2)
    with pytest.raises(DataError, match=r"learned from another split than the one in .*: train again on this split"):
        mask()
    model_file = train_from_files(settings, "svm").model_file
    mask()
