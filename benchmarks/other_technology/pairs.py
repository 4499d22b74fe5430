"""Pairs of data sets: cells to choose genes on, and cells of the same types as another technology measured them.

Real pairs lie in the folder SELECTORMLP_IMAGING: ``pairs/NAME.csv`` maps the labels of both sides to common ones, and
``pairs/NAME.genes.csv`` lists the genes that both have. Simulated pairs are made of the files of SELECTORMLP_DATA: half
of the cells stay as they are, the other half is measured by an assay that is drawn at random.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from selectormlp.data.anndata_files import read_adata

Counts = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

LEAST_CELLS = 20
"""Cells that a type needs on both sides to take part."""

FAMILIES = {"poa": "hypothalamus", "zeisel": "cortex"}
"""Tissue of a pair, by the start of its name; others are a family of their own."""

SIMULATED = ("zeisel_4000g", "baron_human", "pbmc3k", "ifnb_kang2800", "cite_cbmc_2000g", "mop_dot_500g")

SHARED_GENES = 150
"""Genes of a simulated pair: half of them markers of the types, half drawn at random, as imaging panels hold."""


@dataclass(frozen=True, eq=False)
class Side:
    """Cells of one technology.

    Attributes
    ----------
    counts
        Of the genes that both sides have, shape (n_cells, n_genes).
    codes
        Type of each cell, shape (n_cells,).
    """

    counts: Counts
    codes: Codes


@dataclass(frozen=True, eq=False)
class Pair:
    """Cells that genes are chosen on, and cells that they are measured in.

    Attributes
    ----------
    name, family
        Of the pair, and of the tissue; intervals are drawn over pairs, and tissues are left out whole.
    genes, types
        Names.
    reference, measured
        The two sides.
    X
        log1p of counts per 10,000 of the reference's cells, over all the genes of its file, shape (n_cells, n_genes).
    """

    name: str
    family: str
    genes: tuple[str, ...]
    types: tuple[str, ...]
    reference: Side
    measured: Side
    X: npt.NDArray[np.float64]


def real_pairs() -> Iterator[Pair]:
    """Read the pairs of SELECTORMLP_IMAGING.

    Raises
    ------
    SystemExit
        If the folder is not named.
    """
    folder = _imaging_folder()
    for path in sorted((folder / "pairs").glob("*.csv")):
        if not path.name.endswith(".genes.csv"):
            yield _read_pair(folder, path)


def _imaging_folder() -> Path:
    named = os.environ.get("SELECTORMLP_IMAGING")
    if not named:
        raise SystemExit("SELECTORMLP_IMAGING names no folder; expected one with *.h5ad and pairs/*.csv")
    return Path(named)


FILES = {
    "poa_sc": "merfish_poa_sc",
    "merfish_3slices": "merfish_poa_img",
    "merfish_neurons": "merfish_poa_neurons_img",
    "zeisel": "zeisel_gps_sc",
    "osmfish": "osmfish_cortex_img",
}
"""File of each side, by its part of the pair's name."""


def _read_pair(folder: Path, path: Path) -> Pair:
    genes = pd.read_csv(path.with_suffix(".genes.csv"))["gene"].astype(str).tolist()
    mapping = pd.read_csv(path)
    sides = path.stem.split(".")[0].split("__")
    read = {}
    for side, name in zip(("scrna", "imaging"), sides, strict=True):
        adata = read_adata(folder / f"{FILES[name]}.h5ad")
        common = mapping[mapping["side"] == side].set_index("cell_type")["common"]
        labels = adata.obs["cell_type"].astype(str).map(common).to_numpy()
        kept = ~pd.isna(labels)
        columns = adata.var_names.get_indexer(genes)
        totals = np.asarray(adata.X.sum(axis=1)).ravel()
        read[side] = (_dense(adata.X[:, columns])[kept], labels[kept].astype(str), totals[kept])
    return make_pair(path.stem, family_of(path.stem), genes, read["scrna"], read["imaging"])


CROSSED = {"zeisel__merfish_3slices": "merfish_poa_img", "zeisel__merfish_neurons": "merfish_poa_neurons_img"}
"""Pairs that cross regions of the brain: types are the coarse ones, whose names differ in ``SAME_TYPE`` only."""

SAME_TYPE = {"Immune": "Microglia", "Oligodendrocyte": "OD mature"}


def crossed_pairs() -> Iterator[Pair]:
    """Choose on cells of the cortex what is measured in the hypothalamus; files are those of :func:`real_pairs`."""
    folder = _imaging_folder()
    for name, file in CROSSED.items():
        sides = [read_adata(folder / f"{part}.h5ad") for part in (FILES["zeisel"], file)]
        genes = sides[0].var_names.intersection(sides[1].var_names).astype(str).tolist()
        read = []
        for adata in sides:
            labels = adata.obs["coarse"].astype(str).replace(SAME_TYPE).to_numpy(str)
            columns, totals = adata.var_names.get_indexer(genes), np.asarray(adata.X.sum(axis=1)).ravel()
            read.append((_dense(adata.X[:, columns]), labels, totals))
        yield make_pair(name, name, genes, *read)


def family_of(name: str) -> str:
    """Name the tissue of a pair."""
    return next((family for start, family in FAMILIES.items() if name.startswith(start)), name)


def make_pair(
    name: str,
    family: str,
    genes: list[str],
    reference: tuple[Counts, npt.NDArray[np.str_], Counts],
    measured: tuple[Counts, npt.NDArray[np.str_], Counts],
) -> Pair:
    """Keep the types that both sides have cells enough of; a side is counts, labels and total counts of the cells."""
    counted = [pd.Series(side[1]).value_counts() for side in (reference, measured)]
    types = sorted(set.intersection(*(set(count.index[count >= LEAST_CELLS]) for count in counted)))
    sides = []
    for counts, labels, _ in (reference, measured):
        codes = pd.Index(types).get_indexer(labels)
        sides.append(Side(counts[codes >= 0], codes[codes >= 0].astype(np.int64)))
    totals = reference[2][np.isin(reference[1], types)]
    X = np.log1p(sides[0].counts * (1e4 / np.maximum(totals, 1))[:, None])
    return Pair(name, family, tuple(genes), tuple(types), *sides, X)


def simulated_pairs(names: tuple[str, ...] = SIMULATED, seed: int = 0) -> Iterator[Pair]:
    """Make a pair of each file of SELECTORMLP_DATA that is named.

    The other technology detects each gene with an efficiency of its own, 3 · exp(σ z) with σ from 0.5 to 1, mixes 5
    to 30 % of the mean of all cells into each, adds up to 0.3 counts of background, and fails for 3 % of the genes.

    Raises
    ------
    SystemExit
        If the folder is not named.
    """
    named = os.environ.get("SELECTORMLP_DATA")
    if not named:
        raise SystemExit("SELECTORMLP_DATA names no folder; expected one with *.h5ad")
    for name in names:
        rng = np.random.default_rng((seed, zlib.crc32(name.encode())))
        adata = read_adata(Path(named) / f"{name}.h5ad")
        labels = adata.obs["cell_type"].astype(str).to_numpy()
        large = pd.Series(labels).value_counts().loc[lambda count: count >= 2 * LEAST_CELLS].index[:30]
        chosen = [rng.permutation(np.flatnonzero(labels == kind))[:300] for kind in large]
        halves = [np.sort(np.concatenate(part)) for part in zip(*((r[::2], r[1::2]) for r in chosen), strict=True)]
        totals = np.asarray(adata.X.sum(axis=1)).ravel()
        columns = _imaging_like_genes(adata.X.tocsr()[halves[0]], labels[halves[0]], totals[halves[0]], rng)
        sides = [(_dense(adata.X[rows][:, columns]), labels[rows], totals[rows]) for rows in halves]
        measured = _measured(sides[1][0], rng), *sides[1][1:]
        genes = adata.var_names[columns].astype(str).tolist()
        yield make_pair(f"simulated_{name}", name, genes, sides[0], measured)


def _imaging_like_genes(X: sp.csr_matrix, labels: npt.NDArray[np.str_], totals: Counts, rng) -> Codes:
    """Draw genes: half by their greatest rise in a type over the mean of all, half of those that are expressed."""
    scaled = sp.diags_array(1e4 / np.maximum(totals, 1)) @ X
    means = np.array([np.asarray(scaled[labels == kind].mean(axis=0)).ravel() for kind in np.unique(labels)])
    seen = np.flatnonzero(np.asarray((X > 0).mean(axis=0)).ravel() > 0.01)
    rise = np.log((means[:, seen] + 0.1) / (means[:, seen].mean(axis=0) + 0.1)).max(axis=0)
    markers = rng.choice(seen[np.argsort(-rise)[: 4 * SHARED_GENES]], SHARED_GENES // 2, replace=False)
    others = rng.choice(np.setdiff1d(seen, markers), SHARED_GENES - len(markers), replace=False)
    return np.sort(np.concatenate([markers, others]))


def _measured(counts: Counts, rng: np.random.Generator) -> Counts:
    n_genes = counts.shape[1]
    spread, mixed, background = rng.uniform(0.5, 1.0), rng.uniform(0.05, 0.3), rng.uniform(0.0, 0.3)
    efficiency = 3.0 * np.exp(spread * rng.normal(size=n_genes))
    efficiency[rng.random(n_genes) < 0.03] = 0.0
    share = np.minimum(efficiency, 1.0)
    kept = rng.binomial(counts.astype(np.int64), share)
    more = rng.poisson(counts * np.maximum(efficiency - 1.0, 0.0))
    spilled = rng.poisson(rng.gamma(1.0, mixed, (len(counts), 1)) * efficiency * counts.mean(axis=0))
    return (kept + more + spilled + rng.poisson(background, counts.shape)).astype(np.float64)


def _dense(X: sp.csr_matrix) -> Counts:
    return np.asarray(X.toarray() if sp.issparse(X) else X, dtype=np.float64)
