"""An import that is killed, stopped, or loses its server goes on: in its snapshot while the keeper holds it, and never with a row lost or doubled."""

import contextlib
import json
import os
import pathlib
import random
import shlex
import signal
import subprocess
import threading

import pytest
from importing import BINARY, HELD, Imported, wait_until
from resuming import PARTS, ROWS, SLOWLY, WORDS, assert_whole, begin, done, held, hidden, keepers, lives, log, made_rows, parts, run  # noqa: F401

ROUNDS = int(os.environ.get("ROUNDS", 3))


def files(folder):
    """Which files are there, told from others of the same name."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.glob("part-*")}


def interrupted(begin, folder, *words, splits=2, how=signal.SIGKILL, **more):
    """An import that has ended after some splits; what it said."""
    with held(begin.database):
        one = begin(*WORDS, "--where", SLOWLY, *words, "parts", **more)
        wait_until("some splits are done", lambda: len(done(folder)) >= splits)
        one.kill(how)
    return one


@contextlib.contextmanager
def writing(database):
    """Every transaction adds one to every row's v, takes the least id away and adds one above the greatest: at any moment the rows are (v .. v + ROWS - 1, v)."""
    stop = threading.Event()

    def write():
        while not stop.is_set():
            database.run("BEGIN; UPDATE parts SET v = v + 1; DELETE FROM parts WHERE id = (SELECT min(id) FROM parts);"
                         "INSERT INTO parts SELECT max(id) + 1, max(v) FROM parts; COMMIT;" * 5)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()


@pytest.mark.parametrize("number", range(ROUNDS))
def test_killed_at_any_moment_among_writers(database, begin, run, parts, tmp_path, number):
    chance = random.Random(os.environ.get("SEED", "resume") + str(number))
    snapshots, kept = set(), {}
    with writing(database):
        for resume in range(4):
            one = begin(*WORDS, "--where", SLOWLY, *(["--resume"] if resume else []), "parts")
            with contextlib.suppress(subprocess.TimeoutExpired):
                one.process.wait(chance.uniform(0, 1.2))  # any moment will do
            one.kill()
            if (tmp_path / "made").exists():
                break
            if hidden(tmp_path):
                now = files(hidden(tmp_path)[0])
                assert all(now.get(name) == mark for name, mark in kept.items()), "a finished split was written again"
                kept = {f"part-{split:05}.jsonl": now[f"part-{split:05}.jsonl"] for split in done(tmp_path)}
                if kept:  # else it may begin anew
                    snapshots |= {line["snapshot"]["id"] for line in log(tmp_path) if "snapshot" in line}
        else:
            run(*WORDS, "--where", SLOWLY, "--resume", "parts")
    made, rows = made_rows(tmp_path)
    moment = rows[0][1]
    assert rows == [(moment + i, moment) for i in range(ROWS)]
    assert made.manifest["snapshot"]["consistent"]
    assert snapshots <= {made.manifest["snapshot"]["id"]}
    now = files(tmp_path / "made")
    assert all(now[name] == mark for name, mark in kept.items()), "a finished split was written again"
    assert moment < int(database.run("SELECT max(v) FROM parts")), "it was written to"
    # One that is killed when its directory has just appeared leaves the log: the next import into it takes it away.
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".log"] == ["made"]


def test_the_keeper_outlives_the_import_and_ends_with_it(begin, run, parts, tmp_path):
    interrupted(begin, tmp_path)
    keeper, = keepers(tmp_path)
    assert lives(keeper)
    assert set(pathlib.Path(f"/proc/{keeper}/fd").iterdir()) and all(os.readlink(f"/proc/{keeper}/fd/{fd}") == "/dev/null" for fd in range(3))
    before = done(tmp_path)
    one = run(*WORDS, "--where", SLOWLY, "--resume", "parts")
    assert f"{len(before)} splits with" in one.said
    made = assert_whole(tmp_path)
    assert made.manifest["snapshot"]["consistent"] and {file["snapshot"] for file in made.manifest["tables"][0]["files"]} == {0}
    wait_until("the keeper has ended", lambda: not lives(keeper))


def test_nothing_secret_is_seen_of_the_keeper(begin, database, parts, tmp_path):
    interrupted(begin, tmp_path, "--password", "geheim-geheim")
    keeper, = keepers(tmp_path)
    title = pathlib.Path(f"/proc/{keeper}/cmdline").read_bytes()
    assert b"keeper of snapshot" in title and b"geheim" not in title and database.name.encode() not in title
    assert "geheim" not in (hidden(tmp_path)[0] / ".log").read_text()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopped_and_gone_on(begin, run, parts, tmp_path, database, how):
    one = interrupted(begin, tmp_path, how=how, splits=1)
    assert one.process.returncode == 1
    assert "splits are finished and kept; their snapshot is held for 900 seconds" in one.said
    words = shlex.split(one.said.split("To go on: ")[1].splitlines()[0])
    assert words[:3] == ["penstock", "import", "--resume"] and words[words.index("--connect") + 1] == "..."
    words[words.index("--connect") + 1] = database.address
    subprocess.run([BINARY, *words[1:]], cwd=tmp_path, check=True, capture_output=True)
    assert_whole(tmp_path)


def test_a_lost_server_keeps_what_is_finished(begin, run, parts, tmp_path, server, database):
    with held(database):
        one = begin(*WORDS, "--where", SLOWLY, "parts")
        wait_until("a split is done", lambda: done(tmp_path))
        server.run(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false")
        server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database.name}'")
    assert one.end() == 1 and "their snapshot is not held" in one.said
    server.run(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true")
    assert "the snapshot is gone" in run(*WORDS, "--where", SLOWLY, "--resume", "parts", status=1).said
    run(*WORDS, "--where", SLOWLY, "--resume=mixed", "parts")
    assert_whole(tmp_path)


def test_stopped_before_anything_is_done(begin, parts, tmp_path):
    one = begin(*WORDS, "--where", "(SELECT true FROM pg_sleep(60 + id * 0))", "parts")
    wait_until("it reads", lambda: keepers(tmp_path))
    keeper, = keepers(tmp_path)
    assert one.kill(signal.SIGINT) == 1 and "nothing was left behind" in one.said
    assert list(tmp_path.iterdir()) == []
    wait_until("the keeper has ended", lambda: not lives(keeper))


def test_a_query_goes_on(begin, run, parts, tmp_path):
    """The last rows take three seconds: they cannot be held, for the bounds of the column are looked for among them, too."""
    slowly = f"(SELECT true FROM pg_sleep(CASE WHEN id < {ROWS - 100} THEN 0 ELSE 0.03 END))"
    words = (*WORDS, "--connections", 1, "--split-by", "id", "--query", f"SELECT id, v FROM parts WHERE {slowly}")
    one = begin(*words)
    wait_until("a split is done", lambda: done(tmp_path))
    one.kill()
    before = len(done(tmp_path))
    assert f"{before} splits with" in run(*words, "--resume").said
    assert "ranges of a column" in assert_whole(tmp_path).manifest["tables"][0]["split_by"]
    assert "ranges of a column" in run("--explain", "--split-by", "id", "--query", "SELECT id, v FROM parts").out


@contextlib.contextmanager
def behind(database, sql):
    """Somebody's statements, which run or wait until the block ends."""
    def run():
        with contextlib.suppress(AssertionError):
            database.run(f"SET application_name = 'somebody'; {sql}")

    thread = threading.Thread(target=run)
    thread.start()
    somebody = f"FROM pg_stat_activity WHERE datname = '{database.name}' AND application_name = 'somebody'"
    try:
        wait_until("somebody is at it", lambda: database.run(f"SELECT 1 {somebody} AND wait_event IN ('relation', 'PgSleep')").strip())
        yield
    finally:
        database.run(f"SELECT pg_terminate_backend(pid) {somebody}")
        thread.join()


def test_stopped_while_it_waits_for_a_lock(database, begin, parts, tmp_path):
    with behind(database, "BEGIN; LOCK TABLE part3 IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(600)"):
        one = begin(*WORDS, "--lock-wait", 3600000, "parts")
        wait_until("it waits", lambda: database.run(f"SELECT 1 FROM pg_stat_activity WHERE datname = '{database.name}' AND wait_event = 'relation'").strip())
        assert one.kill(signal.SIGINT) == 1 and "stopped" in one.said
        wait_until("nobody waits", lambda: not database.run(
            f"SELECT 1 FROM pg_stat_activity WHERE datname = '{database.name}' AND wait_event = 'relation'").strip())
    assert list(tmp_path.iterdir()) == []


def test_ddl_waits_for_the_keeper_too(database, begin, run, parts, tmp_path):
    """Who goes on cannot pass by it: the server grants no lock behind one that is waited for. This is said, and nothing is lost."""
    interrupted(begin, tmp_path)
    before = done(tmp_path)
    with behind(database, "TRUNCATE parts"):
        one = run(*WORDS, "--where", SLOWLY, "--resume", "--lock-wait", 300, "parts", status=1)
        assert "parts" in one.said and done(tmp_path) == before
    run(*WORDS, "--where", SLOWLY, "--resume", "parts")
    assert_whole(tmp_path)


OTHER = {"tables": ["part1"], "format": ["--format", "csv"], "where": ["--where", "id > 5"], "columns": ["--columns", "id"],
         "compression": ["--compression", "gzip"], "not-consistent": ["--not-consistent"], "column-type": ["--column-type", "v=text"],
         "bounds-query": ["--bounds-query", "SELECT 0, 1"]}


def test_other_words_are_refused(begin, run, parts, tmp_path):
    interrupted(begin, tmp_path)
    before = files(hidden(tmp_path)[0])
    for name, words in OTHER.items():
        one = run(*WORDS, "--where", SLOWLY, "--resume", "parts", *words, status=1)
        assert f"was begun with other words ({name})" in one.said
    assert files(hidden(tmp_path)[0]) == before
    run(*WORDS, "--where", SLOWLY, "--resume", "--connections", 3, "parts")
    assert_whole(tmp_path)


def test_casts_and_bounds_are_kept(begin, run, parts, tmp_path):
    """Those who leave them out would write other rows beside what is there."""
    casts, bounds = ("--column-type", "v=text"), ("--bounds-query", f"SELECT 5, {ROWS} FROM parts LIMIT 1")
    interrupted(begin, tmp_path, *casts, *bounds)
    for words, name in ((casts, "bounds-query"), (bounds, "column-type")):
        assert f"was begun with other words ({name})" in run(*WORDS, "--where", SLOWLY, "--resume", *words, "parts", status=1).said
    run(*WORDS, "--where", SLOWLY, "--resume", *casts, *bounds, "parts")
    _, rows = made_rows(tmp_path)
    assert rows == [(i, "0") for i in range(5, ROWS)]


def test_what_looks_as_copy_writes_it_goes_on_so(database, begin, run, parts, tmp_path):
    """An interval looks as its session says, whichever import reads it."""
    database.run("ALTER TABLE parts ADD span interval NOT NULL DEFAULT '36:00', ADD good bool NOT NULL DEFAULT true")
    words = ("--format", "sqoop-direct")
    interrupted(begin, tmp_path, *words)
    for others in ((*words, "--true-string", "yes"), (*words, "--false-string", "no"), ("--format", "csv")):
        assert "was begun with other words (delimiters)" in run(*WORDS, "--where", SLOWLY, *others, "--resume", "parts", status=1).said
    run(*WORDS, "--where", SLOWLY, *words, "--resume", "parts")
    made = Imported(tmp_path / "made")
    lines = [line for path in made.files() for line in open(path, encoding="utf-8")]
    assert len(made.files()) == PARTS and sorted(lines) == sorted(f"{i},0,36:00:00,TRUE\n" for i in range(ROWS))


def test_two_at_once(database, begin, run, parts, tmp_path):
    interrupted(begin, tmp_path)
    with held(database):
        first = begin(*WORDS, "--where", SLOWLY, "--resume", "parts")
        wait_until("it goes on", lambda: database.run("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))
        os.kill(first.process.pid, signal.SIGSTOP)
        assert "an import into it is at work" in run(*WORDS, "--where", SLOWLY, "--resume", "parts", status=1).said
        os.kill(first.process.pid, signal.SIGCONT)
    assert first.end() == 0, first.said
    assert_whole(tmp_path)


def test_nothing_to_go_on_with(run, parts, tmp_path):
    assert "there is no unfinished import into made: it begins" in run(*WORDS, "--resume", "parts").said
    assert_whole(tmp_path)
    assert "it is not empty" in run(*WORDS, "--resume", "parts", status=1).said


def test_without_resume_it_is_deleted(begin, run, parts, tmp_path):
    interrupted(begin, tmp_path)
    keeper, = keepers(tmp_path)
    assert "which an unfinished import has left, is deleted" in run(*WORDS, "parts").said
    assert not hidden(tmp_path)
    wait_until("its keeper has ended", lambda: not lives(keeper))
    assert_whole(tmp_path)


def test_a_full_disk_that_is_made_larger(run, parts, tmp_path):
    point = tmp_path / "small"
    point.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24k", "none", str(point)], capture_output=True).returncode:
        pytest.skip("mounts are not allowed here")
    try:
        words = ("--target", "small/made", "--format", "jsonl", "--connections", 1, "parts")
        one = run(*words, status=1)
        assert "No space left on device" in one.said and "splits are finished and kept" in one.said
        before = done(point)
        assert 0 < len(before) < PARTS
        subprocess.run(["mount", "-o", "remount,size=4m", str(point)], check=True)
        assert f"{len(before)} splits with" in run(*words, "--resume").said
        assert_whole(point)
    finally:
        subprocess.run(["umount", str(point)], check=True)


# ---- without the keeper -------------------------------------------------------------------------------------------------

def test_a_killed_keeper_harms_no_import_that_reads(database, begin, parts, tmp_path):
    with held(database):
        one = begin(*WORDS, "--where", SLOWLY, "parts")
        wait_until("a split is done", lambda: done(tmp_path))
        keeper, = keepers(tmp_path)
        os.kill(keeper, signal.SIGKILL)
        wait_until("the keeper is gone", lambda: not lives(keeper))
    assert one.end() == 0 and "the snapshot is kept by those who read it" in one.said
    assert_whole(tmp_path)


@pytest.fixture
def orphan(begin, parts, tmp_path):
    """An import whose keeper was killed, too; the splits that it has done."""
    interrupted(begin, tmp_path)
    keeper, = keepers(tmp_path)
    os.kill(keeper, signal.SIGKILL)
    wait_until("the keeper is gone", lambda: not lives(keeper))
    return done(tmp_path)


def test_a_snapshot_that_is_gone_is_said(run, orphan, tmp_path):
    one = run(*WORDS, "--where", SLOWLY, "--resume", "parts", status=1)
    assert "the snapshot is gone" in one.said and "--resume=mixed" in one.said and "--resume=restart" in one.said
    assert done(tmp_path) == orphan


def test_a_snapshot_that_nothing_was_read_in_is_not_missed(begin, run, parts, tmp_path):
    one = begin(*WORDS, "--keep-snapshot", 0, "--where", "(SELECT true FROM pg_sleep(60 + id * 0))", "parts")
    wait_until("it reads", lambda: keepers(tmp_path))
    keeper, = keepers(tmp_path)
    one.kill()
    wait_until("the keeper has ended", lambda: not lives(keeper))
    assert "was begun with other words (where)" in run(*WORDS, "--resume", "parts", status=1).said
    place, = hidden(tmp_path)
    lines = (place / ".log").read_text().splitlines(keepends=True)
    said = json.loads(lines[0])
    said["options"]["where"] = None
    (place / ".log").write_text(json.dumps(said) + "\n" + lines[1])
    assert "the snapshot is gone: its keeper is not there any more: the import begins anew" in run(*WORDS, "--resume", "parts").said
    assert_whole(tmp_path)


def test_from_the_beginning(database, run, orphan, tmp_path):
    database.run("UPDATE parts SET v = 7")
    run(*WORDS, "--where", SLOWLY, "--resume=restart", "parts")
    made, rows = made_rows(tmp_path)
    assert rows == [(i, 7) for i in range(ROWS)] and made.manifest["snapshot"]["consistent"]
    assert not hidden(tmp_path)


def test_mixed(database, begin, run, orphan, tmp_path):
    database.run("UPDATE parts SET v = 7")
    with held(database, 2):
        one = begin(*WORDS, "--where", SLOWLY, "--resume=mixed", "parts")
        wait_until("it goes on", lambda: len(done(tmp_path)) > len(orphan))
        one.kill()
    run(*WORDS, "--where", SLOWLY, "--resume", "parts")  # in the second snapshot
    made, rows = made_rows(tmp_path)
    assert [row[0] for row in rows] == list(range(ROWS)) and {row[1] for row in rows} == {0, 7}
    assert made.manifest["snapshot"]["consistent"] is False and len(made.manifest["snapshot"]["all"]) == 2
    of = {file["split"]["number"]: file["snapshot"] for file in made.manifest["tables"][0]["files"]}
    assert {number for number, snapshot in of.items() if snapshot == 0} == set(orphan) and set(of.values()) == {0, 1}


@pytest.mark.parametrize("moved", [False, True])
def test_mixed_pages(database, begin, run, tmp_path, moved):
    """Ranges of pages are kept while no row has moved as a whole, else they are read again."""
    database.run("CREATE TABLE wide (id int, t text) WITH (fillfactor = 10); INSERT INTO wide SELECT i, repeat('x', 300) FROM generate_series(1, 12000) i; ANALYZE wide")
    words = (*WORDS, "--connections", 1, "--columns", "id", "--where", f"id % 20 = 0 AND (id < 11000 OR {HELD})", "wide")
    with held(database):
        one = begin(*words)
        wait_until("a split is done", lambda: done(tmp_path))
        one.kill()
    os.kill(keepers(tmp_path)[0], signal.SIGKILL)
    assert log(tmp_path)[0]["tables"][0]["splits"][0][1] == 1, "cut by pages"
    if moved:
        database.run("VACUUM FULL wide")
    run(*words[:-1], "--resume=mixed", "wide")
    made, rows = made_rows(tmp_path)
    assert [row[0] for row in rows] == list(range(20, 12001, 20))
    assert {file["snapshot"] for file in made.manifest["tables"][0]["files"]} == ({1} if moved else {0, 1})


def test_not_consistent(begin, run, parts, tmp_path):
    interrupted(begin, tmp_path, "--not-consistent")
    before = len(done(tmp_path))
    assert not keepers(tmp_path)
    assert f"{before} splits with" in run(*WORDS, "--where", SLOWLY, "--not-consistent", "--resume", "parts").said
    assert assert_whole(tmp_path).manifest["snapshot"]["consistent"] is False


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_snapshot_is_not_held_for_ever(begin, run, parts, tmp_path, seconds):
    interrupted(begin, tmp_path, "--keep-snapshot", seconds)
    keeper, = keepers(tmp_path)
    wait_until("the keeper has ended", lambda: not lives(keeper))
    assert "the snapshot is gone" in run(*WORDS, "--where", SLOWLY, "--resume", "parts", status=1).said


def test_a_table_that_has_changed(database, begin, run, orphan, tmp_path):
    database.run("ALTER TABLE parts ADD COLUMN more int")
    assert "table public.parts: it is not what it was" in run(*WORDS, "--where", SLOWLY, "--resume=mixed", "parts", status=1).said
    assert done(tmp_path) == orphan


def test_tables_that_have_come_since_are_left_out(database, begin, run, parts, tmp_path):
    database.run("CREATE SCHEMA s; CREATE TABLE s.a (id int); CREATE TABLE s.c (id int); INSERT INTO s.a VALUES (1);"
                 "INSERT INTO s.c SELECT generate_series(1, 400)")
    words = (*WORDS, "--schema", "s", "--connections", 1, "--where", f"id = 1 OR {HELD}")
    with held(database):
        one = begin(*words)
        wait_until("a split is done", lambda: done(tmp_path))
        one.kill()
    database.run("CREATE TABLE s.b (id int)")
    run(*words, "--resume")
    assert sorted(Imported(tmp_path / "made").tables) == [("s", "a"), ("s", "c")]


# ---- what a crash does to files ------------------------------------------------------------------------------------------

def test_a_torn_line_and_a_file_that_is_short(begin, run, parts, tmp_path):
    interrupted(begin, tmp_path, splits=3)
    place, = hidden(tmp_path)
    before = done(tmp_path)
    with open(place / ".log", "ab") as file:
        file.write(b'{"table":0,"split":7,"ro')
    os.truncate(place / f"part-{before[0]:05}.jsonl", 3)
    (place / f"part-{before[1]:05}.jsonl").unlink()
    assert f"{len(before) - 2} splits with" in run(*WORDS, "--where", SLOWLY, "--resume", "parts").said
    assert_whole(tmp_path)
