"""The metrics of a session: both sets of names, the same bytes offline, and the exports."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from pytest_soak.cli import main
from tests.promtool import problems
from tests.sessions.conftest import Result, Sessions

BOT = "--soak-target=bot:make"
CLEAN = "--soak-metrics=clean"
PROM = "POST_SOAK_METRICS.prom"
PANIC = """
    from bot import Bot
    class Panicking(Bot):
        def run(self, i, runtime):
            report = super().run(i, runtime)
            if 4 <= i <= 9: report["totals"]["net_bps"] = 1.0
            return report
    def make(lane): return Panicking(lane)
"""
RUNS: dict[str, tuple[str, ...]] = {
    "good": ("--soak-iterations=24", BOT),
    "panicking": ("--soak-iterations=24", "--soak-target=panics:make"),
    "18 lanes": (
        *("--soak-iterations=3", BOT, "--soak-profile=steady,S1,ultra_safe", "--soak-symbol=A,B"),
        "--soak-seed=1,2,3",
    ),
    "scenario": ("--soak-iterations=24", "--soak-mock", "--soak-scenario=throttle@20"),
    "no data": ("--soak-iterations=9", "--soak-target=blind:make"),
    "sweep": ("--soak-iterations=4", BOT, "--soak-sweep=tail_age_ms=500,600"),
}


def printed(capsys: pytest.CaptureFixture[str], *args: object) -> str:
    capsys.readouterr()
    assert main([str(arg) for arg in args]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", RUNS)
def test_the_clean_set_is_clean_and_offline_the_same_bytes(
    soak: Sessions, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    soak.bot(
        panics=PANIC,
        blind="from bot import Bot\ndef make(lane): return Bot(lane, net_bps='3.1')",
    )
    result = soak("-q", *RUNS[name], CLEAN)
    files = sorted(result.latest.rglob(PROM))
    assert files
    for file in files:
        text = file.read_text()
        assert problems(text) == []
        assert printed(capsys, "metrics", file.parent) == text
        assert printed(capsys, "metrics", file.parent, "--names=clean") == text
    if name == "panicking":
        assert "soak_panics_total" in result.text(PROM)
        assert float(printed(capsys, "value", result.latest, "soak_panics_total")) >= 1.0
    # A resume of the ended run writes its files again, here under the other names.
    again = soak("-q", *RUNS[name], "--soak-resume")
    for file in sorted(again.latest.rglob(PROM)):
        assert printed(capsys, "metrics", file.parent) == file.read_text()
        assert not file.read_text().startswith("#")


def test_the_original_names_are_the_default(soak: Sessions) -> None:
    soak.bot()
    result = soak("--soak-iterations=2", BOT)
    assert 'soak_iterations_measured{lane="steady-BTCUSDT-1"} 2.0\n' in result.text(PROM)
    assert result.json("run.json")["metrics"] == "original"
    soak.pytester.makeini("[pytest]\nsoak_metrics = clean")
    assert "# TYPE soak_panics_total counter" in soak("--soak-iterations=2", BOT).text(PROM)
    given = soak("--soak-iterations=2", BOT, "--soak-metrics=original")
    assert "#" not in given.text(PROM)


def test_a_wrong_set_of_names_is_refused(soak: Sessions) -> None:
    soak.bot()
    result = soak("--soak-iterations=2", BOT, "--soak-metrics=pretty")
    assert result.code == 4
    assert "--soak-metrics: 'pretty' is not original or clean" in result.err


def test_grep_and_awk_read_what_value_prints(
    soak: Sessions, capsys: pytest.CaptureFixture[str]
) -> None:
    result = soak("-q", "--soak-iterations=10", "--soak-mock")
    file = result.latest / PROM
    names = [line.partition("{")[0] for line in file.read_text().splitlines()]
    assert "soak_delta_full_apply_ratio" in names
    for name in names:
        command = f"grep {name} {PROM} | awk '{{print $2}}'"
        done = subprocess.run(
            ["sh", "-c", command], cwd=file.parent, capture_output=True, text=True, check=True
        )
        assert done.stdout == printed(capsys, "value", result.latest, name)


def test_xdist_gives_the_same_file(soak: Sessions) -> None:
    pytest.importorskip("xdist")
    lanes = ("--soak-iterations=3", "--soak-mock", "--soak-seed=1,2", CLEAN)
    plain = soak("-q", *lanes, "--soak-dir=plain", "--soak-export-json=plain.jsonl")
    xdist = soak("-q", *lanes, "--soak-dir=xdist", "--soak-export-json=xdist.jsonl", "-n2")
    assert plain.code == xdist.code == 0
    for directory in (".", "steady-BTCUSDT-1", "steady-BTCUSDT-2"):
        first, second = (soak.folder / name / "latest" / directory for name in ("plain", "xdist"))
        assert _timeless((first / PROM).read_text()) == _timeless((second / PROM).read_text())
    first, second = soak.folder / "plain.jsonl", soak.folder / "xdist.jsonl"
    assert _timeless(first.read_text()) == _timeless(second.read_text())


def _timeless(text: str) -> str:
    """Without the time at which the run began, the only one in it."""
    without, count = re.subn(r".*soak_run_start_timestamp_seconds\W.*\n", "", text)
    assert 1 <= count <= 3
    return without


ODD_RULES = r"""
def pytest_soak_propose(kpis, headroom, history):
    odd = 'say "hi" \\ {x="1"} \x1b[31m\nend'
    return {"tail_age_ms": {"delta": 5.0, "kpis": [], "rule": odd}}
"""


def test_odd_names_of_rules(soak: Sessions, capsys: pytest.CaptureFixture[str]) -> None:
    soak.bot()
    soak.pytester.makeconftest(ODD_RULES)
    result = soak("-q", "--soak-iterations=3", BOT, CLEAN)
    text = result.text(PROM)
    assert problems(text) == []
    (rule,) = re.findall(r'rule="(say .*)",seed', text)
    assert rule.startswith(r"say \"hi\" \\ {x=\"1\"} ")
    assert "\x1b" not in text
    assert printed(capsys, "metrics", result.latest) == text


def rows(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_the_export_has_metrics_and_iterations_and_makes_its_folder(soak: Sessions) -> None:
    soak.bot()
    result = soak(
        *("--soak-iterations=3", BOT, "--soak-seed=1,2", "--soak-export-json=a/b/m.jsonl"),
        "--soak-export-md=c/d/audit.md",
    )
    assert result.code == 0
    exported = rows(soak.folder / "a/b/m.jsonl")
    iterations = [row for row in exported if row.get("type") == "iteration"]
    assert [(row["lane"], row["iteration"]) for row in iterations] == [
        (f"steady-BTCUSDT-{seed}", number) for seed in (1, 2) for number in (1, 2, 3)
    ]
    metrics = [row for row in exported if "metric" in row]
    assert len(metrics) + len(iterations) == len(exported)
    assert {tuple(sorted(row)) for row in metrics} == {("lane", "metric", "value")}
    assert (soak.folder / "c/d/audit.md").read_text() == result.text("POST_SOAK_AUDIT.md")


@pytest.mark.parametrize("option", ["--soak-export-json", "--soak-export-md"])
def test_a_folder_that_cannot_be_made_is_refused_before(soak: Sessions, option: str) -> None:
    soak.bot()
    (soak.folder / "file").touch()
    (soak.folder / "lost").symlink_to("nowhere")
    for path, words in (("file/x", "file is no directory"), ("lost/a/x", "lost is no directory")):
        result = soak("--soak-iterations=1", BOT, f"{option}={path}")
        assert_refused(result, option, words)
    assert not (soak.folder / "artifacts").exists()


def assert_refused(result: Result, *words: str) -> None:
    assert result.code == 4
    for word in words:
        assert word in result.err
