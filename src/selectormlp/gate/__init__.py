"""Checks of files from outside before their content is read: kind, pointers, codecs, depth and size."""
