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


def in_order(record):
    """(to the target, type, flags, body) of each whole packet of a connection, both ways, in the order in which they came."""
    rest = {True: b"", False: b""}
    for upwards, data in record:
        rest[upwards] += data
        whole = list(packets(rest[upwards]))
        rest[upwards] = rest[upwards][sum(len(mqtt.packet(*one)) for one in whole):]
        for one in whole:
            yield upwards, *one


class Proxy:
    """Forwards to target() (a port). cut(bytes...) makes connections end: when a client has sent so many bytes more, nothing that the other
    side says comes through any more, although what the client sends still goes there; and LATE bytes later both get a reset. So
    acknowledgements are lost of what was stored. Everything is written down, also what did not come through. in_turn: a connection is made when
    the client has ended the one before and all of that is on its way, as it would be without a proxy."""

    LATE = 4096
    PATIENCE = 10  # seconds

    def __init__(self, target, in_turn=False):
        self.target = target
        self.in_turn = in_turn
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.cuts = []  # bytes from now, or from the cut before
        self.made = 0  # cuts that came true
        self.connections = 0
        self.recorded = []  # per connection a list of (to the target, bytes)
        self.lock = threading.Lock()
        self.last = None  # the thread of the newest connection
        self.ending = False
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.in_turn and self.last:
            self.last.join(self.PATIENCE)
        self.ending = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)

    def cut(self, *distances):
        self.cuts = list(distances)

    def _accept(self):
        before = None
        while not self.ending:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            ended = threading.Event()
            self.last = threading.Thread(target=self._forward, args=(client, before if self.in_turn else None, ended), daemon=True)
            self.last.start()
            before = ended

    def _forward(self, client, before, ended):
        with client, contextlib.ExitStack() as stack:
            stack.callback(ended.set)
            if before:
                before.wait(self.PATIENCE)
            try:
                server = socket.create_connection(("127.0.0.1", self.target()), self.PATIENCE)
            except OSError:
                return  # the gateway is down: so is the way to it
            record = []
            self.recorded.append(record)
            with server:
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with contextlib.suppress(OSError):
                    self._pump(client, server, record, ended)

    def _pump(self, client, server, record, ended):
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
                    if source is client:
                        ended.set()
                    continue
                record.append((source is client, data))
                if source is server and late is not None:
                    continue
                left[source].sendall(data)
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
