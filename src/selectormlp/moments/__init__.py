"""Class counts, means and covariances in one pass over the cells, and gene selection from them."""
