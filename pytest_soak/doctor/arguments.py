"""The arguments of the command ``doctor``; imported with every command, so it imports nothing."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument(
        "profile",
        nargs="?",
        metavar="PROFILE",
        help="a profile; its files are read, and its URLs and commands are contacted",
    )
    parser.add_argument("--soak-dir", metavar="DIR", default="artifacts/soak", help="where runs go")
    parser.add_argument("--interval", metavar="S", type=float, help="of the run that is planned")
    parser.add_argument("--iterations", metavar="N", type=int, help="of the run that is planned")
    parser.add_argument("--symbol", metavar="NAME", default="", help="for {symbol} in its texts")
    parser.add_argument("--wait", metavar="S", type=float, help="watch the reports at most so long")
    parser.add_argument(
        "--apply", action="store_true", help="deliver the start values once, and time the echo"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--strict", action="store_true", help="exit with 1 for a WARN too")
