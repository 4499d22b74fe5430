"""Panels: what they must obey, what they hold, and why each gene is there."""
