"""Which files decide in a soak: that of the target's factory, and those that answer its hooks.

A conftest of any folder may answer a hook, also one that pytest loads only when it collects that
folder. So the files are looked for twice: for the header, and again after the collection.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path, PurePath
from typing import Any, Final

import pytest

from pytest_soak.canonical import escaped
from pytest_soak.report.sources import FACTORY
from pytest_soak.session.targets import factory_of
from pytest_soak.settings import Settings
from pytest_soak.targets.registry import BUILT_IN

HOOKS: Final = (
    "pytest_soak_target",
    "pytest_soak_propose",
    "pytest_soak_gate",
    "pytest_soak_iteration",
)
_TARGET, _PROPOSE, _GATE, _ = HOOKS
_CONFTEST: Final = "conftest.py"


@dataclass(frozen=True, slots=True)
class Source:
    """A place in the code that answers a hook, or makes the target."""

    hook: str
    """The hook's name, or ``FACTORY``."""
    file: str
    """Below the root of the project, or as its module is imported; never an absolute path."""
    line: int
    sha256: str | None
    """Of the file; None for one that cannot be read."""
    wraps: bool = False
    """It sees and may change what the others answer, and answers nothing by itself."""

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


def sources_of(config: pytest.Config, settings: Settings | None = None) -> tuple[Source, ...]:
    """The sources that pytest has loaded by now, hook by hook.

    Without ``settings`` all hooks count; with them only those that this session asks, and the
    factory of its target. Raises pytest.UsageError for a target that cannot be imported.
    """
    root = getattr(config, "rootpath", None)
    sources: dict[Source, None] = {}
    if settings is not None and settings.target not in (None, *BUILT_IN):
        factory = factory_of(str(settings.target), settings.target_folder)
        if (source := _source(FACTORY, factory, root)) is not None:
            sources[source] = None
    for name in HOOKS:
        if settings is not None and name == _TARGET and settings.target is not None:
            continue
        for implementation in getattr(config.hook, name).get_hookimpls():
            wraps = bool(implementation.wrapper or implementation.hookwrapper)
            source = _source(name, implementation.function, root, wraps=wraps)
            if source is not None:
                sources[source] = None
    return tuple(sources)


def from_data(data: Iterable[Any]) -> tuple[Source, ...]:
    """The inverse of :meth:`Source.as_data`, for each of them."""
    return tuple(Source(**item) for item in data)


def problem_of(
    sources: Sequence[Source], settings: Settings, of_controller: Sequence[Source] | None = None
) -> str:
    """Why a session cannot begin with these sources; empty if it can.

    Only one file can make the target or propose: pytest asks the conftest that it loaded last
    first, and the user would not see whose answer counts. ``of_controller`` are the sources in the
    controller of an xdist worker, which judges the run and does not collect.
    """
    asked = {_TARGET: settings.target is None, _PROPOSE: settings.tune}
    for hook in (name for name, used in asked.items() if used):
        places = [
            source.place
            for source in sources
            if source.hook == hook and not source.wraps and _is_conftest(source)
        ]
        if len(places) > 1:
            return (
                f"soak: {hook} is answered in {' and in '.join(places)}; only one can count, so "
                "keep it in one conftest.py"
            )
    if settings.target is None and not any(source.hook == _TARGET for source in sources):
        return (
            "soak: no target. Name one of: --soak-mock (the built-in market), "
            "--soak-target=mock|replay|live|module:factory (or ini soak_target; live is for a "
            'profile with a section target), --soak-command="…" (a bot that is a process), '
            f"or a hook pytest_soak_target(lane) in {_CONFTEST}"
        )
    for source in sources if of_controller is not None else ():
        if source.hook == _GATE and source not in (of_controller or ()):
            return (
                f"soak: {source.place} answers {_GATE}, but with pytest-xdist the run is judged "
                f"where no test is collected; move it to the {_CONFTEST} of the root, or give its "
                "folder as an argument"
            )
    return ""


def hashes_of(sources: Iterable[Source]) -> dict[str, str | None]:
    """File to its hash, for the fingerprint of a run."""
    return {source.file: source.sha256 for source in sources}


def answering_files(sources: Iterable[Source]) -> list[dict[str, Any]]:
    """The files that answer hooks, for the seal: ``{"file", "sha256", "hooks"}`` each."""
    hooks: dict[tuple[str, str | None], list[str]] = {}
    for source in sources:
        if source.hook != FACTORY:
            hooks.setdefault((source.file, source.sha256), []).append(source.hook)
    return [
        {"file": file, "sha256": digest, "hooks": sorted(set(answered))}
        for (file, digest), answered in sorted(hooks.items(), key=lambda item: item[0][0])
    ]


def _is_conftest(source: Source) -> bool:
    return PurePath(source.file).name == _CONFTEST


def _source(
    hook: str, function: Callable[..., Any], root: Path | None, *, wraps: bool = False
) -> Source | None:
    """Where ``function`` is written; None for what Python code does not make."""
    try:
        function = inspect.unwrap(function)
    except ValueError:  # it wraps itself
        return None
    code = getattr(function, "__code__", None)
    if code is not None:
        path, line = Path(code.co_filename), code.co_firstlineno
    else:
        try:  # a class that is its own factory
            path = Path(inspect.getsourcefile(function) or "")
            line = inspect.findsource(function)[1] + 1
        except (TypeError, OSError):
            return None
    module = str(getattr(function, "__module__", "") or "")
    return Source(hook, _shown(path, root, module), line, _hash_of(path), wraps)


def _shown(path: Path, root: Path | None, module: str) -> str:
    """The path below the root of the project, else the end of it that the module's name has."""
    for inside, above in ((path, root), (path.resolve(), root and root.resolve())):
        if above is not None and inside.is_relative_to(above):
            return escaped(inside.relative_to(above).as_posix())
    parts = max(1, len(module.split(".")))
    tail = path.parts[-parts:]
    fits = PurePath(*tail).with_suffix("").parts == tuple(module.split("."))
    return escaped(PurePath(*tail).as_posix() if fits else path.name)


def _hash_of(path: Path) -> str | None:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError:  # it was made in memory, or is gone since
        return None
