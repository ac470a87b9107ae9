"""What the doctor says of a live target: pace, age and content of reports, echo, destination."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.doctor.contents import content_findings
from pytest_soak.doctor.destination import apply_findings, destination_findings
from pytest_soak.doctor.finding import Finding
from pytest_soak.doctor.sources import Source, source_findings, watched
from pytest_soak.live.audit_file import AuditFile
from pytest_soak.live.channels import ChannelFault, Delivery
from pytest_soak.live.locks import Locks
from pytest_soak.profile.resolve import resolve
from tests.unit.live.scripted import Bench, FakeClock
from tests.unit.profile.test_short_profiles import files

TOTALS = {
    "net_bps": 3.0,
    "adverse_bps_p95": 1.0,
    "slippage_bps_p95": 1.0,
    "p95_latency_ms": 300.0,
}
WHOLE = {
    "totals": TOTALS,
    "fills": {"maker_count": 90, "taker_count": 10, "maker_volume": 9.0, "taker_volume": 1.0},
    "block_reasons": {"risk": 3, "min_interval": 1, "concurrency": 4, "throttle": 2},
}


class Paced:
    """A reader with a new report each ``period`` seconds of the test's clock."""

    place = "source"
    raw = b""

    def __init__(self, clock: FakeClock, period: float, every_s: float | None = 0.5) -> None:
        self.sources: tuple[str, ...] = ()
        self.every_s = every_s
        self.clock, self.period, self.begun = clock, period, clock.now()
        self.given = -1
        self.read_s = 0.0
        self.reads = 0

    def begin(self) -> None:
        raise AssertionError("no span begins")

    def poll(self) -> Mapping[str, Any] | None:
        self.clock.time += self.read_s
        self.reads += 1
        number = int((self.clock.now() - self.begun) // self.period)
        if number == self.given:
            return None
        self.given = number
        return {**WHOLE, "seq": number}

    def exists(self) -> bool:
        return True


def bench_of(tmp_path: Path, period: float, **section: Any) -> tuple[Bench, Paced]:
    bench = Bench(tmp_path, **section)
    reader = Paced(bench.clock, period)
    fields = bench.plan.section.reports[0]
    bench.plan = replace(bench.plan, readers=((fields, reader),))
    return bench, reader


def findings_of(bench: Bench, wait_s: float, age_s: float | None = None) -> dict[str, Finding]:
    sources = watched(bench.plan, bench.clock, wait_s)
    return {item.name: item for item in source_findings(bench.plan, sources, wait_s, [age_s])}


@pytest.mark.parametrize(
    ("period", "status", "words"),
    [
        (2.0, "OK", "a new report each 2 s; 9 s of each interval are measured"),
        (9.0, "OK", "a new report each 9 s"),
        (12.0, "WARN", "so each iteration waits for a late one"),
        (45.0, "FAIL", "and 30 s are waited for a late one"),
    ],
)
def test_the_pace_against_the_interval(
    tmp_path: Path, period: float, status: str, words: str
) -> None:
    bench, _ = bench_of(tmp_path, period)
    pace = findings_of(bench, 200.0)["report pace"]
    assert pace.status == status
    assert words in pace.text
    assert ("interval of" in pace.advice) == (status != "OK")


@pytest.mark.parametrize(
    ("wait_s", "status", "words"),
    [(20.0, "WARN", "look longer: --wait 50"), (60.0, "FAIL", "must be longer than the time")],
)
def test_no_new_report_while_it_looks(
    tmp_path: Path, wait_s: float, status: str, words: str
) -> None:
    bench, _ = bench_of(tmp_path, 1000.0)
    pace = findings_of(bench, wait_s)["report pace"]
    assert pace.status == status
    assert pace.text.startswith(f"0 new reports in {wait_s:g} s")
    assert words in pace.advice


def test_it_looks_no_longer_than_it_must(tmp_path: Path) -> None:
    bench, _ = bench_of(tmp_path, 2.0)
    begin = bench.clock.now()
    watched(bench.plan, bench.clock, 600.0)
    assert bench.clock.now() - begin < 12.0


def test_a_program_is_run_twice(tmp_path: Path) -> None:
    bench, reader = bench_of(tmp_path, 2.0)
    reader.every_s = None
    watched(bench.plan, bench.clock, 20.0)
    assert reader.reads == 2


@pytest.mark.parametrize(("read_s", "status"), [(0.1, "OK"), (0.9, "OK"), (1.1, "WARN")])
def test_a_slow_read_of_a_url(tmp_path: Path, read_s: float, status: str) -> None:
    report = {"http": "http://127.0.0.1:1/report", "timeout_s": 2.0}
    bench, reader = bench_of(tmp_path, 5.0, report=report)
    reader.read_s = read_s
    finding = findings_of(bench, 30.0)["report"]
    assert finding.status == status
    assert f"read in {read_s * 1000:.0f} ms (timeout_s: 2)" in finding.text


@pytest.mark.parametrize(
    ("age_s", "status", "words"),
    [
        (3.0, "OK", "3.0 s old"),
        (-0.5, "OK", "0.0 s old"),
        (11.0, "WARN", "11 s old, and the interval is 10 s"),
        (-40.0, "WARN", "40.0 s in the future"),
    ],
)
def test_the_age_of_the_report(tmp_path: Path, age_s: float, status: str, words: str) -> None:
    bench, _ = bench_of(tmp_path, 2.0)
    finding = findings_of(bench, 20.0, age_s)["report age"]
    assert finding.status == status
    assert words in finding.text


def test_a_source_without_a_report(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    (finding,) = findings_of(bench, 5.0).values()
    assert (finding.status, finding.text) == ("FAIL", "source does not exist")
    bench.source.put(ChannelFault("refused", "source", "answered with the status 503"))
    (finding,) = findings_of(bench, 0.5).values()
    assert (finding.status, finding.text) == ("FAIL", "source answered with the status 503")


# -- what a report has -----------------------------------------------------------------------------


def contents(bench: Bench, report: dict[str, Any]) -> list[Finding]:
    source = Source(bench.plan.section.reports[0], bench.source, report=report)
    return list(content_findings(bench.plan, [source]))


def test_a_whole_report(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    kpis, echo = contents(bench, {**WHOLE, "effective_params": bench.runtime})
    assert kpis.status == "OK"
    assert (echo.status, echo.text) == ("OK", "all 10 parameters; all at their start values")
    edited = {**bench.runtime, "risk": {**bench.runtime["risk"], "base_spread_bps": 0.9}}
    echo = contents(bench, {**WHOLE, "effective_params": edited})[-1]
    assert echo.text == "all 10 parameters; not at the start: base_spread_bps"


def test_a_kpi_that_something_reads_and_the_report_lacks(tmp_path: Path) -> None:
    totals = {name: value for name, value in TOTALS.items() if name != "net_bps"}
    finding, echo = contents(Bench(tmp_path), {**WHOLE, "totals": {**totals, "net": 3.0}})
    assert finding.status == "FAIL"
    assert finding.text.startswith("net_bps (read by verdict, rule MAKER_BOOST, rule NORMALIZE,")
    assert "no field net_bps" in finding.text
    assert (echo.status, "has none" in echo.text) == ("WARN", True)


def test_an_echo_of_some_parameters(tmp_path: Path) -> None:
    echo = contents(Bench(tmp_path), {**WHOLE, "effective_params": {"base_spread_bps": 0.5}})[-1]
    assert echo.status == "WARN"
    assert echo.text.startswith("1 of 10 parameters; without: impact_cap_ratio, max_delta_ratio,")


def test_a_fault_that_the_service_reports(tmp_path: Path) -> None:
    (finding,) = contents(Bench(tmp_path), {"totals": {}, "fault": "no feed"})
    assert (finding.status, finding.text) == ("FAIL", "no feed")


# -- the destination -------------------------------------------------------------------------------


def test_a_destination_is_looked_at_and_not_written(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.destination.present_seq = 4
    in_use, destination = destination_findings(bench.plan)
    assert (in_use.status, destination.status) == ("OK", "OK")
    assert destination.text == "destination has 0 parameters; nothing was written"
    assert bench.destination.delivered == []
    assert list(tmp_path.iterdir()) == []


def test_a_destination_that_another_session_uses(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    locks = Locks(bench.plan.places, "run-9")
    try:
        finding = next(iter(destination_findings(bench.plan)))
    finally:
        locks.release()
    assert finding.status == "FAIL"
    assert "is in use by another lane or session: run run-9" in finding.text


def test_a_destination_without_its_folder(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.destination.destinations = (f"file:{tmp_path}/etc/params.json",)
    finding = list(destination_findings(bench.plan))[-1]
    assert (finding.status, finding.text) == ("FAIL", f"{tmp_path}/etc does not exist")


def test_a_destination_that_is_no_file_is_not_contacted(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.destination.destinations = ("http://127.0.0.1:1/params",)
    finding = list(destination_findings(bench.plan))[-1]
    assert finding.status == "OK"
    assert "not contacted" in finding.text
    assert "--apply" in finding.advice


# -- with --apply ----------------------------------------------------------------------------------


def applied(bench: Bench, before: dict[str, Any], wait_s: float = 10.0) -> list[Finding]:
    source = Source(bench.plan.section.reports[0], bench.source, report=before)
    return list(apply_findings(bench.plan, [source], bench.clock, wait_s))


def echoing(bench: Bench, after_s: float) -> None:
    def answer(delivery: Delivery) -> None:
        report = {**WHOLE, "effective_params": dict(delivery.values)}
        bench.clock.after(after_s, lambda: bench.source.put(report))

    bench.destination.on_delivery = answer


@pytest.mark.parametrize(
    ("after_s", "status", "words"),
    [
        (0.6, "OK", "nothing is measured for 1 s of each 10 s"),
        (3.0, "WARN", "give timing.settle_s: 3"),
        (7.0, "FAIL", "give an interval of 28"),
        (50.0, "FAIL", "no report showed the start values within 10 s"),
    ],
)
def test_the_time_until_the_echo(tmp_path: Path, after_s: float, status: str, words: str) -> None:
    bench = Bench(tmp_path)
    echoing(bench, after_s)
    delivery, reload = applied(bench, {**WHOLE, "effective_params": {"base_spread_bps": 0.9}})
    assert delivery.status == "OK"
    assert [item.iteration for item in bench.destination.delivered] == [0]
    assert bench.destination.delivered[0].values["base_spread_bps"] == 0.5
    assert reload.status == status
    assert words in f"{reload.text} {reload.advice}"


def test_a_service_without_an_echo_is_no_failure(tmp_path: Path) -> None:
    delivery, reload = applied(Bench(tmp_path), WHOLE)
    assert delivery.status == "OK"
    assert (reload.name, reload.status) == ("reload", "WARN")
    assert reload.text == "not measured: the report has no echo"
    assert "target.report.echo" in reload.advice


def test_values_that_are_in_force_already_show_no_time(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    reload = applied(bench, {**WHOLE, "effective_params": bench.runtime})[-1]
    assert (reload.name, reload.status) == ("reload", "OK")
    assert reload.text.startswith("not measured")


def test_a_delivery_that_fails(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    answered = ("its answer: no",)
    bench.destination.fault = ChannelFault("not_delivered", "place", "is read-only", answered)
    (finding,) = applied(bench, WHOLE)
    assert (finding.status, finding.text) == (
        "FAIL",
        "not_delivered: the parameters could not be delivered: it is read-only; its answer: no",
    )
    Locks(bench.plan.places, "next").release()  # nothing stays locked


def test_a_url_gets_the_values_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.destination.needs_process = True
    echoing(bench, 0.5)
    assert applied(bench, WHOLE)[-1].status == "OK"
    assert len(bench.destination.delivered) == 1


def test_the_original_is_put_back_where_the_section_says_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path, parameters={"file": "p", "on_end": "restore"})
    echoing(bench, 0.5)
    applied(bench, WHOLE)
    assert bench.destination.restored == 1


# -- what is not measured --------------------------------------------------------------------------


class Constant(Paced):
    """A URL that answers each request, with the same report."""

    def poll(self) -> Mapping[str, Any]:
        self.reads += 1
        return WHOLE


def test_the_same_answer_again_is_no_new_report(tmp_path: Path) -> None:
    report = {"http": "http://127.0.0.1:1/report"}
    bench = Bench(tmp_path, report=report)
    reader = Constant(bench.clock, 1.0)
    bench.plan = replace(bench.plan, readers=((bench.plan.section.reports[0], reader),))
    pace = findings_of(bench, 20.0)["report pace"]
    assert reader.reads > 10
    assert (pace.status, pace.text.partition(";")[0]) == ("WARN", "0 new reports in 20 s")


def test_kpis_of_the_audit_are_not_missing_in_the_report(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    without = {name: value for name, value in WHOLE.items() if name != "block_reasons"}
    names = {finding.text.partition(" ")[0] for finding in contents(bench, without)[:-1]}
    assert names == {"risk_ratio", "min_interval_ratio"}
    bench.plan = replace(bench.plan, audit=AuditFile(tmp_path / "audit.jsonl"))
    kpis = contents(bench, without)[0]
    assert kpis.status == "OK"
    assert "from checks or the audit: concurrency_ratio, min_interval_ratio" in kpis.text


def test_a_kpi_of_a_check_is_not_missing_in_the_report(tmp_path: Path) -> None:
    text = "extends: steady\nkpis: {cart: {derive: recorded}}\ngate: {criteria: {cart: '<= 1'}}"
    bench = Bench(tmp_path)
    bench.plan = replace(bench.plan, profile=resolve("cart", files(cart=text)).profile)
    kpis = contents(bench, WHOLE)[0]
    assert (kpis.status, kpis.text.partition("; ")[2]) == ("OK", "from checks or the audit: cart")
