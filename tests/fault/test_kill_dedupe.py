"""kill -9 and power cuts under sensors that number their readings and send each until it is acknowledged, in batches that are others with every try: every reading is in the lake exactly once. The
control leaves `dedupe` out, and has to double."""

import collections
import http.client
import json
import threading

import pytest

from mqtt import PUBACK, V311, Client
from penstock import lake_rows
from repeating import CALLS, SIZES, answer_lost, cut, kill, kill_at_a_call
from sender import GONE

CONFIG = "streams: {readings: {key: /sensor_id, dedupe: {sequence: /seq}}}"
CONTROL = "streams: {readings: {key: /sensor_id}}"
SENSORS = 8
MOST = 40  # readings under way: less than the window


def row(sensor, number):
    return json.dumps({"sensor_id": sensor, "seq": number, "pad": "x" * (number * 131 % 300)}).encode()


class Sensor(threading.Thread):
    """Sends what is not acknowledged yet, and more of it with each try, over all ends and starts of the gateway."""

    def __init__(self, gateway, name):
        super().__init__(daemon=True)
        self.gateway, self.name = gateway, name
        self.done = self.more = self.repeated = 0  # readings acknowledged; in the next try beside one; found stored already
        self.ending = threading.Event()
        self.wrong = []

    def run(self):
        while not self.wrong and not (self.ending.is_set() and self.more == 0):
            count = min(1 + self.more, MOST)
            answer = self.attempt(self.done, count)
            if answer is None:
                self.more += 2
                self.ending.wait(0.01)
                continue
            self.done += count
            self.more = 0
            self.repeated += answer

    def attempt(self, first, count):
        """None: nobody says that all of it is stored. Else how many were stored before."""
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.ports["http"], timeout=120)
        try:
            connection.request("POST", "/readings", b"\n".join(row(self.name, number) for number in range(first, first + count)),
                               {"Content-Type": "application/x-ndjson"})
            answer = connection.getresponse()
            text = json.loads(answer.read())
            if answer.status in (503, 504):
                return None
            if answer.status != 200 or text["accepted"] + text.get("duplicates", 0) != count or "old" in text:
                self.wrong.append((answer.status, text, count))
            return text.get("duplicates", 0)
        except GONE:
            return None
        finally:
            connection.close()


class MqttSensor(Sensor):
    """The same over MQTT at QoS 1, with a new session each time."""

    def attempt(self, first, count):
        try:
            with Client(self.gateway.ports["mqtt"], V311) as client:
                client.connect("")
                for number in range(count):
                    client.publish(f"readings/{self.name}", row(self.name, first + number), 1, number + 1)
                for number in range(count):
                    client.expect(PUBACK, number + 1)
            return 0
        except (*GONE, AssertionError):
            return None


def sensors(gateway):
    return [(MqttSensor if number % 4 == 3 else Sensor)(gateway, f"s{number}") for number in range(SENSORS)]


def sent(one):
    return [row(one.name, number) for number in range(one.done)]


@pytest.mark.parametrize("sizes", SIZES)
def test_kill_9_doubles_nothing(gateway, sizes):
    kill(gateway, SIZES[sizes], CONFIG, sensors, sent, "dedupe")


@pytest.mark.parametrize("calls", CALLS)
def test_kill_9_at_a_call(gateway, tmp_path, calls):
    kill_at_a_call(gateway, tmp_path, calls, CONFIG, sensors, sent, "dedupe")


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_power_cut_doubles_nothing(mount, gateway, tools, kind):
    cut(gateway, mount, tools, kind, CONFIG, sensors, sent, "dedupe")


@pytest.mark.parametrize("config, copies, text", [(CONFIG, 1, {"accepted": 0, "duplicates": 3}), (CONTROL, 2, {"accepted": 3})], ids=["dedupe", "control without it"])
def test_an_answer_that_was_lost(gateway, tmp_path, config, copies, text):
    one = gateway("lake.roll.every=200ms", config=config).start()
    body = b"\n".join(row("s", number) for number in range(3)).decode()
    answer = answer_lost(one, tmp_path, body)
    assert (answer.status, json.loads(answer.body)) == (200, text)
    one.stop_cleanly()
    assert collections.Counter(lake_rows(one.lake)) == {row("s", number): copies for number in range(3)}
