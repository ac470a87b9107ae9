"""The summary for the page of a CI job: why, gate, trends, what to do, and never too long."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from pytest_soak.gate.judge import judge_lane, judge_run
from pytest_soak.gate.result import CriterionResult
from pytest_soak.loop.model import Halt, History, Verdict
from pytest_soak.report.markdown import unlinked
from pytest_soak.report.step_summary import MOST_BYTES, step_summary
from tests.unit.gate.histories import make_history
from tests.unit.report.runs import decided

WHERE = "artifacts/soak/latest"


def summary(
    *histories: History, extra: Sequence[CriterionResult] = (), most: int = MOST_BYTES
) -> str:
    judgement = judge_run([judge_lane(history, extra=extra) for history in histories])
    return step_summary(histories, judgement, WHERE, most=most)


def renamed(history: History, lane_id: str) -> History:
    return replace(history, lane=replace(history.lane, id=lane_id))


def rows(text: str) -> dict[str, list[str]]:
    """The cells of the gate tables, by the first."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in lines
        if not line.startswith(("| criterion", "| KPI"))
    ]
    return {row[0]: row[1:] for row in cells if len(row) == 6 and not row[3].startswith("1-")}


@pytest.mark.parametrize(
    ("history", "verdict", "why"),
    [
        (decided(), "PASS", "all 4 gated KPIs are inside their limits with certainty"),
        (decided(20), "WARN", "20 measured: a PASS needs 24"),
        (decided(5), "INCONCLUSIVE", "5 judged, 8 are needed"),
        (decided(net=1.0), "FAIL", "net_bps is 0.979 bps over the last 8 iterations, limit >= 2.7"),
    ],
    ids=["PASS", "WARN", "INCONCLUSIVE", "FAIL"],
)
def test_the_verdict_and_why_come_first(history: History, verdict: str, why: str) -> None:
    text = summary(history)
    first, _, third, *_ = text.splitlines()
    assert first == f"## Soak: {verdict}"
    assert why in third
    assert f"### Lane steady-BTCUSDT-1: {verdict}" in text
    assert f"`{WHERE}`" in text
    assert "Left out" not in text


def test_every_criterion_has_a_row_with_its_figures() -> None:
    history = decided(net=1.0)
    lane, table = judge_lane(history), rows(summary(history))
    assert list(table) == [item.name for item in lane.criteria]
    net = table["net_bps"]
    assert net[:2] == ["**FAIL**", "0.979 bps"]
    assert net[3:] == [">= 2.7", "-1.721"]
    low, high = map(float, net[2].split(" .. "))
    assert low < 0.979 < high
    assert table["pass_count_last8"][0] == "**FAIL**"
    assert table["p95_latency_ms"][0] == "PASS"
    assert table["drift:net_bps"][1].endswith(" bps an iteration")
    assert table["completeness"][1:] == ["24", "-", ">= 24", "0"]


def test_it_has_trends_and_what_to_do() -> None:
    text = summary(decided(net=1.0))
    assert "| KPI | first quarter | window |" in text
    assert re.search(r"^- net_bps is 0\.97\d+ bps, limit >= 2\.7", text, re.MULTILINE)
    assert f"`pytest-soak explain {WHERE} --iteration 1`" in text
    assert "The values can be frozen" in summary(decided())


def test_of_several_lanes_those_that_fail_come_first() -> None:
    histories = [
        renamed(decided(), "a"),
        renamed(decided(5), "b"),
        renamed(decided(net=1.0), "c"),
    ]
    text = summary(*histories)
    assert re.findall(r"^### Lane (\w): (\w+)", text, re.MULTILINE) == [
        ("c", "FAIL"),
        ("b", "INCONCLUSIVE"),
        ("a", "PASS"),
    ]
    assert "1 of 3 lanes is FAIL: c" in text
    assert "--lane c --iteration 1`" in text


def test_300_lanes_are_cut_lane_by_lane() -> None:
    fine, bad = decided(), decided(net=1.0)
    histories = [renamed(bad if n % 10 == 3 else fine, f"lane-{n:03}") for n in range(300)]
    text = summary(*histories)
    assert 40_000 < len(text.encode()) <= MOST_BYTES
    whole = re.findall(r"^### Lane (\S+): (\S+)", text, re.MULTILINE)
    short = re.findall(r"^- (\S+) (lane-\d+): ", text, re.MULTILINE)
    (left,) = re.findall(r"^Left out for the length of this page: (\d+) lanes \((.*)\)", text, re.M)
    assert len(whole) + len(short) + int(left[0]) == 300
    assert {verdict for _, verdict in whole} == {"FAIL"}
    assert [verdict for verdict, _ in short] == sorted(verdict for verdict, _ in short)
    assert left[1] == f"{left[0]} PASS"
    assert whole[0][0] == "lane-003"
    assert "What to do" in text
    assert "Trends" in text


@pytest.mark.parametrize("most", [3_000, 4_000, 5_000, 8_000, 16_000])
def test_what_is_left_out_is_named(most: int) -> None:
    histories = [renamed(decided(net=1.0), f"lane-{n}") for n in range(12)]
    text = summary(*histories, most=most)
    assert len(text.encode()) <= most
    whole = re.findall(r"^### Lane (lane-\d+)", text, re.MULTILINE)
    short = re.findall(r"^- FAIL (lane-\d+)", text, re.MULTILINE)
    left = [int(n) for n in re.findall(r"Left out for the length of this page: (\d+) lanes", text)]
    assert len(set(whole + short)) + sum(left) == 12
    for lane_id, part in re.findall(r"### Lane (\S+): FAIL\n(.*?)(?=\n###|\Z)", text, re.DOTALL):
        for section in ("trends", "what to do"):
            named = re.search(rf"Left out [^;]*{section}[^;]*; `{WHERE}/{lane_id}/", part)
            assert (f"**{section.capitalize()}**" in part) != bool(named)


def test_one_lane_with_very_many_long_criteria_fits() -> None:
    extra = [
        CriterionResult(f"{n} {'@x[𝔘]<b>|' * 40}", Verdict.PASS, 1.0, "<= " + "[" * 900, 0.5)
        for n in range(300)
    ]
    extra.append(
        CriterionResult("last", Verdict.FAIL, 1.0, "<= 0", -1.0, reason="last: " + "𝔘" * 9999)
    )
    text = summary(decided(), extra=extra)
    assert len(text.encode()) <= MOST_BYTES
    assert rows(text)["last"][0] == "**FAIL**"
    assert re.search(r"And \d+ more criteria: \d+ PASS\.", text)


HOSTILE = (
    "</td></table><script>alert(1)</script><img src=x onerror=alert(1)> @octocat/team #17 GH-4 "
    "user@host.example https://evil.example www.evil.example ![i](http://e/x.png) [l](javascript:x)"
    " a|b `c` \x1b[31m\u202e\n# heading\n- item\n```\n"
)


def test_texts_of_others_do_nothing() -> None:
    extra = [CriterionResult(HOSTILE, Verdict.FAIL, 1.0, HOSTILE, reason=HOSTILE, lane="x")]
    halted = make_history(9, planned=24, halt=Halt(10, "error", HOSTILE))
    text = summary(renamed(halted, "lane|@octocat <b>"), renamed(halted, HOSTILE), extra=extra)
    assert len(text.encode()) <= MOST_BYTES
    assert all(line.isprintable() for line in text.splitlines())
    # Lane ids stand in commands too, which are code: nothing in code is a tag or a link.
    for line in re.sub(r"^- `[^`]*`$|`[^`]*`(?=[.:]| [a-z])", "", text, flags=re.M).splitlines():
        assert not re.search(r"<(?=[A-Za-z/!?])", line), line
        assert not re.search(r"@(?=[A-Za-z0-9])", line), line
        assert not re.search(r"#(?=[0-9])(?!8203;)", line), line
        assert not re.search(r"GH-[0-9]", line), line
        assert not re.search(r"(?<!\\):(?=//)", line), line
        assert not re.search(r"www(?<!\\)\.", line), line
        assert not re.search(r"(?<!\\)\]\(", line) or r"\[" in line, line
    assert not re.search(r"^(# |- item|```)", text, re.MULTILINE)
    for cells in rows(text).values():
        assert len(cells) == 5


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("@octocat", "@&#8203;octocat"),
        ("a@b.example", "a@&#8203;b.example"),
        ("owner/repo#12", "owner/repo#&#8203;12"),
        ("gh-12 GH-3", "gh-&#8203;12 GH-&#8203;3"),
        ("## Soak", "## Soak"),
        ("3 @ 5, high-12", "3 @ 5, high-12"),
    ],
)
def test_mentions_and_references_are_broken(text: str, shown: str) -> None:
    assert unlinked(text) == shown
