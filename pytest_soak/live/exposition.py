"""The text of a service's own ``/metrics``, read for the samples that are needed. Pure.

Two formats: the text format of Prometheus, and OpenMetrics. Both are parsed by prometheus_client;
lines of other metrics are left out before, for a service may have 100,000 of them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_soak.canonical import escaped
from pytest_soak.live.channels import ChannelFault

Labels = tuple[tuple[str, str], ...]
"""The labels of a series, by name."""

LONGEST_LINE = 16_384
"""Characters of one line. The parser takes longer than in proportion for a longer line."""

_SUFFIXES = ("_total", "_created", "_bucket", "_count", "_sum", "_gcount", "_gsum", "_info")
_SUFFIX = rf"(?:{'|'.join(_SUFFIXES)})?"
_NAME = re.compile(r"^[ \t]*([a-zA-Z_:][a-zA-Z0-9_:]*)(?=[ \t{])", re.MULTILINE)
_TYPE = re.compile(r"[ \t]*#[ \t]+TYPE[ \t]+([^ \t]+)[ \t]+([a-z]+)[ \t\r]*")
_EOF = "# EOF"
_LOOK_EVERY = 1000
"""Lines between two looks at the clock."""
_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Exposition:
    """What one scrape has of the samples that are needed."""

    samples: Mapping[str, Mapping[Labels, float]]
    """Name of the sample to its series; only those of the names that are there."""
    types: Mapping[str, str] = field(default_factory=dict)
    """Name of the sample to the type of its metric; only those that the text gives."""
    twice: frozenset[tuple[str, Labels]] = frozenset()
    """Series that are there more than once."""
    text: str = field(default="", repr=False)

    def names(self) -> tuple[str, ...]:
        """The names of all samples, also of those that are not needed, in alphabetical order."""
        return tuple(sorted(set(_NAME.findall(self.text))))


class Scanner:
    """Reads the samples of some names. ``most_s`` bounds the time for one text."""

    def __init__(
        self,
        names: Collection[str],
        most_s: float = 10.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._names = frozenset(names)
        self._most_s = most_s
        self._now = now
        families = {family for name in names for family in (name, *_families(name))}
        families_pattern = "|".join(map(re.escape, sorted(families, key=len, reverse=True)))
        self._exact = _lines_of("|".join(map(re.escape, sorted(names, key=len, reverse=True))), "")
        self._whole = _lines_of(families_pattern, _SUFFIX)
        self._typed = re.compile(
            rf"^[ \t]*#[ \t]+TYPE[ \t]+(?:{families_pattern})[ \t].*$", re.MULTILINE
        )

    def read(
        self, data: bytes, place: str, *, is_open_metrics: bool = False, is_whole: bool = True
    ) -> Exposition:
        """The needed samples of a text.

        ``is_whole``: the protocol shows that nothing is missing at its end; without that a last
        line without its end may be half of one. Raises ChannelFault: ``not_a_report`` for what is
        no such text, ``half_written``, and ``too_large`` for what takes too long.
        """
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _refused(place, f"is no UTF-8 at byte {error.start + 1:,}") from None
        if is_open_metrics and not text.rstrip("\r\n").endswith(f"\n{_EOF}"):
            problem = f"ends without the line '{_EOF}', the last one of OpenMetrics"
            raise ChannelFault("half_written", place, problem)
        if text and not text.endswith("\n") and not is_whole:
            problem = "ends within a line, and the answer has no length: it may be cut off"
            raise ChannelFault("half_written", place, problem)
        if text.lstrip()[:1] in ("<", "[") or (text.lstrip()[:1] == "{" and '":' in text[:500]):
            raise _refused(place, f"is no text of metrics; it begins with {_shown(text.lstrip())}")
        deadline = self._now() + self._most_s
        if is_open_metrics:
            from prometheus_client.openmetrics.parser import text_fd_to_metric_families as parse

            return self._parsed(
                text, parse, _Watched(self._families(text), place, deadline, self._now)
            )
        from prometheus_client.parser import text_fd_to_metric_families as parse_lines

        lines = (match[0] for match in self._exact.finditer(text))
        return self._parsed(text, parse_lines, _Watched(lines, place, deadline, self._now))

    def _families(self, text: str) -> Iterator[str]:
        """Whole families with their types: that parser checks a family as one."""
        places = [*self._typed.finditer(text), *self._whole.finditer(text)]
        yield from (match[0] for match in sorted(places, key=lambda match: match.start()))
        yield _EOF

    def _types(self, text: str) -> dict[str, str]:
        """Of the needed samples. A type is that of a family, whose samples may have suffixes."""
        given: dict[str, str] = {}
        for line in self._typed.finditer(text):
            if (match := _TYPE.fullmatch(line[0])) is not None:
                given[match[1]] = match[2]
        of_samples = (
            (name, next((given[item] for item in (name, *_families(name)) if item in given), ""))
            for name in self._names
        )
        return {name: kind for name, kind in of_samples if kind}

    def _parsed(self, text: str, parse: Callable[[Any], Any], lines: _Watched) -> Exposition:
        samples: dict[str, dict[Labels, float]] = {}
        twice: set[tuple[str, Labels]] = set()
        try:
            for family in parse(lines):
                for sample in family.samples:
                    if sample.name not in self._names or sample.value is None:
                        continue
                    labels = tuple(sorted(sample.labels.items()))
                    series = samples.setdefault(sample.name, {})
                    if labels in series:
                        twice.add((sample.name, labels))
                    series[labels] = _number(sample.value)
        except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError):
            # The parser raises what its code runs into.
            problem = f"has a line that cannot be read: {_shown(lines.line)}"
            raise _refused(lines.place, problem) from None
        return Exposition(samples, self._types(text), frozenset(twice), text)


class _Watched:
    """The lines for a parser, each with its end, within a time; the newest is remembered."""

    def __init__(
        self, lines: Iterable[str], place: str, deadline: float, now: Callable[[], float]
    ) -> None:
        self.line = ""
        self._lines = lines
        self.place = place
        self._deadline = deadline
        self._now = now

    def __iter__(self) -> Iterator[str]:
        for number, line in enumerate(self._lines):
            if len(line) > LONGEST_LINE:
                size = f"has a line of {len(line):,} characters; at most {LONGEST_LINE:,} are read"
                raise ChannelFault("too_large", self.place, size)
            if number % _LOOK_EVERY == 0 and self._now() > self._deadline:
                text = f"takes too long to parse; {number:,} lines were read in time"
                raise ChannelFault("too_large", self.place, text)
            self.line = line
            yield line.rstrip("\r") + "\n"


def _families(name: str) -> tuple[str, ...]:
    """The names that the metric of a sample may have, beside that of the sample."""
    return tuple(name.removesuffix(suffix) for suffix in _SUFFIXES if name.endswith(suffix))


def _lines_of(names: str, suffix: str) -> re.Pattern[str]:
    """The lines of samples whose names are among ``names``, each perhaps with the suffix."""
    return re.compile(rf"^[ \t]*(?:{names}){suffix}[ \t{{].*$", re.MULTILINE)


def _number(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number of hundreds of digits
        return float("inf") if value > 0 else float("-inf")


def _shown(text: str) -> str:
    line = text.partition("\n")[0]
    return repr(escaped(line[:_SHOWN])) + (" …" if len(line) > _SHOWN else "")


def _refused(place: str, text: str) -> ChannelFault:
    return ChannelFault("not_a_report", place, text)
