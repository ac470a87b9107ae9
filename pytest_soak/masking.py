"""Secrets in the texts of others, masked as ``***`` before anything stores or shows them.

The texts are those of a target's exceptions and reports, of a user's hooks and checks. A secret is

- the value after a name such as ``password=``, ``"api_key": "…"`` or ``client_secret:``;
- the credentials of ``Authorization: Bearer …`` and ``Basic …``, and of a URL ``user:password@``;
- a key in the form of those of AWS;
- the value of an environment variable whose name looks like that of a secret.

A value of less than 8 characters is none, except after the name of a password, and a plain number
is none: figures stay figures.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any, Final

MASK: Final = "***"
WORDS: Final = ("password", "passwd", "secret", "token", "api_key", "apikey")
"""Names of secrets; a name may have more before them (``DB_PASSWORD``) and some words after."""

_SHORTEST: Final = 8
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_AFTER = r"s?(?:[_-](?:access|key|base|value|id|hash))*"
"""What may follow the word: ``secret_access_key``, ``SECRET_KEY_BASE``, ``tokens``."""
_VALUE = (
    r"(?:(?P<quote>\\{0,8}[\"'])(?P<quoted>.{1,4000}?)(?P=quote)"
    r"|(?P<bare>[^\s,;&\"'`<>|)\]}]+))"
)
_CREDENTIALS = re.compile(
    r"(authorization\\{0,8}[\"']?\s*[:=]\s*\\{0,8}[\"']?(?:bearer|basic|token)\s+)[^\s\"',;\\]+"
    r"|(\bbearer\s+)[\w.~+/=-]{16,}",
    re.IGNORECASE,
)
_END_OF_NAME = re.compile(r"[\w.-]+$")
_URL = re.compile(r"([a-z][a-z0-9+.-]{1,30}://[^\s/:@\"'<>]{0,256}:)[^\s/\"'<>]{1,256}@", re.I)
_AWS_KEY = re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")
_NO_SECRETS = ("FILE", "PATH", "DIR", "URL", "URI", "HOST", "NAME", "TYPE", "TTL")
"""Last words of variables that say where a secret is, or something else about it."""
_BEGINNING = 6
"""A text that was cut short may end in so many characters of a secret, or more."""
_MOST_KEYS = 10_000
_LONGEST_KEY = 100


class Masker:
    """Masks texts and JSON values. What has no secret comes back as the same object."""

    def __init__(
        self,
        names: Iterable[str] = (),
        values: Iterable[str] = (),
        public: Iterable[str] = (),
    ) -> None:
        """``names`` are names of secrets beside :data:`WORDS`, ``values`` texts to mask.

        ``public`` are names of no secrets, whatever they look like.
        """
        self._public = frozenset(public)
        self._names = tuple(dict.fromkeys(name.lower() for name in names))
        self._values = tuple(sorted({*values}, key=len, reverse=True))
        words = (*WORDS, *self._names)
        # The underscore of a name may be written as a hyphen, as in X-Api-Key.
        alternatives = "|".join(
            re.escape(word).replace("_", "[_-]?") for word in sorted(words, key=len, reverse=True)
        )
        name = rf"(?:{alternatives}){_AFTER}"
        self._pair = re.compile(
            rf"(?P<name>{name})(?P<between>\\{{0,8}}[\"'`]?\s*(?:=>|:=|[=:])\s*){_VALUE}",
            re.IGNORECASE,
        )
        self._spaced = re.compile(
            rf"((?:^|[\s'\"=])--?[\w-]*(?:{alternatives}){_AFTER}(?:\s+|=))(?:'[^']*'|\"[^\"]*\"|\S+)",
            re.IGNORECASE,
        )
        self._secret_key = re.compile(rf".*{name}", re.IGNORECASE | re.DOTALL)
        stems = {word.replace("_", "").replace("-", "") for word in words}
        self._signs = (*sorted(stems), *sorted(self._names))
        self._plain: set[str] = set()
        """Keys that are known to name and to be no secret: those of every report."""

    @classmethod
    def of(cls, names: Iterable[str], environment: Mapping[str, str]) -> Masker:
        """With the values of the variables that look like secrets, or that ``names`` has."""
        names = tuple(names)
        given = {name.lower() for name in names}
        values = [
            text
            for name, value in environment.items()
            if name.lower() in given or _looks_secret(name)
            if _is_secret(value, _SHORTEST)
            for text in _forms(value)
        ]
        return cls(names, values)

    def hiding(self, values: Iterable[str]) -> Masker:
        """The same, and these values are secrets too, but for short ones and plain numbers."""
        secrets = (value for value in values if _is_secret(value, _SHORTEST))
        forms = (text for value in secrets for text in _forms(value))
        return Masker(self._names, (*self._values, *forms), self._public)

    def sparing(self, words: Iterable[str]) -> Masker:
        """The same, but these words are public: as names, and as parts of a text."""
        words = tuple(words)
        values = [value for value in self._values if not any(value in word for word in words)]
        return Masker(self._names, values, self._public.union(words))

    def __call__(self, text: str) -> str:
        """``text`` with its secrets masked; the same object if there is none."""
        original = text
        for value in self._values:
            if value in text:
                text = text.replace(value, MASK)
            if value[:_BEGINNING] in text:
                text = _without_beginning(value, text)
        folded = text.lower()
        if "bearer" in folded or "authorization" in folded:
            text = _CREDENTIALS.sub(_credentials, text)
        if "://" in text and "@" in text:
            text = _URL.sub(rf"\1{MASK}@", text)
        if "AKIA" in text or "ASIA" in text:
            text = _AWS_KEY.sub(MASK, text)
        joined = folded.replace("_", "").replace("-", "")
        if any(sign in joined or sign in folded for sign in self._signs):
            text = self._pair.sub(self._masked_pair, text)
        return original if text == original else text

    def _masked_pair(self, match: re.Match[str]) -> str:
        """A name and its value, masked unless the name with what is before it is public."""
        before = _END_OF_NAME.search(match.string, max(0, match.start() - 64), match.start())
        whole = (before[0] if before else "") + match["name"]
        if whole in self._public:
            return match[0]
        head, shortest = match["name"] + match["between"], _shortest(match["name"])
        if match["bare"] is not None:
            return head + _whole(match["bare"], shortest)
        return head + match["quote"] + _whole(match["quoted"], shortest) + match["quote"]

    def _names_secret(self, key: str) -> bool:
        return key not in self._public and self._secret_key.fullmatch(key) is not None

    def value(self, value: Any, shortest: int = 0) -> Any:
        """A JSON value with the secrets in its texts masked.

        ``shortest``, if not 0: every text of so many characters is a secret.
        """
        kind = type(value)
        if kind is str:
            return _whole(value, shortest) if shortest else self(value)
        if kind is dict:
            return value if self._is_clean(value, shortest) else self._mapping(value, shortest)
        if kind is list:
            items = [self.value(item, shortest) for item in value]
            same = all(new is old for new, old in zip(items, value, strict=True))
            return value if same else items
        return value

    def arguments(self, given: Sequence[str]) -> list[str]:
        """The arguments of a command, masked: of ``--api-key VALUE`` the value, too."""
        masked: list[str] = []
        after_name = False
        for text in given:
            masked.append(MASK if after_name else self._argument(text))
            after_name = self._is_option_of_secret(text)
        return masked

    def _argument(self, text: str) -> str:
        """One argument. It may be a whole command itself, as that of ``--soak-command``."""
        name, equals, _ = text.partition("=")
        if equals and self._is_option_of_secret(name):
            return f"{name}={MASK}"
        if not any(character.isspace() for character in text):
            return self(text)
        return self(self._spaced.sub(rf"\1{MASK}", text))

    def _is_option_of_secret(self, text: str) -> bool:
        name = text.lstrip("-")
        return text.startswith("-") and self._names_secret(name.replace("-", "_"))

    def _is_clean(self, value: dict[str, Any], shortest: int) -> bool:
        """Whether nothing in it is to be masked; fast for figures under names that are known."""
        plain = self._plain
        for key, item in value.items():
            kind = type(item)
            if key not in plain and not self._is_plain(key):
                return False
            if kind is float or kind is int or item is None:
                continue
            if self.value(item, shortest) is not item:
                return False
        return True

    def _is_plain(self, key: str) -> bool:
        if self(key) != key or self._names_secret(key):
            return False
        if len(self._plain) < _MOST_KEYS and len(key) <= _LONGEST_KEY:
            self._plain.add(key)
        return True

    def _mapping(self, value: dict[str, Any], shortest: int) -> dict[str, Any]:
        masked: dict[str, Any] = {}
        for key, item in value.items():
            least = _shortest(key) if self._names_secret(key) else shortest
            masked[_free(self(key), masked)] = self.value(item, least)
        return masked


class NoMasker(Masker):
    """Leaves everything as it is: ``--soak-mask=off``."""

    def sparing(self, words: Iterable[str]) -> Masker:
        return self

    def hiding(self, values: Iterable[str]) -> Masker:
        return self

    def __call__(self, text: str) -> str:
        return text

    def arguments(self, given: Sequence[str]) -> list[str]:
        return list(given)

    def value(self, value: Any, shortest: int = 0) -> Any:
        return value


def masker_of(names: Iterable[str] | None, environment: Mapping[str, str]) -> Masker:
    """The masker of ``--soak-mask``; None is off."""
    return NoMasker() if names is None else Masker.of(names, environment)


def _looks_secret(name: str) -> bool:
    folded = name.upper()
    if folded.rpartition("_")[2] in _NO_SECRETS:
        return False
    return any(re.search(rf"{word.upper()}(?:S?\d*$|S?_)", folded) is not None for word in WORDS)


def _is_secret(value: str, shortest: int) -> bool:
    return len(value) >= shortest and _NUMBER.fullmatch(value) is None


def _forms(value: str) -> set[str]:
    """A secret as texts may have it: whole, as Python shows it, and its lines one by one."""
    lines = (line for line in value.splitlines() if _is_secret(line, _SHORTEST))
    return {value, repr(value)[1:-1], *lines}


def _shortest(name: str) -> int:
    """How long a value of this name is at least: a password may be short."""
    return 1 if "passw" in name.lower() else _SHORTEST


def _whole(value: str, shortest: int) -> str:
    return MASK if _is_secret(value, shortest) else value


def _credentials(match: re.Match[str]) -> str:
    return (match[1] or match[2]) + MASK


def _without_beginning(value: str, text: str) -> str:
    """``text`` with the begin of a secret masked where the text, or a quotation in it, ends."""
    at = text.rfind(value[:_BEGINNING])
    same = zip(value, text[at:], strict=False)
    rest = text[at + sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], same)) :]
    return text[:at] + MASK + rest if not rest or rest[0] in "'\"…" else text


def _free(key: str, taken: Mapping[str, Any]) -> str:
    """Two keys may be equal when they are masked: the second gets a number."""
    number, free = 2, key
    while free in taken:
        number, free = number + 1, f"{key}-{number}"
    return free
