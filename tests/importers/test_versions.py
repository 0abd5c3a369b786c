"""The oldest and the newest PostgreSQL that there is, besides Debian's: every kind of type, splits, snapshots and what an import says of a table."""

import base64
import contextlib
import datetime
import decimal
import json
import pathlib
import shutil
import subprocess
import sys
import uuid
from collections import Counter

import pytest
import readers
import servers
from importing import Import, Imported, rows_of
from postgres import QUIET, Postgres

sys.path.insert(0, str(readers.folder()))

UTC = datetime.timezone.utc


def same(text):
    return text


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def as_json(text):
    return json.loads(text, parse_float=decimal.Decimal)


def compact(text):
    """PostgreSQL's own text of json keeps blanks that its values do not need."""
    return json.dumps(json.loads(text), separators=(",", ":"))


class Column:
    """A column: two values in SQL, and what JSON lines and what Avro and Parquet have for the text that the server makes of one."""

    def __init__(self, kind, values, line=same, typed=None, text="{}::text"):
        self.kind, self.values, self.line, self.typed, self.text = kind, values, line, typed or line, text


COLUMNS = {
    "b": Column("bool", ["true", "false"], lambda text: text == "true"),
    "i2": Column("int2", ["-32768", "32767"], int),
    "i4": Column("int4 PRIMARY KEY", ["-2147483648", "2147483647"], int),
    "i8": Column("int8", ["-9223372036854775808", "9223372036854775807"], int),
    "o": Column("oid", ["0", "4294967295"], int),
    "f4": Column("float4", ["0.1", "-3.5e10"], lambda text: float(text), text="{}::float8::text"),
    "f8": Column("float8", ["0.1", "1e300"], float, text="{}::text"),
    "n": Column("numeric", ["123456789012345678901234567890.000000000012345", "-0.10"], decimal.Decimal, same),
    "n2": Column("numeric(10,2)", ["12345678.90", "-0.01"], decimal.Decimal),
    "t": Column("text", ["E'\"quoted\", \\\\ tab\\t line\\n ünïcode ✓'", "''"]),
    "v": Column("varchar(20)", ["'varchar'", "' blanks '"]),
    "c": Column("char(5)", ["'ab'", "'abcde'"], text="CASE WHEN {0} IS NOT NULL THEN format('%s', {0}) END"),
    "nm": Column("name", ["'name'", "'other'"]),
    "by": Column("bytea", ["'\\x00ff10'", "''"], lambda text: base64.b64encode(bytes.fromhex(text[2:])).decode(), lambda text: bytes.fromhex(text[2:])),
    "d": Column("date", ["'2026-02-28'", "'1969-12-31'"], same, datetime.date.fromisoformat),
    "ti": Column("time", ["'23:59:59.999999'", "'00:00:00'"], same, datetime.time.fromisoformat),
    "tz": Column("timetz", ["'12:34:56+02'", "'00:00:00-11:30'"], same),
    "ts": Column("timestamp", ["'2026-02-28 12:34:56.789012'", "'1969-12-31 23:59:59'"], lambda text: text.replace(" ", "T"), moment),
    "tt": Column("timestamptz", ["'2026-02-28 12:34:56.789012+02'", "'1969-12-31 23:59:59+00'"], lambda text: text.replace(" ", "T").replace("+00", "Z"),
                 lambda text: moment(text + ":00")),
    "iv": Column("interval", ["'1 year 2 mons -3 days 04:05:06.5'", "'0'"]),
    "u": Column("uuid", ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'00000000-0000-0000-0000-000000000000'"], same, uuid.UUID),
    "js": Column("json", ["'{\"a\": [1, null, \"x\"]}'", "'1.50'"], as_json, compact),
    "jb": Column("jsonb", ["'{\"a\": {\"b\": [1, 2.50]}}'", "'null'"], as_json),
    "ia": Column("int4[]", ["'{1,NULL,-3}'", "'{}'"], as_json, text="array_to_json({})::text"),
    "ta": Column("text[]", ["ARRAY['a', NULL, '\"', E'\\\\']", "'{}'"], as_json, text="array_to_json({})::text"),
    "ma": Column("mood[]", ["'{sad,happy}'", "'{}'"], as_json, text="array_to_json({})::text"),
    "m": Column("mood", ["'happy'", "'sad'"]),
    "dm": Column("small", ["1", "99"], int),
    "co": Column("pair", ["(1, 'x')", "(NULL, NULL)"], as_json, lambda text: compact(text), text="row_to_json({})::text"),
    "ip": Column("inet", ["'192.168.0.1/24'", "'::1'"], text="CASE WHEN {0} IS NOT NULL THEN format('%s', {0}) END"),
    "ci": Column("cidr", ["'10.0.0.0/8'", "'2001:db8::/32'"]),
    "ma6": Column("macaddr", ["'08:00:2b:01:02:03'", "'ff:ff:ff:ff:ff:ff'"]),
    "bi": Column("bit(5)", ["B'10101'", "B'00000'"]),
    "vb": Column("varbit", ["B'101'", "B''"]),
    "mo": Column("money", ["12.34", "-1000"]),
    "p": Column("point", ["'(1.5,-2)'", "'(0,0)'"]),
    "r": Column("int4range", ["'[1,5)'", "'empty'"]),
    "sv": Column("tsvector", ["'fat cat'", "''"]),
    "ls": Column("pg_lsn", ["'16/B374D848'", "'0/0'"]),
}
SPLIT_ROWS = 400000


@pytest.fixture(scope="module", params=["installed", *servers.SERVERS])
def old_or_new(request):
    """A server of that version with a table of all types, one that is cut into splits, and partitions."""
    with contextlib.ExitStack() as stack:
        if request.param == "installed":
            programs = None
        elif sys.platform == "linux" and shutil.which("npm"):
            programs = stack.enter_context(servers.copy(request.param))
        else:
            pytest.skip("npm is not installed")
        server = Postgres(QUIET, programs=programs)
        stack.callback(server.close)
        server.start()
        server.version = request.param
        server.run("CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN small AS int CHECK (value < 100); CREATE TYPE pair AS (a int, b text);"
                   f"CREATE TABLE types ({', '.join(f'{name} {column.kind}' for name, column in COLUMNS.items())});")
        for which in range(2):
            server.run(f"INSERT INTO types VALUES ({', '.join(column.values[which] for column in COLUMNS.values())})")
        server.run("INSERT INTO types (i4) VALUES (0)")
        server.run(f"""CREATE TABLE long AS SELECT i AS id, 'row ' || i AS name, repeat('x', 20) AS filler FROM generate_series(1, {SPLIT_ROWS}) i;
            ALTER TABLE long ADD PRIMARY KEY (id); ANALYZE long;
            CREATE TABLE parts (id int, at date) PARTITION BY RANGE (at);
            CREATE TABLE part1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
            CREATE TABLE part2 PARTITION OF parts FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
            INSERT INTO parts SELECT i, '2026-01-01'::date + i FROM generate_series(0, 57) i; CREATE VIEW v AS SELECT count(*) AS n FROM long""")
        yield server


@pytest.fixture
def run(old_or_new, tmp_path):
    def go(*words, status=0):
        one = Import(old_or_new.conninfo(), *words, cwd=tmp_path)
        assert one.end() == status, (one.out, one.said)
        return one
    return go


def texts(server):
    """What the server makes of the table, by its own functions: rows of texts or None, ordered by i4."""
    settings = "SET timezone = 'UTC'; SET intervalstyle = 'iso_8601'; SET extra_float_digits = 1;"
    asked = ", ".join(column.text.format(name) for name, column in COLUMNS.items())
    return json.loads(server.run(f"{settings} SELECT json_agg(json_build_array({asked}) ORDER BY i4) FROM types"))


def plain(value):
    """Readers have their own types of some values."""
    if isinstance(value, bytes) and len(value) == 16:
        return uuid.UUID(bytes=value)
    return value


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "avro"])
def test_all_types(old_or_new, run, tmp_path, kind):
    run("--target", "made", "--format", kind, "types")
    made = Imported(tmp_path / "made")
    rows = sorted((row for path in made.files() for row in rows_of(path, kind)), key=lambda row: row[list(COLUMNS).index("i4")])
    expected = texts(old_or_new)
    assert len(rows) == len(expected) == 3
    for row, said in zip(rows, expected):
        for (name, column), value, text in zip(COLUMNS.items(), row, said):
            if name == "f4" and value is not None:
                assert float(value) == pytest.approx(float(text), rel=1e-7)
                continue
            want = None if text is None else (column.line if kind == "jsonl" else column.typed)(text)
            if kind != "jsonl" and name == "jb" and text is not None:
                value = as_json(value)
            if kind != "jsonl" and name in ("js", "co") and value is not None:
                value = compact(value)
            assert plain(value) == want or (kind == "jsonl" and isinstance(want, float) and float(value) == want), (name, value, want)


def test_what_copy_writes(old_or_new, run, tmp_path):
    """Byte for byte what this version's own COPY says."""
    run("--target", "made", "--format", "sqoop-direct", "--true-string", "t", "--false-string", "f", "--whole", "types")
    path, = Imported(tmp_path / "made").files()
    assert pathlib.Path(path).read_bytes() == old_or_new.run("COPY types TO STDOUT WITH CSV;", binary=True)


def test_a_table_in_splits(old_or_new, run, tmp_path):
    """By pages where the server can do that, else by the key; each row once either way."""
    run("--target", "made", "--format", "parquet", "--columns", "id", "--connections", 2, "long")
    made = Imported(tmp_path / "made")
    methods = Counter(file["split"]["method"] for file in made.manifest["tables"][0]["files"])
    assert sum(methods.values()) > 1
    assert set(methods) == ({"range"} if old_or_new.version.startswith("10.") else {"pages"}), methods
    ids = sorted(row[0] for path in made.files() for row in rows_of(path, "parquet"))
    assert ids == list(range(1, SPLIT_ROWS + 1))
    assert made.manifest["snapshot"]["consistent"]


def test_partitions_views_queries_and_what_verify_says_of_them(old_or_new, run, tmp_path):
    run("--target", "made", "--format", "jsonl", "--all-tables", "--views", "--exclude", "types")
    made = Imported(tmp_path / "made")
    assert {name: table["rows"] for (_, name), table in made.tables.items()} == {"long": SPLIT_ROWS, "parts": 58, "v": 1}
    run("--target", "query", "--format", "jsonl", "--query", "SELECT at, count(*) AS n FROM parts GROUP BY 1")
    run("--target", "types", "types")
    for name in ("made", "query", "types"):
        assert run("--verify", name).said == ""
    old_or_new.run("UPDATE types SET b = NOT b")
    assert "public.types: changed since: 3 rows then and now, with other values" in run("--verify", "types", status=1).out


def test_a_table_that_is_locked(old_or_new, run):
    """Locks, what holds them, and the notes of that, come from catalogues that versions have in their own way."""
    other = subprocess.Popen(["psql", "-XAtq", "-d", old_or_new.conninfo()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        other.stdin.write("BEGIN; LOCK TABLE parts; SELECT 1;\n")
        other.stdin.flush()
        assert other.stdout.readline() == "1\n"
        one = run("--target", "made", "--lock-wait", "100", "parts", status=1)
        assert "public.parts" in one.said and "locked" in one.said, one.said
    finally:
        other.stdin.close()
        other.stdout.close()
        other.wait()
