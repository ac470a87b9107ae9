"""REPORT.html of a run: one file, which requests nothing and is whole without scripts."""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

import jinja2
from markupsafe import Markup

from pytest_soak.canonical import escaped, escaped_lines
from pytest_soak.report.layout import cut
from pytest_soak.report.page.iteration_rows import MOST_EXPLAINED
from pytest_soak.report.page.lane_page import lane_page, matrix_cells, matrix_ranges
from pytest_soak.report.page.words import (
    STATES,
    VERDICT_GLYPHS,
    duration,
    headline,
    moment,
    target_time,
    without_statistics,
)
from pytest_soak.report.view.model import RunView

_LONGEST_NAME = 80
_SHORT_NAME = 40
_LONGEST_SENTENCE = 1_000
_LONGEST_TITLE = 300
_LONGEST_TEXT = 20_000
_RANK = {"FAIL": 0, "INCONCLUSIVE": 1, "WARN": 2, "PASS": 3, None: 4}
"""The order of the lanes' sections: the worst verdict first."""
_MOST_CAUSES = 8
_SIZES = ((24, 240_000), (864, 590_000))
"""Iterations and the bytes of a page with its explanations; between them it grows evenly."""
_LEAST_EXPLAINED = 12_000
_AROUND_TEXT = 250
"""Bytes of the elements around a text."""


class PlotLibrary(Protocol):
    """The sources of uPlot, which are copied into the page."""

    @property
    def script(self) -> str: ...
    @property
    def style(self) -> str: ...
    @property
    def licence(self) -> str: ...
    @property
    def version(self) -> str: ...


def report_page(
    view: RunView,
    *,
    explained: Mapping[tuple[str, int], str],
    uplot: PlotLibrary | None,
    absent: str = "",
) -> str:
    """The page. ``explained``: lane and iteration to the text of ``explain``.

    Without ``uplot`` the pictures are static, and ``absent`` is shown as the reason.
    """
    environment = _environment()
    style, script = _source(environment, "page.css"), _source(environment, "page.js")
    styles = [style] if uplot is None else [uplot.style, style]
    scripts = [] if uplot is None else [uplot.script]
    scripts.append(script)
    several = len(view.lanes) > 1
    ranges = matrix_ranges(view) if several else {}
    lanes = [lane_page(view, place) for place in range(len(view.lanes))]
    sections = sorted(lanes, key=lambda page: _RANK[page.lane.verdict])
    template = environment.get_template("page.html.j2")
    parts: dict[str, Any] = {
        "view": view,
        "headline": headline(view),
        "state": STATES[view.state],
        "several": several,
        "matrix_names": tuple(ranges),
        "matrix": [
            matrix_cells(f"m{place}", lane, ranges)
            for place, lane in enumerate(view.lanes, 1)
            if several
        ],
        "why": without_statistics(view.why),
        "causes": _causes(view),
        "fingerprint": _fingerprint(view.fingerprint),
        "glyphs": VERDICT_GLYPHS,
        "uplot": uplot,
        "absent": absent,
        "policy": _policy(styles, scripts),
        "styles": [_inline(text, "style") for text in styles],
        "scripts": [_inline(text, "script") for text in scripts],
    }
    # What the page leaves of its size is for the explanations.
    size = len(template.render(parts, lanes=lanes, sections=lanes).encode()) if explained else 0
    texts = _within(explained, max(_size(view) - size, _LEAST_EXPLAINED))
    return template.render(
        parts, lanes=lanes, sections=[section.explaining(texts) for section in sections]
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pytest_soak.report.page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters.update(
        name=_name, title=_title, lines=_lines, duration=duration, moment=moment, plain=_plain,
        quoted=shlex.quote,
        target_time=target_time,
        short=_short,
        sentence=_sentence,
    )  # fmt: skip
    return environment


def _source(environment: jinja2.Environment, name: str) -> str:
    """A style sheet or script of the package, without indentation and lines of comment."""
    assert environment.loader is not None
    lines = map(str.strip, environment.loader.get_source(environment, name)[0].splitlines())
    return "\n".join(line for line in lines if line and not line.startswith(("//", "/*")))


# -- texts of others -----------------------------------------------------------------------------


def _shown(value: Any) -> Any:
    """What is written of a value: control characters as escapes. Jinja escapes HTML after it."""
    return value if isinstance(value, Markup) else escaped(str(value))


def _name(text: str) -> str:
    """A name of others in a readable length."""
    return cut(str(text), _LONGEST_NAME)


def _short(text: str) -> str:
    """A name of others in a table with many columns."""
    return cut(str(text), _SHORT_NAME)


def _sentence(text: str) -> str:
    """A sentence that has texts of others in it, in a readable length."""
    return cut(str(text), _LONGEST_SENTENCE)


def _title(text: str) -> str:
    """The whole of a name that was cut, within a limit; empty for a short one."""
    return "" if len(str(text)) <= _SHORT_NAME else cut(str(text), _LONGEST_TITLE)


def _lines(text: str) -> Markup:
    """A text of several lines, for ``pre``."""
    shown = escaped_lines(text)
    return Markup.escape(shown if len(shown) <= _LONGEST_TEXT else shown[:_LONGEST_TEXT] + " ..")


def _plain(value: Any) -> str:
    """A value of the fingerprint in words."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_plain(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else cut(str(value), _LONGEST_TITLE)


def _fingerprint(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values; those of an object one by one, without what is none."""
    rows: list[tuple[str, str]] = []
    for key, item in given.items():
        parts = item.items() if isinstance(item, Mapping) else [("", item)]
        rows += [
            (f"{key}: {part}" if part else str(key), _plain(content))
            for part, content in parts
            if content not in (None, "", [], {})
        ]
    # What is long, such as the features of a CPU, comes last.
    return sorted(rows, key=lambda row: len(row[1]) > _LONGEST_NAME)


def _causes(view: RunView) -> list[tuple[str, str]]:
    """The criteria that decide the verdict of a single lane, with their reasons."""
    if len(view.lanes) != 1 or view.verdict in (None, "PASS"):
        return []
    rows = [row for row in view.lanes[0].gate if row.verdict == view.verdict and row.binding]
    return [
        (row.criterion, without_statistics(row.reason.removeprefix(f"{row.criterion}: ")))
        for row in rows[:_MOST_CAUSES]
    ]


def _size(view: RunView) -> int:
    """The bytes that a run of so many iterations may take."""
    more = sum(lane.measured for lane in view.lanes) - _SIZES[0][0]
    (least, small), (most, large) = _SIZES
    return round(small + (large - small) * min(max(more, 0), most - least) / (most - least))


def _within(explained: Mapping[tuple[str, int], str], size: int) -> dict[tuple[str, int], str]:
    """The first texts, as many as take ``size`` bytes in the page."""
    kept: dict[tuple[str, int], str] = {}
    for key, text in list(explained.items())[:MOST_EXPLAINED]:
        size -= len(_lines(text).encode()) + _AROUND_TEXT
        if size < 0:
            break
        kept[key] = text
    return kept


# -- the policy: only what is in the file runs ---------------------------------------------------


def _policy(styles: list[str], scripts: list[str]) -> str:
    """The content security policy: nothing is loaded, and only these sources are applied."""
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src {' '.join(map(_hash, styles))}",
            f"script-src {' '.join(map(_hash, scripts))}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _inline(text: str, element: str) -> Markup:
    """A source of the package for the content of its element. Raises ValueError if it ends it."""
    if f"</{element}" in text.lower() or "<!--" in text or "\r" in text:
        raise ValueError(f"a source of the page cannot be the content of a {element} element")
    return Markup(text)  # noqa: S704
