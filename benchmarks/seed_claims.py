"""What the published report claims of its selector, measured again with the published settings.

Networks and SVMs are trained on all genes of a data set, their genes masked and, at 100 and 200 genes, a plain network
of the same settings is trained afresh on those genes alone. Settings are those of ``configs/``, but for classes of 40
cells or more. Each model leaves a JSON file, and what is there is not computed again:

    SELECTORMLP_DATA=folder python benchmarks/seed_claims.py --out bench_results/seed_claims --seeds 42 43 44
    python benchmarks/seed_claims.py --out bench_results/seed_claims --table > table.md
    python benchmarks/seed_claims.py --out bench_results/seed_claims --curves docs/_static/seed_claims.csv
    python benchmarks/seed_claims.py --figure docs/_static/seed_claims.csv docs/images/seed_claims.png
"""

from __future__ import annotations

import argparse
import json
import os
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from selectormlp.config.files import read_settings
from selectormlp.data.anndata_files import read_adata
from selectormlp.data.anndata_io import CellsSource, cells_from_adata
from selectormlp.data.cells import Cells, IntArray
from selectormlp.data.split import split_cells
from selectormlp.evaluation.masking import masking_curve, masking_sizes
from selectormlp.evaluation.refit import count_confusion, make_classifier, refit_predict
from selectormlp.files import written_whole
from selectormlp.pipeline.settings import SplitSettings, TrainSettings
from selectormlp.pipeline.train import build_selector
from selectormlp.selectors.classifier import ClassifyingSelector

CONFIGS = Path(__file__).parents[1] / "configs"
DATA_SETS = ("mop_dot_500g", "cite_cbmc_2000g")
MIN_CLUSTER_SIZE = 40
REFIT_SIZES = (100, 200)
TOP = 200
"""Genes of which the report counts those that two models share."""

MODELS: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "SelectorMLP, L1": ("selector_mlp", {}),
    "SelectorMLP, L2": ("selector_mlp", {"model": {"penalty": "L2"}}),
    "SelectorMLP, no penalty": ("selector_mlp", {"model": {"penalty": None}}),
    "SelectorMLP, L1, clamped": ("selector_mlp", {"model": {"selector_type": "clamped"}}),
    "MLP": ("mlp", {}),
    "MLP, no noise or dropout": ("mlp", {"training": {"noise_std": 0.0, "dropout": 0.0}}),
    "SVM, L1": ("svm", {}),
    "SVM, L2": ("svm", {"svm": {"penalty": "L2"}}),
}
"""Kind of model, and what differs from the published settings."""

RANDOM = "random"


@cache
def load(name: str, seed: int) -> tuple[Cells, Cells, Cells]:
    """Read a data set, split as published: training, validation and test cells."""
    cells = cells_from_adata(
        read_adata(Path(os.environ["SELECTORMLP_DATA"]) / f"{name}.h5ad"), CellsSource("cell_type")
    )
    sizes = read_settings(SplitSettings, CONFIGS / "split_data.json").sizes
    rng = np.random.default_rng(seed)
    split = split_cells(cells.labels, sizes, min_cluster_size=MIN_CLUSTER_SIZE, rng=rng)
    train, validation, test = (cells.take(rows).dense() for rows in (split.train, split.validation, split.test))
    return train, validation, test


def settings_of(changes: dict[str, dict[str, Any]], seed: int) -> TrainSettings:
    """Return the published settings with changes."""
    settings = read_settings(TrainSettings, CONFIGS / "train.json")
    sections = dict(changes)
    sections["training"] = {**sections.get("training", {}), "seed": seed}
    updates = {name: getattr(settings, name).model_copy(update=values) for name, values in sections.items()}
    return settings.model_copy(update=updates)


def fit(model_type: str, settings: TrainSettings, train: Cells, validation: Cells) -> ClassifyingSelector:
    """Train a model; networks keep the epoch that is best on validation cells."""
    selector = build_selector(settings, model_type)
    labels = np.array(train.classes)[train.labels]
    if model_type == "svm":
        return selector.fit(train.X, labels, classes=train.classes)
    held_out = (validation.X, np.array(validation.classes)[validation.labels])
    return selector.fit(train.X, labels, validation=held_out, classes=train.classes)  # type: ignore[call-arg]


def scores(true: IntArray, predicted: IntArray, n_classes: int) -> dict[str, float]:
    """Return accuracy and mean per-class accuracy."""
    confusion = count_confusion(true, predicted, n_classes)
    return {"accuracy": confusion.accuracy, "mean_per_class": confusion.balanced_accuracy}


def predict(selector: ClassifyingSelector, cells: Cells) -> IntArray:
    """Predict class codes."""
    places = {name: code for code, name in enumerate(cells.classes)}
    return np.array([places[name] for name in selector.predict(cells.X)])


def refit(order: IntArray, size: int, sides: tuple[Cells, Cells, Cells], seed: int) -> dict[str, dict[str, float]]:
    """Train a plain network, and logistic regression, on the first genes of an order; score them on test cells."""
    train, validation, test = (side.take_genes(side.genes[order[:size]]) for side in sides)
    network = fit("mlp", settings_of({}, seed), train, validation)
    logistic = refit_predict(make_classifier("logistic", seed), train.X, train.labels, test.X)
    return {
        "network": scores(test.labels, predict(network, test), test.n_classes),
        "logistic": scores(test.labels, logistic, test.n_classes),
    }


def measure(name: str, data: str, seed: int) -> dict[str, Any]:
    """Train one model on all genes, mask, and refit."""
    start = time.perf_counter()
    sides = load(data, seed)
    train, validation, test = sides
    found: dict[str, Any] = {"model": name, "data": data, "seed": seed, "n_genes": train.n_genes}
    found["cells"] = [side.n_cells for side in sides]
    found["n_classes"] = int((train.class_counts() > 0).sum())
    if name == RANDOM:
        order = np.random.default_rng(seed).permutation(train.n_genes)
    else:
        model_type, changes = MODELS[name]
        selector = fit(model_type, settings_of(changes, seed), train, validation)
        order = np.argsort(selector.ranking_)
        found["all genes"] = {
            side: scores(cells.labels, predict(selector, cells), cells.n_classes)
            for side, cells in zip(("training", "validation", "test"), sides, strict=True)
        }
        sizes = masking_sizes(train.n_genes, 50, extra=(10, 25, 800))
        rng = np.random.default_rng(seed)
        curve = masking_curve(selector, test.X, test.labels, sizes=sizes, random_reps=5, rng=rng)
        found["masked"] = curve.to_frame().reset_index().to_dict("list")
    if name != "MLP, no noise or dropout":
        found["refitted"] = {str(size): refit(order, size, sides, seed) for size in REFIT_SIZES}
    found["top"] = order[:TOP].tolist()
    found["seconds"] = time.perf_counter() - start
    return found


def run(out: Path, seeds: list[int]) -> None:
    """Measure what is not there yet."""
    for seed in seeds:
        for data in DATA_SETS:
            for name in (*MODELS, RANDOM):
                place = out / f"{data} {seed} {name}.json"
                if place.exists():
                    continue
                found = measure(name, data, seed)
                with written_whole(place) as (draft,):
                    draft.write_text(json.dumps(found))
                print(f"{data}, seed {seed}, {name}: {found['seconds']:.0f} s", flush=True)


def read_all(out: Path) -> list[dict[str, Any]]:
    """Read what was measured."""
    return [json.loads(place.read_text()) for place in sorted(out.glob("*.json"))]


def claim_table(found: list[dict[str, Any]]) -> pd.DataFrame:
    """Return mean per-class test accuracy, a line a data set and model: mean over seeds."""
    rows = []
    for one in found:
        row: dict[str, Any] = {"data": one["data"], "model": one["model"], "seeds": one["seed"]}
        if "all genes" in one:
            row["all genes"] = one["all genes"]["test"]["mean_per_class"]
            row["training"] = one["all genes"]["training"]["mean_per_class"]
            row["validation"] = one["all genes"]["validation"]["mean_per_class"]
            masked = pd.DataFrame(one["masked"]).set_index("n_genes")
            for size in REFIT_SIZES:
                row[f"masked {size}"] = masked.loc[size, "Mean per-class acc. (selected)"]
                row[f"masked {size}, random order"] = masked.loc[size, "Mean per-class acc. (random)"]
        for size, refitted in one.get("refitted", {}).items():
            row[f"refitted {size}"] = refitted["network"]["mean_per_class"]
            row[f"logistic {size}"] = refitted["logistic"]["mean_per_class"]
        rows.append(row)
    table = pd.DataFrame(rows)
    order = {name: place for place, name in enumerate((*MODELS, RANDOM))}
    groups = table.groupby(["data", "model"], sort=False)
    means = groups.mean().drop(columns="seeds").assign(seeds=groups.size()).reset_index()
    return means.sort_values(["data", "model"], key=lambda column: column.map(order).fillna(column))


def masked_table(found: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the accuracy (not per class) of masked models by number of genes, best and in random order: mean."""
    parts = []
    for one in found:
        if "masked" in one:
            table = pd.DataFrame(one["masked"])[
                ["n_genes", "Accuracy (selected features)", "Accuracy (random features)"]
            ].set_axis(["n_genes", "selected", "random"], axis="columns")
            parts.append(table.assign(data=one["data"], model=one["model"]))
    table = pd.concat(parts)
    table = table[table["n_genes"].isin([50, 100, 200, 300, 500, 800, 2000])]
    return table.pivot_table(index=["data", "model"], columns="n_genes", values=["selected", "random"], sort=False)


def overlap_table(found: list[dict[str, Any]]) -> pd.DataFrame:
    """Return how many of their top 200 genes the L1 selector shares with the others: mean over seeds."""
    rows = []
    tops = {(one["data"], one["seed"], one["model"]): set(one["top"]) for one in found}
    for (data, seed, name), top in tops.items():
        ours = tops.get((data, seed, "SelectorMLP, L1"))
        if ours is not None and name != "SelectorMLP, L1":
            rows.append((data, name, len(ours & top)))
    table = pd.DataFrame(rows, columns=["data", "model", "shared"])
    return table.pivot_table(index="model", columns="data", values="shared", sort=False)


def curve_table(found: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the mean per-class accuracy of masked models by number of genes, best and in random order: mean."""
    columns = {"Mean per-class acc. (selected)": "selected", "Mean per-class acc. (random)": "random"}
    parts = [
        pd.DataFrame(one["masked"]).rename(columns=columns).assign(data=one["data"], model=one["model"])
        for one in found
        if "masked" in one
    ]
    groups = pd.concat(parts).groupby(["data", "model", "n_genes"], sort=False)
    return groups[["selected", "random"]].mean().round(4).assign(seeds=groups.size()).reset_index()


def draw(curves: pd.DataFrame, file: Path) -> None:
    """Draw the masked curves, mean over seeds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 4.2), layout="constrained")
    colors = ("#0072B2", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#E69F00", "#000000")
    names = [name for name in MODELS if name != "MLP, no noise or dropout"]
    for axes, data in zip(figure.subplots(1, len(DATA_SETS)), DATA_SETS, strict=True):
        for color, name in zip(colors, names, strict=True):
            curve = curves[(curves["data"] == data) & (curves["model"] == name)]
            dashed = "--" if name.startswith("SVM") else "-"
            axes.plot(curve["n_genes"], curve["selected"], dashed, color=color, label=name)
            axes.plot(curve["n_genes"], curve["random"], ":", color=color, linewidth=0.8)
        axes.set(title=data, xlabel="genes kept (the others set to 0)", ylabel="mean per-class accuracy", ylim=(0, 1))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.legend(
        frameon=False, fontsize="small", loc="lower right", title="dotted: random order", title_fontsize="small"
    )
    with written_whole(file) as (draft,):
        figure.savefig(draft, dpi=110, facecolor="white")


def main() -> None:
    """Measure, print the tables, write the curves or draw them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("bench_results/seed_claims"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[42])
    parser.add_argument("--table", action="store_true", help="print the tables of what was measured")
    parser.add_argument("--curves", type=Path, help="write the masked curves, mean over seeds, to this CSV file")
    parser.add_argument("--figure", type=Path, nargs=2, help="draw the curves of a CSV file: the file, and the image")
    options = parser.parse_args()
    if options.figure:
        draw(pd.read_csv(options.figure[0]), options.figure[1])
        return
    if not (options.table or options.curves):
        run(options.out, options.seeds)
    found = read_all(options.out)
    if options.table:
        print(claim_table(found).to_string(index=False, float_format="{:.3f}".format))
        print(masked_table(found).to_string(float_format="{:.3f}".format))
        print(overlap_table(found).to_string(float_format="{:.0f}".format))
    if options.curves:
        curve_table(found).to_csv(options.curves, index=False)


if __name__ == "__main__":
    main()
