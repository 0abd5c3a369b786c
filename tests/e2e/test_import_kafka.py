"""Tables into a real Kafka: a foreign consumer reads the topic, value by value, and the manifest is held against it."""

import collections
import contextlib
import io
import json
import pathlib
import signal
import subprocess
import sys
import time
import uuid

import pytest

import readers

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "importers"))
sys.path.insert(0, str(readers.folder()))

import fastavro  # noqa: E402
from broker import PASSWORDS  # noqa: E402
from import_topic import Importing, check_manifest, database, exact, importing, sent  # noqa: E402, F401
from importing import BINARY, HELD, HOLD, Import, wait_until  # noqa: E402
from kafka import WRITE, in_hands_of, java_partition  # noqa: E402
from postgres import Session  # noqa: E402

ROWS = 20000
SANITIZED = "libasan" in subprocess.run(["ldd", BINARY], capture_output=True, text=True).stdout
EVERYTHING = f"""CREATE TABLE everything (id bigint PRIMARY KEY, name text, price numeric(12,3), big numeric, ok bool, ratio float8, day date, at timestamp,
    zoned timestamptz, list int[], doc jsonb, raw bytea, u uuid) WITH (fillfactor = 10);
INSERT INTO everything SELECT i, CASE WHEN i % 7 = 0 THEN NULL ELSE 'ä "' || i || E'" \\n\\t\\\\' END, i / 8.0, i * 1e30 + 0.5, i % 3 = 0, i / 7.0,
    '2024-01-01'::date + i % 1000, '2024-01-01'::timestamp + i * interval '1.000001 s', '2024-01-01Z'::timestamptz + i * interval '1 s', ARRAY[i, NULL, -i],
    jsonb_build_object('a', i, 'b', ARRAY['x', NULL]), decode(to_hex(i + 1048576), 'hex'), md5(i::text)::uuid FROM generate_series(1, {ROWS}) i"""
AS_SENT = """SELECT id, row_to_json(t)::text FROM (SELECT id, name, price, big, ok, ratio, day, at, to_char(zoned, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') zoned, list, doc,
    encode(raw, 'base64') raw, u FROM everything) t"""


def test_a_table_value_by_value(importing):
    topic = importing.create(4)
    importing.run(EVERYTHING)
    said = importing.import_("everything").said
    assert f"made: {ROWS} rows of 1 tables in topic {topic}, " in said
    messages = importing.kafka.consume(topic)
    wanted = {int(key): exact(text) for key, text in (line.split("|", 1) for line in importing.run(AS_SENT).splitlines())}
    assert len(wanted) == len(messages) == ROWS
    for message in messages:
        got = exact(message.value)
        assert message.key == b"%d" % got["id"] and message.partition == java_partition(message.key, 4)
        assert got == wanted.pop(got["id"])
        assert list(got)[:3] == ["id", "name", "price"]
    manifest = importing.manifest()
    check_manifest(manifest, messages, topic)
    assert manifest["topic"]["key"] == ["id"] and len(manifest["tables"][0]["files"]) > 1
    assert manifest["topic"]["servers"] == importing.kafka.properties()["bootstrap.servers"]


def test_records_are_the_lines_of_a_file(importing):
    topic = importing.create()
    importing.run(EVERYTHING)
    importing.import_("everything")
    assert Import(importing.server.conninfo(importing.name), "--target", "files", "--format", "jsonl", "everything", cwd=importing.folder).end() == 0
    lines = [line for file in (importing.folder / "files").glob("part-*") for line in file.read_bytes().splitlines()]
    assert sorted(importing.kafka.values(topic)) == sorted(lines)


def test_values_of_avro(importing):
    """A foreign reader needs nothing but the schema, which the manifest and --explain have; the values are those of a file."""
    topic = importing.create(2)
    importing.run(EVERYTHING)
    importing.import_("--format", "avro", "everything")
    manifest, messages = importing.manifest(), importing.kafka.consume(topic)
    check_manifest(manifest, messages, topic)
    assert manifest["topic"]["value"] == "avro"
    said = importing.import_("--explain", "--format", "avro", "everything").out
    (schema,) = [json.loads(line.split(": ", 1)[1]) for line in said.splitlines() if line.startswith("schema of the values: ")]
    assert schema == manifest["topic"]["schema"]
    parsed = fastavro.parse_schema(schema)
    rows = [fastavro.schemaless_reader(io.BytesIO(message.value), parsed) for message in messages]
    assert [b"%d" % row["id"] for row in rows] == [message.key for message in messages]
    assert Import(importing.server.conninfo(importing.name), "--target", "files", "--format", "avro", "everything", cwd=importing.folder).end() == 0
    wanted = [row for file in (importing.folder / "files").glob("part-*") for row in fastavro.reader(open(file, "rb"))]
    assert sorted(rows, key=lambda row: row["id"]) == sorted(wanted, key=lambda row: row["id"])


def test_what_avro_has_not(importing):
    importing.create()
    importing.run("CREATE TABLE t AS SELECT i, CASE WHEN i = 3 THEN date 'infinity' END AS day FROM generate_series(1, 5) i")
    said = importing.import_("--format", "avro", "--whole", "t", status=1).said
    assert "row 3: column day: an infinite value" in said and "--infinity=null" in said


def test_values_in_an_envelope(importing):
    """As penstock run makes them: the row as text, an id of its own, and when it was sent."""
    topic = importing.create(2)
    importing.run("CREATE TABLE t (a int PRIMARY KEY, b text); INSERT INTO t SELECT i, 'ä\"' || i FROM generate_series(1, 1000) i")
    before = time.time()
    importing.import_("--value", "envelope", "t")
    messages = importing.kafka.consume(topic)
    check_manifest(importing.manifest(), messages, topic)
    assert importing.manifest()["topic"]["value"] == "envelope" and "schema" not in importing.manifest()["topic"]
    values = [json.loads(message.value) for message in messages]
    assert {tuple(value) for value in values} == {("payload", "correlation_id", "created_at", "schema_version")}
    rows = sorted((json.loads(value["payload"]) for value in values), key=lambda row: row["a"])
    assert rows == [{"a": number, "b": f'ä"{number}'} for number in range(1, 1001)]
    assert {value["schema_version"] for value in values} == {1} and all(before - 1 < value["created_at"] < time.time() + 1 for value in values)
    assert len({uuid.UUID(value["correlation_id"]) for value in values}) == 1000


def test_keys(importing):
    importing.run("CREATE TABLE t (a int, b text, c date, PRIMARY KEY (b, a)); INSERT INTO t SELECT i, 'x' || i, CASE WHEN i > 1 THEN date '2024-01-02' END "
                  "FROM generate_series(1, 3) i")

    def keys(target, *words):
        topic = importing.kafka.create(importing.kafka.name(target), 2)
        importing.import_(*words, topic=topic, target=target)
        messages = importing.kafka.consume(topic)
        check_manifest(importing.manifest(target), messages, topic)
        return sorted((message.key for message in messages), key=lambda key: key or b"")

    assert keys("primary", "t") == [b'["x1",1]', b'["x2",2]', b'["x3",3]']
    assert keys("named", "--key", "b", "t") == [b"x1", b"x2", b"x3"]
    assert keys("several", "--key", "c,a", "t") == [b'["2024-01-02",2]', b'["2024-01-02",3]', b"[null,1]"]
    assert keys("null", "--key", "c", "t") == [None, b"2024-01-02", b"2024-01-02"]
    assert keys("half", "--columns", "a,c", "t") == [None] * 3, "half of a primary key is none"
    assert keys("query", "--query", "SELECT a FROM t") == [None] * 3
    assert keys("keyed", "--query", "SELECT a FROM t", "--key", "a") == [b"1", b"2", b"3"]


def test_explained_and_verified(importing):
    topic = importing.create()
    importing.run("CREATE TABLE t (a int, b int, PRIMARY KEY (b, a)); INSERT INTO t VALUES (1, 2)")
    assert f"a record of topic {topic} for each row, key: b a\n" in importing.import_("--explain", "t").out
    assert f"a record of topic {topic} for each row, without a key\n" in importing.import_("--explain", "--query", "SELECT 1 x").out
    assert importing.kafka.count(topic) == 0 and not list(importing.folder.iterdir())
    importing.import_("t")

    def verify(status):
        one = Import(importing.server.conninfo(importing.name), "--verify", "made/manifest.json", cwd=importing.folder)
        assert one.end() == status, one.said
        return one.out

    assert f"its rows went to topic {topic}, which is not read" in verify(0)
    importing.run("UPDATE t SET a = 3")
    verify(1)


def test_rows_without_a_key_are_spread(importing):
    topic = importing.create(3)
    importing.run("CREATE TABLE t AS SELECT i FROM generate_series(1, 120000) i")
    importing.import_("t")
    messages = importing.kafka.consume(topic)
    assert sorted(exact(message.value)["i"] for message in messages) == list(range(1, 120001))
    assert {message.partition for message in messages} == {0, 1, 2}
    check_manifest(importing.manifest(), messages, topic)


def test_a_table_without_rows(importing):
    topic = importing.create()
    importing.run("CREATE TABLE t (a int PRIMARY KEY)")
    importing.import_("t")
    assert importing.kafka.count(topic) == 0
    check_manifest(importing.manifest(), [], topic)


# ---- what cannot be ----

def refused(importing, *words, status=1, **more):
    said = importing.import_(*words, status=status, **more).said
    assert not (importing.folder / "made").exists()
    return said


def test_wrong_words(importing):
    importing.topic = "t"
    importing.run("CREATE TABLE t (a int PRIMARY KEY); CREATE TABLE u (a int)")
    servers = importing.kafka.properties()
    for words, status, wanted in (
            (["--append", "t"], 2, "--append is for files"),
            (["--format", "parquet", "t"], 2, "records of a topic are JSON"),
            (["--compression", "zstd", "t"], 2, "--kafka-property compression.type=CODEC"),
            (["t", "u"], 1, "one table at a time, and 2 are selected"),
            (["--key", "b", "t"], 1, 'there is no column "b" among those that are read of public.t'),
            (["--kafka-property", "acks=1", "t"], 1, "--kafka-property acks: "),
            (["--kafka-property", "compresion.type=lz4", "t"], 1, "--kafka-property compresion.type: "),
            (["--kafka-property", "lz4", "t"], 1, '"lz4" is not NAME=VALUE'),
            (["--kafka-property", "sasl.password=se-cret", "t"], 1, "--kafka-property-file sasl.password=FILE"),
            (["--kafka-property-file", "sasl.password=nowhere", "t"], 1, "--kafka-property-file sasl.password: ")):
        said = refused(importing, *words, status=status, properties=servers)
        assert wanted in said and "se-cret" not in said, said
    assert "bootstrap.servers is missing" in refused(importing, "t", properties={})
    assert "not a topic's name" in refused(importing, "t", topic="a b")
    assert '--to: "hdfs:x" is not kafka:TOPIC' in refused(importing, "t", "--to", "hdfs:x", status=2)
    assert not list(importing.folder.iterdir())


def test_a_topic_that_is_not_there(importing):
    importing.topic = importing.kafka.name("nowhere")
    importing.run("CREATE TABLE t AS SELECT i FROM generate_series(1, 10) i")
    said = refused(importing, "t")
    assert f"topic {importing.topic} takes no records: the topic does not exist: make it, or" in said
    assert "kafka.create_topics" not in said  # an option of the gateway's
    assert not list(importing.folder.iterdir())


def test_a_topic_that_is_forbidden(importing):
    topic = importing.create()
    importing.run("CREATE TABLE t AS SELECT i FROM generate_series(1, 10) i")
    password = importing.folder / "password"
    password.write_text(PASSWORDS["bob"])
    password.chmod(0o600)
    cluster = importing.kafka.cluster
    properties = {"bootstrap.servers": cluster.servers("sasl"), "security.protocol": "sasl_ssl", "ssl.ca.location": cluster.authority.certificate,
                  "sasl.mechanism": "PLAIN", "sasl.username": "bob"}
    words = ("t", "--kafka-property-file", f"sasl.password={password}")
    said = refused(importing, *words, properties=properties)
    assert f"topic {topic} takes no records: " in said and "uthorization failed" in said and PASSWORDS["bob"] not in said
    importing.kafka.allow("bob", topic)
    importing.import_(*words, properties=properties)
    check_manifest(importing.manifest(), importing.kafka.consume(topic), topic)
    importing.kafka.forbid("bob", topic, WRITE)


def test_rows_that_are_too_large(importing):
    """For the client, and for the topic; told which, and the limit to raise makes it work."""
    topic = importing.create(max_message_bytes=3000)
    importing.run("CREATE TABLE t AS SELECT i, string_agg(md5(i || '-' || k), '') pad FROM generate_series(1, 50) i, generate_series(1, CASE i WHEN 7 THEN 600 ELSE 1 END) k "
                  "GROUP BY i ORDER BY i")
    said = refused(importing, "t", "--whole", "--kafka-property", "message.max.bytes=10000")
    assert "row 7 of split 0 is larger than a record may be" in said and "message.max.bytes" in said
    said = refused(importing, "t", "--whole")
    assert f"topic {topic}: the broker refuses row " in said and "max.message.bytes" in said
    importing.kafka.alter(topic, "max.message.bytes", 100000)
    importing.import_("t", "--whole")
    ids = {exact(message.value)["i"] for message in importing.kafka.consume(topic) if sent(message).id == importing.manifest()["topic"]["import"]}
    assert ids == set(range(1, 51))


# ---- what goes away and comes back ----

def check_at_least_once(importing, messages, rows):
    """Each row is there, and what is there twice is of splits that were read again."""
    seen = collections.Counter(exact(message.value)["i"] for message in messages)
    assert set(seen) == set(range(1, rows + 1))
    (table,) = importing.manifest()["tables"]
    assert table["rows"] == rows
    doubled = {number for number, count in seen.items() if count > 1}
    return {sent(message).split for message in messages if exact(message.value)["i"] in doubled}


def test_killed_and_gone_on_with(importing):
    """What the log calls finished is not sent again, and the id stays."""
    rows = 30000
    topic = importing.create(2)
    importing.run(f"CREATE TABLE t WITH (fillfactor = 10) AS SELECT id, id i, repeat('x', 300) pad FROM generate_series(1, {rows}) id; ALTER TABLE t ADD PRIMARY KEY (id)")
    words = ("--where", f"id < {rows // 10 * 7} OR {HELD}", "t")
    with contextlib.closing(Session(importing.server, importing.name)) as holder:
        holder.say(HOLD)
        one = importing.begin(*words)
        wait_until("some splits", lambda: len(importing.finished()) > 2)
        one.kill()
    finished = importing.finished()
    assert not (importing.folder / "made").exists()
    other = importing.import_("--resume", *words, topic=importing.kafka.create(importing.kafka.name("other")), status=1)
    assert "was begun with other words (topic)" in other.said
    assert f"{len(finished)} splits with" in importing.import_("--resume", *words).said
    messages = importing.kafka.consume(topic)
    again = check_at_least_once(importing, messages, rows)
    assert not again & finished
    assert {sent(message).id for message in messages} == {importing.manifest()["topic"]["import"]}


def test_a_connection_to_the_database_that_is_lost(importing):
    rows = 20000
    topic = importing.create(2)
    importing.run(f"CREATE TABLE t WITH (fillfactor = 10) AS SELECT id, id i, repeat('x', 300) pad FROM generate_series(1, {rows}) id")
    with contextlib.closing(Session(importing.server, importing.name)) as holder:
        holder.say(HOLD)
        one = importing.begin("--where", f"id < {rows // 10 * 7} OR {HELD}", "t")
        wait_until("a split, and another one at work", lambda: importing.finished() and importing.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'penstock%' AND query LIKE 'COPY%' AND state = 'active' LIMIT 1"))
    assert one.end() == 0 and "it is read again" in one.said, one.said
    check_at_least_once(importing, importing.kafka.consume(topic), rows)


@pytest.fixture(scope="module")
def mortal_broker(brokers):
    return brokers().start()


@pytest.fixture
def mortal(request, mortal_broker):
    yield from in_hands_of(request, mortal_broker)


def test_a_broker_that_goes_away_is_waited_for(database, mortal, tmp_path):
    """Meanwhile nothing more is read, however much there is: memory stays what it was."""
    importing = Importing(database, mortal, tmp_path, f"mortal{mortal.prefix.rstrip('-')}")
    rows = 80000
    topic = importing.create(2)
    importing.run(f"CREATE TABLE t AS SELECT i, repeat(md5(i::text), 40) pad FROM generate_series(1, {rows}) i")  # 100 MB
    (broker,) = mortal.cluster.brokers
    broker.kill()
    try:
        one = importing.begin("t")
        log = pathlib.Path(f"/proc/{one.process.pid}/status")
        said = []
        wait_until("the import says that it waits", lambda: said.append(one.process.stderr.readline()) or "no record is confirmed, so the import waits" in said[-1])
        other = importing.begin("t", target="other")
        wait_until("the other one waits, too", lambda: "no record is confirmed" in other.process.stderr.readline())
        assert other.kill(signal.SIGINT) == 1, "it is stopped all the same"
        most = int(next(line for line in log.read_text().splitlines() if line.startswith("VmHWM")).split()[1])
        broker.start()
        assert one.end() == 0, one.said
        assert "records are confirmed again" in one.said
        messages = mortal.consume(topic)
        check_manifest(importing.manifest(), messages, topic)
        assert sorted(exact(message.value)["i"] for message in messages) == list(range(1, rows + 1))
        print(f"{most} KiB")
        assert most < 90_000 or SANITIZED, f"{most} KiB"
    finally:
        if not broker.process:
            broker.start()
        importing.close()
