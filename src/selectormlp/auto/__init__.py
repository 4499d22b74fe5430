"""Choosing genes by whichever method does best on cells that it has not seen."""
