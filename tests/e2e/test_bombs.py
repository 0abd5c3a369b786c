"""Small things that become large, and documents without measure, by every way in: refused or taken, in bounded memory, while others go on."""

import base64
import concurrent.futures
import contextlib
import gzip
import json
import os
import pathlib
import socket
import subprocess
import threading
import time
import zlib

import pytest

import penstock
from mqtt import V311, connected, letters
from penstock import lake_rows, memory, unless_watched, wait_until
from tailing import Tail, put
from test_http_limits import held, of_this_address
from test_mqtt_pressure import MIB
from wire import Wire, message, plain, problem

FOUR = 4  # at once
READING = b'{"sensor_id":"SENSOR_1","wattage":812.5}'
WAIT = 10.0  # seconds that an honest client waits at most, on a machine that has much else to do
CPU = 5.0  # seconds of the gateway's, the honest client's requests among them


class Honest(threading.Thread):
    """Somebody who sends a reading every few milliseconds; how long he had to wait at most."""

    def __init__(self, port):
        super().__init__()
        self.port, self.over, self.longest, self.answers = port, threading.Event(), 0.0, set()

    def run(self):
        with Wire(self.port) as wire:
            while not self.answers or not self.over.wait(0.005):
                before = time.monotonic()
                reply = wire.ask(plain(b'{"sensor_id":"honest"}', b"POST /readings HTTP/1.1"))
                self.answers.add(reply and reply.status)
                self.longest = max(self.longest, time.monotonic() - before)


def cpu(server):
    unless_watched()
    fields = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def bounded(server, room):
    """The gateway has so many bytes at most, whatever came before, and an honest client is served."""
    process = pathlib.Path(f"/proc/{server.process.pid}")
    (process / "clear_refs").write_text("5")  # the peak begins anew: proc(5)
    used, honest = cpu(server), Honest(server.ports["http"])
    honest.start()
    try:
        yield
    finally:
        honest.over.set()
        honest.join()
    peak, used = memory(server, "VmHWM"), cpu(server) - used
    print(f"{peak / MIB:.1f} MiB resident, {used:.2f} s of the processor, {honest.longest * 1000:.0f} ms for the honest one")
    assert peak < room and used < CPU
    assert honest.answers == {200} and honest.longest < WAIT


# ---- compressed ----

def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout


def frame_of_window(log):
    """A zstd frame of one byte that asks for a window of 2^log bytes (RFC 8878, section 3.1.1.1.2)."""
    return b"\x28\xb5\x2f\xfd\x00" + bytes([log - 10 << 3]) + b"\x09\0\0x"


EMPTY_FRAME = b"\x28\xb5\x2f\xfd\x20\x00\x01\0\0"
SKIPPED_FRAME = b"\x50\x2a\x4d\x18\0\0\0\0"
ZEROS = zlib.compressobj(9, zlib.DEFLATED, 31)
BOMB = b"".join(ZEROS.compress(bytes(MIB)) for _ in range(256)) + ZEROS.flush()
LINES = b"".join(b'{"sensor_id":"a","n":%d}\n' % n for n in range(700_000))  # above http.max_body, and no more than ten times what it is packed to
COMPRESSED = {  # coding, body, status, what the answer names
    "gzip, ratio": ("gzip", BOMB, 400, "200 times"),
    "zstd, ratio": ("zstd", zstd(bytes(256 * MIB)), 400, "200 times"),
    "gzip, size": ("gzip", gzip.compress(LINES, 1), 413, "http.max_body"),
    "zstd, size": ("zstd", zstd(LINES), 413, "http.max_body"),
    "zstd, window of 2^31": ("zstd", frame_of_window(31), 400, "window"),
    "zstd, window of 2^41": ("zstd", frame_of_window(41), 400, "zstd"),
    "gzip in gzip": ("gzip", gzip.compress(BOMB), 400, ""),
    "gzip in gzip, both named": ("gzip, gzip", gzip.compress(BOMB), 415, "gzip, zstd"),
    "gzip, empty members": ("gzip", gzip.compress(b"", mtime=0) * 100_000, 400, ""),
    "zstd, empty frames": ("zstd", EMPTY_FRAME * 100_000, 400, ""),
    "zstd, skipped frames": ("zstd", SKIPPED_FRAME * 100_000, 400, ""),
    "gzip, a reading behind empty members": ("gzip", gzip.compress(b"", mtime=0) * 100_000 + gzip.compress(READING), 200, "accepted"),
    "zstd, a reading behind empty and skipped frames": ("zstd", (EMPTY_FRAME + SKIPPED_FRAME) * 50_000 + zstd(READING), 200, "accepted"),
    "zstd, one skipped frame that claims 4 GiB": ("zstd", b"\x50\x2a\x4d\x18\xff\xff\xff\xff", 400, "ends early"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bombs")
    (folder / "s.json").write_text(json.dumps({"type": "object", "required": ["sensor_id"], "properties": {
        "sensor_id": {"type": "string"}, "n": {"type": "number", "minimum": 0, "maximum": 5}}}))
    config = f"""\
streams:
  readings: {{key: /sensor_id}}
  checked: {{key: /sensor_id, schema: {folder / "s.json"}, labels: {{last: /m999999, first: /m0}}, time: {{field: /at}}}}
  enveloped: {{key: /sensor_id, value: envelope, labels: {{last: /m999999}}}}
"""
    with penstock.Gateway(folder / "gateway", "lake.roll.every=100ms", "http.max_record=16MiB", "http.max_in_flight=96MiB",
                          config=config) as gateway:
        with Wire(gateway.ports["http"]) as wire:
            assert wire.ask(plain(READING, b"POST /readings HTTP/1.1")).status == 200
        yield gateway


def answered(server, request):
    """Who is told that there is no room now comes again."""
    while True:
        with Wire(server.ports["http"]) as wire:
            reply = wire.ask(request)
        if reply.status != 503:
            return reply


@pytest.mark.parametrize("name", COMPRESSED)
def test_compressed(server, name):
    coding, body, status, words = COMPRESSED[name]
    request = plain(body, b"POST /readings HTTP/1.1", b"Content-Encoding: " + coding.encode(), b"Content-Type: application/x-ndjson")
    with bounded(server, 128 * MIB), concurrent.futures.ThreadPoolExecutor(FOUR) as pool:
        replies = list(pool.map(lambda _: answered(server, request), range(FOUR)))
    for reply in replies:
        assert reply.status == status and words in reply.body.decode(), reply
        assert status == 200 or problem(reply, status)


HELD = 500  # bodies that never end
RAW = os.urandom(MIB // 8 - 1)
# The largest window that is taken, and a compressed block, which is kept until its last byte is there.
UNFINISHED = b"\x28\xb5\x2f\xfd\x00" + bytes([23 - 10 << 3]) + (len(RAW) << 3 | 2 << 1).to_bytes(3, "little") + RAW[:-1]


def begun(coding, part):
    """A request whose body goes on, but does not come."""
    return message(b"Content-Encoding: " + coding, b"Content-Length: %d" % (len(part) + 1), line=b"POST /readings HTTP/1.1", body=part)


def test_what_unpacks_is_counted(gateway):
    """Of each coding, before anything has come out, and no longer than it is there."""
    with gateway("http.body_timeout=1h") as server:
        for coding, part, least in ("gzip", gzip.compress(b"")[:10], 40 << 10), ("zstd", UNFINISHED[:100], 8 * MIB):
            with Wire(server.ports["http"]) as wire:
                wire.send(begun(coding.encode(), part))
                wait_until("it to be counted", lambda least=least: held(server) >= least)
                assert held(server) < least + MIB
            wait_until("it to be gone", lambda: held(server) == 0)


def test_bodies_that_never_unpack(gateway):
    """Who sends them from many addresses gets no more memory than http.max_in_flight."""
    with gateway("http.body_timeout=1h", "http.trusted_proxies=[]") as server, contextlib.ExitStack() as stack:
        base, used = memory(server, "VmRSS"), []
        for number in range(HELD):
            one = stack.enter_context(of_this_address(server.ports["http"], f"127.0.{2 + number // 200}.{1 + number % 200}"))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * len(UNFINISHED))
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError, ConnectionError):
                one.send(begun(b"zstd", UNFINISHED))

        def rests():
            used.append(cpu(server))
            return len(used) > 25 and used[-25] == used[-1]

        wait_until("all that is taken to be taken", rests)
        grown = memory(server, "VmHWM") - base
        print(f"{grown / MIB:.1f} MiB for {HELD} bodies")
        with Wire(server.ports["http"]) as honest:
            assert honest.ask(plain(READING, b"POST /readings HTTP/1.1")).status == 200
        assert grown < 40 * MIB, "http.max_in_flight is 32 MiB"


# ---- documents ----

def members(count, text=b'"sensor_id":"S"'):
    return b"{" + text + b"".join(b',"m%d":0' % n for n in range(count)) + b"}"


DEEP = 1_000_000
DOCUMENTS = {  # body, accepted
    "arrays, deep": (b'{"sensor_id":"S","a":' + b"[" * DEEP + b"]" * DEEP + b"}", False),
    "arrays, deep and open": (b'{"sensor_id":"S","a":' + b"[" * DEEP, False),
    "objects, deep": (b'{"sensor_id":"S","a":' + b'{"a":' * DEEP + b"0" + b"}" * DEEP + b"}", False),
    "a million members": (members(1_000_000), True),
    "one member a million times": (b'{"sensor_id":"S"' + b',"n":1' * 1_000_000 + b"}", True),
    "a number of 1 MiB": (b'{"sensor_id":"S","n":' + b"1" * MIB + b"}", True),
    "a fraction of 1 MiB": (b'{"sensor_id":"S","n":0.' + b"1" * MIB + b"}", True),
    "an exponent of 1 MiB": (b'{"sensor_id":"S","n":1e' + b"9" * MIB + b"}", True),
    "a number as a key": (b'{"sensor_id":' + b"1" * MIB + b"}", False),
    "a string of escapes": (b'{"sensor_id":"S","s":"' + b"\\u0000" * 200_000 + b'"}', True),
    "a key of escapes": (b'{"sensor_id":"' + b"\\u0041" * 200_000 + b'"}', False),
    "1e400": (b'{"sensor_id":"S","n":1e400}', True),
    "lone surrogate": (b'{"sensor_id":"S","s":"\\ud800"}', False),
    "lone low surrogate": (b'{"sensor_id":"S","s":"\\udc00\\ud800"}', False),
    "lone surrogate in a name": (b'{"sensor_id":"S","\\udfff":1}', False),
    "lone surrogate in the key": (b'{"sensor_id":"\\ud83d"}', False),
    "surrogate in UTF-8": (b'{"sensor_id":"S","s":"\xed\xa0\x80"}', False),
    "invalid UTF-8": (b'{"sensor_id":"S","s":"\xff"}', False),
    "overlong UTF-8": (b'{"sensor_id":"S","s":"\xc0\xaf"}', False),
    "half a character": (b'{"sensor_id":"S","s":"\xf0\x9f\x98"}', False),
}
CHECKED = {"a number of 1 MiB": 422, "an exponent of 1 MiB": 422, "one member a million times": 200, "1e400": 422}  # by the schema: at most 5


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("stream", ["readings", "checked", "enveloped"])
def test_document_over_http(server, stream, name):
    body, good = DOCUMENTS[name]
    with bounded(server, 128 * MIB), Wire(server.ports["http"]) as wire:
        reply = wire.ask(plain(body, b"POST /%s HTTP/1.1" % stream.encode()))
    expected = CHECKED.get(name, 200) if stream == "checked" and good else 200 if good else None
    assert reply.status == expected if expected else 400 <= reply.status < 500, (reply.status, reply.body[:200])
    assert len(reply.body) < 2000


def judge(server):
    """Good documents are in the lake, the others dead letters, to the last byte."""
    good = sorted(body for body, accepted in DOCUMENTS.values() if accepted)
    bad = sorted(body for body, accepted in DOCUMENTS.values() if not accepted)
    wait_until("the good ones", lambda: sorted(row for row in lake_rows(server.lake) if b"honest" not in row) == good)
    found = letters(server, len(bad))
    assert sorted(base64.b64decode(one["payload_base64"]) if "payload_base64" in one else one["payload"].encode() for one in found) == bad
    assert all(one["reason"] for one in found)


def test_documents_over_mqtt(gateway):
    config = "mqtt: {topics: {'documents/#': readings}}\nstreams: {readings: {key: /sensor_id}}\n"
    with gateway("lake.roll.every=100ms", "mqtt.max_packet=16MiB", "mqtt.max_unacknowledged=64MiB", config=config) as server:
        with bounded(server, 160 * MIB), connected(server, V311, "c") as client:
            for body, _ in DOCUMENTS.values():
                assert client.store("documents/a", body) == 0
            judge(server)


def test_documents_in_a_file(gateway):
    one = Tail(gateway, "*.log", streams={"readings": {"key": "/sensor_id"}}, stream="readings", probes="*.none", max_line="16MiB",
               sets=["journal.segment_size=128MiB"]).start()
    with bounded(one.gateway, 160 * MIB):
        put(one, "a.log", b"".join(body + b"\n" for body, _ in DOCUMENTS.values()))
        judge(one.gateway)
