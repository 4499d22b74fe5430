"""Counts, means and covariances of labelled cells in one pass, and what can be chosen from them alone."""
