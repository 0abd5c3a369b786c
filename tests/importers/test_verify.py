"""penstock import --verify: what was done to files and tables since the import is found and named, and what was not is not."""

import json
import os
import shutil

import pytest
from importing import Import, Imported

ROWS = 3000
FORMATS = {"parquet": ("--format", "parquet"), "avro": ("--format", "avro"), "jsonl": ("--format", "jsonl"), "csv": ("--format", "csv"),
           "text": ("--format", "text", "--compression", "gzip")}


@pytest.fixture
def run(database, tmp_path):
    """Imports of this test's database, and checks of them; what was said."""
    def go(*words, status=0, address=database.address):
        one = Import(address, *words, cwd=tmp_path)
        assert one.end() == status, (one.out, one.said)
        return one
    return go


@pytest.fixture
def readings(database):
    database.run(f"""
        CREATE TYPE mood AS ENUM ('sad', 'happy');
        CREATE TABLE readings (id int PRIMARY KEY, name text, price numeric, level float8, at timestamptz, tags text[], moods mood[], place point, doc jsonb);
        INSERT INTO readings SELECT i, CASE WHEN i % 7 = 0 THEN NULL ELSE 'Nödé ' || i END, i::numeric / 7, i / 3.0::float8,
            '2026-01-01'::timestamptz + i * interval '1.5 s', ARRAY['a', NULL, i::text], ARRAY['sad', 'happy']::mood[], point(i, -i),
            jsonb_build_object('n', i) FROM generate_series(1, {ROWS}) i;
        ANALYZE readings""")


@pytest.fixture
def parts(database, readings):
    """The same in three partitions, and so in three files."""
    database.run("CREATE TABLE parts (LIKE readings) PARTITION BY RANGE (id)")
    for number in range(3):
        database.run(f"CREATE TABLE part{number} PARTITION OF parts FOR VALUES FROM ({number * ROWS // 3 + 1}) TO ({(number + 1) * ROWS // 3 + 1})")
    database.run("INSERT INTO parts SELECT * FROM readings")


@pytest.mark.parametrize("name", FORMATS)
def test_what_was_just_imported_is_equal(run, parts, tmp_path, name):
    run("--target", "made", *FORMATS[name], "--connections", 3, "parts")
    files = len(Imported(tmp_path / "made").files("public", "parts"))
    assert files == 3
    one = run("--verify", "made", address=None)  # the files alone
    assert one.out == f"made/manifest.json: {files} files are as they were written\n" and one.said == ""
    for connections in (1, 3):
        one = run("--verify", "made/manifest.json", "--connections", connections)
        assert one.out.splitlines()[0] == f"public.parts: equal, {ROWS} rows"


def a_file(folder, which=0):
    return sorted(path for path in folder.iterdir() if path.name.startswith("part-"))[which]


def flip(folder):
    path = a_file(folder)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return f"{path.name}: its bytes are others: CRC32C "


def truncate(folder):
    path = a_file(folder)
    os.truncate(path, path.stat().st_size - 1)
    return f"{path.name}: it has {path.stat().st_size} bytes, the manifest says {path.stat().st_size + 1}"


def delete(folder):
    path = a_file(folder)
    path.unlink()
    return f"{path.name}: it is missing"


def add(folder):
    shutil.copy(a_file(folder), folder / "part-99999.copy")
    return "part-99999.copy: it is none of the import's"


def swap(folder):
    """Of one size, so only the bytes tell."""
    one, other = a_file(folder), a_file(folder, 1)
    first, second = one.read_bytes(), other.read_bytes()
    manifest = json.loads((folder / "manifest.json").read_text())
    for file in manifest["tables"][0]["files"]:
        if file["name"] in (one.name, other.name):
            file["bytes"] = len(second if file["name"] == one.name else first)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    one.write_bytes(second)
    other.write_bytes(first)
    return f"{one.name}: its bytes are others"


def make_a_link(folder):
    path = a_file(folder)
    path.rename(folder.parent / "elsewhere")
    path.symlink_to(folder.parent / "elsewhere")
    return f"{path.name}: it cannot be read: Too many levels of symbolic links"


def make_a_pipe(folder):
    path = a_file(folder)
    path.unlink()
    os.mkfifo(path)
    return f"{path.name}: it is no file"


def forget_success(folder):
    (folder / "_SUCCESS").unlink()
    return "_SUCCESS: it is missing"


DAMAGE = [flip, truncate, delete, add, swap, make_a_link, make_a_pipe, forget_success]


@pytest.mark.parametrize("name", FORMATS)
def test_what_was_done_to_files_is_named(run, parts, tmp_path, name):
    run("--target", "made", *FORMATS[name], "parts")
    for damage in DAMAGE:
        folder = tmp_path / damage.__name__
        shutil.copytree(tmp_path / "made", folder)
        expected = damage(folder)
        one = run("--verify", folder.name, address=None, status=1)
        named = one.out.splitlines()[:-1]
        assert expected in one.out and len(named) == (2 if damage is swap else 1), (damage, one.out)
        assert all(line.startswith(f"{folder.name}/part-") or line.startswith(f"{folder.name}/_SUCCESS") for line in named)
        assert f"{len(named)} files and 0 tables differ" in one.said


CHANGES = {
    "a row more": ("INSERT INTO readings SELECT 9999", f"changed since: {ROWS} rows then, {ROWS + 1} now"),
    "a row less": ("DELETE FROM readings WHERE id = 17", f"changed since: {ROWS} rows then, {ROWS - 1} now"),
    "another value": ("UPDATE readings SET level = level + 1e-9 WHERE id = 1", f"changed since: {ROWS} rows then and now, with other values"),
    "a NULL": ("UPDATE readings SET name = NULL WHERE id = 1", "with other values"),
    "an empty text instead of NULL": ("UPDATE readings SET name = '' WHERE id = 7", "with other values"),
    "one goes, another comes": ("DELETE FROM readings WHERE id = 1; INSERT INTO readings SELECT 9999", "with other values"),
    "two that swap a value": ("UPDATE readings r SET name = o.name FROM readings o WHERE (r.id, o.id) IN ((1, 2), (2, 1))", "with other values"),
    "one as another is": ("DELETE FROM readings WHERE id = 1; INSERT INTO readings SELECT * FROM readings WHERE id = 2", "with other values"),
    "all again": ("UPDATE readings SET id = id", None),  # the same rows, elsewhere on the disk
    "the order": ("CREATE INDEX readings_i ON readings (level DESC); CLUSTER readings USING readings_i", None),
    "columns added": ("ALTER TABLE readings ADD extra int", "cannot be compared: column extra is new"),
    "columns dropped": ("ALTER TABLE readings DROP level", "cannot be compared: where column level was is at now"),
    "the last one dropped": ("ALTER TABLE readings DROP doc", "cannot be compared: where column doc was is none now"),
    "another type": ("ALTER TABLE readings ALTER level TYPE numeric", "cannot be compared: column level is numeric now, and was double precision"),
    "another name": ("ALTER TABLE readings RENAME TO readings_other", "cannot be compared: table \"public\".\"readings\": there is none of that name"),
    "no rows": ("TRUNCATE readings", f"changed since: {ROWS} rows then, 0 now"),
}


def test_what_was_done_to_a_table_is_said(database, run, readings):
    """Each change is done to a table of its own; they are imported and verified together."""
    names = {change: f"t{number:02}" for number, change in enumerate(CHANGES)}
    database.run("".join(f"CREATE TABLE {name} AS SELECT * FROM readings; ALTER TABLE {name} ALTER id SET NOT NULL;" for name in names.values()))
    run("--target", "made", "--format", "avro", *names.values())
    for change, name in names.items():
        database.run(CHANGES[change][0].replace("readings", name))
    one = run("--verify", "made", status=1)
    said = dict(line.split(": ", 1) for line in one.out.splitlines()[:-1])
    for change, name in names.items():
        expected = (CHANGES[change][1] or f"equal, {ROWS} rows").replace("readings", name)
        assert said[f"public.{name}"].startswith(expected) or expected == "with other values" and said[f"public.{name}"].endswith(expected), (change, said)
    assert len(said) == len(CHANGES)
    assert f"0 files and {sum(expected is not None for _, expected in CHANGES.values())} tables differ" in one.said


def test_values_that_the_format_could_not_hold_are_compared(database, run, readings):
    """What would end an import changes the table, and nothing else."""
    run("--target", "made", "--format", "parquet", "--numeric-type", "38,20", "--where", "true", "readings")
    database.run("UPDATE readings SET at = 'infinity', price = 'NaN', tags = '[2:2]={x}' WHERE id = 1")
    assert "with other values" in run("--verify", "made", status=1).out


def test_the_same_rows_are_selected(database, run, readings):
    """Columns, conditions, queries and how arrays were sent stand in the manifest."""
    selections = {"columns": ["--columns", "level,id", "readings"],
                  "where": ["--where", "name LIKE '%1%' OR name IS NULL", "readings"],
                  "query": ["--query", "SELECT id % 10 AS k, count(*) AS n, array_agg(id ORDER BY id) AS ids FROM readings GROUP BY 1"],
                  "arrays": ["--arrays", "text", "readings"]}
    for name, words in selections.items():
        run("--target", name, "--format", "jsonl", *words)
        assert ": equal, " in run("--verify", name).out
    database.run("UPDATE readings SET name = 'other', moods = '{}' WHERE id = 2;")  # which none but the last has seen
    database.run("ALTER TABLE readings ADD extra int")
    assert ": equal, " in run("--verify", "columns").out
    assert ": equal, " in run("--verify", "query").out
    assert "column extra is new" in run("--verify", "arrays", status=1).out
    database.run("ALTER TABLE readings DROP extra")
    assert ": equal, " in run("--verify", "where").out
    assert "with other values" in run("--verify", "arrays", status=1).out


def test_each_of_several_tables_is_judged_alone(database, run, tmp_path):
    database.run("""CREATE SCHEMA s; CREATE TABLE s.same AS SELECT i FROM generate_series(1, 100) i; CREATE TABLE s.more AS SELECT 1 AS i;
        CREATE TABLE s.gone (i int); CREATE TABLE s.other (i int); CREATE TABLE s.empty (i int); CREATE TABLE s.nothing ();
        CREATE TABLE s."x""; drop table s.same;--" (i int); CREATE VIEW s.v AS SELECT * FROM s.more;
        CREATE TABLE s.parts (i int) PARTITION BY RANGE (i); CREATE TABLE s.part1 PARTITION OF s.parts FOR VALUES FROM (0) TO (10);
        CREATE TABLE s.part2 PARTITION OF s.parts FOR VALUES FROM (10) TO (20); INSERT INTO s.parts SELECT generate_series(0, 19)""")
    run("--target", "made", "--format", "jsonl", "--schema", "s", "--views")
    database.run("INSERT INTO s.more VALUES (2); DROP TABLE s.gone; ALTER TABLE s.other ADD j int; CREATE TABLE s.new (i int);"
                 "ALTER TABLE s.parts DETACH PARTITION s.part2; CREATE TABLE s.part3 PARTITION OF s.parts FOR VALUES FROM (10) TO (30);"
                 "INSERT INTO s.parts SELECT generate_series(10, 19)")
    one = run("--verify", "made", status=1)
    assert sorted(line.split(" in 127.0.0.1")[0] for line in one.out.splitlines()[:-1]) == sorted([
        "s.same: equal, 100 rows", "s.empty: equal, 0 rows", "s.nothing: equal, 0 rows", 's.x"; drop table s.same;--: equal, 0 rows',
        "s.parts: equal, 20 rows", "s.more: changed since: 1 rows then, 2 now", "s.v: changed since: 1 rows then, 2 now",
        's.gone: cannot be compared: table "s"."gone": there is none of that name', "s.other: cannot be compared: column j is new"]), one.out
    assert "0 files and 4 tables differ" in one.said
    # Beside the tables' directories, and without one of them.
    shutil.rmtree(tmp_path / "made" / "s.more")
    (tmp_path / "made" / "s.new").mkdir()
    one = run("--verify", "made", address=None, status=1)
    assert sorted(one.out.splitlines()[:-1]) == ["made/s.more: it is missing", "made/s.new: it is none of the import's"]


def test_rows_that_are_doubled(database, run):
    database.run("CREATE TABLE t AS SELECT i % 10 AS k FROM generate_series(1, 100) i")
    run("--target", "made", "--format", "jsonl", "t")
    database.run("INSERT INTO t SELECT * FROM t")  # each is there twice: what XOR would not see twice over
    assert "100 rows then, 200 now" in run("--verify", "made", status=1).out
    database.run("TRUNCATE t; INSERT INTO t SELECT i % 5 FROM generate_series(1, 100) i")
    assert "with other values" in run("--verify", "made", status=1).out


def test_the_snapshot_is_one(database, run):
    """Both tables at the same moment, while a transaction changes both: equal or changed together."""
    database.run("CREATE TABLE a AS SELECT i FROM generate_series(1, 50000) i; CREATE TABLE b AS SELECT * FROM a")
    run("--target", "made", "--format", "jsonl", "a", "b")
    for number in range(3):
        other = Import(database.address, "--verify", "made", cwd=database.folder)
        database.run("BEGIN; UPDATE a SET i = i + 1; UPDATE b SET i = i + 1; COMMIT")
        other.end()
        verdicts = {line.split(": ")[1].split(",")[0] for line in other.out.splitlines()[:-1]}
        assert len(verdicts) == 1, other.out


def test_as_json(run, readings, tmp_path):
    run("--target", "made", "--format", "jsonl", "readings")
    truncate(tmp_path / "made")
    events = [json.loads(line) for line in run("--verify", "made", "--progress", "json", status=1).out.splitlines()]
    assert [event["event"] for event in events] == ["file", "table", "verified"]
    assert events[1] == {"event": "table", "table": "public.readings", "verdict": "equal", "rows_then": ROWS, "rows_now": ROWS}
    assert events[2]["files_differing"] == 1 and events[2]["tables_differing"] == 0 and events[2]["tables_compared"]


def test_a_database_that_is_not_there(run, readings):
    """The files are verified before that; that the tables are not is said, and is no success."""
    run("--target", "made", "--format", "jsonl", "readings")
    one = run("--verify", "made", address="host=127.0.0.1 port=1", status=1)
    assert "port 1" in one.said and "equal" not in one.out
    assert "does not exist" in run("--verify", "made", "--database", "nosuch", status=1).said


def broken(change):
    def made(folder):
        manifest = json.loads((folder / "manifest.json").read_text())
        change(manifest, manifest["tables"][0])
        (folder / "manifest.json").write_text(json.dumps(manifest))
    return made


BROKEN = {
    "no JSON": (lambda folder: (folder / "manifest.json").write_text("{\n  x"), "manifest.json:2:3: this is no JSON"),
    "nothing": (lambda folder: (folder / "manifest.json").write_text(""), "this is no JSON"),
    "cut off": (lambda folder: os.truncate(folder / "manifest.json", 300), "this is no JSON"),
    "something else": (lambda folder: (folder / "manifest.json").write_text("[]"), "this is no manifest of an import: Expected object, got array"),
    "another version": (broken(lambda all, _: all.update(manifest=2)), "a manifest of version 2, this program knows version 1"),
    "other checksums": (broken(lambda all, _: all.update(checksums="rows-2")), 'checksums "rows-2", this program knows "rows-1"'),
    "no tables": (broken(lambda all, _: all.update(tables=1)), "tables: this is no list"),
    "no selection": (broken(lambda all, _: all.pop("selection")), "Object item not found: selection"),
    "a column that is none": (broken(lambda all, _: all["selection"].update(columns=[1])), "selection.columns: a name is missing"),
    "a query that is none": (broken(lambda all, _: all["selection"].update(query=1)), "selection.query: a text is missing"),
    "no columns": (broken(lambda _, table: table.update(columns=None)), 'tables[0]: "columns" and "files" are lists'),
    "a column without a type": (broken(lambda _, table: table["columns"][1].pop("type")), "tables[0].columns[1]: Object item not found: type"),
    "a file without its size": (broken(lambda _, table: table["files"][0].pop("bytes")), "tables[0].files[0]: Object item not found: bytes"),
    "a size below nothing": (broken(lambda _, table: table["files"][0].update(bytes=-1)), 'tables[0].files[0]: "bytes" is negative'),
    "no checksum": (broken(lambda _, table: table["files"][0].update(crc32c="0x123456")), "a checksum is no hexadecimal number"),
    "half a checksum": (broken(lambda _, table: table.update(checksum="12345678")), "tables[0]: a checksum is no hexadecimal number"),
    "a name that leads out": (broken(lambda _, table: table["files"][0].update(name="../../etc/passwd")), "a name that leads out of the directory"),
    "a directory that leads out": (broken(lambda _, table: table.update(directory="..")), "tables[0]: a name that leads out of the directory"),
    "a query of two tables": (broken(lambda all, table: (all["selection"].update(query="SELECT 1"), all["tables"].append(table))), "tables: a query has one"),
    "not there": (lambda folder: (folder / "manifest.json").unlink(), "made/manifest.json: No such file or directory"),
    "a directory": (lambda folder: ((folder / "manifest.json").unlink(), (folder / "manifest.json").mkdir()), "it is no file"),
}


def test_a_manifest_that_is_none(database, run, tmp_path):
    database.run("CREATE TABLE t AS SELECT 1 AS i, 'x' AS x")
    run("--target", "whole", "--format", "jsonl", "t")
    for name, (change, expected) in BROKEN.items():
        shutil.rmtree(tmp_path / "made", ignore_errors=True)
        shutil.copytree(tmp_path / "whole", tmp_path / "made")
        change(tmp_path / "made")
        one = run("--verify", "made", address=None, status=1)
        assert expected in one.said and len(one.said.splitlines()) == 1 and one.out == "", (name, one.said)


def test_a_table_that_a_manifest_names_twice(database, run, tmp_path):
    """Only one of them can have been compared, so not all is equal."""
    database.run("CREATE TABLE t AS SELECT 1 AS i")
    run("--target", "made", "--format", "jsonl", "t")
    broken(lambda all, table: all["tables"].append(table))(tmp_path / "made")
    one = run("--verify", "made", status=1)
    assert sorted(one.out.splitlines()[:-1]) == ["public.t: cannot be compared: the manifest names it more than once", "public.t: equal, 1 rows"]


def test_names_reach_the_terminal_without_control_characters(database, run, tmp_path):
    database.run("CREATE TABLE t AS SELECT 1 AS i")
    run("--target", "made", "--format", "jsonl", "t")
    (tmp_path / "made" / "\033]0;x\a").write_text("")
    assert "made/\\x1B]0;x\\x07: it is none of the import's" in run("--verify", "made", address=None, status=1).out


def test_verify_stands_alone(run):
    for words in (["readings"], ["--target", "x"], ["--where", "true"], ["--query", "SELECT 1"], ["--explain"]):
        assert "--verify stands alone" in run("--verify", "made", *words, status=2).said
