"""What a notebook shows of results: one line of text, and the first lines of their table."""

import dataclasses

import numpy as np
import pytest

import selectormlp as sm
from selectormlp.evaluation.robustness import Disturbance, Robustness
from selectormlp.models.predictions import Predictions
from selectormlp.values import Shown

SHOWN = ("Panel", "Evaluation", "Comparison", "Stability", "Expression", "PanelClassifier")


@dataclasses.dataclass(frozen=True, eq=False)
class Table(Shown):
    names: tuple[str, ...]

    def to_frame(self):
        import pandas as pd

        return pd.DataFrame({"gene": self.names})


@pytest.mark.parametrize("kind", [*(getattr(sm, name) for name in SHOWN), Predictions, Robustness])
def test_results_show_themselves_in_notebooks(kind):
    assert issubclass(kind, Shown)


def test_names_are_escaped_and_the_table_is_cut():
    shown = Table(("<b>A</b>", *map(str, range(100, 200))))._repr_html_()
    assert "<b>" not in shown
    assert "&lt;b&gt;A" in shown
    assert "<td>108</td>" in shown
    assert "<td>109</td>" not in shown


def test_robustness_names_the_worst_disturbance():
    def disturbed(kind, level, score):
        return Disturbance(kind, level, *[np.array([score])] * 4)

    found = Robustness(
        20, (disturbed("none", 0, 0.9), disturbed("thinning", 0.2, 0.6), disturbed("failures", 0.1, 0.8))
    )
    assert repr(found) == (
        "Robustness(20 genes, 2 disturbances: balanced accuracy 0.900, lowest 0.600 at thinning 0.2)"
    )
