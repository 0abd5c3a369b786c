"""Brokers that are away: the gateway accepts on, says why, and delivers when they are back."""

import itertools
import json
import time

import pytest

from kafka import arrived, by_key, complaint, content, drained, in_hands_of, once_each
from penstock import wait_until
from sender import Sender, accepted, check_kept, finish_all, start_all

PAUSE = 15  # seconds


@pytest.fixture(scope="module")
def weak_broker(brokers):
    """One that these tests stop; each leaves it running."""
    return brokers(auto_create_topics_enable="true", num_partitions="7").start()


@pytest.fixture
def weak(request, weak_broker):
    yield from in_hands_of(request, weak_broker)


@pytest.fixture
def three(request, brokers):
    cluster = brokers(3).start()
    yield from in_hands_of(request, cluster)
    cluster.close()


def readings(kafka, topic, **more):
    return kafka.config({"readings": {"key": "/sensor_id", "topics": [topic]}}, **more)


def endless(sensor, pad=""):
    for number in itertools.count():
        yield sensor.encode(), json.dumps({"sensor_id": sensor, "n": number, "pad": pad}).encode()


def senders_of(gateway, count=3, per_second=200, **more):
    return start_all([Sender(gateway, "/readings", endless(f"s{number}", **more), per_second) for number in range(count)])


def test_broker_makes_the_topic_where_it_may(weak, gateway):
    one = gateway(config=readings(weak, weak.name("{key}"))).start()
    body = one.send({"sensor_id": "made-by-the-broker"})
    drained(one)
    one.stop_cleanly()
    assert weak.topics() == {weak.name("made-by-the-broker"): 7}
    assert weak.values(weak.name("made-by-the-broker")) == [body]


def test_broker_down_at_start(weak, gateway):
    topic = weak.create(weak.name("late"), 2)
    broker = weak.cluster.brokers[0]
    broker.stop()
    one = gateway("gateway.grace=2s", config=readings(weak, topic)).start()
    bodies = [one.send({"sensor_id": "s", "n": number}) for number in range(100)]
    assert "degraded" in complaint(one, "kafka")
    assert broker.address in complaint(one, "kafka"), "the reason names the broker"
    assert one.ready()[0] == 200
    begin = time.monotonic()
    one.stop_cleanly()
    assert time.monotonic() - begin < 30, "a stop takes no longer than gateway.grace"
    one.start()
    broker.start()
    drained(one)
    content(one)
    one.stop_cleanly()
    assert weak.values(topic) == bodies


def test_broker_stopped_in_its_tracks(weak, gateway):
    """SIGSTOP for 15 s, under load: no record is lost, doubled or out of order."""
    topic = weak.create(weak.name("paused"), 3)
    one = gateway(config=readings(weak, topic)).start()
    senders = senders_of(one)
    arrived(one, weak, topic, 100)
    broker = weak.cluster.brokers[0]
    broker.pause()
    try:
        before = accepted(senders)
        time.sleep(PAUSE)  # the fault itself
        assert accepted(senders) > before + 100, "the door stays open"
    finally:
        broker.resume()
    finish_all(senders)
    drained(one)
    content(one)
    one.stop_cleanly()
    messages, doubled = once_each(weak.consume(topic))
    check_kept(senders, by_key(messages))
    assert (len(messages), doubled) == (accepted(senders), [])


def test_full_journal_while_the_broker_is_down(weak, gateway):
    """503 with Retry-After at the door, and everything goes on when the broker is back."""
    topic = weak.create(weak.name("full"), 3)
    broker = weak.cluster.brokers[0]
    one = gateway("journal.segment_size=1MiB", "journal.max_size=8MiB", "mqtt.max_packet=256KiB",
                  "http.max_body=256KiB", "http.max_record=256KiB", "kafka.max_topics=100",
                  config=readings(weak, topic)).start()
    senders = senders_of(one, 4, None, pad="x" * 2000)
    arrived(one, weak, topic, 100)
    broker.kill()
    wait_until("503 for each of them", lambda: all(sender.refused > 3 for sender in senders), 60)
    answer = one.post("/readings", json.dumps({"sensor_id": "more", "pad": "x" * 2000}))
    assert answer.status == 503 and int(answer.headers["Retry-After"]) > 0, answer
    assert one.ready()[0] == 503
    complaint(one, '"refusing"', "journal")
    broker.start()
    wait_until("all to be accepted again", lambda: all(one.post("/readings", body).status == 200 for body in [b'{"sensor_id":"again"}']), 60)
    finish_all(senders)
    drained(one)
    content(one)
    one.stop_cleanly()
    messages, doubled = once_each(weak.consume(topic))
    values = by_key(messages)
    assert values.pop(b"again") == [b'{"sensor_id":"again"}']
    check_kept(senders, values)
    print(f"{len(doubled)} sent again after the broker's kill")


def test_three_brokers_and_leaders_that_leave(three, gateway):
    """Under load the leader of a partition is killed and comes back; then its successor is stopped and comes back; then two of
    three are killed, which leaves no quorum."""
    topic = three.create(three.name("replicated"), 3, 3)
    one = gateway(config=readings(three, topic)).start()
    senders = senders_of(one, 6)
    for end in ("kill", "stop"):
        arrived(one, three, topic, three.count(topic) + 300)
        leader = three.leader(topic, 0)
        getattr(leader, end)()
        wait_until("another leader", lambda: three.leader(topic, 0) not in (None, leader), 60)
        arrived(one, three, topic, three.count(topic) + 300)
        leader.start()
        wait_until("all copies in step", lambda: three.in_step(topic, 3), 60)
    before = accepted(senders)
    for broker in three.cluster.brokers[:2]:
        broker.kill()
    wait_until("the door to stay open", lambda: accepted(senders) > before + 500)
    three.cluster.start_again()
    wait_until("all copies in step", lambda: three.in_step(topic, 3), 60)
    finish_all(senders)
    drained(one)
    one.stop_cleanly()
    messages, doubled = once_each(three.consume(topic))
    check_kept(senders, by_key(messages))
    print(f"{len(messages)} records, {len(doubled)} of them sent again")
    assert len(messages) == accepted(senders)
