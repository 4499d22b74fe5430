"""Counts or other values: what a sample of files on disk shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from selectormlp.data.cells import Float32Array
from selectormlp.data.disk import DiskMatrix, StoredPart
from selectormlp.data.normalize import Normalization, holds_counts, is_whole, stored_values
from selectormlp.data.stored import StoredMatrix, ValueKind
from selectormlp.errors import DataError

SAMPLE_PLACES, SAMPLE_CELLS = 8, 64
"""Places spread over a file, and cells read at each, that show whether the file holds counts."""


def judge_values(
    matrices: Sequence[DiskMatrix], normalize: Normalization, *, layer: str | None, has_raw: bool
) -> ValueKind:
    """Decide by a sample of each file what its values are, and log it.

    Values that are all 0 or 1 fit counts and logs alike; the file is then read further.

    Parameters
    ----------
    matrices
        Matrix of each file.
    normalize
        As in :func:`selectormlp.select`.
    layer
        Layer that is read; None for X. For messages.
    has_raw
        Whether a file has a ``.raw``. For messages.

    Raises
    ------
    DataError
        If values are negative (unless ``normalize`` is ``"none"``), some files hold counts and others do not, or
        ``normalize`` is ``"counts"`` and the values look like logs.
    """
    if normalize == "none":
        return "any"
    samples = [_sample(matrix, read_on=normalize == "auto") for matrix in matrices]
    for matrix, values in zip(matrices, samples, strict=True):
        n_negative = int((values < 0).sum())
        if n_negative:
            raw = "its .raw cannot be read in parts; write it as a file of its own (adata.raw.to_adata()), " * (
                has_raw and layer is None
            )
            raise DataError(
                f"{matrix} holds negative values ({n_negative} among the cells looked at), so it is neither counts nor "
                f'logs; {raw}give a layer with counts or logs, or set normalize to "none" to take it as it is'
            )
    if normalize == "auto":
        _check_one_scale(matrices, samples)
    what = "X" if layer is None else f"layer {layer!r}"
    is_counts = holds_counts(np.concatenate(samples)[None], what, normalize)
    if not is_counts:
        return "expression"
    return "corrected" if normalize == "counts" else "counts"


def _check_one_scale(matrices: Sequence[DiskMatrix], samples: Sequence[Float32Array]) -> None:
    """Refuse files of which some hold counts and others do not."""
    counts, others = [], []
    for matrix, values in zip(matrices, samples, strict=True):
        if not is_whole(values):
            others.append(matrix)
        elif values.max(initial=0) > 1:
            counts.append(matrix)
    if counts and others:
        raise DataError(
            f"{counts[0]} holds whole numbers, as counts are, and {others[0]} does not; bring all files to one scale, "
            'or set normalize to "none" to take them as they are'
        )


def _sample(matrix: DiskMatrix, *, read_on: bool) -> Float32Array:
    """Return values of cells from all over a file; ``read_on`` until they tell counts from other values."""
    starts = np.linspace(0, max(0, matrix.shape[0] - SAMPLE_CELLS), SAMPLE_PLACES).astype(np.int64)
    rows = np.unique(starts[:, None] + np.arange(SAMPLE_CELLS))
    values = stored_values(matrix.read(rows[rows < matrix.shape[0]]))
    if read_on:
        blocks = StoredMatrix((StoredPart(matrix),), "any").row_blocks()
        while not _tells(values) and (block := next(blocks, None)) is not None:
            values = stored_values(matrix.read(np.arange(block.start, block.stop)))
    return values


def _tells(values: Float32Array) -> bool:
    return bool(values.max(initial=0) > 1 or values.min(initial=0) < 0 or not is_whole(values))
