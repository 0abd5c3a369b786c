"""A broker that does what a test says and nothing else, for the subscriber: what no real broker would do, and when exactly a PUBACK comes.

Section numbers are those of MQTT 5.0.
"""

import collections
import select
import socket
import struct
import threading

import mqtt
from mqtt import CONNACK, CONNECT, DISCONNECT, PINGREQ, PINGRESP, PUBACK, PUBLISH, SUBACK, SUBSCRIBE, V5, V311

Connect = collections.namedtuple("Connect", "version clean keep_alive client_id user password properties")
PINGED = mqtt.packet(PINGRESP, 0)


def connack(version, code=0, present=False, **more):
    return mqtt.packet(CONNACK, 0, bytes([present, code]) + mqtt.properties(version, more))


def suback(version, id, *codes, **more):
    return mqtt.packet(SUBACK, 0, struct.pack(">H", id) + mqtt.properties(version, more) + bytes(codes))


def disconnect(version, reason):
    assert version == V5
    return mqtt.packet(DISCONNECT, 0, bytes([reason]))


def properties_of(version, body):
    """{name: value} of what a client may say; a user property is not looked for."""
    if version < V5:
        return {}
    inner, found = mqtt.Body(body.take(body.varint())), {}
    while inner.body:
        name, form = mqtt.NAMES[inner.varint()]
        found[name] = inner.take(inner.number(">H")) if form == "text" else inner.number(mqtt.FIXED[form])
    return found


class Peer:
    """One connection of a gateway. Its packets are (type, flags, body)."""

    def __init__(self, sock, seconds=60):
        self.socket = sock
        self.socket.settimeout(seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.connect = None
        self.subscribed = None  # what the last SUBSCRIBE asked for: [(filter, options)]

    @property
    def version(self):
        return self.connect.version

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def close(self):
        self.socket.close()

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # ---- out ----

    def send(self, *pieces):
        self.socket.sendall(b"".join(pieces))
        return self

    def try_to_send(self, *pieces):
        """False: the gateway has hung up, or takes no more for a while."""
        try:
            self.socket.sendall(b"".join(pieces))
        except OSError:
            return False
        return True

    def publish(self, topic, payload, id=1, qos=1, **more):
        return self.send(mqtt.publish(self.version, topic, payload, qos, id if qos else None, **more))

    # ---- in ----

    def next(self):
        """None: the connection has ended."""
        while True:
            if len(self.buffer) >= 2:
                body = mqtt.Body(bytes(self.buffer[1:]))
                try:
                    raw = body.take(body.varint())
                except (AssertionError, struct.error):
                    raw = None  # not whole
                if raw is not None:
                    first = self.buffer[0]
                    del self.buffer[:len(self.buffer) - len(body.body)]
                    return first >> 4, first & 15, raw
            try:
                got = self.socket.recv(1 << 18)
            except ConnectionResetError:
                got = b""
            if not got:
                assert not self.buffer, f"ended within a packet: {bytes(self.buffer)}"
                return None
            self.buffer += got

    def expect(self, kind):
        """The body of the next packet, which must be of this type; pings are answered meanwhile."""
        while True:
            got = self.next()
            assert got is not None, f"the connection ended instead of packet type {kind}"
            if got[0] != PINGREQ or kind == PINGREQ:
                break
            self.send(PINGED)
        assert got[0] == kind, got
        return got[2]

    def silent(self, seconds):
        """Whether nothing comes for so long."""
        return not self.buffer and not select.select([self.socket], [], [], seconds)[0]

    def ends(self):
        """All packets until the gateway hangs up."""
        packets = []
        while (got := self.next()) is not None:
            packets.append(got)
        return packets

    def pubacks(self, count):
        """The ids of so many PUBACKs, in their order."""
        ids = []
        while len(ids) < count:
            body = self.expect(PUBACK)
            assert len(body) == 2 or body[2] == 0, body
            ids.append(int.from_bytes(body[:2], "big"))
        return ids

    # ---- the beginning ----

    def take_connect(self):
        body = mqtt.Body(self.expect(CONNECT))
        assert body.take(body.number(">H")) == b"MQTT"
        version, flags, keep_alive = body.number("B"), body.number("B"), body.number(">H")
        assert not flags & 0x3d, f"CONNECT flags {flags:#x}: a will, or a reserved bit"
        found = properties_of(version, body)
        client_id = body.take(body.number(">H")).decode()
        user = body.take(body.number(">H")).decode() if flags & 0x80 else None
        password = body.take(body.number(">H")).decode() if flags & 0x40 else None
        assert not body.body
        self.connect = Connect(version, bool(flags & 2), keep_alive, client_id, user, password, found)
        return self

    def take_subscribe(self):
        """The packet id."""
        body = mqtt.Body(self.expect(SUBSCRIBE))
        id = body.number(">H")
        properties_of(self.version, body)
        self.subscribed = []
        while body.body:
            self.subscribed.append((body.take(body.number(">H")).decode(), body.number("B")))
        return id

    def welcome(self, present=False, subscribe=True, **more):
        """CONNECT, CONNACK, and what follows it."""
        self.take_connect().send(connack(self.version, 0, present, **more))
        if subscribe:
            self.send(suback(self.version, self.take_subscribe(), *[1] * len(self.subscribed)))
        return self


class ScriptedBroker:
    """Listens; accept() gives the next connection."""

    def __init__(self, seconds=60, buffer=None):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        if buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.listener.settimeout(seconds)
        self.port = self.listener.getsockname()[1]
        self.peers = []

    @property
    def url(self):
        return f"mqtt://127.0.0.1:{self.port}"

    def accept(self):
        sock, _ = self.listener.accept()
        self.peers.append(Peer(sock))
        return self.peers[-1]

    def nobody(self, seconds):
        """Whether nobody comes for so long."""
        return not select.select([self.listener], [], [], seconds)[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        for peer in self.peers:
            peer.close()


class Flood(threading.Thread):
    """Sends as fast as the gateway takes it, and reads nothing, until it has hung up or all is sent."""

    def __init__(self, peer, pieces):
        super().__init__(daemon=True)
        self.peer, self.pieces = peer, pieces
        self.sent = 0

    def run(self):
        for piece in self.pieces:
            if not self.peer.try_to_send(piece):
                return
            self.sent += len(piece)


__all__ = ["Connect", "Flood", "Peer", "ScriptedBroker", "V311", "V5", "PUBLISH", "connack", "disconnect", "suback"]
