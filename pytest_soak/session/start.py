"""Register what a soak needs, and refuse plugins and options that would tear a lane apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pytest

from pytest_soak.conflicts import RUN_AGAIN
from pytest_soak.session.plan import Plan
from pytest_soak.session.signals import END_INPUT, EndSignals
from pytest_soak.session.soak import Soak
from pytest_soak.settings import Settings


def start_controller(config: pytest.Config, settings: Settings) -> None:
    """Refuse what cannot live with a soak, and register the controller."""
    # Here, because a worker starts sooner without it: it needs a third of these modules.
    from pytest_soak.session.controller import Controller
    from pytest_soak.session.output import ProgressOutput

    refuse(config)
    signals = EndSignals()
    output = ProgressOutput(config)
    config.pluginmanager.register(signals, "soak-signals")
    config.pluginmanager.register(output, "soak-output")
    config.pluginmanager.register(Controller(config, settings, signals, output), "soak-controller")


def start_worker(config: pytest.Config, received: Mapping[str, Any]) -> None:
    """Register the soak of an xdist worker from what the controller sent."""
    signals = EndSignals()
    config.pluginmanager.register(signals, "soak-signals")
    channel = getattr(config, "workerinput", {}).pop(END_INPUT)
    # The controller asks for the end, or it died, which ends the channel.
    channel.setcallback(lambda _: signals.request(), endmarker=None)
    config.pluginmanager.register(Soak(config, Plan.from_data(received)), "soak-session")


_IDLE: Final[tuple[object, ...]] = (None, False, 0, "0", "", [], "no")


def refuse(config: pytest.Config) -> None:
    """Raise pytest.UsageError for an option that a soak cannot live with."""
    for destination, conflict in RUN_AGAIN.items():
        value = config.getoption(destination, None)
        once = destination == "count" and value == 1  # --count=1 is one run
        if value not in _IDLE and not once:
            raise pytest.UsageError(
                f"soak: {conflict.option}={value} would run an iteration again on changed state; "
                "leave it out of a soak"
            )
    for name in ("reruns", "retries"):
        value = _ini(config, name)
        if value not in _IDLE and config.getoption(name, None) is None:
            raise pytest.UsageError(
                f"soak: ini {name}={value} would run an iteration again on changed state; give "
                f"--{name}=0 or take it out"
            )
    if config.getoption("dist", "no") == "each":
        raise pytest.UsageError(
            "soak: --dist=each would run every lane on every worker; use -n N alone"
        )


def _ini(config: pytest.Config, name: str) -> object:
    try:
        return config.getini(name)
    except (ValueError, KeyError):
        return None
