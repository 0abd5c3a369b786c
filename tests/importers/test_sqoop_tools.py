"""penstock sqoop list-tables and list-databases, held against what PostgreSQL itself says."""

import subprocess

import pytest

from importing import BINARY
from sqooping import PASSWORD, Sqoop, begin_server


@pytest.fixture(scope="module")
def cluster():
    made = begin_server()
    made.run("""
        CREATE TABLE zebra (id int); CREATE TABLE "Apple" (id int); CREATE TABLE "a b,c" (id int); CREATE TABLE éclair (id int);
        CREATE TABLE parted (id int) PARTITION BY RANGE (id); CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
        CREATE VIEW looked AS SELECT 1; CREATE MATERIALIZED VIEW kept AS SELECT 1;
        CREATE SCHEMA "Side"; CREATE TABLE "Side".there (id int); CREATE TABLE "Side"."line
break" (id int)""", "telemetry")
    made.run('CREATE DATABASE "Other one"')
    yield made
    made.close()


@pytest.fixture
def sqoop(cluster, tmp_path):
    return Sqoop(cluster, tmp_path)


def tables(sqoop, schema):
    return sqoop.psql(f"SELECT tablename FROM pg_tables WHERE schemaname = '{schema}' ORDER BY tablename::text COLLATE \"C\"")


def test_list_tables(sqoop):
    sqoop("list-tables")
    assert sqoop.out == tables(sqoop, "public") == "Apple\na b,c\nparted\nparted_1\nzebra\néclair\n"
    assert "--password-file" in sqoop.said and PASSWORD not in sqoop.said


def test_list_tables_of_a_schema(sqoop):
    sqoop("list-tables", "--", "--schema", "Side")
    assert sqoop.out == "line\\x0Abreak\nthere\n"
    sqoop("list-tables", "--", "--schema", "side")
    assert sqoop.out == ""
    sqoop("list-tables", "--connect", f"{sqoop.url}?currentSchema=%22Side%22", "--username", "root", "--password", PASSWORD, login=False)
    assert sqoop.out == "line\\x0Abreak\nthere\n"
    sqoop("list-tables", "--connect", f"{sqoop.url}?currentSchema=nosuch", "--username", "root", "--password", PASSWORD, login=False)
    assert sqoop.out == ""


def test_list_databases(sqoop):
    sqoop("list-databases")
    assert sqoop.out == sqoop.psql('SELECT datname FROM pg_database ORDER BY datname::text COLLATE "C"')
    assert sqoop.out.splitlines() == ["Other one", "postgres", "telemetry", "template0", "template1"]


@pytest.mark.parametrize("tool", ["list-tables", "list-databases"])
def test_a_dry_run_needs_no_server(sqoop, tool):
    sqoop(tool, "--connect", "jdbc:postgresql://nosuch.invalid/telemetry", "--username", "root", "--password", PASSWORD, "--dry-run", login=False)
    assert sqoop.out.startswith("connects to host='nosuch.invalid' port='5432' dbname='telemetry' sslmode='prefer' as root\nprints the names of the ")
    assert PASSWORD not in sqoop.out + sqoop.said


def test_what_goes_wrong(sqoop, tmp_path):
    said = sqoop("list-tables", "--connect", sqoop.url, "--username", "root", "--password", "other", login=False, status=1)
    assert "password authentication failed" in said and sqoop.out == ""
    said = sqoop("list-databases", "--connect", f"{sqoop.url}x", "--username", "root", "--password", PASSWORD, login=False, status=1)
    assert 'database "telemetryx" does not exist' in said
    assert "--schema is no option of list-databases" in sqoop("list-databases", "--", "--schema", "Side", status=2)
    assert "--where is no option of list-tables; see penstock sqoop help list-tables" in sqoop("list-tables", "--where", "1 = 1", status=2)
    assert 'did you mean "--username"' in sqoop("list-tables", "--usernam", "x", status=2)
    with open("/dev/full", "w") as full:
        done = subprocess.run([BINARY, "sqoop", "list-tables", *sqoop.login], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "standard output: No space left on device" in done.stderr
    (tmp_path / "secret").write_text(PASSWORD)
    (tmp_path / "secret").chmod(0o400)
    sqoop("list-tables", "--connect", sqoop.url, "--username", "root", "--password-file", "secret", login=False)
    assert sqoop.out == tables(sqoop, "public") and sqoop.said == ""
