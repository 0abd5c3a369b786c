"""penstock import from the command line to the files: what is there, when it is there, and what is said when it is not."""

import contextlib
import csv
import datetime
import decimal
import json
import pathlib
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest

import readers
from importing import HELD, HOLD, Imported, ending, rows_of, wait_until
from postgres import Session

sys.path.insert(0, str(readers.folder()))

ROWS = 20_000
UTC = datetime.timezone.utc
SLOWLY = "(SELECT true FROM pg_sleep(0.002 + id * 0))"  # for every row: an import that lasts


@pytest.fixture
def run(database, begin_import):
    """run(words...): an import of this test's database that has ended well; the text that it wrote."""
    return ending(lambda *words, address=database.address, **more: begin_import(address, *words, **more))


def left(folder):
    """What is in a folder, hidden or not."""
    return sorted(entry.name for entry in folder.iterdir())


@pytest.fixture
def readings(database):
    database.run(f"""
        CREATE TABLE readings (id int PRIMARY KEY, name text, wattage int NOT NULL, price numeric(12,3), level float8, at timestamptz, day date, good bool);
        INSERT INTO readings SELECT i, CASE WHEN i % 7 = 0 THEN NULL ELSE 'Nödé "' || i || E'",\n\\t' END, i * 3, (i - 500)::numeric / 8, i / 3.0::float8,
            '2026-01-01 00:00:00.000001+00'::timestamptz + i * interval '1.5 s', '2026-01-01'::date + i, i % 2 = 0 FROM generate_series(1, {ROWS}) i;
        ANALYZE readings""")
    return [[i, None if i % 7 == 0 else f'Nödé "{i}",\n\t', i * 3, decimal.Decimal(i - 500) / 8, i / 3.0,
             datetime.datetime(2026, 1, 1, 0, 0, 0, 1, UTC) + i * datetime.timedelta(seconds=1.5),
             datetime.date(2026, 1, 1) + datetime.timedelta(days=i), i % 2 == 0] for i in range(1, ROWS + 1)]


def test_every_row_in_every_typed_format(run, readings, tmp_path):
    for kind in ("parquet", "avro"):
        run("--target", kind, "--format", kind, "--connections", 3, "--split-by", "id", "readings")
        made = Imported(tmp_path / kind)
        assert made.manifest["tables"][0]["rows"] == ROWS
        rows = [row for path in made.files() for row in rows_of(path, kind)]
        assert sorted(rows, key=lambda row: row[0]) == readings


def test_every_row_as_json(run, readings, tmp_path):
    run("--target", "made", "--format", "jsonl", "--compression", "none", "readings")
    rows = sorted((row for path in Imported(tmp_path / "made").files() for row in rows_of(path, "jsonl")), key=lambda row: row[0])
    assert [[row[0], row[1], row[2], row[3], float(row[4]), datetime.datetime.fromisoformat(row[5]), datetime.date.fromisoformat(row[6]), row[7]]
            for row in rows] == readings


def test_every_row_as_csv(run, readings, tmp_path):
    run("--target", "made", "--format", "csv", "--null-string", "<none>", "--header", "--columns", "id,name", "readings")
    found = []
    for path in Imported(tmp_path / "made").files():
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        assert rows[0] == ["id", "name"]
        found += rows[1:]
    assert sorted(([int(row[0]), None if row[1] == "<none>" else row[1]] for row in found)) == [row[:2] for row in readings]


def test_all_tables_are_of_one_moment(database, run, tmp_path):
    """A writer changes both tables in each of its transactions: they agree in the files."""
    database.run("CREATE SCHEMA s; CREATE TABLE s.a (n bigint); CREATE TABLE s.b (n bigint); INSERT INTO s.a VALUES (0); INSERT INTO s.b VALUES (0);"
                 "CREATE TABLE s.filler AS SELECT i AS n FROM generate_series(1, 200000) i; CREATE TABLE s.left_out (n int)")
    stop = threading.Event()

    def write():
        while not stop.is_set():
            database.run("BEGIN; UPDATE s.a SET n = n + 1; UPDATE s.b SET n = n + 1; COMMIT;" * 20)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            run("--target", f"made{number}", "--format", "jsonl", "--schema", "s", "--exclude", "s.left_out")
            made = Imported(tmp_path / f"made{number}")
            assert sorted(made.tables) == [("s", "a"), ("s", "b"), ("s", "filler")]
            a, b = ([row for path in made.files("s", name) for row in rows_of(path, "jsonl")] for name in "ab")
            assert a == b and len(a) == 1
            assert made.manifest["snapshot"]["consistent"]
    finally:
        stop.set()
        writer.join()


def test_nothing_is_seen_before_all_is_there(run, readings, tmp_path):
    one = run.begin("--target", "made", "--format", "jsonl", "--split-by", "id", "--where", SLOWLY, "readings")
    wait_until("rows on their way", lambda: any(entry.name.startswith(".made.import-") and any(entry.iterdir()) for entry in tmp_path.iterdir()))
    assert not (tmp_path / "made").exists()
    one.kill()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_signal(run, readings, tmp_path, how):
    one = run.begin("--target", "made", "--format", "jsonl", "--where", SLOWLY, "readings")
    wait_until("rows on their way", lambda: any(entry.name.startswith(".made.import-") and any(entry.iterdir()) for entry in tmp_path.iterdir()))
    assert one.kill(how) == 1
    assert "stopped; nothing was left behind" in one.said
    assert left(tmp_path) == []


def test_kill_9_leaves_what_the_next_one_takes_away(run, readings, tmp_path):
    one = run.begin("--target", "made", "--format", "jsonl", "--where", SLOWLY, "readings")
    wait_until("rows on their way", lambda: any(entry.name.startswith(".made.import-") and any(entry.iterdir()) for entry in tmp_path.iterdir()))
    one.kill()
    assert len(left(tmp_path)) == 1
    other = run.begin("--target", "made", "--format", "jsonl", "--where", SLOWLY, "readings")  # this one lives: it is left alone
    wait_until("the leftover is gone, and the other one at work", lambda: len(left(tmp_path)) == 1 and any((tmp_path / left(tmp_path)[0]).iterdir()))
    run("--target", "made", "--format", "jsonl", "readings")
    assert len(left(tmp_path)) == 2
    assert Imported(tmp_path / "made").manifest["tables"][0]["rows"] == ROWS
    other.kill(signal.SIGTERM)
    assert left(tmp_path) == ["made"]


def backends(database, what="COPY%"):
    return f"SELECT pid FROM pg_stat_activity WHERE datname = '{database.name}' AND query LIKE '{what}' AND pid <> pg_backend_pid()"


@pytest.fixture
def parts(database):
    """A table of four partitions, each of which is a split: as many rows as it returns."""
    database.run("CREATE TABLE parts (id int) PARTITION BY RANGE (id)")
    for number in range(4):
        database.run(f"CREATE TABLE part{number} PARTITION OF parts FOR VALUES FROM ({number * 1000}) TO ({(number + 1) * 1000})")
    database.run("INSERT INTO parts SELECT generate_series(0, 3999)")
    return 4000


def test_a_split_whose_connection_is_lost_is_read_again(server, database, run, parts, tmp_path):
    with contextlib.closing(Session(server, database.name)) as holder:
        holder.say(HOLD)
        one = run.begin("--target", "made", "--format", "jsonl", "--connections", 2, "--where", HELD, "parts")
        for _ in range(2):
            wait_until("two workers that read", lambda: len(database.run(backends(database)).split()) == 2)
            victim = database.run(backends(database)).split()[0]
            database.run(f"SELECT pg_terminate_backend({victim})")
            wait_until("it is gone", lambda: victim not in database.run(backends(database)).split())
    assert one.end() == 0, one.said
    assert one.said.count("it is read again") == 2
    made = Imported(tmp_path / "made")
    assert sorted(row[0] for path in made.files() for row in rows_of(path, "jsonl")) == list(range(parts))
    assert sum(file["tries"] for file in made.manifest["tables"][0]["files"]) == 4 + 2


def test_a_lost_keeper_is_said_and_harms_nobody(database, run, readings, tmp_path):
    one = run.begin("--target", "made", "--format", "jsonl", "--columns", "id", "--where", f"id <= 4000 AND {SLOWLY}", "readings")
    wait_until("a worker that reads", lambda: database.run(backends(database)).strip())
    database.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database.name}' AND query NOT LIKE 'COPY%' "
                 "AND pid <> pg_backend_pid() AND backend_type = 'client backend'")
    assert one.end() == 0, one.said
    assert "the snapshot is kept by those who read it" in one.said
    assert Imported(tmp_path / "made").manifest["tables"][0]["rows"] == 4000


def test_a_server_that_goes_away_leaves_nothing(server, database, run, readings, tmp_path):
    one = run.begin("--target", "made", "--format", "jsonl", "--where", SLOWLY, "readings")
    wait_until("a worker that reads", lambda: database.run(backends(database)).strip())
    server.run(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false")
    server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database.name}'")
    assert one.end() == 1
    assert "sees the same snapshot" in one.said
    assert left(tmp_path) == []


def test_a_target_that_is_taken(run, readings, tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "mine").write_text("mine")
    one = run("--target", "made", "readings", status=1)
    assert "it is not empty; remove it, name another one, or add to it with --append" in one.said
    assert left(tmp_path) == ["made"] and left(tmp_path / "made") == ["mine"]
    (tmp_path / "file").write_text("mine")
    assert "Not a directory" in run("--target", "file", "readings", status=1).said
    (tmp_path / "empty").mkdir()
    run("--target", "empty/", "readings")
    Imported(tmp_path / "empty")


def test_a_target_that_cannot_be_replaced(database, run, tmp_path):
    """Found out before the first row, not behind the last one."""
    database.run("CREATE TABLE t (a int)")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert "it is a symbolic link" in run("--target", "link", "t", status=1).said
    (tmp_path / "dangling").symlink_to("nowhere")
    assert "it is a symbolic link" in run("--target", "dangling", "t", status=1).said
    (tmp_path / "mounted").mkdir()
    (tmp_path / "bound").mkdir()
    mounts = [["mount", "-t", "tmpfs", "none", str(tmp_path / "mounted")], ["mount", "--bind", str(tmp_path / "real"), str(tmp_path / "bound")]]
    if subprocess.run(mounts[0], capture_output=True).returncode:
        pytest.skip("mounts are not allowed here")
    try:
        subprocess.run(mounts[1], check=True)
        for name in ("mounted", "bound"):
            one = run("--target", name, "t", status=1)
            assert f"something is mounted there; name a directory in it, such as {name}/import" in one.said
            run("--target", f"{name}/import", "t")
    finally:
        subprocess.run(["umount", str(tmp_path / "mounted"), str(tmp_path / "bound")])
    assert left(tmp_path) == ["bound", "dangling", "link", "mounted", "real"]


def test_stopped_while_a_lock_is_waited_for(database, run, readings, tmp_path):
    """Nobody has to wait for somebody else's transaction before a Ctrl-C counts."""
    holder = subprocess.Popen(["psql", "-XAtq", "-d", database.address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    holder.stdin.write("BEGIN; LOCK TABLE readings; SELECT 1;\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == "1\n"
    try:
        one = run.begin("--target", "made", "--lock-wait", "600000", "readings")
        wait_until("it waits", lambda: database.run("SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'penstock%' AND wait_event_type = 'Lock' "
                                                    f"AND datname = '{database.name}'").strip())
        started = time.monotonic()
        assert one.kill(signal.SIGINT) == 1
        assert time.monotonic() - started < 30 and "stopped" in one.said
    finally:
        holder.stdin.close()
        holder.wait()
    assert left(tmp_path) == []


def test_a_target_that_is_taken_meanwhile(server, database, run, readings, tmp_path):
    with contextlib.closing(Session(server, database.name)) as holder:
        holder.say(HOLD)
        one = run.begin("--target", "made", "--format", "jsonl", "--columns", "id", "--where", f"id <= 500 AND {HELD}", "readings")
        wait_until("it has begun", lambda: left(tmp_path))
        (tmp_path / "made").mkdir()
        (tmp_path / "made" / "mine").write_text("mine")
    assert one.end() == 1 and "somebody else made it meanwhile" in one.said
    assert "1 of 1 splits are finished and kept" in one.said
    hidden, = (name for name in left(tmp_path) if name != "made")
    assert hidden.startswith(".made.import-") and left(tmp_path / "made") == ["mine"]
    (tmp_path / "made" / "mine").unlink()
    run("--resume", "--target", "made", "--format", "jsonl", "--columns", "id", "--where", f"id <= 500 AND {HELD}", "readings")
    assert Imported(tmp_path / "made").manifest["tables"][0]["rows"] == 500
    assert left(tmp_path) == ["made"]


def test_a_full_disk_is_named_and_leaves_nothing(run, readings, tmp_path):
    point = tmp_path / "small"
    point.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(point)], capture_output=True).returncode:
        pytest.skip("mounts are not allowed here")
    try:
        one = run("--target", "small/made", "--format", "jsonl", "readings", status=1)
        assert "small/made/part-" in one.said and "No space left on device" in one.said
        assert left(point) == []
    finally:
        subprocess.run(["umount", str(point)], check=True)


def test_explain_touches_nothing(run, readings, tmp_path):
    one = run("--explain", "--format", "parquet", "readings")
    assert left(tmp_path) == []
    assert "price                    numeric(12,3)                -> decimal(12,3)" in one.out
    assert 'COPY (SELECT "id", "name"' in one.out


def test_types_are_printed(run):
    assert "| `numeric" in run("--types", address=None).out


def family(path):
    """The ids of a process and its parent, or nothing when it has ended meanwhile."""
    with contextlib.suppress(OSError):
        status = (path.parent / "status").read_text().splitlines()
        return [line.split()[1] for line in status if line.startswith(("Pid:", "PPid:"))]
    return []


def test_a_password_is_seen_nowhere(run, readings, tmp_path):
    one = run("--target", "made", "--password", "geheim-geheim", "--progress", "json", "readings")
    assert "--password-file" in one.said and "geheim" not in one.said
    assert "geheim" not in (tmp_path / "made" / "manifest.json").read_text()
    secret = tmp_path / "secret"
    secret.write_text("geheim\n")
    secret.chmod(0o644)
    assert "secret" in run("--target", "other", "--password-file", secret, "readings", status=1).said
    secret.chmod(stat.S_IRUSR)
    run("--target", "other", "--password-file", secret, "readings")


@pytest.mark.parametrize("address", ["postgresql://{user}:geheim@{host}:{port}/{dbname}", "host={host} port={port} dbname={dbname} user={user} password='ge heim'"])
def test_a_password_in_an_address_does_not_stay_in_the_list_of_processes(database, run, readings, tmp_path, address):
    """Of the import, and of the process that holds its snapshot."""
    parts = dict(part.split("=") for part in database.address.split())
    one = run.begin("--target", "made", "--progress", "json", "--where", SLOWLY, "readings", address=address.format(**parts))
    wait_until("rows on their way", lambda: any(entry.name.startswith(".made.import-") and any(entry.iterdir()) for entry in tmp_path.iterdir()))
    lines = {path: path.read_bytes() for path in pathlib.Path("/proc").glob("[0-9]*/cmdline") if str(one.process.pid) in family(path)}
    assert lines and not any(b"heim" in line for line in lines.values()), lines
    assert one.kill(signal.SIGTERM) == 1
    assert "--connect: others on this machine may have read its password" in one.said and "heim" not in one.said


def test_progress_as_json(run, readings):
    one = run("--target", "made", "--progress", "json", "--where", f"id > {ROWS - 2000} AND {SLOWLY}", "readings")
    events = [json.loads(line) for line in one.said.splitlines()]
    assert events[-1]["event"] == "done" and events[-1]["rows"] == 2000
    assert all(event["table"] == "public.readings" and event["rows"] <= ROWS for event in events if event["event"] == "progress")
    assert any(event["event"] == "progress" for event in events)


BAD = {
    "nothing to do": ([], "what is to be imported"),
    "no target": (["readings"], "--target: the directory that is to be made is missing"),
    "a typing error": (["--tagret", "x", "readings"], 'did you mean "--target"?'),
    "no value": (["--target"], "--target: DIRECTORY is missing"),
    "a value too many": (["--explain=yes", "readings"], "--explain takes no value"),
    "no such format": (["--format", "orc", "--target", "x", "readings"], "orc"),
    "a query and a table": (["--query", "select 1", "--target", "x", "readings"], "--query stands alone"),
    "delimiters for Parquet": (["--fields-terminated-by", ";", "--target", "x", "readings"], "--format csv, text, sqoop and sqoop-direct"),
    "two characters": (["--format", "csv", "--fields-terminated-by", ";;", "--target", "x", "readings"], '";;" is not one character'),
    "no number": (["--connections", "many", "--target", "x", "readings"], "is not a number from 1 to 64"),
    "no size": (["--max-row", "2TiB", "--target", "x", "readings"], "is not a size"),
    "decimals": (["--numeric-type", "39,2", "--target", "x", "readings"], "PRECISION,SCALE"),
    "a short option": (["-m", "1", "readings"], 'unknown option "-m"'),
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_command_line(run, name):
    words, text = BAD[name]
    one = run(*words, status=2, address=None)
    assert text in one.said and len(one.said.splitlines()) == 1


def test_what_is_not_there(run, readings):
    assert "table nosuch: there is none of that name" in run("--target", "x", "nosuch", status=1).said
    assert "nosuch" in run("--target", "x", "--columns", "id,nosuch", "readings", status=1).said
    with contextlib.suppress(AssertionError):
        run("--target", "x", "readings", address="host=127.0.0.1 port=1 connect_timeout=2", status=0)
    assert "port 1" in run("--target", "x", "readings", address="host=127.0.0.1 port=1", status=1).said


def test_hostile_names(database, run, tmp_path):
    database.run("""CREATE TABLE "x""; drop table t;--/../.." ("a""; select" int, "ä b" text); INSERT INTO "x""; drop table t;--/../.." VALUES (1, 'one');
                    CREATE TABLE "_hidden" (a int); CREATE TABLE ".dot" (a int)""")
    run("--target", "made", "--format", "jsonl", "--all-tables")
    made = Imported(tmp_path / "made")
    path, = made.files("public", 'x"; drop table t;--/../..')
    assert json.loads(open(path, encoding="utf-8").read()) == {'a"; select': 1, "ä b": "one"}
    assert left(tmp_path) == ["made"]
    assert all("/" not in table["directory"] and table["directory"][0] not in "._" for table in made.manifest["tables"])


def test_a_row_that_is_too_long_is_named(database, run, tmp_path):
    database.run("CREATE TABLE long (id int, t text); INSERT INTO long VALUES (1, 'short'), (2, repeat('x', 3000000))")
    one = run("--target", "made", "--max-row", "1MiB", "long", status=1)
    assert "row 2" in one.said and "public.long" in one.said
    assert left(tmp_path) == []
    run("--target", "made", "--max-row", "4MiB", "--format", "jsonl", "long")
