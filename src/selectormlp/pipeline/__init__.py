"""The published program's steps: split, train, mask, and all of them in one run."""
