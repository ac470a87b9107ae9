"""pytest's hooks: each hands over in a few lines. Imports nothing heavy, for the inert session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_soak import bytecode, options

if TYPE_CHECKING:
    from pytest_soak.protocol import Lane, Target
    from pytest_soak.session.checks import RuntimeView, SoakIteration
    from pytest_soak.session.soak import Soak

bytecode.install()

_OFF = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from pytest_soak import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        if "soak" in worker:
            from pytest_soak.session.start import start_worker

            start_worker(config, worker["soak"])
        return
    if options.asks_for_soak(config):
        from pytest_soak.settings import resolve_settings
        from pytest_soak.store.sources import read_source

        settings = resolve_settings(config, read_source)
        if settings is not None:
            from pytest_soak.session.start import start_controller

            start_controller(config, settings)
            return
    config.stash[_OFF] = options.mentions_soak(config)


def pytest_report_header(config: pytest.Config) -> str | None:
    return f"soak: off ({options.TURN_ON})" if config.stash.get(_OFF, False) else None


def _soak(request: pytest.FixtureRequest) -> Soak:
    soak: Any = request.config.pluginmanager.getplugin("soak-session")
    if soak is None:
        pytest.skip(f"soak: off ({options.TURN_ON})")
    registered: Soak = soak
    return registered


@pytest.fixture
def soak_iteration(request: pytest.FixtureRequest) -> SoakIteration:
    """The iteration just observed; a test that asks for it is run once per iteration.

    Its parameter is the place of the item: which iteration of which lane.
    """
    return _soak(request).iteration(request.node)


@pytest.fixture
def soak_lane(request: pytest.FixtureRequest) -> Lane:
    """The lane of a check: id, profile, symbol, seed, interval_s, iterations."""
    return _soak(request).lane(request.node)


@pytest.fixture
def soak_target(request: pytest.FixtureRequest) -> Target | None:
    """The target of the lane, as its factory made it."""
    return _soak(request).target(request.node)


@pytest.fixture
def soak_runtime(request: pytest.FixtureRequest) -> RuntimeView:
    """The parameters in force during the iteration, read-only."""
    return _soak(request).runtime(request.node)
