"""Panels chosen on scRNA-seq and measured by another technology, beside those of other methods."""
