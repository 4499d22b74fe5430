"""Time ``auto`` on made-up data against its goals, and say where the time goes.

Goals, on two cores: 5,000 × 2,000 dense, 15 classes, in 60 s; 100,000 × 2,000 CSR (10 % stored), 25 classes, in 300 s.
100 genes are chosen. The ratio printed is time / goal; the time of each contender's trials stands beside.
"""

from __future__ import annotations

import argparse
import time

from selection_speed import make_data
from selectormlp import AutoSelector


def report(name: str, n_cells: int, n_classes: int, goal_s: float, *, sparse: bool) -> None:
    X, y = make_data(n_cells, 2000, n_classes, sparse=sparse)
    start = time.perf_counter()
    auto = AutoSelector(100, random_state=0).fit(X, y)
    seconds = time.perf_counter() - start
    print(f"\n{name}: {seconds:.1f} s, {seconds / goal_s:.2f} of the goal of {goal_s:g} s; {auto.choice_} chose")
    for trial in auto.trials_:
        print(f"  {trial.method:28s} {trial.seconds:6.1f} s   balanced accuracy {trial.balanced_accuracy:.3f}")
    print(f"  {'the choice from all cells':28s} {seconds - sum(trial.seconds for trial in auto.trials_):6.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small-only", action="store_true")
    settings = parser.parse_args()
    report("5,000 × 2,000", 5_000, 15, 60.0, sparse=False)
    if not settings.small_only:
        report("100,000 × 2,000", 100_000, 25, 300.0, sparse=True)


if __name__ == "__main__":
    main()
