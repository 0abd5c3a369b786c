"""kill -9 while few letters come among many records: the dead letters' outlet passes what holds none unread, and misses none."""

import collections
import json

import pytest

import mqtt
from mqtt import PUBACK
from ledger import Verdict
from mqtt_publisher import Publisher, payload, place, tally
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
        before = [len(publisher.acknowledged) for publisher in everybody]
        wait_until("messages of all", lambda: all(len(p.acknowledged) > n for p, n in zip(everybody, before)), 60)
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
