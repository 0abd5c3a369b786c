"""Files of every format, read back value by value by Apache Spark, in one session.

Where Spark differs by its own nature:

| format | type | what Spark 3.5 does |
|---|---|---|
| Parquet | time, uuid | refuses the whole file, but for a schema that leaves the column out; an import can make strings of them |
| Parquet, Avro | date, timestamp with time zone | values before 1582-10-15 and 1900 are refused unless datetimeRebaseModeInRead says CORRECTED |
| Avro | time | a long of microseconds |
| CSV | string | an empty one is NULL, too, unless nullValue is something that nobody writes |
| all | year 0, years above 9999 | holds them; only Python cannot show them |
| JSON lines | json | writes the value anew: blanks and the spelling of numbers go; a string loses its quotes |
"""

import decimal
import json
import math
import os
import pathlib
import struct
import subprocess
import uuid

import pytest

import spark
import tables
from postgres import QUIET, Postgres
from test_json_lines import typed_table
from text_values import text

PENSTOCK = pathlib.Path(os.environ.get("PENSTOCK") or pathlib.Path(__file__).resolve().parents[2] / "build" / "penstock")
PATIENCE = 120  # seconds
CODECS = {"parquet": ("none", "snappy", "gzip", "zstd"), "avro": ("none", "deflate", "snappy", "zstd")}
# Files without word of who wrote them may be of the time before Spark 3, when old dates were those of the Julian calendar.
CORRECTED = {f"spark.sql.{name}.datetimeRebaseModeInRead": "CORRECTED" for name in CODECS}
REFUSED = ("time", "uuid")  # of Parquet
# What has to be asked for, so that Python's types do not have to hold it.
WHOLE = {"date": "unix_date({})", "timestamp_utc": "unix_micros({})", "timestamp": "unix_micros(cast({} as timestamp))"}
NAMES = {"bool": "boolean", "int32": "int", "int64": "bigint", "float32": "float", "float64": "double", "date": "date", "timestamp": "timestamp_ntz",
         "timestamp_utc": "timestamp", "bytes": "binary"}


@pytest.fixture(scope="module")
def session():
    with spark.session(CORRECTED) as made:
        yield made


@pytest.fixture
def setting(session):
    """Options for one test."""
    before = {}

    def change(name, value):
        before[name] = session.conf.get(name)
        session.conf.set(name, value)

    yield change
    for name, value in before.items():
        session.conf.set(name, value)


def kind_of(one):
    return one.get("element", one["type"])


def spark_type(one, names=None):
    kind = kind_of(one)
    name = f"decimal({one['precision']},{one['scale']})" if kind == "decimal" else (names or NAMES).get(kind, "string")
    return f"array<{name}>" if one["type"] == "list" else name


def exact(value):
    """Equal only for the same value: NaN is NaN, -0.0 is not 0.0, 1.0 is not 1."""
    if isinstance(value, list):
        return [exact(one) for one in value]
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else struct.pack(">d", value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    return type(value).__name__, value


def expected(one, value):
    if isinstance(value, list):
        return [expected({"type": kind_of(one)}, element) for element in value]
    if value is None or isinstance(value, (bytes, float, decimal.Decimal)):
        return value
    return str(value) if isinstance(value, uuid.UUID) else tables.cell(value)


def collect(frame, fields):
    """Rows of plain values; columns are asked for by their place, since Avro's names are not the table's."""
    chosen = []
    for place, one in enumerate(fields):
        what = WHOLE.get(kind_of(one))
        if what and one["type"] == "list":
            chosen.append(f"transform(c{place}, x -> {what.format('x')})")
        else:
            chosen.append(what.format(f"c{place}") if what else f"c{place}")
    return [list(row) for row in frame.toDF(*(f"c{place}" for place in range(len(fields)))).selectExpr(*chosen).collect()]


def same(frame, fields, rows):
    got = collect(frame, fields)
    assert len(got) == len(rows)
    for number, (row, wanted) in enumerate(zip(got, rows)):
        for one, value, right in zip(fields, row, wanted):
            assert exact(value) == exact(expected(one, right)), f"row {number}, {one}"


def without(fields, rows, kinds):
    kept = [place for place, one in enumerate(fields) if kind_of(one) not in kinds]
    return [fields[place] for place in kept], [[row[place] for place in kept] for row in rows]


@pytest.mark.parametrize("vectorized", ("true", "false"))
@pytest.mark.parametrize("codec", CODECS["parquet"])
def test_parquet(session, setting, write_table, codec, vectorized):
    setting("spark.sql.parquet.enableVectorizedReader", vectorized)
    fields, rows = without(*tables.edge_table(), REFUSED)
    frame = session.read.parquet(str(write_table(fields, rows, format="parquet", codec=codec)))
    assert [one.dataType.simpleString() for one in frame.schema] == [spark_type(one) for one in fields]
    same(frame, fields, rows)


@pytest.mark.parametrize("seed", range(3))
def test_random_parquet(session, write_table, seed):
    """Several row groups and pages, with dictionaries and without."""
    fields, rows = without(*tables.random_table(seed, rows=2000), REFUSED)
    path = write_table(fields, rows, format="parquet", codec=CODECS["parquet"][seed], group_size=(0, 30_000, 300_000)[seed])
    same(session.read.parquet(str(path)), fields, rows)


@pytest.mark.parametrize("kind", REFUSED)
def test_types_that_it_refuses(session, write_table, kind):
    fields, rows = [tables.field("kept", "string"), tables.field("refused", kind)], [["one", None], ["two", None]]
    path = str(write_table(fields, rows, format="parquet"))
    with pytest.raises(Exception, match="Illegal Parquet type: .*" + kind.upper()):
        session.read.parquet(path).collect()
    assert [row.kept for row in session.read.schema("kept string").parquet(path).collect()] == ["one", "two"]


def test_an_import_that_it_reads(session, tmp_path):
    """--uuid string and --time string, which --explain shows, too."""
    server = Postgres(QUIET).start()
    try:
        server.run("CREATE TABLE t (n int, key uuid, keys uuid[], clock time); INSERT INTO t VALUES (1, '00112233-4455-6677-8899-aabbccddeeff', "
                   "ARRAY['ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid, NULL], '23:59:59.999999'), (2, NULL, NULL, NULL), (3, NULL, '{}', '24:00')")
        line = [PENSTOCK, "import", "--connect", server.conninfo(), "--uuid", "string", "--time", "string"]
        explained = subprocess.run([*line, "--explain", "t"], capture_output=True, text=True, check=True, timeout=PATIENCE).stdout
        assert [line.split("-> ")[1] for line in explained.splitlines() if "-> " in line] == ["32-bit integer", "string", "list of string", "string"]
        subprocess.run([*line, "--target", tmp_path / "made", "t"], check=True, timeout=PATIENCE)
    finally:
        server.close()
    frame = session.read.parquet(*map(str, (tmp_path / "made").glob("*.parquet")))
    assert [one.dataType.simpleString() for one in frame.schema] == ["int", "string", "array<string>", "string"]
    assert [tuple(row) for row in frame.orderBy("n").collect()] == [
        (1, "00112233-4455-6677-8899-aabbccddeeff", ["ffffffff-ffff-ffff-ffff-ffffffffffff", None], "23:59:59.999999"),
        (2, None, None, None), (3, None, [], "24:00:00")]


@pytest.mark.parametrize("name", CODECS)
def test_old_dates_have_to_be_asked_for(session, setting, write_table, name):
    fields, rows = [tables.field("day", "date")], [[-719162]]
    path = str(write_table(fields, rows, format=name))
    same(session.read.format(name).load(path), fields, rows)
    setting(f"spark.sql.{name}.datetimeRebaseModeInRead", "EXCEPTION")
    with pytest.raises(Exception, match="READ_ANCIENT_DATETIME"):
        session.read.format(name).load(path).collect()


@pytest.mark.parametrize("codec", CODECS["avro"])
def test_avro(session, write_table, codec):
    fields, rows = tables.edge_table()
    frame = session.read.format("avro").load(str(write_table(fields, rows, format="avro", codec=codec, batch_rows=5)))
    names = NAMES | {"time": "bigint"}
    assert [one.dataType.simpleString() for one in frame.schema] == [spark_type(one, names) for one in fields]
    same(frame, fields, rows)


def as_text(one, value):
    """What has no type of Spark's is a string there."""
    if isinstance(value, list):
        return [as_text({"type": kind_of(one)}, element) for element in value]
    return text(one, value) if value is not None and one["type"] in ("time", "uuid") else value


def test_json_lines(session, write_table):
    kinds = ("bool", "int32", "int64", "float32", "float64", "decimal", "date", "time", "timestamp", "timestamp_utc", "uuid", "string", "bytes")
    fields, rows = typed_table(11, kinds)
    path = str(write_table(fields, rows, format="json_lines"))
    schema = ", ".join(f"`{one['name']}` {spark_type(one)}" for one in fields)
    same(session.read.schema(schema).json(path, mode="FAILFAST"), fields, [[as_text(*pair) for pair in zip(fields, row)] for row in rows])


def same_json(found, wanted):
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(same_json, found, wanted))
    value = wanted if wanted is None else json.loads(wanted)
    return found == value if value is None or isinstance(value, str) else json.loads(found) == value


def test_json_within_json_lines(session, write_table):
    fields, rows = typed_table(12, ("json",))
    path = str(write_table(fields, rows, format="json_lines"))
    got = session.read.schema("`json` string, `json list` array<string>").json(path, mode="FAILFAST").collect()
    assert len(got) == len(rows)
    for row, wanted in zip(got, rows):
        for found, right in zip(row, wanted):
            assert found is right is None or same_json(found, right)


def test_csv(session, write_table):
    kinds = ("bool", "int32", "int64", "float32", "float64", "decimal", "date", "time", "timestamp", "timestamp_utc", "uuid", "string", "json")
    fields, rows = typed_table(13, kinds)
    scalars = len(kinds)
    fields, rows = fields[:scalars], [row[:scalars] for row in rows]
    path = str(write_table(fields, rows, format="delimited", delimited={"field": ",", "line": "\n", "quoting": "needed", "enclosure": '"', "header": True}))
    schema = ", ".join(f"`{one['name']}` {spark_type(one)}" for one in fields)
    frame = session.read.schema(schema).csv(path, header=True, multiLine=True, escape='"', lineSep="\n", nullValue="\0", mode="FAILFAST")
    same(frame, fields, [[as_text(*pair) for pair in zip(fields, row)] for row in rows])
