"""Nothing is accepted that has nowhere to go: what `check` and `run` say of streams that no outlet takes."""

import json
import re

import pytest

from penstock import lake_rows, read_lake, run_command, wait_until

NO_LAKE = "lake: {enabled: false}\n"
KAFKA = 'kafka: {properties: {bootstrap.servers: "127.0.0.1:1"}}\n'  # nobody listens there
NOTHING = "lake.enabled: nothing takes the records: set it to true, or set bootstrap.servers in kafka.properties"
UNUSED = "topics, but kafka.properties has no bootstrap.servers"

# What is wrong, its configuration, and the beginnings of all lines that `check` says.
WRONG = {
    "no outlet": (NO_LAKE, [f"c.yaml:1:17: {NOTHING}"]),
    "Kafka, but no topics": (NO_LAKE + KAFKA, [f"c.yaml:1:17: {NOTHING}"]),
    "Kafka without topics, a stream of its own":
        (NO_LAKE + KAFKA + "streams: {power: {key: /meter}}\n", [f"c.yaml:1:17: {NOTHING}"]),
    "topics, but no Kafka": ("streams:\n  readings:\n    topics:\n    - A\n    - B\n  power: {topics: C}\n",
                             [f"c.yaml:4:7: streams.readings.topics: {UNUSED}", f"c.yaml:6:19: streams.power.topics: {UNUSED}"]),
    "topics, but neither Kafka nor a lake": (NO_LAKE + "streams: {readings: {topics: [A]}}\n",
                                             [f"c.yaml:1:17: {NOTHING}", f"c.yaml:2:31: streams.readings.topics: {UNUSED}"]),
    "a stream without topics":
        (NO_LAKE + KAFKA + "streams: {readings: {topics: [A]}, power: {key: /meter}, water: {topics: []}}\n",
         ["c.yaml:3:74: streams.water.topics: stream water goes nowhere, it has no topics and there is no lake: give it topics, or "
          "set lake.enabled: true", "default of streams.power.topics: stream power goes nowhere, it has no topics"]),
    "a built-in stream that messages are sent to":
        (NO_LAKE + KAFKA + "mqtt: {topics: {a/+: readings, b: unorganized, c/#: unorganized}}\nstreams: {readings: {topics: [A]}}\n",
         ["c.yaml:3:35: mqtt.topics.b: stream unorganized goes nowhere, it has no topics and there is no lake",
          "c.yaml:3:53: mqtt.topics.c/#: stream unorganized goes nowhere"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_goes_nowhere_is_told(name, tmp_path):
    text, lines = WRONG[name]
    (tmp_path / "c.yaml").write_text(text)
    for command in "check", "run":
        done = run_command(command, "-c", "c.yaml", cwd=tmp_path)
        assert done.returncode == 1 and done.stdout == ""
        said = done.stderr.splitlines()
        assert len(said) == len(lines), done.stderr
        for line in lines:
            assert any(one.startswith(line) for one in said), f"{line!r} is not in\n{done.stderr}"
    assert [file.name for file in tmp_path.iterdir()] == ["c.yaml"]


@pytest.mark.parametrize("text", ["", KAFKA, NO_LAKE + KAFKA + "streams: {readings: {topics: [A]}}\n",
                                  KAFKA + "streams: {power: {key: /meter}, readings: {topics: [A]}}\n",
                                  NO_LAKE + KAFKA + "streams: {power: {topics: [A]}, unorganized: {format: json}}\n"])
def test_what_goes_somewhere_is_right(text, tmp_path):
    (tmp_path / "c.yaml").write_text(text)
    done = run_command("check", "-c", "c.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_built_in_stream_without_an_outlet_is_not_there(gateway):
    config = NO_LAKE + KAFKA + "streams: {power: {topics: [P]}, unorganized: {format: json}}\n"
    one = gateway(config=config).start()
    for stream in "readings", "unorganized":
        answer = one.post(f"/{stream}", '{"sensor_id":"S"}')
        assert answer.status == 404
        known = json.loads(answer.body)["detail"]
        assert known.endswith("with one of these: power"), known
        assert re.search(rf"stream\.dropped stream={stream} .*lake\.enabled", one.said()), one.said()
        assert not re.search(rf"stream\.rendering stream={stream}\b", one.said())
    assert re.search(r"stream\.rendering stream=power\b", one.said())
    assert "curl" not in one.said()  # the banner's example is for readings
    one.send({"watt": 1}, "/power")
    assert one.metric("penstock_records_accepted_total") == 1


def test_with_a_lake_all_are_there(gateway):
    one = gateway("lake.roll.every=100ms", config=KAFKA).start()
    one.send({"sensor_id": "S"})
    one.send("a line", "/unorganized", content_type="text/plain")
    assert "stream.dropped" not in one.said()
    assert "kafka.unused" in one.said()
    wait_until("both files", lambda: len(read_lake(one.lake)) == 2)


def test_what_is_not_for_kafka_is_counted(gateway):
    """Records of a stream without topics, also those that were accepted before Kafka was there: it passes over them, and tells how
    many they were, with no broker to ask."""
    def has_passed(count):
        names = ("not_for_outlet_total", "delivered_total", "dead_lettered_total", "lag_records")
        return [one.metric(f"penstock_outlet_{name}", 'outlet="kafka"') for name in names] == [count, 0, 0, 0]

    one = gateway("lake.roll.every=100ms").start()
    for number in range(5):
        one.send({"sensor_id": "S", "n": number})
    one.stop_cleanly()
    one.config = KAFKA + "streams: {power: {topics: [P]}}\n"
    one.start()
    wait_until("Kafka's outlet to pass over the old ones", lambda: has_passed(5))
    one.send({"sensor_id": "S", "n": 5})
    wait_until("Kafka's outlet to pass over a new one", lambda: has_passed(6))
    assert one.metric("penstock_outlet_not_for_outlet_total", 'outlet="lake"') == 0
    one.stop_cleanly()
    assert len(lake_rows(one.lake)) == 6


def test_what_is_not_for_the_lake_is_counted(gateway):
    """A dead letter of Kafka's that is given back is Kafka's alone."""
    one = gateway("lake.roll.every=100ms", config=KAFKA + "streams: {readings: {topics: [A]}}\n").start()
    letter = {"id": "site-7/3f9a1c22/1", "outlet": "kafka", "stream": "readings", "topic": "A", "reason": "it was too large",
              "time": "2026-01-02T03:04:05.000000Z", "received": "2026-01-02T03:04:05.000000Z", "key": "7", "labels": {},
              "origin": "http", "payload": '{"sensor_id":7}'}
    (one.data / "dead-letters" / "readings+0000000001.jsonl").write_text(json.dumps(letter) + "\n")
    assert run_command("dead-letters", "replay", "readings", cwd=one.directory).returncode == 0
    wait_until("the lake to pass over it", lambda: one.metric("penstock_outlet_not_for_outlet_total", 'outlet="lake"') == 1)
    one.send({"sensor_id": 8})
    wait_until("the lake to have the other", lambda: lake_rows(one.lake) == [b'{"sensor_id": 8}'])
    assert one.metric("penstock_outlet_not_for_outlet_total", 'outlet="kafka"') == 0


# ---- answers that wait for the lake ----

LATE = "lake: {roll: {every: 1min}}\n"
WAITS = "streams: {readings: {ack: {level: delivered}}}\n"
DOUBTFUL = {  # configuration: the streams that are told
    LATE + WAITS: ["readings"],
    "lake: {roll: {every: 0}}\n" + WAITS: ["readings"],
    "lake: {roll: {every: 1min, idle: 40s}}\n" + WAITS: ["readings"],
    LATE + "streams: {readings: {ack: {outlets: [lake]}}, power: {ack: {level: delivered}}}\n": ["power", "readings"],
    LATE + KAFKA + "streams: {readings: {topics: [A], ack: {level: delivered, outlets: [kafka, lake]}}}\n": ["readings"],
}
GOOD = (
    WAITS,
    LATE,
    LATE + "http: {delivery_timeout: 1min}\n" + WAITS,
    "lake: {roll: {every: 1min, idle: 20s}}\n" + WAITS,
    "lake: {roll: {every: 1min, records: 1}}\n" + WAITS,
    LATE + "streams: {readings: {ack: {level: memory}}}\n",
    LATE + KAFKA + "streams: {readings: {topics: [A], ack: {level: delivered}}}\n",
)


@pytest.mark.parametrize("text, streams", [*DOUBTFUL.items(), *((text, []) for text in GOOD)])
def test_an_answer_that_would_wait_too_long_for_the_lake_is_told(text, streams, tmp_path):
    (tmp_path / "c.yaml").write_text(text)
    done = run_command("check", "-c", "c.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = done.stderr.splitlines()
    assert sorted(re.match(r"penstock check: warning: streams\.(\w+)\.ack: waits for the lake", line)[1] for line in said) == streams
    assert all("lake.roll.every" in line and "http.delivery_timeout" in line for line in said)


def test_the_start_tells_it_too(gateway):
    one = gateway(config=LATE + WAITS).start()
    assert re.search(r"warn stream\.ack stream=readings reason=.*http\.delivery_timeout", one.said()), one.said()
    one.stop_cleanly()
    assert "stream.ack" not in gateway(config=WAITS, directory=gateway.folder / "other").start().said()
