"""The HTTP API: every form of a body, every answer."""

import concurrent.futures
import gzip
import json
import socket
import subprocess

import pytest

import penstock
from mqtt import connected
from wire import CHUNKED, Wire, message, plain, problem

READING = '{"sensor_id":"SENSOR_1","wattage":812.5}'
KIB = 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with penstock.Gateway(tmp_path_factory.mktemp("http"), "http.max_body=64KiB", "http.max_record=32KiB",
                          "http.max_records=1000") as gateway:
        yield gateway


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout


# ---- bodies ----

def lines(count):
    return "".join(READING + "\n" for _ in range(count))


FORMS = [
    # path, content type, body, accepted
    ("/readings", "application/json", READING, 1),
    ("/readings", "application/json; charset=utf-8", READING, 1),
    ("/readings", "APPLICATION/JSON", READING, 1),
    ("/readings", "application/senml+json", READING, 1),
    ("/readings", "application/json", f" [ {READING} , {READING} ]\n", 2),
    ("/readings", "application/x-ndjson", lines(3), 3),
    ("/readings", "application/ndjson", lines(3) + "\n\n", 3),
    ("/readings", "application/jsonl", lines(3).rstrip(), 3),
    ("/readings", "application/x-jsonlines", lines(3).replace("\n", "\r\n"), 3),
    ("/readings", "application/x-www-form-urlencoded", READING, 1),
    ("/readings", "application/octet-stream", f"[{READING}]", 1),
    ("/readings", None, READING, 1),
    ("/readings", "application/json", lines(1000).replace("}\n", "},")[:-1].join("[]"), 1000),
    ("/readings/SENSOR_2", "application/json", '{"wattage":1}', 1),
    ("/readings/%C3%BC%2F1", "application/json", '{"wattage":1}', 1),
    ("/unorganized", "text/plain", "one\ntwo\r\n\nthree", 3),
    ("/unorganized", "text/plain;charset=utf-8", "one", 1),
    ("/unorganized", None, "one\ntwo\n", 2),
    ("/unorganized", "application/x-www-form-urlencoded", "one\ntwo\n", 2),
    ("/unorganized/host-1", "text/plain", "one\ntwo\n", 2),
]


@pytest.mark.parametrize("path, kind, body, accepted", FORMS)
def test_form(server, path, kind, body, accepted):
    answer = penstock.request(server.ports["http"], "POST", path, body, {"Content-Type": kind} if kind else {})
    assert (answer.status, json.loads(answer.body)) == (200, {"accepted": accepted}), answer
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Penstock-Ack"] == "fsync"


@pytest.mark.parametrize("name, pack", [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("zstd", zstd),
                                        ("identity", bytes), ("GZIP", gzip.compress)])
@pytest.mark.parametrize("count", [1, 1000])
def test_content_encoding(server, name, pack, count):
    body = pack(lines(count).encode())
    answer = server.post("/readings", body, "application/x-ndjson", Content_Encoding=name)
    assert (answer.status, json.loads(answer.body)) == (200, {"accepted": count})


def test_content_encoding_in_chunks(server):
    body = gzip.compress(lines(10).encode())
    chunks = b"".join(b"1\r\n" + bytes([byte]) + b"\r\n" for byte in body) + b"0\r\n\r\n"
    with Wire(server.ports["http"]) as wire:
        reply = wire.ask(message(CHUNKED, b"Content-Encoding: gzip", b"Content-Type: application/x-ndjson", body=chunks,
                                 line=b"POST /readings HTTP/1.1"))
    assert json.loads(reply.body) == {"accepted": 10}


def test_body_in_many_chunks(server):
    body = lines(1000).encode()[:60 * KIB].rsplit(b"\n", 1)[0]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 777]), body[i:i + 777]) for i in range(0, len(body), 777))
    with Wire(server.ports["http"]) as wire:
        reply = wire.ask(message(CHUNKED, b"Content-Type: application/x-ndjson", body=chunks + b"0\r\n\r\n",
                                 line=b"POST /readings HTTP/1.1"))
    assert json.loads(reply.body) == {"accepted": body.count(b"\n") + 1}


def test_records_reach_the_lake_as_they_came(gateway):
    """Byte for byte, from every form."""
    with gateway("lake.roll.every=100ms") as server:
        odd = '{"sensor_id":"S", "big":1e400,\t"u":"\\u00e9\u00fc" }'
        server.send(odd)
        assert server.post("/readings", f"[ {odd} ,{READING}]").status == 200
        assert server.post("/readings", gzip.compress(odd.encode()), Content_Encoding="gzip").status == 200
        assert server.post("/readings", odd + "\r\n" + READING, "application/x-ndjson").status == 200
        expected = sorted([odd.encode()] * 4 + [READING.encode()] * 2)
        penstock.wait_until("six rows", lambda: sorted(penstock.lake_rows(server.lake)) == expected)


# ---- acknowledgements ----

@pytest.mark.parametrize("asked, status", [("memory", 200), ("fsync", 200), ("Memory", 400), ("", 400)])
def test_ack(server, asked, status):
    answer = server.post("/readings", READING, Penstock_Ack=asked)
    assert answer.status == status
    if status == 200:
        assert answer.headers["Penstock-Ack"] == asked
    else:
        assert '\\"memory\\", \\"fsync\\" or \\"delivered\\"' in answer.body.decode()


def test_memory_ack_does_not_wait(server):
    with Wire(server.ports["http"]) as wire:
        wire.send(b"".join(plain(READING.encode(), b"POST /readings HTTP/1.1", b"Penstock-Ack: memory") for _ in range(100)))
        assert {(reply.status, reply.headers["penstock-ack"]) for reply in wire.replies(100)} == {(200, "memory")}


# ---- some, none ----

def test_some_rejected(server):
    answer = server.post("/readings", f'[{READING},{{"x":1}},{READING},{{"sensor_id":[]}}]')
    assert answer.status == 207
    assert answer.headers["Content-Type"] == "application/json"
    document = json.loads(answer.body)
    assert (document["accepted"], document["rejected_total"]) == (2, 2)
    assert [item["index"] for item in document["rejected"]] == [1, 3]
    assert all("/sensor_id" in item["reason"] for item in document["rejected"])


def test_a_bad_line_does_not_spoil_its_neighbours(server):
    answer = server.post("/readings", f"{READING}\n{{oops\n{READING}\n", "application/x-ndjson")
    document = json.loads(answer.body)
    assert (answer.status, document["accepted"], document["rejected_total"]) == (207, 2, 1)
    assert document["rejected"][0]["index"] == 1


def test_the_first_hundred_rejected_are_listed(server):
    answer = server.post("/readings", READING + "\n" + '{"x":1}\n' * 300, "application/x-ndjson")
    document = json.loads(answer.body)
    assert (answer.status, document["accepted"], document["rejected_total"]) == (207, 1, 300)
    assert [item["index"] for item in document["rejected"]] == list(range(1, 101))


def test_reasons_are_json_whatever_the_body_holds(server):
    """A reason that quotes the body is text all the same."""
    for bad in (b'{"sensor_id":\x01}', b'{"sensor_id":"\xff"}', b'{"\\":1}', b'"', b'{"sensor_id":"a"}\xff'):
        answer = server.post("/readings", bad)
        assert answer.status == 400
        assert json.loads(answer.body.decode())["rejected_total"] == 1


NONE = [
    # path, body, content type, status, what the detail says
    ("/readings", '{"x":', "application/json", 400, "byte 5"),
    ("/readings", "", "application/json", 400, ""),
    ("/readings", " ", "application/json", 400, ""),
    ("/readings", READING + READING, "application/json", 400, ""),
    ("/readings", lines(2), "application/json", 400, ""),
    ("/readings", f"[{READING},", "application/json", 400, ""),
    ("/readings", f"[{READING}] x", "application/json", 400, ""),
    ("/readings", "{oops\n{oops\n", "application/x-ndjson", 400, ""),
    ("/readings", "\ufeff" + READING, "application/json", 400, ""),
    ("/readings", '{"x":1}', "application/json", 422, "/sensor_id"),
    ("/readings", '{"sensor_id":null}', "application/json", 422, "/sensor_id"),
    ("/readings", '{"sensor_id":"\\u0000"}', "application/json", 422, "control"),
    ("/readings", '{"sensor_id":"%s"}' % ("a" * 257), "application/json", 422, "256"),
    ("/readings/" + "k" * 257, READING, "application/json", 422, "256"),
    ("/readings", '{"sensor_id":"a","x":"%s"}' % ("x" * 40 * KIB), "application/json", 413, "http.max_record"),
    ("/readings", "[" + ",".join([READING] * 1001) + "]", "application/json", 413, "http.max_records"),
    ("/readings", "x" * 65 * KIB, "application/json", 413, "65536 bytes (http.max_body)"),
    ("/nowhere", READING, "application/json", 404, "readings, unorganized"),
    ("/", READING, "application/json", 404, "readings, unorganized"),
    ("/readings/a/b", READING, "application/json", 404, "/{stream}/{key}"),
    ("/readings", READING, "text/plain", 415, "application/json, application/x-ndjson"),
    ("/readings", READING, "application/xml", 415, "application/json, application/x-ndjson"),
    ("/unorganized", "x", "text/html", 415, "text/plain"),
]


@pytest.mark.parametrize("path, body, kind, status, said", NONE)
def test_refused(server, path, body, kind, status, said):
    with Wire(server.ports["http"]) as wire:
        reply = wire.ask(plain(body.encode(), f"POST {path} HTTP/1.1".encode(), f"Content-Type: {kind}".encode()))
        assert said in problem(reply, status)


@pytest.mark.parametrize("body, coding, status, said", [
    (b"x", "br", 415, "gzip, zstd"),
    (b"x", "gzip, gzip", 415, "gzip, zstd"),
    (b"not gzip at all", "gzip", 400, ""),
    (gzip.compress(READING.encode(), mtime=0)[:-4], "gzip", 400, ""),
    (b"", "gzip", 400, ""),
    (zstd(READING.encode())[:-3], "zstd", 400, ""),
    (gzip.compress(b" " * 1000 * KIB, mtime=0), "gzip", 413, "http.max_body"),
    (zstd(b" " * 1000 * KIB), "zstd", 413, "http.max_body"),
])
def test_refused_encoding(server, body, coding, status, said):
    with Wire(server.ports["http"]) as wire:
        assert said in problem(
            wire.ask(plain(body, b"POST /readings HTTP/1.1", b"Content-Encoding: " + coding.encode())), status)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "post"])
def test_other_methods(server, method):
    with Wire(server.ports["http"]) as wire:
        reply = wire.ask(f"{method} /readings HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        problem(reply, 405)
        assert reply.headers["allow"] == "POST"


def test_length_required(server):
    with Wire(server.ports["http"]) as wire:
        assert "Content-Length" in problem(wire.ask(b"POST /readings HTTP/1.1\r\nHost: x\r\n\r\n"), 411)


def test_body_too_large_while_it_comes(server):
    """Chunked: the limit is met on the way. A little more is read, so that the answer is seen, and the connection goes on."""
    chunk = b"400\r\n" + b"x" * KIB + b"\r\n"
    with Wire(server.ports["http"]) as wire:
        reply = wire.ask(message(CHUNKED, body=chunk * 100 + b"0\r\n\r\n"))
        assert "65536 bytes" in problem(reply, 413)
        assert wire.ask(plain(b"next")).status == 200


def test_body_too_large_without_end(server):
    """The answer comes although the body never ends."""
    chunk = b"10000\r\n" + b"x" * 64 * KIB + b"\r\n"
    with Wire(server.ports["http"]) as wire:
        wire.send(message(CHUNKED, body=b""), *[chunk] * 100)
        problem(wire.reply(), 413)
        assert wire.reply() is None


def test_refusals_after_the_body_keep_the_connection(server):
    with Wire(server.ports["http"]) as wire:
        for body, status in ((b"{", 400), (b"{}", 422), (READING.encode(), 200), (b"[", 400), (READING.encode(), 200)):
            assert wire.ask(plain(body, b"POST /readings HTTP/1.1")).status == status


# ---- http/1.0, many requests ----

@pytest.mark.parametrize("keep_alive", [[], ["-k"]])
def test_ab(server, tmp_path, keep_alive):
    """ab speaks HTTP/1.0."""
    event = tmp_path / "event.json"
    event.write_text(READING)
    report = subprocess.run(["ab", "-q", "-n", "500", "-c", "16", *keep_alive, "-p", str(event), "-T", "application/json",
                             f"http://127.0.0.1:{server.ports['http']}/readings"], capture_output=True, text=True, timeout=30)
    assert "Complete requests:      500" in report.stdout, report
    assert "Failed requests:        0" in report.stdout and "Non-2xx" not in report.stdout
    assert "Keep-Alive requests:    500" in report.stdout or not keep_alive


def test_thousand_requests_on_each_of_16_connections(server):
    """None gets stuck, none gets the answer of another."""
    def client(number):
        with Wire(server.ports["http"]) as wire:
            for count in range(1, 1001):
                reply = wire.ask(plain(b"\n".join([b"x"] * (1 + (count + number) % 5))))
                assert json.loads(reply.body) == {"accepted": 1 + (count + number) % 5}
        return number

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert sorted(pool.map(client, range(16))) == list(range(16))


def test_listens_on_several_addresses(gateway):
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with gateway("admin.listen=127.0.0.1:0", "mqtt.listen=", config='http: {listen: ["127.0.0.1:0", "[::1]:0"]}',
                 default_ports=True) as server:
        ports = [int(line.rsplit(":", 1)[1]) for line in server.said().splitlines() if line.startswith("HTTP")]
        assert len(ports) == 2
        for host, port in zip(("127.0.0.1", "::1"), ports):
            with socket.create_connection((host, port), 5) as one:
                one.sendall(plain(b"x"))
                assert one.recv(4096).startswith(b"HTTP/1.1 200")


def test_counted(gateway):
    with gateway() as server:
        server.send(READING)
        server.post("/readings", f'[{READING},{{}}]')
        server.post("/readings", "{")
        server.post("/nowhere", "{}")
        metrics = server.metrics()
        assert metrics['penstock_records_accepted_total{source="http",stream="readings"}'] == 2
        assert metrics['penstock_records_rejected_total{source="http",stream="readings",reason="key"}'] == 1
        assert metrics['penstock_records_rejected_total{source="http",stream="readings",reason="syntax"}'] == 1
        assert metrics['penstock_requests_refused_total{source="http",status="400"}'] == 1
        assert metrics['penstock_requests_refused_total{source="http",status="404"}'] == 1
        assert metrics['penstock_request_bytes_total{source="http"}'] == 2 * len(READING) + len("[,{}]") + 1
        penstock.wait_until("the gauges to fall", lambda: server.metric("penstock_connections") == 0)
        assert server.metric("penstock_body_bytes_in_flight") == 0


def test_what_is_rejected_is_counted_by_name_with_many_streams_and_sources(gateway, tmp_path):
    """Twelve streams, four sources, seven reasons: more than a metric has series, but not that many of them ever count anything."""
    names = [f"stream{number}" for number in range(12)]
    config = {"streams": {name: {"key": "/id"} for name in names},
              "mqtt": {"topics": {f"{name}/#": name for name in names}, "subscribe": {"away": {"url": "mqtt://127.0.0.1:1", "filters": ["x"]}}},
              "files": {name: {"watch": str(tmp_path / f"{name}.log"), "stream": name, "scan": "200ms"} for name in names}}
    with gateway(config=json.dumps(config)) as server, connected(server) as client:
        for name in names:
            assert server.post(f"/{name}", "{}").status == 422 and server.post(f"/{name}", "{").status == 400
            assert client.store(f"{name}/1", "{}") == 0
            (tmp_path / f"{name}.log").write_text("{}\n")
        penstock.wait_until("all", lambda: server.metric("penstock_records_rejected_total") == 4 * len(names))
        metrics = server.metrics()
        for name in names:
            for source, reason in (("http", "key"), ("http", "syntax"), ("mqtt", "key"), ("files", "key")):
                assert metrics[f'penstock_records_rejected_total{{source="{source}",stream="{name}",reason="{reason}"}}'] == 1
