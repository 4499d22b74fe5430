"""Trained models with their genes and classes, and how they are kept on disk."""
