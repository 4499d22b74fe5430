"""Cells: reading, checking, normalising, splitting and batching them."""
