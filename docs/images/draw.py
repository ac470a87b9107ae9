"""Draws every picture of README and pages from real runs, in an empty folder.

``python docs/images/draw.py`` draws all of them, ``python docs/images/draw.py report`` those of a
name. It needs ``pip install rich playwright``, and Debian's package ``chromium``: none of them is a
dependency of pytest-soak. Nothing of a picture is edited, so a change of the output changes it.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
SOAK = ("--soak-iterations=24", "--soak-mock")
SWEEP = ("--soak-sweep=base_spread_bps=0.3:1.2:0.1", "--soak-seed=1,2,3,4")
MAP = (
    "--soak-sweep=base_spread_bps=0.3:1.1:0.2; replace_rate_per_min=200,400,600,900",
    "--soak-seed=1,2",
)
FAILS = ("--soak-iterations=24", "--soak-target=mock")
GATE, KPIS = 'section[id$="-gate"]', 'section[id$="-kpis"]'
WIDTH, MARGIN = 1200, 10
LATEST = Path("artifacts/soak/latest")


def soak(folder: Path, *options: str) -> str:
    """The output of a session in a folder."""
    session = subprocess.run(
        [sys.executable, "-m", "pytest", "--color=yes", *options],
        cwd=folder,
        env={
            **os.environ,
            "COLUMNS": "100",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_PLUGINS": "pytest_soak.plugin",
            "PYTHONPATH": str(HERE.parents[1]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if not (folder / LATEST / "judgement.jsonl").is_file():
        raise SystemExit(f"{options}: no run was judged\n{session.stdout}{session.stderr}")
    return session.stdout


def draw_terminal(folder: Path) -> None:
    """``run.svg``: the output of the main command."""
    from rich.console import Console
    from rich.text import Text

    output = soak(folder, *SOAK).replace(str(folder), "~/empty")
    console = Console(record=True, width=102, file=io.StringIO())
    console.print(Text.from_ansi(f"$ pytest {' '.join(SOAK)}\n{output}"))
    svg = console.export_svg(title="pytest-soak")
    # The fonts of the reader's machine are used: the picture must not open a connection.
    svg = re.sub(r"@font-face\s*{[^}]*}", "", svg).replace("Fira Code", "DejaVu Sans Mono")
    svg = svg.replace("<text ", '<text xml:space="preserve" ')  # some viewers drop leading spaces
    (HERE / "run.svg").write_text(svg, "utf-8")


def draw_sweep(folder: Path) -> None:
    """``sweep.svg``: KPIs over one parameter."""
    soak(folder, *SOAK, *SWEEP)
    shutil.copyfile(folder / LATEST / "SWEEP.svg", HERE / "sweep.svg")


def draw_map(folder: Path) -> None:
    """``sweep_map.svg``: a map of two parameters."""
    soak(folder, *SOAK, *MAP)
    shutil.copyfile(folder / LATEST / "SWEEP.svg", HERE / "sweep_map.svg")


def draw_report(folder: Path) -> None:
    """``report.png``: the top of the report of the main command; ``report_kpis.png``: its KPIs."""
    soak(folder, *SOAK)
    page = folder / LATEST / "REPORT.html"
    photograph(page, HERE / "report.png", "light", "header", GATE)
    photograph(page, HERE / "report_kpis.png", "light", KPIS, f"{KPIS} .panels")


def draw_failure(folder: Path) -> None:
    """``report_fail.png``: the top of the report of a run that fails, in dark colours."""
    soak(folder, *FAILS)
    photograph(folder / LATEST / "REPORT.html", HERE / "report_fail.png", "dark", "header", GATE)


def draw_service(folder: Path) -> None:
    """``report_service.png``: KPIs and parameters of the service of docs/own_service.md."""
    page = (HERE.parent / "own_service.md").read_text("utf-8")
    for name, text in re.findall(r"^```\w+\n# (\S+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        (folder / name).write_text(text, "utf-8")
    if "gate: PASS" not in soak(folder, "--soak-iterations=24"):
        raise SystemExit("the machine is busy: the page shows a PASS, and this run is none")
    last = 'section[id$="-parameters"]'
    photograph(folder / LATEST / "REPORT.html", HERE / "report_service.png", "light", KPIS, last)


def photograph(page: Path, picture: Path, colours: str, first: str, last: str) -> None:
    """A page from the top of one element to the bottom of another, as a browser shows it."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("chromium is not installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        sheet = browser.new_page(viewport={"width": WIDTH, "height": 3000}, color_scheme=colours)
        sheet.goto(page.as_uri())
        sheet.wait_for_load_state("networkidle")
        upper = sheet.locator(first).first.bounding_box()
        lower = sheet.locator(last).first.bounding_box()
        if upper is None or lower is None:
            raise SystemExit(f"{page}: {first} or {last} is not there")
        top = max(upper["y"] - MARGIN, 0)
        height = lower["y"] + lower["height"] + MARGIN - top
        clip = {"x": 0, "y": top, "width": WIDTH, "height": height}
        sheet.wait_for_timeout(500)  # uPlot draws the panels that are in view
        sheet.screenshot(path=picture, clip=clip)
        browser.close()


PICTURES: dict[str, Callable[[Path], None]] = {
    "run": draw_terminal,
    "report": draw_report,
    "report_fail": draw_failure,
    "report_service": draw_service,
    "sweep": draw_sweep,
    "sweep_map": draw_map,
}


def main(names: list[str]) -> None:
    unknown = set(names) - PICTURES.keys()
    if unknown:
        raise SystemExit(f"{', '.join(unknown)}: the pictures are {', '.join(PICTURES)}")
    for name in names or PICTURES:
        with tempfile.TemporaryDirectory() as folder:
            PICTURES[name](Path(folder))
        print(name)


if __name__ == "__main__":
    main(sys.argv[1:])
