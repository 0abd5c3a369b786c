"""Payloads that come in the envelope: what is found inside them routes the record, and their bytes stay as they came."""

import json
import uuid

import pytest

from penstock import lake_rows, read_lake

CONFIG = """\
streams:
  readings:
    key: /sensor_id
    labels: {modality: /modality}
    time: {field: /at, past: 36500d}
    value: envelope
    lake: {path: "grid/sensor{key}/{modality}/dt={time:%Y-%m-%d}"}
  plain:
    key: /sensor_id
    lake: {path: "plain/{key}"}
  logs:
    format: text
    value: envelope
"""


def enveloped(payload, **outside):
    return json.dumps({**outside, "payload": payload, "correlation_id": str(uuid.uuid4()), "created_at": 1700000000.25,
                       "schema_version": 1})


def reading(sensor, modality="MW", at="2026-11-20T12:00:00Z"):
    return json.dumps({"sensor_id": sensor, "modality": modality, "at": at, "text": 'ü "quoted"\n\\'})


@pytest.fixture
def server(gateway):
    return gateway("lake.roll.every=200ms", config=CONFIG).start()


def folders(server):
    """{folder: rows} of the whole lake, once it is all there."""
    server.stop_cleanly()
    return {folder: lake_rows(server.lake, folder) for folder in {file.folder for file in read_lake(server.lake)}}


def test_the_inner_reading_routes_the_record(server):
    bodies = {
        "grid/sensor7/MW/dt=2026-11-20": enveloped(reading(7)),
        "grid/sensorSENSOR_8/MW/dt=2026-11-20": enveloped(reading("SENSOR_8")),
        "grid/sensorouter/MW/dt=2026-11-20": enveloped(reading("inner"), sensor_id="outer"),
        "grid/sensor9/heat/dt=2026-11-19": enveloped(reading(9, "heat", "2026-11-19T23:59:59Z")),
        "grid/sensor10/MW/dt=2026-11-20": reading(10),
    }
    for body in bodies.values():
        server.send(body)
    assert folders(server) == {folder: [body.encode()] for folder, body in bodies.items()}


def test_many_in_one_body(server):
    bodies = [enveloped(reading(number % 5)) for number in range(500)]
    answer = server.post("/readings", "\n".join(bodies), "application/x-ndjson")
    assert (answer.status, json.loads(answer.body)) == (200, {"accepted": 500})
    assert folders(server) == {f"grid/sensor{sensor}/MW/dt=2026-11-20": [body.encode() for body in bodies[sensor::5]]
                               for sensor in range(5)}


@pytest.mark.parametrize("body", [
    enveloped("no JSON at all"),
    enveloped('{"wattage":1}'),
    enveloped('{"sensor_id":"S"'),
    json.dumps({"payload": reading(1)}),
    json.dumps({**json.loads(enveloped(reading(1))), "schema_version": "1"}),
], ids=["text", "no key", "cut off", "nothing but a payload", "a version that is text"])
def test_no_key_inside_and_no_envelope_at_all(server, body):
    answer = server.post("/readings", body)
    assert (answer.status, json.loads(answer.body)["detail"]) == (422, "key /sensor_id: missing")
    assert server.post("/readings/S", body).status == 200, "a key in the URL needs none inside"


def test_a_stream_without_the_envelope_looks_at_the_document_alone(server):
    assert server.post("/plain", enveloped(reading(1))).status == 422
    server.send(enveloped(reading(1), sensor_id="outer"), "/plain")
    assert list(folders(server)) == ["plain/outer"]


def test_what_no_envelope_can_hold(server):
    answer = server.post("/logs", b"caf\xe9\ncaf\xc3\xa9\n", "text/plain")
    assert answer.status == 207
    assert json.loads(answer.body) == {"accepted": 1, "rejected_total": 1, "rejected": [
        {"index": 0, "reason": "not UTF-8: cannot be put into an envelope"}]}
    answer = server.post("/logs", b"caf\xe9\n", "text/plain")
    assert answer.status == 400
    assert server.metric("penstock_records_rejected_total", 'stream="logs"', 'reason="syntax"') == 2
