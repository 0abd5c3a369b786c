"""A real Kafka as a test sees it: topics, rights, and what a foreign consumer finds. The brokers are tests/parts/broker.py's.

All that the gateway wrote is read again from its first to its last offset, without a consumer group. Ids tell what was sent
twice: within a partition a consumer that drops every id not above the highest seen has to be left with each record once.
"""

import collections
import itertools
import json
import socket
import struct
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from penstock import wait_until

Message = collections.namedtuple("Message", "topic partition offset key value headers time")
CALM = {"log_level": 0, "socket.timeout.ms": 10000}
PATIENCE = 60  # seconds for the next messages of a topic
PREFIXES = itertools.count(1)

# The protocol's numbers: org.apache.kafka.common.acl.AclOperation and AclPermissionType, resource.ResourceType and PatternType.
TOPIC, GROUP, TRANSACTIONAL_ID = 2, 3, 5
LITERAL, PREFIXED, ALLOW = 3, 4, 3
READ, WRITE, DESCRIBE = 3, 4, 8
LIST_OFFSETS, DESCRIBE_ACLS, CREATE_ACLS, DELETE_ACLS, INCREMENTAL_ALTER_CONFIGS = 2, 29, 30, 31, 44


def murmur2(data):
    """org.apache.kafka.common.utils.Utils.murmur2, by which Java's producers choose a partition; 32 bits, unsigned."""
    multiplier, mask = 0x5BD1E995, 0xFFFFFFFF
    state = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for (block,) in struct.iter_unpack("<I", data[:whole]):
        block = block * multiplier & mask
        block = (block ^ block >> 24) * multiplier & mask
        state = state * multiplier & mask ^ block
    rest = data[whole:]
    if rest:
        state = (state ^ int.from_bytes(rest, "little")) * multiplier & mask
    state = (state ^ state >> 13) * multiplier & mask
    return state ^ state >> 15


def java_partition(key, partitions):
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def sequence(message):
    """The record's own number; it goes on over all starts of the gateway."""
    return int(message.headers["penstock-id"].rsplit(b"/", 1)[1])


def epoch(message):
    return message.headers["penstock-id"].split(b"/")[1].decode()


# ---- what the Python client of Debian 12 does not have, in the protocol's own bytes ----

def text(value):
    data = value.encode()
    return struct.pack(">h", len(data)) + data


class Reader:
    def __init__(self, data):
        self.data = data

    def take(self, form):
        size = struct.calcsize(form)
        (value,), self.data = struct.unpack(form, self.data[:size]), self.data[size:]
        return value

    def text(self):
        length = self.take(">h")
        value, self.data = self.data[:max(length, 0)], self.data[max(length, 0):]
        return value.decode()


def ask(address, call, version, body):
    """One request with the classic header; what follows the answer's throttle time."""
    host, port = address.rsplit(":", 1)
    head = struct.pack(">hhi", call, version, 1) + text("tests")
    with socket.create_connection((host, int(port)), 20) as connection, connection.makefile("rb") as answers:
        connection.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
        size = answers.read(4)
        if len(size) < 4:
            raise ConnectionError(f"Kafka hung up on request {call}")
        reader = Reader(answers.read(struct.unpack(">i", size)[0]))
    assert reader.take(">i") == 1
    reader.take(">i")
    return reader


def check_one(reader):
    """The answer of a request about one thing."""
    assert reader.take(">i") == 1
    check(reader)


def check(reader):
    code, reason = reader.take(">h"), reader.text()
    assert code == 0, f"Kafka refuses with code {code}: {reason}"
    return reader


class NotLeader(Exception):
    """Who was asked does not lead the partition any more, or nobody does."""


class Kafka:
    """A cluster in the hands of one test: names of topics get the test's prefix, so that tests can share the brokers."""

    def __init__(self, cluster, prefix=""):
        self.cluster = cluster
        self.prefix = prefix
        self.admin = AdminClient({"bootstrap.servers": cluster.servers(), **CALM})

    @property
    def address(self):
        return self.cluster.brokers[0].address

    def name(self, topic):
        return self.prefix + topic

    # ---- topics ----

    def topics(self):
        """{topic: number of partitions} of this test."""
        listed = self.admin.list_topics(timeout=60).topics
        return {name: len(one.partitions) for name, one in listed.items() if name.startswith(self.prefix)}

    def create(self, topic, partitions=1, copies=-1, brokers=None, **settings):
        """brokers: numbers of those that have its one partition, the leader first."""
        config = {name.replace("_", "."): str(value) for name, value in settings.items()}
        place = {"replica_assignment": [brokers]} if brokers else {"replication_factor": copies}
        for made in self.admin.create_topics([NewTopic(topic, partitions, config=config, **place)], request_timeout=30).values():
            made.result()
        wait_until(f"topic {topic} in the metadata", lambda: self._leads(topic, partitions))
        return topic

    def _leads(self, topic, partitions):
        found = self.admin.list_topics(timeout=60).topics.get(topic)
        return found and len(found.partitions) == partitions and all(one.leader >= 0 for one in found.partitions.values())

    def leader(self, topic, partition):
        """The broker (of the cluster's list) that leads; None while nobody does."""
        number = self.admin.list_topics(timeout=60).topics[topic].partitions[partition].leader
        return next((one for one in self.cluster.brokers if one.number == number), None)

    def in_step(self, topic, copies):
        return all(len(one.isrs) == copies for one in self.admin.list_topics(timeout=60).topics[topic].partitions.values())

    def delete(self, topic):
        for gone in self.admin.delete_topics([topic], request_timeout=30).values():
            gone.result()
        wait_until(f"topic {topic} to be gone", lambda: topic not in self.topics())

    def alter(self, topic, setting, value):
        """Sets one setting of the topic (max.message.bytes) at run time."""
        body = struct.pack(">ib", 1, TOPIC) + text(topic) + struct.pack(">i", 1) + text(setting) + b"\0" + text(str(value)) + b"\0"
        check_one(ask(self.address, INCREMENTAL_ALTER_CONFIGS, 0, body))
        wait_until(f"{setting}={value} in force", lambda: self._setting(topic, setting) == str(value))

    def _setting(self, topic, setting):
        (told,) = self.admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)], request_timeout=60).values()
        return told.result()[setting].value

    # ---- rights ----

    def _rule(self, user, name, operation, kind=TOPIC, pattern=LITERAL):
        return struct.pack(">b", kind) + text(name) + struct.pack(">b", pattern) + text(f"User:{user}") + text("*") \
            + struct.pack(">bb", operation, ALLOW)

    def _is_allowed(self, rule):
        """As this broker's authorizer knows it; rules reach it some time after they were made."""
        return check(ask(self.address, DESCRIBE_ACLS, 1, rule)).take(">i") > 0

    def allow(self, user, topic, *operations):
        for operation in operations or (WRITE, DESCRIBE):
            self._allow(user, topic, self._rule(user, topic, operation))

    def allow_all(self, user, kind, prefix, operation):
        """Of one kind, whatever their names begin with the prefix."""
        self._allow(user, prefix, self._rule(user, prefix, operation, kind, PREFIXED))

    def _allow(self, user, name, rule):
        check_one(ask(self.address, CREATE_ACLS, 1, struct.pack(">i", 1) + rule))
        wait_until(f"{user}'s right to {name}", lambda: self._is_allowed(rule))

    def forbid(self, user, topic, operation=WRITE):
        """Takes back what allow() gave."""
        rule = self._rule(user, topic, operation)
        check_one(ask(self.address, DELETE_ACLS, 1, struct.pack(">i", 1) + rule))
        wait_until(f"the end of {user}'s right to {topic}", lambda: not self._is_allowed(rule))

    # ---- what lies there ----

    def ends(self, topic):
        """{partition: end offset}"""
        return wait_until(f"a leader for each partition of {topic}", lambda: self._ends(topic), PATIENCE)

    def _ends(self, topic):
        """Asks the leaders themselves: librdkafka's query has no time limit where a leader has just gone."""
        found = {}
        try:
            partitions = self.admin.list_topics(timeout=60).topics[topic].partitions
            for leader in {one.leader for one in partitions.values()}:
                mine = [one for one, told in partitions.items() if told.leader == leader]
                found.update(self._ends_of(leader, topic, mine))
        except (OSError, KafkaException, KeyError, NotLeader):
            return None
        return found

    def _ends_of(self, leader, topic, partitions):
        broker = next((one for one in self.cluster.brokers if one.number == leader), None)
        if not broker:
            raise NotLeader()
        body = struct.pack(">ibi", -1, 0, 1) + text(topic) + struct.pack(">i", len(partitions)) \
            + b"".join(struct.pack(">iq", one, -1) for one in partitions)
        reader = ask(broker.address, LIST_OFFSETS, 2, body)
        reader.take(">i")
        reader.text()
        found = {}
        for _ in range(reader.take(">i")):
            partition, code, _, offset = (reader.take(form) for form in (">i", ">h", ">q", ">q"))
            if code:
                raise NotLeader()
            found[partition] = offset
        return found

    def count(self, topic):
        return sum(self.ends(topic).values())

    def settled(self, topic):
        """count(), once nothing comes any more: a broker goes on with what whoever was killed has left in its sockets."""
        before, now = None, self.count(topic)
        while before != now:
            time.sleep(0.2)
            before, now = now, self.count(topic)
        return now

    def consume(self, topic, **settings):
        """All messages of the topic in the order (partition, offset), as far as they are committed (librdkafka's default)."""
        ends = self.ends(topic)
        open_ones = {one for one, end in ends.items() if end > 0}
        consumer = self._consumer(**settings)
        found = []
        try:
            consumer.assign([TopicPartition(topic, one, OFFSET_BEGINNING) for one in sorted(open_ones)])
            deadline = time.monotonic() + PATIENCE
            while open_ones:
                assert time.monotonic() < deadline, f"Kafka gives no more of {topic}, partitions {sorted(open_ones)}, of {ends}"
                for raw in consumer.consume(10000, timeout=0.1):
                    deadline = time.monotonic() + PATIENCE
                    if raw.error():
                        if raw.error().code() != KafkaError._PARTITION_EOF:
                            raise KafkaException(raw.error())
                        open_ones.discard(raw.partition())
                        continue
                    found.append(message_of(raw))
                    if raw.offset() + 1 >= ends[raw.partition()]:
                        open_ones.discard(raw.partition())
        finally:
            consumer.close()
        return sorted(found, key=lambda one: (one.partition, one.offset))

    def produce(self, topic, key, value):
        """One message; without a value a tombstone."""
        producer = Producer({"bootstrap.servers": self.cluster.servers(), **CALM})
        producer.produce(topic, value, key)
        assert producer.flush(PATIENCE) == 0

    def values(self, topic):
        return [message.value for message in self.consume(topic)]

    def _consumer(self, **settings):
        return Consumer({"bootstrap.servers": self.cluster.servers(), "group.id": "tests", "enable.auto.commit": False,
                         "enable.partition.eof": True, "check.crcs": True, "fetch.wait.max.ms": 20, **CALM,
                         **{name.replace("_", "."): value for name, value in settings.items()}})

    # ---- the gateway's side ----

    def properties(self, **more):
        return {"bootstrap.servers": self.cluster.servers(), **more}

    def config(self, streams, properties=None, **kafka):
        """The text of a configuration (JSON is YAML) without a lake."""
        section = {"properties": self.properties(**(properties or {})), **kafka}
        return json.dumps({"lake": {"enabled": False}, "kafka": section, "streams": streams}, ensure_ascii=False)


def in_hands_of(request, cluster):
    """The body of a fixture: the cluster with a prefix for this test; the ends of its logs are shown when the test fails."""
    request.node.kafka_cluster = cluster
    yield Kafka(cluster, f"t{next(PREFIXES)}-")


def message_of(raw):
    headers = raw.headers() or []
    assert len(dict(headers)) == len(headers), f"a header twice: {headers}"
    return Message(raw.topic(), raw.partition(), raw.offset(), raw.key(), raw.value(), dict(headers), raw.timestamp()[1])


# ---- judging ----

Judged = collections.namedtuple("Judged", "once doubled")


def once_each(messages):
    """What a consumer keeps that drops each id not above the highest of its partition, and what it drops. Nothing may be
    dropped that was not there before, byte for byte."""
    highest, seen = {}, {}
    once, doubled = [], []
    for message in messages:
        number = sequence(message)
        same = seen.setdefault((message.partition, number), message)
        if number > highest.get(message.partition, -1):
            highest[message.partition] = number
            once.append(message)
        else:
            assert same is not message, f"{message} comes behind id {highest[message.partition]}: out of order"
            assert (same.key, same.value, same.headers, same.time) == (message.key, message.value, message.headers, message.time)
            doubled.append(message)
    return Judged(once, doubled)


def by_key(messages):
    """{key: values in their order}; a key has one partition."""
    values, places = collections.defaultdict(list), {}
    for message in messages:
        values[message.key].append(message.value)
        assert places.setdefault(message.key, message.partition) == message.partition, f"{message.key} in two partitions"
    return dict(values)


# ---- the outlet ----

def lag(gateway):
    return gateway.metric("penstock_outlet_lag_records", 'outlet="kafka"')


def patiently(gateway, what, condition, seconds):
    """wait_until() that ends with what /readyz says."""
    try:
        return wait_until(what, condition, seconds)
    except AssertionError as error:
        raise AssertionError(f"{error}; /readyz: {gateway.ready()}, lag {lag(gateway)}") from None


def drained(gateway, seconds=120):
    """Waits until everything accepted is confirmed or a dead letter, nothing is held, and the metrics know of all of it."""
    def is_drained():
        page = gateway.metrics()
        kafka = {name: page.get(f'penstock_outlet_{name}{{outlet="kafka"}}', 0)
                 for name in ("lag_records", "held_records", "delivered_total", "dead_lettered_total")}
        accepted = sum(value for series, value in page.items() if series.startswith("penstock_records_accepted_total"))
        return kafka["lag_records"] + kafka["held_records"] == 0 and kafka["delivered_total"] + kafka["dead_lettered_total"] >= accepted

    patiently(gateway, "the Kafka outlet to deliver everything", is_drained, seconds)


def arrived(gateway, kafka, topic, number, seconds=120):
    """Waits until the topic holds so many messages."""
    patiently(gateway, f"{number} messages in {topic}", lambda: kafka.count(topic) >= number, seconds)


def complaint(gateway, *words, seconds=120):
    """Waits until /readyz has a condition with all these words; all that it says of it."""
    def found():
        said = (json.dumps(condition, ensure_ascii=False) for condition in gateway.ready()[1]["conditions"])
        return next((one for one in said if all(word.lower() in one.lower() for word in words)), None)

    return patiently(gateway, f"a condition with {words}", found, seconds)


def content(gateway, seconds=120):
    """Waits until /readyz has nothing to say any more."""
    patiently(gateway, "the last condition to go", lambda: gateway.ready()[1]["conditions"] == [], seconds)


def dead_letters(gateway, stream):
    """The letters of a stream, oldest first."""
    folder = gateway.data / "dead-letters"
    return [json.loads(line) for file in sorted(folder.glob(f"{stream}+*.jsonl")) for line in file.read_bytes().splitlines()]
