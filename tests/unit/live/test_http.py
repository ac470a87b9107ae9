"""Requests of a bot: against servers that answer, redirect, drip, break off and say too much."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.json_types import WrongValueError
from pytest_soak.live.channels import ChannelFault
from pytest_soak.live.endpoint import endpoint_of
from pytest_soak.live.http_client import Address, HttpClient
from pytest_soak.live.readers.http import ReportUrl
from pytest_soak.live.readers.http import make_http as make_reader
from pytest_soak.live.sections import ParametersFields, ReportFields
from pytest_soak.live.writers.http import ParameterUrl
from pytest_soak.live.writers.http import make_http as make_writer
from pytest_soak.processes.sections import FromEnvironment
from tests.unit.live.contexts import context_of, delivery_of
from tests.unit.live.servers import Server, answer, serving

TIMEOUT_S = 5.0
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SECRET = "Bearer s3cret-value"


def client_of(url: str, timeout_s: float = TIMEOUT_S, **options: Any) -> HttpClient:
    endpoint = endpoint_of(url, ("bot.example",), ("http",))
    return HttpClient(endpoint, {"Authorization": SECRET}, timeout_s, **options)


def fault_of(client: HttpClient) -> ChannelFault:
    with pytest.raises(ChannelFault) as caught:
        client.request("GET")
    assert caught.value.place == client.endpoint.place
    assert "s3cret" not in str(caught.value)
    return caught.value


def test_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9/")
    with serving(answer(b"ok")) as server:
        assert client_of(f"{server.url}?q=1").request("PUT", b"{}") == b"ok"
    head, _, body = server.requests[0].decode().partition("\r\n\r\n")
    assert body == "{}"
    assert head.split("\r\n") == [
        "PUT /parameters?q=1 HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        "Accept: application/json",
        "Accept-Encoding: identity",
        "Connection: close",
        "Content-Type: application/json",
        "Content-Length: 2",
        f"Authorization: {SECRET}",
    ]


@pytest.mark.parametrize(
    ("reply", "body"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\nall of it", b"all of it"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (CHUNKED + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", b"abc"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b"x"), b"x"),
    ],
)  # fmt: skip
def test_an_answer_is_read_to_its_end(reply: bytes, body: bytes) -> None:
    with serving(reply) as server:
        assert client_of(server.url).request("GET") == body


@pytest.mark.parametrize(
    ("reply", "name", "text"),
    [
        (answer(b"", "503 x"), "refused", "the status 503 (Service Unavailable); it needs 2xx"),
        (answer(b"", "404 " + "s3cret"), "refused", "the status 404 (Not Found)"),
        (answer(b"", "799 x"), "refused", "answers with the status 799; it needs 2xx"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/s3cret\r\n\r\n",
            "refused",
            "the status 302 (Found); redirects are not followed",
        ),
        (answer(b"x", length=10), "unreachable", "ended its answer after 1 of 10 bytes"),
        (b"s3cret\r\n\r\n", "unreachable", "gave no complete HTTP answer (BadStatusLine)"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"s3cret" * 20_000, "unreachable", "(LineTooLong)"),
        (b"", "unreachable", "cannot be reached: RemoteDisconnected"),
        (CHUNKED + b"5\r\nab", "unreachable", "(IncompleteRead)"),
        (answer(b"", length=101), "too_large", "answers with 101 bytes or more; at most 100"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 101, "too_large", "at most 100 are read"),
    ],
)
def test_no_usable_answer_is_a_fault(reply: bytes, name: str, text: str) -> None:
    with serving(reply) as server:
        caught = fault_of(client_of(server.url, max_bytes=100))
    assert (caught.name, text in caught.text) == (name, True), caught.text


def test_an_answer_of_the_largest_size_is_read() -> None:
    with serving(answer(b"x" * 100)) as server:
        assert len(client_of(server.url, max_bytes=100).request("GET")) == 100


def test_an_endless_answer_is_not_read_to_the_deadline() -> None:
    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not server.ends.is_set():
            connection.sendall(b"x" * 100_000)

    with serving(b"", flood) as server:
        assert fault_of(client_of(server.url, max_bytes=1000)).name == "too_large"


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_server_that_drips_is_left_at_the_deadline(begin: bytes) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(begin)
        while not server.ends.wait(0.02):
            connection.sendall(b"a")

    with serving(b"", drip) as server:
        start = time.monotonic()
        caught = fault_of(client_of(server.url, timeout_s=0.2))
        assert time.monotonic() - start < 2
    assert caught.name == "unreachable"
    assert caught.text == "did not answer completely within 0.2 s"


def test_a_server_that_does_not_read_is_left_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(ChannelFault, match=r"did not answer completely within 0\.2 s"):
            client_of(url, timeout_s=0.2).request("PUT", b"x" * 20_000_000)


def test_a_name_that_is_not_resolved_in_time() -> None:
    def resolve(host: str, port: int) -> list[Address]:
        time.sleep(0.3)
        return []

    caught = fault_of(client_of("http://bot.example/", timeout_s=0.1, resolve=resolve))
    assert (caught.name, caught.text) == ("unreachable", "did not answer completely within 0.1 s")


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    caught = fault_of(client_of(f"http://127.0.0.1:{port}/?q=s3cret"))
    assert caught.text == "cannot be reached: Connection refused"


@pytest.mark.parametrize("address", ["10.0.0.1", "0.0.0.0", "169.254.169.254"])
def test_every_address_of_a_name_is_checked(address: str) -> None:
    with serving(answer(b"")) as server:
        families = [(socket.AF_INET, ("127.0.0.1", server.port)), (socket.AF_INET, (address, 1))]
        caught = fault_of(
            client_of(f"http://localhost:{server.port}/", resolve=lambda *_: families)
        )
    assert f"resolves to {address}, which is not on this machine" in caught.text
    assert server.requests == []


def test_it_connects_to_the_address_that_was_checked() -> None:
    def resolve(host: str, port: int) -> list[Address]:
        hosts.append(host)
        return [
            (socket.AF_INET, ("127.0.0.1", unused)),
            (socket.AF_INET, ("127.0.0.1", server.port)),
        ]

    hosts: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        unused = listener.getsockname()[1]
    with serving(answer(b"x")) as server:
        client = client_of("http://bot.example:81/", resolve=resolve)
        assert client.request("GET") == b"x"
    assert hosts == ["bot.example"]
    assert b"Host: bot.example:81" in server.requests[0]


def test_what_is_no_tls() -> None:
    with serving(b"HTTP/1.1 200 OK\r\n\r\n") as server:
        caught = fault_of(client_of(server.url.replace("http:", "https:")))
    assert caught.name == "unreachable"
    assert caught.text.startswith("has no usable TLS: ")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
def test_tls_needs_a_certificate_that_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", key, "-out", certificate, "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with serving(answer(b"x" * 100_000), tls=tls) as server:
        url = f"https://localhost:{server.port}/"
        assert fault_of(client_of(url)).text == "has no usable TLS: self-signed certificate"
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert client_of(url).request("PUT", b"y" * 100_000) == b"x" * 100_000
        other = url.replace("localhost", "127.0.0.1")
        assert "IP address mismatch" in fault_of(client_of(other)).text


def writer(server: Server, folder: Path, **fields: Any) -> ParameterUrl:
    fields = {"http": server.url, "timeout_s": TIMEOUT_S, **fields}
    return make_writer(ParametersFields(**fields), context_of(folder, {"KEY": SECRET}))


def test_a_delivery_and_its_echo(tmp_path: Path) -> None:
    echo = {"effective_params": {"levels": 3}}
    with serving(answer(json.dumps(echo).encode())) as server:
        channel = writer(server, tmp_path, headers={"X-Key": FromEnvironment("KEY")}, method="POST")
        assert server.requests == []
        assert channel.present() is None
        assert channel.needs_process
        assert channel.destinations == (server.url,)
        assert channel.deliver(delivery_of(seq=3)) == echo
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /parameters HTTP/1.1\r\n")
    assert f"X-Key: {SECRET}".encode() in head
    assert json.loads(body) == delivery_of(seq=3).body


@pytest.mark.parametrize("reply", [answer(b"ok"), answer(b""), answer(b"[]", "201 x")])
def test_any_2xx_is_delivered(tmp_path: Path, reply: bytes) -> None:
    with serving(reply) as server:
        assert writer(server, tmp_path).deliver(delivery_of()) is None


def test_every_other_answer_is_not_delivered(tmp_path: Path) -> None:
    with serving(answer(b"", "500 x")) as server, pytest.raises(ChannelFault) as caught:
        writer(server, tmp_path).deliver(delivery_of())
    assert caught.value.name == "not_delivered"
    assert caught.value.text == (
        "answers with the status 500 (Internal Server Error); it needs 2xx"
    )


def test_a_refused_delivery_names_the_answer_without_secrets(tmp_path: Path) -> None:
    refusal = b'{"error": "unknown\n setting soak \x1b[2J", "sent": "Bearer k3y-of-the-test"}'
    environment = {"KEY": "Bearer k3y-of-the-test", "DB_PASSWORD": "hunter2-of-the-db"}
    for reply in (refusal, refusal.replace(b"k3y-of-the-test", b"hunter2-of-the-db")):
        with serving(answer(reply, "400 x")) as server:
            fields = ParametersFields(
                http=server.url, timeout_s=TIMEOUT_S, headers={"X-Key": FromEnvironment("KEY")}
            )
            channel = make_writer(fields, context_of(tmp_path, environment))
            with pytest.raises(ChannelFault) as caught:
                channel.deliver(delivery_of())
        first, second = caught.value.details
        assert first.startswith('its answer: {"error": "unknown setting soak \\x1b[2J", "sent":')
        assert "***" in first
        assert not [text for text in ("k3y-of", "hunter2") if text in first]
        assert second.endswith("target.parameters.soak_block: false sends no block soak")


def test_the_answer_to_a_refused_delivery_is_cut(tmp_path: Path) -> None:
    with serving(answer(b"x" * 5000, "500 x")) as server, pytest.raises(ChannelFault) as caught:
        writer(server, tmp_path).deliver(delivery_of())
    assert caught.value.details[0] == f"its answer: {'x' * 300}…"
    # Of a long answer the second half of what was read may have a part of a secret, unmasked.
    for reply in (b"", b" " * 1500 + b"y" * 3000):
        with serving(answer(reply, "500 x")) as server, pytest.raises(ChannelFault) as caught:
            writer(server, tmp_path).deliver(delivery_of())
        assert [line[:17] for line in caught.value.details] == ["if it takes no ot"]


def test_a_service_that_takes_parameters_alone_gets_no_block(tmp_path: Path) -> None:
    with serving(answer(b"")) as server:
        writer(server, tmp_path, soak_block=False).deliver(delivery_of(seq=3))
    body = json.loads(server.requests[0].partition(b"\r\n\r\n")[2])
    assert body == delivery_of(seq=3).runtime
    assert "soak" not in body
    with serving(answer(b"", "400 x")) as server, pytest.raises(ChannelFault) as caught:
        writer(server, tmp_path, soak_block=False).deliver(delivery_of())
    assert caught.value.details == ()


def test_the_original_is_sent_again_also_by_a_later_session(tmp_path: Path) -> None:
    with serving(lambda request: answer(b'{"old": 1}' if b"GET" in request else b"")) as server:
        writer(server, tmp_path).open()
        channel = writer(server, tmp_path)
        channel.open()
        channel.restore()
    assert [request.partition(b" ")[0] for request in server.requests] == [b"GET", b"PUT"]
    assert server.requests[1].endswith(b'\r\n\r\n{"old": 1}')


@pytest.mark.parametrize("reply", [answer(b"", "405 x"), answer(b"[]"), answer(b"<html>")])
def test_without_an_original_nothing_is_restored(tmp_path: Path, reply: bytes) -> None:
    with serving(reply) as server:
        channel = writer(server, tmp_path)
        channel.open()
        with pytest.raises(ChannelFault, match="has no original to put back"):
            channel.restore()
    assert len(server.requests) == 1


def reader(server: Server, folder: Path) -> ReportUrl:
    return make_reader(ReportFields(http=server.url), context_of(folder), 2.0)


def test_an_answer_is_a_report(tmp_path: Path) -> None:
    with serving(answer(b'{"totals": {"a": 1}}')) as server:
        channel = reader(server, tmp_path)
        channel.begin()
        assert not channel.exists()
        assert server.requests == []
        assert channel.poll() == {"totals": {"a": 1}}
        assert channel.exists()
        assert (channel.sources, channel.every_s) == ((server.url,), 2.0)


@pytest.mark.parametrize(
    ("reply", "name"),
    [
        (answer(b'{"totals":'), "not_json"),
        (answer(b""), "not_json"),
        (answer(b"[]"), "not_a_report"),
        (answer(b"", "500 x"), "refused"),
    ],
)
def test_an_answer_is_no_report(tmp_path: Path, reply: bytes, name: str) -> None:
    with serving(reply) as server, pytest.raises(ChannelFault) as caught:
        reader(server, tmp_path).poll()
    assert caught.value.name == name


def test_a_timeout_of_nothing_is_refused(tmp_path: Path) -> None:
    fields = ParametersFields(http="http://localhost/", timeout_s=0.0)
    with pytest.raises(WrongValueError, match="timeout_s: 0 is not above 0"):
        make_writer(fields, context_of(tmp_path))


def test_all_texts_are_expanded_once(tmp_path: Path) -> None:
    texts: list[str] = []

    def expand(text: str) -> str:
        texts.append(text)
        return text.replace("{x}", "{y}").replace("{y}", "bot.example")

    fields = ReportFields(http="http://{x}/", headers={"X": "{x}"}, allow_hosts=("{x}",))
    channel = make_reader(fields, context_of(tmp_path, expand=expand), 1.0)
    assert sorted(texts) == sorted(["http://{x}/", "{x}", "{x}"])
    assert channel.place == "http://bot.example:80/"
