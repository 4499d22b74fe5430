"""Figures: each takes results, draws on Matplotlib axes, and computes nothing."""

from selectormlp.plots.curves import plot_comparison, plot_history, plot_masking_curve, plot_ranked_genes
from selectormlp.plots.figure import write_figure

__all__ = ["plot_comparison", "plot_history", "plot_masking_curve", "plot_ranked_genes", "write_figure"]
