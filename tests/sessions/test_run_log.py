"""run.log of sessions: what people search for after a panic, several lanes, resume."""

from __future__ import annotations

import re

import pytest

from tests.sessions.conftest import TOO_SHORT, Result, Sessions
from tests.sessions.scripted import ARGS, soaked, write_script

LANE = "steady-BTCUSDT-1"
IN_AN_ITERATION = re.compile(
    r"\| [a-z_]+ \| [A-Za-z0-9][\w.-]* \| lane=\S+ iter=[0-9]+( [^|]+)? \|"
)
OF_THE_RUN = re.compile(
    r"\| profile_apply \| OK \| PROFILE=\S+ \||\| soak_gate \| [A-Z]+ \| lanes=[0-9]+[^|]* \|"
)


def matching(result: Result, word: str, lane: str = ".") -> list[str]:
    """As ``grep word run.log``."""
    return [line for line in result.text("run.log", lane).splitlines() if word in line]


@pytest.mark.smoke
def test_a_panic_can_be_searched_for(soak: Sessions) -> None:
    bad = {"net": 1.0, "risk": 0.3}
    write_script(
        soak,
        {(1, 2): {"risk": 0.3}, (3, 4, 5): bad, 6: {"by_hand": {"tail_age_ms": 650}}},
        {4: {"slippage_penalty_coef": 0.2, "inventory_tilt_cap": 0.1}, 5: {"tail_age_ms": 25}},
    )
    failing = dict.fromkeys(("net_bps", "pass_count_last8", "delta_quality"), "FAIL")
    result = soaked(soak, 7, {**TOO_SHORT, **failing})
    for line in result.text("run.log").splitlines():
        assert IN_AN_ITERATION.fullmatch(line) or OF_THE_RUN.fullmatch(line), line
    for word in ("PANIC", "FAIL_STREAK", "COOLDOWN", "FREEZE", "APPLY_SKIP", "gate", "EDIT"):
        lines = matching(result, word)
        assert any(re.search(r" lane=\S+ iter=[0-9]+ ", line) for line in lines), word
    own = matching(result, "lane=")[0].split("lane=")[1].split()[0]
    assert [line.split("iter=")[1].split()[0] for line in matching(result, "| ITER |")] == [
        *"1234567"
    ]
    (revert,) = matching(result, "| panic | REVERT |")
    assert f"| lane={own} iter=5 rule=PANIC to=steady_safe reason=3_consecutive_failures" in revert
    assert matching(result, "| external | EDIT |") == [
        f"| external | EDIT | lane={own} iter=6 keys=tail_age_ms pinned_until=run |"
    ]
    *_, of_lane, of_run = result.text("run.log").splitlines()
    assert of_lane.startswith(f"| soak_gate | FAIL | lane={own} iter=7 measured=7 planned=7 ")
    assert "fail=net_bps,pass_count_last8,delta_quality" in of_lane
    assert of_run.startswith(f"| soak_gate | FAIL | lanes=1 fail={own}/net_bps,")


def test_several_lanes_have_a_log_each_and_the_run_has_the_verdicts(soak: Sessions) -> None:
    soak.bot()
    args = ("--soak-iterations=3", "--soak-target=bot:make", "--soak-seed=1,2")
    result = soak(*args)
    for seed in (1, 2):
        lane = f"steady-BTCUSDT-{seed}"
        lines = result.text("run.log", lane).splitlines()
        assert lines[0] == "| profile_apply | OK | PROFILE=steady |"
        assert lines[-1].startswith(f"| soak_gate | INCONCLUSIVE | lane={lane} iter=3 ")
        assert len(matching(result, "| ITER |", lane)) == 3
        assert all(f" lane={lane} " in line for line in lines[1:])
    applied, again, first, second, run = result.text("run.log").splitlines()
    assert applied == again == "| profile_apply | OK | PROFILE=steady |"
    assert " lane=steady-BTCUSDT-1 " in first
    assert " lane=steady-BTCUSDT-2 " in second
    assert run.startswith("| soak_gate | INCONCLUSIVE | lanes=2 inconclusive=steady-BTCUSDT-1/")


def test_a_resumed_run_says_so_and_repeats_nothing(soak: Sessions) -> None:
    write_script(soak, {})
    soak("--soak-iterations=3", *ARGS)
    result = soak("--soak-iterations=5", *ARGS, "--soak-resume")
    own = matching(result, "lane=")[0].split("lane=")[1].split()[0]
    assert matching(result, "| resume |") == [
        f"| resume | PLAN | lane={own} iter=4 iterations=5 |",
        f"| resume | RESUMED | lane={own} iter=4 |",
    ]
    numbers = [int(line.split("iter=")[1].split()[0]) for line in matching(result, "| ITER |")]
    assert numbers == [1, 2, 3, 4, 5]
    assert len(matching(result, f"| lane={own} iter=3 measured=3")) == 1
    assert len(matching(result, f"| lane={own} iter=5 measured=5")) == 1


def test_a_halt_is_the_last_event_of_its_lane(soak: Sessions) -> None:
    soak.bot(
        raises="from bot import Bot\n"
        "class Raises(Bot):\n"
        "    def run(self, iteration, runtime):\n"
        "        if iteration == 2:\n"
        "            raise OSError('no | route\\n')\n"
        "        return super().run(iteration, runtime)\n"
    )
    result = soak("--soak-iterations=3", "--soak-target=raises:Raises")
    *_, halt, of_lane, _ = result.text("run.log").splitlines()
    reason = r"the target raised: OSError: no \x7c route"
    assert halt == f"| lane | HALT | lane={LANE} iter=2 kind=error reason={reason} |"
    assert of_lane.startswith(f"| soak_gate | FAIL | lane={LANE} iter=1 measured=1 planned=3 ")
