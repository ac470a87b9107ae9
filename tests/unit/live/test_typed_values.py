"""Whole numbers, switches and choices as destinations have them, and edits of them there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_soak.live.channels import ChannelFault, Delivery, Present
from pytest_soak.live.edits import edits_of
from pytest_soak.live.sections import ParametersFields
from pytest_soak.live.state import BridgeState
from pytest_soak.live.writers.command import make_command
from pytest_soak.live.writers.file import make_file
from pytest_soak.live.writers.yaml_file import make_yaml
from pytest_soak.live.yaml_numbers import YamlError, scalars_at, with_values, word_of
from pytest_soak.loop.echo import echo_mismatch
from pytest_soak.profile.parameters import nest
from tests.unit.live.contexts import context_of
from tests.unit.profile.typed import typed

PROFILE = typed()
TABLE = PROFILE.parameters
START = {key: parameter.start for key, parameter in TABLE.items()}
OUTER = {key: parameter.outer(parameter.start) for key, parameter in TABLE.items()}
PATHS = {key: parameter.path for key, parameter in TABLE.items()}
WORDS = frozenset({"jit", "sync"})


def delivery(**values: Any) -> Delivery:
    runtime = nest(START, TABLE)
    runtime["app"] |= values
    return Delivery(1, 1, "run", "lane", 60.0, "ab", runtime, {**OUTER, **values})


def test_the_runtime_has_values_of_the_types_of_the_target() -> None:
    assert json.dumps(nest(START, TABLE)) == (
        '{"app": {"workers": 4, "threads": 16, "timeout_s": 1.5, "jit": true, "sync": "local", '
        '"work_mem_kb": 4096, "share": 0.5, "port": 5432, "low_mark": 0.25}, "rate": 10.0}'
    )


def test_a_json_file_has_them_too(tmp_path: Path) -> None:
    channel = make_file(ParametersFields(file="p.json"), context_of(tmp_path, paths=PATHS))
    channel.deliver(delivery())
    text = (tmp_path / "p.json").read_text()
    assert '"workers":4}' in text
    assert '"jit":true' in text
    assert '"sync":"local"' in text
    present = channel.present()
    assert present is not None
    assert present.values == OUTER
    assert edits_of(present, BridgeState(seq=1, delivered=START), TABLE) == {}


def test_a_command_has_them_as_texts(tmp_path: Path) -> None:
    argv = ("sh", "-c", 'echo "$@" > seen', "-", "{param:workers}", "{param:jit}", "x={param:sync}",
            "{param:timeout_s}", "{param:work_mem_kb}")  # fmt: skip
    channel = make_command(ParametersFields(command=argv), context_of(tmp_path, paths=PATHS))
    channel.deliver(delivery(work_mem_kb=1_048_576))
    assert (tmp_path / "seen").read_text() == "4 true x=local 1.5 1048576\n"


KEYS = {key: f"db.{key}" for key in PATHS}
FILE = """\
db:
  workers: 8
  threads: 16   # four each
  timeout_s: 2.0
  jit: off  # not with short queries
  sync: 'async'
  work_mem_kb: 64
  rate: 1e-05
  share: 0.5
  port: 5432
  low_mark: 0.25
"""


def test_a_yaml_file_keeps_its_manner(tmp_path: Path) -> None:
    file = tmp_path / "bot.yaml"
    file.write_text(FILE)
    context = context_of(tmp_path, paths=PATHS, words=WORDS)
    channel = make_yaml(ParametersFields(yaml="bot.yaml", keys=KEYS), context)
    channel.open()
    channel.deliver(delivery())
    text = file.read_text()
    assert "workers: 4\n" in text
    assert "jit: on  # not with short queries\n" in text
    assert "sync: 'local'\n" in text
    assert "work_mem_kb: 4096\n" in text
    present = channel.present()
    assert present is not None
    assert edits_of(present, BridgeState(seq=1, delivered=START), TABLE) == {}
    file.write_text(text.replace("jit: on", "jit: no").replace("'local'", "remote"))
    present = channel.present()
    assert present is not None
    state = BridgeState(seq=1, delivered=START)
    assert edits_of(present, state, TABLE) == {"jit": False, "sync": "remote"}


@pytest.mark.parametrize(
    ("value", "before", "after"),
    [
        (True, "false", "true"),
        (False, "True", "False"),
        (True, "OFF", "ON"),
        (False, "yes", "no"),
        (True, "'off'", "'on'"),
        (False, '"true"', '"false"'),
        (True, "0", "true"),
        ("remote", "local", "remote"),
        ("remote", "'local'", "'remote'"),
        ("remote", '"local"', '"remote"'),
        ("remote apply", "local", "'remote apply'"),
        ("it's", "local", "'it''s'"),
        ('a "b" é', '"local"', '"a \\"b\\" é"'),
        ("on", "local", "'on'"),
        ("on", "off", "on"),
        (64, "128", "64"),
        (0.5, "128", "0.5"),
        (64, "none", "64"),
    ],
)
def test_a_word_in_the_manner_of_the_one_before(value: Any, before: str, after: str) -> None:
    assert word_of(value, before) == after


choices = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"]) | st.just(" "), min_size=1
).filter(lambda text: text.strip() and text.isprintable())


@settings(max_examples=200, derandomize=True, deadline=None)
@given(value=choices | st.booleans() | st.integers(-99, 99), before=st.sampled_from(
    ["x", "'x'", '"x"', "on", "false", "'it''s'", "12", '"\\u00e9"', "0.5"]
))  # fmt: skip
def test_any_choice_is_read_back(value: Any, before: str) -> None:
    text = f"a: [1, {{k: {before}, l: 2}}]\n"
    paths = {"x": ("a", "1", "k")}
    changed = with_values(text, paths, {"x": value}, {"x"})
    head, tail = text.split(before, 1)
    assert changed.startswith(head)
    assert changed.endswith(tail)
    loaded = yaml.safe_load(changed)["a"][1]
    assert loaded["l"] == 2
    assert loaded["k"] == value or str(loaded["k"]) == str(value) or isinstance(value, bool)
    assert with_values(changed, paths, {"x": value}, {"x"}) == changed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("k: [1]", "has a list at k; it needs a switch or a text"),
        ("k: !!str on", "has '!!str on' at k; it needs a switch or a text on one line"),
        ("k: &a on", "neither tag nor anchor"),
        ("k: |\n  on", "it needs a switch or a text on one line"),
        ("k: 'a\n  b'", "it needs a switch or a text on one line"),
        ("k:", "has '' at k"),
        ("a: &a on\nk: *a", "has an alias at k; write its value out"),
    ],
)
def test_what_is_no_word_is_refused(text: str, words: str) -> None:
    with pytest.raises(YamlError) as caught:
        scalars_at(text, {"k": ("k",)}, {"k"})
    assert words in str(caught.value)


def test_a_text_where_a_number_belongs_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "bot.yaml").write_text(FILE.replace("workers: 8", "workers: many"))
    context = context_of(tmp_path, paths=PATHS, words=WORDS)
    channel = make_yaml(ParametersFields(yaml="bot.yaml", keys=KEYS), context)
    with pytest.raises(ChannelFault, match=r"'many' at db\.workers; it needs a plain decimal"):
        channel.open()


@pytest.mark.parametrize(
    ("key", "value", "edit"),
    [
        ("workers", 4.0, None),
        ("workers", 5, 5),
        ("workers", 4.5, 4.5),  # refused later
        ("jit", "on", None),
        ("jit", 1, None),
        ("jit", "off", False),
        ("jit", "maybe", "maybe"),
        ("sync", "local", None),
        ("sync", "remote", "remote"),
        ("sync", 1, 1),
        ("sync", None, None),
        ("sync", ["remote"], None),
        ("rate", 10.000000001, None),
        ("rate", 10.001, 10.001),
        ("workers", "5", None),
    ],
)
def test_edits_at_the_destination(key: str, value: Any, edit: Any) -> None:
    state = BridgeState(seq=3, delivered=START)
    expected = {} if edit is None else {key: edit}
    assert edits_of(Present(3, {key: value}), state, TABLE) == expected


@pytest.mark.parametrize(
    ("echo", "different"),
    [
        ({"workers": 4}, {}),
        ({"workers": 4.0}, {}),
        ({"app": {"workers": 4, "jit": True, "sync": "local"}}, {}),
        ({"jit": "on", "rate": 10}, {}),
        ({"jit": 1, "timeout_s": 1.5}, {}),
        ({"workers": 4.1875}, {"workers": "4.1875"}),
        ({"workers": 5}, {"workers": "5"}),
        ({"work_mem_kb": 1_048_576}, {"work_mem_kb": "1048576"}),
        ({"workers": "4"}, {"workers": "a text, '4'"}),
        ({"jit": "off"}, {"jit": "false"}),
        ({"jit": "maybe"}, {"jit": "a text, 'maybe'"}),
        ({"sync": "remote"}, {"sync": "remote"}),
        ({"sync": 1}, {"sync": "1"}),
        ({"share": 0.5000001}, {"share": "0.5000001"}),
    ],
)
def test_an_honest_echo_is_no_mismatch(echo: Any, different: dict[str, str]) -> None:
    assert echo_mismatch(PROFILE, START, echo) == different


def test_choices_of_numbers_are_echoed_as_numbers_or_texts() -> None:
    sizes = {"type": "choice", "choices": [64, 128.5, "none"], "start": 128.5}
    profile = typed({"size": sizes})
    for echo in (128.5, "128.5"):
        assert echo_mismatch(profile, {"size": 1.0}, {"size": echo}) == {}
        assert echo_mismatch(profile, {"size": 0.0}, {"size": echo}) == {"size": "128.5"}
    assert echo_mismatch(profile, {"size": 0.0}, {"size": "64"}) == {}
