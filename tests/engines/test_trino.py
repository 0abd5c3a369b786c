"""`penstock ddl trino` over files that a gateway has written: Trino makes the tables and finds what was posted."""

import base64

import pytest

import lake_ddl
import trino


@pytest.fixture
def server(gateway, tmp_path):
    if not trino.java():
        pytest.skip(f"Trino needs a Java of version {trino.JAVA_LEAST} or newer: TRINO_JAVA=DIRECTORY")
    root = tmp_path / "gateway/penstock-data/lake"
    root.mkdir(parents=True)
    made = trino.Trino(tmp_path / "trino", root)
    yield made
    made.close()


def test_tables(gateway, server):
    one = lake_ddl.write(gateway)
    server.start()
    server.sql("CREATE SCHEMA lake.power")
    for stream in lake_ddl.STREAMS:
        table = f"power.{stream.replace('-', '_')}"
        for statement in lake_ddl.statements(one, "trino", stream, "--table", table, "--location", "local:///"):
            server.sql(statement)
    for form in lake_ddl.FORMS:
        lake_ddl.check(server.sql(f"SELECT * FROM power.power_{form}"), form, "trino")
        assert server.sql(f"SELECT count(*) AS n FROM power.power_{form} WHERE dt = DATE '2026-03-01' AND hour = '11'") == [{"n": 1}]
    assert sorted(row["line"] for row in server.sql("SELECT line FROM power.lines")) == sorted(lake_ddl.LINES)
    octets, = server.sql("SELECT * FROM power.octets")
    assert (octets["key"], octets["sensor"]) == ("k", "k") and base64.b64decode(octets["payload"]) == bytes(range(256))
