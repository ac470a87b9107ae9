"""The destinations of parameters that this package has; :mod:`..registry` finds them by name."""
