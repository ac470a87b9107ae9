"""A market-making bot: one asyncio process, with a connection to an exchange.

    python bot.py --exchange ws://127.0.0.1:8765

It knows nothing of pytest. It reads its parameters from a file (``SOAK_RUNTIME``) when it gets
SIGHUP or the file is replaced, writes a report of its figures (``SOAK_REPORT``) twenty times per
``SOAK_INTERVAL_S``, and appends its events to a log (``SOAK_AUDIT``).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import signal
import time
from pathlib import Path
from typing import Any

from faults import Fault
from figures import Figures
from params import Params
from quoting import Quoter
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

LOOK_S = 0.02
"""The file of parameters is looked at so often."""


class Bot:
    def __init__(self, url: str, folder: Path, environment: dict[str, str]) -> None:
        self.url = url
        self.runtime = Path(environment.get("SOAK_RUNTIME", folder / "runtime_overrides.json"))
        self.report = Path(environment.get("SOAK_REPORT", folder / "EDGE_REPORT.json"))
        self.interval_s = float(environment.get("SOAK_INTERVAL_S", "300"))
        audit = Path(environment.get("SOAK_AUDIT", folder / "audit.jsonl"))
        self.audit = audit.open("a", encoding="utf-8")
        self.fault = Fault(environment.get("FAULT", ""), vars(Params()), folder, self.interval_s)
        self.boot_id = secrets.token_hex(8)
        self.seq = 0
        self.delivery: dict[str, Any] = {}
        """The block ``soak`` of the parameters that are in force."""
        self.applied = ""
        """The text of the file of parameters, as it was read last."""
        self.stamp: tuple[int, int] | None = None
        self.hangup = asyncio.Event()
        self.quoter = Quoter(Params(), self.note)
        self.figures = Figures(time.time(), 0)
        self.connected = asyncio.Event()
        """Set from the first connection on."""
        self.socket: ClientConnection | None = None
        self.now = 0.0

    def note(self, event: str, at: float, **more: Any) -> None:
        """One line of the audit."""
        if event == "BLOCK":
            self.figures.blocked(more["reason"])
        elif more["id"] != "exit" and event in ("PLACE", "REPLACE"):
            self.figures.ordered()
        self.audit.write(json.dumps({"ts": round(at, 4), "event": event, **more}) + "\n")

    # -- the exchange ----------------------------------------------------------------------------

    async def trade(self) -> None:
        """Connect, quote, and connect again whenever the connection is lost."""
        while True:
            try:
                async with connect(self.url, compression=None, close_timeout=0.3) as socket:
                    self.socket = socket
                    self.quoter.clear()
                    first = not self.connected.is_set() and self.fault.says_ready
                    print("READY" if first else "connected", flush=True)
                    self.connected.set()
                    async for frame in socket:
                        await socket.send(json.dumps(self.answer(json.loads(frame))))
            except (OSError, ConnectionClosed) as error:
                print(f"no connection: {error}", flush=True)
            self.socket = None
            await asyncio.sleep(0.05)

    def answer(self, frame: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The requests with which the bot answers a frame of the exchange."""
        requests: list[dict[str, Any]] = []
        for message in frame:
            if message["type"] == "book":
                ticks = message["ticks"]
                self.now = ticks[-1][0]
                requests += self.quoter.turn(ticks)
                self.figures.passed(ticks, self.quoter.position, time.time())
                requests.append({"type": "heartbeat", "turn": message["turn"]})
                continue
            self.quoter.receive(message)
            if message["type"] == "ack":
                self.figures.acked(message["latency_ms"])
            elif message["type"] == "fill":
                self.figures.filled(message)
                fields = ("id", "side", "price", "size", "liquidity")
                self.note("FILL", message["at"], **{key: message[key] for key in fields})
        return requests

    async def leave(self) -> None:
        """Cancel all orders and close the connection, within half a second."""
        if self.socket is not None:
            with contextlib.suppress(ConnectionClosed, TimeoutError):
                async with asyncio.timeout(0.5):
                    cancels = self.quoter.cancel_all(self.now)
                    await self.socket.send(json.dumps(cancels))
                    for cancel in cancels:
                        self.note("CANCEL", self.now, id=cancel["id"])
                    await self.socket.close()

    # -- parameters ------------------------------------------------------------------------------

    async def follow_parameters(self) -> None:
        """Apply the parameters when their file changes, or at once with SIGHUP."""
        while True:
            with contextlib.suppress(FileNotFoundError):
                status = self.runtime.stat()
                stamp = (status.st_ino, status.st_mtime_ns)
                if stamp != self.stamp or self.hangup.is_set():
                    self.stamp = stamp
                    self.hangup.clear()
                    await self.apply(self.runtime.read_text("utf-8"))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self.hangup.wait()

    async def apply(self, text: str) -> None:
        """Take over new parameters; what cannot be read leaves the old ones in force."""
        if text == self.applied:
            return
        self.applied = text
        try:
            runtime = json.loads(text)
            params = Params.read(runtime)
        except (ValueError, KeyError, TypeError) as error:
            print(f"{self.runtime} is not used: {error!r}", flush=True)
            return
        delivery = runtime.get("soak", {})
        old = self.quoter.params if self.delivery else params
        self.quoter.params = Params(
            **{
                key: self.fault.value(key, getattr(old, key), new)
                for key, new in vars(params).items()
            }
        )
        self.delivery = delivery
        self.figures = Figures(time.time(), self.quoter.open_orders)
        print(f"parameters {delivery.get('seq')} are in force", flush=True)
        await self.connected.wait()
        await self.fault.in_iteration(delivery.get("iteration", 0))

    # -- the report ------------------------------------------------------------------------------

    async def write_reports(self) -> None:
        every_s = min(5.0, max(0.02, self.interval_s / 20))
        while True:
            await asyncio.sleep(every_s)
            if self.delivery:
                self.write_report()

    def write_report(self) -> None:
        """Another file first, then its name: a reader never sees half of a report."""
        self.seq += 1
        report = self.fault.report(
            {
                "seq": self.seq,
                "boot_id": self.boot_id,
                "applied_seq": self.delivery.get("seq"),
                "run_id": self.delivery.get("run_id"),
                "effective_params": self.quoter.params.nested(),
                **self.figures.report(),
            }
        )
        self.audit.flush()
        if report is None or self.fault.write(self.report, text := json.dumps(report)):
            return
        new = self.report.with_suffix(".new")
        new.write_text(text, "utf-8")
        new.replace(self.report)


async def main() -> None:
    parser = argparse.ArgumentParser(description="A market-making bot.")
    parser.add_argument("--exchange", required=True, metavar="URL")
    options = parser.parse_args()
    folder = Path(os.environ.get("SOAK_DIR", "."))
    bot = Bot(options.exchange, folder, dict(os.environ))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, bot.hangup.set)
    if bot.fault.name != "deaf":
        loop.add_signal_handler(signal.SIGTERM, stop.set)
    tasks = [
        asyncio.create_task(work)
        for work in (bot.trade(), bot.follow_parameters(), bot.write_reports(), stop.wait())
    ]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    await bot.leave()
    for task in pending:
        task.cancel()
    await asyncio.wait(tasks)
    bot.audit.close()
    for task in done:
        task.result()  # work ends only with an error


if __name__ == "__main__":
    asyncio.run(main())
