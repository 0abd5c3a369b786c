"""Damaged segments of a stopped gateway: it starts, names what is missing, and delivers every other record once.
(Every byte and every length: tests/unit, over the journal alone.)"""

import json
import re
import shutil

import pytest

from penstock import lake_rows, wait_until
from siege import SMALL_SEGMENTS

POSTS, BATCH = 30, 200
KEPT = ("journal.segment_size=1MiB", "journal.max_size=64MiB", *SMALL_SEGMENTS[2:])


def record(name, number):
    return json.dumps({"id": f"{name}-{number}", "sensor_id": number % 7, "pad": chr(97 + number % 26) * 500}).encode()


def queue(gateway, name="record"):
    """Records that wait in several segments of a killed gateway; their bytes, in the order of their sequences 1, 2, ..."""
    one = gateway("lake.roll.every=1h", *KEPT, directory=gateway.folder / name).start()
    records = [record(name, number) for number in range(POSTS * BATCH)]
    for first in range(0, len(records), BATCH):
        answer = one.post("/readings", b"\n".join(records[first:first + BATCH]), "application/x-ndjson")
        assert answer.status == 200, answer
    one.kill()
    assert lake_rows(one.lake) == []
    return one, records


def deliver(one):
    """Starts again and delivers everything; the rows of the lake, and what was logged."""
    one.sets[one.sets.index("lake.roll.every=1h")] = "lake.roll.every=200ms"
    one.start()
    one.send(record("fresh", 0))
    wait_until("an empty queue", lambda: one.metric("penstock_outlet_lag_records") == 0)
    said = one.said()
    one.stop_cleanly()
    rows = lake_rows(one.lake)
    assert rows[-1] == record("fresh", 0)
    assert len(set(rows)) == len(rows)
    return rows[:-1], said


def segments(one):
    """The segments with records, oldest first."""
    return [file for file in sorted((one.data / "journal").glob("*.segment")) if b'"id": "record-' in file.read_bytes()]


def overwrite(file, offset, data):
    with open(file, "r+b") as target:
        target.seek(offset)
        target.write(data)


@pytest.fixture
def kept(gateway, tmp_path):
    gateway.folder = tmp_path
    return queue(gateway)


def numbers_named(said, event="damage"):
    """All sequences that the log's lines about damage cover."""
    named = set()
    for line in said.splitlines():
        if event in line:
            ranges = re.findall(r"first=(\d+)\D+last=(\d+)", line) + re.findall(r"(\d+)\.\.(\d+)", line)
            for first, last in ranges:
                named.update(range(int(first), int(last) + 1))
    return named


def test_flipped_byte_costs_one_record_and_names_it(kept):
    one, records = kept
    victim = 137
    file = segments(one)[0]
    offset = file.read_bytes().index(b'"id": "record-%d"' % victim) + 100
    overwrite(file, offset, b"#")
    rows, said = deliver(one)
    assert rows == records[:victim] + records[victim + 1:]
    assert victim + 1 in numbers_named(said), said


def test_each_outlet_counts_the_damage_that_it_met(kept):
    one, records = kept
    file = segments(one)[0]
    overwrite(file, file.read_bytes().index(b'"id": "record-137"') + 100, b"#")
    one.sets += ["kafka.properties.bootstrap.servers=127.0.0.1:1", "kafka.max_topics=10",
                 "streams.unorganized.topics=nowhere", "lake.roll.every=200ms"]
    one.sets.remove("lake.roll.every=1h")
    one.start()
    wait_until("all outlets have read everything", lambda: one.metric("penstock_outlet_lag_records") == 0)
    for outlet in ("lake", "kafka"):
        assert one.metric("penstock_journal_records_damaged_total", f'outlet="{outlet}"') == 1
    one.stop_cleanly()
    assert len(lake_rows(one.lake)) == len(records) - 1


def test_each_of_many_damaged_records_is_named(kept):
    """More of them than the log's limit on repetitions."""
    one, records = kept
    victims = list(range(100, 1300, 40))
    file = segments(one)[0]
    data = file.read_bytes()
    for victim in victims:
        overwrite(file, data.index(b'"id": "record-%d"' % victim) + 200, b"#")
    rows, said = deliver(one)
    assert rows == [row for number, row in enumerate(records) if number not in victims]
    assert {victim + 1 for victim in victims} <= numbers_named(said), said


def test_flipped_length_field_is_resynchronised(kept):
    """The bytes in front of a body: its length, checksum, kind and sequence."""
    one, records = kept
    victim = 211
    file = segments(one)[0]
    body = file.read_bytes().index(b'{"id": "record-%d"' % victim)
    overwrite(file, body - 96, bytes(40))
    rows, said = deliver(one)
    missing = [number for number, row in enumerate(records, 1) if row not in set(rows)]
    assert 1 <= len(missing) <= 2 and set(missing) <= {victim, victim + 1}
    assert set(missing) <= numbers_named(said), said


def test_zeroed_page_costs_its_records(kept):
    one, records = kept
    file = segments(one)[0]
    overwrite(file, 64 * 4096, bytes(4096))
    rows, said = deliver(one)
    there = set(rows)
    missing = {number for number, row in enumerate(records, 1) if row not in there}
    assert 1 <= len(missing) <= 10
    assert missing <= numbers_named(said), said
    assert rows == [row for row in records if row in there]


@pytest.mark.parametrize("size", [0, 100, 4096, 5000, 300001])
def test_truncated_old_segment(kept, size):
    one, records = kept
    victim = segments(one)[1]
    with open(victim, "r+b") as file:
        file.truncate(size)
    rows, said = deliver(one)
    there = set(rows)
    missing = {number for number, row in enumerate(records, 1) if row not in there}
    assert 0 < len(missing) < len(records) / 2
    assert missing <= numbers_named(said), said
    assert rows == [row for row in records if row in there]


def test_swapped_segments_are_put_right(kept):
    one, records = kept
    first, second = segments(one)[:2]
    spare = first.with_suffix(".spare")
    first.rename(spare)
    second.rename(first)
    spare.rename(second)
    rows, said = deliver(one)
    assert rows == records
    assert first.name in said


def test_duplicated_segment_is_delivered_once(kept):
    one, records = kept
    first = segments(one)[0]
    twin = first.with_name(f"{99:020}.segment")
    shutil.copyfile(first, twin)
    rows, said = deliver(one)
    assert rows == records
    assert twin.name in said


def test_garbage_is_set_aside(kept):
    one, records = kept
    garbage = segments(one)[0].with_name(f"{98:020}.segment")
    garbage.write_bytes(bytes(range(256)) * 4096)
    rows, said = deliver(one)
    assert rows == records
    assert garbage.name in said


def test_segment_of_another_journal_is_never_delivered(gateway, kept):
    one, records = kept
    other, _ = queue(gateway, "stranger")
    foreign = sorted((other.data / "journal").glob("*.segment"))[1]
    target = one.data / "journal" / f"{97:020}.segment"
    shutil.copyfile(foreign, target)
    rows, said = deliver(one)
    assert rows == records
    assert target.name in said


@pytest.mark.parametrize("starts", [0, 1], ids=["in the last segment", "in an older one"])
def test_a_key_goes_with_its_records(gateway, starts):
    """Who repeats a request whose records are damaged must not hear that they are safe: all of it is stored again."""
    one = gateway("lake.roll.every=1h", *KEPT).start()
    batches = [[record("record", 10 * batch + number) for number in range(3)] for batch in range(3)]

    def post(batch):
        answer = one.post("/readings", b"\n".join(batches[batch]), "application/x-ndjson", Idempotency_Key=f"key-{batch}")
        assert answer.status == 200, answer
        return answer.headers["Idempotent-Replayed"] == "true"

    assert not any(post(batch) for batch in range(3))
    one.kill()
    for _ in range(starts):
        one.start()
        one.kill()
    file = segments(one)[0]
    overwrite(file, file.read_bytes().index(b'"id": "record-11"') + 100, b"#")
    rows, said = deliver(one)
    assert batches[1][1] not in rows and numbers_named(said) == {5}
    one.start()
    assert [post(batch) for batch in range(3)] == [True, False, True]
    assert post(1)
    one.stop_cleanly()
    rows = lake_rows(one.lake)
    assert [rows.count(row) for row in batches[1]] == [2, 1, 2]
    assert all(rows.count(row) == 1 for row in batches[0] + batches[2])
