"""`penstock land`: what is in Kafka is in the lake, under the names that Kafka Connect's HDFS sink would have given, each record exactly once."""

import base64
import json
import signal
import time

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from access import add, bearer, revoke
from kafka import CALM
from landing import Member, committed, files, landed, lines, names, produce
from penstock import request, run_command, wait_until

QUICK = {"roll": {"every": "200ms"}}


@pytest.fixture
def land(kafka, tmp_path):
    """land(entries, name=..., **sections): a member that is not started; it ends with the test."""
    made = []

    def make(entries, name="member", lake=None, **sections):
        made.append(Member(tmp_path / name, kafka, entries, tmp_path / "lake", lake={**QUICK, **(lake or {})}, **sections))
        return made[-1]

    make.lake = tmp_path / "lake"
    yield make
    for one in made:
        if one.process:
            one.kill()


def test_the_names_of_the_course_come_out(land, kafka):
    sensor, text = kafka.create(kafka.name("SENSOR_ID_1")), kafka.create(kafka.name("UNORGANIZED"))
    readings = [b'{"sensor_id": "1", "wattage": %d}' % n for n in range(6)]
    produce(kafka, sensor, [(b"1", one) for one in readings])
    produce(kafka, text, [(None, b"first"), (None, b"second"), (None, b"third")])
    with land([{"topic": f"^{kafka.prefix}SENSOR_ID_[0-9]+$$", "path": "grid-wattage/sensor{key:02}/{topic}/partition={partition}"},
               {"topic": text, "path": "unorganized/{topic}/partition={partition}", "format": "text"}], lake={"roll": {"records": 3, "every": 0}}) as member:
        landed(land.lake, 6, "grid-wattage")
        landed(land.lake, 3, "unorganized")
        member.stop_cleanly()
    assert names(land.lake) == [f"grid-wattage/sensor01/{sensor}/partition=0/{sensor}+0+0000000000+0000000002.json",
                                f"grid-wattage/sensor01/{sensor}/partition=0/{sensor}+0+0000000003+0000000005.json",
                                f"unorganized/{text}/partition=0/{text}+0+0000000000+0000000002.txt"]
    assert lines(land.lake, "grid-wattage") == readings
    assert lines(land.lake, "unorganized") == [b"first", b"second", b"third"]
    assert committed(kafka, kafka.name("group"), sensor) == 6


def test_keys_labels_and_times_make_paths(land, kafka):
    topic = kafka.create(kafka.name("events"))
    value = b'{"site":"n\\u00e4rk/1","at":"2026-11-21T03:04:05Z",\n "n":1}'
    produce(kafka, topic, [(b"k", value, [("kind", b"join")])])
    with land([{"topic": topic, "key": "/site", "time": "/at", "labels": {"kind": "header:kind", "n": "/n"},
                "path": "{kind}/{key}/n={n}/dt={time:%Y-%m-%d}/hour={time:%H}"}]):
        assert landed(land.lake, 1) == [value.replace(b"\n", b" ")]
    assert files(land.lake)[0].path == "join/närk%2F1/n=1/dt=2026-11-21/hour=03"


def test_what_cannot_be_stored_is_a_dead_letter_and_stops_nothing(land, kafka):
    topic = kafka.create(kafka.name("mixed"))
    produce(kafka, topic, [(b"a", b'{"n":0}'), (b"a", b"no JSON"), (b"\xff\n", b'{"n":2}'), (b"a", None), (b"a", b"\xfe\x00"), (b"a", b'{"n":5}')])
    with land([{"topic": topic, "path": "good/{key}"}]) as member:
        letters = [json.loads(line) for line in landed(land.lake, 4, "dead-letters")]
        assert landed(land.lake, 2, "good") == [b'{"n":0}', b'{"n":5}']
        wait_until("the metrics", lambda: member.metric("penstock_land_dead_letters_total") == 4)
    assert [letter["offset"] for letter in letters] == [1, 2, 3, 4]
    assert all(letter["reason"] and letter["topic"] == topic and letter["partition"] == 0 for letter in letters)
    assert letters[0]["payload"] == "no JSON" and letters[0]["key"] == "a"
    assert base64.b64decode(letters[1]["key_base64"]) == b"\xff\n" and letters[1]["payload"] == '{"n":2}'
    assert letters[2]["payload"] is None
    assert base64.b64decode(letters[3]["payload_base64"]) == b"\xfe\x00"


def test_it_may_begin_at_a_time_or_at_the_end(land, kafka):
    topic = kafka.create(kafka.name("history"))
    now = int(time.time() * 1000)
    produce(kafka, topic, [(b"a", b'{"n":%d}' % n, None, now - 1000 * (10 - n)) for n in range(10)])
    begin = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime((now - 4000) / 1000)) + f".{(now - 4000) % 1000:03}Z"
    with land([{"topic": topic, "path": "backfill"}], name="past", land={"from": begin, "group": kafka.name("past")}):
        assert landed(land.lake, 4, "backfill") == [b'{"n":%d}' % n for n in range(6, 10)]
    with land([{"topic": topic, "path": "new"}], name="end", land={"from": "latest", "group": kafka.name("end")}):
        wait_until("the end to be committed", lambda: committed(kafka, kafka.name("end"), topic) == 10)
        produce(kafka, topic, [(b"a", b'{"n":10}')])
        assert landed(land.lake, 1, "new") == [b'{"n":10}']


def test_what_was_aborted_is_not_there(land, kafka):
    topic = kafka.create(kafka.name("once"))
    producer = Producer({"bootstrap.servers": kafka.cluster.servers(), "transactional.id": kafka.name("tx"), **CALM})
    producer.init_transactions(30)
    for number in range(6):
        producer.begin_transaction()
        for part in range(5):
            producer.produce(topic, b'{"n":%d}' % (number * 5 + part), b"a")
        producer.flush(30)
        producer.commit_transaction(30) if number % 2 else producer.abort_transaction(30)
    with land([{"topic": topic}]) as member:
        assert landed(land.lake, 15) == [b'{"n":%d}' % (number * 5 + part) for number in (1, 3, 5) for part in range(5)]
        wait_until("all of it to be committed", lambda: committed(kafka, kafka.name("group"), topic) == kafka.count(topic))
        wait_until("no lag", lambda: member.metric("penstock_land_lag_records", f'topic="{topic}"') == 0)


@pytest.mark.parametrize("longer", [False, True])
def test_a_topic_that_was_made_again_is_stopped(land, kafka, longer):
    """Brokers forget what a group has committed of a topic that is deleted."""
    topic = kafka.create(kafka.name("again"))
    produce(kafka, topic, [(b"a", b'{"old":%d}' % n) for n in range(10)])
    entries = [{"topic": topic}]
    with land(entries) as member:
        landed(land.lake, 10)
        member.stop_cleanly()
    kafka.delete(topic)
    kafka.create(topic)
    produce(kafka, topic, [(b"a", b'{"new":%d}' % n) for n in range(30 if longer else 3)])
    for _ in range(2):
        with land(entries) as member:
            text = wait_until("it to be stopped", lambda: member.condition("land.stopped"))
            assert topic in text and "made again" in text
            assert member.ready()[0] == 503
            assert member.stop() == 1
    assert lines(land.lake) == [b'{"old":%d}' % n for n in range(10)]


def test_credentials_are_read_again(land, kafka, tmp_path):
    """Whoever is revoked is let in no more, without a restart."""
    file = tmp_path / "credentials"
    kept, gone = add(file, "kept", admin="reload"), add(file, "gone", admin="read")
    topic = kafka.create(kafka.name("calm"))
    with land([{"topic": topic, "path": "calm"}], access={"credentials": str(file)}, admin={"anonymous": False}) as member:
        def status(path, secret, method="GET"):
            return request(member.ports["admin"], method, path, headers=bearer(secret)).status

        assert [status("/metrics", secret) for secret in (kept, gone)] == [200, 200]
        revoke(file, "gone")
        assert status("/reload", kept, "POST") == 202
        wait_until("it to be let in no more", lambda: status("/metrics", gone) == 401)
        assert status("/metrics", kept) == 200
        file.write_text("not a line of it\n")
        member.process.send_signal(signal.SIGHUP)
        wait_until("what is wrong in /readyz", lambda: b"credentials" in request(member.ports["admin"], "GET", "/readyz", headers=bearer(kept)).body)
        assert status("/metrics", kept) == 200
        member.stop_cleanly()


def test_an_offset_outside_the_log_stops_the_partition(land, kafka):
    topic = kafka.create(kafka.name("short"))
    produce(kafka, topic, [(b"a", b'{"n":%d}' % n) for n in range(3)])
    consumer = Consumer({"bootstrap.servers": kafka.cluster.servers(), "group.id": kafka.name("group"), **CALM})
    consumer.commit(offsets=[TopicPartition(topic, 0, 50)], asynchronous=False)
    consumer.close()
    with land([{"topic": topic}]) as member:
        text = wait_until("it to be stopped", lambda: member.condition("land.stopped"))
        assert "offset 50 is what the group has committed" in text and "the log has 0 to 2" in text
        assert member.stop() == 1
    assert names(land.lake) == []


def test_two_members_share_partitions_and_one_takes_over(land, kafka):
    topic = kafka.create(kafka.name("shared"), 6)
    entries = [{"topic": topic, "path": "all/{key}"}]
    sent = [(b"k%d" % (n % 7), b'{"n":%d}' % n) for n in range(3000)]
    with land(entries, "one") as one:
        produce(kafka, topic, sent[:1000])
        with land(entries, "two") as two:
            produce(kafka, topic, sent[1000:2000])
            for member in (one, two):
                wait_until("three partitions each", lambda: member.metric("penstock_land_partitions", 'state="open"') == 3)
            one.stop_cleanly()
            produce(kafka, topic, sent[2000:])
            found = landed(land.lake, 3000)
            two.stop_cleanly()
    assert sorted(found) == sorted(value for _, value in sent)


def test_records_of_any_size_that_the_brokers_take(land, kafka):
    """kafka.properties are the gateway's, too: message.max.bytes is no less than what one answer may bring."""
    topic = kafka.create(kafka.name("large"), max_message_bytes=30_000_000)
    values = [b'{"n":%d,"text":"%s"}' % (n, b"x" * (n * 3_000_000)) for n in range(4)]
    produce(kafka, topic, [(b"k", value) for value in values], **{"message.max.bytes": 20_000_000})
    one = land([{"topic": topic, "path": "large"}])
    one.sets = [*one.sets, "kafka.properties.message.max.bytes=20000000"]
    with one:
        assert landed(land.lake, 4, "large") == values


def test_more_open_files_than_the_usual_limit_of_descriptors(land, kafka):
    """The soft limit is raised; small buffers make files of most paths."""
    topic = kafka.create(kafka.name("wide"))
    keys, rows, text = 400, 20, "x" * 1000
    produce(kafka, topic, [(b"k%d" % key, b'{"n":%d,"text":"%s"}' % (key * rows + row, text.encode())) for row in range(rows) for key in range(keys)])
    with land([{"topic": topic, "path": "wide/{key}"}], lake={"roll": {"every": "1h"}}, limits=("prlimit", "--nofile=64:4096")) as member:
        wait_until("all of it to be read", lambda: member.metric("penstock_land_records_total") == keys * rows)
        wait_until("all files to be open", lambda: member.metric("penstock_land_open_files") == keys)
        member.stop_cleanly()
    assert sorted(json.loads(line)["n"] for line in lines(land.lake, "wide")) == list(range(keys * rows))


def test_what_is_wrong_is_said_at_its_place(tmp_path):
    config = {"kafka": {"properties": {"bootstrap.servers": "127.0.0.1:9"}},
              "land": {"from": "yesterday", "dead_letters": "x/{key", "properties": {"auto.offset.reset": "earliest", "fetch.max.byts": 1},
                       "topics": [{"topic": ["a b", "^("], "path": "{nothing}", "format": "text", "key": "/k", "labels": {"topic": "/t"}}, {"path": "x"}]}}
    (tmp_path / "penstock.yaml").write_text(json.dumps(config))
    told = run_command("check", "-c", "penstock.yaml", cwd=tmp_path)
    assert told.returncode == 1
    for words in ("land.from: found \"yesterday\"", "land.dead_letters: ", "auto.offset.reset: cannot be set", "no such property", "not a topic's name",
                  "land.topics.1.path: ", "allowed with format: json", "{topic} is there already", "it has no topic"):
        assert words in told.stderr, (words, told.stderr)
