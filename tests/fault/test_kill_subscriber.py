"""kill -9 of the gateway behind mosquitto, of mosquitto in front of it, and of both: whatever we acknowledged to the broker is in the lake; what
the broker still had comes again. The publishers keep their sessions over all of it (e2e/mqtt_publisher.py)."""

import signal

import pytest

import mqtt
from ledger import Verdict
from mosquitto import Mosquitto
from mqtt import PUBACK, PUBLISH, V5, V311
from mqtt_proxy import Proxy, in_order
from mqtt_publisher import Publisher, check_all, place, tally
from penstock import lake_rows, wait_until
from siege import SMALL_SEGMENTS, moment, new_random, note, rounds
from subscribing import connected, subscriber, value

COUNT = rounds(4)
BATCH = 500
PUBLISHERS = 3
WINDOW = 15  # mosquitto takes 20 of a client at a time, and throws out who sends more
VERSIONS = pytest.mark.parametrize("version", ["3.1.1", "5"])


@pytest.fixture
def make(tmp_path):
    """make(lines...): a mosquitto; it ends with the test."""
    made = []

    def one(*lines):
        made.append(Mosquitto(tmp_path / f"broker{len(made)}", *lines))
        return made[-1]

    yield one
    for each in made:
        each.__exit__()


class Load:
    """Publishers at QoS 1 and 2 to a broker."""

    def __init__(self, broker, count=None):
        self.publishers = [Publisher(None, f"p{qos}-{version}-{number}", version, qos, WINDOW, count, port=lambda: broker.port)
                           for qos, version in ((1, V5), (2, V311)) for number in range(PUBLISHERS)]

    def start(self):
        for one in self.publishers:
            one.start()
        return self

    def acknowledged(self):
        return sum(len(one.acknowledged) for one in self.publishers)

    def finish(self):
        for one in self.publishers:
            one.ending.set()
        for one in self.publishers:
            one.wait()

    def judge(self, fault, count, seed, lake):
        found = lake_rows(lake)
        seen = tally(found, self.publishers)
        lost = [(one.name, number) for one in self.publishers for number in one.acknowledged if number not in seen[one.name]]
        doubled = sum(sum(counts.values()) - len(counts) for counts in seen.values())
        verdict = Verdict(self.acknowledged(), len(found), lost, doubled, 0, 0, 0, 0)
        self.most = max(max(counts.values(), default=0) for counts in seen.values())
        note(fault, count, verdict, seed)
        print(f"{verdict.accepted} acknowledged by the broker, {len(found)} rows, {len(lost)} lost, {doubled} came again")
        return verdict


def moves(one):
    """Something of this start was acknowledged."""
    wait_until("messages", lambda: value(one, "batch_messages_sum") > 0, 60)


def all_there(one, load):
    total = load.acknowledged()
    wait_until(f"{total} messages in the lake", lambda: len(set(lake_rows(one.lake))) >= total, 120)


@VERSIONS
@pytest.mark.parametrize("small", [False, True], ids=["", "small segments"])
def test_kill_9_under_load(gateway, make, version, small):
    """Nothing that the broker has acknowledged to anybody is lost, for the broker stays. What comes again was stored, and the broker had not seen its
    acknowledgement: once for each kill. (How many that are is the broker's affair: Debian's mosquitto sends ahead as it likes, and forgets what is in
    its socket when the other end is killed.)"""
    generator, seed = new_random()
    broker = make("persistence false").start()
    one = subscriber(gateway, f"mqtt://127.0.0.1:{broker.port}", *(SMALL_SEGMENTS if small else ()), version=version, batch=str(BATCH))
    connected(one.start())
    load = Load(broker).start()
    for _ in range(COUNT):
        moves(one)
        moment(generator)
        one.kill()
        connected(one.start())
    moves(one)
    load.finish()
    all_there(one, load)
    one.stop_cleanly()
    verdict = load.judge(f"kill -9 behind mosquitto, {version}", COUNT, seed, one.lake)
    assert verdict.lost == []
    assert load.most <= 1 + COUNT
    assert verdict.accepted > 100 * COUNT


def taken(proxy):
    """What the gateway has acknowledged, as the wire between it and its broker says: {payload: how often}."""
    found = {}
    for record in proxy.recorded:
        pending = {}
        for upwards, kind, flags, raw in in_order(record):
            if kind == PUBLISH and not upwards and flags & 6:
                body = mqtt.Body(raw)
                body.take(body.number(">H"))
                id = body.number(">H")
                pending[id] = body.body  # before MQTT 5 all that follows is the payload
            elif kind == PUBACK and upwards:
                payload = pending.pop(int.from_bytes(raw[:2], "big"))
                found[payload] = found.get(payload, 0) + 1
    return found


def test_kill_9_of_the_broker(gateway, make):
    """The broker forgets what it had; but what we had acknowledged is there, and what comes behind comes. With a restart that lets it store
    its queues nothing at all is lost."""
    generator, seed = new_random()
    broker = make().start()
    with Proxy(lambda: broker.port) as proxy:
        one = connected(subscriber(gateway, f"mqtt://127.0.0.1:{proxy.port}", version="3.1.1").start())
        load = Load(broker).start()
        for number in range(COUNT):
            before = value(one, "batch_messages_sum")
            wait_until("messages", lambda: value(one, "batch_messages_sum") > before, 60)
            moment(generator)
            for each in load.publishers:
                each.hold.set()
            broker.end(signal.SIGKILL if number % 2 == 0 else signal.SIGTERM)
            broker.start()
            for each in load.publishers:
                each.hold.clear()
            connected(one)
        for each in load.publishers:
            each.ending.set()
        for each in load.publishers:
            # a broker that forgets sessions is what this test is about
            wait_until("the publishers' end", lambda: not each.is_alive(), 60)
            assert set(each.wrong) <= {"the session has gone"}, each.wrong
        wait_until("a quiet broker", lambda: (then := value(one, "batch_messages_sum")) == quiet(one, then), 60)
        acknowledged = taken(proxy)
        one.stop_cleanly()
    found = set(lake_rows(one.lake))
    missing = [payload for payload in acknowledged if payload not in found]
    assert missing == [], f"{len(missing)} of {len(acknowledged)} messages that were acknowledged are not there, such as {missing[:3]}"
    verdict = load.judge("kill -9 of mosquitto: lost there", COUNT, seed, one.lake)
    assert len(acknowledged) > 100 and verdict.delivered >= len(acknowledged)


def quiet(one, before):
    moment_ = [0]

    def still():
        moment_[0] += 1
        return moment_[0] > 25
    wait_until("half a second", still)
    return value(one, "batch_messages_sum")


def test_connections_that_are_cut(gateway, make):
    """At any byte, with the acknowledgements that are on their way: nothing is lost, and what comes again was stored and its acknowledgement had
    not come through."""
    generator, seed = new_random()
    broker = make("persistence false").start()
    with Proxy(lambda: broker.port) as proxy:
        one = connected(subscriber(gateway, f"mqtt://127.0.0.1:{proxy.port}", version="5", batch=str(BATCH)).start())
        proxy.cut(*[generator.randrange(100, 5000) for _ in range(5 * COUNT)])
        load = Load(broker, 3000).start()
        for each in load.publishers:
            each.wait()
        all_there(one, load)
        assert proxy.made >= COUNT
        one.stop_cleanly()
    verdict = load.judge("connections cut between mosquitto and us", proxy.made, seed, one.lake)
    assert verdict.lost == []
    assert load.most <= 1 + proxy.made
    for name in {place(row)[0] for row in lake_rows(one.lake)}:
        assert name.startswith("p")


__all__ = ["check_all"]
