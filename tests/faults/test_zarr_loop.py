"""A store of many chunks, some of them damaged, is refused in one line: what zarr still reads then says nothing."""

import subprocess
import sys

import pytest
import zarr

from faults.strangers import rewrite_array, text_array, write_zarr

ARRAYS = ("X/data", "X/indices", "obs/_index", "obs/kind/codes", "obs/donor/codes")
SELECT = ("select", "--label-key", "kind", "--size", "3", "--method", "discriminant", "--out", "panel", "-q")


def damaged_store(place, zarr_format, how):
    """A store of 200 chunks an array, one in three of them damaged."""
    write_zarr(place, zarr_format, n_cells=400)
    for name in (text_array(place, name) for name in ARRAYS):
        rewrite_array(place, name, chunks=(max(1, zarr.open_group(place, mode="r")[name].shape[0] // 200),))
        chunks = [file for file in sorted((place / name).rglob("*")) if file.name[0].isdigit() and file.is_file()]
        for chunk in chunks[5::3]:
            chunk.write_bytes(how(chunk.read_bytes()))


@pytest.mark.parametrize(
    ("zarr_format", "how", "words"),
    [
        (2, lambda content: content[:9], ("inspect",)),
        (2, lambda content: b"\xff" * len(content), SELECT),
        (3, lambda content: content[:9], SELECT),
        (3, lambda _: b"", (*SELECT, "--lazy")),
    ],
    ids=["inspect", "memory", "memory, format 3", "lazy, format 3"],
)
@pytest.mark.filterwarnings("ignore")
def test_many_damaged_chunks_are_one_line(tmp_path, zarr_format, how, words):
    place = tmp_path / "cells.zarr"
    damaged_store(place, zarr_format, how)
    command = [sys.executable, "-m", "selectormlp", words[0], str(place), *words[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    assert "damaged" in done.stderr or "is empty" in done.stderr
    assert not (tmp_path / "panel").exists()
