"""Choices that several parts of a report ask for are made once."""

import numpy as np
import pandas as pd

from selectormlp.data.cells import Cells
from selectormlp.panel.constraints import Constraints
from selectormlp.selection.recipe import Recipe, shared_choices
from selectormlp.selectors.discriminant import DiscriminantSelector


def test_the_same_cells_are_chosen_from_once_and_others_anew(monkeypatch):
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    X = np.abs(rng.normal(size=(90, 12))).astype(np.float32)
    X[np.arange(90), labels] += 3
    genes, names = (pd.Index([f"{kind}{i}" for i in range(n)]) for kind, n in (("g", 12), ("c", 90)))
    cells = Cells(X, genes, names, labels, ("a", "b", "c"))
    fitted = []
    original = DiscriminantSelector.fit
    monkeypatch.setattr(
        DiscriminantSelector, "fit", lambda self, X, y: (fitted.append(len(X)), original(self, X, y))[1]
    )

    def choose(part, *, n_genes=4, **options):
        return Recipe("discriminant", n_genes, options, Constraints(), 0).choose(part).tolist()

    plain = [choose(cells), choose(cells.take(names != "c0")), choose(cells, n_genes=3), choose(cells, ridge=9.0)]
    assert fitted == [90, 89, 90, 90]
    for _ in range(2):
        fitted.clear()
        with shared_choices():
            shared = [
                choose(cells),
                choose(cells.take(names != "c0")),
                choose(cells, n_genes=3),
                choose(cells, ridge=9.0),
            ]
            assert fitted == [90, 89, 90, 90]
            again = [
                choose(cells),
                choose(cells.take(np.arange(1, 90))),
                choose(cells, n_genes=3),
                choose(cells, ridge=9.0),
            ]
            assert fitted == [90, 89, 90, 90]
        assert shared == again == plain
