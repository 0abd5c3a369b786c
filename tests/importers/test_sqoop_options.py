"""penstock sqoop import, option by option: command -> files, byte for byte what PostgreSQL says of the same rows."""

import itertools
import json
import re
import sys

import pytest
import readers
from importing import Import
from sqooping import begin_server

sys.path.insert(0, str(readers.folder()))
import fastavro  # noqa: E402
import pyarrow.parquet  # noqa: E402

ROWS = 20000
AWKWARD = """(1, 'plain', 1.5), (2, 'a,b|c', -2), (3, E'line\\nbreak', 0.25), (4, '"quoted"', NULL), (5, E'back\\\\slash', 7), (6, NULL, 8),
    (7, '', 9), (8, 'null', 10), (9, E'\\\\N', 11), (10, E'\\r\\001', 12), (11, ',', 13), (12, '"', 14), (13, E'\\\\,"|\\n', 15)"""


@pytest.fixture(scope="module")
def cluster():
    """No statistics but those that are made here."""
    made = begin_server()
    made.run(f"""
        CREATE TABLE t (id int PRIMARY KEY, name text, price numeric(10,2), level float8, good bool, day date, at timestamp, n bigint)
            WITH (autovacuum_enabled = off);
        INSERT INTO t SELECT i, 'Node' || i, i / 8.0, i / 4.0, i % 2 = 0, date '2026-01-01' + i % 300,
            timestamp '2026-01-01 00:00:00.5' + i * interval '1 minute', CASE WHEN i % 10 > 0 THEN i * 10 END FROM generate_series(1, {ROWS}) i;
        CREATE TABLE awkward (id int, name text, v float8) WITH (autovacuum_enabled = off); INSERT INTO awkward VALUES {AWKWARD};
        CREATE SCHEMA side; CREATE TABLE side.there AS SELECT 5 AS id, 'x' AS name; CREATE TABLE side.other AS SELECT 6 AS id;
        CREATE TABLE mixed (id int PRIMARY KEY, "A,b" int, uid uuid, doc jsonb, list int[], span int4range, at timestamptz, good bool, price numeric(10,3))
            WITH (autovacuum_enabled = off);
        INSERT INTO mixed VALUES (1, 7, '00000000-0000-0000-0000-000000000001', '{{"a": 1}}', '{{1,NULL}}', '[1,5)', '2026-01-02 03:04:05.6+02', true, 2.5),
            (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
        ANALYZE t; ANALYZE awkward; ANALYZE mixed""", "telemetry")
    yield made
    made.close()


# ---- the same rows, with and without an option --------------------------------------------------------------------------------------

T = "SELECT id, name FROM t"
COLUMNS = ("--columns", "id,name")
ONE = ("-m", 1)
CASES = [  # of table t into d, and what the server says of it; in the order of the file where there is one
    ("--table", (*COLUMNS, *ONE), T),
    ("--columns", ("--columns", "name,id,n", *ONE), "SELECT name, id, n FROM t"),
    ("--where", (*COLUMNS, "--where", "id % 7 = 0 AND good", *ONE), f"{T} WHERE id % 7 = 0 AND good"),
    ("--split-by", (*COLUMNS, "--split-by", "n", "-m", 3), T),
    ("--num-mappers", (*COLUMNS, "--num-mappers", 3), T),
    ("--split-limit", (*COLUMNS, "--split-limit", 6000), T),
    ("--direct-split-size", (*COLUMNS, "--direct", "--direct-split-size", 400000, *ONE), T),
    ("--boundary-query", (*COLUMNS, "--boundary-query", "SELECT 100, 300", *ONE), f"{T} WHERE id BETWEEN 100 AND 300"),
    ("--boundary-query", (*COLUMNS, "--boundary-query", "SELECT min(id), max(id) FROM t WHERE id > 5000 ;", "-m", 4), f"{T} WHERE id > 5000"),
    ("--boundary-query", (*COLUMNS, "--split-by", "N", "--boundary-query", "SELECT 1, 99999999999999", "-m", 2), f"{T} WHERE n IS NOT NULL"),
    ("--boundary-query", (*COLUMNS, "--split-by", "day", "--boundary-query", "SELECT '2026-02-01', '2026-02-03'", "--where", "good OR id < 50", *ONE),
     f"{T} WHERE day BETWEEN '2026-02-01' AND '2026-02-03' AND (good OR id < 50)"),
    ("--boundary-query", (*COLUMNS, "--split-by", "name", "--boundary-query", "SELECT 'Node5', 'Node6'", "--verbose"),
     f"{T} WHERE name BETWEEN 'Node5' AND 'Node6'"),
    ("--as-textfile", (*COLUMNS, "--as-textfile", *ONE), T),
    ("--verbose", (*COLUMNS, "--verbose", *ONE), T),
    ("--throw-on-error", (*COLUMNS, "--throw-on-error", *ONE), T),
    ("--validate", (*COLUMNS, "--validate", "--validation-threshold", "org.apache.sqoop.validation.AbsoluteValidationThreshold", *ONE), T),
    ("--fields-terminated-by", (*COLUMNS, "--fields-terminated-by", ";", "--lines-terminated-by", "\\r", *ONE),
     "SELECT id || ';' || name || E'\\r' FROM t"),
    ("--mysql-delimiters", (*COLUMNS, "--mysql-delimiters", *ONE), T),
    ("--incremental", (*COLUMNS, "--incremental", "append", "--check-column", "id", "--last-value", 19000, *ONE), f"{T} WHERE id > 19000"),
    ("--incremental", (*COLUMNS, "--incremental", "lastmodified", "--check-column", "at", "--last-value", "2026-01-14 00:00:00.5", *ONE),
     f"{T} WHERE at >= '2026-01-14 00:00:00.5'"),
    ("--map-column-java", ("--columns", "id,price,level,good,day,at", "--map-column-java", "price=String,level=Integer,good=Integer,day=String,at=String", *ONE),
     "SELECT id, price::text, level::int, good::int, day::text, at::text FROM t"),
    ("--map-column-java", ("--columns", "id,n", "--map-column-java", "ID=Long,n=String", "--null-string", "none", "--escape-mapping-column-names", "true", *ONE),
     "SELECT id::bigint, coalesce(n::text, 'none') FROM t"),
    ("--null-non-string", ("--columns", "id,n", "--null-non-string", "-", *ONE), "SELECT id, coalesce(n::text, '-') FROM t"),
]


@pytest.mark.parametrize("option, words, sql", CASES, ids=[f"{case[0]} {at}" for at, case in enumerate(CASES)])
def test_the_rows_that_postgresql_has(sqoop, option, words, sql):
    sqoop("import", "--table", "t", "--target-dir", "d", *words)
    made, said = sqoop.text("d"), sqoop.copied(sql, null="null")
    if option == "--fields-terminated-by":
        said = "".join(sqoop.psql(sql).split("\n"))
    if words[-2:] != ONE or option == "--direct-split-size":
        made, said = sorted(made.splitlines()), sorted(said.splitlines())
    assert made == said and made


def test_files_of_the_size_that_is_asked_for(sqoop, tmp_path):
    """Pages are of 8 KiB, and the statistics are of this moment: a file has no more than was said, but for the rows of one page."""
    for words, files in (((), 1), (("--split-limit", 4000), 6), (("--split-limit", 4000, "-m", 1), 1), (("--direct-split-size", 16384, "-m", 1), 100)):
        target = "-".join(map(str, ("d", *words)))
        sqoop("import", "--table", "t", "--target-dir", target, *words)
        made = [len((tmp_path / target / name).read_text().splitlines()) for name in sqoop.names(target) if name.startswith("part-")]
        assert sum(made) == ROWS
        assert len(made) == files if files == 1 else len(made) >= files - 1 and max(made) <= ROWS / (files - 1) * 1.2, made


def test_bounds_of_a_query_are_of_the_snapshot(sqoop):
    query = "SELECT id, name FROM t WHERE $CONDITIONS"
    sqoop("import", "--query", query, "--target-dir", "d", "--split-by", "id", "--boundary-query", "SELECT 7, 9", "-m", 2)
    assert sorted(sqoop.text("d").splitlines()) == ["7,Node7", "8,Node8", "9,Node9"]
    sqoop("import", "--query", query, "--target-dir", "none", "--split-by", "id", "--boundary-query", "SELECT min(id), max(id) FROM t WHERE false", "-m", 1)
    assert sqoop.text("none") == ""
    done = Import(sqoop.cluster.conninfo("telemetry"), "--verify", "d", cwd=sqoop.folder)
    assert done.end() == 0, done.said + done.out


@pytest.mark.parametrize("words, why", [
    (("--boundary-query", "SELECT 1"), "it has to select two values"),
    (("--boundary-query", "SELECT 1, 2 FROM nosuch"), 'relation "nosuch" does not exist'),
    (("--boundary-query", "SELECT 1, 2) AS x, (SELECT 1, 2"), "syntax error"),
    (("--boundary-query", "SELECT 1, 2; DELETE FROM t"), "cannot insert multiple commands"),
    (("--boundary-query", "SELECT 1, 2", "--split-by", "good"), "cannot have bounds, as of its type"),
    (("--boundary-query", "SELECT 1, 2", "--split-by", "nosuch"), "is not there"),
    (("--map-column-java", "nosuch=String"), "there is no column nosuch"),
    (("--map-column-java", "good=java.sql.Date"), "cannot cast type boolean to date"),
])
def test_what_the_server_knows_better(sqoop, tmp_path, words, why):
    assert why in sqoop("import", "--table", "t", "--target-dir", "d", *words, status=1)
    assert list(tmp_path.iterdir()) == []
    assert sqoop.psql("SELECT count(*) FROM t") == f"{ROWS}\n"


def test_bounds_need_a_key(sqoop):
    said = sqoop("import", "--table", "awkward", "--target-dir", "d", "--boundary-query", "SELECT 1, 2", status=1)
    assert "it has no primary key; say with --split-by" in said


# ---- types ---------------------------------------------------------------------------------------------------------------------------

STRINGS = "A%2Cb=String,uid=String,doc=String,list=String,span=String,at=String,good=String,price=String"
AS_TEXT = """SELECT id, "A,b"::text AS "A,b", uid::text AS uid, doc::text AS doc, list::text AS list, span::text AS span, at::text AS at, good::text AS good,
    price::text AS price FROM mixed"""


@pytest.mark.parametrize("kind", ["avro", "parquet"])
def test_strings_in_files_with_types(sqoop, tmp_path, kind):
    sqoop("import", "--table", "mixed", "--target-dir", "d", "-m", 1, "--map-column-java", STRINGS, "--as-avrodatafile" if kind == "avro" else "--as-parquetfile")
    said = json.loads(sqoop.psql(f"SET TimeZone = 'UTC'; SELECT json_agg(r) FROM ({AS_TEXT}) AS r"))
    path = tmp_path / "d" / f"part-m-00000.{kind}"
    if kind == "parquet":
        assert pyarrow.parquet.read_table(path).to_pylist() == said
        return
    with open(path, "rb") as file:
        reader = fastavro.reader(file)
        rows = [list(row.values()) for row in reader]
    assert rows == [list(row.values()) for row in said]
    assert [field["type"] for field in reader.writer_schema["fields"]][1:] == [["null", "string"]] * 8


def test_a_column_that_is_cast_is_verified_as_it_was_read(sqoop):
    words = ["--table", "mixed", "--target-dir", "d", "-m", 1, "--columns", "id,price,list", "--map-column-java"]
    sqoop("import", *words, "price=Integer,list=String")
    assert sqoop.text("d") == '1,3,{1,NULL}\n2,null,null\n'  # PostgreSQL rounds, where Sqoop cuts off

    def verified():
        done = Import(sqoop.cluster.conninfo("telemetry"), "--verify", "d", cwd=sqoop.folder)
        return done.end()
    assert verified() == 0
    sqoop.psql("UPDATE mixed SET list = '{2}' WHERE id = 1")
    assert verified() == 1
    sqoop.psql("UPDATE mixed SET list = '{1,NULL}' WHERE id = 1")


# ---- delimiters ----------------------------------------------------------------------------------------------------------------------

def as_sqoop(text, field, line, enclose, required, escape):
    """org.apache.sqoop.lib.FieldFormatter.escapeAndEnclose() of Sqoop 1.4.7, in Python."""
    made = text.replace(escape, escape + escape) if escape else text
    if not enclose:
        return made.replace(field, escape + field).replace(line, escape + line) if escape else made
    if escape:
        made = made.replace(enclose, escape + enclose)
    return enclose + made + enclose if required or field in text or line in text else made


DELIMITERS = [(field, enclosed, escape) for field, enclosed, escape in itertools.product(
    [",", "|"], [None, ("--enclosed-by", '"'), ("--optionally-enclosed-by", '"'), ("--optionally-enclosed-by", "|")], [None, "\\"])
    if not (enclosed and enclosed[1] == field)]


@pytest.mark.parametrize("field, enclosed, escape", DELIMITERS)
def test_every_way_to_enclose_and_escape(sqoop, field, enclosed, escape):
    words = ["--fields-terminated-by", field, *(enclosed or ()), *(("--escaped-by", escape) if escape else ())]
    values = json.loads(sqoop.psql("SELECT json_agg(ARRAY[id::text, name, v::text] ORDER BY id) FROM awkward"))
    for string, other in (("null", "null"), ("\\N", "a,|\"b")):
        sqoop("import", "--table", "awkward", "--target-dir", "d", "-m", 1, "--delete-target-dir", *words, "--null-string", string.replace("\\", "\\\\"),
              "--null-non-string", other)
        said = ""
        for row in values:  # float8 is Java's: 1.0
            texts = [row[0], string if row[1] is None else row[1], other if row[2] is None else str(float(row[2]))]
            said += field.join(as_sqoop(text, field, "\n", enclosed[1] if enclosed else None, enclosed and enclosed[0] == "--enclosed-by", escape)
                               for text in texts) + "\n"
        assert sqoop.text("d") == said


@pytest.mark.parametrize("words, how", [
    (("--hive-drop-import-delims",), "translate(name, E'\\n\\r\\001', '')"),
    (("--hive-delims-replacement", "<>"), "regexp_replace(name, E'[\\n\\r\\001]', '<>', 'g')"),
    (("--hive-drop-import-delims", "--escaped-by", "\\0", "--enclosed-by", "\\0"), "translate(name, E'\\n\\r\\001', '')"),
])
def test_what_hive_would_take_for_a_line(sqoop, words, how):
    sqoop("import", "--table", "awkward", "--columns", "id,name", "--target-dir", "d", "-m", 1, "--null-string", "none", *words)
    assert sqoop.text("d") == sqoop.psql(f"SELECT id || ',' || coalesce({how}, 'none') FROM awkward ORDER BY id")


# ---- what changes nothing ------------------------------------------------------------------------------------------------------------

def rows_of_help(sqoop):
    """Every option of import, and what becomes of it."""
    sqoop("help", "import", login=False)
    return [(re.search(r"--?([\w-]+)(?: <([^>]*)>)?$", option), what) for option, what in re.findall(r"^  (-.*)\n        .*\n        (.*)$", sqoop.out, re.MULTILINE)]


def test_what_changes_nothing_does_so(sqoop, tmp_path):
    ignored = [found for found, what in rows_of_help(sqoop) if what.startswith("changes nothing: ")]
    words = [word for found in ignored for word in (f"--{found[1]}", *(("x",) if found[2] else ()))]
    assert len(ignored) > 20 and {"fetch-size", "autoreset-to-one-mapper", "outdir", "driver"} <= {found[1] for found in ignored}
    sqoop("import", *sqoop.login[:2], "-Dorg.apache.sqoop.splitter.allow_text_splitter=true", "-D", "mapred.child.java.opts=-Xmx1g", "-Dsqoop.bigdecimal.format.string=true",
          *sqoop.login[2:], "--table", "t", *COLUMNS, "--target-dir", "d", "-m", 1, *words, login=False)
    assert sqoop.text("d") == sqoop.copied(T)
    assert "-D mapred.child.java.opts changes nothing" in sqoop.said and "allow_text_splitter" not in sqoop.said
    for found in ignored:
        assert f"--{found[1]} changes nothing: " in sqoop.said


def test_what_is_refused_touches_nothing(sqoop, tmp_path):
    refused = [(found, what) for found, what in rows_of_help(sqoop) if what.startswith("refused: ")]
    assert len(refused) > 20 and "as-sequencefile" in {found[1] for found, _ in refused}
    for found, what in refused:
        said = sqoop("import", "--table", "t", "--target-dir", "d", f"--{found[1]}", *(("x",) if found[2] else ()), status=2)
        assert said.endswith(f"--{found[1]}: {what.removeprefix('refused: ')}\n")
    assert list(tmp_path.iterdir()) == []
