"""Profiles: the domain of a soak as data. Import the modules; this package loads none of them."""
