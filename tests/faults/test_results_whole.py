"""Results are whole or not there, never of two runs, whatever ends the process that writes them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from faults.two_files import hidden, write_both
from selectormlp.errors import DataError, InputError, OutputError, PanelError
from selectormlp.files import written_whole
from selectormlp.manifests import FORMAT, carried_run, odd_files, read_manifest
from selectormlp.panel.panel import Panel
from selectormlp.panel.storage import read_panel, write_panel
from selectormlp.pipeline.settings import SplitSettings
from selectormlp.pipeline.sides import check_split, split_run
from selectormlp.pipeline.split import split_file
from selectormlp.results import check_together

WRITE = """
import os, signal, sys
from selectormlp.files import written_whole
from selectormlp.results import whole_result
calls = 0
def spy(name):
    real = getattr(os, name)
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    setattr(os, name, call)
for name in ("replace", "unlink", "fsync"):
    spy(name)
with whole_result(sys.argv[1], "both", replaces=["old.csv"]):
    for name in ("a.csv", "b.csv"):
        with written_whole(os.path.join(sys.argv[1], name)) as (draft,):
            draft.write_text("new")
"""


def test_a_kill_at_any_call_leaves_the_result_before_or_the_new_one(tmp_path):
    found = set()
    for call in range(1, 40):
        folder = tmp_path / str(call)
        folder.mkdir()
        write_both(folder, "old")
        (folder / "old.csv").write_text("old")
        (folder / "mine.csv").write_text("mine")
        ended = subprocess.run([sys.executable, "-c", WRITE, str(folder), str(call)], check=False)
        check_together(folder, "both")  # what a reader does first
        texts = {(folder / name).read_text() for name in ("a.csv", "b.csv")}
        assert len(texts) == 1
        assert (folder / "old.csv").exists() == (texts == {"old"})
        assert (folder / "mine.csv").read_text() == "mine"
        found |= texts
        write_both(folder, "again")
        assert hidden(folder) == [".both.manifest.json"]
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL
    assert found == {"old", "new"}
    assert ended.returncode == 0


def test_files_are_flushed_before_they_get_their_names_and_the_folder_after(tmp_path, monkeypatch):
    told = []
    real = {name: getattr(os, name) for name in ("fsync", "rename", "replace")}

    def name_of(handle):
        return str(Path(f"/proc/self/fd/{handle}").readlink())

    monkeypatch.setattr(os, "fsync", lambda handle: told.append(("fsync", name_of(handle))) or real["fsync"](handle))
    monkeypatch.setattr(os, "replace", lambda *a: told.append(("name", str(a[1]))) or real["replace"](*a))
    with written_whole(tmp_path / "a.csv") as (draft,):
        draft.write_text("gene")
    kinds = [kind for kind, _ in told]
    assert kinds == ["fsync", "name", "fsync"]
    assert told[0][1] == str(draft)
    assert told[2][1] == str(tmp_path)


def test_panel_csv_of_one_panel_beside_panel_json_of_another_is_refused(tmp_path):
    write_panel(Panel(("A", "B")), tmp_path / "one")
    write_panel(Panel(("C", "D")), tmp_path / "two")
    (tmp_path / "one" / "panel.csv").write_bytes((tmp_path / "two" / "panel.csv").read_bytes())
    for name in ("panel.json", "panel.csv", "genes.txt"):
        with pytest.raises(PanelError, match=r"'panel.csv' is not of the same run as the rest.*repeat 'selectorm"):
            read_panel(tmp_path / "one" / name)
    assert read_panel(tmp_path / "two" / "panel.json").genes == ("C", "D")


@pytest.mark.parametrize("name", ["n" * 300, "n/" * 3000, "\ud800", "a\0b"], ids=["long", "deep", "no text", "nul"])
def test_names_that_no_file_can_have_are_left_out_of_manifests(tmp_path, name):
    known = {"format": FORMAT, "run": "r", "written": "2026-01-01T00:00:00+00:00"}
    (tmp_path / ".panel.manifest.json").write_text(json.dumps(known | {"files": {name: "", "panel.csv": ""}}))
    found = read_manifest(tmp_path, "panel")
    assert found is not None
    assert list(found.hashes) == ["panel.csv"]
    assert odd_files(tmp_path, found, []) == []


def test_a_panel_without_a_manifest_stays_readable(tmp_path):
    write_panel(Panel(("A", "B")), tmp_path)
    (tmp_path / ".panel.manifest.json").unlink()
    for name in ("panel.json", "panel.csv", "genes.txt"):
        assert read_panel(tmp_path / name).genes == ("A", "B")


@pytest.fixture
def split(tmp_path):
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"kind": np.repeat(["B", "T"], 40)}, index=[f"c{i}" for i in range(80)])
    counts = rng.poisson(2.0, (80, 5)).astype(np.float32)
    anndata.AnnData(counts, obs, pd.DataFrame(index=list("abcde"))).write_h5ad(tmp_path / "cells.h5ad")
    sizes = {"train_cluster_size": 20, "val_cluster_size": 8, "test_cluster_size": 8, "min_cluster_size": 1}

    def run(folder, seed, **more):
        settings = {"adata_path": tmp_path / "cells.h5ad", "y_column": "kind", "save_dir": tmp_path / folder}
        split_file(SplitSettings(**settings, **sizes, shuffle_seed=seed, **more))
        return tmp_path / folder

    return run


@pytest.mark.parametrize(("write", "end"), [("copy", ".h5ad"), ("index", ".index.npz")])
def test_sides_of_two_splits_are_refused(split, write, end):
    one, two = split("one", 1, write=write), split("two", 2, write=write)
    check_split(one)
    (one / f"adata_test{end}").write_bytes((two / f"adata_test{end}").read_bytes())
    with pytest.raises(DataError, match=rf"'adata_test{end}' is not of the same run .*'selectormlp split_data'"):
        check_split(one)
    (one / ".split.manifest.json").unlink()  # the files tell by themselves
    with pytest.raises(DataError, match="not of the same run"):
        check_split(one)


def test_drafts_of_a_writer_that_lives_are_left_to_it(tmp_path):
    with written_whole(tmp_path / "a.csv") as (draft,):
        draft.write_text("first")
        thread = threading.Thread(target=lambda: write_panel(Panel(("A",)), tmp_path))
        thread.start()
        thread.join()
        assert draft.read_text() == "first"
    assert (tmp_path / "a.csv").read_text() == "first"


def test_the_run_of_a_split_that_was_stopped_half_way_is_that_of_its_files(split, monkeypatch):
    folder, real, calls = split("one", 1), Path.replace, []

    def stopped(path, target):
        if Path(target).name.startswith("adata_"):
            calls.append(target)
            if len(calls) == 2:
                raise KeyboardInterrupt
        return real(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stopped)
        with pytest.raises(KeyboardInterrupt):
            split("one", 2)
    before = json.loads((folder / ".split.manifest.json").read_text())["run"]
    run = split_run(folder)
    assert run != before
    assert {carried_run(folder / f"adata_{side}.h5ad") for side in ("train", "val", "test")} == {run}


def test_threads_that_write_panels_never_show_a_reader_a_mixture(tmp_path):
    panels = [Panel(tuple(f"{name}{i}" for i in range(500))) for name in "AB"]
    seen, stop = set(), threading.Event()
    write_panel(panels[0], tmp_path)

    def write(panel):
        for _ in range(8):
            try:
                write_panel(panel, tmp_path)
            except OutputError as error:
                assert "another process is writing" in str(error)  # noqa: PT017
            time.sleep(0.002)

    def read():
        while not stop.is_set():
            seen.add(read_panel(tmp_path / "panel.json").genes)

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(panel,)) for panel in panels]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()
    assert seen <= {panel.genes for panel in panels}


def test_a_list_of_renames_cannot_lead_out_of_its_folder(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    (tmp_path / "precious").write_text("mine")
    (tmp_path / ".x.1.part.csv").write_text("evil")
    for moves, removed in (([["../.x.1.part.csv", "../precious"]], []), ([], ["../precious"])):
        content = {"format": "selectormlp-result 1", "moves": moves, "removed": removed}
        (folder / ".panel.commit").write_text(json.dumps(content))
        try:
            check_together(folder, "panel")
        except InputError as error:
            assert "not a list of renames" in str(error)  # noqa: PT017
        assert (tmp_path / "precious").read_text() == "mine"


def test_a_list_of_genes_that_was_edited_by_hand_is_read_and_said(tmp_path, caplog):
    write_panel(Panel(("CD3E", "MS4A1", "NKG7")), tmp_path)
    table = tmp_path / "panel.csv"
    table.write_text(table.read_text().replace("NKG7", "LYZ"))
    assert read_panel(table).genes == ("CD3E", "MS4A1", "LYZ")
    assert "panel.csv was changed since it was written: it is read as it is now" in caplog.text
    caplog.clear()
    assert read_panel(tmp_path / "panel.json").genes == ("CD3E", "MS4A1", "NKG7")
    assert "panel.csv was changed since it was written: panel.json is read; name panel.csv to read that" in caplog.text
    (tmp_path / "genes.txt").write_text("CD3E\nMS4A1\nLYZ\n")
    assert read_panel(tmp_path / "genes.txt").genes == ("CD3E", "MS4A1", "LYZ")


def test_a_larger_panel_of_the_same_cells_is_no_edit(tmp_path):
    write_panel(Panel(("CD3E", "MS4A1"), scores=(3.0, 2.0)), tmp_path / "two")
    write_panel(Panel(("CD3E", "MS4A1", "NKG7"), scores=(3.0, 2.0, 1.0)), tmp_path / "three")
    shutil.copy(tmp_path / "three" / "panel.csv", tmp_path / "two")
    with pytest.raises(PanelError, match="not of the same run as the rest"):
        read_panel(tmp_path / "two" / "panel.csv")


@pytest.mark.parametrize("file", ["panel.csv", "genes.txt"])
def test_a_list_of_genes_of_a_run_before_is_no_edit(tmp_path, file):
    write_panel(Panel(("CD3E", "MS4A1")), tmp_path)
    old = (tmp_path / file).read_bytes()
    for genes in (("LYZ", "NKG7"), ("LYZ", "PPBP")):
        write_panel(Panel(genes), tmp_path)
    (tmp_path / file).write_bytes(old)
    for name in (file, "panel.json"):
        with pytest.raises(PanelError, match="not of the same run as the rest"):
            read_panel(tmp_path / name)


def test_a_list_of_genes_that_is_older_than_the_rest_is_no_edit(tmp_path):
    write_panel(Panel(("LYZ", "NKG7")), tmp_path)
    (tmp_path / "panel.csv").write_text("gene\nCD3E\n")
    os.utime(tmp_path / "panel.csv", (10**9, 10**9))
    with pytest.raises(PanelError, match="not of the same run as the rest"):
        read_panel(tmp_path / "panel.csv")


def test_the_exact_record_is_not_edited(tmp_path):
    write_panel(Panel(("LYZ", "NKG7")), tmp_path)
    record = tmp_path / "panel.json"
    record.write_text(record.read_text().replace("LYZ", "CD3E"))
    with pytest.raises(PanelError, match="not of the same run as the rest"):
        read_panel(record)
