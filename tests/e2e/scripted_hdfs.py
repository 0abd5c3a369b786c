"""A server that speaks as much WebHDFS as a lake needs, and lets a test say what goes wrong.

`trouble(request)` is asked before each request and may answer it instead (a tuple: status, exception's name), or CUT (nothing is done, the connection ends),
CUT_BEHIND (it is done, but never answered). Everything else is as HDFS does it: names are looked up, a rename replaces nothing.
"""

import collections
import http.server
import json
import threading
import urllib.parse

CUT, CUT_BEHIND, HALF = object(), object(), object()  # HALF: of a body, half is kept, as if its sender had ended there
PAGE = 2

Request = collections.namedtuple("Request", "op path query headers")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, exception, message="as the test wants it"):
        self.answer(status, json.dumps({"RemoteException": {"exception": exception, "message": message}}).encode())

    def handle_any(self):
        parts = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        request = Request(query["op"], urllib.parse.unquote(parts.path)[len("/webhdfs/v1"):], query, self.headers)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server = self.server.owner
        server.requests.append(request)
        trouble = server.trouble(request)
        if trouble is CUT:
            self.close_connection = True
            return
        if isinstance(trouble, tuple):
            self.refuse(*trouble)
            return
        if callable(trouble):
            trouble(self)
            return
        with server.lock:
            answer = server.act(request, body[:len(body) // 2] if trouble is HALF else body)
        if trouble is CUT_BEHIND:
            self.close_connection = True
            return
        answer(self)

    do_GET = do_PUT = do_DELETE = handle_any


class ScriptedHdfs:
    """As a context. files: {path: bytes}; `data` is what redirects go to: its own address, as HttpFS does it. after: the parameter behind which a page begins."""

    def __init__(self, trouble=lambda request: None, pages=True, after="startafter"):
        self.trouble, self.pages, self.after = trouble, pages, after
        self.files, self.folders, self.requests = {}, set(), []
        self.lock = threading.Lock()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.owner = self
        self.port = self.server.server_address[1]
        self.data = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def url(self, root="/lake"):
        return f"webhdfs://127.0.0.1:{self.port}{root}"

    def count(self, op):
        return sum(request.op == op for request in self.requests)

    def published(self):
        """{path: bytes} of what readers see."""
        with self.lock:
            return {path: data for path, data in self.files.items() if "/.penstock/" not in path}

    def copy(self, folder, root="/lake"):
        """The same as files of this machine."""
        for path, data in self.published().items():
            target = folder / path[len(root) + 1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return folder

    def rows(self):
        return sorted(row for data in self.published().values() for row in data.splitlines())

    # ---- operations; each returns what the handler says ----

    def act(self, request, body):
        return getattr(self, request.op.lower())(request, body)

    def _parents(self, path):
        while path:
            self.folders.add(path)
            path = path.rpartition("/")[0]

    def mkdirs(self, request, _):
        self._parents(request.path)
        return lambda handler: handler.answer(200, b'{"boolean":true}')

    def create(self, request, body):
        if "data" not in request.query:
            target = f"{self.data}/webhdfs/v1{urllib.parse.quote(request.path)}?{urllib.parse.urlencode({**request.query, 'data': 'true'})}"
            return lambda handler: handler.answer(307, Location=target)
        self._parents(request.path.rpartition("/")[0])
        self.files[request.path] = body
        return lambda handler: handler.answer(201)

    def delete(self, request, _):
        gone = [path for path in self.files if (path + "/").startswith(request.path + "/")]
        for path in gone:
            del self.files[path]
        self.folders = {path for path in self.folders if not (path + "/").startswith(request.path + "/")}
        return lambda handler: handler.answer(200, b'{"boolean":true}')

    def getfilestatus(self, request, _):
        if request.path not in self.files:
            return lambda handler: handler.refuse(404, "FileNotFoundException")
        status = {"FileStatus": {"type": "FILE", "length": len(self.files[request.path]), "pathSuffix": ""}}
        return lambda handler: handler.answer(200, json.dumps(status).encode())

    def rename(self, request, _):
        target = request.query["destination"]
        if target in self.files:
            return lambda handler: handler.refuse(403, "FileAlreadyExistsException")
        if request.path not in self.files or target.rpartition("/")[0] not in self.folders:
            return lambda handler: handler.refuse(404, "FileNotFoundException")
        self.files[target] = self.files.pop(request.path)
        return lambda handler: handler.answer(200)

    def _entries(self, path):
        below = lambda paths: [one.rpartition("/")[2] for one in paths if one.rpartition("/")[0] == path]  # noqa: E731
        return sorted([{"pathSuffix": name, "type": "FILE", "length": 0} for name in below(self.files)] +
                      [{"pathSuffix": name, "type": "DIRECTORY", "length": 0} for name in below(self.folders)], key=lambda entry: entry["pathSuffix"])

    def liststatus(self, request, _):
        if request.path not in self.folders:
            return lambda handler: handler.refuse(404, "FileNotFoundException")
        entries = self._entries(request.path)
        return lambda handler: handler.answer(200, json.dumps({"FileStatuses": {"FileStatus": entries}}).encode())

    def liststatus_batch(self, request, _):
        if not self.pages:
            return lambda handler: handler.refuse(400, "IllegalArgumentException")
        if request.path not in self.folders:
            return lambda handler: handler.refuse(404, "FileNotFoundException")
        left = [entry for entry in self._entries(request.path) if entry["pathSuffix"] > request.query.get(self.after, "")]
        listing = {"DirectoryListing": {"partialListing": {"FileStatuses": {"FileStatus": left[:PAGE]}}, "remainingEntries": len(left[PAGE:])}}
        return lambda handler: handler.answer(200, json.dumps(listing).encode())
