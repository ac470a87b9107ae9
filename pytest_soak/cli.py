"""``pytest-soak``: begin a soak; judge stored runs again and explain them, without a target.

Exit status: 0 pass; 1 fail; 2 usage, which includes a run or profile that cannot be read and a run
whose seal is absent or damaged; 3 the run is still running. The output comes from the functions
that the session uses, so the same run gets the same verdict.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_soak.init_arguments import add_init
from pytest_soak.interrupts import INTERRUPTED
from pytest_soak.printing import CommandError
from pytest_soak.printing import note as _note
from pytest_soak.printing import print_json as _print_json
from pytest_soak.printing import show as _show
from pytest_soak.schema_command import add_commands as add_schema_commands

if TYPE_CHECKING:
    from pytest_soak.loop.model import History
    from pytest_soak.offline import Options, StoredRun
    from pytest_soak.sealed import NotSealed
    from pytest_soak.store.rundir import RunDirectory

_USAGE = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit status; argparse exits by itself for bad arguments."""
    from pytest_soak.canonical import escaped
    from pytest_soak.profile.errors import ProfileError
    from pytest_soak.store.errors import StoreError

    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    status = _USAGE
    try:
        status = command(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader closed the pipe, as `head` does; the rest of the output is dropped.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print("\ninterrupted")
        return INTERRUPTED
    except (CommandError, ProfileError, StoreError) as error:
        print(f"pytest-soak: {escaped(str(error))}", file=sys.stderr)
        return _USAGE
    except ImportError:  # a fault of the installation, not of the run
        raise
    except Exception as error:
        # An unexpected value that no session wrote: exit without a verdict or a traceback.
        text = escaped(f"{type(error).__name__}: {error}")
        print(
            f"pytest-soak: {_named(arguments)} cannot be read: {text:.400} ({_place(error)})",
            file=sys.stderr,
        )
        return _USAGE
    return status


def _named(arguments: argparse.Namespace) -> str:
    return str(getattr(arguments, "path", None) or getattr(arguments, "name", "the run"))


def _place(error: Exception) -> str:
    """The file and line that raised ``error``, for a bug report."""
    line, place = 0, "unknown"
    traceback = error.__traceback__
    while traceback is not None:
        place, line = Path(traceback.tb_frame.f_code.co_filename).name, traceback.tb_lineno
        traceback = traceback.tb_next
    return f"{place}:{line}"


def _parser() -> argparse.ArgumentParser:
    from pytest_soak.doctor.arguments import add_arguments

    parser = argparse.ArgumentParser(
        prog="pytest-soak", description="Begin a soak, judge stored runs, look at profiles."
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
    explain = command("explain", _explain, "Explain why each parameter has its value.")
    metrics = command("metrics", _metrics, "Print POST_SOAK_METRICS.prom.")
    value = command("value", _value, "Print one metric, and nothing else.")
    listing = command("list", _list, "List the runs of a soak directory, the newest first.")
    report = command("report", _report, "Write REPORT.html of a run, a page with pictures.")
    for added in (verify, gate, snapshot, audit, explain, metrics, value, report):
        added.add_argument("path", metavar="PATH", help=path)
    for added in (verify, gate, snapshot, metrics, value):
        added.add_argument(
            "--unsealed", action="store_true", help="judge the journals alone, without the seal"
        )
    for added in (verify, gate):
        added.add_argument("--strict", action="store_true", help="WARN and INCONCLUSIVE fail too")
    for added in (verify, gate, listing, report):
        added.add_argument("--json", action="store_true", help="print JSON")
    gate.add_argument(
        "--mock", action="store_true", default=None, help="use the mock limits (default: the run's)"
    )
    gate.add_argument("--reference", metavar="RUN", help="judge by the noise of a tuner-off run")
    explain.add_argument(
        "--iteration", metavar="N", type=int, help="one iteration: KPIs, requests, decisions"
    )
    for added in (explain, value):
        added.add_argument("--lane", metavar="ID", help="one lane of several")
    metrics.add_argument(
        "--names", choices=("original", "clean"), help="the set of names (default: the run's)"
    )
    value.add_argument(
        "name", metavar="NAME", help='of either set, with labels: NAME{guard="late"}'
    )
    report.add_argument(
        *("-o", "--output"), metavar="FILE", help="default: REPORT.html of the run; - is stdout"
    )
    listing.add_argument(
        *("path",), nargs="?", metavar="DIR", default="artifacts/soak", help="a soak directory"
    )
    snapshot.add_argument("--pretty", action="store_true", help="indent it")

    add_init(commands)
    doctor = command("doctor", _doctor, "Look whether a soak can run here; change nothing.")
    add_arguments(doctor)

    profile = commands.add_parser("profile", help="Show or check a profile.")
    actions = profile.add_subparsers(required=True, metavar="ACTION")
    show = actions.add_parser("show", help="Print a resolved profile.")
    show.add_argument("name", metavar="NAME", help="a shipped profile, or the path of a file")
    show.add_argument("--json", action="store_true", help="print the resolved document as JSON")
    show.set_defaults(command=_profile_show)
    check = actions.add_parser("check", help="Check a profile file.")
    check.add_argument("name", metavar="FILE", help="the path of a profile")
    check.add_argument("--json", action="store_true", help="print JSON")
    check.add_argument("--strict", action="store_true", help="exit with 1 for a warning too")
    check.set_defaults(command=_profile_check)
    add_schema_commands(commands, actions)
    return parser


def _verify(arguments: argparse.Namespace) -> int:
    from pytest_soak.gate.delta import verify_deltas
    from pytest_soak.gate.window import LaneWindow
    from pytest_soak.loop.model import Verdict, worst_of
    from pytest_soak.offline import RUNNING_EXIT, RunningRun, read_run
    from pytest_soak.report.delta_text import delta_report
    from pytest_soak.report.deltas import run_delta_verify
    from pytest_soak.sealed import NotSealed

    run = read_run(arguments.path)
    fields: dict[str, Any]
    what_if: tuple[str, ...] = ()
    exit_code = None
    if isinstance(run, RunningRun):
        strict, exit_code = arguments.strict, RUNNING_EXIT
        head, fields = [run.headline()], {"state": "running"}
    else:
        try:
            answer = run.answer(_options(arguments))
        except NotSealed as error:
            return _not_judged(run, error, arguments)
        strict, what_if = answer.strict, answer.what_if
        head = [] if answer.sealed else ["unsealed: from the journals alone"]
        fields = {**run.state_fields(), **answer.fields()}
    reports = [
        (item.lane.id, verify_deltas(LaneWindow(item), strict=strict)) for item in run.histories
    ]
    if arguments.json:
        _print_json({**run_delta_verify(reports), **fields})
    else:
        head += [f"what-if: {', '.join(what_if)}"] if what_if else []
        texts = [
            delta_report(history, delta)
            for history, (_, delta) in zip(run.histories, reports, strict=True)
        ]
        _show("\n".join([*head, *texts]), end="")
    verdict = worst_of([delta.verdict for _, delta in reports])
    fails = verdict is Verdict.FAIL or (strict and verdict is not Verdict.PASS)
    return int(fails) if exit_code is None else exit_code


def _gate(arguments: argparse.Namespace) -> int:
    from pytest_soak.offline import RUNNING_EXIT, RunningRun, read_run
    from pytest_soak.report.snapshot import gate_object
    from pytest_soak.sealed import NotSealed

    run = read_run(arguments.path)
    if isinstance(run, RunningRun):
        if arguments.json:
            _print_json(run.document())
        else:
            _show("\n".join(run.lines()))
        return RUNNING_EXIT
    try:
        answer = run.answer(_options(arguments))
    except NotSealed as error:
        return _not_judged(run, error, arguments)
    if arguments.json:
        document = gate_object(answer.judgement)
        for lane, state in zip(document["lanes"], run.states(), strict=True):
            lane["state"] = str(state)
        _print_json({**document, **run.state_fields(), **answer.fields()})
    else:
        states = run.state_lines() if answer.sealed is None else []
        _show("\n".join([*states, *answer.lines()]))
    return answer.exit


def _snapshot(arguments: argparse.Namespace) -> int:
    from pytest_soak.offline import RUNNING_EXIT, Options, RunningRun, read_run
    from pytest_soak.report.snapshot import run_snapshot, snapshot, snapshot_text
    from pytest_soak.sealed import NotSealed

    run = read_run(arguments.path)
    fields: dict[str, Any] = {}
    if isinstance(run, RunningRun):
        _note(run.headline())
        judgement, exit_code, fields = run.judged(), RUNNING_EXIT, {"state": "running"}
    else:
        try:
            answer = run.answer(Options(unsealed=arguments.unsealed))
        except NotSealed as error:
            return _not_judged(run, error, arguments)
        judgement, exit_code = answer.judgement, answer.exit
        if answer.sealed is None:
            fields = {**run.state_fields(), **answer.fields()}
    versions = run.directory.about.get("versions", {})
    lanes = [
        snapshot(history, lane, versions)
        for history, lane in zip(run.histories, judgement.lanes, strict=True)
    ]
    document = {**run_snapshot(lanes, judgement), **fields}
    sys.stdout.write(snapshot_text(document, pretty=arguments.pretty))
    return exit_code


def _options(arguments: argparse.Namespace) -> Options:
    from pytest_soak.offline import Options

    return Options(
        unsealed=arguments.unsealed,
        strict=arguments.strict,
        mock=getattr(arguments, "mock", None),
        reference=getattr(arguments, "reference", None),
    )


def _not_judged(run: StoredRun, error: NotSealed, arguments: argparse.Namespace) -> int:
    """Prints the figures of a run that was stopped before its judgement, and the reason."""
    from pytest_soak.offline import UNSEALED_EXIT, unjudged, unjudged_document

    if getattr(arguments, "json", False):
        _print_json(unjudged_document(run, error))
    elif arguments.command is not _snapshot:  # its output is JSON or nothing
        _show("\n".join(unjudged(run)))
    _note(f"pytest-soak: {error}")
    return UNSEALED_EXIT


def _audit(arguments: argparse.Namespace) -> int:
    from pytest_soak.offline import RUNNING_EXIT, UNSEALED_EXIT, Options, RunningRun, read_run
    from pytest_soak.report.audit import audit
    from pytest_soak.report.markdown import cell
    from pytest_soak.store.errors import StoreError

    run = read_run(arguments.path)
    if isinstance(run, RunningRun):
        judgement, note, exit_code = run.judged(), run.headline(), RUNNING_EXIT
    else:
        try:
            answer, note = run.answer(Options()), ""
        except StoreError as error:
            answer, note = run.without_seal(Options()), f"not sealed: {error}"
        # Without the inputs of the session a run may fail, but does not pass.
        judgement, exit_code = answer.judgement, answer.exit
        exit_code = UNSEALED_EXIT if note and exit_code == 0 else exit_code
    if note:
        _show(cell(note))
    hooks = run.directory.about.get("hooks", ())
    _show(audit(run.histories, judgement, hooks), end="")
    return exit_code


def _explain(arguments: argparse.Namespace) -> int:
    from pytest_soak.messages import nearest
    from pytest_soak.store.rundir import RunDirectory
    from pytest_soak.stored import read_lane

    directory = RunDirectory.open(Path(arguments.path))
    note = _seal_note(directory)
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
        histories = [read_lane(directory, lane).history for lane in lanes]
        raise CommandError(f"no iteration {number}: {'; '.join(map(_measured, histories))}")
    if note:
        _note(note)
    _show("\n".join(texts), end="")
    return 0


def _seal_note(directory: RunDirectory) -> str:
    """One line if the run has no seal or is still running; empty otherwise."""
    from pytest_soak.run_state import holder_of
    from pytest_soak.sealed import read_seal
    from pytest_soak.store.errors import StoreError

    holder = holder_of(directory)
    if holder is not None:
        return f"RUNNING: since {holder.since}; the run is not sealed yet"
    try:
        read_seal(directory)
    except StoreError as error:
        return f"not sealed: {error}"
    return ""


def _explained(directory: RunDirectory, lane: str, number: int | None) -> str:
    """The text of one lane, or of one iteration of it; empty if it has no such iteration."""
    from pytest_soak.loop.history import moment_of
    from pytest_soak.report.explain.iteration import explain_iteration
    from pytest_soak.report.explain.run import explain_run
    from pytest_soak.stored import read_entries

    entries = read_entries(directory, lane).entries
    if number is None:
        return explain_run(entries)
    moment = moment_of(entries, number)
    return "" if moment is None else explain_iteration(moment)


def _measured(history: History) -> str:
    """The iterations that a lane has, for the message about another one."""
    halt = history.halt
    ended = "" if halt is None else f", and halted at {halt.iteration} ({halt.kind}): {halt.text}"
    if not history.iterations:
        return f"lane {history.lane.id} has none{ended}"
    return f"lane {history.lane.id} has 1 to {history.iterations[-1].number}{ended}"


def _metrics(arguments: argparse.Namespace) -> int:
    from pytest_soak.figure_commands import print_metrics

    return print_metrics(arguments.path, arguments.names, unsealed=arguments.unsealed)


def _value(arguments: argparse.Namespace) -> int:
    from pytest_soak.figure_commands import print_value

    path, name, lane = arguments.path, arguments.name, arguments.lane
    return print_value(path, name, lane, unsealed=arguments.unsealed)


def _list(arguments: argparse.Namespace) -> int:
    from pytest_soak.figure_commands import print_list

    return print_list(arguments.path, as_json=arguments.json)


def _report(arguments: argparse.Namespace) -> int:
    from pytest_soak.report_command import write_report

    return write_report(arguments.path, arguments.output, as_json=arguments.json)


def _doctor(arguments: argparse.Namespace) -> int:
    from pytest_soak.doctor.command import run_doctor

    return run_doctor(arguments)


def _profile_show(arguments: argparse.Namespace) -> int:
    from pytest_soak.profile_commands import show_profile

    return show_profile(arguments.name, as_json=arguments.json)


def _profile_check(arguments: argparse.Namespace) -> int:
    from pytest_soak.profile_commands import check_profile

    return check_profile(arguments.name, as_json=arguments.json, strict=arguments.strict)
