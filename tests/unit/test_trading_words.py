"""The search for words of trading sees them wherever they stand, and no ordinary word."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.trading_words import TRADING_WORDS, trading_words, trading_words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"maker_taker_source": null}', ["maker", "taker"]),
        ("takerCount, TAKER, Takers", ["taker", "takers"]),
        ("MM_PROFILE", ["mm"]),
        ("lane pool-BTCUSDT-1: PASS, not freeze ready", ["btcusdt", "freeze ready"]),
        ("freeze_ready_pass_count; Production limits", ["freeze ready", "production limits"]),
        ("<style>.edge {}</style><script>quote()</script><p>bps</p>", ["bps"]),
        ('<script type="application/json">{"symbol": 1}</script>', ["symbol"]),
        ("<img src='data:image/png;base64,ab+bps/cd'> 5 bps", ["bps"]),
    ],
)
def test_a_word_is_seen(text: str, words: list[str]) -> None:
    assert sorted(trading_words(text)) == sorted(words)


@pytest.mark.parametrize(
    "text", ["in this order", "a position, and ask", "fill=none", "remaker", "bound, limits"]
)
def test_an_ordinary_word_is_not_seen(text: str) -> None:
    assert trading_words(text) == {}


def test_names_and_contents_of_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "market" / "deep").mkdir(parents=True)
    (tmp_path / "market" / "deep" / "report.json.gz").write_bytes(gzip.compress(b'{"pnl": 1}'))
    (tmp_path / "plain.txt").write_text("nothing\n")
    assert trading_words_of(tmp_path) == [
        "market: market: 'market'",
        "market/deep/report.json.gz: pnl: '{\"pnl\": 1}'",
    ]


def test_there_are_twenty() -> None:
    assert len(set(TRADING_WORDS)) == 20
