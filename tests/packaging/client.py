"""What a user's typed program does with the installed package; `make package` runs it and checks its types."""

import sys
import time

start = time.perf_counter()
import selectormlp as sm  # noqa: E402

seconds = time.perf_counter() - start


def choose(n_genes: int) -> tuple[str, ...]:
    """Choose genes that tell 700 blood cells apart."""
    panel: sm.Panel = sm.select(sm.datasets.pbmc68k(), label_key="bulk_labels", n_genes=n_genes, method="discriminant")
    return panel.genes


def rank(X: list[list[float]], y: list[str]) -> list[int]:
    """Rank columns as scikit-learn's selectors do."""
    selector = sm.DiscriminantSelector(1).fit(X, y)
    return [int(rank) for rank in selector.ranking_]


def refused() -> str:
    """Return the message of an error."""
    try:
        sm.select(sm.datasets.pbmc68k(), label_key="bulk_label", n_genes=3)
    except sm.errors.InputError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    if seconds > 0.5:
        sys.exit(f"import selectormlp took {seconds:.2f} s; expected less than 0.5 s")
    if len(choose(5)) != 5 or rank([[0.0, 1.0], [0.1, 0.0], [0.0, 9.0], [0.1, 8.0]], ["a", "a", "b", "b"]) != [2, 1]:
        sys.exit("the panel is not what it should be")
    if "did you mean 'bulk_labels'" not in refused():
        sys.exit("the error is not what it should be")
    sys.stdout.write(f"import selectormlp took {seconds * 1000:.0f} ms\n")
