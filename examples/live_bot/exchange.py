"""An exchange simulator: a WebSocket server that lets a market pass in front of its bots.

    python exchange.py --port 8765 --seed 1

A frame is a JSON list of messages. In each turn a bot receives the answers to its last orders
(``ack``, ``fill``, ``reject``) and the next two seconds of the market (``book``); it sends its
``order`` and ``cancel`` messages, each stamped with its moment in those two seconds, and last a
``heartbeat``. Then the turn is matched. So a slow machine makes the market slower, not the bot.
Time stands still while no bot is connected.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import time

from market import TURN_S, Market, Taker, Tick
from venue import Account, Message
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

PATIENCE_S = 0.5
"""A turn waits so long for a bot. It does not wait for a bot that missed the turn before."""
SILENCE_S = 5.0
"""A bot that is silent for so long is disconnected, and its orders are cancelled."""


class Client:
    """The connection of one bot, with its account."""

    def __init__(self, socket: ServerConnection, account: Account) -> None:
        self.socket = socket
        self.account = account
        self.requests: list[Message] = []
        self.answers: list[Message] = [{"type": "position", "position": account.position}]
        self.last_heartbeat = time.monotonic()
        self.prompt = True
        """It answered lately, so a turn waits for it."""
        self.number = 0
        self.heartbeat = asyncio.Event()
        """It has answered the turn of this number."""

    async def listen(self) -> None:
        async for frame in self.socket:
            for message in json.loads(frame):
                if message["type"] == "heartbeat":
                    self.last_heartbeat = time.monotonic()
                    self.prompt = True
                    if message["turn"] == self.number:
                        self.heartbeat.set()
                else:
                    self.requests.append({**message, "at": float(message["at"])})

    async def turn(self, number: int, ticks: list[Tick], takers: list[Taker]) -> None:
        self.number = number
        self.heartbeat.clear()
        book = [[tick.at, tick.mid, tick.spread, tick.depth, tick.flow] for tick in ticks]
        frame = [*self.answers, {"type": "book", "turn": number, "ticks": book}]
        with contextlib.suppress(ConnectionClosed, TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await self.socket.send(json.dumps(frame))
                if self.prompt:
                    await self.heartbeat.wait()
        self.prompt = self.heartbeat.is_set()
        requests, self.requests = self.requests, []
        self.answers = self.account.turn(ticks, takers, requests)


class Exchange:
    def __init__(self, seed: int, speed: float, disconnect_every: float) -> None:
        self.seed = seed
        self.turn_s = TURN_S / speed
        self.disconnect_every = disconnect_every
        self.market = Market(seed)
        self.clients: set[Client] = set()
        self.accounts: dict[str, Account] = {}
        """By the path of the URL; an account outlives its connections."""
        self.connected = asyncio.Event()

    async def accept(self, socket: ServerConnection) -> None:
        path = socket.request.path if socket.request is not None else "/"
        account = self.accounts.setdefault(path, Account(self.market, self.seed))
        client = Client(socket, account)
        self.clients.add(client)
        self.connected.set()
        print("a bot has connected", flush=True)
        try:
            await client.listen()
        except ConnectionClosed:
            pass
        except (ValueError, KeyError, TypeError) as error:
            print(f"not a frame of messages: {error!r}", flush=True)
        finally:
            self.clients.discard(client)
            account.disconnect()
            print("a bot has gone", flush=True)

    async def run(self) -> None:
        """Turn after turn, each at its time; a turn that is late moves the ones after it."""
        number, due, next_cut = 0, time.monotonic(), self.disconnect_every
        while True:
            if not self.clients:
                self.connected.clear()
                await self.connected.wait()
                due = time.monotonic()
            number += 1
            ticks, takers = self.market.turn()
            clients = list(self.clients)
            await asyncio.gather(*(client.turn(number, ticks, takers) for client in clients))
            cut = self.disconnect_every > 0 and self.market.now >= next_cut
            next_cut += self.disconnect_every if cut else 0
            for client in clients:
                if cut or time.monotonic() - client.last_heartbeat > SILENCE_S:
                    self.clients.discard(client)
                    client.socket.transport.abort()
            due = max(due + self.turn_s, time.monotonic() - 0.1)
            await asyncio.sleep(due - time.monotonic())


async def main() -> None:
    parser = argparse.ArgumentParser(description="An exchange simulator.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speed", type=float, default=300, help="seconds of the market a second")
    parser.add_argument(
        "--disconnect-every",
        type=float,
        default=0,
        metavar="S",
        help="cut all connections after every S seconds of the market",
    )
    options = parser.parse_args()
    exchange = Exchange(options.seed, options.speed, options.disconnect_every)
    stop = asyncio.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(ending, stop.set)
    # Pings would only measure the machine: the heartbeat of a turn shows that a bot lives.
    async with serve(
        exchange.accept,
        "127.0.0.1",
        options.port,
        compression=None,
        ping_interval=None,
        close_timeout=0.3,
    ):
        print("READY", flush=True)
        turns = asyncio.create_task(exchange.run())
        stopped = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait({turns, stopped}, return_when=asyncio.FIRST_COMPLETED)
        turns.cancel()
        if turns in done:
            await turns  # it ends only with an error


if __name__ == "__main__":
    asyncio.run(main())
