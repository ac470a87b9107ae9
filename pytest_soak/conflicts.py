"""Options of other plugins that a soak refuses, since they would run an iteration again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Conflict:
    option: str
    distribution: str
    """The name under which the plugin is installed."""


RUN_AGAIN: Final[Mapping[str, Conflict]] = {
    "reruns": Conflict("--reruns", "pytest-rerunfailures"),
    "force_reruns": Conflict("--force-reruns", "pytest-rerunfailures"),
    "count": Conflict("--count", "pytest-repeat"),
    "flake_finder_enable": Conflict("--flake-finder", "pytest-flakefinder"),
    "force_flaky": Conflict("--force-flaky", "flaky"),
    "retries": Conflict("--retries", "pytest-retry"),
}
"""Option's destination to the option and its plugin."""
