"""What the header says about the profiles of the user: how many warnings they have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from pytest_soak.profile.resolve import is_path
from pytest_soak.session.lanes import PreparedLane
from pytest_soak.store.sources import is_shipped


def profile_notes(references: Sequence[str], lanes: Sequence[PreparedLane]) -> list[str]:
    """A line for each profile that is a file and has warnings about what files of the user set.

    ``references`` are the profiles of the session, as they were given.
    """
    if not any(map(is_path, references)):
        return []
    from pytest_soak.profile_commands import warnings_of  # imports more than most sessions need

    by_name = {item.lane.profile: item.resolved for item in lanes}
    lines = []
    for reference in references:
        resolved = by_name.get(PurePath(reference).stem) if is_path(reference) else None
        if resolved is None:
            continue
        own = [
            item
            for item in warnings_of(reference, resolved)
            if item.place is not None and not is_shipped(item.place.file)
        ]
        if own:
            several = f"{len(own)} warning{'s' * (len(own) > 1)}"
            lines.append(f"the profile has {several}: pytest-soak profile check {reference}")
    return lines
