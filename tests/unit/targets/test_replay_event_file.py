"""A hostile or broken file costs one line: its header is read before any of its rows is."""

from __future__ import annotations

import os
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pytest_soak.targets.replay.event_file import LARGEST_GIB, RecordingError, read_events
from tests.unit.targets.recordings import (
    MS,
    Events,
    archive,
    event_header,
    market,
    npy,
    npy_of,
    patched,
    saved,
)

UNREADABLE = "has a header that cannot be read"
FLAGS, METHOD = 8, 10
"""Offsets in the central header of a zip member."""


def refusal(path: str | Path, largest_gib: float = LARGEST_GIB) -> str:
    with pytest.raises(RecordingError, match=r"^replay: ") as caught:
        read_events(Path(path), largest_gib)
    message = str(caught.value)
    assert "\n" not in message
    assert message.isprintable()
    assert len(message) < 1000
    return message


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_the_rows_are_those_that_were_saved(tmp_path: Path, save: object) -> None:
    path = tmp_path / "recording.npz"
    assert callable(save)
    save(path, data=market(), other=np.arange(3))

    assert np.array_equal(read_events(path, LARGEST_GIB), market())


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_both_versions_of_the_header_are_read(tmp_path: Path, version: tuple[int, int]) -> None:
    rows = market().tobytes()
    path = archive(tmp_path, npy_of(event_header("(400,)"), rows, version))

    assert read_events(Path(path), LARGEST_GIB).tobytes() == rows


@pytest.mark.parametrize(("method", "name"), [(9, "9"), (97, "97"), (99, "99"), (1, "1")], ids=str)
def test_an_unsupported_compression_is_named(tmp_path: Path, method: int, name: str) -> None:
    path = patched(saved(tmp_path, market()), METHOD, struct.pack("<H", method))

    message = refusal(path)

    assert f"compression method {name}" in message
    assert "savez_compressed" in message


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_of_the_standard_library_are_read(tmp_path: Path, method: int) -> None:
    path = archive(tmp_path, npy(market()), method=method)

    assert read_events(Path(path), LARGEST_GIB).size == 400


def test_an_encrypted_member_is_named(tmp_path: Path) -> None:
    message = refusal(patched(saved(tmp_path, market()), FLAGS, struct.pack("<H", 1)))

    assert "encrypted" in message
    assert "savez_compressed" in message


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("{'descr': '<f8'", UNREADABLE),
        ("", UNREADABLE),
        ("((((" * 2000, UNREADABLE),
        ("[" * 9000, UNREADABLE),
        ("{'descr': '<f8', 'fortran_order': False}", UNREADABLE),
        ("{'descr': '<f8', 'fortran_order': 2, 'shape': (1,)}", UNREADABLE),
        (
            "{'descr': 'no type', 'fortran_order': False, 'shape': (1,)}",
            UNREADABLE,
        ),
        (
            event_header("(400,)", "[('ev', '<f8', (1000000000000,))]"),
            UNREADABLE,
        ),
        (event_header("('400',)"), UNREADABLE),
        (event_header("(400,)").ljust(20_000), "20,001 bytes"),
    ],
)
def test_a_bad_header_is_one_line(tmp_path: Path, header: str, says: str) -> None:
    message = refusal(archive(tmp_path, npy_of(header, b"\0" * 64)))

    assert says in message
    assert "recording.npz" in message


def test_a_header_that_declares_gigabytes_of_itself_is_not_read(tmp_path: Path) -> None:
    content = b"\x93NUMPY\x02\x00" + struct.pack("<I", 3 << 30) + b"\0" * (8 << 20)

    tracemalloc.start()
    message = refusal(archive(tmp_path, content))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert "3,221,225,472 bytes" in message
    assert peak < 2 << 20


@pytest.mark.parametrize("content", [b"", b"\x93NUM", b"PK", b"ev,exch_ts\n1,2\n", b"\0" * 200])
def test_a_member_that_is_no_array(tmp_path: Path, content: bytes) -> None:
    assert "'data' is not a numpy array" in refusal(archive(tmp_path, content))


def test_an_unknown_version_of_the_format(tmp_path: Path) -> None:
    message = refusal(archive(tmp_path, npy_of(event_header("(1,)"), b"\0" * 64, (9, 0))))

    assert "version 9.0" in message
    assert "1.0 or 2.0" in message


@pytest.mark.parametrize(
    "shape", ["(99999999999,)", "(10**30,)".replace("10**30", "1" + "0" * 30), "(401,)", "(399,)"]
)
def test_a_shape_that_the_rows_do_not_fill(tmp_path: Path, shape: str) -> None:
    message = refusal(archive(tmp_path, npy_of(event_header(shape), market().tobytes())))

    assert shape in message
    assert "25,600 bytes" in message


@pytest.mark.parametrize("shape", ["()", "(0,)", "(-1,)", "(20, 20)", "(True,)"])
def test_a_shape_that_is_no_row_of_events(tmp_path: Path, shape: str) -> None:
    message = refusal(archive(tmp_path, npy_of(event_header(shape), market().tobytes())))

    assert shape in message
    assert "one-dimensional" in message


def bomb(folder: Path, rows: int) -> str:
    """A right header and so many rows of zeros, about a thousandth of that on disk."""
    path = folder / "recording.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as written,
        written.open("data.npy", "w") as member,
    ):
        member.write(npy_of(event_header(f"({rows},)")))
        block = bytes(1 << 20)
        for _ in range(rows * 64 >> 20):
            member.write(block)
    return str(path)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = bomb(tmp_path, 4 << 20)
    assert Path(path).stat().st_size < 1 << 20

    tracemalloc.start()
    message = refusal(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert "268,435,4" in message
    assert "times" in message
    assert "numpy.savez" in message
    assert peak < 2 << 20


def test_a_bomb_that_states_a_larger_compressed_size_is_one_all_the_same(tmp_path: Path) -> None:
    path = patched(bomb(tmp_path, 4 << 20), 20, struct.pack("<I", 200 << 20))

    message = refusal(path)

    # Newer versions of Python see by themselves that the entry would overlap what follows it.
    assert "times as many" in message or "possible zip bomb" in message


def test_more_than_the_cap_is_refused_and_the_cap_can_be_set(tmp_path: Path) -> None:
    path = archive(tmp_path, npy(market()), method=zipfile.ZIP_STORED)

    message = refusal(path, 20_000 / (1 << 30))

    assert "25,600 bytes" in message
    assert "largest_gib" in message
    assert read_events(Path(path), 30_000 / (1 << 30)).size == 400


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file(tmp_path: Path, share: float) -> None:
    path = Path(saved(tmp_path, market()))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])

    assert "recording.npz" in refusal(path)


def test_no_single_damaged_byte_does_more_than_refuse(tmp_path: Path) -> None:
    """Every byte of a small file in turn: one line, or the very rows that were saved."""
    rows = market(6)
    path = Path(saved(tmp_path, rows))
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            array = read_events(path, LARGEST_GIB)
        except RecordingError as error:
            assert str(error).isprintable()  # noqa: PT017 - either outcome is right
        else:
            assert np.array_equal(array, rows)


def test_a_member_that_ends_before_its_rows_do(tmp_path: Path) -> None:
    """The directory of the archive says 400 rows, the compressed stream has half of them."""
    rows = market().tobytes()
    path = archive(tmp_path, npy_of(event_header("(400,)"), rows[:12_800]))
    size = len(npy_of(event_header("(400,)"), rows))

    assert "ends after" in refusal(patched(path, 24, struct.pack("<I", size)))


@pytest.mark.parametrize(
    "array",
    [
        np.array([{"px": 1}], dtype=object),
        np.zeros(3, dtype=[("ev", "u8"), ("px", object)]),
    ],
)
def test_pickled_objects_are_never_loaded(tmp_path: Path, array: Events) -> None:
    assert "pickled Python objects" in refusal(archive(tmp_path, npy(array)))


def test_pickled_objects_are_not_even_unpickled(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    pickled = b"cos\nmkdir\n(V" + str(trap).encode() + b"\ntR."
    header = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"

    refusal(archive(tmp_path, npy_of(header, pickled)))

    assert not trap.exists()


def test_the_names_of_other_arrays_are_shown_without_their_control_characters(
    tmp_path: Path,
) -> None:
    path = archive(tmp_path, npy(market()), name="\x1b[31mdata\n.npy")

    assert r"\x1b[31mdata\n" in refusal(path)


def test_of_many_other_arrays_a_few_are_named(tmp_path: Path) -> None:
    path = tmp_path / "recording.npz"
    with zipfile.ZipFile(path, "w") as written:
        for number in range(2000):
            written.writestr(f"array_{number}.npy", b"")

    assert "and 1,992 more" in refusal(path)


def test_a_path_with_a_line_break_stays_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "two\nlines"
    folder.mkdir()

    assert r"two\nlines" in refusal(folder / "absent.npz")


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b"])
def test_a_path_that_no_file_can_have(tmp_path: Path, name: str) -> None:
    refusal(tmp_path / name)


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "pipe.npz"
    os.mkfifo(path)

    assert "not a regular file" in refusal(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = Path(saved(tmp_path, market()))
    path.chmod(0)

    assert "Permission denied" in refusal(path)


def test_memory_that_is_not_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    path = saved(tmp_path, market())
    monkeypatch.setattr(np, "empty", no_memory)

    message = refusal(path)

    assert "25,600 bytes" in message
    assert "memory" in message


def test_extra_fields_do_no_harm_and_cost_what_they_declare(tmp_path: Path) -> None:
    rows = market()
    wide = np.zeros(rows.size, dtype=[*rows.dtype.descr, ("more", "f8", (3,))])
    for name in rows.dtype.names or ():
        wide[name] = rows[name]

    array = read_events(Path(saved(tmp_path, wide)), LARGEST_GIB)

    assert array["exch_ts"][1] - array["exch_ts"][0] == 100 * MS
