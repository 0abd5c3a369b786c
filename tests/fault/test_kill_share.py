"""kill -9 while streams take more than their share of the journal: nothing acknowledged is lost, whoever waits goes on, and the others never wait for it."""

from ledger import Verdict
from mqtt_publisher import Publisher, payload, place, tally
from penstock import lake_rows, wait_until
from siege import PATIENT, SMALL_SEGMENTS, moment, new_random, note, rounds
import mqtt
from mqtt import PUBACK

COUNT = rounds(6)
CONFIG = """\
mqtt: {topics: {"readings/#": calm, "flood/#": flood}}
streams:
  calm: {format: text}
  flood: {format: text, journal_share: 10}
"""


class Flooder(Publisher):
    """To the stream that has a share."""

    def _publish(self, id, number, again=False):
        self.awaited[PUBACK].append(id)
        return mqtt.publish(self.version, f"flood/{self.name}", payload(self.name, number) + b" " * 20000, 1, id, dup=again)


def over(one):
    return one.metric("penstock_stream_over_share_total", 'stream="flood"')


def test_kill_9_while_a_stream_has_used_up_its_share(gateway):
    """The lake is away and comes back; kills come while the stream waits, and while it does not."""
    generator, seed = new_random()
    one = gateway("lake.roll.every=200ms", "lake.url=place/lake", PATIENT, *SMALL_SEGMENTS, config=CONFIG)
    place_of_lake, away = one.directory / "place", one.directory / "away"
    away.mkdir()
    place_of_lake.write_text("a file where a directory should be")
    one.start()
    good, bad = Publisher(one, "good", window=5), Flooder(one, "bad", window=20)
    for publisher in (good, bad):
        publisher.start()

    for turn in range(COUNT):
        wait_until("a used-up share", lambda: over(one) > 0)
        moment(generator)
        one.kill()
        one.start()
        wait_until("a used-up share still", lambda: over(one) > 0)
        passed = len(good.acknowledged)
        wait_until("messages of others", lambda: len(good.acknowledged) > passed + 20)
        place_of_lake.unlink()
        away.rename(place_of_lake)
        waiting = len(bad.acknowledged)
        wait_until("messages of the stream", lambda: len(bad.acknowledged) > waiting + 50)
        moment(generator)
        one.kill()
        if turn < COUNT - 1:
            place_of_lake.rename(away)
            place_of_lake.write_text("a file where a directory should be")
        one.start()
    good.finish()
    bad.finish()
    one.stop_cleanly(320)
    rows = [row.rstrip() for row in lake_rows(place_of_lake / "lake")]
    there = tally(rows, [good, bad])
    lost = [(p.name, number) for p in (good, bad) for number in p.acknowledged if number not in there[p.name]]
    doubled = len(rows) - sum(len(there[p.name]) for p in (good, bad))
    note("kill -9, share of the journal used up", 2 * COUNT, Verdict(len(good.acknowledged) + len(bad.acknowledged), len(rows), lost, doubled, 0, 0, 0, 0), seed)
    assert lost == [], lost[:5]
    assert all(row == payload(*place(row)) for row in rows)
