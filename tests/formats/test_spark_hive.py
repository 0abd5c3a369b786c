"""`penstock sqoop import --hive-import`, and real clients that take its statements: beeline, over Spark's server of HiveServer2's protocol, and spark-sql. The tables have
what PostgreSQL has, value by value.
"""

import base64
import contextlib
import datetime
import decimal
import json
import os
import pathlib
import shlex
import socket
import subprocess
import time

import pytest

import spark
from ports import free_ports
from postgres import QUIET, Postgres

PENSTOCK = pathlib.Path(os.environ.get("PENSTOCK") or pathlib.Path(__file__).resolve().parents[2] / "build" / "penstock")
PATIENCE = 300  # seconds
DECIMALS = ["-D", "sqoop.avro.logical_types.decimal.enable=true", "-D", "sqoop.parquet.logical_types.decimal.enable=true"]
# Spark makes no table of Avro with other names than Avro's.
PLAIN = "id,flag,small,n,r,d,price,free,day,at,atz,clock,k,doc,name,padded,bin,Mixed,list"
FORMATS = {"text": [], "parquet": ["--as-parquetfile"], "avro": ["--as-avrodatafile", "--columns", PLAIN]}

TABLE = r"""
CREATE TABLE t (id bigint PRIMARY KEY, flag bool, small smallint, n int, r real, d double precision, price numeric(12,4), free numeric, day date, at timestamp,
                atz timestamptz, clock time, k uuid, doc jsonb, name text, padded char(3), bin bytea, "odd name (1) - % #" int, "ü`" text, "Mixed" text, list int[]);
INSERT INTO t VALUES
(1, true, -32768, 2147483647, 1.5, -2.25, 12345678.9012, 0.125, '2026-01-02', '2026-01-02 03:04:05.678901', '2026-01-02 03:04:05.678901+02', '23:59:59.999999',
 '00112233-4455-6677-8899-aabbccddeeff', '{"a": [1, "x;y"]}', 'it''s "quoted"; --no', 'a', '\x00ff10', 7, 'null', 'M', '{1,NULL,3}'),
(2, false, 32767, -2147483648, 0, 1e-3, -0.0001, 12345, '1999-12-31', '1999-12-31 23:59:59', '1999-12-31 23:59:59+00', '00:00:00',
 'ffffffff-ffff-ffff-ffff-ffffffffffff', '"NULL"', '', '', '', -1, E'tab\there', 'back\slash', '{}'),
(9223372036854775807, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(-1, false, 0, 0, -1.5, 1e15, 0, -5, '1970-01-01', '1970-01-01 00:00:00.000001', '1969-12-31 23:59:59.999999+00', '12:30:00', NULL, '[]', 'Zürich €', 'abc', NULL, NULL, '', '', NULL)"""
STRINGS = ("clock", "k", "name", "padded", "ü`", "Mixed", "odd name (1) - % #", "id", "flag", "small", "n")


@pytest.fixture(scope="module")
def server():
    made = Postgres(QUIET).start()
    made.run(TABLE)
    yield made
    made.close()


class Client:
    """Clients of a metastore and a warehouse of their own, one at a time."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = {**os.environ, "SPARK_HOME": str(spark.folder() / "deps"), "SPARK_LOCAL_IP": "127.0.0.1"}
        self.programs = spark.folder() / "deps/bin"
        settings = {"spark.sql.warehouse.dir": folder / "warehouse", "spark.hadoop.javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={folder}/metastore;create=true",
                    "spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1", "spark.driver.memory": "1g", "spark.sql.session.timeZone": "UTC"}
        words = ["--master", "local[1]", "--driver-java-options", f"-Dderby.system.home={folder} -Duser.timezone=UTC"]
        for name, value in settings.items():
            words += ["--conf", f"{name}={value}"]
        self.words = [str(word) for word in words]

    @property
    def spark_sql(self):
        return shlex.join([str(self.programs / "spark-sql"), *self.words])

    @contextlib.contextmanager
    def beeline(self):
        """The words of a beeline that has a server, while that is there."""
        port = free_ports(1)[0]
        url = f"jdbc:hive2://127.0.0.1:{port}"
        line = [self.programs / "spark-submit", *self.words, "--conf", "spark.hadoop.hive.server2.thrift.bind.host=127.0.0.1", "--conf",
                f"spark.hadoop.hive.server2.thrift.port={port}", "--class", "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2", "spark-internal"]
        with open(self.folder / "server.log", "wb") as log:
            server = subprocess.Popen(line, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until_it_listens(port, server, self.folder / "server.log")
            yield shlex.join([str(self.programs / "beeline"), "-u", url, "-n", "somebody"])
        finally:
            server.terminate()
            server.wait(PATIENCE)

    def run(self, text):
        path = self.folder / "statements.sql"
        path.write_text(text)
        done = subprocess.run([self.programs / "spark-sql", *self.words, "-f", path], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout


def wait_until_it_listens(port, server, log):
    until = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert server.poll() is None and time.monotonic() < until, log.read_text(errors="replace")[-3000:]
        time.sleep(0.2)


def moment(value):
    """Microseconds since 1970, of UTC."""
    if value is None or isinstance(value, int):
        return value
    read = datetime.datetime.fromisoformat(value.replace("Z", "+00:00") if "T" in value else value.replace(" ", "T") + "000000"[:6 - len(value.partition(".")[2])])
    read = read if read.tzinfo else read.replace(tzinfo=datetime.timezone.utc)
    return (read - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)


def octets(value):
    """Of PostgreSQL, of Sqoop's text, of Spark's JSON."""
    if value is None:
        return None
    if value.startswith("\\x"):
        return bytes.fromhex(value[2:])
    return base64.b64decode(value, validate=True)


def plain(row, name):
    """What both sides have to agree on."""
    value = dict(row)
    made = {one: value[one] for one in STRINGS if one in value}
    made |= {one: value[one] if value[one] is None else decimal.Decimal(value[one]) for one in ("r", "d", "price", "free")}
    made |= {one: moment(value[one]) for one in ("at", "atz")}
    made |= {"day": value["day"], "doc": value["doc"] if isinstance(value["doc"], (dict, list)) or value["doc"] is None or name == "expected" else json.loads(value["doc"])}
    made["bin"] = bytes.fromhex(value["bin"]) if name == "text" and value["bin"] is not None else octets(value["bin"])
    made["list"] = json.loads(value["list"]) if isinstance(value["list"], str) else value["list"]
    return made


def rows_of(text, name):
    found = [plain(json.loads(line, parse_float=decimal.Decimal), name) for line in text.splitlines()]
    return sorted(found, key=lambda row: row["id"])


def selected(name):
    """One line of JSON for each row."""
    return (f"SELECT to_json(struct(*), map('ignoreNullFields', 'false', 'timestampFormat', \"yyyy-MM-dd'T'HH:mm:ss.SSSSSS\")) FROM "
            f"(SELECT * FROM {name}_t WHERE dt = 'it''s; 1=1');\n".replace("''", "\\'").replace("; 1", "\\073 1"))


def hive_import(server, client, target, name, command):
    line = [PENSTOCK, "sqoop", "import", *DECIMALS, "--connect", f"jdbc:postgresql://127.0.0.1:{server.port}/postgres", "--username", "postgres", "--table", "t",
            "--target-dir", target / name, "-m", "2", *FORMATS[name], "--hive-import", "--hive-table", f"{name}_t", "--hive-partition-key", "dt",
            "--hive-partition-value", "it's; 1=1", "--hive-client", command]
    done = subprocess.run(line, cwd=client.folder, env=client.environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (target / name / "_hive_loaded").exists() == (command != "none")


def test_tables_of_hive(server, tmp_path):
    client = Client(tmp_path)
    target = tmp_path / "a place; with ümlauts %20"
    with client.beeline() as command:
        hive_import(server, client, target, "text", command)
    hive_import(server, client, target, "parquet", client.spark_sql)
    hive_import(server, client, target, "avro", "none")
    script = (target / "avro/_hive.sql").read_text()
    # The same files once more, instead of themselves.
    again = script.replace("\nINTO TABLE", "\nOVERWRITE INTO TABLE")
    answers = client.run(script + again + "".join(f"SELECT '-- {name}';\n" + selected(name) for name in FORMATS))
    expected = rows_of(server.run("SELECT row_to_json(t) FROM t"), "expected")
    assert len(expected) == 4
    found = {}
    for line in answers.splitlines():
        if line.startswith("-- "):
            name = line[3:]
            found[name] = []
        elif line.startswith("{"):
            found[name].append(line)
    assert sorted(found) == sorted(FORMATS)
    for name, lines in found.items():
        for row, wanted in zip(rows_of("\n".join(lines), name), expected, strict=True):
            assert len(row) == len(wanted) - (2 if name == "avro" else 0)
            for column, value in row.items():
                assert value == wanted[column], f"{name}: {column} of {wanted['id']}"
