"""kill -9 of `penstock import --to kafka:TOPIC`, again and again until one of them ends: no row is lost, each has its value, and what is there twice is of splits that
were not finished when one was killed."""

import collections
import hashlib
import json
import pathlib
import random
import sys
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "importers"), str(HERE.parent / "parts")]

from importing import Import, wait_until  # noqa: E402
from postgres import QUIET, Postgres  # noqa: E402
from siege import new_random, note, rounds  # noqa: E402

ROWS = 12000
KILLS = 4  # of one import, at most
SLOWLY = "i % 200 > 0 OR (SELECT true FROM pg_sleep(0.01 + i * 0))"
Verdict = collections.namedtuple("Verdict", "accepted lost doubled")


@pytest.fixture(scope="module")
def database():
    made = Postgres(QUIET).start()
    made.run(f"CREATE TABLE t WITH (fillfactor = 10) AS SELECT i, md5(i::text) code, repeat('x', 700) pad FROM generate_series(0, {ROWS - 1}) i;"
             "ALTER TABLE t ADD PRIMARY KEY (i)")
    yield made
    made.close()


class Siege:
    """One topic, and the import into it."""

    def __init__(self, database, kafka, folder, number):
        self.database, self.kafka, self.folder = database, kafka, folder
        self.topic = kafka.create(kafka.name(f"rows{number}"), 3)

    def begin(self):
        return Import(self.database.conninfo(), "--to", f"kafka:{self.topic}", "--kafka-property", f"bootstrap.servers={self.kafka.cluster.servers()}", "--target", "made",
                      "--resume=mixed", "--progress", "none", "--where", SLOWLY, "t", cwd=self.folder)

    def finished(self):
        lines = [line for log in self.folder.glob(".made.import-*/.log") for line in log.read_bytes().split(b"\n")[:-1]]
        return {said["split"] for said in map(json.loads, lines) if "split" in said}

    def judge(self, killed):
        """killed: per kill what was finished then."""
        manifest = json.loads((self.folder / "made" / "manifest.json").read_text())
        (table,) = manifest["tables"]
        assert table["rows"] == ROWS and manifest["snapshot"]["consistent"]
        times, splits = collections.Counter(), {}
        for message in self.kafka.consume(self.topic):
            row = json.loads(message.value)
            split = int(message.headers["penstock-import"].split(b"/")[1])
            assert message.key == b"%d" % row["i"] and row["code"] == hashlib.md5(message.key).hexdigest()
            assert splits.setdefault(row["i"], split) == split
            times[row["i"]] += 1
        lost = [number for number in range(ROWS) if number not in times]
        assert not lost and len(times) == ROWS
        for number, split in splits.items():
            allowed = 1 + sum(split not in finished for finished in killed)
            assert times[number] <= allowed, f"split {split} was finished, and row {number} of it is there {times[number]} times"
        return Verdict(ROWS, lost, sum(times.values()) - ROWS)


def test_kill_9(kafka, database, tmp_path):
    generator, seed = new_random()
    count = rounds(6)
    verdicts = []
    for number in range(count):
        folder = tmp_path / str(number)
        folder.mkdir()
        siege = Siege(database, kafka, folder, number)
        verdicts.append(one_import(siege, generator))
    note("import into Kafka: kill -9", count, Verdict(sum(one.accepted for one in verdicts), [], sum(one.doubled for one in verdicts)), seed)


def one_import(siege, generator: random.Random):
    killed = []
    while len(killed) < KILLS:
        one = siege.begin()
        before, wanted = siege.finished(), generator.randint(0, 3)
        wait_until("a few more splits", lambda: len(siege.finished() - before) >= wanted or one.process.poll() is not None)
        time.sleep(generator.uniform(0, 0.2))  # when the fault comes: not a wait for anything
        one.kill()
        if (siege.folder / "made").exists():
            break
        killed.append(siege.finished())
    if not (siege.folder / "made").exists():
        one = siege.begin()
        assert one.end() == 0, one.said
    return siege.judge(killed)
