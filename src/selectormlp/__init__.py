"""Choose the genes that tell cell types apart.

Every name below is loaded when it is first used, so that ``import selectormlp`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selectormlp import errors, plots
    from selectormlp.assessment.classifier import fit_classifier, predict
    from selectormlp.assessment.compare import compare
    from selectormlp.assessment.evaluate import evaluate
    from selectormlp.assessment.expression import expression
    from selectormlp.assessment.learning import learn_assay
    from selectormlp.assessment.report import report
    from selectormlp.assessment.robustness import robustness
    from selectormlp.assessment.stability import stability
    from selectormlp.auto.selector import AutoSelector
    from selectormlp.data import datasets
    from selectormlp.data.anndata_sample import read_sample
    from selectormlp.evaluation.compare import Comparison
    from selectormlp.evaluation.expression import Expression
    from selectormlp.evaluation.result import Evaluation
    from selectormlp.evaluation.robustness import Robustness
    from selectormlp.evaluation.stability import Stability
    from selectormlp.models.model import Model
    from selectormlp.models.panel_classifier import PanelClassifier, load_classifier
    from selectormlp.models.storage import load_model, save_model
    from selectormlp.panel.assay import Assay
    from selectormlp.panel.calibration import Calibration
    from selectormlp.panel.constraints import Constraints
    from selectormlp.panel.explain import Explanation
    from selectormlp.panel.panel import Panel
    from selectormlp.panel.vendors import read_panel
    from selectormlp.selection.explain import explain
    from selectormlp.selection.select import extend, select
    from selectormlp.selectors.budget import BudgetSelectorMLP
    from selectormlp.selectors.discriminant import DiscriminantSelector
    from selectormlp.selectors.forest import ForestSelector
    from selectormlp.selectors.markers import MarkerSelector
    from selectormlp.selectors.mixture import MixtureSelector
    from selectormlp.selectors.mlp import MLP
    from selectormlp.selectors.persist import PersistSelector, UnsupervisedPersistSelector
    from selectormlp.selectors.random_order import RandomSelector
    from selectormlp.selectors.reconstruction import ReconstructionSelector
    from selectormlp.selectors.selector_mlp import SelectorMLP
    from selectormlp.selectors.svm import LinearSVM
    from selectormlp.selectors.variance import VarianceSelector
    from selectormlp.verbosity import set_verbosity

    __version__: str

__all__ = [  # noqa: RUF022  # by alphabet, as dir() lists them
    "Assay",
    "AutoSelector",
    "BudgetSelectorMLP",
    "Calibration",
    "Comparison",
    "Constraints",
    "DiscriminantSelector",
    "Evaluation",
    "Explanation",
    "Expression",
    "ForestSelector",
    "LinearSVM",
    "MLP",
    "MarkerSelector",
    "MixtureSelector",
    "Model",
    "Panel",
    "PanelClassifier",
    "PersistSelector",
    "RandomSelector",
    "ReconstructionSelector",
    "Robustness",
    "SelectorMLP",
    "Stability",
    "UnsupervisedPersistSelector",
    "VarianceSelector",
    "__version__",
    "compare",
    "datasets",
    "errors",
    "evaluate",
    "explain",
    "expression",
    "extend",
    "fit_classifier",
    "learn_assay",
    "load_classifier",
    "load_model",
    "plots",
    "predict",
    "read_panel",
    "read_sample",
    "read_sets",
    "report",
    "robustness",
    "save_model",
    "select",
    "set_verbosity",
    "stability",
]

_MODULES = {"datasets": "data.datasets", "errors": "errors", "plots": "plots"}
_HOMES = {
    "Assay": "panel.assay",
    "AutoSelector": "auto.selector",
    "BudgetSelectorMLP": "selectors.budget",
    "Calibration": "panel.calibration",
    "Comparison": "evaluation.compare",
    "Constraints": "panel.constraints",
    "DiscriminantSelector": "selectors.discriminant",
    "Evaluation": "evaluation.result",
    "Explanation": "panel.explain",
    "Expression": "evaluation.expression",
    "ForestSelector": "selectors.forest",
    "LinearSVM": "selectors.svm",
    "MLP": "selectors.mlp",
    "MarkerSelector": "selectors.markers",
    "MixtureSelector": "selectors.mixture",
    "Model": "models.model",
    "Panel": "panel.panel",
    "PanelClassifier": "models.panel_classifier",
    "PersistSelector": "selectors.persist",
    "RandomSelector": "selectors.random_order",
    "ReconstructionSelector": "selectors.reconstruction",
    "Robustness": "evaluation.robustness",
    "SelectorMLP": "selectors.selector_mlp",
    "Stability": "evaluation.stability",
    "UnsupervisedPersistSelector": "selectors.persist",
    "VarianceSelector": "selectors.variance",
    "compare": "assessment.compare",
    "evaluate": "assessment.evaluate",
    "explain": "selection.explain",
    "expression": "assessment.expression",
    "extend": "selection.select",
    "fit_classifier": "assessment.classifier",
    "learn_assay": "assessment.learning",
    "load_classifier": "models.panel_classifier",
    "load_model": "models.storage",
    "predict": "assessment.classifier",
    "read_panel": "panel.vendors",
    "read_sample": "data.anndata_sample",
    "read_sets": "data.held_sets",
    "report": "assessment.report",
    "robustness": "assessment.robustness",
    "save_model": "models.storage",
    "select": "selection.select",
    "set_verbosity": "verbosity",
    "stability": "assessment.stability",
}


def __getattr__(name: str) -> Any:
    value: Any
    if name == "__version__":
        value = version("selectormlp")
    elif name in _MODULES:
        value = import_module(f"selectormlp.{_MODULES[name]}")
    elif name in _HOMES:
        value = getattr(import_module(f"selectormlp.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module 'selectormlp' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
