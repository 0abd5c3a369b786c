"""The gateway as its users see it: a process, its answers, its pages, its lake. What every test of e2e/ and fault/ stands on."""

import collections
import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("PENSTOCK", str(ROOT / "build" / "penstock"))
HTTP_THREADS = os.environ.get("HTTP_THREADS")  # of every gateway that does not say how many it wants
LISTENING = re.compile(r"^\s*(\w+)\s+(?:https?|mqtts?)://\[?[0-9a-fA-F.:]+?\]?:(\d+)\b", re.MULTILINE)
LAKE_FILE = re.compile(r"^(?P<stream>[^+]+)\+(?P<gateway>[A-Za-z0-9._-]+)\.(?P<epoch>[0-9a-f]{8})"
                       r"\+(?P<first>\d{10,})\+(?P<last>\d{10,})\.(?P<extension>[\w.]+)$")

Answer = collections.namedtuple("Answer", "status headers body")


def wait_until(what, condition, seconds=120.0):
    """The first true value of condition(); fails after `seconds`, saying what it waited for."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for: {what}")
        time.sleep(0.02)


def unless_watched():
    """What a sanitizer or valgrind takes is not the gateway's."""
    if os.environ.get("WATCHED"):
        pytest.skip("memory and time are not measured under a sanitizer")


def memory(server, what="VmRSS"):
    """Bytes, by a row of proc(5)'s status."""
    unless_watched()
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(rf"^{what}:\s+(\d+) kB$", status, re.MULTILINE)[1]) * 1024


def request(port, method, path, body=None, headers=None, seconds=60, context=None):
    """With a context (ssl.SSLContext) over TLS, to localhost by name."""
    if context:
        connection = http.client.HTTPSConnection("localhost", port, timeout=seconds, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def run_command(*arguments, seconds=60, **more):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL, **more)


class Ports(dict):
    """{listener: port}. While the gateway is down, one where nobody listens: whoever has got its last one meanwhile is another."""

    def __missing__(self, name):
        return 1


class Gateway:
    """`penstock run` in a directory of its own, on free ports. One object may be started again and again."""

    def __init__(self, directory, *sets, config=None, environment=None, default_ports=False, context=None):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.sets = list(sets) if default_ports else ["http.listen=127.0.0.1:0", "mqtt.listen=127.0.0.1:0", "admin.listen=127.0.0.1:0", *sets]
        self.config = config
        self.context = context  # of TLS, where http speaks it
        self.environment = environment or {}
        self.process = None
        self.ports = Ports()
        self.starts = 0

    # ---- the process ----

    @property
    def output(self):
        """Standard output and error of the last start."""
        return self.directory / f"output.{self.starts}"

    def said(self):
        return self.output.read_text(encoding="utf-8", errors="replace")

    def command(self):
        command = [BINARY, "run"]
        if self.config is not None:
            (self.directory / "penstock.yaml").write_text(self.config)
            command += ["-c", "penstock.yaml"]
        threads = [f"http.threads={HTTP_THREADS}"] if HTTP_THREADS else []
        for one in [*threads, *self.sets]:
            command += ["--set", one]
        return command

    def spawn(self):
        """Starts the process and does not wait."""
        assert self.process is None
        self.ports = Ports()
        self.starts += 1
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(self.command(), cwd=self.directory, stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=output, env={**os.environ, **self.environment}, start_new_session=True)
        return self

    def start(self, seconds=60):
        self.spawn()
        try:
            wait_until("the banner", self._listening, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said()}") from None
        return self

    def _listening(self):
        if self.process.poll() is not None:
            raise AssertionError(f"ended with {self.process.returncode} instead of starting")
        ports = Ports((name.lower(), int(port)) for name, port in LISTENING.findall(self.said()))
        if "http" not in ports or "admin" not in ports:
            return False
        self.ports = ports
        return True

    def ended(self, seconds=60):
        """Waits for the end; the exit status (-9 for SIGKILL)."""
        code = self.process.wait(seconds)
        self.process = None
        return code

    def stop(self, number=signal.SIGTERM, seconds=60):
        self.process.send_signal(number)
        return self.ended(seconds)

    def stop_cleanly(self, seconds=60):
        code = self.stop(seconds=seconds)
        assert code == 0, f"exit status {code}\n{self.said()}"

    def kill(self):
        self.ports = Ports()
        self.process.kill()
        return self.ended()

    def __enter__(self):
        return self if self.process else self.start()

    def __exit__(self, *_):
        if self.process:
            self.kill()

    # ---- what it answers ----

    def post(self, path, body, content_type="application/json", **headers):
        if isinstance(body, str):
            body = body.encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return request(self.ports["http"], "POST", path, body, {"Content-Type": content_type, **names}, context=self.context)

    def send(self, reading, path="/readings", **headers):
        """Posts one reading (a dict or text) that must be accepted; its bytes."""
        body = reading if isinstance(reading, (str, bytes)) else json.dumps(reading)
        answer = self.post(path, body, **headers)
        assert answer.status == 200, answer
        assert json.loads(answer.body) == {"accepted": 1}
        return body if isinstance(body, bytes) else body.encode()

    def admin(self, path):
        return request(self.ports["admin"], "GET", path)

    def ready(self):
        answer = self.admin("/readyz")
        return answer.status, json.loads(answer.body)

    def full(self):
        """Whether /readyz says that the journal is full."""
        status, state = self.ready()
        return status == 503 and any("is full" in condition["text"] for condition in state["conditions"])

    def metrics(self):
        """{'name{labels}': value}"""
        page = self.admin("/metrics")
        assert page.status == 200, page
        lines = (line.rsplit(" ", 1) for line in page.body.decode().splitlines() if line and not line.startswith("#"))
        return {series: float(value) for series, value in lines}

    def metric(self, name, *labels):
        """The sum of the metric's series that carry all these labels ('outlet="lake"')."""
        return sum(value for series, value in self.metrics().items()
                   if series.split("{")[0] == name and all(label in series for label in labels))

    # ---- what it keeps ----

    @property
    def data(self):
        return self.directory / "penstock-data"

    @property
    def lake(self):
        return self.data / "lake"

    def journal_files(self):
        """{name: size} of the journal's directory; of a running gateway, without the files that it takes away meanwhile."""
        found = {}
        for file in sorted((self.data / "journal").iterdir()):
            with contextlib.suppress(FileNotFoundError):
                found[file.name] = file.stat().st_size
        return found


# ---- the lake ----

class Torn(AssertionError):
    """A published file that has lost its end."""


class LakeFile(collections.namedtuple("LakeFile", "path folder stream gateway epoch first last")):
    @property
    def rows(self):
        """Read when asked for: a long run's lake is larger than memory."""
        data = self.path.read_bytes()
        if not data.endswith(b"\n"):
            raise Torn(f"{self.path} ends within a row")
        return data[:-1].split(b"\n")


def read_lake(root):
    """The published files of a lake in the order (folder, epoch's first position); their names are checked against each other."""
    root = pathlib.Path(root)
    files = []
    for path in sorted(root.rglob("*")) if root.exists() else []:
        if not path.is_file() or any(part.startswith(".") for part in path.relative_to(root).parts):
            continue
        name = LAKE_FILE.match(path.name)
        assert name, f"a name that the lake does not give: {path}"
        files.append(LakeFile(path, str(path.parent.relative_to(root)), name["stream"], name["gateway"], name["epoch"],
                              int(name["first"]), int(name["last"])))
    files.sort(key=lambda file: (file.folder, file.first))
    for file in files:
        assert file.first <= file.last and 1 <= len(file.rows) <= file.last - file.first + 1, file.path
    for before, after in zip(files, files[1:]):
        if (before.folder, before.stream) == (after.folder, after.stream):
            assert before.last < after.first, f"{before.path} and {after.path} overlap"
    return files


def lake_rows(root, folder=None):
    """All rows in the order of their files; of one folder when it is named."""
    return [row for file in read_lake(root) if folder in (None, file.folder) for row in file.rows]


def leftovers(root):
    """Hidden files: a clean stop leaves none."""
    return [str(path) for path in pathlib.Path(root).rglob(".*") if path.is_file()]
