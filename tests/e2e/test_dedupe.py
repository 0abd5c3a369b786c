"""streams.*.dedupe: a record that is sent again under its sequence number is stored once, whichever way it comes."""

import json
import subprocess

import pytest

import mqtt
from mqtt import V5, V311, connected
from penstock import lake_rows, wait_until

CONFIG = """\
mqtt: {topics: {"readings/{sensor_id}": readings, "numbered/{id}/{n}": numbered}}
streams:
  readings: {key: /sensor_id, dedupe: {sequence: /seq}}
  ordered: {key: /sensor_id, dedupe: {sequence: /seq, old: drop}}
  headed: {key: "header:Sensor", dedupe: {sequence: "header:Number"}}
  numbered: {format: text, key: "topic:id", dedupe: {sequence: "topic:n"}}
  plain: {key: /sensor_id}
"""
NDJSON = "application/x-ndjson"


@pytest.fixture
def once(gateway):
    with gateway("lake.roll.every=100ms", config=CONFIG) as server:
        yield server


def reading(number, key="S1"):
    return json.dumps({"sensor_id": key, "seq": number})


def batch(*numbers):
    return "\n".join(map(reading, numbers))


def said(answer):
    return answer.status, json.loads(answer.body)


def post(gateway, *numbers, **headers):
    return said(gateway.post("/readings", batch(*numbers), NDJSON, **headers))


def stored(gateway, count):
    wait_until(f"{count} records", lambda: gateway.metric("penstock_journal_sequence") == count)
    wait_until("the lake", lambda: gateway.metric("penstock_outlet_delivered_total", 'outlet="lake"') == count)
    return [row.decode() for row in lake_rows(gateway.lake)]


def numbers(gateway, count):
    return sorted(json.loads(row)["seq"] for row in stored(gateway, count))


def counted(gateway, kind, stream="readings"):
    return gateway.metric("penstock_records_duplicate_total", f'stream="{stream}"', f'kind="{kind}"')


# ---- HTTP ----

def test_single_records(once):
    assert said(once.post("/readings", reading(5))) == (200, {"accepted": 1})
    for _ in range(3):
        assert said(once.post("/readings", reading(5))) == (200, {"accepted": 0, "duplicates": 1})
    assert said(once.post("/readings", reading(5, "S2"))) == (200, {"accepted": 1})
    assert said(once.post("/readings", json.dumps({"sensor_id": "S1", "seq": "6"}))) == (200, {"accepted": 1})
    assert said(once.post("/readings", reading(6))) == (200, {"accepted": 0, "duplicates": 1})
    assert len(stored(once, 3)) == 3
    assert (counted(once, "window"), counted(once, "old")) == (4, 0)
    assert once.metric("penstock_records_accepted_total", 'source="http"', 'stream="readings"') == 7
    assert once.metric("penstock_dedupe_keys") == 2


def test_batches_that_overlap(once):
    assert post(once, 1, 2, 3) == (200, {"accepted": 3})
    assert post(once, 2, 3, 4) == (200, {"accepted": 1, "duplicates": 2})
    assert post(once, 2, 3, 4) == (200, {"accepted": 0, "duplicates": 3})
    assert post(once, 9, 9, 8, 9) == (200, {"accepted": 2, "duplicates": 2})
    assert numbers(once, 6) == [1, 2, 3, 4, 8, 9]


def test_late_and_too_late(once):
    """Nobody can tell whether one below the window came before: it is stored, as often as it comes, rather than lost."""
    assert post(once, 1000, 937) == (200, {"accepted": 2})
    assert post(once, 936) == (200, {"accepted": 1})
    assert post(once, 0, 1000, 1001, 936) == (200, {"accepted": 3, "duplicates": 1})
    assert post(once, 2**64 - 1) == (200, {"accepted": 1})
    assert numbers(once, 7) == [0, 936, 936, 937, 1000, 1001, 2**64 - 1]
    assert (counted(once, "window"), counted(once, "old")) == (1, 0)
    assert once.metric("penstock_records_undecided_total", 'stream="readings"') == 3


def test_too_late_is_dropped_where_the_stream_says_so(once):
    def post(*numbers):
        return said(once.post("/ordered", batch(*numbers), NDJSON))

    assert post(1000, 937) == (200, {"accepted": 2})
    assert post(936) == (200, {"accepted": 0, "duplicates": 1, "old": 1})
    assert post(0, 1000, 1001) == (200, {"accepted": 1, "duplicates": 2, "old": 1})
    assert numbers(once, 3) == [937, 1000, 1001]
    assert (counted(once, "window", "ordered"), counted(once, "old", "ordered")) == (1, 2)


def test_a_thousand_readings_of_one_sensor_again(once):
    """More than the window holds: a sender that waits for each answer loses none, and with old: drop doubles none."""
    body = batch(*range(1000))
    assert said(once.post("/ordered", body, NDJSON)) == (200, {"accepted": 1000})
    assert said(once.post("/ordered", body, NDJSON)) == (200, {"accepted": 0, "duplicates": 1000, "old": 936})
    assert numbers(once, 1000) == list(range(1000))


def test_what_has_no_number(once):
    body = "\n".join([reading(1), '{"sensor_id":"S1"}', reading(1), '{"sensor_id":"S1","seq":-1}'])
    why = [{"index": 1, "reason": "sequence /seq: missing"},
           {"index": 3, "reason": "sequence /seq: must be an integer from 0 to 18446744073709551615"}]
    assert said(once.post("/readings", body, NDJSON)) == (207, {"accepted": 1, "duplicates": 1, "rejected": why, "rejected_total": 2})
    answer = once.post("/readings", '{"sensor_id":"S1"}')
    assert (answer.status, json.loads(answer.body)["detail"]) == (422, "sequence /seq: missing")
    assert once.metric("penstock_records_rejected_total", 'stream="readings"', 'reason="sequence"') == 3
    assert numbers(once, 1) == [1]


def test_headers(once):
    assert said(once.post("/headed", "{}", Sensor="A", Number="7")) == (200, {"accepted": 1})
    assert said(once.post("/headed", "{}", Sensor="A", Number="7")) == (200, {"accepted": 0, "duplicates": 1})
    assert said(once.post("/headed/B", "{}", Sensor="A", Number="7")) == (200, {"accepted": 1})
    assert once.post("/headed", "{}", Sensor="A").status == 422
    assert len(stored(once, 2)) == 2


def test_streams_without_it_store_all(once):
    for _ in range(3):
        assert said(once.post("/plain", reading(1))) == (200, {"accepted": 1})
    assert len(stored(once, 3)) == 3


def test_memory_does_not_wait_for_the_verdict(once):
    for _ in range(2):
        assert post(once, 1, Penstock_Ack="memory") == (200, {"accepted": 1})
    assert post(once, 2) == (200, {"accepted": 1})
    assert numbers(once, 2) == [1, 2]


def test_delivered(once):
    """A duplicate waits for what is before it; where a record was given up before, nobody knows which."""
    def ack(*numbers):
        answer = once.post("/readings", batch(*numbers), NDJSON, Penstock_Ack="delivered")
        return answer.status, json.loads(answer.body), answer.headers["Penstock-Ack"]

    assert ack(1) == (200, {"accepted": 1}, "delivered")
    assert ack(1) == (200, {"accepted": 0, "duplicates": 1}, "delivered")
    assert ack(1, 2) == (200, {"accepted": 1, "duplicates": 1}, "delivered")
    assert post(once, 3) == (200, {"accepted": 1})
    assert ack(3) == (200, {"accepted": 0, "duplicates": 1}, "delivered")
    assert numbers(once, 3) == [1, 2, 3], "it is in the lake when that is said"


def test_an_idempotency_key_gets_the_same_answer(once):
    body = batch(1, 2) + '\n{"sensor_id":"S1"}'
    assert post(once, 1) == (200, {"accepted": 1})
    for attempt in range(2):
        answer = once.post("/readings", body, NDJSON, Idempotency_Key="k")
        assert said(answer) == (207, {"accepted": 1, "duplicates": 1, "rejected": [{"index": 2, "reason": "sequence /seq: missing"}], "rejected_total": 1})
        assert (answer.headers["Idempotent-Replayed"] == "true") == (attempt == 1)
    for attempt in range(2):
        answer = once.post("/readings", batch(1, 2, 2), NDJSON, Idempotency_Key="all")
        assert said(answer) == (200, {"accepted": 0, "duplicates": 3})
    once.kill()
    once.start()
    answer = once.post("/readings", batch(1, 2, 2), NDJSON, Idempotency_Key="all")
    assert (*said(answer), answer.headers["Idempotent-Replayed"]) == (200, {"accepted": 0, "duplicates": 3}, "true")
    answer = once.post("/readings", batch(1, 2, 2), NDJSON, Idempotency_Key="all", Penstock_Ack="delivered")
    assert (*said(answer), answer.headers["Penstock-Ack"]) == (200, {"accepted": 0, "duplicates": 3}, "delivered")
    assert numbers(once, 2) == [1, 2]


# ---- over starts ----

@pytest.mark.parametrize("end", ["stop_cleanly", "kill"])
def test_over_a_start(once, end):
    assert post(once, *range(100, 160)) == (200, {"accepted": 60})
    getattr(once, end)()
    once.start()
    assert once.metric("penstock_dedupe_keys") == 1
    assert post(once, *range(100, 162)) == (200, {"accepted": 2, "duplicates": 60})
    assert post(once, 98, 98) == (200, {"accepted": 1, "duplicates": 1})
    wait_until("the lake", lambda: len(lake_rows(once.lake)) == 63)


def test_configured_later(gateway):
    """What came before is not known; what is known stays over a time without it."""
    one = gateway("lake.roll.every=100ms", config="streams: {readings: {key: /sensor_id}}").start()
    assert post(one, 1) == (200, {"accepted": 1})
    one.stop_cleanly()
    one.sets.append("streams.readings.dedupe.sequence=/seq")
    one.start()
    assert post(one, 1) == (200, {"accepted": 1})
    assert post(one, 1) == (200, {"accepted": 0, "duplicates": 1})
    one.stop_cleanly()
    one.sets.pop()
    one.start()
    assert post(one, 1) == (200, {"accepted": 1})
    one.stop_cleanly()
    one.sets.append("streams.readings.dedupe.sequence=/seq")
    one.start()
    assert post(one, 1) == (200, {"accepted": 0, "duplicates": 1})


def test_more_keys_than_there_is_room_for(gateway):
    """1/16 of a segment; the keys that had no new record for the longest time go, and that is counted."""
    small = ("journal.segment_size=1MiB", "journal.max_size=16MiB", "http.max_body=256KiB", "http.max_record=256KiB", "mqtt.max_packet=256KiB")
    with gateway("lake.roll.every=100ms", *small, config=CONFIG) as one:
        body = "\n".join(reading(1, f"K{number}") for number in range(2100))
        assert said(one.post("/readings", body, NDJSON)) == (200, {"accepted": 2100})
        keys = one.metric("penstock_dedupe_keys")
        assert 2000 < keys < 2100
        assert one.metric("penstock_dedupe_evicted_total") == 2100 - keys
        assert said(one.post("/readings", reading(1, "K2099"))) == (200, {"accepted": 0, "duplicates": 1})
        one.kill()
        one.start()
        assert one.metric("penstock_dedupe_keys") == keys
        assert said(one.post("/readings", reading(1, "K2099"))) == (200, {"accepted": 0, "duplicates": 1})
        assert said(one.post("/readings", reading(1, "K0"))) == (200, {"accepted": 1})


# ---- MQTT ----

@pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])
def test_a_message_again(once, version):
    for attempt in range(2):  # a sender that lost its session, or its memory
        with connected(once, version, f"sender-{attempt}") as client:
            for number in (1, 2):
                client.store("readings/S1", reading(number))
            client.store("numbered/A/7", "text")
    with connected(once, version, "another") as client:
        client.store("readings/S1", reading(3))
        client.store("readings/S1", reading(3), dup=True)
    assert sorted(stored(once, 4)) == sorted([reading(1), reading(2), reading(3), "text"])
    assert (counted(once, "window"), counted(once, "window", "numbered")) == (3, 1)


def test_a_message_without_a_number_is_a_dead_letter(once):
    with connected(once, V5, "sender") as client:
        client.store("readings/S1", '{"sensor_id":"S1"}')
    [letter] = mqtt.letters(once, 1)
    assert letter["reason"] == "sequence /seq: missing"


# ---- files ----

def test_a_file_again(gateway, tmp_path):
    """The same lines under another name, as after a restore."""
    config = """\
streams: {lines: {format: text, key: "file:name", dedupe: {sequence: "line:n"}}}
files: [{watch: %s/*/app.log, stream: lines, pattern: "^(?<n>[0-9]+) ", read_from: beginning, scan: 100ms}]
""" % tmp_path
    with gateway("lake.roll.every=100ms", config=config) as one:
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "app.log").write_text("".join(f"{number} line\n" for number in range(50)))
            wait_until("both read", lambda: one.metric("penstock_files_lines_total") == (50 if name == "a" else 100))
        wait_until("duplicates", lambda: counted(one, "window", "lines") == 50)
        assert len(stored(one, 50)) == 50


# ---- the configuration ----

def test_check_names_the_place(gateway, tmp_path):
    one = gateway(config="streams:\n  a: {dedupe: {sequence: /seq}}\n  b: {key: /k, dedupe: {sequence: seq}}\n  c: {key: /k, dedupe: {seq: /s}}\n")
    done = subprocess.run([*one.command()[:1], "check", "-c", one.directory / "penstock.yaml"], capture_output=True, text=True, timeout=60)
    lines = done.stderr.splitlines()
    assert done.returncode != 0
    assert any(":2:26: streams.a.dedupe.sequence: needs a key" in line for line in lines), lines
    assert any(":3:35: streams.b.dedupe.sequence: 'seq' does not say" in line for line in lines), lines
    assert any(':4:25: unknown option "seq"' in line for line in lines), lines
