"""A web service with worker threads, and its users: real requests on loopback, of 30 ms each."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn

USERS = 8
REQUESTS = 3
"""Of each user in an iteration, one after the other."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.03)  # it waits for a database
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(ThreadingMixIn, HTTPServer):
    """Answers with ``workers`` threads; a request waits until one of them is free."""

    request_queue_size = USERS

    def __init__(self, workers):
        super().__init__(("127.0.0.1", 0), Handler)
        self.workers = workers
        self.threads = ThreadPoolExecutor(workers)

    def process_request(self, request, address):
        self.threads.submit(self.process_request_thread, request, address)

    def server_close(self):
        super().server_close()
        self.threads.shutdown()


def use(port):
    """The latencies of a user's requests in ms; None is a request that failed."""
    latencies = []
    for _ in range(REQUESTS):
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        begin = time.perf_counter()
        try:
            connection.request("GET", "/")
            answered = connection.getresponse().status == 200
        except (OSError, HTTPException):
            answered = False
        finally:
            connection.close()
        latencies.append(1000 * (time.perf_counter() - begin) if answered else None)
    return latencies


class Service:
    def run(self, iteration, runtime):
        """Serve the users with as many workers as the runtime has."""
        with Server(runtime["service"]["workers"]) as server, ThreadPoolExecutor(USERS) as users:
            threading.Thread(target=server.serve_forever, args=(0.01,)).start()
            requests = [ms for user in users.map(use, [server.server_port] * USERS) for ms in user]
            server.shutdown()
        answered = sorted(ms for ms in requests if ms is not None)
        totals = {
            "p95_ms": answered[int(0.95 * len(answered))] if answered else None,
            "error_ratio": 1 - len(answered) / len(requests),
        }
        return {"totals": totals, "effective_params": {"service": {"workers": server.workers}}}


def make(lane):
    return Service()
