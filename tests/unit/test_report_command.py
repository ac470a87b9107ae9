"""``pytest-soak report``: where it writes, its exit codes, and the explanations in the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_soak.cli import main
from pytest_soak.loop.history import moment_of, moments
from pytest_soak.loop.model import Halt
from pytest_soak.report.explain.iteration import explain_iteration
from pytest_soak.report.page.iteration_rows import explained_iterations
from pytest_soak.report.view.model import from_json
from pytest_soak.store.lock import DirectoryLock
from pytest_soak.store.rundir import RunDirectory
from pytest_soak.stored import read_entries
from pytest_soak.stored_view import stored_view
from tests.unit.report.page.document import parsed
from tests.unit.report.runs import decided_entries
from tests.unit.sealed_runs import stored_run

CAPTURE = pytest.CaptureFixture[str]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return stored_run(tmp_path / "soak", decided_entries(9, net=1.0))


def test_it_writes_into_the_run(path: Path, capsys: CAPTURE) -> None:
    assert main(["report", str(path)]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"written: {path / 'REPORT.html'}\n"
    document = parsed((path / "REPORT.html").read_text("utf-8"))
    assert document.only("h1").words == "FAIL"
    # What it wrote is no part of the run: the same command gives the same page.
    first = (path / "REPORT.html").read_bytes()
    assert main(["report", str(path)]) == 0
    assert (path / "REPORT.html").read_bytes() == first


def test_it_writes_to_a_file_or_to_stdout(path: Path, tmp_path: Path, capsys: CAPTURE) -> None:
    file = tmp_path / "page.html"
    assert main(["report", str(path), "-o", str(file)]) == 0
    assert str(file) in capsys.readouterr().err
    assert main(["report", str(path), "--output", "-"]) == 0
    captured = capsys.readouterr()
    assert captured.out == file.read_text("utf-8")
    assert captured.err == ""
    assert not (path / "REPORT.html").exists()


def test_json_is_the_view_that_the_page_is_drawn_from(
    path: Path, tmp_path: Path, capsys: CAPTURE
) -> None:
    assert main(["report", str(path), "--json"]) == 0
    printed = capsys.readouterr().out
    assert from_json(printed.encode()) == stored_view(path)
    assert main(["report", str(path), "--json", "-o", str(tmp_path / "view.json")]) == 0
    assert (tmp_path / "view.json").read_text("utf-8") == printed


def test_a_file_that_cannot_be_written_is_an_error(
    path: Path, tmp_path: Path, capsys: CAPTURE
) -> None:
    assert main(["report", str(path), "-o", str(tmp_path / "none" / "page.html")]) == 2
    assert "page.html" in capsys.readouterr().err


def test_a_run_that_cannot_be_read_is_an_error(tmp_path: Path, capsys: CAPTURE) -> None:
    assert main(["report", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_an_unsealed_run_has_a_page_that_says_so(tmp_path: Path) -> None:
    path = stored_run(tmp_path / "soak", decided_entries(9, planned=24), sealed=False)
    assert main(["report", str(path)]) == 0
    page = (path / "REPORT.html").read_text("utf-8")
    header = parsed(page).only("header").words
    assert "not sealed" in header
    assert "Judged from the journals alone" in header
    assert str(tmp_path) not in page


def test_a_running_run_needs_a_file(tmp_path: Path, capsys: CAPTURE) -> None:
    path = stored_run(tmp_path / "soak", decided_entries(9, planned=24), sealed=False)
    file = tmp_path / "page.html"
    with DirectoryLock.acquire(path.parent, "run-1"):
        assert main(["report", str(path)]) == 2
        assert "-o FILE" in capsys.readouterr().err
        assert not (path / "REPORT.html").exists()
        assert main(["report", str(path), "-o", str(file)]) == 3
    assert parsed(file.read_text("utf-8")).only("h1").words.startswith("RUNNING")


def test_it_has_the_explanations_of_the_iterations_with_events(path: Path) -> None:
    assert main(["report", str(path)]) == 0
    document = parsed((path / "REPORT.html").read_text("utf-8"))
    texts = {
        item.only("summary").words.split()[1]: item.only("pre").text
        for item in document.all("details")
        if item.attributes.get("class") == "explain"
    }
    chosen = explained_iterations(stored_view(path))
    assert texts
    assert set(texts) <= {str(number) for _, number in chosen}
    entries = read_entries(RunDirectory.open(path), "steady-BTCUSDT-1").entries
    for number, text in texts.items():
        moment = moment_of(entries, int(number))
        assert moment is not None
        assert text == explain_iteration(moment)


def test_moments_are_those_of_single_iterations() -> None:
    entries = decided_entries(9, planned=24, halt=Halt(10, "error", "no feed"))
    together = dict(moments(entries, {1, 4, 9, 10, 30}))
    assert list(together) == [1, 4, 9]
    for number, moment in together.items():
        assert moment == moment_of(entries, number)
    assert list(moments(entries, ())) == []


def test_the_duration_is_from_the_start_to_the_last_iteration(tmp_path: Path) -> None:
    def duration(started: str, *ends: str) -> float | None:
        path = stored_run(
            tmp_path / f"{started}-{len(ends)}"[:12],
            decided_entries(2),
            started_utc=started,
            run_id=f"run-{len(ends)}",
        )
        lines = [
            f'{{"iteration":{number},"seconds":1.0,"utc":"{end}"}}\n'
            for number, end in enumerate(ends, 1)
        ]
        (path / "timing.jsonl").write_text("".join(lines), "utf-8")
        return stored_view(path).duration_s

    start = "2030-01-01T00:00:00+00:00"
    assert duration(start, "2030-01-01T00:00:10+00:00", "2030-01-01T00:01:30.5+00:00") == 90.5
    assert duration(start) is None
    assert duration("yesterday", "2030-01-01T00:00:10+00:00") is None
