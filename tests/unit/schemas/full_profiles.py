"""Profiles that together have every field of a profile's file, each valid."""

from __future__ import annotations

from typing import Any

from pytest_soak.profile.yaml_text import parse

TEXTS = {
    "tuned": """
description: a service
tags: [web, nightly]
x-owner: a team
symbol: BTCUSDT
run: {interval: 5, iterations: 120, target: mock}
constants: {most: 120, least: 2}
parameters:
  workers: {path: pool, type: int, unit: "1", start: 8, min: 1, max: 64, step: 1, scale: linear,
            cap_per_hour: 20, cap_per_iteration: 10, safer: down, restart: true,
            description: processes}
  threads: {path: pool, start: 16, min: 4, max: 256, step: 4,
            at_most: {parameter: workers, factor: 8}, at_least: workers}
  size_kb: {path: db, type: int, start: 4096, min: 64, max: 1048576, scale: log, cap_per_hour: 4}
  mode: {path: db, type: choice, choices: [slow, normal, fast, 3], start: normal}
kpis:
  p95_ms: totals.p95_ms
  errors: {read: [totals, errors], unit: "1", better: down, scale: 100, aggregate: weighted_mean,
           weight: totals.n, range: [0, null], description: failed}
  risk: {block_ratio: risk}
  fills: {derive: fills_per_hour}
  lost: {derive: recorded}
  q99: {quantile: {histogram: hist.latency, q: 0.99, buckets: plain}}
  orders: {read: {metric: orders_total, labels: {side: buy}, take: rate}}
  wait_p95: {read: {metric: wait_seconds, take: {histogram_quantile: 0.95}}}
  per_n: {ratio: [errors, p95_ms]}
  gap: {difference: [q99, p95_ms]}
block_reasons: [risk, margin]
verdict:
  fail: {p95_ms: "> 800", errors: [">= 5", "<= $most"]}
  warn:
    any: [{p95_ms: {between: [100, 200]}}, {errors: {rising: 3}}]
    not: {q99: {falling: 2}}
    parameter: {workers: "< 40", mode: [slow, 3]}
    fills: {at_least: 0.5, of_first: 4}
    lost: {at_most: 1.5, of_first: 4}
rules:
  GROW:
    when: {p95_ms: "> 100", errors: "<= $most"}
    evidence: {over: 3, fresh: true, early: false, margin: {p95_ms: {">": 20}}}
    hysteresis: {errors: {stop: 2, start: 1}}
    dwell: 2
    log: "p95={p95_ms:.0f} deltas={deltas}"
    moves:
      workers: {mul: 1.2, min_factor: 0.9, max_factor: 2, max_floor: 4, not_past_start: true}
      threads: {toward_start: 0.5, snap: 0.1}
      size_kb: {proportional: {to_excess_of: p95_ms, gain: 10}}
      mode: {step: 1}
  SHED:
    when: {p95_ms: "< 10"}
    moves: {workers: {add: -2}, mode: {set: slow}}
guards:
  panic: {after: 3, revert_to: full, pause: 4}
  hold_last: 1
  velocity_window_s: 3600
  clip_ratio: 0.5
  caps_scale: 2
  pin: {for: 3}
  freeze: {after: $least, stable: {p95_ms: "< 50"}, keys: [workers], iterations: 4}
  cooldown: {large: 0.1, iterations: 2}
  oscillation: {forget_after: 12, exempt: [ROLLBACK]}
  attribution: {least: 4, memory: 24, confidence: 0.95}
  rollback: {confidence: 0.999, once_in: 24}
gate:
  window: 8
  pass_from: 24
  confidence: 0.95
  no_data_ratio: 0.25
  pass_count_slack: 2
  freeze_ready_pass_count: 6
  delta: {full: 0.95, relaxed: 0.9, stuck_max: 1, needed: {rule: GROW, warn_below: 0.5}}
  drift: {p95_ms: {budget: 40, per: 24h, alpha: 0.05}, errors: null}
  throughput: fills
  warmup_iterations: 24
  criteria:
    p95_ms: {production: "<= 400", mock: "<= 600", relative_to: warmup, ratio: 0.1}
    errors: {fail: "<= 1", warn: "<= 0.5", window: 12, optional: true}
    risk: {limit: [">= 0.1", "<= 0.9"], statistic: median}
    q99: {limit: "<= 900", share: 0.9}
    fills: {limit: ">= 1", relative_to: warmup, amount: 2}
    lost: "<= 0.1"
scenarios:
  crash: {for_s: 30, strength: 2, unit: "1", gate: exclude, at: [4, 8], after_s: 1,
          recovers_within: 3}
""",
    "changed": """
extends: steady
base_spread_bps: 0.6
tail_age_ms_delta: -10
rules: {ADVERSE: null}
""",
    "live": """
parameters: {base_spread_bps: {path: risk, start: 1, min: 0, max: 2}}
kpis: {net: totals.net}
gate: {criteria: {net: ">= 1"}}
target:
  parameters: {file: "{dir}/p.json", timeout_s: 5, notify: {process: bot, signal: HUP},
               on_end: restore}
  report:
    - {file: "{dir}/r.json", audit: "{dir}/audit.jsonl", take: merge,
       echo: {base_spread_bps: echo.spread}}
    - {http: "http://127.0.0.1:9000/report", headers: {A: b, C: {env: TOKEN}}, allow_hosts: [],
       timeout_s: 3}
  timing: {settle_s: 1, deadline_s: 20}
  faults: {in_a_row: 3, ratio: 0.05}
  processes:
    venue: {command: [venue], ready: {port: 9000, file: "{dir}/up", within_s: 10}}
    bot:
      command: [bot, --fast]
      after: venue
      env: {A: b, N: 3, T: {env: TOKEN}}
      env_from: [SECRET]
      cwd: "{dir}"
      ready: {log: "^READY", http: "http://127.0.0.1:9000/up", notify: true}
      stop: {signal: TERM, grace_s: 5}
      restart: {budget: 2, backoff_s: [1, 5]}
      log: {max_mb: 1, keep: 1}
""",
    "over_http": """
kpis: {net: totals.net}
gate: {criteria: {net: ">= 1"}}
target:
  parameters: {http: "http://127.0.0.1:9000/params", method: POST, headers: {A: b},
               allow_hosts: [], soak_block: false}
  report:
    prometheus: "http://127.0.0.1:{port:metrics}/metrics"
    inputs: {fills.maker_count: {metric: fills_total, labels: {side: maker}, take: increase}}
    echo: {base_spread_bps: {metric: spread_bps, labels: {market: a}}}
""",
    "yaml_file": """
parameters: {base_spread_bps: {path: risk, start: 1, min: 0, max: 2}}
kpis: {net: totals.net}
gate: {criteria: {net: ">= 1"}}
target:
  parameters: {yaml: bot.yaml, keys: {base_spread_bps: controller.spread}}
  report: {reader: mine, options: {a: 1}}
""",
    "by_command": """
kpis: {net: totals.net}
gate: {criteria: {net: ">= 1"}}
target:
  parameters: {command: [apply]}
""",
    "by_writer": """
kpis: {net: totals.net}
gate: {criteria: {net: ">= 1"}}
target:
  parameters: {writer: mine, options: {a: 1}}
""",
}
"""Name to the text of a file."""


def documents() -> dict[str, dict[str, Any]]:
    """Name to the file as plain data."""
    return {name: parse(text.encode()) for name, text in TEXTS.items()}
