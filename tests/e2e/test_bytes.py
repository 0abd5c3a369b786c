"""Streams of bytes: any body is one record, whatever its type says; the lake has it in base64, with key and time."""

import base64
import datetime
import gzip
import json

import pytest

from penstock import lake_rows, read_lake, wait_until

BYTES = bytes(range(256)) * 3 + b"\r\n\n"
STREAMS = ("streams.blobs.format=bytes", "streams.blobs.key=header:X-Key")


@pytest.fixture
def blobs(gateway):
    return gateway("lake.roll.every=200ms", *STREAMS).start()


def rows(one, count):
    wait_until(f"{count} rows", lambda: len(lake_rows(one.lake, "blobs")) == count)
    return [json.loads(row) for row in lake_rows(one.lake, "blobs")]


@pytest.mark.parametrize("kind", ["application/octet-stream", "application/x-www-form-urlencoded", "application/json", "application/x-ndjson",
                                  "text/plain", "image/png"])
def test_one_body_is_one_record_of_any_type(blobs, kind):
    bodies = [BYTES, b'[{"a":1},{"a":2}]', b'{"a":1}\n{"a":2}\n', b"\n", b" {", b"x"]
    before = datetime.datetime.now(datetime.timezone.utc)
    for body in bodies:
        blobs.send(body, "/blobs", content_type=kind, X_Key="K \"1\\")
    found = rows(blobs, len(bodies))
    assert [base64.b64decode(row["payload"], validate=True) for row in found] == bodies
    for row in found:
        assert list(row) == ["key", "time", "payload"] and row["key"] == "K \"1\\"
        assert len(row["time"]) == len("2026-01-02T03:04:05.678901Z") and row["time"].endswith("Z")
        assert before <= datetime.datetime.fromisoformat(row["time"].replace("Z", "+00:00")) <= datetime.datetime.now(datetime.timezone.utc)
    assert [file.path.suffix for file in read_lake(blobs.lake)] == [".jsonl"] * len(read_lake(blobs.lake))


def test_without_a_type_and_compressed(blobs):
    blobs.send(gzip.compress(BYTES), "/blobs/from%20the%20URL", content_type="", Content_Encoding="gzip")
    row, = rows(blobs, 1)
    assert (row["key"], base64.b64decode(row["payload"])) == ("from the URL", BYTES)


def test_without_a_key(gateway):
    one = gateway("lake.roll.every=200ms", "streams.blobs.format=bytes").start()
    one.send(BYTES, "/blobs", content_type="application/octet-stream")
    assert rows(one, 1)[0]["key"] is None


def test_what_is_refused(blobs):
    for body, kind, status in ((b"", "application/octet-stream", 400), (BYTES, "application/octet-stream", 422), (b"x" * (1 << 20), "", 413)):
        answer = blobs.post("/blobs", body, content_type=kind)
        assert answer.status == status, answer
    problem = json.loads(blobs.post("/blobs", BYTES, content_type="").body)
    assert problem["rejected"] == [{"index": 0, "reason": "key header:X-Key: missing"}]
    assert lake_rows(blobs.lake) == []


def test_a_large_record_is_one_row(blobs):
    body = bytes(range(256)) * 3000
    blobs.send(b"before", "/blobs/k", content_type="")
    blobs.send(body, "/blobs/k", content_type="")
    blobs.send(b"after", "/blobs/k", content_type="")
    assert [base64.b64decode(row["payload"]) for row in rows(blobs, 3)] == [b"before", body, b"after"]


def test_bytes_behind_json_under_one_name(gateway):
    """What was accepted as JSON stays so in its file; what comes as bytes has files of its own."""
    one = gateway("lake.roll.every=1h").start()
    one.send('{"sensor_id":1}')
    one.kill()
    one.sets.append("streams.readings.format=bytes")
    one.start()
    one.send(b"\xff", "/readings/1", content_type="")
    one.stop_cleanly()
    first, second = [json.loads(row) for row in lake_rows(one.lake, "readings")]
    assert first == {"sensor_id": 1}
    assert (second["key"], second["payload"]) == ("1", "/w==")
