"""kafka_broker: a real broker for the rows that need one, and what it says has arrived, and when."""

import sys
import time

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from harness import ROOT, say

sys.path.insert(0, str(ROOT / "tests/parts"))

import broker as parts  # noqa: E402

PARTITIONS = 12
PATIENCE = 30  # seconds for an answer
WARM_LEAST, WARM_MOST = 6, 20  # runs that warm a broker up
WARM_NEAR = 0.03  # what the last two of them may differ by
# The tests' brokers are small and compile little, which is right for tests. These get what a broker has by default.
parts.JVM = ["-Xms1g", "-Xmx1g", "-XX:+UseG1GC", *(flag for flag in parts.JVM if flag.startswith("-D"))]


class Kafka:
    """One broker on a fresh directory; `with` starts and ends it. Every topic is new and stamps its batches when they are appended, so
    that how fast they came is read from the broker's own log afterwards, to the millisecond, and the same way for whoever wrote."""

    def __init__(self, bench):
        # A node that was stopped for a while would first have to be let in again by itself.
        patient = {"broker.session.timeout.ms": 3_600_000}
        self.cluster = parts.Cluster(bench.directory("kafka") / "cluster", more=patient)
        self.broker = self.cluster.brokers[0]
        self.topics = 0

    def __enter__(self):
        self.cluster.start()
        self.servers = self.cluster.servers()
        self.client()
        return self

    def __exit__(self, *_):
        self.consumer.close()
        self.cluster.close()

    def client(self):
        calm = {"bootstrap.servers": self.servers, "log_level": 0}
        self.admin = AdminClient(calm)
        self.consumer = Consumer({**calm, "group.id": "bench"})

    def topic(self):
        """Makes a new one and returns its name."""
        self.topics += 1
        name = f"BENCH_{self.topics}"
        new = NewTopic(name, PARTITIONS, 1, config={"message.timestamp.type": "LogAppendTime"})
        self.admin.create_topics([new])[name].result(PATIENCE)
        return name

    def positions(self):
        """Makes the topic into which kafka_produce writes a message for each of its transactions."""
        self.admin.create_topics([NewTopic("bench-positions", 1, 1, config={"cleanup.policy": "compact"})])[
            "bench-positions"
        ].result(PATIENCE)

    def held(self, topic):
        """How many records the topic holds. Behind each transaction brokers append one to each of its partitions, which count, too: one in a thousand."""
        return sum(
            self.consumer.get_watermark_offsets(TopicPartition(topic, number), PATIENCE)[1]
            for number in range(PARTITIONS)
        )

    def before(self, topic, moment):
        """How many records were appended before this time (ms since 1970)."""
        asked = [TopicPartition(topic, number, int(moment)) for number in range(PARTITIONS)]
        total = 0
        for answer in self.consumer.offsets_for_times(asked, PATIENCE):
            at_end = answer.offset < 0
            total += self.consumer.get_watermark_offsets(answer, PATIENCE)[1] if at_end else answer.offset
        return total

    def when(self, topic, count):
        """The time (ms since 1970) at which the topic held this many records."""
        late = int(time.time() * 1000) + 1
        early = late - 3_600_000
        if self.before(topic, late) < count:
            raise RuntimeError(f"{topic} never held {count} records")
        while late - early > 1:
            middle = (early + late) // 2
            if self.before(topic, middle + 1) >= count:
                late = middle
            else:
                early = middle
        return late

    def rate(self, topic, first, last):
        """Records per second between the first-th and the last-th of the topic."""
        return (last - first) * 1000 / max(self.when(topic, last) - self.when(topic, first), 1)

    def wait(self, topic, count, limit):
        """Until the topic holds so many; seldom enough to cost the broker nothing."""
        deadline = time.monotonic() + limit
        while True:
            try:
                held = self.held(topic)
            except KafkaException:  # it is being started
                held = 0
            if held >= count:
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"{topic} holds {held:,} of {count:,} records after {limit} s")
            time.sleep(0.2)

    def warm_up(self, run):
        """Until the broker's code is compiled: until two rates in a row are nearly the same."""
        rates = [run() for _ in range(WARM_LEAST)]
        while len(rates) < WARM_MOST and abs(rates[-1] / rates[-2] - 1) > WARM_NEAR:
            rates.append(run())
        say("kafka: " + " ".join(f"{rate:,.0f}" for rate in rates) + " messages/s while it warmed up")
