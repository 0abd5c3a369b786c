"""`kafka.delivery: exactly-once` on a real broker: a foreign consumer of committed records finds each record once, and a gateway whose position in Kafka does
not belong to its journal says so instead of sending."""

import json
import os
import shutil

import pytest
from confluent_kafka import Producer

from kafka import CALM, complaint, content, dead_letters, drained, in_hands_of, sequence
from penstock import run_command, wait_until

POSITIONS = "penstock-positions"


@pytest.fixture(scope="module")
def own_broker(brokers):
    return brokers().start()


@pytest.fixture
def own_kafka(request, own_broker):
    """Of this file alone: its tests delete the topic of positions."""
    for one in in_hands_of(request, own_broker):
        if POSITIONS in one.admin.list_topics(timeout=60).topics:
            one.delete(POSITIONS)
        yield one


def record(number, pad=0):
    return json.dumps({"sensor_id": f"s{number % 5}", "n": number, "pad": "x" * pad}).encode()


class Once:
    """A gateway of its own name with exactly-once, and what readers of committed records find."""

    def __init__(self, kafka, gateway, topics=1, **options):
        self.kafka, self.make = kafka, gateway
        self.topics = [kafka.create(kafka.name(f"READINGS{number}"), 3) for number in range(topics)]
        self.name = kafka.name("gateway")
        self.gateway = gateway(f"gateway.id={self.name}", config=self.config(**options))
        self.sent = 0

    def config(self, delivery="exactly-once", topics=None, **kafka):
        streams = {"readings": {"key": "/sensor_id", "topics": topics or self.topics}}
        return self.kafka.config(streams, delivery=delivery, **kafka)

    def send(self, count, pad=0):
        body = b"\n".join(record(number, pad) for number in range(self.sent, self.sent + count))
        answer = self.gateway.post("/readings", body, "application/x-ndjson")
        assert answer.status == 200, answer
        self.sent += count

    def check(self, topic=None, **settings):
        """Each record once, in the order of its key."""
        found = self.kafka.consume(topic or self.topics[0], **settings)
        numbers = sorted(json.loads(message.value)["n"] for message in found)
        assert numbers == list(range(self.sent)), (len(numbers), self.sent)
        latest = {}
        for message in found:
            assert sequence(message) > latest.get(message.key, 0)
            latest[message.key] = sequence(message)
        return found

    def positions(self):
        """The values of this gateway's key: as many as it has committed transactions, as long as Kafka has not compacted them."""
        return [json.loads(message.value) for message in self.kafka.consume(POSITIONS) if message.key == self.name.encode()]

    def position(self):
        """The one that counts."""
        return self.positions()[-1]

    def transactions(self, outcome):
        return self.gateway.metric("penstock_kafka_transactions_total", f'outcome="{outcome}"')


def test_each_record_once_with_its_position(kafka, gateway):
    once = Once(kafka, gateway, topics=2)
    once.gateway.start()
    for _ in range(20):
        once.send(200)
    drained(once.gateway)
    for topic in once.topics:
        once.check(topic)
    position = once.position()
    assert (position["sequence"], position["delivered"], position["base"]) == (4000, 4000, 0)
    assert kafka._setting(POSITIONS, "cleanup.policy") == "compact"
    committed = len(once.positions())
    assert (once.transactions("committed"), once.transactions("aborted")) == (committed, 0)
    assert once.gateway.metric("penstock_kafka_commit_seconds_count") == committed
    assert 0 < once.gateway.metric("penstock_kafka_commit_seconds_sum") / committed < 5
    once.gateway.stop_cleanly()
    once.gateway.start()
    once.send(100)
    drained(once.gateway)
    once.check()
    assert once.position()["delivered"] == 4100
    once.gateway.stop_cleanly()
    seen = run_command("journal", "inspect", "-c", "penstock.yaml", cwd=once.gateway.directory)
    assert "at or ahead of this cursor, as its store says: penstock-positions" in seen.stdout, seen


# ---- what brokers refuse ----

def test_record_that_the_broker_refuses_is_a_dead_letter_and_all_others_come_once(kafka, gateway):
    """Which of a batch is to blame is found by smaller and smaller transactions; what was sent meanwhile is never seen."""
    once = Once(kafka, gateway)
    kafka.alter(once.topics[0], "max.message.bytes", 20000)
    once.gateway.start()
    once.send(300)
    large = [once.gateway.send({"sensor_id": f"s{number}", "pad": os.urandom(20000).hex(), "large": number}) for number in range(2)]
    once.send(300)
    drained(once.gateway)
    once.check()
    assert sorted(letter["payload"].encode() for letter in dead_letters(once.gateway, "readings")) == sorted(large)
    assert (once.position()["delivered"], once.position()["dead_lettered"]) == (600, 2)
    assert once.transactions("aborted") >= 1 and once.transactions("committed") == len(once.positions())
    assert len(kafka.consume(once.topics[0], isolation_level="read_uncommitted")) > 600


def test_missing_topic_holds_up_all_others_until_it_is_there(kafka, gateway):
    once = Once(kafka, gateway, hold_retry="300ms")
    absent = kafka.name("LATER")
    once.gateway.config = once.config(topics=[*once.topics, absent], hold_retry="300ms")
    once.gateway.start()
    once.send(100)
    assert "does not exist" in complaint(once.gateway, "exactly-once", "cannot leave out", absent)
    assert kafka.consume(once.topics[0]) == []
    kafka.create(absent)
    drained(once.gateway)
    content(once.gateway)
    once.check()
    once.check(absent)


def test_missing_topic_is_a_dead_letter_where_that_is_asked_for(kafka, gateway):
    once = Once(kafka, gateway)
    once.gateway.config = once.config(topics=[*once.topics, kafka.name("NEVER")], unwritable_topic="dead-letter", hold_retry="1h")
    once.gateway.start()
    once.send(50)
    drained(once.gateway)
    once.check()
    assert len(dead_letters(once.gateway, "readings")) == 50


def test_nobody_writes_positions_by_a_topic_of_this_name(kafka, gateway):
    """A sender chooses the topic: its record becomes a dead letter, and the position stays."""
    once = Once(kafka, gateway)
    once.gateway.config = once.config(topics=[*once.topics, "penstock-{key}"], unwritable_topic="dead-letter", hold_retry="1h")
    once.gateway.start()
    once.send(50)
    forged = once.gateway.send({"sensor_id": "positions", "n": 50})
    once.sent += 1
    drained(once.gateway)
    once.check()
    letters = [letter for letter in dead_letters(once.gateway, "readings") if "positions of gateways" in letter["reason"]]
    assert [letter["payload"].encode() for letter in letters] == [forged]
    assert once.position()["sequence"] == once.sent
    once.gateway.stop_cleanly()
    (once.gateway.directory / "penstock.yaml").write_text(once.config(topics=[POSITIONS]))
    seen = run_command("check", "-c", "penstock.yaml", cwd=once.gateway.directory)
    assert seen.returncode != 0 and POSITIONS in seen.stderr + seen.stdout, seen


def test_topics_that_were_held_before_are_delivered_first(kafka, gateway):
    once = Once(kafka, gateway)
    absent = kafka.name("LATER")
    topics = [*once.topics, absent]
    once.gateway.config = once.config(topics=topics, delivery="at-least-once", hold_retry="300ms")
    once.gateway.start()
    once.send(50)
    complaint(once.gateway, "held", absent)
    once.gateway.stop_cleanly()
    once.gateway.config = once.config(topics=topics)
    once.gateway.start()
    assert "set it back" in complaint(once.gateway, "exactly-once", absent)
    once.gateway.stop_cleanly()
    kafka.create(absent)
    for delivery in ("at-least-once", "exactly-once"):
        once.gateway.config = once.config(topics=topics, delivery=delivery, hold_retry="300ms")
        once.gateway.start()
        once.send(50)
        drained(once.gateway)
        once.gateway.stop_cleanly()
    for topic in topics:
        once.check(topic)


# ---- whose position it is ----

def test_from_one_promise_to_the_other_and_back(kafka, gateway):
    once = Once(kafka, gateway)
    for delivery in ("exactly-once", "at-least-once", "exactly-once", "at-least-once", "exactly-once"):
        once.gateway.config = once.config(delivery)
        once.gateway.start()
        once.send(200)
        drained(once.gateway)
        once.gateway.stop_cleanly()
    once.check()
    assert once.position()["sequence"] == once.sent


def test_position_of_another_journal_stops_the_outlet_until_it_is_deleted(kafka, gateway, tmp_path):
    once = Once(kafka, gateway)
    once.gateway.start()
    once.send(100)
    drained(once.gateway)
    other = gateway(f"gateway.id={once.name}", config=once.config(), directory=tmp_path / "other").start()
    other.post("/readings", b"\n".join(record(number) for number in range(100, 150)), "application/x-ndjson")
    assert "lost or exchanged" in complaint(other, "exactly-once", POSITIONS, once.name)
    assert other.ready()[0] == 200  # it accepts
    # It has not disturbed the one whose position it is.
    once.send(50)
    drained(once.gateway)
    content(once.gateway)
    once.check()
    once.gateway.stop_cleanly()
    other.stop_cleanly()
    kafka.produce(POSITIONS, once.name.encode(), None)
    other.start()
    drained(other)
    assert len(kafka.consume(once.topics[0])) == 200
    other.stop_cleanly()


def copied(kafka, gateway, folder):
    """A gateway that has delivered, and one on a copy of its data; both stand still."""
    once = Once(kafka, gateway)
    once.gateway.start()
    once.send(100)
    drained(once.gateway)
    once.gateway.stop_cleanly()
    copy = gateway(f"gateway.id={once.name}", config=once.config(), directory=folder / "copy")
    shutil.copytree(once.gateway.data, copy.data)
    return once, copy


def test_older_copy_of_the_data_directory_sends_nothing(kafka, gateway, tmp_path):
    once, copy = copied(kafka, gateway, tmp_path)
    once.gateway.start()
    once.send(100)
    drained(once.gateway)
    once.gateway.stop_cleanly()
    copy.start()
    assert "older copy" in complaint(copy, "exactly-once", "ahead of the journal")
    # As many records as the other had: the position is one of its own, and yet not the same record.
    copy.post("/readings", b"\n".join(record(number) for number in range(500, 700)), "application/x-ndjson")
    copy.stop_cleanly()
    copy.start()
    complaint(copy, "exactly-once", "another copy")
    copy.stop_cleanly()
    once.check()
    kafka.produce(POSITIONS, once.name.encode(), None)
    copy.start()
    drained(copy)
    content(copy)
    assert len(kafka.consume(once.topics[0])) == once.sent + 200


def test_two_copies_at_a_time_are_told(kafka, gateway, tmp_path):
    """The second one takes over; the first one says so, and neither sends a record of the other's again."""
    once, copy = copied(kafka, gateway, tmp_path)
    once.gateway.start()
    copy.start()
    wait_until("the copy to have a producer", lambda: "outlet.started" in copy.said())
    content(copy)
    copy.post("/readings", record(100), "application/x-ndjson")
    drained(copy)
    once.gateway.post("/readings", record(900), "application/x-ndjson")
    complaint(once.gateway, "exactly-once", "another gateway with gateway.id", once.name)
    complaint(once.gateway, "exactly-once", "another copy")
    copy.post("/readings", record(101), "application/x-ndjson")
    drained(copy)
    content(copy)
    once.sent += 2
    once.check()


def test_position_that_is_gone_stops_the_outlet(own_kafka, gateway):
    once = Once(own_kafka, gateway)
    once.gateway.start()
    once.send(100)
    drained(once.gateway)
    once.gateway.stop_cleanly()
    own_kafka.delete(POSITIONS)
    once.gateway.start()
    once.send(10)
    assert "gone" in complaint(once.gateway, "exactly-once", POSITIONS)
    once.gateway.stop_cleanly()
    own_kafka.produce(POSITIONS, once.name.encode(), None)
    once.gateway.start()
    once.send(10)
    drained(once.gateway)
    once.check()


@pytest.mark.parametrize("settings, partitions, words", [({"cleanup_policy": "delete"}, 1, "deletes positions in time"),
                                                         ({"cleanup_policy": "compact"}, 3, "3 partitions")])
def test_unfit_topic_of_positions(own_kafka, gateway, settings, partitions, words):
    own_kafka.create(POSITIONS, partitions, **settings)
    once = Once(own_kafka, gateway)
    once.gateway.start()
    once.send(10)
    complaint(once.gateway, POSITIONS, words)
    once.gateway.stop_cleanly()
    assert own_kafka.consume(once.topics[0]) == []


def test_transaction_of_another_gateway_is_waited_for(own_kafka, gateway):
    """A position that was committed behind another's open transaction cannot be read before that ends."""
    once = Once(own_kafka, gateway)
    once.gateway.start()
    once.send(100)
    drained(once.gateway)
    stranger = Producer({"bootstrap.servers": own_kafka.cluster.servers(), "transactional.id": own_kafka.name("stranger"), **CALM})
    stranger.init_transactions(30)
    stranger.begin_transaction()
    stranger.produce(POSITIONS, b"not yet", own_kafka.name("stranger"))
    stranger.flush(30)
    once.send(100)
    drained(once.gateway)
    once.gateway.kill()
    once.gateway.start()
    assert "transaction is open" in complaint(once.gateway, POSITIONS)
    stranger.abort_transaction(30)
    once.send(100)
    drained(once.gateway)
    content(once.gateway)
    once.check()
