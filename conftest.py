"""For the project's own tests."""

from __future__ import annotations

from pathlib import Path

# Session tests run pytest inside this process and forget the modules that it imported. An
# extension module cannot be loaded twice, so it is loaded here, before any of them begins.
# tests/sessions/conftest.py does the same with the modules of the package, to save their time.
import numpy  # noqa: F401
import pytest
import yaml  # noqa: F401

pytest_plugins = ["pytester"]
collect_ignore = ["benchmarks", "docs", "examples"]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A soak that is started in this folder soaks; the project's tests are no checks of it."""
    if collection_path.name != "tests" or collection_path.parent != config.rootpath:
        return None
    return config.pluginmanager.hasplugin("soak-controller") or None
