"""Members of `penstock land` are killed, stand still and come back, join and leave, while records come. The union of the files of the lake is what was sent,
each record once, value by value."""

import collections
import signal
import threading

import pytest
from confluent_kafka import Producer

from kafka import CALM
from landing import Member, lines
from penstock import wait_until
from siege import ROWS, injected, moment, new_random, rounds, stands_still

PARTITIONS, KEYS, MEMBERS = 6, 12, 3
Verdict = collections.namedtuple("Verdict", "accepted lost doubled")


class Group:
    """Three members of a lake, a topic, and what was sent to it."""

    def __init__(self, kafka, folder, generator, table=None):
        """table: more of its entry in land.topics, for files of tables."""
        self.kafka, self.lake, self.generator, self.table = kafka, folder / "lake", generator, table
        self.topic = kafka.create(kafka.name("readings"), PARTITIONS)
        self.sent = []
        self.members = [self.member(folder / f"member-{number}") for number in range(MEMBERS)]

    def member(self, folder, **more):
        entries = [{"topic": self.topic, "path": "grid/{key}/p={partition}", **(self.table or {})}]
        return Member(folder, self.kafka, entries, self.lake, lake={"roll": {"every": "100ms", "records": 70}}, **more)

    def values(self):
        """In the order of sending; the ones of a key that no directory can have, and what is no JSON, are dead letters."""
        return sorted(value for _, value in self.sent)

    def judge(self):
        found = collections.Counter(b'{"n":%d}' % line["n"] if self.table else line for line in lines(self.lake, "grid"))
        missing = collections.Counter(self.values()) - found
        strangers = found - collections.Counter(self.values())
        return Verdict(len(self.sent), list(missing.elements()), sum(strangers.values()))

    def await_all(self, seconds=90):
        wait_until(f"all of {len(self.sent)} records", lambda: len(lines(self.lake, "grid")) >= len(self.sent), seconds)

    def open_partitions(self, member):
        return member.metric("penstock_land_partitions", 'state="open"')

    def settled(self, members):
        wait_until("each partition to be open somewhere", lambda: sum(map(self.open_partitions, members)) == PARTITIONS)

    def close(self):
        for one in self.members:
            if one.process:
                one.process.send_signal(signal.SIGCONT)
                one.kill()


class Flow:
    """Sends to the topic until the block ends."""

    def __init__(self, group):
        self.group = group
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        producer = Producer({"bootstrap.servers": self.group.kafka.cluster.servers(), "linger.ms": 5, "enable.idempotence": True, **CALM})
        while not self.ending.wait(0.01):
            for _ in range(50):
                number = len(self.group.sent)
                key, value = b"k%d" % (number % KEYS), b'{"n":%d}' % number
                producer.produce(self.group.topic, value, key)
                producer.poll(0)
                self.group.sent.append((key, value))
        assert producer.flush(60) == 0

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()


@pytest.fixture
def group(request, kafka, tmp_path):
    generator, seed = new_random()
    (tmp_path / "n.json").write_text('{"properties": {"n": {"type": "integer"}}}')
    one = Group(kafka, tmp_path, generator, getattr(request, "param", None))
    one.seed = seed
    yield one
    one.close()


def finish(group, fault, count):
    """Members that are still there end, and a last one brings home what is left."""
    for one in group.members:
        if one.process:
            one.stop_cleanly()
    group.members[0].start()
    group.await_all()
    group.members[0].stop_cleanly()
    verdict = group.judge()
    ROWS.append((fault, count, verdict.accepted, len(verdict.lost), verdict.doubled, group.seed))
    assert verdict.lost == [] and verdict.doubled == 0, (len(verdict.lost), verdict.doubled)
    assert verdict.accepted > 100 * count


@pytest.mark.parametrize("group", [None, {"schema": "../n.json", "lake": {"format": "avro"}}], indirect=True, ids=["lines", "tables"])
def test_kill_9_of_members_loses_and_doubles_nothing(group):
    count = rounds(5)
    for one in group.members:
        one.start()
    with Flow(group):
        wait_until("files", lambda: lines(group.lake, "grid"))
        for _ in range(count):
            victim = group.generator.choice(group.members)
            moment(group.generator, 0.2, 1.5)
            victim.kill()
            victim.start()
    finish(group, f"kill -9, members of land{' that write Avro' if group.table else ''}", count)


def test_a_member_that_stood_still_publishes_nothing_more(group):
    """Beyond its session's end: others have its partitions by then, and have written their records."""
    count = rounds(2)
    frozen, *others = group.members
    for _ in range(count):
        for one in group.members:
            if not one.process:
                one.start()
        with Flow(group):
            wait_until("the frozen one to have some", lambda: group.open_partitions(frozen) > 0)
            moment(group.generator)
            frozen.process.send_signal(signal.SIGSTOP)
            wait_until("it to stand still", lambda: stands_still(frozen.process))
            group.settled(others)
            moment(group.generator)
            frozen.process.send_signal(signal.SIGCONT)
            wait_until("it to be in the group again", lambda: group.open_partitions(frozen) > 0)
    finish(group, "SIGSTOP of a member of land beyond its session, then SIGCONT", count)


def test_a_member_whose_disk_stood_still_at_the_first_record_goes_on(group, tmp_path):
    """When it opened its partitions the group had committed nothing. What it finds where the record belongs is the work of others by then, and no file of
    another log."""
    slow, *others = group.members
    slow = group.members[0] = group.member(tmp_path / "slow", land={"properties": {"session.timeout.ms": 6000, "max.poll.interval.ms": 6000}})
    slow.start()
    wait_until("it to have all partitions", lambda: group.open_partitions(slow) == PARTITIONS)
    with injected(slow, "openat,openat2:delay_enter=20s:when=1", tmp_path / "strace"), Flow(group):
        wait_until("records to be in Kafka", lambda: group.kafka.count(group.topic))
        for one in others:
            one.start()
        wait_until("it to be left out", lambda: sum(map(group.open_partitions, others)) == PARTITIONS)
        wait_until("files", lambda: lines(group.lake, "grid"))
        wait_until("it to share with them", lambda: 0 < group.open_partitions(slow) < PARTITIONS)
    finish(group, "a member of land whose disk stands still at its first record", 1)


def test_members_that_join_and_leave_lose_and_double_nothing(group):
    count = rounds(4)
    first, *others = group.members
    first.start()
    with Flow(group):
        for number in range(count):
            one = others[number % len(others)]
            if one.process:
                one.stop_cleanly()
            else:
                one.start()
                wait_until("it to have partitions", lambda one=one: group.open_partitions(one) > 0)
            moment(group.generator)
    finish(group, "members of land that join and leave", count)
