"""What chooses genes: every selector has the one contract of :mod:`selectormlp.selectors.base`."""
