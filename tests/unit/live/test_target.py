"""The live target on a clock of the test: spans, deliveries, belonging, faults."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.json_types import converted
from pytest_soak.live.channels import ChannelFault
from pytest_soak.live.faults import LiveHalt
from pytest_soak.live.locks import DestinationInUse, Locks
from pytest_soak.live.target import LiveTarget
from pytest_soak.processes.plan import plan_processes
from pytest_soak.processes.sections import Processes
from tests.unit.live.scripted import INTERVAL_S, Bench, Source


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    on_bench = Bench(tmp_path)
    yield on_bench
    on_bench.target.stop()


def test_an_iteration_delivers_waits_and_reads(bench: Bench) -> None:
    bench.start()
    bench.answers(effective_params={"base_spread_bps": 0.5})
    begin = bench.clock.now()
    report = bench.run(1)
    assert report["totals"] == {"net_bps": 3.0}
    assert report["effective_params"] == {"base_spread_bps": 0.5}
    assert report["belongs_by"] == "applied_seq"
    assert bench.clock.now() - begin == pytest.approx(INTERVAL_S, abs=0.2)


def test_the_report_has_no_number_that_differs_from_run_to_run(bench: Bench) -> None:
    bench.start()
    bench.answers(pid=123, host="/home/x", boot_id="b")
    assert set(bench.run(1)) == {"totals", "belongs_by"}


def test_every_attempt_has_a_seq_of_its_own_over_sessions(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.start()
    bench.answers()
    bench.run(1)
    bench.run(2)
    bench.target.stop()
    assert [item.seq for item in bench.destination.delivered] == [1, 2, 3]  # the first at the start
    again = Bench(tmp_path)
    again.start()
    again.answers()
    again.run(2)
    again.target.stop()
    assert [item.seq for item in again.destination.delivered] == [4, 5]


def test_the_seq_begins_above_what_the_destination_holds(bench: Bench) -> None:
    bench.destination.present_seq = 41
    bench.start()
    assert bench.destination.delivered[0].seq == 42


def test_the_seq_is_on_disk_before_it_is_delivered(bench: Bench) -> None:
    seen: list[int] = []
    path = bench.folder / "bridge_state.json"
    bench.destination.on_delivery = lambda delivery: seen.append(
        json.loads(path.read_text())["seq"] - delivery.seq
    )
    bench.start()
    assert seen == [0]


def test_a_late_report_within_the_deadline_counts(bench: Bench) -> None:
    bench.start()
    bench.answers(after_s=INTERVAL_S + 20.0)
    begin = bench.clock.now()
    assert "fault" not in bench.run(1)
    assert bench.clock.now() - begin == pytest.approx(INTERVAL_S + 20.0, abs=0.2)


def test_a_report_in_the_time_to_settle_does_not_count(bench: Bench) -> None:
    bench.start()
    bench.answers(after_s=0.5)
    report = bench.run(1)
    assert report["fault"] == "stale"
    assert report["totals"] == {}


def test_the_last_report_of_the_span_is_taken(bench: Bench) -> None:
    bench.start()
    for after_s, net in ((3.0, 1.0), (6.0, 2.0), (9.0, 4.0)):
        report = {"totals": {"net_bps": net}}
        bench.clock.after(after_s, lambda report=report: bench.source.put(report))  # type: ignore[misc]
    assert bench.run(1)["totals"] == {"net_bps": 4.0}


def test_reports_are_merged_where_the_section_says_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path, report={"file": "x", "take": "merge"})
    object.__setattr__(bench.profile.kpis["net_bps"], "aggregate", "mean")
    bench.start()
    for after_s, net in ((3.0, 1.0), (6.0, 2.0), (9.0, 6.0)):
        report = {"totals": {"net_bps": net}}
        bench.clock.after(after_s, lambda report=report: bench.source.put(report))  # type: ignore[misc]
    assert bench.run(1)["totals"] == {"net_bps": 3.0}
    bench.target.stop()


def test_a_first_report_that_may_mix_is_waited_past(bench: Bench) -> None:
    bench.start()
    bench.answers(after_s=4.0, from_unix=None, to_unix=None)
    later = {"totals": {"net_bps": 7.0}, "applied_seq": 2, "seq": 99}
    bench.clock.after(8.0, lambda: bench.source.put(later))
    assert bench.run(1)["totals"] == {"net_bps": 7.0}


def test_without_a_second_one_it_is_no_report(bench: Bench) -> None:
    bench.start()
    bench.answers(after_s=4.0, from_unix=None, to_unix=None)
    report = bench.run(1)
    assert report["fault"] == "wrong_iteration"
    assert any("may have begun before" in line for line in report["details"])


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"applied_seq": 1}, "wrong_iteration"),
        ({"run_id": "another"}, "wrong_iteration"),
    ],
)
def test_a_report_of_other_parameters(bench: Bench, fields: dict[str, Any], fault: str) -> None:
    bench.start()
    bench.answers(**fields)
    assert bench.run(1)["fault"] == fault


@pytest.mark.parametrize("name", ["half_written", "not_json", "too_large", "not_a_file", "refused"])
def test_what_cannot_be_read_is_named(bench: Bench, name: str) -> None:
    bench.start()
    fault = ChannelFault(name, "source", "is wrong")
    bench.clock.after(5.0, lambda: bench.source.put(fault))
    report = bench.run(1)
    assert report["fault"] == name
    assert "source is wrong" in report["details"][0]


def test_a_report_that_can_be_read_again_later_counts(bench: Bench) -> None:
    bench.start()
    fault = ChannelFault("half_written", "source", "is not whole")
    bench.clock.after(5.0, lambda: bench.source.put(fault))
    bench.clock.after(7.0, lambda: bench.source.put({"totals": {"net_bps": 1.0}}))
    assert bench.run(1)["totals"] == {"net_bps": 1.0}


def test_a_report_that_was_never_written_halts(bench: Bench) -> None:
    bench.start()
    with pytest.raises(LiveHalt, match=r"^never_written: there never was a report"):
        bench.run(1)


def test_a_command_that_failed_halts(bench: Bench) -> None:
    bench.start()
    fault = ChannelFault("command_failed", "report.sh", "ended with status 3")
    bench.clock.after(5.0, lambda: bench.source.put(fault))
    with pytest.raises(LiveHalt, match=r"^command_failed") as raised:
        bench.run(1)
    assert raised.value.__notes__ == ["report.sh ended with status 3"]


def test_parameters_that_cannot_be_delivered_halt(bench: Bench) -> None:
    bench.destination.fault = ChannelFault("not_delivered", "destination", "refused with 503")
    with pytest.raises(LiveHalt, match=r"^not_delivered: the parameters could not be delivered"):
        bench.start()


def test_the_lane_halts_after_three_lost_iterations_in_a_row(bench: Bench) -> None:
    bench.start()
    bench.answers(applied_seq=0)
    for iteration in (1, 2, 3):
        assert bench.run(iteration)["fault"] == "wrong_iteration"
    with pytest.raises(LiveHalt, match=r"^too_many_lost: 3 iterations in a row") as raised:
        bench.run(4)
    first, second = raised.value.__notes__
    assert first.startswith("iteration 3: fault wrong_iteration: ")
    assert "reports read" in second


def test_a_run_whose_iterations_are_all_lost_halts_with_the_last(tmp_path: Path) -> None:
    bench = Bench(tmp_path, iterations=2)
    bench.start()
    bench.answers(applied_seq=0)
    assert bench.run(1)["fault"] == "wrong_iteration"
    with pytest.raises(LiveHalt, match="no iteration had data, wrong_iteration"):
        bench.run(2)
    bench.target.stop()


def test_iterations_start_one_interval_apart(bench: Bench) -> None:
    bench.start()
    bench.answers()
    begin = bench.clock.now()
    for iteration in (1, 2, 3):
        bench.run(iteration)
    assert bench.clock.now() - begin == pytest.approx(3 * INTERVAL_S, abs=0.5)


def test_a_late_start_is_reported_and_shortens_nothing(bench: Bench) -> None:
    bench.start()
    bench.answers()
    bench.run(1)
    bench.clock.time += 7.0
    begin = bench.clock.now()
    report = bench.run(2)
    assert bench.clock.now() - begin == pytest.approx(INTERVAL_S, abs=0.2)
    assert "the iteration starts 7.0 s late; later ones move with it" in report["details"]


def test_what_an_iteration_costs_by_itself_is_no_late_start(tmp_path: Path) -> None:
    bench = Bench(tmp_path, interval_s=1.0)
    bench.start()
    bench.answers(after_s=0.5)
    bench.run(1)
    bench.clock.time += 0.2
    assert "details" not in bench.run(2)
    bench.target.stop()


def test_an_edit_at_the_destination_is_reported_until_it_is_overwritten(bench: Bench) -> None:
    bench.start()
    bench.answers()
    bench.run(1)
    assert bench.target.edits() == {}
    bench.destination.edited = {"base_spread_bps": 0.75}
    assert bench.target.edits() == {"base_spread_bps": 0.75}
    assert bench.target.edits() == {"base_spread_bps": 0.75}
    bench.run(2)
    assert bench.target.edits() == {}


def test_an_edit_between_two_sessions_is_not_overwritten_unseen(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.start()
    bench.answers()
    bench.run(1)
    bench.target.stop()
    again = Bench(tmp_path)
    again.destination.delivered = bench.destination.delivered
    again.destination.edited = {"base_spread_bps": 0.75}
    again.start()
    assert again.target.edits() == {"base_spread_bps": 0.75}
    again.target.stop()


def test_the_echo_of_the_destination_counts_where_the_report_has_none(bench: Bench) -> None:
    bench.start()
    bench.destination.answer = {"effective_params": {"base_spread_bps": 0.5}}
    bench.answers()
    assert bench.run(1)["effective_params"] == {"base_spread_bps": 0.5}


def test_an_echo_by_paths_confirms_its_own_parameters_alone(tmp_path: Path) -> None:
    echo = {"base_spread_bps": "settings.spread"}
    bench = Bench(tmp_path, report={"file": "x", "echo": echo})
    bench.start()
    bench.answers(settings={"spread": 0.6})
    report = bench.run(1)
    assert report["effective_params"] == {"base_spread_bps": 0.6}
    assert report["echo_keys"] == ["base_spread_bps"]
    bench.target.stop()


@pytest.mark.parametrize(("on_end", "times"), [("keep", 0), ("restore", 1)])
def test_the_original_comes_back_if_the_section_says_so(
    tmp_path: Path, on_end: str, times: int
) -> None:
    bench = Bench(tmp_path, parameters={"file": "x", "on_end": on_end})
    bench.start()
    bench.target.stop()
    assert bench.destination.restored == times


def test_a_destination_is_locked_while_a_lane_uses_it(bench: Bench) -> None:
    bench.start()
    with pytest.raises(DestinationInUse, match="/destination is in use by another lane or session"):
        Locks(bench.destination.destinations, "run-2")
    bench.target.stop()
    Locks(bench.destination.destinations, "run-2").release()


@pytest.mark.parametrize("seq", [2**53 + 5, 2**63 + 1, 10**30])
def test_a_lane_whose_reports_have_large_numbers_can_be_resumed(tmp_path: Path, seq: int) -> None:
    bench = Bench(tmp_path)
    bench.start()
    bench.answers(seq=seq)
    assert "fault" not in bench.run(1)
    bench.target.stop()
    again = Bench(tmp_path)
    again.start()
    again.answers(seq=seq)
    assert again.run(2)["fault"] == "stale"
    again.target.stop()


@pytest.mark.parametrize("seq", [-1, 2**53 - 1, 2**53, 10**30])
def test_a_number_at_the_destination_that_is_none_of_a_delivery(tmp_path: Path, seq: int) -> None:
    for expected in (1, 2):
        bench = Bench(tmp_path)
        bench.destination.present_seq = seq
        bench.start()
        bench.target.stop()
        assert bench.destination.delivered[0].seq == expected


def test_two_sources_with_one_name_have_numbers_of_their_own(tmp_path: Path) -> None:
    """As two URLs that differ by their query: no message has it."""
    bench = Bench(tmp_path, report=[{"file": "x"}, {"file": "y"}])
    other = Source(tmp_path)
    (first, _), (second, _) = bench.plan.readers
    readers = ((first, bench.source), (second, other))
    object.__setattr__(bench.plan, "readers", readers)
    bench.start()
    for iteration in (1, 2):
        for source, seq in ((bench.source, 500), (other, 0)):
            report = {"totals": {"net_bps": 1.0}, "seq": seq + iteration}
            bench.clock.after(5.0, lambda source=source, report=report: source.put(report))  # type: ignore[misc]
        assert "fault" not in bench.run(iteration)
    bench.target.stop()


def test_a_destination_that_is_another_one_has_no_edits(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.start()
    bench.answers()
    bench.run(1)
    bench.target.stop()
    again = Bench(tmp_path)
    again.destination.place = "another destination"
    again.destination.delivered = bench.destination.delivered
    again.destination.edited = {"base_spread_bps": 0.75}
    again.start()
    assert again.target.edits() == {}
    again.target.stop()


@pytest.mark.parametrize("fault", ["no feed", True, 3, {"code": 5}])
def test_the_bot_may_say_itself_that_it_had_a_fault(bench: Bench, fault: Any) -> None:
    bench.start()
    bench.answers(fault=fault)
    report = bench.run(1)
    assert report["fault"] == "reported"
    assert report["totals"] == {}
    assert any(str(fault) in line for line in report["details"])


def test_a_fault_in_one_of_several_reports_counts(tmp_path: Path) -> None:
    bench = Bench(tmp_path, report={"file": "x", "take": "merge"})
    bench.start()
    for after_s, fields in ((3.0, {"fault": "no feed"}), (6.0, {"fault": None})):
        report = {"totals": {"net_bps": 1.0}, **fields}
        bench.clock.after(after_s, lambda report=report: bench.source.put(report))  # type: ignore[misc]
    assert bench.run(1)["fault"] == "reported"
    bench.target.stop()


@pytest.mark.parametrize("applied", [4, 400])
def test_a_number_of_an_earlier_run_is_never_delivered(bench: Bench, applied: int) -> None:
    """A bot that still has the parameters of an earlier run, and takes over no others, without
    run_id: the numbers of this run must not come to the one that it reports."""
    bench.start()
    bench.answers(applied_seq=applied, run_id=None)
    for iteration in (1, 2, 3):
        assert bench.run(iteration)["fault"] == "wrong_iteration"
    assert bench.destination.delivered[2].seq == applied + 1


@pytest.mark.parametrize("applied", [2**53 - 1, 2**53, 10**30, -1, 7.0, True, "7"])
def test_what_is_no_number_of_a_delivery_changes_no_number(bench: Bench, applied: Any) -> None:
    bench.start()
    bench.answers(applied_seq=applied)
    for iteration in (1, 2):
        assert bench.run(iteration)["fault"] == "wrong_iteration"
    assert [delivery.seq for delivery in bench.destination.delivered] == [1, 2, 3]


class Restarting:
    """Processes that the target starts, and may start again before each iteration."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)

    def start(self) -> list[str]:
        return []

    def revive(self) -> list[str]:
        return self.lines

    def take_restarts(self) -> dict[str, int]:
        return {"bot": 1} if self.lines else {}

    def died(self) -> str | None:
        return None

    def mark(self) -> None:
        return None

    def close(self) -> None:
        return None


def test_a_bot_that_was_started_again_counts_anew_also_without_boot_id(tmp_path: Path) -> None:
    """Between two iterations, and by a resume."""
    plans = plan_processes(converted({"bot": {"command": ["bot"]}}, Processes), lambda text: text)
    for iterations, seq, lines in (((1, 2), 50, ["it ended"]), ((3,), 20, [])):
        bench = Bench(tmp_path)
        object.__setattr__(bench.plan, "processes", plans)
        bench.target._watched = Restarting(*lines)  # type: ignore[assignment]
        bench.start()
        for iteration in iterations:
            bench.answers(seq=seq - iteration)
            report = bench.run(iteration)
            assert "fault" not in report
            assert report.get("restarts") == ({"bot": 1} if lines else None)
        bench.target.stop()


def test_merged_reports_belong_by_the_weaker_word(tmp_path: Path) -> None:
    """A report without applied_seq says nothing of the others, and they nothing of it."""
    bench = Bench(tmp_path, report={"file": "x", "take": "merge"})
    object.__setattr__(bench.profile.kpis["net_bps"], "aggregate", "sum")
    bench.start()
    applied = {"applied_seq": 2}  # without a span: the first of these may mix two settings
    for after_s, net, fields in ((3.0, 1.0, {}), (5.0, 2.0, applied), (7.0, 4.0, applied)):
        report = {"totals": {"net_bps": net}, **fields}
        bench.clock.after(after_s, lambda report=report: bench.source.put(report))  # type: ignore[misc]
    report = bench.run(1)
    assert report["totals"] == {"net_bps": 5.0}
    assert report["belongs_by"] == "replaced"
    bench.target.stop()


class SpanSource(Source):
    """A reader whose report is of the time since ``begin``; it can be read at any time."""

    covers_span = True

    def __init__(self, folder: Path, bench: Bench) -> None:
        super().__init__(folder)
        self.bench = bench
        self.begun_at = 0.0
        self.down: tuple[float, float] = (0.0, 0.0)
        """From when to when it cannot be reached."""

    def begin(self) -> None:
        self.begun_at = self.bench.clock.now()

    def poll(self) -> dict[str, Any]:
        now = self.bench.clock.now()
        self.polls += 1
        if self.down[0] <= now < self.down[1]:
            raise ChannelFault("unreachable", "source", "cannot be reached")
        return {"totals": {"net_bps": now - self.begun_at}}

    def exists(self) -> bool:
        return True


def over_span(tmp_path: Path) -> tuple[Bench, SpanSource]:
    bench = Bench(tmp_path)
    bench.source = source = SpanSource(tmp_path, bench)
    readers = tuple((fields, source) for fields, _ in bench.plan.readers)
    bench.plan = replace(bench.plan, readers=readers)
    bench.target = LiveTarget(bench.plan, bench.clock)
    bench.start()
    return bench, source


def test_a_report_of_a_span_is_that_of_the_whole_span(tmp_path: Path) -> None:
    bench, source = over_span(tmp_path)
    report = bench.run(1)
    assert report["totals"]["net_bps"] == pytest.approx(INTERVAL_S - 1.0, abs=0.06)
    assert source.polls == INTERVAL_S  # one a second, from the end of the time to settle on
    bench.target.stop()


@pytest.mark.parametrize("back_s", [3.0, 100.0])
def test_a_report_of_a_part_of_the_span_counts_for_nothing(tmp_path: Path, back_s: float) -> None:
    bench, source = over_span(tmp_path)
    end = bench.clock.now() + INTERVAL_S
    source.down = (end - 2.0, end + back_s)
    report = bench.run(1)
    if back_s < 30.0:  # within the deadline
        assert report["totals"]["net_bps"] >= INTERVAL_S - 1.0 + back_s
    else:
        assert report["fault"] == "unreachable"
    bench.target.stop()
