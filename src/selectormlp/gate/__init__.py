"""What every file from outside passes before its content is read: kind, pointers, codecs, depth and size."""
