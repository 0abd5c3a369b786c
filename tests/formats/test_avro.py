"""Files of Avro, read back value by value by fastavro and by Apache's own reader for Python."""

import contextlib
import datetime
import decimal
import json
import struct
import uuid

import avro.datafile
import avro.errors
import avro.io
import fastavro
import fastavro.read
import pytest

import tables
from tables import field

CODECS = {"none": "null", "deflate": "deflate", "snappy": "snappy", "zstd": "zstandard"}
LOGICAL = ("int-date", "long-time-micros", "long-timestamp-micros", "long-local-timestamp-micros")
# It says so of local timestamps, and takes them for integers.
pytestmark = pytest.mark.filterwarnings("ignore::avro.errors.IgnoredLogicalType")
APACHE = ("read_date_from_int", "read_time_micros_from_long", "read_timestamp_micros_from_long")


@contextlib.contextmanager
def plain_times(monkeypatch):
    """Dates and times as the integers that stand in the file: Python has no year 0, no year 10000 and no 24:00."""
    with monkeypatch.context() as patch:
        for name in LOGICAL:
            patch.setitem(fastavro.read.LOGICAL_READERS, name, lambda value, *_: value)
        for name in APACHE:
            patch.setattr(avro.io.BinaryDecoder, name, lambda self: self.read_long())
        yield


def by_fastavro(path):
    with open(path, "rb") as file:
        return list(fastavro.reader(file))


def by_apache(path):
    with avro.datafile.DataFileReader(open(path, "rb"), avro.io.DatumReader()) as reader:
        return list(reader)


READERS = {"fastavro": by_fastavro, "apache": by_apache}


def schema_of(path):
    with open(path, "rb") as file:
        return json.loads(fastavro.reader(file).metadata["avro.schema"])


def exact(value):
    """Something that is equal only for the same value: NaN is NaN, -0.0 is not 0.0, 1.0 is not 1, a Decimal's scale counts."""
    if isinstance(value, list):
        return [exact(one) for one in value]
    if isinstance(value, float):
        return "NaN" if value != value else struct.pack(">d", value)
    if isinstance(value, decimal.Decimal):
        return value.as_tuple()
    if isinstance(value, uuid.UUID):
        value = str(value)  # Apache's reader leaves it so
    return type(value).__name__, value


def same(path, fields, rows, reader):
    """Reads the file and compares every value."""
    got = READERS[reader](path)
    assert len(got) == len(rows)
    for number, (row, expected) in enumerate(zip(got, rows)):
        assert len(row) == len(fields)
        for one, value, wanted in zip(fields, row.values(), expected):
            assert exact(value) == exact(wanted), f"row {number}, {one}"


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("reader", READERS)
def test_edges(write_table, monkeypatch, codec, reader):
    fields, rows = tables.edge_table()
    path = write_table(fields, rows, format="avro", codec=codec, batch_rows=5)
    with plain_times(monkeypatch):
        same(path, fields, rows, reader)


@pytest.mark.parametrize("seed", range(24))
def test_random_tables(write_table, monkeypatch, seed):
    fields, rows = tables.random_table(seed)
    path = write_table(fields, rows, format="avro", codec=list(CODECS)[seed % 4], group_size=[0, 1, 3000][seed % 3], batch_rows=seed * 7)
    with plain_times(monkeypatch):
        for reader in READERS:
            same(path, fields, rows, reader)


@pytest.mark.parametrize("reader", READERS)
def test_logical_types(write_table, reader):
    """What readers make of them when nobody asks for integers."""
    zone = datetime.timezone(datetime.timedelta(hours=2))
    moment = datetime.datetime(2024, 2, 29, 23, 59, 59, 999999)
    fields = [field("d", "date"), field("t", "time"), field("n", "decimal", 20, 5), field("u", "uuid"),
              field("z", "timestamp_utc"), field("l", "timestamp")]
    values = [moment.date(), moment.time(), decimal.Decimal("-123.45600"), uuid.uuid4(), moment.replace(tzinfo=zone), moment]
    (row,) = READERS[reader](write_table(fields, [values], format="avro"))
    *got, local = row.values()
    assert exact(got) == exact(values[:4] + [values[4].astimezone(datetime.timezone.utc)])
    assert got[4].utcoffset() == datetime.timedelta(0)
    if reader == "apache" and isinstance(local, int):  # it does not know local timestamps
        local = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=local)
    assert local == moment


def test_schema(write_table):
    fields = [field(kind, kind) for kind in tables.SCALARS] + [field("list", "list", 9, 4, element="decimal")]
    path = write_table(fields, [], format="avro", name="public.meters")
    schema = schema_of(path)
    assert (schema["type"], schema["name"], schema["tableName"]) == ("record", "public_meters", "public.meters")
    types = {}
    for one in schema["fields"]:
        assert one["default"] is None and one["columnName"] == one["name"]
        null, types[one["name"]] = one["type"]
        assert null == "null"
    assert types == {
        "bool": "boolean", "int32": "int", "int64": "long", "float32": "float", "float64": "double",
        "decimal": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2},
        "date": {"type": "int", "logicalType": "date"},
        "time": {"type": "long", "logicalType": "time-micros"},
        "timestamp": {"type": "long", "logicalType": "local-timestamp-micros"},
        "timestamp_utc": {"type": "long", "logicalType": "timestamp-micros"},
        "uuid": {"type": "string", "logicalType": "uuid"},
        "number": "string", "string": "string", "json": "string", "bytes": "bytes",
        "list": {"type": "array", "items": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 4}]},
    }


def test_names(write_table):
    names = ["id", "order line", "order-line", "1st", "", "größe", "x\"y\\z\n", "id_", "order_line", "_", "表", "列", "ID", "a.b"]
    rows = [[str(number) for number in range(len(names))]]
    path = write_table([field(name, "string") for name in names], rows, format="avro", name="1 große Tabelle")
    schema = schema_of(path)
    assert schema["name"] == "_1_gro_e_Tabelle" and schema["tableName"] == "1 große Tabelle"
    assert [one["columnName"] for one in schema["fields"]] == names
    legal = [one["name"] for one in schema["fields"]]
    assert legal == ["id", "order_line_2", "order_line_3", "_1st", "__5", "gr_e", "x_y_z_", "id_", "order_line", "_", "__11", "__12",
                     "ID", "a_b"]
    for read in READERS.values():
        assert read(path) == [dict(zip(legal, rows[0]))]


def test_names_twice(write_table):
    """A query may call two columns alike."""
    path = write_table([field(name, "int32") for name in ("a", "a", "a_2", "a")], [[1, 2, 3, 4]], format="avro")
    assert by_fastavro(path) == by_apache(path) == [{"a": 1, "a_6": 2, "a_2": 3, "a_4": 4}]


def test_metadata(write_table):
    metadata = {"penstock.query": "select *\nfrom \"größe\"", "empty": ""}
    path = write_table([field("a", "int32")], [[1]], format="avro", codec="zstd", metadata=metadata)
    with open(path, "rb") as file:
        read = fastavro.reader(file).metadata
    assert read.pop("avro.codec") == "zstandard" and read.pop("avro.schema")
    assert read == metadata
    with avro.datafile.DataFileReader(open(path, "rb"), avro.io.DatumReader()) as reader:
        assert {key: reader.get_meta(key).decode() for key in metadata} == metadata
    with pytest.raises(write_table.Refused, match="reject: .*metadata avro.schema"):
        write_table([], [], format="avro", metadata={"avro.schema": "{}"})


@pytest.mark.parametrize("codec", CODECS)
def test_no_rows_and_no_columns(write_table, codec):
    for fields, rows in (([], []), ([field("a", "int64")], []), ([], [[]] * 10000)):
        path = write_table(fields, rows, format="avro", codec=codec)
        for read in READERS.values():
            assert read(path) == [{} for _ in rows]


def test_1600_columns(write_table):
    fields = [field(f"列{number}" if number % 2 else f"c{number}", ("int32", "string")[number // 2 % 2]) for number in range(1600)]
    rows = [[None if (row + place) % 3 else (row * place, f"{row}-{place}")[place // 2 % 2] for place in range(1600)] for row in range(40)]
    path = write_table(fields, rows, format="avro", codec="snappy")
    for reader in READERS:
        same(path, fields, rows, reader)
    assert [one["columnName"] for one in schema_of(path)["fields"]] == [one["name"] for one in fields]


@pytest.mark.parametrize("codec", CODECS)
def test_blocks(write_table, codec):
    """They end behind the row that makes them 256 KiB or more, and hold a value of any length."""
    sizes = [10] * 1000 + [5_000_000] + [100_000] * 5 + [3_000_000, 262_144, 0, 1]
    rows = [[number, bytes([number % 251]) * size] for number, size in enumerate(sizes)]
    path = write_table([field("a", "int64"), field("b", "bytes")], rows, format="avro", codec=codec)
    with open(path, "rb") as file:
        blocks = [[row["a"] for row in block] for block in fastavro.block_reader(file)]
    assert [len(block) for block in blocks] == [1001, 3, 3, 1, 2]
    assert sum(blocks, []) == [row[0] for row in rows]
    for read in READERS.values():
        assert [row["b"] for row in read(path)] == [row[1] for row in rows]


def test_blocks_of_many_short_rows(write_table):
    rows = [[number] for number in range(300_000)]
    path = write_table([field("a", "int64")], rows, format="avro", codec="deflate", level=9)
    with open(path, "rb") as file:
        blocks = [block.num_records for block in fastavro.block_reader(file)]
    assert sum(blocks) == len(rows) and len(blocks) > 1
    assert [row["a"] for row in by_fastavro(path)] == [row[0] for row in rows]


@pytest.mark.parametrize("kind", tables.INFINITE)
@pytest.mark.parametrize("sign", (0, 1))
def test_infinity_is_refused(write_table, kind, sign):
    infinite = tables.INFINITE[kind][sign]
    with pytest.raises(write_table.Refused, match=r"^reject: column b, row 6: Avro has no infinite (date|timestamp)"):
        write_table([field("a", kind), field("b", kind)], [[1, 2]] * 5 + [[3, infinite]], format="avro", batch_rows=4)
    with pytest.raises(write_table.Refused, match=r"^reject: column b, row 3: Avro has no infinite (date|timestamp)"):
        write_table([field("b", "list", element=kind)], [[[1, None]], [[]], [[2, infinite]], [[infinite]]], format="avro")


def test_refused_codecs(write_table):
    with pytest.raises(write_table.Refused, match="reject: Avro has no codec gzip: choose deflate"):
        write_table([], [], format="avro", codec="gzip")
    with pytest.raises(write_table.Refused, match="reject: codec zstd: level 30 is not"):
        write_table([], [], format="avro", codec="zstd", level=30)


def test_levels(write_table):
    rows = [[number, f"row {number * 7919 % 1000}"] for number in range(20000)]
    sizes = [write_table([field("a", "int32"), field("b", "string")], rows, format="avro", codec="deflate", level=level).stat().st_size
             for level in (1, 9)]
    assert sizes[1] < sizes[0]


def test_two_files_have_two_sync_markers(write_table):
    first, second = (write_table([field("a", "int32")], [[1]], format="avro").read_bytes() for _ in range(2))
    assert first[:-16] != second[:-16] and first[-16:] != second[-16:]
    assert first.count(first[-16:]) == 2
