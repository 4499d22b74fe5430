"""Measure what a tree of labels gains at its coarse levels, and what it costs among the types.

On each data set, panels of one size are chosen by the discriminant without the tree and along it; ``compare`` lets each
choose again in each split, from the training cells, and tests refitted logistic regression on the others. A row of
the table is a level, a size and a way of choosing: its score, the difference from the flat choice on the same test
cells, and the interval of the difference over splits (Nadeau and Bengio). Nothing is tuned on these data.

Run ``python benchmarks/tree.py --out docs/_static/label_tree.csv`` with SELECTORMLP_DATA and SELECTORMLP_IMAGING set;
then ``python benchmarks/tree.py --figure docs/_static/label_tree.csv docs/images/label_tree.png``.
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

import selectormlp as sm
from selectormlp.data.anndata_files import read_adata
from selectormlp.evaluation.compare import Comparison
from selectormlp.plots.figure import COLORS, GREY, RULE

DATA: Mapping[str, tuple[str, str, list[str]]] = {
    "zeisel_4000g": ("SELECTORMLP_DATA", "zeisel_4000g.h5ad", ["level1", "cell_type"]),
    "merfish_poa_neurons_img": (
        "SELECTORMLP_IMAGING",
        "merfish_poa_neurons_img.h5ad",
        ["lineage", "class", "cell_type"],
    ),
}
"""Variable that names the folder, file, and columns from coarse to fine."""

WAYS: Mapping[str, dict[str, object]] = {
    "flat": {},
    "cost 2": {"cost_per_level": 2.0},
    "cost 4": {"cost_per_level": 4.0},
    "nodes balanced": {"cost_per_level": 1.0, "balance_over": "nodes"},
}
"""Ways of choosing; all but the first along the tree."""

METRICS = ("accuracy", "balanced_accuracy")


def measured(name: str, size: int, n_splits: int) -> Comparison:
    """Choose in each way, and compare on the same splits."""
    variable, file, levels = DATA[name]
    adata = read_adata(Path(os.environ[variable]) / file)
    panels = {}
    for way, options in WAYS.items():
        key = levels[-1] if way == "flat" else levels
        panels[way] = sm.select(adata, label_key=key, n_genes=size, method="discriminant", progress=False, **options)
    return sm.compare(adata, panels, label_key=levels, n_splits=n_splits, progress=False)


def table_of(found: Comparison, name: str, size: int) -> pd.DataFrame:
    """Return scores at each level, the finest included, and their differences from the flat choice."""
    differences = found.difference_frame().query("first == 'flat'").set_index(["second", "metric"])
    lines = []
    for panel in found.panels:
        curves = {found.label_key: panel.curve, **{scores.level.key: scores.curve for scores in panel.levels}}
        for level, curve in curves.items():
            for metric in METRICS:
                value = curve.metric(metric).value[-1]
                line = {"data": name, "genes": size, "level": level, "metric": metric, "way": panel.name}
                line |= {"value": value, "difference": 0.0, "low": 0.0, "high": 0.0}
                if panel.name != "flat":
                    asked = metric if level == found.label_key else f"{metric} of {level}"
                    one = differences.loc[(panel.name, asked)]  # flat less this one
                    line |= {"difference": -one["value"], "low": -one["split_high"], "high": -one["split_low"]}
                lines.append(line)
    return pd.DataFrame(lines)


def stopping(name: str, size: int) -> pd.DataFrame:
    """Choose and learn on half of the cells; return how many of the others stop at each level and are right there."""
    variable, file, levels = DATA[name]
    adata = read_adata(Path(os.environ[variable]) / file)
    adata = adata[adata.obs[levels[-1]].notna().to_numpy()]
    learned = np.random.default_rng(0).random(adata.n_obs) < 0.5
    known, other = adata[learned].copy(), adata[~learned].copy()
    panel = sm.select(known, label_key=levels, n_genes=size, method="discriminant", progress=False)
    classifier = sm.fit_classifier(known, panel, label_key=levels, progress=False)
    found = sm.predict(other, classifier)
    flat = sm.predict(other, classifier, min_confidence=0.0)
    lines = [("types, all cells", 1.0, (flat.best == other.obs[levels[-1]].astype(str)).mean())]
    for level in levels:
        at = found.stopped_at == level
        right = found.labels[at] == other.obs[level].astype(str).to_numpy()[at]
        lines.append((f"stops at {level}", at.mean(), right.mean() if at.any() else np.nan))
    lines.append(("unsure", (found.labels == "unsure").mean(), np.nan))
    return pd.DataFrame(lines, columns=["cells", "share", "right"]).assign(data=name, genes=size)


def draw(table: pd.DataFrame, place: Path) -> None:
    """Draw the differences from the flat choice, a panel a data set and size, a line a level."""
    from matplotlib.figure import Figure

    table = table[(table["metric"] == "accuracy") & (table["way"] != "flat")]
    cases = list(table[["data", "genes"]].drop_duplicates().itertuples(index=False, name=None))
    figure = Figure(figsize=(9.2, 1.3 + 1.75 * ((len(cases) + 1) // 2)), layout="constrained")
    grid = figure.subplots((len(cases) + 1) // 2, 2, squeeze=False, sharex=True)
    ways = [way for way in WAYS if way != "flat"]
    for axes, (name, size) in zip(grid.flat, cases, strict=False):
        of_case = table[(table["data"] == name) & (table["genes"] == size)]
        levels = [level for level in DATA[name][2] if level in set(of_case["level"])]
        for number, way in enumerate(ways):
            one = of_case[of_case["way"] == way].set_index("level").loc[levels]
            rows = [place_of + 0.22 * (number - 1) for place_of in range(len(levels))]
            ends = [100 * (one["difference"] - one["low"]), 100 * (one["high"] - one["difference"])]
            axes.errorbar(
                100 * one["difference"],
                rows,
                xerr=ends,
                fmt="o",
                color=COLORS[number],
                capsize=2,
                markersize=4,
                label=way,
            )
        axes.axvline(0, color=GREY, linewidth=0.8)
        axes.set(title=f"{name}, {size} genes", yticks=range(len(levels)), yticklabels=levels)
        axes.invert_yaxis()
        axes.grid(axis="x", color=RULE, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_axisbelow(True)
    for axes in grid[-1]:
        axes.set_xlabel("cells labelled right at the level,\npercentage points more than the flat choice")
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    figure.savefig(place, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(DATA))
    parser.add_argument("--sizes", nargs="+", type=int, default=[25, 50])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--predict", action="store_true", help="Say where predict stops, instead.")
    parser.add_argument("--figure", nargs=2, type=Path, help="Table and image.")
    settings = parser.parse_args()
    if settings.figure:
        draw(pd.read_csv(settings.figure[0]), settings.figure[1])
        return
    warnings.filterwarnings("ignore")
    if settings.predict:
        for name in settings.data:
            for size in settings.sizes:
                print(stopping(name, size).round(3).to_string(index=False), flush=True)
        return
    tables = []
    for name in settings.data:
        for size in settings.sizes:
            tables.append(table_of(measured(name, size, settings.splits), name, size))
            print(tables[-1].round(4).to_string(), flush=True)
            if settings.out:
                pd.concat(tables).to_csv(settings.out, index=False)


if __name__ == "__main__":
    main()
