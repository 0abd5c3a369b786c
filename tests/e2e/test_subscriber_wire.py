"""mqtt.subscribe on the wire, with a broker that does what the test says: what is asked for, when what is acknowledged, what becomes of
refusals and of broken packets."""

import contextlib
import socket
import itertools
import json
import re
import struct

import pytest

import mqtt
from mqtt import DISCONNECT, PINGREQ, PUBACK, letters, rows
from penstock import lake_rows, memory, wait_until
from scripted_broker import V5, V311, Flood, ScriptedBroker, connack, disconnect, suback
from subscribing import condition, connected, degraded, fine, subscriber, value

VERSIONS = pytest.mark.parametrize("version", [V311, V5])
NAMES = {V311: "3.1.1", V5: "5"}


@pytest.fixture
def broker():
    with ScriptedBroker() as one:
        yield one


def start(gateway, broker, version, *more, **options):
    return subscriber(gateway, broker.url, *more, version=NAMES[version], **options).start()


def message(number, size=0):
    return json.dumps({"n": number, "pad": "x" * size}).encode()


def packet(version, number, size=0):
    """PUBLISH with number as its packet id."""
    return mqtt.publish(version, f"readings/s{number}", message(number, size), 1, number)


# ---- what is asked for, what is acknowledged ----

@VERSIONS
def test_what_is_asked_for(gateway, broker, version):
    """A session that stays, QoS 1; retained messages of version 5 once only. The subscription is made anew with a session that is new, not
    with one that is there."""
    one = start(gateway, broker, version, "gateway.id=site-7", filters=["a/#", "$share/g/b/+"], keep_alive="77s", session_expiry="2h", window="321")
    with broker.accept() as peer:
        peer.take_connect()
        more = {"session_expiry": 7200, "receive_maximum": 321} if version == V5 else {}
        assert peer.connect == (version, False, 77, "site-7-site", None, None, more)
        peer.send(connack(version))
        id = peer.take_subscribe()
        assert peer.subscribed == [(name, 1 | (0x10 if version == V5 else 0)) for name in ("a/#", "$share/g/b/+")]
        peer.send(suback(version, id, 1, 1))
        connected(one)
    with broker.accept() as peer:
        peer.welcome(present=True, subscribe=False)
        peer.publish("readings/s", message(1), 1)
        assert peer.pubacks(1) == [1]
    with broker.accept() as peer:
        peer.welcome()
        wait_until("the lost session", lambda: value(one, "sessions_lost_total") == 1)
        one.stop_cleanly()
        assert [kind for kind, _, _ in peer.ends()] == [DISCONNECT]


@VERSIONS
def test_acknowledged_in_order_and_before_the_good_bye(gateway, broker, version):
    one = start(gateway, broker, version, batch="7")
    with broker.accept() as peer:
        peer.welcome()
        peer.send(*[packet(version, number) for number in range(1, 101)])
        assert peer.pubacks(100) == list(range(1, 101))
        peer.send(*[packet(version, number) for number in range(101, 121)])
        wait_until("the last ones to be taken", lambda: value(one, "batch_messages_sum") == 120)
        one.stop_cleanly()
        packets = peer.ends()
        assert [kind for kind, _, _ in packets] == [PUBACK] * 20 + [DISCONNECT]
    assert [json.loads(row)["n"] for row in lake_rows(one.lake)] == list(range(1, 121))


@VERSIONS
def test_packets_that_come_in_pieces(gateway, broker, version):
    """Every way to cut a short packet in two; then a byte at a time; then messages larger than what is looked at at once, and one as large
    as is allowed; all between others."""
    one = start(gateway, broker, version, "mqtt.max_packet=1MiB")
    with broker.accept() as peer:
        peer.take_connect()
        for byte in connack(version):
            peer.send(bytes([byte]))
        answer = suback(version, peer.take_subscribe(), 1)
        peer.send(answer[:2]).send(answer[2:])
        number, expected = 0, []

        def whole(size=0):
            nonlocal number
            number += 1
            expected.append(message(number, size))
            return packet(version, number, size)

        length = len(packet(version, 1))
        for cut in range(1, length):
            first, second = whole(), whole()
            peer.send(first + second[:cut])
            peer.pubacks(1)  # it waits for the rest now
            peer.send(second[cut:] + whole())
            peer.pubacks(2)
        for byte in whole():
            peer.send(bytes([byte]))
        peer.pubacks(1)
        for size in (100 << 10, 128 << 10, 129 << 10, 300 << 10, (1 << 20) - 100):
            peer.send(whole(), whole(size), whole())
            peer.pubacks(3)
        overhead = len(packet(version, number + 1)) - len(message(number + 1))
        exact = (1 << 20) - overhead - len(message(number + 1)) - 2  # two bytes more of length
        assert len(whole(exact)) == 1 << 20
        peer.send(packet(version, number, exact))
        peer.pubacks(1)
        found = wait_until("all messages", lambda: len(there := lake_rows(one.lake)) >= number and there)
        letter = [row for row in expected if len(row) > 900 << 10]  # kept, whatever else is allowed for one over HTTP
        assert found == expected and len(letter) == 2
        one.stop_cleanly()


def test_pings(gateway, broker):
    """A broker that does not answer one is given up."""
    one = start(gateway, broker, V5, keep_alive="10s")
    with broker.accept() as peer:
        peer.welcome()
        peer.socket.settimeout(30)
        assert peer.next()[0] == PINGREQ
        assert peer.ends() == []
    degraded(one, "keep_alive", "network")
    assert value(one, "troubles_total", "site", 'reason="silent"') == 1
    broker.accept().welcome(present=True, subscribe=False)
    fine(one)
    one.stop_cleanly()


# ---- refusals ----

REFUSALS = {
    "version": (0x01, 0x84, ["set version"]),
    "client id": (0x02, 0x85, ["set another client_id"]),
    "unavailable": (0x03, 0x88, ["broker's log"]),
    "password": (0x04, 0x86, ["user", "password_file"]),
    "not allowed": (0x05, 0x87, ["user", "password_file"]),
}


@VERSIONS
@pytest.mark.parametrize("name", REFUSALS)
def test_a_connection_that_is_refused(gateway, broker, version, name):
    old, new, words = REFUSALS[name]
    one = start(gateway, broker, version)
    for _ in range(3):
        with broker.accept() as peer:
            peer.take_connect().send(connack(version, new if version == V5 else old))
            peer.ends()
    degraded(one, "refuses", *words)
    assert value(one, "connected") == 0 and one.said().count("subscriber.not_connected") == 1
    with broker.accept() as peer:
        peer.welcome()
        fine(one)
    one.stop_cleanly()


def test_a_broker_that_knows_no_version_5(gateway, broker):
    """It answers in the form of 3.1.1."""
    one = start(gateway, broker, V5)
    with broker.accept() as peer:
        peer.take_connect().send(connack(V311, 1))
        peer.ends()
    degraded(one, "version")
    one.stop_cleanly()


@VERSIONS
def test_filters_that_are_refused(gateway, broker, version):
    """What is allowed comes; a filter that is granted at QoS 0 only is no subscription either."""
    one = start(gateway, broker, version, filters=["readings/#", "secret/#"])
    with broker.accept() as peer:
        peer.take_connect().send(connack(version))
        peer.send(suback(version, peer.take_subscribe(), 1, 0x87 if version == V5 else 0x80))
        degraded(one, "secret/#", "refused", "allow")
        peer.publish("readings/s", message(1), 1)
        assert peer.pubacks(1) == [1]
    with broker.accept() as peer:  # it is asked for again, although the session is there
        peer.take_connect().send(connack(version, 0, True))
        peer.send(suback(version, peer.take_subscribe(), 0, 1))
        degraded(one, "readings/#", "QoS 0")
    with broker.accept() as peer:
        peer.take_connect().send(connack(version, 0, True))
        peer.send(suback(version, peer.take_subscribe(), 1, 1))
        fine(one)
    assert value(one, "troubles_total", "site", 'reason="filters"') == 2
    one.stop_cleanly()


@VERSIONS
def test_a_filter_that_is_not_answered(gateway, broker, version):
    one = start(gateway, broker, version, filters=["readings/#", "secret/#"])
    with broker.accept() as peer:
        peer.take_connect().send(connack(version))
        peer.send(suback(version, peer.take_subscribe(), 1))
        degraded(one, "secret/#", "not answered")
        one.stop_cleanly()


def test_taken_over_says_so(gateway, broker):
    """MQTT 5: DISCONNECT 0x8E. The pause is reconnect.most at once."""
    one = start(gateway, broker, V5, reconnect_most="8s", reconnect_least="10ms")
    with broker.accept() as peer:
        peer.welcome().send(disconnect(V5, 0x8E))
        peer.ends()
    degraded(one, "another client has this client id")
    assert broker.nobody(1.2)
    with broker.accept() as peer:
        peer.welcome()
        connected(one)
        degraded(one, "client_id")
        one.stop_cleanly()


def test_a_broker_that_ends_the_connection_with_a_reason(gateway, broker):
    one = start(gateway, broker, V5)
    with broker.accept() as peer:
        peer.welcome().send(disconnect(V5, 0x8B))
        peer.ends()
    assert "shutting down" in degraded(one, "broker ends the connection").lower()
    one.stop_cleanly()


@VERSIONS
def test_back_off(gateway, broker, version):
    """From reconnect.least, doubling, to reconnect.most; a random part is left out of each pause."""
    one = start(gateway, broker, version, reconnect_least="50ms", reconnect_most="400ms")
    for _ in range(10):
        with broker.accept() as peer:
            peer.take_connect()
    pauses = [int(text) for text in re.findall(r"again_in_ms=(\d+)", one.said())]
    assert pauses and all(25 <= pauses[0] <= 50 for _ in pauses)
    assert value(one, "troubles_total") >= 8
    broker.listener.close()
    degraded(one, "refused")
    one.stop_cleanly()


# ---- QoS 0 ----

@VERSIONS
def test_what_nobody_sends_again_is_stored_although_the_connection_ends(gateway, broker, version):
    """Messages of QoS 0 that have come together with the end."""
    one = start(gateway, broker, version)
    with broker.accept() as peer:
        peer.welcome()
        peer.send(mqtt.publish(version, "readings/a", message(1), 0), mqtt.publish(version, "readings/a", message(2), 0))
    assert rows(one, 2) == [message(1), message(2)]
    one.stop_cleanly()


# ---- what is broken ----

def malformed(version):
    """name: (bytes, a word of what is said)"""
    good = packet(version, 1)
    cases = {
        "QoS 2": (mqtt.publish(version, "readings/a", b"{}", 2, 1), "QoS 2"),
        "QoS 3": (b"\x36" + good[1:], "QoS 3"),
        "no topic": (mqtt.publish(version, "", b"{}", 1, 1), "topic"),
        "packet id 0": (mqtt.publish(version, "readings/a", b"{}", 1, 0), "protocol"),
        "topic ends behind the packet": (mqtt.packet(mqtt.PUBLISH, 2, b"\xff\xffreadings"), "topic"),
        "a topic that is not UTF-8": (mqtt.publish(version, "readings/", b"{}", 1, 1).replace(b"readings/", b"reading\xff/"), "protocol"),
        "length of five bytes": (b"\x32\xff\xff\xff\xff\x01", "four bytes"),
        "length of five bytes, announced": (b"\x32\xff\xff\xff\xff", "four bytes"),
        "huge": (b"\x32\xff\xff\xff\x7f", "max_packet"),
        "too large": (packet(version, 1, 1 << 20), "max_packet"),
        "a huge SUBACK": (b"\x90\xff\xff\xff\x7f", "type 9"),
        "an empty SUBACK": (b"\x90\x00", "type 9"),
        "a second CONNACK": (connack(version), "type 2"),
        "a CONNECT": (mqtt.connect(version, "x"), "type 1"),
        "a SUBSCRIBE": (mqtt.subscribe(version, 1, "#"), "type 8"),
        "a PUBREL": (mqtt.pubrel(1), "type 6"),
        "a PUBACK": (mqtt.identified(PUBACK, 1), "type 4"),
        "type 0": (b"\x00\x00", "type 0"),
        "AUTH": (b"\xf0\x00", "type 15"),
        "PINGRESP with a body": (b"\xd0\x01\x00", "type 13"),
        "PINGRESP with flags": (b"\xd1\x00", "type 13"),
        "zeros": (bytes(1000), "type 0"),
        "HTTP": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "type 4"),
    }
    if version == V5:
        head = struct.pack(">H", 10) + b"readings/a" + b"\0\1"
        cases |= {
            "an unknown property": (mqtt.packet(mqtt.PUBLISH, 2, head + b"\x02\x04\x01{}"), "property 0x04"),
            "properties longer than the packet": (mqtt.packet(mqtt.PUBLISH, 2, head + b"\x7f{}"), "properties"),
            "a property that is cut off": (mqtt.packet(mqtt.PUBLISH, 2, head + b"\x03\x26\x00\x05{}"), "property"),
            "a length of properties of five bytes": (mqtt.packet(mqtt.PUBLISH, 2, head + b"\xff\xff\xff\xff\x01{}"), "properties"),
            "a SUBACK with an unknown property": (mqtt.packet(mqtt.SUBACK, 0, b"\0\1\x02\x7f\x01\x01"), "property 0x7f"),
            "a SUBACK without codes": (mqtt.packet(mqtt.SUBACK, 0, b"\0\1\0"), "type 9"),
            "a topic alias": (mqtt.publish(version, "", b"{}", 1, 1, topic_alias=1), "topic"),
        }
    else:
        cases["a DISCONNECT"] = (mqtt.packet(DISCONNECT, 0), "type 14")
    return cases


@VERSIONS
def test_broken_packets(gateway, broker, version):
    """The connection is given up, what came before it is acknowledged or not taken, the gateway stays, and /readyz says what it was."""
    one = start(gateway, broker, version, reconnect_least="10ms", reconnect_most="10ms")
    for number, (name, (broken, word)) in enumerate(malformed(version).items(), 1):
        with broker.accept() as peer:
            peer.welcome(present=number > 1, subscribe=number == 1)
            peer.publish("readings/s", message(number), number)
            assert peer.pubacks(1) == [number], name
            peer.try_to_send(broken)
            peer.ends()
        degraded(one, word)
        assert one.process.poll() is None, name
    with broker.accept() as peer:
        peer.welcome(present=True, subscribe=False)
        fine(one)
    found = rows(one, len(malformed(version)))
    assert [json.loads(row)["n"] for row in found] == list(range(1, len(malformed(version)) + 1))
    one.stop_cleanly()


@VERSIONS
def test_a_broken_answer_to_connect(gateway, broker, version):
    one = start(gateway, broker, version, reconnect_least="10ms", reconnect_most="10ms")
    for broken in (b"\x20\x00", b"\x20\xff\xff\xff\x7f", b"\x20\x02\x02\x00", packet(version, 1), b"SSH-2.0-x\r\n", b"\0" * 100, b""):
        with broker.accept() as peer:
            peer.take_connect()
            peer.try_to_send(broken)
            with contextlib.suppress(OSError):  # the gateway was quicker
                peer.socket.shutdown(socket.SHUT_WR)
            peer.ends()
    assert one.process.poll() is None
    with broker.accept() as peer:
        peer.welcome()
        connected(one)
    one.stop_cleanly()


@VERSIONS
def test_a_message_that_is_too_large_waits_in_the_broker(gateway, broker, version):
    """It is not acknowledged, and nothing is lost: with another mqtt.max_packet it comes."""
    one = start(gateway, broker, version, "mqtt.max_packet=64KiB")
    for _ in range(2):
        with broker.accept() as peer:
            peer.welcome()
            peer.try_to_send(packet(version, 1), packet(version, 2, 64 << 10), packet(version, 3))
            assert {raw[:2] for kind, _, raw in peer.ends() if kind == PUBACK} <= {b"\0\1"}
    degraded(one, "mqtt.max_packet", "raise")
    one.kill()
    one.sets.append("mqtt.max_packet=1MiB")
    one.start()
    with broker.accept() as peer:
        peer.welcome(present=True)
        peer.send(packet(version, 2, 64 << 10), packet(version, 3))
        assert peer.pubacks(2) == [2, 3]
    one.stop_cleanly()
    assert [number for row in lake_rows(one.lake) if (number := json.loads(row)["n"]) != 1] == [2, 3]


@VERSIONS
@pytest.mark.parametrize("qos", [0, 1])
def test_a_flood(gateway, version, qos):
    """A broker that sends without end and reads nothing: what is taken stays bounded, and so does memory."""
    with ScriptedBroker(buffer=4096) as broker:
        one = start(gateway, broker, version)
        with broker.accept() as peer:
            peer.welcome()
            before = memory(one)
            piece = b"".join(mqtt.publish(version, f"readings/s{id}", b"1", qos, id if qos else None) for id in range(1, 2001))
            flood = Flood(peer, itertools.repeat(piece, 300) if qos == 0 else itertools.repeat(piece))
            flood.start()
            if qos:  # its answers are not read, so that at some time nothing more is taken
                wait_until("the gateway to take no more", lambda: (there := flood.sent) > 0 and not flood.join(2) and flood.sent == there, 120)
                assert flood.is_alive()
            else:
                flood.join(240)
                assert flood.sent == 300 * len(piece)
            assert memory(one) < before + (64 << 20)
            if qos:  # and when they are read it goes on
                peer.socket.settimeout(30)
                taken = int(value(one, "batch_messages_sum"))
                peer.pubacks(taken + 10_000)
        degraded(one, "127.0.0.1")
        assert one.stop(seconds=60) == 0


@VERSIONS
def test_a_hundred_thousand_retained_messages(gateway, broker, version):
    one = start(gateway, broker, version)
    count = 100_000
    with broker.accept() as peer:
        peer.welcome()
        before = memory(one)
        pieces = [b"".join(mqtt.publish(version, f"readings/s{number}", b'{"n":%d}' % number, 1, number % 65535 + 1, retain=True)
                           for number in range(start_, start_ + 1000)) for start_ in range(0, count, 1000)]
        flood = Flood(peer, pieces)
        flood.start()
        peer.socket.settimeout(60)
        assert peer.pubacks(count) == [number % 65535 + 1 for number in range(count)]
        flood.join(10)
        assert memory(one) < before + (64 << 20)
    found = wait_until("all messages", lambda: len(there := lake_rows(one.lake)) >= count and there, 60)
    assert len(found) == len(set(found)) == count
    assert one.stop(seconds=60) == 0


__all__ = ["condition", "letters"]
