"""The file of a recording, read without trusting it: first its header, then what that declares.

An ``.npz`` is a zip archive of ``.npy`` arrays. Type, shape and declared size are checked before
any row is unpacked, so that a file that declares more than it holds, or far more than its size on
disk, costs one line and no memory. Nothing is ever unpickled.
"""

from __future__ import annotations

import difflib
import io
import struct
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pytest_soak.canonical import escaped
from pytest_soak.targets.replay.events import EVENT_FIELDS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LARGEST_GIB = 4.0
"""What a recording may take in memory, unless the settings say otherwise."""

_MEMBER = "data.npy"
_MAGIC = b"\x93NUMPY"
_LENGTH_FORMATS = {(1, 0): "<H", (2, 0): "<I"}
_LONGEST_HEADER = 10_000
_MOST_COMPRESSED = 200
"""Recorded events compress to about a tenth. Deflate reaches a thousandth, on zeros."""
_SMALL_BYTES = 64 << 20
"""Up to this size it does not matter how well a file is compressed."""
_CHUNK_BYTES = 1 << 20
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_MOST_NAMES = 8
_LONGEST_NAME = 60
_LONGEST_REASON = 200
_SAVE = "save it with numpy.savez_compressed(file, data=events)"


class RecordingError(ValueError):
    """A recording that cannot be used. The message is one line that names the file."""


@dataclass(frozen=True, slots=True)
class _Header:
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    size: int
    """Bytes of the member that the header itself takes."""


def read_events(file: Path, largest_gib: float = LARGEST_GIB) -> NDArray[Any]:
    """The array ``data`` of the .npz file: shape ``(n,)``, with at least the fields of an event.

    Raises RecordingError for everything that is wrong with the file, before its rows are read
    wherever its header shows it.
    """
    try:
        return _events(file, largest_gib)
    except RecordingError as error:
        raise RecordingError(f"replay: {shown(file)} {error}") from None
    except Exception as error:  # what a damaged archive makes its readers raise has no end
        reason = escaped(f"{type(error).__name__}: {error}")[:_LONGEST_REASON]
        raise RecordingError(
            f"replay: {shown(file)} is damaged or cannot be read: {reason}"
        ) from None


def shown(file: Path) -> str:
    """The path for people, on one line."""
    return escaped(str(file))[-_LONGEST_REASON:]


def _events(file: Path, largest_gib: float) -> NDArray[Any]:
    if not file.exists():
        raise RecordingError("does not exist: there is no such file")
    if not file.is_file():
        raise RecordingError("is not a regular file; an .npz file is needed")
    with file.open("rb") as stream:
        if not zipfile.is_zipfile(stream):
            raise RecordingError(f"is not an .npz file (a zip archive of numpy arrays); {_SAVE}")
        with zipfile.ZipFile(stream) as archive:
            member = _member(archive)
            with archive.open(member) as content:
                header = _header(content)
                _check_layout(header.dtype)
                count = _checked_count(header, member)
                _check_size(count * header.dtype.itemsize, member, file, largest_gib)
                return _rows(content, count, header.dtype)


def _member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    names = archive.namelist()
    if _MEMBER not in names:
        arrays = [name.removesuffix(".npy") for name in names]
        near = difflib.get_close_matches("data", arrays[:1000], n=1)
        hint = f" (nearest: {_name(near[0])})" if near else ""
        listed = ", ".join(map(_name, sorted(arrays)[:_MOST_NAMES])) or "nothing"
        more = len(arrays) - _MOST_NAMES
        rest = f" and {more:,} more" if more > 0 else ""
        raise RecordingError(f"has no array 'data'{hint}; it holds: {listed}{rest}")
    member = archive.getinfo(_MEMBER)
    if member.flag_bits & _ENCRYPTED:
        raise RecordingError(f"is encrypted, which replay does not read; {_SAVE}")
    if member.compress_type not in _METHODS:
        raise RecordingError(
            f"uses compression method {member.compress_type}, which cannot be read; {_SAVE}"
        )
    return member


def _name(text: str) -> str:
    return repr(text[:_LONGEST_NAME])


def _header(content: IO[bytes]) -> _Header:
    """Type and shape of the array, from the first bytes of its member."""
    start = content.read(len(_MAGIC) + 2)
    if len(start) < len(_MAGIC) + 2 or not start.startswith(_MAGIC):
        raise RecordingError(f"is not usable: its 'data' is not a numpy array; {_SAVE}")
    version = (start[-2], start[-1])
    if version not in _LENGTH_FORMATS:
        raise RecordingError(
            f"holds an array in version {version[0]}.{version[1]} of numpy's format; it must be "
            f"1.0 or 2.0, so {_SAVE}"
        )
    prefix = content.read(struct.calcsize(_LENGTH_FORMATS[version]))
    (length,) = struct.unpack(_LENGTH_FORMATS[version], prefix)
    if length > _LONGEST_HEADER:
        raise RecordingError(
            f"has a header of {length:,} bytes; an event array has one of about 300, and more "
            f"than {_LONGEST_HEADER:,} are not read"
        )
    text = content.read(length)
    shape, dtype = _parsed_header(prefix + text, version)
    return _Header(dtype, shape, len(start) + len(prefix) + len(text))


def _parsed_header(
    content: bytes, version: tuple[int, int]
) -> tuple[tuple[int, ...], np.dtype[Any]]:
    from numpy.lib import format as npy_format

    read = (
        npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python's parser, about what it is given
            shape, _, dtype = read(io.BytesIO(content))
    except Exception as error:  # the parser of Python literals raises whatever it likes
        reason = escaped(f"{type(error).__name__}: {error}")[:_LONGEST_REASON]
        raise RecordingError(f"has a header that cannot be read: {reason}; {_SAVE}") from None
    return shape, dtype


def _check_layout(dtype: np.dtype[Any]) -> None:
    """That it is a structured array with the fields of an event, each of its type."""
    if dtype.hasobject:
        raise RecordingError(
            "holds pickled Python objects, which are never loaded; save a structured array instead"
        )
    names = dtype.names
    if names is None:
        raise RecordingError(
            f"holds a plain {dtype} array; hftbacktest 2.x's layout is a structured array with the "
            "fields " + ", ".join(name for name, _ in EVENT_FIELDS)
        )
    for name, kind in EVENT_FIELDS:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f" (nearest: {_name(near[0])})" if near else ""
            raise RecordingError(f"lacks the field {name!r}{hint} in its array 'data'")
        field = dtype[name]
        if field.newbyteorder("=").str[1:] != kind:
            raise RecordingError(
                f"has {str(field)[:_LONGEST_NAME]} in the field {name!r} of its array 'data'; it "
                f"must be {kind}"
            )


def _checked_count(header: _Header, member: zipfile.ZipInfo) -> int:
    """How many rows there are: what the shape declares, if the member is of that size."""
    shape, row_bytes = header.shape, header.dtype.itemsize
    if len(shape) != 1 or isinstance(shape[0], bool) or shape[0] < 1:
        raise RecordingError(
            f"holds an array of shape {_shape(shape)}; it must be one-dimensional and not empty"
        )
    present = member.file_size - header.size
    if shape[0] * row_bytes != present:
        raise RecordingError(
            f"declares an array of shape {_shape(shape)}, {row_bytes} bytes a row, but holds "
            f"{present:,} bytes of rows: it is truncated, or its header is wrong"
        )
    return shape[0]


def _shape(shape: tuple[int, ...]) -> str:
    return str(shape)[:_LONGEST_NAME]


def _check_size(declared: int, member: zipfile.ZipInfo, file: Path, largest_gib: float) -> None:
    if declared > largest_gib * 2**30:
        raise RecordingError(
            f"declares {declared:,} bytes of events; more than {largest_gib:.3g} GiB are not read: "
            "cut the recording, or give ReplaySettings(largest_gib=...) to make_replay"
        )
    # The stated size may be a lie; the file on disk is not smaller than what it holds.
    compressed = max(1, min(member.compress_size, file.stat().st_size))
    if declared > _SMALL_BYTES and declared > _MOST_COMPRESSED * compressed:
        raise RecordingError(
            f"declares {declared:,} bytes of events in {compressed:,} on disk, "
            f"{declared / compressed:,.0f} times as many; recorded events compress about 10 times, "
            f"and beyond {_MOST_COMPRESSED} times they are not read: if they are real, save them "
            "uncompressed with numpy.savez"
        )


def _rows(content: IO[bytes], count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    import numpy as np

    declared = count * dtype.itemsize
    try:
        buffer = np.empty(declared, dtype=np.uint8)
    except MemoryError:
        raise RecordingError(
            f"holds {declared:,} bytes of events, for which there is not enough memory"
        ) from None
    place = 0
    while place < declared:  # with the last byte the archive compares its checksum
        chunk = content.read(min(_CHUNK_BYTES, declared - place))
        if not chunk:
            raise RecordingError(f"ends after {place:,} of {declared:,} bytes: it is truncated")
        buffer[place : place + len(chunk)] = np.frombuffer(chunk, dtype=np.uint8)
        place += len(chunk)
    rows: NDArray[Any] = buffer.view(dtype)
    return rows
