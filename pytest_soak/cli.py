"""``pytest-soak``: judge stored runs again and explain them, without running anything.

Exit status: 0 pass, 1 fail, 2 usage (a run or profile that cannot be read is usage, too). What it
prints comes from the functions that the session uses, so the same run gets the same answer.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_soak.gate.judge import RunJudgement
    from pytest_soak.loop.model import History
    from pytest_soak.store.rundir import RunDirectory

_USAGE = 2


class CommandError(Exception):
    """The command cannot be carried out; the text is for people."""


@dataclass(frozen=True, slots=True)
class _StoredRun:
    directory: RunDirectory
    histories: tuple[History, ...]

    @property
    def strict(self) -> bool:
        """Whether the session was strict; its own answer is given again."""
        return self.directory.about.get("strict") is True

    def judged(
        self, *, strict: bool, mock: bool | None = None, compare: str | None = None
    ) -> RunJudgement:
        """``compare``: a tuner-off run whose noise to judge by, in place of the session's own."""
        from pytest_soak.gate.judge import judge_lane, judge_run
        from pytest_soak.stored import (
            read_references,
            reference_for,
            stored_criteria,
            stored_reference,
        )

        references = read_references(Path(compare)) if compare else {}
        judgements = []
        for item in self.histories:
            lane = item.lane
            found = reference_for(lane.id, lane.profile, item.target, lane.interval_s, references)
            judgements.append(
                judge_lane(
                    item,
                    mock=mock,
                    strict=strict,
                    reference=found or stored_reference(self.directory, lane.id),
                    extra=stored_criteria(self.directory, lane.id),
                )
            )
        return judge_run(judgements)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit status; argparse exits by itself for bad arguments."""
    from pytest_soak.profile.errors import ProfileError
    from pytest_soak.store.errors import StoreError

    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except (CommandError, ProfileError, StoreError) as error:
        print(f"pytest-soak: {error}", file=sys.stderr)
        return _USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pytest-soak", description="Judge stored soak runs again, and look at profiles."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> Any:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=run)
        return added

    path = "a soak directory, one of its runs, or a lane's directory"
    verify = command("verify", _verify, "Verify that every change was applied or explained.")
    gate = command("gate", _gate, "Judge a run by its profile's gate.")
    snapshot = command("snapshot", _snapshot, "Print POST_SOAK_SNAPSHOT.json.")
    audit = command("audit", _audit, "Print the audit as Markdown.")
    explain = command("explain", _explain, "Tell why each parameter is where it is.")
    for added in (verify, gate, snapshot, audit, explain):
        added.add_argument("path", metavar="PATH", help=path)
    for added in (verify, gate):
        added.add_argument("--strict", action="store_true", help="WARN and INCONCLUSIVE fail too")
        added.add_argument("--json", action="store_true", help="print JSON")
    gate.add_argument(
        "--mock", action="store_true", default=None, help="use the mock limits (default: the run's)"
    )
    gate.add_argument("--compare", metavar="RUN", help="judge by the noise of a tuner-off run")
    explain.add_argument(
        "--iteration", metavar="N", type=int, help="one iteration: what was seen, wanted, answered"
    )
    explain.add_argument("--lane", metavar="ID", help="one lane of several")
    snapshot.add_argument("--pretty", action="store_true", help="indent it")

    profile = commands.add_parser("profile", help="Show or check a profile.")
    actions = profile.add_subparsers(required=True, metavar="ACTION")
    show = actions.add_parser("show", help="Print a resolved profile.")
    show.add_argument("name", metavar="NAME", help="a shipped profile, or the path of a file")
    show.add_argument("--json", action="store_true", help="print the resolved document as JSON")
    show.set_defaults(command=_profile_show)
    check = actions.add_parser("check", help="Check a profile file.")
    check.add_argument("name", metavar="FILE", help="the path of a profile")
    check.set_defaults(command=_profile_check)
    return parser


def _stored_run(path: str) -> _StoredRun:
    from pytest_soak.store.rundir import RunDirectory
    from pytest_soak.stored import read_lanes

    directory = RunDirectory.open(Path(path))
    return _StoredRun(directory, read_lanes(directory))


def _verify(arguments: argparse.Namespace) -> int:
    from pytest_soak.gate.delta import verify_deltas
    from pytest_soak.gate.window import LaneWindow
    from pytest_soak.loop.model import Verdict, worst_of
    from pytest_soak.report.deltas import delta_report, run_delta_verify

    run = _stored_run(arguments.path)
    strict = arguments.strict or run.strict
    reports = [(item.lane.id, verify_deltas(LaneWindow(item), strict)) for item in run.histories]
    if arguments.json:
        _print_json(run_delta_verify(reports))
    else:
        print("\n".join(delta_report(lane_id, delta) for lane_id, delta in reports), end="")
    verdict = worst_of([delta.verdict for _, delta in reports])
    return int(verdict is Verdict.FAIL or (strict and verdict is not Verdict.PASS))


def _gate(arguments: argparse.Namespace) -> int:
    from pytest_soak.gate.judge import exit_code
    from pytest_soak.report.snapshot import gate_object
    from pytest_soak.report.table import final_table

    run = _stored_run(arguments.path)
    strict = arguments.strict or run.strict
    judgement = run.judged(strict=strict, mock=arguments.mock, compare=arguments.compare)
    if arguments.json:
        _print_json(gate_object(judgement))
    else:
        print("\n".join(final_table(judgement)))
    return exit_code(judgement, strict)


def _snapshot(arguments: argparse.Namespace) -> int:
    from pytest_soak.gate.judge import exit_code
    from pytest_soak.report.snapshot import run_snapshot, snapshot, snapshot_text

    run = _stored_run(arguments.path)
    judgement = run.judged(strict=run.strict)
    versions = run.directory.about.get("versions")
    versions = versions if isinstance(versions, dict) else {}
    lanes = [
        snapshot(history, lane, versions)
        for history, lane in zip(run.histories, judgement.lanes, strict=True)
    ]
    sys.stdout.write(snapshot_text(run_snapshot(lanes, judgement), pretty=arguments.pretty))
    return exit_code(judgement, run.strict)


def _audit(arguments: argparse.Namespace) -> int:
    from pytest_soak.gate.judge import exit_code
    from pytest_soak.report.audit import audit

    run = _stored_run(arguments.path)
    judgement = run.judged(strict=run.strict)
    sys.stdout.write(audit(run.histories, judgement))
    return exit_code(judgement, run.strict)


def _explain(arguments: argparse.Namespace) -> int:
    from pytest_soak.profile.errors import nearest
    from pytest_soak.store.rundir import RunDirectory
    from pytest_soak.stored import read_lane

    directory = RunDirectory.open(Path(arguments.path))
    lanes = [str(record["id"]) for record in directory.lanes]
    if arguments.lane is not None:
        if arguments.lane not in lanes:
            near = nearest(arguments.lane, lanes)
            raise CommandError(f"{arguments.path}: no lane {arguments.lane!r}{near}")
        lanes = [arguments.lane]
    number = arguments.iteration
    try:
        texts = [text for lane in lanes if (text := _explained(directory, lane, number))]
    except (LookupError, TypeError, ValueError) as error:
        raise CommandError(f"{directory.path}: its entries make no run: {error}") from error
    if not texts:
        known = [read_lane(directory, lane) for lane in lanes]
        raise CommandError(f"no iteration {number}: {'; '.join(map(_measured, known))}")
    sys.stdout.write("\n".join(texts))
    return 0


def _explained(directory: RunDirectory, lane: str, number: int | None) -> str:
    """The text of one lane, or of one iteration of it; empty if it has no such iteration."""
    from pytest_soak.loop.history import moment_of
    from pytest_soak.report.explain.iteration import explain_iteration
    from pytest_soak.report.explain.run import explain_run
    from pytest_soak.stored import read_entries

    entries = read_entries(directory, lane)
    if number is None:
        return explain_run(entries)
    moment = moment_of(entries, number)
    return "" if moment is None else explain_iteration(moment)


def _measured(history: History) -> str:
    """Which iterations a lane has, for whoever asked for another one."""
    halt = history.halt
    ended = "" if halt is None else f", and halted at {halt.iteration} ({halt.kind}): {halt.text}"
    if not history.iterations:
        return f"lane {history.lane.id} has none{ended}"
    return f"lane {history.lane.id} has 1 to {history.iterations[-1].number}{ended}"


def _profile_show(arguments: argparse.Namespace) -> int:
    from pytest_soak.profile.resolve import resolve
    from pytest_soak.report.profile_text import profile_text
    from pytest_soak.store.sources import read_source

    resolved = resolve(arguments.name, read_source)
    if arguments.json:
        _print_json(resolved.profile.document)
    else:
        sys.stdout.write(
            profile_text(resolved.profile, resolved.origins, resolved.scenarios.values())
        )
    return 0


def _profile_check(arguments: argparse.Namespace) -> int:
    from pytest_soak.profile.errors import ProfileError
    from pytest_soak.profile.resolve import is_path, resolve
    from pytest_soak.store.sources import read_source

    name = arguments.name
    if is_path(name) and not Path(name).is_file():
        raise CommandError(f"{name}: there is no such file")
    try:
        profile = resolve(name, read_source).profile
    except ProfileError as error:
        print(f"FAIL {error}")
        return 1
    print(
        f"OK {profile.name}: {len(profile.parameters)} parameters, {len(profile.kpis)} KPIs, "
        f"{len(profile.rules)} rules, {len(profile.gate.criteria)} gated KPIs"
    )
    return 0


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False))
