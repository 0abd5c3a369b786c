"""A way to an S3 server on which a test can answer in its place, cut the connection behind what it has done, or end the gateway at a phase."""

import collections
import http.client
import http.server
import threading
import urllib.parse

CUT = "cut"  # instead of an answer
Reply = collections.namedtuple("Reply", "status headers body")


def error(status, code, message="scripted", more="", headers=()):
    """An answer as S3 complains."""
    return Reply(status, list(headers), f"<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>".encode())


def phase_of(method, path):
    """What a request is for."""
    parts = urllib.parse.urlsplit(path)
    query = urllib.parse.parse_qs(parts.query, keep_blank_values=True)
    if parts.path.endswith("/owner"):
        return {"PUT": "owner", "GET": "check"}[method]
    if "uploadId" in query:
        return {"PUT": "part", "POST": "complete", "DELETE": "abort"}[method]
    if "uploads" in query:
        return {"POST": "create", "GET": "uploads"}[method]
    return "list" if "list-type" in query else "other"


class Proxy:
    """before(phase, handler) and after(phase, handler, reply) return None, CUT or a Reply; they run in the threads of the connections."""

    def __init__(self, target):
        self.target = target  # port
        self.before = self.after = lambda *_: None
        self.seen = []  # phases, in the order in which they came
        self.lock = threading.Lock()
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def serve(self):
                proxy.serve(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = serve

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def serve(self, handler):
        try:
            body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
            phase = phase_of(handler.command, handler.path)
            with self.lock:
                self.seen.append(phase)
            reply = self.before(phase, handler)
            if reply is None:
                reply = self.forward(handler, body)
                reply = self.after(phase, handler, reply) or reply
            if reply == CUT:
                handler.close_connection = True
                return
            self.answer(handler, reply)
        except (OSError, http.client.HTTPException):
            handler.close_connection = True

    def forward(self, handler, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.target, timeout=60)
        try:
            connection.putrequest(handler.command, handler.path, skip_host=True, skip_accept_encoding=True)
            for name, value in handler.headers.items():
                if name.lower() != "expect":
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            headers = [pair for pair in answer.getheaders() if pair[0].lower() not in ("content-length", "transfer-encoding", "connection")]
            return Reply(answer.status, headers, answer.read())
        finally:
            connection.close()

    def answer(self, handler, reply):
        handler.send_response_only(reply.status)
        for name, value in reply.headers:
            handler.send_header(name, value)
        if reply.status != 204:
            handler.send_header("Content-Length", str(len(reply.body)))
        handler.end_headers()
        handler.wfile.write(reply.body)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def first(count, phases, reply):
    """A before() or after() that interferes with so many requests of these phases; `left` says how many are to come."""
    lock = threading.Lock()

    def hook(phase, *_):
        with lock:
            if phase in phases and hook.left > 0:
                hook.left -= 1
                return reply
        return None

    hook.left = count
    return hook
