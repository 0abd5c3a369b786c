"""Imports beside replication: from a standby that follows its primary, with what its replay does to long reads; and how an import keeps the pace that it is told.
The standby is made by pg_basebackup and streams."""

import contextlib
import json
import re
import shutil
import subprocess
import sys
import threading
import time

import pytest
import readers
from importing import HELD, HOLD, Import, Imported, ending, rows_of, wait_until
from postgres import QUIET, Postgres, Session

sys.path.insert(0, str(readers.folder()))

SLOWLY = "(SELECT true FROM pg_sleep(0.002 + id * 0))"  # for every row: an import that lasts
ROWS = 4000


class Standby(Postgres):
    """Follows the primary that it was made from."""

    def __init__(self, primary, settings):
        super().__init__({**QUIET, "hot_standby": "on", "wal_receiver_status_interval": "1s", **settings})
        shutil.rmtree(self.data)
        done = subprocess.run([*self._become(), str(self.programs / "pg_basebackup"), "-D", str(self.data), "-d", primary.conninfo(), "-R", "-X", "stream",
                               "-c", "fast", "--no-sync"], capture_output=True, text=True, cwd="/", env=self._environment())
        assert done.returncode == 0, done.stderr
        self.primary = primary

    def catch_up(self):
        position = self.primary.run("SELECT pg_current_wal_lsn()").strip()
        wait_until("the standby has replayed it", lambda: self.run(f"SELECT pg_last_wal_replay_lsn() >= '{position}'").strip() == "t")


@pytest.fixture(scope="module")
def primary():
    server = Postgres({**QUIET, "wal_level": "replica", "max_wal_senders": "5", "wal_keep_size": "256MB"}).start()
    server.run(f"""CREATE TABLE readings AS SELECT i AS id, 'row ' || i AS name FROM generate_series(1, {ROWS}) i;
        CREATE TABLE a AS SELECT 0::bigint AS n; CREATE TABLE b AS SELECT 0::bigint AS n; CREATE TABLE ticks (at timestamptz);
        CREATE TABLE filler AS SELECT i AS n FROM generate_series(1, 100000) i;
        CREATE TABLE parts (id int, v int) PARTITION BY RANGE (id)""")
    for number in range(4):
        server.run(f"CREATE TABLE part{number} PARTITION OF parts FOR VALUES FROM ({number * 1000}) TO ({(number + 1) * 1000})")
    server.run("INSERT INTO parts SELECT i, 0 FROM generate_series(0, 3999) i; VACUUM ANALYZE")
    yield server
    server.close()


def following(primary, **settings):
    made = Standby(primary, settings).start()
    made.catch_up()
    return made


@pytest.fixture(scope="module")
def standby(primary):
    """One whose replay waits for readers as long as it takes."""
    made = following(primary, max_standby_streaming_delay="-1")
    yield made
    made.close()


@pytest.fixture
def run(begin_import):
    return ending(lambda server, *words: begin_import(server.conninfo(), *words, "--keep-snapshot", "0"))


def reads(server):
    return server.run("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active' AND pid <> pg_backend_pid()").strip() != "0"


def test_a_standby_is_read_in_one_snapshot(primary, standby, run, tmp_path):
    """A writer on the primary changes two tables in each of its transactions: they agree in the files."""
    stop = threading.Event()

    def write():
        while not stop.is_set():
            primary.run("BEGIN; UPDATE a SET n = n + 1; UPDATE b SET n = n + 1; COMMIT;" * 10)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            run(standby, "--target", f"made{number}", "--format", "jsonl", "a", "filler", "b")
            made = Imported(tmp_path / f"made{number}")
            a, b = ([row for path in made.files("public", name) for row in rows_of(path, "jsonl")] for name in "ab")
            assert a == b and len(a) == 1
            assert made.manifest["database"]["standby"] and made.manifest["snapshot"]["consistent"]
            assert re.fullmatch(r"[0-9A-F]+/[0-9A-F]+", made.manifest["snapshot"]["position"])
    finally:
        stop.set()
        writer.join()
    run(standby, "--target", "last", "--format", "jsonl", "filler")
    assert run(standby, "--verify", "last").out.startswith("public.filler: equal, 100000 rows")


def test_explain_on_a_standby(standby, run):
    assert "a standby" in run(standby, "--explain", "readings").out


def conflict(primary, table):
    """Rows that a standby's readers may still see are removed, and the standby is told to remove them."""
    primary.run(f"UPDATE {table} SET v = v + 1")
    primary.run(f"VACUUM {table}")


def test_a_conflict_that_ends_the_snapshot_is_said(primary, run, tmp_path):
    server = following(primary, max_standby_streaming_delay="0", hot_standby_feedback="off")
    try:
        one = run.begin(server, "--target", "made", "--format", "jsonl", "--where", SLOWLY.replace("0.002", "0.2"), "parts")
        wait_until("it reads", lambda: reads(server))
        conflict(primary, "parts")
        assert one.end() == 1
        assert "conflict with recovery" in one.said and "the snapshot is gone" in one.said, one.said
        assert not (tmp_path / "made").exists()
    finally:
        server.close()


def test_feedback_prevents_conflicts(primary, run, tmp_path):
    server = following(primary, max_standby_streaming_delay="0", hot_standby_feedback="on")
    try:
        before = server.run("SELECT sum(v) FROM parts").strip()
        with contextlib.closing(Session(server)) as holder:
            holder.say(HOLD)
            one = run.begin(server, "--target", "made", "--format", "jsonl", "--where", HELD, "parts")
            wait_until("it reads", lambda: reads(server))
            wait_until("the primary knows that it does", lambda: primary.run("SELECT count(backend_xmin) FROM pg_stat_replication").strip() != "0")
            conflict(primary, "parts")
            server.catch_up()
        assert one.end() == 0, one.said
        rows = [row for path in Imported(tmp_path / "made").files("public", "parts") for row in rows_of(path, "jsonl")]
        assert sorted(row[0] for row in rows) == list(range(ROWS)) and str(sum(row[1] for row in rows)) == before
    finally:
        server.close()


def test_a_worker_that_is_cancelled_reads_its_split_again(standby, run, tmp_path):
    """As a conflict does it that leaves the snapshot alone."""
    with contextlib.closing(Session(standby)) as holder:
        holder.say(HOLD)
        one = run.begin(standby, "--target", "made", "--format", "jsonl", "--where", HELD, "parts")
        wait_until("it reads", lambda: reads(standby))
        standby.run("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active' LIMIT 1")
    assert one.end() == 0, one.said
    assert "it is read again" in one.said
    assert Imported(tmp_path / "made").manifest["tables"][0]["rows"] == ROWS


# ---- pace ------------------------------------------------------------------------------------------------------------------------


def pause(standby):
    """What comes from now on is not replayed: until the pause is in force the server goes on."""
    standby.run("SELECT pg_wal_replay_pause()")
    wait_until("the pause", lambda: standby.run("SELECT pg_get_wal_replay_pause_state()").strip() == "paused")


def test_nobody_reads_while_the_standby_is_behind(primary, standby, run, tmp_path):
    pause(standby)
    try:
        primary.run("INSERT INTO ticks VALUES (now())")
        wait_until("the standby has something to replay", lambda: standby.run("SELECT pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()").strip() == "t")
        one = run.begin(standby, "--target", "made", "--format", "jsonl", "--max-lag", "1", "--max-rate", "64KiB", "--progress", "json", "filler")
        paused = None
        rows, events = [], []
        for line in one.process.stderr:
            event = json.loads(line)
            events.append(event)
            rows += [event["rows"]] if event["event"] == "progress" else []
            if event["event"] == "note" and "behind: no rows are read until" in event["text"]:
                assert event["text"].startswith("this standby is ")
                paused = len(rows)
            if paused is not None and len(rows) >= paused + 4:
                break
        assert len(set(rows[-3:])) == 1 and rows[-1] < 100000, events  # nothing has come for two seconds
    finally:
        standby.run("SELECT pg_wal_replay_resume()")
    standby.catch_up()
    assert one.end() == 0, one.said
    assert "it is not any more: rows are read again" in one.said
    assert Imported(tmp_path / "made").manifest["tables"][0]["rows"] == 100000


def test_nobody_reads_while_a_standby_of_the_primary_is_behind(primary, standby, run, tmp_path):
    pause(standby)
    stop = threading.Event()

    def write():
        while not stop.is_set():
            primary.run("INSERT INTO ticks VALUES (clock_timestamp())")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        wait_until("the primary sees it",
                   lambda: primary.run("SELECT coalesce(max(replay_lag) > '2 s', false) FROM pg_stat_replication").strip() == "t")
        one = run.begin(primary, "--target", "made", "--format", "jsonl", "--max-lag", "1", "--max-rate", "64KiB", "--progress", "none", "filler")
        line = one.process.stderr.readline()
        assert re.search(r"a standby is [\d.]+ s behind: no rows are read until it is less than 1 s", line), line
        standby.run("SELECT pg_wal_replay_resume()")
        assert one.end() == 0 and "rows are read again" in one.said
    finally:
        stop.set()
        writer.join()
        standby.run("SELECT pg_wal_replay_resume()")
    assert Imported(tmp_path / "made").manifest["tables"][0]["rows"] == 100000


def test_standbys_that_may_not_be_seen(primary, standby, tmp_path):
    primary.run("CREATE ROLE poor LOGIN; GRANT SELECT ON filler TO poor")
    one = Import(primary.conninfo().replace("user=postgres", "user=poor"), "--target", "made", "--format", "jsonl", "--max-lag", "1", "--max-rate", "300KiB",
                 "filler", cwd=tmp_path)
    assert one.end() == 0, one.said
    assert one.said.count("this user may not see how far standbys are behind (GRANT pg_monitor)") == 1


@pytest.mark.parametrize("connections", [1, 3])
def test_not_more_than_the_rate(primary, run, tmp_path, connections):
    started = time.monotonic()
    one = run(primary, "--target", "made", "--format", "jsonl", "--max-rate", "256KiB", "--connections", connections, "--progress", "json", "filler", "parts")
    seconds = time.monotonic() - started
    done = json.loads(one.said.splitlines()[-1])
    assert done["event"] == "done" and done["rows"] == 104000
    assert seconds >= done["bytes_read"] / (256 * 1024) - 0.5, (seconds, done)


def test_a_snapshot_that_gets_too_old(primary, run, tmp_path):
    one = run(primary, "--target", "made", "--format", "jsonl", "--max-snapshot-age", "1", "--where", SLOWLY, "readings", status=1)
    assert re.search(r"the snapshot is \d+ s old, --max-snapshot-age is 1: the import ends, so that VACUUM can go on", one.said), one.said
    assert not (tmp_path / "made").exists()
    wait_until("nobody holds a snapshot", lambda: primary.run(
        "SELECT count(*) FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend'").strip() == "0")
