"""A way to a server on a port of its own, which ends connections after some bytes of the answers, lets them fall silent, or drops packets for a while."""

import contextlib
import ctypes
import select
import socket
import struct
import threading


def swallow(*sockets):
    """From now on no packet reaches them, as if the network ended there: the kernel answers nothing for them, either."""
    drop = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0), 8)  # BPF: return 0 bytes of each
    for one in sockets:
        one.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HL", 1, ctypes.addressof(drop)))  # SO_ATTACH_FILTER


def take(*sockets):
    """The end of swallow(): what the other side sends again is taken."""
    for one in sockets:
        with contextlib.suppress(OSError):  # it was closed, or nothing was swallowed
            one.setsockopt(socket.SOL_SOCKET, 27, 0)  # SO_DETACH_FILTER


class Proxy:
    """Forwards to a port. cut(how, bytes...): of the connections that are made from then on, in turn, one ends (or falls silent) when so many bytes
    have come from the server: "reset", "closed" in an orderly way, "silent", when it stays open and nothing passes any more, neither way, or "swallowed",
    when in addition no packet is answered any more. lose(): packets of all connections are lost, until find()."""

    def __init__(self, target, own=("127.0.0.1", 0)):
        self.target = target
        self.listener = socket.create_server(own, backlog=64)
        self.port = self.listener.getsockname()[1]
        self.how, self.cuts = "reset", []
        self.made = 0  # cuts that came true
        self.silent = 0  # connections that have fallen silent
        self.lost = ()  # ways on which packets are lost
        self.open = set()  # (client, server)
        self.lock = threading.Lock()
        self.ending = threading.Event()
        self.released = threading.Event()
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.find()
        self.ending.set()
        self.released.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)

    def cut(self, how, *distances):
        with self.lock:
            self.how, self.cuts = how, list(distances)

    def release(self):
        """Silent connections end."""
        self.released.set()
        self.released = threading.Event()

    def lose(self, *ways):
        """From now on no packet gets through to the server ("up"), or back ("down"), and nobody is told: also of connections that are being made. What
        one side sends again after find() comes late."""
        with self.lock:
            self.lost = ways
            if "up" in ways:
                swallow(self.listener)
            for pair in self.open:
                self._lose_of(*pair)

    def find(self):
        with self.lock:
            self.lost = ()
            take(self.listener, *(one for pair in self.open for one in pair))

    def _lose_of(self, client, server):
        with contextlib.suppress(OSError):  # it is being closed
            swallow(*[client] * ("up" in self.lost), *[server] * ("down" in self.lost))

    @contextlib.contextmanager
    def _listed(self, *pair):
        with self.lock:
            self.open.add(pair)
            self._lose_of(*pair)
        try:
            yield
        finally:
            with self.lock:
                self.open.discard(pair)

    def _accept(self):
        while not self.ending.is_set():
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                how, left = self.how, self.cuts.pop(0) if self.cuts else None
            threading.Thread(target=self._forward, args=(client, how, left, self.released), daemon=True).start()

    def _forward(self, client, how, left, released):
        with client:
            try:
                server = socket.create_connection(("127.0.0.1", self.target), 10)
            except OSError:
                return
            with server, self._listed(client, server), contextlib.suppress(OSError):
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._pump(client, server, how, left, released)

    def _pump(self, client, server, how, left, released):
        to = {client: server, server: client}
        while not self.ending.is_set():
            for source in select.select(list(to), [], [], 0.2)[0]:
                data = source.recv(1 << 16)
                if source is server and left is not None and len(data) >= left:
                    client.sendall(data[:left])
                    return self._cut(client, server, how, released)
                if not data:
                    return None
                to[source].sendall(data)
                if source is server and left is not None:
                    left -= len(data)
        return None

    def _cut(self, client, server, how, released):
        with self.lock:
            self.made += 1
            self.silent += how in ("silent", "swallowed")
        if how == "swallowed":
            swallow(client, server)
        if how in ("silent", "swallowed"):
            released.wait()
        elif how == "reset":
            for one in (client, server):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.close()
