"""One job: a method on a data set with a seed, from selection to scored rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from panel_accuracy.limited import Outcome, select_limited
from panel_accuracy.methods import Method, parse_method
from panel_accuracy.protocol import Prepared, Score, usable_sizes
from panel_accuracy.results import Job
from selectormlp.data.cells import IntArray

Scorer = Callable[[Prepared, IntArray, int], list[Score]]


def select_sizes(
    method: Method, prepared: Prepared, sizes: Sequence[int], seed: int, limit_s: float
) -> dict[int, Outcome]:
    """Choose panels of several sizes, in one run where the method's panels are nested.

    The largest is chosen first. Where its ranking does not hold for the smaller ones, these get runs of their own,
    from the smallest on; once one is over the limit, larger ones are not tried.

    Parameters
    ----------
    method, prepared, seed, limit_s
        The limit is for each run.
    sizes
        Increasing.
    """
    largest = sizes[-1]
    found = {largest: select_limited(method, prepared.learning, largest, seed, limit_s)}
    first = found[largest]
    nested = method.nested or (first.choice is not None and first.choice.nested)
    if nested or first.status.startswith("not installed"):
        return dict.fromkeys(sizes, first)  # one run gives all sizes, or would have given them
    over = Outcome("over the limit", seconds=limit_s)
    for size in sizes[:-1]:
        found[size] = select_limited(method, prepared.learning, size, seed, limit_s)
        if found[size].status == over.status:
            return {**dict.fromkeys(sizes, over), **found}
    return found


def run_job(
    job: Job, family: str, prepared: Prepared, sizes: Sequence[int], limit_s: float, score: Scorer
) -> list[dict[str, Any]]:
    """Select and score.

    Parameters
    ----------
    job
        What to run.
    family
        Of the data set.
    prepared
        The data set, split with the job's seed.
    sizes
        Those above half of the genes are left out.
    limit_s
        Seconds that each selection may take.
    score
        Scores a panel: :func:`panel_accuracy.protocol.score_panel`, here or in another process.

    Returns
    -------
    Rows of the results, without ``job_rows``.
    """
    method = parse_method(job.method)
    n_cells, n_genes = prepared.learning.X.shape
    sizes = [n_genes] if method.name == "all-genes" else usable_sizes(sizes, n_genes)
    outcomes = select_sizes(method, prepared, sizes, job.seed, limit_s) if sizes else {}
    scored: dict[bytes, list[Score]] = {}  # a method that names too few genes has the same panel at several sizes
    rows: list[dict[str, Any]] = []
    for size, outcome in sorted(outcomes.items()):
        panel = np.empty(0, np.int64) if outcome.choice is None else outcome.choice.order[:size]
        row = {
            **job._asdict(),
            "family": family,
            "kind": method.kind,
            "version": method.version,
            "size": size,
            "n_chosen": len(panel),
            "status": outcome.status,
            "seconds": round(outcome.seconds, 4),
            "cpu_seconds": round(outcome.cpu_seconds, 4),
            "peak_mb": round(outcome.peak_mb, 1),
            "n_cells": n_cells,
            "n_genes": n_genes,
            "n_classes": prepared.learning.n_classes,
        }
        if outcome.choice is None:
            rows.append(row)
            continue
        if panel.tobytes() not in scored:
            scored[panel.tobytes()] = score(prepared, panel, job.seed)
        rows += [{**row, **result.as_row()} for result in scored[panel.tobytes()]]
    return rows
