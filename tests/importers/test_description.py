"""What an import finds in the catalogue, under names and in shapes that tables really have."""

import pytest

ATTACKS = ['x"; drop table t;--', "x'; drop table t;--", "Ünïcode Tabelle", "日本語", "a.b", "a b", 'quo"te', "back\\slash", "SELECT", "*", "$1", "%s%n",
           "UPPER", "new\nline", "''", "😀" * 15, "--", "/*", "x\ty"]


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize("name", ATTACKS)
def test_names(database, name):
    """As a schema's, a table's, a column's, a type's and a key's name."""
    database.run(f"create table t(id int); insert into t values (1); create schema {quoted(name)};"
                 f"create domain {quoted(name)}.{quoted(name + 't')} as text;"
                 f"create table {quoted(name)}.{quoted(name)}({quoted(name)} int primary key, v {quoted(name)}.{quoted(name + 't')});"
                 f"insert into {quoted(name)}.{quoted(name)} select g, 'x' from generate_series(1, 3000) g; analyze")
    asked = {"names": [f"{quoted(name)}.{quoted(name)}"], "column": name, "split_pages": 4, "workers": 2}
    table = database.describe(**asked)[0]
    assert table["columns"][0]["name"] == name and table["parts"][0]["name"] == name
    rows = database.read(**asked)
    assert sorted(row[name] for row in rows) == list(range(1, 3001)) and {row["v"] for row in rows} == {"x"}
    assert database.run("select count(*) from t") == "1\n"


@pytest.mark.parametrize("value", ['x"; drop table t;--', "'; drop table t;--", "\\'; drop table t;--", "a\\", "$$", "\u00e9' or '1'='1", "''"])
def test_values_as_bounds(database, value):
    literal = "E'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    database.run("create table t(k text, v int); insert into t select "
                 f"{literal} || g, g from generate_series(1, 3000) g; analyze t")
    splits, reason = database.plan(names=["t"], column="k", split_pages=4)
    assert len(splits) > 2 and "statistics" in reason
    assert sorted(row["v"] for row in database.read(names=["t"], column="k", split_pages=4)) == list(range(1, 3001))


def test_how_names_are_meant(database):
    database.run('create table things(a int); create table "Things"(b int); create schema s; create table s.things(c int); create table "Only"(d int)')
    for name, column in (("things", "a"), ("THINGS", "a"), ("Things", "b"), ('"Things"', "b"), ("s.things", "c"), ("S.THINGS", "c"), ("Only", "d")):
        assert database.describe(names=[name])[0]["columns"][0]["name"] == column, name
    for name in ('"only"', "only", "s.only", "things.things", "th_ngs", "no" * 40):
        error = database.probe("describe", names=[name]).fail()
        assert error["kind"] == "reject" and "there is none of that name" in error["error"], (name, error)
    for name in ("a.b.c", '"open', "", ".", "a.", "x" * 300):
        assert database.probe("describe", names=[name]).fail()["kind"] == "reject", name
    long = "n" * 63
    database.run(f"create table {long}(a int)")
    assert database.probe("describe", names=[long + "n"]).fail()["kind"] == "reject", "the server would cut it off, and find the other"


def test_search_path(database):
    database.run("create schema mine; create table mine.t(a int); create table public.t(b int);"
                 f"alter database {database.name} set search_path = mine, public")
    assert database.describe(names=["t"])[0]["table"] == "mine.t"
    assert database.describe(query="select * from t")[0]["columns"][0]["name"] == "a"
    assert database.read(query="select * from t") == []


def test_wildcards(database):
    database.run("create schema s; create table s.a1(x int); create table s.a2(x int); create table s.b_1(x int); create table s.\"*\"(x int);"
                 "create view s.v as select 1 x; create materialized view s.m as select 1 x; create table t(x int);"
                 "create table s.p(x int) partition by range (x); create table s.p1 partition of s.p for values from (0) to (9)")

    def found(*names, **more):
        return [table["table"] for table in database.describe(names=list(names), **more)]

    assert found("s.*") == ["s.*", "s.a1", "s.a2", "s.b_1", "s.p"]
    assert found("s.a*", "s.a1") == ["s.a1", "s.a2"]
    assert found("s.*_*") == ["s.b_1"]
    assert found('s."*"') == ["s.*"]
    assert found("*") == ["public.t", "s.*", "s.a1", "s.a2", "s.b_1", "s.p"]
    assert found("*", excluded=["s.a*", "t"]) == ["s.*", "s.b_1", "s.p"]
    assert found("s.*", views=True, excluded=["s.a*"]) == ["s.*", "s.b_1", "s.m", "s.p", "s.v"]
    assert "there is none" in database.probe("describe", names=["*"], excluded=["t", "typo"]).fail()["error"]
    assert "no table is left" in database.probe("describe", names=["x.*"]).fail()["error"]


def test_shapes_of_columns(database):
    database.run("create type mood as enum ('sad', 'ok'); create domain small as int check (value < 100); create domain smaller as small not null;"
                 "create type pair as (a int, b text); create table t(id int generated always as identity, gone int, mood mood, d smaller, p pair, l int[],"
                 "twice int generated always as (7 * 2) stored, n numeric(5,2), z timestamptz(3), primary key (n, id));"
                 "alter table t drop column gone; insert into t(mood, d, p, l, n, z) values ('ok', 5, (1, 'x'), '{1,null}', 1.5, '2020-01-01Z')")
    table = database.describe(names=["t"])[0]
    assert [(column["name"], column["type"], column["key"]) for column in table["columns"]] == [
        ("id", "integer", 2), ("mood", "public.mood", 0), ("d", "public.smaller", 0), ("p", "public.pair", 0), ("l", "integer[]", 0),
        ("twice", "integer", 0), ("n", "numeric(5,2)", 1), ("z", "timestamp(3) with time zone", 0)]
    assert [column["name"] for column in table["columns"] if column["generated"]] == ["twice"]
    row, = database.read(names=["t"])
    assert row.pop("z").startswith("2020-01-01T00:00:00")
    assert row == {"id": 1, "mood": "ok", "d": 5, "p": {"a": 1, "b": "x"}, "l": [1, None], "twice": 14, "n": 1.5}
    assert database.read(names=["t"], columns=["n", "ID"]) == [{"n": 1.5, "id": 1}]
    assert "no column x" in database.probe("describe", names=["t"], columns=["x"]).fail()["error"]
    assert "named twice" in database.probe("describe", names=["t"], columns=["id", "id"]).fail()["error"]


def test_as_many_columns_as_there_may_be(database):
    database.run("create table t(" + ",".join(f"c{i} int" for i in range(1600)) + ");"
                 "insert into t(c0, c1599) select g, -g from generate_series(1, 200) g")
    rows = database.read(names=["t"], split_pages=1, workers=2)
    assert sorted((row["c0"], row["c1599"], len(row)) for row in rows) == [(g, -g, 1600) for g in range(1, 201)]


def test_no_columns(database):
    database.run("create table t(); insert into t default values; insert into t default values")
    assert database.describe(names=["t"])[0]["columns"] == []
    assert database.read(names=["t"]) == [{}, {}]


def test_empty_table(database):
    database.run("create table t(a int)")
    assert database.read(names=["t"]) == []


def test_tree_of_partitions(database):
    """Leaves of leaves, columns in another order, and one that is empty: each is cut by its own pages."""
    database.run("create table p(a int, b text) partition by list (b); create table px partition of p for values in ('x') partition by range (a);"
                 "create table px1 partition of px for values from (0) to (5000); create table other(b text, dropped int, a int);"
                 "alter table other drop column dropped; alter table p attach partition other for values in ('y');"
                 "create table rest partition of p default; insert into p select g, 'x' from generate_series(0, 4999) g;"
                 "insert into p select g, 'y' from generate_series(5000, 9999) g")
    table = database.describe(names=["p"])[0]
    assert [part["name"] for part in table["parts"]] == ["other", "px1", "rest"]
    splits, reason = database.plan(names=["p"], split_pages=8)
    assert reason == "partition by partition, ranges of pages" and {split["part"] for split in splits} == {0, 1, 2}
    assert all(" FROM ONLY " in split["sql"] for split in splits)
    rows = database.read(names=["p"], split_pages=8, workers=3)
    assert sorted((row["a"], row["b"]) for row in rows) == [(g, "x" if g < 5000 else "y") for g in range(10000)]


def test_inheritance(database):
    """Pages of the parent are not pages of its children: without ONLY each split would read theirs, too."""
    database.run("create table p(a int); create table c(b int) inherits (p); create table d() inherits (p, c);"
                 "insert into p select generate_series(1, 3000); insert into c select g, 0 from generate_series(3001, 6000) g;"
                 "insert into d select g, 0 from generate_series(6001, 7000) g")
    assert sorted(row["a"] for row in database.read(names=["p"], split_pages=4, workers=2)) == list(range(1, 7001))
    assert sorted(row["a"] for row in database.read(names=["c"], split_pages=4)) == list(range(3001, 7001))


def test_views_and_foreign_tables(database):
    (database.folder / "lines.csv").write_text("1,a\n2,b\n")
    database.folder.chmod(0o755)
    database.run("create table t(a int); insert into t values (1), (2); create view v as select a, a * 2 as b from t;"
                 "create materialized view m as select * from v; create extension file_fdw; create server files foreign data wrapper file_fdw;"
                 "create foreign table f(a int, b text) server files options (program 'printf \"1,a\\n2,b\\n\"', format 'csv')")
    for name, second in (("v", 4), ("m", 4), ("f", "b")):
        assert [(row["a"], row["b"]) for row in database.read(names=[name])][1] == (2, second), name
    assert sorted(row["b"] for row in database.read(names=["v"], column="a")) == [2, 4]


def test_queries_and_conditions(database):
    database.run("create table t(a int, b text); insert into t select g, g::text from generate_series(1, 100) g")
    assert len(database.read(query="select a, b from t where a <= 10 -- ten of them\n ; ")) == 10
    assert len(database.read(query="with x as (select a from t) select a from x order by a", column="a", workers=2)) == 100
    assert len(database.read(names=["t"], where="a % 2 = 0 -- even", split_pages=1)) == 50
    assert len(database.read(names=["t"], where="a <= 3 or b = '7'", column="a")) == 4
    for wrong, words in (("select 1 as a, 2 as a", "called a"), ("select 1) x, (select 2", "syntax"), ("select 1; drop table t", "multiple commands"),
                         ("delete from t returning a", "syntax"), ("select nothing", "does not exist"), ("", "")):
        error = database.probe("describe", query=wrong).fail()
        assert error["kind"] == "reject" and words in error["error"], (wrong, error)
    for wrong in ("a = 1) or (a = 2", "a = 1; drop table t", "true order by a", "true limit 1", "a = 'x'", "nothing = 1"):
        assert database.probe("describe", names=["t"], where=wrong).fail()["kind"] == "reject", wrong
    assert database.run("select count(*) from t") == "100\n"


def test_nothing_is_written(database):
    """Not even by the operator's own SQL."""
    database.run("create table t(a int); create function add() returns int language sql as $$ insert into t values (1) returning a $$")
    error = database.probe(query="select add()").fail()
    assert "read-only transaction" in error["error"] and database.run("select count(*) from t") == "0\n"


def test_functions_of_others_are_not_called(database):
    """An operator that fits better than the server's own, in a schema that anybody may write to."""
    database.run("create table t(k varchar(40) primary key, v int); insert into t select md5(g::text), g from generate_series(1, 3000) g; analyze t;"
                 "create function trap(varchar, varchar) returns bool language plpgsql as $$ begin raise 'the trap'; end $$;"
                 "create operator >= (leftarg = varchar, rightarg = varchar, function = trap);"
                 "create operator < (leftarg = varchar, rightarg = varchar, function = trap);"
                 "create function count(bigint) returns bool language plpgsql as $$ begin raise 'the trap'; end $$")
    assert len(database.read(names=["t"], column="k", split_pages=4)) == 3000


def test_privileges(database):
    """What may not be read is said before anything begins; partitions that may not be read alone are read through their parent."""
    database.run("drop role if exists reader; create role reader login; create table secret(a int); create table p(a int) partition by range (a);"
                 "create table p1 partition of p for values from (0) to (100); insert into p select generate_series(0, 99); grant select on p to reader;"
                 "create table rows(a int); insert into rows values (1), (2); alter table rows enable row level security;"
                 "create policy one on rows using (a = 1); grant select on rows to reader")
    address = database.address.replace("user=postgres", "user=reader")
    error = database.probe("describe", names=["secret"], address=address).fail()
    assert error["kind"] == "reject" and "GRANT SELECT" in error["error"] and "reader" in error["error"]
    assert len(database.read(names=["p"], address=address)) == 100
    probe = database.probe("describe", names=["rows"], address=address)
    probe.end()
    assert probe.said("table")[0]["filtered"]
    assert database.describe(names=["rows"])[0]["filtered"] is False
    assert len(database.read(names=["rows"], address=address)) == 1
    database.run("drop owned by reader; drop role reader")


def test_bytes_that_are_no_text(server, database):
    """A database whose encoding is SQL_ASCII holds any bytes, in names and values: they are told, and never passed on."""
    server.run(f"create database {database.name}a encoding 'SQL_ASCII' locale 'C' template template0")
    try:
        server.run("create table t(a text); insert into t values (E'ok'), (E'\\xff\\xfe')", database.name + "a")
        server.run("do $$ begin execute E'create table u(\"a\\xff\" int)'; end $$", database.name + "a")
        address = server.conninfo(database.name + "a")
        error = database.probe(names=["t"], address=address).fail()
        assert error["kind"] == "reject", error
        error = database.probe("describe", names=["u"], address=address).fail()
        assert error["kind"] == "reject" and "UTF8" in error["error"], error
    finally:
        server.run(f"drop database {database.name}a with (force)")


def test_large_rows(database):
    database.run("create table t(a int, b text); insert into t select g, repeat('x', 20000000) from generate_series(1, 3) g")
    assert [len(row["b"]) for row in database.read(names=["t"])] == [20000000] * 3
    error = database.probe(names=["t"], row_max=10000000).fail()
    assert error["kind"] == "reject" and "public.t" in error["error"], error


def test_fingerprint_is_the_same_twice(database):
    database.run("create table t(a int, b numeric(5,1)); create table u(a int, b numeric(5,1))")
    first, again, other = (database.describe(names=[name])[0]["fingerprint"] for name in ("t", "t", "u"))
    assert first == again != other
    database.run("alter table t alter b type numeric(6,1)")
    assert database.describe(names=["t"])[0]["fingerprint"] != first
