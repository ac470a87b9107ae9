"""Projections of a run for machines and people. Pure functions; ``store`` writes them.

A module is imported by its own name: a worker needs few of them, and starts sooner.
"""
