"""Texts of others for a terminal, for Markdown, for HTML and for JSON."""

from __future__ import annotations

import json

import pytest

from pytest_soak.canonical import canonical_json, escaped, escaped_lines, printable_json
from pytest_soak.report.html import html_text
from pytest_soak.report.markdown import bullet, cell

ODD = "\x00\x07\x1b[31m\x7f\x85\x9b2J\xa0\u200b\u202e\u2028\u2066\ufeff\ud800\U000e0001\r\n\t"


def test_nothing_moves_the_cursor_of_a_terminal() -> None:
    assert escaped(ODD).isprintable()
    assert "\\x1b[31m" in escaped(ODD)
    assert "\\u202e" in escaped(ODD)
    assert "\\ud800" in escaped(ODD)
    assert escaped("φ ≤ 3 … ü 漢") == "φ ≤ 3 … ü 漢"
    text = "plain"
    assert escaped(text) is text


def test_a_traceback_keeps_its_lines() -> None:
    assert escaped_lines("a\n\tb\x1b\r\n") == "a\n    b\\x1b\\r\n"


def test_json_has_the_same_value_and_only_printable_characters() -> None:
    value = {"text": ODD.replace("\ud800", ""), "φ": 1}
    data = canonical_json(value)
    assert json.loads(data) == value
    assert data.decode().isprintable()
    assert '"φ":1' in data.decode()
    with pytest.raises(ValueError, match="surrogate"):
        canonical_json({"text": "\ud800"})
    pretty = json.dumps(value, indent=2, ensure_ascii=False)
    assert json.loads(printable_json(pretty)) == value
    assert all(line.isprintable() for line in printable_json(pretty).split("\n"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)>"),
        ("</td><!-- x --><?x", "&lt;/td>&lt;!-- x -->&lt;?x"),
        ("p95 <= 340 < 3 -> 4", "p95 <= 340 < 3 -> 4"),
        ("![i](http://e/x.png)", "!\\[i](http\\://e/x.png)"),
        ("\\[l](javascript:x)", "\\\\\\[l](javascript:x)"),
        ("a|b\\|c\\", "a\\|b\\\\\\|c\\\\"),
        ("see www.evil.example", "see www\\.evil.example"),
        ("&lt;b&gt; & more", "&amp;lt;b&amp;gt; & more"),
        ("a\r\n# b\u2028c", "a # b c"),
        ("\x1b[31m", "\\x1b\\[31m"),
        ("net_bps 3.5", "net_bps 3.5"),
    ],
)
def test_markdown_shows_a_text_and_does_nothing(text: str, shown: str) -> None:
    assert cell(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("# gate: PASS", "- \\# gate: PASS"),
        ("> quoted", "- \\> quoted"),
        ("- item", "- \\- item"),
        ("1. item", "- 1\\. item"),
        ("***", "- \\***"),
        ("```x", "- \\```x"),
        ("[x] done", "- \\[x] done"),
        ("-3.5 is below", "- -3.5 is below"),
        ("1.5 bps", "- 1.5 bps"),
    ],
)
def test_an_item_begins_no_block_of_its_own(text: str, shown: str) -> None:
    assert bullet(text) == shown


def test_html() -> None:
    assert html_text("<b a=\"1\" c='2'>&\x1b") == (
        "&lt;b a=&quot;1&quot; c=&#x27;2&#x27;&gt;&amp;\\x1b"
    )
