"""The arguments of the command ``init``, declared without importing what it does."""

from __future__ import annotations

import argparse
from typing import Any


def add_init(commands: Any) -> None:
    """Add the command to the parsers of the commands. Imports nothing that it needs later."""
    text = "Write the files of a new soak, and try them in two dry iterations."
    parser = commands.add_parser("init", help=text, description=text)
    parser.set_defaults(command=_begin)
    parser.add_argument("folder", nargs="?", metavar="DIR", default=".", help="default: here")
    parser.add_argument(
        "--from", dest="sample", metavar="REPORT.json", help="a sample of what the service reports"
    )
    parser.add_argument(
        "--for",
        dest="way",
        metavar="WAY",
        help="function (Python code), command (a program) or http (a service with addresses)",
    )
    parser.add_argument("--report-url", metavar="URL", help="where a GET gives the figures")
    parser.add_argument("--parameters-url", metavar="URL", help="where parameters are sent to")
    parser.add_argument("--method", metavar="PUT|POST|PATCH", help="of --parameters-url")
    parser.add_argument(
        "--allow-host", metavar="HOST", action="append", help="a host beyond this machine"
    )
    parser.add_argument(
        "--header", metavar="NAME=VARIABLE", action="append", help="a header, by a variable"
    )
    parser.add_argument("--command", dest="program", metavar="COMMAND", help="starts the service")
    parser.add_argument("--report-command", metavar="COMMAND", help="prints the figures")
    parser.add_argument("--parameters-command", metavar="COMMAND", help="reads the parameters")
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    parser.add_argument("--no-run", action="store_true", help="without the two dry iterations")


def _begin(arguments: argparse.Namespace) -> int:
    from pytest_soak.init_command import begin_soak

    return begin_soak(arguments)
