"""No change of a file of a stored run gives a better verdict, or a traceback."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_soak.cli import main
from tests.sessions.conftest import BOT

pytestmark = pytest.mark.exhaustive

HOOK = (
    "from pytest_soak import criterion\n"
    "def pytest_soak_gate(lane, history): return [criterion('mine', 'FAIL', 'mine: no')]\n"
)
JUDGED_FROM = ("run.json", "judgement.jsonl", "journal.jsonl")
COMMANDS = ("gate", "verify", "snapshot", "audit", "explain")


@dataclass(frozen=True)
class Run:
    name: str
    path: Path
    exit: int
    """Exit code of ``gate`` before any change."""

    def files(self) -> list[Path]:
        """All files; of the summaries, which are alike, only the first of each lane."""
        files = sorted(path for path in self.path.rglob("*") if path.is_file())
        return [
            path
            for path in files
            if not path.name.startswith("ITER_SUMMARY") or path.stem.endswith("_1")
        ]

    def is_judged_from(self, path: Path) -> bool:
        return path.name in JUDGED_FROM


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Real runs with all their files: a PASS, a FAIL by limits of two lanes, a FAIL by a hook."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "bot.py").write_text(BOT)
    soak(folder, "pass", "--soak-target=bot:make")
    soak(folder, "limits", "--soak-target=bot:poor", "--soak-seed=1,2")
    (folder / "conftest.py").write_text(HOOK)
    soak(folder, "hook", "--soak-target=bot:make")
    stored = [
        Run(name, folder / name / "latest", main(["gate", str(folder / name)]))
        for name in ("pass", "limits", "hook")
    ]
    assert [run.exit for run in stored] == [0, 1, 1]
    return stored


def soak(folder: Path, name: str, *args: str) -> None:
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    length = ("--soak-iterations=24", "--soak-no-tune", f"--soak-dir={name}")
    environment = {key: value for key, value in os.environ.items() if key[:5] != "SOAK_"}
    subprocess.run(
        [*command, *length, *args],
        cwd=folder,
        env=environment,
        check=False,
        stdout=subprocess.DEVNULL,
    )


def gate(run: Run) -> int:
    return main(["gate", str(run.path)])


def allowed(run: Run, path: Path) -> set[int]:
    """Exit codes of ``gate`` after a change of ``path``: 2, or unchanged for a file it ignores."""
    return {2} if run.is_judged_from(path) else {run.exit}


def quiet(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err
    return captured.err


@pytest.fixture
def unchanged(runs: list[Run]) -> Iterator[list[Run]]:
    """The runs; at the end their exit codes must be as before, so every change was undone."""
    yield runs
    assert [gate(run) for run in runs] == [run.exit for run in runs]


def test_a_thousand_single_bytes(unchanged: list[Run], capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(20_260_101)
    places = [(run, path) for run in unchanged for path in run.files() if path.stat().st_size]
    judged = [(run, path) for run, path in places if run.is_judged_from(path)]
    outcomes: Counter[tuple[str, int]] = Counter()
    # Every file at least once; most changes are in the files that the verdict depends on.
    chosen = [*places, *rng.choices(judged, k=1000)][:1000]
    for run, path in chosen:
        whole = path.read_bytes()
        place = rng.randrange(len(whole))
        changed = bytearray(whole)
        changed[place] ^= rng.randrange(1, 256)
        path.write_bytes(changed)
        code = gate(run)
        error = quiet(capsys)
        outcomes[path.name, code] += 1
        assert code in allowed(run, path), (run.name, path.name, place, changed[place], error)
        if code == 2:
            assert error.count("\n") == 1, error
            assert error.startswith("pytest-soak: ")
        path.write_bytes(whole)
    assert outcomes.total() == 1000
    assert {name for name, code in outcomes if code == 2} == set(JUDGED_FROM)


def test_every_file_removed(unchanged: list[Run], capsys: pytest.CaptureFixture[str]) -> None:
    for run in unchanged:
        for path in run.files():
            whole = path.read_bytes()
            path.unlink()
            for command in COMMANDS if run.is_judged_from(path) else ("gate",):
                code = main([command, str(run.path)])
                error = quiet(capsys)
                if command == "gate":
                    assert code in allowed(run, path), (run.name, path.name, error)
                assert code in (0, 1, 2)
            path.write_bytes(whole)


def test_every_file_exchanged_with_another_runs(
    unchanged: list[Run], capsys: pytest.CaptureFixture[str]
) -> None:
    for run in unchanged:
        for path in run.files():
            for other in unchanged:
                for theirs in (item for item in other.files() if item.name == path.name):
                    whole = path.read_bytes()
                    if theirs == path or theirs.read_bytes() == whole:
                        continue
                    path.write_bytes(theirs.read_bytes())
                    code = gate(run)
                    error = quiet(capsys)
                    assert code in allowed(run, path), (run.name, path.name, other.name, error)
                    path.write_bytes(whole)


def test_a_whole_file_cut_anywhere(
    unchanged: list[Run], capsys: pytest.CaptureFixture[str]
) -> None:
    for run in unchanged:
        for path in (item for item in run.files() if run.is_judged_from(item)):
            whole = path.read_bytes()
            for part in range(0, len(whole), max(1, len(whole) // 12)):
                path.write_bytes(whole[:part])
                assert gate(run) == 2, (run.name, path.name, part)
                quiet(capsys)
            path.write_bytes(whole)


def test_a_lane_that_is_taken_out_or_put_in(
    unchanged: list[Run], capsys: pytest.CaptureFixture[str]
) -> None:
    run = unchanged[1]
    first, second = sorted(path for path in run.path.iterdir() if path.is_dir())
    shutil.move(second, run.path.parent / "away")
    assert gate(run) == 2
    assert f"{second} does not exist" in quiet(capsys)
    shutil.copytree(first, second)
    assert gate(run) == 2
    assert "says lanes.id = 'steady-BTCUSDT-2', but" in quiet(capsys)
    shutil.rmtree(second)
    shutil.move(run.path.parent / "away", second)
    shutil.copytree(first, run.path / "steady-BTCUSDT-3")
    assert gate(run) == 2
    assert "has a journal in steady-BTCUSDT-3" in quiet(capsys)
    shutil.rmtree(run.path / "steady-BTCUSDT-3")
