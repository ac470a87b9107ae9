"""A run as one typed object, from which everything that draws a run is drawn."""
