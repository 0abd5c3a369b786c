"""HTTP by hand: bytes out, parsed answers in, for requests that no client library would send."""

import collections
import json
import socket
import struct

LINE = b"POST /unorganized HTTP/1.1"
BODY = b'{"a":1}'
LENGTH = b"Content-Length: 7"
CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = b'7\r\n{"a":1}\r\n0\r\n\r\n'

Reply = collections.namedtuple("Reply", "status headers body")


def message(*fields, body=BODY, line=LINE, host=True, end=b"\r\n"):
    """A request of these header lines."""
    return end.join([line, *([b"Host: x"] if host else []), *fields]) + end * 2 + body


def plain(body=BODY, line=LINE, *fields):
    return message(b"Content-Length: %d" % len(body), *fields, body=body, line=line)


class Wire:
    """One connection."""

    def __init__(self, port, seconds=60):
        self.socket = socket.create_connection(("127.0.0.1", port), seconds)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *pieces):
        """Sends as much as the other side takes: it may close in between."""
        try:
            for piece in pieces:
                self.socket.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return self

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            return False
        self.buffer += data
        return bool(data)

    def line(self):
        """The next line without its end; None at the end of the connection."""
        while b"\r\n" not in self.buffer:
            if not self._more():
                return None
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def reply(self):
        """The next answer; None when the connection has ended instead."""
        status = self.line()
        if status is None:
            return None
        assert status.startswith(b"HTTP/1.1 "), status
        headers = {}
        while line := self.line():
            name, value = line.decode().split(":", 1)
            assert name.lower() not in headers, f"{name} twice"
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", 0))
        while len(self.buffer) < length:
            assert self._more(), "ended within an answer"
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return Reply(int(status.split()[1]), headers, body)

    def replies(self, count):
        return [self.reply() for _ in range(count)]

    def rest(self):
        """The statuses of all answers until the connection ends."""
        statuses = []
        while reply := self.reply():
            statuses.append(reply.status)
        return statuses

    def everything(self):
        """All bytes until the connection ends."""
        while self._more():
            pass
        return self.buffer

    def ask(self, *pieces):
        return self.send(*pieces).reply()

    def reset(self):
        """Ends with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def problem(reply, status):
    """The answer must be a problem (RFC 9457) of that status; its detail."""
    assert reply.status == status, reply
    assert reply.headers["content-type"] == "application/problem+json"
    document = json.loads(reply.body)
    assert (document["type"], document["status"]) == ("about:blank", status)
    assert document["title"] and document["detail"]
    return document["detail"]
