"""Settings files of any kind, and options that are declared once."""
