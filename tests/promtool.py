"""What ``promtool check metrics`` says about a text: the tool if it is there, and its rules.

The tool is in Debian's package ``prometheus``; ``.ci/run`` installs it where it can. Without it the
rules below, which are those of its linter, are all that is checked.
"""

from __future__ import annotations

import re
import shutil
import subprocess

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

PROMTOOL = shutil.which("promtool")
_ABBREVIATED = {"s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d"}
_ENDS = {"total", "count", "sum", "bucket"}
_TYPES = {"gauge", "counter", "summary", "untyped", "histogram"}
_NO_BASE_UNITS = {"hours", "minutes", "days", "weeks", "milliseconds", "kilobytes"}


def problems(text: str) -> list[str]:
    """One line for each problem; none for a text that is as it should be."""
    lines = [line for family in text_string_to_metric_families(text) for line in _rules(family)]
    if PROMTOOL is None:
        return lines
    done = subprocess.run(
        [PROMTOOL, "check", "metrics"],
        input=text.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=60,
    )
    shown = done.stdout.decode().splitlines()
    return [*lines, *shown, *([f"exit {done.returncode}"] if done.returncode else [])]


def _rules(family: Metric) -> list[str]:
    # The parser takes the end off the name of a counter.
    name = family.name + ("_total" if family.type == "counter" else "")
    parts = name.split("_")
    rules = (
        (not family.documentation, "no help text"),
        (family.type not in ("gauge", "counter"), f"type {family.type}"),
        ({item.name for item in family.samples} != {name}, "a sample of another name"),
        (family.type == "gauge" and parts[-1] in _ENDS, "the end of another type"),
        (re.search(r"[a-z][A-Z]|:", name) is not None, "camel case or a colon"),
        (bool(_ABBREVIATED & set(parts)), "the abbreviation of a unit"),
        (bool(_TYPES & set(parts)), "the type of a metric"),
        (bool(_NO_BASE_UNITS & set(parts)), "no base unit"),
        (any(item.value != item.value for item in family.samples), "NaN"),
    )
    return [f"{name}: {why}" for broken, why in rules if broken]
