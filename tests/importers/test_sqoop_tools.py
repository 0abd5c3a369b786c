"""penstock sqoop list-tables, list-databases, eval and import-all-tables, held against what PostgreSQL itself says."""

import json
import pathlib
import signal
import subprocess

import pytest

from importing import BINARY, wait_until
from sqooping import PASSWORD, PATIENCE, begin_server


@pytest.fixture(scope="module")
def cluster():
    made = begin_server()
    made.run("""
        CREATE TABLE zebra (id int); CREATE TABLE "Apple" (id int); CREATE TABLE "a b,c" (id int); CREATE TABLE éclair (id int);
        CREATE TABLE parted (id int) PARTITION BY RANGE (id); CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
        CREATE VIEW looked AS SELECT 1; CREATE MATERIALIZED VIEW kept AS SELECT 1;
        CREATE SCHEMA "Side"; CREATE TABLE "Side".there (id int); CREATE TABLE "Side"."line
break" (id int)""", "telemetry")
    made.run('CREATE DATABASE "Other one"')
    yield made
    made.close()


def tables(sqoop, schema):
    return sqoop.psql(f"SELECT tablename FROM pg_tables WHERE schemaname = '{schema}' ORDER BY tablename::text COLLATE \"C\"")


def test_list_tables(sqoop):
    sqoop("list-tables")
    assert sqoop.out == tables(sqoop, "public") == "Apple\na b,c\nparted\nparted_1\nzebra\néclair\n"
    assert "--password-file" in sqoop.said and PASSWORD not in sqoop.said


def test_list_tables_of_a_schema(sqoop):
    sqoop("list-tables", "--", "--schema", "Side")
    assert sqoop.out == "line\\x0Abreak\nthere\n"
    sqoop("list-tables", "--", "--schema", "side")
    assert sqoop.out == ""
    sqoop("list-tables", "--connect", f"{sqoop.url}?currentSchema=%22Side%22", "--username", "root", "--password", PASSWORD, login=False)
    assert sqoop.out == "line\\x0Abreak\nthere\n"
    sqoop("list-tables", "--connect", f"{sqoop.url}?currentSchema=nosuch", "--username", "root", "--password", PASSWORD, login=False)
    assert sqoop.out == ""


def test_list_databases(sqoop):
    sqoop("list-databases")
    assert sqoop.out == sqoop.psql('SELECT datname FROM pg_database ORDER BY datname::text COLLATE "C"')
    assert sqoop.out.splitlines() == ["Other one", "postgres", "telemetry", "template0", "template1"]


@pytest.mark.parametrize("tool", ["list-tables", "list-databases", "eval"])
def test_a_dry_run_needs_no_server(sqoop, tool):
    more = ["--query", "DROP TABLE zebra"] if tool == "eval" else []
    sqoop(tool, *more, "--connect", "jdbc:postgresql://nosuch.invalid/telemetry", "--username", "root", "--password", PASSWORD, "--dry-run", login=False)
    assert sqoop.out.startswith("connects to host='nosuch.invalid' port='5432' dbname='telemetry' sslmode='prefer' as root\n")
    assert sqoop.out.endswith("\nDROP TABLE zebra\n" if more else " databases\n" if tool == "list-databases" else " search path\n")
    assert PASSWORD not in sqoop.out + sqoop.said


def test_what_goes_wrong(sqoop, tmp_path):
    said = sqoop("list-tables", "--connect", sqoop.url, "--username", "root", "--password", "other", login=False, status=1)
    assert "password authentication failed" in said and sqoop.out == ""
    said = sqoop("list-databases", "--connect", f"{sqoop.url}x", "--username", "root", "--password", PASSWORD, login=False, status=1)
    assert 'database "telemetryx" does not exist' in said
    assert "--schema is no option of list-databases" in sqoop("list-databases", "--", "--schema", "Side", status=2)
    assert "--where is no option of list-tables; see penstock sqoop help list-tables" in sqoop("list-tables", "--where", "1 = 1", status=2)
    assert 'did you mean "--username"' in sqoop("list-tables", "--usernam", "x", status=2)
    with open("/dev/full", "w") as full:
        done = subprocess.run([BINARY, "sqoop", "list-tables", *sqoop.login], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "standard output: No space left on device" in done.stderr
    (tmp_path / "secret").write_text(PASSWORD)
    (tmp_path / "secret").chmod(0o400)
    sqoop("list-tables", "--connect", sqoop.url, "--username", "root", "--password-file", "secret", login=False)
    assert sqoop.out == tables(sqoop, "public") and sqoop.said == ""


def frame(*lines):
    """Lines of an answer, with its rules."""
    rule = "-" * (len(lines[0]) - 1)
    return "\n".join([rule, lines[0], rule, *lines[1:], rule]) + "\n"


def test_eval_prints_the_frame_of_sqoop(sqoop):
    sqoop("eval", "--query", "SELECT 1 AS id, 'Node1'::text AS name, NULL::int AS n, true AS good")
    assert sqoop.out == ("-" * 56 + "\n| id          | name                 | n           | good | \n" + "-" * 56 + "\n"
                         "| 1           | Node1                | (null)      | t | \n" + "-" * 56 + "\n")
    sqoop("eval", "-e", "SELECT 'é' AS a, E'x\\ny' AS b WHERE false")
    assert sqoop.out == frame("| a                    | b                    | ")
    sqoop("eval", "-e", "SELECT E'x\\ny\\u001b' AS b")
    assert sqoop.out == frame("| b                    | ", "| x\\x0Ay\\x1B           | ")


VALUES = """12::smallint, 1.5::numeric(10,2), 1e-5::float8, 0.1::real, '2026-01-02'::date, '2026-01-02 03:04:05.678'::timestamp,
    '2026-01-02 03:04:05+02'::timestamptz, '1 year 2 days 03:00'::interval, '\\x00ff'::bytea, '{1,NULL}'::int[], '{"a": 1}'::jsonb, 'x'::char(3),
    'infinity'::float8, B'101'"""


def test_values_are_what_postgresql_says(sqoop):
    """Every value, as psql prints it."""
    sqoop("eval", "--query", f"SELECT {VALUES}")
    said = sqoop.psql(f"SET TimeZone = 'UTC'; SELECT {VALUES}").rstrip("\n").split("|")
    values = sqoop.out.splitlines()[3][2:].split(" | ")
    assert [value.rstrip() for value in values] == [value.rstrip() for value in said] + [""]


def test_eval_of_many_rows(sqoop):
    sqoop("eval", "--query", "SELECT i FROM generate_series(1, 50000) i")
    assert sqoop.out == frame("| i           | ", *(f"| {i:<11} | " for i in range(1, 50001)))


def test_eval_writes_all_or_nothing(sqoop):
    sqoop("eval", "-e", "CREATE TABLE log (id int); INSERT INTO log SELECT generate_series(1, 3)")
    assert "0 row(s) updated." in sqoop.said and "3 row(s) updated." in sqoop.said and sqoop.out == ""
    sqoop("eval", "-e", "DELETE FROM log WHERE id = 1 RETURNING id; SELECT count(*) FROM log;")
    assert sqoop.out == frame("| id          | ", "| 1           | ") + frame("| count                | ", "| 2                    | ")
    said = sqoop("eval", "-e", "DELETE FROM log; SELECT 1 / 0", status=1)
    assert "division by zero (SQLSTATE 22012)" in said and sqoop.psql("SELECT count(*) FROM log") == "2\n"
    for copy in ("COPY log TO STDOUT", "COPY log FROM STDIN", "DELETE FROM log; COPY log TO STDOUT"):
        assert "COPY from or to the client" in sqoop("eval", "-e", copy, status=1)
    assert sqoop.psql("SELECT count(*) FROM log") == "2\n"
    assert "cannot run inside a transaction block" in sqoop("eval", "-e", "VACUUM log", status=1)
    said = sqoop("eval", "-e", "CREATE TABLE later (id int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO later VALUES (1), (1)", status=1)
    assert "duplicate key" in said and sqoop.psql("SELECT to_regclass('later') IS NULL") == "t\n"
    assert "syntax error" in sqoop("eval", "-e", "SELEC 1", status=1)
    assert "--query: the statement is missing" in sqoop("eval", status=2)


def test_eval_has_the_settings_of_the_user(sqoop):
    sqoop.cluster.run("ALTER ROLE root IN DATABASE telemetry SET search_path = \"Side\"; ALTER ROLE root IN DATABASE telemetry SET IntervalStyle = iso_8601")
    sqoop("eval", "-e", "SELECT current_schema(), interval '1 day' AS day, count(*) FROM there")
    assert sqoop.out == frame("| current_schema       | day                  | count                | ",
                              "| Side                 | P1D                  | 0                    | ")
    sqoop.cluster.run("ALTER ROLE root IN DATABASE telemetry RESET ALL")


def is_asked(sqoop, statement):
    """Whether the server is at this statement."""
    return sqoop.psql(f"SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query = '{statement}'") == "1\n"


@pytest.mark.parametrize("where", ["option", "option=", "url", "options file"])
def test_a_password_is_seen_nowhere(sqoop, tmp_path, where):
    """Neither in the list of processes, while a statement runs, nor in what is said."""
    (tmp_path / "secret").write_text(f"--password\n{PASSWORD}\n")
    statement = f"SELECT pg_sleep(600) AS \"{where}\""
    words = {"option": ["--connect", sqoop.url, "--password", PASSWORD], "option=": ["--connect", sqoop.url, f"--password={PASSWORD}"],
             "url": ["--connect", f"{sqoop.url}?password={PASSWORD}"],
             "options file": ["--connect", sqoop.url, "--options-file", "secret"]}[where]
    process = sqoop.begin("eval", "--username", "root", "--query", statement, *words, login=False)

    wait_until("the statement runs", lambda: is_asked(sqoop, statement))
    of = pathlib.Path(f"/proc/{process.pid}")
    assert PASSWORD.encode() not in (of / "cmdline").read_bytes() + (of / "environ").read_bytes()
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1 and out == "" and said.endswith("running the statement: stopped\n") and PASSWORD not in said
    wait_until("the server has given up", lambda: not is_asked(sqoop, statement))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_statement_that_is_stopped_has_done_nothing(sqoop, how):
    sqoop.psql("CREATE TABLE IF NOT EXISTS stopped (id int)")
    statement = f"INSERT INTO stopped VALUES ({how}); SELECT pg_sleep(600)"
    process = sqoop.begin("eval", "--query", statement)

    wait_until("the statement runs", lambda: is_asked(sqoop, statement))
    process.send_signal(how)
    process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    sqoop.psql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = '{statement}'")
    wait_until("the server has given up", lambda: not is_asked(sqoop, statement))
    assert sqoop.psql("SELECT count(*) FROM stopped") == "0\n"


@pytest.fixture(scope="module")
def shop(cluster):
    cluster.run("CREATE DATABASE shop")
    cluster.run("""
        CREATE TABLE orders AS SELECT i AS id, 'Node' || i AS name FROM generate_series(1, 3000) i;
        CREATE TABLE "Mixed Case" AS SELECT 1 AS "The Id", NULL::text AS t; CREATE TABLE _hidden AS SELECT 2 AS n; CREATE TABLE nothing (id int);
        CREATE TABLE parted (id int) PARTITION BY RANGE (id); CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
        INSERT INTO parted VALUES (1), (2); CREATE VIEW looked AS SELECT 1; CREATE TABLE big AS SELECT generate_series(1, 10) AS n;
        CREATE SCHEMA solo; CREATE TABLE solo.orders AS SELECT 7 AS n""", "shop")


@pytest.fixture
def all_tables(sqoop, shop):
    sqoop.url = sqoop.url.replace("/telemetry", "/shop")
    sqoop.login[1] = sqoop.url
    return sqoop


def said_by_copy(sqoop, sql):
    return sqoop.copied(sql, null="null", database="shop")


def test_import_all_tables(all_tables, tmp_path):
    all_tables("import-all-tables", "--warehouse-dir", "house/shop", "--exclude-tables", "big, nothing", "-m", 1)
    assert all_tables.names("house/shop") == ["%5Fhidden", "Mixed%20Case", "_manifest.json", "orders", "parted"]
    assert all_tables.names("house/shop/orders") == ["_SUCCESS", "part-m-00000"]
    assert all_tables.text("house/shop/orders") == said_by_copy(all_tables, "SELECT * FROM orders")
    assert all_tables.text("house/shop/Mixed%20Case") == said_by_copy(all_tables, 'SELECT * FROM "Mixed Case"') == "1,null\n"
    assert all_tables.text("house/shop/parted") == said_by_copy(all_tables, "SELECT * FROM parted ORDER BY id")
    done = subprocess.run([BINARY, "import", "--verify", "house/shop"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    manifest = (tmp_path / "house/shop/_manifest.json").read_text()
    assert len({table["name"] for table in json.loads(manifest)["tables"]}) == 4 and PASSWORD not in manifest + all_tables.said


def test_import_all_tables_of_a_schema(all_tables, tmp_path):
    """One table has a directory of its own, too."""
    all_tables("import-all-tables", "--warehouse-dir", "a", "-z", "--", "--schema", "solo")
    assert all_tables.names("a") == ["_manifest.json", "orders"] and all_tables.names("a/orders") == ["_SUCCESS", "part-m-00000.gz"]
    all_tables("import-all-tables", "--connect", f"{all_tables.url}?currentSchema=solo", "--username", "root", "--password", PASSWORD,
               "--warehouse-dir", f"file://{tmp_path}/b", login=False)
    assert all_tables.text("b/orders") == "7\n"
    (tmp_path / "empty").mkdir()
    all_tables("import-all-tables", "--warehouse-dir", "empty", "--", "--schema", "solo")
    assert all_tables.text("empty/orders") == "7\n"


def test_import_all_tables_that_cannot_be(all_tables, tmp_path):
    all_tables("import-all-tables", "--warehouse-dir", "a", "--dry-run")
    assert all_tables.out.startswith("penstock import --connect ") and "COPY" in all_tables.out and "parted" in all_tables.out
    assert "--warehouse-dir: the directory is missing" in all_tables("import-all-tables", status=2)
    assert "--table is no option of import-all-tables" in all_tables("import-all-tables", "--table", "t", status=2)
    said = all_tables("import-all-tables", "--warehouse-dir", "a", "--exclude-tables", "nosuch", status=1)
    assert 'excluded table "nosuch": there is none of that name' in said
    said = all_tables("import-all-tables", "--warehouse-dir", "a", "--", "--schema", "nosuch", status=1)
    assert "no table is left" in said and list(tmp_path.iterdir()) == []
    done = subprocess.run([BINARY, "import", "--connect", all_tables.cluster.conninfo("shop"), "--all-tables", "--names", "warehouse", "--target", "t"],
                          cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and "tables of one schema: solo.orders is not of public" in done.stderr and list(tmp_path.iterdir()) == []
    for name, why in ((".orders", "a name is empty"), (".", "a name is empty"), ("..*", "a name is empty"), (".a.*", "more than two parts")):
        done = subprocess.run([BINARY, "import", "--connect", all_tables.cluster.conninfo("shop"), "--target", "t", name], cwd=tmp_path,
                              capture_output=True, text=True)
        assert done.returncode == 1 and why in done.stderr, done.stderr
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "other").write_text("x")
    assert "it is not empty" in all_tables("import-all-tables", "--warehouse-dir", "full", status=1)
