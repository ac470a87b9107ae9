"""Reports as a JSON file: which version is new, and what is wrong with it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_soak.live.channels import LARGEST_BYTES, ChannelFault
from pytest_soak.live.readers.file import ReportFile, make_file
from pytest_soak.live.report_text import echo_in, parsed_report
from pytest_soak.live.sections import ReportFields
from tests.unit.live.contexts import context_of


def no_wait(seconds: float) -> None:
    assert seconds == 0.05


def reader(folder: Path, sleep: Callable[[float], None] = no_wait) -> ReportFile:
    return ReportFile(folder / "report.json", 1.0, sleep=sleep)


def write(folder: Path, value: Any) -> None:
    """Replaces the report as a whole."""
    text = value if isinstance(value, str) else json.dumps(value)
    (folder / "new").write_text(text)
    (folder / "new").replace(folder / "report.json")


def write_in_place(place: Path) -> None:
    place.write_text('{"totals": {"a": 1}}')


def fault(channel: ReportFile) -> ChannelFault:
    with pytest.raises(ChannelFault) as caught:
        channel.poll()
    return caught.value


def test_a_report_is_given_once_and_again_when_it_is_replaced(tmp_path: Path) -> None:
    channel = reader(tmp_path)
    assert not channel.exists()
    channel.begin()
    assert channel.poll() is None
    for _ in range(2):  # equal content is new all the same
        write(tmp_path, {"totals": {}})
        assert channel.poll() == {"totals": {}}
        assert channel.poll() is None
    (tmp_path / "report.json").unlink()
    assert channel.poll() is None
    assert channel.exists()


def test_a_report_of_before_the_span_is_not_given(tmp_path: Path) -> None:
    write(tmp_path, {"totals": {}})
    channel = reader(tmp_path)
    channel.begin()
    assert channel.poll() is None
    status = (tmp_path / "report.json").stat()
    os.utime(tmp_path / "report.json", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert channel.poll() == {"totals": {}}
    channel.begin()
    assert channel.poll() is None


def test_a_bot_that_replaces_its_report_all_the_time_is_read(tmp_path: Path) -> None:
    channel = reader(tmp_path, lambda _: write(tmp_path, {"totals": {"a": 2}}))
    channel.begin()
    write(tmp_path, {"totals": {"a": 1}})
    assert channel.poll() == {"totals": {"a": 1}}
    assert channel.poll() == {"totals": {"a": 2}}


def test_a_report_that_changes_between_two_reads_is_half_written(tmp_path: Path) -> None:
    place = tmp_path / "report.json"
    channel = reader(tmp_path, lambda _: write_in_place(place))
    channel.begin()
    place.write_text('{"totals": {}}')
    assert fault(channel).name == "half_written"
    assert str(fault(channel)) == f"{place} is half written: it changed within 50 ms"
    channel = reader(tmp_path, lambda _: place.unlink())
    assert channel.poll() == {"totals": {"a": 1}}  # what was opened is whole


def test_an_unfinished_report_is_read_again(tmp_path: Path) -> None:
    channel = reader(tmp_path)
    place = tmp_path / "report.json"
    place.write_text('{"totals": {"a"')
    for _ in range(2):
        assert fault(channel).name == "half_written"
    with place.open("a") as file:
        file.write(": 1}}")
    assert channel.poll() == {"totals": {"a": 1}}


@pytest.mark.parametrize(
    ("data", "name", "text"),
    [
        (b"", "half_written", "is empty"),
        (b'{"totals": {"a": "\xc3', "half_written", "JSON text ends too early"),
        (b'{"totals":\n  x}', "not_json", "is no valid JSON: line 2, column 3: Expecting value"),
        (b'{\n"a": "\xff"}', "not_json", "line 2, column 7: byte 8 is not UTF-8"),
        (b"\xef\xbb\xbf{}", "not_json", "begins with a byte order mark"),
        (b'{"totals": {}, "totals": {}}', "not_json", "the key 'totals' is there twice"),
        (b'{"totals": {"a": NaN}}', "not_json", "NaN is no JSON number"),
        (b'{"totals": {}} x', "not_json", "line 1, column 16: Extra data"),
        (b"[" * 5000 + b"]" * 5000, "not_json", "more than 100 levels"),
        (b"[]", "not_a_report", "is a list; a report is a JSON object"),
        (b"{}", "not_a_report", "'totals' is missing; it needs a mapping"),
        (b'{"totals": 3}', "not_a_report", "'totals' is 3; it needs a mapping"),
        (b'{"queue": 3, "a\\nb": 4}', "not_a_report", "a KPI reads; it has queue, a\\nb"),
        (
            b'{"a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1, "g": 1, "h": 1}',
            "not_a_report",
            "it has a, b, c, d, e, f and 2 more",
        ),
    ],
)
def test_what_is_wrong_has_a_name(tmp_path: Path, data: bytes, name: str, text: str) -> None:
    (tmp_path / "report.json").write_bytes(data)
    caught = fault(reader(tmp_path))
    assert (caught.name, caught.place) == (name, f"{tmp_path}/report.json")
    assert text in caught.text


def test_a_field_of_a_kpi_makes_a_report_without_totals() -> None:
    """A service that was there before its soak has figures under names of its own."""
    sections = frozenset({"totals", "latency"})
    data = b'{"latency": {"p95": 3}, "other": 1}'
    expected = {"latency": {"p95": 3}, "other": 1, "totals": {}}
    assert parsed_report(data, "here", sections=sections) == expected
    for text in (b'{"other": 1}', b"{}", b'{"latency": {}, "totals": 3}'):
        with pytest.raises(ChannelFault) as caught:
            parsed_report(text, "here", sections=sections)
        assert caught.value.name == "not_a_report"


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (os.mkfifo, "a FIFO"),
        (Path.mkdir, "a directory"),
        (lambda place: place.symlink_to("/dev/zero"), "a link"),
    ],
)
def test_only_a_regular_file_is_opened(tmp_path: Path, make: Any, kind: str) -> None:
    make(tmp_path / "report.json")
    channel = reader(tmp_path)
    channel.begin()
    assert fault(channel).name == "not_a_file"
    assert f"is {kind};" in fault(channel).text
    assert channel.exists()


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "report.json").open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)
    assert fault(reader(tmp_path)).name == "too_large"
    assert fault(reader(tmp_path)).text == (
        "is 64,000,001 bytes large; at most 64,000,000 are read"
    )


def test_it_is_made_of_the_section(tmp_path: Path) -> None:
    channel = make_file(ReportFields(file="{dir}/x/../report.json"), context_of(tmp_path), 2.5)
    assert channel.sources == (f"file:{tmp_path}/report.json",)
    assert channel.every_s == 2.5


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)  # fmt: skip


@given(
    st.dictionaries(st.text(max_size=3), values), st.integers(0, 10**6), st.booleans(),
    st.sampled_from([None, 2]),
)  # fmt: skip
def test_every_beginning_of_a_report_is_half_written(
    totals: dict[str, Any], cut: int, is_ascii: bool, indent: int | None
) -> None:
    data = json.dumps({"totals": totals}, ensure_ascii=is_ascii, indent=indent).encode()
    assert parsed_report(data, "x", may_be_unfinished=True) == {"totals": totals}
    with pytest.raises(ChannelFault) as caught:
        parsed_report(data[: cut % len(data)], "x", may_be_unfinished=True)
    assert caught.value.name == "half_written"
    with pytest.raises(ChannelFault) as caught:
        parsed_report(data[: cut % len(data)], "x")
    assert caught.value.name == "not_json"


texts = st.text(alphabet='{}[]":,-.eE0truefalsn\\u\n ', max_size=30)


@given(st.binary(max_size=40) | texts.map(str.encode), st.booleans())
def test_any_bytes_are_a_report_or_have_a_fault(data: bytes, may_be_unfinished: bool) -> None:
    name = ""
    try:
        parsed_report(data, "x", may_be_unfinished=may_be_unfinished)
    except ChannelFault as caught:
        name = caught.name
    assert name in ("", "not_json", "not_a_report", "half_written")
    assert may_be_unfinished or name != "half_written"
    echo_in(data)


def test_an_echo_is_an_object_with_effective_params() -> None:
    echo = {"effective_params": {"a": 1}, "more": 2}
    assert echo_in(json.dumps(echo).encode()) == echo
    for data in (b"", b"ok", b"[]", b'{"effective_params": 3}', b'{"a": 1}', b"\xff"):
        assert echo_in(data) is None
