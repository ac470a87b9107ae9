"""yaml-language-server as an editor uses it: over stdio, with an open file and its answers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

VERSION = "2.0.0"
"""The version of CI: ``npm install yaml-language-server@2.0.0``."""
LIMIT_S = 60.0
"""A server that does not answer is ended after so many seconds."""

_SETTINGS = {"validate": True, "completion": True, "hover": True, "schemaStore": {"enable": False}}
_ABLE = {
    "workspace": {"configuration": True},
    "textDocument": {
        "completion": {"completionItem": {"documentationFormat": ["plaintext"]}},
        "hover": {"contentFormat": ["plaintext"]},
    },
}


def missing() -> str:
    """Why there is no server; empty if there is one."""
    if shutil.which("node") is None:
        return "node is not on PATH"
    path = os.environ.get("SOAK_LANGUAGE_SERVER", "")
    if not path:
        return "SOAK_LANGUAGE_SERVER is not set to the path of yaml-language-server"
    return "" if Path(path).is_file() else f"SOAK_LANGUAGE_SERVER: there is no file {path}"


@contextmanager
def language_server(folder: Path) -> Iterator[Server]:
    """A server for the files of a folder. It is ended with the block."""
    command = ["node", os.environ["SOAK_LANGUAGE_SERVER"], "--stdio"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    timer = threading.Timer(LIMIT_S, process.kill)
    timer.start()
    try:
        yield Server(process, folder)
    finally:
        timer.cancel()
        process.kill()
        process.communicate()


class Server:
    """A running server, and what it has published."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._number = 0
        self._published: dict[str, list[dict[str, Any]]] = {}
        root = folder.as_uri()
        self.version: str = self._request(
            "initialize", {"processId": None, "rootUri": root, "capabilities": _ABLE}
        )["serverInfo"]["version"]
        self._send({"method": "initialized", "params": {}})
        self._send({"method": "workspace/didChangeConfiguration", "params": {"settings": {}}})

    def open(self, name: str, text: str) -> str:
        """Opens a file as an editor does, with this text; its address, once it was checked."""
        uri = (self._folder / name).as_uri()
        item = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": item}})
        while uri not in self._published:
            self._take(self._receive())
        return uri

    def problems(self, uri: str) -> list[str]:
        """``LINE: MESSAGE`` of everything that the server marks in the file, lines from 1 on."""
        return [
            f"{item['range']['start']['line'] + 1}: {item['message']}"
            for item in self._published[uri]
        ]

    def completions(self, uri: str, line: int, column: int) -> dict[str, str]:
        """What is completed at a place (both from 0 on): label to its description."""
        answer = self._request("textDocument/completion", _place(uri, line, column))
        items = answer["items"] if isinstance(answer, dict) else answer
        return {item["label"]: _text(item.get("documentation")) for item in items}

    def hover(self, uri: str, line: int, column: int) -> str:
        """What is shown about a word."""
        answer = self._request("textDocument/hover", _place(uri, line, column))
        return _text(answer["contents"]) if answer else ""

    def _request(self, method: str, params: dict[str, Any]) -> Any:
        self._number += 1
        self._send({"id": self._number, "method": method, "params": params})
        while True:
            message = self._receive()
            if message.get("id") == self._number and "method" not in message:
                assert "error" not in message, message
                return message["result"]
            self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        """Remembers what the server publishes, and answers its questions."""
        params = message.get("params", {})
        if message.get("method") == "textDocument/publishDiagnostics":
            self._published[params["uri"]] = params["diagnostics"]
        elif "id" in message:
            result = None
            if message["method"] == "workspace/configuration":
                result = [_SETTINGS if item.get("section") == "yaml" else {}
                          for item in params["items"]]  # fmt: skip
            self._send({"id": message["id"], "result": result})

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        stream = self._process.stdout
        assert stream is not None
        length = 0
        while line := stream.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        assert length, f"the server ended, or did not answer within {LIMIT_S:g} s"
        message: dict[str, Any] = json.loads(stream.read(length))
        return message


def _place(uri: str, line: int, column: int) -> dict[str, Any]:
    return {"textDocument": {"uri": uri}, "position": {"line": line, "character": column}}


def _text(content: Any) -> str:
    return str(content.get("value", "") if isinstance(content, dict) else content or "")
