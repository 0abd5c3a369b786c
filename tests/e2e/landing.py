"""`penstock land` as its users see it: members of a consumer group, and the files of their lake, named by offsets."""

import collections
import json
import os
import pathlib
import re

from confluent_kafka import Producer

import lake_tables
from kafka import CALM
from penstock import BINARY, Gateway, Ports, wait_until

LANDED = re.compile(r"^(?P<topic>[A-Za-z0-9._-]+)\+(?P<partition>\d+)\+(?P<first>\d{10,})\+(?P<last>\d{10,})\.(?P<extension>json|txt|jsonl|parquet|avro|csv)$")
Landed = collections.namedtuple("Landed", "path topic partition first last lines")


class Land(Gateway):
    """`penstock land` in a directory of its own."""

    def __init__(self, directory, config, *sets):
        super().__init__(directory, "admin.listen=127.0.0.1:0", *sets, config=config, default_ports=True)

    def command(self):
        (self.directory / "penstock.yaml").write_text(self.config)
        return [BINARY, "land", "-c", "penstock.yaml", *(word for one in self.sets for word in ("--set", one))]

    def _listening(self):
        if self.process.poll() is not None:
            raise AssertionError(f"ended with {self.process.returncode} instead of starting")
        self.ports = Ports((name.lower(), int(port)) for name, port in re.findall(r"^(\w+)\s+http://127\.0\.0\.1:(\d+)", self.said(), re.MULTILINE))
        return "admin" in self.ports

    def condition(self, name):
        return next((one["text"] for one in self.ready()[1]["conditions"] if one["name"] == name), None)


class Member(Land):
    """Of a group, whose members may share a lake."""

    def __init__(self, directory, kafka, entries, root, group=None, limits=(), **sections):
        """limits: a command in front of it."""
        self.limits = limits
        land = {"group": group or kafka.name("group"), "topics": entries, "properties": {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500},
                **sections.pop("land", {})}
        config = {"land": land, "kafka": {"properties": kafka.properties()}, "lake": {"url": str(root), **sections.pop("lake", {})}, **sections}
        super().__init__(directory, json.dumps(config))

    def command(self):
        return [*self.limits, *super().command()]


def published(lake):
    """The paths of all files that readers see. What is hidden comes and goes meanwhile."""
    for folder, folders, found in os.walk(lake):
        folders[:] = [name for name in folders if name != ".penstock"]
        yield from (pathlib.Path(folder) / name for name in found)


def rows_of(path):
    one, *others = [reader(path) for reader in lake_tables.READERS[path.suffix[1:]]]
    assert all(other == one for other in others), path
    return one


def files(lake):
    """All published files, in the order of their paths and offsets; the lines of a table are its rows."""
    found = []
    for path in sorted(published(lake)):
        name = LANDED.match(path.name)
        assert name, path
        found.append(Landed(str(path.parent.relative_to(lake)), name["topic"], int(name["partition"]), int(name["first"]), int(name["last"]),
                            rows_of(path) if path.suffix[1:] in lake_tables.READERS else path.read_bytes().split(b"\n")[:-1]))
    return found


def names(lake):
    return [f"{path.relative_to(lake)}" for path in sorted(published(lake))]


def lines(lake, path=""):
    """Those of all files below a path; no two files of a directory may claim the same offset."""
    ranges = collections.defaultdict(list)
    found = []
    for one in files(lake):
        if one.path.startswith(path):
            ranges[one.path, one.topic, one.partition].append((one.first, one.last))
            assert len(one.lines) <= one.last - one.first + 1, one
            found += one.lines
    for where, all_of_them in ranges.items():
        all_of_them.sort()
        for (_, last), (first, _) in zip(all_of_them, all_of_them[1:]):
            assert last < first, f"{where}: two files hold offset {first}"
    return found


def landed(lake, count, path="", seconds=60):
    """Waits until so many lines lie there; they."""
    wait_until(f"{count} lines in {lake}/{path}", lambda: len(lines(lake, path)) >= count, seconds)
    return lines(lake, path)


def produce(kafka, topic, messages, **properties):
    """(key, value[, headers[, time in ms]]), each to the partition of its key."""
    producer = Producer({"bootstrap.servers": kafka.cluster.servers(), "linger.ms": 5, **CALM, **properties})
    for key, value, *more in messages:
        headers, time = (list(more) + [None, None])[:2]
        producer.produce(topic, value, key, headers=headers, **({"timestamp": time} if time else {}))
    assert producer.flush(60) == 0


def committed(kafka, member_group, topic, partition=0):
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": kafka.cluster.servers(), "group.id": member_group, **CALM})
    try:
        return consumer.committed([TopicPartition(topic, partition)], timeout=30)[0].offset
    finally:
        consumer.close()
