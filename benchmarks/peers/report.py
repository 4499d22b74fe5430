"""From the answers of :mod:`peers.run` to tables: ``python -m peers.report FOLDER [--docs docs/peers.md]``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from panel_accuracy.report import fill_docs, seconds_text, table

BEGIN, END = "<!-- results: written by peers.report -->", "<!-- end of peers -->"

REFERENCES = ("all-genes", "random")
OWN = "discriminant"
"""The method of ours that others are compared with."""


def read_answers(folder: Path) -> list[dict[str, Any]]:
    """Read the answers of a folder, in the order of their names."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def panel_rows(answers: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return a line for each panel: data, method, size, score (mean over classifiers) and seconds."""
    lines = [
        {
            "data": answer["data"],
            "method": answer["method"],
            "size": "all" if answer["method"] == "all-genes" else panel["size"],
            "score": float(np.mean(list(panel["scores"].values()))),
            "seconds": answer["cpu_seconds"],
            "n_genes": len(panel["genes"]),
            "options": ", ".join(f"{name}={value}" for name, value in panel["options"].items()),
        }
        for answer in answers
        for panel in answer.get("panels", [])
    ]
    return pd.DataFrame(lines)


def write_tables(folder: Path) -> str:
    """Return the text: accuracy by data set and size, seconds, where others are ahead of ours, and what did not run."""
    answers = read_answers(folder)
    rows = panel_rows(answers)
    if rows.empty:
        raise SystemExit(f"{folder} holds no answers with panels")
    dates, processors = ({answer[key] for answer in answers} for key in ("date", "processor"))
    parts = [
        f"{', '.join(sorted(dates))}; {', '.join(sorted(processors))}, one core. Split {answers[0]['split']}.\n",
        _accuracy(rows),
        _behind(rows),
        _tuned(rows),
        _not_run(answers),
    ]
    return "\n".join(part for part in parts if part)


def _accuracy(rows: pd.DataFrame) -> str:
    """Tabulate scores and seconds; methods with panels of all data sets come first."""
    panels = rows[rows["method"] != "all-genes"]
    wide = panels.pivot_table(index="method", columns=["data", "size"], values="score")
    short = panels[panels["n_genes"] < panels["size"]].groupby(["method", "data", "size"])["n_genes"].first()
    rank = pd.DataFrame({"panels": wide.notna().sum(axis=1), "mean": wide.mean(axis=1)})
    order = rank.sort_values(["panels", "mean"], ascending=False, kind="stable").index
    lines = []
    for method in order:
        cells = []
        for data, size in wide.columns:
            score = wide.loc[method, (data, size)]
            few = short.get((method, data, size))
            cells.append("–" if np.isnan(score) else f"{score:.3f}" + ("" if few is None else f" ({few})"))
        lines.append([method, *cells])
    header = ["method", *(f"{data}, {size}" for data, size in wide.columns)]
    ceiling = rows[rows["method"] == "all-genes"]
    of_all = "; ".join(f"{line.data} {line.score:.3f}" for line in ceiling.itertuples())
    told = f"\nAll genes: {of_all}.\n" if of_all else ""
    seconds = panels.pivot_table(index="method", columns="data", values="seconds", aggfunc="max")
    took = [[method, *seconds.loc[method].map(seconds_text, na_action="ignore")] for method in order]
    return (
        f"### Balanced accuracy\n\n{table(header, lines)}{told}\n"
        f"### Processor seconds\n\n{table(['method', *seconds.columns], took)}"
    )


def _behind(rows: pd.DataFrame) -> str:
    """Tabulate the panels on which another method is ahead of ours."""
    lines = []
    for (data, size), part in rows[~rows["method"].isin(REFERENCES)].groupby(["data", "size"]):
        scores = part.set_index("method")["score"]
        if OWN not in scores:
            continue
        more = (scores - scores[OWN]).sort_values(ascending=False)
        ahead = [f"{name} {gap:+.3f}" for name, gap in more.items() if gap > 0 and name != "auto"]
        lines.append([data, size, scores[OWN], ", ".join(ahead) or "none"])
    return f"### Where others are ahead of {OWN}\n\n{table(['data', 'genes', OWN, 'ahead'], lines)}"


def _tuned(rows: pd.DataFrame) -> str:
    some = rows[rows["options"] != ""]
    if some.empty:
        return ""
    wide = some.pivot_table(index="method", columns=["data", "size"], values="options", aggfunc="first").fillna("–")
    header = ["method", *(f"{data}, {size}" for data, size in wide.columns)]
    return f"### Parameters tuned on learning cells\n\n{table(header, [[name, *row] for name, row in wide.iterrows()])}"


def _not_run(answers: Sequence[dict[str, Any]]) -> str:
    failed = [[answer["method"], answer["data"], answer["failed"]] for answer in answers if "failed" in answer]
    return f"### What did not run\n\n{table(['method', 'data', 'reason'], failed)}" if failed else ""


def main() -> None:
    parser = argparse.ArgumentParser(prog="peers.report", description=__doc__)
    parser.add_argument("folder", type=Path, help="answers of peers.run")
    parser.add_argument("--docs", type=Path, help="page whose results are replaced")
    settings = parser.parse_args()
    text = write_tables(settings.folder)
    if settings.docs:
        fill_docs(settings.docs, text, (BEGIN, END))
    else:
        print(text)


if __name__ == "__main__":
    main()
