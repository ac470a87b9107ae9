"""The files that answer hooks, as the seal and the header name them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pluggy
import pytest

from pytest_soak import hookspecs
from pytest_soak.report.sources import source_lines
from pytest_soak.session.sources import answering_files, from_data, sources_of


def pytest_soak_gate(lane: object, history: object) -> Any:
    return None


def config_with(root: Path | None) -> pytest.Config:
    manager = pluggy.PluginManager("pytest")
    manager.add_hookspecs(hookspecs)
    plugin = ModuleType("conftest")
    plugin.pytest_soak_gate = pluggy.HookimplMarker("pytest")(pytest_soak_gate)  # type: ignore[attr-defined]
    manager.register(plugin)
    fields = SimpleNamespace(hook=manager.hook, pluginmanager=manager, rootpath=root)
    return cast(pytest.Config, fields)


def test_a_file_below_the_root_has_its_path_and_another_the_name_of_its_module() -> None:
    here = Path(__file__)
    (source,) = sources_of(config_with(here.parents[1]))
    assert source.place.startswith("session/test_sources.py:")
    (source,) = sources_of(config_with(Path("/nowhere")))
    assert source.file == "tests/unit/session/test_sources.py"
    assert from_data([source.as_data()]) == (source,)


def test_the_files_of_the_hooks_are_hashed() -> None:
    (item,) = answering_files(sources_of(config_with(Path(__file__).parent)))
    assert item["file"] == "test_sources.py"
    assert len(item["sha256"]) == 64
    assert item["hooks"] == ["pytest_soak_gate"]


def test_a_long_list_is_cut() -> None:
    sources = [{"hook": "pytest_soak_gate", "file": f"{n}.py", "line": 1} for n in range(30)]
    (line,) = source_lines(sources, "conftest")
    assert line.endswith("19.py:1 and 10 more")
