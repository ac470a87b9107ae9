"""Compares runs by their artifacts: KPIs at the end, and the outcomes of the guards.

    python compare.py NAME=DIR [NAME=DIR ...]      DIR: the value of --soak-dir

A figure is the mean over the lanes of a run, with the standard deviation in brackets.
"""

import json
import statistics
import sys
from collections import Counter
from pathlib import Path

KPIS = ("net_bps", "fills_per_hour", "maker_taker_ratio", "risk_ratio", "p95_latency_ms")
KEYS = ("base_spread_bps", "impact_cap_ratio", "replace_rate_per_min", "min_interval_ms")


def load(folder, name):
    return json.loads((folder / name).read_text("utf-8"))


def lane_figures(folder):
    """Of one lane: its figures, the number of outcomes of each kind, and the verdict."""
    snapshot, report = load(folder, "POST_SOAK_SNAPSHOT.json"), load(folder, "TUNING_REPORT.json")
    kpis = {name: snapshot["kpi_window"][name]["mean"] for name in KPIS}
    earned = kpis["net_bps"] * kpis["fills_per_hour"] / 1000
    steps = report["iterations"]
    verdicts = Counter(step["kpi_verdict"] for step in steps)
    outcomes = [outcome for step in steps for outcome in step["tuning"]["outcomes"].values()]
    figures = {
        "earned, last 8": earned,
        **{f"{name}, last 8": mean for name, mean in kpis.items()},
        **{f"{key}, end": snapshot["parameters"][key] for key in KEYS},
        "iterations that FAIL": verdicts["FAIL"],
        "panics": sum(step["tuning"]["panic"] is not None for step in steps),
        "full_apply_ratio": load(folder, "DELTA_VERIFY.json")["full_apply_ratio"],
    }
    return figures, Counter(map(kind_of, outcomes)), snapshot["verdict"]


def kind_of(outcome):
    """``keys APPLIED by OPTUNA``, ``keys SKIPPED: freeze``."""
    word, reason = outcome["outcome"], outcome["reason"]
    return f"keys {word}: {reason}" if reason else f"keys {word} by {outcome['rule']}"


def column(directory):
    """Of one run: name of the row to text of the cell."""
    latest = Path(directory) / "latest"
    lanes = [lane_figures(latest / lane["dir"]) for lane in load(latest, "run.json")["lanes"]]
    verdicts = Counter(verdict for *_, verdict in lanes)
    rows = {
        "lanes": str(len(lanes)),
        "verdict of the gate": " ".join(f"{n} {word}" for word, n in sorted(verdicts.items())),
    }
    for name in lanes[0][0]:
        values = [figures[name] for figures, *_ in lanes if figures[name] is not None]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        rows[name] = f"{statistics.mean(values):.4g} ({spread:.3g})" if values else "n/a"
    counts = sum((counted for _, counted, _ in lanes), Counter())
    return rows | {kind: str(count) for kind, count in sorted(counts.items())}


def main():
    if len(sys.argv) < 2 or not all("=" in argument for argument in sys.argv[1:]):
        sys.exit("usage: python compare.py NAME=DIRECTORY ...")
    runs = dict(argument.split("=", 1) for argument in sys.argv[1:])
    columns = {name: column(directory) for name, directory in runs.items()}
    names = dict.fromkeys(name for rows in columns.values() for name in rows)
    print(f"{'':<31}" + "".join(f"{run:>23}" for run in columns))
    for name in sorted(names, key=lambda name: name.startswith("keys ")):
        cells = (rows.get(name, "0") for rows in columns.values())
        print(f"{name:<31}" + "".join(f"{cell:>23}" for cell in cells))


if __name__ == "__main__":
    main()
