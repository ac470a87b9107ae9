"""A service with worker threads, as any other: settings in a file, figures at /metrics."""

import json
import os
import threading
import time
from pathlib import Path
from queue import Queue

from prometheus_client import Counter, Gauge, Histogram, start_http_server

SETTINGS = Path(os.environ.get("SETTINGS", "settings.json"))
DONE = Counter("jobs_done_total", "Jobs that are done.", ["kind"])
WAIT = Histogram(
    "job_wait_seconds",
    "From the arrival of a job to the start of its work.",
    buckets=(0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.5),
)
WORKERS = Gauge("workers", "Threads that work now.")

jobs: Queue = Queue()
running = 0


def work() -> None:
    while True:
        arrived, is_done = jobs.get()
        if arrived is None:
            return
        WAIT.observe(time.monotonic() - arrived)
        time.sleep(0.02)  # the work of a job
        is_done.set()


def user(kind: str) -> None:
    while True:
        is_done = threading.Event()
        jobs.put((time.monotonic(), is_done))
        is_done.wait()
        DONE.labels(kind).inc()


def follow() -> None:
    """Reads the settings again; starts threads that are missing, ends those beyond."""
    global running
    workers = json.loads(SETTINGS.read_text("utf-8"))["workers"]
    for _ in range(running, workers):
        threading.Thread(target=work, daemon=True).start()
    for _ in range(workers, running):
        jobs.put((None, None))
    running = workers
    WORKERS.set(running)


follow()
for number in range(8):
    threading.Thread(target=user, args=[("import", "export")[number % 2]], daemon=True).start()
start_http_server(int(os.environ.get("PORT", "8000")), addr="127.0.0.1")
while True:
    time.sleep(0.05)
    follow()
