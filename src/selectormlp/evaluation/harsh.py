"""Harsh robustness: a plan of the disturbances that real assays cause."""

from __future__ import annotations

from selectormlp.evaluation.robustness import Plan

HARSH = Plan(
    thinning=(0.5, 0.2),
    failures=(0.02, 0.05),
    gains=(0.5, 1.0),
    mixing=(0.1, 0.2),
    ambient=(0.1,),
    n_draws=5,
    n_failure_draws=20,
)
"""Efficiency of a half and a fifth; 2 and 5 % of the probes failing, 20 draws each; efficiencies of genes spread by 0.5
and 1.0 of the natural logarithm; 10 and 20 % of the counts from another cell; 10 % ambient counts."""
