"""``pytest-soak profile schema`` and ``pytest-soak schema``: what they print, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_soak.cli import main
from pytest_soak.schemas.registry import SCHEMAS
from tests.unit.schemas.stored import FOLDER

CAPTURE = pytest.CaptureFixture[str]


@pytest.mark.parametrize("name", SCHEMAS)
def test_it_prints_what_is_stored(name: str, capsys: CAPTURE) -> None:
    assert main(["schema", name]) == 0
    assert capsys.readouterr().out == (FOLDER / f"{name}.json").read_text("utf-8")


def test_without_a_name_it_lists_all(capsys: CAPTURE) -> None:
    assert main(["schema"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(SCHEMAS)
    assert all(len(line) <= 100 for line in lines)


def test_an_unknown_name_is_refused_with_the_nearest(capsys: CAPTURE) -> None:
    assert main(["schema", "snapshott"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "there is no schema 'snapshott'; did you mean 'snapshot'?" in captured.err


def test_of_no_profile_it_is_the_stored_one(capsys: CAPTURE) -> None:
    assert main(["profile", "schema"]) == 0
    assert capsys.readouterr().out == (FOLDER / "profile.json").read_text("utf-8")


def test_of_a_file_it_has_the_names(tmp_path: Path, capsys: CAPTURE) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: market_maker\nrules:\n  MINE:\n    moves:\n")
    assert main(["profile", "schema", str(path)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    schema = json.loads(captured.out)
    assert "base_spread_bps" in schema["definitions"]["RuleFields"]["properties"]["moves"][
        "properties"
    ]  # fmt: skip


def test_of_a_shipped_profile_too(capsys: CAPTURE) -> None:
    assert main(["profile", "schema", "steady"]) == 0
    assert "base_spread_bps_delta" in capsys.readouterr().out


def test_broken_yaml_is_a_note(tmp_path: Path, capsys: CAPTURE) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: steady\nrules: {\n")
    assert main(["profile", "schema", str(path)]) == 0
    captured = capsys.readouterr()
    assert "base_spread_bps" in captured.out
    assert captured.err.startswith(f"{path}: ")
    assert captured.err.endswith("; its own names are left out\n")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("extends: steddy\n", "unknown profile 'steddy'"),
        ("extends: ./gone.yaml\n", "gone.yaml"),
        ("extends: ./mine.yaml\n", "a circle"),
    ],
)
def test_what_it_extends_must_be_right(
    tmp_path: Path, capsys: CAPTURE, text: str, problem: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    assert main(["profile", "schema", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert problem in captured.err


def test_texts_of_a_profile_move_no_cursor(tmp_path: Path, capsys: CAPTURE) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text('kpis: {p95: {read: totals.p95, description: "\\e[2J\\x07\\x9b \\u202e"}}\n')
    assert main(["profile", "schema", str(path)]) == 0
    captured = capsys.readouterr()
    assert captured.out.replace("\n", "").isprintable()
    drift = json.loads(captured.out)["definitions"]["GateSection"]["properties"]["drift"]
    assert drift["properties"]["p95"]["description"].startswith("\x1b[2J\x07\x9b \u202e; read")
