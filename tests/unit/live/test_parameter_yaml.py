"""The parameters as numbers in a YAML file: each other byte stays, or nothing is written."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pytest_soak.json_types import WrongValueError
from pytest_soak.live.channels import ChannelFault, Present
from pytest_soak.live.sections import ParametersFields
from pytest_soak.live.writers.yaml_file import ParameterYaml, make_yaml
from pytest_soak.live.yaml_numbers import YamlError, scalars_at, text_of, with_values
from tests.unit.live.contexts import context_of, delivery_of

KEYS = {"base_spread_bps": "controller.spread", "levels": "levels.0"}

BEFORE = (
    "\ufeff# Ünïcode and a tab\t\r\n"
    "%s"
    'name: "quoted \\u00e9"   \r\n'
    "controller:   &anchor   # the controller\r\n"
    "    ? spread\r\n"
    "    : 0.25   # 0.25 is the best\r\n"
    "    other: [ 1,2,  'x' ]\r\n"
    "copy: *anchor\r\n"
    "levels: [&first 3, *first]  \r\n"
    "text: |\r\n  0.25\r\n"
    "last: 0.25"
)


def writer(folder: Path, **fields: Any) -> ParameterYaml:
    fields = {"yaml": "bot.yaml", "keys": KEYS, **fields}
    return make_yaml(ParametersFields(**fields), context_of(folder))


@pytest.mark.parametrize("directive", ["", "---\r\n"])
def test_only_the_characters_of_the_numbers_are_replaced(tmp_path: Path, directive: str) -> None:
    file = tmp_path / "bot.yaml"
    before = (BEFORE % directive).encode()
    file.write_bytes(before)
    file.chmod(0o600)
    channel = writer(tmp_path)
    assert not (tmp_path / "original").exists()
    channel.open()
    assert channel.present() == Present(0, {"base_spread_bps": 0.25, "levels": 3.0})
    channel.deliver(delivery_of(spread=0.00001, levels=12.5))
    assert file.read_bytes() == before.replace(b": 0.25   #", b": 1.0e-05   #").replace(
        b"&first 3,", b"&first 12.5,"
    )
    assert channel.present() == Present(0, {"base_spread_bps": 0.00001, "levels": 12.5})
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    channel.restore()
    assert file.read_bytes() == before


def test_a_number_that_has_its_value_stays_as_it_is_written(tmp_path: Path) -> None:
    text = "levels: [3]\ncontroller: {spread: 0.50}\n"
    (tmp_path / "bot.yaml").write_text(text)
    writer(tmp_path).deliver(delivery_of(spread=0.5, levels=3.0))
    assert (tmp_path / "bot.yaml").read_text() == text
    (tmp_path / "bot.yaml").write_text(text.replace("0.50", "5e-1"))
    writer(tmp_path).deliver(delivery_of(spread=0.5, levels=4.0))
    assert (tmp_path / "bot.yaml").read_text() == "levels: [4]\ncontroller: {spread: 0.5}\n"


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("3", 4.0, "4"),
        ("-3", -4.0, "-4"),
        ("3", 4.5, "4.5"),
        ("3.0", 4.0, "4.0"),
        ("3", 1e22, "1.0e+22"),
        ("3", 1e15, "1000000000000000"),
    ],
)
def test_a_whole_number_in_the_place_of_a_whole_number_has_no_point(
    before: str, value: float, after: str
) -> None:
    path = {"size": ("size",)}
    assert with_values(f"size: {before}\n", path, {"size": value}) == f"size: {after}\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("controller: {sprad: 1}", "has no controller.spread; did you mean 'sprad'?"),
        ("controller: {}", "has no controller.spread; there is none"),
        ("controller: 3", "has no controller.spread: '3' has no keys"),
        ("controller: {spread: 1, spread: 2}", "has controller.spread twice, in the lines 1 and 1"),
        ("controller: {spread: 1}\ncontroller: {}", "has controller twice, in the lines 1 and 2"),
        ("controller: {spread: {}}", "has a mapping at controller.spread; it needs a number"),
        ("controller: {spread: '1'}", "has \"'1'\" at controller.spread; it needs a plain decimal"),
        ("controller: {spread: }", "has '' at controller.spread; it needs a plain decimal"),
        ("controller: {spread: 010}", "has '010' at controller.spread"),
        ("controller: {spread: 1_0}", "has '1_0' at controller.spread"),
        ("controller: {spread: 1:30}", "has '1:30' at controller.spread"),
        ("controller: {spread: .inf}", "has '.inf' at controller.spread"),
        ("controller: {spread: 0x1}", "has '0x1' at controller.spread"),
        ("controller: {spread: 1 2}", "has '1 2' at controller.spread"),
        ("controller:\n  spread: |\n    1\n", "at controller.spread; it needs a plain decimal"),
        ("controller: {spread: !!int 1}", "has a tag at controller.spread"),
        ("a: &a 1\ncontroller: {spread: *a}", "has an alias at controller.spread; write its value"),
        ("a: &a {spread: 1}\ncontroller: *a", "has an alias at controller; write its value out"),
        ("a: &a {spread: 1}\ncontroller: {<<: *a}", "has no controller.spread; known: <<"),
        ("controller: &c\n  spread: *c", "has an alias at controller.spread"),
        ("controller: {spread: 1}\nlevels: []", "has no levels.0: the list has 0 items"),
        (
            "controller: {spread: 1}\nlevels: [[*b]]",
            "is no YAML: line 2, column 11: ",
        ),
        ("a: 1\n---\nb: 1", "has several documents; it needs one"),
        ("", "is empty"),
        ("a: [", "is no YAML: line 1, column 5: "),
        ("a: \x01", "is no YAML: "),
        ("[" * 5000, "is nested too deeply"),
        ("[1]", "has no controller: the list has 1 item, counted from 0"),
    ],
)
def test_what_cannot_be_changed_is_not_written(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "bot.yaml"
    file.write_text(text)
    channel = writer(tmp_path)
    for action in (channel.open, channel.present, lambda: channel.deliver(delivery_of())):
        with pytest.raises(ChannelFault) as caught:
            action()
        assert caught.value.name == "not_delivered"
        assert str(caught.value).startswith(f"{file} ")
        assert problem in caught.value.text
    assert file.read_text() == text


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda place: None, "does not exist; a YAML file is changed, and not made"),
        (os.mkfifo, "is a FIFO; it must be a regular file"),
        (lambda place: place.write_bytes(b"a: \xff"), "is not UTF-8 (byte 3)"),
        (lambda place: place.write_bytes(b"#" * 1_000_001), "is 1,000,001 bytes large; at most"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, make: Any, problem: str) -> None:
    make(tmp_path / "bot.yaml")
    with pytest.raises(ChannelFault) as caught:
        writer(tmp_path).open()
    assert (caught.value.name, problem in caught.value.text) == ("not_delivered", True)


@pytest.mark.parametrize(
    ("keys", "path", "problem"),
    [
        ({"level": "a"}, "keys.level", "there is no such parameter; did you mean 'levels'?"),
        ({"levels": "a..b"}, "keys.levels", "'a..b' is no path of keys, as in 'risk.spread'"),
        (
            {"levels": "a", "base_spread_bps": "a"},
            "keys.base_spread_bps",
            "a is the path of levels already",
        ),
        (
            {"levels": "a"},
            "keys",
            "has no path for base_spread_bps; without one it would not reach the target",
        ),
    ],
)
def test_keys_are_checked(tmp_path: Path, keys: dict[str, str], path: str, problem: str) -> None:
    with pytest.raises(WrongValueError) as caught:
        writer(tmp_path, keys=keys)
    assert (".".join(caught.value.path), caught.value.problem) == (path, problem)


def test_a_value_that_is_missing_is_not_delivered(tmp_path: Path) -> None:
    (tmp_path / "bot.yaml").write_text("controller: {spread: 1}\nlevels: [1]")
    with pytest.raises(ChannelFault, match="needs a value of levels"):
        writer(tmp_path).deliver(delivery_of(levels=float("nan")))


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e-05, "1.0e-05"), (1.5e-7, "1.5e-07"), (1e16, "1.0e+16"), (60.0, "60.0"), (60, "60"),
     (-0.25, "-0.25"), (123456789.125, "123456789.125")],
)  # fmt: skip
def test_a_number_is_written_for_all_versions_of_yaml(value: float, text: str) -> None:
    assert text_of(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_yaml_1_1_reads_the_same_number(value: float) -> None:
    read = yaml.safe_load(text_of(value))
    assert isinstance(read, float)
    assert read == value == float(text_of(value))


keys = st.text(alphabet="abé: #'\"-{}[],&*!|>%@`\n\\", max_size=4)
scalars = st.text(alphabet="aé: #'\"-{}[],&*\n\\", max_size=6) | st.floats(
    allow_nan=False, allow_infinity=False
)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=10,
)


@given(
    documents, documents, st.booleans() | st.none(), st.sampled_from(["\n", "\r\n"]),
    st.floats(-1e300, 1e300), st.booleans(), st.sampled_from([None, "'", '"']), st.booleans(),
)  # fmt: skip
def test_in_any_document_all_other_characters_stay(
    first: Any, last: Any, flow: bool | None, end: str, value: float, mark: bool,
    style: str | None, is_unicode: bool,
) -> None:  # fmt: skip
    document = {"first": first, "deep": [{"number": 0.125, "other": last}], "last": last}
    text = yaml.safe_dump(
        document, default_flow_style=flow, line_break=end, default_style=style,
        allow_unicode=is_unicode, sort_keys=False,
    )  # fmt: skip
    text = ("\ufeff" if mark else "") + text.replace('!!float "0.125"', "0.125").replace(
        "!!float '0.125'", "0.125"
    )
    paths = {"x": ("deep", "0", "number")}
    number = scalars_at(text, paths)["x"]
    assert text[number.begin : number.end] == "0.125"
    changed = with_values(text, paths, {"x": value})
    assert changed == text[: number.begin] + text_of(value) + text[number.end :]
    assert yaml.safe_load(changed)["deep"][0]["number"] == value


def test_a_result_with_another_value_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_soak.live.yaml_numbers.text_of", lambda value, whole: "7")
    with pytest.raises(YamlError, match=r"would have 7\.0 at a, and not 0\.5"):
        with_values("a: 1", {"x": ("a",)}, {"x": 0.5})
