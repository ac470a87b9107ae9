"""The gate: delta verification, criteria, statistics, judgement. Pure functions of a History.

A module is imported by its own name: a worker needs few of them, and starts sooner.
"""
