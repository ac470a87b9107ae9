"""Targets by name: built in, registered by a distribution, or ``module:factory``."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from pytest_soak.protocol import Lane
from pytest_soak.targets import registry
from pytest_soak.targets.mock import make_mock


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, registry.GROUP)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    """Entry points of the group, as if other distributions had them."""
    points: list[EntryPoint] = []

    def entry_points(*, group: str) -> list[EntryPoint]:
        assert group == registry.GROUP
        return points

    monkeypatch.setattr(registry, "entry_points", entry_points)
    return points


def test_a_built_in_name_is_its_factory(installed: list[EntryPoint]) -> None:
    assert registry.factory_of("mock") is make_mock
    assert registry.names() == ("mock", "replay", "live", "bridge")


def test_another_distribution_adds_a_name_and_cannot_take_one(installed: list[EntryPoint]) -> None:
    installed += [
        point("venue", "pytest_soak.targets.mock:make_mock"),
        point("mock", "os:getcwd"),
    ]
    assert registry.names() == ("mock", "replay", "live", "bridge", "venue")
    assert registry.factory_of("venue") is make_mock
    assert registry.factory_of("mock") is make_mock


def test_module_and_factory(installed: list[EntryPoint]) -> None:
    assert registry.factory_of("pytest_soak.targets.mock:make_mock") is make_mock


def test_what_cannot_be_found_or_called_says_so(installed: list[EntryPoint]) -> None:
    with pytest.raises(LookupError, match="no target is called 'moc'; there are mock, replay"):
        registry.factory_of("moc")
    with pytest.raises(LookupError, match=r"has no attribute 'nothing' \(.*json"):
        registry.factory_of("json:nothing")
    with pytest.raises(TypeError, match="__name__ is str, not a factory"):
        registry.factory_of("json:__name__")
    with pytest.raises(ModuleNotFoundError):
        registry.factory_of("no_such_module_of_ours:make")


def test_a_factory_makes_a_target() -> None:
    target = registry.factory_of("mock")(Lane("lane", "steady", "BTCUSDT", 1, 300.0, 3))
    assert callable(target.run)
