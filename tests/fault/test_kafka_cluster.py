"""A cluster of three brokers under load: each restarted in turn, and each out of reach for a while, with packets that are lost and nobody who says so.

Two gateways at a time, one for each promise of kafka.delivery. Nothing is lost, each key keeps its order, exactly-once doubles nothing; both go on by
themselves, in bounded time and memory."""

import contextlib
import time

import pytest

from cutting_proxy import Proxy
from kafka import content, drained, in_hands_of, patiently
from kafka_ledger import KafkaLedger
from ledger import assert_kept
from penstock import memory, wait_until
from siege import ROUNDS, Load, moment, new_random, note, rounds

CLIENTS = 3
ON = 100  # records delivered: it goes on
PATIENCE = 90  # seconds until it does
MIB = 1 << 20
BOUND = 96 * MIB  # of resident memory


@pytest.fixture(scope="module")
def cluster(brokers):
    made = brokers(3).start()
    yield made
    made.close()


@pytest.fixture
def three(request, cluster):
    yield from in_hands_of(request, cluster)


class Besieged:
    """A gateway with one of the promises, and what load.c was told by it. Each record goes to all of its topics."""

    def __init__(self, kafka, gateway, delivery, topics, properties):
        self.kafka, self.once, self.topics = kafka, delivery == "exactly-once", topics
        self.ledger = KafkaLedger(gateway.folder / f"notes-{delivery}")
        config = kafka.config({"readings": {"key": "/sensor_id", "topics": topics}}, properties=properties, delivery=delivery)
        self.gateway = gateway(f"gateway.id={kafka.name(delivery)}", config=config, directory=gateway.folder / delivery).start()

    def delivered(self):
        return self.gateway.metric("penstock_outlet_delivered_total", 'outlet="kafka"')

    def goes_on(self):
        enough = self.delivered() + ON
        patiently(self.gateway, f"{ON} records more in Kafka", lambda: self.delivered() >= enough, PATIENCE)

    def stands_still(self):
        """How much is delivered, when nothing more comes."""
        def settled():
            before = self.delivered()
            time.sleep(1)  # longer than a transaction
            return self.delivered() == before

        patiently(self.gateway, "deliveries to stop", settled, 20)
        return self.delivered()

    def judge(self, fault, count, seed):
        self.ledger.send_fresh(self.gateway)
        drained(self.gateway)
        content(self.gateway)
        self.ledger.read()
        verdicts = [self.ledger.judge_topic(self.kafka, topic)[1] for topic in self.topics]
        worst = max(verdicts, key=lambda one: (len(one.lost), one.doubled))
        note(fault + (", exactly-once, Kafka" if self.once else ", Kafka"), count, worst, seed)
        print(f"{fault}: {verdicts[0].delivered} records, {[one.doubled for one in verdicts]} of them sent again")
        for verdict in verdicts:
            assert_kept(verdict if self.once else verdict._replace(doubled=0))
        assert "outlet.fenced" not in self.gateway.said(), "there is no other gateway with this id"


class Pair:
    """A gateway with each promise, on the same brokers. topics(promise): the names of its topics."""

    def __init__(self, kafka, gateway, tools, topics, **properties):
        self.kafka, self.tools = kafka, tools
        self.both = [Besieged(kafka, gateway, delivery, topics(delivery), properties) for delivery in ("at-least-once", "exactly-once")]

    @contextlib.contextmanager
    def under_load(self):
        with contextlib.ExitStack() as stack:
            loads = [stack.enter_context(Load(self.tools, one.gateway, one.ledger, clients=CLIENTS)) for one in self.both]
            self.go_on()
            yield
            for load in loads:
                load.stop()

    def go_on(self):
        for one in self.both:
            one.goes_on()

    def in_step(self):
        wait_until("all copies in step", lambda: all(self.kafka.in_step(topic, 3) for one in self.both for topic in one.topics), PATIENCE)

    def judge(self, fault, count, seed):
        for one in self.both:
            one.judge(fault, count, seed)
        for one in self.both:
            peak = memory(one.gateway, "VmHWM")
            print(f"{peak / MIB:.0f} MiB at most")
            assert peak < BOUND
            one.gateway.stop_cleanly()


def test_rolling_restart(three, gateway, tools):
    """Each broker in turn ends, by SIGTERM or kill -9, and comes back when records have got through without it."""
    generator, seed = new_random()
    count = rounds(1)

    def topics(delivery):
        return [three.create(three.name(f"{delivery}-{number}"), partitions, 3) for number, partitions in enumerate((6, 1))]

    pair = Pair(three, gateway, tools, topics)
    with pair.under_load():
        for number in range(count):
            for place, broker in enumerate(three.cluster.brokers):
                end = broker.kill if (number + place) % 2 else broker.stop
                end()
                pair.go_on()
                moment(generator)
                broker.start()
                pair.in_step()
                pair.go_on()
    pair.judge("three brokers restarted in turn", count, seed)


# ---- packets that are lost ----

SOCKET_TIMEOUT, TRANSACTION_TIMEOUT = 4, 9  # seconds
CUTS = [(("up", "down"), 6), (("up",), 2), (("down",), 12)]  # the ways that are cut, and for how long (seconds)
LONGEST = 15


@pytest.fixture
def far(three):
    """A way to each broker, for clients of the listener "far"."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Proxy(broker.ports["far"], broker.far_address)) for broker in three.cluster.brokers]


def check_cut(pair, cut):
    """One of the topics is led by the broker that is out of reach. All others get their records, and senders their answers."""
    plain = pair.both[0]
    others = [topic for number, topic in enumerate(plain.topics) if number != cut]
    enough = {topic: pair.kafka.count(topic) + ON for topic in others}
    patiently(plain.gateway, f"{ON} records more in {others}", lambda: all(pair.kafka.count(topic) >= enough[topic] for topic in others), PATIENCE)
    for one in pair.both:
        begin = time.monotonic()
        assert one.ledger.try_fresh(one.gateway) == 200
        assert time.monotonic() - begin < 5


def test_packets_are_lost(three, far, gateway, tools):
    """Between the gateways and one broker, both ways or one, and found again: for less than the time-out of a request, for longer, and for longer than
    brokers wait for a transaction to end."""
    generator, seed = new_random()
    numbers = [broker.number for broker in three.cluster.brokers]

    def topics(delivery):
        return [three.create(three.name(f"{delivery}-{number}"), brokers=[number, *(set(numbers) - {number})]) for number in numbers]

    cuts = [(generator.choice(CUTS)[0], generator.uniform(1, LONGEST)) for _ in range(ROUNDS)] or CUTS
    pair = Pair(three, gateway, tools, topics, **{
        "bootstrap.servers": three.cluster.servers("far"), "socket.timeout.ms": str(SOCKET_TIMEOUT * 1000),
        "transaction.timeout.ms": str(TRANSACTION_TIMEOUT * 1000)})
    with pair.under_load():
        for ways, seconds in cuts:
            cut = generator.randrange(3)
            far[cut].lose(*ways)
            until = time.monotonic() + seconds
            check_cut(pair, cut)
            before = [one.stands_still() for one in pair.both]
            time.sleep(max(0, until - time.monotonic()))  # the fault itself
            assert [one.delivered() for one in pair.both] == before
            far[cut].find()
            begin = time.monotonic()
            pair.go_on()
            print(f"broker {cut + 1}, {' and '.join(ways)} for {begin - until + seconds:.1f} s: both gateways go on {time.monotonic() - begin:.1f} s later")
            moment(generator)
    pair.judge("packets to a broker lost for a while", len(cuts), seed)
