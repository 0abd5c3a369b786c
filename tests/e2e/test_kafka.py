"""Three pipelines into a real Kafka on their real input: a grid's sensors, a game's events sent by `ab`, players' songs. A foreign
consumer reads the topics again: byte for byte, complete, in order per key, also over a kill -9."""

import collections
import itertools
import json
import re
import subprocess
import time

import pytest

from kafka import by_key, drained, epoch, java_partition, lag, murmur2, once_each, sequence
from penstock import read_lake, wait_until
from sender import Sender, accepted, check_kept, start_all, wait_all

SENSORS = 6
PER_SECOND = 10
SECONDS = 60
EVENTS = 20000
EVENT = b'{"event_type": "purchase_sword", "player": "p\xc3\xa4r", "price": 12.50}'
SONGS = ["Ágætis byrjun", "夜に駆ける", "Песня №1", "أنت عمري", "שיר לשלום", "🎵🎶", "Für Elise", "a/b:c?d#e", "{key}", "%2F",
         " leading blank", '"quoted"', "e\u0301 is not \u00e9", "\u00e9", "ﷺ", "ไทย", "𝄞 clef", "한국", "0", "-1", "NULL", "true",
         "x" * 256, "ß", "I'm", "back\\slash", "Don't Stop", "Ω≈ç√", "zwj \U0001f468\u200d\U0001f469\u200d\U0001f467", "İ"]
# Seconds for which a kill may let the outlet send again what it had sent: the age of its stored mark, linger and round trip, on a disk that has a lot
# to do.
SENT_AGAIN = 1.0


def test_murmur2_is_javas():
    """The values of Kafka's own UtilsTest.testMurmur2."""
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536,
             b"a-little-bit-longer-string": -1486304829, b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
             b"abc": 479470107}
    assert {key: murmur2(key) for key in known} == {key: value & 0xFFFFFFFF for key, value in known.items()}


# ---- kills ----

class Kill:
    """What was there at the kill: how much was not confirmed, how much had just arrived, and where each topic ended."""

    def __init__(self, gateway, kafka, topics):
        before = sum(map(kafka.count, topics))
        time.sleep(SENT_AGAIN)  # what is counted is what comes in this time
        self.unconfirmed = lag(gateway)
        gateway.kill()
        self.recent = sum(map(kafka.settled, topics)) - before
        self.ends = {topic: kafka.ends(topic) for topic in topics}

    def check(self, doubled):
        """The outlet sent again only behind the kill, and only what it could not know to be there."""
        for message in doubled:
            assert message.offset >= self.ends[message.topic][message.partition], f"sent again before the kill: {message}"
        allowed = len(self.ends) * self.unconfirmed + self.recent
        print(f"{len(doubled)} sent again, {allowed:.0f} allowed")
        assert len(doubled) <= allowed


# ---- 1: sensors ----

def wattage(sensor):
    """Endless envelopes, as the sensors' agents wrap their readings; odd sensors say their number as a string."""
    for number in itertools.count():
        payload = json.dumps({"sensor_id": str(sensor) if sensor % 2 else sensor, "modality": 421 + number % 7, "unit": "MW",
                              "temporal_aspect": "real_time", "reading": number})
        yield b"%d" % sensor, json.dumps({
            "payload": payload, "correlation_id": f"5b1a8f00-0000-4000-8000-{sensor:04x}{number:08x}",
            "created_at": round(time.time(), 3), "schema_version": 1}).encode()


class Grid:
    """The sensors' topics and a gateway that feeds them."""

    def __init__(self, kafka, gateway, *sets):
        self.kafka = kafka
        self.all = kafka.create(kafka.name("INGESTION"), 4)
        self.own = {sensor: kafka.create(kafka.name(f"SENSOR_ID_{sensor}")) for sensor in range(1, SENSORS + 1)}
        stream = {"key": "/sensor_id", "time": {"field": "/created_at"}, "value": "envelope",
                  "topics": [self.all, kafka.name("SENSOR_ID_{key}")]}
        self.gateway = gateway(*sets, config=kafka.config({"readings": stream})).start()

    def send(self, count):
        return start_all([Sender(self.gateway, "/readings", itertools.islice(wattage(sensor), count), PER_SECOND)
                          for sensor in self.own])

    def check(self, senders):
        """Both ways that a reading goes; the messages of all topics that were sent again."""
        messages, doubled = once_each(self.kafka.consume(self.all))
        check_kept(senders, by_key(messages))
        ids = {message.value: message.headers for message in messages}
        assert len(ids) == len(messages)
        for message in messages:
            assert message.partition == java_partition(message.key, 4)
            assert set(message.headers) == {"penstock-id"}
            assert re.fullmatch(rb"[A-Za-z0-9._-]+/[0-9a-f]{8}/[1-9]\d*", message.headers["penstock-id"]), message.headers
            assert message.time == round(json.loads(message.value)["created_at"] * 1000)
        for sensor, topic in self.own.items():
            mine, again = once_each(self.kafka.consume(topic))
            check_kept([senders[sensor - 1]], by_key(mine))
            assert all(message.headers == ids[message.value] for message in mine)
            doubled += again
        return doubled


def test_six_sensors_of_a_power_grid_for_a_minute(kafka, gateway):
    grid = Grid(kafka, gateway, "lake.enabled=true", "lake.roll.every=5s")
    senders = grid.send(PER_SECOND * SECONDS)
    wait_all(senders)
    grid.gateway.stop_cleanly()
    assert [len(sender.accepted) for sender in senders] == [PER_SECOND * SECONDS] * SENSORS
    assert grid.check(senders) == []
    assert kafka.count(grid.all) == SENSORS * PER_SECOND * SECONDS
    rows = collections.Counter(row for file in read_lake(grid.gateway.lake) for row in file.rows)
    assert rows == collections.Counter(kafka.values(grid.all)), "the lake beside it got the same"


def test_sensors_and_a_kill(kafka, gateway):
    grid = Grid(kafka, gateway)
    senders = grid.send(PER_SECOND * 5)
    wait_until("half of it", lambda: accepted(senders) > SENSORS * PER_SECOND * 5 / 2)
    kill = Kill(grid.gateway, kafka, [grid.all, *grid.own.values()])
    grid.gateway.start()
    wait_all(senders)
    drained(grid.gateway)
    grid.gateway.stop_cleanly()
    doubled = grid.check(senders)
    kill.check(doubled)
    assert len({epoch(message) for message in kafka.consume(grid.all)}) == 2


# ---- 2: events ----

class Ab:
    """`ab` with EVENTS posts of a file, or `count`. It says of each answer that it came: what it calls complete may have been
    hung up on."""

    def __init__(self, gateway, file, count=EVENTS):
        self.said = file.with_suffix(f".{count}")
        with open(self.said, "wb") as output:
            self.process = subprocess.Popen(["ab", "-q", "-v", "3", "-n", str(count), "-c", "16", "-p", file, "-T", "application/json", "-H",
                                             "Host: user1.comcast.com", f"http://127.0.0.1:{gateway.ports['http']}/events"],
                                            stdout=output, stderr=subprocess.DEVNULL)

    def wait(self):
        """Exit status, number of answers 200, and its report."""
        code = self.process.wait(120)
        said = self.said.read_text(errors="replace")
        answers = re.findall("^LOG: Response code = (.*)$", said, re.MULTILINE)
        assert set(answers) == {"200"}, collections.Counter(answers)
        return code, len(answers), said[-3000:]


def game(kafka, gateway, tmp_path):
    """A gateway that is running, the topic of its events, and the file that `ab` sends."""
    topic = kafka.create(kafka.name("events"), 3)
    (tmp_path / "event.json").write_bytes(EVENT)
    stream = {"labels": {"event_type": "/event_type", "host": "header:Host", "agent": "header:User-Agent"}, "topics": [topic],
              "headers": {"event_type": "event_type", "Host": "host", "User-Agent": "agent"}}
    return gateway(config=kafka.config({"events": stream})).start(), topic, tmp_path / "event.json"


def check_events(messages):
    agents = {message.headers["User-Agent"] for message in messages}
    assert len(agents) == 1 and re.fullmatch(rb"ApacheBench/\d.*", agents.pop())
    for message in messages:
        assert (message.key, message.value) == (None, EVENT)
        assert set(message.headers) == {"penstock-id", "event_type", "Host", "User-Agent"}
        assert (message.headers["event_type"], message.headers["Host"]) == (b"purchase_sword", b"user1.comcast.com")


def test_game_events_by_ab(kafka, gateway, tmp_path):
    one, topic, file = game(kafka, gateway, tmp_path)
    begin = time.time()
    code, answered, said = Ab(one, file).wait()
    end = time.time()
    assert (code, answered) == (0, EVENTS) and re.search(rf"Complete requests:\s+{EVENTS}\nFailed requests:\s+0\n", said), said
    one.stop_cleanly()
    messages, doubled = once_each(kafka.consume(topic))
    assert (len(messages), doubled) == (EVENTS, [])
    check_events(messages)
    assert sorted(map(sequence, messages)) == list(range(1, EVENTS + 1))
    assert all(begin - 0.001 <= message.time / 1000 <= end for message in messages)


def test_game_events_and_a_kill(kafka, gateway, tmp_path):
    one, topic, file = game(kafka, gateway, tmp_path)
    sending = Ab(one, file, 20 * EVENTS)  # far more than it gets to: a broker may be slower than ab
    wait_until("some of it", lambda: kafka.count(topic) > EVENTS / 3, 60)
    kill = Kill(one, kafka, [topic])
    code, answered, _ = sending.wait()
    assert code != 0, "the kill came too late"
    one.start()
    code, again, said = Ab(one, file, EVENTS // 4).wait()
    assert (code, again) == (0, EVENTS // 4), said
    drained(one)
    one.stop_cleanly()
    messages, doubled = once_each(kafka.consume(topic))
    check_events(messages)
    assert 0 <= len(messages) - answered - again <= 16, "of 16 requests at once the answers may have been on their way"
    kill.check(doubled)


# ---- 3: songs ----

def plays(songs, player):
    for number in itertools.count():
        song = songs[number % len(songs)]
        yield song.encode(), json.dumps({"event": "play", "song": song, "player": player, "number": number},
                                        ensure_ascii=number % 2 == 0).encode()


@pytest.mark.parametrize("kills", [0, 1], ids=["no kill", "a kill"])
def test_songs(kafka, gateway, kills):
    topic = kafka.create(kafka.name("songs"), 12)
    one = gateway(config=kafka.config({"songs": {"key": "/song", "topics": [topic]}})).start()
    senders = start_all([Sender(one, "/songs", itertools.islice(plays(SONGS[player::4], player), 2000)) for player in range(4)])
    kill = None
    if kills:
        wait_until("some of it", lambda: kafka.count(topic) > 500, 60)
        kill = Kill(one, kafka, [topic])
        one.start()
    wait_all(senders)
    drained(one)
    one.stop_cleanly()
    messages, doubled = once_each(kafka.consume(topic))
    values = by_key(messages)
    assert {key.decode() for key in values} == set(SONGS)
    check_kept(senders, values)
    assert sum(len(sender.accepted | sender.maybe) for sender in senders) == 8000 and len(messages) >= accepted(senders)
    assert kills or accepted(senders) == 8000
    assert all(message.partition == java_partition(message.key, 12) for message in messages)
    assert len({message.partition for message in messages}) > 8
    if kill:
        kill.check(doubled)
    else:
        assert doubled == []
