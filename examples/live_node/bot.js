// A service with a connection pool, in node: it follows a file of parameters, and writes a report.
const fs = require("node:fs");
const { SOAK_RUNTIME: runtime, SOAK_REPORT: report, SOAK_SEED: seed = "1" } = process.env;
let text = "", pool, soak, since, latencies, errors, noise = Number(seed) >>> 0;
const random = () => (noise = (noise * 1664525 + 1013904223) % 2 ** 32) / 2 ** 32;

function follow() { // new parameters begin a new span
  const now = fs.readFileSync(runtime, "utf8");
  if (now === text) return;
  ({ pool, soak } = JSON.parse((text = now)));
  [since, latencies, errors] = [Date.now() / 1000, [], 0];
}
function serve() { // ten requests; with a small pool they wait, and fail after a timeout
  const busy = Math.min(6 / pool.size, 0.97);
  for (let n = 0; n < 10; n++) {
    const ms = 30 * (1 + (0.5 * busy) / (1 - busy)) * -Math.log(1 - random());
    latencies.push(Math.min(ms, pool.timeout_ms));
    if (ms > pool.timeout_ms) errors++;
  }
}
function write() {
  const p95 = latencies.sort((a, b) => a - b)[Math.floor(0.95 * latencies.length)];
  const totals = { p95_ms: p95 ?? null, error_ratio: errors / latencies.length || 0 };
  const of = { applied_seq: soak.seq, run_id: soak.run_id, effective_params: { pool } };
  const span = { from_unix: since, to_unix: Date.now() / 1000 };
  fs.writeFileSync(report + ".new", JSON.stringify({ totals, ...of, ...span }));
  fs.renameSync(report + ".new", report);
}
follow(), console.log("READY");
setInterval(follow, 20), setInterval(serve, 5), setInterval(write, 100);
