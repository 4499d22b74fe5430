"""Networks: the selection layer, the classifier behind it, and their training."""
