"""The originals that a killed session could not put back, put back by the next run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pytest_soak.live.channels import ChannelFault
from pytest_soak.live.destination_file import DestinationFile
from pytest_soak.live.edits import edits_of
from pytest_soak.live.plan import LivePlan
from pytest_soak.live.state import BridgeFile
from pytest_soak.store import names
from pytest_soak.store.errors import StoreError


def put_back(latest: Path, plans: Iterable[LivePlan]) -> list[str]:
    """Put the originals of the run in ``latest`` back that its killed session left tuned.

    ``plans`` are those of the new run: only their files are touched, and only a file that holds
    what was last delivered; one that was changed since is the user's. Returns a line for each.
    """
    files = {plan.writer.place: plan for plan in plans if not plan.writer.needs_process}
    lines = []
    for path in sorted((*latest.glob(names.BRIDGE), *latest.glob(f"*/{names.BRIDGE}"))):
        try:
            state = BridgeFile(path).state
        except StoreError:
            continue  # a damaged file says nothing about a destination
        plan = files.get(state.destination)
        if plan is None or not state.restore:
            continue
        folder = path.parent / names.TARGET
        try:
            present = plan.writer.present()
            if present is None or edits_of(present, state, plan.profile.parameters):
                lines.append(
                    f"{state.destination} was changed after a session was killed; its original is "
                    f"kept in {folder}"
                )
                continue
            DestinationFile(Path(state.destination), folder).restore()
        except ChannelFault as fault:
            lines.append(f"the original could not be put back: {fault}")
        else:
            lines.append(f"{state.destination}: the original of a killed session was put back")
    return lines
