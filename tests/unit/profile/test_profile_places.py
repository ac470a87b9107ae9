"""The line of a value in the files of a profile's chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.profile.places import Place, Places
from pytest_soak.profile.resolve import Resolved, resolve
from pytest_soak.profile.yaml_text import LOADERS, key_lines, parse
from pytest_soak.store.sources import read_source

TEXT = """\
# a comment
gate:
  criteria:
    # another
    risk_ratio: "<= 0.1"
    net_bps: {production: ">= 2",
      mock: ">= 1"}
rules:
  - a
  - {b: 1}
  -
    c: 2
text: |
  gate:
    window: 9
last: 1
"""
LINES = {
    ("gate",): 2,
    ("gate", "criteria"): 3,
    ("gate", "criteria", "risk_ratio"): 5,
    ("gate", "criteria", "net_bps"): 6,
    ("gate", "criteria", "net_bps", "production"): 6,
    ("gate", "criteria", "net_bps", "mock"): 7,
    ("rules",): 8,
    ("rules", "0"): 9,
    ("rules", "1"): 10,
    ("rules", "1", "b"): 10,
    ("rules", "2"): 12,
    ("rules", "2", "c"): 12,
    ("text",): 13,
    ("last",): 16,
}


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "with a mark"])
def test_each_key_has_its_line(loader: Any, end: str, mark: bytes) -> None:
    assert key_lines(mark + TEXT.replace("\n", end).encode(), loader) == LINES


def key_paths(value: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        path = (*above, str(key))
        yield path
        if isinstance(item, (dict, list)):
            yield from key_paths(item, path)


@pytest.mark.parametrize("name", ["market_maker", "steady", "S1", "steady_safe", "ultra_safe"])
def test_every_key_of_a_shipped_profile_has_a_line_with_its_name(name: str) -> None:
    data = read_source(name).data
    lines, texts = key_lines(data), data.decode().splitlines()
    assert set(lines) == set(key_paths(parse(data)))
    for path, line in lines.items():
        assert path[-1].isdigit() or path[-1] in texts[line - 1]


Write = Callable[..., Resolved]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)

    def write(**files: str) -> Resolved:
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text)
        return resolve(f"./{next(iter(files))}.yaml", read_source)

    return write


RISK = ("gate", "criteria", "risk_ratio")
NET = ("gate", "criteria", "net_bps")


def test_the_file_that_gave_the_value_has_the_place(written: Write, tmp_path: Path) -> None:
    resolved = written(
        mine='extends: ./base.yaml\ngate:\n  criteria:\n    risk_ratio: "<= 0.1"\n',
        base="extends: steady\ngate:\n  criteria:\n    net_bps:\n      mock: '>= 1'\n"
        "      production: '>= 2'\n",
    )
    at = resolved.places.of
    assert at(RISK) == Place(str(tmp_path / "mine.yaml"), 4)
    assert at((*NET, "mock")) == Place(str(tmp_path / "base.yaml"), 5)
    shipped = at(("gate", "criteria", "p95_latency_ms"))
    assert shipped is not None
    assert Path(shipped.file).name == "market_maker.yaml"
    assert "p95_latency_ms:" in Path(shipped.file).read_text().splitlines()[shipped.line - 1]


def test_a_text_stands_for_what_would_be_below_it(written: Write, tmp_path: Path) -> None:
    resolved = written(
        mine="extends: ./base.yaml\ngate: {criteria: {net_bps: '>= 2.8'}}\n",
        base="extends: steady\ngate:\n  criteria:\n"
        "    net_bps: {production: '>= 2.5', mock: '>= 1'}\n",
    )
    place = resolved.places.of((*NET, "mock"))
    assert place == Place(str(tmp_path / "mine.yaml"), 2)


def test_the_first_path_that_is_set_counts(written: Write, tmp_path: Path) -> None:
    at = written(mine="extends: steady\ngate:\n  window: 9\n").places.of
    here = str(tmp_path / "mine.yaml")
    assert at(("gate", "nothing"), ("gate", "window"), ("gate",)) == Place(here, 3)
    assert at(("gate",)) == Place(here, 2)
    assert at(("gate", "nothing")) is None
    assert at() is None
    assert at(()) is None


def test_what_a_file_removes_has_no_place(written: Write) -> None:
    at = written(
        mine="extends: ./base.yaml\ngate: {drift: {net_bps: null}}\n",
        base="extends: steady\ngate: {drift: {net_bps: {budget: 1}}}\n",
    ).places.of
    assert at(("gate", "drift", "net_bps", "budget")) is None
    assert at(("gate", "drift", "net_bps")) is None


def test_lines_change_nothing_in_the_document(written: Write) -> None:
    """The journal stores it, and a resumed run compares it."""
    text = "extends: steady\ngate: {window: 9}\n"
    document = written(mine=text).profile.document
    other = written(mine="# two\n# lines\n" + text.replace("{window: 9}", "\n  window: 9\n"))
    assert other.profile.document == document
    assert "places" not in str(document)
    assert other.places.of(("gate", "window")) != written(mine=text).places.of(("gate", "window"))


def test_a_profile_of_no_file_has_no_places() -> None:
    assert Places().of(("gate",)) is None
