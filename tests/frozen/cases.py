"""The commands and public functions that are frozen; each case gives what it found as plain JSON."""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import selectormlp as sm
from frozen import reduce

CLOSED_FORM = ("discriminant", "discriminant-bhattacharyya", "reconstruction", "mixture", "markers", "variance")
"""Methods whose panel arithmetic decides, the same on every processor."""
SLOW_CLOSED_FORM = ("markers-wilcoxon",)
"""The same, a few seconds long on many genes."""
QUICK_NETWORK = {"max_epochs": 1}
QUICK_BUDGET = {"n_screened": 40, "n_networks": 2, "first_steps": 5, "steps": 2, "panel_steps": 5}
QUICK_PERSIST = {"elimination_steps": 5, "selection_steps": 5}
LEARNED: dict[str, dict[str, Any]] = {
    "auto": {},
    "selector_mlp": QUICK_NETWORK,
    "selector_mlp-budget": QUICK_BUDGET,
    "mlp": QUICK_NETWORK,
    "persist": QUICK_PERSIST,
    "persist-unsupervised": QUICK_PERSIST,
    "svm": {},
    "markers-logreg": {},
    "forest": {},
    "random": {},
}
"""Methods of which only the structure is frozen, with options that keep them short."""
TRAINING = {
    "dataloader": {"batch_size": 64, "num_workers": 0},
    "model": {"L1_size": 16, "L2_size": 8, "L3_size": 8},
    "training": {"max_epochs": 2, "device": "cpu"},
}
SIZES = {"train_cluster_size": 30, "val_cluster_size": 10, "test_cluster_size": 10, "min_cluster_size": 20}


@dataclass
class Bench:
    """What a case works with: cells in memory and in a file, a folder, and the command line."""

    adata: Any
    file: Path
    label_key: str
    donor_key: str
    folder: Path
    cli: Callable[..., Any]

    @property
    def genes(self):
        """Twelve genes that the data have, six of them spread over all."""
        return [str(name) for name in self.adata.var_names[:: max(1, self.adata.n_vars // 12)][:12]]

    @property
    def labels(self):
        return {"label_key": self.label_key}

    def write(self, name, text):
        (self.folder / name).write_text(text if isinstance(text, str) else json.dumps(text))
        return name

    def run(self, *words):
        """Run a command that ends well; give all files that it has left in ``out``."""
        outcome = self.cli(*words)
        assert outcome.code == 0, outcome.err
        return outcome

    def command(self, name, *words, data=True):
        """Run a command on the data into the folder ``out``; give its exit code and the files there."""
        source = [self.file, "--label-key", self.label_key] if data else []
        outcome = self.run(name, *source, *words, "--out", "out")
        return {"exit_code": outcome.code, "files": reduce.folder_of(self.folder / "out")}

    def panel(self, n_genes=12):
        """Write the first genes as a list, and give the file."""
        return self.write("mine.csv", "gene\n" + "\n".join(self.genes[:n_genes]) + "\n")


@dataclass(frozen=True)
class Case:
    """One thing that is frozen.

    Attributes
    ----------
    name
        Of the golden file.
    find
        Gives what is frozen.
    slow
        Whether it takes more than a few seconds.
    data
        Names of data that it is frozen on.
    close
        Absolute tolerance of figures.
    """

    name: str
    find: Callable[[Bench], Any]
    slow: bool = False
    data: tuple[str, ...] = ("pbmc68k",)
    close: float = 1e-6


CASES: list[Case] = []
EVERYWHERE = ("pbmc68k", "pbmc3k", "baron_human")


def case(name, **more):
    """Add a case under a name."""

    def add(find):
        CASES.append(Case(name, find, **more))
        return find

    return add


def _closed_form(method):
    def find(bench):
        panel = sm.select(bench.adata, **bench.labels, n_genes=12, method=method)
        return reduce.panel_of(panel)

    return find


for _method in (*CLOSED_FORM, *SLOW_CLOSED_FORM):
    CASES.append(Case(f"select_{_method}", _closed_form(_method), data=EVERYWHERE))


def _learned(method, options):
    def find(bench):
        panel = sm.select(bench.adata, **bench.labels, n_genes=12, method=method, options=options)
        return reduce.panel_of(panel, learned=True)

    return find


for _method, _options in LEARNED.items():
    CASES.append(Case(f"select_{_method}", _learned(_method, _options), slow=True))


@case("select_constraints", data=EVERYWHERE)
def _constraints(bench):
    names = bench.genes
    adata = bench.adata.copy()
    adata.var["second_name"] = [f"id {i}" for i in range(adata.n_vars)]
    panel = sm.select(
        adata,
        **bench.labels,
        n_genes=12,
        method="discriminant",
        donor_key=bench.donor_key,
        must_have=names[:2],
        forbidden=[f"{names[3][:1]}*"],
        costs={names[0]: 5.0},
        budget=30.0,
        min_markers_per_type=1,
        gene_id_key="second_name",
    )
    written = sorted(name for name in adata.var if name.startswith("selectormlp"))
    return {"panel": reduce.panel_of(panel), "var": written, "uns": sorted(adata.uns["selectormlp"])}


@case("extend", data=EVERYWHERE)
def _extend(bench):
    given = bench.genes[:3]
    return {
        method: reduce.panel_of(sm.extend(bench.adata, given, **bench.labels, n_new=4, method=method))
        for method in ("discriminant", "reconstruction", "mixture", "markers")
    }


@case("explain", data=EVERYWHERE)
def _explain(bench):
    panel = sm.select(bench.adata, **bench.labels, n_genes=6, method="discriminant")
    found = sm.explain(bench.adata, panel, **bench.labels)
    lines = [
        f"{one.gene}, {reduce.rounded(one.loss)}, marks {one.marks[0].name if one.marks else 'none'}, "
        f"substitute {one.substitute}"
        for one in found.genes
    ]
    return {**reduce.result_of(found), "criterion": reduce.rounded(found.criterion), "genes": lines}


@case("files_on_disk", data=EVERYWHERE)
def _on_disk(bench):
    return {
        method: reduce.panel_of(sm.select(bench.file, **bench.labels, n_genes=12, method=method))
        for method in ("discriminant", "reconstruction", "mixture", "variance")
    }


@case("evaluate", close=0.03)
def _evaluate(bench):
    found = sm.evaluate(
        bench.adata, bench.genes, **bench.labels, donor_key=bench.donor_key, sizes=[4], n_splits=2, unsupervised=True
    )
    return {**reduce.result_of(found), "figures": _figures(found), "unsupervised": reduce.result_of(found.unsupervised)}


@case("evaluate_own_panel", close=0.03, slow=True, data=EVERYWHERE)
def _evaluate_own(bench):
    panel = sm.select(bench.adata, **bench.labels, n_genes=12, method="discriminant")
    found = sm.evaluate(
        bench.adata, panel, **bench.labels, donor_key=bench.donor_key, sizes=[6], n_splits=2, unsupervised=False,
        robustness=True, n_stability=2,
    )  # fmt: skip
    parts = {name: reduce.result_of(getattr(found, name)) for name in ("robustness", "stability")}
    return {**reduce.result_of(found), **parts, "figures": _figures(found)}


def _figures(found):
    curves = {"panel": found.curve, "random": found.random, "all": found.ceiling}
    return {
        "protocol": found.protocol,
        "optimistic": found.optimistic,
        "splits": {k: v for k, v in dataclasses.asdict(found.splits).items() if k != "n_test"},
        "sizes": found.curve.sizes.tolist(),
        **{
            name: [reduce.rounded(value) for value in curve.balanced_accuracy.value.tolist()]
            for name, curve in curves.items()
        },
    }


@case("compare", close=0.03)
def _compare(bench):
    found = sm.compare(
        bench.adata, {"mine": bench.genes[:6], "theirs": bench.genes[3:9]}, **bench.labels,
        methods=["discriminant"], n_splits=2,
    )  # fmt: skip
    return {
        **reduce.result_of(found),
        "jaccard": [[reduce.rounded(v) for v in row] for row in np.atleast_2d(found.jaccard).tolist()],
    }


@case("robustness_stability_expression")
def _others(bench):
    robustness = sm.robustness(bench.adata, bench.genes[:6], **bench.labels, n_splits=2, n_draws=1)
    stability = sm.stability(bench.adata, **bench.labels, method="discriminant", n_genes=6, n_repeats=2)
    expression = sm.expression(bench.adata, bench.genes[:6], **bench.labels)
    means = [[reduce.rounded(float(v)) for v in row] for row in expression.means[:, :3]]
    return {
        "robustness": {**reduce.result_of(robustness), "kinds": [d.kind for d in robustness.disturbances]},
        "stability": {**reduce.result_of(stability), "over": [o.source for o in stability.overlaps]},
        "expression": {**reduce.result_of(expression), "means": means},
    }


@case("classifier", data=("pbmc68k", "baron_human"))
def _classifier(bench):
    classifier = sm.fit_classifier(bench.adata, bench.genes, **bench.labels, n_splits=2)
    predictions = sm.predict(bench.adata, classifier)
    place = classifier.save(bench.folder / "out" / "classifier")
    again = sm.predict(bench.adata, sm.load_classifier(place))
    assert again.to_frame().equals(predictions.to_frame())
    return {
        "predictions": {
            "class": type(predictions).__name__, "columns": reduce.frame_of(predictions.to_frame())["columns"][:4]
        },
        "files": reduce.folder_of(bench.folder / "out"),
    }  # fmt: skip


@case("panel_files")
def _panel_files(bench):
    panel = sm.select(bench.adata, **bench.labels, n_genes=6, method="discriminant")
    panel.write(bench.folder / "out")
    again = sm.read_panel(bench.folder / "out" / "panel.json")
    assert again.genes == panel.genes
    assert again.provenance == panel.provenance
    return {"files": reduce.folder_of(bench.folder / "out"), "head": reduce.panel_of(again.head(3))}


@case("read_sample")
def _read_sample(bench):
    sample = sm.read_sample(bench.file, label_key=bench.label_key, cells_per_type=5)
    return {"shape": list(sample.shape), "obs": sorted(sample.obs), "uns": sorted(sample.uns)}


def _select_command(*flags):
    return lambda bench: bench.command("select", "--size", 8, *flags)


CASES.append(Case("command_select", _select_command("--method", "discriminant"), data=EVERYWHERE))
CASES.append(Case("command_select_lazy", _select_command("--method", "mixture", "--lazy")))
CASES.append(Case("command_select_report", _select_command("--method", "discriminant", "--report"), slow=True))


@case("command_extend")
def _extend_command(bench):
    return bench.command("extend", "--panel", bench.panel(3), "--add", 2, "--method", "discriminant")


@case("command_explain")
def _explain_command(bench):
    return bench.command("explain", "--panel", bench.panel(5))


@case("command_evaluate", slow=True)
def _evaluate_command(bench):
    flags = ["--panel", bench.panel(), "--donor-key", bench.donor_key, "--splits", 2, "--at", 5, "--robustness"]
    found = bench.command("evaluate", *flags, "--model", "classifier.safetensors")
    predicted = bench.run("predict", bench.file, "--model", "classifier.safetensors", "--out", "predicted")
    files = reduce.folder_of(bench.folder / "predicted")
    files["predictions.csv"]["columns"] = files["predictions.csv"]["columns"][:5]
    return {"evaluate": found, "predict": {"exit_code": predicted.code, "files": files}}


@case("command_compare", slow=True)
def _compare_command(bench):
    flags = ["--panel", bench.panel(5), "--method", "discriminant", "--method", "variance", "--splits", 2]
    return bench.command("compare", *flags)


@case("command_report", slow=True, data=EVERYWHERE)
def _report_command(bench):
    return bench.command("report", "--panel", bench.panel(5), "--splits", 2, "--no-robustness")


@case("command_inspect", data=EVERYWHERE)
def _inspect_command(bench):
    outcome = bench.run("inspect", bench.file, "--label-key", bench.label_key, "--donor-key", bench.donor_key)
    return {"exit_code": outcome.code, "n_cells": f"{bench.adata.n_obs:,} cells" in outcome.out}


@case("command_schema")
def _schema_command(bench):
    bench.run("schema", "--out", "out")
    schemas = {path.name: json.loads(path.read_text()) for path in sorted((bench.folder / "out").iterdir())}
    return {name: _properties(schema, schema.get("$defs", {})) for name, schema in schemas.items()}


def _properties(schema, known):
    """Give the keys of settings with their defaults, sections within."""
    found = {}
    for name, entry in schema.get("properties", {}).items():
        (link,) = entry.get("allOf", [entry])  # pydantic 2.7 wraps the link to a section
        section = known.get(link.get("$ref", "").rpartition("/")[2])
        found[name] = _properties(section, known) if section else reduce.shape_of({"default": entry.get("default")})
    return found


@case("command_print_config")
def _print_config(bench):
    flags = {
        "split_data": ["--config", bench.write("split.json", {})],
        "train": ["--config", bench.write("train.json", {}), "--model_type", "svm"],
        "feature_selection": ["--config", bench.write("fs.json", {})],
        "select": [bench.file, "--label-key", bench.label_key, "--size", 5, "--out", "out"],
        "run": [bench.file, "--label-key", bench.label_key, "--out", "out"],
    }
    return {
        name: reduce.shape_of(json.loads(bench.run(name, *more, "--print-config").out)) for name, more in flags.items()
    }


def _split(bench, **more):
    settings = {"adata_path": str(bench.file), "y_column": bench.label_key, "save_dir": "split", **SIZES, **more}
    return bench.run("split_data", "--config", bench.write("split.json", settings))


@case("command_split_data", data=EVERYWHERE)
def _split_command(bench):
    import anndata

    _split(bench)
    sides = {path.name: anndata.read_h5ad(path) for path in (bench.folder / "split").glob("*.h5ad")}
    copied = {
        name: {"n_cells": side.n_obs, "obs": sorted(side.obs), "uns": sorted(side.uns.get("selectormlp", {}))}
        for name, side in sides.items()
    }
    _split(bench, write="index", save_dir="index")
    return {
        "copy": copied,
        "files": sorted(reduce.folder_of(bench.folder / "split")),
        "index": sorted(reduce.folder_of(bench.folder / "index")),
    }


@case("command_train_and_feature_selection", slow=True)
def _train_command(bench):
    _split(bench)
    data = {"input_dir": "split", "y_column": bench.label_key}
    places = {"log_dir": "out/logs", "trained_models_dir": "out/models", "checkpoint": {"dir": "out/checkpoints"}}
    config = bench.write("train.json", {"data": data, **places, **TRAINING})
    models = {"selector_mlp": "SelectorMLP", "mlp": "MLP", "svm": "SVM"}
    for model_type in models:
        bench.run("train", "--config", config, "--model_type", model_type)
    trained = reduce.folder_of(bench.folder / "out")
    saved = {kind: next((bench.folder / "out" / "models").glob(f"{name}_best*")) for kind, name in models.items()}
    for kind, place in saved.items():
        settings = {
            "model_path": str(place), "adata_input": "split/adata_test.h5ad", "y_column": bench.label_key,
            "results_dir": f"features/{kind}", "group_size": 400, "random_reps": 1,
        }  # fmt: skip
        bench.run("feature_selection", "--config", bench.write("fs.json", settings))
    return {"train": trained, "feature_selection": reduce.folder_of(bench.folder / "features")}


@case("command_run", slow=True)
def _run_command(bench):
    masking = {"group_size": 400, "random_reps": 1}
    config = bench.write("run.json", {"split": SIZES, **TRAINING, "masking": masking})
    return bench.command("run", "--config", config, "--method", "discriminant")


@case("command_rerun")
def _rerun_command(bench):
    bench.command("select", "--size", 5, "--method", "discriminant")
    outcome = bench.run("rerun", "out", "--out", "again")
    return {"exit_code": outcome.code, "files": sorted(reduce.folder_of(bench.folder / "again"))}
