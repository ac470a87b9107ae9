"""The only place that writes files: atomic replacement, journal, run directory, lock."""
