"""Every command and public function gives what it gave before: the golden files are the oracle.

A golden file holds what one case of :mod:`frozen.cases` gave on one set of data, as JSON: files written, columns, keys,
exit codes; of methods in closed form the panel itself; of what is learned the structure alone. A failing test lists
what is gone, new or changed, a line each. Where that is wanted, write the golden files again and look at their diff::

    python -m pytest tests/frozen --refreeze             # all; -k explain: those of one case
    git diff tests/frozen/golden

The quick cases take less than a minute (``-m "not slow"``). Golden files of data that are not at hand (those of the
folder that SELECTORMLP_DATA names) stay as they are. Keywords, flags and parameters may be added, not taken away.
"""

import json
import os
from pathlib import Path

import anndata
import numpy as np
import pytest

import selectormlp as sm
from frozen import reduce
from frozen.cases import CASES, CLOSED_FORM, EVERYWHERE, SLOW_CLOSED_FORM, Bench

GOLDEN = Path(__file__).parent / "golden"
FOLDER = os.environ.get("SELECTORMLP_DATA")
LABELS = {"pbmc68k": "bulk_labels", "pbmc3k": "cell_type", "baron_human": "cell_type"}
EXTERNAL = tuple(name for name in EVERYWHERE if name != "pbmc68k")


def _parameters(cases):
    found = []
    for case in cases:
        for data in case.data:
            marks = [pytest.mark.slow] if case.slow or data in EXTERNAL else []
            marks += [pytest.mark.data] if data in EXTERNAL else []
            found.append(pytest.param(case, data, id=f"{case.name}-{data}", marks=marks))
    return found


@pytest.fixture(scope="session")
def stored(tmp_path_factory):
    """Give the cells of a set of data, and a file of them."""
    known = {}

    def read(name):
        if name not in known:
            if name == "pbmc68k":
                cells = sm.datasets.pbmc68k()
                adata = cells.raw.to_adata()
                adata.obs = cells.obs[["bulk_labels"]].copy()
                del adata.uns, adata.obsm, adata.obsp, adata.varm
            elif FOLDER is None:
                pytest.skip("SELECTORMLP_DATA is not set")
            else:
                adata = anndata.read_h5ad(Path(FOLDER) / f"{name}.h5ad")
            adata.obs["donor"] = [f"donor {i % 4}" for i in range(adata.n_obs)]
            place = tmp_path_factory.mktemp("frozen") / f"{name}.h5ad"
            adata.write_h5ad(place)
            known[name] = adata, place
        return known[name]

    return read


@pytest.fixture
def bench(stored, cli, tmp_path):
    def make(data):
        adata, place = stored(data)
        return Bench(adata.copy(), place, LABELS[data], "donor", tmp_path, cli)

    return make


@pytest.fixture
def check(request):
    """Compare with a golden file, or rewrite it."""

    def compare(name, found, *, close=1e-6, may_grow=False):
        place = GOLDEN / f"{name}.json"
        found = json.loads(json.dumps(found))
        if request.config.getoption("--refreeze", default=False):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            return
        assert place.exists(), f"no golden file {place}; write it with --refreeze"
        golden = json.loads(place.read_text(encoding="utf-8"))
        lines = reduce.different(golden, found, close=close, may_grow=may_grow)
        assert not lines, "\n".join([f"{name} is no longer as frozen:", *lines])

    return compare


@pytest.fixture(autouse=True)
def quick_contenders():
    """Undo what the other tests do to ``auto``: here it tries all that it tries."""


@pytest.mark.parametrize(("case", "data"), _parameters(CASES))
def test_results_are_as_frozen(case, data, bench, check):
    check(f"{data}/{case.name}", case.find(bench(data)), close=case.close)


@pytest.mark.slow
@pytest.mark.parametrize("data", EVERYWHERE)
@pytest.mark.parametrize("method", [*CLOSED_FORM, *SLOW_CLOSED_FORM])
def test_frozen_panels_do_not_hang_on_a_tie(method, data, stored):
    adata = stored(data)[0]
    label = {"label_key": LABELS[data], "n_genes": 12, "method": method}
    panel = sm.select(adata.copy(), **label)
    rng = np.random.default_rng(0)
    shuffled = adata[rng.permutation(adata.n_obs)].copy()  # sums in another order
    assert sm.select(shuffled, **label).genes == panel.genes


PUBLIC = [name for name in sm.__all__ if callable(getattr(sm, name))]


def test_no_keyword_is_lost(check):
    names = {name: reduce.keywords_of(getattr(sm, name)) for name in PUBLIC}
    plots = {f"plots.{name}": reduce.keywords_of(getattr(sm.plots, name)) for name in sm.plots.__all__}
    check("keywords", {**names, **plots}, may_grow=True)


def test_no_flag_is_lost(check):
    import typer.main

    from selectormlp.cli.app import app

    commands = typer.main.get_command(app).commands
    flags = {
        name: {flag: str(parameter.required) for parameter in command.params for flag in parameter.opts}
        for name, command in commands.items()
    }
    check("flags", flags, may_grow=True)
