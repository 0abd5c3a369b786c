"""kill -9 while few letters come among many records: the dead letters' outlet passes what holds none unread, and misses none; and while their quota is used up."""

import collections
import json

import pytest

import mqtt
from mqtt import PUBACK
from ledger import Verdict
from mqtt_publisher import Publisher, all_go_on, payload, place, tally
from penstock import lake_rows, wait_until
from siege import PATIENT, SMALL_SEGMENTS, moment, new_random, note, rounds

COUNT = rounds(6)


class Stray(Publisher):
    """One message after the other on a topic that no pattern matches."""

    def __init__(self, gateway, name):
        super().__init__(gateway, name, window=1)

    def _publish(self, id, number, again=False):
        self.awaited[PUBACK].append(id)
        return mqtt.publish(self.version, f"nowhere/{self.name}", payload(self.name, number), 1, id, dup=again)


def letters(folder):
    return [json.loads(line)["payload"].encode() for file in folder.glob("*.jsonl") for line in file.read_text().splitlines()]


@pytest.mark.parametrize("sizes", [(), SMALL_SEGMENTS], ids=["default sizes", "small segments"])
def test_kill_9_loses_no_letter(gateway, sizes):
    generator, seed = new_random()
    one = gateway("lake.roll.every=200ms", PATIENT, *sizes).start()
    good, bad = [Publisher(one, f"good-{number}", window=200) for number in range(3)], Stray(one, "bad")
    everybody = [*good, bad]
    for publisher in everybody:
        publisher.start()
    for _ in range(COUNT):
        all_go_on(everybody)
        moment(generator)
        one.kill()
        one.start()
    for publisher in everybody:
        publisher.finish()
    one.stop_cleanly(320)
    found = letters(one.data / "dead-letters")
    seen = collections.Counter(place(row)[1] for row in found)
    lost = [number for number in bad.acknowledged if number not in seen]
    rows = lake_rows(one.lake)
    there = tally(rows, good)
    lost += [(p.name, number) for p in good for number in p.acknowledged if number not in there[p.name]]
    note("kill -9, few letters", COUNT, Verdict(len(bad.acknowledged), len(found), lost, len(found) - len(seen), 0, 0, 0, 0), seed)
    print(f"{len(bad.acknowledged)} letters acknowledged, {len(found)} there, among {len(rows)} records")
    assert lost == [], lost[:5]
    assert all(row == payload("bad", place(row)[1]) for row in found)


def test_kill_9_with_a_quota_that_is_used_up(gateway):
    """What belongs to no stream waits then, over a kill too, and nothing else does; it goes on when people have taken the letters."""
    generator, seed = new_random()
    count, aside = rounds(3), gateway.folder / "aside"
    aside.mkdir()
    one = gateway("lake.roll.every=200ms", "dead_letters.quota=64KiB", PATIENT, *SMALL_SEGMENTS).start()
    good, bad = Publisher(one, "good", window=50), Stray(one, "bad")
    for publisher in (good, bad):
        publisher.start()

    def take_letters():
        for file in (one.data / "dead-letters").glob("*.jsonl"):
            file.rename(aside / f"{len(list(aside.iterdir()))}.jsonl")

    for _ in range(count):
        wait_until("a used-up quota", lambda: "stream.suspended stream=unmapped" in one.said())
        moment(generator)
        one.kill()
        one.start()
        wait_until("the quota to be used up still", lambda: "stream.suspended stream=unmapped" in one.said())
        waiting, passed = len(bad.acknowledged), len(good.acknowledged)
        wait_until("messages of others", lambda: len(good.acknowledged) > passed + 100)
        assert len(bad.acknowledged) <= waiting + 2  # what was under way already
        take_letters()
        wait_until("a message without a stream", lambda: len(bad.acknowledged) > waiting)
    for publisher in (good, bad):
        publisher.ending.set()
    while bad.is_alive():
        take_letters()
        bad.join(1)
    good.finish()
    bad.finish()
    one.stop_cleanly(320)
    taken = letters(aside) + letters(one.data / "dead-letters")
    seen, there = collections.Counter(place(row)[1] for row in taken), tally(lake_rows(one.lake), [good])
    lost = [number for number in bad.acknowledged if number not in seen] + [number for number in good.acknowledged if number not in there["good"]]
    note("kill -9, quota of dead letters used up", count, Verdict(len(bad.acknowledged) + len(good.acknowledged), len(taken), lost, seen.total() - len(seen), 0, 0, 0, 0), seed)
    assert lost == [], lost[:5]
