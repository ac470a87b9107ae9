"""The parameters as a JSON file: replaced as a whole, and put back."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.json_types import WrongValueError
from pytest_soak.live.channels import ChannelFault, Present
from pytest_soak.live.sections import ParametersFields
from pytest_soak.live.writers.file import ParameterFile, make_file
from tests.unit.live.contexts import context_of, delivery_of


def writer(folder: Path, text: str = "parameters.json") -> ParameterFile:
    return make_file(ParametersFields(file=text), context_of(folder))


def test_the_file_has_the_runtime_and_names_the_delivery(tmp_path: Path) -> None:
    file = tmp_path / "parameters.json"
    channel = writer(tmp_path)
    assert not [*tmp_path.iterdir()]
    channel.open()
    assert channel.present() is None
    channel.deliver(delivery_of(seq=7))
    content = json.loads(file.read_text())
    assert content["risk"] == {"base_spread_bps": 0.5}
    assert content["soak"]["seq"] == 7
    assert channel.present() == Present(7, {"base_spread_bps": 0.5, "levels": 3})
    names = sorted(place.name for place in tmp_path.iterdir())
    assert names == ["original.none", "parameters.json"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", None),
        ("{", None),
        ('{"a": NaN}', None),
        ("{}", Present()),
        ('{"soak": 3, "risk": 4}', Present()),
        ('{"soak": {"seq": true}, "levels": "x"}', Present(0, {"levels": "x"})),
        ('{"soak": {"seq": -1}, "base_spread_bps": 1}', Present()),
        ('{"soak": {"seq": 9}, "levels": null}', Present(9, {"levels": None})),
    ],
)  # fmt: skip
def test_what_it_holds(tmp_path: Path, text: str, expected: Present | None) -> None:
    (tmp_path / "parameters.json").write_text(text)
    assert writer(tmp_path).present() == expected


def test_the_original_is_put_back_also_by_a_later_session(tmp_path: Path) -> None:
    file = tmp_path / "parameters.json"
    file.write_bytes(b"the original\r\n")
    file.chmod(0o640)
    for seq in (1, 2):
        channel = writer(tmp_path)
        channel.open()
        channel.deliver(delivery_of(seq))
        assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "original").stat().st_mode) == 0o600
    channel.restore()
    assert file.read_bytes() == b"the original\r\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    file.unlink()
    channel.restore()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_that_was_not_there_is_removed(tmp_path: Path) -> None:
    for seq in (1, 2):
        channel = writer(tmp_path)
        channel.open()
        channel.deliver(delivery_of(seq))
    channel.restore()
    channel.restore()
    assert not (tmp_path / "parameters.json").exists()


def test_nothing_is_removed_if_no_original_was_looked_for(tmp_path: Path) -> None:
    channel = writer(tmp_path)
    channel.deliver(delivery_of())
    channel.restore()
    assert (tmp_path / "parameters.json").exists()


def make_link(place: Path) -> None:
    place.with_name("other").write_text("{}")
    place.symlink_to("other")


KINDS: dict[str, Any] = {
    "a link": make_link,
    "a FIFO": os.mkfifo,
    "a directory": Path.mkdir,
}


@pytest.mark.parametrize("kind", KINDS)
def test_no_other_kind_of_file_is_touched(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "parameters.json"
    KINDS[kind](place)
    before = place.lstat()
    channel = writer(tmp_path)
    for action in (
        channel.open,
        channel.present,
        channel.restore,
        lambda: channel.deliver(delivery_of()),
    ):
        with pytest.raises(ChannelFault) as caught:
            action()
        assert caught.value.name == "not_delivered"
        assert str(caught.value) == f"{place} is {kind}; it must be a regular file"
    assert place.lstat() == before


def test_a_missing_directory_is_a_fault(tmp_path: Path) -> None:
    channel = writer(tmp_path, "missing/parameters.json")
    channel.open()
    with pytest.raises(ChannelFault, match="json cannot be written: No such file") as caught:
        channel.deliver(delivery_of())
    assert caught.value.name == "not_delivered"


def test_the_destination_is_canonical(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for text in ("real/x", "link/x", "{dir}/link/../real/./x", f"{tmp_path}/real/x"):
        assert writer(tmp_path, text).destinations == (f"file:{tmp_path}/real/x",)
    assert writer(tmp_path, "x").place == f"{tmp_path}/x"


@pytest.mark.parametrize("text", ["a/", "..", ".", "/", "a\0b"])
def test_a_text_that_names_no_file_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(WrongValueError) as caught:
        writer(tmp_path, text)
    assert caught.value.path == ("file",)
