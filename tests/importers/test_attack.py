"""What tables can have in them and do not look as if they could: names, shapes, sizes and values, through the whole of an import, in every format, read back by
others."""

import base64
import csv
import json
import math
import re
import shutil
import subprocess
import sys

import pytest

import readers
from importing import BINARY, Import, Imported, peak, rows_of

sys.path.insert(0, str(readers.folder()))

FORMATS = ("parquet", "avro", "jsonl", "csv", "text")
NAMES = ['x"; drop table t;--', "x'; drop table t;--", "Ünïcode Tabelle", "日本語", "a.b", "a b", 'quo"te', "back\\slash", "select", "SELECT", "*", "$1", "%s%n",
         "new\nline", "''", "😀" * 15 + "abc", "n" * 63, "\u009b31m", "--", "/*", "x\ty", "../..", ".", "..", "\x1b[31m", "_", "CON", "a/b", "a,b", "{}", "null", "1", "é", "e\u0301"]
ESCAPE = "\x1b[31m"
LONG = 1 << 28


@pytest.fixture
def imported(database, tmp_path):
    """imported(kind, words...): what a whole import has made."""
    count = 0

    def run(kind, *words, status=0, address=database.address):
        nonlocal count
        count += 1
        one = Import(address, "--target", f"made{count}", "--format", kind, *words, cwd=tmp_path)
        assert one.end() == status, one.said
        assert (tmp_path / f"made{count}").exists() == (status == 0)
        if status:
            return one
        made = Imported(tmp_path / f"made{count}")
        made.said = one.said
        return made

    return run


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def fields_of(path, kind):
    """The rows of a file of text: lists of texts, "\\N" for NULL."""
    if kind == "csv":
        with open(path, newline="", encoding="utf-8") as file:
            return list(csv.reader(file))
    with open(path, "rb") as file:
        return [unescape(line) for line in split(file.read())]


def split(data):
    """Lines that end in a line feed which no backslash stands before."""
    lines, line, escaped = [], bytearray(), False
    for byte in data:
        if byte == 10 and not escaped:
            lines.append(bytes(line))
            line.clear()
            continue
        line.append(byte)
        escaped = byte == 92 and not escaped
    assert not line, "the last line has its end"
    return lines


def unescape(line):
    fields, field, at = [], bytearray(), 0
    while at < len(line):
        if line[at] == 9:
            fields.append(field)
            field = bytearray()
        elif line[at] == 92 and line[at + 1: at + 2] == b"N":
            field += b"\\N"
            at += 1
        elif line[at] == 92:
            at += 1
            field += {110: b"\n", 114: b"\r", 116: b"\t"}.get(line[at], line[at: at + 1])
        else:
            field.append(line[at])
        at += 1
    return [bytes(one).decode() for one in (*fields, field)]


def all_rows(made, kind, schema="public", name=None):
    read = fields_of if kind in ("csv", "text") else rows_of
    return [row for path in made.files(schema, name) for row in read(path, kind)]


def duck(query):
    import duckdb

    return duckdb.sql(query).fetchall()


# ---- names -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", FORMATS)
def test_names_of_columns(database, imported, kind):
    columns = ", ".join(f"{quoted(name)} int" for name in NAMES)
    database.run(f"create table t (a int); create table names ({columns}); insert into names values ({', '.join(map(str, range(len(NAMES))))})")
    made = imported(kind, *(("--header",) if kind in ("csv", "text") else ()), "names")
    rows = all_rows(made, kind)
    assert [int(value) for value in rows[-1]] == list(range(len(NAMES)))
    assert [column["name"] for column in made.manifest["tables"][0]["columns"]] == NAMES
    path, = made.files()
    if kind == "jsonl":
        assert list(json.loads(open(path, encoding="utf-8").read())) == NAMES
    elif kind == "parquet":
        import pyarrow.parquet

        assert pyarrow.parquet.read_schema(path).names == NAMES
        assert len(duck(f"select * from '{path}'")[0]) == len(NAMES)
    elif kind == "avro":
        import fastavro

        with open(path, "rb") as file:
            fields = fastavro.reader(file).writer_schema["fields"]
        assert len({field["name"] for field in fields}) == len(NAMES)
        assert all(re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", field["name"]) for field in fields)
    else:
        assert rows[0] == NAMES
    assert database.run("select count(*) from t") == "0\n"


def test_names_of_tables(database, imported):
    """Each has a directory of its own, below the target and nowhere else."""
    for number, name in enumerate(NAMES):
        database.run(f"create table {quoted(name)} (a int); insert into {quoted(name)} values ({number})")
    made = imported("jsonl", "--schema", "public")
    assert sorted(name for _, name in made.tables) == sorted(NAMES)
    assert len({table["directory"] for table in made.manifest["tables"]}) == len(NAMES)
    for number, name in enumerate(NAMES):
        assert all_rows(made, "jsonl", "public", name) == [[number]]
        assert made.tables[("public", name)]["directory"].isascii() and "/" not in made.tables[("public", name)]["directory"]


def test_what_is_said_of_names_has_no_escapes(database, imported):
    """Whoever may make a table could else write on an administrator's terminal."""
    name = "\x1b]0;owned\x07\x1b[2J\r"
    database.run(f"create table {quoted(name)} (a int, {quoted(name)} text); insert into {quoted(name)} values (1, repeat('x', 2000000))")
    for words in (("--progress", "lines"), ("--progress", "json"), ("--max-row", "1MiB")):
        one = imported("jsonl", *words, quoted(name), status=1 if "--max-row" in words else 0)
        assert not set(one.said) & set("\x1b\x07\r\x9b"), one.said
    assert "\\x1B]0;owned\\x07" in one.said
    one = imported("jsonl", "--columns", "a\x1b[2J\x9b", quoted(name), status=1)
    assert not set(one.said) & set("\x1b\x9b") and "a\\x1B[2J\\xC2\\x9B" in one.said


@pytest.mark.parametrize("how", ("lines", "json"))
def test_what_a_plan_and_a_comparison_say_of_names_has_no_escapes(database, imported, tmp_path, how):
    for name in NAMES:
        database.run(f"create table {quoted(name)} ({quoted(name)} int)")
    said = ""
    for words in (("--schema", "public"), ("--query", f"select 1 as {quoted(ESCAPE)}"), ("--split-by", ESCAPE, quoted(ESCAPE))):
        one = Import(database.address, "--explain", *words, cwd=tmp_path)
        assert one.end() == 0, one.said
        said += one.out
    assert [line for line in said.splitlines() if line.startswith("public.x\\x09y: ")] and "    new\\x0Aline " in said
    imported("jsonl", "--schema", "public")
    for name in NAMES:
        database.run(f"alter table {quoted(name)} alter {quoted(name)} type bigint" if name == ESCAPE else f"insert into {quoted(name)} values (1)")
    database.run(f"drop table {quoted(chr(0x9b) + '31m')}")
    one = Import(database.address, "--verify", "made1", "--progress", how, cwd=tmp_path)
    assert one.end() == 1 and one.out.count("\n") == len(NAMES) + 1
    assert not [character for character in said + one.out + one.said if character != "\n" and (character < " " or "\x7f" <= character < "\xa0")]


def test_words_of_any_bytes(database, imported, tmp_path):
    """A path need not be UTF-8, and what is not is not found out at the end."""
    database.run("create table t (a int); insert into t values (1)")
    done = subprocess.run([BINARY, "import", "--connect", database.address, "--format", "jsonl", "--target", b"caf\xe9", "t"], cwd=tmp_path,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
    assert done.returncode == 0 and b"caf\\xE9: 1 rows" in done.stderr, done.stderr
    assert "caf\\xE9" in json.loads((tmp_path / "caf\udce9" / "manifest.json").read_text())["options"]


def test_events_of_any_bytes(database, tmp_path):
    """JSON takes nothing but UTF-8: an event that says other bytes is not left out."""
    database.run("create table t (a int); insert into t values (1)")

    def events(*words, status):
        done = subprocess.run([BINARY, "import", "--progress", "json", *words], cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
        assert done.returncode == status, done.stderr
        return [json.loads(line) for line in (done.stdout + done.stderr).decode().splitlines() if line.startswith("{")]

    said = events("--connect", database.address, "--format", "jsonl", "--target", b"caf\xe9", "t", status=0)
    assert [event["target"] for event in said if event["event"] == "done"] == ["caf\\xE9"]
    (tmp_path / "caf\udce9" / "part-00000.jsonl").unlink()
    said = events("--verify", b"caf\xe9", status=1)
    assert ["caf\\xE9" in event["text"] for event in said if event["event"] == "file"] == [True]


# ---- shapes ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", FORMATS)
def test_1600_columns(database, imported, kind):
    database.run("create table wide (" + ", ".join(f"{'c' * 59}{i:04} int" for i in range(1600)) + ");"
                 f"insert into wide ({'c' * 59}0000, {'c' * 59}1599) select g, -g from generate_series(1, 100) g")
    rows = all_rows(imported(kind, "wide"), kind)
    nothing = {"csv": "", "text": "\\N"}.get(kind)
    assert sorted((int(row[0]), int(row[1599]), len(row)) for row in rows) == [(g, -g, 1600) for g in range(1, 101)]
    assert all(row[1:1599] == [nothing] * 1598 for row in rows)


@pytest.mark.parametrize("kind", FORMATS)
def test_no_columns(database, imported, kind):
    database.run("create table none (); insert into none select from generate_series(1, 3)")
    made = imported(kind, "none")
    assert made.manifest["tables"][0]["rows"] == 3
    path, = made.files()
    if kind == "parquet":
        import pyarrow.parquet

        assert pyarrow.parquet.ParquetFile(path).metadata.num_rows == 3
    else:
        assert len(all_rows(made, kind)) == 3


@pytest.mark.parametrize("kind", FORMATS)
def test_columns_that_were_dropped_or_are_generated(database, imported, kind):
    database.run("create table t (gone int, a int, gone2 text, b int generated always as (a * 2) stored, gone3 int, "
                 "c int generated by default as identity);"
                 "insert into t (gone, a, gone2, gone3) select g, g, 'x', g from generate_series(1, 50) g;"
                 "alter table t drop gone, drop gone2, drop gone3, add d int not null default 7")
    made = imported(kind, "t")
    assert [column["name"] for column in made.manifest["tables"][0]["columns"]] == ["a", "b", "c", "d"]
    assert sorted([int(value) for value in row] for row in all_rows(made, kind)) == [[g, 2 * g, g, 7] for g in range(1, 51)]


# ---- values ----------------------------------------------------------------------------------------------------------

TEXTS = ["", " ", "\\", "\\N", "\\\\N", '"', '""', "'", ",", "\t", "\n", "\r\n", "a\\", "\x01", "\x7f", "\u2028", "\ufeff", "\U0010ffff", "e\u0301", "null", "NULL",
         "'; drop table t;--", "\x08\x0b\x0c\x1b[2J", "=cmd|'/c calc'!A1", "</script>", "x" * 70000, "ä" * 33000]


@pytest.mark.parametrize("kind", FORMATS)
def test_texts(database, imported, kind):
    values = ", ".join("({}, convert_from('\\x{}', 'UTF8'))".format(number, text.encode().hex()) for number, text in enumerate(TEXTS))
    database.run(f"create table texts (id int, t text); insert into texts values {values}, ({len(TEXTS)}, null)")
    rows = sorted(([int(row[0]), row[1]] for row in all_rows(imported(kind, *(("--null-string", "(none)") if kind == "csv" else ()), "texts"), kind)))
    nothing = {"csv": "(none)", "text": "\\N"}.get(kind)
    # In text "\N" alone is NULL; the text is written "\\N", and read as what it is.
    assert rows[-1] == [len(TEXTS), nothing]
    assert [text for _, text in rows[:-1]] == TEXTS


@pytest.mark.parametrize("kind", FORMATS)
def test_bytes(database, imported, kind):
    everything = bytes(range(256)) * 2
    values = [b"", b"\0", b"\0\0a\0", everything, b"\xff\xfe", b"\\x00", b"\n\t,\""]
    database.run("create table bytes (id int, b bytea); insert into bytes values "
                 + ", ".join(f"({number}, '\\x{value.hex()}')" for number, value in enumerate(values)))
    rows = sorted([int(row[0]), row[1]] for row in all_rows(imported(kind, "bytes"), kind))
    taken = [value if kind in ("parquet", "avro") else base64.b64decode(value, validate=True) for _, value in rows]
    assert taken == values


@pytest.mark.parametrize("kind", FORMATS)
def test_bytes_that_are_no_text(server, database, imported, kind):
    """A database whose encoding is SQL_ASCII holds any bytes: they are told with their place, and nothing appears."""
    name = database.name + "a"
    server.run(f"create database {name} encoding 'SQL_ASCII' locale 'C' template template0")
    try:
        server.run("create table good (a text); insert into good values (E'Gr\\xc3\\xbc\\xc3\\x9fe'); create table bad (a text);"
                   "insert into bad values ('ok'), (E'\\xff\\xfe'); create table late (a text); insert into late select 'ok' from generate_series(1, 100000);"
                   "insert into late values (E'\\xed\\xa0\\x80')", name)
        server.run("do $$ begin execute E'create table u(\"a\\xff\" int)'; execute E'create table \"v\\xff\" (a int)'; end $$", name)
        address = server.conninfo(name)
        assert all_rows(imported(kind, "good", address=address), kind) == [["Grüße"]]
        for table in ("bad", "late", "u"):
            one = imported(kind, table, address=address, status=1)
            assert f"public.{table}" in one.said or table == "u", one.said
            assert "UTF" in one.said, one.said
        assert "UTF" in imported(kind, "--schema", "public", address=address, status=1).said
    finally:
        server.run(f"drop database {name} with (force)")


@pytest.mark.parametrize("kind", FORMATS)
def test_arrays_with_bounds_of_their_own(database, imported, kind):
    database.run("create table arrays (id int, a int[]); insert into arrays values (1, '{1,2}'), (2, '[5:6]={3,4}'), (3, '[-2:-1]={null,5}'), (4, '{}'),"
                 "(5, null), (6, '[2147483646:2147483646]={6}')")
    one = imported(kind, "arrays", status=1)
    assert "row 2" in one.said and "column a" in one.said and "does not start at 1" in one.said
    texts = imported(kind, "--arrays", "text", "arrays")
    assert "[5:6]={3,4}" in [row[1] for row in all_rows(texts, kind)]
    made = imported(kind, "--arrays", "json", "arrays")
    rows = sorted(([int(row[0]), row[1]] for row in all_rows(made, kind)), key=lambda row: row[0])
    wanted = [[1, 2], [3, 4], [None, 5], [], None, [6]]
    if kind != "jsonl":
        rows = [[number, None if value in (None, "", "\\N") else json.loads(value)] for number, value in rows]
    assert [value for _, value in rows] == wanted
    assert made.manifest["tables"][0]["columns"][1]["lower_bounds_dropped"] == 3


NUMERICS = ["0", "-0.0000", "1e131071", "-1e131071", "1e-16383", "9" * 1000 + "." + "9" * 1000, "0.1", "10000", "0.0001", "123456789012345678901234567890.123456789"]


@pytest.mark.parametrize("kind", FORMATS)
def test_extreme_numerics(database, imported, kind):
    database.run("create table numerics (id int, n numeric); insert into numerics values "
                 + ", ".join(f"({number}, {value})" for number, value in enumerate(NUMERICS)))
    wanted = [line.split("|")[1] for line in database.run("select * from numerics order by id").splitlines()]
    made = imported(kind, "numerics")
    if kind == "jsonl":
        found = {}
        for path in made.files():
            for line in open(path, encoding="utf-8"):
                row = json.loads(line, parse_float=str, parse_int=str)
                found[int(row["id"])] = row["n"]
    else:
        found = {int(row[0]): row[1] for row in all_rows(made, kind)}
    assert [found[number] for number in range(len(NUMERICS))] == wanted


csv.field_size_limit(1 << 30)

TIMES = [("'infinity'", "'-infinity'", "'infinity'", False), ("'294246-12-31 23:59:59.999999'", "'4713-01-01 00:00:00 BC'", "'5874897-12-31'", True),
         ("'0001-01-01 00:00:00'", "'0001-12-31 23:59:59.999999 BC'", "'4713-01-01 BC'", True),
         ("'1969-12-31 23:59:59.999999'", "'1970-01-01'", "'1969-12-31'", True)]


def test_extreme_times_in_parquet(database, imported):
    """As the numbers that the format defines: not every reader has dates that far off."""
    import pyarrow.parquet

    database.run("create table times (id int, a timestamp, b timestamptz, d date); insert into times values "
                 + ", ".join(f"({number}, {a}, {b}, {d})" for number, (a, b, d, _) in enumerate(TIMES)))
    made = imported("parquet", "--infinity", "null", "times")
    wanted = [line.split("|") for line in database.run(
        "select (extract(epoch from a) * 1000000)::numeric(30, 0), (extract(epoch from b) * 1000000)::numeric(30, 0), d - '1970-01-01'::date "
        "from times where id > 0 order by id").splitlines()]
    table = pyarrow.parquet.read_table(made.files()[0])
    rows = list(zip(*(table.column(name).combine_chunks().view("int32" if name == "d" else "int64").to_pylist() for name in "abd")))
    assert rows[0] == (None, None, None)
    assert [[str(value) for value in row] for row in rows[1:]] == wanted
    assert [column.get("infinities_to_null", 0) for column in made.manifest["tables"][0]["columns"]] == [0, 1, 1, 1]
    assert "infinite" in made.said
    assert "year 294246" in imported("parquet", "--query", "select timestamp '294276-01-01' a", status=1).said
    one = imported("parquet", "times", status=1)
    assert "infinit" in one.said and "public.times" in one.said


@pytest.mark.parametrize("kind", ("jsonl", "csv", "text"))
def test_extreme_times_as_text(database, imported, kind):
    database.run("create table times (id int, a timestamp, d date, f float8); insert into times values (1, 'infinity', '-infinity', 'NaN'),"
                 "(2, '294246-12-31 23:59:59.999999', '5874897-12-31', 1e308), (3, '4713-01-01 BC', '4713-01-01 BC', 5e-324), (4, '-infinity', 'infinity', '-Infinity')")
    rows = sorted(([int(row[0]), *row[1:]] for row in all_rows(imported(kind, "times"), kind)), key=lambda row: row[0])
    assert [row[1:3] for row in rows if row[0] in (1, 4)] == [["infinity", "-infinity"], ["-infinity", "infinity"]]
    assert rows[1][1:3] == ["+294246-12-31T23:59:59.999999", "+5874897-12-31"]
    assert float(rows[1][3]) == 1e308 and float(rows[2][3]) == 5e-324
    assert math.isnan(float(rows[0][3])) and float(rows[3][3]) == -math.inf


# ---- sizes -----------------------------------------------------------------------------------------------------------

def check_long(made, kind):
    text, data = "0123456789abcdef" * (LONG >> 4), b"\x00\xff" * (LONG >> 1)
    if kind in ("parquet", "avro"):
        rows = {row[0]: row[1:] for row in all_rows(made, kind)}
    else:
        path, = made.files()
        with open(path, encoding="utf-8") as file:
            fields = (list(json.loads(line).values()) if kind == "jsonl" else line.rstrip("\n").split("\t") for line in file)
            rows = {int(row[0]): [row[1], row[2] if row[2] in (None, "\\N") else base64.b64decode(row[2])] for row in fields}
    nothing = "\\N" if kind == "text" else None
    assert rows[2] == [text, nothing] and rows[4] == [nothing, data]
    assert [rows[number] for number in (1, 3, 5)] == [["a", b"a"], ["b", b"b"], ["c", b"c"]]


def test_rows_of_256_mib(database, imported, tmp_path):
    """A text and bytes, each in a row of its own between small ones."""
    database.run("create table long (id int, t text, b bytea); alter table long alter t set storage external, alter b set storage external;"
                 f"insert into long values (1, 'a', 'a'), (2, repeat('0123456789abcdef', {LONG >> 4}), null), (3, 'b', 'b'), (5, 'c', 'c');"
                 "insert into long select 4, null, string_agg(d, '') from "
                 f"(select decode(repeat('00ff', {1 << 19}), 'hex') d from generate_series(1, {LONG >> 20})) pieces")
    for kind in ("parquet", "avro", "jsonl", "text"):
        made = imported(kind, "--compression", "none", "long")
        check_long(made, kind)
        shutil.rmtree(made.folder)
    # libpq's buffer is a power of two, and while the server sends fast enough libpq fills it: two copies of a row of this length.
    for kind, copies in (("parquet", 5), ("avro", 4), ("jsonl", 4)):
        target = tmp_path / "measured"
        most = peak([BINARY, "import", "--connect", database.address, "--target", target, "--connections", "1", "--format", kind, "--compression", "none", "long"])
        assert most < (copies + 0.5) * LONG, (kind, most)
        shutil.rmtree(target)
    one = imported("parquet", "--max-row", "255MiB", "long", status=1)
    assert "public.long" in one.said and "at most 267386880 are allowed" in one.said
