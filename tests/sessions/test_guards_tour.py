"""A tour of the guards: one session in which each of them acts, and the output of ``explain``.

``nodata``, ``invalid``, ``duplicate``, ``oscillation`` and ``no_op`` do not limit the headroom, so
they never withhold anything. ``small`` is no guard: the tuner withholds a move that is too small.
"""

from __future__ import annotations

import json
import re
from math import nan
from typing import Any, Literal

import pytest

from pytest_soak.cli import main
from pytest_soak.loop.model import GUARD_ORDER
from tests.sessions.conftest import NOISE_UNKNOWN, Result, Sessions
from tests.sessions.scripted import ARGS, WIDTH, check_files, shown, values_of, write_script

ITERATIONS = 33
GUARDS = "guards: {hold_last: 2, pin: {for: 2}}\n"
START = {"concurrency_limit": 1.1}
STUBBORN = {"tail_age_ms": 25}
FIGURES: dict[Any, dict[str, Any]] = {
    1: {"maker": 0.7},
    2: {"maker": 0.97},
    3: {"maker": 0.7},
    (5, 6): {"p95": 400.0},
    9: {"p95": 325.0},
    10: {"net": None},
    12: {"maker": 0.7, "by_hand": {"base_spread_bps": 0.8}},
    (14, 15): {"risk": 0.65},
    (17, 18): {"risk": 0.3},
    19: {"adverse": 3.5},
    21: {"by_hand": {"base_spread_bps": 0.85}},
    (24, 25, 26): {"net": 1.0},
    27: {"risk": 0.65},
    32: {"maker": 0.7},
}
PROPOSALS: dict[Any, dict[str, Any]] = {
    4: {"replace_rate_per_min": -10},
    7: {"vip_tilt_cap": -0.1},
    8: {"tail_age_ms": 0},
    10: {"tail_age_ms": {"delta": 25, "kpis": ["net_bps"]}},
    11: {"tail_age": 5, "min_interval_ms": nan},
    13: {"base_spread_bps": 0.01},
    16: STUBBORN,
    20: {"impact_cap_ratio": -0.01},
    23: {"base_spread_bps": 0.02},
    (26, 28, 31, 33): STUBBORN,
}
Way = Literal["withheld", "refused"]
POOR = ("base_spread_bps", "min_interval_ms", "replace_rate_per_min")
RISKY = ("base_spread_bps", "impact_cap_ratio", "min_interval_ms", "replace_rate_per_min")

TOUR: tuple[tuple[int, str, Way, tuple[str, ...], str], ...] = (
    (2, "oscillation", "refused", ("base_spread_bps",), "RICH | skipped 1 (oscillation)"),
    (3, "velocity", "withheld", POOR[1:], "POOR | applied 2 withheld 2 (velocity)"),
    (4, "velocity", "refused", ("replace_rate_per_min",), "skipped 1 (velocity)"),
    (5, "bounds", "withheld", ("concurrency_limit",), "SLOW | applied 2 withheld 1 (bounds)"),
    (7, "bounds", "refused", ("vip_tilt_cap",), "skipped 1 (bounds)"),
    (8, "no_op", "refused", ("tail_age_ms",), "skipped 1 (no_op)"),
    (9, "small", "withheld", ("base_spread_bps",), "withheld 1 (small)"),
    (10, "nodata", "refused", ("tail_age_ms",), "totals.net_bps is null | skipped 1"),
    (11, "invalid", "refused", ("min_interval_ms", "tail_age"), "skipped 2 (invalid)"),
    (12, "pin", "withheld", POOR[:1], "EDITED base_spread_bps | withheld 3 (pin, velocity)"),
    (13, "pin", "refused", ("base_spread_bps",), "skipped 1 (pin)"),
    (15, "cooldown", "withheld", RISKY, "withheld 4 (cooldown)"),
    (16, "cooldown", "refused", ("tail_age_ms",), "skipped 1 (cooldown)"),
    (19, "freeze", "withheld", ("max_delta_ratio",), "HARSH | applied 1 withheld 1 (freeze)"),
    (20, "freeze", "refused", ("impact_cap_ratio",), "skipped 1 (freeze)"),
    (23, "duplicate", "refused", ("base_spread_bps",), "skipped 1 (duplicate)"),
    (26, "panic", "refused", ("tail_age_ms",), "PANIC reverted to steady_safe | skipped 1 (panic)"),
    (27, "panic", "withheld", RISKY, "withheld 4 (panic)"),
    (28, "panic", "refused", ("tail_age_ms",), "skipped 1 (panic)"),
    (32, "late", "withheld", POOR, "withheld 3 (late)"),
    (33, "late", "refused", ("tail_age_ms",), "skipped 1 (late)"),
)
"""Iteration, guard, way, keys, and the end of the terminal's line."""


def test_the_tour(soak: Sessions, capsys: pytest.CaptureFixture[str]) -> None:
    # A warm-up is at the start of a run only: test_guards.py has it.
    assert {guard for _, guard, *_ in TOUR} | {"warmup"} == {*GUARD_ORDER, "small"}
    result = toured(soak)
    assert (result.code, result.items) == (1, {"passed": ITERATIONS})
    assert result.gate == {**NOISE_UNKNOWN, "net_bps": "FAIL", "delta_quality": "FAIL"}
    check_files(result, ITERATIONS)
    for number, guard, way, keys, end in TOUR:
        iteration = shown(result, number)
        assert iteration.end == end, number
        for key in keys:
            if way == "withheld":
                assert iteration.tuning["withheld"][key] == guard, (number, key)
            else:
                assert iteration.outcome(key) == ("SKIPPED", 0, guard), (number, key)
    expected = {number for number, _, way, *_ in TOUR if way == "refused"}
    assert refusing(result) == expected, "nothing else was refused"
    assert values_of(result, 30) == values_of(result, 26), "the pause after the panic"
    state = result.json("TUNING_STATE.json")
    assert (state["iteration"], state["paused_until_iter"]) == (ITERATIONS, 30)
    assert [move["key"] for move in state["moves"]] == ["tail_age_ms"]

    for number, guard, way, keys, _ in TOUR:
        texts = parameters(explained(capsys, soak, "--iteration", str(number)))
        word = "withheld" if way == "withheld" else "SKIPPED"
        for key in keys:
            assert re.search(rf"\b{word}\b.*\b{guard}\b", texts[key]), (number, texts[key])
    story = explained(capsys, soak)
    for guard in {*GUARD_ORDER, "small"} - {"warmup"}:
        assert re.search(rf"^  {guard} ", story, re.MULTILINE), story


def toured(soak: Sessions) -> Result:
    write_script(soak, FIGURES, PROPOSALS, GUARDS)
    base = soak.folder / "artifacts" / "soak"
    base.mkdir(parents=True)
    (base / "runtime_overrides.json").write_text(json.dumps(START))
    return soak(f"--soak-iterations={ITERATIONS}", *ARGS)


def refusing(result: Result) -> set[int]:
    """Iterations in which a guard refused a proposal."""
    return {
        item["iteration"]
        for item in result.json("TUNING_REPORT.json")["iterations"]
        if any(outcome["reason"] for outcome in item["tuning"]["outcomes"].values())
    }


def explained(capsys: pytest.CaptureFixture[str], soak: Sessions, *args: str) -> str:
    """The output of the command, which fits the terminal; the command changes nothing."""
    folder = soak.folder / "artifacts" / "soak"
    before = (folder / "latest" / "journal.jsonl").read_bytes()
    capsys.readouterr()
    assert main(["explain", str(folder), *args]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= WIDTH
    assert (folder / "latest" / "journal.jsonl").read_bytes() == before
    return text


def parameters(text: str) -> dict[str, str]:
    """The section on parameters: key to its text, on one line."""
    blocks: dict[str, str] = {}
    key = ""
    for line in text.partition("\nParameters\n")[2].partition("\n\n")[0].splitlines():
        if re.match(r"  \S", line):
            key = line.split()[0]
        blocks[key] = f"{blocks.get(key, '')} {' '.join(line.split())}"
    return blocks
