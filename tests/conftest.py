"""Fixtures that all tests share: small synthetic data, and the command line run in this process."""

import json
import logging
import sys
from dataclasses import dataclass

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import Phase, settings

if int(pd.__version__.split(".")[0]) >= 3:
    anndata.settings.allow_write_nullable_strings = True  # all text of pandas 3 is of that kind, and tests write files

# Of `make mutation`: the same examples each time, and no search for a smaller one, since one that fails is enough.
settings.register_profile("mutation", derandomize=True, database=None, phases=[Phase.explicit, Phase.generate])


@pytest.fixture(scope="session")
def make_adata():
    """A builder of small raw counts (CSR): each class has marker genes of its own; four donors."""

    def make(*, n_cells=200, n_genes=30, n_classes=4, seed=0):
        rng = np.random.default_rng(seed)
        labels = np.arange(n_cells) % n_classes
        mean = np.full((n_classes, n_genes), 0.4)
        for code in range(n_classes):
            mean[code, code::n_classes] = 4.0
        counts = rng.poisson(mean[labels]).astype(np.float32)
        counts[:, 0] += 1  # no cell without counts
        obs = pd.DataFrame(
            {
                "cell_type": pd.Categorical([f"type {'ABCDEFGH'[code]}" for code in labels]),
                "cluster": labels * 5,
                "donor": [f"donor {i}" for i in np.arange(n_cells) // n_classes % 4],
            },
            index=[f"cell{i}" for i in range(n_cells)],
        )
        var = pd.DataFrame(index=[f"gene{i}" for i in range(n_genes)])
        return anndata.AnnData(sp.csr_matrix(counts), obs=obs, var=var)

    return make


@pytest.fixture
def adata(make_adata):
    """200 cells × 30 genes × 4 classes of 50, raw counts."""
    return make_adata()


@pytest.fixture
def settings_file(tmp_path):
    """Write settings to a JSON file of the test's folder; paths in them may be relative to it."""

    def write(settings, name="settings.json"):
        place = tmp_path / name
        place.write_text(settings if isinstance(settings, str) else json.dumps(settings, default=str))
        return place

    return write


@dataclass(frozen=True)
class Outcome:
    """What a command left on the terminal."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def package_log():
    """The package's logger, put back afterwards as it was before."""
    logger = logging.getLogger("selectormlp")
    before = logger.handlers[:], logger.level, logger.propagate
    yield logger
    logger.handlers[:], logger.level, logger.propagate = before


@pytest.fixture
def cli(monkeypatch, capsys, tmp_path, package_log):
    """Run a command in this process, in the test's folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, unforeseen=False):
        from selectormlp.cli.app import main

        monkeypatch.setattr(sys, "argv", ["selectormlp", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        caught = capsys.readouterr()
        assert unforeseen or code != 70, caught.err  # the last net is no place to end in
        return Outcome(code, caught.out, caught.err)

    return run


@pytest.fixture
def said(caplog, package_log):
    """Everything that the package has logged in this test, as one text."""
    package_log.propagate = True
    caplog.set_level(logging.DEBUG, logger="selectormlp")
    return lambda: "\n".join(record.getMessage() for record in caplog.records)
