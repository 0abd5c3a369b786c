"""A server, or something before it, that answers with other rows and columns than were asked for: told in words, whichever answer it is."""

import contextlib
import socket
import struct
import threading

import pytest
from importing import Import

WHATS = {"asking about the session", "looking for tables", "looking for columns", "taking the snapshot"}
ANSWERS_MOST = 60  # that an import of one small table asks for before its first row; far fewer


class Changing:
    """Forwards to a port, and changes the nth answer with columns of each connection: "empty", it has no rows; "narrow", it has only its first column; "double",
    it has every row twice."""

    def __init__(self, target, how, number):
        self.target, self.how, self.number = target, how, number
        self.changed = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
                threading.Thread(target=self._copy, args=(client, server), daemon=True).start()
                threading.Thread(target=self._change, args=(server, client), daemon=True).start()

    @staticmethod
    def _copy(source, to):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                to.sendall(data)
        with contextlib.suppress(OSError):
            to.shutdown(socket.SHUT_WR)

    def _change(self, source, to):
        """PostgreSQL's manual, "Message Formats": a letter, the length with itself, and what is said."""
        seen = 0
        with contextlib.suppress(OSError), source, to, source.makefile("rb") as messages:
            while len(head := messages.read(5)) == 5:
                kind, length = head[:1], struct.unpack("!I", head[1:])[0]
                body = messages.read(length - 4)
                seen += kind == b"T"
                if seen == self.number and kind in b"TD":
                    body = self._changed(kind, body)
                if body is not None:
                    to.sendall(kind + struct.pack("!I", len(body) + 4) + body)
                if seen == self.number and kind == b"D" and self.how == "double":
                    to.sendall(kind + struct.pack("!I", len(body) + 4) + body)

    def _changed(self, kind, body):
        self.changed = True
        if self.how == "double":
            return body
        if self.how == "empty":
            return None if kind == b"D" else body
        if kind == b"T":
            return struct.pack("!H", 1) + body[2: body.index(b"\0", 2) + 19]
        length, = struct.unpack("!i", body[2:6])
        return struct.pack("!H", 1) + body[2: 6 + max(length, 0)]


@pytest.mark.parametrize("how", ("empty", "narrow", "double"))
def test_answers_of_another_shape(database, tmp_path, how):
    """Nothing is made of them, but what an answer without rows says of itself: that there is no such table."""
    database.run("CREATE TYPE pair AS (a int, b text); CREATE TABLE t (id int PRIMARY KEY, p pair, v numeric(10,2)) PARTITION BY RANGE (id);"
                 "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (100); INSERT INTO t SELECT i, ROW(i, 'x'::text)::pair, i FROM generate_series(0, 99) i; ANALYZE t")
    number, words = 1, set()
    while number < ANSWERS_MOST:
        with Changing(database.server.port, how, number) as strange:
            address = database.address.replace(f"port={database.server.port}", f"port={strange.port} sslmode=disable")
            one = Import(address, "--target", f"made{number}", "--format", "jsonl", "--split-by", "id", "--connections", "1", "t", cwd=tmp_path)
            assert one.end() in (0, 1), (number, one.process.returncode, one.said)
            if not strange.changed:
                break
        number += 1
        if one.process.returncode == 1:
            last = one.said.splitlines()[-1]
            assert last.startswith("penstock import: "), one.said
            words |= {what for what in WHATS if f": {what}: an answer of " in last}
    assert 5 < number < ANSWERS_MOST
    assert words >= {"asking about the session", "taking the snapshot"} and (how != "narrow" or words == WHATS), words
