"""One hostile text in every field that others fill: nothing that people read obeys it."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.cli import main
from tests.sessions.conftest import BOT, Result, Sessions
from tests.unit.sealed_runs import write_journal

pytestmark = pytest.mark.exhaustive

SECRET = "hunter2-the-secret"
HOSTILE = (
    "\x1b[31mRED\x1b]0;title\x07\x9b2J\x7f\u202eevil\u2066\u200b"
    "<img src=x onerror=alert(1)>![i](http://evil.example/x.png)[l](http://evil.example)|c|"
    "<script>x</script>`\ud800\x00\r\nsoak: FORGED\n# FORGED\n\u2028- FORGED\x85gate: FORGED "
    f"password={SECRET}"
)
TEXT = (
    "HOSTILE = " + ascii(HOSTILE) + "\nPLAIN = HOSTILE.replace('\\ud800', '')\n"
    "OPEN = PLAIN.partition('password=')[0]\n"
)
"""For a module. PLAIN is what JSON can hold. OPEN has no secret: pytest writes ids itself."""

EVERYWHERE = f"""
{TEXT}
{BOT}
import pytest

class Hostile(Bot):
    def run(self, i, runtime):
        report = super().run(i, runtime)
        report["totals"].update({{HOSTILE: HOSTILE, "net_bps_" + HOSTILE: 1.0}})
        report["fills"][HOSTILE] = 1
        report["note"] = [HOSTILE, {{HOSTILE: HOSTILE}}]
        report["scenarios"] = [{{"name": HOSTILE, "started_s": 0, "ended_s": 1, HOSTILE: 2}}]
        report["effective_params"] = {{**runtime["risk"], HOSTILE: HOSTILE, "tail_age_ms": HOSTILE}}
        report["audit"] = [{{"event": HOSTILE, "reason": HOSTILE}}, HOSTILE, {{"event": "PLACE"}}]
        if i == 2:
            report["totals"]["p95_latency_ms"] = HOSTILE
        if i == 3:
            del report["block_reasons"]
            report["audit"] = [{{"event": "BLOCK", "reason": HOSTILE}}] * 3
        if i == 4:
            report["block_reasons"] = {{HOSTILE: HOSTILE}}
        return report

    def snapshot(self):
        return {{"text": PLAIN}}

    def restore(self, state):
        assert state == {{"text": PLAIN}}

    def stop(self):
        raise RuntimeError("stop: " + HOSTILE)

def pytest_soak_target(lane):
    return Hostile(lane)

def pytest_soak_propose(lane, kpis, headroom, history):
    number = len(history) + 1
    if number == 2:
        raise ValueError(HOSTILE)
    if number == 3:
        pytest.skip(HOSTILE)
    if number == 4:
        return HOSTILE
    delta = HOSTILE if number == 5 else 1.0
    return {{
        "tail_age_ms": {{"delta": delta, "kpis": [HOSTILE], "rule": HOSTILE}},
        HOSTILE: {{"delta": HOSTILE, "kpis": HOSTILE, "rule": [HOSTILE]}},
    }}

def pytest_soak_gate(lane, history):
    from pytest_soak import criterion
    yield criterion("own", "FAIL", HOSTILE, value=1.0, limit=HOSTILE)
    yield criterion(HOSTILE, "WARN", HOSTILE)
    yield HOSTILE
    raise ValueError(HOSTILE)
"""
CHECK = f"""
{TEXT}
import pytest

def test_ok(soak_iteration):
    soak_iteration.record("own_kpi", HOSTILE)

@pytest.mark.parametrize("text", [OPEN])
def test_parameter(soak_iteration, text):
    pass

def test_fails(soak_iteration):
    assert soak_iteration.number != 6, "not six"
"""


def commands(folder: Path, *more: str) -> Iterator[tuple[str, str]]:
    """Every command on the run: what it was, and all that it printed."""
    for command in (
        *("gate", "gate --json", "gate --unsealed", "verify", "verify --json"),
        *("snapshot", "snapshot --pretty", "audit", "explain", *more),
    ):
        printed = io.StringIO()
        with redirect_stdout(printed), redirect_stderr(printed), chdir(folder):
            main([*command.split(), "artifacts/soak"])
        text = printed.getvalue()
        assert text.encode().decode() == text, command  # as on a terminal
        assert "Traceback" not in text, text
        yield command, text


def files(folder: Path) -> Iterator[tuple[str, str]]:
    """Every file that the run left, and the JUnit report, as text."""
    for path in sorted((folder / "artifacts").rglob("*")):
        if path.is_file():
            yield path.name, path.read_bytes().decode()
    for path in folder.glob("*.xml"):
        yield path.name, path.read_text("utf-8")


def check(name: str, text: str) -> None:
    """Nothing moves a cursor, begins a line of its own, or is markup."""
    odd = {character for character in text if not character.isprintable() and character != "\n"}
    assert not odd, (name, odd)
    for line in text.splitlines():
        assert not re.match(r"(soak:|#+|-|gate:) FORGED", line), (name, line)
    if name.endswith((".md", ".svg", "audit")):
        assert "<img" not in text, name
        assert "<script" not in text, name
        without_escapes = re.sub(r"\\[\\\[|]", "", text)
        links = re.findall(r"\[[^\]]*\]\([^)]*\)", without_escapes)
        assert all("evil" not in link for link in links), (name, links)
        assert "http://evil" not in text, name


def check_all(soak: Sessions, result: Result, *more: str) -> None:
    texts = {
        "out": result.out,
        "err": result.err,
        **dict(files(soak.folder)),
        **dict(commands(soak.folder, *more)),
    }
    for name, text in texts.items():
        check(name, text)
        if name != "journal.jsonl":  # it holds the target's own state, unchanged
            assert SECRET not in text, name
    assert sum("evil" in text for text in texts.values()) > 8


def test_a_run_with_a_hostile_text_in_every_field(soak: Sessions) -> None:
    soak.pytester.makeconftest(EVERYWHERE)
    soak.pytester.makepyfile(test_bot=CHECK)
    result = soak("--soak-iterations=9", "-v", "-rA", "--junit-xml=junit.xml", "--soak-strict")
    assert result.code == 1, result.out
    numbers = [f"explain --iteration {number}" for number in range(1, 8)]
    check_all(soak, result, *numbers)
    states = [e["target_state"] for e in result.entries() if e["type"] == "observation"]
    assert all(SECRET in state["text"] for state in states)
    for entry in result.entries():
        assert SECRET not in json.dumps({**entry, "target_state": None})
    before = len(result.entries())
    resumed = soak("--soak-iterations=10", "--soak-resume", "-v", "-rA")
    check_all(soak, resumed)
    assert len(resumed.entries()) > before


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("run", "raise ValueError(HOSTILE)"),
        ("end", "from pytest_soak import EndOfData; raise EndOfData(HOSTILE)"),
        ("contract", "return {'totals': HOSTILE}"),
        ("note", "e = ValueError(1); e.add_note(HOSTILE); raise e from KeyError(HOSTILE)"),
    ],
)
def test_a_target_that_ends_with_a_hostile_text(soak: Sessions, name: str, line: str) -> None:
    soak.pytester.makeconftest(
        f"{TEXT}\n{BOT}\nclass Ending(Bot):\n    def run(self, i, runtime):\n        if i == 2:\n"
        f"            {line}\n        return super().run(i, runtime)\n"
        "def pytest_soak_target(lane): return Ending(lane)\n"
    )
    result = soak("--soak-iterations=4", "-v", "-rA", "--junit-xml=junit.xml")
    halts = [entry for entry in result.entries() if entry["type"] == "halt"]
    assert len(halts) == 1, result.out
    texts = {**dict(files(soak.folder)), **dict(commands(soak.folder, "explain --iteration 3"))}
    for what, text in {"out": result.out, "err": result.err, **texts}.items():
        check(what, text)
        assert SECRET not in text, what
    if name in ("run", "end"):
        assert "password=***" in halts[0]["text"]
        assert "password=***" in result.out
    again = soak("--soak-iterations=4", "--soak-resume", "-v", "-rA")
    check("out", again.out)
    assert SECRET not in again.out


def test_a_module_that_cannot_be_imported(soak: Sessions) -> None:
    soak.pytester.makepyfile(broken=f"{TEXT}\nraise ValueError(HOSTILE)\n")
    result = soak("--soak-iterations=2", "--soak-target=broken:make")
    assert result.code == 4
    check("err", result.err)
    assert SECRET not in result.err
    assert "password=***" in result.err


def test_hooks_that_raise(soak: Sessions) -> None:
    soak.pytester.makeconftest(
        f"{TEXT}\n{BOT}\ndef pytest_soak_target(lane): return Bot(lane)\n"
        "def pytest_soak_gate(lane, history): raise ValueError(HOSTILE)\n"
        "def pytest_soak_iteration(lane, iteration):\n"
        "    import pytest\n    pytest.skip(HOSTILE)\n"
    )
    result = soak("--soak-iterations=2", "-rA", "--junit-xml=junit.xml")
    for what, text in {"out": result.out, **dict(files(soak.folder))}.items():
        check(what, text)
        assert SECRET not in text, what
    assert "pytest_soak_iteration raised" in result.out


@pytest.mark.parametrize(
    "option",
    [
        "--soak-profile={}", "--soak-profile=./{}.yaml", "--soak-symbol={}", "--soak-seed={}",
        "--soak-data={}", "--soak-reference={}", "--soak-compare={}", "--soak-scenario={}",
        "--soak-sweep={}", "--soak-sweep={}=1,2", "--soak-interval={}", "--soak-mask={}",
        "--soak-timeout={}", "--soak-target={}", "--soak-export-md=file/{}/x", "--soak-metrics={}",
        "--soak-resume {}",
    ],
)  # fmt: skip
def test_an_option_that_is_refused(soak: Sessions, option: str) -> None:
    text = HOSTILE.replace("\x00", "").replace("\ud800", "")
    mock = () if "target" in option or "data" in option else ("--soak-mock",)
    target = ("--soak-target=replay",) if "data" in option else ()
    given = option.format(text).split(" ", 1) if "resume" in option else [option.format(text)]
    (soak.folder / "file").touch()
    result = soak("--soak-iterations=2", *given, *mock, *target)
    assert result.code == 4
    if "resume" not in option:  # a path that does not exist is pytest's own to refuse
        check("err", result.err)


def test_a_profile_with_hostile_names(soak: Sessions) -> None:
    name = json.dumps(HOSTILE.replace("\ud800", ""))
    for document in (
        f"extends: market_maker\n{name}: 1\n",
        f"extends: market_maker\nkpis: {{{name}: {{read: [a]}}}}\n",
        f"extends: market_maker\nparameters: {{tail_age_ms: {{unit: {name}, min: 9000}}}}\n",
        f"extends: {name}\n",
    ):
        (soak.folder / "mine.yaml").write_text(document, "utf-8")
        result = soak("--soak-iterations=2", "--soak-mock", "--soak-profile=./mine.yaml")
        assert result.code == 4
        check("err", result.err)
        for command in ("show", "check"):
            done = subprocess.run(
                [sys.executable, "-m", "pytest_soak", "profile", command, "./mine.yaml"],
                cwd=soak.folder,
                capture_output=True,
                check=False,
            )
            check(command, done.stdout.decode() + done.stderr.decode())


def test_a_unit_is_shown_as_it_is_written(soak: Sessions) -> None:
    unit = json.dumps(HOSTILE.replace("\ud800", ""))
    soak.bot()
    (soak.folder / "mine.yaml").write_text(
        f"extends: steady\nparameters: {{tail_age_ms: {{unit: {unit}}}}}\n", "utf-8"
    )
    result = soak("--soak-iterations=2", "--soak-target=bot:make", "--soak-profile=./mine.yaml")
    texts = {"out": result.out, "err": result.err}
    if result.code != 4:
        texts |= {**dict(files(soak.folder)), **dict(commands(soak.folder))}
    for name, text in texts.items():
        check(name, text)


def test_a_forged_run_that_the_commands_read(soak: Sessions) -> None:
    """The texts of run.json, of the seal and of a journal are those of a stranger."""
    soak.bot()
    result = soak("--soak-iterations=3", "--soak-target=bot:make")
    text = HOSTILE.replace("\ud800", "")
    about = result.json("run.json")
    seal = json.loads(result.text("judgement.jsonl").splitlines()[-1])
    entries: list[dict[str, Any]] = [dict(entry) for entry in result.entries()]
    for entry in entries:
        entry.pop("check", None)
    for key in ("target", "verdict", "data_hash"):
        forged = {**about, key: text, "hooks": [{"hook": text, "file": text, "line": 1}]}
        (result.latest / "run.json").write_text(json.dumps(forged))
        for name, printed in commands(soak.folder, "explain --iteration 2"):
            check(name, printed)
    entries[0] = {**entries[0], "target": text, "lane": {**entries[0]["lane"], "symbol": text}}
    lanes = [{**about["lanes"][0], "symbol": text}]
    write_journal(result.latest / "journal.jsonl", entries)
    forged = {**about, "target": text, "lanes": lanes, "versions": {"pytest_soak": text}}
    (result.latest / "run.json").write_text(json.dumps(forged))
    outputs = dict(commands(soak.folder, "explain --iteration 2"))
    for name, shown in outputs.items():
        check(name, shown)
    assert "evil" in outputs["audit"]
    (result.latest / "judgement.jsonl").unlink()
    seal.pop("check")
    write_journal(result.latest / "judgement.jsonl", [{**seal, "run_id": text}])
    for name, shown in commands(soak.folder):
        check(name, shown)
