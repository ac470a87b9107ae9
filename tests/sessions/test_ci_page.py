"""The recipes of docs/ci.md run as they stand there, and leave what each system reads."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.sessions.conftest import Sessions
from tests.sessions.test_live_page import blocks

ROOT = Path(__file__).parents[2]
SYSTEMS = ("GitHub Actions", "GitLab", "Jenkins")
INSTALL = "pip install -r requirements.txt"
KEPT = ("artifacts/soak/latest", "junit.xml")
MOST_BYTES = 30_000_000
"""Of a JUnit file in GitLab."""


@dataclass(frozen=True)
class Recipe:
    commands: tuple[str, ...]
    """In their order; the first installs, the second soaks."""
    keeps: tuple[str, ...]
    """The paths that the system keeps."""


def github() -> Recipe:
    (text,) = blocks("ci.md", "## GitHub Actions", "yaml")
    steps = workflow(text)["jobs"]["soak"]["steps"]
    (upload,) = [step for step in steps if "upload-artifact" in step.get("uses", "")]
    assert upload["if"] == "always()"
    (explain,) = [step for step in steps if step.get("if") == "failure()"]
    assert steps.index(explain) < steps.index(upload)
    commands = tuple(step["run"] for step in steps if "run" in step)
    return Recipe(commands, tuple(upload["with"]["path"].split()))


def workflow(text: str) -> Mapping[str, Any]:
    loaded = yaml.safe_load(text)
    # YAML 1.1 reads the key `on` as true; GitHub reads YAML 1.2.
    assert set(loaded.pop(True)) == {"pull_request", "schedule"}
    assert set(loaded) == {"name", "permissions", "jobs"}
    return dict(loaded)


def gitlab() -> Recipe:
    (text,) = blocks("ci.md", "## GitLab", "yaml")
    job = yaml.safe_load(text)["soak"]
    artifacts = job["artifacts"]
    assert artifacts["when"] == "always"
    assert artifacts["reports"] == {"junit": "junit.xml"}
    assert job["allow_failure"] == {"exit_codes": [1]}
    return Recipe(tuple(job["script"]), tuple(path.rstrip("/") for path in artifacts["paths"]))


def jenkins() -> Recipe:
    (text,) = blocks("ci.md", "## Jenkins", "groovy")
    for opening, closing in ("{}", "[]", "()"):
        assert text.count(opening) == text.count(closing)
    steps = re.findall(r"^ *sh ('''(.*?)'''|'(.*?)')$", text, re.DOTALL | re.MULTILINE)
    commands = tuple(textwrap.dedent(long or short) for _, long, short in steps)
    (archived,) = re.findall(r"archiveArtifacts artifacts: '([^']*)'", text)
    assert re.search(r"junit testResults: 'junit\.xml', keepProperties: true", text)
    return Recipe(commands, tuple(path.removesuffix("/**") for path in archived.split(", ")))


RECIPES = {"GitHub Actions": github, "GitLab": gitlab, "Jenkins": jenkins}
SHELLS = {
    "GitHub Actions": ("bash", "-e"),
    "GitLab": ("bash", "-eo", "pipefail"),
    "Jenkins": ("sh", "-xe"),
}
"""The shell of a step, as the system starts it on Linux."""


@dataclass(frozen=True)
class Job:
    folder: Path
    code: int
    summary: Path


def run(soak: Sessions, system: str, *, fails: bool) -> Job:
    """Run the recipe in a copy of the example, with the gate as it is or one that FAILs."""
    shutil.copytree(ROOT / "examples/web_service", soak.folder, dirs_exist_ok=True)
    profile = soak.folder / "pool.yaml"
    if fails:
        text = profile.read_text()
        assert 'p95_ms: "<= 220"' in text
        profile.write_text(text.replace('p95_ms: "<= 220"', 'p95_ms: "<= 20"'))
    install, soaks, *after = RECIPES[system]().commands
    assert install.startswith(INSTALL)
    summary = soak.folder / "step_summary"
    code = call(soak.folder, SHELLS[system], soaks, summary)
    if code:
        for command in after:
            assert call(soak.folder, SHELLS[system], command, summary) == 0
    return Job(soak.folder, code, summary)


def call(folder: Path, shell: tuple[str, ...], command: str, summary: Path) -> int:
    scripts = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTEST_ADDOPTS": "-p no:cacheprovider -p no:randomly -p no:hypothesispytest",
    }
    if shell == SHELLS["GitHub Actions"]:
        environment["GITHUB_STEP_SUMMARY"] = str(summary)
    done = subprocess.run(
        [*shell, "-c", command], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.returncode


def junit(folder: Path) -> list[ElementTree.Element]:
    file = folder / "junit.xml"
    assert file.stat().st_size < MOST_BYTES
    root = ElementTree.parse(file).getroot()
    assert root.tag == "testsuites"
    (suite,) = root
    cases = list(suite.iter("testcase"))
    assert len(cases) == int(suite.get("tests", ""))
    return cases


@pytest.fixture(scope="module", params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("fails", [False, True], ids=["passes", "fails"])
def test_a_recipe_runs_and_leaves_what_it_keeps(soak: Sessions, system: str, fails: bool) -> None:
    job = run(soak, system, fails=fails)
    assert job.code == int(fails)
    keeps = RECIPES[system]().keeps
    assert set(KEPT) <= set(keeps)
    for path in keeps:
        assert (job.folder / path).exists(), path
    cases = junit(job.folder)
    failing = [case.get("name") for case in cases if case.find("failure") is not None]
    assert failing == (["gate[pool-1/p95_ms]"] if fails else [])
    # GitLab reads names, which must differ, times, files and the text of a failure.
    names = [(case.get("classname"), case.get("name")) for case in cases]
    assert len(set(names)) == len(names)
    for case in cases:
        assert float(case.get("time", "")) >= 0
        assert case.get("file")
        for failure in case.iter("failure"):
            assert failure.text
            assert failure.text.startswith("FAIL: p95_ms: ")
    # Jenkins shows the properties of a case.
    (latency,) = [case for case in cases if case.get("name") == "gate[pool-1/p95_ms]"]
    shown = {item.get("name"): item.get("value", "") for item in latency.iter("property")}
    assert float(shown["soak_limit"]) == (20 if fails else 220)
    assert (float(shown["soak_margin"]) < 0) == fails
    assert latency.get("file") == "pool.yaml"
    line = (job.folder / "pool.yaml").read_text().splitlines()[int(latency.get("line", ""))]
    assert line.strip().startswith('p95_ms: "<= ')


@pytest.mark.parametrize("name", ["GitHub Actions", "GitLab"])
def test_a_recipe_with_a_summary_leaves_it(soak: Sessions, name: str) -> None:
    job = run(soak, name, fails=True)
    file = job.summary if name == "GitHub Actions" else job.folder / "soak.md"
    text = file.read_text("utf-8")
    assert text.startswith("## Soak: FAIL\n")
    assert "| p95_ms | **FAIL** |" in text
    assert job.summary.exists() == (name == "GitHub Actions")


def test_the_page_names_the_properties_that_a_report_has() -> None:
    page = (ROOT / "docs/ci.md").read_text("utf-8")
    named = re.findall(r"^\| `(soak_\w+)` \|", page, re.MULTILINE)
    assert named == ["soak_gate", "soak_value", "soak_limit", "soak_bound", "soak_margin"]


def test_the_options_have_their_rows_and_the_readme_leads_to_the_page() -> None:
    options = (ROOT / "docs" / "options.md").read_text("utf-8")
    assert "| `--soak-summary=auto\\|off\\|FILE` | `soak_summary` | `auto` |" in options
    assert "| `--soak-report=on\\|off` | `soak_report` | `on` |" in options
    assert "](docs/ci.md)" in (ROOT / "README.md").read_text("utf-8")
