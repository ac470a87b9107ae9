"""Secrets in the texts of a target are masked in every output and file; --soak-mask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sessions.conftest import BOT, Sessions
from tests.sessions.test_hostile_text import commands, files

pytestmark = pytest.mark.exhaustive

FAILING = f"""
{BOT}
import os

class Failing(Bot):
    def run(self, i, runtime):
        report = super().run(i, runtime)
        report["note"] = "token=abcdefghij"
        report["config"] = {{"api_key": "abcdefghij", "retries": 12345678}}
        if i == 3:
            raise ConnectionError(
                "login failed: password=hunter2 " + os.environ.get("VENUE_TOKEN", "")
                + " passphrase=zebra-crossing " + os.environ.get("VAULT_CODE", "")
            )
        return report

def pytest_soak_target(lane):
    return Failing(lane)
"""
SECRETS = ("hunter2", "abcdefghij", "ghp_0123456789")
OWN = ("zebra-crossing", "tiger-lily-code")


@pytest.fixture
def failing(soak: Sessions, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    monkeypatch.setenv("VENUE_TOKEN", "ghp_0123456789")
    monkeypatch.setenv("VAULT_CODE", "tiger-lily-code")
    soak.pytester.makeconftest(FAILING)
    return soak


def texts_of(soak: Sessions, out: str) -> Iterator[tuple[str, str]]:
    yield "out", out
    yield from files(soak.folder)
    yield from commands(soak.folder, "explain --iteration 2")


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["plain", "xdist"])
def test_secrets_are_masked_everywhere(failing: Sessions, workers: tuple[str, ...]) -> None:
    result = failing("--soak-iterations=4", "-v", "-rA", "--junit-xml=junit.xml", *workers)
    (halt,) = (entry for entry in result.entries() if entry["type"] == "halt")
    assert "login failed: password=*** ***" in halt["text"]
    assert "login failed: password=*** ***" in result.out
    for name, text in texts_of(failing, result.out + result.err):
        assert not [secret for secret in SECRETS if secret in text], name
    report = next(e for e in result.entries() if e["type"] == "observation")["report"]
    assert report["note"] == "token=***"
    assert report["config"] == {"api_key": "***", "retries": 12345678}


def test_what_the_hook_of_an_iteration_raises_is_masked(failing: Sessions) -> None:
    failing.pytester.makeconftest(
        FAILING.replace("if i == 3", "if i == 30") + "def pytest_soak_iteration(lane, iteration):\n"
        '    secret = "password=hunter2 " + os.environ["VENUE_TOKEN"]\n'
        "    raise RuntimeError(secret)\n"
    )
    result = failing("--soak-iterations=3", "-v", "-rA", "--junit-xml=junit.xml")
    assert "pytest_soak_iteration raised RuntimeError: password=*** ***" in result.out
    assert "in pytest_soak_iteration" in result.out  # the way through the user's own file
    for name, text in texts_of(failing, result.out + result.err):
        assert not [secret for secret in SECRETS if secret in text], name


def test_names_of_ones_own(failing: Sessions) -> None:
    result = failing("--soak-iterations=4", "-v", "--soak-mask=passphrase,VAULT_CODE")
    assert result.json("run.json")["verdict"] == "FAIL"
    for name, text in texts_of(failing, result.out):
        assert not [secret for secret in (*SECRETS, *OWN) if secret in text], name


def test_without_them_these_are_no_secrets(failing: Sessions) -> None:
    result = failing("--soak-iterations=4")
    assert all(text in result.out for text in OWN)


@pytest.mark.parametrize("way", ["option", "ini"])
def test_off(failing: Sessions, way: str) -> None:
    if way == "ini":
        failing.pytester.makeini("[pytest]\nsoak_mask = off")
    result = failing("--soak-iterations=4", *(["--soak-mask=off"] if way == "option" else []))
    assert "password=hunter2 ghp_0123456789" in result.out
    assert b"password=hunter2 ghp_0123456789" in result.journal()
    assert b'"api_key":"abcdefghij"' in result.journal()


def test_the_option_wins_over_the_ini(failing: Sessions) -> None:
    failing.pytester.makeini("[pytest]\nsoak_mask = off")
    assert b"hunter2" not in failing("--soak-iterations=4", "--soak-mask=passphrase").journal()


@pytest.mark.parametrize("text", ["a b", "x=y", "ab", "=", "offf,,"])
def test_a_bad_value(soak: Sessions, text: str) -> None:
    result = soak("--soak-iterations=2", "--soak-mock", f"--soak-mask={text}")
    assert result.code == 4
    assert "--soak-mask" in result.err


def test_a_variable_with_the_name_of_a_block_reason_changes_no_figure(
    soak: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    soak.bot()
    before = soak("--soak-iterations=3", "--soak-target=bot:make").journal()
    for name, word in (("A_TOKEN", "concurrency"), ("B_SECRET", "min_interval"), ("C", "x")):
        monkeypatch.setenv(name, word)
    assert soak("--soak-iterations=3", "--soak-target=bot:make").journal() == before


def test_a_run_with_masked_texts_is_resumed(soak: Sessions) -> None:
    noted = BOT.replace("return {\n", 'return {\n            "note": "token=abcdefghij",\n', 1)
    Path("bot.py").write_text(noted)
    whole = soak("--soak-iterations=6", "--soak-target=bot:make").entries()
    part = soak("--soak-iterations=4", "--soak-target=bot:make")
    assert part.code == 0
    resumed = soak("--soak-iterations=6", "--soak-target=bot:make", "--soak-resume").entries()
    reports = [
        [entry["report"] for entry in entries if entry["type"] == "observation"]
        for entries in (whole, resumed)
    ]
    assert reports[0] == reports[1]
    assert all(report["note"] == "token=***" for report in reports[0])
