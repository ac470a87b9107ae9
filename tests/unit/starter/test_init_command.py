"""``pytest-soak init`` without its two iterations: what is written, and what is refused."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_soak.cli import main
from pytest_soak.loop.model import Reading
from pytest_soak.starter.folder import ini_of
from pytest_soak.starter.trial import Trial

CAPTURE = pytest.CaptureFixture[str]
REPORT: dict[str, Any] = {"totals": {"p95_ms": 40.0, "tps": 9}}
FILES = {"soak.yaml", "test_soak.py", "pytest.ini", ".github/workflows/soak.yml"}

Init = Callable[..., int]


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in which the command is called, beside a sample report."""
    (tmp_path / "REPORT.json").write_text(json.dumps(REPORT))
    (tmp_path / "new").mkdir()
    monkeypatch.chdir(tmp_path / "new")
    return tmp_path / "new"


def init(*arguments: str, sample: str | None = "../REPORT.json") -> int:
    given = ("--from", sample) if sample else ()
    return main(["init", "--no-run", *given, *arguments])


WAYS = {
    "function": ("--for", "function"),
    "command": ("--command", "node bot.js --mode='{fast}'"),
    "http": ("--for", "http", "--report-url", "http://127.0.0.1:9/stats"),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_files_of_each_way(way: str, folder: Path, capsys: CAPTURE) -> None:
    assert init(*WAYS[way]) == 0
    assert files(folder) == FILES | ({"conftest.py"} if way == "function" else set())
    for name in files(folder):
        assert name in capsys.readouterr().out or name
    document = yaml.safe_load((folder / "soak.yaml").read_text("utf-8"))
    assert document["kpis"] == {"p95_ms": "totals.p95_ms", "tps": "totals.tps"}
    assert document["gate"] == {"criteria": {"p95_ms": "<= 60", "tps": ">= 4.5"}}
    assert ("target" in document) is (way != "function")
    assert document["run"].get("target") == (None if way == "function" else "live")
    assert main(["profile", "check", "./soak.yaml"]) == 0
    for name in ("conftest.py", "test_soak.py"):
        if (folder / name).exists():
            compile((folder / name).read_text("utf-8"), name, "exec")
    job = yaml.safe_load((folder / ".github/workflows/soak.yml").read_text("utf-8"))
    assert list(job["jobs"]) == ["soak"]
    starts = "start the service" in (folder / ".github/workflows/soak.yml").read_text("utf-8")
    assert starts is (way == "http")
    assert (folder / "pytest.ini").read_text() == "[pytest]\nsoak_profile = ./soak.yaml\n"


def test_texts_of_a_command_are_no_placeholders(folder: Path) -> None:
    assert init(*WAYS["command"]) == 0
    document = yaml.safe_load((folder / "soak.yaml").read_text("utf-8"))
    command = document["target"]["processes"]["service"]["command"]
    assert command == ["node", "bot.js", "--mode={{fast}}"]


def test_the_target_has_the_shape_of_the_sample(folder: Path) -> None:
    assert init() == 0
    space: dict[str, Any] = {}
    exec((folder / "conftest.py").read_text("utf-8"), space)  # the file that was written

    class Lane:
        interval_s = 0.0

    target = space["pytest_soak_target"](Lane)
    assert target.run(1, {}) == {"totals": {"p95_ms": None, "tps": None}}


def test_the_folder_is_an_argument_and_may_be_new(folder: Path, capsys: CAPTURE) -> None:
    assert main(["init", "--no-run", "deep/er"]) == 0
    assert files(folder) == {f"deep/er/{name}" for name in FILES | {"conftest.py"}}
    printed = capsys.readouterr().out
    assert "written to deep/er:" in printed
    assert "\n  cd deep/er\n  pytest-soak doctor ./soak.yaml " in printed


# -- what is refused, with nothing written ---------------------------------------------------------


@pytest.mark.parametrize("name", [*sorted(FILES - {"pytest.ini"}), "conftest.py"])
def test_a_file_that_is_there_is_not_replaced(name: str, folder: Path, capsys: CAPTURE) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("mine")
    assert init() == 2
    assert (
        f"pytest-soak: {name} is there already, and nothing was written" in capsys.readouterr().err
    )
    assert files(folder) == {name}
    assert (folder / name).read_text() == "mine"
    assert init("--force") == 0
    assert (folder / name).read_text() != "mine"


def test_all_files_that_are_there_are_named(folder: Path, capsys: CAPTURE) -> None:
    assert init() == 0
    assert init() == 2
    printed = capsys.readouterr().err
    assert "soak.yaml, test_soak.py, .github/workflows/soak.yml, conftest.py are there" in printed
    assert "pytest.ini" not in printed  # it is never replaced


def test_a_link_is_replaced_and_what_it_leads_to_stays(folder: Path) -> None:
    outside = folder.parent / "outside.yaml"
    outside.write_text("mine")
    (folder / "soak.yaml").symlink_to(outside)
    (folder / "test_soak.py").symlink_to(folder / "nowhere")
    assert init() == 2
    assert init("--force") == 0
    assert outside.read_text() == "mine"
    assert not (folder / "soak.yaml").is_symlink()
    assert not (folder / "nowhere").exists()


def test_a_link_to_nothing_is_a_file_that_is_there(folder: Path) -> None:
    (folder / "test_soak.py").symlink_to(folder / "nowhere")
    assert init() == 2
    assert (folder / "test_soak.py").is_symlink()
    assert not (folder / "soak.yaml").exists()


def test_nothing_is_written_outside_the_folder(folder: Path, capsys: CAPTURE) -> None:
    (folder.parent / "elsewhere").mkdir()
    (folder / ".github").symlink_to(folder.parent / "elsewhere")
    assert init("--force") == 2
    assert "leads out of the folder" in capsys.readouterr().err
    assert files(folder.parent) == {"REPORT.json"}


def test_a_directory_in_the_place_of_a_file(folder: Path, capsys: CAPTURE) -> None:
    (folder / "soak.yaml").mkdir()
    assert init("--force") == 2
    assert "soak.yaml: is a directory" in capsys.readouterr().err
    assert files(folder) == set()


def test_a_secret_of_a_command_is_pointed_out(folder: Path, capsys: CAPTURE) -> None:
    assert init("--command", "node bot.js --password=tr0ub4dor") == 0
    printed = capsys.readouterr().out
    assert "soak.yaml has a command with a secret: let the program read a variable" in printed
    assert "tr0ub4dor" not in printed
    assert init("--command", "node bot.js", "--force") == 0
    assert "secret" not in capsys.readouterr().out


NAMES = ("soak.yaml", "test_soak.py", ".github/workflows/soak.yml", "conftest.py")


@pytest.mark.parametrize("name", NAMES)
def test_a_pipe_in_the_place_of_a_file(name: str, folder: Path, capsys: CAPTURE) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(folder / name)
    assert init("--force") == 2
    assert f"{Path(name).name}: is a pipe" in capsys.readouterr().err
    assert files(folder) == set()


@pytest.mark.parametrize("name", [".github", ".github/workflows"])
def test_a_file_in_the_place_of_a_folder_that_is_needed(
    name: str, folder: Path, capsys: CAPTURE
) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("mine")
    assert init("--force") == 2
    assert f"{name}: is no directory" in capsys.readouterr().err
    assert files(folder) == {name}


@pytest.mark.parametrize("name", [".", ".github", ".github/workflows"])
def test_a_folder_that_cannot_be_written(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: CAPTURE
) -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    locked, may = (folder / name).resolve(), os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path).resolve() != locked and may(path, mode)
    )
    assert init() == 2
    assert "this user cannot write there" in capsys.readouterr().err
    assert files(folder) == set()


def test_a_file_in_the_place_of_the_folder(folder: Path, capsys: CAPTURE) -> None:
    (folder / "x").write_text("")
    assert init("x") == 2
    assert "x: is no directory" in capsys.readouterr().err


def test_a_failed_write_is_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: CAPTURE
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    assert init() == 2
    assert "No space left on device" in capsys.readouterr().err
    assert files(folder) == set()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"{", "is no valid JSON"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b'{"a": 1, "a": 2}', "the key 'a' is there twice"),
        (b"\xff", "is not UTF-8"),
        (b"[1]", "must hold a JSON object"),
        (b"{}", "has no number, so there is no KPI; its fields are none"),
        (b'{"a": "x", "b": true}', "its fields are a, b"),
        (b'{"totals": [1]}', "'totals' that is no object"),
        (b'{"a": ' + b"[" * 200 + b"]" * 200 + b"}", "has more than 100 levels"),
    ],
)
def test_a_sample_that_is_no_report(
    text: bytes, problem: str, folder: Path, capsys: CAPTURE
) -> None:
    (folder.parent / "REPORT.json").write_bytes(text)
    assert init() == 2
    assert problem in capsys.readouterr().err
    assert files(folder) == set()


@pytest.mark.parametrize("kind", ["absent", "link", "fifo", "directory", "huge"])
def test_a_sample_that_is_no_regular_file(kind: str, folder: Path, capsys: CAPTURE) -> None:
    sample = folder.parent / "other.json"
    if kind == "link":
        sample.symlink_to(folder.parent / "REPORT.json")
    elif kind == "fifo":
        os.mkfifo(sample)
    elif kind == "directory":
        sample.mkdir()
    elif kind == "huge":
        with sample.open("wb") as file:
            file.truncate(2**35)
    assert init(sample=str(sample)) == 2
    assert "other.json" in capsys.readouterr().err
    assert files(folder) == set()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--for", "htp"), "--for: 'htp' is unknown; did you mean 'http'?"),
        (("--for", "http"), "--for http needs --report-url URL"),
        (("--parameters-url", "http://127.0.0.1/"), "--for http needs --report-url URL"),
        (
            ("--report-url", "http://127.0.0.1:1/", "--parameters-url", "127.0.0.1:80"),
            "--parameters-url: '127.0.0.1:80' is not of the form",
        ),
        (("--for", "command"), "--for command needs --command COMMAND"),
        (("--for", "command", "--report-url", "http://127.0.0.1/"), "belongs to --for http"),
        (("--report-url", "x", "--command", "y"), "--command belongs to --for command"),
        (("--for", "function", "--command", "x"), "--command belongs to --for command"),
        (("--for", "function", "--allow-host", "x"), "--allow-host belongs to --for http"),
        (
            ("--report-url", "http://[::1]:1/", "--method", "GET"),
            "--method: 'GET' is none of PUT, POST, PATCH",
        ),
        (
            ("--report-url", "http://[::1]:1/", "--header", "A=b secret"),
            "--header is NAME=VARIABLE",
        ),
        (
            ("--report-url", "http://[::1]:1/", "--header", "A=NOT_SET"),
            "--header A: the variable NOT_SET is not set",
        ),
        (("--command", "'"), "--command: No closing quotation, as a shell splits it"),
        (("--command", ""), "--command: is empty"),
        (("--report-url", "ftp://127.0.0.1/"), "--report-url: 'ftp://127.0.0.1/' is not of the"),
        (("--report-url", "http://u:secret@127.0.0.1/"), "'http://***@127.0.0.1/' has credentials"),
        (("--report-url", "http://192.0.2.1/?t=secret"), "or one that --allow-host names"),
        (
            ("--report-url", "http://127.0.0.1:1/?t=secret"),
            "refused; start it, or give --from and --no-run",
        ),
        (("--report-command", "/none/such"), "No such file or directory"),
        (("--report-command", "false"), "ended with the status 1"),
        (("--report-command", "echo x"), "is no valid JSON"),
        (("--report-command", "echo 1"), "is no JSON object; a report is one"),
    ],
)
def test_arguments_that_are_refused(
    arguments: tuple[str, ...], problem: str, folder: Path, capsys: CAPTURE
) -> None:
    assert init(*arguments, sample=None) == 2
    printed = capsys.readouterr().err
    assert problem in printed
    assert "secret" not in printed
    assert files(folder) == set()


def test_an_address_beyond_this_machine_is_checked_before_it_is_written(
    folder: Path, capsys: CAPTURE
) -> None:
    """With a sample in a file nothing is contacted; the session would refuse the address."""
    assert init("--report-url", "http://192.0.2.1/stats") == 2
    assert "or one that --allow-host names" in capsys.readouterr().err
    assert init("--report-url", "http://192.0.2.1/stats", "--allow-host", "192.0.2.1") == 0
    document = yaml.safe_load((folder / "soak.yaml").read_text("utf-8"))
    assert document["target"]["report"]["allow_hosts"] == ["192.0.2.1"]


# -- the options of pytest -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "is_ini"),
    [
        ("pytest.ini", "", True),
        ("pytest.toml", "", True),
        (".pytest.ini", "", True),
        ("pyproject.toml", "[tool.pytest]\n", True),
        ("pyproject.toml", "[tool.pytest.ini_options]\n", True),
        ("pyproject.toml", "[tool.pytest-watch]\n[project]\n", False),
        ("tox.ini", "[pytest]\n", True),
        ("tox.ini", "[tox]\n", False),
        ("setup.cfg", "[metadata]\n[tool:pytest]\n", True),
        ("setup.cfg", "[pytest]\n", False),
    ],
)
def test_options_that_are_there_stay(
    name: str, text: str, is_ini: bool, folder: Path, capsys: CAPTURE
) -> None:
    (folder / name).write_text(text)
    assert ini_of(folder) == (name if is_ini else "")
    assert init("--force") == 0
    assert (folder / name).read_text() == text
    assert ("pytest.ini" in files(folder)) is (not is_ini or name == "pytest.ini")
    printed = capsys.readouterr().out
    assert (f"{name} has the options of pytest already" in printed) is is_ini
    assert ("pytest --soak --soak-profile=./soak.yaml" in printed) is is_ini


def test_the_second_time_the_options_name_the_profile(folder: Path, capsys: CAPTURE) -> None:
    assert init() == 0
    assert init("--force") == 0
    assert capsys.readouterr().out.count("  pytest --soak        ") == 2


def test_notes_about_the_repository_and_the_query(folder: Path, capsys: CAPTURE) -> None:
    (folder.parent / ".git").mkdir()
    url = "http://127.0.0.1:1/stats?token=abcdef"
    assert init("--report-url", url) == 0
    printed = capsys.readouterr().out
    assert "GitHub reads .github at the top of the repository only" in printed
    assert "soak.yaml has the query of an address" in printed
    assert "abcdef" not in printed


def test_the_sample_of_a_command(folder: Path) -> None:
    script = folder.parent / "figures.py"
    script.write_text("import os, json; print(json.dumps({'lag': len(os.listdir('.'))}))")
    assert init("--report-command", f"{sys.executable} {script}", sample=None) == 0
    text = (folder / "soak.yaml").read_text("utf-8")
    assert "lag: lag  # 0 in the sample" in text
    assert yaml.safe_load(text)["target"]["report"] == {"command": [sys.executable, str(script)]}


def test_the_report_of_a_program_makes_its_profile(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: CAPTURE
) -> None:
    """Without a sample the first profile has figures that a program may not have."""
    reported = {"queue": {"lag_s": 4.0}, "config": {"workers": 2}}
    reading = Reading(4.0, "queue.lag_s")
    trials = [Trial(problem="no data", report=reported), Trial({"queue_lag_s": reading})]
    monkeypatch.setattr("pytest_soak.init_command.run_trial", lambda *_: trials.pop(0))
    assert main(["init", "--command", "worker"]) == 0
    assert trials == []
    assert files(folder) == FILES
    document = yaml.safe_load((folder / "soak.yaml").read_text("utf-8"))
    assert document["kpis"] == {"queue_lag_s": "queue.lag_s"}
    assert list(document["parameters"]) == ["workers"]
    printed = capsys.readouterr().out
    assert "the profile is written again from its report" in printed
    assert "1 of 1 KPI has a value" in printed


@pytest.mark.parametrize("report", [{}, {"name": "no number"}])
def test_a_program_without_figures_keeps_the_first_profile(
    report: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(problem="no data", report=report)
    monkeypatch.setattr("pytest_soak.init_command.run_trial", lambda *_: trial)
    assert main(["init", "--command", "worker"]) == 1
    document = yaml.safe_load((folder / "soak.yaml").read_text("utf-8"))
    assert list(document["kpis"]) == ["p95_ms", "error_ratio"]
