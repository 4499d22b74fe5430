"""From rows of results to tables: means by size, and paired differences to the t-test with intervals.

``python -m other_technology.report FILE… --docs docs/benchmark.md`` writes the tables of that page.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from other_technology.methods import REFERENCE

N_DRAWS = 2000
"""Bootstrap samples of an interval."""

BEGIN, END = "<!-- results: written by other_technology.report -->", "<!-- end of other technology -->"
"""Lines of the page between which tables stand."""


def report(rows: pd.DataFrame, reference: str = REFERENCE) -> str:
    """Write the tables of each measure as text.

    Parameters
    ----------
    rows
        As :mod:`other_technology.run` writes them.
    reference
        Method that the others are compared with.
    """
    parts = []
    for measure, found in rows.groupby("measure", sort=False):
        means = by_size(found)
        differences = {method: difference(found, method, reference) for method in means.index if method != reference}
        means["all sizes"] = means.mean(axis=1)
        means[f"to the {reference}"] = pd.Series(differences)
        by_pair = panel_scores(found).pivot_table("balanced_accuracy", "method", "pair")
        parts += [f"\n{measure}: mean balanced accuracy over pairs", means.round(3).to_string()]
        parts += ["by pair, all sizes", by_pair.round(3).to_string()]
    return "\n".join(parts)


def panel_scores(rows: pd.DataFrame) -> pd.DataFrame:
    """Average over classifiers: one row a panel and measure."""
    keys = ["family", "pair", "draw", "method", "size"]
    return rows.groupby(keys, as_index=False)["balanced_accuracy"].mean()


def by_size(rows: pd.DataFrame) -> pd.DataFrame:
    """Average over draws, then over the pairs that have the size: methods × sizes."""
    by_pair = panel_scores(rows).pivot_table("balanced_accuracy", ["method", "pair"], "size")
    return by_pair.groupby("method").mean()


def difference(rows: pd.DataFrame, method: str, reference: str) -> str:
    """Mean paired difference over pairs, with a 95 % interval from resampling pairs, and draws within them."""
    scores = panel_scores(rows).pivot_table("balanced_accuracy", ["pair", "draw"], "method", aggfunc="mean")
    apart = (scores[method] - scores[reference]).rename("apart").reset_index()
    apart = apart.pivot_table("apart", "pair", "draw").to_numpy()
    rng = np.random.default_rng(0)
    n_pairs, n_draws = apart.shape
    taken = rng.integers(n_pairs, size=(N_DRAWS, n_pairs, 1)), rng.integers(n_draws, size=(N_DRAWS, n_pairs, n_draws))
    low, high = np.quantile(np.nanmean(apart[taken], axis=(1, 2)), [0.025, 0.975])
    return f"{np.nanmean(apart):+.3f} ({low:+.3f} to {high:+.3f})"


def markdown(rows: pd.DataFrame, reference: str = REFERENCE) -> str:
    """Write two tables as Markdown: accuracy of refitted classifiers by size, and differences of all measures."""
    measures = rows["measure"].unique().tolist()
    means = by_size(rows[rows["measure"] == measures[0]])
    means = means.loc[means.mean(axis=1).sort_values(ascending=False).index]
    sizes = [str(size) for size in means.columns]
    n_pairs = [f"{rows.loc[rows['size'] == size, 'pair'].nunique()}" for size in means.columns]
    lines = [_line(["refitted", *sizes]), _line(["---"] * (len(sizes) + 1)), _line(["(pairs)", *n_pairs])]
    lines += [_line([method, *(f"{value:.3f}" for value in of)]) for method, of in means.iterrows()]
    lines += ["", _line(["", *measures]), _line(["---"] * (len(measures) + 1))]
    compared = [(method, reference) for method in means.index if method != reference]
    compared += [("imaging", "discriminant")] if {"imaging", "discriminant"} <= set(means.index) else []
    for method, other in compared:
        found = [difference(rows[rows["measure"] == measure], method, other) for measure in measures]
        lines.append(_line([f"{method} less {other}", *found]))
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the tables, or put them into the docs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="+", type=Path, help="CSV of results; several are joined")
    parser.add_argument("--docs", type=Path, help="page whose tables are replaced")
    settings = parser.parse_args()
    text = markdown(pd.concat([pd.read_csv(file) for file in settings.results], ignore_index=True))
    if settings.docs is None:
        print(text)
        return
    before, rest = settings.docs.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    settings.docs.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
