"""kill -9 of `penstock import --to kafka:TOPIC`, again and again until one of them ends: no row is lost, each has its value, and what is there twice is of splits that
were not finished when one was killed; with --transactional nothing is there twice for those who read committed records."""

import collections
import contextlib
import hashlib
import json
import pathlib
import random
import signal
import sys
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "importers"), str(HERE.parent / "parts")]

from importing import HELD, HOLD, Import, wait_until  # noqa: E402
from kafka import in_hands_of  # noqa: E402
from postgres import QUIET, Postgres, Session  # noqa: E402
from siege import new_random, note, rounds  # noqa: E402

ROWS = 12000
KILLS = 4  # of one import, at most
SLOWLY = "i % 200 > 0 OR (SELECT true FROM pg_sleep(0.01 + i * 0))"
Verdict = collections.namedtuple("Verdict", "accepted lost doubled")


@pytest.fixture(scope="module")
def database():
    made = Postgres(QUIET).start()
    made.run(f"CREATE TABLE t WITH (fillfactor = 10) AS SELECT i, i id, md5(i::text) code, repeat('x', 1900) pad FROM generate_series(0, {ROWS - 1}) i;"
             "ALTER TABLE t ADD PRIMARY KEY (i)")
    yield made
    made.close()


def split_of(message):
    return int(message.headers["penstock-import"].split(b"/")[1])


class Siege:
    """One topic, and the import into it."""

    def __init__(self, database, kafka, folder, number, *words):
        self.database, self.kafka, self.folder, self.words = database, kafka, folder, words
        folder.mkdir()
        self.topic = kafka.create(kafka.name(f"rows{number}"), 3)

    def begin(self, where=SLOWLY, **environment):
        return Import(self.database.conninfo(), "--to", f"kafka:{self.topic}", "--kafka-property", f"bootstrap.servers={self.kafka.cluster.servers()}", "--target", "made",
                      "--progress", "none", "--where", where, *self.words, "t", cwd=self.folder, environment=environment)

    def finished(self):
        lines = [line for log in self.folder.glob(".made.import-*/.log") for line in log.read_bytes().split(b"\n")[:-1]]
        said = [json.loads(line) for line in lines]
        return {one["split"] for one in said if "split" in one and "connection" not in one} | {one["committed"] for one in said if "committed" in one}

    def judge(self, killed):
        """killed: per kill what was finished then."""
        manifest = json.loads((self.folder / "made" / "manifest.json").read_text())
        (table,) = manifest["tables"]
        assert table["rows"] == ROWS and manifest["snapshot"]["consistent"]
        assert manifest["topic"]["transactional"] == ("--transactional" in self.words)
        times, splits = collections.Counter(), {}
        for message in self.kafka.consume(self.topic):
            row = json.loads(message.value)
            split = split_of(message)
            assert message.key == b"%d" % row["i"] and row["code"] == hashlib.md5(message.key).hexdigest()
            assert splits.setdefault(row["i"], split) == split
            times[row["i"]] += 1
        lost = [number for number in range(ROWS) if number not in times]
        assert not lost and len(times) == ROWS
        for number, split in splits.items():
            allowed = 1 + sum(split not in finished for finished in killed) * (not manifest["topic"]["transactional"])
            assert times[number] <= allowed, f"split {split} was finished, and row {number} of it is there {times[number]} times"
        return Verdict(ROWS, lost, sum(times.values()) - ROWS)


def test_kill_9(kafka, database, tmp_path):
    many_imports("import into Kafka: kill -9", kafka, database, tmp_path, "--resume=mixed")


def test_killed_while_rows_of_a_split_are_there(kafka, database, tmp_path):
    """Without transactions they come twice, or the next test proves nothing. When the others kill, none of them need be there."""
    siege = Siege(database, kafka, tmp_path / "held", "held", "--resume=mixed", "--connections", 1)
    where = f"i < {ROWS // 4 * 3 - 100} OR {HELD}"  # of four splits, each more than the importer reads before it sends
    with contextlib.closing(Session(database, "postgres")) as holder:
        holder.say(HOLD)
        one = siege.begin(where)
        wait_until("rows of a split that is not finished", lambda: {split_of(message) for message in kafka.consume(siege.topic)} - siege.finished())
        one.kill()
    killed = [siege.finished()]
    one = siege.begin(where)
    assert one.end() == 0, one.said
    verdict = siege.judge(killed)
    assert verdict.doubled > 0
    note("import into Kafka: kill -9 in a split", 1, verdict)


def test_kill_9_of_transactions(kafka, database, tmp_path):
    verdict = many_imports("transactional import into Kafka: kill -9", kafka, database, tmp_path, "--resume", "--transactional")
    assert verdict.doubled == 0


def many_imports(name, kafka, database, folder, *words):
    generator, seed = new_random()
    count = rounds(6)
    verdicts = [one_import(Siege(database, kafka, folder / str(number), number, *words), generator) for number in range(count)]
    verdict = Verdict(sum(one.accepted for one in verdicts), [], sum(one.doubled for one in verdicts))
    note(name, count, verdict, seed)
    return verdict


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


@pytest.mark.parametrize("side", ["before", "after"])
def test_killed_beside_commits(kafka, database, tmp_path, tools, side):
    """Each run is killed beside its second commit, when the log says that the split may be committed, and not whether it is; the first one brings it on."""
    siege = Siege(database, kafka, tmp_path / side, side, "--resume", "--transactional", "--connections", 1, "--split-size", "8MiB")
    killed = said = 0
    while not (siege.folder / "made").exists():
        one = siege.begin(LD_PRELOAD=tools / "commit.so", COMMIT=f"{side}:2")
        status = one.end()
        assert status in (0, -signal.SIGKILL), one.said
        killed += status != 0
        said += "was committed when the import was interrupted" in one.said
        assert killed < 30, "each run gets on"
    verdict = siege.judge([])
    assert verdict.doubled == 0 and killed > 3 and (said > 3 if side == "after" else said == 0)
    note(f"transactional import: kill -9 {side} a commit", killed, verdict, "-")


@pytest.mark.parametrize("how", ["lost", "never"])
def test_commits_whose_answer_says_nothing(kafka, database, tmp_path, tools, how):
    """The import looks by itself: what is committed is not sent again, what is not is read again."""
    siege = Siege(database, kafka, tmp_path / how, how, "--transactional", "--connections", 1, "--split-size", "8MiB")
    one = siege.begin(LD_PRELOAD=tools / "commit.so", COMMIT=f"{how}:3")
    assert one.end() == 0, one.said
    assert one.said.count("it is read again") == (how == "never"), one.said
    assert siege.judge([]).doubled == 0


def test_a_broker_that_is_killed_under_transactions(brokers, request, database, tmp_path):
    """Whenever it goes: it comes back with what it had, and the import goes on by itself."""
    (kafka,) = in_hands_of(request, brokers().start())
    (broker,) = kafka.cluster.brokers
    siege = Siege(database, kafka, tmp_path / "broker", "broker", "--transactional")
    one = siege.begin()
    generator, seed = new_random()
    for kills in range(1, 4):
        wait_until("more splits", lambda: len(siege.finished()) >= kills or one.process.poll() is not None)
        time.sleep(generator.uniform(0, 0.3))  # when the fault comes: not a wait for anything
        broker.kill()
        broker.start()
    assert one.end() == 0, one.said
    verdict = siege.judge([])
    assert verdict.doubled == 0
    note("transactional import: kill -9 of the broker", kills, verdict, seed)


def test_what_brokers_may_have_forgotten_is_not_sent_again(kafka, database, tmp_path, tools):
    """Killed before its first commit of all, and gone on with when they need not know of one any more."""
    siege = Siege(database, kafka, tmp_path / "late", "late", "--resume", "--transactional", "--connections", 1)
    assert siege.begin(LD_PRELOAD=tools / "commit.so", COMMIT="before:1").end() == -signal.SIGKILL
    (log,) = siege.folder.glob(".made.import-*/.log")
    then = json.loads(log.read_text().splitlines()[-1])["prepared"]
    log.write_text(log.read_text().replace(str(then), str(then - 2 * 86400 * 1000000)))
    one = siege.begin()
    assert one.end() == 1 and "whether split 0 is committed the brokers may have forgotten" in one.said, one.said
    assert not kafka.consume(siege.topic)
    log.write_text(log.read_text().replace(str(then - 2 * 86400 * 1000000), str(then)))
    assert siege.begin().end() == 0
    assert siege.judge([]).doubled == 0
