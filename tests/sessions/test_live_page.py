"""The bots of docs/targets.md and docs/live.md run as they stand there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.sessions.conftest import Result, Sessions

DOCS = Path(__file__).parents[2] / "docs"
ITERATIONS = 4
QUICK = (f"--soak-iterations={ITERATIONS}", "--soak-interval=0.5")


def blocks(page: str, heading: str, language: str) -> list[str]:
    """The code below a heading of level 2 or 3, up to the next one of its level or above."""
    level = heading.partition(" ")[0]
    rest = (DOCS / page).read_text("utf-8").partition(f"\n{heading}\n")[2]
    section = re.split(rf"\n#{{2,{len(level)}}} ", rest)[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def passed(soak: Sessions, *args: str) -> Result:
    (soak.folder / "pool.yaml").write_text(blocks("targets.md", "## Your own", "yaml")[0])
    result = soak(*QUICK, *args, subprocess=True)
    assert result.code == 0, result.out
    reports = [e["report"] for e in result.entries() if e["type"] == "observation"]
    assert [report["totals"]["p95_ms"] for report in reports][:1] == [112.5], result.out
    assert reports[-1]["totals"]["p95_ms"] < 112.5  # the tuner moved it
    return result


def test_a_function(soak: Sessions) -> None:
    (code,) = blocks("targets.md", "### 1. A function", "python")
    (soak.folder / "conftest.py").write_text(code)
    passed(soak, "--soak-profile=./pool.yaml")


def test_a_class(soak: Sessions) -> None:
    (code,) = blocks("targets.md", "### 2. A class", "python")
    (soak.folder / "service.py").write_text(code)
    passed(soak, "--soak-profile=./pool.yaml", "--soak-target=service:Service")


@pytest.mark.parametrize("language", ["python", "javascript"])
def test_what_a_bot_writes(soak: Sessions, language: str) -> None:
    (code,) = blocks("live.md", "### What a bot writes", language)
    assert len([line for line in code.splitlines() if line]) <= 14
    program, ending = {"python": ("python3", "py"), "javascript": ("node", "js")}[language]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    (soak.folder / f"bot.{ending}").write_text(code)
    result = passed(soak, "--soak-profile=./pool.yaml", f"--soak-command={program} bot.{ending}")
    by = {e["report"]["belongs_by"] for e in result.entries() if e["type"] == "observation"}
    assert by == {"applied_seq"}


def test_files(soak: Sessions) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    (soak.folder / "bot.js").write_text(blocks("live.md", "### What a bot writes", "javascript")[0])
    (code,) = blocks("targets.md", "### 3. A command and files", "yaml")
    (soak.folder / "files.yaml").write_text(code)
    passed(soak, "--soak-profile=./files.yaml", "--soak-target=live")


def test_http(soak: Sessions) -> None:
    (profile,) = blocks("targets.md", "### 4. HTTP", "yaml")
    (code,) = blocks("targets.md", "### 4. HTTP", "python")
    (soak.folder / "http.yaml").write_text(profile)
    (soak.folder / "service.py").write_text(code)
    passed(soak, "--soak-profile=./http.yaml", "--soak-target=live")
    log = soak.folder / "artifacts/soak/latest/target/log/service.log"
    assert "Traceback" not in log.read_text()
