"""Whatever is handed in, the answer to bad input is one clear line, exit code 2, and nothing written."""

import gzip
import pickle
import subprocess
import sys
from pathlib import Path

import anndata
import h5py
import numpy as np
import pytest
import scipy.sparse as sp

SPLIT = {
    "adata_path": "cells.h5ad",
    "y_column": "cell_type",
    "train_cluster_size": 30,
    "val_cluster_size": 10,
    "test_cluster_size": 10,
    "min_cluster_size": 20,
    "save_dir": "split",
}
TRAIN = {
    "data": {"input_dir": "split", "y_column": "cell_type"},
    "dataloader": {"batch_size": 32, "num_workers": 0},
    "model": {"L1_size": 8, "L2_size": 6, "L3_size": 4},
    "training": {"max_epochs": 1, "device": "cpu"},
}
SELECT = {
    "model_path": "trained_models/SVM_best_model.pkl",
    "adata_input": "split/adata_test.h5ad",
    "y_column": "cell_type",
    "group_size": 10,
    "random_reps": 2,
}


def everything_in(folder):
    """Every file and folder below, with size and time of change."""
    return {
        str(place.relative_to(folder)): (place.stat().st_size if place.is_file() else None, place.stat().st_mtime_ns)
        for place in Path(folder).rglob("*")
    }


@pytest.fixture
def refused(cli, tmp_path):
    """Run a command that must be refused in one line; return the line."""

    def run(*arguments):
        before = everything_in(tmp_path)
        outcome = cli(*arguments)
        assert outcome.code == 2
        assert outcome.out == ""
        assert everything_in(tmp_path) == before
        lines = outcome.err.splitlines()
        assert lines[-1].startswith("selectormlp: error: ")
        assert len([line for line in lines if "error" in line.lower()]) == 1
        assert "Traceback" not in outcome.err
        return lines

    return run


def corrupt(change):
    """Write the synthetic cells after a change to the object."""

    def write(adata, place):
        change(adata)
        adata.write_h5ad(place)

    return write


def set_value(value):
    def change(adata):
        adata.X.data[3] = value

    return corrupt(change)


def file_of(content):
    return lambda adata, place: place.write_bytes(content)


def part_of(share, *, packed):
    def write(adata, place):
        adata.write_h5ad(place)
        content = gzip.compress(place.read_bytes()) if packed else place.read_bytes()
        place.write_bytes(content[: int(len(content) * share)])

    return write


def other_hdf5(adata, place):
    with h5py.File(place, "w") as file:
        file.create_group("matrix")["barcodes"] = np.arange(3)


def folder(adata, place):
    place.mkdir()


def one_class(adata):
    adata.obs["cell_type"] = "B"


def twice(axis):
    def change(adata):
        names = getattr(adata, axis).tolist()
        setattr(adata, axis, [names[1], *names[1:]])

    return change


def of_size(n_cells, n_genes):
    return lambda adata, place: adata[:n_cells, :n_genes].copy().write_h5ad(place)


def nothing(adata):
    pass


BAD_FILES = {
    "missing": (lambda adata, place: None, {}, ["no file 'cells.h5ad'", "in '.'"]),
    "misspelt": (corrupt(nothing), {"adata_path": "cell.h5ad"}, ["no file 'cell.h5ad'", "did you mean 'cells.h5ad'?"]),
    "in no folder": (corrupt(nothing), {"adata_path": "raw/a.h5ad"}, ["no file 'raw/a.h5ad'", "'raw'"]),
    "name too long": (corrupt(nothing), {"adata_path": "x" * 300}, ["xxxx", "File name too long"]),
    "truncated": (part_of(0.5, packed=False), {}, ["'cells.h5ad'", "truncated", "copy it again"]),
    "all but the end": (part_of(0.99, packed=False), {}, ["'cells.h5ad'", "truncated", "copy it again"]),
    "truncated gzip": (part_of(0.5, packed=True), {}, ["'cells.h5ad'", "truncated", "download it again"]),
    "gzip of something else": (
        file_of(gzip.compress(b"gene,x\n" * 99)),
        {},
        ["'cells.h5ad' is gzipped, but what it holds is no h5ad file", "expected a gzipped h5ad file"],
    ),
    "0 bytes": (file_of(b""), {}, ["'cells.h5ad' is empty (0 bytes)", "download it again"]),
    "text": (file_of(b"gene,cell1\nA,1\n"), {}, ["'cells.h5ad' is not an AnnData file", "expected h5ad", "scanpy"]),
    "random bytes": (
        file_of(np.random.default_rng(0).bytes(5000)),
        {},
        ["'cells.h5ad' is not an AnnData file", "expected h5ad"],
    ),
    "other HDF5": (other_hdf5, {}, ["is not an AnnData file", "obs and var", "'matrix'", "write_h5ad"]),
    "folder": (folder, {}, ["'cells.h5ad' is a folder but not a zarr store", "expected"]),
    "the folder itself": (corrupt(nothing), {"adata_path": "."}, ["'.' is a folder", "a file in it: 'cells.h5ad'"]),
    "label column absent": (
        corrupt(nothing),
        {"y_column": "celltype"},
        ["no label column 'celltype'", "did you mean 'cell_type'?"],
    ),
    "label column far off": (corrupt(nothing), {"y_column": "x"}, ["no label column 'x'", "there are: 'cell_type'"]),
    "one class": (corrupt(one_class), {}, ["1 of 1 class has", "at least 2", "another label column"]),
    "all classes too small": (
        corrupt(nothing),
        {"min_cluster_size": 51},
        ["0 of 4 classes have at least 51 cells", "largest has 50", "lower min_cluster_size"],
    ),
    "NaN": (set_value(np.nan), {}, ["1 NaN or infinite value", "expected finite", "remove or replace"]),
    "infinite": (set_value(np.inf), {}, ["1 NaN or infinite value", "expected finite", "remove or replace"]),
    "negative": (set_value(-1), {}, ["X holds 1 negative value", 'set normalize to "none"']),
    "repeated genes": (corrupt(twice("var_names")), {}, ["1 gene name", "'gene1'", "var_names_make_unique"]),
    "repeated cells": (corrupt(twice("obs_names")), {}, ["1 cell name", "'cell1'", "obs_names_make_unique"]),
    "no cells": (of_size(0, 30), {}, ["empty (0 cells × 30 genes)", "at least one cell"]),
    "no genes": (of_size(200, 0), {}, ["empty (200 cells × 0 genes)", "at least one cell"]),
    "no such layer": (corrupt(nothing), {"layer": "counts"}, ["no layer 'counts'", "there are none"]),
    "no such donors": (corrupt(nothing), {"donor_column": "doner"}, ["'doner'", "did you mean 'donor'?"]),
    "label to leave out is unknown": (
        corrupt(nothing),
        {"exclude_labels": ["type Z"]},
        ["no cell has the label 'type Z'", "did you mean"],
    ),
    "all labels left out": (
        corrupt(nothing),
        {"exclude_labels": [f"type {letter}" for letter in "ABCD"]},
        ["all labels are excluded", "exclude fewer"],
    ),
}


@pytest.mark.filterwarnings("ignore:(Observation|Variable) names are not unique")
@pytest.mark.parametrize(("write", "settings", "words"), BAD_FILES.values(), ids=BAD_FILES)
def test_split_refuses_bad_data(refused, settings_file, tmp_path, adata, write, settings, words):
    write(adata, tmp_path / "cells.h5ad")
    line = refused("split_data", "--quiet", "--config", settings_file(SPLIT | settings))[-1]
    for word in words:
        assert word in line


@pytest.mark.filterwarnings("ignore:(Observation|Variable) names are not unique")
@pytest.mark.parametrize("name", ["missing", "truncated", "text", "NaN", "negative", "repeated genes", "no cells"])
def test_run_refuses_bad_data_too(refused, tmp_path, adata, name):
    write, _, words = BAD_FILES[name]
    write(adata, tmp_path / "cells.h5ad")
    lines = refused("run", "cells.h5ad", "--label-key", "cell_type", "--out", "results", "--quiet")
    assert len(lines) == 1
    for word in words:
        assert word in lines[0]


def test_run_refuses_a_single_cell(refused, tmp_path, adata):
    adata[:1].copy().write_h5ad(tmp_path / "cells.h5ad")
    lines = refused("run", "cells.h5ad", "--label-key", "cell_type", "--out", "results", "--quiet")
    assert "0 of 1 class has at least 10 cells (the largest has 1)" in lines[0]


def test_an_error_is_said_once_without_quiet_too(refused, tmp_path, adata):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    lines = refused("run", "cells.h5ad", "--label-key", "celltype", "--out", "results")
    assert lines == ["selectormlp: error: no label column 'celltype' in obs; did you mean 'cell_type'?"]


BAD_SETTINGS = {
    "unknown": ({"min_cluster_sise": 3}, ["unknown setting 'min_cluster_sise'", "'min_cluster_size'"]),
    "type": ({"train_cluster_size": "30"}, ["'train_cluster_size' is '30'", "valid integer"]),
    "fraction": ({"train_cluster_size": 0.5}, ["'train_cluster_size' is 0.5", "integer"]),
    "range": ({"train_cluster_size": 0}, ["'train_cluster_size' is 0", "greater than or equal to 1"]),
    "negative seed": ({"shuffle_seed": -1}, ["'shuffle_seed' is -1", "greater than or equal to 0"]),
    "choice": ({"normalize": "log"}, ["'normalize' is 'log'", "'auto', 'counts' or 'none'"]),
    "text for yes": ({"shuffle": "true"}, ["'shuffle' is 'true'", "boolean"]),
    "null": ({"y_column": None}, ["'y_column' is None", "string"]),
}


@pytest.mark.parametrize(("changes", "words"), BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_bad_settings_are_refused(refused, settings_file, tmp_path, adata, changes, words):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    lines = refused("split_data", "--config", settings_file(SPLIT | changes))
    assert len(lines) == 1
    for word in ["settings.json", *words]:
        assert word in lines[0]


BAD_TRAIN_SETTINGS = {
    "unknown section": ({"trainning": {}}, ["unknown setting 'trainning'", "did you mean 'training'"]),
    "unknown inner": ({"model": {"L1_siez": 3}}, ["unknown setting 'model.L1_siez'", "'L1_size'"]),
    "inner range": ({"training": {"dropout": 1.0}}, ["'training.dropout' is 1.0", "less than 1"]),
    "inner choice": ({"model": {"penalty": "L3"}}, ["'model.penalty' is 'L3'", "'L1' or 'L2'"]),
    "section is no object": ({"svm": 3}, ["'svm' is 3", "object"]),
    "SVM that no solver fits": ({"svm": {"loss": "hinge"}}, ["'svm'", "cannot combine", "use L1 with squared_hinge"]),
    "SVM dual": ({"svm": {"dual": True}}, ["'svm'", "cannot combine", "dual true"]),
    "path as a name": ({"model": {"name": "../x"}}, ["'model.name' is '../x'", "pattern"]),
}


@pytest.mark.parametrize(("settings", "words"), BAD_TRAIN_SETTINGS.values(), ids=BAD_TRAIN_SETTINGS)
def test_bad_training_settings_are_refused(refused, settings_file, settings, words):
    lines = refused("train", "--config", settings_file(settings))
    assert len(lines) == 1
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize("command", ["split_data", "train", "feature_selection"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["not valid JSON", "expected one object of settings"]),
        ('{"a": 1,}', ["not valid JSON", "trailing comma"]),
        ("[]", ["the whole is []", "object"]),
    ],
)
def test_what_is_no_settings_file_is_refused(refused, settings_file, command, text, words):
    lines = refused(command, "--config", settings_file(text))
    assert len(lines) == 1
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize("command", ["split_data", "train", "feature_selection"])
def test_an_absent_settings_file_is_refused(refused, settings_file, command):
    settings_file({}, "train.json")
    assert "did you mean 'train.json'?" in refused(command, "--config", "tran.json")[0]
    assert f"'configs/{command}.json' (No such file or directory)" in refused(command)[0]


def test_a_folder_that_cannot_be_written_to_is_refused(refused, settings_file, tmp_path, adata):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    (tmp_path / "taken").write_text("")
    split = settings_file(SPLIT | {"save_dir": "taken/split"})
    words = "cannot write to the folder 'taken/split': 'taken' is a file; name a folder"
    assert words in refused("split_data", "--quiet", "--config", split)[0]


OUTPUTS = {
    "select": ["--label-key", "x", "--size", "3"],
    "extend": ["--label-key", "x", "--panel", "mine.txt", "--add", "3"],
    "explain": ["--label-key", "x", "--panel", "mine.txt"],
    "evaluate": ["--label-key", "x", "--panel", "mine.txt"],
    "compare": ["--label-key", "x", "--panel", "mine.txt"],
    "report": ["--label-key", "x", "--panel", "mine.txt"],
    "run": ["--label-key", "x"],
    "predict": ["--model", "mine.safetensors"],
}


@pytest.mark.parametrize("command", OUTPUTS)
def test_a_folder_for_results_is_checked_before_the_data_are_read(refused, tmp_path, command):
    (tmp_path / "taken").write_text("")
    words = [command, "no such file.h5ad", *OUTPUTS[command], "--out"]
    (line,) = refused(*words, "taken")
    assert line.endswith("'taken' is a file; name a folder")
    (line,) = refused(*words, "taken/results")
    assert "cannot write to the folder 'taken/results': 'taken' is a file; name a folder" in line
    (line,) = refused(*words, "new/" + "x" * 300)
    assert "(File name too long); choose one that you may write to" in line


@pytest.mark.parametrize("command", OUTPUTS)
def test_nothing_half_made_is_left_of_a_command_that_fails_later(refused, command):
    (line,) = refused(command, "no such file.h5ad", *OUTPUTS[command], "--out", "new/results")
    assert "no file" in line or "no panel" in line or "no classifier" in line or "no model" in line


@pytest.mark.parametrize(
    ("command", "taken", "more"),
    [
        ("evaluate", "model", ["--model", "model"]),
        ("evaluate", "model.safetensors", ["--model", "model"]),
        ("select", "results/panel.json", []),
        ("select", "results/report.html", ["--report"]),
        ("extend", "results/panel.csv", []),
    ],
)
def test_a_file_for_results_that_is_a_folder_is_refused_at_once(refused, tmp_path, command, taken, more):
    (tmp_path / taken).mkdir(parents=True)
    (line,) = refused(command, "no such file.h5ad", *OUTPUTS[command], "--out", "results", *more)
    assert f"cannot write '{taken}', which is a folder" in line


@pytest.fixture
def split_done(cli, settings_file, tmp_path, adata):
    """The test's folder after the split."""
    adata.write_h5ad(tmp_path / "cells.h5ad")
    assert cli("split_data", "--quiet", "--config", settings_file(SPLIT, "split.json")).code == 0
    settings_file(TRAIN, "train.json")
    return tmp_path


@pytest.mark.parametrize(
    ("model_type", "settings"),
    [
        ("svm", {"trained_models_dir": "taken/m"}),
        ("mlp", {"trained_models_dir": "taken/m"}),
        ("mlp", {"log_dir": "taken/l"}),
        ("mlp", {"checkpoint": {"dir": "taken/c"}}),
    ],
)
def test_training_that_could_not_be_saved_does_not_begin(refused, settings_file, split_done, model_type, settings):
    (split_done / "taken").write_text("")
    config = settings_file(TRAIN | settings)
    line = refused("train", "--quiet", "--model_type", model_type, "--config", config)[-1]
    assert "cannot write to the folder 'taken/" in line


def test_training_refuses_bad_files(refused, split_done):
    train = ("train", "--quiet", "--config", "train.json")
    validation = split_done / "split" / "adata_val.h5ad"
    cells = anndata.read_h5ad(validation)

    cells[:0].copy().write_h5ad(validation)
    assert "'split/adata_val.h5ad': the data are empty (0 cells × 30 genes)" in refused(*train)[-1]
    cells[:, :28].copy().write_h5ad(validation)
    line = refused(*train)[-1]
    assert "'split/adata_val.h5ad': 2 of the 30 genes needed are missing: 'gene28', 'gene29'" in line
    validation.unlink()
    assert "no file 'split/adata_val.h5ad'; in 'split', did you mean 'adata_train.h5ad'" in refused(*train)[-1]


def test_training_on_one_class_is_refused(refused, split_done):
    place = split_done / "split" / "adata_train.h5ad"
    cells = anndata.read_h5ad(place)
    cells[cells.obs["cell_type"] == "type A"].copy().write_h5ad(place)
    assert "training cells are of 1 class; at least 2" in refused("train", "--quiet", "--config", "train.json")[-1]


def test_a_restart_without_a_run_is_refused(refused, split_done):
    line = refused("train", "--quiet", "--config", "train.json", "--restart")[-1]
    assert "no run 'last' of selector_mlp to restart in 'trained_models/checkpoints'; there are none" in line


@pytest.fixture
def trained(cli, settings_file, split_done):
    """The test's folder after the split and the training of an SVM."""
    assert cli("train", "--quiet", "--model_type", "svm", "--config", "train.json").code == 0
    settings_file(SELECT, "select.json")
    return split_done


def test_bad_models_are_refused(refused, trained):
    select = ("feature_selection", "--quiet", "--config", "select.json")
    models = trained / "trained_models"
    saved = models / "SVM_best_model.skops"

    assert "holds a model of type 'svm', not 'mlp'; give" in refused(*select, "--model_type", "mlp")[-1]
    assert "no model 'x.skops'; in '.', there are none" in refused(*select, "--model_path", "x.skops")[-1]
    line = refused(*select, "--model_path", "trained_models/SVM_bst_model.skops")[-1]
    assert "did you mean 'SVM_best_model.skops'?" in line
    assert "'trained_models' is a folder; expected" in refused(*select, "--model_path", "trained_models")[-1]
    assert "does not end in .safetensors, .skops, .ckpt" in refused(*select, "--model_path", "select.json")[-1]

    (models / "real.pkl").write_bytes(pickle.dumps({"a": 1}))
    line = refused(*select, "--model_path", "trained_models/real.pkl")[-1]
    assert "is a pickle, which can run any code" in line
    assert "train it again" in line
    for name, why in (
        ("a.safetensors", "not a"),
        ("a.skops", "not a complete zip file"),
        ("a.ckpt", "not a complete zip file"),
    ):
        (models / name).write_bytes(saved.read_bytes()[:500])
        assert f"'trained_models/{name}' is {why}" in refused(*select, "--model_path", models.name + "/" + name)[-1]


def test_bad_test_files_are_refused(refused, trained):
    select = ("feature_selection", "--quiet", "--config", "select.json")
    place = trained / "split" / "adata_test.h5ad"
    cells = anndata.read_h5ad(place)

    others = cells.copy()
    others.obs["cell_type"] = "never seen"
    others.write_h5ad(place)
    line = refused(*select)[-1]
    assert "none of the 40 cells is of a class that the model was trained on ('type A', 'type B'" in line
    cells[:, ::-1][:, 1:].copy().write_h5ad(place)
    assert "1 of the 30 genes needed is missing: 'gene29'" in refused(*select)[-1]
    place.write_bytes(b"\x89HDF\r\n\x1a\n")
    assert "'adata_test.h5ad' is not of the same run as the rest, or changed since" in refused(*select)[-1]


def test_results_that_could_not_be_written_are_not_computed(refused, settings_file, trained, monkeypatch):
    (trained / "taken").write_text("")
    monkeypatch.setattr("selectormlp.pipeline.masking.masking_curve", None)
    config = settings_file(SELECT | {"results_dir": "taken/results"})
    line = refused("feature_selection", "--quiet", "--config", config)[-1]
    assert "cannot write to the folder 'taken/results'" in line


HELP = "; see 'selectormlp {} --help'"
USAGE = {
    "no such command": (["splitdata"], ["no such command 'splitdata'", "did you mean 'split_data'?"]),
    "no such option": (["split_data", "--confg", "x"], ["no such option '--confg'; did you mean '--config'"]),
    "an option of another command": (
        ["select", "x.h5ad", "--start-from", "p.csv"],
        ["no such option '--start-from' in 'selectormlp select'; use 'selectormlp extend'"],
    ),
    "no such option, far off": (
        ["explain", "--xyz", "x"],
        ["no such option '--xyz'; there are: '--panel', '--label-key'"],
    ),
    "no such option of all": (["--xyz"], ["no such option '--xyz'; there are: '--version', '--help'"]),
    "argument too many": (["split_data", "x"], ["unexpected extra argument", HELP.format("split_data")]),
    "argument missing": (["run", "--out", "y"], ["missing argument", HELP.format("run")]),
    "option missing": (["run", "x", "--out", "y"], ["missing option '--label-key'", HELP.format("run")]),
    "negative seed": (["split_data", "--seed", "-1"], ["--seed", "-1", "0"]),
    "seed too large": (
        ["run", "x", "--label-key", "y", "--out", "z", "--seed", "4294967296"],
        ["--seed", "4294967296", "4294967295"],
    ),
    "seed of letters": (["demo", "--seed", "x"], ["--seed", "'x'", "valid integer", HELP.format("demo")]),
    "too few splits": (["evaluate", "x", "--splits", "1"], ["--splits", "1", "2", HELP.format("evaluate")]),
    "no such model": (["train", "--model_type", "forest"], ["'forest' is not one of 'selector_mlp', 'mlp', 'svm'"]),
    "config without a name": (["train", "--config"], ["option '--config' requires an argument"]),
}


@pytest.mark.parametrize(("arguments", "words"), USAGE.values(), ids=USAGE)
def test_wrong_usage_is_one_line(refused, tmp_path, arguments, words):
    (line,) = refused(*arguments)
    for word in words:
        assert word.casefold() in line.casefold()
    assert everything_in(tmp_path) == {}


@pytest.mark.parametrize(("failure", "code"), [(KeyboardInterrupt, {1, 130}), (EOFError, {1})])
def test_an_interruption_leaves_with_its_own_code(cli, monkeypatch, failure, code):
    def stop(*_, **__):
        raise failure

    monkeypatch.setattr("selectormlp.config.files.read_settings", stop)
    outcome = cli("train")
    assert outcome.code in code
    assert "Traceback" not in outcome.err
    assert "error:" not in outcome.err


def test_python_m_says_the_same(tmp_path):
    (tmp_path / "cells.h5ad").write_text("no")
    command = [sys.executable, "-m", "selectormlp", "run", "cells.h5ad", "--label-key", "x", "--out", "results"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("selectormlp: error: 'cells.h5ad' is not an AnnData file")
    assert done.stderr.count("\n") == 1
    assert [place.name for place in tmp_path.iterdir()] == ["cells.h5ad"]


# --- said, and gone on with


def test_cells_without_a_label_are_dropped_and_counted(cli, settings_file, tmp_path, adata):
    labels = adata.obs["cell_type"].astype(object)
    labels.iloc[:3], labels.iloc[3:5] = np.nan, " "
    adata.obs["cell_type"] = labels
    adata.write_h5ad(tmp_path / "cells.h5ad")
    outcome = cli("split_data", "--quiet", "--config", settings_file(SPLIT))
    assert outcome.code == 0
    assert outcome.err.splitlines() == [
        "'cell_type' holds the text ' ': taken as missing",
        "5 of 200 cells have no label in 'cell_type': left out",
    ]
    written = [anndata.read_h5ad(tmp_path / "split" / f"adata_{side}.h5ad") for side in ("train", "val", "test")]
    assert not set(adata.obs_names[:5]) & {name for part in written for name in part.obs_names}


def test_labels_are_left_out_on_request(cli, settings_file, tmp_path, adata):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    outcome = cli("split_data", "--config", settings_file(SPLIT | {"exclude_labels": ["type B"]}))
    assert outcome.code == 0
    assert "50 cells are left out as requested, with the labels: 'type B'" in outcome.err
    train = anndata.read_h5ad(tmp_path / "split" / "adata_train.h5ad")
    assert train.obs["cell_type"].cat.categories.tolist() == ["type A", "type C", "type D"]


def test_small_classes_are_named_and_left_out(cli, settings_file, tmp_path, adata):
    adata[:150].copy()[np.arange(150) % 4 != 3].copy().write_h5ad(tmp_path / "cells.h5ad")
    cells = anndata.read_h5ad(tmp_path / "cells.h5ad")
    anndata.concat([cells, adata[[151, 155]]]).write_h5ad(tmp_path / "cells.h5ad")
    outcome = cli("split_data", "--config", settings_file(SPLIT))
    assert outcome.code == 0
    assert "1 class is left out, for fewer than 20 cells: type D" in outcome.err


def test_negative_values_are_taken_as_they_are_on_request(cli, settings_file, tmp_path, adata):
    adata.X = sp.csr_matrix(adata.X.toarray() - 1)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    outcome = cli("split_data", "--quiet", "--config", settings_file(SPLIT | {"normalize": "none"}))
    assert (outcome.code, outcome.err) == (0, "")


def test_cells_of_classes_never_trained_on_are_left_out_and_counted(cli, trained):
    place = trained / "split" / "adata_test.h5ad"
    cells = anndata.read_h5ad(place)
    labels = cells.obs["cell_type"].astype(object)
    labels.iloc[:3] = "never seen"
    cells.obs["cell_type"] = labels
    cells.write_h5ad(place)
    outcome = cli("feature_selection", "--quiet", "--config", "select.json")
    assert outcome.code == 0
    assert "3 of 40 cells are of classes that were never trained on: left out of the scores" in outcome.err
    assert sorted(p.name for p in (trained / "feature_selection_results").iterdir()) == [
        ".svm.manifest.json",
        "svm_feature_selection_results.csv",
        "svm_feature_selection_results.png",
        "svm_ranked_genes.csv",
        "svm_ranked_genes.png",
    ]


def test_a_published_model_path_is_taken_as_the_stem(cli, trained):
    outcome = cli("feature_selection", "--config", "select.json")
    assert outcome.code == 0
    assert "SVM_best_model.pkl is taken as the saved model trained_models/SVM_best_model.skops" in outcome.err
