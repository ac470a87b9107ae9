"""Every option and ini value, declared. :mod:`pytest_soak.settings` resolves them.

Imported with every pytest session, so it imports nothing but pytest and defines nothing heavy.
"""

from __future__ import annotations

import os
from typing import Final

import pytest

TURN_ON: Final = "give --soak-iterations or --soak-hours"
_SWITCHES: Final = ("soak", "soak_iterations", "soak_hours")
_VARIABLES: Final = ("SOAK_ITERATIONS", "SOAK_HOURS")


def add_options(parser: pytest.Parser) -> None:
    """Declare the options and ini values of SPEC §4."""
    group = parser.getgroup("soak", "soak: a soak run is the test session")
    option = group.addoption
    option("--soak", action="store_true", help="soak for the ini's soak_iterations, else 24")
    option("--soak-iterations", metavar="N", help="soak for N iterations a lane")
    option("--soak-hours", metavar="H", help="soak for H hours of target time")
    option("--soak-profile", metavar="NAME|FILE[,...]", help="profile(s); default: steady")
    option("--soak-symbol", metavar="A[,B]", help="symbol(s); default: BTCUSDT")
    option("--soak-seed", metavar="N[,M]", help="seed(s); default: 1")
    option(
        "--soak-target",
        metavar="NAME|module:factory",
        help="mock, replay, or a factory(lane) of one's own",
    )
    option("--soak-mock", action="store_true", help="the mock market, and the gate's mock limits")
    option("--soak-interval", metavar="SECONDS", help="target time of an iteration; default: 300")
    option("--soak-data", metavar="FILE", help="recorded market data for the replay target")
    option(
        "--soak-scenario",
        metavar="NAME[@N][,...]",
        help="disturbances of the profile to schedule, @N: in iteration N",
    )
    option("--soak-no-tune", action="store_true", help="observe and judge, never propose")
    option("--soak-dry-run", action="store_true", help="propose, decide, record; never apply")
    option("--soak-timeout", metavar="SECONDS", help="deadline for one iteration of the target")
    option("--soak-dir", metavar="DIR", help="where runs go; default: artifacts/soak")
    option("--soak-resume", action="store_true", help="go on with DIR/latest from its journal")
    option("--soak-strict", action="store_true", help="WARN and INCONCLUSIVE fail too")
    option(
        "--soak-sweep",
        action="append",
        metavar="KEY=FROM:TO:STEP",
        help="a lane per value (or KEY=A,B,C) of one or two parameters, and a map of the KPIs",
    )
    option("--soak-sweep-tune", action="store_true", help="leave the tuner on in a sweep")
    option("--soak-reference", metavar="RUN", help="a tuner-off run: the gate judges by its noise")
    option("--soak-compare", metavar="RUN", help="reserved for comparing with earlier runs")
    option("--soak-export-json", metavar="FILE", help="write the metrics as JSON lines")
    option("--soak-export-md", metavar="FILE", help="write the audit as Markdown")
    ini = parser.addini
    ini("soak_iterations", "iterations of a bare --soak")
    ini("soak_profile", "default of --soak-profile")
    ini("soak_symbol", "default of --soak-symbol")
    ini("soak_seed", "default of --soak-seed")
    ini("soak_target", "default of --soak-target")
    ini("soak_interval", "default of --soak-interval")
    ini("soak_data", "default of --soak-data")
    ini("soak_scenario", "default of --soak-scenario")
    ini("soak_tune", "false is --soak-no-tune", type="bool", default=True)
    ini("soak_timeout", "default of --soak-timeout")
    ini("soak_dir", "default of --soak-dir")
    ini("soak_reference", "default of --soak-reference")
    ini("soak_compare", "reserved for comparing with earlier runs")
    ini("soak_strict", "true is --soak-strict", type="bool", default=False)


def mentions_soak(config: pytest.Config) -> bool:
    """Whether a soak option was given on the command line, for the header of an inert session."""
    return any(arg.startswith("--soak") for arg in config.invocation_params.args)


def asks_for_soak(config: pytest.Config) -> bool:
    """Whether anything that can turn a soak on was given: an option or a variable, no ini."""
    given = (config.getoption(name) for name in _SWITCHES)
    return any(value is not None and value is not False for value in given) or any(
        os.environ.get(name) for name in _VARIABLES
    )
