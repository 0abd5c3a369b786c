"""Parquet files of the product's writer, read back by pyarrow and DuckDB value by value, and held against the specification."""

import datetime
import decimal
import math
import struct

import pytest

import tables
from parquet_file import ParquetFile, check_sums

CODECS = ("none", "snappy", "gzip", "zstd")
NAMES = {"none": "UNCOMPRESSED", "snappy": "SNAPPY", "gzip": "GZIP", "zstd": "ZSTD"}
TEXTS = ("number", "string", "json")


# ---- values as they were and as readers give them back ------------------------------------------------------------------------------


def raw(kind, value, scale=0):
    """A value as Parquet has it, whoever read it: integers, bytes, text, the bits of floats."""
    if value is None or kind in ("bool", "uuid", *TEXTS):
        return getattr(value, "bytes", value)
    if kind in ("float32", "float64"):
        return "NaN" if math.isnan(value) else struct.pack("<d", value)
    if kind == "decimal":
        return int(decimal.Decimal(value).scaleb(scale, decimal.Context(prec=60)))
    if kind == "bytes":
        return bytes(value)
    return tables.cell(value)


def expected(one, value):
    if one["type"] != "list":
        return raw(one["type"], value, one.get("scale", 0))
    return None if value is None else [raw(one["element"], element, one.get("scale", 0)) for element in value]


def bare(column):
    """A column of Arrow without Python's types: dates and times as integers, since Python has no year 0."""
    import pyarrow
    import pyarrow.compute

    def plain(kind):
        if pyarrow.types.is_date32(kind):
            return pyarrow.int32()
        return pyarrow.int64() if pyarrow.types.is_timestamp(kind) or pyarrow.types.is_time(kind) else kind

    kind = column.type
    if pyarrow.types.is_list(kind):
        return column.cast(pyarrow.list_(plain(kind.value_type))).to_pylist()
    return column.cast(plain(kind)).to_pylist()


def read_arrow(path, fields):
    import pyarrow.parquet

    table = pyarrow.parquet.ParquetFile(path, page_checksum_verification=True).read()
    table.validate(full=True)
    assert table.column_names == [one["name"] for one in fields]
    columns = [[expected(one, value) for value in bare(column)] for one, column in zip(fields, table.columns)]
    return table.num_rows, columns


def duck_column(one):
    """What to select, so that DuckDB gives back what Parquet has: Python's types do not reach as far as its own."""
    name = '"' + one["name"].replace('"', '""') + '"'
    many = one["type"] == "list"
    kind = one["element"] if many else one["type"]
    cast = {"date": "datediff('day', DATE '1970-01-01', {})", "timestamp": "epoch_us({})", "timestamp_utc": "epoch_us({})",
            "time": "epoch_us({})"}.get(kind, "{}")
    if cast == "{}":
        return name
    return f"list_transform({name}, lambda x: {cast.format('x')})" if many else cast.format(name)


def read_duck(path, fields):
    import duckdb

    connection = duckdb.connect()
    names = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM read_parquet('{path}')").fetchall()]
    assert names == [one["name"] for one in fields]
    chosen = ", ".join(map(duck_column, fields))
    rows = connection.execute(f"SELECT {chosen} FROM read_parquet('{path}')").fetchall()
    columns = [[expected(one, row[i]) for row in rows] for i, one in enumerate(fields)]
    return len(rows), columns


def check_values(path, fields, rows, readers=(read_arrow, read_duck)):
    for reader in readers:
        count, columns = reader(path, fields)
        assert count == len(rows), reader.__name__
        for i, one in enumerate(fields):
            for number, row in enumerate(rows):
                assert columns[i][number] == expected(one, row[i]), (reader.__name__, one, number)


# ---- the file against its own indexes -----------------------------------------------------------------------------------------------


ORDERED = {0: lambda value: value, 1: lambda value: struct.unpack("<i", value)[0], 2: lambda value: struct.unpack("<q", value)[0],
           4: lambda value: struct.unpack("<f", value)[0], 5: lambda value: struct.unpack("<d", value)[0], 6: lambda value: value}


def order_of(one, described):
    """What puts bounds into the column's order."""
    if described[1] == 7:
        signed = "decimal" in (one["type"], one.get("element"))
        return lambda value: int.from_bytes(value, "big", signed=signed)
    return ORDERED[described[1]]


def stored(one, physical, value):
    """A value as a bound would be: in the encoding PLAIN."""
    kind = one.get("element", one["type"])
    value = raw(kind, value, one.get("scale", 0))
    if kind in ("float32", "float64"):
        return None if value == "NaN" else struct.pack("<f" if physical == 4 else "<d", struct.unpack("<d", value)[0])
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return value
    if physical == 7:
        return value.to_bytes(16, "big", signed=True)
    return int(value).to_bytes({0: 1, 1: 4, 2: 8}[physical], "little", signed=physical > 0)


def levels_of(one, values):
    """How many entries rows have, and the values in them."""
    if one["type"] != "list":
        return len(values), [value for value in values if value is not None]
    inside = [element for value in values if value for element in value]
    return sum(max(1, len(value or ())) for value in values), [value for value in inside if value is not None]


def check_page(one, described, index, number, entries, values):
    order = order_of(one, described)
    assert index[5][number] == entries - len(values)
    assert index[1][number] == (not values)
    bounds = [stored(one, described[1], value) for value in values]
    least, greatest = index[2][number], index[3][number]
    if not values:
        assert (least, greatest) == (b"", b"")
        return
    assert len(least) <= 64 and len(greatest) <= 68
    real = [order(value) for value in bounds if value is not None]
    assert order(least) <= min(real) and max(real) <= order(greatest)
    if len(min((value for value in bounds if value is not None), key=order)) <= 64:
        assert order(least) == min(real)
    if len(max((value for value in bounds if value is not None), key=order)) <= 64:
        assert order(greatest) == max(real)
    if one.get("element", one["type"]) in TEXTS:
        assert least.decode() <= greatest.decode()


def check_chunk(file, one, chunk, values):
    """Pages, their CRC and both indexes of a chunk of a column that has these values."""
    described = chunk[3]
    pages = file.pages(chunk)
    check_sums(pages)
    data = [page for page in pages if page.header[1] == 0]
    assert [page.header[1] for page in pages if page not in data] == ([2] if 11 in described else [])
    assert data[0].offset == described[9]
    assert described[6] == sum(page.length - page.header[3] + page.header[2] for page in pages)
    assert sum(page.header[5][1] for page in data) == described[5]
    encodings = {0, 3} | {page.header[5][2] for page in data}
    assert set(described[2]) == encodings
    assert {(entry[1], entry[2]): entry[3] for entry in described[13]} == {
        (kind, encoding): count for kind, encoding, count in
        [(2, 0, len(pages) - len(data))] + [(0, code, sum(page.header[5][2] == code for page in data)) for code in (0, 8)] if count}

    places = file.offset_index(chunk)[1]
    assert [(place[1], place[2]) for place in places] == [(page.offset, page.length) for page in data]
    firsts = [place[3] for place in places] + [len(values)]
    assert firsts[0] == 0 and sorted(set(firsts)) == firsts
    index = file.column_index(chunk)
    nans = 0
    for number, page in enumerate(data):
        entries, inside = levels_of(one, values[firsts[number]:firsts[number + 1]])
        assert page.header[5][1] == entries
        lost = sum(isinstance(value, float) and math.isnan(value) for value in inside)
        nans += lost
        assert index is not None or described[1] in (4, 5)
        if index:
            check_page(one, described, index, number, entries, inside)
            assert described[1] not in (4, 5) or index[8][number] == lost
    entries, inside = levels_of(one, values)
    assert described[12][3] == entries - len(inside)
    assert described[1] not in (4, 5) or described[12][9] == nans
    if index:
        check_order(one, described, index)
    return data


def check_order(one, described, index):
    order = order_of(one, described)
    bounds = [(order(least), order(greatest)) for least, greatest, null in zip(index[2], index[3], index[1]) if not null]
    pairs = list(zip(bounds, bounds[1:]))
    if index[4] == 1:
        assert all(a[0] <= b[0] and a[1] <= b[1] for a, b in pairs)
    elif index[4] == 2:
        assert all(a[0] >= b[0] and a[1] >= b[1] for a, b in pairs)
    else:
        assert any(a[0] > b[0] or a[1] > b[1] for a, b in pairs) and any(a[0] < b[0] or a[1] < b[1] for a, b in pairs)


def check_file(path, fields, rows):
    """Everything that the file says about its parts; returns the pages of data of each chunk."""
    file = ParquetFile(path)
    assert file.footer[3] == len(rows) == sum(group[3] for group in file.footer[4])
    assert file.footer[6].startswith(b"penstock version ")
    assert file.footer[7] == [{1: {}}] * len(fields)
    made, first = [], 0
    for ordinal, group in enumerate(file.footer[4]):
        assert group[7] == ordinal
        assert group[5] == min([chunk[3].get(11, chunk[3][9]) for chunk in group[1]], default=4)
        assert group[6] == sum(chunk[3][7] for chunk in group[1])
        assert group[2] == sum(chunk[3][6] for chunk in group[1])
        for i, chunk in enumerate(group[1]):
            made.append(check_chunk(file, fields[i], chunk, [row[i] for row in rows[first:first + group[3]]]))
        first += group[3]
    return made


def no_midnight(fields, rows):
    """24:00 is no time of Parquet."""
    def late(value):
        return [late(one) for one in value] if isinstance(value, list) else tables.DAY - 1 if value == tables.DAY else value

    times = [i for i, one in enumerate(fields) if "time" in (one["type"], one.get("element"))]
    return [[late(value) if i in times else value for i, value in enumerate(row)] for row in rows]


# ---- tests ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", CODECS)
def test_edges(write_table, codec):
    fields, rows = tables.edge_table()
    rows = no_midnight(fields, rows)
    path = write_table(fields, rows, format="parquet", codec=codec)
    check_values(path, fields, rows)
    check_file(path, fields, rows)


@pytest.mark.parametrize("seed", range(12))
def test_random_tables(write_table, seed):
    fields, rows = tables.random_table(seed, rows=700)
    rows = no_midnight(fields, rows)
    path = write_table(fields, rows, format="parquet", codec=CODECS[seed % 4], batch_rows=(1, 7, 100, 0)[seed // 4],
                       group_size=(0, 30_000, 300_000)[seed % 3])
    check_values(path, fields, rows)
    check_file(path, fields, rows)


def test_schema_says_what_the_values_are(write_table):
    import pyarrow
    import pyarrow.parquet

    fields = [tables.field(kind, kind, 10, 2) for kind in tables.SCALARS]
    fields += [tables.field("d9", "decimal", 9, 9), tables.field("d18", "decimal", 18, 0), tables.field("d19", "decimal", 19, 1),
               tables.field("many", "list", 38, 3, element="decimal")]
    path = write_table(fields, [], format="parquet", name="public.läufe", metadata={"penstock.table": "öffentlich", "": ""})
    schema = pyarrow.parquet.ParquetFile(path).schema_arrow
    us = pyarrow.timestamp("us")
    assert [one.type for one in schema] == [
        pyarrow.bool_(), pyarrow.int32(), pyarrow.int64(), pyarrow.float32(), pyarrow.float64(), pyarrow.decimal128(10, 2),
        pyarrow.date32(), pyarrow.time64("us"), us, pyarrow.timestamp("us", "UTC"), schema.field("uuid").type, pyarrow.string(),
        pyarrow.string(), pyarrow.string(), pyarrow.binary(), pyarrow.decimal128(9, 9), pyarrow.decimal128(18, 0),
        pyarrow.decimal128(19, 1), pyarrow.list_(pyarrow.field("element", pyarrow.decimal128(38, 3)))]
    assert all(one.nullable for one in schema)

    file = ParquetFile(path)
    root, *leaves = file.footer[2]
    assert root == {4: "public.läufe".encode(), 5: len(fields)}
    assert [(leaf[4].decode(), leaf.get(1), leaf.get(2), leaf.get(6), leaf.get(10)) for leaf in leaves] == [
        ("bool", 0, None, None, None), ("int32", 1, None, None, None), ("int64", 2, None, None, None), ("float32", 4, None, None, None),
        ("float64", 5, None, None, None), ("decimal", 2, None, 5, {5: {1: 2, 2: 10}}), ("date", 1, None, 6, {6: {}}),
        ("time", 2, None, 8, {7: {1: False, 2: {2: {}}}}), ("timestamp", 2, None, 10, {8: {1: False, 2: {2: {}}}}),
        ("timestamp_utc", 2, None, 10, {8: {1: True, 2: {2: {}}}}), ("uuid", 7, 16, None, {14: {}}), ("number", 6, None, 0, {1: {}}),
        ("string", 6, None, 0, {1: {}}), ("json", 6, None, 0, {1: {}}), ("bytes", 6, None, None, None), ("d9", 1, None, 5, {5: {1: 9, 2: 9}}),
        ("d18", 2, None, 5, {5: {1: 0, 2: 18}}), ("d19", 7, 16, 5, {5: {1: 1, 2: 19}}), ("many", None, None, 3, {3: {}}),
        ("list", None, None, None, None), ("element", 7, 16, 5, {5: {1: 3, 2: 38}})]
    assert [leaf[3] for leaf in leaves] == [1] * len(fields) + [2, 1]
    assert {pair[1].decode(): pair[2].decode() for pair in file.footer[5]} == {"penstock.table": "öffentlich", "": ""}


def test_nothing(write_table):
    """No rows, no columns, neither."""
    import pyarrow.parquet

    fields = [tables.field("a", "int32"), tables.field("b", "list", element="string")]
    path = write_table(fields, [], format="parquet", codec="zstd")
    check_values(path, fields, [])
    assert check_file(path, fields, []) == []
    for rows in (0, 5):
        path = write_table([], [[]] * rows, format="parquet")
        assert pyarrow.parquet.ParquetFile(path).read().num_rows == rows
        check_file(path, [], [[]] * rows)


def test_wide_table(write_table):
    fields = [tables.field(f"c{i}", ("int32", "string", "timestamp_utc", "bool")[i % 4]) for i in range(1600)]
    rows = [[None if (i + row) % 7 == 0 else (row * i, f"text {row % 9}", i * 10**12, row % 2 == 0)[i % 4] for i in range(1600)]
            for row in range(200)]
    path = write_table(fields, rows, format="parquet", codec="snappy")
    check_values(path, fields, rows)
    check_file(path, fields, rows)


def test_names(write_table):
    fields = [tables.field(name, "int32") for name in ("a.b", "ä", 'quo"te', "new\nline", "A.B ", "x" * 300)]
    fields.append(tables.field("list.element", "list", element="int32"))
    rows = [[*range(6), [1, None]]]
    path = write_table(fields, rows, format="parquet")
    check_values(path, fields, rows)
    check_file(path, fields, rows)


def encodings(pages):
    return [page.header[5][2] for page in pages]


def test_dictionary_or_not(write_table):
    """By size: what repeats late is found, what never repeats is written as it is, what fills the dictionary goes on as it is."""
    fields = [tables.field("turns", "string"), tables.field("unique", "int64"), tables.field("few", "int32"), tables.field("one", "string"),
              tables.field("fills", "int64")]
    rows = [[f"sensor number {i * 7919 % 30_000:05}", i * 1_000_003, i % 5, "same", i % 7 if i < 60_000 else i] for i in range(230_000)]
    path = write_table(fields, rows, format="parquet", codec="snappy")
    turns, unique, few, one, fills = check_file(path, fields, rows)
    assert len(turns) > 10 and set(encodings(turns)) == {8}
    assert set(encodings(unique)) == {0}
    assert set(encodings(few)) == {8}
    assert set(encodings(one)) == {8}
    assert encodings(fills)[0] == 8 and encodings(fills)[-1] == 0 and encodings(fills) == sorted(encodings(fills), reverse=True)
    check_values(path, fields, rows, (read_duck,))


def test_row_groups(write_table):
    """They end near the size that was asked for, pages within them near theirs, and NULLs may begin anywhere."""
    import pyarrow.parquet

    fields = [tables.field("id", "int64"), tables.field("text", "string"), tables.field("late", "int32"), tables.field("early", "float64"),
              tables.field("flag", "bool")]
    rows = [[i, f"{i * 2654435761 % 2**32:08x}", None if i == 25_000 else i % 100, None if i < 45_000 else i / 7, i % 3 == 0]
            for i in range(110_000)]
    path = write_table(fields, rows, format="parquet", group_size=500_000, batch_rows=1000)
    made = check_file(path, fields, rows)
    check_values(path, fields, rows, (read_duck,))
    metadata = pyarrow.parquet.ParquetFile(path, page_checksum_verification=True).metadata
    sizes = [ParquetFile(path).footer[4][i][6] for i in range(metadata.num_row_groups)]
    assert len(sizes) > 3 and all(350_000 < size < 650_000 for size in sizes[:-1]), sizes
    assert any(len(pages) > 1 for pages in made)


def statistics(path, column):
    import pyarrow.parquet

    return pyarrow.parquet.ParquetFile(path).metadata.row_group(0).column(column).statistics


def test_statistics(write_table):
    fields = [tables.field("float", "float64"), tables.field("zero", "float32"), tables.field("nan", "float64"), tables.field("text", "string"),
              tables.field("bytes", "bytes"), tables.field("decimal", "decimal", 38, 2), tables.field("bool", "bool"),
              tables.field("null", "int32"), tables.field("long", "string"), tables.field("date", "date")]
    ends = decimal.Decimal("-5.00"), decimal.Decimal("123456789012345678901234.56")
    rows = [[math.nan, -0.0, math.nan, "z", b"\xff\xff", ends[1], True, None, "ä" * 50, 10],
            [1.5, 0.0, math.nan, "é", b"\x00", ends[0], True, None, "b" * 70, -10],
            [-2.5, 0.0, None, "a", b"\x7f", None, None, None, None, None]]
    path = write_table(fields, rows, format="parquet")
    check_file(path, fields, rows)
    told = [statistics(path, i) for i in range(len(fields))]
    assert [one.null_count for one in told] == [0, 0, 1, 0, 0, 1, 1, 3, 1, 1]
    assert (told[0].min, told[0].max) == (-2.5, 1.5)
    assert math.copysign(1, told[1].min) == -1 and math.copysign(1, told[1].max) == 1
    assert not told[2].has_min_max and not told[7].has_min_max
    assert (told[3].min, told[3].max) == ("a", "é")
    assert (told[4].min, told[4].max) == (b"\x00", b"\xff\xff")
    assert (told[5].min, told[5].max) == ends
    assert (told[6].min, told[6].max) == (True, True)
    assert (told[9].min, told[9].max) == (datetime.date(1969, 12, 22), datetime.date(1970, 1, 11))
    chunk = ParquetFile(path).footer[4][0][1][8][3][12]
    assert (chunk[6], chunk[8]) == (b"b" * 64, False)
    assert (chunk[5].decode(), chunk[7]) == ("ä" * 31 + "å", False)
    chunk = ParquetFile(path).footer[4][0][1][3][3][12]
    assert (chunk[7], chunk[8]) == (True, True)


def test_filters_find_rows(write_table):
    """DuckDB and pyarrow skip row groups and pages by what the statistics say."""
    import duckdb
    import pyarrow.parquet

    fields = [tables.field("id", "int64"), tables.field("name", "string"), tables.field("amount", "decimal", 30, 2)]
    rows = [[i, "x" * 70 + f"{i:07}", decimal.Decimal(i - 30_000).scaleb(-2)] for i in range(60_000)]
    path = write_table(fields, rows, format="parquet", codec="zstd", group_size=300_000)
    assert pyarrow.parquet.ParquetFile(path).metadata.num_row_groups > 2
    connection = duckdb.connect()
    for number in (0, 19_999, 20_000, 59_999):
        assert pyarrow.parquet.read_table(path, filters=[("id", "=", number)]).num_rows == 1
        for condition in (f"id = {number}", f"name = '{rows[number][1]}'", f"amount = {rows[number][2]}"):
            assert connection.execute(f"SELECT id FROM read_parquet('{path}') WHERE {condition}").fetchall() == [(number,)]


def test_codecs_are_named(write_table):
    import pyarrow.parquet

    fields, rows = [tables.field("a", "string")], [["text " * 100]] * 10
    for codec in CODECS:
        path = write_table(fields, rows, format="parquet", codec=codec, level=0 if codec in ("none", "snappy") else 3)
        assert pyarrow.parquet.ParquetFile(path).metadata.row_group(0).column(0).compression == NAMES[codec]
        check_values(path, fields, rows)


def test_long_values(write_table):
    fields = [tables.field("text", "string"), tables.field("list", "list", element="int32"), tables.field("n", "int32")]
    rows = [["x" * 5_000_000, list(range(300_000)), 1], [None, None, 2], ["short", [], 3], ["y" * 1_048_576, [None] * 200_000, None]]
    path = write_table(fields, rows, format="parquet", codec="zstd")
    check_values(path, fields, rows)
    check_file(path, fields, rows)


def test_what_it_cannot_hold(write_table):
    plain = tables.field("n", "int32")
    for kind, values in tables.INFINITE.items():
        for value in values:
            with pytest.raises(write_table.Refused, match=f"reject: column when, row 3: Parquet cannot hold infinity in a {kind[:4]}"):
                write_table([plain, tables.field("when", kind)], [[1, None], [1, 0], [1, value]], format="parquet", batch_rows=2)
            with pytest.raises(write_table.Refused, match="reject: column when, row 4: Parquet cannot hold infinity"):
                write_table([tables.field("when", "list", element=kind)], [[None], [[]], [[0, None]], [[0, value]]], format="parquet")
    with pytest.raises(write_table.Refused, match="reject: column t, row 2: Parquet cannot hold 24:00 in a time"):
        write_table([tables.field("t", "time")], [[0], [tables.DAY]], format="parquet")
    for precision in (5, 15, 38):
        with pytest.raises(write_table.Refused, match="reject: column d, row 1: Parquet cannot hold more digits than its precision"):
            write_table([tables.field("d", "decimal", precision, 0)], [[-decimal.Decimal(10)**precision]], format="parquet")
    with pytest.raises(write_table.Refused, match="no codec deflate: choose gzip"):
        write_table([plain], [], format="parquet", codec="deflate")
    with pytest.raises(write_table.Refused, match="column d: no decimal of precision 39"):
        write_table([tables.field("d", "decimal", 39, 0)], [], format="parquet")
