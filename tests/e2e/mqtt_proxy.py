"""A way to the gateway on a port that stays, which cuts connections at the worst moment and can write down what passes."""

import contextlib
import select
import socket
import struct
import threading

import mqtt


def packets(data):
    """(type, flags, body) of each whole packet in bytes."""
    while data:
        body = mqtt.Body(data[1:])
        try:
            raw = body.take(body.varint())
        except (AssertionError, struct.error):
            return  # the connection was cut within it
        yield data[0] >> 4, data[0] & 15, raw
        data = body.body


class Proxy:
    """Forwards to target() (a port). cut(bytes...) makes connections end: when a client has sent so many bytes more, nothing that the other
    side says comes through any more, although what the client sends still goes there; and LATE bytes later both get a reset. So
    acknowledgements are lost of what was stored."""

    LATE = 4096

    def __init__(self, target):
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.cuts = []  # bytes from now, or from the cut before
        self.made = 0  # cuts that came true
        self.connections = 0
        self.recorded = []  # per connection a list of (to the gateway, bytes)
        self.lock = threading.Lock()
        self.ending = False
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ending = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)

    def cut(self, *distances):
        self.cuts = list(distances)

    def copies(self):
        """How many messages a client made of its packets: at QoS 0 and 1 each PUBLISH; at QoS 2 those whose packet id was not in use, which it is
        from the PUBLISH to the PUBREL, over all connections (4.3.3). Of one client; not all of what it sent before a cut may have come through."""
        count, used = 0, set()
        for record in self.recorded:
            for kind, flags, raw in packets(b"".join(data for upwards, data in record if upwards)):
                if kind == mqtt.PUBREL:
                    used.discard(raw[:2])
                elif kind == mqtt.PUBLISH:
                    id = raw[2 + int.from_bytes(raw[:2], "big"):][:2]
                    count += flags & 6 != 4 or id not in used
                    if flags & 6 == 4:
                        used.add(id)
        return count

    def _accept(self):
        while not self.ending:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client):
        with client:
            try:
                server = socket.create_connection(("127.0.0.1", self.target()), 10)
            except (OSError, KeyError):
                return  # the gateway is down: so is the way to it
            record = []
            self.recorded.append(record)
            with server:
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with contextlib.suppress(OSError):
                    self._pump(client, server, record)

    def _pump(self, client, server, record):
        left = {client: server, server: client}  # who still speaks, and to whom
        late = None  # bytes until the reset, once the answers are cut
        while left and not self.ending:
            for source in select.select(list(left), [], [], 0.2)[0]:
                data = source.recv(1 << 16)
                if not data:
                    if late is not None:
                        return self._reset(client, server)
                    with contextlib.suppress(OSError):
                        left[source].shutdown(socket.SHUT_WR)
                    del left[source]
                    continue
                if source is server and late is not None:
                    continue
                left[source].sendall(data)
                record.append((source is client, data))
                if source is client and late is not None:
                    late -= len(data)
                elif source is client and self._due(len(data)):
                    late = self.LATE
            if late is not None and (late <= 0 or not select.select([client], [], [], 0.05)[0]):
                return self._reset(client, server)
        return None

    def _due(self, count):
        with self.lock:
            if not self.cuts:
                return False
            self.cuts[0] -= count
            if self.cuts[0] > 0:
                return False
            self.cuts.pop(0)
            self.made += 1
            return True

    @staticmethod
    def _reset(*sockets):
        for one in sockets:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()
