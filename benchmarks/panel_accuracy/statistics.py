"""From rows of results to means, paired differences and intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import t as t_law

UNIT = ["family", "data", "seed", "method", "kind", "size"]

N_DRAWS = 2000
"""Bootstrap samples: the ends of a 95 % interval then vary by about a fiftieth of its width."""


@dataclass(frozen=True)
class Difference:
    """A mean difference between two methods, with its 95 % interval.

    Attributes
    ----------
    mean
        Over families of data sets that share cells, of the means over their data sets, seeds and sizes.
    low, high
        Ends of the interval.
    n_data, n_families
        Data sets that have both methods, and how many of them share no cells.
    """

    mean: float
    low: float
    high: float
    n_data: int
    n_families: int

    @property
    def verdict(self) -> str:
        """``ahead``, ``behind``, or ``level`` where the interval holds 0; nothing where one family gives none.

        Examples
        --------
        >>> Difference(0.01, -0.01, 0.03, 4, 4).verdict, Difference(0.02, 0.01, 0.03, 4, 4).verdict
        ('level', 'ahead')
        """
        if self.n_families < 2:
            return ""
        return "level" if self.low <= 0 <= self.high else "ahead" if self.mean > 0 else "behind"

    def __str__(self) -> str:
        if self.low == self.high:  # a single data set and seed has no interval, and nor have equal panels
            return f"{self.mean:+.3f} {self.verdict if self.mean == 0 else ''}".rstrip()
        said = f"{self.mean:+.3f} ({self.low:+.3f} to {self.high:+.3f})"
        return f"{said} {self.verdict}".rstrip()


def panel_scores(rows: pd.DataFrame) -> pd.DataFrame:
    """Average each panel over the refitted classifiers; one row a data set, seed, method and size.

    Parameters
    ----------
    rows
        As :func:`panel_accuracy.results.read_results` gives them; those without scores are left out.
    """
    scored = rows[rows["status"] == "ok"]
    figures = ["balanced_accuracy", "macro_f1", "least_recall", "cpu_seconds", "n_chosen"]
    return scored.groupby(UNIT, as_index=False)[figures].mean()


def mean_by_size(scores: pd.DataFrame, column: str = "balanced_accuracy") -> pd.DataFrame:
    """Average over seeds, then over data sets, then over families of them, each counting once: methods × sizes."""
    by_data = scores.groupby(["method", "family", "data", "size"])[column].mean()
    by_family = by_data.groupby(["method", "family", "size"]).mean()
    return by_family.groupby(["method", "size"]).mean().reset_index().pivot_table(column, "method", "size")


def ceiling_by_size(scores: pd.DataFrame, column: str = "balanced_accuracy") -> pd.Series | None:
    """Average the score on all genes over the data sets that have panels of a size; None where it lacks some."""
    of_all, panels = (scores[(scores["method"] == "all-genes") == wanted] for wanted in (True, False))
    if of_all["data"].nunique() < scores["data"].nunique():
        return None
    sizes = panels[["family", "data", "size"]].drop_duplicates()
    known = of_all.groupby(["family", "data"], as_index=False)[column].mean()
    return sizes.merge(known).groupby(["size", "family"])[column].mean().groupby("size").mean()


def complete_methods(scores: pd.DataFrame) -> list[str]:
    """List the methods that have every panel (data set, split, size) that any method has; references included.

    ``all-genes`` is not among them: it has no sizes.
    """
    panels = scores[scores["method"] != "all-genes"]
    unit = ["data", "seed", "size"]
    wanted = set(panels[unit].itertuples(index=False, name=None))
    found = panels.groupby("method")[unit].apply(lambda part: set(part.itertuples(index=False, name=None)))
    return [method for method, panels_there in found.items() if panels_there == wanted]


def ranked(scores: pd.DataFrame, methods: Sequence[str]) -> list[str]:
    """Sort methods by their mean over sizes and data sets, best first."""
    means = mean_by_size(scores[scores["method"].isin(methods)]).mean(axis=1)
    return means.sort_values(ascending=False, kind="stable").index.tolist()


def paired_difference(
    scores: pd.DataFrame, method: str, other: str, *, sizes: Sequence[int] | None = None
) -> Difference | None:
    """Compare two methods on the data sets, seeds and sizes that both have; None where that is nothing.

    Parameters
    ----------
    scores
        As :func:`panel_scores` gives them.
    method, other
        The difference is the balanced accuracy of the first minus that of the second.
    sizes
        Only panels of these sizes; by default all.
    """
    key = ["family", "data", "seed", "size"]
    first, second = (scores[scores["method"] == name].set_index(key)["balanced_accuracy"] for name in (method, other))
    pairs = (first - second).dropna()
    if sizes is not None:
        pairs = pairs[pairs.index.get_level_values("size").isin(sizes)]
    units = pairs.groupby(["family", "data", "seed"]).mean().rename("difference").reset_index()
    return None if units.empty else mean_difference(units)


def mean_difference(units: pd.DataFrame) -> Difference:
    """Average paired differences over seeds, then data sets, then families of them, with the interval.

    The interval is Student's over families, each counting once. A bootstrap over ten families covers 90 %, not 95 %,
    and so does an interval that weighs families by their data sets; with one family there is nothing but a bootstrap
    over seeds, which speaks of those only.

    Parameters
    ----------
    units
        Columns ``family``, ``data``, ``seed``, ``difference``; one row a data set and seed.
    """
    by_data = units.groupby(["family", "data"])["difference"].mean()
    by_family = by_data.groupby("family").mean()
    mean, n_families = float(by_family.mean()), len(by_family)
    if n_families > 1:
        half = float(t_law.ppf(0.975, n_families - 1) * by_family.std(ddof=1)) / np.sqrt(n_families)
        low, high = mean - half, mean + half
    else:
        low, high = np.quantile(bootstrap_means(units), [0.025, 0.975])
    return Difference(mean, float(low), float(high), len(by_data), n_families)


def bootstrap_means(units: pd.DataFrame, *, n_draws: int = N_DRAWS, seed: int = 0) -> npt.NDArray[np.float64]:
    """Draw means of paired differences again: data sets first, then their seeds.

    Data sets that share cells (a family) are drawn together, since they are not independent; of each data set drawn,
    as many seeds as it has are drawn. With one family the intervals speak of the seeds only.

    Parameters
    ----------
    units
        As :func:`mean_difference` takes them.
    n_draws
        Number of samples.
    seed
        Of the draws.

    Returns
    -------
    Means over the data sets drawn, shape (n_draws,).
    """
    rng = np.random.default_rng(seed)
    families = [
        [data["difference"].to_numpy() for _, data in family.groupby("data")] for _, family in units.groupby("family")
    ]
    means = np.empty(n_draws)
    for draw in range(n_draws):
        drawn = [data for at in rng.integers(len(families), size=len(families)) for data in families[at]]
        means[draw] = np.mean([data[rng.integers(len(data), size=len(data))].mean() for data in drawn])
    return means


def leave_one_out(scores: pd.DataFrame, variants: Sequence[str]) -> pd.DataFrame:
    """Choose among variants without the data set that they are scored on.

    For each family of data sets the variant with the best mean on all other families is taken; its accuracy on the
    family's data sets says what the choice is worth on data that had no part in it.

    Parameters
    ----------
    scores
        As :func:`panel_scores` gives them.
    variants
        Methods to choose from, each with panels on all data sets.

    Returns
    -------
    One row a data set: ``data``, ``variant`` and ``balanced_accuracy``, its mean over seeds and sizes. Empty where
    there is one family only.
    """
    known = scores[scores["method"].isin(variants)]
    families = known["family"].unique()
    rows = []
    for family in families if len(families) > 1 else []:
        best = ranked(known[known["family"] != family], variants)[0]
        left_out = known[(known["family"] == family) & (known["method"] == best)]
        for name, part in left_out.groupby("data"):
            rows.append((name, best, part.groupby("size")["balanced_accuracy"].mean().mean()))
    return pd.DataFrame(rows, columns=["data", "variant", "balanced_accuracy"])
