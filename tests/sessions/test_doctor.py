"""The doctor in a process of its own: signals in the middle of a look."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PROFILE = """
kpis: {{p95: totals.p95}}
gate: {{criteria: {{p95: "<= 9"}}}}
target:
  parameters: {{http: "{url}"}}
  report: {{http: "{url}", timeout_s: 600}}
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_leaves_no_files(number: signal.Signals, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        (tmp_path / "soak.yaml").write_text(PROFILE.format(url=url))
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest_soak", "doctor", "./soak.yaml"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "TMPDIR": str(temporary)},
        )
        silent.settimeout(60)
        connection, _ = silent.accept()  # it waits for an answer
        with connection:
            process.send_signal(number)
            printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130, printed
    assert printed.endswith("\ninterrupted\n")
    assert "Traceback" not in printed
    assert {path.name for path in tmp_path.iterdir()} == {"soak.yaml", "temporary"}
    assert [path for path in temporary.iterdir() if "doctor" in path.name] == []
