"""`penstock ddl spark` and `penstock ddl hive` over files that a gateway has written: Spark makes the tables, the latter with Hive's own readers, and finds what was posted.
"""

import base64
import datetime

import pytest

import lake_ddl
import spark


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """With a metastore of its own, as Hive's tables need."""
    folder = tmp_path_factory.mktemp("spark")
    with spark.session({"spark.jars": str(spark.hive_json()), "spark.sql.catalogImplementation": "hive", "spark.sql.warehouse.dir": str(folder / "warehouse"),
                        "spark.hadoop.javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={folder}/metastore;create=true",
                        "spark.driver.extraJavaOptions": f"-Dderby.system.home={folder} -Duser.timezone=UTC"}) as made:
        yield made


def select(session, table):
    """Dicts of plain values, moments as microseconds."""
    frame = session.table(table)
    columns = [f"unix_micros(`{name}`) AS `{name}`" if kind == "timestamp" else f"`{name}`" for name, kind in frame.dtypes]
    return [row.asDict() for row in frame.selectExpr(*columns).collect()]


@pytest.mark.parametrize("engine", ["spark", "hive"])
def test_tables(session, gateway, engine):
    one = lake_ddl.write(gateway)
    session.sql(f"CREATE DATABASE {engine}")
    for stream in lake_ddl.STREAMS:
        table = f"{engine}.{stream.replace('-', '_')}"
        for statement in lake_ddl.statements(one, engine, stream, "--table", table):
            session.sql(statement)
    for form in lake_ddl.FORMS:
        rows = select(session, f"{engine}.power_{form}")
        if (engine, form) == ("hive", "csv"):
            rows = [row for row in rows if row["sensor_id"] != "sensor_id"]  # Hive skips the names, Spark with Hive's reader does not
        assert all(isinstance(row["dt"], datetime.date) for row in rows)
        lake_ddl.check(rows, form, engine)
        days = session.sql(f"SELECT count(*) AS n FROM {engine}.power_{form} WHERE dt = DATE '2026-03-01' AND hour = '11' AND sensor_id <> 'sensor_id'").collect()
        assert days[0].n == 1
    assert sorted(row["line"] for row in select(session, f"{engine}.lines")) == sorted(lake_ddl.LINES)
    octets, = select(session, f"{engine}.octets")
    assert (octets["key"], octets["sensor"]) == ("k", "k") and base64.b64decode(octets["payload"]) == bytes(range(256))
