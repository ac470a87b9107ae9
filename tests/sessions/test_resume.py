"""A run that is stopped and resumed equals an unstopped one; interrupted runs are judged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sessions.conftest import Sessions

MOCK = ("--soak-iterations=10", "--soak-mock", "--soak-interval=60")
KILL = """
import os, signal

def pytest_soak_iteration(lane, iteration):
    if iteration.number == {number} and os.environ.get("STOP_WITH"):
        os.kill(os.getpid(), int(os.environ["STOP_WITH"]))
"""


def stopped(soak: Sessions, how: signal.Signals, *args: str) -> subprocess.CompletedProcess[str]:
    """Runs a session that gets a signal in its 4th iteration."""
    soak.pytester.makeconftest(KILL.format(number=4))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *args],
        env={**os.environ, "STOP_WITH": str(int(how))},
        cwd=soak.folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.smoke
def test_killed_and_resumed_equals_never_stopped(soak: Sessions) -> None:
    whole = soak(*MOCK, "--soak-dir=whole")
    assert whole.code in (0, 1)
    done = stopped(soak, signal.SIGKILL, *MOCK)
    assert done.returncode == -signal.SIGKILL
    resumed = soak(*MOCK, "--soak-resume")
    assert (resumed.items["passed"], resumed.done_before) == (6, 4)
    assert resumed.code == whole.code
    expected = (soak.folder / "whole" / "latest" / "journal.jsonl").read_bytes()
    assert resumed.journal() == expected
    again = soak(*MOCK, "--soak-resume")
    assert again.code == whole.code
    assert again.done_before == 10
    assert again.journal() == expected


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_cut_between_any_two_lines_and_resumed(soak: Sessions, cut: int) -> None:
    """The loss of the last lines in a crash does not change the result."""
    args = ("--soak-iterations=8", "--soak-mock", "--soak-interval=60")
    soak(*args, "--soak-dir=whole")
    whole = soak.folder / "whole" / "latest" / "journal.jsonl"
    first = soak(*args)
    journal = first.latest / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    middle = len(lines) // 2 + cut
    journal.write_bytes(b"".join(lines[:middle]) + lines[middle][:17])
    # The runtime file is as a crash at this point could leave it.
    runtime = _runtime_after(lines[:middle])
    (first.latest / "runtime_overrides.json").write_bytes(runtime)
    resumed = soak(*args, "--soak-resume")
    assert resumed.journal() == whole.read_bytes()


def _runtime_after(lines: list[bytes]) -> bytes:
    import json

    from pytest_soak.canonical import canonical_json
    from pytest_soak.loop.fold import fold
    from pytest_soak.profile.parameters import nest, tuner_copies

    state = fold([json.loads(line) for line in lines])
    profile = state.profile
    return canonical_json(nest(state.values, profile.parameters, tuner_copies(profile)))


def test_interrupted_is_still_judged(soak: Sessions) -> None:
    done = stopped(soak, signal.SIGINT, *MOCK)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "soak::gate[steady-BTCUSDT-1/completeness]" in done.stdout
    latest = soak.folder / "artifacts" / "soak" / "latest"
    for name in ("POST_SOAK_SNAPSHOT.json", "POST_SOAK_AUDIT.md", "POST_SOAK_METRICS.prom"):
        assert (latest / name).stat().st_size > 0
    resumed = soak(*MOCK, "--soak-resume")
    whole = soak(*MOCK, "--soak-dir=whole")
    assert resumed.journal() == (soak.folder / "whole/latest/journal.jsonl").read_bytes()
    assert resumed.code == whole.code


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--soak-iterations=3",), ("has done 6", "fewer")),
        (("--soak-profile=S1",), ("lanes", "S1-BTCUSDT-1")),
        (("--soak-seed=2",), ("lanes", "steady-BTCUSDT-2")),
        (("--soak-target=mock",), ("target",)),
        (("--soak-interval=60",), ("interval",)),
        (("--soak-no-tune",), ("--soak-no-tune",)),
    ],
)
def test_another_run_is_not_resumed(
    soak: Sessions, change: tuple[str, ...], words: tuple[str, ...]
) -> None:
    soak.bot()
    args = ["--soak-iterations=6", "--soak-target=bot:make"]
    assert soak(*args).code == 0
    before = (soak.folder / "artifacts/soak/latest/journal.jsonl").read_bytes()
    result = soak(*args, "--soak-resume", *change)
    assert result.code == 4, result.out
    for word in words:
        assert word in result.err
    assert (soak.folder / "artifacts/soak/latest/journal.jsonl").read_bytes() == before


def test_a_longer_plan_goes_on(soak: Sessions) -> None:
    soak.bot()
    soak("--soak-iterations=4", "--soak-target=bot:make")
    result = soak("--soak-iterations=6", "--soak-target=bot:make", "--soak-resume")
    assert (result.items, result.done_before) == ({"passed": 2}, 4)
    numbers = [item["iteration"] for item in result.entries() if item["type"] == "decision"]
    assert numbers == [1, 2, 3, 4, 5, 6]


def test_a_halted_iteration_is_tried_again(soak: Sessions) -> None:
    soak.bot(
        flaky="import os\nfrom bot import Bot\n"
        "class F(Bot):\n"
        "  def run(self, i, r):\n"
        "    if i == 3 and not os.path.exists('healed'): raise OSError('venue is down')\n"
        "    return super().run(i, r)\n"
        "def make(lane): return F(lane)\n"
    )
    args = ("--soak-iterations=5", "--soak-target=flaky:make")
    assert soak(*args).code == 1
    Path("healed").touch()
    result = soak(*args, "--soak-resume")
    assert result.code == 0, result.out
    numbers = [item["iteration"] for item in result.entries() if item["type"] == "decision"]
    assert numbers == [1, 2, 3, 4, 5]


def test_an_edit_from_outside_is_journaled_and_used(soak: Sessions) -> None:
    soak.bot(
        test_a="import json, pathlib\n"
        "PATH = pathlib.Path('artifacts/soak/latest/runtime_overrides.json')\n"
        "def test_a(soak_iteration, soak_runtime):\n"
        "    if soak_iteration.number == 2:\n"
        "        runtime = json.loads(PATH.read_text())\n"
        "        runtime['engine']['tail_age_ms'] = 650\n"
        "        PATH.write_text(json.dumps(runtime))\n"
        "    if soak_iteration.number == 3:\n"
        "        assert soak_runtime['tail_age_ms'] == 650\n"
    )
    result = soak("--soak-iterations=4", "--soak-target=bot:make", "--soak-no-tune")
    assert result.code == 0, result.out
    edits = [item for item in result.entries() if item["type"] == "external"]
    assert [item["keys"] for item in edits] == [{"tail_age_ms": [600, 650]}]


@pytest.mark.parametrize("spoilt", ["{", None])
def test_a_runtime_file_that_was_removed_is_written_as_decided(
    soak: Sessions, spoilt: str | None
) -> None:
    """It is removed after an edit that halted the lane, or between two sessions."""
    soak.bot()
    args = ("--soak-target=bot:make", "--soak-no-tune")
    first = soak("--soak-iterations=3", *args)
    runtime = first.latest / "runtime_overrides.json"
    decided = runtime.read_bytes()
    if spoilt is not None:
        runtime.write_text(spoilt)
        halted = soak("--soak-iterations=5", *args, "--soak-resume", valid=False)
        assert halted.code == 1
        assert "is no valid JSON" in halted.out
        assert "correct the file or remove it" in halted.out
    runtime.unlink()
    result = soak("--soak-iterations=5", *args, "--soak-resume")
    assert result.code == 0, result.out
    assert runtime.read_bytes() == decided
    assert "| external | REWRITTEN | lane=steady-BTCUSDT-1 iter=4 |" in result.text("run.log")
    numbers = [item["iteration"] for item in result.entries() if item["type"] == "decision"]
    assert numbers == [1, 2, 3, 4, 5]
