"""What a record looks like in Kafka, and what is refused at the door because Kafka could not take it."""

import json
import time
import uuid

import pytest

from kafka import by_key, dead_letters, drained, once_each
from penstock import run_command

SLACK = 1.0  # seconds between the clocks of two processes of one machine, generously


def send_all(gateway, path, bodies, content_type="application/json"):
    for body in bodies:
        answer = gateway.post(path, body, content_type)
        assert (answer.status, json.loads(answer.body)) == (200, {"accepted": 1}), (answer, body)


# ---- the envelope ----

PLAIN = [b'{"sensor_id": 1, "reading": 12.50}', b'{"sensor_id":2,"text":"quote \\" backslash \\\\ line \\n \\u0000"}',
         '{"sensor_id": 3, "text": "ä 夜 🎵 \u2028 \u007f"}'.encode(), b'\t{ "sensor_id" : 4 } ', b'{"sensor_id":5,"a":[1,{"b":null}]}',
         # nearly envelopes
         b'{"sensor_id":6,"payload":"{}","correlation_id":"x","created_at":1}',
         b'{"sensor_id":7,"payload":{},"correlation_id":"x","created_at":1,"schema_version":1}',
         b'{"sensor_id":8,"payload":"{}","correlation_id":"x","created_at":"1","schema_version":1}']


def test_envelope_of_plain_payloads(kafka, gateway):
    """Fits ksqlDB's (payload STRING, correlation_id STRING, created_at DOUBLE, schema_version INTEGER)."""
    topic = kafka.create(kafka.name("plain"))
    one = gateway(config=kafka.config({"readings": {"key": "/sensor_id", "value": "envelope", "topics": [topic]}})).start()
    begin = time.time()
    send_all(one, "/readings", PLAIN)
    one.stop_cleanly()
    messages = kafka.consume(topic)
    assert [message.key for message in messages] == [b"%d" % number for number in range(1, len(PLAIN) + 1)]
    ids = set()
    for message, body in zip(messages, PLAIN):
        envelope = json.loads(message.value)
        assert list(envelope) == ["payload", "correlation_id", "created_at", "schema_version"]
        assert envelope["payload"].encode() == body.strip()
        assert uuid.UUID(envelope["correlation_id"]).version == 8
        assert str(uuid.UUID(envelope["correlation_id"])) == envelope["correlation_id"]
        assert isinstance(envelope["created_at"], float) and begin - SLACK < envelope["created_at"] < time.time() + SLACK
        assert abs(envelope["created_at"] * 1000 - message.time) <= 1
        assert envelope["schema_version"] == 1 and isinstance(envelope["schema_version"], int)
        ids.add(envelope["correlation_id"])
    assert len(ids) == len(PLAIN)


def test_envelope_of_text_lines(kafka, gateway):
    topic = kafka.create(kafka.name("lines"))
    one = gateway(config=kafka.config({"lines": {"format": "text", "value": "envelope", "topics": [topic]}})).start()
    lines = ["plain", 'with "quotes" and \\', "tab\there", "ä🎵", "\x01\x1f\x7f"]
    assert one.post("/lines", "\n".join(lines).encode(), "text/plain").status == 200
    one.stop_cleanly()
    assert [json.loads(value)["payload"] for value in kafka.values(topic)] == lines


def wrapped(payload, **more):
    return json.dumps({"payload": payload, "correlation_id": str(uuid.uuid4()), "created_at": round(time.time(), 3),
                       "schema_version": 1, **more})


def test_envelope_that_arrives_is_passed_on_unchanged(kafka, gateway):
    topic = kafka.create(kafka.name("passed"), 3)
    stream = {"key": "/sensor_id", "value": "envelope", "topics": [topic], "time": {"field": "/created_at"}}
    one = gateway(config=kafka.config({"readings": stream})).start()
    cases = [
        (b"7", wrapped('{"sensor_id": 7, "reading": 1}')),
        (b"7", wrapped('{"sensor_id":"7","reading":2}')),
        ("夜".encode(), wrapped('{"sensor_id":"\\u591c"}')),
        (b"9", wrapped('{ "deep" : {"sensor_id":1}, "sensor_id" : 9 }', further=[1, 2])),
        (b"outer", wrapped('{"sensor_id":1}', sensor_id="outer")),
        (b"8", '{"schema_version":2,"created_at":1e3,"payload":"{\\"sensor_id\\":\\u0038}","correlation_id":"no uuid"}'),
        (b"10", '{ "schema_version" : 1 ,\t"correlation_id":"","created_at":-0.5 , "payload" : "{\\u0022sensor_id\\u0022:10}" }'),
    ]
    send_all(one, "/readings", [body for _, body in cases])
    refused = one.post("/readings", wrapped('{"no_sensor":1}'))
    assert refused.status == 422, refused
    one.stop_cleanly()
    expected = {}
    for key, body in cases:
        expected.setdefault(key, []).append(body.encode())
    messages = kafka.consume(topic)
    assert by_key(messages) == expected
    for message in messages:
        if message.key in (b"7", b"9", b"outer"):
            assert message.time == round(json.loads(message.value)["created_at"] * 1000)


def test_payload_is_passed_on_unchanged(kafka, gateway):
    """value: payload, the default, also for what looks like an envelope, and for bytes that are no text."""
    topic, lines = kafka.create(kafka.name("json")), kafka.create(kafka.name("bytes"))
    one = gateway(config=kafka.config({"data": {"topics": [topic]}, "lines": {"format": "text", "topics": [lines]}})).start()
    bodies = [*PLAIN, wrapped("{}").encode()]
    send_all(one, "/data", bodies)
    odd = [bytes(byte for byte in range(256) if byte not in b"\r\n"), b"\xff\xfe", b" x "]
    assert one.post("/lines", b"\n".join(odd), "text/plain").status == 200
    one.stop_cleanly()
    assert kafka.values(topic) == [body.strip() for body in bodies]
    assert kafka.values(lines) == odd


# ---- topics, keys, headers ----

def test_two_topics_of_a_record_and_equal_ones_once(kafka, gateway):
    both, first, second = (kafka.create(kafka.name(name)) for name in ("BOTH", "S_1", "S_2"))
    stream = {"key": "/sensor_id", "topics": [both, kafka.name("S_{key}"), kafka.name("S_1"), both]}
    one = gateway(config=kafka.config({"readings": stream})).start()
    bodies = [json.dumps({"sensor_id": 1 + number % 2, "n": number}).encode() for number in range(40)]
    send_all(one, "/readings", bodies)
    one.stop_cleanly()
    assert kafka.values(both) == bodies
    assert kafka.values(first) == bodies
    assert kafka.values(second) == bodies[1::2]
    ids = [[message.headers["penstock-id"] for message in kafka.consume(topic)] for topic in (both, first)]
    assert ids[0] == ids[1]


def test_keys_that_no_topic_can_carry(kafka, gateway):
    name = kafka.name("K_{key}")
    good = kafka.create(kafka.name("K_a-b.C_9"))
    one = gateway(config=kafka.config({"readings": {"key": "/sensor_id", "topics": [name]}})).start()
    for key in ("a:b", "a/b", "a b", "ä", "a%20b", "x" * 250, "x" * (250 - len(kafka.name("K_")))):
        answer = one.post("/readings", json.dumps({"sensor_id": key}))
        assert answer.status == 400 and answer.headers["Content-Type"] == "application/problem+json", (key, answer)
    mixed = b'{"sensor_id":"a-b.C_9","n":1}\n{"sensor_id":"a:b"}\n{"sensor_id":"a-b.C_9","n":2}\n'
    answer = one.post("/readings", mixed, "application/x-ndjson")
    told = json.loads(answer.body)
    assert answer.status == 207 and (told["accepted"], told["rejected_total"], told["rejected"][0]["index"]) == (2, 1, 1), told
    assert "a:b" in told["rejected"][0]["reason"], told
    one.stop_cleanly()
    assert kafka.values(good) == mixed.splitlines()[::2]
    assert list(kafka.topics()) == [good]


def test_header_of_what_a_schema_lets_pass(kafka, gateway):
    topic = kafka.create(kafka.name("marked"))
    stream = {"key": "/sensor_id", "schema": "reading.v1", "schema_invalid": "pass", "topics": [topic]}
    one = gateway(config=kafka.config({"readings": stream})).start()
    send_all(one, "/readings", ['{"sensor_id":1}', '{"sensor_id":2,"event_type":7}'])
    one.stop_cleanly()
    assert [(message.key, message.headers.get("penstock-schema")) for message in kafka.consume(topic)] == [(b"1", None), (b"2", b"invalid")]


def test_headers_from_labels(kafka, gateway):
    topic = kafka.create(kafka.name("headers"))
    stream = {"labels": {"kind": "/kind", "site": "query:site", "unused": "/n"}, "headers": {"Kind": "kind", "site": "site"},
              "topics": [topic]}
    one = gateway(config=kafka.config({"data": stream})).start()
    for kind in ("sword", "ä🎵", "", "x" * 256):
        assert one.post("/data?site=north", json.dumps({"kind": kind, "n": 1}, ensure_ascii=False)).status == 200
    one.stop_cleanly()
    messages = kafka.consume(topic)
    assert [message.headers["Kind"].decode() for message in messages if "Kind" in message.headers and message.headers["Kind"]] \
        == ["sword", "ä🎵", "x" * 256]
    assert all(message.headers["site"] == b"north" and set(message.headers) <= {"penstock-id", "Kind", "site"} for message in messages)


# ---- sizes ----

@pytest.mark.parametrize("value", ["payload", "envelope"])
def test_record_above_message_max_bytes(kafka, gateway, value):
    """413 at the door; the largest that is accepted does arrive."""
    topic = kafka.create(kafka.name("large"))
    stream = {"key": "/sensor_id", "value": value, "topics": [topic]}
    one = gateway(config=kafka.config({"readings": stream}, properties={"message.max.bytes": "5000"})).start()

    def body(size):
        return json.dumps({"sensor_id": 1, "pad": '"' * (size // 4) + "x" * (size - size // 4)}).encode()

    accepted, least, most = [], 100, 6000  # least is taken, most is not
    assert one.post("/readings", body(most)).status == 413
    while most - least > 1:
        size = (least + most) // 2
        answer = one.post("/readings", body(size))
        assert answer.status in (200, 413), answer
        if answer.status == 200:
            accepted.append(body(size))
            least = size
        else:
            most = size
            assert b"message.max.bytes" in answer.body or b"5000" in answer.body or b"bytes" in answer.body, answer
    assert len(accepted[-1]) > (4000 if value == "payload" else 2000)
    drained(one)
    assert dead_letters(one, "readings") == []
    one.stop_cleanly()
    found = kafka.values(topic)
    assert [json.loads(one)["payload"].encode() for one in found] == accepted if value == "envelope" else found == accepted


def test_default_limits_fit_together(kafka, gateway):
    """The largest record that the defaults take is taken by a broker with its own defaults."""
    topic = kafka.create(kafka.name("default"))
    one = gateway(config=kafka.config({"lines": {"format": "text", "topics": [topic]}})).start()
    line = bytes(97 + (number * number >> 4) % 26 for number in range(900 << 10))
    assert one.post("/lines", line, "text/plain").status == 200
    drained(one)
    assert kafka.values(topic) == [line]
    assert one.post("/lines", line + b"x", "text/plain").status == 413


# ---- the configuration ----

def check(folder, text):
    (folder / "penstock.yaml").write_text(text)
    return run_command("check", "-c", "penstock.yaml", cwd=folder)


@pytest.mark.parametrize("line, words", {
    "  properties: {bootstrap.servers: 'x:1', linger.mss: 5}": ("linger.mss", "linger.ms"),
    "  properties: {bootstrap.servers: 'x:1', linger.ms: soon}": ("linger.ms",),
    "  properties: {bootstrap.servers: 'x:1', linger.ms: -1}": ("linger.ms",),
    "  properties: {bootstrap.servers: 'x:1', acks: 1}": ("acks",),
    "  properties: {bootstrap.servers: 'x:1', enable.idempotence: false}": ("enable.idempotence",),
    "  properties: {bootstrap.servers: 'x:1', message.timeout.ms: 1000}": ("message.timeout.ms",),
    "  properties: {bootstrap.servers: 'x:1', transactional.id: t}": ("transactional.id",),
    "  properties: {bootstrap.servers: 'x:1', group.id: g}": ("group.id",),
    "  properties: {linger.ms: 5}": ("bootstrap.servers",),
    "  properties: {bootstrap.servers: 'x:1', ssl.ca.location: nowhere.crt, security.protocol: ssl}": ("nowhere.crt: No such file",),
    "  files: {sasl.password: nowhere.txt}": ("nowhere.txt",),
    "  max_topics: 0": ("max_topics",),
    "  properties: {bootstrap.servers: 'x:1'}\njournal: {segment_size: 1MiB}\nmqtt: {max_packet: 256KiB}\nhttp: {max_body: 256KiB, max_record: 64KiB}":
        ("kafka.max_topics", "at most 157"),
}.items(), ids=lambda value: value.split("x:1'")[-1].strip(" ,}") if isinstance(value, str) else "")
def test_check_refuses_with_the_place(tmp_path, line, words):
    done = check(tmp_path, f"kafka:\n{line}\nstreams:\n  readings: {{topics: [A]}}\n")
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert all(word in said for word in words), said
    assert "penstock.yaml:2" in said or "default of" in said or "bootstrap.servers" in words or "properties" not in line, said


@pytest.mark.parametrize("stream, words", {
    "{topics: ['a/b']}": ("a/b",),
    "{topics: ['{sensor}']}": ("sensor",),
    "{topics: ['..']}": ("..",),
    "{topics: [A], value: enveloppe}": ("enveloppe", "envelope"),
    "{topics: [A], headers: {Host: host}}": ("host",),
    "{topics: [A], labels: {a: /a}, headers: {penstock-id: a}}": ("penstock-id",),
}.items(), ids=lambda value: value if isinstance(value, str) else "")
def test_check_refuses_a_stream_with_the_place(tmp_path, stream, words):
    done = check(tmp_path, f"kafka: {{properties: {{bootstrap.servers: 'x:1'}}}}\nstreams:\n  readings: {stream}\n")
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "penstock.yaml:3" in said and all(word in said for word in words), said


def test_check_accepts_any_property(tmp_path):
    done = check(tmp_path, "kafka: {properties: {bootstrap.servers: 'x:1', compression.type: zstd, linger.ms: 5, "
                           "socket.keepalive.enable: true}}\nstreams:\n  readings: {topics: [A]}\n")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "compression.type" in done.stdout and "zstd" in done.stdout


# ---- topics that are made ----

def test_create_topics_and_max_topics(kafka, gateway):
    """Keys beyond max_topics go to the dead letters, also after a restart; nothing else notices."""
    stream = {"key": "/sensor_id", "topics": [kafka.name("S_{key}")]}
    config = kafka.config({"readings": stream}, max_topics=3, create_topics={"partitions": 5, "replication": 1})
    one = gateway(config=config).start()
    bodies = {key: [json.dumps({"sensor_id": key, "n": number}).encode() for number in range(4)] for key in "abcde"}
    for number in range(2):
        send_all(one, "/readings", [bodies[key][number] for key in "abcde"])
    drained(one)
    one.stop_cleanly()
    one.start()
    for number in range(2, 4):
        send_all(one, "/readings", [bodies[key][number] for key in "edcba"])
    drained(one)
    one.stop_cleanly()
    assert kafka.topics() == {kafka.name(f"S_{key}"): 5 for key in "abc"}
    for key in "abc":
        assert by_key(once_each(kafka.consume(kafka.name(f"S_{key}"))).once) == {key.encode(): bodies[key]}
    letters = dead_letters(one, "readings")
    assert [letter["payload"].encode() for letter in letters if letter["key"] == "d"] == bodies["d"]
    assert [letter["payload"].encode() for letter in letters if letter["key"] == "e"] == bodies["e"]
    assert len(letters) == 8
    for letter in letters:
        assert (letter["outlet"], letter["stream"], letter["topic"]) == ("kafka", "readings", kafka.name(f"S_{letter['key']}"))
        assert "max_topics" in letter["reason"], letter
