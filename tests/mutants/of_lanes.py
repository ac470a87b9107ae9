"""Mutants outside the guards: order, numbers, hashes, operators, effects, files."""

from __future__ import annotations

from tests.mutants.mutant import GUARDS, LANE, NOT_JSON, UNIT, Mutant, oracle_differs_on

EDITS = "tests/sessions/test_guards_edits.py"

ORDER = (
    Mutant(
        "reason order swapped",
        "loop/guards.py",
        '    "freeze": _freeze,\n    "cooldown": _cooldown,\n',
        '    "cooldown": _cooldown,\n    "freeze": _freeze,\n',
        (GUARDS, f"{UNIT}/test_guards.py::test_the_table_is_the_order_of_the_reasons"),
        r"oracle.*(?P<shown>\[order\])",
    ),
    Mutant(
        "the last of several proposals",
        "loop/guards.py",
        "return max(group, key=lambda proposal: sign * proposal.delta)",
        "return group[-1]",
        (f"{UNIT}/test_guards.py::test_of_two_proposals_for_one_key_the_safest_counts",),
        r"0\.3, 'B'\) != ",
    ),
    Mutant(
        "the order of proposals matters",
        "loop/guards.py",
        "tuple(sorted(plain, key=sort_key))",
        "tuple(plain)",
        (f"{UNIT}/test_decide.py::test_proposals_are_journaled_sorted_whatever_their_order",),
        r"proposed=\(Proposal\(key='ta",
    ),
    Mutant(
        "signature without the old hash",
        "loop/guards.py",
        "compute_json_hash([old_hash, sorted(",
        "compute_json_hash([sorted(",
        (GUARDS,),
        oracle_differs_on("duplicate"),
    ),
)

NUMBERS = (
    Mutant(
        "NaN of a target is used",
        "canonical.py",
        "return value if math.isfinite(value) else None",
        "return value",
        (f"{UNIT}/test_kpis.py::test_a_value_that_is_no_number_is_no_data",),
        "nan is None",
    ),
    Mutant(
        "NaN of a proposer is used",
        "loop/guards.py",
        "    if not math.isfinite(move.delta):\n"
        '        return Objection("the delta is no finite number")\n'
        "    if not math.isfinite(move.target):\n"
        '        return Objection("the value would be no finite number")\n',
        "",
        (GUARDS,),
        f"{oracle_differs_on('invalid')}|{NOT_JSON}",
    ),
    Mutant(
        "a value on its bound refused",
        "profile/parameters.py",
        "if low <= value <= high or parameter.same(value, low) or parameter.same(value, high):",
        "if low < value < high:",
        (GUARDS,),
        "is outside",
    ),
    Mutant(
        "a start value outside is accepted",
        "profile/parameters.py",
        "if low <= value <= high or parameter.same(value, low) or parameter.same(value, high):",
        "if low <= high:",
        (GUARDS,),
        "DID NOT RAISE .*ProfileError",
    ),
    Mutant(
        "an edit outside is accepted",
        "loop/entries.py",
        "        if not parameter.step and not parameter.minimum <= value <= parameter.maximum:\n"
        "            raise ValueError(\n"
        '                f"the edited runtime has {key} = {value!r};"\n'
        '                f" it must lie in [{parameter.minimum:g}, '
        '{parameter.maximum:g}] {parameter.unit}"\n'
        "            )\n"
        "        if not parameter.is_within(value, new_values):\n",
        "        if value > 1e300:\n",
        (GUARDS, LANE),
        "DID NOT RAISE",
    ),
    Mutant(
        "a dry run applies",
        "loop/decide.py",
        "    elif not state.dry_run:\n",
        "    else:\n",
        (GUARDS,),
        r"oracle.*(?P<shown>\[values\])",
    ),
)

HASHES = (
    Mutant(
        "hash over flat values",
        "loop/entries.py",
        "return compute_json_hash(runtime_of(profile, values))",
        "return compute_json_hash(dict(values))",
        (LANE,),
        "I6",
    ),
    Mutant(
        "hash over rounded values",
        "loop/entries.py",
        "return compute_json_hash(runtime_of(profile, values))",
        "return compute_json_hash(\n"
        "        runtime_of(profile, {key: round(value, 2) for key, value in values.items()})\n"
        "    )",
        (GUARDS,),
        "I6",
    ),
)

OPERATORS = (
    Mutant(
        "an edit not pinned",
        "loop/completed.py",
        "**dict.fromkeys(keys, last)} if length != 0",
        "}\n        if length != 0",
        (GUARDS,),
        oracle_differs_on("pin"),
    ),
    Mutant(
        "pin dropped by panic",
        "loop/completed.py",
        "        streaks=Streaks(),\n",
        "        streaks=Streaks(),\n        edits=type(state.edits)(),\n",
        (f"{UNIT}/test_pins.py::test_panic_overrides_pins_and_says_so",),
        "still the operator's",
    ),
    Mutant(
        "panic spares the pinned",
        "loop/headroom.py",
        "        if guard.values[key] != state.values[key]\n",
        "        if guard.values[key] != state.values[key] and not is_pinned(state, key)\n",
        (GUARDS,),
        oracle_differs_on("panic"),
    ),
    Mutant(
        "an edit not noticed",
        "lane/runner.py",
        "        if state_hash == self.state.state_hash:\n            return False\n",
        "        if state_hash:\n            return False\n",
        (LANE,),
        "I6|is not in the journal|a decision was lost|DID NOT RAISE",
    ),
    Mutant(
        "an edit does not end the oscillation memory",
        "loop/fold.py",
        "for key, past in charges.before.items() if key not in entry.keys}",
        "for key, past in charges.before.items()}",
        (GUARDS,),
        oracle_differs_on("oscillation"),
    ),
)

EFFECTS = (
    Mutant(
        "attribution reported twice",
        "loop/completed.py",
        "        if (change.iteration, change.rule) not in reported\n",
        "        if change.due == state.done + 1\n"
        "        or (change.iteration, change.rule) not in reported\n",
        (GUARDS,),
        r"oracle.*(?P<shown>\[reported\])",
    ),
    Mutant(
        "attribution one late",
        "loop/attribution.py",
        "now >= change.due",
        "now > change.due",
        (GUARDS,),
        r"oracle.*(?P<shown>\[reported\])",
    ),
    Mutant(
        "rolled back twice",
        "loop/rollback.py",
        "recently = last_rollback is not None and now - last_rollback.iteration < guard.once_in",
        "recently = False",
        (GUARDS,),
        r"oracle.*(?P<shown>\[once_in\])",
    ),
    Mutant(
        "rolled back again too early",
        "loop/rollback.py",
        "now - last_rollback.iteration < guard.once_in\n            if not",
        "now - last_rollback.iteration < guard.once_in - 1\n            if not",
        (f"{UNIT}/test_rollback.py::test_a_key_is_rolled_back_once_in_24_iterations",),
        r"\[24, 47\] == \[24\]",
    ),
    Mutant(
        "pending for ever",
        "loop/rollback.py",
        "        if now - rollback.since < guard.once_in\n",
        "",
        (f"{UNIT}/test_rollback.py::test_a_rollback_pending_for_24_iterations_is_dropped",),
        "PendingRollback",
    ),
    Mutant(
        "the trend is ignored",
        "loop/attribution.py",
        "((moved, of_before), (beyond_trend, of_line))",
        "((moved, of_before),)",
        (
            f"{UNIT}/test_attribution.py"
            "::test_a_kpi_that_falls_by_itself_is_not_an_effect_of_the_change",
        ),
        "the trend predicts it",
    ),
    Mutant(
        "worse is always down",
        "loop/attribution.py",
        '-1.0 if direction == "up" else 1.0',
        "-1.0",
        (f"{UNIT}/test_rollback.py::test_worse_is_up_for_a_kpi_that_should_be_low",),
        r"0\.[56] == 0\.[56]",
    ),
    Mutant(
        "noise is treated as white",
        "loop/attribution.py",
        "        phi,\n        sd=",
        "        0.0,\n        sd=",
        (f"{UNIT}/test_attribution.py::test_correlated_noise_makes_it_wider",),
        r"1\.3 \*",
    ),
    Mutant(
        "blamed for what jumped before it",
        "loop/attribution.py",
        "    if _was_off_trend(figures, worse, guard.confidence):\n        return False\n",
        "",
        (
            f"{UNIT}/test_attribution.py::test_a_latency_that_jumps_by_itself_is_not_an_effect_of_its_rule",
        ),
        "blamed for a jump",
    ),
    Mutant(
        "suspended after a rollback that did not help",
        "loop/rollback.py",
        "suspends=remedied",
        "suspends=True",
        (f"{UNIT}/test_rollback.py::test_a_rollback_that_did_not_help_ends_the_suspension",),
        r"28, True\) == .*28, False",
    ),
    Mutant(
        "a suspension ends before oscillation forgets",
        "loop/rollback.py",
        "guards.oscillation.forget_after + 1",
        "guards.oscillation.forget_after",
        (f"{UNIT}/test_rollback.py::test_a_rollback_that_did_not_help_ends_the_suspension",),
        "oscillation|rollback",
    ),
    Mutant(
        "an edit overwritten during the sync",
        "lane/runner.py",
        "        if not self._files.holds(intent.old_hash):\n",
        "        if False:\n",
        (f"{EDITS}::test_an_edit_between_the_decision_and_its_file_is_not_overwritten",),
        "expected 1, got 0",
    ),
    Mutant(
        "rolled back without data",
        "loop/rollback.py",
        "if reason := _nodata(state, rollback):",
        'if reason := "":',
        (f"{UNIT}/test_rollback.py::test_it_waits_for_data_of_its_kpi",),
        "nodata",
    ),
    Mutant(
        "rolled back although shared",
        "loop/model.py",
        "return not self.shared and any(",
        "return any(",
        (f"{UNIT}/test_rollback.py::test_a_change_shared_with_another_rule_is_not_rolled_back",),
        r"'hurt', True",
    ),
)

FILES = (
    Mutant(
        "an edit overwritten by a slow proposer",
        "lane/runner.py",
        "                if not (self._take_edits() or self._take_edits_at_target()):\n",
        "                if True:\n",
        (f"{EDITS}::test_an_edit_while_the_proposer_runs_is_not_overwritten",),
        "EDITED base_spread_bps",
    ),
    Mutant(
        "an unfinished write counts as an edit",
        "lane/runtime.py",
        "intent.values[key] if value == before[key] else value for",
        "value for",
        (f"{EDITS}::test_only_the_edited_keys_of_a_half_done_decision_are_pinned",),
        "tail_age_ms",
    ),
    Mutant(
        "done without reading back",
        "store/atomic.py",
        "written = hashlib.sha256(read_regular_file(path, max_bytes=len(data))).hexdigest()",
        "written = hashlib.sha256(data).hexdigest()",
        (
            "tests/unit/store/test_store_atomic.py::test_the_barrier_sees_what_another_process_wrote",
        ),
        "DID NOT RAISE",
    ),
    Mutant(
        "intent after the file",
        "lane/runner.py",
        "            self._append(*lines)\n            if self.state.intent is not None:\n",
        "            self._files.write(decided.decision.values)\n"
        "            self._append(*lines)\n            if self.state.intent is not None:\n",
        (LANE,),
        "I6: the file has a hash that is not in the journal|I13",
    ),
    Mutant(
        "torn line kept",
        "store/journal.py",
        "        if contents.torn:\n",
        "        if contents.torn and not contents.size:\n",
        (LANE,),
        r"is damaged|bytes, not the \d+ that were written",
    ),
    Mutant(
        "resume leaves an intent",
        "lane/runner.py",
        "            self._complete_intent()\n",
        "",
        (LANE,),
        "I13|no decision is due|next iteration|checks belong between",
    ),
    Mutant(
        "the target not restored",
        "lane/driver.py",
        "            target.restore(state)\n",
        "            pass\n",
        (LANE,),
        "I13",
    ),
    Mutant(
        "a clock in the journal",
        "lane/runner.py",
        "        lines.append(decision)\n",
        '        decision = evolved(decision, note=f"{time.monotonic()}")\n'
        "        lines.append(decision)\n",
        (LANE,),
        "I13",
    ),
    Mutant(
        "a removed journal is written on",
        "store/journal.py",
        "            self.check_path()\n            self._check_size(descriptor)\n",
        "",
        (
            "tests/unit/store/test_store_journal_moved.py"
            "::test_an_append_sees_what_happened_to_the_file",
        ),
        "DID NOT RAISE",
    ),
    Mutant(
        "a run with a writer is retired",
        "store/lock.py",
        "        if _is_locked(directory / names.JOURNAL_LOCK):\n",
        "        if False:\n",
        ("tests/unit/store/test_store_lock.py::test_a_run_with_a_writer_is_not_retired",),
        "DID NOT RAISE",
    ),
    Mutant(
        "a lane writes into the runtime file of another run",
        "lane/files.py",
        'runtime file.\n        """\n        self._journal.check_path()\n',
        'runtime file.\n        """\n',
        (
            "tests/unit/lane/test_files.py"
            "::test_a_read_only_copy_in_another_runs_file_is_not_corrected",
            "tests/unit/lane/test_files.py::test_a_missing_runtime_file_of_another_run_is_not_written",
        ),
        "runtime_overrides",
    ),
    Mutant(
        "a late target is not stopped",
        "lane/deadline.py",
        "thread = _Thread() if self._thread.is_busy() else self._thread",
        "thread = self._thread",
        ("tests/unit/lane/test_deadline.py::test_stop_is_called_after_a_missed_deadline",),
        r"stop\(\) took longer than",
    ),
    Mutant(
        "the file not synced",
        "store/atomic.py",
        "            if durable:\n                os.fsync(descriptor)\n",
        "",
        ("tests/unit/store/test_store_power_loss.py",),
        "fsync",
    ),
)
