"""Replay in a session: the parameters change, and journal and engine agree on what was used."""

from __future__ import annotations

import importlib.util
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.sessions.conftest import Result, Sessions
from tests.unit.targets.recordings import (
    BOTH,
    BUY,
    DEPTH,
    MS,
    START_NS,
    Events,
    archive,
    event_header,
    market,
    npy,
    npy_of,
    patched,
    saved,
)

needs_engine = pytest.mark.skipif(
    importlib.util.find_spec("hftbacktest") is None, reason="needs the extra 'replay'"
)

DATA = Path(__file__).parents[3] / "shared" / "data"
FILES = [("btcusd_perp_20240808_09.npz", 20), ("btcusdt_perp_20240808.npz", 11)]


@needs_engine
@pytest.mark.parametrize(("name", "measured"), FILES)
def test_recorded_data(soak: Sessions, name: str, measured: int) -> None:
    if not (DATA / name).exists():
        pytest.skip(f"no recorded market data: {name} is not there")
    args = (
        "--soak-iterations=20", "--soak-interval=30", "--soak-target=replay",
        f"--soak-data={DATA / name}",
    )  # fmt: skip
    result = soak(*args, "-rs", subprocess=True)
    assert result.code == 1, result.out  # the shipped limits are for another market: it says so
    observations = [e for e in result.entries() if e["type"] == "observation"]
    assert len(observations) == measured
    values = result.entries()[0]["values"]
    used = []
    for entry in result.entries():
        if entry["type"] == "observation":
            assert entry["report"]["effective_params"] == pytest.approx(values)
            used.append(tuple(sorted(entry["report"]["effective_params"].items())))
        elif entry["type"] == "decision":
            values = entry["values"]
    assert len(set(used)) >= 3  # parameters really changed between iterations
    assert result.json("DELTA_VERIFY.json")["fail_count"] == 0
    criteria = {c["name"]: c for c in result.json("POST_SOAK_SNAPSHOT.json")["criteria"]}
    expected = "PASS" if measured == 20 else "INCONCLUSIVE"
    assert criteria["completeness"]["verdict"] == expected
    if measured < 20:
        assert "11 of 20" in criteria["completeness"]["reason"]
        assert result.outcomes["skipped"] == 9


@needs_engine
def test_resumed_equals_never_stopped(soak: Sessions) -> None:
    name = FILES[1][0]
    if not (DATA / name).exists():
        pytest.skip(f"no recorded market data: {name} is not there")
    args = ("--soak-interval=30", "--soak-target=replay", f"--soak-data={DATA / name}")
    soak.pytester.makeconftest(
        "import os, signal\n"
        "def pytest_soak_iteration(lane, iteration):\n"
        "    if iteration.number == 4 and 'STOP' in os.environ:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STOP", "1")
        soak("--soak-iterations=8", *args, subprocess=True)
    resumed = soak("--soak-iterations=8", *args, "--soak-resume", subprocess=True)
    assert resumed.done_before == 4
    whole = soak("--soak-iterations=8", *args, "--soak-dir=whole", subprocess=True)
    assert whole.code == resumed.code
    assert resumed.journal() == (soak.folder / "whole/latest/journal.jsonl").read_bytes()


def replayed(soak: Sessions, path: str, *args: str) -> Result:
    return soak(
        "--soak-iterations=3", "--soak-interval=10", "--soak-target=replay", f"--soak-data={path}",
        *args,
    )  # fmt: skip


def one_line(text: str) -> str:
    return " ".join(text.split())


def broken(folder: Path, content: bytes) -> str:
    path = folder / "recording.npz"
    path.write_bytes(content)
    return str(path)


def bomb(folder: Path) -> str:
    rows = 4 << 20
    path = folder / "recording.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as written,
        written.open("data.npy", "w") as member,
    ):
        member.write(npy_of(event_header(f"({rows},)")))
        for _ in range(rows * 64 >> 20):
            member.write(bytes(1 << 20))
    return str(path)


HOSTILE: dict[str, tuple[Callable[[Path], str], str]] = {
    "compression": (
        lambda folder: patched(saved(folder, market()), 10, struct.pack("<H", 97)),
        "compression method 97",
    ),
    "encrypted": (
        lambda folder: patched(saved(folder, market()), 8, struct.pack("<H", 1)),
        "encrypted",
    ),
    "header": (lambda folder: archive(folder, npy_of("((((" * 2000)), "header"),
    "shape": (
        lambda folder: archive(folder, npy_of(event_header("(99999999999,)"), bytes(640))),
        "(99999999999,)",
    ),
    "bomb": (bomb, "268,435,456 bytes of events"),
    "truncated": (
        lambda folder: broken(folder, Path(saved(folder, market())).read_bytes()[:500]),
        "not an .npz file",
    ),
    "no npz": (lambda folder: broken(folder, b"time,price\n1,2\n"), "not an .npz file"),
    "objects": (
        lambda folder: archive(folder, npy(np.array([{"px": 1}], dtype=object))),
        "pickled Python objects",
    ),
    "fields": (
        lambda folder: saved(folder, market()[["ev", "exch_ts", "px", "qty"]]),
        "lacks the field 'local_ts'",
    ),
}


def refused(soak: Sessions, path: str) -> str:
    """The error of a session that was refused before it left a trace."""
    result = replayed(soak, path)
    assert result.code == pytest.ExitCode.USAGE_ERROR, result.out
    output = result.out + result.err
    assert "INTERNALERROR" not in output
    assert "Traceback" not in output
    (error,) = [line for line in result.err.splitlines() if line.startswith("ERROR: ")]
    assert error.startswith("ERROR: soak: --soak-target=replay: replay: ")
    assert "recording.npz" in error
    assert not (soak.folder / "artifacts").exists()
    return error


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_a_usage_error_of_one_line(soak: Sessions, name: str) -> None:
    make, says = HOSTILE[name]

    assert says in refused(soak, make(soak.folder))


def kinds(value: int) -> Events:
    events = market()
    events["ev"] = BOTH | BUY | value
    return events


def in_unit(factor: int) -> Events:
    events = market()
    for field in ("exch_ts", "local_ts"):
        events[field] //= factor
    return events


def received_early() -> Events:
    events = market()
    events["local_ts"] = events["exch_ts"] - MS
    return events


def unsorted() -> Events:
    events = market()
    events["local_ts"][100] -= 1000 * MS
    return events


@pytest.mark.parametrize(
    ("events", "says"),
    [
        (kinds(99), "99 (unknown): 400"),
        (kinds(10), "10 (add order, L3): 400"),
        (in_unit(10**9), "looks like s since 1970"),
        (in_unit(10**6), "looks like ms since 1970"),
        (in_unit(10**3), "looks like us since 1970"),
        (received_early(), "100 % of the events"),
        (np.repeat(market(), 2), "50 % of the rows"),
        (unsorted(), "local_ts goes back"),
    ],
    ids=["unknown", "L3", "s", "ms", "us", "early", "twice", "unsorted"],
)
def test_what_cannot_be_replayed_is_a_usage_error_of_one_line(
    soak: Sessions, events: Events, says: str
) -> None:
    assert says in refused(soak, saved(soak.folder, events))


@needs_engine
def test_a_recording_that_is_too_short_says_how_long_it_is(soak: Sessions) -> None:
    error = refused(soak, saved(soak.folder, market(60)))

    assert "spans 5.9 s, of which 3.9 s can be traded" in error


@needs_engine
def test_header_and_audit_show_what_the_recording_is_like(soak: Sessions) -> None:
    result = replayed(soak, saved(soak.folder, market()))

    line = (
        "recorded data recording.npz: 39.9 s, 400 events, 1 trades/s, spread p50 49.9 p99 49.9 "
        "bps, crossed 0 % of the time, largest gap 0.1 s, feed latency p50 7 ms"
    )
    assert f"soak: {line}" in one_line(result.out)
    assert f"- {line}" in result.text("POST_SOAK_AUDIT.md").splitlines()
    assert "in doubt" not in result.out


def without_trades() -> Events:
    events = market()
    events["ev"][9::10] = BOTH | DEPTH | BUY
    events["px"][9::10] = 100.0
    return events


def with_a_hole() -> Events:
    events = market()
    for field in ("exch_ts", "local_ts"):
        events[field][200:] += 3_600_000 * MS
    return events


@needs_engine
@pytest.mark.parametrize(
    ("events", "says"),
    [
        (without_trades(), "there are no trades"),
        (with_a_hole(), "nothing was received for 3,600 s"),
    ],
    ids=["trades", "hole"],
)
def test_a_doubt_stands_in_header_and_audit_and_refuses_nothing(
    soak: Sessions, events: Events, says: str
) -> None:
    result = replayed(soak, saved(soak.folder, events))

    assert result.code in (0, 1), result.out
    assert len(result.entries()) > 3
    assert f"soak: recorded data in doubt: {says}" in one_line(result.out)
    assert f"- recorded data in doubt: {says}" in result.text("POST_SOAK_AUDIT.md")


@needs_engine
def test_times_in_ns_since_the_recording_began_can_be_replayed(soak: Sessions) -> None:
    events = market()
    for field in ("exch_ts", "local_ts"):
        events[field] -= START_NS

    result = replayed(soak, saved(soak.folder, events))

    assert result.json("DELTA_VERIFY.json")["fail_count"] == 0
    assert len([entry for entry in result.entries() if entry["type"] == "observation"]) == 3
