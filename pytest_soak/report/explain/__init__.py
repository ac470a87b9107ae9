"""Why each parameter is where it is, as text for a person: of one iteration, or of a whole run."""
