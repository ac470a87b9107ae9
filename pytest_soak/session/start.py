"""Register what a soak needs, in the controller and in a worker."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import pytest

from pytest_soak.session import conflicts
from pytest_soak.session.controller import Controller
from pytest_soak.session.plan import Plan
from pytest_soak.session.soak import Soak
from pytest_soak.settings import Settings


def start_controller(config: pytest.Config, settings: Settings) -> None:
    """Refuse what cannot live with a soak, and register the controller."""
    conflicts.refuse(config)
    config.pluginmanager.register(Controller(config, settings), "soak-controller")


def start_worker(config: pytest.Config, received: Mapping[str, Any]) -> None:
    """Register the soak of an xdist worker from what the controller sent."""
    soak = Soak(config, Plan.from_data(received))
    config.pluginmanager.register(soak, "soak-session")

    def stop() -> None:
        for trouble in soak.stop():
            warnings.warn(f"soak: {trouble}", pytest.PytestWarning, stacklevel=1)

    config.add_cleanup(stop)
