"""What a session gives to CI: the summary of a job, JUnit properties, file and line of a limit."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.sessions.conftest import CRITERIA, Result, Sessions

VARIABLE = "GITHUB_STEP_SUMMARY"
RUN = ("--soak-iterations=24", "--soak-no-tune", "--soak-target=bot:make")
POOR = ("--soak-iterations=24", "--soak-no-tune", "--soak-target=bot:poor")
PROFILE = """\
extends: steady
gate:
  criteria:
    # below what the bot reports
    p95_latency_ms: "<= 300"
  pass_count_slack: 2
"""
LIMITED = ("--soak-iterations=24", "--soak-no-tune", "--soak-profile=./soaks/mine.yaml")
IDS = "soak::gate[mine-BTCUSDT-1/p95_latency_ms]"


@pytest.fixture
def limited(soak: Sessions) -> Sessions:
    """A project with a profile that fails the bot by its latency, in line 5."""
    soak.bot()
    (soak.folder / "soaks").mkdir()
    (soak.folder / "soaks/mine.yaml").write_text(PROFILE)
    return soak


def headings(path: Path) -> list[str]:
    return [line for line in path.read_text("utf-8").splitlines() if line.startswith("#")]


# -- the summary -----------------------------------------------------------------------------------


def test_sessions_append_to_the_file_of_the_step(
    soak: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    soak.bot()
    file = soak.folder / "step_summary"
    file.write_text("an earlier command\n")
    monkeypatch.setenv(VARIABLE, str(file))
    assert soak(*POOR).code == 1
    assert soak(*RUN).code == 0
    assert file.read_text().startswith("an earlier command\n\n\n## Soak: FAIL\n")
    assert headings(file) == [
        "## Soak: FAIL",
        "### Lane steady-BTCUSDT-1: FAIL",
        "## Soak: PASS",
        "### Lane steady-BTCUSDT-1: PASS",
    ]
    assert "`artifacts/soak/latest`" in file.read_text()


@pytest.mark.parametrize("how", ["option", "ini"])
@pytest.mark.parametrize("value", ["auto", "off", "reports/soak.md"])
def test_where_the_summary_goes(
    soak: Sessions, monkeypatch: pytest.MonkeyPatch, how: str, value: str
) -> None:
    soak.bot()
    step, file = soak.folder / "step_summary", soak.folder / "reports/soak.md"
    monkeypatch.setenv(VARIABLE, str(step))
    if how == "ini":
        soak.pytester.makeini(f"[pytest]\nsoak_summary = {value}")
    args = (f"--soak-summary={value}",) if how == "option" else ()
    for _ in range(2):
        assert soak(*RUN, *args).code == 0
    assert step.exists() == (value == "auto")
    assert file.exists() == value.startswith("reports")
    if file.exists():  # replaced, not appended to
        assert headings(file)[0] == "## Soak: PASS"
        assert len(headings(file)) == 2


def test_without_the_variable_there_is_no_summary(soak: Sessions) -> None:
    soak.bot()
    before = set(soak.folder.iterdir())
    assert soak(*RUN).code == 0
    assert {path.name for path in set(soak.folder.iterdir()) - before} <= {
        "artifacts",
        "__pycache__",
    }


@pytest.mark.parametrize("args", [("--collect-only",), ("--fixtures",), ("-k", "nothing")])
def test_a_session_without_a_run_has_no_summary(
    soak: Sessions, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]
) -> None:
    soak.bot()
    monkeypatch.setenv(VARIABLE, str(soak.folder / "step_summary"))
    soak(*RUN, *args)
    assert not (soak.folder / "step_summary").exists()


def test_workers_write_no_summary_of_their_own(
    soak: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xdist")
    soak.bot()
    file = soak.folder / "step_summary"
    monkeypatch.setenv(VARIABLE, str(file))
    lanes = ("--soak-seed=1,2,3", "-n", "2")
    assert soak(*POOR, *lanes, subprocess=True).code == 1
    ids = [f"### Lane steady-BTCUSDT-{seed}: FAIL" for seed in (1, 2, 3)]
    assert headings(file) == ["## Soak: FAIL", *ids]


@pytest.mark.parametrize("kind", ["a directory", "no folder"])
def test_a_summary_that_cannot_be_written_costs_only_the_summary(
    soak: Sessions, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    soak.bot()
    file = soak.folder if kind == "a directory" else soak.folder / "no/step_summary"
    monkeypatch.setenv(VARIABLE, str(file))
    result = soak(*RUN, "-rf")
    assert result.code == 1
    assert "gate: PASS" in result.out
    assert "FAILED soak::gate[run/artifacts]" in result.out
    assert f"the summary {file}: cannot " in result.out
    assert result.json("run.json")["verdict"] == "PASS"
    assert (result.latest / "judgement.jsonl").stat().st_size
    assert (result.latest / "POST_SOAK_AUDIT.md").stat().st_size


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--soak-summary=on", "--soak-summary: 'on' is not auto, off or a file"),
        ("--soak-summary=", "--soak-summary is given without a value"),
        ("--soak-summary=folder", "--soak-summary: "),
        ("--soak-report=maybe", "--soak-report: 'maybe' is not on or off"),
    ],
)
def test_a_bad_value_is_refused(soak: Sessions, option: str, message: str) -> None:
    soak.bot()
    (soak.folder / "folder").mkdir()
    result = soak(*RUN, option)
    assert result.code == 4
    assert message in result.err
    assert not (soak.folder / "artifacts").exists()


def test_a_bad_value_of_the_ini_is_refused(soak: Sessions) -> None:
    soak.bot()
    for line, message in (
        ("soak_report = 1", "ini soak_report: '1' is not on or off"),
        ("soak_summary = true", "ini soak_summary: 'true' is not auto, off or a file"),
    ):
        soak.pytester.makeini(f"[pytest]\n{line}")
        result = soak(*RUN)
        assert (result.code, message in result.err) == (4, True), result.err


# -- JUnit XML and locations -----------------------------------------------------------------------


def cases(result: Result, name: str = "junit.xml") -> dict[str, ElementTree.Element]:
    """The cases of the gate by criterion."""
    suite = ElementTree.parse(result.folder / name).getroot()
    criteria = {case.get("name", ""): case for case in suite.iter("testcase")}
    return {
        name.partition("/")[2].removesuffix("]"): case
        for name, case in criteria.items()
        if name.startswith("gate[")
    }


def properties(case: ElementTree.Element) -> dict[str, str]:
    pairs = [(item.get("name", ""), item.get("value", "")) for item in case.iter("property")]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


BOTH = pytest.mark.parametrize("family", ["xunit1", "xunit2"])
SPREAD = pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["plain", "xdist"])


@BOTH
@SPREAD
def test_junit_has_the_figures_as_numbers(
    limited: Sessions, family: str, workers: tuple[str, ...]
) -> None:
    if workers:
        pytest.importorskip("xdist")
    args = ("--soak-target=bot:make", "--junitxml=junit.xml", "-o", f"junit_family={family}")
    result = limited(*LIMITED, *args, *workers, subprocess=bool(workers))
    assert result.code == 1
    criteria = cases(result)
    assert list(criteria) == list(CRITERIA)
    (lane,) = [result.json("POST_SOAK_SNAPSHOT.json")]
    for item in lane["criteria"]:
        given = properties(criteria[item["name"]])
        assert given.pop("soak_gate").startswith(item["verdict"])
        numbers = {name: float(text) for name, text in given.items()}
        for name, key in (("soak_value", "value"), ("soak_margin", "margin")):
            assert numbers.get(name) == item[key]
    latency = properties(criteria["p95_latency_ms"])
    assert float(latency["soak_limit"]) == 300
    assert 310.0 < float(latency["soak_value"]) < float(latency["soak_bound"]) < 310.1
    assert float(latency["soak_margin"]) == 300 - float(latency["soak_value"])
    assert "soak_bound" not in properties(criteria["completeness"])
    assert "soak_limit" not in properties(criteria["drift:net_bps"])


@BOTH
@SPREAD
def test_junit_has_the_line_of_the_limit(
    limited: Sessions, family: str, workers: tuple[str, ...]
) -> None:
    """pytest counts lines from 0; its family xunit2 has no attributes for file and line."""
    if workers:
        pytest.importorskip("xdist")
    args = ("--soak-target=bot:make", "--junitxml=junit.xml", "-o", f"junit_family={family}")
    criteria = cases(limited(*LIMITED, *args, *workers, subprocess=bool(workers)))
    places = {name: (case.get("file"), case.get("line")) for name, case in criteria.items()}
    if family == "xunit2":
        assert set(places.values()) == {(None, None)}
        return
    mine = str(Path("soaks", "mine.yaml"))
    assert places["p95_latency_ms"] == (mine, "4")
    assert places["drift:p95_latency_ms"] == (mine, "4")
    assert places["pass_count_last8"] == (mine, "5")
    assert places["checks"] == places["completeness"] == places["stale"] == (mine, "1")
    assert places["net_bps"] == ("soak", None)  # the shipped profile is not below the root


ANNOTATES = """
def pytest_runtest_logreport(report):
    if report.when == "call" and report.failed:
        file, line, domain = report.location
        print(f"\\n::error file={file}" + (f",line={line + 1}" if line is not None else "")
              + f"::{report.head_line}: {str(report.longrepr).splitlines()[0]}")
"""
"""As annotation plugins read a report: lines from 1, the file as seen from the root."""


def test_an_annotation_is_at_the_line_of_the_limit(limited: Sessions) -> None:
    limited.pytester.makeconftest(ANNOTATES)
    result = limited(*LIMITED, "--soak-target=bot:make", "-s")
    lines = [line for line in result.out.splitlines() if line.startswith("::error ")]
    assert len(lines) == 1
    assert lines[0].startswith(
        f"::error file={Path('soaks', 'mine.yaml')},line=5::"
        "gate[mine-BTCUSDT-1/p95_latency_ms]: FAIL: p95_latency_ms: 310.0"
    )
    assert (limited.folder / "soaks/mine.yaml").read_text().splitlines()[4].strip() == (
        'p95_latency_ms: "<= 300"'
    )


def test_the_lines_of_the_terminal_name_lane_and_criterion(limited: Sessions) -> None:
    result = limited(*LIMITED, "--soak-target=bot:make", "-v", "-rf")
    (line,) = [line for line in result.out.splitlines() if line.startswith(f"{IDS} ")]
    assert line.split()[:2] == [IDS, "FAILED"]
    assert "mine.yaml" not in line
    assert f"FAILED {IDS}" in result.out
    assert "__ gate[mine-BTCUSDT-1/p95_latency_ms] __" in result.out
    twice = limited(*LIMITED, "--soak-target=bot:make", "-vv")
    (line,) = [line for line in twice.out.splitlines() if line.startswith(f"{IDS} ")]
    assert f"{IDS} <- {Path('soaks', 'mine.yaml')} FAILED" in line


def test_a_resumed_run_has_the_lines_too(limited: Sessions) -> None:
    args = ("--soak-target=bot:make", "--junitxml=junit.xml", "-o", "junit_family=xunit1")
    limited(*LIMITED, *args)
    criteria = cases(limited(*LIMITED, *args, "--soak-resume"))
    assert criteria["p95_latency_ms"].get("line") == "4"


def test_a_profile_that_is_changed_during_the_run_has_the_lines_as_it_was_read(
    limited: Sessions,
) -> None:
    limited.pytester.makepyfile(
        test_a="import pathlib\ndef test_a(soak_iteration):\n"
        "    pathlib.Path('soaks/mine.yaml').write_text('# replaced')\n"
    )
    args = ("--soak-target=bot:make", "--junitxml=junit.xml", "-o", "junit_family=xunit1")
    criteria = cases(limited(*LIMITED, *args))
    assert criteria["p95_latency_ms"].get("line") == "4"


def test_the_journal_has_no_lines(limited: Sessions) -> None:
    """Comments move the lines of a profile, and change no byte of a journal."""
    first = limited(*LIMITED, "--soak-target=bot:make").journal()
    profile = limited.folder / "soaks/mine.yaml"
    profile.write_text("# one\n\n# two\n" + PROFILE)
    assert limited(*LIMITED, "--soak-target=bot:make").journal() == first
    assert os.fspath(profile).encode() not in first
