"""DDL around an import: waited out, or refused in words; never rows that are silently missing."""

import subprocess
import threading

import pytest

DDL = {
    "truncate": ("truncate t", "truncated or rewritten"),
    "vacuum full": ("vacuum full t", "truncated or rewritten"),
    "cluster": ("cluster t using t_pkey", "truncated or rewritten"),
    "alter type": ("alter table t alter v type text", "its columns or partitions"),
    "add column": ("alter table t add w int", None),
    "drop column": ("alter table t drop v", "no column v"),
    "rename": ("alter table t rename to u", "dropped or renamed"),
    "drop": ("drop table t", "dropped or renamed"),
}


@pytest.fixture
def table(database):
    database.run("create table t(id int primary key, v int); insert into t select g, g from generate_series(1, 10000) g; delete from t where id % 2 = 0")
    return database


@pytest.mark.parametrize("ddl", DDL)
def test_before_the_locks(table, ddl):
    """What has changed since it was described is told, and nothing is read of it."""
    statement, words = DDL[ddl]
    probe = table.probe(names=["t"], lock_wait=1000, pause=["described"]).at("described")
    table.run(statement)
    probe.go_on()
    if words is None:  # what was asked for is still there as it was
        probe.end()
        assert len(probe.rows()) == 5000
        return
    error = probe.fail()
    assert words in error["error"] and error["trouble"] == "changed" and error["kind"] == "retry", error


@pytest.mark.parametrize("ddl", ("truncate", "vacuum full", "cluster", "alter type", "drop"))
def test_under_the_locks(table, ddl):
    """From the snapshot on, DDL waits for the import: it reads every row, whenever its workers begin."""
    probe = table.probe(names=["t"], workers=2, split_pages=4, pause=["held"]).at("held")
    with pytest.raises(AssertionError, match="lock timeout"):
        table.run(f"set lock_timeout = '200ms'; {DDL[ddl][0]}")
    probe.go_on()
    probe.end()
    assert sorted(row["id"] for row in probe.rows()) == list(range(1, 10001, 2))


def test_without_the_locks_truncate_is_silent(table):
    """The control: why there are locks. An import without them reads nothing, and no error says so."""
    probe = table.probe(names=["t"], not_consistent=True, pause=["adopted"]).at("adopted")
    table.run("truncate t")
    probe.go_on()
    probe.end()
    assert probe.rows() == []


def waits(database, statement):
    """Begins a statement that has to wait, and returns when it does."""
    thread = threading.Thread(target=lambda: subprocess.run(["psql", "-Xqd", database.address, "-c", statement], capture_output=True, check=False))
    thread.start()
    await_condition(database, "select exists(select from pg_locks where not granted)")
    return thread


def await_condition(database, query):
    database.run(f"do $$ begin for i in 1..3000 loop if ({query}) then return; end if; perform pg_sleep(0.01); perform pg_stat_clear_snapshot(); "
                 "end loop; raise 'it never came about'; end $$")


def test_worker_behind_waiting_ddl(table):
    """DDL waits for the keeper: a worker that comes later must not wait for the DDL without an end."""
    probe = table.probe(names=["t"], lock_wait=300, pause=["held"]).at("held")
    ddl = waits(table, "truncate t")
    probe.go_on()
    error = probe.fail()
    ddl.join()
    assert error["trouble"] == "busy" and error["kind"] == "retry" and "waits for this import" in error["error"], error


def test_workers_that_were_first(table):
    """DDL that comes after the workers have their locks hinders nobody."""
    probe = table.probe(names=["t"], workers=2, split_pages=4, lock_wait=300, pause=["adopted"]).at("adopted")
    ddl = waits(table, "truncate t")
    probe.go_on()
    probe.end()
    ddl.join()
    assert len(probe.rows()) == 5000
    assert table.run("select count(*) from t").strip() == "0"


def hold_lock(database, statement):
    """A session that holds what the statement locks until it is ended."""
    session = subprocess.Popen(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database.address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    session.stdin.write(f"begin; {statement}; select 'held';\n")
    assert session.stdout.readline().strip() == "held"
    return session


def release(session):
    session.stdin.write("rollback;\n")
    session.stdin.close()
    session.wait(60)
    session.stdout.close()


@pytest.mark.parametrize("pause", (["described"], []))
def test_a_lock_that_is_not_given_up(table, pause):
    """Before the description, and behind it."""
    probe = table.probe(names=["t"], lock_wait=300, pause=pause).at("described") if pause else None
    session = hold_lock(table, "lock table t in access exclusive mode")
    error = (probe.go_on() if pause else table.probe(names=["t"], lock_wait=300)).fail()
    release(session)
    assert error["trouble"] == "busy" and error["kind"] == "retry"
    assert "table public.t is locked by pid" in error["error"] and "postgres: " in error["error"], error


@pytest.mark.parametrize("kind", ("table", "materialized view", "view", "query"))
def test_a_lock_that_is_waited_for(table, kind):
    """The keeper holds nothing while it waits, so whoever holds the lock may go on to any other table."""
    table.run("create table other(id int); insert into other values (1); create materialized view m as select * from t; create view w as select * from t")
    name = {"table": "t", "materialized view": "m", "view": "w", "query": None}[kind]
    asked = {"names": [name, "other"]} if name else {"query": "select * from t"}
    probe = table.probe(**asked, lock_wait=60000, pause=["described"]).at("described")
    session = hold_lock(table, "lock table t in access exclusive mode" if kind != "materialized view" else "refresh materialized view m")
    probe.go_on()
    await_condition(table, "select exists(select from pg_locks where not granted)")
    session.stdin.write("lock table other in access exclusive mode; select 'got it';\n")
    assert session.stdout.readline().strip() == "got it"
    release(session)
    probe.end()
    assert sum(line["rows"] for line in probe.said("read")) == (5001 if name else 5000)


def test_materialized_view_that_is_refreshed(table):
    table.run("create materialized view m as select * from t")
    probe = table.probe(names=["m"], pause=["described"]).at("described")
    table.run("refresh materialized view m")
    probe.go_on()
    assert "truncated or rewritten" in probe.fail()["error"]
    probe = table.probe(names=["m"], pause=["held"]).at("held")
    with pytest.raises(AssertionError, match="lock timeout"):
        table.run("set lock_timeout = '200ms'; refresh materialized view m")
    probe.go_on()
    probe.end()
    assert len(probe.rows()) == 5000


@pytest.mark.parametrize("asked", ({"names": ["w"]}, {"query": "select id from t"}))
def test_tables_behind_a_view_are_locked(table, asked):
    table.run("create view w as select id from t")
    probe = table.probe(**asked, pause=["held"]).at("held")
    with pytest.raises(AssertionError, match="lock timeout"):
        table.run("set lock_timeout = '200ms'; truncate t")
    probe.go_on()
    probe.end()
    assert len(probe.rows()) == 5000


def test_partitions(database):
    """Each partition is locked, and one that is detached or added meanwhile is noticed."""
    database.run("create table p(id int) partition by range (id); create table p1 partition of p for values from (0) to (100);"
                 "create table p2 partition of p for values from (100) to (200); insert into p select generate_series(0, 199)")
    probe = database.probe(names=["p"], pause=["held"]).at("held")
    with pytest.raises(AssertionError, match="lock timeout"):
        database.run("set lock_timeout = '200ms'; truncate p2")
    probe.go_on()
    probe.end()
    assert sorted(row["id"] for row in probe.rows()) == list(range(200))
    for change in ("alter table p detach partition p2", "create table p3 partition of p for values from (200) to (300)"):
        probe = database.probe(names=["p"], pause=["described"]).at("described")
        database.run(change)
        probe.go_on()
        assert "columns or partitions were changed" in probe.fail()["error"]


def test_snapshot_that_is_gone(table):
    probe = table.probe(names=["t"], pause=["held"]).at("held")
    gone = probe.said("snapshot")[0]["snapshot"]
    probe.go_on().end()
    for name in (gone, "00000000-00000000-1"):
        error = table.probe(names=["t"], snapshot=name).fail()
        assert error["trouble"] == "gone" and "the snapshot is gone" in error["error"], error
    error = table.probe(names=["t"], snapshot="x'; drop table t; --").fail()
    assert error["kind"] == "reject"
    assert table.run("select count(*) from t").strip() == "5000"


def test_keeper_that_is_terminated(table):
    probe = table.probe(names=["t"], pause=["adopted"]).at("adopted")
    table.run("select pg_terminate_backend(pid) from pg_stat_activity where state = 'idle in transaction' and query like '%export_snapshot%'")
    probe.go_on()
    error = probe.fail()
    assert error["trouble"] == "lost" and error["kind"] == "retry", error


@pytest.mark.parametrize("end,trouble", (("pg_terminate_backend", "lost"), ("pg_cancel_backend", "cancelled")))
def test_worker_that_is_ended(table, end, trouble):
    """In the middle of a COPY: the next rows that come are an error, to be tried again."""
    table.run("create function slow(int) returns int language plpgsql as $$ begin perform pg_sleep(0.02); return $1; end $$")
    probe = table.probe(query="select slow(id) as id from t", pause=[])
    await_condition(table, "select exists(select from pg_stat_activity where query like 'COPY%slow%' and state = 'active')")
    table.run(f"select {end}(pid) from pg_stat_activity where query like 'COPY%slow%' and state = 'active'")
    error = probe.fail()
    assert error["trouble"] == trouble and error["kind"] == "retry", error


def test_stop(table):
    """Ends what runs on the server at once."""
    table.run("create function slow(int) returns int language plpgsql as $$ begin perform pg_sleep(0.02); return $1; end $$")
    probe = table.probe(query="select slow(id) as id from t", pause=["reading"]).at("reading")
    await_condition(table, "select exists(select from pg_stat_activity where query like 'COPY%slow%' and state = 'active')")
    probe.go_on("stop")
    error = probe.fail()
    assert error["trouble"] == "stopped" and error["kind"] == "retry", error
    await_condition(table, "select not exists(select from pg_stat_activity where query like 'COPY%slow%' and state = 'active')")
