"""Draws ``run.svg``, the picture in the README: the unedited output of the main command.

It needs ``rich``, which is no dependency of the package:
``pip install rich && python docs/images/draw.py``.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

COMMAND = ["--soak-iterations=24", "--soak-mock"]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        session = subprocess.run(
            [sys.executable, "-m", "pytest", "--color=yes", *COMMAND],
            cwd=folder,
            env={**os.environ, "COLUMNS": "100", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                 "PYTEST_PLUGINS": "pytest_soak.plugin"},
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
    output = session.stdout.replace(folder, "~/empty")
    console = Console(record=True, width=100, file=io.StringIO())
    console.print(Text.from_ansi(f"$ pytest {' '.join(COMMAND)}\n{output}"))
    svg = console.export_svg(title="pytest-soak")
    # The fonts of the reader's machine are used: the picture must not open a connection.
    svg = re.sub(r"@font-face\s*{[^}]*}", "", svg).replace("Fira Code", "DejaVu Sans Mono")
    svg = svg.replace("<text ", '<text xml:space="preserve" ')  # some viewers drop leading spaces
    Path(__file__).with_name("run.svg").write_text(svg, "utf-8")


if __name__ == "__main__":
    main()
