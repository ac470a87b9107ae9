"""A live bot with a whole number, a switch, a choice, a step and a ratio is tuned in full."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from pytest_soak.cli import main
from tests.sessions.conftest import Sessions
from tests.sessions.live_bots import ARGS, LaneDirectory, write_bot

PARAMETERS: dict[str, dict[str, Any]] = {
    "size": {"type": "int", "start": 8, "min": 2, "max": 64, "cap_per_hour": 30},
    "jit": {"type": "bool", "start": False, "cap_per_hour": 2},
    "sync": {"type": "choice", "choices": ["remote", "local", "off"], "start": "remote",
             "cap_per_hour": 4},
    "mem_kb": {"type": "int", "start": 64, "min": 64, "max": 4096, "scale": "log",
               "cap_per_hour": 64, "cap_per_iteration": 2},
    "wait_s": {"start": 2.0, "min": 0.5, "max": 4.0, "step": 0.25, "cap_per_hour": 3},
    "workers": {"type": "int", "start": 2, "min": 1, "max": 16, "cap_per_hour": 8,
                "at_most": {"parameter": "size", "factor": 0.5}},
    "port": {"type": "int", "start": 5432, "min": 5432, "max": 5432},
}  # fmt: skip
MOVES = {
    "size": {"mul": 1.2},
    "jit": {"step": 1},
    "sync": {"step": 1},
    "mem_kb": {"mul": 1.5},
    "wait_s": {"add": -0.3},
    "workers": {"add": 1},
}
ITERATIONS = 10


@pytest.fixture
def folder(soak: Sessions) -> Sessions:
    write_bot(soak.folder, audit=False)
    path = soak.folder / "small.yaml"
    profile = yaml.safe_load(path.read_text())
    profile["parameters"] = {key: {"path": "pool", **item} for key, item in PARAMETERS.items()}
    rule = profile["rules"]["GROW"]
    rule["moves"], rule["evidence"], rule["when"] = MOVES, {"over": 1}, {"p95_ms": "> 60"}
    del rule["log"]
    path.write_text(yaml.safe_dump(profile, sort_keys=False))
    return soak


def test_every_type_is_tuned_and_verified_in_full(
    folder: Sessions, capsys: pytest.CaptureFixture[str]
) -> None:
    result = folder(*ARGS, f"--soak-iterations={ITERATIONS}", subprocess=True)
    assert result.code == 0, result.out
    latest = result.latest
    snapshot = result.json("POST_SOAK_SNAPSHOT.json")
    delta = snapshot["delta_quality"]
    assert delta["verdict"] == "PASS", delta
    assert delta["fail_count"] == 0
    assert delta["full_apply_ratio"] == 1.0
    end = snapshot["parameters"]
    assert {key: type(value) for key, value in end.items()} == {
        "size": int, "jit": bool, "sync": str, "mem_kb": int, "wait_s": float, "workers": int,
        "port": int,
    } | ({"wait_s": int} if isinstance(end["wait_s"], int) else {})  # fmt: skip
    assert (end["jit"], end["sync"], end["port"]) == (True, "off", 5432)
    assert end["size"] > 8
    assert end["mem_kb"] > 64
    assert end["workers"] <= end["size"] / 2

    lane = LaneDirectory(latest)
    for number, report in lane.observed().items():
        pool = report["effective_params"]["pool"]
        assert isinstance(pool["size"], int), number
        assert isinstance(pool["mem_kb"], int), number
        assert isinstance(pool["jit"], bool), number
        assert pool["sync"] in PARAMETERS["sync"]["choices"]
        assert pool["wait_s"] % 0.25 == 0.0
        assert pool["workers"] <= pool["size"] / 2
    report = result.json("TUNING_REPORT.json")
    assert report["start"] == {key: item["start"] for key, item in PARAMETERS.items()}
    moved = report["iterations"][0]["tuning"]["outcomes"]
    assert (moved["sync"]["before"], moved["sync"]["after"]) == ("remote", "local")
    assert (moved["jit"]["before"], moved["jit"]["after"]) == (False, True)
    assert (moved["size"]["before"], moved["size"]["after"]) == (8, 10)
    assert (moved["mem_kb"]["before"], moved["mem_kb"]["after"]) == (64, 96)
    assert (moved["wait_s"]["before"], moved["wait_s"]["after"]) == (2, 1.75)

    assert main(["explain", str(latest)]) == 0
    text = capsys.readouterr().out
    assert "sync  remote -> off" in text
    assert "jit  false -> true (its maximum), 1 change" in text
    audit = (latest / "POST_SOAK_AUDIT.md").read_text()
    assert "| sync | remote | off | +2 places |" in audit
    assert f"| size | 8 | {end['size']} | +{end['size'] - 8} | connections" not in audit
    assert f"| size | 8 | {end['size']} | +{end['size'] - 8} |" in audit
    assert "Never moved: port 5432." in audit
    values = (latest / "RECOMMENDATIONS.md").read_text() + audit
    assert "5432.0" not in values
    page = (latest / "REPORT.html").read_text()
    assert "remote → off" in page
    assert "false → true" in page
    assert ">remote</text>" in page
    assert ">true</text>" in page
