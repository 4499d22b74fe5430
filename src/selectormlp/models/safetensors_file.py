"""Safetensors files whose bytes depend on what they hold alone."""

from __future__ import annotations

import json

LENGTH_BYTES = ALIGNMENT = 8
"""A file begins with the length of its header, which is filled up to whole multiples of 8 bytes."""


def in_order(content: bytes) -> bytes:
    """Return the content of a safetensors file with its metadata sorted by key.

    The library writes the metadata from a hash table, in another order each time.

    Parameters
    ----------
    content
        Of the whole file, as ``safetensors.torch.save`` and ``safetensors.numpy.save`` return it.

    References
    ----------
    https://huggingface.co/docs/safetensors/index#format

    Examples
    --------
    >>> import numpy as np
    >>> import safetensors.numpy
    >>> held = {"weights": np.arange(2.0)}
    >>> first = in_order(safetensors.numpy.save(held, metadata={"a": "1", "b": "2"}))
    >>> first == in_order(safetensors.numpy.save(held, metadata={"b": "2", "a": "1"}))
    True
    >>> safetensors.numpy.load(first)["weights"]
    array([0., 1.])
    """
    end = LENGTH_BYTES + int.from_bytes(content[:LENGTH_BYTES], "little")
    header = json.loads(content[LENGTH_BYTES:end])
    header["__metadata__"] = dict(sorted(header.get("__metadata__", {}).items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return len(text).to_bytes(LENGTH_BYTES, "little") + text + content[end:]
