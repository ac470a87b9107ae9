"""The sources of reports that this package has; :mod:`..registry` finds them by name."""
