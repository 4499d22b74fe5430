"""Choose the genes that tell cell types apart."""
