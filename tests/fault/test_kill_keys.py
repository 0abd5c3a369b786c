"""kill -9 under clients that repeat each request until it is answered, with an Idempotency-Key of its own: every reading is in the lake exactly once. The control
leaves the key out, and has to double."""

import collections
import http.client
import json
import threading

import pytest

from ledger import Verdict
from penstock import lake_rows, wait_until
from sender import GONE
from siege import PATIENT, SMALL_SEGMENTS, injected, moment, new_random, note, rounds

CONFIG = "streams: {readings: {key: /sensor_id}}"
BATCH = 5
CLIENTS = 8
# What the HTTP thread answers with: the first one behind this is the answer to what was sent.
ANSWER = "sendto,sendmsg,writev:signal=SIGKILL:when=1"


def row(client, number, index):
    return json.dumps({"sensor_id": client, "n": number, "i": index, "pad": "x" * (number * 131 % 700)}).encode()


def batch(client, number):
    return b"\n".join(row(client, number, index) for index in range(BATCH))


class Repeater(threading.Thread):
    """Sends one batch after the other, each until it is answered, over all ends and starts of the gateway."""

    def __init__(self, gateway, name):
        super().__init__(daemon=True)
        self.gateway, self.name = gateway, name
        self.done = self.replayed = 0
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
            self.replayed += replayed
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
    made = [Repeater(gateway, f"c{number}") for number in range(CLIENTS)]
    for one in made:
        one.start()
    return made


def answered(made, more):
    """Waits until each has so many answers more, or has seen a wrong one."""
    before = [one.done for one in made]
    wait_until(f"{more} answers for each", lambda: all(one.done >= had + more or one.wrong for one, had in zip(made, before)), 300)
    assert not any(one.wrong for one in made), [one.wrong for one in made]


def judge(gateway, made, fault, count, seed):
    for one in made:
        one.ending.set()
    for one in made:
        one.join(300)
        assert not one.is_alive()
    gateway.stop_cleanly(320)
    seen = collections.Counter(lake_rows(gateway.lake))
    sent = {row(one.name, number, index) for one in made for number in range(one.done) for index in range(BATCH)}
    lost = [name for name in sent if name not in seen]
    doubled = sum(seen.values()) - len(seen)
    print(f"{sum(one.replayed for one in made)} repeats of {len(sent) // BATCH} requests were answered as before")
    note(fault, count, Verdict(len(sent), sum(seen.values()), lost, doubled, 0, 0, 0, 0), seed)
    assert (lost[:5], doubled, set(seen) - sent) == ([], 0, set())


@pytest.mark.parametrize("sizes", [(), SMALL_SEGMENTS, ("http.threads=4",)], ids=["default sizes", "small segments", "four HTTP threads"])
def test_kill_9_doubles_nothing(gateway, sizes):
    generator, seed = new_random()
    count = rounds(8)
    one = gateway("lake.roll.every=200ms", PATIENT, *sizes, config=CONFIG).start()
    made = repeaters(one)
    for _ in range(count):
        answered(made, 3)
        moment(generator)
        one.kill()
        one.start()
    answered(made, 1)
    judge(one, made, "kill -9, Idempotency-Key", count, seed)


CALLS = {"syncs": "fdatasync,fsync", "writes": "pwrite64,pwritev,write", "answers": "sendto,sendmsg,writev", "renames": "rename,renameat,renameat2,unlink,unlinkat"}


@pytest.mark.parametrize("calls", CALLS)
def test_kill_9_at_a_call(gateway, tmp_path, calls):
    """The nth call of this kind in any thread is the last thing that happens."""
    generator, seed = new_random()
    count = rounds(4)
    one = gateway("lake.roll.every=100ms", PATIENT, *SMALL_SEGMENTS, config=CONFIG).start()
    made = repeaters(one)
    for number in range(count):
        answered(made, 1)
        fault = f"{CALLS[calls]}:signal=SIGKILL:when={generator.randrange(1, 30)}"
        with injected(one, fault, tmp_path / f"strace-{number}"):
            assert one.ended(120) == -9
        one.start()
    answered(made, 1)
    judge(one, made, f"kill -9 at the nth of {calls}, Idempotency-Key", count, seed)


@pytest.mark.parametrize("key, copies", [({"Idempotency_Key": "one"}, 1), ({}, 2)], ids=["with a key", "control without a key"])
def test_an_answer_that_was_lost(gateway, tmp_path, key, copies):
    """The records are durable, and the gateway is killed with the answer in its hand."""
    one = gateway("lake.roll.every=200ms").start()
    body = batch("c", 1).decode()
    with injected(one, ANSWER, tmp_path / "strace"):
        with pytest.raises(GONE):
            one.post("/readings", body, "application/x-ndjson", **key)
        assert one.ended() == -9
    one.start()
    answer = one.post("/readings", body, "application/x-ndjson", **key)
    assert (answer.status, json.loads(answer.body)) == (200, {"accepted": BATCH})
    assert answer.headers["Idempotent-Replayed"] == ("true" if key else None)
    one.stop_cleanly()
    assert collections.Counter(lake_rows(one.lake)) == {row("c", 1, index): copies for index in range(BATCH)}
