"""--transactional: a foreign consumer that reads committed records sees each row once, whatever interrupted the import."""

import collections
import contextlib
import signal

import pytest

from broker import PASSWORDS
from import_topic import Importing, check_manifest, database, exact, importing, sent  # noqa: F401
from importing import HELD, HOLD, wait_until
from kafka import GROUP, READ, TRANSACTIONAL_ID, WRITE, in_hands_of
from postgres import Session

ROWS = 20000
TABLE = f"CREATE TABLE t WITH (fillfactor = 10) AS SELECT id, id i, repeat('x', 300) pad FROM generate_series(1, {ROWS}) id; ALTER TABLE t ADD PRIMARY KEY (id)"
LAST_HELD = f"id < {ROWS // 10 * 7} OR {HELD}"


@contextlib.contextmanager
def held(importing):
    """What is read with LAST_HELD does not come to its end meanwhile."""
    with contextlib.closing(Session(importing.server, importing.name)) as holder:
        holder.say(HOLD)
        yield


def rows_of(messages):
    return sorted(exact(message.value)["i"] for message in messages)


def check_once(importing, topic, rows=ROWS):
    messages = importing.kafka.consume(topic)
    assert rows_of(messages) == list(range(1, rows + 1))
    manifest = importing.manifest()
    check_manifest(manifest, messages, topic)
    assert manifest["topic"]["transactional"] is True and manifest["snapshot"]["consistent"]


def test_each_split_is_a_transaction(importing):
    topic = importing.create(3)
    importing.run(TABLE)
    importing.import_("--transactional", "t")
    check_once(importing, topic)
    ends, records = importing.kafka.ends(topic), collections.Counter(message.partition for message in importing.kafka.consume(topic))
    splits = len(importing.manifest()["tables"][0]["files"])
    assert splits > 3 and all(ends[one] - records[one] == splits for one in ends), "a mark of its end in each partition for each split"


def test_an_interrupted_split_is_never_seen(importing):
    """Readers see whole splits only, and those behind a transaction that was left open as soon as another import goes on."""
    rows = 40000
    topic = importing.create(2)
    importing.run(f"CREATE TABLE t AS SELECT id, id i, repeat('x', 1000) pad FROM generate_series(1, {rows}) id")
    words = ("--transactional", "--where", f"id < {rows // 10 * 7} OR {HELD}", "t")
    with contextlib.closing(Session(importing.server, importing.name)) as holder:
        holder.say(HOLD)
        one = importing.begin(*words)
        wait_until("records of a split that is open", lambda: len(sent_of(importing, topic, "read_uncommitted")) > len(importing.finished()) > 2)
        one.kill()
    finished = importing.finished()
    assert sent_of(importing, topic) == finished
    assert "(transactional)" in importing.import_("--resume", *words[1:], status=1).said
    assert "(connections)" in importing.import_("--resume", "--connections", 3, *words, status=1).said
    assert f"{len(finished)} splits with" in importing.import_("--resume", *words).said
    check_once(importing, topic, rows)
    assert len(importing.kafka.consume(topic, isolation_level="read_uncommitted")) > rows


def sent_of(importing, topic, isolation="read_committed"):
    return {sent(message).split for message in importing.kafka.consume(topic, isolation_level=isolation)}


def test_stopped_and_begun_anew(importing):
    """What was committed stays, and an import that is not gone on with sends all of it under another id."""
    topic = importing.create()
    importing.run(TABLE)
    with held(importing):
        one = importing.begin("--transactional", "--where", LAST_HELD, "t")
        wait_until("some splits", lambda: len(importing.finished()) > 2)
        assert one.kill(signal.SIGINT) == 1 and "finished and kept" in one.said
    kept = {sent(message).id for message in importing.kafka.consume(topic)}
    importing.import_("--transactional", "t")
    own = [message for message in importing.kafka.consume(topic) if sent(message).id not in kept]
    assert rows_of(own) == list(range(1, ROWS + 1)) and len(kept) == 1
    check_manifest(importing.manifest(), own, topic)


def test_killed_and_begun_anew(importing):
    """Nobody waits for the transactions that the one before has left open."""
    rows = 40000
    topic = importing.create(2)
    importing.run(f"CREATE TABLE t AS SELECT id, id i, repeat('x', 1000) pad FROM generate_series(1, {rows}) id")
    with contextlib.closing(Session(importing.server, importing.name)) as holder:
        holder.say(HOLD)
        one = importing.begin("--transactional", "--where", f"id < {rows // 10 * 7} OR {HELD}", "t")
        wait_until("records of a split that is open", lambda: len(sent_of(importing, topic, "read_uncommitted")) > len(importing.finished()) > 2)
        one.kill()
    killed = {sent(message).id for message in importing.kafka.consume(topic)}
    assert "is deleted" in importing.import_("t").said
    assert rows_of(message for message in importing.kafka.consume(topic) if sent(message).id not in killed) == list(range(1, rows + 1))


def test_a_connection_to_the_database_that_is_lost(importing):
    topic = importing.create(2)
    importing.run(TABLE)
    with held(importing):
        one = importing.begin("--transactional", "--where", LAST_HELD, "t")
        wait_until("a split, and another one at work", lambda: importing.finished() and importing.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'penstock%' AND query LIKE 'COPY%' AND state = 'active' LIMIT 1"))
    assert one.end() == 0 and "it is read again" in one.said, one.said
    check_once(importing, topic)


def test_a_split_that_takes_too_long(importing):
    topic = importing.create()
    importing.run("CREATE TABLE t AS SELECT i FROM generate_series(1, 50000) i")
    said = importing.import_("--transactional", "--kafka-property", "transaction.timeout.ms=2000", "--where", "i < 50000 OR (SELECT true FROM pg_sleep(5 + i * 0))",
                             "t", status=1).said
    assert f"topic {topic}: split 0 takes longer than a transaction may last, 2 s: make splits smaller" in said
    assert not importing.kafka.consume(topic) and not list(importing.folder.iterdir())


def test_the_snapshot_is_gone(importing):
    """What is committed cannot be taken back, and the rest of it cannot be read any more."""
    topic = importing.create()
    importing.run(TABLE)
    words = ("--transactional", "--where", LAST_HELD, "t")
    with held(importing):
        one = importing.begin("--keep-snapshot", 0, *words)
        wait_until("some splits", lambda: len(importing.finished()) > 2)
        assert one.kill(signal.SIGINT) == 1
    said = importing.import_("--resume", *words, status=1).said
    assert f"the snapshot is gone: " in said and f"splits are committed in topic {topic} and stay there" in said and "into an empty topic" in said


def test_rights_that_are_missing(importing):
    """Each one by its name."""
    topic, kafka = importing.create(), importing.kafka
    importing.run("CREATE TABLE t AS SELECT i FROM generate_series(1, 10) i")
    password = importing.folder / "password"
    password.write_text(PASSWORDS["carol"])
    password.chmod(0o600)
    properties = {"bootstrap.servers": kafka.cluster.servers("sasl"), "security.protocol": "sasl_ssl", "ssl.ca.location": kafka.cluster.authority.certificate,
                  "sasl.mechanism": "PLAIN", "sasl.username": "carol"}

    def import_(status):
        return importing.import_("--transactional", "--kafka-property-file", f"sasl.password={password}", "t", properties=properties, status=status).said

    assert "the right Write on this transactional id is missing" in import_(1)
    kafka.allow_all("carol", TRANSACTIONAL_ID, "penstock-import-", WRITE)
    kafka.allow("carol", topic)
    assert "the right Read on the consumer group of this name" in import_(1)
    kafka.allow_all("carol", GROUP, "penstock-import-", READ)
    assert "the right Read on the topic" in import_(1)
    kafka.allow("carol", topic, READ)
    import_(0)
    check_once(importing, topic, 10)


def test_brokers_that_can_begin_no_transaction(database, brokers, request, tmp_path):
    """Their log of transactions wants more replicas than there are brokers."""
    (kafka,) = in_hands_of(request, brokers(transaction_state_log_replication_factor=3).start())
    importing = Importing(database, kafka, tmp_path, "none")
    try:
        importing.create()
        importing.run("CREATE TABLE t AS SELECT i FROM generate_series(1, 10) i")
        one = importing.begin("--transactional", "t")
        said = []
        wait_until("the import says that it waits", lambda: said.append(one.process.stderr.readline()) or "begin or end no transaction, so the import waits" in said[-1])
        assert "as many brokers as transaction.state.log.replication.factor wants" in said[-1], said
        assert one.kill(signal.SIGINT) == 1
        importing.import_("t")
    finally:
        importing.close()
