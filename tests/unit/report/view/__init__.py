"""Tests of the view of a run."""
