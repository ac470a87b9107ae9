"""Named numbers of a profile: ``constants: {floor: 2.7}``, written as ``$floor`` elsewhere.

They are replaced when a profile is resolved, so its document has plain numbers. A profile that
extends another may give a constant another value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pytest_soak.json_types import Finite
from pytest_soak.profile.reading import IDENTIFIER, Identifier, check_known, read

SECTION = "constants"
_USED_IN = ("verdict", "rules", "guards", "gate")
_USE = re.compile(rf"(?P<op>(?:<=|>=|<|>) *)?\$(?P<name>{IDENTIFIER.pattern})")


def with_constants(document: Mapping[str, Any]) -> dict[str, Any]:
    """The merged ``document`` with numbers for its constants, and without their section.

    A text is replaced if it is ``$NAME``, alone or behind the operator of a comparison. Raises
    Invalid for a name that is no constant.
    """
    constants = read(document.get(SECTION, {}), dict[Identifier, Finite], (SECTION,))
    return {
        name: _replaced(value, constants, (name,)) if name in _USED_IN else value
        for name, value in document.items()
        if name != SECTION
    }


def _replaced(value: Any, constants: Mapping[str, float], path: tuple[str, ...]) -> Any:
    if isinstance(value, Mapping):
        return {key: _replaced(item, constants, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, constants, (*path, str(i))) for i, item in enumerate(value)]
    match = _USE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return value
    check_known(match["name"], constants, "constant", path)
    number = constants[match["name"]]
    return f"{match['op']}{number:.15g}" if match["op"] else number
