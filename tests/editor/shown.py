"""What an editor shows of a small profile that extends ``market_maker``.

``python -m tests.editor.shown`` prints it; tests/README.md says what it needs.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pytest_soak.cli import main as pytest_soak
from tests.editor.server import Server, language_server, missing

SCHEMA = "shop.schema.json"
HEAD = f"# yaml-language-server: $schema={SCHEMA}\nextends: market_maker\n"
MOVES = HEAD + "rules:\n  MINE:\n    when: {net_bps: '< 2'}\n    moves:\n      \n"
CRITERIA = HEAD + "gate:\n  criteria:\n    \n"
TOP = HEAD + "\n"
WRONG = HEAD + "gate:\n  window: eight\n  windw: 8\nrules:\n  MINE: {dwell: 0}\n"


@dataclass(frozen=True)
class Shown:
    """Completions are label to description."""

    server: str
    moves: dict[str, str]
    criteria: dict[str, str]
    top: dict[str, str]
    hover: str
    problems: list[str]
    of_valid: list[str]


def shown(folder: Path) -> Shown:
    """Writes profile and schema into a folder, and asks the server about them."""
    profile = folder / "shop.yaml"
    profile.write_text(MOVES, "utf-8")  # half written, as it is when an editor needs the schema
    (folder / SCHEMA).write_text(printed_schema(profile), "utf-8")
    with language_server(folder) as server:
        return _answers(server)


def printed_schema(profile: Path) -> str:
    """What the command prints for a profile."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        assert pytest_soak(["profile", "schema", str(profile)]) == 0
    return output.getvalue()


def _answers(server: Server) -> Shown:
    moves, criteria = server.open("moves.yaml", MOVES), server.open("criteria.yaml", CRITERIA)
    top, wrong = server.open("top.yaml", TOP), server.open("wrong.yaml", WRONG)
    valid = server.open("valid.yaml", HEAD + "gate:\n  window: 8\n")
    return Shown(
        server=server.version,
        moves=server.completions(moves, 6, 6),
        criteria=server.completions(criteria, 4, 4),
        top=server.completions(top, 2, 0),
        hover=server.hover(wrong, 3, 4),
        problems=server.problems(wrong),
        of_valid=server.problems(valid),
    )


def main() -> None:
    reason = missing()
    if reason:
        sys.exit(reason)
    with tempfile.TemporaryDirectory() as folder:
        seen = shown(Path(folder))
    print(f"yaml-language-server {seen.server}")
    for title, items in (("rules: MINE: moves:", seen.moves), ("gate: criteria:", seen.criteria)):
        print(f"\ncompleted below {title}")
        for label, text in items.items():
            print(f"  {label:24} {text}".rstrip())
    print(f"\nshown for gate: window:\n  {' '.join(seen.hover.split())}")
    print("\nmarked in a profile with three faults (line: message)")
    for line in seen.problems:
        print(f"  {line}")


if __name__ == "__main__":
    main()
