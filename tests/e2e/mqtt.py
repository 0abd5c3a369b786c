"""MQTT by hand: packets as bytes out, checked packets in, for what no client library would send. Versions 3.1, 3.1.1 and 5.0.

Section numbers are those of MQTT 5.0. What the other side says is read strictly: a flag, length or property that the standard does
not have there is a failure of the test.
"""

import collections
import json
import select
import socket
import struct

from penstock import lake_rows, wait_until

V31, V311, V5 = 3, 4, 5
(CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT,
 AUTH) = range(1, 16)

PROPERTIES = {  # name: identifier, form (2.2.2.2)
    "payload_format": (0x01, "byte"), "message_expiry": (0x02, "u32"), "content_type": (0x03, "text"),
    "response_topic": (0x08, "text"), "correlation_data": (0x09, "text"), "subscription_identifier": (0x0B, "varint"),
    "session_expiry": (0x11, "u32"), "assigned_client_id": (0x12, "text"), "server_keep_alive": (0x13, "u16"),
    "authentication_method": (0x15, "text"), "authentication_data": (0x16, "text"), "request_problem": (0x17, "byte"),
    "will_delay": (0x18, "u32"), "request_response": (0x19, "byte"), "response_information": (0x1A, "text"),
    "server_reference": (0x1C, "text"), "reason_string": (0x1F, "text"), "receive_maximum": (0x21, "u16"),
    "topic_alias_maximum": (0x22, "u16"), "topic_alias": (0x23, "u16"), "maximum_qos": (0x24, "byte"),
    "retain_available": (0x25, "byte"), "user": (0x26, "pair"), "maximum_packet": (0x27, "u32"),
    "wildcard_available": (0x28, "byte"), "identifiers_available": (0x29, "byte"), "shared_available": (0x2A, "byte"),
}
NAMES = {identifier: (name, form) for name, (identifier, form) in PROPERTIES.items()}
FIXED = {"byte": "B", "u16": ">H", "u32": ">I"}
SERVER_PROPERTIES = {  # what a server may say where
    CONNACK: {"session_expiry", "receive_maximum", "maximum_qos", "retain_available", "maximum_packet", "assigned_client_id",
              "topic_alias_maximum", "reason_string", "user", "wildcard_available", "identifiers_available", "shared_available",
              "server_keep_alive", "response_information", "server_reference", "authentication_method", "authentication_data"},
    **dict.fromkeys((PUBACK, PUBREC, PUBCOMP, SUBACK, UNSUBACK), {"reason_string", "user"}),
    DISCONNECT: {"reason_string", "user", "server_reference"},
}

Packet = collections.namedtuple("Packet", "type id reason properties present codes", defaults=(None, 0, {}, False, ()))


# ---- writing ----

def varint(number):
    """Variable byte integer (1.5.5)."""
    out = bytearray()
    while True:
        number, digit = divmod(number, 128)
        out.append(digit | (128 if number else 0))
        if not number:
            return bytes(out)


def data(value):
    value = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(value)) + value


def property_bytes(name, value):
    identifier, form = PROPERTIES[name]
    if form == "pair":
        return b"".join(bytes([identifier]) + data(one) + data(other) for one, other in value)
    if form == "varint":
        return bytes([identifier]) + varint(value)
    return bytes([identifier]) + (data(value) if form == "text" else struct.pack(FIXED[form], value))


def properties(version, values):
    """The property length and the properties; nothing before version 5."""
    if version < V5:
        assert not values, f"no properties in version {version}: {values}"
        return b""
    body = values if isinstance(values, bytes) else b"".join(property_bytes(*one) for one in values.items())
    return varint(len(body)) + body


def packet(kind, flags, body=b""):
    return bytes([kind << 4 | flags]) + varint(len(body)) + body


def connect(version, client_id="", clean=True, keep_alive=60, will=None, user=None, password=None, **more):
    """will: a dict of topic, payload, and qos, retain, properties as there."""
    flags = clean << 1 | (user is not None) << 7 | (password is not None) << 6
    payload = data(client_id)
    if will:
        flags |= 4 | will.get("qos", 0) << 3 | will.get("retain", False) << 5
        payload += properties(version, will.get("properties", {})) + data(will["topic"]) + data(will["payload"])
    payload += b"".join(data(one) for one in (user, password) if one is not None)
    name = data("MQIsdp" if version == V31 else "MQTT")
    return packet(CONNECT, 0, name + bytes([version, flags]) + struct.pack(">H", keep_alive) + properties(version, more) + payload)


def publish(version, topic, payload, qos=0, id=None, dup=False, retain=False, **more):
    payload = payload.encode() if isinstance(payload, str) else payload
    body = data(topic) + (struct.pack(">H", id) if id is not None else b"") + properties(version, more) + payload
    return packet(PUBLISH, dup << 3 | qos << 1 | retain, body)


def identified(kind, id, reason=None, flags=None):
    """PUBREL and its kind, in the short form unless a reason is named (3.6.2.1)."""
    flags = (2 if kind == PUBREL else 0) if flags is None else flags
    return packet(kind, flags, struct.pack(">H", id) + (b"" if reason is None else bytes([reason])))


def pubrel(id, reason=None):
    return identified(PUBREL, id, reason)


def subscribe(version, id, *filters):
    return packet(SUBSCRIBE, 2, struct.pack(">H", id) + properties(version, {}) + b"".join(data(one) + b"\1" for one in filters))


def unsubscribe(version, id, *filters):
    return packet(UNSUBSCRIBE, 2, struct.pack(">H", id) + properties(version, {}) + b"".join(map(data, filters)))


def disconnect(version, reason=None, **more):
    if version < V5 or reason is None and not more:
        return packet(DISCONNECT, 0)
    return packet(DISCONNECT, 0, bytes([reason or 0]) + (properties(version, more) if more else b""))


PING = packet(PINGREQ, 0)


# ---- reading ----

class Body:
    """What stands behind a packet's header, taken from its front."""

    def __init__(self, body):
        self.body = body

    def take(self, count):
        assert len(self.body) >= count, "a packet ends within a field"
        taken, self.body = self.body[:count], self.body[count:]
        return taken

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def varint(self):
        number, shift = 0, 0
        while True:
            digit = self.number("B")
            number |= (digit & 127) << shift
            if digit < 128:
                assert digit or not shift, "a length with more bytes than it needs"
                return number
            shift += 7
            assert shift < 28, "a length of five bytes"

    def properties(self, kind):
        inner, found = Body(self.take(self.varint())), {}
        while inner.body:
            name, form = NAMES[inner.varint()]
            assert name in SERVER_PROPERTIES[kind], f"{name} has no place in packet type {kind}"
            if form == "pair":
                pair = tuple(inner.take(inner.number(">H")) for _ in range(2))
                found.setdefault(name, []).append(pair)
                continue
            assert name not in found, f"{name} twice"
            found[name] = inner.take(inner.number(">H")).decode() if form == "text" else inner.number(FIXED[form])
        return found


def parse(version, kind, flags, raw):
    """A packet that a server sends."""
    assert flags == 0, f"flags {flags} in a packet of type {kind}"
    body = Body(raw)
    if kind == CONNACK:
        present, reason = body.number("B"), body.number("B")
        assert present in (0, 1) and not (present and reason), (present, reason)
        # a version that the server does not know is refused in the form of 3.1.1 (3.1.2.2)
        found = body.properties(kind) if version == V5 and body.body else {}
        done = Packet(kind, None, reason, found, bool(present))
    elif kind in (PUBACK, PUBREC, PUBCOMP):
        id, reason, found = body.number(">H"), 0, {}
        if version == V5 and body.body:
            reason = body.number("B")
            found = body.properties(kind) if body.body else {}
        done = Packet(kind, id, reason, found)
    elif kind in (SUBACK, UNSUBACK):
        id = body.number(">H")
        found = body.properties(kind) if version == V5 else {}
        codes = tuple(body.take(len(body.body))) if kind == SUBACK or version == V5 else ()
        done = Packet(kind, id, 0, found, False, codes)
    elif kind == DISCONNECT:
        assert version == V5, "a DISCONNECT from the server, which came with MQTT 5"
        reason = body.number("B") if body.body else 0
        done = Packet(kind, None, reason, body.properties(kind) if body.body else {})
    else:
        assert kind == PINGRESP, f"a server does not send packet type {kind}"
        done = Packet(kind)
    assert not body.body, f"{len(body.body)} bytes behind packet type {kind}"
    assert done.id != 0, "packet identifier 0"
    return done


class Refused(AssertionError):
    """A CONNACK that says no; reason as it stands there."""

    def __init__(self, reason):
        super().__init__(f"CONNACK says {reason:#x}")
        self.reason = reason


class Client:
    """One connection. Nothing is sent or read but what a test says."""

    def __init__(self, port, version=V5, seconds=60, buffer=None, context=None):
        self.version = version
        self.socket = socket.socket()
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(seconds)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:  # of TLS
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.buffer = bytearray()
        self.id = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    # ---- out ----

    def send(self, *pieces):
        """As much as the other side takes: it may close in between."""
        try:
            self.socket.sendall(b"".join(pieces))
        except (BrokenPipeError, ConnectionResetError):
            pass
        return self

    def next_id(self):
        self.id = self.id % 65535 + 1
        return self.id

    def connect(self, client_id="", **more):
        """CONNECT and its CONNACK, which must say yes."""
        answer = self.send(connect(self.version, client_id, **more)).next()
        assert answer is not None, "the connection ended instead of a CONNACK"
        assert answer.type == CONNACK, answer
        if answer.reason:
            raise Refused(answer.reason)
        return answer

    def publish(self, topic, payload, qos=1, id=None, **more):
        """Sends only; the packet id."""
        id = (id or self.next_id()) if qos else None
        self.send(publish(self.version, topic, payload, qos, id, **more))
        return id

    def store(self, topic, payload, qos=1, **more):
        """PUBLISH and all that follows; the reason of the acknowledgement."""
        id = self.publish(topic, payload, qos, **more)
        if qos == 0:
            return 0
        reason = self.expect(PUBACK if qos == 1 else PUBREC, id).reason
        if qos == 2 and reason < 0x80:
            assert self.send(pubrel(id)).expect(PUBCOMP, id).reason == 0
        return reason

    def ping(self):
        self.send(PING).expect(PINGRESP)

    def disconnect(self, reason=None, **more):
        """Ends in good order: the server closes at once."""
        self.send(disconnect(self.version, reason, **more))
        assert self.end() == []
        self.socket.close()

    def shut(self):
        """No more is sent; reading goes on."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Ends with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def vanish(self):
        """Goes without a word, as a machine does that loses its power. Its port stays with the socket, which must be closed
        by nobody else: the kernel answers nothing for it either. Needs root."""
        self.socket.setsockopt(socket.IPPROTO_TCP, 19, 1)  # TCP_REPAIR
        self.socket.close()

    # ---- in ----

    def more(self):
        try:
            got = self.socket.recv(1 << 18)
        except ConnectionResetError:
            return False
        self.buffer += got
        return bool(got)

    def _whole(self):
        """Header size and body length of the first packet in the buffer, when all of it is there."""
        length = 0
        for index in range(1, min(5, len(self.buffer))):
            length |= (self.buffer[index] & 127) << 7 * (index - 1)
            if self.buffer[index] < 128:
                assert self.buffer[index] or index == 1, "a length with more bytes than it needs"
                return (index + 1, length) if len(self.buffer) >= index + 1 + length else None
        assert len(self.buffer) < 5, "a length of five bytes"
        return None

    def next(self):
        """The next packet; None when the connection has ended instead."""
        while not (whole := self._whole()):
            if not self.more():
                assert not self.buffer, f"ended within a packet: {bytes(self.buffer)}"
                return None
        size, length = whole
        first, body = self.buffer[0], bytes(self.buffer[size:size + length])
        del self.buffer[:size + length]
        return parse(self.version, first >> 4, first & 15, body)

    def expect(self, kind, id=None):
        got = self.next()
        assert got is not None, f"the connection ended instead of packet type {kind}"
        assert (got.type, got.id) == (kind, id), got
        return got

    def silent(self, seconds):
        """Whether nothing comes for so long."""
        return not self.buffer and not select.select([self.socket], [], [], seconds)[0]

    def end(self):
        """All packets until the connection ends."""
        packets = []
        while (got := self.next()) is not None:
            packets.append(got)
        return packets

    def thrown_out(self, *reasons):
        """The connection must end: in MQTT 5 with a DISCONNECT of one of these reasons, before without a word. The reason."""
        last = self.end()
        if self.version < V5:
            assert last == [], last
            return None
        assert len(last) == 1 and last[0].type == DISCONNECT, last
        assert last[0].reason in reasons, f"{last[0].reason:#x}, not {[hex(reason) for reason in reasons]}"
        return last[0].reason


# ---- what arrived ----

def connected(gateway, version=V5, client_id="", seconds=60, **more):
    """A client whose CONNECT was accepted."""
    client = Client(gateway.ports["mqtt"], version, seconds)
    try:
        client.connect(client_id, **more)
    except BaseException:
        client.socket.close()
        raise
    return client


def rows(gateway, count, folder=None, seconds=60):
    """The lake's rows, once there are so many of them."""
    def there():
        found = lake_rows(gateway.lake, folder)
        assert len(found) <= count, f"{len(found)} rows instead of {count}: {found[-3:]}"
        return found if len(found) == count else None
    if count == 0:
        return lake_rows(gateway.lake, folder)
    return wait_until(f"{count} rows in the lake", there, seconds)


def letters(gateway, count, seconds=60):
    """The dead letters in the order of their ids, once there are so many of them. One that is there again after a kill counts once."""
    def there():
        found = {}
        for file in sorted((gateway.data / "dead-letters").glob("*.jsonl")):
            for line in file.read_bytes().split(b"\n")[:-1]:
                letter = json.loads(line)
                found[int(letter["id"].rsplit("/", 1)[1])] = letter
        assert len(found) <= count, found
        return [found[key] for key in sorted(found)] if len(found) == count else None
    if count == 0:
        return there()
    return wait_until(f"{count} dead letters", there, seconds)
