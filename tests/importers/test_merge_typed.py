"""--merge-key among files of Avro and of Parquet: what a foreign reader finds in them is the table, value by value, whatever their codec; and what cannot be merged is refused and left as it is."""

import datetime
import json
import shutil
import struct
import subprocess
import sys

import pytest

import readers
from importing import BINARY, Import, crc32c, peak, rows_of
from merging import CHANGES, TABLE, Lake

sys.path.insert(0, str(readers.folder()))
import fastavro  # noqa: E402
import pyarrow.parquet  # noqa: E402

KINDS = ("avro", "parquet")
CODECS = {"avro": ("none", "deflate", "snappy", "zstd"), "parquet": ("none", "gzip", "snappy", "zstd")}
FORMS = [(kind, codec) for kind in KINDS for codec in CODECS[kind]]
NAMES = {"none": ("null", "UNCOMPRESSED"), "deflate": ("deflate",), "gzip": ("GZIP",), "snappy": ("snappy", "SNAPPY"), "zstd": ("zstandard", "ZSTD")}
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)

ALL = """create table t(id int primary key, big int8, good bool, n numeric(38,10), f float8, small float4, v text, b bytea, day date, c time,
        local timestamp, u uuid, j jsonb, a int[], words text[], at timestamptz not null default now(), n9 numeric(8,2),
        n18 numeric(15,3), w text);
    insert into t select g, g * 4000000007, g % 2 = 0, (g - 500) * 1234567890123.0123456789, g / 7.0, g / 3.0, E'Nödé "' || g || E'",\\n', decode(md5(g::text), 'hex'),
        date '2026-01-01' - g, time '00:00' + g * interval '61.000001 s', timestamp '1969-12-31' + g * interval '77.7 s', md5(g::text)::uuid, json_build_object('g', g),
        array[g, null, -g], array['', null, 'é' || g], now(), (500 - g) / 4.0, (500 - g) * 123456789.125,
        'word ' || g % 7 from generate_series(1, 1000) g;
    update t set big = null, good = null, n = null, f = null, small = null, v = null, b = null, day = null, c = null, local = null, u = null, j = null, a = null,
        words = null where id % 10 = 0"""
SHOWN = """select json_agg(json_build_array(id, big, good, n::text, f, small, v, encode(b, 'hex'), day, extract(epoch from c) * 1000000, extract(epoch from local) * 1000000,
    u, j::text, a, words, extract(epoch from at) * 1000000, n9::text, n18::text, w) order by id) from t"""
# Of each type, keys that differ and are near to each other, and one that takes many bytes.
KEYS = {
    "int": "g - 500", "bigint": "(g - 500) * 9000000000000001", "smallint": "g", "text": "'x' || repeat('y', g % 97) || g", "varchar(99)": "E'\\\\x\\n,\"é' || g", "boolean": None,
    "numeric(20,3)": "(g - 500) / 8.0", "numeric": "(g - 500) * 1e30 + 0.5", "float8": "g / 3.0", "float4": "g / 3.0", "date": "date '2000-01-01' - g", "time": "time '00:00' + g * interval '1 s'",
    "timestamp": "timestamp '2000-01-01' + g * interval '0.000001 s'", "timestamptz": "timestamptz '1900-01-01' + g * interval '1 month'", "uuid": "md5(g::text)::uuid",
    "bytea": "decode(md5(g::text), 'hex')", "char(5)": "g::text", "int[]": "array[g, null, 7]", "inet": "'10.0.0.0'::inet + g", "jsonb": "to_jsonb(g)", "interval": "g * interval '1 day'",
}


def values(place, kind):
    """As SHOWN has them."""
    return sorted(shown(row) for path in place.glob("part-*") for row in rows_of(path, kind))


def codec_of(path):
    if path.suffix == ".parquet":
        return pyarrow.parquet.read_metadata(path).row_group(0).column(0).compression
    with open(path, "rb") as file:
        return fastavro.reader(file).metadata["avro.codec"]


def shown(row):
    row = list(row)
    for at in (3, 16, 17):
        row[at] = None if row[at] is None else f"{row[at]:f}"
    row[7] = None if row[7] is None else row[7].hex()
    row[8] = None if row[8] is None else row[8].isoformat()
    row[9] = None if row[9] is None else ((row[9].hour * 60 + row[9].minute) * 60 + row[9].second) * 1000000 + row[9].microsecond
    row[10] = None if row[10] is None else micros(row[10].replace(tzinfo=datetime.timezone.utc))
    row[11] = None if row[11] is None else str(row[11])
    row[15] = micros(row[15])
    return row


def micros(time):
    return (time - EPOCH) // datetime.timedelta(microseconds=1)


def of_table(database):
    rows = json.loads(database.run(SHOWN))
    for row in rows:
        row[5] = None if row[5] is None else struct.unpack("f", struct.pack("f", row[5]))[0]
        for at in (9, 10, 15):
            row[at] = None if row[at] is None else int(row[at])
    return rows


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.mark.parametrize("kind, codec", FORMS)
def test_the_files_are_the_table_value_by_value(database, tmp_path, kind, codec):
    database.run(ALL)
    lake = Lake(database, tmp_path, "--format", kind, "--compression", codec)
    lake.full(None, "--connections", 2, "--split-rows", 300)
    assert values(lake.place, kind) == of_table(database)
    for every in (3, 7, 1000):
        database.run(f"""update t set v = v || 'new', n = -n, a = a || id, words = null, at = now() where id % {every} = 0;
            insert into t(id, v, a) select g, 'added', array[g] from generate_series((select max(id) + 1 from t), (select max(id) + 50 from t)) g""")
        lake.merge()
        assert values(lake.place, kind) == of_table(database)
        lake.check()
    assert len(lake.manifest()["tables"][0]["files"]) <= 3
    assert all(codec_of(path) in NAMES[codec] for path in lake.place.glob("part-*"))
    done = Import(database.address, "--verify", lake.place, cwd=tmp_path)
    assert done.end() == 0 and "public.t: equal" in done.out and "files are as they were written" in done.out, done.out + done.said


def test_from_each_codec_to_the_next(database, tmp_path, kind):
    """What old files are compressed with is theirs to say."""
    database.run(TABLE)
    lake = Lake(database, tmp_path, "--format", kind, "--compression", "none")
    lake.full()
    for number, codec in enumerate(reversed(CODECS[kind]), 1):
        lake.words = ("--format", kind, "--compression", codec)
        database.run(CHANGES.format(number, 5))
        lake.merge()
        lake.check(3000 + 500 * number)


@pytest.mark.parametrize("type", KEYS)
def test_keys_of_every_type(database, tmp_path, type):
    """As those of text are."""
    made = KEYS[type]
    count = 1000 if made else 2
    database.run(f"create table t(k {type} not null, v text, at timestamptz not null default now()); insert into t select {made or 'g % 2 = 0'}, 'old ' || g from generate_series(1, {count}) g")
    for kind in (*KINDS, "csv"):
        shutil.rmtree(tmp_path / "lake", ignore_errors=True)
        lake = Lake(database, tmp_path, "--format", kind, key="k")
        lake.full()
        assert int(database.run(f"with changed as (update t set v = v || ' new', at = now() where v ~ '[23]( new)*$' returning 1) select count(*) from changed")) == (200 if made else 1)
        lake.merge()
        assert lake.check(count)["merged"]["rows_replaced"] == (200 if made else 1)


def test_keys_of_several_columns(database, tmp_path, kind):
    database.run("""create table t("A b" int, b text, v text, at timestamptz not null default now(), primary key ("A b", b));
        insert into t select g % 50, g::text, 'old' from generate_series(1, 1000) g; insert into t values (1, '11', 'x'), (11, '1', 'y') on conflict do nothing""")
    lake = Lake(database, tmp_path, "--format", kind, key="B,A b")
    lake.full()
    database.run("""update t set v = 'new', at = now() where "A b" = 11""")
    lake.merge()
    lake.check()
    assert database.run("select count(*) from t where v = 'new'").strip() == str(lake.manifest()["tables"][0]["merged"]["rows_replaced"])


# ---- what cannot be ---------------------------------------------------------------------------------------------------


def test_a_key_is_a_key(database, tmp_path, kind):
    database.run("create table t(id int, w text, v text, at timestamptz not null default now()); insert into t select g, 'w' || g, g from generate_series(1, 100) g")
    lake = Lake(database, tmp_path, "--format", kind)
    lake.full()
    database.run("insert into t values (-7, 'w', 'a'), (8, 'b', 'b'), (-7, 'w', 'c')")
    lake.refused("it is no key of public.t: two of the rows that have changed have the same one, -7")
    lake.key = "w,id"
    lake.refused("have the same one, w, -7")
    lake.key = "id"
    database.run("delete from t where v = 'c'; insert into t values (null, 'd')")
    lake.refused("column id is NULL in a row that has changed")
    database.run("delete from t where id is null")
    lake.merge()
    shutil.rmtree(lake.place)
    database.run("update t set id = null where id = 5")
    lake.full()
    lake.refused("it has NULL in a column of the merge key")


def test_keys_that_an_option_changes(database, tmp_path, kind):
    """They are not in the files as they are in the table."""
    for words, column, first, second in ((("--infinity", "null"), "date", "'infinity'", "'-infinity'"), (("--numeric", "double"), "numeric", "0.1000000000000000001", "0.1000000000000000002")):
        database.run(f"drop table if exists t; create table t(id {column} not null, v text, at timestamptz not null default now()); insert into t values ({first}, 'old')")
        shutil.rmtree(tmp_path / "lake", ignore_errors=True)
        lake = Lake(database, tmp_path, "--format", kind, *words)
        lake.full()
        database.run(f"insert into t values ({second}, 'new')")
        lake.refused("or values that an option has changed")
        database.run("delete from t")
        shutil.rmtree(lake.place)
        lake.full()
        database.run(f"insert into t values ({second}, 'new')")
        lake.refused("values of column id are changed by --infinity, --numeric or --arrays")


def test_files_of_other_columns(database, tmp_path, kind):
    database.run(TABLE)
    lake = Lake(database, tmp_path, "--format", kind)
    lake.full()
    for words, why in ((("--numeric", "string"), "its columns have other types in the files"), (("--column-type", "n=text"), "its files have other columns"), (("--columns", "id,v,at"), "its files have other columns")):
        lake.words = ("--format", kind, *words)
        lake.refused(why)
    lake.words = ("--format", "csv")
    lake.refused("its files are no delimited text")
    lake.words = ("--format", kind)
    database.run("alter table t add extra int")
    lake.refused("its files have other columns: rows cannot be merged with those; read the whole table, without --incremental and in place of what is there")
    assert lake.begin("--replace").end() == 0
    lake.merge()
    lake.check(3000)
    shutil.rmtree(lake.place)
    for other in {"csv", "jsonl", *KINDS} - {kind}:
        lake.words = ("--format", other)
        lake.full()
        lake.words = ("--format", kind)
        lake.refused("its files have another format")
        shutil.rmtree(lake.place)


def signed(path, manifest):
    """The manifest says what the file is now."""
    data = path.read_bytes()
    said = json.loads(manifest.read_text())
    (one,) = [one for one in said["tables"][0]["files"] if one["name"] == path.name]
    one.update(bytes=len(data), crc32c=crc32c(data))
    manifest.write_text(json.dumps(said))


def test_files_of_others(database, tmp_path, kind):
    """Somebody has written the file anew, with the same rows, names and types, and its manifest, too."""
    database.run(TABLE)
    lake = Lake(database, tmp_path, "--format", kind)
    lake.full()
    part, manifest = lake.place / f"part-00000.{kind}", lake.place / "manifest.json"
    if kind == "parquet":
        pyarrow.parquet.write_table(pyarrow.parquet.read_table(part), part, compression="brotli")
        signed(part, manifest)
    else:
        with open(part, "rb") as file:
            reader = fastavro.reader(file)
            rows, schema = list(reader), reader.writer_schema
        for codec in ("bzip2", "deflate"):
            with open(part, "wb") as file:
                fastavro.writer(file, schema, rows, codec=codec)
            signed(part, manifest)
            if codec == "bzip2":
                lake.refused("part-00000.avro, row 1: its codec bzip2 is none of null, deflate, snappy, zstandard")
    lake.refused("its schema is not the one that files of these rows get here now: another version or somebody else wrote it; read the whole table, without --incremental")
    (lake.place / f"theirs.{kind}").write_bytes(part.read_bytes())
    lake.refused(f"no manifest that can be read says what theirs.{kind} in it is")


def test_files_that_are_not_as_they_were_written(database, tmp_path, kind):
    database.run(TABLE)
    lake = Lake(database, tmp_path, "--format", kind, "--compression", "none")
    lake.full()
    part = lake.place / f"part-00000.{kind}"
    whole = part.read_bytes()
    bytes_of = "its bytes are not those that its manifest says"
    for data, avro in ((whole.replace(b"value", b"Value", 1), bytes_of), (whole[:-1], "the file ends in the middle"), (b"XXXX" + whole[4:], "it is no file of Avro"),
                       (whole[:-1] + bytes([whole[-1] ^ 1]), "it is damaged"), (b"", "the file ends in the middle")):
        part.write_bytes(data)
        lake.refused(avro if kind == "avro" else bytes_of)
    part.write_bytes(whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:])
    signed(part, lake.place / "manifest.json")
    if kind == "parquet":
        lake.refused("it is damaged, or no file of Parquet as it is written here")
    part.unlink()
    lake.refused(f"part-00000.{kind}: No such file")


# ---- how much it takes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*KINDS, "csv"])
def test_a_disk_that_has_no_room_for_both(database, tmp_path, kind):
    """The old set stays as it is, whole; with more room the same command, which goes on or begins anew, is the new one."""
    database.run(TABLE)
    point = tmp_path / "small"
    point.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "none", str(point)], capture_output=True).returncode:
        pytest.skip("a full disk needs root")
    try:
        lake = Lake(database, point, "--format", kind, "--compression", "none")
        lake.full()
        database.run(CHANGES.format(1, 3))
        before, size = lake.bytes(), sum(path.stat().st_size for path in point.rglob("*") if path.is_file())
        assert subprocess.run(["mount", "-o", f"remount,size={size + (64 << 10)}", str(point)]).returncode == 0
        done = lake.merging()
        assert done.end() == 1 and "No space left on device" in done.said, done.said
        assert lake.bytes() == before
        assert subprocess.run(["mount", "-o", "remount,size=40m", str(point)]).returncode == 0
        lake.merge("--resume")
        lake.check(3500)
    finally:
        subprocess.run(["umount", str(point)], check=True)


def test_memory_does_not_grow_with_the_directory(database, tmp_path, kind):
    """Of five times the rows, one block of Avro is in memory, one row group of Parquet (the one that is written: 16 MiB)."""
    database.run("create table t(id int primary key, v text not null, at timestamptz not null); create index on t(at)")
    most = []
    for rows in (100_000, 500_000):
        database.run(f"truncate t; insert into t select g, md5(g::text) || repeat('x', 200), '2020-01-01' from generate_series(1, {rows}) g")
        shutil.rmtree(tmp_path / "lake", ignore_errors=True)
        lake = Lake(database, tmp_path, "--format", kind, "--compression", "none")
        lake.full(None, "--connections", 1)
        database.run("update t set at = now() where id % 1000 = 0")
        most.append(peak([BINARY, "import", "--connect", database.address, "--target", lake.place, "--format", kind, "--incremental", "lastmodified", "--check-column", "at", "--last-value", "2021-01-01",
                          "--merge-key", "id", "--connections", 1, "t"]))
        assert lake.manifest()["tables"][0]["merged"]["rows_replaced"] == rows // 1000
    assert most[1] < most[0] + (12 << 20), most
