"""Figures: each takes results, draws on Matplotlib axes, and computes nothing.

Those named by what they show (``accuracy``, ``confusion``, ``dotplot``, …) follow scanpy's habits: ``ax`` draws on
given axes, ``show`` shows the figure, ``save`` writes it.
"""

from selectormlp.plots.curves import plot_comparison, plot_history, plot_masking_curve, plot_ranked_genes
from selectormlp.plots.figure import write_figure
from selectormlp.plots.genes import gains, stability
from selectormlp.plots.limits import limit_use
from selectormlp.plots.matrices import confusion, dotplot, heatmap
from selectormlp.plots.panels import overlap
from selectormlp.plots.scores import accuracy, comparison, recalls, robustness, training

__all__ = [
    "accuracy",
    "comparison",
    "confusion",
    "dotplot",
    "gains",
    "heatmap",
    "limit_use",
    "overlap",
    "plot_comparison",
    "plot_history",
    "plot_masking_curve",
    "plot_ranked_genes",
    "recalls",
    "robustness",
    "stability",
    "training",
    "write_figure",
]
