"""The command ``doctor``: prints its lines as they become known."""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from pathlib import Path

from pytest_soak.doctor.examination import findings
from pytest_soak.doctor.finding import Finding
from pytest_soak.doctor.profile import Request
from pytest_soak.interrupts import ended_by_signals
from pytest_soak.printing import CommandError, print_json, show
from pytest_soak.profile.resolve import is_path
from pytest_soak.report.layout import labelled

_COLUMN = 18
_TEXT = 24


def run_doctor(arguments: argparse.Namespace) -> int:
    """Print what was looked at. 1 if something FAILs, with ``--strict`` also for a WARN."""
    request = _request(arguments)
    counts: Counter[str] = Counter()
    items: list[Finding] = []
    with ended_by_signals():
        for item in findings(request):
            counts[item.status] += 1
            items.append(item)
            if not arguments.json:
                show("\n".join(finding_lines(item)))
                sys.stdout.flush()
    worst = next((word for word in ("FAIL", "WARN") if counts[word]), "OK")
    if arguments.json:
        print_json({"verdict": worst, "findings": [item.document() for item in items]})
    else:
        show(", ".join(f"{counts[word]} {word}" for word in ("OK", "WARN", "FAIL")))
    return int(worst == "FAIL" or (arguments.strict and worst != "OK"))


def finding_lines(item: Finding) -> list[str]:
    """``disk              OK    12 GB free …``, and below it what to do."""
    head = f"{item.name:<{_COLUMN}}{item.status:<{_TEXT - _COLUMN}}".rstrip()
    lines = labelled(head, item.text, indent=0, column=_TEXT)
    if item.advice:
        lines += labelled("->", item.advice, indent=_TEXT - 3, column=_TEXT)
    return lines


def _request(arguments: argparse.Namespace) -> Request:
    for name in ("interval", "iterations", "wait"):
        value = getattr(arguments, name)
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise CommandError(f"--{name} {value:g}: must be above 0")
    profile = arguments.profile
    if profile is not None and is_path(profile) and not Path(profile).is_file():
        raise CommandError(f"{profile}: there is no such file")
    if arguments.apply and profile is None:
        raise CommandError("--apply needs a profile with a section target")
    return Request(
        profile=profile,
        directory=Path(arguments.soak_dir),
        root=Path.cwd(),
        interval_s=arguments.interval,
        iterations=arguments.iterations,
        symbol=arguments.symbol,
        wait_s=arguments.wait,
        apply=arguments.apply,
    )
