"""How well cells are told apart, with all genes and with few."""
