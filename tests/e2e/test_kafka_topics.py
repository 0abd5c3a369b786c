"""Topics that are missing, forbidden, deleted, or refuse a record: they are held, /readyz names them, everything else goes on, and
nothing needs a restart."""

import json

import pytest

from broker import PASSWORDS
from kafka import arrived, by_key, complaint, content, dead_letters, drained, once_each
from penstock import run_command, wait_until

# Answers about a missing topic within a second, instead of librdkafka's half a minute.
SOON = {"topic.metadata.propagation.max.ms": "1000", "topic.metadata.refresh.interval.ms": "1000"}


def numbered(stream, first, last, key="k", pad=""):
    return [json.dumps({"key": key, "stream": stream, "n": number, "pad": pad}).encode() for number in range(first, last)]


def send(gateway, stream, bodies):
    """All of them in one request."""
    answer = gateway.post(f"/{stream}", b"\n".join(bodies), "application/x-ndjson")
    assert (answer.status, json.loads(answer.body)) == (200, {"accepted": len(bodies)}), answer
    return bodies


def values(kafka, topic):
    """Each record once; a restart or a look at a held topic may send some again."""
    return [message.value for message in once_each(kafka.consume(topic)).once]


class Pair:
    """A gateway with two streams: `good` into a topic that works, `bad` into one that is going to be in trouble."""

    def __init__(self, kafka, gateway, properties=None, **more):
        self.kafka = kafka
        self.good, self.bad = kafka.create(kafka.name("good"), 2), kafka.name("bad")
        streams = {"good": {"key": "/key", "topics": [self.good]}, "bad": {"key": "/key", "topics": [self.bad]}}
        config = kafka.config(streams, properties={**SOON, **(properties or {})}, **{"hold_retry": "300ms", **more})
        self.gateway = gateway(config=config)
        self.sent = []

    def go_on(self):
        """A record of the good stream arrives."""
        self.sent += send(self.gateway, "good", numbered("good", len(self.sent), len(self.sent) + 5))
        arrived(self.gateway, self.kafka, self.good, len(self.sent))

    def check_good(self):
        assert self.kafka.values(self.good) == self.sent


def test_missing_topic_is_held_until_it_is_made(kafka, gateway):
    pair = Pair(kafka, gateway)
    one = pair.gateway.start()
    bad = send(one, "bad", numbered("bad", 0, 20))
    assert "degraded" in complaint(one, pair.bad)
    assert one.ready()[0] == 200
    pair.go_on()
    bad += send(one, "bad", numbered("bad", 20, 40))
    assert dead_letters(one, "bad") == []
    kafka.create(pair.bad, 2)
    drained(one)
    content(one)
    bad += send(one, "bad", numbered("bad", 40, 60))
    pair.go_on()
    one.stop_cleanly()
    assert values(kafka, pair.bad) == bad
    pair.check_good()


def test_held_topic_over_a_kill(kafka, gateway):
    pair = Pair(kafka, gateway)
    one = pair.gateway.start()
    bad = send(one, "bad", numbered("bad", 0, 20))
    complaint(one, pair.bad)
    pair.go_on()
    one.kill()
    one.start()
    bad += send(one, "bad", numbered("bad", 20, 40))
    complaint(one, pair.bad)
    one.kill()
    kafka.create(pair.bad)
    one.start()
    pair.sent += send(one, "good", numbered("good", 5, 10))
    drained(one)
    content(one)
    one.stop_cleanly()
    assert values(kafka, pair.bad) == bad
    assert values(kafka, pair.good) == pair.sent


def test_many_held_topics(kafka, gateway):
    """Each comes back by itself, over a kill, too."""
    keys = [f"k{number}" for number in range(5)]
    topics = {key: kafka.name(f"many-{key}") for key in keys}
    config = kafka.config({"data": {"key": "/key", "topics": [kafka.name("many-{key}")]}}, properties=SOON, hold_retry="300ms")
    one = gateway(config=config).start()
    sent = {key: [] for key in keys}
    for half in range(2):
        for number in range(10):
            for key in keys:
                sent[key] += send(one, "data", numbered("data", half * 10 + number, half * 10 + number + 1, key))
        complaint(one, "many-")
        for key in keys[half::2]:
            kafka.create(topics[key])
            arrived(one, kafka, topics[key], len(sent[key]))
        if half == 0:
            one.kill()
            one.start()
    drained(one)
    content(one)
    one.stop_cleanly()
    assert {key: values(kafka, topic) for key, topic in topics.items()} == sent


def test_full_journal_because_of_a_held_topic(kafka, gateway):
    """What is held keeps its segments. When the journal is full of them the door closes, until the topic is there."""
    pair = Pair(kafka, gateway, max_topics=50)
    pair.gateway.sets += ["journal.segment_size=1MiB", "journal.max_size=8MiB", "mqtt.max_packet=256KiB",
                          "http.max_body=256KiB", "http.max_record=256KiB"]
    one = pair.gateway.start()
    bad = []

    def closed():
        bodies = numbered("bad", len(bad), len(bad) + 20, pad="x" * 9000)
        answer = one.post("/bad", b"\n".join(bodies), "application/x-ndjson")
        assert answer.status in (200, 503), answer
        if answer.status == 200:
            bad.extend(bodies)
            return False
        return one.ready()[0] == 503 and one.metric("penstock_outlet_held_records", 'outlet="kafka"') == len(bad)

    wait_until("the door to close with all of it held", closed, 60)
    assert len(bad) > 200
    complaint(one, pair.bad)
    complaint(one, '"refusing"', "journal")
    kafka.create(pair.bad)
    drained(one)
    content(one)
    pair.go_on()
    one.stop_cleanly()
    assert values(kafka, pair.bad) == bad
    pair.check_good()


def test_record_goes_where_it_was_accepted_for(kafka, gateway):
    """The topics of a stream change while its records are held: those accepted before still go to the old one."""
    pair = Pair(kafka, gateway)
    one = pair.gateway.start()
    before = send(one, "bad", numbered("bad", 0, 20))
    complaint(one, pair.bad)
    one.kill()
    other = kafka.create(kafka.name("other"))
    one.config = one.config.replace(f'"{pair.bad}"', f'"{other}"')
    one.start()
    after = send(one, "bad", numbered("bad", 20, 40))
    arrived(one, kafka, other, 20)
    kafka.create(pair.bad)
    drained(one)
    one.stop_cleanly()
    assert (values(kafka, pair.bad), values(kafka, other)) == (before, after)


def test_one_of_two_topics_is_missing(kafka, gateway):
    """The record reaches the one that is there at once, the other when it is made."""
    here, missing = kafka.create(kafka.name("here")), kafka.name("missing")
    config = kafka.config({"data": {"topics": [here, missing]}}, properties=SOON, hold_retry="300ms")
    one = gateway(config=config).start()
    bodies = send(one, "data", numbered("data", 0, 50))
    arrived(one, kafka, here, 50)
    complaint(one, missing)
    kafka.create(missing)
    drained(one)
    one.stop_cleanly()
    assert values(kafka, here) == bodies
    assert values(kafka, missing) == bodies


def test_topic_deleted_and_made_again(kafka, gateway):
    pair = Pair(kafka, gateway)
    kafka.create(pair.bad)
    one = pair.gateway.start()
    send(one, "bad", numbered("bad", 0, 10))
    drained(one)
    kafka.delete(pair.bad)
    after = send(one, "bad", numbered("bad", 10, 20))
    complaint(one, pair.bad, seconds=60)
    pair.go_on()
    kafka.create(pair.bad, 3)
    after += send(one, "bad", numbered("bad", 20, 30))
    drained(one)
    content(one)
    after += send(one, "bad", numbered("bad", 30, 40))
    one.stop_cleanly()
    assert values(kafka, pair.bad) == after
    pair.check_good()


# ---- rights ----

def bob(kafka, folder):
    """What bob logs in with; he may do what an ACL says."""
    secret = folder / "password"
    secret.write_text(PASSWORDS["bob"])
    secret.chmod(0o600)
    return {"properties": {"bootstrap.servers": kafka.cluster.servers("sasl"), "security.protocol": "sasl_ssl",
                           "ssl.ca.location": str(kafka.cluster.authority.certificate), "sasl.mechanism": "PLAIN",
                           "sasl.username": "bob"}, "files": {"sasl.password": str(secret)}}


def test_right_to_write_removed_and_restored(kafka, gateway, tmp_path):
    pair = Pair(kafka, gateway, **bob(kafka, tmp_path))
    kafka.create(pair.bad)
    for topic in (pair.good, pair.bad):
        kafka.allow("bob", topic)
    one = pair.gateway.start()
    bad = send(one, "bad", numbered("bad", 0, 10))
    pair.go_on()
    drained(one)
    kafka.forbid("bob", pair.bad)
    bad += send(one, "bad", numbered("bad", 10, 30))
    complaint(one, pair.bad)
    pair.go_on()
    kafka.allow("bob", pair.bad)
    drained(one)
    content(one)
    bad += send(one, "bad", numbered("bad", 30, 40))
    one.stop_cleanly()
    assert values(kafka, pair.bad) == bad
    pair.check_good()
    assert dead_letters(one, "bad") == []


def test_unwritable_topic_as_dead_letters_by_option(kafka, gateway, tmp_path):
    pair = Pair(kafka, gateway, unwritable_topic="dead-letter", **bob(kafka, tmp_path))
    kafka.create(pair.bad)
    kafka.allow("bob", pair.good)
    one = pair.gateway.start()
    bad = send(one, "bad", numbered("bad", 0, 10))
    pair.go_on()
    drained(one)
    letters = dead_letters(one, "bad")
    assert [letter["payload"].encode() for letter in letters] == bad
    assert all(letter["topic"] == pair.bad and letter["reason"] for letter in letters), letters
    one.stop_cleanly()
    pair.check_good()
    assert kafka.count(pair.bad) == 0


# ---- a record that the broker refuses ----

@pytest.mark.parametrize("keys, kill", [(1, False), (3, False), (3, True)], ids=["one key", "three keys", "three keys and a kill"])
def test_record_above_the_topics_own_limit(kafka, gateway, keys, kill):
    """Kafka refuses the whole batch. Only the record that fails alone is a dead letter, all others arrive in order. Dead letters that
    are given back arrive, too, once Kafka takes them."""
    topic, other = kafka.create(kafka.name("small"), 2), kafka.create(kafka.name("other"))
    streams = {"data": {"key": "/key", "topics": [topic]}, "other": {"topics": [other]}}
    one = gateway(config=kafka.config(streams, properties={"compression.type": "none"})).start()
    first = send(one, "data", numbered("data", 0, 50))
    drained(one)
    kafka.alter(topic, "max.message.bytes", 3000)
    bodies, refused = [], []
    for place in range(300):
        large = place in (70, 71, 200)
        bodies += numbered("data", 50 + place, 51 + place, key=f"k{place % keys}", pad="x" * (5000 if large else place % 90))
        refused += bodies[-1:] if large else []
    aside = numbered("other", 0, 100)
    send(one, "data", bodies[:150])
    send(one, "other", aside)
    send(one, "data", bodies[150:])
    if kill:
        arrived(one, kafka, topic, 60)
        one.kill()
        one.start()
    drained(one)
    letters = dead_letters(one, "data")
    payloads = [letter["payload"].encode() for letter in letters]
    if kill:
        assert set(payloads) == set(refused)
    else:
        assert payloads == refused
        assert one.metric("penstock_outlet_dead_lettered_total", 'outlet="kafka"') == len(refused)
    assert all(letter["topic"] == topic and letter["outlet"] == "kafka" and "too large" in letter["reason"] for letter in letters), letters
    content(one)
    expected = {}
    for body in first + [body for body in bodies if body not in refused]:
        expected.setdefault(json.loads(body)["key"].encode(), []).append(body)
    found = once_each(kafka.consume(topic)).once
    assert by_key(found) == expected
    assert values(kafka, other) == aside
    kafka.alter(topic, "max.message.bytes", 1000000)
    done = run_command("dead-letters", "replay", "data", "-c", "penstock.yaml", cwd=one.directory)
    assert done.returncode == 0, done.stderr
    arrived(one, kafka, topic, kafka.count(topic) + len(letters))
    one.stop_cleanly()
    again = [message.value for message in once_each(kafka.consume(topic)).once if message.value in refused]
    assert sorted(again) == sorted(payloads)
    assert dead_letters(one, "data") == []
