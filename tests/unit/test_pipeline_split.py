import errno
import os
import signal
import subprocess
import sys

import anndata
import numpy as np
import pandas as pd
import pytest

from selectormlp.data.anndata_files import read_adata
from selectormlp.data.anndata_io import CellsSource, cells_from_adata
from selectormlp.data.anndata_lazy import open_cells
from selectormlp.errors import DataError, OutputError
from selectormlp.files import is_draft
from selectormlp.pipeline.settings import SplitSettings
from selectormlp.pipeline.split import split_file

SIDES = ("train", "val", "test")


@pytest.fixture
def split(tmp_path):
    """Write an object, split the file; return the report and the three parts."""

    def run(adata, **changes):
        adata.write_h5ad(tmp_path / "cells.h5ad")
        settings = {
            "adata_path": tmp_path / "cells.h5ad",
            "y_column": "cell_type",
            "train_cluster_size": 30,
            "val_cluster_size": 10,
            "test_cluster_size": 10,
            "min_cluster_size": 1,
            "save_dir": tmp_path / "split",
        }
        report = split_file(SplitSettings(**settings | changes))
        return report, [anndata.read_h5ad(file) for file in report.files]

    return run


def visible(folder):
    return sorted(place.name for place in folder.iterdir() if not place.name.startswith("."))


def test_three_files_hold_the_cells_unchanged(split, adata, tmp_path):
    adata.layers["more"] = adata.X * 2
    adata.obsm["pca"] = np.arange(400.0).reshape(200, 2)
    report, parts = split(adata)
    assert [file.name for file in report.files] == [f"adata_{side}.h5ad" for side in SIDES]
    assert visible(tmp_path / "split") == sorted(file.name for file in report.files)
    assert [part.n_obs for part in parts] == [120, 40, 40]
    names = [name for part in parts for name in part.obs_names]
    assert len(set(names)) == 200
    for part in parts:
        same = adata[part.obs_names]
        np.testing.assert_array_equal(part.X.toarray(), same.X.toarray())
        np.testing.assert_array_equal(part.layers["more"].toarray(), same.layers["more"].toarray())
        np.testing.assert_array_equal(part.obsm["pca"], same.obsm["pca"])
        assert part.obs["cell_type"].astype(str).tolist() == same.obs["cell_type"].astype(str).tolist()
        assert part.var_names.tolist() == adata.var_names.tolist()


def test_the_report_counts_what_was_written(split, adata):
    report, parts = split(adata[:150].copy())
    for side, part in zip(SIDES, parts, strict=True):
        assert report.cells[side].to_dict() == part.obs["cell_type"].value_counts().to_dict()


def test_a_class_that_one_file_lacks_stays_a_class_with_the_same_number(split, adata):
    small = np.flatnonzero(adata.obs["cell_type"] == "type B")[
        4:
    ]  # 4 cells are left: 2 for training, none for the rest
    adata = adata[np.setdiff1d(np.arange(200), small)].copy()
    _, parts = split(adata)
    assert ["type B" in set(part.obs["cell_type"]) for part in parts] == [True, False, False]
    for part in parts:
        assert part.obs["cell_type"].cat.categories.tolist() == ["type A", "type B", "type C", "type D"]
        cells = cells_from_adata(part, CellsSource("cell_type"))
        assert cells.classes == ("type A", "type B", "type C", "type D")
        assert [cells.classes[code] for code in cells.labels] == part.obs["cell_type"].tolist()


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.arange(200) % 4 * 5, ("0", "5", "10", "15")),
        (np.array([1.5, 0.25, 10.0, 2.0])[np.arange(200) % 4], ("0.25", "1.5", "2", "10")),
        (np.arange(200) % 2 == 0, ("False", "True")),
        (pd.Categorical.from_codes(np.arange(200) % 3, [3, 1, 2]), ("3", "1", "2")),
        (np.array(["b", "a"])[np.arange(200) % 2], ("a", "b")),
    ],
)
def test_labels_of_any_type_give_one_class_list(split, adata, labels, classes):
    adata.obs["cell_type"] = labels
    expected = pd.Series([str(label).removesuffix(".0") for label in labels], index=adata.obs_names)
    for part in split(adata)[1]:
        assert cells_from_adata(part, CellsSource("cell_type")).classes == classes
        assert part.obs["cell_type"].tolist() == expected[part.obs_names].tolist()


def test_columns_of_newer_types_are_kept(split, adata, tmp_path):
    adata.obs["note"] = pd.array([f"note {i}" for i in range(200)], dtype="string")
    adata.obs["age"] = pd.array([1, None] * 100, dtype="Int64")
    adata.var["symbol"] = pd.array(["x"] * 30, dtype="string")
    with anndata.settings.override(allow_write_nullable_strings=True):
        adata.write_h5ad(tmp_path / "nullable.h5ad")
    columns = adata.obs[["note", "age"]]
    adata.obs, adata.var = adata.obs[["cell_type"]], adata.var[[]]
    before = anndata.settings.allow_write_nullable_strings  # None, False or True, by version of anndata and pandas
    _, parts = split(adata, adata_path=tmp_path / "nullable.h5ad")
    assert anndata.settings.allow_write_nullable_strings == before
    for part in parts:
        pd.testing.assert_frame_equal(part.obs[["note", "age"]], columns.loc[part.obs_names])
        assert part.var["symbol"].tolist() == ["x"] * 30


def test_the_colours_of_another_class_list_do_not_stay(split, adata):
    adata.uns["cell_type_colors"] = np.array(["#000000"] * 4)
    adata.uns["other"] = "kept"
    for part in split(adata, exclude_labels=("type A",))[1]:
        assert "cell_type_colors" not in part.uns
        assert part.uns["other"] == "kept"


def test_the_seed_and_the_shuffle_decide(split, adata):
    first, again, other, ordered = (
        split(adata, **changes)[1][0].obs_names.tolist()
        for changes in ({}, {}, {"shuffle_seed": 1}, {"shuffle": False})
    )
    assert first == again
    assert first != other
    assert ordered == adata.obs_names[:120].tolist()


def test_no_donor_lies_in_two_files(split, adata):
    _, parts = split(adata, donor_column="donor")
    donors = [set(part.obs["donor"]) for part in parts]
    assert all(donors)
    assert sum(map(len, donors)) == len(set.union(*donors)) == 4


def test_small_classes_are_left_out_and_named(split, adata, said):
    adata.obs["cell_type"] = adata.obs["cell_type"].astype(object)
    adata.obs.iloc[:3, 0] = "rare"
    _, parts = split(adata, min_cluster_size=4)
    assert "1 class is left out, for fewer than 4 cells: rare" in said()
    for part in parts:
        assert part.obs["cell_type"].cat.categories.tolist() == ["type A", "type B", "type C", "type D"]


def test_a_second_split_replaces_the_first(split, adata):
    split(adata)
    _, parts = split(adata, train_cluster_size=20)
    assert [part.n_obs for part in parts] == [80, 40, 40]


@pytest.mark.parametrize(
    "changes", [{"y_column": "no"}, {"layer": "no"}, {"min_cluster_size": 99}, {"donor_column": "no"}]
)
def test_a_refused_split_writes_nothing(split, adata, tmp_path, changes):
    with pytest.raises(DataError, match=r"no |0 of 4"):
        split(adata, **changes)
    assert not (tmp_path / "split").exists()


def test_a_failure_half_way_leaves_the_files_of_before(split, adata, tmp_path, monkeypatch):
    from selectormlp.pipeline import split as module

    split(adata)
    before = {place.name: place.read_bytes() for place in (tmp_path / "split").iterdir()}
    write, written = module.write_adata, []

    def write_two(part, place):
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(place)
        write(part, place)

    monkeypatch.setattr(module, "write_adata", write_two)
    with pytest.raises(OutputError, match="No space left on device"):
        split(adata, shuffle_seed=1)
    assert {place.name: place.read_bytes() for place in (tmp_path / "split").iterdir()} == before


# --- indices instead of copies


def as_one(parts):
    return [list(part.obs_names) for part in parts]


def test_indices_name_the_cells_that_copies_hold(split, adata, tmp_path):
    adata.layers["more"] = adata.X * 2
    adata.obs["cell_type"] = adata.obs["cell_type"].where(np.arange(200) % 9 > 0)
    given = {"shuffle_seed": 3, "donor_column": "donor", "exclude_labels": ("type D",)}
    copies, parts = split(adata, **given)
    report = split_file(SplitSettings(**settings_of(tmp_path), **given, write="index"))
    assert [file.name for file in report.files] == [f"adata_{side}.index.npz" for side in SIDES]
    pd.testing.assert_frame_equal(report.cells, copies.cells)
    for side, part in zip(SIDES, parts, strict=True):
        found = read_adata(tmp_path / "split" / f"adata_{side}.h5ad")  # removed; the index stands for it
        assert list(found.obs_names) == list(part.obs_names)
        pd.testing.assert_frame_equal(found.obs, part.obs)
        np.testing.assert_array_equal(found.X.toarray(), part.X.toarray())
        np.testing.assert_array_equal(found.layers["more"].toarray(), part.layers["more"].toarray())
        source = CellsSource("cell_type", donor_key="donor")
        lazy, memory = open_cells(report.files[SIDES.index(side)], source), cells_from_adata(part, source)
        np.testing.assert_array_equal(lazy.load().X.toarray(), memory.X.toarray())
        assert (lazy.classes, list(lazy.labels)) == (memory.classes, list(memory.labels))


def settings_of(folder):
    return {
        "adata_path": folder / "cells.h5ad",
        "y_column": "cell_type",
        "train_cluster_size": 30,
        "val_cluster_size": 10,
        "test_cluster_size": 10,
        "min_cluster_size": 1,
        "save_dir": folder / "split",
    }


def test_either_way_of_writing_takes_the_place_of_the_other(split, adata, tmp_path, said):
    split(adata)
    split_file(SplitSettings(**settings_of(tmp_path), write="index"))
    assert visible(tmp_path / "split") == sorted(f"adata_{side}.index.npz" for side in SIDES)
    assert "adata_train.h5ad, of an earlier split, is removed" in said()
    split(adata)
    assert visible(tmp_path / "split") == sorted(f"adata_{side}.h5ad" for side in SIDES)


def test_several_files_are_split_together(adata, tmp_path):
    adata[:90].copy().write_h5ad(tmp_path / "a.h5ad")
    adata[90:].copy().write_h5ad(tmp_path / "b.h5ad")
    adata.write_h5ad(tmp_path / "cells.h5ad")
    both = {**settings_of(tmp_path), "adata_paths": (tmp_path / "a.h5ad", tmp_path / "b.h5ad")}
    parts = [read_adata(file) for file in split_file(SplitSettings(**both, write="index")).files]
    expected = [read_adata(file) for file in split_file(SplitSettings(**settings_of(tmp_path), write="index")).files]
    assert as_one(parts) == as_one(expected)
    with pytest.raises(ValueError, match=r'2 files in adata_paths: set write to "index"'):
        SplitSettings(**both)


def test_what_cannot_be_split_into_indices_is_refused(adata, tmp_path):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    first = split_file(SplitSettings(**settings_of(tmp_path), write="index")).files[0]
    again = {**settings_of(tmp_path), "adata_path": first, "save_dir": tmp_path / "again"}
    with pytest.raises(DataError, match="is one side of a split already"):
        split_file(SplitSettings(**again, write="index"))
    adata.X = adata.X.toarray() - 1
    adata.write_h5ad(tmp_path / "cells.h5ad")
    with pytest.raises(DataError, match="holds negative values"):
        split_file(SplitSettings(**{**settings_of(tmp_path), "save_dir": tmp_path / "again"}, write="index"))
    assert not (tmp_path / "again").exists()


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("write", ["copy", "index"])
def test_a_full_disk_leaves_the_split_that_was_there(adata, tmp_path, monkeypatch, write):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    split_file(SplitSettings(**settings_of(tmp_path), write=write))
    before = contents(tmp_path / "split")
    written = []

    def fill_the_disk(side, draft):
        draft.write_bytes(b"half")
        written.append(draft)
        if len(written) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for name in ("write_adata", "write_split_index"):
        monkeypatch.setattr(f"selectormlp.pipeline.split.{name}", fill_the_disk)
    with pytest.raises(OutputError, match="No space left on device"):
        split_file(SplitSettings(**settings_of(tmp_path), write=write, shuffle_seed=7))
    assert len(written) == 2
    assert contents(tmp_path / "split") == before


KILLED = """
import os, pathlib, signal, sys
import numpy as np
from selectormlp.pipeline import split
from selectormlp.pipeline.settings import SplitSettings
written = []
def write(index, draft):
    pathlib.Path(draft).write_bytes(b"half")
    written.append(draft)
    if len(written) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
split.write_split_index = split.write_adata = write
split.split_file(SplitSettings.model_validate_json(sys.argv[1]))
"""


@pytest.mark.parametrize("write", ["copy", "index"])
def test_a_split_that_is_killed_leaves_the_one_that_was_there(adata, tmp_path, write):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    report = split_file(SplitSettings(**settings_of(tmp_path), write=write))
    before = contents(tmp_path / "split")
    settings = SplitSettings(**settings_of(tmp_path), write=write, shuffle_seed=7)
    ended = subprocess.run([sys.executable, "-c", KILLED, settings.model_dump_json()], check=False)
    assert ended.returncode == -signal.SIGKILL
    after = contents(tmp_path / "split")
    drafts = set(after) - set(before) - {".split.lock"}
    assert len(drafts) == 2
    assert all(is_draft(tmp_path / "split" / name) for name in drafts)
    assert {name: after[name] for name in before} == before
    assert [part.n_obs for part in map(read_adata, report.files)] == [120, 40, 40]
    split_file(settings)
    assert set(contents(tmp_path / "split")) == set(before)
    assert contents(tmp_path / "split") != before
