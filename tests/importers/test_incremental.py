"""Incremental imports: while transactions commit late no row is lost and none comes twice, and the range that was read is said."""

import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import threading

import pytest
from importing import BINARY, HELD, HOLD, Import, Imported, wait_until
from postgres import QUIET, Postgres, Session

ROUNDS = int(os.environ.get("ROUNDS", "20"))
WRITERS = 16
LATE = 0.4  # seconds, at most, between the INSERT and the end of its transaction: more than an import takes to begin reading

TABLE = "create table t(id bigserial primary key, at timestamptz not null default now(), v text)"


def run(database, tmp_path, name, *words):
    """One increment: its rows and its manifest."""
    target = tmp_path / name
    done = Import(database.address, "--target", target, "--format", "jsonl", *words, "t", cwd=tmp_path)
    status = done.end()
    assert status == 0, done.said
    made = Imported(target)
    rows = [list(json.loads(line).values()) for path in made.files() for line in pathlib.Path(path).read_text().splitlines()]
    return rows, made.manifest, done.said


def refused(database, tmp_path, *words):
    done = Import(database.address, "--target", tmp_path / "refused", *words, cwd=tmp_path)
    assert done.end() != 0
    assert not (tmp_path / "refused").exists()
    return done.said


WAITING = "SELECT l.pid"
APPEND = ("--incremental", "append", "--check-column", "id")


def test_each_import_reads_what_the_one_before_has_left(database, tmp_path):
    database.run(TABLE + "; insert into t(v) select g::text from generate_series(1, 10) g")
    rows, manifest, said = run(database, tmp_path, "one", *APPEND)
    assert sorted(row[0] for row in rows) == list(range(1, 11))
    assert manifest["incremental"] == {"mode": "append", "check_column": "id", "where": None, "above": None, "up_to": "10", "last_value": "10", "nulls": 0, "lag": 0}
    assert said.endswith(" --incremental append\n  --check-column id\n  --last-value 10\n")
    database.run("insert into t(v) values ('a'), ('b')")
    rows, manifest, _ = run(database, tmp_path, "two", *APPEND, "--last-value", "10")
    assert sorted(row[0] for row in rows) == [11, 12]
    assert manifest["incremental"]["above"] == "10" and manifest["incremental"]["last_value"] == "12"
    rows, manifest, _ = run(database, tmp_path, "three", *APPEND, "--last-value", "12")
    assert rows == [] and manifest["incremental"]["last_value"] == "12"


def test_the_last_value_never_moves_backwards(database, tmp_path):
    database.run(TABLE + "; insert into t(v) values ('a'), ('b')")
    rows, manifest, _ = run(database, tmp_path, "one", *APPEND, "--last-value", "100")
    assert rows == [] and manifest["incremental"]["last_value"] == "100"
    rows, manifest, _ = run(database, tmp_path, "two", *APPEND, "--last-value", "1", "--incremental-lag", "50")
    assert rows == [] and manifest["incremental"]["last_value"] == "1"


def test_an_empty_table_has_no_last_value(database, tmp_path):
    database.run(TABLE)
    rows, manifest, said = run(database, tmp_path, "one", *APPEND)
    assert rows == [] and manifest["incremental"]["last_value"] is None
    assert "--last-value" not in said


def test_conditions_and_columns_of_any_name(database, tmp_path):
    database.run("""create table t(v text, "I d" numeric(20, 3)); insert into t values ('a', 1.5), ('b', 2.25), ('c', 3), (null, null)""")
    rows, manifest, said = run(database, tmp_path, "one", "--incremental", "append", "--check-column", "I d", "--last-value", "1.5", "--where",
                               "v <> 'c' -- or not", "--columns", "v")
    assert rows == [["b"]]
    assert manifest["incremental"]["last_value"] == "3.000" and manifest["incremental"]["nulls"] == 1
    assert "1 rows have no value in the column and are not read" in said
    assert "v <> 'c' -- or not" in manifest["selection"]["where"]


def test_what_was_read_is_verified_by_its_range(database, tmp_path):
    database.run(TABLE + "; insert into t(v) select g::text from generate_series(1, 10) g")
    run(database, tmp_path, "one", *APPEND, "--last-value", "4")
    database.run("insert into t(v) values ('later')")
    done = Import(database.address, "--verify", tmp_path / "one", cwd=tmp_path)
    assert done.end() == 0, done.said + done.out
    database.run("update t set v = 'other' where id = 5")
    assert Import(database.address, "--verify", tmp_path / "one", cwd=tmp_path).end() == 1


def statements(database, tmp_path, *words):
    """What the import would read, and why it is cut so."""
    done = Import(database.address, "--explain", *words, "t", cwd=tmp_path)
    assert done.end() == 0, done.said
    return [select.replace("\\x0A", "\n") for select in re.findall(r"COPY \((.*?)\) TO STDOUT", done.out)], done.out


def pages_read(database, select):
    """Of all tables and indexes, while the server runs it."""
    plan = json.loads(database.run(f"explain (analyze, buffers, timing off, format json) {select}"))[0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


def test_a_small_increment_is_read_through_an_index(database, tmp_path):
    """Without an index all pages of the table are read. No statistics but those that the test makes."""
    database.run(TABLE + " with (autovacuum_enabled = off); insert into t(v) select repeat('x', 500) from generate_series(1, 60000) g; analyze t")
    words = (*APPEND, "--last-value", "59990")
    selects, said = statements(database, tmp_path, *words)
    assert len(selects) == 1 and "an index leads to its few rows" in said
    through = pages_read(database, selects[0])
    rows, _, _ = run(database, tmp_path, "through", *words, "--where", "v <> ''")
    assert sorted(row[0] for row in rows) == list(range(59991, 60001))
    database.run("alter table t drop constraint t_pkey")
    selects, said = statements(database, tmp_path, *words)
    assert "ranges of pages" in said
    over = sum(pages_read(database, select) for select in selects)
    print(f"pages read: {through} through the index, {over} without it")
    assert through <= 20 and over >= 4000
    rows, _, _ = run(database, tmp_path, "over", *words)
    assert sorted(row[0] for row in rows) == list(range(59991, 60001))


def test_a_large_increment_is_cut_by_pages(database, tmp_path):
    database.run(TABLE + " with (autovacuum_enabled = off); insert into t(v) select repeat('x', 500) from generate_series(1, 60000) g; analyze t")
    for words in ((), ("--last-value", "100"), ("--last-value", "30000")):
        selects, said = statements(database, tmp_path, *APPEND, *words)
        assert "ranges of pages" in said and len(selects) > 1, said
    rows, _, _ = run(database, tmp_path, "one", *APPEND, "--last-value", "30000")
    assert sorted(row[0] for row in rows) == list(range(30001, 60001))


def test_an_increment_of_partitions_goes_by_their_indexes(database, tmp_path):
    """What the condition says may be the user's own, found by the search path."""
    database.run("""create table t(id bigint primary key, v text) partition by range (id);
        create table t1 partition of t for values from (0) to (50001) with (autovacuum_enabled = off);
        create table t2 partition of t for values from (50001) to (100000) with (autovacuum_enabled = off);
        create function mine(text) returns bool language sql as 'select true';
        insert into t select g, repeat('x', 300) from generate_series(1, 60000) g; analyze t1; analyze t2""")
    words = (*APPEND, "--last-value", "59990", "--where", "mine(v)")
    selects, said = statements(database, tmp_path, *words)
    assert len(selects) == 2 and "an index leads to its few rows" in said
    assert sum(pages_read(database, select) for select in selects) <= 40
    rows, _, _ = run(database, tmp_path, "one", *words)
    assert sorted(row[0] for row in rows) == list(range(59991, 60001))


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
def test_times_are_read_up_to_the_clock(database, tmp_path, kind):
    day = kind == "date"
    database.run(f"create table t(id int, at {kind}); insert into t values (1, now() - interval '3 days'), (2, now() - interval '2 days'), (3, now())")
    words = ("--incremental", "lastmodified", "--check-column", "AT")
    rows, manifest, _ = run(database, tmp_path, "one", *words)
    assert sorted(row[0] for row in rows) == ([1, 2] if day else [1, 2, 3])  # a day that is not over is left to the next import
    last = manifest["incremental"]["last_value"]
    assert manifest["incremental"]["before"] == last and manifest["incremental"]["from"] is None
    database.run("update t set at = now() where id = 1; insert into t values (4, now() + interval '1 day')")
    rows, manifest, _ = run(database, tmp_path, "two", *words, "--last-value", last)
    assert sorted(row[0] for row in rows) == ([] if day else [1])
    assert manifest["incremental"]["from"] == last


def test_times_without_a_zone_are_the_servers(database, tmp_path):
    """In a zone behind UTC the next rows would else be below the last value."""
    database.run(f"alter database {database.name} set timezone = 'America/New_York'")
    database.run("create table t(id int, at timestamp default now()); insert into t values (1)")
    words = ("--incremental", "lastmodified", "--check-column", "at")
    rows, manifest, _ = run(database, tmp_path, "one", *words)
    assert [row[0] for row in rows] == [1]
    database.run("insert into t values (2)")
    rows, _, _ = run(database, tmp_path, "two", *words, "--last-value", manifest["incremental"]["last_value"])
    assert [row[0] for row in rows] == [2]


def test_a_query_and_a_view_are_waited_for_as_well(database, tmp_path):
    database.run(TABLE + "; insert into t(v) values ('a'), ('b'); create view w as select * from t")
    for words in (("--query", "select id, v from t"), ("w",)):
        target = tmp_path / words[-1].split()[0]
        writer = Session(database.server, database.name)
        writer.say("begin; insert into t(v) values ('late');")
        done = Import(database.address, "--target", target, *APPEND, "--lock-wait", 200, *words, cwd=tmp_path)
        assert done.end() == 1
        assert "was not over within 200 ms" in done.said and "insert into t" in done.said
        writer.say("rollback;")
        done = Import(database.address, "--target", target, *APPEND, *words, cwd=tmp_path)
        assert done.end() == 0, done.said
        writer.close()
        assert Imported(target).manifest["tables"][0]["rows"] == 2


@pytest.fixture
def preparing(database_of):
    """A server that takes prepared transactions."""
    server = Postgres({**QUIET, "max_prepared_transactions": 4}).start()
    yield database_of(server)
    server.close()


def test_a_prepared_transaction_is_waited_for(preparing, tmp_path):
    """Also one that was not prepared yet when it was looked for."""
    preparing.run(TABLE + "; insert into t(v) values ('a')")
    writer = Session(preparing.server, preparing.name)
    writer.say("begin; insert into t(v) values ('late');")
    preparing.run("insert into t(v) values ('b')")
    done = Import(preparing.address, "--target", tmp_path / "one", "--format", "jsonl", *APPEND, "t", cwd=tmp_path)
    wait_until("the import waits for the writer", lambda: WAITING in preparing.run("select query from pg_stat_activity where query like 'SELECT l.pid%'"))
    writer.say("prepare transaction 'late';")
    asked = preparing.run("select max(query_start) from pg_stat_activity where query like 'SELECT l.pid%'")
    wait_until("it looks again", lambda: preparing.run("select max(query_start) from pg_stat_activity where query like 'SELECT l.pid%'") > asked)
    writer.say("commit prepared 'late';")
    writer.close()
    assert done.end() == 0, done.said
    assert Imported(tmp_path / "one").manifest["tables"][0]["rows"] == 3


def test_a_transaction_that_may_yet_write_its_beginning_holds_the_bound(database, tmp_path):
    """now() is the beginning of the transaction, however late the INSERT comes."""
    database.run(TABLE + "; insert into t(v) values ('a')")
    early = Session(database.server, database.name)
    early.say("begin; select 1;")
    words = ("--incremental", "lastmodified", "--check-column", "at")
    rows, manifest, _ = run(database, tmp_path, "one", *words)
    assert [row[0] for row in rows] == [1]
    database.run("insert into t(v) values ('between')")
    early.say("insert into t(v) values ('early'); commit;")
    early.close()
    rows, _, _ = run(database, tmp_path, "two", *words, "--last-value", manifest["incremental"]["last_value"])
    assert sorted(row[2] for row in rows) == ["between", "early"]


def test_what_cannot_be_is_refused(database, tmp_path):
    database.run("create table t(id serial, name text, f float8, u uuid, at timestamp); create table other(id int); create schema s;"
                 "create table numbers(n numeric); insert into numbers values (1), ('NaN');"
                 "create sequence q cache 20; create table cached(id int default nextval('q')); alter sequence q owned by cached.id")
    said = {
        ("append", "name", "t"): "column name tells nobody which rows are new",
        ("append", "f", "t"): "column f tells nobody which rows are new",
        ("append", "u", "t"): "column u tells nobody which rows are new",
        ("append", "nothing", "t"): "it has no column nothing to be checked",
        ("lastmodified", "id", "t"): "lastmodified needs a column of dates or timestamps",
        ("append", "id", "t", "other"): "one table at a time, and 2 are selected",
        ("append", "id", "cached"): "takes 20 values of id from its sequence in advance",
        ("append", "id", "--last-value", "x", "t"): 'invalid input syntax for type integer: "x"',
        ("append", "n", "numbers"): "column n has NaN in it, behind which no number comes",
        ("append", "id", "--replace", "t"): "--replace deletes what earlier imports have read",
    }
    for words, why in said.items():
        assert why in refused(database, tmp_path, "--incremental", words[0], "--check-column", *words[1:])
    done = Import(database.address, "--target", tmp_path / "cached", *APPEND, "--incremental-lag", 20, "cached", cwd=tmp_path)
    assert done.end() == 0, done.said


# ---- rows whose transactions commit late ------------------------------------------------------------------------------


class Writers:
    """INSERTs of one row each, in transactions that stay open for a moment, until they are told to end."""

    def __init__(self, database):
        self.stop = threading.Event()
        self.count = 0
        self.sessions = [Session(database.server, database.name) for _ in range(WRITERS)]
        self.threads = [threading.Thread(target=self.write, args=(session, at)) for at, session in enumerate(self.sessions)]
        for thread in self.threads:
            thread.start()

    def write(self, session, at):
        number = 0
        while not self.stop.is_set():
            number += 1
            session.say(f"begin; select 1; select pg_sleep({LATE} * random() / 4); insert into t(v) values ('{at}/{number}');"
                        f"select pg_sleep({LATE} * random()); commit;")

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(60)
        for session in self.sessions:
            session.close()


@pytest.mark.parametrize("mode, column", [("append", "id"), ("lastmodified", "at")])
def test_rows_that_are_committed_late_come_once(database, tmp_path, mode, column):
    database.run(TABLE)
    writers = Writers(database)
    watcher = Session(database.server, database.name)
    seen, naive, last, naive_last = [], set(), None, "0"
    try:
        for number in range(ROUNDS):
            for line in watcher.say(f"select id from t where id > {naive_last};"):
                naive.add(int(line))
            naive_last = str(max(naive, default=0))
            words = ("--incremental", mode, "--check-column", column, *(("--last-value", last) if last else ()))
            rows, manifest, _ = run(database, tmp_path, f"round{number}", *words)
            seen += [row[0] for row in rows]
            last = manifest["incremental"]["last_value"]
    finally:
        writers.end()
        watcher.close()
    rows, _, _ = run(database, tmp_path, "last", "--incremental", mode, "--check-column", column, *(("--last-value", last) if last else ()))
    seen += [row[0] for row in rows]
    naive |= {int(line) for line in database.run(f"select id from t where id > {naive_last}").split()}
    written = {int(line) for line in database.run("select id from t").split()}
    assert len(seen) == len(set(seen)), "doubled"
    assert set(seen) == written, f"lost: {len(written - set(seen))}"
    assert len(written) > ROUNDS
    assert written - naive, "the naive way has lost nothing: this test shows nothing"


# ---- beside what is there ----------------------------------------------------------------------------------------------


class Lake:
    """A directory to which increments are added. Its newest manifest says how to go on: with its last value, it is all the state there is."""

    def __init__(self, database, folder):
        self.database, self.folder, self.place = database, folder, folder / "lake"

    def manifests(self):
        return sorted(self.place.glob("manifest*.json"), key=lambda path: (len(path.name), path.name))

    def last(self):
        manifests = self.manifests()
        return json.loads(manifests[-1].read_text())["incremental"]["last_value"] if manifests else None

    def add(self, *words, environment=None):
        last = self.last()
        return Import(self.database.address, "--target", self.place, "--format", "jsonl", "--split-by", "id", *APPEND, "--append",
                      *(("--last-value", last) if last else ()), *words, "t", cwd=self.folder, environment=environment)

    def rows(self):
        return sorted(json.loads(line)["id"] for path in self.place.glob("part-*") for line in path.read_text().splitlines())


def test_increments_come_beside_what_is_there(database, tmp_path):
    database.run(TABLE)
    lake = Lake(database, tmp_path)
    for number in range(3):
        database.run("insert into t(v) values ('a'), ('b')")
        names = {path.name for path in lake.place.iterdir()} if number else set()
        done = lake.add()
        assert done.end() == 0, done.said
        assert lake.rows() == list(range(1, 2 * number + 3))
        assert names < {path.name for path in lake.place.iterdir()}
        done = Import(database.address, "--verify", lake.place, cwd=tmp_path)
        assert done.end() == 0, done.said + done.out
    assert lake.add().end() == 0  # there is nothing new: a manifest, and no file
    assert lake.rows() == list(range(1, 7)) and lake.last() == "6"
    assert [path.name for path in lake.manifests()] == ["manifest.json", "manifest-00001.json", "manifest-00002.json", "manifest-00003.json"]
    database.run("insert into t(v) values ('c')")
    assert lake.add().end() == 0
    assert lake.rows() == list(range(1, 8)) and lake.last() == "7"
    assert [path.name for path in tmp_path.iterdir()] == ["lake"]


def test_what_was_read_already_is_not_added_again(database, tmp_path):
    """A command that is repeated because nobody knows that it was published would double its rows."""
    database.run(TABLE + "; insert into t(v) values ('a'), ('b'); create table other(id int); insert into other values (1)")
    lake = Lake(database, tmp_path)
    for last, after in (((), "2"), (("--last-value", "2"), "3")):
        for time in range(2):
            done = Import(database.address, "--target", lake.place, "--format", "jsonl", *APPEND, "--append", *last, "t", cwd=tmp_path)
            assert done.end() == time, done.said
        assert f"go on with --last-value '{after}'" in done.said
        assert lake.rows() == list(range(1, int(after) + 1))
        database.run("insert into t(v) values ('c')")
    done = Import(database.address, "--target", lake.place, "--format", "jsonl", *APPEND, "--append", "other", cwd=tmp_path)
    assert done.end() == 0, done.said
    for last in ((), ("--last-value", "2")):  # long after, and behind one of another table
        done = Import(database.address, "--target", lake.place, "--format", "jsonl", *APPEND, "--append", *last, "t", cwd=tmp_path)
        assert done.end() == 1 and "go on with --last-value '3'" in done.said, done.said
    assert lake.rows() == [1, 1, 2, 3]


def test_the_same_increment_twice_at_once(database, tmp_path):
    """Their files are called differently: whoever is later finds that the rows are there."""
    database.run(TABLE + "; insert into t(v) values ('a'), ('b')")
    lake = Lake(database, tmp_path)
    holder = Session(database.server, database.name)
    holder.say(HOLD)
    late = lake.add("--where", HELD)
    wait_until("it reads", lambda: database.run("select 1 from pg_locks where locktype = 'advisory' and not granted").strip())
    late.process.send_signal(signal.SIGSTOP)
    holder.close()
    done = Import(database.address, "--target", lake.place, "--format", "csv", *APPEND, "--append", "--where", HELD, "t", cwd=tmp_path)
    assert done.end() == 0, done.said
    late.process.send_signal(signal.SIGCONT)
    assert late.end() == 1 and "has read what begins there already" in late.said and "go on with --last-value '2'" in late.said
    assert "--resume" not in late.said and [path.name for path in tmp_path.iterdir()] == ["lake"]
    assert [path.name for path in lake.place.glob("part-*")] == ["part-00000.csv"]


def test_what_others_have_read_is_not_taken_for_it(database, tmp_path):
    """Rows of another query or condition begin with the same value, and are not there yet."""
    database.run(TABLE + "; insert into t(v) select chr(96 + g) from generate_series(1, 4) g")
    place, whole = tmp_path / "lake", ("--format", "jsonl", *APPEND, "--append")
    for words in (("--where", "v = 'a'", "t"), ("--where", "v = 'b'", "t"), ("--query", "select * from t where v = 'c'"), ("--query", "select * from t where v = 'd'")):
        for time in range(2):
            done = Import(database.address, "--target", place, *whole, *words, cwd=tmp_path)
            assert done.end() == time, done.said
        assert "go on with --last-value" in done.said
    done = Import(database.address, "--target", place, *whole, "--where", "v = 'a'", "t", cwd=tmp_path)
    assert done.end() == 1 and "go on with --last-value" in done.said, done.said
    assert sorted(json.loads(line)["v"] for path in place.glob("part-*") for line in path.read_text().splitlines()) == ["a", "b", "c", "d"]


def test_one_that_was_interrupted_goes_on_with_its_range(database, tmp_path):
    """What has come since is the next one's."""
    database.run("create table t(id bigint primary key, v text) partition by range (id); create table t1 partition of t for values from (1) to (1001);"
                 "create table t2 partition of t for values from (1001) to (10000); insert into t select g, g::text from generate_series(1, 3000) g")
    lake = Lake(database, tmp_path)
    words = ("--where", "(id <= 1000 or pg_sleep(0.002) is not null)", "--connections", 1)  # the first split is finished long before the second
    done = lake.add(*words)
    wait_until("a split is finished", lambda: any(path.read_bytes().count(b"\n") > 2 for path in tmp_path.glob(".lake.import-*/.log")))
    done.kill()
    assert not lake.place.exists()
    database.run("insert into t values (3001, 'later')")
    for others in (("--append",), APPEND):  # the rest of its rows would be others than it was begun for
        done = Import(database.address, "--target", lake.place, "--format", "jsonl", "--split-by", "id", *others, *words, "--resume", "t", cwd=tmp_path)
        assert done.end() == 1 and "was begun with other words" in done.said, done.said
    done = lake.add(*words, "--resume")
    assert done.end() == 0, done.said
    assert "were there before" in done.said
    assert lake.rows() == list(range(1, 3001)) and lake.last() == "3000"
    assert lake.add().end() == 0
    assert lake.rows() == list(range(1, 3002))


def test_one_that_was_stopped_says_how_to_go_on(database, tmp_path):
    database.run("create table t(id bigint primary key, v text) partition by range (id); create table t1 partition of t for values from (1) to (11);"
                 "create table t2 partition of t for values from (11) to (10000); insert into t select g, g::text from generate_series(1, 2000) g")
    lake = Lake(database, tmp_path)
    done = lake.add("--where", "(id <= 10 or pg_sleep(0.002) is not null)", "--connections", 1)
    wait_until("a split is finished", lambda: any(path.read_bytes().count(b"\n") > 2 for path in tmp_path.glob(".lake.import-*/.log")))
    assert done.kill(signal.SIGINT) == 1
    words = shlex.split(done.said.split("To go on: ")[1].splitlines()[0])
    words[words.index("--connect") + 1] = database.address
    subprocess.run([BINARY, *words[1:]], cwd=tmp_path, check=True)
    assert lake.rows() == list(range(1, 2001)) and lake.last() == "2000"


@pytest.mark.parametrize("how", ["while it reads", "before it goes on"])
def test_what_can_never_be_added_is_not_kept(database, tmp_path, how):
    """Somebody else has added a file of its name."""
    database.run("create table t(id bigint primary key, v text) partition by range (id); create table t1 partition of t for values from (1) to (1001);"
                 "create table t2 partition of t for values from (1001) to (10000); insert into t select g, g::text from generate_series(1, 2000) g")
    lake = Lake(database, tmp_path)
    lake.place.mkdir()
    (lake.place / "notes").touch()
    words = ("--where", "(id <= 1000 or pg_advisory_xact_lock_shared(1) is not null)", "--connections", 1)
    holder = Session(database.server, database.name)
    holder.say("select pg_advisory_lock(1);")
    done = lake.add(*words)
    wait_until("a split is finished", lambda: any(path.read_bytes().count(b"\n") > 2 for path in tmp_path.glob(".lake.import-*/.log")))
    if how == "before it goes on":
        done.kill()
    (lake.place / "part-00001.jsonl").write_text("")
    if how == "before it goes on":
        done = lake.add(*words, "--resume")  # which does not have to read the rest to know
    else:
        holder.say("select pg_advisory_unlock(1);")
    assert done.end() == 1
    assert "part-00001.jsonl has come meanwhile" in done.said and "begin again" in done.said
    assert "--resume" not in done.said and [path.name for path in tmp_path.iterdir()] == ["lake"]
    holder.close()
    done = lake.add(*words)
    assert done.end() == 0, done.said
    assert lake.rows() == list(range(1, 2001))


@pytest.mark.parametrize("resume", [True, False])
def test_killed_at_any_step_nothing_is_skipped_and_nothing_comes_twice(database, killing, tmp_path, resume):
    """The files and the value with which the next one begins appear in the same moment; until then what was read can be gone on with."""
    database.run(TABLE)
    lake = Lake(database, tmp_path)
    seen = set()
    for call in range(1, 1000):
        for path in lake.place.glob("*"):
            path.unlink()
        database.run("truncate t restart identity; insert into t(v) values ('a')")
        assert lake.add().end() == 0
        database.run("insert into t(v) values ('a')")
        status = lake.add("--connections", 1, environment={"LD_PRELOAD": str(killing), "KILLING": str(call)}).end()
        assert status in (0, -9)
        published = lake.last() == "2"
        assert lake.rows() == ([1, 2] if published else [1])
        names = {path.name for path in lake.place.iterdir()}
        read = any(path.name not in names for path in tmp_path.glob(".lake.import-*/manifest*"))  # it is written when all is
        seen.add((published, read))
        if status == 0:
            break
        done = lake.add(*(["--resume"] if resume else []))  # else it finds what is left
        assert done.end() == 0, done.said
        assert not (read and resume) or "of them were there before" in done.said, f"{call}: {done.said}"
        assert lake.rows() == [1, 2]
        assert [path.name for path in tmp_path.iterdir()] == ["lake"]
    assert seen == {(False, False), (False, True), (True, False)}
