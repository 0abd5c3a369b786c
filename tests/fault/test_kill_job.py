"""kill -9 under `penstock sqoop job --exec` of an increment, while many transactions commit late: no row is lost, and none comes twice.

The control reads what is above the greatest id that it has seen, as Sqoop does, beside every round: it has to lose rows, or the test would show nothing.
"""

import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "importers"), str(HERE.parent / "parts")]

from importing import BINARY, wait_until  # noqa: E402
from postgres import Postgres, QUIET, Session  # noqa: E402
from siege import new_random, note, rounds  # noqa: E402
from test_kill_import import Verdict  # noqa: E402

WRITERS = 16
LATE = 0.3  # seconds, at most, between the INSERT and the end of its transaction
PATIENCE = 120


class Writers:
    """INSERTs of one row each, in transactions that stay open for a moment, until they are told to end."""

    def __init__(self, server):
        self.stop = threading.Event()
        self.sessions = [Session(server, "postgres") for _ in range(WRITERS)]
        self.threads = [threading.Thread(target=self.write, args=(session,)) for session in self.sessions]
        for thread in self.threads:
            thread.start()

    def write(self, session):
        while not self.stop.is_set():
            session.say(f"begin; insert into t(v) values ('x'); select pg_sleep({LATE} * random()); commit;")

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(60)
        for session in self.sessions:
            session.close()


class Job:
    """A saved job, what it has brought into its directory, and the naive way beside it."""

    def __init__(self, server, folder):
        self.server, self.folder, self.naive = server, folder, set()
        self.environment = {**os.environ, "HOME": str(folder)}
        self.run("--create", "one", "--", "import", "--connect", f"jdbc:postgresql://localhost:{server.port}/postgres", "--username", "postgres",
                 "--table", "t", "--target-dir", "made", "-m", "2", "--split-by", "id", "--incremental", "append", "--check-column", "id")

    def begin(self, *words):
        return subprocess.Popen([BINARY, "sqoop", "job", *words], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)

    def run(self, *words):
        process = self.begin(*words)
        out, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said
        return out

    def look_naively(self):
        self.naive |= {int(line) for line in self.server.run(f"SELECT id FROM t WHERE id > {max(self.naive, default=0)}").split()}

    def ids(self):
        return [int(line.split(",")[0]) for path in (self.folder / "made").glob("part-m-*") for line in path.read_text().splitlines()]


@pytest.fixture
def server():
    made = Postgres({**QUIET, "max_connections": 60}).start()
    made.run("CREATE TABLE t (id bigserial PRIMARY KEY, v text)")
    yield made
    made.close()


def test_kill_9_under_late_commits(server, tmp_path):
    """Killed at random moments of its run; every second one goes through, so that there is something to kill behind."""
    count = rounds(6)
    generator, seed = new_random()
    job = Job(server, tmp_path)
    writers = Writers(server)
    killed = 0
    try:
        wait_until("rows are there", lambda: server.run("SELECT count(*) > 20 FROM t") == "t\n")
        start = time.monotonic()
        job.run("--exec", "one")
        lasting = time.monotonic() - start
        for number in range(20 * count):
            if number >= count and killed:
                break
            job.look_naively()
            process = job.begin("--exec", "one")
            time.sleep(generator.uniform(0, 1.1 * lasting))  # when the fault comes, not a wait for anything
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=PATIENCE)
            killed += process.returncode == -signal.SIGKILL
            if number % 2:
                job.run("--exec", "one")
    finally:
        writers.end()
    job.run("--exec", "one")
    job.look_naively()
    written = {int(line) for line in server.run("SELECT id FROM t").split()}
    ids = job.ids()
    lost, doubled = sorted(written - set(ids)), len(ids) - len(set(ids))
    note("job: kill -9 under late commits", count, Verdict(len(written), lost, doubled), seed)
    note("job: the naive way, the control", count, Verdict(len(written), sorted(written - job.naive), 0), seed)
    assert not lost and not doubled and set(ids) <= written, f"{len(lost)} lost, such as {lost[:5]}, {doubled} doubled"
    assert killed
    assert written - job.naive, "the naive way has lost nothing: this test shows nothing"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".made")] == []
