"""The steps that users run: split, train, rank and mask; and all of them in one go."""
