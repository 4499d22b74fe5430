"""Promise: an h5ad file brings in nothing from other files, and a damaged one ends in one line, soon."""

import os
import subprocess
import sys
import time
import types

import h5py
import numpy as np
import pytest
import scipy.sparse as sp

from faults.strangers import both_ways, some_cells, write_h5ad
from selectormlp.errors import DataError
from selectormlp.gate import hdf5

READERS = pytest.mark.parametrize("read", both_ways(), ids=["memory", "disk"])


def secret_in(folder):
    place = folder / "credentials"
    place.write_text("".join(f"key_{i:03d}=abcdef\n" for i in range(60)))
    return place


def external_storage(file, folder):
    del file["obs/donor"]
    file["obs"].create_dataset("donor", shape=(40,), dtype="S15", external=[(str(secret_in(folder)), 0, 600)])


def external_link(file, folder):
    other = write_h5ad(folder / "other.h5ad")
    del file["obs/donor"]
    file["obs/donor"] = h5py.ExternalLink(str(other), "/obs/donor")


def external_link_far_below(file, folder):
    file.create_group("uns/a/b")["c"] = h5py.ExternalLink("/etc/passwd", "/x")


def virtual(file, folder):
    other = write_h5ad(folder / "other.h5ad")
    layout = h5py.VirtualLayout(shape=(40,), dtype="f8")
    layout[:] = h5py.VirtualSource(str(other), "obs/depth", shape=(40,))
    del file["obs/depth"]
    file["obs"].create_virtual_dataset("depth", layout)


@READERS
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (external_storage, "keeps '/obs/donor' in another file"),
        (external_link, "links to another file .'/obs/donor'."),
        (external_link_far_below, "links to another file .'/uns/a/b/c'."),
        (virtual, "a virtual data set"),
    ],
    ids=lambda part: getattr(part, "__name__", ""),
)
def test_nothing_is_read_from_other_files(tmp_path, change, message, read):
    place = write_h5ad(tmp_path / "cells.h5ad")
    with h5py.File(place, "r+") as file:
        change(file, tmp_path)
    with pytest.raises(DataError, match=message) as caught:
        read(place)
    assert "\n" not in str(caught.value)


@READERS
def test_links_inside_a_file_are_followed(tmp_path, read):
    place = write_h5ad(tmp_path / "cells.h5ad")
    with h5py.File(place, "r+") as file:
        file["uns/hidden"] = file["obs/depth"]
        del file["obs/depth"]
        file["obs/depth"] = h5py.SoftLink("/uns/hidden")
    assert read(place) is not None


@READERS
@pytest.mark.parametrize("how", [None, "gzip", "lzf", "shuffle", "checksum", "szip"])
def test_every_installed_filter_is_read(tmp_path, how, read):
    options = {"shuffle": {"compression": "gzip", "shuffle": True}, "checksum": {"fletcher32": True}}
    if how == "szip" and not h5py.h5z.filter_avail(h5py.h5z.FILTER_SZIP):
        pytest.skip("this HDF5 has no szip")
    place = write_h5ad(tmp_path / "cells.h5ad")
    with h5py.File(place, "r+") as file:
        for name in ("X/data", "obs/depth"):
            values, attributes = file[name][:], dict(file[name].attrs)
            del file[name]
            chosen = options.get(how, {} if how is None else {"compression": how})
            file.create_dataset(name, data=values, chunks=(8,), **chosen).attrs.update(attributes)
    assert read(place) is not None


def test_a_filter_that_is_not_installed_is_named(tmp_path):
    place = write_h5ad(tmp_path / "cells.h5ad")
    with h5py.File(place, "r+") as file:
        del file["obs/depth"]
        made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        made.set_chunk((40,))
        made.set_filter(32099, h5py.h5z.FLAG_OPTIONAL)
        space = h5py.h5s.create_simple((40,))
        h5py.h5d.create(file["obs"].id, b"depth", h5py.h5t.NATIVE_DOUBLE, space, made)
    with pytest.raises(DataError, match=r"HDF5 filter 32099"):
        both_ways()[0](place)


def links_to_itself(file):
    file["uns/again"] = file["/"]


def ways_without_end(file):
    for level in range(40):
        file.require_group(f"levels/{level}")
    for level in range(39):
        for name in "ab":
            file[f"levels/{level}/{name}"] = h5py.SoftLink(f"/levels/{level + 1}")
    file["uns/laughs"] = h5py.SoftLink("/levels/0")


def a_large_claim(file):
    file.create_dataset("obsm/more", shape=(40, 10**9), dtype="f8", chunks=(40, 1000))


def a_large_chunk(file):
    file.create_dataset("obsm/more", shape=(40, 2), dtype="f8", chunks=(40, 10**7), maxshape=(40, None))


@READERS
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (links_to_itself, "to itself"),
        (ways_without_end, "in more ways than can be read"),
        (a_large_claim, "bytes of content in a file of"),
        (a_large_chunk, "has chunks of 3,200,000,000 bytes"),
    ],
    ids=lambda part: getattr(part, "__name__", ""),
)
def test_what_would_not_end_or_fill_memory_is_refused(tmp_path, change, message, read):
    place = write_h5ad(tmp_path / "cells.h5ad")
    with h5py.File(place, "r+") as file:
        change(file)
    with pytest.raises(DataError, match=message):
        read(place)


def resized(name, size):
    def change(file):
        attributes = dict(file[name].attrs)
        del file[name]
        file.create_dataset(name, shape=size, dtype="f4", chunks=True).attrs.update(attributes)

    return change


def other_shape(file):
    file["X"].attrs["shape"] = np.array([40, 10**9])


@READERS
@pytest.mark.parametrize(
    "change",
    [
        resized("X/data", (3,)),
        resized("X/indptr", (3,)),
        resized("obs/depth", (39,)),
        resized("obsm/X_pca", (41, 2)),
        other_shape,
    ],
)
def test_sizes_are_compared_before_content_is_read(tmp_path, change, read):
    place = write_h5ad(tmp_path / "cells.h5ad")
    with h5py.File(place, "r+") as file:
        change(file)
    with pytest.raises(DataError, match=r"is damaged: .*(claims the shape|has the size)"):
        read(place)


def test_a_cell_with_more_values_than_genes_is_refused_on_disk(tmp_path):
    cells = some_cells()
    counts = sp.csr_matrix(np.ones((40, 8), dtype=np.float32))
    cells.X = counts
    cells.write_h5ad(tmp_path / "cells.h5ad")
    with h5py.File(tmp_path / "cells.h5ad", "r+") as file:
        pointers = file["X/indptr"][:]
        pointers[1:20] = pointers[20]
        file["X/indptr"][:] = pointers
    with pytest.raises(DataError, match=r"is damaged"):
        both_ways()[1](tmp_path / "cells.h5ad")


def ends_by(code):
    """A trial that goes wrong, as of a file that brings the library down."""
    return types.SimpleNamespace(__file__=code)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "is damaged: reading it ends the HDF5 library"),
        ("os.abort()", "is damaged: reading it ends the HDF5 library"),
        ("[0 for _ in iter(int, 1)]", "is damaged: reading it does not end within"),
        ("time.sleep(100)", "is damaged: reading it does not end within"),
    ],
)
def test_a_crash_or_an_endless_reading_of_the_library_is_one_line(tmp_path, monkeypatch, code, message):
    place = write_h5ad(tmp_path / "cells.h5ad")
    script = tmp_path / "trial.py"
    script.write_text(
        "import os, resource, signal, sys, time\nsys.stdout.write('begun\\n')\nsys.stdout.flush()\n"
        f"resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\nresource.setrlimit(resource.RLIMIT_CPU, (1, 2))\n{code}\n"
    )
    monkeypatch.setattr("selectormlp.gate.hdf5_trial.__file__", str(script))
    monkeypatch.setattr(hdf5, "SECONDS", 2)
    monkeypatch.setattr(hdf5, "PATIENCE", 2)
    start = time.monotonic()
    with pytest.raises(DataError, match=message) as caught:
        both_ways()[0](place)
    assert time.monotonic() - start < 60
    assert "\n" not in str(caught.value)


def test_the_rules_hold_where_no_other_process_can_be_started(tmp_path, monkeypatch):
    place = write_h5ad(tmp_path / "cells.h5ad")
    with h5py.File(place, "r+") as file:
        external_link(file, tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "absent"))
    with pytest.raises(DataError, match=r"links to another file"):
        both_ways()[0](place)


def test_a_file_is_tried_again_only_once_it_has_changed(tmp_path, monkeypatch):
    place = write_h5ad(tmp_path / "cells.h5ad")
    hdf5.check_hdf5(place)
    started = []
    run = subprocess.Popen

    def counted(*args, **kwargs):
        started.append(args)
        return run(*args, **kwargs)

    monkeypatch.setattr(subprocess, "Popen", counted)
    hdf5.check_hdf5(place)
    assert not started
    os.utime(place, ns=(1, 1))
    hdf5.check_hdf5(place)
    assert len(started) == 1


@pytest.mark.slow
@READERS
def test_flipped_bytes_end_in_one_line_or_in_data(tmp_path, read):
    content = write_h5ad(tmp_path / "cells.h5ad").read_bytes()
    rng = np.random.default_rng(5)
    lines = []
    for number in range(30):
        changed = bytearray(content)
        for place in rng.integers(0, len(content), 1 + number % 5):
            changed[place] = rng.integers(256)
        file = tmp_path / f"{number}.h5ad"
        file.write_bytes(changed)
        try:
            read(file)
        except DataError as error:
            lines.append(str(error))
    assert not any("\n" in line for line in lines)
