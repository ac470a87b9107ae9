"""Every example runs as it stands."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.sessions.conftest import Result, Sessions

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(soak: Sessions, name: str, *args: str) -> Result:
    shutil.copytree(EXAMPLES / name, soak.folder, dirs_exist_ok=True)
    return soak(*args, subprocess=True)


def test_ten_line_bot(soak: Sessions) -> None:
    result = run(soak, "ten_line_bot", "--soak-iterations=24", "-v")
    assert result.code == 0, result.out
    assert result.outcomes["passed"] >= 2 * 24
    moved = result.json("applied_profile.json")["values"]["base_spread_bps"]
    assert result.json("runtime_overrides.json")["risk"]["base_spread_bps"] > moved


def test_own_hooks(soak: Sessions) -> None:
    result = run(soak, "own_hooks", "--soak-iterations=12", "-v")
    assert result.code == 0, result.out
    assert "soak::gate[steady-BTCUSDT-1/request_rate] PASSED" in result.out
    assert len((soak.folder / "iterations.txt").read_text().splitlines()) == 12
    applied = [e for e in result.entries() if e["type"] == "decision" and e["signature"]]
    assert {o["rule"] for e in applied for o in e["outcomes"]} == {"CALM"}


def test_web_service(soak: Sessions) -> None:
    args = ("--soak-profile=./pool.yaml", "--soak-target=service:make", "--soak-iterations=24")
    result = run(soak, "web_service", *args)
    assert result.code == 0, result.out
    assert result.json("runtime_overrides.json")["service"]["pool_size"] > 8
    assert result.json("POST_SOAK_SNAPSHOT.json")["verdict"] in ("PASS", "WARN")


@pytest.mark.parametrize("path", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_every_example_is_tested(path: Path) -> None:
    assert f"test_{path.name}" in globals(), f"{path.name} has no test here"
