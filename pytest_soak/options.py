"""Declares every option and ini value. :mod:`pytest_soak.settings` resolves them.

Every pytest session imports this module, so it imports only pytest and stays small.
"""

from __future__ import annotations

import os
from typing import Final

import pytest

TURN_ON: Final = "give --soak-iterations or --soak-hours"
_SWITCHES: Final = ("soak", "soak_iterations", "soak_hours")
_VARIABLES: Final = ("SOAK_ITERATIONS", "SOAK_HOURS")


def add_options(parser: pytest.Parser) -> None:
    """Declare the options and ini values."""
    group = parser.getgroup("soak", "soak: a soak run is the test session")
    option = group.addoption
    option("--soak", action="store_true", help="soak for soak_iterations of the ini, else 24")
    option("--soak-iterations", metavar="N", help="soak for N iterations per lane")
    option("--soak-hours", metavar="H", help="soak for H hours of target time")
    option("--soak-profile", metavar="NAME|FILE[,...]", help="profile(s); default: steady")
    option(
        "--soak-symbol",
        metavar="A[,B]",
        help="symbol(s) that are traded; default: the profile's",
    )
    option("--soak-seed", metavar="N[,M]", help="seed(s); default: 1")
    option(
        "--soak-target",
        metavar="NAME|module:factory",
        help="mock, replay, live, or a factory(lane) of your own",
    )
    option(
        "--soak-command",
        metavar="COMMAND",
        help="start this bot and soak it (live target); split as a shell does, run without one",
    )
    option(
        "--soak-mock",
        action="store_true",
        help="the mock market, and the mock limits of the gate",
    )
    option("--soak-interval", metavar="SECONDS", help="target time of an iteration; default: 300")
    option("--soak-data", metavar="FILE", help="recorded market data for the replay target")
    option(
        "--soak-scenario",
        metavar="NAME[@N][,...]",
        help="schedule disturbances of the profile; @N: in iteration N",
    )
    option("--soak-no-tune", action="store_true", help="observe and judge, never propose")
    option("--soak-dry-run", action="store_true", help="propose, decide, record; never apply")
    option("--soak-timeout", metavar="SECONDS", help="deadline for each call of the target")
    option("--soak-dir", metavar="DIR", help="where runs go; default: artifacts/soak")
    option("--soak-resume", action="store_true", help="continue DIR/latest from its journal")
    option("--soak-strict", action="store_true", help="WARN and INCONCLUSIVE fail too")
    option(
        "--soak-sweep",
        action="append",
        metavar="KEY=FROM:TO:STEP",
        help="one lane per value (or KEY=A,B,C) of one or two parameters, and a map of the KPIs",
    )
    option("--soak-sweep-tune", action="store_true", help="keep the tuner on in a sweep")
    option("--soak-reference", metavar="RUN", help="an A/A run (tuner off): its noise is used")
    option("--soak-compare", metavar="RUN", help="reserved for a baseline of earlier runs")
    option(
        "--soak-mask",
        metavar="NAME[,...]|off",
        help="more names of secrets to mask in texts of the target; off: mask nothing",
    )
    option(
        "--soak-metrics",
        metavar="original|clean",
        help="names in POST_SOAK_METRICS.prom; clean: as promtool accepts them",
    )
    option(
        "--soak-export-json",
        metavar="FILE",
        help="write metrics and a row per iteration as JSON lines",
    )
    option("--soak-export-md", metavar="FILE", help="write the audit as Markdown")
    option(
        "--soak-summary",
        metavar="auto|off|FILE",
        help="Markdown summary; auto: appended to the file in GITHUB_STEP_SUMMARY, if that is set",
    )
    option("--soak-report", metavar="on|off", help="write REPORT.html into the run; default: on")
    ini = parser.addini
    ini("soak_iterations", "iterations of a bare --soak")
    ini("soak_profile", "default of --soak-profile")
    ini("soak_symbol", "default of --soak-symbol")
    ini("soak_seed", "default of --soak-seed")
    ini("soak_target", "default of --soak-target")
    ini("soak_command", "default of --soak-command")
    ini("soak_interval", "default of --soak-interval")
    ini("soak_data", "default of --soak-data")
    ini("soak_scenario", "default of --soak-scenario")
    ini("soak_tune", "false is --soak-no-tune", type="bool", default=True)
    ini("soak_timeout", "default of --soak-timeout")
    ini("soak_dir", "default of --soak-dir")
    ini("soak_reference", "default of --soak-reference")
    ini("soak_compare", "reserved for a baseline of earlier runs")
    ini("soak_metrics", "default of --soak-metrics")
    ini("soak_mask", "default of --soak-mask")
    ini("soak_summary", "default of --soak-summary")
    ini("soak_report", "default of --soak-report")
    ini("soak_strict", "true is --soak-strict", type="bool", default=False)


def mentions_soak(config: pytest.Config) -> bool:
    """Whether the command line has a soak option; for the header of a session without a soak."""
    return any(arg.startswith("--soak") for arg in config.invocation_params.args)


def asks_for_soak(config: pytest.Config) -> bool:
    """Whether an option or a variable turns a soak on; an ini value does not."""
    given = (config.getoption(name) for name in _SWITCHES)
    return any(value is not None and value is not False for value in given) or any(
        os.environ.get(name) for name in _VARIABLES
    )
