"""Which file makes the target, proposes and judges is shown; two that would decide are refused."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sessions.conftest import BOT, Sessions
from tests.sessions.test_bad_input import refused

TARGET = f"{BOT}\ndef pytest_soak_target(lane):\n    return Bot(lane)\n"
PROPOSE = """
def pytest_soak_propose(lane, kpis, headroom, history):
    return {} if history else {"tail_age_ms": 5.0}
"""
GATE = """
def pytest_soak_gate(lane, history):
    from pytest_soak import criterion
    return [criterion("own", "FAIL", "own: no")]
"""
CHECK = "def test_check(soak_iteration):\n    assert soak_iteration.number > 0\n"
FOUR = "--soak-iterations=4"


def write(folder: Path, **files: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)


def line_of(path: Path, text: str) -> int:
    return path.read_text().splitlines().index(text) + 1


def test_header_run_and_audit_name_file_and_line(soak: Sessions) -> None:
    write(soak.folder, conftest=TARGET + PROPOSE)
    result = soak(FOUR)
    assert result.code == 0, result.out
    conftest = soak.folder / "conftest.py"
    target = line_of(conftest, "def pytest_soak_target(lane):")
    propose = line_of(conftest, "def pytest_soak_propose(lane, kpis, headroom, history):")
    text = f"pytest_soak_target conftest.py:{target}, pytest_soak_propose conftest.py:{propose}"
    assert f"soak: hooks: {text}" in result.out.splitlines()
    about = result.json("run.json")
    assert about["hooks"] == [
        {"hook": "pytest_soak_target", "file": "conftest.py", "line": target},
        {"hook": "pytest_soak_propose", "file": "conftest.py", "line": propose},
    ]
    digest = hashlib.sha256(conftest.read_bytes()).hexdigest()
    assert about["versions"]["files"] == {"conftest.py": digest}
    fingerprint = result.json("POST_SOAK_SNAPSHOT.json")["fingerprint"]
    assert fingerprint["versions"]["files"] == {"conftest.py": digest}
    assert f"- hooks: {text}" in result.text("POST_SOAK_AUDIT.md").splitlines()
    assert str(soak.folder).encode() not in result.journal()
    assert str(soak.folder) not in result.text("run.json")


def test_the_command_prints_the_same_audit(soak: Sessions) -> None:
    write(soak.folder, conftest=TARGET)
    result = soak(FOUR)
    for command, name in (("audit", "POST_SOAK_AUDIT.md"), ("snapshot", "POST_SOAK_SNAPSHOT.json")):
        done = subprocess.run(
            [sys.executable, "-m", "pytest_soak", command, "artifacts/soak"],
            cwd=soak.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.strip() == result.text(name).strip()


def test_a_factory_is_shown_with_its_file(soak: Sessions) -> None:
    soak.bot()
    result = soak(FOUR, "--soak-target=bot:make")
    line = line_of(soak.folder / "bot.py", "def make(lane):")
    assert f"soak: target: bot:make, bot.py:{line}" in result.out.splitlines()
    assert result.json("run.json")["hooks"] == [
        {"hook": "--soak-target", "file": "bot.py", "line": line}
    ]
    # A class that is its own factory has no code object, and a line all the same.
    result = soak(FOUR, "--soak-target=bot:Bot")
    assert f"soak: target: bot:Bot, bot.py:{line_of(soak.folder / 'bot.py', 'class Bot:')}" in (
        result.out.splitlines()
    )


def test_nothing_is_shown_where_the_plugin_decides_alone(soak: Sessions) -> None:
    result = soak(FOUR, "--soak-mock")
    assert "soak: hooks" not in result.out
    assert "soak: target:" not in result.out
    assert result.json("run.json")["hooks"] == []
    assert "files" not in result.json("run.json")["versions"]


def test_a_hook_that_is_not_asked_is_not_shown(soak: Sessions) -> None:
    pytest.importorskip("xdist")
    write(soak.folder, conftest=TARGET)
    assert "soak: hooks" not in soak(FOUR, "--soak-mock").out


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["plain", "xdist"])
def test_a_proposer_of_a_sub_folder_is_used_and_shown(
    soak: Sessions, workers: tuple[str, ...]
) -> None:
    if workers:
        pytest.importorskip("xdist")
    write(soak.folder, conftest=TARGET)
    write(soak.folder / "sub", conftest=PROPOSE, test_sub=CHECK)
    result = soak(FOUR, *workers)
    assert result.code == 0, result.out
    assert "soak: hooks: pytest_soak_propose sub/conftest.py:2" in result.out.splitlines()
    about = result.json("run.json")
    assert {"hook": "pytest_soak_propose", "file": "sub/conftest.py", "line": 2} in about["hooks"]
    assert set(about["versions"]["files"]) == {"conftest.py", "sub/conftest.py"}
    decisions = [entry for entry in result.entries() if entry["type"] == "decision"]
    assert [item["key"] for item in decisions[0]["proposed"]] == ["tail_age_ms"]
    assert "pytest_soak_propose sub/conftest.py:2" in result.text("POST_SOAK_AUDIT.md")


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["plain", "xdist"])
def test_a_target_of_a_sub_folder_is_used_and_shown(
    soak: Sessions, workers: tuple[str, ...]
) -> None:
    if workers:
        pytest.importorskip("xdist")
    write(soak.folder / "sub", conftest=TARGET, test_sub=CHECK)
    result = soak(FOUR, *workers)
    assert result.code == 0, result.out + result.err
    line = line_of(soak.folder / "sub/conftest.py", "def pytest_soak_target(lane):")
    assert f"soak: hooks: pytest_soak_target sub/conftest.py:{line}" in result.out.splitlines()


def test_a_gate_of_a_sub_folder_judges(soak: Sessions) -> None:
    write(soak.folder, conftest=TARGET)
    write(soak.folder / "sub", conftest=GATE, test_sub=CHECK)
    result = soak(FOUR)
    assert result.code == 1
    assert result.gate["own"] == "FAIL"
    assert "soak: hooks: pytest_soak_gate sub/conftest.py:2" in result.out.splitlines()


def test_a_gate_that_only_workers_load_is_refused(soak: Sessions) -> None:
    """The controller judges, and does not collect: the criterion would be lost without a word."""
    pytest.importorskip("xdist")
    write(soak.folder, conftest=TARGET)
    write(soak.folder / "sub", conftest=GATE, test_sub=CHECK)
    line = refused(soak, FOUR, "-n1")
    assert "sub/conftest.py:2 answers pytest_soak_gate" in line
    assert soak(FOUR, "-n1", "sub").gate["own"] == "FAIL"


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["plain", "xdist"])
@pytest.mark.parametrize(
    ("hook", "text"),
    [("pytest_soak_propose", PROPOSE), ("pytest_soak_target", TARGET)],
    ids=["propose", "target"],
)
def test_two_answers_are_refused(
    soak: Sessions, workers: tuple[str, ...], hook: str, text: str
) -> None:
    if workers:
        pytest.importorskip("xdist")
    write(soak.folder, conftest=TARGET + PROPOSE)
    write(soak.folder / "sub", conftest=text, test_sub=CHECK)
    line = refused(soak, FOUR, *workers)
    assert hook in line
    first = next(n for n, t in enumerate((TARGET + PROPOSE).splitlines(), 1) if f"def {hook}(" in t)
    second = next(n for n, t in enumerate(text.splitlines(), 1) if f"def {hook}(" in t)
    assert f"conftest.py:{first} and in sub/conftest.py:{second}" in line


def test_two_targets_do_not_matter_where_the_option_names_one(soak: Sessions) -> None:
    write(soak.folder, conftest=TARGET)
    write(soak.folder / "sub", conftest=TARGET, test_sub=CHECK)
    assert soak(FOUR, "--soak-mock").code == 0


def test_two_proposers_do_not_matter_with_the_tuner_off(soak: Sessions) -> None:
    write(soak.folder, conftest=TARGET + PROPOSE)
    write(soak.folder / "sub", conftest=PROPOSE, test_sub=CHECK)
    assert soak(FOUR, "--soak-no-tune").code == 0


def test_one_function_in_two_conftests_is_one_answer(soak: Sessions) -> None:
    write(soak.folder, conftest=TARGET, shared=PROPOSE)
    write(soak.folder / "sub", conftest="from shared import pytest_soak_propose\n", test_sub=CHECK)
    with (soak.folder / "conftest.py").open("a") as stream:
        stream.write("from shared import pytest_soak_propose\n")
    result = soak(FOUR)
    assert result.code == 0, result.out + result.err
    assert "pytest_soak_propose shared.py:2" in result.out


def test_no_target_at_all_is_refused_in_workers_too(soak: Sessions) -> None:
    pytest.importorskip("xdist")
    write(soak.folder, test_root=CHECK)
    text = " ".join(refused(soak, FOUR, "-n1").split())
    assert "no target" in text
    assert "live is for a profile with a section target" in text


def test_a_session_that_only_lists_needs_no_target(soak: Sessions) -> None:
    write(soak.folder, test_root=CHECK)
    assert soak(FOUR, "--collect-only", "-q").code == 0


def test_a_resume_says_that_a_file_has_changed(soak: Sessions) -> None:
    write(soak.folder, conftest=TARGET)
    soak(FOUR)
    assert "is not as it was" not in soak("--soak-iterations=5", "--soak-resume").out
    write(soak.folder, conftest=TARGET + "\n# edited\n")
    result = soak("--soak-iterations=6", "--soak-resume")
    assert "soak: warning: conftest.py is not as it was" in result.out
    assert "is not as it was" not in soak("--soak-iterations=7", "--soak-resume").out


def test_a_damaged_list_in_run_json_is_refused(soak: Sessions) -> None:
    soak.bot()
    result = soak(FOUR, "--soak-target=bot:make")
    about = result.json("run.json")
    about["hooks"] = [{"hook": 1}]
    (result.latest / "run.json").write_text(json.dumps(about))
    done = subprocess.run(
        [sys.executable, "-m", "pytest_soak", "audit", "artifacts/soak"],
        cwd=soak.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "hooks.0: 'file' is missing" in done.stderr
