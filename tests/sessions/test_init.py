"""``pytest-soak init`` in an empty folder, to the end: files, two iterations, what is printed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_soak.cli import main
from tests.sessions.conftest import Sessions

CAPTURE = pytest.CaptureFixture[str]

BOT = """
import json, os, time
soak = None
while True:
    now = json.load(open(os.environ["SOAK_RUNTIME"]))
    if now["soak"] != soak:
        soak, begin = now["soak"], time.time()
    time.sleep(0.05)
    report = {"totals": {"p99_ms": 7.5, "sent": 3}, "applied_seq": soak["seq"],
              "from_unix": begin, "to_unix": time.time()}
    with open(os.environ["SOAK_REPORT"] + ".new", "w") as file:
        json.dump(report, file)
    os.replace(file.name, os.environ["SOAK_REPORT"])
"""


class Thumbnails:
    """A service with figures at /stats and settings at /config, in the shapes of its own."""

    def __init__(self) -> None:
        self.config: dict[str, Any] = {"workers": 2, "quality": 80}
        self.requests: list[tuple[str, str, Any]] = []
        self.delivered = threading.Event()
        self.refuses = False
        self.needs: str | None = None
        """The header Authorization without which nothing is answered."""
        self.more: Callable[[int], dict[str, Any]] = lambda _: {}
        """The number of the GET of /stats to further fields."""

    def stats(self) -> dict[str, Any]:
        count = sum(path == "/stats" for _, path, _ in self.requests)
        latency = {"p95_ms": 41.5, "max_ms": None}
        figures = {"requests": 10 * count, "latency": latency, "error-ratio": 0.0}
        return {**figures, "config": self.config, **self.more(count)}

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        self.requests.append((method, path, body))
        if method == "PUT":
            self.delivered.set()
            return (422, {"unknown": "soak"}) if self.refuses else (200, {})
        return 200, self.stats() if path == "/stats" else self.config

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Its address, without a slash at the end."""
        service = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                status, answer = 401, None
                if service.needs in (None, self.headers.get("Authorization")):
                    status, answer = service.answer(self.command, self.path, body)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            do_GET = do_PUT = answer  # noqa: N815 - the names that http.server looks for

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


FILES = {"soak.yaml", "test_soak.py", "pytest.ini", ".github/workflows/soak.yml"}


def test_an_http_service(soak: Sessions, capsys: CAPTURE) -> None:
    service = Thumbnails()
    service.more = lambda _: {"max": 3}
    with service.serving() as url:
        code = main(["init", "--report-url", f"{url}/stats", "--parameters-url", f"{url}/config"])
    printed = capsys.readouterr().out
    assert code == 1, printed  # max_ms is null: it has no data yet
    assert "5 KPIs, 2 limits, 2 parameters" in printed
    assert f"send:  PUT {url}/config: workers = 2, quality = 80" in printed
    assert f"read:  GET {url}/stats" in printed
    assert "4 of 5 KPIs have a value:" in printed
    assert "  latency_max_ms       no data  latency.max_ms is null" in printed
    assert "  latency_p95_ms          41.5  <= 62" in printed
    assert "  pytest --soak                     # 24 iterations of 5 s: 2 minutes" in printed
    assert files(soak.folder) == FILES  # no run, no bytecode
    # One GET of each address for the sample; then what it has already is sent, and nothing else.
    assert [item[:2] for item in service.requests[:2]] == [("GET", "/stats"), ("GET", "/config")]
    puts = [body for method, _, body in service.requests if method == "PUT"]
    assert len(puts) == 2
    for body in puts:
        assert {key: body[key] for key in service.config} == service.config
        assert {*body} == {*service.config, "soak"}


@pytest.mark.parametrize(
    ("shown", "echoed", "parameters"),
    [
        ({"workers": 3}, {"workers": 2}, {"workers": 3}),  # the address of the parameters itself
        ({"workers": 3}, None, {"workers": 3}),
        ({}, {"workers": 2}, {"workers": 2}),
        (None, {"workers": 2}, {"workers": 2}),  # it takes them, and shows none
        (None, None, {}),
    ],
)
def test_where_start_values_are_from(
    soak: Sessions, shown: Any, echoed: Any, parameters: dict[str, int]
) -> None:
    service = Thumbnails()
    service.config = shown
    service.more = lambda _: {"config": echoed}
    with service.serving() as url:
        given = ["--report-url", f"{url}/stats", "--parameters-url", f"{url}/config"]
        assert main(["init", "--no-run", *given]) == 0
    document = yaml.safe_load((soak.folder / "soak.yaml").read_text())
    starts = {name: item["start"] for name, item in document.get("parameters", {}).items()}
    assert starts == parameters
    assert ("echo" in document["target"]["report"]) is bool(echoed and parameters)


def test_the_profile_of_init_is_one_that_runs_and_judges(soak: Sessions) -> None:
    service = Thumbnails()
    service.more = lambda count: {"latency": {"p95_ms": 41.5 + 0.1 * (count % 3)}}
    with service.serving() as url:
        given = ["--report-url", f"{url}/stats", "--parameters-url", f"{url}/config"]
        assert main(["init", *given]) == 0
        result = soak("--soak", "--soak-iterations=4", "--soak-interval=0.3")
    assert result.code == 0, result.out
    snapshot = result.json("POST_SOAK_SNAPSHOT.json")
    assert snapshot["iterations"] == {"planned": 4, "measured": 4}
    assert snapshot["parameters"] == service.config
    criteria = {item["name"]: item["verdict"] for item in snapshot["criteria"]}
    assert criteria["latency_p95_ms"] == "INCONCLUSIVE"  # four iterations are few
    assert criteria["delta_quality"] == "PASS"


def test_a_field_that_does_not_come_again_is_named(soak: Sessions, capsys: CAPTURE) -> None:
    service = Thumbnails()
    service.more = lambda count: {
        "latency": {"p95_ms" if count == 1 else "p95ms": 40.0},
        "old" if count == 1 else "new": 1,
    }
    with service.serving() as url:
        assert main(["init", "--report-url", f"{url}/stats"]) == 1
    printed = capsys.readouterr().out
    assert "send:  nothing" in printed
    assert "no data  no field p95_ms (did you mean 'p95ms'?); latency has p95ms" in printed
    assert "no data  no field old" in printed
    assert "soak.yaml: the KPIs that have no data, if they never will" in printed
    assert [method for method, _, _ in service.requests if method != "GET"] == []


def test_a_service_that_needs_a_header(
    soak: Sessions, capsys: CAPTURE, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its value is sent, and is in no file and in nothing that is printed."""
    monkeypatch.setenv("THUMBS", "Bearer zyxwvuts")
    service = Thumbnails()
    service.needs = "Bearer zyxwvuts"
    with service.serving() as url:
        assert main(["init", "--report-url", f"{url}/stats"]) == 2
        assert "answers with the status 401" in capsys.readouterr().err
        given = ["--report-url", f"{url}/stats", "--parameters-url", f"{url}/config"]
        assert main(["init", *given, "--header", "Authorization=THUMBS"]) == 1  # max_ms is null
    printed = capsys.readouterr().out
    assert "3 of 4 KPIs have a value:" in printed
    texts = [printed, *((soak.folder / name).read_text() for name in files(soak.folder))]
    assert not [text for text in texts if "zyxwvuts" in text]


@pytest.mark.parametrize(
    "more", [{"mode": "fast"}, {"hosts": ["a"]}, {"x-y": 1}, {"db": {"url": None, "pool": 2}}]
)
def test_a_put_that_may_remove_what_is_no_parameter(
    more: dict[str, Any], soak: Sessions, capsys: CAPTURE
) -> None:
    service = Thumbnails()
    service.config = {**service.config, "soak": {"seq": 3}, **more}
    with service.serving() as url:
        given = ["--report-url", f"{url}/stats", "--parameters-url", f"{url}/config"]
        assert main(["init", *given]) == 2
        printed = capsys.readouterr().err
        assert "may remove it from the service; give --method PATCH" in printed
        assert f"no parameter ({next(iter(more))}" in printed
        assert {method for method, _, _ in service.requests} == {"GET"}
        assert files(soak.folder) == set()
        assert main(["init", *given, "--method", "PUT"]) == 1  # max_ms is null
    assert "PUT" in {method for method, _, _ in service.requests}


def test_a_service_that_refuses_the_parameters(soak: Sessions, capsys: CAPTURE) -> None:
    service = Thumbnails()
    service.refuses = True
    with service.serving() as url:
        given = ["--report-url", f"{url}/stats", "--parameters-url", f"{url}/config"]
        assert main(["init", *given]) == 1
    printed = capsys.readouterr().out
    assert "could not be delivered" in printed
    assert "answers with the status 422" in printed


def test_a_program(soak: Sessions, capsys: CAPTURE) -> None:
    (soak.folder / "bot.py").write_text(BOT)
    sample = soak.folder / "REPORT.json"
    sample.write_text('{"totals": {"p99_ms": 3, "sent": 9}}')
    command = f"{sys.executable} bot.py"
    assert main(["init", "--command", command, "--from", "REPORT.json"]) == 0
    printed = capsys.readouterr().out
    assert f"start: {command}" in printed
    assert "send:  the file that SOAK_RUNTIME names: no parameters" in printed
    assert "  p99_ms           7.5  <= 4.5  the value is beyond it: edit it" in printed


def test_a_program_without_a_sample(soak: Sessions, capsys: CAPTURE) -> None:
    (soak.folder / "bot.py").write_text(BOT)
    assert main(["init", "--for", "command", "--command", f"{sys.executable} bot.py"]) == 0
    printed = capsys.readouterr().out
    assert "the profile is written again from its report" in printed
    assert "2 of 2 KPIs have a value:" in printed
    assert "p99_ms: totals.p99_ms" in (soak.folder / "soak.yaml").read_text("utf-8")


def test_a_program_with_the_sample_of_another(soak: Sessions, capsys: CAPTURE) -> None:
    (soak.folder / "bot.py").write_text(BOT)
    (soak.folder / "REPORT.json").write_text('{"totals": {"p95_ms": 3, "error_ratio": 0}}')
    command = f"{sys.executable} bot.py"
    assert main(["init", "--command", command, "--from", "REPORT.json"]) == 1
    printed = capsys.readouterr().out
    assert "no data  no field p95_ms (did you mean 'p99_ms'?); totals has p99_ms, sent" in printed
    assert "no data  no field error_ratio" in printed


def test_a_program_that_prints_figures(soak: Sessions, capsys: CAPTURE) -> None:
    (soak.folder / "figures.py").write_text('print(\'{"queue": {"lag": 4}}\')')
    assert main(["init", "--report-command", f"{sys.executable} figures.py"]) == 0
    printed = capsys.readouterr().out
    assert "1 of 1 KPI has a value:" in printed
    assert "<= 6" in printed


def test_a_function(soak: Sessions, capsys: CAPTURE) -> None:
    assert main(["init"]) == 0
    printed = capsys.readouterr().out
    assert "2 of 2 KPIs have a value:" in printed
    assert "send:  run(iteration, runtime) in conftest.py: batch = 8" in printed
    assert "conftest.py: what says EDIT" in printed
    assert files(soak.folder) == FILES | {"conftest.py"}


def test_a_function_to_fill_in(soak: Sessions, capsys: CAPTURE) -> None:
    (soak.folder / "REPORT.json").write_text('{"shop": {"orders": [{"lag": 3}]}}')
    assert main(["init", "--for", "function", "--from", "REPORT.json"]) == 1
    printed = capsys.readouterr().out
    assert "0 of 1 KPI has a value:" in printed
    assert "no data  shop.orders.0.lag is null" in printed


def test_a_session_that_is_refused_shows_what_it_printed(soak: Sessions, capsys: CAPTURE) -> None:
    (soak.folder / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    assert main(["init"]) == 1
    printed = capsys.readouterr().out
    assert "the session was refused with exit 4" in printed
    assert "unrecognized arguments: --no-such-option" in printed
    assert files(soak.folder) == FILES | {"conftest.py"}


def test_variables_of_the_environment_start_no_other_session(
    soak: Sessions, capsys: CAPTURE, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("USE_MOCK", "1"), ("SOAK_HOURS", "9"), ("MM_PROFILE", "S1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MM_RUNTIME_OVERRIDES_JSON", '{"no_such": 1}')
    assert main(["init"]) == 0
    assert "2 of 2 KPIs have a value:" in capsys.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_the_session_and_leaves_the_files(
    number: signal.Signals, soak: Sessions, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The signal comes to the command alone; a terminal would send it to the whole group."""
    service = Thumbnails()
    temporary = tmp_path_factory.mktemp("temporary")
    with service.serving() as url:
        command = [sys.executable, "-m", "pytest_soak", "init", "--report-url", f"{url}/stats"]
        process = subprocess.Popen(
            [*command, "--parameters-url", f"{url}/config"],
            cwd=soak.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "TMPDIR": str(temporary)},
        )
        assert service.delivered.wait(60)
        process.send_signal(number)
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130, printed
    assert printed.endswith("\ninterrupted\n")
    assert "Traceback" not in printed
    assert files(soak.folder) == FILES
    assert [
        path.name for path in temporary.iterdir() if path.name.startswith("pytest-soak-init")
    ] == []
