"""A run of strangers: markup, scripts, escapes and very long texts in every field they fill."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from msgspec import Struct

from pytest_soak.report.view.model import RunView
from tests.sessions.test_hostile_text import CHECK, EVERYWHERE
from tests.sessions.test_hostile_text import HOSTILE as OF_TERMINALS

MARKUP = (
    "</script><script>window.pwned=1</script><img src=x onerror=window.pwned=2>"
    "<svg onload=window.pwned=3></svg></title></style></textarea></template></table>--><!--"
    "<a href='javascript:window.pwned=4'>l</a>\" onfocus=\"window.pwned=5\" autofocus x='"
    "&lt;b&gt;&#60;i&#62;]]>\\u003cscript\\u003e${7*7}"
)
"""Each part of it would set ``window.pwned`` or an element if a page took it for markup."""
CONTROLS = "\x1b[31mRED\x1b]0;title\x07\x9b2J\x7f\x85\u2028\u2029\r\n\u202eevil\u2066\u200f\u200b"
HOSTILE = MARKUP + CONTROLS
LONG = "W" * 10_000
"""One word without a place to break the line."""
NAME = "n" * 64
"""The longest name of a KPI."""


def write_hostile_run(folder: Path) -> None:
    """A conftest, a check and the profile ``./hostile.yaml`` with these texts in every field.

    The conftest is that of the session test with hostile texts, with these texts in their place.
    """
    for name, text in {"conftest.py": EVERYWHERE, "test_bot.py": CHECK}.items():
        (folder / name).write_text(text.replace(ascii(OF_TERMINALS), ascii(HOSTILE)), "utf-8")
    (folder / "hostile.yaml").write_text(profile_text(), "utf-8")


def profile_text() -> str:
    """A profile with hostile units and log lines, and names as long as they may be."""
    text = json.dumps(HOSTILE)
    line = json.dumps(MARKUP.replace("{", "(").replace("}", ")"))
    return (
        "extends: steady\n"
        f"parameters: {{tail_age_ms: {{unit: {text}}}, min_interval_ms: {{unit: {LONG}}}}}\n"
        f"kpis:\n  p95_latency_ms: {{unit: {text}}}\n"
        f"  {NAME}: {{read: totals.hit_ratio, unit: {LONG}, better: up}}\n"
        f"rules:\n  R{NAME[1:]}:\n    when: {{p95_latency_ms: '> 1'}}\n"
        f"    moves: {{tail_age_ms: {{add: 5}}}}\n    log: {line}\n"
    )


def hostile_view(view: RunView, text: str) -> RunView:
    """The view with ``text`` and a number in every field that is a text of any kind.

    Words from a fixed list, such as verdicts, stay. The numbers keep names apart.
    """
    spoilt: RunView = _spoilt(view, RunView, text, count())
    return spoilt


def _spoilt(value: Any, annotation: Any, text: str, numbers: Iterator[int]) -> Any:
    if isinstance(value, Struct):
        hints = get_type_hints(type(value))
        return type(value)(
            **{
                name: _spoilt(getattr(value, name), hints[name], text, numbers)
                for name in value.__struct_fields__
            }
        )
    if isinstance(value, (tuple, list)):
        return type(value)(_spoilt(item, _of_items(annotation), text, numbers) for item in value)
    if isinstance(value, dict):
        return {
            f"{text}{next(numbers)}": _spoilt(item, str, text, numbers) for item in value.values()
        }
    if isinstance(value, str) and not _is_fixed(annotation):
        return f"{text}{next(numbers)}"
    return value


def _of_items(annotation: Any) -> Any:
    """The annotation of the items of a tuple; that of a pair is a text and a number."""
    return next((item for item in get_args(annotation) if item is not Ellipsis), str)


def _is_fixed(annotation: Any) -> bool:
    """Whether the annotation is a list of words, or such a list and None."""
    return get_origin(annotation) is Literal or any(
        get_origin(item) is Literal for item in get_args(annotation)
    )
