"""Panels: their constraints, content and explanation."""
