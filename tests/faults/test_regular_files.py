"""Promise: only files that lie on disk are read: a pipe does not hang a command, a device does not fill memory."""

import os
import socket
from pathlib import Path

import pytest

from selectormlp.assessment.label_map import read_label_map
from selectormlp.cli.kinds import find_kind
from selectormlp.cli.rerun import recorded_settings
from selectormlp.config.files import read_settings
from selectormlp.data.anndata_files import read_adata
from selectormlp.data.anndata_lazy import open_adata
from selectormlp.data.common_labels import common_labels
from selectormlp.data.label_tables import read_label_tree, read_mistake_costs
from selectormlp.data.orthologs import ortholog_pairs
from selectormlp.errors import SelectorMLPError
from selectormlp.models.panel_classifier import load_classifier
from selectormlp.models.storage import load_model
from selectormlp.panel.gene_files import read_gene_facts, read_gene_sets
from selectormlp.panel.storage import read_costs, read_panel
from selectormlp.panel.vendors import read_panel as read_vendor_panel

READERS = {
    "cells in memory": (read_adata, "cells.h5ad"),
    "cells on disk": (open_adata, "cells.h5ad"),
    "index of a split": (read_adata, "adata_train.index.npz"),
    "settings": (lambda place: read_settings(find_kind("select"), place), "settings.json"),
    "YAML": (lambda place: read_settings(find_kind("select"), place), "settings.yaml"),
    "network": (load_model, "model.safetensors"),
    "SVM": (load_model, "model.skops"),
    "checkpoint": (load_model, "model.ckpt"),
    "classifier": (load_classifier, "classifier.safetensors"),
    "panel": (read_panel, "panel.json"),
    "list": (read_panel, "genes.txt"),
    "costs": (read_costs, "costs.csv"),
    "vendor's file": (read_vendor_panel, "gene_panel.json"),
    "facts of genes": (read_gene_facts, "facts.csv"),
    "sets of genes": (read_gene_sets, "sets.csv"),
    "map of labels": (read_label_map, "map.csv"),
    "labels of data sets": (common_labels, "labels.csv"),
    "tree of labels": (lambda place: read_label_tree(place, ["T"]), "tree.csv"),
    "costs of mistakes": (lambda place: read_mistake_costs(place, ["T"]), "mistakes.csv"),
    "orthologs": (ortholog_pairs, "orthologs.csv"),
    "results": (lambda place: recorded_settings(place.parent), "settings.json"),
}


def pipe(place):
    os.mkfifo(place)


def device(place):
    place.symlink_to("/dev/zero")


def link_to_a_pipe(place):
    os.mkfifo(place.parent / "pipe")
    place.symlink_to(place.parent / "pipe")


def unix_socket(place):
    here = Path.cwd()
    os.chdir(place.parent)  # its whole path may be too long for a socket
    try:
        with socket.socket(socket.AF_UNIX) as open_socket:
            open_socket.bind(place.name)
    finally:
        os.chdir(here)


@pytest.mark.parametrize("make", [pipe, device, link_to_a_pipe, unix_socket])
@pytest.mark.parametrize("name", READERS)
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, name, make):
    read, file = READERS[name]
    make(tmp_path / file)
    with pytest.raises(
        SelectorMLPError, match=r"is a (named pipe|device|socket), not a file; give a file that lies on|is a link; copy"
    ):
        read(tmp_path / file)


@pytest.mark.parametrize("name", READERS)
def test_a_name_that_is_too_long_is_said(tmp_path, name):
    """Python 3.14 says that there is no such file, where earlier ones raise."""
    read, file = READERS[name]
    folder = tmp_path / ("x" * 300)
    with pytest.raises(SelectorMLPError, match="File name too long"):
        read(folder / file)
