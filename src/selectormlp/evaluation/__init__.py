"""How well cell types are separated, by all genes and by few."""
