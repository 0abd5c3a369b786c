"""Imports into stores elsewhere: S3 and HDFS hold what a directory of this machine would, once and whole, whenever the import is killed."""

import contextlib
import io
import itertools
import json
import os
import signal
import sys

import pytest
import readers
from certificates import Authority
from hdfs import USER, Hdfs
from importing import crc32c, ending, wait_until
from postgres import Session
from s3 import KEY, SECRET, Server
from sqooping import Sqoop, begin_server

sys.path.insert(0, str(readers.folder()))
import pyarrow.parquet  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "4"))
ROWS = 1000
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def hdfs(tmp_path_factory):
    made = Hdfs(tmp_path_factory.mktemp("hdfs") / "cluster")
    try:
        yield made.start()
    finally:
        made.close()


class S3:
    environment = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}

    def __init__(self, server):
        self.server, self.client = server, server.client
        self.bucket = f"imports-{os.getpid()}-{next(numbers)}"
        self.client.make_bucket(self.bucket)
        self.words = ("--set", f"lake.s3.endpoint={server.url}")
        self.config = f"lake: {{url: 's3://{self.bucket}/lake', s3: {{endpoint: '{server.url}'}}}}"

    def url(self, path):
        return f"s3://{self.bucket}{path}"

    def files(self, path):
        start = f"{path[1:]}/"
        return {key[len(start):]: self.client.get(self.bucket, key) for key in self.client.keys(self.bucket, start) if not key.endswith("/")}

    def write(self, path, data):
        self.client.put(self.bucket, path[1:], data)

    def left(self):
        """What is there of imports besides their files."""
        return [key for key in self.client.keys(self.bucket) if ".penstock" in key and not key.endswith("/")] + self.client.uploads(self.bucket)


class OfHdfs:
    environment = {}

    def __init__(self, hdfs):
        self.hdfs = hdfs
        self.root = f"/t{next(numbers)}"
        self.words = ("--set", f"lake.hdfs.user={USER}")
        self.config = f"lake: {{url: '{hdfs.url('/')}', hdfs: {{user: {USER}}}}}"
        hdfs.make(self.root)

    def url(self, path):
        return self.hdfs.url(self.root + path)

    def files(self, path):
        return {name: self.hdfs.read(f"{self.root}{path}/{name}") for name in self.hdfs.files(self.root + path)}

    def write(self, path, data):
        self.hdfs.write(self.root + path, data)

    def left(self):
        return [name for name, _, _ in self.hdfs.entries(self.root) if name.startswith(".")]


@pytest.fixture(params=["s3", "hdfs"])
def store(request):
    return S3(request.getfixturevalue("s3_server")) if request.param == "s3" else OfHdfs(request.getfixturevalue("hdfs"))


@pytest.fixture
def run(database, begin_import, store):
    """run(words...): an import of this test's table into this test's store."""
    def begin(*words, environment=None, **more):
        return begin_import(database.address, *store.words, *words, environment={**store.environment, **(environment or {})}, **more)

    return ending(begin)


@pytest.fixture
def table(database):
    """Of four splits."""
    database.run("CREATE TABLE readings (id int PRIMARY KEY, v text, at timestamptz) PARTITION BY HASH (id);"
                 + "".join(f"CREATE TABLE r{n} PARTITION OF readings FOR VALUES WITH (MODULUS 4, REMAINDER {n});" for n in range(4))
                 + f"INSERT INTO readings SELECT i, CASE WHEN i % 7 > 0 THEN 'größe ' || i END, timestamptz '2026-01-01' + i * interval '1 s' FROM generate_series(0, {ROWS - 1}) i;"
                   "ANALYZE readings")


def rows_of(database, sql="SELECT * FROM readings ORDER BY id"):
    return json.loads(database.run(f"SELECT coalesce(json_agg(r), '[]') FROM ({sql}) AS r"))


def lines(files):
    """All rows of JSON lines, by their id; each file is as its manifest says."""
    for name, data in files.items():
        if "manifest" not in name:
            continue
        for file in (file for each in json.loads(data)["tables"] for file in each["files"] if file["name"]):
            assert len(files[file["name"]]) == file["bytes"] and crc32c(files[file["name"]]) == file["crc32c"], file
    rows = [json.loads(line) for name, data in files.items() if name.startswith("part-") for line in data.splitlines()]
    return sorted(rows, key=lambda row: row["id"])


def of_values(rows):
    return [(row["id"], row["v"]) for row in rows]


def assert_whole(store, database, path="/made"):
    files = store.files(path)
    assert {name for name in files if not name.startswith("part-")} == {"_SUCCESS", "manifest.json"}
    assert of_values(lines(files)) == of_values(rows_of(database))
    assert not store.left()


# ---- what is there ----


def test_parquet_value_by_value(store, run, table, database):
    run("--target", store.url("/a/b c/made"), "readings")
    files = store.files("/a/b c/made")
    rows = [row for name, data in files.items() if name.startswith("part-") for row in pyarrow.parquet.read_table(io.BytesIO(data)).to_pylist()]
    said = sorted(({"id": row["id"], "v": row["v"], "at": row["at"].isoformat()} for row in rows), key=lambda row: row["id"])
    assert said == rows_of(database, "SELECT id, v, at AT TIME ZONE 'UTC' || '+00' AS at FROM readings ORDER BY id") or [
        (row["id"], row["v"]) for row in said] == of_values(rows_of(database))
    assert len(rows) == ROWS and not store.left()


def test_several_tables(store, run, table, database):
    database.run("CREATE TABLE other AS SELECT 1 AS id, 'x' AS v")
    run("--target", store.url("/made"), "--format", "jsonl", "readings", "other")
    files = store.files("/made")
    assert {"public.readings/_SUCCESS", "public.other/_SUCCESS", "manifest.json"} <= set(files)
    one = {name.split("/", 1)[1]: data for name, data in files.items() if name.startswith("public.readings/part-")}
    assert of_values(lines(one)) == of_values(rows_of(database)) and json.loads(files["public.other/part-00000.jsonl"]) == {"id": 1, "v": "x"}


def test_what_is_there_stays(store, run, table, database):
    store.write("/made/theirs", b"x")
    said = run("--target", store.url("/made"), "--format", "jsonl", "readings", status=1).said
    assert "it is not empty" in said and store.url("/made") in said
    assert store.files("/made") == {"theirs": b"x"}
    run("--target", store.url("/made"), "--format", "jsonl", "--replace", "readings")
    assert_whole(store, database)


def test_files_are_added(store, run, table, database):
    words = ("--target", store.url("/made"), "--format", "jsonl", "--incremental", "append", "--check-column", "id", "--append")
    run(*words, "readings")
    said = run(*words, "readings", status=1).said
    assert "go on with --last-value '999'" in said
    assert "0 rows" in run(*words, "--last-value", "999", "readings").said
    database.run("INSERT INTO readings SELECT i, 'more', now() FROM generate_series(1000, 1009) i")
    run(*words, "--last-value", "999", "readings")
    files = store.files("/made")
    assert of_values(lines(files)) == of_values(rows_of(database))
    assert len([name for name in files if "manifest" in name]) == 3 and not store.left()


# ---- verified ----


def change(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1:]


def test_what_is_there_is_verified(store, run, table, database):
    """By the URL of the directory or of the manifest, and by a path of the configuration's store; with the database, too."""
    run("--target", store.url("/made"), "--format", "jsonl", "readings")
    place = store.url("/made")
    count = len([name for name in store.files("/made") if name.startswith("part-")])
    for words in ([place], [f"{place}/manifest.json"], [f"{place}/"]):
        done = run("--verify", *words, "--connections", 2)
        assert done.out == f"public.readings: equal, {ROWS} rows\n{place}/manifest.json: {count} files are as they were written\n"
    database.run("UPDATE readings SET v = 'another' WHERE id = 500")
    assert "changed since" in run("--verify", place, status=1).out
    name, data = next((name, data) for name, data in sorted(store.files("/made").items()) if name.startswith("part-"))
    for wrong, sentence in ((change(data), "its bytes are others"), (data[:-1], f"it has {len(data) - 1} bytes, the manifest says {len(data)}")):
        store.write(f"/made/{name}", wrong)
        assert f"{place}/{name}: {sentence}" in run("--verify", place, status=1).out
    store.write(f"/made/{name}", data)
    store.write("/made/stranger", b"x")
    assert f"{place}/stranger: it is none of the import's\n" in run("--verify", place, status=1).out
    said = run("--verify", store.url("/nowhere"), status=1).said
    assert "there is no manifest of an import" in said and store.url("/nowhere") in said


def test_several_tables_are_verified(store, run, table, database):
    database.run("CREATE TABLE other AS SELECT 1 AS id, 'x' AS v")
    run("--target", store.url("/made"), "--format", "jsonl", "readings", "other")
    assert run("--verify", store.url("/made")).out.endswith("files are as they were written\n")
    data = store.files("/made")["public.other/part-00000.jsonl"]
    store.write("/made/public.other/part-00000.jsonl", change(data))
    assert f"{store.url('/made')}/public.other/part-00000.jsonl: its bytes are others" in run("--verify", store.url("/made"), status=1).out


def test_the_newest_manifest_is_meant(store, run, table, database):
    words = ("--target", store.url("/made"), "--format", "jsonl", "--incremental", "append", "--check-column", "id", "--append")
    run(*words, "readings")
    database.run("INSERT INTO readings SELECT i, 'more', now() FROM generate_series(1000, 1009) i")
    run(*words, "--last-value", "999", "readings")
    newest = max(name for name in store.files("/made") if "manifest-" in name)
    assert run("--verify", store.url("/made")).out.splitlines()[-1].startswith(f"{store.url('/made')}/{newest}: ")


# ---- killed ----


# Requests of an import of this table: to look, to put, to publish; behind the last one nothing is killed.
REQUESTS = {("s3", "new"): 29, ("s3", "--replace"): 31, ("s3", "--append"): 29, ("hdfs", "new"): 44, ("hdfs", "--replace"): 46, ("hdfs", "--append"): 42}


@pytest.mark.parametrize("how", ["new", "--replace", "--append"])
def test_killed_at_each_request(request, store, run, table, database, killing, how):
    """The import goes on with all that was read, and the store has each row once."""
    most = REQUESTS[request.node.callspec.params["store"], how]
    killed = 0
    for call in sorted({most - round(at * (most - 1) / ROUNDS) for at in range(ROUNDS)}):
        path = f"/made{call}"
        words = ("--target", store.url(path), "--format", "jsonl", *(() if how == "new" else (how,)), "readings")
        if how != "new":
            store.write(f"{path}/part-00000.jsonl", b"")
        status = run.begin(*words, environment={"LD_PRELOAD": str(killing), "KILLING_ASKED": str(call)}).end()
        assert status in (0, -signal.SIGKILL)
        before = store.files(path)
        if any("manifest" in name for name in before):
            assert of_values(lines(before)) == of_values(rows_of(database))
        if status:
            run(*words, "--resume")
        assert of_values(lines(store.files(path))) == of_values(rows_of(database)), call
        assert not store.left(), call
        killed += status != 0
    assert killed >= ROUNDS - 1


def test_two_at_once(store, run, table, database):
    """The second one on this machine is refused, and says why."""
    held = "(SELECT true FROM pg_advisory_xact_lock_shared(1 + id * 0))"
    with contextlib.closing(Session(database.server, database.name)) as holder:
        holder.say("SELECT pg_advisory_lock(1);")
        words = ("--target", store.url("/made"), "--format", "jsonl", "--where", held, "readings")
        one = run.begin(*words)
        wait_until("it reads", lambda: database.run("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").strip())
        assert "an import into it is at work" in run(*words, status=1).said
    assert one.end() == 0, one.said
    assert_whole(store, database)


# ---- what can go wrong ----


def test_a_store_that_is_away(store, run, table, database, tmp_path):
    """It is waited for; who waits no longer is told what for."""
    nowhere = ("--set", "lake.s3.endpoint=http://127.0.0.1:1", "--target", store.url("/made")) if isinstance(store, S3) else ("--target", "webhdfs://127.0.0.1:1/made")
    one = run.begin(*nowhere, "readings")
    wait_until("it looks at the target", lambda: list(tmp_path.glob("penstock-data/import/*/lock")))
    one.process.send_signal(signal.SIGINT)
    assert one.end() == 1 and "127.0.0.1" in one.said and ":1" in one.said, one.said


def test_s3_over_tls(begin_import, table, database, tmp_path):
    """What becomes of others' certificates: tests/e2e/test_lake_tls.py."""
    authority = Authority(tmp_path / "authority")
    authority.issue("server")
    server = Server(tmp_path / "s3", authority=authority)
    try:
        store = S3(server.start())
        one = begin_import(database.address, *store.words, "--set", f"lake.ca={authority.certificate}", "--target", store.url("/made"), "--format", "jsonl",
                           "readings", environment=store.environment)
        assert one.end() == 0, one.said
        assert_whole(store, database)
    finally:
        server.close()


def test_no_bucket_and_no_permission(store, run, table, hdfs):
    if isinstance(store, S3):
        said = run("--target", "s3://nosuch-bucket/made", "readings", status=1).said
        assert "NoSuchBucket" in said or "does not exist" in said
        said = run("--target", store.url("/made"), "readings", status=1, environment={"AWS_SECRET_ACCESS_KEY": "wrong"}).said
        assert "secret" in said.lower() or "SignatureDoesNotMatch" in said
    else:
        said = run("--set", "lake.hdfs.user=nobody", "--target", store.url("/made"), "readings", status=1).said
        assert "AccessControlException" in said and "lake.hdfs.user" in said


@pytest.mark.parametrize("words, what", [
    (["--incremental", "lastmodified", "--check-column", "at", "--merge-key", "id", "--format", "avro"], "--merge-key"), (["--hive"], "--hive")])
def test_what_needs_a_directory(store, run, table, words, what):
    said = run("--target", store.url("/made"), *words, "readings", status=1).said
    assert f"{what} needs a directory of this machine" in said


# ---- Sqoop's command line ----


@pytest.fixture(scope="module")
def cluster():
    made = begin_server()
    made.run("CREATE TABLE telemetry AS SELECT i AS id, 'v' || i AS v FROM generate_series(1, 100) i", "telemetry")
    yield made
    made.close()


@pytest.fixture
def sqoop(cluster, tmp_path):
    return Sqoop(cluster, tmp_path)


def test_sqoop_with_the_default_url(store, sqoop, tmp_path):
    """/old-telemetry is a path of the store; file:///... is none."""
    (tmp_path / "penstock.yaml").write_text(store.config)
    path = "/old-telemetry" if isinstance(store, S3) else f"{store.root}/old-telemetry"
    expected = sqoop.psql("COPY (SELECT * FROM telemetry) TO STDOUT WITH (FORMAT csv)")
    environment = {**os.environ, **store.environment}
    sqoop("import", "-c", "penstock.yaml", "--table", "telemetry", "-m", 1, "--target-dir", path, env=environment)
    files = store.files("/old-telemetry")
    assert files["part-m-00000"].decode() == expected and set(files) == {"part-m-00000", "_SUCCESS", "_manifest.json"}
    sqoop("import", "-c", "penstock.yaml", "--table", "telemetry", "-m", 1, "--target-dir", path, "--delete-target-dir", env=environment)
    assert store.files("/old-telemetry")["part-m-00000"].decode() == expected
    sqoop("import", "-c", "penstock.yaml", "--table", "telemetry", "-m", 1, "--target-dir", store.url("/whole"), env=environment)
    assert store.files("/whole")["part-m-00000"].decode() == expected
    sqoop("import", "-c", "penstock.yaml", "--table", "telemetry", "-m", 1, "--target-dir", f"file://{tmp_path}/here", env=environment)
    assert (tmp_path / "here" / "part-m-00000").read_text() == expected


def test_sqoop_validates(store, sqoop, tmp_path):
    """What was put into the store is read again; file:///... of this machine, too, whatever the configuration says."""
    (tmp_path / "penstock.yaml").write_text(store.config)
    path = "/old-telemetry" if isinstance(store, S3) else f"{store.root}/old-telemetry"
    for target in (path, store.url("/whole"), f"file://{tmp_path}/here"):
        sqoop("import", "-c", "penstock.yaml", "--table", "telemetry", "-m", 1, "--target-dir", target, "--validate", env={**os.environ, **store.environment})
        assert "/_manifest.json: 1 files are as they were written\n" in sqoop.out


@pytest.mark.parametrize("words, said", [
    (["--target-dir", "hdfs://namenode:9000/t"], "write webhdfs://namenode:9870/t"),
    (["--target-dir", "s3a://bucket"], "name a directory in it, as s3://bucket/NAME"),
    (["--warehouse-dir", "s3n://bucket/.."], "a prefix of at most"),
])
def test_sqoop_and_urls_that_are_none(sqoop, words, said):
    assert said in sqoop("import", "--table", "telemetry", *words, status=1)
