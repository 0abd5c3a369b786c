"""One scenario with all that a gateway does to its files: it recovers from a kill, takes records over HTTP, MQTT and from a file, rolls and frees segments,
moves cursors, publishes files of the lake, writes dead letters, stops and starts again. It goes on over one end by SIGKILL, wherever that comes."""

import collections
import json
import re

from ledger import Verdict
from mqtt import PUBACK, V311, connected
from penstock import lake_rows, leftovers, wait_until
from sender import GONE
from siege import PATIENT, SMALL_SEGMENTS

CONFIG = """\
streams:
  readings: {key: /sensor_id}
  counted: {key: /sensor_id, dedupe: {sequence: /seq}}
  lines: {format: text}
mqtt: {topics: {"counted/{sensor_id}": counted}}
files: {logs: {watch: "logs/*.log", stream: lines, scan: 100ms, max_line: 64KiB}}
"""
BATCH, PAD = 40, "x" * 5000  # 200 kB a post: five fill a segment
FRESH = b'{"sensor_id": "fresh"}'
JOURNAL_FILE = re.compile(r"\d{20}\.segment|reserve\.\d+(\.part)?")


def batch(number):
    return [json.dumps({"sensor_id": number, "index": index, "pad": PAD}).encode() for index in range(BATCH)]


class Scenario:
    def __init__(self, gateway, directory, environment):
        self.one = gateway("lake.roll.every=100ms", PATIENT, *SMALL_SEGMENTS, config=CONFIG, environment=environment, directory=directory)
        self.one.directory.joinpath("logs").mkdir()
        self.posts = {}  # number: whether it was acknowledged; none is sent twice
        self.counted, self.lines, self.letters = [], [], []

    def play(self):
        self.lasting(self.one.start)
        self.post(3)
        self.count(self.over_mqtt)
        self.write()
        self.stray()
        self.one.kill()
        self.lasting(self.one.start)
        self.post(3)
        self.count(self.over_http)
        self.delivered()
        self.post(5)
        self.write()
        self.count(self.over_mqtt)
        self.delivered()
        code = self.one.stop(seconds=320)
        assert code in (0, -9), self.one.said()
        self.lasting(self.one.start)
        self.stray()
        self.post(1)

    def lasting(self, step, *arguments):
        """Takes the step, once more when the gateway was killed meanwhile."""
        while True:
            try:
                return step(*arguments)
            except (*GONE, AssertionError):
                if self.one.process.wait(10) != -9:
                    raise
                self.one.ended()
                if step != self.one.start:
                    self.one.start()

    # ---- steps ----

    def post(self, count):
        first = len(self.posts)
        for number in range(first, first + count):
            self.lasting(self.post_once, number)

    def post_once(self, number):
        if number in self.posts:
            return
        self.posts[number] = False
        answer = self.one.post("/readings", b"\n".join(batch(number)), "application/x-ndjson")
        assert answer.status == 200, answer
        self.posts[number] = True

    def count(self, way):
        """In a stream with dedupe, until it is acknowledged."""
        rows = [json.dumps({"sensor_id": "c", "seq": number}).encode() for number in range(len(self.counted), len(self.counted) + 10)]
        self.lasting(way, rows)
        self.counted += rows

    def over_http(self, rows):
        answer = self.one.post("/counted", b"\n".join(rows), "application/x-ndjson")
        assert answer.status == 200, answer

    def over_mqtt(self, rows, topic="counted/c"):
        with connected(self.one, V311) as client:
            for number, row in enumerate(rows, 1):
                client.publish(topic, row, 1, number)
            for number in range(1, len(rows) + 1):
                client.expect(PUBACK, number)

    def stray(self):
        """On a topic that no stream has."""
        letter = b"letter %d" % len(self.letters)
        self.lasting(self.over_mqtt, [letter], "nowhere")
        self.letters.append(letter)

    def write(self):
        lines = [b"line %d %s" % (number, b"." * 200) for number in range(len(self.lines), len(self.lines) + 200)]
        with open(self.one.directory / "logs" / "a.log", "ab") as log:
            log.write(b"".join(line + b"\n" for line in lines))
        self.lines += lines

    def delivered(self):
        self.lasting(wait_until, "delivery", lambda: self.one.metric("penstock_outlet_lag_records") == 0 and
                     set(self.lines) <= set(lake_rows(self.one.lake, "lines")))

    # ---- afterwards ----

    def judge(self):
        """The verdict, when nothing is lost, doubled, torn or left behind."""
        assert self.one.send(FRESH) == FRESH
        self.delivered()
        self.one.stop_cleanly(320)
        seen = collections.Counter(lake_rows(self.one.lake))
        letters = [json.loads(line)["payload"].encode() for file in (self.one.data / "dead-letters").glob("*.jsonl")
                   for line in file.read_text().splitlines()]
        must = {FRESH, *self.counted, *self.lines, *(row for number, known in self.posts.items() if known for row in batch(number))}
        may = must.union(*map(batch, self.posts))
        lost = [row for row in must if row not in seen] + [letter for letter in self.letters if letter not in letters]
        torn = sum(sum(row in seen for row in batch(number)) not in (0, BATCH) for number in self.posts)
        doubled, alien = seen.total() - len(seen), set(seen) - may
        found = (lost[:5], doubled, list(alien)[:5], torn, self.leaked())
        assert found == ([], 0, [], 0, []), found
        return Verdict(len(must) + len(self.letters), seen.total(), lost, doubled, 0, 0, 0, 0)

    def leaked(self):
        """What a gateway that has stopped and had delivered everything needs no more."""
        files = self.one.journal_files()
        segments = [name for name in files if name.endswith(".segment")]
        return [name for name in files if not JOURNAL_FILE.fullmatch(name)] + segments[2:] + leftovers(self.one.lake)
