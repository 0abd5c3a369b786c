#!/usr/bin/python3
"""A private PostgreSQL for tests: a cluster in a folder of its own, on a free port of 127.0.0.1 and on a socket in that folder.

By hand: `postgres.py` runs one until Ctrl-C and prints where it listens.
"""

import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from ports import free_ports

USER = "postgres"  # the superuser of each cluster, let in without a password
START_PATIENCE = 60  # seconds
# For benchmarks and tables of a moment: nothing is synced, and no statistics come while nobody asked for them.
QUIET = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off"}


def installed():
    """The folder of programs of the newest version that is there."""
    versions = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]))
    assert versions, "no PostgreSQL is installed: apt-get install postgresql-15"
    return versions[-1].parent


def keeper():
    """PostgreSQL refuses to run as root; then it runs as the first of these that there is."""
    if os.geteuid():
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise AssertionError("this is root, and there is neither a user postgres nor nobody")


class Postgres:
    """One cluster. It keeps its port and its data over all of its starts. programs: the folder of initdb and postgres, for other versions."""

    def __init__(self, settings=None, programs=None, encoding="UTF8", locale="C.UTF-8", initdb=()):
        self.programs = pathlib.Path(programs or installed())
        self.keeper = keeper()
        # A short name, because a socket's may have 107 bytes, and below /tmp, where everybody may look for it.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pg-"))
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.port = free_ports(1)[0]
        self.process = None
        self.settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": self.folder, "port": self.port, "shared_buffers": "64MB",
                         "max_connections": 100, "log_min_messages": "warning", "lc_messages": "C", "timezone": "UTC", **(settings or {})}
        if self.keeper:
            os.chown(self.folder, self.keeper.pw_uid, self.keeper.pw_gid)
        os.chmod(self.folder, 0o755)
        done = subprocess.run([*self._become(), str(self.programs / "initdb"), "-D", str(self.data), "-U", USER, "-A", "trust", "-E", encoding,
                               f"--locale={locale}", "--no-sync", *initdb], capture_output=True, text=True, cwd="/", env=self._environment())
        assert done.returncode == 0, done.stdout + done.stderr

    def _become(self):
        if not self.keeper:
            return []
        return ["setpriv", f"--reuid={self.keeper.pw_uid}", f"--regid={self.keeper.pw_gid}", "--clear-groups"]

    @staticmethod
    def _environment():
        """Without what of the caller's environment would reach the server or psql."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG") and not name.startswith("LC_")}
        return {**kept, "LANG": "C.UTF-8"}

    def start(self):
        """It ends with the process that started it, too: a test run that is killed leaves none behind."""
        assert self.process is None
        options = [word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*self._become(), "setpriv", "--pdeathsig", "QUIT", str(self.programs / "postgres"), "-D", str(self.data),
                                             *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True,
                                            env=self._environment())
        end = time.monotonic() + START_PATIENCE
        while not self.answers():
            assert self.process.poll() is None, f"PostgreSQL ended: {self.log.read_text()}"
            assert time.monotonic() < end, f"PostgreSQL has not started within {START_PATIENCE} s: {self.log.read_text()}"
            time.sleep(0.05)
        return self

    def answers(self):
        done = subprocess.run(["psql", "-XAtqd", self.conninfo(), "-c", "select 1"], capture_output=True, text=True, env=self._environment())
        return done.returncode == 0

    def conninfo(self, database="postgres", tcp=True):
        return f"host={'127.0.0.1' if tcp else self.folder} port={self.port} user={USER} dbname={database}"

    def run(self, sql, database="postgres", binary=False):
        """What psql prints: columns are divided by |, rows by line ends."""
        done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.conninfo(database)], input=sql.encode(), capture_output=True,
                              env=self._environment())
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout if binary else done.stdout.decode()

    def copy(self, query, database="postgres", settings=""):
        """The bytes of COPY (query) TO STDOUT (FORMAT binary)."""
        return self.run(f"{settings}\nCOPY ({query}) TO STDOUT (FORMAT binary);", database, binary=True)

    def stop(self, how=signal.SIGINT):
        """SIGINT: fast; SIGQUIT: at once, as a crash; SIGKILL leaves its children to find out by themselves."""
        process, self.process = self.process, None
        if process and process.poll() is None:
            process.send_signal(how)
            process.wait(START_PATIENCE)

    def close(self):
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)


class Session:
    """One connection that stays: what is said to it in one call may leave a transaction open for the next."""

    END = "the end of an answer"

    def __init__(self, server, database="postgres"):
        self.process = subprocess.Popen(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", server.conninfo(database)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1, env=server._environment())

    def say(self, sql):
        """The lines that it answers. sql ends with a semicolon."""
        self.process.stdin.write(f"{sql}\n\\echo {self.END}\n")
        self.process.stdin.flush()
        lines = []
        while (line := self.process.stdout.readline().rstrip("\n")) != self.END:
            assert line or self.process.poll() is None, "the session has ended"
            lines.append(line)
        return lines

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


def main():
    server = Postgres(QUIET).start()
    try:
        print(server.conninfo(), flush=True)
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        server.close()


if __name__ == "__main__":
    sys.exit(main())
