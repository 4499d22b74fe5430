"""Promise: a zarr store runs no code, leads to no other file, and is read whatever data codec it uses."""

import contextlib
import json
import os
import pickle
import shutil
import tracemalloc
import warnings

import numcodecs
import numpy as np
import pytest
import zarr.codecs

from faults.strangers import both_ways, change_json, rewrite_array, some_cells, text_array, write_zarr
from selectormlp.data.anndata_files import read_adata
from selectormlp.data.anndata_io import CellsSource, cells_from_adata
from selectormlp.data.anndata_lazy import open_cells
from selectormlp.errors import DataError

READERS = pytest.mark.parametrize("read", both_ways(), ids=["memory", "disk"])


class Trap:
    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


def poisoned(folder, array, **metadata):
    """Put a codec into the metadata of an array, and a pickle into its chunks."""
    place = write_zarr(folder / "cells.zarr")
    array = text_array(place, array)
    change_json(place / array / ".zarray", lambda found: found.update(metadata))
    for chunk in (place / array).iterdir():
        if chunk.name[0].isdigit():
            chunk.write_bytes(pickle.dumps(Trap(folder / "sprung")))
    return place


PICKLE = {"id": "pickle", "protocol": 5}


@READERS
@pytest.mark.parametrize("array", ["obs/_index", "var/_index", "obs/kind/categories", "X/data", "obsm/X_pca"])
@pytest.mark.parametrize(
    "metadata",
    [
        {"compressor": PICKLE},
        {"compressor": None, "filters": [{"id": "vlen-utf8"}, PICKLE]},
        {"compressor": None, "filters": [PICKLE], "dtype": "|O"},
        {"compressor": {"id": "Pickle"}},
        {"compressor": {"id": "msgpack2"}},
    ],
    ids=str,
)
def test_a_codec_that_could_run_code_is_refused_before_a_chunk_is_read(tmp_path, array, metadata, read):
    place = poisoned(tmp_path, array, **metadata)
    with pytest.raises(DataError, match=r"is not read: its array .* since codecs can run code; rewrite it") as caught:
        read(place)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "sprung").exists()


@READERS
@pytest.mark.parametrize("dtype", ["|O", "O", "<O8", [["a", "<f4"], ["b", "|O"]], {"name": "object"}, None], ids=str)
def test_objects_are_read_as_texts_only(tmp_path, dtype, read):
    place = write_zarr(tmp_path / "cells.zarr")
    change_json(place / "obs/depth/.zarray", lambda found: found.update(dtype=dtype))
    with pytest.raises(DataError, match=r"holds objects that are not strings|holds values of type"):
        read(place)


@READERS
def test_consolidated_metadata_that_tell_otherwise_are_looked_at_too(tmp_path, read):
    place = write_zarr(tmp_path / "cells.zarr")
    zarr.consolidate_metadata(place)
    change_json(place / ".zmetadata", lambda found: found["metadata"]["X/data/.zarray"].update(compressor=PICKLE))
    with pytest.raises(DataError, match=r"its array 'X/data/.zarray' is stored by the codec 'pickle'"):
        read(place)


@READERS
@pytest.mark.parametrize("nested", [False, True])
def test_codecs_of_format_3_are_looked_at_inside_each_other(tmp_path, nested, read):
    place = write_zarr(tmp_path / "cells.zarr", zarr_format=3)
    evil = [{"name": "numcodecs.pickle", "configuration": {}}]
    shards = [{"name": "sharding_indexed", "configuration": {"chunk_shape": [40], "codecs": evil, "index_codecs": []}}]
    change_json(place / "obs/depth/zarr.json", lambda found: found.update(codecs=shards if nested else evil))
    with pytest.raises(DataError, match=r"is stored by the codec 'numcodecs\.pickle'"):
        read(place)


@READERS
def test_consolidated_metadata_of_format_3_are_looked_at_too(tmp_path, read):
    place = write_zarr(tmp_path / "cells.zarr", zarr_format=3)
    array = json.loads((place / "obs/depth/zarr.json").read_text())
    array["codecs"] = [{"name": "numcodecs.pickle"}]
    consolidated = {"kind": "inline", "must_understand": False, "metadata": {"obs/depth": array}}
    change_json(place / "zarr.json", lambda found: found.update(consolidated_metadata=consolidated))
    with pytest.raises(DataError, match=r"'numcodecs.pickle'"):
        read(place)


COMPRESSORS_2 = [
    None,
    numcodecs.Blosc("lz4"),
    numcodecs.Blosc("zstd"),
    numcodecs.Zstd(),
    numcodecs.GZip(),
    numcodecs.Zlib(),
    numcodecs.LZ4(),
    numcodecs.BZ2(),
    numcodecs.LZMA(),
]


@READERS
@pytest.mark.parametrize("compressor", COMPRESSORS_2, ids=lambda codec: str(codec and codec.codec_id))
@pytest.mark.parametrize(
    "filters", [None, [numcodecs.Shuffle(8)], [numcodecs.Delta("f8")]], ids=["", "shuffle", "delta"]
)
@pytest.mark.filterwarnings("ignore")
def test_every_data_codec_of_format_2_is_read(tmp_path, compressor, filters, read):
    place = write_zarr(tmp_path / "cells.zarr")
    rewrite_array(place, "obs/depth", compressors=compressor, filters=filters)
    rewrite_array(place, "X/data", compressors=compressor)
    assert read(place) is not None
    if read is read_adata:
        np.testing.assert_allclose(read(place).obs["depth"], some_cells().obs["depth"], rtol=1e-6)


COMPRESSORS_3 = [
    None,
    zarr.codecs.BloscCodec(),
    zarr.codecs.ZstdCodec(),
    zarr.codecs.GzipCodec(),
    [zarr.codecs.ZstdCodec(), zarr.codecs.Crc32cCodec()],
]


@READERS
@pytest.mark.parametrize("compressors", COMPRESSORS_3, ids=lambda codec: type(codec).__name__)
@pytest.mark.parametrize("shards", [None, (40,)])
@pytest.mark.filterwarnings("ignore")
def test_every_data_codec_of_format_3_is_read(tmp_path, compressors, shards, read):
    place = write_zarr(tmp_path / "cells.zarr", zarr_format=3)
    rewrite_array(place, "obs/depth", compressors=compressors, shards=shards, chunks=(20,))
    rewrite_array(place, "obsm/X_pca", compressors=compressors, filters=[zarr.codecs.TransposeCodec(order=(1, 0))])
    assert read(place) is not None
    if read is read_adata:
        np.testing.assert_allclose(read(place).obs["depth"], some_cells().obs["depth"])
        np.testing.assert_allclose(read(place).obsm["X_pca"], some_cells().obsm["X_pca"])


@READERS
@pytest.mark.parametrize("what", ["file", "folder", "chunk"])
def test_links_out_of_a_store_are_refused(tmp_path, what, read):
    place = write_zarr(tmp_path / "cells.zarr")
    inside = {"file": "obs/depth/.zarray", "folder": "obs/depth", "chunk": "obs/depth/0"}[what]
    outside = tmp_path / "outside"
    shutil.move(place / inside, outside)
    (place / inside).symlink_to(outside)
    with pytest.raises(DataError, match=r"links to another place .*; only what lies in it is read"):
        read(place)


@READERS
def test_links_inside_a_store_are_followed(tmp_path, read):
    place = write_zarr(tmp_path / "cells.zarr")
    shutil.move(place / "obs/depth", place / "uns/elsewhere")
    (place / "obs/depth").symlink_to(place / "uns/elsewhere")
    (tmp_path / "named.zarr").symlink_to(place)
    assert read(tmp_path / "named.zarr") is not None


@READERS
def test_links_that_go_on_for_ever_are_refused(tmp_path, read):
    place = write_zarr(tmp_path / "cells.zarr")
    for first, second in (("obs", "var"), ("var", "obs")):
        for number in range(2):
            (place / first / f"more{number}").symlink_to(place / second)
    with pytest.raises(DataError, match=r"links folders to each other"):
        read(place)


@READERS
def test_a_pipe_in_a_store_is_refused(tmp_path, read):
    place = write_zarr(tmp_path / "cells.zarr")
    (place / "obs/depth/0").unlink()
    os.mkfifo(place / "obs/depth/0")
    with pytest.raises(DataError, match=r"is a named pipe, not a file"):
        read(place)


@READERS
@pytest.mark.parametrize("damage", ["{", "[]", "", "\xff", "[" * 5000, '{"shape": [1], "chunks": ["a"]}'])
def test_a_damaged_group_is_one_line(tmp_path, damage, read, caplog):
    place = write_zarr(tmp_path / "cells.zarr")
    (place / "obs/depth/.zarray").write_text(damage, encoding="latin-1")
    with pytest.raises(DataError, match=r"is not a complete zarr store|is not read") as caught:
        read(place)
    assert "\n" not in str(caught.value)
    assert not caplog.records


@READERS
@pytest.mark.parametrize("array", ["obsm/X_pca", "X/data"])
def test_an_array_larger_than_its_files_could_hold_is_refused(tmp_path, array, read):
    place = write_zarr(tmp_path / "cells.zarr")
    change_json(place / array / ".zarray", lambda found: found.update(shape=[10**12, 2][: len(found["shape"])]))
    with pytest.raises(DataError, match=r"bytes of content in files of"):
        read(place)


@READERS
def test_a_chunk_far_larger_than_its_array_is_refused(tmp_path, read):
    place = write_zarr(tmp_path / "cells.zarr")
    change_json(place / "obs/depth/.zarray", lambda found: found.update(chunks=[10**10]))
    with pytest.raises(DataError, match=r"has chunks of 80,000,000,000 bytes in 'depth'"):
        read(place)


@READERS
@pytest.mark.parametrize("chunks", [1, 0, -1, 1.5, True])
def test_chunks_without_number_are_refused(tmp_path, chunks, read):
    place = write_zarr(tmp_path / "cells.zarr")
    change_json(place / "obs/depth/.zarray", lambda found: found.update(shape=[10**7], chunks=[chunks]))
    with pytest.raises(DataError, match=r"claims 10,\d{3},\d{3} chunks in|is not a complete zarr store"):
        read(place)


@READERS
def test_chunks_without_number_in_shards_are_refused(tmp_path, read):
    place = write_zarr(tmp_path / "cells.zarr", zarr_format=3)
    inner = {"chunk_shape": [1], "codecs": [{"name": "bytes"}], "index_codecs": [{"name": "bytes"}]}
    grid = {"name": "regular", "configuration": {"chunk_shape": [10**7]}}
    shards = [{"name": "sharding_indexed", "configuration": inner}]
    change_json(
        place / "obs/depth/zarr.json", lambda found: found.update(shape=[10**7], chunk_grid=grid, codecs=shards)
    )
    with pytest.raises(DataError, match=r"claims 10,\d{3},\d{3} chunks in"):
        read(place)


def test_a_store_that_a_split_left_is_read(tmp_path):
    """Texts in ``uns`` are of another type in zarr than in h5ad."""
    for zarr_format in (2, 3):
        place = write_zarr(tmp_path / f"{zarr_format}.zarr", zarr_format)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cells = read_adata(place)
            cells.uns["selectormlp"] = {"label_key": "kind", "classes": np.array(["T", "B"], dtype=object)}
            cells.write_zarr(place)
        for read in both_ways():
            read(place)
        assert cells_from_adata(read_adata(place), CellsSource("kind")).classes == ("T", "B")
        assert open_cells(place, CellsSource("kind")).classes == ("T", "B")


def chunk_of(place, array):
    """The first chunk of an array."""
    return next(file for file in sorted((place / array).rglob("*")) if file.is_file() and file.name[0].isdigit())


@READERS
@pytest.mark.parametrize("codec", COMPRESSORS_2[1:], ids=lambda codec: str(codec.codec_id))
@pytest.mark.filterwarnings("ignore")
def test_a_chunk_that_would_unpack_to_more_than_its_array_says_is_refused(tmp_path, codec, read, caplog, capfd):
    place = write_zarr(tmp_path / "cells.zarr")
    for array in ("obs/depth", "X/data"):
        rewrite_array(place, array, compressors=codec)
        chunk_of(place, array).write_bytes(bytes(codec.encode(np.zeros(10**8, np.uint8))))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"unpacks to more than the [\d,]+ bytes that its array says") as caught:
            read(place)
        assert tracemalloc.get_traced_memory()[1] < 8e7
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)
    assert not [record for record in caplog.records if record.name == "asyncio"]
    assert capfd.readouterr().err == ""


@READERS
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("array", ["obs/_index", "var/_index", "obs/kind/categories"])
@pytest.mark.filterwarnings("ignore")
def test_a_chunk_that_claims_more_texts_than_its_array_is_refused(tmp_path, array, zarr_format, read):
    place = write_zarr(tmp_path / "cells.zarr", zarr_format=zarr_format)
    array = text_array(place, array)
    codec = numcodecs.Zstd()
    rewrite_array(place, array, compressors=codec if zarr_format == 2 else zarr.codecs.ZstdCodec())
    chunk = chunk_of(place, array)
    content = bytes(codec.decode(chunk.read_bytes()))
    assert int.from_bytes(content[:4], "little") > 0
    chunk.write_bytes(codec.encode((2**32 - 1).to_bytes(4, "little") + content[4:]))
    with pytest.raises(DataError, match=r"says that it holds 4,294,967,295 texts") as caught:
        read(place)
    assert "\n" not in str(caught.value)


@READERS
@pytest.mark.parametrize("shards", [None, (40,)])
@pytest.mark.parametrize(
    "codec",
    [zarr.codecs.GzipCodec(), zarr.codecs.ZstdCodec(), zarr.codecs.BloscCodec()],
    ids=lambda codec: type(codec).__name__,
)
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_chunk_is_one_line(tmp_path, codec, shards, read, caplog, capfd):
    place = write_zarr(tmp_path / "cells.zarr", zarr_format=3)
    rewrite_array(place, "obs/kind/codes", compressors=codec, shards=shards, chunks=(20,))
    chunk = chunk_of(place, "obs/kind/codes")
    content = chunk.read_bytes()
    for damaged in (content[:5], b"", b"\xff" * len(content), content[:-5], content[: len(content) // 2]):
        chunk.write_bytes(damaged)
        with pytest.raises(DataError) as caught:
            read(place)
        assert "\n" not in str(caught.value)
    assert not [record for record in caplog.records if record.name == "asyncio"]
    assert capfd.readouterr().err == ""


@READERS
def test_what_is_packed_twice_is_refused(tmp_path, read):
    place = write_zarr(tmp_path / "cells.zarr")
    twice = {"filters": [{"id": "zlib", "level": 1}], "compressor": {"id": "zlib", "level": 1}}
    change_json(place / "obs/depth/.zarray", lambda found: found.update(twice))
    with pytest.raises(DataError, match="is packed more than once"):
        read(place)


@READERS
@pytest.mark.parametrize("group", ["", "obs", "var"])
@pytest.mark.parametrize("damage", [{"zarr_format": "x" * 50}, {"zarr_format": None}, {"surplus": 1}])
def test_damaged_metadata_of_a_group_are_read_or_refused(tmp_path, read, group, damage):
    place = write_zarr(tmp_path / "cells.zarr")
    change_json(place / group / ".zgroup", lambda found: found.update(damage))
    with contextlib.suppress(DataError):  # no other error
        read(place)
