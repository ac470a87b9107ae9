"""The command ``doctor`` as a user runs it: what it prints, its exit code, and what it leaves."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.cli import main
from pytest_soak.doctor.command import finding_lines
from pytest_soak.doctor.finding import Finding
from tests.unit.live.servers import answer, serving

PROFILE = """
run: {interval: 2, iterations: 30}
parameters: {workers: {path: service, type: int, start: 8, min: 1, max: 64}}
kpis: {p95_ms: totals.p95_ms}
rules: {GROW: {when: {p95_ms: "> 100"}, moves: {workers: {mul: 1.2}}}}
gate: {criteria: {p95_ms: "<= 120"}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return tmp_path


def profile(folder: Path, target: str = "", **changes: str) -> str:
    text = PROFILE
    for old, new in changes.items():
        text = text.replace(old, new)
    (folder / "shop.yaml").write_text(text + (f"target: {target}\n" if target else ""))
    return "./shop.yaml"


def doctor(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code, and name to finding."""
    code = main(["doctor", *arguments, "--json"])
    document = json.loads(capsys.readouterr().out)
    return code, {item["name"]: item for item in document["findings"]}


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_without_a_profile(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("python            OK    3.")
    assert all(len(line) <= 100 for line in lines)
    assert lines[-1].endswith(" OK, 0 WARN, 0 FAIL")
    assert any(line.startswith("disk              OK") for line in lines)
    assert list(folder.iterdir()) == []


def test_a_line_with_advice_is_aligned() -> None:
    assert finding_lines(Finding("disk", "WARN", "x " * 60, "free some disk")) == [
        "disk              WARN  " + "x " * 37 + "x",
        " " * 24 + "x " * 21 + "x",
        " " * 21 + "-> free some disk",
    ]


def test_the_iterations_are_those_of_the_profile(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, seen = doctor(capsys, profile(folder))
    assert code == 0
    assert "30 iterations need" in seen["disk"]["text"]
    assert seen["profile"]["text"] == "./shop.yaml: 1 parameter, 1 KPI, 1 rule, 1 gated KPI"
    assert seen["live target"]["text"] == "the profile has no section target"
    _, seen = doctor(capsys, "./shop.yaml", "--iterations", "500")
    assert "500 iterations need" in seen["disk"]["text"]


def test_a_profile_with_warnings_and_one_that_is_wrong(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = profile(folder, **{'"> 100"': '["> 100", "< 50"]'})
    code, seen = doctor(capsys, name)
    assert (code, seen["profile"]["status"]) == (0, "WARN")
    assert "rules.GROW.when.p95_ms: GROW can never fire" in seen["profile"]["text"]
    assert seen["profile"]["advice"] == "pytest-soak profile check ./shop.yaml"
    assert main(["doctor", name, "--strict"]) == 1
    capsys.readouterr()
    code, seen = doctor(capsys, profile(folder, **{"start: 8": "start: 800"}))
    assert (code, seen["profile"]["status"]) == (1, "FAIL")
    assert "800 is outside 1 to 64" in seen["profile"]["text"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["./none.yaml"], "there is no such file"),
        (["--wait", "0"], "--wait 0: must be above 0"),
        (["--interval", "nan"], "--interval nan: must be above 0"),
        (["--apply"], "--apply needs a profile"),
    ],
)
def test_bad_arguments(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["doctor", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_service_behind_urls_is_read_and_not_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = count(1)

    def reply(request: bytes) -> bytes:
        report = {"seq": next(numbers), "totals": {"p95_ms": 90.0}}
        return answer(json.dumps({**report, "effective_params": {"workers": 8}}).encode())

    with serving(reply) as server:
        target = f"{{parameters: {{http: '{server.url}'}}, report: {{http: '{server.url}'}}}}"
        code, seen = doctor(capsys, profile(folder, target), "--wait", "30", "--interval", "0.5")
        requests = list(server.requests)
    assert code == 0
    assert {request.split(b" ")[0] for request in requests} == {b"GET"}
    assert seen["report"]["text"].startswith(f"{server.url}: read in ")
    assert "0.45 s of each interval are measured" in seen["report pace"]["text"]
    assert seen["echo"]["text"] == "all 1 parameters; all at their start values"
    assert seen["KPIs"]["text"] == "1 of 1 have data"
    assert "not contacted" in seen["destination"]["text"]
    assert seen["reload"]["text"].startswith("not measured")


def test_apply_delivers_to_the_service(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workers, numbers = [20], count(1)

    def reply(request: bytes) -> bytes:
        if request.startswith(b"PUT"):
            workers.append(json.loads(request.partition(b"\r\n\r\n")[2])["service"]["workers"])
        report = {"seq": next(numbers), "totals": {"p95_ms": 90.0}}
        return answer(json.dumps({**report, "effective_params": {"workers": workers[-1]}}).encode())

    with serving(reply) as server:
        target = f"{{parameters: {{http: '{server.url}'}}, report: {{http: '{server.url}'}}}}"
        code, seen = doctor(
            capsys, profile(folder, target), "--apply", "--interval", "20", "--wait", "0.1"
        )
    assert code == 0
    assert workers == [20, 8]
    assert seen["echo"]["text"] == "all 1 parameters; not at the start: workers"
    assert seen["delivery"]["status"] == "OK"
    assert "after the delivery, the time to the next report included" in seen["reload"]["text"]


def test_files_stay_as_they_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "report.json").write_text('{"totals": {"p95": 90}}')
    (folder / "params.json").write_text("{}")
    name = profile(folder, "{parameters: {file: params.json}, report: {file: report.json}}")
    before = tree(folder)
    code, seen = doctor(capsys, name, "--wait", "0.1", "--interval", "60")
    assert code == 1
    assert tree(folder) == before
    assert seen["report age"]["status"] == "OK"
    assert seen["report pace"]["status"] == "WARN"
    assert seen["KPI"]["text"].startswith("p95_ms (read by verdict, rule GROW, gate): no field")
    assert seen["destination"]["text"].endswith("has 0 parameters; nothing was written")


def test_a_service_that_a_session_starts_is_not_started(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    processes = "{bot: {command: ['{python}', -c, 'open(\"started\", \"w\")']}}"
    code, seen = doctor(
        capsys, profile(folder, "{report: {file: '{dir}/r.json'}, processes: " + processes + "}")
    )
    assert code == 0
    assert not (folder / "started").exists()
    assert seen["reports"]["text"] == "not measured: a session starts bot, and the doctor does not"
    assert "--soak-iterations=2 --soak-interval=1" in seen["reports"]["advice"]


def test_a_program_that_is_not_there_and_a_section_that_is_wrong(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = profile(folder, "{processes: {bot: {command: [no-such-program]}}}")
    code, seen = doctor(capsys, name)
    assert (code, seen["live target"]["status"]) == (1, "FAIL")
    assert "no-such-program" in seen["live target"]["text"]
    name = profile(folder, "{timing: {settle_s: 5}}")
    code, seen = doctor(capsys, name)
    assert "5 s are more than half the interval of 2 s" in seen["live target"]["text"]


def test_a_report_in_the_directory_of_a_run_without_a_process(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, seen = doctor(capsys, profile(folder, "{timing: {deadline_s: 1}}"))
    assert seen["reports"]["status"] == "WARN"
    assert "is in {dir}, which is another directory in each run" in seen["reports"]["text"]
