"""penstock sqoop: lines as people type them, the files byte for byte as Sqoop writes them, and held against what PostgreSQL itself says."""

import gzip
import json
import pathlib
import re
import subprocess
import sys

import pytest

import readers
from importing import BINARY, wait_until
from sqooping import PASSWORD, PATIENCE, begin_server

sys.path.insert(0, str(readers.folder()))
import fastavro  # noqa: E402
import pyarrow.parquet  # noqa: E402

ROWS = 2000


@pytest.fixture(scope="module")
def cluster():
    """The course's own: root has to say the password."""
    made = begin_server()
    made.run(f"""
        CREATE TABLE telemetry (id serial primary key, name varchar(255) not null, wattage int not null);
        INSERT INTO telemetry (name, wattage) SELECT 'Node' || i, 75000 + i - 1 FROM generate_series(1, {ROWS}) i;
        CREATE TABLE kinds (id int primary key, name text, price numeric(12,3), level float8, small real, good bool, day date, at timestamp, clock time);
        INSERT INTO kinds VALUES
            (1, 'plain', 1.500, 0.5, 1e10, true, '2026-01-02', '2026-01-02 03:04:05.678901', '03:04:05'),
            (2, E'a,b "c" \\\\ d\\ne\\r\\001f', -0.001, 1e-5, 0.001, false, '1969-12-31', '2026-01-02 03:04:05', '00:00:00'),
            (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
            (4, '', 0.000, 12345678.9, 1e7, true, '0001-01-01', '2026-12-31 23:59:59.1', '23:59:59');
        CREATE SCHEMA "Other"; CREATE TABLE "Other"."Mixed Case" ("The Id" int, "a.b" text);
        INSERT INTO "Other"."Mixed Case" VALUES (1, 'x'), (NULL, 'y');
        CREATE SCHEMA side; CREATE TABLE side.there AS SELECT 1 AS n;
        CREATE TABLE shuffled (key text, n int);
        INSERT INTO shuffled SELECT CASE WHEN i % 10 > 0 THEN md5(i::text) END, i FROM generate_series(1, 30000) i;
        ANALYZE""", "telemetry")
    yield made
    made.close()


def test_the_line_of_the_course(sqoop, tmp_path):
    line = (f'{BINARY.parent}/sqoop import --connect "jdbc:postgresql://localhost:{sqoop.cluster.port}/telemetry" --username root --password {PASSWORD} '
            "--table telemetry --target-dir ./old-telemetry --direct --m 1")
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sqoop").symlink_to(BINARY)
    done = subprocess.run(line.replace(f"{BINARY.parent}/sqoop", f"{folder}/sqoop"), shell=True, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sqoop.names("old-telemetry") == ["_SUCCESS", "_manifest.json", "part-m-00000"]
    text = (tmp_path / "old-telemetry" / "part-m-00000").read_text()
    assert text.startswith("1,Node1,75000\n2,Node2,75001\n")
    assert text == sqoop.copied("SELECT * FROM telemetry ORDER BY id")
    assert f"{ROWS} rows" in done.stderr
    again = subprocess.run([BINARY, "import", "--verify", "old-telemetry"], cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr


def test_text_as_sqoop_writes_it(sqoop):
    sqoop("import", "--table", "kinds", "--target-dir", "t", "-m", 1)
    assert sqoop.text("t") == (
        "1,plain,1.500,0.5,1.0E10,true,2026-01-02,2026-01-02 03:04:05.678901,03:04:05\n"
        '2,a,b "c" \\ d\ne\r\x01f,-0.001,1.0E-5,0.001,false,1969-12-31,2026-01-02 03:04:05.0,00:00:00\n'
        "3,null,null,null,null,null,null,null,null\n"
        "4,,0.000,1.23456789E7,1.0E7,true,0001-01-01,2026-12-31 23:59:59.1,23:59:59\n")


@pytest.mark.parametrize("words, text", [
    (["--fields-terminated-by", "\\t", "--lines-terminated-by", "\\n", "--where", "id = 1"], "1\tplain\n"),
    (["--fields-terminated-by", "\\001", "--where", "id = 1"], "1\x01plain\n"),
    (["--fields-terminated-by", "||", "--where", "id = 1"], "1|plain\n"),
    (["--null-string", "\\\\N", "--null-non-string", "\\\\N", "--where", "id = 3"], "3,\\N\n"),
    (["--null-string", "", "--where", "id in (3, 4)"], "3,\n4,\n"),
    (["--hive-drop-import-delims", "--where", "id = 2"], '2,a,b "c" \\ def\n'),
    (["--hive-delims-replacement", " ", "--where", "id = 2"], '2,a,b "c" \\ d e  f\n'),
    (["--enclosed-by", '"', "--escaped-by", "\\", "--hive-drop-import-delims", "--where", "id = 2"], '"2","a,b \\"c\\" \\\\ def"\n'),
    (["--optionally-enclosed-by", '"', "--escaped-by", "\\\\", "--where", "id = 1"], "1,plain\n"),
    (["--mysql-delimiters", "--hive-drop-import-delims", "--where", "id = 2"], "2,'a,b \"c\" \\\\ def'\n"),
    (["--where", "name = 'plain' AND good"], "1,plain\n"),
])
def test_delimiters_and_null(sqoop, words, text):
    sqoop("import", "--table", "kinds", "--columns", "id, name", "--target-dir", "t", "--m", "1", *words)
    assert sqoop.text("t") == text


@pytest.mark.parametrize("words", [
    ["--m", "1"], ["-m", "1"], ["-m1"], ["-m=1"], ["--num-mappers", "1"], ["--num-mappers=1"], ["-num-mappers", "1"],
    ["-D", "mapreduce.job.queuename=etl", "-m", "1"], ["-Dmapreduce.job.queuename=etl", "-m", "1"],
])
def test_spellings(sqoop, words):
    generic = [word for word in words if word.startswith("-D") or "queuename" in word]
    others = [word for word in words if word not in generic]
    line = [*generic, "-connect", sqoop.url, "--username=root", "-password", PASSWORD, "--table=telemetry", "--target-dir=t", *others]
    sqoop("import", *line, login=False)
    assert sqoop.names("t") == ["_SUCCESS", "_manifest.json", "part-m-00000"]
    assert sqoop.text("t") == sqoop.copied("SELECT * FROM telemetry ORDER BY id")


def test_an_options_file(sqoop, tmp_path):
    (tmp_path / "line").write_text(f"# of the course\nimport\n--connect\n{sqoop.url}\n\n--username\nroot\n--table\n  telemetry\n--where\n'id < 3'\n")
    process = subprocess.run([BINARY, "sqoop", "--options-file", "line", "--password", PASSWORD, "-m", "1"], cwd=tmp_path, capture_output=True,
                             text=True)
    assert process.returncode == 0, process.stderr
    assert sqoop.text("telemetry") == "1,Node1,75000\n2,Node2,75001\n"


def test_a_query(sqoop):
    sqoop("import", "--query", "SELECT id, wattage * 2 AS w FROM telemetry WHERE id <= 3 AND $CONDITIONS", "--target-dir", "t", "-m", 1)
    assert sqoop.text("t") == "1,150000\n2,150002\n3,150004\n"
    sqoop("import", "-e", "SELECT key, n FROM shuffled WHERE $CONDITIONS", "--split-by", "key", "--target-dir", "cut", "-m", 4)
    assert sorted(sqoop.text("cut").split()) == sorted(sqoop.copied("SELECT coalesce(key, 'null'), n FROM shuffled").split())
    assert "$CONDITIONS" in sqoop("import", "--query", "SELECT 1", "--target-dir", "none", "-m", 1, status=2)
    assert "--target-dir" in sqoop("import", "--query", "SELECT 1 WHERE $CONDITIONS", "-m", 1, status=2)


def test_rows_with_a_key_that_is_null_are_there(sqoop):
    sqoop("import", "--table", "shuffled", "--split-by", "key", "--target-dir", "t", "--num-mappers", 3)
    assert sorted(sqoop.text("t").split()) == sorted(sqoop.copied("SELECT coalesce(key, 'null'), n FROM shuffled").split())


def test_where_files_go(sqoop, tmp_path):
    sqoop("import", "--table", "telemetry", "-m", 1)
    sqoop("import", "--table", "telemetry", "--warehouse-dir", "house", "-m", 1)
    sqoop("import", "--table", "telemetry", "--target-dir", f"file://{tmp_path}/url", "-m", 1)
    assert sqoop.text("telemetry") == sqoop.text("house/telemetry") == sqoop.text("url")
    assert "it is not empty" in sqoop("import", "--table", "telemetry", "-m", 1, status=1)
    sqoop("import", "--table", "telemetry", "--where", "id = 7", "--delete-target-dir", "-m", 1)
    assert sqoop.text("telemetry") == "7,Node7,75006\n"
    sqoop("import", "--table", "Mixed Case", "--target-dir", "mixed", "--columns", "a.b,The Id", "-m", 1, "--", "--schema", "Other")
    assert sqoop.text("mixed") == "x,1\ny,null\n"


def test_formats_and_compression(sqoop, tmp_path):
    sqoop("import", "--table", "kinds", "--target-dir", "packed", "-m", 1, "-z")
    sqoop("import", "--table", "kinds", "--target-dir", "plain", "-m", 1, "--as-textfile")
    assert gzip.decompress((tmp_path / "packed" / "part-m-00000.gz").read_bytes()) == (tmp_path / "plain" / "part-m-00000").read_bytes()
    for codec, name in (("snappy", "snappy"), ("org.apache.hadoop.io.compress.DefaultCodec", "deflate"), (None, "null")):
        sqoop("import", "--table", "kinds", "--target-dir", f"avro-{name}", "-m", 1, "--as-avrodatafile", *(["--compression-codec", codec] if codec else []))
        with open(tmp_path / f"avro-{name}" / "part-m-00000.avro", "rb") as file:
            reader = fastavro.reader(file)
            rows = list(reader)
        assert reader.codec == name
        assert [row["id"] for row in rows] == [1, 2, 3, 4] and [row["price"] for row in rows] == ["1.500", "-0.001", None, "0.000"]
    sqoop("import", "--table", "kinds", "--target-dir", "parquet", "-m", 1, "--as-parquetfile")
    table = pyarrow.parquet.read_table(tmp_path / "parquet" / "part-m-00000.parquet")
    assert table.column("price").to_pylist() == ["1.500", "-0.001", None, "0.000"] and table.column("level").to_pylist()[3] == 12345678.9
    sqoop("import", "-Dsqoop.avro.logical_types.decimal.enable=true", *sqoop.login, "--table", "kinds", "--target-dir", "decimal", "-m", 1,
          "--as-avrodatafile", login=False)
    with open(tmp_path / "decimal" / "part-m-00000.avro", "rb") as file:
        assert [str(row["price"]) for row in fastavro.reader(file)] == ["1.500", "-0.001", "None", "0.000"]


def test_a_dry_run_touches_nothing(sqoop, tmp_path):
    sqoop("import", "--table", "telemetry", "--target-dir", "t", "--delete-target-dir", "--dry-run")
    assert sqoop.out.startswith("penstock import --connect ") and PASSWORD not in sqoop.out + sqoop.said
    assert "COPY" in sqoop.out and list(tmp_path.iterdir()) == []


def test_validated(sqoop):
    sqoop("import", "--table", "telemetry", "--target-dir", "t", "-m", 1, "--validate")
    assert "1 files are as they were written" in sqoop.out


def processes_of(process):
    """Command lines and environments of the process and of the keeper that it started."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            status = (entry / "status").read_text()
            if entry.name == str(process.pid) or re.search(rf"^PPid:\t{process.pid}$", status, re.MULTILINE):
                found.append((entry / "cmdline").read_bytes() + (entry / "environ").read_bytes())
        except OSError:
            continue
    return found


@pytest.mark.parametrize("where", ["option", "option=", "url", "options file"])
def test_a_password_is_seen_nowhere(sqoop, tmp_path, where):
    """Neither in the list of processes, while rows are read, nor in what is said or left."""
    words = ["import", "--username", "root", "--table", "telemetry", "--target-dir", "t", "-m", "1",
             "--where", "(SELECT true FROM pg_sleep(0.005 + id * 0))"]
    (tmp_path / "secret").write_text(f"--password\n{PASSWORD}\n")
    words += {"option": ["--connect", sqoop.url, "--password", PASSWORD], "option=": ["--connect", sqoop.url, f"--password={PASSWORD}"],
              "url": ["--connect", f"{sqoop.url}?password={PASSWORD}"],
              "options file": ["--connect", sqoop.url, "--options-file", "secret"]}[where]
    process = sqoop.begin(*words, login=False)

    wait_until("rows on their way", lambda: any(entry.name.startswith(".t.import-") and any(entry.iterdir()) for entry in tmp_path.iterdir()))
    seen = processes_of(process)
    assert len(seen) >= 2 and not any(PASSWORD.encode() in text for text in seen)
    out, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    assert PASSWORD not in out + said + (tmp_path / "t" / "_manifest.json").read_text()


def test_a_password_file(sqoop, tmp_path):
    words = ["import", "--connect", sqoop.url, "--username", "root", "--table", "telemetry", "--target-dir", "t", "-m", "1"]
    (tmp_path / "secret").write_text(PASSWORD + "\n")
    (tmp_path / "secret").chmod(0o400)
    sqoop(*words, "--password-file", f"file://{tmp_path}/secret", login=False)
    assert sqoop.text("t") == sqoop.copied("SELECT * FROM telemetry ORDER BY id")
    (tmp_path / "secret").chmod(0o444)
    assert "secret" in sqoop(*words, "--delete-target-dir", "--password-file", "secret", login=False, status=1)
    assert "there is no terminal" in sqoop(*words, "--delete-target-dir", "-P", login=False, status=1, start_new_session=True)


def test_parameters_of_the_connection(sqoop, tmp_path):
    (tmp_path / "parameters").write_text("# two\nApplicationName=courses\nsslmode: require\n")
    said = sqoop("import", "--table", "telemetry", "--target-dir", "t", "-m", 1, "--connection-param-file", "parameters", status=1)
    assert "SSL" in said  # the server of this test has none
    (tmp_path / "parameters").write_text("prepareThreshold=0\ncurrentSchema=side\nsslmode=prefer\n")
    said = sqoop("import", "--table", "there", "--target-dir", "t", "-m", 1, "--connection-param-file", "parameters")
    assert "prepareThreshold changes nothing" in said and sqoop.text("t") == "1\n"
    said = sqoop("import", "--table", "telemetry", "--target-dir", "u", "-m", 1, "--connection-param-file", "parameters", status=1)
    assert "there is none of that name" in said


@pytest.mark.parametrize("words, why", [
    (["import", "--connect", "jdbc:mysql://localhost/db", "--table", "t"], "MySQL, and only PostgreSQL is read"),
    (["import", "--connect", "jdbc:oracle:thin:@//h:1521/x", "--table", "t"], "Oracle, and only PostgreSQL is read"),
    (["import", "--table", "t", "--targer-dir", "x"], 'did you mean "--target-dir"'),
    (["import", "--table", "t", "--as-sequencefile"], "use --as-avrodatafile or --as-parquetfile"),
    (["import", "--table", "t", "--hbase-table", "t"], "--hbase-table: there is no HBase here"),
    (["import", "--table", "t", "--incremental", "append"], "--incremental: "),
    (["import", "--table", "t", "--target-dir", "maprfs://namenode:9000/t"], "files go to a directory of this machine"),
    (["list-tables", "--table", "t"], "--table is no option of list-tables"),
    (["export", "--table", "t"], "export is not taken"),
    (["imprt"], 'did you mean "import"'),
    (["help", "imprt"], "no such tool"),
])
def test_what_is_refused(sqoop, words, why):
    said = sqoop(*words, login="--connect" not in words and words[0] not in ("imprt", "help"), status=2)
    assert why in said and PASSWORD not in said


def test_the_manifest_says_which_line_it_was(sqoop, tmp_path):
    sqoop("import", "--table", "telemetry", "--target-dir", "t", "-m", 1)
    manifest = json.loads((tmp_path / "t" / "_manifest.json").read_text())
    assert manifest["tables"][0]["rows"] == ROWS
    assert "--table" not in str(manifest) and "--names sqoop" in str(manifest)


def test_increments_come_beside_what_is_there(sqoop, tmp_path):
    """Sqoop's own closing lines say how to go on."""
    sqoop.psql("CREATE TABLE growing (id serial PRIMARY KEY, name text); INSERT INTO growing(name) VALUES ('a'), ('b'); GRANT SELECT ON growing TO root")
    line = ["import", "--table", "growing", "--target-dir", "t", "-m", 1, "--incremental", "append", "--check-column", "id"]
    said = sqoop(*line)
    assert said.endswith(" --incremental append\n  --check-column id\n  --last-value 2\n")
    sqoop.psql("INSERT INTO growing(name) VALUES ('later')")
    said = sqoop(*line, "--last-value", 2, "--validate")
    assert "  --last-value 3\n" in said
    assert sqoop.names("t") == ["_SUCCESS", "_manifest-00001.json", "_manifest.json", "part-m-00000", "part-m-00001"]
    assert (tmp_path / "t" / "part-m-00000").read_text() == "1,a\n2,b\n"
    assert (tmp_path / "t" / "part-m-00001").read_text() == "3,later\n"
    sqoop.psql("DROP TABLE growing")


def test_help_and_version(sqoop):
    for words in (["help"], ["help", "import"], ["import", "--help"], ["version"]):
        sqoop(*words, login=False)
        assert "import" in sqoop.out or "1.4.7" in sqoop.out


def test_types_that_sqoop_refuses(sqoop):
    sqoop.psql("CREATE TABLE more (id int, at timestamptz, list int[], doc jsonb, uid uuid);"
               "INSERT INTO more VALUES (1, '2026-01-02 03:04:05.6+02', '{1,NULL}', '{\"a\": 1}', '00000000-0000-0000-0000-000000000001')")
    sqoop("import", "--table", "more", "--target-dir", "t", "-m", 1)
    assert sqoop.text("t") == '1,2026-01-02 01:04:05.6,[1,null],{"a": 1},00000000-0000-0000-0000-000000000001\n'
