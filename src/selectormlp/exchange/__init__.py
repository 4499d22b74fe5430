"""Files of vendors and of other tools, in and out."""
