"""A PostgreSQL of its own: a new cluster in a temporary folder, with its Unix socket in there.

It needs no other server, no port and no password, and it leaves nothing behind.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

DEBIAN = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
"""Where Debian has the programs of the server, which are not on PATH."""
PLACES = os.pathsep.join([os.environ["PATH"], *DEBIAN])
RUN = '"$@" & server=$!; cat; kill -TERM $server; kill -INT $server; wait $server; rm -r "$0"'
"""Runs the server until the standard input ends, so also until this process is killed; then removes
its folder. TERM ends a server that just starts; later it waits for its clients, which INT ends."""


def program(name):
    path = shutil.which(name, path=PLACES)
    if path is None:
        raise FileNotFoundError(f"no {name} of PostgreSQL: install Debian's package postgresql")
    return path


class Server:
    def __init__(self, settings):
        """It accepts connections when this returns. ``settings``: name to value."""
        self.folder = Path(tempfile.mkdtemp(prefix="soak-postgresql-"))
        self.data, self.log = self.folder / "data", self.folder / "log"
        self.as_user = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self.as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        self.create(settings)
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["sh", "-c", RUN, self.folder, *self.as_user, program("postgres"), "-D", self.data],
                cwd="/", stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.wait_until_ready()

    def create(self, settings):
        options = ["--username=postgres", "--auth=trust", "--locale=C", "--no-sync"]
        command = [*self.as_user, program("initdb"), *options, self.data]
        subprocess.run(command, cwd="/", check=True, stdout=subprocess.DEVNULL)
        own = {"listen_addresses": "", "unix_socket_directories": self.folder}
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in (own | settings).items())

    def wait_until_ready(self):
        ends = time.monotonic() + 30
        while time.monotonic() < ends:
            try:
                return self.call("pg_isready")
            except RuntimeError:
                time.sleep(0.1)
        raise TimeoutError(f"PostgreSQL is not ready after 30 s: {self.log.read_text()[-2000:]}")

    def call(self, name, *arguments, text=None):
        """The output of a client program that is connected to this server."""
        variables = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        variables |= {"PGHOST": str(self.folder), "PGUSER": "postgres", "PGDATABASE": "postgres"}
        command = [program(name), *arguments]
        done = subprocess.run(command, env=variables, input=text, text=True, capture_output=True)
        if done.returncode:
            raise RuntimeError(f"{name} failed: {done.stderr[-2000:]}")
        return done.stdout

    def stop(self):
        self.process.communicate()  # ends its standard input, and waits
