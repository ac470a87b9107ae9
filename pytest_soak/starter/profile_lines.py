"""The text of a starting profile: a draft in short lines, with comments on what to edit. Pure.

All values are written by the dumper of YAML, and the text is read again by the reader of profiles:
names and paths come from a report, which anything may have written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from pytest_soak.canonical import escaped
from pytest_soak.profile.sections import PATH
from pytest_soak.starter.draft import Draft, Figure

_WIDTH = 100
_MOST_LEFT_OUT = 20
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_PATH = re.compile(PATH)


class _Dumper(yaml.SafeDumper):
    """Texts are plain if they are words, else in quotes; PyYAML itself quotes words like null."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    is_plain = _PLAIN.fullmatch(text) is not None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="" if is_plain else '"')


_Dumper.add_representer(str, _text)


def dumped(value: Any) -> str:
    """A value as YAML on one line."""
    text: str = yaml.dump(
        value,
        Dumper=_Dumper,
        default_flow_style=True,
        width=float("inf"),
        sort_keys=False,
        allow_unicode=False,
    )
    return text.removesuffix("\n").removesuffix("\n...")


def document_of(
    draft: Draft, run: Mapping[str, Any], target: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The document that the text of :func:`profile_text` has."""
    document: dict[str, Any] = {"run": dict(run)}
    if draft.parameters:
        document["parameters"] = {name: dict(item) for name, item in draft.parameters.items()}
    document["kpis"] = {figure.name: _source(figure) for figure in draft.figures}
    document["gate"] = {"criteria": {figure.name: figure.limit for figure in draft.gated}}
    if target is not None:
        document["target"] = dict(target)
    return document


def profile_text(
    name: str, draft: Draft, run: Mapping[str, Any], target: Mapping[str, Any] | None
) -> str:
    """The profile as a file; ``name`` is that of the file."""
    document = document_of(draft, run, target)
    lines = [
        f"# {name}: what is measured, and what is demanded. Begun by pytest-soak init.",
        f"# Edit it, then: pytest-soak profile check ./{name}",
        "",
        "# One iteration lasts `interval` seconds. 5 is for a first look: from 60 on a figure is",
        "# made of more requests, so it has less noise. A PASS needs 24 iterations.",
        f"run: {dumped(document['run'])}",
        "",
        *_parameter_lines(draft),
        "",
        "# What the report has: NAME: PATH. Remove what you do not want to see.",
        "kpis:",
        *_entries(document["kpis"], {item.name: _of_sample(item, draft) for item in draft.figures}),
        *_left_out(draft),
        "",
        "# EDIT: what you promise to your users. The mean of the last third of the run is judged.",
        *_about_limits(draft),
        "gate:",
        "  criteria:",
        *_entries(
            document["gate"]["criteria"],
            {item.name: _of_limit(item, draft) for item in draft.gated},
            indent=4,
        ),
    ]
    if target is not None:
        lines += ["", "# How the service is reached. PAGE live has all fields.", "target:"]
        lines += list(_block(document["target"], 2))
    return "".join(f"{line}\n" for line in lines).replace("PAGE live", "docs/live.md")


def _source(figure: Figure) -> Any:
    """The path as a text, where every key is a plain name; else as a list."""
    text = ".".join(map(str, figure.path))
    is_plain = all(isinstance(step, str) for step in figure.path) and _PATH.fullmatch(text)
    if is_plain and text.count(".") == len(figure.path) - 1:
        return text
    return {"read": list(figure.path)}


def _of_sample(figure: Figure, draft: Draft) -> str:
    if not draft.guessed:
        return ""
    return "null in the sample" if figure.value is None else f"{figure.value:.6g} in the sample"


def _of_limit(figure: Figure, draft: Draft) -> str:
    if not draft.guessed:
        return ""
    value = "null" if figure.value is None else f"{figure.value:.6g}"
    if not figure.better:
        return f"{value} in the sample; EDIT: the name does not say which side is better"
    side = "less" if figure.better == "down" else "more"
    return f"{value} in the sample; {side} is better, by its name"


def _about_limits(draft: Draft) -> list[str]:
    if not draft.guessed:
        return []
    return [
        "# These are proposals: half as much again as in the sample, or half as much. A figure",
        "# without a limit here is shown, and not judged.",
    ]


def _parameter_lines(draft: Draft) -> list[str]:
    """The parameters of the draft, or an example as a comment, and a rule as a comment."""
    figure, beyond = _rule_condition(draft)
    name = "GROW"
    if draft.parameters:
        key = next(iter(draft.parameters))
        move = "{step: 1}" if draft.parameters[key].get("type") == "bool" else "{mul: 1.2}"
        if not draft.guessed:
            name, move = "SHRINK", "{mul: 0.8}"  # a smaller batch takes less time
        head = [
            "# EDIT: what may be changed while the service runs, and how far. Only a rule moves a",
            "# parameter: within min and max, and by at most cap_per_hour in an hour.",
            "parameters:",
        ]
        head += list(_entries(dict(draft.parameters), {}))
    else:
        key, move = "workers", "{add: 1}"
        head = [
            "# EDIT, if the tuner shall move something: a parameter that the service takes while",
            '# it runs. It is delivered as {"service": {"workers": 4}, "soak": {...}}.',
            "# parameters:",
            "#   workers: {path: service, type: int, start: 4, min: 1, max: 16, cap_per_hour: 8}",
        ]
    when = f'{{{figure}: "{beyond}"}}'
    rule = f"{name}: {{when: {when}, evidence: {{over: 3}}, moves: {{{key}: {move}}}}}"
    return [
        *head,
        "# A rule, once the limits are yours; without one nothing moves. It begins before the",
        "# limit of the gate, so that the gate can PASS. EDIT: which move makes the figure better?",
        "# rules:",
        f"#   {rule}",
    ]


def _rule_condition(draft: Draft) -> tuple[str, str]:
    """A KPI with an upper limit, of several a high percentile, and a fifth before its limit."""
    judged = [item for item in draft.gated if item.limit.startswith("<=")]
    if not judged:
        return "NAME", "> 100"
    first = min(judged, key=lambda item: "p9" not in item.name)
    limit = float(first.limit.removeprefix("<="))
    begin = float(f"{limit - 0.2 * abs(limit):.3g}")
    return first.name, f"> {begin:.15g}"


def _left_out(draft: Draft) -> Iterator[str]:
    for line in draft.left_out[:_MOST_LEFT_OUT]:
        text = f"  # left out: {escaped(line)}"
        yield text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
    if len(draft.left_out) > _MOST_LEFT_OUT:
        yield f"  # left out: {len(draft.left_out) - _MOST_LEFT_OUT} more"


def _entries(
    entries: Mapping[str, Any], comments: Mapping[str, str], indent: int = 2
) -> Iterator[str]:
    """One line an entry, with its comment behind it, or above it where the line would be long."""
    margin = " " * indent
    lines = {name: f"{margin}{dumped(name)}: {dumped(value)}" for name, value in entries.items()}
    column = min(max(map(len, lines.values()), default=0), 48)
    for name, line in lines.items():
        comment = comments.get(name, "")
        behind = f"{line:<{column}}  # {comment}"
        if not comment:
            yield line
        elif len(behind) <= _WIDTH:
            yield behind
        else:
            yield f"{margin}# {comment}"
            yield line


def _block(value: Mapping[str, Any], indent: int) -> Iterator[str]:
    """A mapping in lines: what fits stands in one line, else its entries stand below."""
    margin = " " * indent
    for name, item in value.items():
        line = f"{margin}{dumped(name)}: {dumped(item)}"
        if len(line) <= _WIDTH or not isinstance(item, Mapping):
            yield line
        else:
            yield f"{margin}{dumped(name)}:"
            yield from _block(item, indent + 2)
