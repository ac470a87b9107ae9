"""PostgreSQL as a target: settings by ALTER SYSTEM, load by pgbench, figures by SQL."""

import json
import tempfile
from pathlib import Path

from server import Server

HERE = Path(__file__).parent


class Database:
    def __init__(self, lane):
        self.seconds = max(1, round(lane.interval_s))
        self.server = None

    def start(self, runtime):
        library = {"shared_preload_libraries": "pg_stat_statements"}
        self.server = Server(runtime["postgresql"] | library)
        self.server.call("pgbench", "--initialize", "--quiet")
        self.sql("CREATE EXTENSION pg_stat_statements;")

    def stop(self):
        if self.server is not None:
            self.server.stop()

    def run(self, iteration, runtime):
        settings = runtime["postgresql"]
        altered = [f"ALTER SYSTEM SET {name} = '{value}';" for name, value in settings.items()]
        self.sql("\n".join([*altered, "SELECT pg_reload_conf();"]))
        self.sql("SELECT pg_stat_statements_reset();")
        done, failed = self.load()
        variables = (f"done={len(done)}", f"names={','.join(settings)}")
        report = json.loads(self.sql((HERE / "figures.sql").read_text(), *variables))
        report["totals"] |= {
            "tps": len(done) / self.seconds,
            "p95_ms": done[int(0.95 * len(done))],
            "failed_ratio": failed / (failed + len(done)),
        }
        return report

    def load(self):
        """The latencies of the tasks in ms, sorted, and how many failed."""
        with tempfile.TemporaryDirectory() as folder:
            log = ("--log", f"--log-prefix={folder}/log")
            options = ("--no-vacuum", "--client=2", f"--time={self.seconds}", *log)
            self.server.call("pgbench", *options, f"--file={HERE / 'load.sql'}")
            lines = [
                line for file in Path(folder).iterdir() for line in file.read_text().split("\n")
            ]
        latencies = [line.split()[2] for line in lines if line]
        done = sorted(int(latency) / 1000 for latency in latencies if latency != "failed")
        return done, len(latencies) - len(done)

    def sql(self, text, *variables):
        options = [f"--set={variable}" for variable in ("ON_ERROR_STOP=1", *variables)]
        return self.server.call("psql", "-XAtq", *options, text=text)
