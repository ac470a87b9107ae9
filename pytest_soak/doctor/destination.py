"""Where the parameters of a live target are delivered: looked at, and delivered once on request."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_soak.doctor.contents import report_from
from pytest_soak.doctor.finding import Finding
from pytest_soak.doctor.sources import Source
from pytest_soak.live.channels import ChannelFault
from pytest_soak.live.clock import Clock
from pytest_soak.live.faults import LiveHalt
from pytest_soak.live.locks import DestinationInUse, Locks
from pytest_soak.live.plan import LivePlan
from pytest_soak.live.report import ECHO
from pytest_soak.live.target import LiveTarget
from pytest_soak.loop.echo import echo_mismatch, unconfirmed
from pytest_soak.loop.entries import runtime_of

_FILE = "file:"
_LOOK_S = 0.05


def destination_findings(plan: LivePlan, *, apply: bool = False) -> Iterator[Finding]:
    """Whether the destination is free and can take parameters. Changes and contacts nothing.

    ``apply``: a delivery follows, which shows the rest.
    """
    try:
        Locks(plan.places, plan.run_id).release()
    except DestinationInUse as error:
        advice = "wait until that session ends, or give each lane its own place"
        yield Finding("in use", "FAIL", str(error), advice)
    else:
        yield Finding("in use", "OK", "no session uses the destination or the reports")
    writer = plan.writer
    files = [place.removeprefix(_FILE) for place in writer.destinations if place.startswith(_FILE)]
    if not files and apply:
        yield Finding("destination", "OK", f"{writer.place}: the delivery below shows it")
        return
    if not files:
        text = f"{writer.place}: not contacted, because a delivery would change the service"
        yield Finding("destination", "OK", text, "--apply delivers the start values once")
        return
    try:
        present = writer.present()
    except ChannelFault as fault:
        yield Finding("destination", "FAIL", str(fault), "correct the file, or the section target")
        return
    folder = Path(files[0]).parent
    if not folder.is_dir() and not folder.is_relative_to(plan.folder):
        yield Finding("destination", "FAIL", f"{folder} does not exist", f"mkdir -p {folder}")
    elif folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        text = f"{folder} cannot be written, and a file is replaced as a whole"
        yield Finding("destination", "FAIL", text, "give this user the right to write there")
    else:
        holds = "is not there yet" if present is None else f"has {len(present.values)} parameters"
        yield Finding("destination", "OK", f"{writer.place} {holds}; nothing was written")


# -- on request ------------------------------------------------------------------------------------


def apply_findings(
    plan: LivePlan, sources: Sequence[Source], clock: Clock, wait_s: float
) -> Iterator[Finding]:
    """Deliver the start values once, and measure how long it takes until a report shows them."""
    start = {key: parameter.start for key, parameter in plan.profile.parameters.items()}
    before = report_from(plan, sources)
    was_there = _is_shown(plan, before, start)
    target = LiveTarget(plan, clock)
    try:
        begin = clock.now()
        runtime = runtime_of(plan.profile, start)
        target.start(runtime)
        if plan.writer.needs_process:
            target.deliver(0, runtime)
        delivered_s = clock.now() - begin
        yield Finding("delivery", "OK", f"the start values were delivered in {delivered_s:.2f} s")
        seconds = None if was_there else _seconds_until_shown(plan, sources, start, clock, wait_s)
    except LiveHalt as halt:
        yield Finding("delivery", "FAIL", _why(halt), "see docs/live.md, target.parameters")
        return
    finally:
        target.stop()
    if was_there:
        text = "not measured: the service already ran with the start values"
        yield Finding("reload", "OK", text, "change a start value, and look again")
    else:
        has_echo = report_from(plan, sources).get(ECHO) is not None
        yield _reload(plan, seconds, wait_s, has_echo=has_echo)


def _why(halt: LiveHalt) -> str:
    """The halt, and what the service or the program answered; its first note repeats the halt."""
    notes = "\n".join(getattr(halt, "__notes__", ())).splitlines()
    return "; ".join([str(halt).partition("\n")[0], *(line.strip() for line in notes[1:])])


def _seconds_until_shown(
    plan: LivePlan,
    sources: Sequence[Source],
    values: Mapping[str, float],
    clock: Clock,
    wait_s: float,
) -> float | None:
    begin = clock.now()
    while clock.now() - begin <= wait_s:
        for source in sources:
            source.look(clock)
        if _is_shown(plan, report_from(plan, sources), values):
            return clock.now() - begin
        clock.sleep(_LOOK_S)
    return None


def _is_shown(plan: LivePlan, report: Mapping[str, Any], values: Mapping[str, float]) -> bool:
    """Whether the report's echo has all of these values that it can have, and one at least."""
    echo = report.get(ECHO)
    if echo is None or echo_mismatch(plan.profile, values, echo):
        return False
    return len(unconfirmed(plan.profile, report, values)) < len(values)


def _reload(plan: LivePlan, seconds: float | None, wait_s: float, *, has_echo: bool) -> Finding:
    """The time until the echo, which has the time between two reports in it."""
    interval_s = plan.lane.interval_s
    if seconds is None and not has_echo:
        advice = "report the parameters in force (target.report.echo); see docs/live.md"
        return Finding("reload", "WARN", "not measured: the report has no echo", advice)
    if seconds is None:
        text = f"no report showed the start values within {wait_s:g} s"
        advice = "see that the service reads its parameters again, and reports them"
        return Finding("reload", "FAIL", text, advice)
    text = (
        f"shown {seconds:.2f} s after the delivery, the time to the next report included; nothing "
        f"is measured for {plan.settle_s:g} s of each {interval_s:g} s"
    )
    if seconds <= plan.settle_s:
        return Finding("reload", "OK", text)
    if 2 * seconds > interval_s:
        advice = f"give an interval of {4 * seconds:.3g} s and more, and a longer timing.settle_s"
        return Finding("reload", "FAIL", text, advice)
    advice = f"give timing.settle_s: {seconds:.2g}, unless the reports come that seldom"
    return Finding("reload", "WARN", text, advice)
