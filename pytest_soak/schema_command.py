"""The commands that print JSON Schemas: ``profile schema`` and ``schema``."""

from __future__ import annotations

import argparse
import sys
from typing import Any


def add_commands(commands: Any, profile_actions: Any) -> None:
    """Add both to the parsers of ``pytest-soak`` and of ``pytest-soak profile``."""
    text = "Print the JSON Schema of a profile's file."
    of_profile = profile_actions.add_parser("schema", help=text, description=text)
    of_profile.add_argument(
        "name", metavar="FILE", nargs="?", help="the names in FILE are completed by the editor"
    )
    of_profile.set_defaults(command=print_profile_schema)
    text = "Print the JSON Schema of a file of a run; without NAME list them."
    of_file = commands.add_parser("schema", help=text, description=text)
    of_file.add_argument("name", metavar="NAME", nargs="?", help="such as snapshot or journal")
    of_file.set_defaults(command=print_schema)


def print_profile_schema(arguments: argparse.Namespace) -> int:
    """Print the schema of a profile's file, with the names of FILE and of what it extends.

    A note on stderr says why the names of FILE itself are missing, if it is no profile yet. Raises
    ProfileError for a FILE that cannot be read, and for what it extends.
    """
    from pytest_soak.printing import note
    from pytest_soak.profile.known_names import known_names
    from pytest_soak.profile.schema import KnownNames
    from pytest_soak.schemas.registry import profile_schema
    from pytest_soak.store.sources import read_source

    names, problem = KnownNames(), ""
    if arguments.name is not None:
        names, problem = known_names(arguments.name, read_source)
    _print(profile_schema(names))
    if problem:
        note(f"{problem}; its own names are left out")
    return 0


def print_schema(arguments: argparse.Namespace) -> int:
    """Print the schema NAME, or the table of all. Raises CommandError for an unknown NAME."""
    from pytest_soak.messages import nearest
    from pytest_soak.printing import CommandError, show
    from pytest_soak.schemas.registry import SCHEMAS, schema

    if arguments.name is None:
        rows = [(name, item.file, item.text) for name, item in SCHEMAS.items()]
        first, second = (max(len(row[place]) for row in rows) for place in (0, 1))
        show("\n".join(f"{name:{first}}  {file:{second}}  {text}" for name, file, text in rows))
        return 0
    if arguments.name not in SCHEMAS:
        near = nearest(arguments.name, tuple(SCHEMAS))
        raise CommandError(f"there is no schema {arguments.name!r}{near}")
    _print(schema(arguments.name))
    return 0


def _print(schema: dict[str, Any]) -> None:
    from pytest_soak.schemas.registry import text_of

    sys.stdout.write(text_of(schema))
