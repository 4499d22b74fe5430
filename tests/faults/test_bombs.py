"""Promise: what would fill memory or the disk is refused before it is unpacked or parsed."""

import contextlib
import gzip
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skops.io

from faults.strangers import some_cells, write_h5ad
from selectormlp.cli.kinds import find_kind
from selectormlp.config.files import read_settings
from selectormlp.config.yaml_text import parse_yaml
from selectormlp.data.anndata_files import read_adata
from selectormlp.data.split_index import read_split_index
from selectormlp.errors import DataError, ModelFileError, PanelError, SettingsError
from selectormlp.gate import archives, gzipped, text
from selectormlp.models.storage import load_model
from selectormlp.panel.storage import read_panel

DEEP = 50_000

NESTED = {
    "keys.toml": "a" + ".a" * DEEP + " = 1\n",
    "quoted.toml": '"a"' + ' . "b"' * DEEP + " = 1\n",
    "table.toml": "[a" + ".a" * DEEP + "]\n",
    "tables.toml": "[[a" + ".a" * DEEP + "]]\n",
    "literal.toml": "'a'" + ".'b'" * DEEP + " = 1\n",
    "inline.toml": "a = " + "{a = " * DEEP,
    "inside.toml": "a = {b" + ".b" * DEEP + " = 1}\n",
    "lists.toml": "a = " + "[" * DEEP,
    "lists.json": "[" * DEEP,
    "objects.json": '{"a":' * DEEP,
    "lists.yaml": "[" * DEEP,
    "objects.yaml": "{a: " * DEEP,
    "dashes.yaml": "- " * DEEP,
    "questions.yaml": "? " * DEEP,
    "indented.yaml": "\n".join(" " * level + "a:" for level in range(500)),
    "unclosed.toml": '"""' * DEEP,
    "quotes.json": '"\\"' * DEEP,
    "backslashes.toml": '"\\' * DEEP,
}


@pytest.mark.parametrize("name", NESTED)
def test_nested_settings_are_refused_soon(tmp_path, name):
    (tmp_path / name).write_text(NESTED[name])
    start = time.process_time()
    with pytest.raises(SettingsError) as caught:
        read_settings(find_kind("select"), tmp_path / name)
    assert time.process_time() - start < 5
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("length", [1_000_000, 2_000_000])
@pytest.mark.parametrize("unit", ['"', "'", '"\\"', "a", "a.", "[]", "#", "\\", "'''", '"""', '"a'])
def test_looking_at_depth_takes_time_in_proportion(unit, length):
    start = time.process_time()
    for check in (text.check_json, text.check_toml):
        with contextlib.suppress(ValueError):
            check(unit * (length // len(unit)))
    assert time.process_time() - start < 10


def test_settings_as_people_write_them_pass(tmp_path):
    values = {"options": {"a": {"b": [[1, 2], [3, 4]]}}, "note": "[[[" * 100}
    text.check_json(json.dumps(values))
    text.check_toml('note = "' + "a." * 200 + '"\nlist = [' + "0.5, " * 200 + "1.5]\n[a.b.c]\nd = 2020-01-01\n")
    text.check_toml("# " + "[" * 99 + "\n# " + "a." * 99)
    assert parse_yaml("a:\n  - b: 1\n    c:\n      - [1, 2]\nd: x - y - z")["a"][0]["c"] == [[1, 2]]


def test_a_nested_list_of_genes_is_refused(tmp_path):
    (tmp_path / "genes.json").write_text("[" * DEEP)
    with pytest.raises(PanelError, match=r"not readable as JSON"):
        read_panel(tmp_path / "genes.json")


def bomb(place, name="schema.json"):
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, bytes(10**8))
    return place


@pytest.mark.parametrize("name", ["model.skops", "model.ckpt"])
def test_a_model_that_unpacks_to_far_more_is_refused(tmp_path, name):
    with pytest.raises(ModelFileError, match=r"holds 100,000,000 bytes in a file of [\d,]+; at most 50 times"):
        load_model(bomb(tmp_path / name))


def test_an_index_of_a_split_that_unpacks_to_far_more_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"holds 100,000,000 bytes in a file of"):
        read_split_index(bomb(tmp_path / "adata_train.index.npz", "rows.npy"))


def test_a_model_of_many_zeros_is_read(tmp_path):
    zeros = tmp_path / "zeros.skops"
    skops.io.dump({"x": np.zeros((20, 20_000))}, zeros)
    archives.check_zip(zeros, ModelFileError)


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    place = tmp_path / "scratch"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def gzipped_zeros(place, start, size):
    with gzip.open(place, "wb", compresslevel=1) as stream:
        stream.write(start)
        for _ in range(size // 10**7):
            stream.write(bytes(10**7))
    return place


def test_a_gzipped_bomb_is_refused_within_its_bound(tmp_path, scratch, monkeypatch):
    monkeypatch.setattr(gzipped, "ALWAYS_READ", 10**7)
    place = gzipped_zeros(tmp_path / "cells.h5ad.gz", gzipped.HDF5_MAGIC, 10**9)
    with pytest.raises(DataError, match=r"unpacks to more than .* bytes, 100 times its size or more"):
        read_adata(place)
    assert not list(scratch.iterdir())


def test_what_is_no_h5ad_is_not_unpacked(tmp_path, scratch):
    with pytest.raises(DataError, match=r"is gzipped, but what it holds is no h5ad file"):
        read_adata(gzipped_zeros(tmp_path / "cells.h5ad.gz", b"", 10**7))
    assert not list(scratch.iterdir())


def test_a_disk_without_room_is_said(tmp_path, scratch, monkeypatch):
    monkeypatch.setattr(gzipped, "SPARE", 10**18)
    write_h5ad(tmp_path / "cells.h5ad")
    (tmp_path / "cells.h5ad.gz").write_bytes(gzip.compress((tmp_path / "cells.h5ad").read_bytes()))
    with pytest.raises(DataError, match=r"than there is room for in .*; set TMPDIR"):
        read_adata(tmp_path / "cells.h5ad.gz")


def test_a_gzipped_file_of_cells_is_read(tmp_path, scratch):
    write_h5ad(tmp_path / "cells.h5ad")
    (tmp_path / "cells.h5ad.gz").write_bytes(gzip.compress((tmp_path / "cells.h5ad").read_bytes()))
    assert read_adata(tmp_path / "cells.h5ad.gz").shape == some_cells().shape
    assert not list(scratch.iterdir())


WAITS = """
import sys, time
from pathlib import Path
from selectormlp.gate.gzipped import unpacked
with unpacked(Path(sys.argv[1])):
    print("unpacked", flush=True)
    time.sleep(100)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGHUP])
def test_no_signal_leaves_the_unpacked_copy_behind(tmp_path, scratch, number):
    if number != signal.SIGKILL and signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("this signal is ignored here, as under nohup, and so by processes that are started")
    write_h5ad(tmp_path / "cells.h5ad")
    (tmp_path / "cells.h5ad.gz").write_bytes(gzip.compress((tmp_path / "cells.h5ad").read_bytes()))
    environment = {**os.environ, "TMPDIR": str(scratch)}
    command = [sys.executable, "-c", WAITS, str(tmp_path / "cells.h5ad.gz")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
        assert process.stdout.readline() == b"unpacked\n"
        assert list(scratch.iterdir())
        process.send_signal(number)
        process.wait(60)
    end = time.monotonic() + 60
    while list(scratch.iterdir()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not list(Path(scratch).iterdir())
