"""Choosing panels: AnnData or files in, a panel out."""
