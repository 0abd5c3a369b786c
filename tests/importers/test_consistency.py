"""What several connections read of a table that is being written to is one moment of it, however it is cut."""

import collections

import pytest

ROWS = 20_000
BULK = "update t set mark = mark + 1"

# How the table is cut: what is asked for, what the plan is to say, and how the table is keyed.
STRATEGIES = {
    "pages": ({"split_pages": 16}, "ranges of pages", "primary key (id)"),
    "histogram": ({"split_pages": 16, "column": "id"}, "by its statistics", "primary key (id)"),
    "equally wide": ({"split_pages": 16, "column": "id"}, "equally wide", "unique (id)"),
    "quantiles": ({"split_pages": 16, "column": "code"}, "by its quantiles", "unique (code)"),
    "partitions": ({"split_pages": 16}, "partition by partition", None),
    "view": ({"names": ["v"], "column": "id", "workers": 1}, "equally wide", "primary key (id)"),
    "one split": ({"whole": True}, "as asked for", "primary key (id)"),
}


def fill(database, strategy):
    key = STRATEGIES[strategy][2]
    if strategy == "partitions":
        database.run("create table t(id bigint, code text, mark int) partition by range (id);"
                     + "".join(f"create table t{part} partition of t for values from ({part * 10000}) to ({part * 10000 + 10000});"
                               for part in range(4)))
    else:
        database.run(f"create table t(id bigint, code text, mark int, {key})")
    database.run(f"insert into t select g, md5(g::text), 0 from generate_series(1, {ROWS}) g;"
                 + ("analyze t;" if strategy in ("histogram", "pages") else "") + "create view v as select * from t")


def disturb(database):
    """Moves every row, takes some away, adds others: each is one statement, to be seen as a whole or not at all."""
    database.run(BULK + "; delete from t where id % 10 = 3;"
                 "insert into t select g, md5(g::text), 0 from (select max(id) from t) m, generate_series(m.max + 1, m.max + 2000) g")


def read_disturbed(database, strategy, **more):
    """The rows of an import during which the table is written to after the first split, and once more after the second."""
    asked, reason, _ = STRATEGIES[strategy]
    probe = database.probe(**{"names": ["t"], "workers": 1, "pause": ["split"], **asked, **more})
    splits = 0
    while probe.process.poll() is None:
        line = probe._line()
        if line is None or "done" in line:
            break
        assert "error" not in line, line
        if "stage" in line:
            splits += 1
            if splits <= 2:
                disturb(database)
            probe.go_on()
    assert probe.process.wait(60) == 0
    assert reason in probe.said("plan")[0]["plan"], probe.said("plan")
    return probe.rows(), splits


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_one_moment(database, strategy):
    fill(database, strategy)
    rows, splits = read_disturbed(database, strategy)
    ids = collections.Counter(row["id"] for row in rows)
    assert splits > 2 or strategy == "one split"
    assert set(ids) == set(range(1, ROWS + 1)) and max(ids.values()) == 1
    assert {row["mark"] for row in rows} == {0}
    assert database.run("select count(*) from t where mark > 0").strip() != "0", "it was written to"


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name != "one split"])
def test_no_moment_when_it_is_not_asked_for(database, strategy):
    """The control: without the snapshot the same import is wrong, so the test above can fail."""
    fill(database, strategy)
    rows, _ = read_disturbed(database, strategy, not_consistent=True)
    ids = collections.Counter(row["id"] for row in rows)
    assert {row["mark"] for row in rows} != {0} or max(ids.values()) > 1 or set(ids) != set(range(1, ROWS + 1))


def test_several_workers_and_tables(database):
    """All tables of an import are of the same moment, whichever worker reads them."""
    database.run("create table a(id int primary key, v int); create table b(id int primary key, v int);"
                 "insert into a select g, 0 from generate_series(1, 20000) g; insert into b select * from a")
    probe = database.probe(names=["a", "b"], workers=4, split_pages=8, pause=["held"]).at("held")
    database.run("begin; update a set v = 1; update b set v = 1; commit")
    probe.go_on()
    probe.end()
    rows = probe.rows()
    assert len(rows) == 40000 and {row["v"] for row in rows} == {0}
    assert sorted(row["id"] for row in rows) == sorted([*range(1, 20001)] * 2)


def test_null_keys_come_once(database):
    database.run("create table t(k int, v int); insert into t select case when g % 7 > 0 then g end, g from generate_series(1, 20000) g; analyze t")
    splits, _ = database.plan(names=["t"], column="k", split_pages=8)
    assert [split["method"] for split in splits].count("nulls") == 1
    assert sorted(row["v"] for row in database.read(names=["t"], column="k", split_pages=8, workers=3)) == list(range(1, 20001))


KEYS = {
    "date": "date '2000-01-01' + g", "timestamp": "timestamp '2000-01-01' + g * interval '1 minute'",
    "timestamptz": "timestamptz '1990-01-01' + g * interval '1 day'", "numeric": "g / 7.0", "float8": "g / 7.0::float8",
    "text": "chr(200 + g % 300) || md5(g::text) || E'''\\\\'", "bpchar": "rpad(md5(g::text), 40)", "uuid": "md5(g::text)::uuid",
    "smallint": "g % 3000", "time": "time '00:00' + g * interval '1 second'"}
ODD = {"date": ("'infinity'", "'-infinity'"), "timestamp": ("'infinity'", "'-infinity'"), "timestamptz": ("'infinity'", "'-infinity'"),
       "numeric": ("'NaN'", "'-Infinity'"), "float8": ("'NaN'", "'-Infinity'"), "text": ("''", "E'\\t\\n'")}


@pytest.mark.parametrize("analyzed", (True, False))
@pytest.mark.parametrize("kind", KEYS)
def test_every_kind_of_key(database, kind, analyzed):
    """Cut by whatever column, every row comes once: odd values and NULL among them."""
    odd = "".join(f"insert into t values ({value}, {-number});" for number, value in enumerate(ODD.get(kind, ()), 1))
    database.run(f"create table t(k {kind if kind != 'bpchar' else 'char(50)'}, v int); insert into t select {KEYS[kind]}, g from generate_series(1, 5000) g;"
                 f"insert into t values (null, 0);{odd}{'analyze t' if analyzed else ''}")
    splits, reason = database.plan(names=["t"], column="k", split_pages=4, workers=2)
    assert len(splits) > 3, splits
    assert ("statistics" in reason) == analyzed
    wanted = int(database.run("select count(*) from t"))
    rows = database.read(names=["t"], column="k", columns=["v"], split_pages=4, workers=2)
    assert len(rows) == wanted and len({row["v"] for row in rows}) == wanted


def test_collation_of_the_column(database):
    """Bounds in another order than the column's would lose rows, and double others."""
    database.run("create table t(k text collate \"en_US\" , v int)" if "en_US" in database.run("select collname from pg_collation") else
                 "create table t(k text collate \"und-x-icu\", v int)")
    database.run("insert into t select (array['a','B','c','D','_','é','Z'])[g % 7 + 1] || md5(g::text), g from generate_series(1, 5000) g; analyze t")
    splits, _ = database.plan(names=["t"], column="k", split_pages=4)
    assert len(splits) > 3
    assert sorted(row["v"] for row in database.read(names=["t"], column="k", split_pages=4)) == list(range(1, 5001))


def test_rows_that_come_behind_the_last_page(database):
    """The table grows between the plan's sizes and the snapshot."""
    database.run("create table t(id int); insert into t select generate_series(1, 10000)")
    probe = database.probe(names=["t"], split_pages=8, pause=["described"]).at("described")
    database.run("insert into t select generate_series(10001, 30000)")
    probe.go_on()
    probe.end()
    assert sorted(row["id"] for row in probe.rows()) == list(range(1, 30001))
