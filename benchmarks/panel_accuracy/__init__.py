"""Panels of many methods on many data sets, scored by classifiers refitted on their genes; see docs/benchmark.md."""
