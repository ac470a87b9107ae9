"""JSON Schemas (draft 07) of the profile and of every JSON file of a run."""
