"""A signal and a request to end that come at the same time: the process ends once, in order."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

SCRIPT = """
import os, signal, threading
from pytest_soak.session.signals import EndSignals

ends = EndSignals()
ends.pytest_sessionstart()
requested = threading.Event()

def request():
    with ends._lock:  # the handler of the signal waits for it
        os.kill(os.getpid(), signal.{first})
        ends.request()
    requested.set()

raised = 0
try:
    threading.Thread(target=request).start()
    while not requested.is_set():
        requested.wait(0.01)
    requested.wait(0.01)
except KeyboardInterrupt:
    raised += 1
requested.wait(10)
ends.request()
print("raised", raised, ends._received)
ends.pytest_unconfigure()
assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
"""


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs pthread_kill")
@pytest.mark.parametrize("first", ["SIGHUP", "SIGTERM"])
def test_a_signal_beside_a_request_ends_the_session_once(first: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(first=first)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    assert done.stdout.startswith("raised 1 SIG")
