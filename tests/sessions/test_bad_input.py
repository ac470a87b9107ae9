"""Bad input is refused before iteration 1: one clear line, exit 4, no run directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sessions.conftest import Sessions

MOCK = ("--soak-iterations=3", "--soak-mock")
BOMB = "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


def refused(soak: Sessions, *args: str) -> str:
    """The error line of a refused session."""
    result = soak(*args)
    assert result.code == 4, result.out + result.err
    lines = [line for line in result.err.splitlines() if line.startswith("ERROR: ")]
    assert len(lines) == 1, result.err
    assert not (soak.folder / "artifacts" / "soak" / "latest").exists()
    assert "Traceback" not in result.err
    return lines[0]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--soak-iterations=0", "--soak-mock"), ("--soak-iterations", "'0'", "whole number")),
        (("--soak-iterations=-5", "--soak-mock"), ("--soak-iterations", "'-5'", "whole number")),
        (("--soak-iterations=x", "--soak-mock"), ("--soak-iterations", "'x'", "whole number")),
        (("--soak-hours=nan", "--soak-mock"), ("--soak-hours", "'nan'", "hours")),
        (("--soak-iterations=3",), ("--soak-mock", "--soak-target", "pytest_soak_target")),
        ((*MOCK, "--soak-profile=stedy"), ("'stedy'", "steady")),
        ((*MOCK, "--soak-profile=../../etc/passwd"), ("../../etc/passwd", ".yaml")),
        ((*MOCK, "--soak-seed=1,1"), ("--soak-seed", "twice")),
        ((*MOCK, "--soak-symbol=BTC/USD"), ("--soak-symbol", "'BTC/USD'")),
        ((*MOCK, "--soak-interval=0"), ("--soak-interval", "'0'", "seconds")),
        ((*MOCK, "--soak-target=replay"), ("--soak-mock", "replay")),
        (("--soak-iterations=3", "--soak-target=mok"), ("'mok'", "mock", "module:factory")),
        (("--soak-iterations=3", "--soak-target=nowhere:make"), ("nowhere:make", "import")),
        (("--soak-iterations=3", "--soak-hours=1", "--soak-mock"), ("both",)),
        ((*MOCK, "--reruns=2"), ("--reruns", "changed state")),
        ((*MOCK, "--soak-resume"), ("resume",)),
        ((*MOCK, "--soak-reference=nowhere"), ("--soak-reference", "nowhere")),
        ((*MOCK, "--soak-compare=last:3"), ("--soak-compare", "--soak-reference=last:3")),
        (("--soak-iterations=3", "--soak-target=replay"), ("--soak-data",)),
    ],
)
def test_option(soak: Sessions, args: tuple[str, ...], words: tuple[str, ...]) -> None:
    line = refused(soak, *args)
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, ("anchor", "not allowed")),
        ("extends: mine\n", ("extends", "mine")),
        (
            "extends: market_maker\nparameters: {tail_age_ms: {min: 9000}}\n",
            ("tail_age_ms", "9000", "5000"),
        ),
        ("extends: market_maker\ntail_age_ms: 9000\n", ("tail_age_ms", "9000", "5000")),
        (
            "extends: market_maker\nrules: {MINE: {when: {risk_ration: '> 0.5'}, "
            "moves: {tail_age_ms: {add: 1}}}}\n",
            ("risk_ration", "risk_ratio"),
        ),
        ("extends: market_maker\ntail_age: 700\n", ("tail_age", "tail_age_ms")),
    ],
    ids=["bomb", "cycle", "min above max", "start out of bounds", "unknown KPI", "unknown key"],
)
def test_profile(soak: Sessions, text: str, words: tuple[str, ...]) -> None:
    Path("mine.yaml").write_text(text, "utf-8")
    if words[0] == "extends":
        Path("mine.yaml").write_text("extends: ./mine.yaml\n", "utf-8")
    line = refused(soak, *MOCK, "--soak-profile=./mine.yaml")
    for word in words:
        assert word in line


@pytest.mark.smoke
def test_directory_that_is_a_file(soak: Sessions) -> None:
    Path("taken").write_text("", "utf-8")
    assert "taken" in refused(soak, *MOCK, "--soak-dir=taken")


def test_directory_that_cannot_be_written(soak: Sessions) -> None:
    # A directory below a pseudo file system refuses root as well.
    line = refused(soak, *MOCK, "--soak-dir=/proc/soak")
    assert "/proc/soak" in line


@pytest.mark.parametrize("marker", ["flaky(reruns=2)", "repeat(2)"])
def test_marker_that_repeats(soak: Sessions, marker: str) -> None:
    soak.pytester.makeini("[pytest]\nmarkers =\n  flaky\n  repeat")
    soak.pytester.makepyfile(
        test_a=f"import pytest\n@pytest.mark.{marker}\ndef test_a(soak_iteration): pass"
    )
    result = soak(*MOCK)
    assert result.code == 4
    assert "changed state" in result.err


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("SOAK_ITERATIONS", "many", ("variable SOAK_ITERATIONS", "'many'")),
        ("USE_MOCK", "maybe", ("variable USE_MOCK", "'maybe'")),
        ("MM_PROFILE", "S2", ("S2", "S1")),
        ("MM_RUNTIME_OVERRIDES_JSON", '{"tail_age": 700}', ("tail_age", "tail_age_ms")),
        ("MM_RUNTIME_OVERRIDES_JSON", '{"tail_age_ms": NaN}', ("MM_RUNTIME_OVERRIDES_JSON",)),
    ],
)
def test_environment(
    soak: Sessions,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    words: tuple[str, ...],
) -> None:
    monkeypatch.setenv(variable, value)
    args = () if variable == "SOAK_ITERATIONS" else ("--soak-iterations=3",)
    extra = () if variable == "USE_MOCK" else ("--soak-mock",)
    line = refused(soak, *args, *extra)
    for word in words:
        assert word in line
