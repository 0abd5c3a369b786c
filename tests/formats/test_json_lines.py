"""JSON lines, read back value by value by Python's json, DuckDB and pyarrow."""

import datetime
import gzip
import json
import random
import uuid

import duckdb
import pyarrow
import pyarrow.json
import pytest
import zstandard

import tables
from tables import field
from text_values import finite, loads, same_json, text

OPENERS = {"none": lambda path: open(path, "rb"), "gzip": lambda path: gzip.open(path), "zstd": lambda path: zstandard.open(path)}
TYPED = ("bool", "int32", "int64", "float32", "float64", "decimal", "date", "time", "timestamp", "timestamp_utc", "uuid", "string",
         "json", "bytes")
DUCKDB = {"bool": "BOOLEAN", "int32": "INTEGER", "int64": "BIGINT", "float32": "FLOAT", "float64": "DOUBLE", "date": "DATE", "time": "TIME",
          "timestamp": "TIMESTAMP", "timestamp_utc": "TIMESTAMP", "uuid": "UUID", "string": "VARCHAR", "json": "JSON",
          "bytes": "VARCHAR"}
ARROW = {"bool": pyarrow.bool_(), "int32": pyarrow.int32(), "int64": pyarrow.int64(), "float32": pyarrow.float32(),
         "float64": pyarrow.float64()}


def lines(path, codec="none"):
    with OPENERS[codec](path) as file:
        whole = file.read().decode()
    assert whole == "" or whole.endswith("\n")
    return whole.split("\n")[:-1]


def same(path, fields, rows, codec="none"):
    got = lines(path, codec)
    assert len(got) == len(rows)
    for number, (line, wanted) in enumerate(zip(got, rows)):
        row = loads(line)
        assert list(row) == [one["name"] for one in fields]
        for one, value, expected in zip(fields, row.values(), wanted):
            assert same_json(value, one, expected), f"row {number}, {one}: {value!r}, not {expected!r}"


@pytest.mark.parametrize("codec", OPENERS)
def test_edges(write_table, codec):
    fields, rows = tables.edge_table()
    same(write_table(fields, rows, format="json_lines", codec=codec, batch_rows=5), fields, rows, codec)


@pytest.mark.parametrize("seed", range(24))
def test_random_tables(write_table, seed):
    fields, rows = tables.random_table(seed)
    same(write_table(fields, rows, format="json_lines", batch_rows=seed * 7), fields, rows)


def test_infinite_times(write_table):
    fields = [field(kind, kind) for kind in tables.INFINITE]
    rows = [list(row) for row in zip(*tables.INFINITE.values())]
    path = write_table(fields, rows, format="json_lines")
    same(path, fields, rows)
    assert [list(loads(line).values()) for line in lines(path)] == [["-infinity"] * 3, ["infinity"] * 3]


def typed_table(seed, kinds, rows=300):
    """Random columns of each type and a list of it, of values that a typed reader can hold (DuckDB takes long numbers of JSON for doubles)."""
    dice = random.Random(seed)
    fields = [field(kind, kind, 15, 6) for kind in kinds] + [field(f"{kind} list", "list", 15, 6, element=kind) for kind in kinds]
    columns = [[finite(one, value) for value in tables.column(dice, one, rows, 0.2)] for one in fields]
    return fields, [list(row) for row in zip(*columns)]


def from_duckdb(kind, value):
    """What DuckDB holds, as write_table was told."""
    if value is None or isinstance(value, list):
        return value and [from_duckdb(kind, one) for one in value] if value != [] else []
    if isinstance(value, (datetime.datetime, datetime.time)):
        return tables.micros(value)
    if isinstance(value, datetime.date):
        return tables.cell(value)
    return value


def plain(kind, value):
    if isinstance(value, list):
        return [plain(kind, one) for one in value]
    return text(kind, value) if kind == "bytes" and value is not None else value


def parsed(value):
    """JSON, or a list of it; its null and NULL are one."""
    return [parsed(one) for one in value] if isinstance(value, list) else value and json.loads(value)


@pytest.mark.parametrize("seed", range(4))
def test_duckdb(write_table, seed):
    fields, rows = typed_table(seed, TYPED)
    path = write_table(fields, rows, format="json_lines")

    def duck(one):
        kind = one.get("element", one["type"])
        return (DUCKDB.get(kind) or f"DECIMAL({one['precision']},{one['scale']})") + ("[]" if one["type"] == "list" else "")

    columns = {one["name"]: duck(one) for one in fields}
    with duckdb.connect() as database:
        got = database.execute(f"SELECT * FROM read_json('{path}', format = 'newline_delimited', columns = {columns})").fetchall()
    assert len(got) == len(rows)
    for number, (row, wanted) in enumerate(zip(got, rows)):
        for one, value, expected in zip(fields, row, wanted):
            kind = one.get("element", one["type"])
            if kind == "json":  # DuckDB writes it anew
                value, expected = parsed(value), parsed(expected)
            assert from_duckdb(kind, value) == plain(kind, expected), f"row {number}, {one}"


@pytest.mark.parametrize("codec", OPENERS)
def test_pyarrow(write_table, codec):
    kinds = ("bool", "int32", "int64", "float32", "float64", "string", "bytes", "uuid", "date", "time", "timestamp", "timestamp_utc")
    fields, rows = typed_table(7, kinds)
    path = write_table(fields, rows, format="json_lines", codec=codec)

    def arrow(one):
        kind = ARROW.get(one.get("element", one["type"]), pyarrow.string())
        return pyarrow.list_(kind) if one["type"] == "list" else kind

    schema = pyarrow.schema([(one["name"], arrow(one)) for one in fields])
    with OPENERS[codec](path) as file:
        table = pyarrow.json.read_json(
            pyarrow.BufferReader(file.read()), pyarrow.json.ReadOptions(block_size=1 << 26),
            pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"))
    assert table.num_rows == len(rows) and table.schema == schema
    for place, one in enumerate(fields):
        kind = one.get("element", one["type"])

        def wanted(value):
            if isinstance(value, list):
                return [wanted(item) for item in value]
            return value if value is None or kind in ARROW else text(kind, value)

        assert table.column(place).to_pylist() == [wanted(row[place]) for row in rows], one


def test_names(write_table):
    names = ["id", "", "a b", 'q"uote', "back\\slash", "line\nfeed", "größe", "表", "\u2028", "\x01"]
    path = write_table([field(name, "int32") for name in names], [list(range(len(names)))], format="json_lines")
    (line,) = lines(path)
    assert loads(line) == {name: ("number", str(number)) for number, name in enumerate(names)}
    with pytest.raises(write_table.Refused, match="reject: columns 1 and 3 are both named a"):
        write_table([field(name, "int32") for name in ("a", "b", "a")], [], format="json_lines")


def test_no_rows_and_no_columns(write_table):
    assert lines(write_table([field("a", "int32")], [], format="json_lines")) == []
    assert lines(write_table([], [[]] * 3, format="json_lines")) == ["{}"] * 3


def test_1600_columns(write_table):
    fields = [field(f"列{number}", ("int32", "string")[number % 2]) for number in range(1600)]
    rows = [[None if (row + place) % 3 else (row * place, f"{row}-{place}")[place % 2] for place in range(1600)] for row in range(40)]
    same(write_table(fields, rows, format="json_lines"), fields, rows)


def test_long_values(write_table):
    fields = [field("s", "string"), field("b", "bytes"), field("l", "list", element="string")]
    rows = [["\x01\"x" * 3_000_000, bytes(range(256)) * 20_000, ["é" * 1_000_000, None] * 3]]
    same(write_table(fields, rows, format="json_lines", codec="zstd"), fields, rows, "zstd")


@pytest.mark.parametrize("codec", ["snappy", "deflate"])
def test_codecs_that_are_none_of_text(write_table, codec):
    with pytest.raises(write_table.Refused, match=f"reject: text is not compressed with {codec}: choose gzip or zstd"):
        write_table([field("a", "int32")], [], format="json_lines", codec=codec)


def test_uuid(write_table):
    one = uuid.UUID("01234567-89ab-cdef-0123-456789abcdef")
    (line,) = lines(write_table([field("u", "uuid")], [[one]], format="json_lines"))
    assert line == '{"u":"01234567-89ab-cdef-0123-456789abcdef"}'
