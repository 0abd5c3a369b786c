"""Packets that are wrong, of every type, by table: MQTT 5 clients are told why (DISCONNECT, or a CONNACK that says no), earlier ones are
closed, and the gateway goes on. Section numbers are those of MQTT 5.0."""

import os
import random
import re
import struct

import pytest

import mqtt
import penstock
from mqtt import (AUTH, CONNACK, CONNECT, DISCONNECT, PINGREQ, PINGRESP, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, SUBACK, SUBSCRIBE, UNSUBACK,
                  UNSUBSCRIBE, V5, V31, V311, Client, connected, data, letters, packet, varint)

MALFORMED, PROTOCOL, TOPIC, ALIAS = 0x81, 0x82, 0x90, 0x94
WRONG = (MALFORMED, PROTOCOL)
ID = b"\0\1"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with penstock.Gateway(tmp_path_factory.mktemp("shared"), "lake.roll.every=200ms") as gateway:
        yield gateway
        # nothing of all this is a message, and nothing has harmed it
        with connected(gateway) as client:
            client.store("readings/s1", '{"last":1}')
        assert mqtt.rows(gateway, 1) == [b'{"last":1}'] and letters(gateway, 0) == []
        gateway.stop_cleanly()


def publish(version, qos=1, topic=b"readings/a", id=ID, more=b"", payload=b"{}", flags=0):
    """A PUBLISH of any pieces; more: the properties."""
    return packet(PUBLISH, flags | qos << 1, data(topic) + (id if qos else b"") + (varint(len(more)) + more if version == V5 else b"") + payload)


# After CONNECT. name: (packet as version -> bytes, reasons of MQTT 5)
EVERYWHERE = {
    # header
    "type 0": (lambda v: packet(0, 0), WRONG),
    "five bytes of length": (lambda v: b"\x30\xff\xff\xff\xff\x01", WRONG),
    "CONNACK": (lambda v: packet(CONNACK, 0, b"\0\0"), WRONG),
    "SUBACK": (lambda v: packet(SUBACK, 0, ID + b"\0"), WRONG),
    "UNSUBACK": (lambda v: packet(UNSUBACK, 0, ID), WRONG),
    "PINGRESP": (lambda v: packet(PINGRESP, 0), WRONG),
    # PUBLISH
    "PUBLISH, QoS 3": (lambda v: publish(v, 3), WRONG),
    "PUBLISH, DUP and QoS 0": (lambda v: publish(v, 0, flags=8), WRONG),
    "PUBLISH, id 0": (lambda v: publish(v, 1, id=b"\0\0"), WRONG),
    "PUBLISH, id 0, QoS 2": (lambda v: publish(v, 2, id=b"\0\0"), WRONG),
    "PUBLISH, no topic": (lambda v: publish(v, topic=b""), (*WRONG, TOPIC, ALIAS)),
    "PUBLISH, topic with +": (lambda v: publish(v, topic=b"a/+/b"), (*WRONG, TOPIC)),
    "PUBLISH, topic with #": (lambda v: publish(v, topic=b"a/#"), (*WRONG, TOPIC)),
    "PUBLISH, topic with NUL": (lambda v: publish(v, topic=b"a\0b"), (*WRONG, TOPIC)),
    "PUBLISH, topic not UTF-8": (lambda v: publish(v, topic=b"a\xff"), (*WRONG, TOPIC)),
    "PUBLISH, topic with a surrogate": (lambda v: publish(v, topic=b"\xed\xa0\x80"), (*WRONG, TOPIC)),
    "PUBLISH, topic too long for it": (lambda v: packet(PUBLISH, 0, b"\0\x20abc"), WRONG),
    "PUBLISH, empty": (lambda v: packet(PUBLISH, 0), WRONG),
    "PUBLISH, one byte": (lambda v: packet(PUBLISH, 0, b"\0"), WRONG),
    "PUBLISH, no id": (lambda v: packet(PUBLISH, 2, data("a")), WRONG),
    "PUBLISH, half an id": (lambda v: packet(PUBLISH, 2, data("a") + b"\0"), WRONG),
    # acknowledgements
    "PUBREL, flags 0": (lambda v: packet(PUBREL, 0, ID), WRONG),
    "PUBREL, flags 15": (lambda v: packet(PUBREL, 15, ID), WRONG),
    "PUBREL, id 0": (lambda v: packet(PUBREL, 2, b"\0\0"), WRONG),
    "PUBREL, empty": (lambda v: packet(PUBREL, 2), WRONG),
    "PUBREL, half an id": (lambda v: packet(PUBREL, 2, b"\0"), WRONG),
    "PUBACK": (lambda v: packet(PUBACK, 0, ID), WRONG),
    "PUBREC": (lambda v: packet(PUBREC, 0, ID), WRONG),
    "PUBCOMP": (lambda v: packet(PUBCOMP, 0, ID), WRONG),
    # subscriptions
    "SUBSCRIBE, flags 0": (lambda v: packet(SUBSCRIBE, 0, mqtt.subscribe(v, 1, "a")[2:]), WRONG),
    "SUBSCRIBE, id 0": (lambda v: mqtt.subscribe(v, 0, "a"), WRONG),
    "SUBSCRIBE, no filter": (lambda v: mqtt.subscribe(v, 1), WRONG),
    "SUBSCRIBE, no options": (lambda v: mqtt.packet(SUBSCRIBE, 2, mqtt.subscribe(v, 1, "a")[2:-1]), WRONG),
    "SUBSCRIBE, QoS 3": (lambda v: mqtt.packet(SUBSCRIBE, 2, mqtt.subscribe(v, 1, "a")[2:-1] + b"\3"), WRONG),
    "SUBSCRIBE, filter not UTF-8": (lambda v: mqtt.subscribe(v, 1, b"\xff"), (*WRONG, 0x8F)),
    "SUBSCRIBE, empty filter": (lambda v: mqtt.subscribe(v, 1, ""), (*WRONG, 0x8F)),
    "SUBSCRIBE, empty": (lambda v: packet(SUBSCRIBE, 2), WRONG),
    "UNSUBSCRIBE, flags 0": (lambda v: packet(UNSUBSCRIBE, 0, mqtt.unsubscribe(v, 1, "a")[2:]), WRONG),
    "UNSUBSCRIBE, id 0": (lambda v: mqtt.unsubscribe(v, 0, "a"), WRONG),
    "UNSUBSCRIBE, no filter": (lambda v: mqtt.unsubscribe(v, 1), WRONG),
    # the rest
    "PINGREQ, flags": (lambda v: packet(PINGREQ, 1), WRONG),
    "PINGREQ, with a body": (lambda v: packet(PINGREQ, 0, b"x"), WRONG),
    "DISCONNECT, flags": (lambda v: packet(DISCONNECT, 2), WRONG),
    "type 15, flags": (lambda v: packet(AUTH, 3), WRONG),
    "CONNECT again": (lambda v: mqtt.connect(v, "x"), WRONG),
}
BEFORE_5 = {
    "SUBSCRIBE, reserved bits": lambda v: packet(SUBSCRIBE, 2, mqtt.subscribe(v, 1, "a")[2:-1] + b"\xc0"),
    "AUTH": lambda v: packet(AUTH, 0),
    "DISCONNECT, with a body": lambda v: packet(DISCONNECT, 0, b"\0"),
    "PUBREL, with a reason": lambda v: packet(PUBREL, 2, ID + b"\0"),
    "SUBSCRIBE, options of 5": lambda v: packet(SUBSCRIBE, 2, ID + data("a") + b"\x09"),
}


def props(*pairs):
    return b"".join(mqtt.property_bytes(*pair) for pair in pairs)


def rich(more):
    return publish(V5, more=more)


ONLY_5 = {
    "length longer than it need be": (b"\xc0\x80\x00", WRONG),
    "properties longer than the packet": (packet(PUBLISH, 0, data("a") + b"\x7f"), WRONG),
    "properties without a length": (packet(PUBLISH, 0, data("a")), WRONG),
    "length of properties of five bytes": (packet(PUBLISH, 0, data("a") + b"\xff\xff\xff\xff\x01"), WRONG),
    "unknown property": (rich(b"\x7f\0"), WRONG),
    "property 0": (rich(b"\0\0"), WRONG),
    "property of a CONNECT": (rich(props(("receive_maximum", 5))), WRONG),
    "property of a CONNACK": (rich(props(("assigned_client_id", "a"))), WRONG),
    "property cut off": (rich(b"\x02\0\0"), WRONG),
    "subscription identifier": (rich(props(("subscription_identifier", 1))), WRONG),
    "property twice": (rich(props(("content_type", "a"), ("content_type", "b"))), WRONG),
    "expiry twice": (rich(props(("message_expiry", 1), ("message_expiry", 1))), WRONG),
    "payload format 2": (rich(props(("payload_format", 2))), (*WRONG, 0x99)),
    "content type not UTF-8": (rich(props(("content_type", b"\xff"))), WRONG),
    "content type with NUL": (rich(props(("content_type", b"a\0"))), WRONG),
    "response topic with a wildcard": (rich(props(("response_topic", "a/#"))), (*WRONG, TOPIC)),
    "response topic empty": (rich(props(("response_topic", ""))), (*WRONG, TOPIC)),
    "user property not UTF-8": (rich(props(("user", [(b"\xff", "b")]))), WRONG),
    "user property half": (rich(b"\x26" + data("a")), WRONG),
    "alias 0": (rich(props(("topic_alias", 0))), (ALIAS,)),
    "alias above the maximum": (rich(props(("topic_alias", 33))), (ALIAS,)),
    "PUBREL, unknown reason": (packet(PUBREL, 2, ID + b"\x33"), WRONG),
    "PUBREL, property that is none": (packet(PUBREL, 2, ID + b"\0\2\1\1"), WRONG),
    "PUBREL, properties too long": (packet(PUBREL, 2, ID + b"\0\x05"), WRONG),
    "PUBREL, bytes behind": (packet(PUBREL, 2, ID + b"\0\0\0"), WRONG),
    "DISCONNECT, unknown reason": (packet(DISCONNECT, 0, b"\x33"), WRONG),
    "DISCONNECT, a server's reason": (packet(DISCONNECT, 0, b"\x8b"), WRONG),
    "DISCONNECT, property that is none": (packet(DISCONNECT, 0, b"\0\2\1\1"), WRONG),
    "DISCONNECT, bytes behind": (packet(DISCONNECT, 0, b"\0\0x"), WRONG),
    "SUBSCRIBE, reserved bits": (packet(SUBSCRIBE, 2, mqtt.subscribe(V5, 1, "a")[2:-1] + b"\xc0"), WRONG),
    "SUBSCRIBE, retain handling 3": (packet(SUBSCRIBE, 2, ID + b"\0" + data("a") + b"\x30"), WRONG),
    "SUBSCRIBE, no local and shared": (packet(SUBSCRIBE, 2, ID + b"\0" + data("$share/g/a") + b"\x05"), WRONG),
    "SUBSCRIBE, identifier 0": (packet(SUBSCRIBE, 2, ID + b"\2\x0b\0" + data("a") + b"\1"), WRONG),
    "SUBSCRIBE, property that is none": (packet(SUBSCRIBE, 2, ID + b"\2\1\1" + data("a") + b"\1"), WRONG),
    "UNSUBSCRIBE, property that is none": (packet(UNSUBSCRIBE, 2, ID + b"\2\1\1" + data("a")), WRONG),
    "AUTH": (packet(AUTH, 0), WRONG),
    "AUTH, go on": (packet(AUTH, 0, b"\x18\0"), WRONG),
}


@pytest.mark.parametrize("version", [V31, V311, V5], ids=["3.1", "3.1.1", "5"])
@pytest.mark.parametrize("name", EVERYWHERE)
def test_malformed(shared, version, name):
    make, reasons = EVERYWHERE[name]
    with connected(shared, version, "odd") as client:
        client.send(make(version)).thrown_out(*reasons)


@pytest.mark.parametrize("name", BEFORE_5)
def test_malformed_before_5(shared, name):
    with connected(shared, V311, "odd") as client:
        client.send(BEFORE_5[name](V311)).thrown_out()


@pytest.mark.parametrize("name", ONLY_5)
def test_malformed_in_5(shared, name):
    raw, reasons = ONLY_5[name]
    with connected(shared, V5, "odd") as client:
        client.send(raw).thrown_out(*reasons)


# ---- CONNECT ----

def connect(version, flags=2, keep_alive=60, more=b"", payload=None, name=None):
    body = data(name or ("MQIsdp" if version == V31 else "MQTT")) + bytes([version, flags]) + struct.pack(">H", keep_alive)
    return packet(CONNECT, 0, body + (varint(len(more)) + more if version == V5 else b"") + (data("odd") if payload is None else payload))


CONNECTS = {
    "reserved flag": (V311, V5, lambda v: connect(v, 3)),
    "QoS of no will": (V311, V5, lambda v: connect(v, 0x0A)),
    "retain of no will": (V311, V5, lambda v: connect(v, 0x22)),
    "will with QoS 3": (V31, V5, lambda v: connect(v, 0x1E, payload=data("odd") + (b"\0" if v == V5 else b"") + data("a") + data("b"))),
    "password without a user": (V311, V311, lambda v: connect(v, 0x42, payload=data("odd") + data("secret"))),
    "no payload": (V31, V5, lambda v: connect(v, payload=b"")),
    "client id cut off": (V31, V5, lambda v: connect(v, payload=b"\0\7odd")),
    "client id not UTF-8": (V31, V5, lambda v: connect(v, payload=data(b"\xff"))),
    "client id with NUL": (V31, V5, lambda v: connect(v, payload=data(b"a\0b"))),
    "user missing": (V311, V5, lambda v: connect(v, 0x82)),
    "user not UTF-8": (V31, V5, lambda v: connect(v, 0x82, payload=data("odd") + data(b"\xff"))),
    "password missing": (V311, V5, lambda v: connect(v, 0xC2, payload=data("odd") + data("me"))),
    "will topic missing": (V31, V5, lambda v: connect(v, 6)),
    "will payload missing": (V31, V5, lambda v: connect(v, 6, payload=data("odd") + (b"\0" if v == V5 else b"") + data("a"))),
    "bytes behind": (V31, V5, lambda v: connect(v, payload=data("odd") + b"x")),
    "property unknown": (V5, V5, lambda v: connect(v, more=b"\x7f\0")),
    "property of a PUBLISH": (V5, V5, lambda v: connect(v, more=props(("content_type", "a")))),
    "property twice": (V5, V5, lambda v: connect(v, more=props(("session_expiry", 1), ("session_expiry", 1)))),
    "receive maximum 0": (V5, V5, lambda v: connect(v, more=props(("receive_maximum", 0)))),
    "maximum packet 0": (V5, V5, lambda v: connect(v, more=props(("maximum_packet", 0)))),
    "request problem 2": (V5, V5, lambda v: connect(v, more=props(("request_problem", 2)))),
    "data without a method": (V5, V5, lambda v: connect(v, more=props(("authentication_data", b"x")))),
    "properties cut off": (V5, V5, lambda v: packet(CONNECT, 0, data("MQTT") + b"\5\2\0\x3c\x09")),
    "will delay in the wrong place": (V5, V5, lambda v: connect(v, more=props(("will_delay", 1)))),
    "will property unknown": (V5, V5, lambda v: connect(v, 6, payload=data("odd") + b"\2\x7f\0" + data("a") + data("b"))),
    "will alias": (V5, V5, lambda v: connect(v, 6, payload=data("odd") + b"\3\x23\0\1" + data("a") + data("b"))),
}


@pytest.mark.parametrize(("name", "version"), [(name, version) for name, (least, most, _) in CONNECTS.items()
                                               for version in (V31, V311, V5) if least <= version <= most])
def test_malformed_connect(shared, version, name):
    """5 is told by a CONNACK that says no; before there is no code for it (3.1.4)."""
    make = CONNECTS[name][2]
    with Client(shared.ports["mqtt"], version) as client:
        last = client.send(make(version)).end()
    if version < V5:
        assert all(one.type == CONNACK and one.reason for one in last), last
    elif name not in ("no payload", "properties cut off"):  # too short to tell which version it would have been
        assert [(one.type, one.reason in (*WRONG, 0x85)) for one in last] == [(CONNACK, True)], last


@pytest.mark.parametrize("raw", [b"\x11\0", b"\x10\xff\xff\xff\xff\1", b"\x10\0", b"\x10\4\0\4MQ", b"\x10\x0c\0\4MQTT\4\2\0\x3c\0\1"[:8]],
                         ids=["flags", "length", "empty", "half", "cut"])
def test_connect_that_is_none(shared, raw):
    with Client(shared.ports["mqtt"]) as client:
        client.send(raw).shut()
        assert client.end() == []


# ---- at random ----

def test_random_bytes_and_mutations(shared):
    """Whatever comes, the answer is packets of MQTT or the end of the connection. The decoder itself is fuzzed elsewhere."""
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"SEED={seed}")
    generator = random.Random(seed)
    for number in range(300):
        version = generator.choice((V31, V311, V5))
        packets = [bytearray(make(version)) for make, _ in generator.sample(list(EVERYWHERE.values()), 3)]
        packets.append(bytearray(generator.randbytes(generator.randrange(1, 40))))
        whole = generator.choice(packets)
        for _ in range(generator.randrange(3)):
            whole[generator.randrange(len(whole))] = generator.randrange(256)
        # nothing of it may be a message that is mapped: those would be counted at the end
        whole = bytes(whole).replace(b"readings/", b"nowhere/.")
        if whole[0] >> 4 == PUBLISH:
            continue
        with Client(shared.ports["mqtt"], version) as client:
            if number % 4:
                client.connect(f"random-{number}")
            elif re.match(rb"\x10.\x00\x04MQTT[\x05-\x7f]", whole, re.DOTALL):
                client.version = V5  # so it is answered, although it was another version's before a byte was changed
            client.send(whole).shut()
            client.end()
