"""A language server of this machine, and a profile whose schema its editor uses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.editor.server import missing


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.editor)


@pytest.fixture(scope="session", autouse=True)
def _server_is_there() -> None:
    """Skips the tests without a server; with ``SOAK_EDITOR=require`` that is an error."""
    reason = missing()
    if reason and os.environ.get("SOAK_EDITOR") == "require":
        raise RuntimeError(reason)
    if reason:
        pytest.skip(reason)
