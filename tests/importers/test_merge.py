"""--merge-key: the rows that have changed take the place of the older ones, in one step, and whatever cannot be merged is refused and left as it is."""

import csv
import io
import json
import os
import shutil

import pytest
from importing import HELD, HOLD, Import, wait_until
from merging import CHANGES, TABLE, Lake
from postgres import Session

NASTY = r"""create table t(v text, k text not null, id int not null, at timestamptz not null default now());
    insert into t(v, k, id) select x, x || g, g from generate_series(1, 40) g,
        unnest(array['plain', '', 'a,b', E'two\nlines', E'\n7,8,9\n', 'say "hi"', '"', '""', E'back\\slash', E'\\', E'tab\there', E'cr\r\nlf', '|', 'é', E'"\n","\n"', ',']) x"""
TEXTS = {
    "csv": ("--format", "csv"),
    "csv with a header": ("--format", "csv", "--header"),
    "csv in single quotes": ("--format", "csv", "--enclosed-by", "'", "--escaped-by", "\\\\"),
    "text of Hive": ("--format", "text"),
    "sqoop, all enclosed": ("--format", "sqoop", "--enclosed-by", '"', "--escaped-by", "\\\\"),
    "sqoop, some enclosed": ("--format", "sqoop", "--optionally-enclosed-by", '"', "--escaped-by", "\\\\"),
    "sqoop, doubled": ("--format", "sqoop", "--optionally-enclosed-by", '"', "--escaped-by", '"'),
    "sqoop, escaped": ("--format", "sqoop", "--escaped-by", "\\\\", "--lines-terminated-by", "|"),
    "sqoop-direct": ("--format", "sqoop-direct"),
    "sqoop-direct with an escape": ("--format", "sqoop-direct", "--optionally-enclosed-by", "'", "--escaped-by", "\\\\"),
    "gzip": ("--format", "csv", "--compression", "gzip"),
    "zstd": ("--format", "text", "--compression", "zstd"),
}


def test_the_files_are_the_table_again(database, tmp_path):
    database.run(TABLE)
    lake = Lake(database, tmp_path)
    lake.full(None, "--connections", 2, "--split-rows", 700)
    lake.place.chmod(0o750)
    for number, every in enumerate((3, 7, 1, 1000), 1):
        database.run(CHANGES.format(number, every))
        before = lake.manifest()["tables"][0]["rows"]
        said = lake.merge()
        table = lake.check(3000 + 500 * number)
        replaced = before // every
        assert table["merged"] == {"key": ["id"], "rows_read": replaced + 500, "rows_kept": before - replaced, "rows_replaced": replaced}
        assert f"{replaced} of the {before} rows that were there are replaced" in said and f"{before - replaced} rows that were there before stay" in said
        assert sorted(next(csv.reader([row]))[:2] for row in lake.rows(lake.place)) == lake.of_server("id, v")
    assert len(table["files"]) <= 3 and lake.place.stat().st_mode & 0o777 == 0o750
    lake.merge()
    assert lake.check(5000)["merged"]["rows_replaced"] == 0


def test_verify_says_what_it_compares(database, tmp_path):
    database.run(TABLE)
    lake = Lake(database, tmp_path)
    lake.full()
    database.run(CHANGES.format(1, 100))
    lake.merge()
    files = len(lake.check()["files"])
    done = Import(database.address, "--verify", lake.place, cwd=tmp_path)
    assert done.end() == 0, done.said
    assert done.out == (f"public.t: equal, 530 rows\n  those are the rows of the last increment; 2970 others, which were merged with them, are in the files and not compared\n"
                        f"{lake.place}/manifest.json: {files} files are as they were written\n")
    done = Import(database.address, "--progress", "json", "--verify", lake.place, cwd=tmp_path)
    assert done.end() == 0
    assert json.loads(done.out.splitlines()[0]) == {"event": "table", "table": "public.t", "verdict": "equal", "rows_then": 530, "rows_merged": 2970, "rows_now": 530}
    database.run("update t set v = 'later' where id = 100")
    done = Import(database.address, "--verify", lake.place, cwd=tmp_path)
    assert done.end() == 1 and "public.t: changed since: 530 rows then and now, with other values\n" in done.out
    last = sorted(lake.place.glob("part-*"))[-1]
    last.write_bytes(last.read_bytes().replace(b"value", b"Value", 1))
    done = Import(None, "--verify", lake.place, cwd=tmp_path)
    assert done.end() == 1 and f"{last.name}: its bytes are others" in done.out


@pytest.mark.parametrize("text", TEXTS)
def test_values_that_look_like_rows(database, tmp_path, text):
    """Between and behind their fields stand line breaks, terminators, enclosures and escapes of all kinds."""
    database.run(NASTY)
    lake = Lake(database, tmp_path, *TEXTS[text], key="k")
    lake.full()
    database.run("update t set v = v || E'\\n' || v || ',\"', at = now() where id % 4 = 0; insert into t(v, k, id) select null, k || ' again', id from t where id % 10 = 0")
    lake.merge()
    table = lake.check(40 * 16 + 4 * 16)
    assert table["merged"]["rows_replaced"] == 10 * 16
    if text == "csv":
        read = [row[0:3] for path in lake.place.glob("part-*") for row in csv.reader(io.StringIO(path.read_bytes().decode(), newline=""))]
        wanted = json.loads(database.run("select json_agg(json_build_array(coalesce(v, ''), k, id::text)) from t"))
        assert sorted(read) == sorted(wanted)


def test_keys_of_several_columns(database, tmp_path):
    database.run("""create table t("A b" int, b text, v text, at timestamptz not null default now(), primary key ("A b", b));
        insert into t select g % 50, g::text || ',', 'old' from generate_series(1, 1000) g; insert into t values (1, '11,', 'x'), (11, '1,', 'y') on conflict do nothing""")
    lake = Lake(database, tmp_path, "--format", "csv", key='B,A b')
    lake.full()
    database.run("""update t set v = 'new', at = now() where "A b" = 11""")
    lake.merge()
    lake.check()
    assert database.run("""select count(*) from t where v = 'new'""").strip() == str(lake.manifest()["tables"][0]["merged"]["rows_replaced"])
    assert lake.manifest()["tables"][0]["merged"]["key"] == ["b", "A b"]


def test_into_a_directory_that_is_not_there(database, tmp_path):
    database.run(TABLE)
    lake = Lake(database, tmp_path)
    lake.merge()
    lake.check(3000)
    database.run(CHANGES.format(1, 2))
    lake.merge()
    lake.check(3500)


def test_what_was_added_is_merged_too(database, tmp_path):
    """Increments that --append has put beside the first import become one set with it."""
    database.run(TABLE)
    lake = Lake(database, tmp_path)
    lake.full()
    database.run("insert into t(id, v) select g, 'added' from generate_series(3001, 3100) g")
    done = lake.begin("--append", "--incremental", "append", "--check-column", "id", "--last-value", 3000)
    assert done.end() == 0, done.said
    database.run(CHANGES.format(1, 50))
    lake.merge()
    assert lake.manifest()["tables"][0]["rows"] == 3600
    assert sorted(next(csv.reader([row]))[:2] for row in lake.rows(lake.place)) == lake.of_server("id, v")


# ---- what cannot be ---------------------------------------------------------------------------------------------------


def test_what_cannot_be_said(database, tmp_path):
    database.run(TABLE)
    lake = Lake(database, tmp_path)
    lake.full()
    lake.words = ("--format", "jsonl")
    status, said = lake.refused("--merge-key is for delimited text, Avro and Parquet")
    assert status == 2 and "row_number() OVER (PARTITION BY id ORDER BY at DESC)" in said
    lake.words = ("--format", "sqoop")
    assert lake.refused("leave one of them out", "--append")[0] == 2
    assert lake.refused("does not go with --incremental", "--replace")[0] == 2
    assert lake.refused("does not go with --to", "--to", "kafka:t", "--kafka-property", "bootstrap.servers=127.0.0.1:1")[0] == 2
    before = lake.bytes()
    for words in ((), ("--incremental", "append", "--check-column", "id")):
        done = lake.begin("--merge-key", "id", *words)
        assert done.end() == 2 and "--merge-key is for --incremental lastmodified" in done.said
    assert lake.bytes() == before
    lake.key = "nobody"
    lake.refused("--merge-key: column nobody is none of those that are read of")
    lake.key = ",".join("id" for _ in range(33))
    lake.refused("--merge-key: more than 32 columns")


@pytest.fixture
def unread(database, tmp_path):
    """A directory with a whole import; nobody could read a row of the table now."""
    database.run(TABLE)
    lake = Lake(database, tmp_path)
    lake.full()
    lake.words = (*lake.words, "--where", HELD)
    holder = Session(database.server, database.name)
    holder.say(HOLD)
    yield lake
    holder.close()


@pytest.mark.parametrize("words, why", [
    (("--columns", "id,v,at"), "its files have other columns"),
    (("--columns", "id,n,v,at"), "its files have other columns"),
    (("--column-type", "n=text"), "its files have other columns"),
    (("--fields-terminated-by", "|"), "its files have another form"),
    (("--null-string", "\\N"), "its files have another form"),
    (("--header",), "its files have another form"),
    (("--optionally-enclosed-by", '"'), "say --escaped-by, too"),
])
def test_other_forms_are_refused_before_anything_is_read(unread, words, why):
    unread.refused(why, *words)


def test_what_else_is_there_is_refused_before_anything_is_read(unread, database):
    database.run("create table other (like t)")
    unread.table = "other"
    unread.refused("it is about another table")
    unread.table = "t"
    for name, why in (("notes", "what notes in it is"), ("part-00009.txt", "what part-00009.txt in it is"), ("_hive.sql", "its files are given to Hive")):
        (unread.place / name).write_text("x")
        unread.refused(why)
        (unread.place / name).unlink()
    manifest = unread.manifest()
    (unread.place / "manifest.json").write_text(json.dumps({**manifest, "text": None, "incremental": None}))
    unread.refused("another form")
    del manifest["text"]
    (unread.place / "manifest.json").write_text(json.dumps(manifest))
    unread.refused("a version that did not say what they look like")
    (unread.place / "manifest.json").unlink()
    unread.refused("no manifest that can be read says")


def test_a_key_is_a_key(database, tmp_path):
    database.run("create table t(id int, v text, at timestamptz not null default now()); insert into t select g, g from generate_series(1, 100) g")
    lake = Lake(database, tmp_path)
    lake.full()
    database.run("insert into t values (7, 'a'), (8, 'b'), (7, 'c')")
    lake.refused("it is no key of public.t: two of the rows that have changed have the same one, 7")
    database.run("delete from t where v = 'c'; insert into t values (null, 'd')")
    lake.refused("column id is NULL in a row that has changed")
    database.run("delete from t where id is null")
    lake.merge()
    lake.key = "v"
    lake.refused("was merged by another key")
    shutil.rmtree(lake.place)
    database.run("update t set id = null where id = 5")
    lake.full()
    lake.key = "id"
    lake.refused("it has NULL in a column of the merge key")


@pytest.mark.parametrize("value, why", [("E'x,then\\n5,y'", "looks like 102"), ("'a,b'", "it has 4 fields, and there are 3 columns"), ("E'a\\nb'", "it has 2 fields")])
def test_rows_that_cannot_be_told_apart(database, tmp_path, value, why):
    """Sqoop's own text encloses nothing."""
    database.run(f"create table t(id int primary key, v text, at timestamptz not null); insert into t select g, g, '2020-01-01' from generate_series(1, 100) g;"
                 f"insert into t values (101, {value}, '2020-01-01')")
    lake = Lake(database, tmp_path)
    lake.full()
    database.run("insert into t values (102, 'new', now())")
    lake.refused(why, last="2021-01-01")
    database.run("delete from t where id = 101")
    shutil.rmtree(lake.place)
    lake.full()
    database.run(f"insert into t values (101, {value}, now())")
    lake.refused(why.split(" 1")[0], last="2021-01-01")


def test_files_that_are_not_as_they_were_written(database, tmp_path):
    database.run(TABLE)
    lake = Lake(database, tmp_path)
    lake.full()
    part = lake.place / "part-00000.txt"
    whole = part.read_bytes()
    for data, why in ((whole.replace(b"value", b"Value", 1), "its bytes are not those"), (whole[:-1], "ends in the middle"), (whole[:whole.rindex(b"\n", 0, -1) + 1], "its bytes are not those")):
        part.write_bytes(data)
        lake.refused(why)
    part.unlink()
    lake.refused("part-00000.txt: No such file")
    part.symlink_to(tmp_path / "elsewhere")
    lake.refused("part-00000.txt: ")
    part.unlink()
    os.mkfifo(part)
    done = lake.merging()
    assert done.end() == 1 and "part-00000.txt: it is no file" in done.said


# ---- others, and the end --------------------------------------------------------------------------------------------------


def test_two_at_once_do_not_lose_what_the_other_has_read(database, tmp_path):
    """The second to publish has read before the first was there."""
    database.run(TABLE)
    lake = Lake(database, tmp_path)
    lake.full()
    database.run("update t set v = 'new', at = now() where id = 5")
    holder = Session(database.server, database.name)
    holder.say(HOLD)
    late = lake.merging("--where", f"id <> 5 or {HELD}")
    wait_until("it reads", lambda: "1" in database.run("select 1 from pg_locks where locktype = 'advisory' and not granted"))
    database.run("update t set v = 'newest', at = now() where id = 1")
    lake.merge()
    holder.close()
    assert late.end() == 1 and "it is another one since this import began" in late.said and "--resume" not in late.said, late.said
    lake.merge()
    lake.check(3000)


@pytest.mark.parametrize("kind, resume", [("sqoop", True), ("sqoop", False), ("avro", True), ("avro", False), ("parquet", True), ("parquet", False)])
def test_killed_at_any_step_it_is_the_old_set_or_the_new_one(database, killing, tmp_path, kind, resume):
    database.run(TABLE + "; delete from t where id > 200")
    lake = Lake(database, tmp_path, "--format", kind)
    lake.full(None, "--connections", 1)
    seen, steps = set(), 0
    for call in range(1, 1000):
        # A keeper's transaction holds the bound: whoever is killed behind the exchange leaves one for a moment.
        wait_until("the keepers' end", lambda: not database.run(
            f"select 1 from pg_stat_activity where datname = '{database.name}' and pid <> pg_backend_pid() and backend_type = 'client backend'").strip())
        database.run(CHANGES.format(call, 3).replace("500", "5"))
        before, rows = lake.bytes(), int(database.run("select count(*) from t"))
        status = lake.merging("--connections", 1, environment={"LD_PRELOAD": str(killing), "KILLING": str(call), "KILLING_ALL": "1"}).end()
        assert status in (0, -9)
        published = lake.bytes() != before
        read = any((path / "manifest.json").exists() for path in tmp_path.glob(".lake.import-*")) and not published
        if published:
            assert lake.manifest()["tables"][0]["rows"] == rows == len(lake.rows(lake.place))
        seen.add((published, read))
        if status == 0:
            break
        steps += 1
        done = lake.merging(*(["--resume"] if resume else []))
        assert done.end() == 0, done.said
        assert not (read and resume) or "of them were there before" in done.said, f"{call}: {done.said}"
        lake.check(rows)
        lake.last = lake.manifest()["incremental"]["last_value"]
    assert seen == {(False, False), (False, True), (True, False)} and steps >= 15
