"""Failures, exits and halts outside of the checks, in the gate and in the offline commands."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_soak.cli import main
from pytest_soak.gate.baseline import reference_of
from pytest_soak.references import read_references
from tests.sessions.conftest import Result, Sessions

BOT = """
import pytest

class Bot:
    def run(self, i, runtime):
        t = {{"net_bps": 3 + .01 * (i % 3), "p95_latency_ms": 300 + i % 5, "adverse_bps_p95": 2.0,
             "slippage_bps_p95": 1.0}}
        {line}
        return {{"totals": t,
                "fills": {{"maker_volume": 90.0, "taker_volume": 10.0,
                          "maker_count": 90, "taker_count": 10}},
                "block_reasons": {{"risk": 30, "min_interval": 10, "concurrency": 30,
                                  "throttle": 30}}}}

def pytest_soak_target(lane):
    return Bot()
{more}
"""
N = "--soak-iterations=26"


@pytest.fixture
def bot(soak: Sessions, pytester: pytest.Pytester) -> Any:
    def run(line: str = "pass", *args: str, more: str = "") -> Result:
        pytester.makeconftest(BOT.format(line=line, more=more))
        return soak("-q", *(args or (N,)))

    return run


LEAVE = 'if i == 25: pytest.exit("left", returncode=0)'


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("line", "more"),
    [
        (LEAVE, ""),
        (
            "pass",
            "def pytest_soak_iteration(lane, iteration):\n"
            '    if iteration.number == 25: pytest.exit("left", returncode=0)\n',
        ),
        (
            "pass",
            "@pytest.fixture(autouse=True)\ndef leave(soak_iteration):\n    yield\n"
            '    if soak_iteration.number == 25: pytest.exit("left", returncode=0)\n',
        ),
    ],
    ids=["run", "hook", "teardown"],
)
def test_no_exit_code_of_an_exit_hides_a_gate_that_fails(
    bot: Any, line: str, more: str, strict: bool
) -> None:
    result = bot(line, N, *(["--soak-strict"] if strict else []), more=more)
    assert "gate: FAIL" in result.out
    assert result.code not in (0, 5)
    assert main(["gate", str(result.latest)]) == 1


def test_an_exit_after_a_gate_that_passes_keeps_its_code(bot: Any) -> None:
    more = (
        "def pytest_soak_iteration(lane, iteration):\n"
        '    if iteration.number == 26: pytest.exit("left", returncode=0)\n'
    )
    assert bot("pass", more=more).code == 0


def test_an_iteration_hook_that_raises_fails_the_gate_as_well(
    bot: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    more = (
        "def pytest_soak_iteration(lane, iteration):\n"
        '    if iteration.number == 5: raise ValueError("no metrics server")\n'
    )
    result = bot("pass", more=more)
    assert result.code == 1
    assert "gate: FAIL" in result.out
    capsys.readouterr()
    assert main(["gate", str(result.latest)]) == 1
    printed = capsys.readouterr().out
    assert "items: failed after their decision" in printed
    assert "[steady-BTCUSDT-1/0005]" in printed


@pytest.mark.parametrize("iterations", [26, 28])
def test_a_resume_does_not_forget_an_item_that_failed(bot: Any, iterations: int) -> None:
    more = (
        "def pytest_soak_iteration(lane, iteration):\n"
        "    if iteration.number in (5, 27): raise ValueError('no metrics server')\n"
    )
    assert bot("pass", more=more).code == 1
    for _ in range(2):
        result = bot("pass", f"--soak-iterations={iterations}", "--soak-resume", more=more)
        assert result.code == 1
        (reason,) = (
            item["reason"]
            for item in result.json("POST_SOAK_SNAPSHOT.json")["criteria"]
            if item["name"] == "items"
        )
        assert "[steady-BTCUSDT-1/0005]" in reason
        assert ("0027" in reason) is (iterations == 28)


def test_what_failed_before_a_damaged_judgement_is_not_known(bot: Any) -> None:
    first = bot()
    seal = first.latest / "judgement.jsonl"
    seal.write_bytes(seal.read_bytes().replace(b'"verdict"', b'"verdicT"', 1))
    result = bot("pass", N, "--soak-resume")
    assert result.gate["items"] == "INCONCLUSIVE"
    assert "gate: INCONCLUSIVE by steady-BTCUSDT-1/items" in result.out


def test_a_crash_is_not_undone_by_planning_fewer_iterations(
    bot: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    crash = 'if i == 25: raise RuntimeError("lost")'
    assert bot(crash).code == 1
    result = bot(crash, "--soak-iterations=24", "--soak-resume")
    assert result.code == 1
    capsys.readouterr()
    assert main(["gate", str(result.latest)]) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "but it halted at iteration 25 (error): the target raised: RuntimeError" in printed


def test_a_halt_that_was_resumed_is_named(bot: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert bot('if i == 20: raise RuntimeError("lost")').code == 1
    result = bot("pass", N, "--soak-resume")
    assert result.code == 0
    capsys.readouterr()
    assert main(["gate", "--json", str(result.latest)]) == 0
    assert "it was resumed after it halted at iteration 20 (error)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "extra"),
    [
        ("if i in (24, 25, 26): t.pop('p95_latency_ms')", ""),
        ("pass", "def test_no(soak_iteration): assert soak_iteration.number != 3\n"),
        ("if i == 25: raise RuntimeError('lost')", ""),
        ("t['net_bps'] = 3.0; t['p95_latency_ms'] = 300.0", ""),
    ],
    ids=["no-data", "check", "halt", "stale"],
)
def test_a_run_that_fails_or_is_stale_is_not_freeze_ready(
    bot: Any, pytester: pytest.Pytester, line: str, extra: str
) -> None:
    if extra:
        pytester.makepyfile(test_own=extra)
    assert bot(line).json("POST_SOAK_SNAPSHOT.json")["freeze_ready"] is False


class TestReference:
    def reference(self, bot: Any, line: str, n: int = 26) -> Result:
        result: Result = bot(line, f"--soak-iterations={n}", "--soak-no-tune", "--soak-dir=noise")
        return result

    def test_one_of_fewer_than_24_iterations_gives_no_noise(self, bot: Any) -> None:
        result = self.reference(bot, "pass", n=6)
        (history, *_) = read_references(result.folder / "noise" / "latest").lanes.values()
        assert not reference_of(history).kpis
        again = bot("pass", "--soak-iterations=8", "--soak-reference=noise")
        assert "gate: PASS" not in again.out

    def test_a_kpi_that_never_moved_gives_no_noise(self, bot: Any) -> None:
        self.reference(bot, "t['net_bps'] = 3.0; t['p95_latency_ms'] = 300.0")
        moving = "t['net_bps'] = 3.2 + 2 * ((i % 8) / 7. - .5)"
        alone = bot(moving).json("POST_SOAK_SNAPSHOT.json")["verdict"]
        referred = bot(moving, N, "--soak-reference=noise")
        assert referred.json("POST_SOAK_SNAPSHOT.json")["verdict"] == alone != "PASS"

    @pytest.mark.parametrize("how", ["unsealed", "cut"])
    def test_one_that_is_not_as_it_was_judged_is_refused(self, bot: Any, how: str) -> None:
        noise = self.reference(bot, "pass").folder / "noise" / "latest"
        if how == "unsealed":
            (noise / "judgement.jsonl").unlink()
        else:
            journal = noise / "journal.jsonl"
            journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))
        again = bot("pass", "--soak-iterations=8", "--soak-reference=noise")
        assert again.code == 4
        assert "is no reference" in again.out + again.err

    def test_one_that_measured_another_kpi_is_refused(
        self, bot: Any, pytester: pytest.Pytester
    ) -> None:
        self.reference(bot, "pass")
        pytester.mkdir("mine").joinpath("steady.yaml").write_text(
            "extends: steady\nkpis: {net_bps: {read: totals.other, unit: bps, better: up}}\n",
            encoding="utf-8",
        )
        again = bot(
            "pass",
            "--soak-iterations=8",
            "--soak-reference=noise",
            "--soak-profile=mine/steady.yaml",
        )
        assert again.code == 4
        assert "measured another net_bps" in again.out + again.err

    def test_one_that_fits_still_makes_a_short_run_pass(self, bot: Any) -> None:
        moving = "t['net_bps'] = 3 + .01 * (i % 3); t['adverse_bps_p95'] = 2 + .001 * (i % 2);"
        moving += "t['slippage_bps_p95'] = 1 + .001 * (i % 4)"
        self.reference(bot, moving)
        again = bot(moving, "--soak-iterations=12", "--soak-reference=noise")
        assert again.code == 0


def test_the_end_of_the_data_does_not_hide_an_item_that_failed(bot: Any) -> None:
    more = (
        "from pytest_soak import EndOfData\n"
        "def pytest_soak_iteration(lane, iteration):\n"
        '    if iteration.number == 5: raise ValueError("no metrics server")\n'
    )
    result = bot("if i == 20: from pytest_soak import EndOfData; raise EndOfData()", more=more)
    assert result.code == 1
    assert main(["gate", str(result.latest)]) == 1
