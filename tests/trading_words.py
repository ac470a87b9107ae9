"""Words of trading, which no text about a service or a database has."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

TRADING_WORDS = (
    "adverse",
    "bid",
    "bps",
    "btcusdt",
    "edge",
    "exchange",
    "fills",
    "inventory",
    "maker",
    "market",
    "mm",  # the prefix of variables of market making, MM_PROFILE
    "orders",
    "pnl",
    "quote",
    "slippage",
    "spread",
    "symbol",
    "taker",
    "trade",
    "volume",
)
"""Each also in the plural. Left out are words that a text without trading needs too: order, ask,
position, side, size, fill (a colour of SVG), level, limit."""
PHRASES = ("production limits", "freeze ready", "trading", "trader")
"""Of the shipped profiles: two sets of limits, and values that may be frozen."""

_WORDS = frozenset((*TRADING_WORDS, *(f"{word}s" for word in TRADING_WORDS)))
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
"""The words of a text, and those of identifiers: MM_PROFILE, maker_taker_source, takerCount."""
_PHRASES = re.compile(
    "|".join(phrase.replace(" ", r"[\s_-]+") for phrase in PHRASES), re.IGNORECASE
)
_NO_WORDS = re.compile(
    r"<style\b.*?</style>"
    r"|<script>.*?</script>"
    r"|\bdata:[\w/+-]+;base64,[\w/+=]+",
    re.DOTALL,
)
"""What no reader sees as words: styles, code that draws (not its data), pictures as data."""


def trading_words(text: str) -> dict[str, str]:
    """Each word of trading in the text, in lower case, to the first place that has it."""
    text = _NO_WORDS.sub(" ", text)
    words = [match for match in _PARTS.finditer(text) if match[0].lower() in _WORDS]
    places: dict[str, str] = {}
    for match in (*words, *_PHRASES.finditer(text)):
        word = re.sub(r"[\s_-]+", " ", match[0].lower())
        places.setdefault(word, text[max(0, match.start() - 30) : match.end() + 30])
    return places


def trading_words_of(folder: Path) -> list[str]:
    """Those in the names and contents of all files below the folder: file, word and place."""
    texts = [(path, path.name) for path in folder.rglob("*")]
    texts += [(path, _content(path)) for path, _ in texts if path.is_file()]
    return [
        f"{path.relative_to(folder)}: {word}: {place!r}"
        for path, text in sorted(texts)
        for word, place in trading_words(text).items()
    ]


def _content(path: Path) -> str:
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
