"""The only package that writes files: atomic replacement, journal, run directory, lock."""
