"""What a report is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from selectormlp.evaluation.expression import Expression
from selectormlp.evaluation.redundancy import Redundancy
from selectormlp.evaluation.result import Evaluation
from selectormlp.panel.explain import Explanation
from selectormlp.panel.panel import Panel


@dataclass(frozen=True, eq=False)
class Findings:
    """Everything that is known of a panel.

    Attributes
    ----------
    panel
        The panel.
    evaluation
        What it is worth; robustness and stability where they were measured.
    explanation
        Why each gene is there.
    expression
        Its genes in each type.
    redundancy
        How its genes repeat each other.
    data
        What the data are: pairs of a name and a value.
    notes
        What could not be measured, and why.
    command
        The command line that repeats the report; ``""`` if unknown.
    masked
        Masking curves of models trained beside it, by name, as :meth:`MaskingCurve.to_frame` has them.
    title
        Of the page.
    """

    panel: Panel
    evaluation: Evaluation
    explanation: Explanation
    expression: Expression
    redundancy: Redundancy
    data: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    command: str = ""
    masked: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    title: str = "Gene panel"
