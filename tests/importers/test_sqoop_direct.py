"""penstock sqoop import --direct: byte for byte what psql prints for the COPY that Sqoop 1.4.7 makes of the same line."""

import gzip
import json
import shlex

import pytest
from importing import Import
from sqooping import begin_server

FAMILIES = {  # a column of each type, and its values beside NULL
    "boolean": ("bool", "true", "false"),
    "whole numbers": ("int8", 0, -9223372036854775808, 9223372036854775807),
    "small": ("int2", -32768, 7),
    "float8": ("float8", "'-0'", "1e15", "1e14", "123456789012345680000", "1e-5", "0.0001", "1.0", "-2.5", "1e10", "'NaN'", "'Infinity'", "'-Infinity'", "5e-324", "0.1"),
    "float4": ("float4", "'-0'", "1e6", "123456", "1e10", "1e-5", "16777216", "0.1", "'NaN'", "'-Infinity'", "1e-45"),
    "numeric": ("numeric", "1.500", "-0.001", "0.000", "'NaN'", "'Infinity'", "1e30", "1e-20", "12345678901234567890.123456789"),
    "numeric(10,2)": ("numeric(10,2)", "1.5", "-0.01"),
    "money": ("money", "'1234.5'", "'-0.01'"),
    "text": ("text", "''", "'a,b'", "'say \"x\"'", r"'back\slash'", r"E'line\nbreak'", r"E'\r'", r"E'a\tb'", "'  blanks '", r"'\.'", r"'\N'", "'null'", "'ünï'"),
    "varchar": ("varchar(20)", "'plain'", "' '"),
    "char": ("char(5)", "'ab'", "''"),
    "\"char\"": ('"char"', "'x'", "''"),
    "name": ("name", "'a,b'"),
    "bytea": ("bytea", "''", r"'\xdeadbeef'", r"'\x00'"),
    "date": ("date", "'2026-01-02'", "'1969-12-31'", "'0044-03-15 BC'", "'0001-01-01'", "'0001-12-31 BC'", "'10000-01-01'", "'infinity'", "'-infinity'"),
    "time": ("time", "'03:04:05'", "'00:00:00.5'", "'24:00:00'", "'23:59:59.999999'"),
    "timetz": ("timetz", "'03:04:05+02'", "'03:04:05.25-05:30'"),
    "timestamp": ("timestamp", "'2026-01-02 03:04:05'", "'2026-01-02 03:04:05.678901'", "'2026-12-31 23:59:59.1'", "'0044-03-15 01:02:03 BC'", "'10000-01-01'", "'infinity'",
                  "'0001-12-31 23:59:59.5 BC'"),
    "timestamptz": ("timestamptz", "'2026-01-02 03:04:05.5+02'", "'2026-01-02 03:04:05+00'", "'0044-03-15 01:02:03+00 BC'", "'-infinity'"),
    "interval": ("interval", "'1 year 2 mons 3 days 04:05:06.5'", "'-1 day'", "'0'", "'36:00'"),
    "uuid": ("uuid", "'00112233-4455-6677-8899-aabbccddeeff'"),
    "json": ("json", "'{\"a\":  [1, 2]}'", r"E'{\n\t\"a\": 1}'", "'null'"),
    "jsonb": ("jsonb", "'{\"a\":  [1, 2]}'", "'\"x,y\"'", "'null'"),
    "xml": ("xml", "'<a b=\"1\">x</a>'", "'<?xml version=\"1.0\" encoding=\"UTF-8\"?><a/>'"),
    "inet": ("inet", "'10.1.2.3'", "'10.1.2.3/8'", "'::1'", "'::ffff:1.2.3.4'", "'2001:db8::/32'"),
    "cidr": ("cidr", "'10.1.2.3'", "'10.0.0.0/8'", "'2001:db8::/32'"),
    "macaddr": ("macaddr", "'08:00:2b:01:02:03'"),
    "bit(1)": ("bit(1)", "B'1'", "B'0'"),
    "bit varying": ("varbit", "B'1'", "B'10110'", "B''"),
    "enum": ("mood", "'sad'", "'so, so'", "''"),
    "domain over boolean": ("consent", "true", "false"),
    "domain over an array": ("pair", "'{1,2}'"),
    "array": ("int[]", "'{1,NULL,3}'", "'{}'", "'[0:1]={1,2}'", "'{{1,2},{3,4}}'"),
    "array of text": ("text[]", "ARRAY['a,b', 'say \"x\"', '', NULL, 'NULL']"),
    "array of booleans": ("bool[]", "'{t,f}'"),
    "array of moments": ("timestamptz[]", "ARRAY['2026-01-02 03:04:05.5+02'::timestamptz]"),
    "array of intervals": ("interval[]", "ARRAY['1 mon 25:00'::interval]"),
    "array of addresses": ("inet[]", "ARRAY['10.1.2.3'::inet]"),
    "composite": ("place", "ROW(1, 'a,b', true, '1 day')", "ROW(NULL, NULL, NULL, NULL)", "ROW(2, '', NULL, '36:00')"),
    "range": ("int4range", "'[1,5)'", "'empty'"),
    "range of moments": ("tstzrange", "'[2026-01-02 03:04:05+02,)'"),
    "point": ("point", "'(1,2.5)'"),
    "full text": ("tsvector", "'a:1 b:2'"),
    "oid": ("oid", 4294967295),
    "regclass": ("regclass", "'pg_class'"),
    "pg_lsn": ("pg_lsn", "'16/B374D848'"),
}
TRUTHS = ("TRUE", "FALSE")


@pytest.fixture(scope="module")
def cluster():
    made = begin_server()
    made.run("""CREATE TYPE mood AS ENUM ('sad', 'so, so', ''); CREATE DOMAIN consent AS bool; CREATE DOMAIN pair AS int[];
        CREATE TYPE place AS (n int, t text, b bool, i interval)""", "telemetry")
    for at, (kind, *values) in enumerate(FAMILIES.values()):
        rows = ", ".join(f"({n}, ({value})::{kind})" for n, value in enumerate([*values, "NULL"]))
        made.run(f"CREATE TABLE family_{at} (id int, value {kind}); INSERT INTO family_{at} VALUES {rows}", "telemetry")
    texts = ", ".join(f"({n}, {value}::text, {n} % 2 = 0)" for n, value in enumerate([*FAMILIES["text"][1:], r"E'all ,;|\"''\\\\ \n\r'", "'TRUE'", "'-'", "NULL"]))
    made.run(f"CREATE TABLE texts (id int, value text, good bool); INSERT INTO texts VALUES {texts}", "telemetry")
    made.run("""CREATE TABLE bytes (id int, value bytea); INSERT INTO bytes VALUES (1, '\\xff'), (2, ''), (3, NULL);
        CREATE TABLE one (value text); INSERT INTO one VALUES (''), (NULL), ('\\.'), ('x');
        CREATE TABLE bits (id int, value bit(8)); INSERT INTO bits VALUES (1, B'10110000'), (2, NULL)""", "telemetry")
    yield made
    made.close()


def said_by_psql(sqoop, select, options="DELIMITER E'\\54'"):
    """Sqoop's own statement: what is not among its options is not said."""
    return sqoop.cluster.run(f"COPY ({select}) TO STDOUT WITH CSV {options};", "telemetry", binary=True)


def boolean(column="value", truths=TRUTHS, yes="true", no="false"):
    return f"case when {column}={yes} then '{truths[0]}' when {column}={no} then '{truths[1]}' end as {column}"


def written(sqoop, target="d"):
    return (sqoop.folder / target / "part-m-00000").read_bytes()


def verified(sqoop, target="d"):
    done = Import(sqoop.cluster.conninfo("telemetry"), "--verify", target, cwd=sqoop.folder)
    return done.end() == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_what_psql_prints_of_each_type(sqoop, family):
    at, kind = list(FAMILIES).index(family), FAMILIES[family][0]
    value = boolean() if kind in ("bool", "consent") else boolean(yes="B'1'", no="B'0'") if kind == "bit(1)" else "value"
    sqoop("import", "--table", f"family_{at}", "--target-dir", "d", "--direct", "-m", 1)
    made = written(sqoop)
    assert made == said_by_psql(sqoop, f"SELECT id, {value} FROM family_{at} WHERE 1=1") and made.count(b"\n") >= len(FAMILIES[family])
    assert verified(sqoop)


@pytest.mark.parametrize("words, options, truths", [
    ((), "", TRUTHS),
    (("--fields-terminated-by", "|"), "DELIMITER E'\\174'", TRUTHS),
    (("--fields-terminated-by", "\\001"), "DELIMITER E'\\1'", TRUTHS),
    (("--fields-terminated-by", "\\t", "--escaped-by", "\\\\"), "DELIMITER E'\\11' ESCAPE E'\\134'", TRUTHS),
    (("--enclosed-by", "'"), "QUOTE E'\\47' FORCE QUOTE id, value, good", TRUTHS),
    (("--enclosed-by", '"', "--escaped-by", "\\\\"), "QUOTE E'\\42' ESCAPE E'\\134' FORCE QUOTE id, value, good", TRUTHS),
    (("--optionally-enclosed-by", "'"), "QUOTE E'\\47'", TRUTHS),
    (("--optionally-enclosed-by", "|", "--escaped-by", "'"), "QUOTE E'\\174' ESCAPE E'\\47'", TRUTHS),
    (("--escaped-by", "\\\\"), "ESCAPE E'\\134'", TRUTHS),
    (("--mysql-delimiters",), "QUOTE E'\\47' ESCAPE E'\\134'", TRUTHS),
    (("--null-string", "-", "--null-non-string", "-"), "NULL AS E'-'", TRUTHS),
    (("--null-string", "null", "--null-non-string", "null"), "NULL AS E'null'", TRUTHS),
    (("--null-string", "\\\\\\\\N", "--null-non-string", "\\\\\\\\N"), "NULL AS E'\\\\N'", TRUTHS),  # as Sqoop's own test has it
    (("--null-string", "\\\\N", "--null-non-string", "\\\\N"), "NULL AS E'\\N'", TRUTHS),
    (("--", "--boolean-true-string", "REAL,TRUE", "--boolean-false-string", ""), "", ("REAL,TRUE", "")),
    (("--null-string", "no", "--null-non-string", "no", "--", "--boolean-false-string", "no"), "NULL AS E'no'", ("TRUE", "no")),
])
def test_every_way_to_enclose_and_escape(sqoop, words, options, truths):
    sqoop("import", "--table", "texts", "--target-dir", "d", "--direct", "-m", 1, *words)
    select = f"SELECT id, value, {boolean('good', truths)} FROM texts WHERE 1=1"
    assert written(sqoop) == said_by_psql(sqoop, select, options)


def test_values_that_hold_the_escape_are_left_alone_where_nothing_encloses_them(sqoop):
    for target, words, options in (("d", ["--escaped-by", "\\\\"], "ESCAPE E'\\134'"), ("e", ["--escaped-by", "f", "--enclosed-by", "x"], "QUOTE 'x' ESCAPE 'f' FORCE QUOTE id, value")):
        sqoop("import", "--table", "bytes", "--target-dir", target, "--direct", "-m", 1, *words)
        assert written(sqoop, target) == said_by_psql(sqoop, "SELECT id, value FROM bytes", options)


def test_one_column(sqoop):
    for target, null in (("d", ()), ("e", ("--null-string", "x", "--null-non-string", "x"))):
        sqoop("import", "--table", "one", "--target-dir", target, "--direct", "-m", 1, *null)
        assert written(sqoop, target) == said_by_psql(sqoop, "SELECT value FROM one", "NULL AS 'x'" if null else "")


def test_what_sqoop_loses_is_there(sqoop):
    """Bits, which Sqoop takes for one; a CR, which it makes a LF; a terminator of lines of one's own within a field."""
    sqoop("import", "--table", "bits", "--target-dir", "d", "--direct", "-m", 1)
    assert written(sqoop) == b"1,10110000\n2,\n"
    sqoop("import", "--table", "texts", "--columns", "id,value", "--where", "value ~ E'[\\r\\n ]'", "--target-dir", "e", "--direct", "-m", 1, "--lines-terminated-by", " ")
    select = "SELECT id, value FROM texts WHERE value ~ E'[\\r\\n ]'"
    assert written(sqoop, "e") == said_by_psql(sqoop, select, "FORCE QUOTE value").replace(b'"\n', b'" ')


def test_the_rest_of_the_line_counts_as_ever(sqoop, tmp_path):
    table = list(FAMILIES).index("timestamp")
    sqoop("import", "--table", f"family_{table}", "--columns", "value,id", "--where", "id < 3", "--target-dir", "d", "--direct", "-m", 1, "-z", "--validate")
    assert gzip.decompress((tmp_path / "d" / "part-m-00000.gz").read_bytes()) == said_by_psql(sqoop, f"SELECT value, id FROM family_{table} WHERE id < 3")
    sqoop("import-all-tables", "--warehouse-dir", "all", "--direct", "-m", 1, "--exclude-tables", "family_0")
    assert written(sqoop, "all/one") == said_by_psql(sqoop, "SELECT value FROM one")
    sqoop("import", "--table", "texts", "--target-dir", "t", "--direct", "-m", 1, "--incremental", "append", "--check-column", "id", "--last-value", 3)
    assert written(sqoop, "t") == said_by_psql(sqoop, f"SELECT id, value, {boolean('good')} FROM texts WHERE id > 3")


def test_what_direct_has_no_say_in(sqoop, tmp_path):
    """A query, as in Sqoop, and files that are no text."""
    table = list(FAMILIES).index("timestamp")
    line = ["--query", f"SELECT * FROM family_{table} WHERE id < 1 AND $CONDITIONS", "-m", 1]
    sqoop("import", *line, "--target-dir", "d", "--direct")
    assert written(sqoop) == b"0,2026-01-02 03:04:05.0\n" and "--direct changes nothing" in sqoop.said
    sqoop("import", "--table", "one", "--target-dir", "e", "--direct", "-m", 1, "--as-parquetfile")
    assert (tmp_path / "e" / "part-m-00000.parquet").exists() and "--direct changes nothing" in sqoop.said
    sqoop("import", "--table", "texts", "--where", "id = 0", "--target-dir", "f", "-m", 1, "--", "--boolean-true-string", "yes")
    assert written(sqoop, "f") == b"0,,true\n" and "--boolean-true-string changes nothing without --direct" in sqoop.said
    sqoop("import", "--table", f"family_{table}", "--where", "id = 0", "--target-dir", "g", "-m", 1, "--direct", "--map-column-java", "id=String", "--hive-delims-replacement", " ")
    assert written(sqoop, "g") == b"0,2026-01-02 03:04:05\n"
    assert "--map-column-java changes nothing with --direct" in sqoop.said and "--hive-delims-replacement changes nothing with --direct" in sqoop.said


@pytest.mark.parametrize("words, why", [
    (["--null-string", "x"], "--null-string and --null-non-string have to be the same with --direct"),
    (["--null-string", "x", "--null-non-string", "y"], "have to be the same with --direct"),
    (["--hive-drop-import-delims"], "--hive-drop-import-delims does not go with --direct"),
])
def test_what_is_refused(sqoop, tmp_path, words, why):
    assert why in sqoop("import", "--table", "one", "--target-dir", "d", "--direct", *words, status=2)
    assert list(tmp_path.iterdir()) == []


def test_hive_reads_what_is_written(sqoop, tmp_path):
    sqoop("import", "--table", "texts", "--target-dir", "d", "--direct", "-m", 1, "--hive-import", "--hive-client", "none", "--escaped-by", "\\\\", "--fields-terminated-by", "\\001")
    sql = (tmp_path / "d" / "_hive.sql").read_text()
    assert "`good` BOOLEAN" in sql and "ESCAPED BY" not in sql and "'serialization.null.format'='\\\\N'" in sql
    text = said_by_psql(sqoop, f"SELECT id, value, {boolean('good')} FROM texts", "ESCAPE E'\\134' NULL AS '\\N'")
    assert written(sqoop).count(b"\x01") == text.count(b",") - 2  # those within values, of two rows
    sqoop("import", "--table", "texts", "--target-dir", "e", "--direct", "-m", 1, "--hive-import", "--hive-client", "none", "--", "--boolean-true-string", "yes")
    assert "`good` STRING" in (tmp_path / "e" / "_hive.sql").read_text()


def test_what_is_imported_directly_is_verified_as_such(sqoop, tmp_path):
    """To the server two intervals are equal that are not the same text."""
    sqoop.psql("CREATE TABLE spans (id int PRIMARY KEY, span interval[]); INSERT INTO spans VALUES (1, ARRAY['1 day'::interval])")
    sqoop("import", "--table", "spans", "--target-dir", "d", "--direct", "-m", 1)
    assert json.loads((tmp_path / "d" / "_manifest.json").read_text())["selection"]["copied"] is True
    assert verified(sqoop)
    sqoop.psql("UPDATE spans SET span = ARRAY['24:00'::interval]")
    assert not verified(sqoop)
    sqoop.psql("DROP TABLE spans")


def test_the_line_that_a_dry_run_prints_does_the_same(sqoop, tmp_path):
    sqoop("import", "--table", "texts", "--target-dir", "d", "--direct", "-m", 1, "--dry-run", "--", "--boolean-true-string", "yes, it is")
    line = [word for word in shlex.split(sqoop.out.splitlines()[0]) if word != "--explain"]
    assert line[:2] == ["penstock", "import"] and line[line.index("--format") + 1] == "sqoop-direct"
    done = Import(sqoop.cluster.conninfo("telemetry"), *line[line.index("--target"):], cwd=tmp_path)
    assert done.end() == 0, done.said
    assert written(sqoop) == said_by_psql(sqoop, f"SELECT id, value, {boolean('good', ('yes, it is', 'FALSE'))} FROM texts")
