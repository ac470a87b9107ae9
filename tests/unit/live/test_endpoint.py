"""URLs and headers: what is refused when a plan is made, and that no message has a secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_soak.json_types import WrongValueError
from pytest_soak.live.endpoint import endpoint_of, header_values, is_loopback
from pytest_soak.processes.sections import FromEnvironment
from tests.unit.live.contexts import context_of


@pytest.mark.parametrize(
    ("text", "place", "target"),
    [
        ("http://127.0.0.1:8080/a/b", "http://127.0.0.1:8080/a/b", "/a/b"),
        ("http://LOCALHOST", "http://localhost:80/", "/"),
        ("https://[::1]/x?a=1&b=2", "https://[::1]:443/x", "/x?a=1&b=2"),
        ("http://127.9.9.9:1?q", "http://127.9.9.9:1/", "/?q"),
        ("http://BOT.example/x", "http://bot.example:80/x", "/x"),
        ("http://[2001:db8::1]:5/", "http://[2001:db8::1]:5/", "/"),
    ],
)
def test_a_url_in_parts(text: str, place: str, target: str) -> None:
    endpoint = endpoint_of(text, ["Bot.Example", "[2001:db8::1]"], ("http",))
    assert (endpoint.place, endpoint.target) == (place, target)
    assert endpoint.is_allowed == ("xample" in text or "db8" in text)


def test_the_canonical_text_differs_by_the_query_without_showing_it() -> None:
    first, second, same = (
        endpoint_of(f"http://{host}/x?key={key}", (), ()).canonical
        for host, key in (("localhost", "aaa"), ("localhost", "bbb"), ("LOCALHOST:80", "aaa"))
    )
    assert first == same != second
    assert first.startswith("http://127.0.0.1:80/x?sha256=")
    assert "aaa" not in first


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "[::1]", "[0:0::1]", "[::ffff:7f00:1]"])
def test_this_machine_has_one_canonical_name(host: str) -> None:
    """Two lanes that name it differently use one destination."""
    assert endpoint_of(f"http://{host}:81/x", (), ()).canonical == "http://127.0.0.1:81/x"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ftp://127.0.0.1/", "is not of the form 'http://127.0.0.1:8080/path'"),
        ("127.0.0.1:80", "is not of the form"),
        ("http:///x", "is not of the form"),
        ("http://127.0.0.1:0/", "is not of the form"),
        ("http://127.0.0.1:99999/", "is no URL"),
        ("http://[::1/", "is no URL"),
        ("http://127.0.0.1/a b", "has a space, a control character or a character beyond ASCII"),
        ("http://127.0.0.1/\r\nX: 1", "has a space, a control character"),
        ("http://127.0.0.1/ü", "has a space, a control character"),
        ("http://127.0.0.1/#x", "has a fragment"),
        ("http://example.com/", "is not on this machine"),
        ("http://10.0.0.1/", "is not on this machine"),
        ("http://0.0.0.0/", "is not on this machine"),
        ("http://2130706433/", "is not on this machine"),
        ("http://localhost.example.com/", "is not on this machine"),
        ("http://[::1%25eth0]/", "is not on this machine"),
        ("http://user:hunter22@127.0.0.1/", "has credentials; give them in the headers"),
        ("http://hunter22@127.0.0.1/", "has credentials"),
        ("http://u:hunter22/x@127.0.0.1/", "is no URL"),
        ("http://u:hunter22?x@127.0.0.1/", "is no URL"),
        ("http://example.com/?token=hunter22", "is not on this machine"),
        ("http://example.com/#hunter22", "has a fragment"),
        ("u:hunter22@127.0.0.1", "is not of the form"),
    ],
)
def test_a_url_is_refused(text: str, problem: str) -> None:
    with pytest.raises(WrongValueError) as caught:
        endpoint_of(text, (), ("http",))
    assert problem in caught.value.problem
    assert caught.value.path == ("http",)
    assert "hunter22" not in str(caught.value)


@given(st.text(alphabet="hunter2SECRET/?#@:[]%", max_size=12), st.sampled_from(["/", "/x?y", ""]))
def test_no_message_has_the_credentials(password: str, rest: str) -> None:
    try:
        endpoint_of(f"http://user:SECRET{password}SECRET@127.0.0.1{rest}", (), ("http",))
    except WrongValueError as error:
        message = str(error)
    else:
        message = ""  # it was in the path, for the host ended before
    assert "SECRET" not in message


def test_a_mapped_address_is_that_of_ipv4() -> None:
    assert is_loopback("::ffff:127.0.0.1")
    assert not is_loopback("::ffff:10.0.0.1")
    assert not is_loopback("localhost")


def test_the_values_of_headers(tmp_path: Path) -> None:
    context = context_of(tmp_path, {"KEY": "Bearer s3cret "})
    headers: dict[str, str | FromEnvironment] = {
        "Authorization": FromEnvironment("KEY"),
        "X-Dir": "{dir}",
    }
    assert header_values(headers, context) == {
        "Authorization": "Bearer s3cret",
        "X-Dir": str(tmp_path),
    }


@pytest.mark.parametrize(
    ("headers", "path", "problem"),
    [
        ({"X": FromEnvironment("LOST")}, "headers.X", "the variable LOST is not set"),
        ({"X": FromEnvironment("KEY")}, "headers.X", "its value has a line end"),
        ({"X": "s3cret\nY: 1"}, "headers.X", "its value has a line end"),
        ({"X": "s3cret ☃"}, "headers.X", "its value has a line end"),
        ({"a b": "s3cret"}, "headers", "'a b' is no name of a header"),
        ({"a:": "s3cret"}, "headers", "'a:' is no name of a header"),
        ({"content-length": "3"}, "headers.content-length", "is set by pytest-soak itself"),
        ({"Host": "x"}, "headers.Host", "is set by pytest-soak itself"),
        ({"X": "1", "x": "2"}, "headers.x", "is there twice"),
    ],
)
def test_a_header_is_refused(
    tmp_path: Path, headers: dict[str, str | FromEnvironment], path: str, problem: str
) -> None:
    with pytest.raises(WrongValueError) as caught:
        header_values(headers, context_of(tmp_path, {"KEY": "s3cret\r\nX: 1"}))
    assert ".".join(caught.value.path) == path
    assert problem in caught.value.problem
    assert "s3cret" not in str(caught.value)
