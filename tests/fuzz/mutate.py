"""Changing files at random: their bytes, and the values inside JSON, safetensors, zip and HDF5."""

import io
import json
import shutil
import struct
import zipfile

import h5py
import numpy as np
import torch

NUMBERS = (0, -1, 1, 2, 255, 2**31, 2**63, -(2**63), 10**30, 0.5, -0.0, 1e308, float("nan"), float("inf"))
TEXTS = (
    "",
    " ",
    "\0",
    "a\nb",
    "=1+1",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "/dev/zero",
    "\ud800",
    "𝒢\u202e",
    "x" * 5000,
    "builtins.eval",
    "os.system",
    "selectormlp",
    "null",
)
TOKENS = (
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b",",
    b":",
    b"\n",
    b"\0",
    b"\xff",
    b"&a *a",
    b"<<: ",
    b"!!python/name:os.system ",
)
TOKENS += (b"---\n", b"- ", b"[[", b"1e999", b"9" * 5000, b"\\ud800", b"'", b"\t", b"NaN", b"\xef\xbb\xbf", b"[" * 3000)
TOKENS += (b"a." * 5000, b"a = {" * 2000, b"{a: " * 2000, b"- " * 3000, b"? " * 3000, b'"""', b"[[a.b]]\n", b"{" * 3000)


def surprise(rng):
    """A value of any JSON type, often an extreme one."""
    kind = rng.integers(7)
    if kind == 0:
        return NUMBERS[rng.integers(len(NUMBERS))]
    if kind == 1:
        return TEXTS[rng.integers(len(TEXTS))]
    if kind == 2:
        return [None, True, False][rng.integers(3)]
    if kind == 3:
        return [surprise(rng) for _ in range(rng.integers(4))]
    if kind == 4:
        return {str(surprise(rng)): surprise(rng) for _ in range(rng.integers(3))}
    nested = []
    for _ in range(int(rng.choice([3, 150, 400]))):
        nested = [nested]
    return nested if kind == 5 else []


def mutate_value(value, rng):
    """Change one place in a JSON value: replace it, or drop, double or rename a part."""
    parts = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    if not parts or rng.random() < 0.15:
        return surprise(rng)
    key, part = parts[rng.integers(len(parts))]
    action = rng.integers(10)
    if isinstance(value, list):
        changed = list(value)
        if action == 0:
            del changed[key]
        elif action == 1:
            changed.append(part)
        else:
            changed[key] = mutate_value(part, rng)
        return changed
    changed = dict(value)
    if action == 0:
        del changed[key]
    elif action == 1:
        changed[str(surprise(rng))[:200]] = changed.pop(key)
    elif action == 2:
        changed[key] = value[parts[rng.integers(len(parts))][0]]
    else:
        changed[key] = mutate_value(part, rng)
    return changed


def mutate_bytes(content, rng):
    """Change bytes: flip, cut, repeat, or put tokens in."""
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 6))):
        place = int(rng.integers(len(changed) + 1))
        action = rng.integers(6)
        if action == 0 and changed:
            changed[min(place, len(changed) - 1)] = int(rng.integers(256))
        elif action == 1:
            del changed[place : place + int(rng.integers(1, 40))]
        elif action == 2:
            changed[place:place] = TOKENS[rng.integers(len(TOKENS))]
        elif action == 3:
            changed[place:place] = changed[place : place + int(rng.integers(1, 200))]
        elif action == 4:
            changed[place : place + 8] = struct.pack("<Q", int(rng.choice([0, 1, 2**31, 2**40, 2**63], p=[0.2] * 5)))
        elif rng.random() < 0.3:
            del changed[place:]
    return bytes(changed)


def content_of(place):
    """The bytes of a file, or of all files of a folder."""
    if place.is_dir():
        return {path.relative_to(place): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}
    return place.read_bytes()


def restore(place, content):
    """Write the bytes of a file, or of all files of a folder, and no other ones."""
    if isinstance(content, bytes):
        place.write_bytes(content)
        return
    shutil.rmtree(place, ignore_errors=True)
    for name, data in content.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)


def mutate_folder(place, rng):
    """Change, drop, swap or link files of a folder, in place; JSON by value or by bytes."""
    files = [path for path in sorted(place.rglob("*")) if path.is_file() and not path.is_symlink()]
    for _ in range(int(rng.integers(1, 4))):
        file, other = (files[rng.integers(len(files))] for _ in range(2))
        if not file.is_file() or not other.is_file():  # gone, or a link to a device by now
            continue
        action = rng.integers(10)
        content = file.read_bytes()
        if action == 0:
            file.unlink()
        elif action == 1:
            file.write_bytes(other.read_bytes())
        elif action == 2:
            file.unlink()
            file.symlink_to(TEXTS[7] if rng.random() < 0.5 else other)
        elif action < 8 and content[:1] in (b"{", b"["):
            try:
                file.write_bytes(mutate_json(content, rng))
            except ValueError:  # changed before
                file.write_bytes(mutate_bytes(content, rng))
        else:
            file.write_bytes(mutate_bytes(content, rng))


def mutate_checkpoint(content, rng):
    """Change a value inside a checkpoint: a number, a name, a path, a tensor's shape."""
    found = torch.load(io.BytesIO(content), weights_only=True)
    for _ in range(int(rng.integers(1, 4))):
        _mutate_state(found, rng)
    stream = io.BytesIO()
    torch.save(found, stream)
    return stream.getvalue()


def _mutate_state(state, rng):
    while True:
        places = list(state) if isinstance(state, dict) else list(range(len(state)))
        if not places:
            return
        place = places[rng.integers(len(places))]
        value = state[place]
        if isinstance(value, dict | list) and value and rng.random() < 0.9:
            state = value
            continue
        action = rng.integers(5)
        if action == 0 and isinstance(state, dict):
            del state[place]
        elif action == 1 and isinstance(state, dict):
            state[str(surprise(rng))[:200]] = state.pop(place)
        elif action == 2:
            state[place] = state[places[rng.integers(len(places))]]
        elif isinstance(value, torch.Tensor):
            odd = (value.double(), value.reshape(-1)[:1], torch.zeros(()), torch.zeros(1).expand(10**6), value * np.nan)
            state[place] = odd[rng.integers(len(odd))]
        else:
            state[place] = surprise(rng)
        return


def dump(value):
    """JSON text as bytes; lone halves of characters stay escaped."""
    return json.dumps(value).encode()


def mutate_json(content, rng):
    """Change a value inside JSON."""
    return dump(mutate_value(json.loads(content), rng))


def mutate_safetensors(content, rng):
    """Change the header of a safetensors file, or a card in JSON that its metadata hold."""
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    cards = {key: text for key, text in header.get("__metadata__", {}).items() if text.startswith("{")}
    if cards and rng.random() < 0.7:
        for key, text in cards.items():
            header["__metadata__"][key] = dump(mutate_value(json.loads(text), rng)).decode()
    else:
        header = mutate_value(header, rng)
    text = dump(header)
    return struct.pack("<Q", len(text)) + text + content[8 + length :]


def mutate_zip(content, rng):
    """Change a JSON file inside a zip, the name of a member, or its bytes."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = list(members)[rng.integers(len(members))]
    if name.endswith(".json"):
        members[name] = mutate_json(members[name], rng)
    elif rng.random() < 0.5:
        members[str(rng.choice(["../../evil", "/tmp/evil", "schema.json", "x" * 300]))] = members.pop(name)
    else:
        members[name] = mutate_bytes(members[name], rng)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    return stream.getvalue()


def mutate_hdf5(place, rng):
    """Change attributes and small arrays of an HDF5 file, or drop or swap its parts, in place."""
    with h5py.File(place, "r+") as file:
        names = ["/"]
        file.visit(names.append)
        for _ in range(int(rng.integers(1, 4))):
            node = file.get(names[rng.integers(len(names))])
            if node is not None:
                _mutate_node(file, node, rng)


def _mutate_node(file, node, rng):
    keys = list(node.attrs)
    if keys and rng.random() < 0.5:
        key = keys[rng.integers(len(keys))]
        if rng.random() < 0.2:
            del node.attrs[key]
            return
        values = (*NUMBERS, *TEXTS, np.array([2**40, 2**40]), np.array([-1, 3]), np.array([], dtype="f8"))
        try:
            node.attrs[key] = values[rng.integers(len(values))]
        except (TypeError, ValueError, OverflowError, UnicodeError):  # not a value that HDF5 can hold
            node.attrs[key] = -1
        return
    if isinstance(node, h5py.Dataset) and node.size and rng.random() < 0.7:
        if node.dtype.kind in "iuf":
            limit = np.iinfo(node.dtype).max if node.dtype.kind in "iu" else np.inf
            node[tuple(rng.integers(size) for size in node.shape)] = rng.choice([0, -1 % 2**7, limit, 3])
        elif h5py.check_string_dtype(node.dtype) and node.shape:
            node[int(rng.integers(len(node)))] = "" if rng.random() < 0.5 else "<b>=1+1"
        return
    if node.name != "/":
        parent, name = node.parent, node.name.rsplit("/", 1)[1]
        del parent[name]
        if rng.random() < 0.5:
            parent[name] = np.arange(int(rng.integers(5))) if rng.random() < 0.5 else "text"
