"""What is fuzzed: each reader of files, with files that it takes and ways to change them."""

import json
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
import yaml

from fuzz import mutate
from fuzz.vendor_files import VENDOR_FILES
from selectormlp.assessment.label_map import read_label_map
from selectormlp.cli.kinds import KINDS, find_kind
from selectormlp.cli.rerun import compare_tables, recorded_settings
from selectormlp.config.files import read_settings, settings_text
from selectormlp.data.anndata_files import read_adata
from selectormlp.data.anndata_io import CellsSource, cells_from_adata
from selectormlp.data.anndata_lazy import open_adata, stored_cells
from selectormlp.data.common_labels import common_labels
from selectormlp.data.label_tables import read_label_tree, read_mistake_costs
from selectormlp.data.orthologs import ortholog_pairs
from selectormlp.data.split_index import SplitIndex, hash_names, write_split_index
from selectormlp.errors import SelectorMLPError
from selectormlp.models.model import MODEL_TYPES, Model
from selectormlp.models.panel_classifier import ClassifierCard, PanelClassifier, load_classifier
from selectormlp.models.storage import load_model, save_model
from selectormlp.networks.mlp import NetworkSpec
from selectormlp.networks.module import TrainingSpec
from selectormlp.networks.training import Run, train_network
from selectormlp.panel.gene_files import read_gene_facts, read_gene_sets
from selectormlp.panel.panel import Panel
from selectormlp.panel.provenance import Provenance
from selectormlp.panel.storage import read_costs, read_panel
from selectormlp.panel.vendors import read_panel as read_vendor_panel

GENES = tuple(f"g{i}" for i in range(6))


@dataclass(frozen=True)
class Reader:
    """A reader of files.

    ``example`` writes a file that it takes into a folder; ``changes`` are ways to change its bytes, ``in_place`` one to
    change the file itself.
    """

    read: Callable[[Path], object]
    example: Callable[[Path], Path]
    changes: tuple[Callable, ...] = (mutate.mutate_bytes,)
    in_place: Callable | None = None

    def vary(self, content, place, rng):
        """Write a changed copy of an example."""
        if self.in_place is not None:
            mutate.restore(place, content)
            self.in_place(place, rng)
            return
        place.write_bytes(self.changes[rng.integers(len(self.changes))](content, rng))


def text_file(name, text):
    def write(folder):
        place = folder / name
        place.write_text(text)
        return place

    return write


def settings_example(command, suffix):
    settings = find_kind(command)()
    given = json.loads(settings_text(settings))
    text = json.dumps(given)
    if suffix == ".yaml":
        text = yaml.safe_dump(given)
    elif suffix == ".toml":
        sections = {key: value for key, value in given.items() if isinstance(value, dict)}
        plain = {key: value for key, value in given.items() if key not in sections}
        text = _toml(plain) + "".join(f"[{name}]\n{_toml(section)}" for name, section in sections.items())
    return text_file(f"settings{suffix}", text)


def _toml(values):
    return "".join(
        f"{key} = {json.dumps(value)}\n" for key, value in values.items() if value is not None and value != {}
    )


def a_panel():
    origin = Provenance(
        "auto",
        {"n_genes": 3, "constraints": {"must_have": []}, "selector": {"contenders": {"discriminant": {}}}},
        seed=0,
        versions={"python": "3"},
        label_key="kind",
        cells=("c1", "c2"),
    )
    return Panel(("CD3E", "=1+1", "é"), scores=(1.0, None, 0.1), gene_ids=("a", "b", "c"), provenance=origin)


def panel_example(name):
    def write(folder):
        return a_panel().write(folder) / name

    return write


def classifier_example(folder):
    card = ClassifierCard(
        genes=list(GENES),
        classes=["B", "T"],
        label_key="kind",
        normalize="auto",
        is_counts=True,
        temperature=1.0,
        min_confidence=0.5,
        accuracy=0.9,
        calibration_error=0.1,
        n_cells=10,
        data_hash="x",
        versions={},
    )
    one = np.ones(len(GENES))
    return PanelClassifier(card, one, one, np.ones((2, len(GENES))), np.zeros(2)).save(folder / "classifier")


def model_example(kind):
    def write(folder):
        rng = np.random.default_rng(0)
        X = rng.random((20, len(GENES)), dtype=np.float32)
        few = {} if kind == "svm" else {"hidden_sizes": (3, 2, 2), "max_epochs": 1, "device": "cpu"}
        selector = MODEL_TYPES[kind](random_state=0, **few).fit(X, np.repeat(["B", "T"], 10))
        return save_model(Model(selector, GENES, CellsSource("kind")), folder / kind)

    return write


def cells_example(folder):
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"kind": pd.Categorical(np.repeat(["B", "T"], 5)), "donor": list("abcde" * 2)})
    obs.index = [f"c{i}" for i in range(10)]
    X = sp.csr_matrix(rng.poisson(2.0, (10, len(GENES))).astype(np.float32))
    cells = ad.AnnData(X, obs=obs, var=pd.DataFrame(index=list(GENES)))
    cells.uns["selectormlp"] = {"label_key": "kind", "classes": np.array(["B", "T"], dtype=object)}
    cells.write_h5ad(folder / "cells.h5ad")
    return folder / "cells.h5ad"


def store_example(zarr_format):
    def write(folder):
        place = folder / "cells.zarr"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with ad.settings.override(zarr_write_format=zarr_format):
                read_adata(cells_example(folder)).write_zarr(place)
        return place

    return write


def train(folder, max_epochs, resume_from=None):
    rng = np.random.default_rng(0)
    X = rng.random((12, len(GENES)), dtype=np.float32)
    labels = np.arange(12) % 2
    network = NetworkSpec(n_genes=len(GENES), n_classes=2, hidden_sizes=(3, 2, 2))
    training = TrainingSpec(max_epochs=max_epochs, batch_size=6, device="cpu", patience=9, seed=0)
    run = Run(folder / "logs", folder / "checkpoints", "{}", resume_from=resume_from, save_top_k=1)
    return train_network(X, labels, network, training, validation=(X, labels), run=run)


def checkpoint_example(folder):
    train(folder, 2)
    return folder / "checkpoints" / "last.ckpt"


def go_on(place):
    with tempfile.TemporaryDirectory() as folder:
        return train(Path(folder), 3, place)


def index_example(folder):
    cells = cells_example(folder)
    names = hash_names(f"c{i}" for i in range(10))
    index = SplitIndex((cells,), np.arange(10), ((10, len(GENES)),), "kind", ("B", "T"), names)
    write_split_index(index, folder / "adata_train.index.npz")
    return folder / "adata_train.index.npz"


def results_example(folder):
    place = folder / "results"
    a_panel().write(place)
    kind = find_kind("select")
    text = settings_text(kind(data=(Path("cells.h5ad"),), label_key="kind"))
    (place / "settings.json").write_text(text)
    (place / "split.csv").write_text("class,train\nB,3\n")
    return place


def read_results(place):
    with suppress(SelectorMLPError):  # what is wrong with one file does not keep others from being read
        recorded_settings(place)
    compare_tables(place, place, ["split.csv", "panel.csv"])
    return read_panel(place / "panel.json")


def read_in_memory(place):
    return cells_from_adata(read_adata(place), CellsSource("kind", "donor"))


def read_lazily(place):
    opened = open_adata([place], label_key="kind", donor_key="donor", layer=None)
    return stored_cells(opened, CellsSource("kind", "donor"))


BOTH = (mutate.mutate_bytes, mutate.mutate_json)


def readers():
    """All readers, by name."""
    found = {}
    for command in KINDS:
        kind = find_kind(command)
        for suffix in (".json", ".yaml", ".toml"):
            changes = BOTH if suffix == ".json" else (mutate.mutate_bytes,)

            def read(place, kind=kind):
                return read_settings(kind, place)

            found[f"settings of {command}, {suffix}"] = Reader(read, settings_example(command, suffix), changes)
    found["folder to rerun, settings"] = Reader(
        lambda place: recorded_settings(place.parent), settings_example("train", ".json"), BOTH
    )
    found["folder to rerun, panel"] = Reader(
        lambda place: recorded_settings(place.parent, [Path("x.h5ad")]), panel_example("panel.json"), BOTH
    )
    found["panel, JSON"] = Reader(read_panel, panel_example("panel.json"), BOTH)
    found["panel, CSV"] = Reader(read_panel, panel_example("panel.csv"))
    found["panel, list"] = Reader(read_panel, panel_example("genes.txt"))
    found["costs"] = Reader(read_costs, text_file("costs.csv", "gene,cost\nCD3E,2.5\nMS4A1,1\n"))
    for name, example, *more in VENDOR_FILES:
        found[f"vendor's file, {name}"] = Reader(read_vendor_panel, example, (mutate.mutate_bytes, *more))
    facts = "gene,n_probes,max_level,family\nCD3E,9,2.5,T\nMS4A1,41,,B\n"
    found["facts of genes"] = Reader(read_gene_facts, text_file("facts.csv", facts))
    found["sets of genes"] = Reader(read_gene_sets, text_file("sets.csv", "set,gene,min,max\nT,CD3E,1,2\nB,MS4A1,,\n"))
    sides = "side,cell_type,common\nscrna,Astro1,Astrocyte\nimaging,Astrocytes,Astrocyte\n"
    found["map of labels"] = Reader(read_label_map, text_file("map.csv", sides))
    common = "data,label,common\na,T,T cell\n*,CD3+,T cell\nb,doublets,\n"
    found["labels of data sets"] = Reader(common_labels, text_file("labels.csv", common))
    tree = "type,parent\nCA1,neuron\nS1,neuron\nAstro,glia\nglia,\n"
    types = ("CA1", "S1", "Astro")
    found["tree of labels"] = Reader(lambda place: read_label_tree(place, types), text_file("tree.csv", tree))
    mistakes = ",CA1,S1\nCA1,0,1\nS1,2.5,0\n"
    found["costs of mistakes"] = Reader(
        lambda place: read_mistake_costs(place, types[:2]), text_file("mistakes.csv", mistakes)
    )
    pairs = "from,to\nCd4,CD4\nHba-a1,HBA1\nHba-a2,HBA1\n"
    found["orthologs"] = Reader(ortholog_pairs, text_file("orthologs.csv", pairs))
    tensors = (mutate.mutate_bytes, mutate.mutate_safetensors)
    found["classifier"] = Reader(load_classifier, classifier_example, tensors)
    found["network"] = Reader(load_model, model_example("selector_mlp"), tensors)
    found["SVM"] = Reader(load_model, model_example("svm"), (mutate.mutate_bytes, mutate.mutate_zip))
    zips = (mutate.mutate_bytes, mutate.mutate_zip)
    found["checkpoint"] = Reader(go_on, checkpoint_example, (mutate.mutate_checkpoint, mutate.mutate_checkpoint, *zips))
    found["index of a split"] = Reader(read_adata, index_example, zips)
    found["results to rerun"] = Reader(read_results, results_example, in_place=mutate.mutate_folder)
    for zarr_format in (2, 3):
        example = store_example(zarr_format)
        found[f"store in memory, format {zarr_format}"] = Reader(read_in_memory, example, in_place=mutate.mutate_folder)
        found[f"store on disk, format {zarr_format}"] = Reader(read_lazily, example, in_place=mutate.mutate_folder)
    found["cells in memory, bytes"] = Reader(read_in_memory, cells_example)
    found["cells on disk, bytes"] = Reader(read_lazily, cells_example)
    found["cells in memory"] = Reader(read_in_memory, cells_example, in_place=mutate.mutate_hdf5)
    found["cells on disk"] = Reader(read_lazily, cells_example, in_place=mutate.mutate_hdf5)
    return found
