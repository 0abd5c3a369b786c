"""From MQTT messages to records: topics and streams, keys and labels, batches, text and bytes, and what becomes a dead letter."""

import base64
import json

import pytest

import mqtt
import penstock
from mqtt import V5, V31, V311, connected, letters, rows
from penstock import run_command

CONFIG = """\
mqtt:
  topics:
    "readings/{sensor_id}": readings
    "grid/{sensor_id}/wattage": readings
    "grid/{sensor_id}/#": rest
    "raw/+/{kind}": raw
    "text/#": text
    "labels/{site}/{rack}": labels
    "$SYS/{name}": rest
streams:
  readings:
    key: /sensor_id
    lake: {path: "{stream}/{key}"}
  rest: {format: text, labels: {sensor: "topic:sensor_id", level: "topic:name"}, lake: {path: "{stream}/{sensor}/{level}"}}
  raw: {format: bytes, labels: {kind: "topic:kind"}, lake: {path: "{stream}/{kind}"}}
  text: {format: text}
  labels:
    labels: {site: "topic:site", rack: "topic:rack", client: "mqtt:client_id", user: "mqtt:user", topic: "mqtt:topic", qos: "mqtt:qos",
             retain: "mqtt:retain", dup: "mqtt:dup", will: "mqtt:will", type: "mqtt:content_type", response: "mqtt:response_topic",
             correlation: "mqtt:correlation_data", expiry: "mqtt:expiry", text: "mqtt:payload_format", room: "header:Room",
             kind: /kind}
    lake: {path: "{site}/{rack}/{client}/{topic}/{qos}{retain}{dup}{will}/u={user}/t={type}/r={response}/c={correlation}/e={expiry}/f={text}/h={room},{kind}"}
"""
NONE = "%5F_HIVE_DEFAULT_PARTITION__"  # what stands in a path for an empty value at the start of a directory
EMPTY = "__HIVE_DEFAULT_PARTITION__"


@pytest.fixture
def server(gateway):
    with gateway("lake.roll.every=100ms", config=CONFIG) as started:
        yield started


def placed(server, count):
    """{folder: rows}"""
    rows(server, count)
    found = {}
    for file in penstock.read_lake(server.lake):
        found.setdefault(file.folder, []).extend(file.rows)
    return found


# ---- topics ----

def test_topics_lead_to_streams(server):
    sent = {
        "readings/s1": ("readings/s1", b'{"n":1}'), "grid/s2/wattage": ("readings/s2", b'{"n":2}'), "grid/s3/other": (f"rest/s3/{NONE}", b"3"),
        "grid/s4": (f"rest/s4/{NONE}", b"4"), "grid/s5/a/b/c": (f"rest/s5/{NONE}", b"5"), "grid/x/heat/raw": (f"rest/x/{NONE}", b"6"),
        "text": ("text", b"7"), "text/": ("text", b"8"), "text//a": ("text", b"9"), "$SYS/broker": (f"rest/{NONE}/broker", b"10"),
        "readings/a b": ("readings/a b", b"{}"), "readings/ä%/x".removesuffix("/x"): ("readings/ä%25", b"{}"),
    }
    expected = {}
    with connected(server) as client:
        for topic, (folder, payload) in sent.items():
            assert client.store(topic, payload) == 0
            expected.setdefault(folder, []).append(payload)
    assert placed(server, len(sent)) == expected


@pytest.mark.parametrize("topic", ["nowhere", "readings", "readings/", "readings/a/b", "/readings/a", "Readings/a", "$SYS/a/b", "grid", "labels/a"])
def test_unmapped_topics_are_dead_letters(server, topic):
    with connected(server, V311, "lost client") as client:
        assert client.store(topic, '{"n":1}', 1) == 0
        assert client.store(topic, b"\xff\0", 2) == 0
        assert client.store(topic, b"", 0) == 0
        client.ping()
    found = letters(server, 3)
    assert {(one["stream"], one["outlet"], one["origin"]) for one in found} == {("unmapped", "source", f"mqtt lost client {topic}")}
    assert all("mqtt.topics" in one["reason"] for one in found)
    assert [one.get("payload") for one in found] == ['{"n":1}', None, ""]
    assert base64.b64decode(found[1]["payload_base64"]) == b"\xff\0"
    assert rows(server, 0) == []


def test_dead_letters_command_shows_unmapped_ones(server):
    with connected(server) as client:
        client.store("no/where", "lost")
    letters(server, 1)
    done = run_command("dead-letters", "list", "-c", "penstock.yaml", cwd=server.directory)
    assert done.returncode == 0 and "unmapped" in done.stdout and "mqtt.topics" in done.stdout, done
    done = run_command("dead-letters", "show", "unmapped", "-c", "penstock.yaml", cwd=server.directory)
    assert json.loads(done.stdout)["payload"] == "lost"


def test_default_topics(gateway):
    with gateway("lake.roll.every=100ms") as server:
        with connected(server) as client:
            client.store("readings/s1", '{"n":1}')
            client.store("unorganized", "a line")
        assert rows(server, 1) == [b'{"n":1}']
        assert letters(server, 1)[0]["payload"] == "a line"


# ---- keys and labels ----

def test_key_of_the_topic_wins(server):
    with connected(server) as client:
        client.store("readings/topic", '{"sensor_id":"body"}')
        client.store("readings/topic", '[{"sensor_id":"one"},{"sensor_id":"two"}]')
        client.store("grid/other/wattage", '{"x":1}')
    assert {folder: len(found) for folder, found in placed(server, 4).items()} == {"readings/topic": 3, "readings/other": 1}


def test_key_of_the_body_where_the_topic_has_none(gateway):
    config = "mqtt: {topics: {'all/#': readings}}\nstreams: {readings: {key: /sensor_id, lake: {path: 'r/{key}'}}}\n"
    with gateway("lake.roll.every=100ms", config=config) as server:
        with connected(server, client_id="c") as client:
            client.store("all/of/it", '{"sensor_id":"body"}')
            client.store("all/of/it", '{"n":1}')
        assert placed(server, 1) == {"r/body": [b'{"sensor_id":"body"}']}
        letter, = letters(server, 1)
        assert letter["stream"] == "readings" and "key" in letter["reason"] and letter["payload"] == '{"n":1}'


def folder_of(server, folder, payload):
    assert placed(server, 1) == {folder: [payload]}


def test_labels_of_mqtt_5(server):
    with connected(server, V5, "the client", user="me") as client:
        client.store("labels/s/r", '{"kind":"k"}', 2, retain=True, content_type="application/json", response_topic="answers/1",
                     correlation_data="c-1", message_expiry=77, payload_format=1, user=[("room", "small"), ("Room", "12"), ("Room", "13")])
    folder_of(server, "s/r/the client/labels%2Fs%2Fr/2truefalsefalse/u=me/t=application%2Fjson/r=answers%2F1/c=c-1/e=77/f=utf-8/h=12,k",
              b'{"kind":"k"}')


@pytest.mark.parametrize("version", [V31, V311, V5])
def test_labels_where_nothing_is_said(server, version):
    with connected(server, version, "c") as client:
        client.publish("labels/s/r", "{}", 1, 1, dup=True)
        client.expect(mqtt.PUBACK, 1)
    folder_of(server, f"s/r/c/labels%2Fs%2Fr/1falsetruefalse/u={EMPTY}/t={EMPTY}/r={EMPTY}/c={EMPTY}/e={EMPTY}/f=bytes/h={EMPTY},{EMPTY}", b"{}")


@pytest.mark.parametrize("data, label", [(b"\xff\0\1", "%2FwAB"), (b"a\nb", "YQpi"), ("täxt", "täxt"), (b"ab\0c", "YWIAYw%3D%3D")])
def test_correlation_data(server, data, label):
    """As it is when it can be a label, else in base64."""
    with connected(server, V5, "c") as client:
        client.store("labels/s/r", "{}", correlation_data=data)
    assert list(placed(server, 1))[0].split("/")[8] == f"c={label}"


def test_header_is_the_content_type(gateway):
    config = "mqtt: {topics: {'r/#': r}}\nstreams: {r: {labels: {type: 'header:content-type'}, lake: {path: 'r/{type}'}}}\n"
    with gateway("lake.roll.every=100ms", config=config) as server:
        with connected(server) as client:
            client.store("r/a", "{}", content_type="application/json")
        assert list(placed(server, 1)) == ["r/application%2Fjson"]


def test_label_that_cannot_be_is_a_dead_letter(server):
    with connected(server, V5, "c") as client:
        assert client.store("labels/s/r", "{}", user=[("Room", "x" * 257)]) == 0
        assert client.store("readings/" + "x" * 257, "{}") == 0
        assert client.store("labels/s/r", '{"kind":[]}') == 0
    found = letters(server, 3)
    assert ["room" in found[0]["reason"], "key" in found[1]["reason"], "kind" in found[2]["reason"]] == [True] * 3, found
    assert [one["stream"] for one in found] == ["labels", "readings", "labels"]


# ---- several records in a message ----

@pytest.mark.parametrize("version", [V311, V5])
def test_batch_has_one_acknowledgement(server, version):
    with connected(server, version, "batch") as client:
        assert client.store("readings/a", '[{"n":1},\n {"n":2}]', 1) == 0
        assert client.store("readings/b", '{"n":3}\n{"n":4}\n{"n":5}\n', 2) == 0
        assert client.store("readings/c", '{\n"n":\n6}', 1) == 0
        assert client.store("text/a", "7\n8\r\n9", 1) == 0
        client.ping()
    assert placed(server, 9) == {"readings/a": [b'{"n":1}', b'{"n":2}'], "readings/b": [b'{"n":3}', b'{"n":4}', b'{"n":5}'],
                                 "readings/c": [b'{ "n": 6}'], "text": [b"7", b"8", b"9"]}


def test_batch_with_bad_records(server):
    """The good ones arrive, each of the bad ones is a letter, and the acknowledgement stands for all of them."""
    with connected(server, V5, "mixed") as client:
        assert client.store("readings/a", '{"n":1}\n{"n":\n{"n":3}\n', content_type="application/x-ndjson") == 0
    assert rows(server, 2) == [b'{"n":1}', b'{"n":3}']
    letter, = letters(server, 1)
    assert (letter["stream"], letter["payload"], letter["origin"], letter["outlet"]) == ("readings", '{"n":', "mqtt mixed readings/a", "source")


def test_content_type_says_what_it_is(server):
    with connected(server, V5, "c") as client:
        assert client.store("readings/a", '{"n":1}\n', content_type="application/json; charset=utf-8") == 0
        assert client.store("readings/a", '{"n":2}\n{"n":3}', content_type="application/x-ndjson") == 0
        assert client.store("readings/a", "x", content_type="image/png") == 0
    assert [row for row in rows(server, 3)] == [b'{"n":1}', b'{"n":2}', b'{"n":3}']
    letter, = letters(server, 1)
    assert "content type" in letter["reason"] and letter["payload"] == "x"


UNDECODABLE = {"nothing": b"", "no JSON": b"hello", "a broken array": b'[{"n":1},{"n":2}', "half an object": b'{"n":', "not UTF-8": b'{"n":"\xff"}',
               "an empty array": b"[]", "a number behind": b"{} 1", "NUL": b"\0", "blanks": b" \n "}


@pytest.mark.parametrize("name", UNDECODABLE)
def test_undecodable_payload_is_acknowledged_and_a_dead_letter(server, name):
    payload = UNDECODABLE[name]
    with connected(server, V311, "bad client") as client:
        for qos in (1, 2):
            assert client.store("readings/s1", payload, qos) == 0
        assert client.store("readings/s1", '{"good":1}') == 0
    found = letters(server, 2)
    for letter in found:
        stored = letter["payload"].encode() if "payload" in letter else base64.b64decode(letter["payload_base64"])
        assert stored == payload
        assert (letter["stream"], letter["outlet"], letter["origin"], letter["undecodable"]) == \
            ("readings", "source", "mqtt bad client readings/s1", True)
        assert letter["reason"]
    assert rows(server, 1) == [b'{"good":1}']
    server.stop_cleanly()
    server.start()
    assert len(letters(server, 2)) == 2


def test_letter_is_acknowledged_only_when_it_is_safe(server):
    """kill -9 behind the PUBACK: the letter is there after the next start."""
    sent = []
    for number in range(5):
        with connected(server, V311, "c") as client:
            for topic in ("readings/s1", "no/where"):
                sent.append(f"bad {number}")
                client.store(topic, sent[-1])
            server.kill()
        server.start()
    assert sorted(letter["payload"] for letter in letters(server, 10)) == sorted(sent)


def test_letters_can_be_given_back(gateway):
    """What came before its stream was mapped, once it is."""
    server = gateway("lake.roll.every=100ms", config="streams: {readings: {key: /sensor_id}}\n").start()
    with connected(server) as client:
        client.store("readings/s1", "no JSON")
    letters(server, 1)
    done = run_command("dead-letters", "replay", "readings", "-c", "penstock.yaml", cwd=server.directory)
    assert done.returncode == 0, done
    penstock.wait_until("the letter in the lake or listed again", lambda: letters_or_rows(server))
    server.stop_cleanly()


def letters_or_rows(server):
    found = [line for file in (server.data / "dead-letters").glob("*.jsonl") for line in file.read_text().splitlines()]
    return found and "not given back" in found[0] or penstock.lake_rows(server.lake) == [b"no JSON"]


def test_too_many_records_in_a_message(gateway):
    with gateway("mqtt.max_records=3", "lake.roll.every=100ms") as server:
        with connected(server, V5, "c") as client:
            assert client.store("readings/a", "[{},{},{}]") == 0
            assert client.store("readings/a", "[{},{},{},{}]") == 0
        assert rows(server, 3) == [b"{}"] * 3
        letter, = letters(server, 1)
        assert "mqtt.max_records" in letter["reason"] or "3" in letter["reason"], letter
        assert letter["payload"] == "[{},{},{},{}]"


# ---- text and bytes ----

def test_text_is_lines(server):
    with connected(server) as client:
        client.store("text/a", "one")
        client.store("text/a", b"tw\xff\n\x00three\n")
        client.store("text/a", '{"a":1}')
    assert rows(server, 4) == [b"one", b"tw\xff", b"\0three", b'{"a":1}']


def test_bytes_are_one_record(gateway):
    """Whatever they are. In a lake of lines they stand in base64, with their key and time."""
    config = "mqtt: {topics: {'raw/#': raw}}\nstreams: {raw: {format: bytes, key: 'mqtt:client_id'}}\n"
    blobs = [b"\0\xff\n\r\n", bytes(range(256)) * 100, b"plain", b'{"a":1}\n{"b":2}', b"\n"]
    with gateway("lake.roll.every=100ms", config=config) as server:
        with connected(server, client_id='c"1') as client:
            for blob in blobs:
                assert client.store("raw/x", blob) == 0
        found = [json.loads(row) for row in rows(server, len(blobs))]
    assert [base64.b64decode(row["payload"], validate=True) for row in found] == blobs
    assert all(set(row) == {"key", "time", "payload"} and row["key"] == 'c"1' for row in found)


def test_largest_message(gateway):
    """A megabyte at every QoS, in pieces as TCP brings them."""
    with gateway("lake.roll.every=200ms") as server:
        head = len(mqtt.publish(V5, "readings/s1", b"x" * 100000, 1, 1)) - 100000
        body = b'{"x":"%s"}' % (b"x" * ((1 << 20) - head - 8))
        with connected(server) as client:
            for qos in (0, 1, 2):
                assert client.store("readings/s1", body, qos) == 0
        assert [len(row) for row in rows(server, 3)] == [len(body)] * 3


def test_http_and_mqtt_side_by_side(server):
    with connected(server) as client:
        server.send({"sensor_id": "h"})
        client.store("readings/m", '{"n":1}')
        server.send({"sensor_id": "h2"})
    assert set(placed(server, 3)) == {"readings/h", "readings/m", "readings/h2"}
