"""Hypothesis profiles and counts of the machines; see ``counting.py``."""

from __future__ import annotations

import pytest

from tests.properties import counting  # registers the profiles before hypothesis reads one


def pytest_configure(config: pytest.Config) -> None:
    counting.print_counts(config)
