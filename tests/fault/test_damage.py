"""Damaged segments of a stopped gateway: it starts, names what is missing, and delivers every other record once. In the fault table
lost is what is missing without having been named. (Every byte and every length of the journal alone: tests/unit.)"""

import collections
import json
import re
import shutil
import struct

import pytest

from journals import inspect
from ledger import Verdict
from mqtt import V5, connected
from penstock import lake_rows, wait_until
from siege import PATIENT, SMALL_SEGMENTS, new_random, note, rounds

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
def kept(gateway):
    return queue(gateway)


def count(fault, records, rows, said):
    """A row of the fault table."""
    there, named = set(rows), numbers_named(said)
    lost = [number for number, row in enumerate(records, 1) if row not in there and number not in named]
    note(fault, 1, Verdict(len(records), len(rows), lost, len(rows) - len(there), 0, 0, 0, 0))
    assert lost == []


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
    count("a page zeroed", records, rows, said)
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
    count("a segment truncated", records, rows, said)
    assert rows == [row for row in records if row in there]


@pytest.mark.one_round
def test_swapped_segments_are_put_right(kept):
    one, records = kept
    generator, _ = new_random()
    first, second = sorted(generator.sample(segments(one), 2))
    spare = first.with_suffix(".spare")
    first.rename(spare)
    second.rename(first)
    spare.rename(second)
    rows, said = deliver(one)
    assert rows == records
    assert first.name in said
    count("two segments swapped", records, rows, said)


@pytest.mark.one_round
def test_duplicated_segment_is_delivered_once(kept):
    one, records = kept
    generator, _ = new_random()
    first = generator.choice(segments(one))
    twin = first.with_name(f"{99:020}.segment")
    shutil.copyfile(first, twin)
    rows, said = deliver(one)
    assert rows == records
    assert twin.name in said
    count("a segment twice", records, rows, said)


def test_garbage_is_set_aside(kept):
    one, records = kept
    garbage = segments(one)[0].with_name(f"{98:020}.segment")
    garbage.write_bytes(bytes(range(256)) * 4096)
    rows, said = deliver(one)
    assert rows == records
    assert garbage.name in said
    count("garbage as a segment", records, rows, said)


@pytest.mark.one_round
def test_segment_of_another_journal_is_never_delivered(gateway, kept):
    one, records = kept
    generator, _ = new_random()
    other, _ = queue(gateway, "stranger")
    foreign = generator.choice(sorted((other.data / "journal").glob("*.segment")))
    target = one.data / "journal" / f"{97:020}.segment"
    shutil.copyfile(foreign, target)
    rows, said = deliver(one)
    assert rows == records
    assert target.name in said
    count("a segment of another journal", records, rows, said)


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


# ---- every byte, every length ----

CONFIG = """\
streams:
  readings: {key: /sensor_id}
  counted: {key: /sensor_id, dedupe: {sequence: /seq}}
"""
STARTS = 4
FRAME_END = 64  # bytes from the end of a row to the end of its frame, at most


def row(number):
    """Of the record with this sequence."""
    return json.dumps({"sensor_id": "s", "seq": number}).encode()


class SmallJournal:
    """Of a gateway that has delivered what it took at its first start, and was killed at each later one while its lake was out of reach: segments with
    records, cursors, renderings, answers under keys, numbers and an MQTT session."""

    def __init__(self, make):
        self.make, self.folder = make, make.folder / "kept"
        self.last = 0
        self.ends = []  # the last record of each hand-over
        one = self.gateway(self.folder)
        for number in range(STARTS):
            one.start()
            for stream in ("readings", "counted"):
                answer = one.post(f"/{stream}", b"\n".join(self.more(4)), "application/x-ndjson", Idempotency_Key=f"{stream}-{number}")
                assert answer.status == 200, answer
            with connected(one, V5, "c", clean=False, session_expiry=600) as client:
                assert client.store("readings/s", self.more(1)[0], 2, id=number + 1) == 0
            wait_until("a mark that says that all of it is durable", lambda: self.mark(one))
            if number:
                one.kill()
            else:
                one.stop_cleanly(320)
                self.delivered = self.last
                (one.directory / "blocked").write_text("a file where a directory should be")
                one.sets.append("lake.url=blocked/lake")
        self.journal = (one.data / "journal").relative_to(self.folder)
        self.segments = [(segment["file"], segment["end"]) for segment in inspect(one)["segments"]]
        self.newest = self.segments[-1][0]
        self.segments[-1] = (self.newest, self.mark(one).end())
        assert len(self.segments) >= STARTS - 1, self.segments
        for file in (one.data / "journal").glob("reserve.*"):
            file.unlink()

    def gateway(self, folder):
        return self.make("lake.roll.every=1h", PATIENT, *SMALL_SEGMENTS, config=CONFIG, directory=folder)

    def more(self, count):
        self.last += count
        self.ends.append(self.last)
        return [row(number) for number in range(self.last - count + 1, self.last + 1)]

    def mark(self, one):
        """The newest group that says so (journal/FORMAT.md)."""
        newest = sorted((one.data / "journal").glob("*.segment"))[-1]
        last = re.escape(struct.pack("<Q", self.last))
        found = re.finditer(rb"\x10\0\0\0....%s\x02\0..%s.{8}" % (last, last), newest.read_bytes(), re.DOTALL)
        return next(reversed(list(found)), None)

    def places(self):
        return [(file, at) for file, end in self.segments for at in range(end)]

    def kept(self, file, length):
        """The records that must be there, or be named, when so much of this segment is. How much there was of the newest one nobody can know."""
        last = self.last
        if file == self.newest:
            data = (self.folder / self.journal / file).read_bytes()
            cut = [end for end in self.ends if row(end) in data and data.index(row(end)) + len(row(end)) + FRAME_END > length]
            last = max((end for end in self.ends if not cut or end < cut[0]), default=0)
        return set(range(1, last + 1))


def harmed(small, folder, file, harm):
    """What is missing in the lake behind a start on such a copy, and what of it was named."""
    shutil.copytree(small.folder, folder)
    with open(folder / small.journal / file, "r+b") as segment:
        harm(segment)
    one, fresh = small.gateway(folder).start(), b'{"sensor_id": "fresh"}'
    assert one.send(fresh) == fresh
    one.stop_cleanly(320)
    said, seen = one.said(), collections.Counter(lake_rows(one.lake))
    shutil.rmtree(folder)
    assert seen.pop(fresh) == 1
    known = {row(number): number for number in range(1, small.last + 1)}
    assert set(seen) <= set(known) and set(seen.values()) <= {1}, said
    missing = set(known.values()) - {known[one] for one in seen}
    assert missing.isdisjoint(range(1, small.delivered + 1)), said
    return missing, missing & (numbers_named(said) | numbers_named(said, "journal.tail"))


def some_of(places, generator):
    """ROUNDS=n is for n of them, at even distances behind a random one; where there are no more than n it means all."""
    stride = max(1, len(places) // rounds(8))
    return places[generator.randrange(stride)::stride]


def test_flip_of_any_byte_of_a_small_journal(gateway, tmp_path):
    generator, seed = new_random()
    small = SmallJournal(gateway)
    lost, places = [], some_of(small.places(), generator)
    for file, at in places:
        def flip(segment):
            segment.seek(at)
            byte = segment.read(1)[0]
            segment.seek(at)
            segment.write(bytes([byte ^ 1 << at % 8]))

        missing, named = harmed(small, tmp_path / "harmed", file, flip)
        assert len(missing) <= 1, f"{file}, byte {at}: {missing} are missing, {named} are named"
        lost += [(file, at, number) for number in missing - named]
    note("a byte of a small journal flipped", len(places), Verdict(len(places) * small.last, 0, lost, 0, 0, 0, 0, 0), seed)
    assert lost == []


def test_any_length_of_a_segment_of_a_small_journal(gateway, tmp_path):
    generator, seed = new_random()
    small = SmallJournal(gateway)
    accepted, lost, places = 0, [], some_of(small.places(), generator)
    for file, length in places:
        kept = small.kept(file, length)
        missing, named = harmed(small, tmp_path / "harmed", file, lambda segment: segment.truncate(length))
        accepted += len(kept)
        lost += [(file, length, number) for number in kept & missing - named]
    note("a segment of a small journal truncated", len(places), Verdict(accepted, 0, lost, 0, 0, 0, 0, 0), seed)
    assert lost == []
