"""Without a soak option the plugin does nothing, and imports nothing heavy."""

from __future__ import annotations

import pytest

from tests.sessions.conftest import Sessions


def test_an_ordinary_session_is_left_alone(soak: Sessions) -> None:
    soak.pytester.makepyfile(test_a="def test_a(): pass")
    result = soak()
    assert (result.code, result.outcomes) == (0, {"passed": 1})
    assert "soak:" not in result.out
    assert not (soak.folder / "artifacts").exists()


def test_a_soak_option_alone_shows_in_the_header(soak: Sessions) -> None:
    soak.pytester.makepyfile(test_a="def test_a(): pass")
    result = soak("--soak-mock")
    assert (result.code, result.outcomes) == (0, {"passed": 1})
    assert "soak: off (give --soak-iterations or --soak-hours)" in result.out


def test_a_check_is_skipped_with_the_reason(soak: Sessions) -> None:
    soak.pytester.makepyfile(test_a="def test_a(soak_iteration): assert False")
    result = soak("-rs")
    assert (result.code, result.outcomes) == (0, {"skipped": 1})
    assert "soak: off (give --soak-iterations or --soak-hours)" in result.out


def test_the_ini_value_alone_starts_no_soak(soak: Sessions) -> None:
    soak.pytester.makepyfile(test_a="def test_a(): pass")
    soak.pytester.makeini("[pytest]\nsoak_iterations = 5")
    result = soak()
    assert (result.code, result.outcomes) == (0, {"passed": 1})


@pytest.mark.parametrize(
    "module",
    [
        *("numpy", "yaml", "msgspec", "filelock", "psutil", "jinja2"),
        *("pytest_soak.processes", "pytest_soak.session"),
    ],
)
def test_nothing_heavy_is_imported(
    soak: Sessions, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    soak.pytester.makepyfile(
        test_a=f"import sys\ndef test_a(): assert {module!r} not in sys.modules"
    )
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # other plugins may import numpy
    result = soak("-p", "pytest_soak.plugin", subprocess=True)
    assert (result.code, result.outcomes) == (0, {"passed": 1})
