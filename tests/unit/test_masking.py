"""What is masked in the texts of others, and what is not."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest

from pytest_soak import run_lane
from pytest_soak.masking import Masker, masker_of

ENVIRONMENT = {
    "GITHUB_TOKEN": "ghp_abcdefgh",
    "PGPASSWORD": "open sesame",
    "SIGNING_SECRET": "-----BEGIN KEY-----\nabc",
    "SHORT_TOKEN": "short",
    "NUMBER_TOKEN": "123456789012",
    "TOKEN_FILE": "/run/token-of-ci",
    "TOKENIZERS_PARALLELISM": "parallelism",
    "HARMLESS": "a harmless text",
}
MASKER = Masker.of((), ENVIRONMENT)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("connect failed: password=hunter2 host=db", "connect failed: password=*** host=db"),
        ("DB_PASSWORD: 'hunter2 x' next", "DB_PASSWORD: '***' next"),
        ('{"passwd": "hunter2", "n": 1}', '{"passwd": "***", "n": 1}'),
        ("{'client_secret': 'abcdefghij'}", "{'client_secret': '***'}"),
        ('"{\\"api_key\\": \\"abcdefghij\\"}"', '"{\\"api_key\\": \\"***\\"}"'),
        ("X-Api-Key: qwertyuiop", "X-Api-Key: ***"),
        ("apiKey=qwertyuiop, x=1", "apiKey=***, x=1"),
        ("token => abcdefghij", "token => ***"),
        ("aws_secret_access_key = wJalrXUt/K7M", "aws_secret_access_key = ***"),
        ("SECRET_KEY_BASE=abcdefghij", "SECRET_KEY_BASE=***"),
        ("https://x/?access_token=abcdefghijk&z=1", "https://x/?access_token=***&z=1"),
        ("AKIAIOSFODNN7EXAMPLE is no key", "*** is no key"),
        ("Authorization: Bearer abc", "Authorization: Bearer ***"),
        ("'authorization': 'Basic dXNlcjpwdw=='", "'authorization': 'Basic ***'"),
        ("sent bearer eyJhbGciOiJIUzI1NiJ9.e30", "sent bearer ***"),
        ("postgres://user:p4ss@host/db", "postgres://user:***@host/db"),
        ("redis://:p@ss@host", "redis://:***@host"),
        ("cannot clone with ghp_abcdefgh", "cannot clone with ***"),
        ("key -----BEGIN KEY-----\nabc bad", "key *** bad"),
        (repr("-----BEGIN KEY-----\nabc"), "'***'"),
        ("said open sesame", "said ***"),
        ("a text that was cut: ghp_abc", "a text that was cut: ***"),
        ("a row is a text, 'x ghp_abcd', no mapping", "a row is a text, 'x ***', no mapping"),
        ("ghp_abcdx and ghp_abc", "ghp_abcdx and ***"),
    ],
)  # fmt: skip
def test_a_secret_is_masked(text: str, masked: str) -> None:
    assert MASKER(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "token=BTCUSDT",  # less than 8 characters
        "secret: none",
        "token=12345678",  # a plain number
        "api_key: -1.5e300",
        "p95_latency_ms is 12345678",
        "max_tokens=100000000",
        "tokenizer=bert-base-uncased",
        "http://host:8080/x@y",
        "short 123456789012 /run/token-of-ci parallelism a harmless text",
        "AKIA is the beginning of a key",
        "the bearer of this message",
        "Authorization: required",
        "p95 <= 340 and net_bps >= 2.7",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert MASKER(text) is text


def test_names_of_ones_own() -> None:
    masker = Masker.of(["passphrase", "VAULT_CODE"], {"VAULT_CODE": "zebra-crossing"})
    assert masker("passphrase=abcdefghi zebra-crossing") == "passphrase=*** ***"
    assert masker('{"vault_code": "zebra-crosses"}') == '{"vault_code": "***"}'
    assert masker("password=hunter2") == "password=***"


def test_values_of_json() -> None:
    value = {
        "config": {"password": "x", "client_secret": "abcdefghij", "tokens": ["abcdefgh", 12]},
        "rows": [1.5, None, True, "token=abcdefgh"],
        "token=aaaaaaaa": 1,
        "token=bbbbbbbb": 2,
        "block_reasons": {"token": 12345678},
    }
    before = json.dumps(value)
    assert MASKER.value(value) == {
        "config": {"password": "***", "client_secret": "***", "tokens": ["***", 12]},
        "rows": [1.5, None, True, "token=***"],
        "token=***": 1,
        "token=***-2": 2,
        "block_reasons": {"token": 12345678},
    }
    assert json.dumps(value) == before


def test_a_secret_of_several_lines_is_masked_line_by_line() -> None:
    masker = Masker.of((), {"SOME_TOKEN": "first-line\nlast-line\nshort"})
    for text in ("first-line", "last-line", "first-line\nlast-line\nshort", "last-line"):
        assert masker(f"it has {text}.") == "it has ***."
    assert masker("it is short.") == "it is short."


def test_what_has_no_secret_is_the_same_object() -> None:
    report = {"totals": {"net_bps": 3.5, "x": None}, "rows": [{"a": "text"}], "note": "fine"}
    assert MASKER.value(report) is report


def test_a_name_of_the_profile_is_no_secret() -> None:
    """A variable SOME_TOKEN=concurrency must not take the block reason of that name away."""
    masker = Masker.of((), {"A_TOKEN": "concurrency", "B_TOKEN": "ghp_abcdefgh"})
    assert masker("concurrency ghp_abcdefgh") == "*** ***"
    spared = masker.sparing(["risk", "concurrency"])
    assert spared("concurrency ghp_abcdefgh") == "concurrency ***"


def test_a_parameter_that_is_called_like_a_secret_is_none() -> None:
    masker = MASKER.sparing(["max_tokens"])
    reason = {"max_tokens": "velocity: only 5", "note": "max_tokens: velocity: only 5"}
    assert masker.value(reason) is reason
    assert masker("my_max_tokens=abcdefgh") == "my_max_tokens=***"
    assert MASKER.value(reason)["max_tokens"] == "***"


def test_off() -> None:
    masker = masker_of(None, ENVIRONMENT)
    value: Any = {"password": "password=hunter2 ghp_abcdefgh"}
    assert masker("password=hunter2 ghp_abcdefgh") == "password=hunter2 ghp_abcdefgh"
    assert masker.value(value) is value
    assert masker.sparing(["x"]) is masker


@pytest.mark.parametrize(
    "text",
    [
        "x" * 9000 + "password",
        'token="' * 1400,
        "password" + "\\" * 9000,
        "password" + " " * 9000 + "=",
        "a://" * 2500 + "@",
        ("a" * 30 + "://" + "b" * 250 + ":") * 30 + "@",
        "authorization" * 700,
        "bearer " * 1400,
    ],
)
def test_no_text_takes_long(text: str) -> None:
    begin = time.perf_counter()
    MASKER(text)
    assert time.perf_counter() - begin < 0.5


def test_a_lane_without_a_session_masks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENUE_TOKEN", "ghp_abcdefgh")

    class Failing:
        def run(self, iteration: int, runtime: Mapping[str, Any]) -> Mapping[str, Any]:
            if iteration == 2:
                raise ConnectionError("password=hunter2 ghp_abcdefgh")
            return {"totals": {"net_bps": 3.0}, "note": "token=abcdefgh"}

    history = run_lane(Failing(), iterations=3)
    assert history.halt is not None
    assert history.halt.text.endswith("password=*** ***")
    assert history.iterations[0].report["note"] == "token=***"


@pytest.mark.parametrize(
    ("given", "masked"),
    [
        (["--soak-mock", "-q"], ["--soak-mock", "-q"]),
        (["--api-key", "abcdefgh1234"], ["--api-key", "***"]),
        (["--api-key=abcdefgh1234"], ["--api-key=***"]),
        (["--soak-command=bot --api-key abcdefgh1234 -v"], ["--soak-command=bot --api-key *** -v"]),
        (["--soak-command", "bot --token 'a b c d e'"], ["--soak-command", "bot --token ***"]),
        (["--soak-command=bot --db-password=x"], ["--soak-command=bot --db-password=***"]),
        (["--soak-command=API_TOKEN=abcdefgh1234 bot"], ["--soak-command=API_TOKEN=*** bot"]),
        (["--db=postgres://me:abcdefgh@host/x"], ["--db=postgres://me:***@host/x"]),
        (["--soak-mask", "mytoken"], ["--soak-mask", "mytoken"]),
    ],
)
def test_arguments_are_masked(given: list[str], masked: list[str]) -> None:
    assert Masker().arguments(given) == masked


def test_arguments_with_the_value_of_a_variable_are_masked() -> None:
    mask = Masker.of((), {"EXCHANGE_API_KEY": "s3cr3t-value"})
    assert mask.arguments(["--soak-command=bot s3cr3t-value"]) == ["--soak-command=bot ***"]
