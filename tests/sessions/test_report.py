"""REPORT.html of a session: when it is written, and that the command writes the same one."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from pytest_soak.cli import main
from tests.sessions.conftest import Sessions

NAME = "REPORT.html"
MOCK = ("--soak-iterations=8", "--soak-mock", "-q")


class _Text(HTMLParser):
    """The text of a page, without its scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self._silent, self.texts = False, list[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._silent = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._silent = False

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.texts.append(data)


def text_of(page: str) -> str:
    return " ".join(" ".join(_Text(page).texts).split())


def command(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What ``pytest-soak report`` prints of the run."""
    capsys.readouterr()
    assert main(["report", str(path), "-o", "-"]) == 0
    return capsys.readouterr().out


def test_every_run_has_a_report_and_the_command_gives_it_again(
    soak: Sessions, capsys: pytest.CaptureFixture[str]
) -> None:
    result = soak(*MOCK)
    page = result.text(NAME)
    assert f"report: artifacts/soak/latest/{NAME}" in result.out
    assert "WARN" in text_of(page)
    assert "--soak-iterations=8 --soak-mock -q" in text_of(page)
    assert command(result.latest, capsys) == page


def test_several_lanes_have_one_report(soak: Sessions, capsys: pytest.CaptureFixture[str]) -> None:
    result = soak(*MOCK, "--soak-seed=1,2")
    page = result.text(NAME)
    for lane in ("steady-BTCUSDT-1", "steady-BTCUSDT-2"):
        assert lane in text_of(page)
        assert not (result.latest / lane / NAME).exists()
    assert command(result.latest, capsys) == page


def test_off_writes_none(soak: Sessions) -> None:
    result = soak(*MOCK, "--soak-report=off")
    assert result.code == 0
    assert not (result.latest / NAME).exists()
    assert NAME not in result.out


def test_the_ini_switches_it_off(soak: Sessions) -> None:
    soak.pytester.makeini("[pytest]\nsoak_report = off\n")
    assert not (soak(*MOCK).latest / NAME).exists()


def test_a_resumed_run_has_the_report_of_its_last_session(soak: Sessions) -> None:
    first = soak(*MOCK).text(NAME)
    resumed = soak("--soak-iterations=12", "--soak-mock", "-q", "--soak-resume")
    page = resumed.text(NAME)
    assert page != first
    assert "resumed with 12 planned iterations" in text_of(page)
    assert "12 of 12" in text_of(page)


def test_a_resumed_run_without_a_report_keeps_no_old_one(soak: Sessions) -> None:
    soak(*MOCK)
    again = soak("--soak-iterations=12", "--soak-mock", "-q", "--soak-resume", "--soak-report=off")
    assert not (again.latest / NAME).exists()


def test_secrets_of_the_command_line_are_masked(soak: Sessions) -> None:
    soak.bot()
    result = soak(
        "--soak-iterations=2", "--soak-target=bot:make", "-q", "--basetemp=api_key=s3cr3t-value-9"
    )
    assert "s3cr3t-value-9" not in result.text(NAME)
    assert "s3cr3t-value-9" not in result.text("run.json")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_halted_lane_says_why(soak: Sessions, workers: int) -> None:
    if workers:
        pytest.importorskip("xdist")
    soak.pytester.makepyfile(
        broken="""
        class Broken:
            def run(self, iteration, runtime):
                if iteration == 3:
                    raise RuntimeError("no <b>exchange</b>")
                return {"totals": {"net_bps": 3.0}}

        def make(lane):
            return Broken()
        """
    )
    spread = ("-n", str(workers)) if workers else ()
    result = soak("--soak-iterations=6", "--soak-target=broken:make", "-q", *spread)
    assert result.code == 1
    page = result.text(NAME)
    assert "no <b>exchange</b>" in text_of(page)
    assert "<b>exchange</b>" not in page
    assert "FAIL" in text_of(page)


def test_a_report_that_cannot_be_written_is_named_and_the_verdict_stands(soak: Sessions) -> None:
    soak.pytester.makeconftest(
        """
        from pathlib import Path

        def pytest_soak_iteration(lane, iteration):
            Path("artifacts/soak/latest/REPORT.html").mkdir(exist_ok=True)
        """
    )
    result = soak(*MOCK)
    assert result.code == 1
    assert "run/artifacts" in result.out
    assert NAME in result.out
    assert result.json("POST_SOAK_SNAPSHOT.json")["verdict"] == "WARN"


@pytest.mark.parametrize("place", ["collect.LaneCollector.add", "build.run_view"])
def test_an_error_of_the_report_costs_the_report_alone(
    soak: Sessions, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("in the view")

    name = "pytest_soak.stored_view.run_view" if place == "build.run_view" else ""
    monkeypatch.setattr(name or f"pytest_soak.report.view.{place}", fails)
    result = soak(*MOCK)
    assert result.code == 1
    assert "REPORT.html could not be made: ZeroDivisionError: in the view" in result.out
    assert not (result.latest / NAME).exists()
    assert result.json("POST_SOAK_SNAPSHOT.json")["verdict"] == "WARN"
    assert main(["gate", str(result.latest)]) == 0


def test_a_listing_session_writes_none(soak: Sessions) -> None:
    soak(*MOCK, "--collect-only")
    assert not (soak.folder / "artifacts").exists()
