"""The seal that a session writes, and the offline commands on real runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.cli import main
from pytest_soak.session import judging
from pytest_soak.session.judging import write_artifacts
from pytest_soak.store.atomic import atomic_write_json
from tests.sessions.conftest import Result, Sessions
from tests.unit.sealed_runs import write_journal

GOOD = ("--soak-iterations=24", "--soak-no-tune", "--soak-target=bot:make")
SHORT = ("--soak-iterations=4", "--soak-no-tune", "--soak-target=bot:make")


def seals(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.text("judgement.jsonl").splitlines()]


def test_a_seal_has_the_inputs_of_the_judgement(soak: Sessions) -> None:
    soak.bot()
    soak.pytester.makeconftest(
        "from pytest_soak import criterion\n"
        "def pytest_soak_gate(lane, history):\n"
        "    return [criterion('own', 'WARN', 'own: so so', value=5, limit='<= 4')]\n"
    )
    result = soak(*GOOD)
    (seal,) = seals(result)
    lane = seal["lanes"][0]
    assert (seal["verdict"], seal["exit_code"], seal["strict"], seal["mock"]) == (
        *("WARN", 0, False, False),
    )
    assert seal["run_id"] == result.json("run.json")["run_id"]
    assert lane["criteria"] == [
        {"name": "own", "verdict": "WARN", "value": 5, "limit": "<= 4", "reason": "own: so so"}
    ]
    assert lane["journal"]["bytes"] == len(result.journal())
    assert lane["journal"]["entries"] == len(result.entries())
    assert [(item["file"], item["hooks"]) for item in seal["conftests"]] == [
        ("conftest.py", ["pytest_soak_gate"])
    ]
    assert str(soak.folder) not in result.text("judgement.jsonl")
    assert "judged_with" not in result.json("run.json")


def test_the_seal_comes_before_artifacts_and_verdict(
    soak: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    soak.bot()
    seal = soak.folder / "artifacts/soak/latest/judgement.jsonl"
    seen: list[bool] = []

    def write(*args: Any) -> tuple[str, ...]:
        seen.append(seal.exists())
        return write_artifacts(*args)

    monkeypatch.setattr(judging, "write_artifacts", write)
    soak.pytester.makeconftest(
        "import pathlib\ndef pytest_runtest_logreport(report):\n"
        "    if report.nodeid.startswith('soak::gate'):\n"
        f"        assert pathlib.Path({str(seal)!r}).exists()\n"
    )
    assert soak(*SHORT).code == 0
    assert seen == [True]


def test_a_seal_that_cannot_be_written_fails_the_gate(soak: Sessions) -> None:
    soak.bot(
        test_a="import os\ndef test_a(soak_iteration):\n"
        "    os.makedirs('artifacts/soak/latest/judgement.jsonl', exist_ok=True)\n"
    )
    result = soak(*GOOD, "-rf")
    assert result.code == 1
    assert "soak::gate[run/seal]" in result.out
    assert "the judgement could not be sealed: cannot open" in " ".join(result.out.split())
    assert result.json("POST_SOAK_SNAPSHOT.json")["verdict"] == "PASS"
    assert main(["gate", "artifacts/soak"]) == 2


def test_a_hook_that_kills_the_process_leaves_no_verdict(
    soak: Sessions, capsys: pytest.CaptureFixture[str]
) -> None:
    soak.bot()
    soak.pytester.makeconftest("import os\ndef pytest_soak_gate(lane, history): os._exit(137)\n")
    result = soak(*GOOD, subprocess=True)
    assert result.code == 137
    assert not (result.latest / "judgement.jsonl").exists()
    capsys.readouterr()
    assert main(["gate", "artifacts/soak"]) == 2
    captured = capsys.readouterr()
    assert captured.out.startswith("state: done, not judged")
    assert "is not sealed" in captured.err
    # Judged again, without the hook.
    (soak.folder / "conftest.py").unlink()
    assert soak(*GOOD, "--soak-resume").code == 0
    assert main(["gate", "artifacts/soak"]) == 0


def test_a_killed_run_has_a_state_and_no_verdict_until_it_is_resumed(
    soak: Sessions, capsys: pytest.CaptureFixture[str]
) -> None:
    soak.bot(
        test_a="import os, signal\ndef test_a(soak_iteration):\n"
        "    if soak_iteration.number == 6 and 'KILL' in os.environ:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *GOOD],
        cwd=soak.folder, env={**os.environ, "KILL": "1"}, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    capsys.readouterr()
    assert main(["gate", "artifacts/soak"]) == 2
    captured = capsys.readouterr()
    assert captured.out.startswith("state: interrupted, not judged")
    assert "interrupted, 5 of 24 iterations measured" in captured.out
    assert main(["gate", "artifacts/soak", "--unsealed"]) == 1
    resumed = soak(*GOOD, "--soak-resume")
    assert resumed.code == 0, resumed.out
    assert len(seals(resumed)) == 1
    assert main(["gate", "artifacts/soak"]) == 0
    again = soak(*GOOD, "--soak-resume")
    assert [item["seq"] for item in seals(again)] == [0, 1]
    assert main(["gate", "artifacts/soak"]) == 0


def test_a_live_session_is_running_for_other_processes(soak: Sessions) -> None:
    soak.bot(
        test_a="import subprocess, sys\nfrom pytest_soak.cli import main\n"
        "def test_a(soak_iteration):\n"
        "    if soak_iteration.number == 3:\n"
        "        done = subprocess.run([sys.executable, '-m', 'pytest_soak', 'gate',\n"
        "                               'artifacts/soak'], capture_output=True, text=True)\n"
        "        assert done.returncode == 3, done\n"
        "        assert done.stdout.startswith('RUNNING: iteration 3 of 4, since 20')\n"
        "        assert main(['gate', 'artifacts/soak']) == 3\n"
    )
    result = soak(*SHORT)
    assert result.code == 0, result.out
    assert "RUNNING" not in result.out.replace("RUNNING: iteration", "")
    assert soak("--soak-iterations=4", *SHORT[1:], "--soak-resume").code == 0
    assert main(["gate", "artifacts/soak"]) == 0


def test_a_live_resumed_session_is_running(soak: Sessions) -> None:
    soak.bot()
    soak("--soak-iterations=2", *SHORT[1:])
    soak.pytester.makepyfile(
        test_a="from pytest_soak.cli import main\n"
        "def test_a(soak_iteration): assert main(['gate', 'artifacts/soak']) == 3\n"
    )
    assert soak(*SHORT, "--soak-resume").code == 0


@pytest.mark.parametrize(
    "answer",
    [
        "[criterion('own', 'FAIL', 'own: no', value=float('nan'))]",
        "[criterion('own', 'PASS', 'a\\x1b[31m\\ud800', value=10**400)]",
        "[criterion('completeness', 'FAIL', 'no'), criterion('pass_count_last8', 'PASS', '')]",
        "criterion('own', 'FAIL', 'no')",
        "[__import__('dataclasses').replace(criterion('own', 'FAIL', ''), binding=False, n=7)]",
        "(criterion(name, 'WARN', '') if name else 1 / 0 for name in ('own', ''))",
        "False",
        "{'own': 1}",
    ],
)
def test_the_commands_repeat_the_verdict_for_any_result_of_a_hook(
    soak: Sessions, answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    soak.bot()
    soak.pytester.makeconftest(
        f"from pytest_soak import criterion\ndef pytest_soak_gate(lane, history): return {answer}\n"
    )
    result = soak(*GOOD)
    assert result.code == (1 if "FAIL" in answer else 0)
    capsys.readouterr()
    assert main(["snapshot", "artifacts/soak"]) == result.code
    assert capsys.readouterr().out == result.text("POST_SOAK_SNAPSHOT.json")
    assert main(["audit", "artifacts/soak"]) == result.code
    assert capsys.readouterr().out == result.text("POST_SOAK_AUDIT.md")


def test_the_crash_of_a_worker_is_sealed(
    soak: Sessions, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("xdist")
    soak.bot(
        test_a="import os\ndef test_a(soak_iteration, soak_lane):\n"
        "    if soak_iteration.number == 3 and soak_lane.seed == 2: os._exit(9)\n"
    )
    result = soak(*SHORT, "--soak-seed=1,2", "-n", "2", subprocess=True)
    assert result.code == 1
    capsys.readouterr()
    assert main(["snapshot", "artifacts/soak"]) == 1
    assert capsys.readouterr().out == result.text("POST_SOAK_SNAPSHOT.json")
    assert main(["gate", "artifacts/soak", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["state"] == "lost"
    assert [lane["state"] for lane in document["lanes"]] == ["done", "lost"]


# -- resuming a run whose files disagree --------------------------------------------------------


def edit_run(path: Path, **fields: Any) -> None:
    document = json.loads((path / "run.json").read_bytes())
    atomic_write_json(path / "run.json", {**document, **fields})


def change_entries(path: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    entries = [json.loads(line) for line in (path / "journal.jsonl").read_bytes().splitlines()]
    for entry in entries:
        del entry["check"], entry["seq"]
    change(entries)
    write_journal(path / "journal.jsonl", entries)


def test_a_run_whose_files_disagree_is_not_resumed(soak: Sessions) -> None:
    soak.bot()
    soak("--soak-iterations=2", *SHORT[1:])
    run = soak(*SHORT, "--soak-resume")  # its journal has a plan entry
    files = {path: path.read_bytes() for path in run.latest.iterdir() if path.is_file()}
    decision = next(n for n, entry in enumerate(run.entries()) if entry["type"] == "decision")
    plan = next(n for n, entry in enumerate(run.entries()) if entry["type"] == "plan")

    def spoil(words: str, change: Callable[[], object]) -> None:
        change()
        result = soak(*SHORT, "--soak-resume", valid=False)
        assert result.code == 4, (words, result.out)
        assert "INTERNALERROR" not in result.out + result.err
        errors = [line for line in result.err.splitlines() if line.startswith("ERROR")]
        assert len(errors) == 1
        assert words in errors[0]
        for path, data in files.items():
            path.write_bytes(data)

    def entries(words: str, change: Callable[[list[dict[str, Any]]], object]) -> None:
        spoil(words, lambda: change_entries(run.latest, change))

    spoil("resumed: null is not a finite number", lambda: edit_run(run.latest, resumed=None))
    spoil("fresh_targets: a list is not a mapping", lambda: edit_run(run.latest, fresh_targets=[1]))
    spoil("says mock = True, but", lambda: edit_run(run.latest, mock=True))
    spoil("says target = 'other', but", lambda: edit_run(run.latest, target="other"))
    entries("says iterations = 4, but", lambda lines: lines.__delitem__(slice(plan, None)))
    entries("says lanes.seed = 1, but", lambda lines: lines[0]["lane"].update(seed=2))
    entries("says target", lambda lines: lines[0].update(target="mock"))
    entries("journal: entry 0", lambda lines: lines[0].update(values=[]))
    entries("'verdict' is missing", lambda lines: lines[decision].pop("verdict"))
    entries("note: 5 is not a text", lambda lines: lines[decision].update(note=5))
    entries(f"is above {2**53}", lambda lines: lines[decision].update(iteration=10**400))
    entries("outcomes: 1000", lambda lines: lines[decision].update(outcomes=10**400))
    entries("finite number", lambda lines: lines[decision].update(values={"a": "1"}))
    assert soak(*SHORT, "--soak-resume").code == 0


def test_a_huge_proposal_can_be_resumed(soak: Sessions) -> None:
    soak.bot()
    soak.pytester.makeconftest(
        "def pytest_soak_propose(lane, kpis, headroom, history):\n"
        "    return {'base_spread_bps': 10**400, 'tail_age_ms': 10**5000}\n"
    )
    args = ("--soak-target=bot:make",)
    first = soak("--soak-iterations=4", *args)
    assert "errors" not in first.outcomes
    result = soak("--soak-iterations=6", *args, "--soak-resume")
    assert [entry["iteration"] for entry in result.entries() if entry["type"] == "decision"] == [
        *range(1, 7)
    ]
    assert "errors" not in result.outcomes
    for command in ("gate", "verify", "snapshot", "audit"):
        assert main([command, "artifacts/soak"]) == result.code
    assert main(["explain", "artifacts/soak"]) == 0
