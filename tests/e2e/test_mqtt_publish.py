"""PUBLISH and its acknowledgements: QoS 2 once, order, topic aliases, Receive Maximum, what is refused and what closes."""

import contextlib
import itertools
import random

import pytest

import mqtt
import penstock
import siege
from mqtt import DISCONNECT, PUBACK, PUBCOMP, PUBREC, V5, V31, V311, Client, connected, letters, rows
from penstock import wait_until

VERSIONS = pytest.mark.parametrize("version", [V31, V311, V5], ids=["3.1", "3.1.1", "5"])
TEXT = """\
mqtt: {topics: {"text/{name}": text, "readings/{sensor_id}": readings}}
streams:
  readings: {key: /sensor_id}
  text: {format: text, lake: {path: "{stream}/{name}"}, labels: {name: "topic:name"}}
"""


def slow_commits(gateway, delay):
    """Every fdatasync takes that much longer."""
    return siege.injected(gateway, f"fdatasync:delay_enter={delay}", gateway.directory / "strace")


@pytest.fixture
def text(gateway):
    with gateway("lake.roll.every=100ms", config=TEXT) as server:
        yield server


# ---- QoS 2 ----

@VERSIONS
def test_qos_2_by_the_book(text, version):
    with connected(text, version, "book") as client:
        client.publish("text/a", "once", 2, 10)
        client.expect(PUBREC, 10)
        for _ in range(2):
            client.publish("text/a", "once", 2, 10, dup=True)
            client.expect(PUBREC, 10)
        client.send(mqtt.pubrel(10)).expect(PUBCOMP, 10)
        assert client.send(mqtt.pubrel(10)).expect(PUBCOMP, 10).reason == 0
        client.publish("text/a", "another", 2, 10)
        client.expect(PUBREC, 10)
    assert rows(text, 2) == [b"once", b"another"]


def test_qos_2_duplicate_is_known_by_its_id_alone(text):
    """DUP is no proof, neither there nor missing; the payload is not looked at (4.3.3)."""
    with connected(text, V311, "ids", clean=False) as client:
        client.publish("text/a", "first", 2, 1)
        client.publish("text/a", "other bytes", 2, 1)
        client.publish("text/a", "second", 2, 2, dup=True)
        for id in (1, 1, 2):
            client.expect(PUBREC, id)
        client.reset()
    with connected(text, V311, "ids", clean=False) as client:
        client.publish("text/b", "again", 2, 1, dup=True)
        client.publish("text/b", "third", 2, 3)
        for id in (1, 3):
            client.expect(PUBREC, id)
    assert rows(text, 3) == [b"first", b"second", b"third"]


def test_qos_2_ids_are_of_a_session(text):
    with connected(text, V5, "one") as one, connected(text, V5, "two") as two:
        for client, line in ((one, "1"), (two, "2")):
            client.publish("text/a", line, 2, 7)
            client.expect(PUBREC, 7)
        assert one.send(mqtt.pubrel(7)).expect(PUBCOMP, 7).reason == 0
        two.publish("text/a", "3", 2, 7, dup=True)
        two.expect(PUBREC, 7)
        assert two.send(mqtt.pubrel(7)).expect(PUBCOMP, 7).reason == 0
    assert sorted(rows(text, 2)) == [b"1", b"2"]


def test_qos_1_duplicate_is_stored_again(text):
    with connected(text, V5, "twice") as client:
        for dup in (False, True):
            client.publish("text/a", "x", 1, 5, dup=dup)
            client.expect(PUBACK, 5)
    assert rows(text, 2) == [b"x", b"x"]


@VERSIONS
def test_unknown_pubrel(text, version):
    with connected(text, version, "unknown") as client:
        for id in (1, 77, 65535):
            assert client.send(mqtt.pubrel(id)).expect(PUBCOMP, id).reason == 0
        client.publish("text/a", "x", 1, 77)
        client.expect(PUBACK, 77)


def test_all_packet_ids(text):
    """Each of them, at QoS 1 and 2, some of them at the same time."""
    with connected(text, V5, "all", seconds=60) as client:
        for first in range(1, 65536, 1000):
            ids = range(first, min(first + 1000, 65536))
            client.send(*(mqtt.publish(V5, "text/a", str(id), 2, id) for id in ids))
            for id in ids:
                client.expect(PUBREC, id)
            client.send(*(mqtt.pubrel(id) for id in ids))
            for id in ids:
                assert client.expect(PUBCOMP, id).reason == 0
    assert rows(text, 65535, seconds=60) == [str(id).encode() for id in range(1, 65536)]


# ---- order ----

@VERSIONS
def test_acknowledgements_in_the_order_of_the_messages(text, version):
    """A mix of QoS 0, 1 and 2 and of releases, over slow commits: PUBACK and PUBREC in the order of PUBLISH, PUBCOMP in that of PUBREL (4.6)."""
    generator = random.Random(version)
    client = connected(text, version, "order", seconds=60)
    ids, released, expected, lines = itertools.count(1), [], [], []
    with client, slow_commits(text, "20ms"):
        for burst in range(20):
            packets = []
            for _ in range(generator.randrange(1, 30)):
                qos = generator.randrange(3)
                lines.append(f"{burst}-{len(lines)}")
                id = next(ids) if qos else None
                packets.append(mqtt.publish(version, "text/a", lines[-1], qos, id))
                if qos:
                    expected.append((PUBACK if qos == 1 else PUBREC, id))
                if qos == 2:
                    released.append(id)
                if released and generator.random() < 0.3:
                    id = released.pop(0)
                    packets.append(mqtt.pubrel(id))
                    expected.append((PUBCOMP, id))
            client.send(*packets)
        got = [(one.type, one.id) for one in (client.next() for _ in expected)]
    assert [one for one in got if one[0] != PUBCOMP] == [one for one in expected if one[0] != PUBCOMP]
    assert [one for one in got if one[0] == PUBCOMP] == [one for one in expected if one[0] == PUBCOMP]
    assert rows(text, len(lines)) == [line.encode() for line in lines]


def test_no_acknowledgement_before_the_commit(text):
    with connected(text, V5, "patient", clean=False, session_expiry=60) as client:
        with siege.hanging_commits(text):
            client.publish("text/a", "1", 1, 1)
            client.publish("text/a", "2", 2, 2)
            assert client.silent(0.7)
        client.expect(PUBACK, 1)
        client.expect(PUBREC, 2)
        with siege.hanging_commits(text):
            client.send(mqtt.pubrel(2))
            assert client.silent(0.7)
        client.expect(PUBCOMP, 2)


# ---- topic aliases ----

def test_topic_aliases(text):
    with connected(text, V5, "alias") as client:
        client.store("text/a", "1", topic_alias=1)
        client.store("", "2", topic_alias=1)
        client.store("text/b", "3", topic_alias=32)
        client.store("", "4", 2, topic_alias=32)
        client.store("text/c", "5", topic_alias=1)
        client.store("", "6", 0, topic_alias=1)
        client.store("text/a", "7")
        client.ping()
    found = {folder: [row.decode() for row in penstock.lake_rows(text.lake, folder)] for folder in ("text/a", "text/b", "text/c")}
    rows(text, 7)
    found = {folder: [row.decode() for row in penstock.lake_rows(text.lake, folder)] for folder in found}
    assert found == {"text/a": ["1", "2", "7"], "text/b": ["3", "4"], "text/c": ["5", "6"]}


def test_alias_stands_where_the_message_was_refused(gateway):
    """It is set by the packet, whatever becomes of the message."""
    with gateway("lake.roll.every=100ms", "mqtt.unmapped=refuse", config=TEXT) as server:
        with connected(server, V5, "alias") as client:
            assert client.store("nowhere", "1", topic_alias=1) == 0x90
            assert client.store("", "1", topic_alias=1) == 0x90
            assert client.store("text/a", b"1", topic_alias=1) == 0
            assert client.store("", b"2", topic_alias=1) == 0
        assert rows(server, 2) == [b"1", b"2"]


@pytest.mark.parametrize("topic, alias, reasons", [("", 5, (0x82, 0x94)), ("text/a", 0, (0x94,)), ("text/a", 33, (0x94,)),
                                                   ("", 65535, (0x94,)), ("", None, (0x82,))])
def test_topic_alias_that_cannot_be(text, topic, alias, reasons):
    with connected(text, V5, "alias") as client:
        client.store("text/a", "x", topic_alias=1)
        client.publish(topic, "y", 1, 9, **({} if alias is None else {"topic_alias": alias}))
        client.thrown_out(*reasons)
    with connected(text, V5, "alias") as client:  # an alias ends with its connection (3.3.2.3.4)
        client.publish("", "z", 1, 9, topic_alias=1)
        client.thrown_out(0x82, 0x94)
    assert rows(text, 1) == [b"x"]


ROOM = 2 << 20  # for topics that aliases stand for, and as much for what connections hold back
HALF = mqtt.publish(V5, "text/large", b"z" * (ROOM // 2 - 100), 1, 1)[:ROOM // 4]


@pytest.fixture
def narrow(gateway):
    with gateway(f"mqtt.max_unacknowledged={2 * ROOM}", "lake.roll.every=100ms", config=TEXT) as server:
        yield server


def test_topic_aliases_of_all_are_bounded(narrow):
    """Whoever sets one more is closed; those that stand are good, and a connection that ends gives back its own."""
    def topic(number):
        return f"text/{number:0>4091}"

    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connected(narrow, V5, f"c{number}")) for number in range(ROOM // 4096 // 32)]
        for number, client in enumerate(clients):
            client.send(*(mqtt.publish(V5, topic(32 * number + alias), "x", 1, alias, topic_alias=alias) for alias in range(1, 33)))
            for alias in range(1, 33):
                assert client.expect(PUBACK, alias).reason == 0
        with connected(narrow, V5, "late") as late:
            assert late.store("text/a", "x") == 0
            late.publish("text/a", "x", topic_alias=1)
            late.thrown_out(0x97)
        assert clients[0].store("", "x", topic_alias=1) == 0
        assert clients[0].store(topic(1), "x", topic_alias=1) == 0
        stack.enter_context(connected(narrow, V5, "half")).send(HALF)
        with connected(narrow, V5, "large") as large:  # they take nothing from packets
            assert large.store("text/large", "z" * (ROOM // 2 - 100)) == 0
        clients[1].disconnect()
        with connected(narrow, V5, "late") as late:
            assert late.store("text/a", "x", topic_alias=1) == 0


def test_topic_alias_while_packets_take_all_room(narrow):
    with contextlib.ExitStack() as stack:
        for number in range(9):
            stack.enter_context(connected(narrow, V5, f"half-{number}")).send(HALF)
        wait_until("them to be held", lambda: narrow.metric("penstock_body_bytes_in_flight", 'source="mqtt"') > ROOM)
        with connected(narrow, V5, "alias") as client:
            assert client.store("text/a", "1", topic_alias=1) == 0
            assert client.store("", "2", topic_alias=1) == 0
    assert rows(narrow, 2) == [b"1", b"2"]


# ---- Receive Maximum ----

def test_receive_maximum(gateway):
    """QoS 2 without PUBREL counts (4.9)."""
    with gateway("mqtt.max_in_flight=10", "lake.roll.every=100ms", config=TEXT) as server:
        with connected(server, V5, "greedy") as client:
            for id in range(1, 11):
                client.publish("text/a", str(id), 2, id)
                client.expect(PUBREC, id)
            client.send(mqtt.pubrel(1)).expect(PUBCOMP, 1)
            client.publish("text/a", "11", 2, 11)
            client.expect(PUBREC, 11)
            client.store("text/a", "12", 0)
            client.ping()
            client.publish("text/a", "13", 1, 13)
            client.thrown_out(0x93)
        assert rows(server, 12) == [str(id).encode() for id in range(1, 13)]


def test_receive_maximum_is_given_back(gateway):
    """By PUBACK, PUBCOMP and every PUBREC that refuses; also for what was sent on an earlier connection."""
    with gateway("mqtt.max_in_flight=2", "mqtt.unmapped=refuse", "lake.roll.every=100ms", config=TEXT) as server:
        with connected(server, V5, "fair", clean=False, session_expiry=60) as client:
            for _ in range(5):
                assert client.store("text/a", "x", 1) == 0
                assert client.store("text/a", "x", 2) == 0
                assert client.store("nowhere", "x", 1) == 0x90
                assert client.store("nowhere", "x", 2) == 0x90
            for id in (100, 101):
                client.publish("text/a", "y", 2, id)
                client.expect(PUBREC, id)
        with connected(server, V5, "fair", clean=False, session_expiry=60) as client:
            client.send(mqtt.pubrel(100), mqtt.pubrel(101))
            client.expect(PUBCOMP, 100)
            client.expect(PUBCOMP, 101)
            for _ in range(5):
                assert client.store("text/a", "x", 2) == 0
        assert len(rows(server, 17)) == 17


def test_more_than_the_limit_waits_before_5(gateway):
    """3.1.1 knows no Receive Maximum: nothing more is read, and nobody is closed."""
    with gateway("mqtt.max_in_flight=3", "lake.roll.every=100ms", config=TEXT) as server:
        with connected(server, V311, "eager", seconds=60) as client, slow_commits(server, "50ms"):
            client.send(*(mqtt.publish(V311, "text/a", str(id), 1, id) for id in range(1, 101)))
            for id in range(1, 101):
                client.expect(PUBACK, id)
        with connected(server, V311, "eager-2") as client:
            client.send(*(mqtt.publish(V311, "text/a", str(id), 2, id) for id in range(101, 201)))
            for id in range(101, 201):
                client.expect(PUBREC, id)
            client.send(*(mqtt.pubrel(id) for id in range(101, 201)))
            for id in range(101, 201):
                client.expect(PUBCOMP, id)
        assert rows(server, 200) == [str(id).encode() for id in range(1, 201)]


# ---- what is refused ----

@pytest.mark.parametrize("qos", [0, 1, 2])
def test_unmapped_topic_is_refused(gateway, qos):
    with gateway("mqtt.unmapped=refuse", "lake.roll.every=100ms") as server:
        with connected(server, V5, "five") as client:
            assert client.store("no/where", "x", qos) == (0x90 if qos else 0)
            client.ping()
            if qos == 2:  # a refused PUBREC is the end of it, the id is free (4.3.3)
                assert client.send(mqtt.pubrel(1)).expect(PUBCOMP, 1).reason == 0
                client.store("readings/s1", "{}", 2, id=1)
        with connected(server, V311, "four") as client:
            client.publish("no/where", "x", qos, 1 if qos else None)
            if qos:
                client.thrown_out()
            else:
                client.ping()
        assert server.metric("penstock_requests_refused_total", 'source="mqtt"') >= 2
        assert letters(server, 0) == [] and len(rows(server, qos == 2)) == (qos == 2)


def test_refused_in_3_1_1_keeps_what_came_before(gateway):
    """Its acknowledgement comes, that of the refused one does not, and nothing behind it is taken."""
    with gateway("mqtt.unmapped=refuse", "lake.roll.every=100ms", config=TEXT) as server:
        with connected(server, V311, "four") as client:
            client.send(mqtt.publish(V311, "text/a", "1", 1, 1), mqtt.publish(V311, "nowhere", "2", 1, 2),
                        mqtt.publish(V311, "text/a", "3", 1, 3))
            assert [(one.type, one.id) for one in client.end()] == [(PUBACK, 1)]
        assert rows(server, 1) == [b"1"]


@pytest.mark.parametrize("payload", [b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80"])
def test_payload_that_is_not_the_text_it_says(text, payload):
    with connected(text, V5, "format") as client:
        assert client.store("text/a", payload, 1, payload_format=1) == 0x99
        assert client.store("text/a", payload, 2, payload_format=1) == 0x99
        assert client.store("text/a", payload, 0, payload_format=1) == 0
        assert client.store("text/a", "täxt", 1, payload_format=1) == 0
        assert client.store("text/a", payload, 1, payload_format=0) == 0
    assert rows(text, 2) == ["täxt".encode(), payload]


def test_expired_or_not_everything_is_stored(text):
    """There is nobody for whom a message could come too late."""
    with connected(text, V5, "expiry") as client:
        assert client.store("text/a", "x", 1, message_expiry=0) == 0
        assert client.store("text/a", "y", 1, message_expiry=1, retain=True) == 0
    assert rows(text, 2) == [b"x", b"y"]


def test_unread_acknowledgements_of_many(text):
    """Clients that end without reading: what they sent is there all the same once it was read from the socket."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connected(text, V311, f"deaf-{number}")) for number in range(20)]
        for number, client in enumerate(clients):
            client.send(*(mqtt.publish(V311, "text/a", f"{number}-{id}", 1, id) for id in range(1, 101)))
            client.shut()
        for client in clients:
            got = client.end()
            assert [(one.type, one.id) for one in got] == [(PUBACK, id) for id in range(1, len(got) + 1)]
    assert len(rows(text, 2000)) == 2000


def test_disconnect_packet_is_the_last(text):
    """What is sent behind it is not looked at (3.14.4)."""
    with Client(text.ports["mqtt"], V5) as client:
        client.connect("last")
        client.send(mqtt.publish(V5, "text/a", "before", 0), mqtt.disconnect(V5), mqtt.publish(V5, "text/a", "behind", 0))
        assert DISCONNECT not in [one.type for one in client.end()]
    with connected(text) as client:
        client.store("text/a", "later")
    assert rows(text, 2) == [b"before", b"later"]
