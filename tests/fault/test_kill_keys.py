"""kill -9 and power cuts under clients that repeat each request until it is answered, with an Idempotency-Key of its own: every reading is in the lake exactly once. The control
leaves the key out, and has to double."""

import collections
import http.client
import json
import threading

import pytest

from penstock import lake_rows
from repeating import CALLS, SIZES, answer_lost, cut, kill, kill_at_a_call
from sender import GONE

CONFIG = "streams: {readings: {key: /sensor_id}}"
BATCH = 5
CLIENTS = 8


def row(client, number, index):
    return json.dumps({"sensor_id": client, "n": number, "i": index, "pad": "x" * (number * 131 % 700)}).encode()


def batch(client, number):
    return b"\n".join(row(client, number, index) for index in range(BATCH))


class Repeater(threading.Thread):
    """Sends one batch after the other, each until it is answered, over all ends and starts of the gateway."""

    def __init__(self, gateway, name):
        super().__init__(daemon=True)
        self.gateway, self.name = gateway, name
        self.done = self.repeated = 0  # batches answered; of them as before
        self.ending = threading.Event()
        self.wrong = []

    def run(self):
        while not self.ending.is_set() and not self.wrong:
            answer = None
            while answer is None:
                answer = self._try(self.done)
            status, text, replayed = answer
            if (status, text) != (200, {"accepted": BATCH}):
                self.wrong.append(answer)
            self.repeated += replayed
            self.done += 1

    def _try(self, number):
        """None: no answer, or none that says what became of it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.ports["http"], timeout=120)
        try:
            connection.request("POST", "/readings", batch(self.name, number), {
                "Content-Type": "application/x-ndjson", "Idempotency-Key": f"{self.name}-{number}"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status in (503, 504):
                self.ending.wait(0.02)
                return None
            return answer.status, json.loads(text), answer.headers["Idempotent-Replayed"] == "true"
        except GONE:
            threading.Event().wait(0.01)  # it is down, or on its way up
            return None
        finally:
            connection.close()


def repeaters(gateway):
    return [Repeater(gateway, f"c{number}") for number in range(CLIENTS)]


def sent(one):
    return [row(one.name, number, index) for number in range(one.done) for index in range(BATCH)]


@pytest.mark.parametrize("sizes", SIZES)
def test_kill_9_doubles_nothing(gateway, sizes):
    kill(gateway, SIZES[sizes], CONFIG, repeaters, sent, "Idempotency-Key")


@pytest.mark.parametrize("calls", CALLS)
def test_kill_9_at_a_call(gateway, tmp_path, calls):
    kill_at_a_call(gateway, tmp_path, calls, CONFIG, repeaters, sent, "Idempotency-Key")


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_power_cut_doubles_nothing(mount, gateway, tools, kind):
    cut(gateway, mount, tools, kind, CONFIG, repeaters, sent, "Idempotency-Key")


@pytest.mark.parametrize("key, copies", [({"Idempotency_Key": "one"}, 1), ({}, 2)], ids=["with a key", "control without a key"])
def test_an_answer_that_was_lost(gateway, tmp_path, key, copies):
    one = gateway("lake.roll.every=200ms").start()
    answer = answer_lost(one, tmp_path, batch("c", 1).decode(), **key)
    assert (answer.status, json.loads(answer.body)) == (200, {"accepted": BATCH})
    assert answer.headers["Idempotent-Replayed"] == ("true" if key else None)
    one.stop_cleanly()
    assert collections.Counter(lake_rows(one.lake)) == {row("c", 1, index): copies for index in range(BATCH)}
