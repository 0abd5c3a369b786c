"""What a kernel may do at any call: move fewer bytes than it was asked for, be interrupted, have no memory, and tell another time. strike.c does it."""

import collections
import contextlib
import http.client
import itertools
import json
import signal
import threading

import pytest

from ledger import Verdict
from mqtt import PUBACK, V5, Client, Refused
from penstock import lake_rows, wait_until
from scenario import Scenario
from sender import GONE
from siege import PATIENT, new_random, note, rounds
from strike import Strike


def test_short_and_interrupted_calls(gateway, tools, tmp_path):
    generator, seed = new_random()
    strike = Strike(tools, tmp_path)
    accepted = 0
    for number in range(rounds(3)):
        strike.every = generator.randrange(2, 8)
        scenario = Scenario(gateway, tmp_path / f"gateway-{number}", strike.environment)
        scenario.play()
        accepted += scenario.judge().accepted
    print(f"{strike.interrupted} calls interrupted, {strike.cut_short} short")
    assert strike.interrupted > 100 and strike.cut_short > 100
    note("short and interrupted calls", rounds(3), Verdict(accepted, accepted, [], 0, 0, 0, 0, 0), seed)


# ---- the clock ----

HOUR, DAY = 3600 * 10**6, 24 * 3600 * 10**6
TO_2038 = (2**31 - 1_790_000_000) * 10**6  # in 2026; later it is further beyond
TIMES = {"an hour": (-HOUR, HOUR), "ten years back": (-3652 * DAY, 0), "beyond 2038": (TO_2038, 0)}


@pytest.mark.one_round
@pytest.mark.parametrize("times", TIMES)
def test_clock_jumps(gateway, tools, tmp_path, times):
    """While the scenario goes on; it begins at one of these times, too."""
    strike = Strike(tools, tmp_path)
    ending = threading.Event()

    def jump():
        for shift in itertools.cycle(TIMES[times]):
            strike.shift = shift
            if ending.wait(0.05):
                return

    strike.shift = TIMES[times][0]
    jumper = threading.Thread(target=jump)
    jumper.start()
    try:
        scenario = Scenario(gateway, tmp_path / "gateway", strike.environment)
        scenario.play()
        verdict = scenario.judge()
    finally:
        ending.set()
        jumper.join()
    hours = {line[:13] for output in scenario.one.directory.glob("output.*") for line in output.read_text().splitlines() if line[4:5] == "-"}
    assert len(hours) > 1, hours
    note(f"clock jumps, {times}", 1, verdict)


# ---- memory ----

CONFIG = """\
streams:
  readings: {key: /sensor_id, labels: {kind: /kind}, lake: {path: "{stream}/{kind}"}}
files: {logs: {watch: "logs/*.log", stream: unorganized, scan: 100ms}}
"""


class Rememberer:
    """Sends records each of which is new, and knows which were acknowledged."""

    def __init__(self, one):
        self.one, self.number, self.accepted, self.tried = one, 0, set(), set()
        self.one.directory.joinpath("logs").mkdir(parents=True)

    def next(self):
        self.number += 1
        body = json.dumps({"sensor_id": f"s{self.number}", "kind": f"k{self.number}", "pad": "x" * 3000}).encode()
        self.tried.add(body)
        return body

    def over_http(self):
        body = self.next()
        answer = self.one.post("/readings", body, Idempotency_Key=f"key-{self.number}")
        assert answer.status in (200, 500, 503, 504), answer
        if answer.status == 200:
            self.accepted.add(body)

    def over_mqtt(self):
        body = self.next()
        with Client(self.one.ports["mqtt"], V5) as client:
            try:
                client.connect(f"c{self.number}", session_expiry=1)
            except (Refused, AssertionError):
                return
            client.publish(f"readings/s{self.number}", body, 1, 1)
            got = client.next()
            if got and got.type == PUBACK and got.reason == 0:
                self.accepted.add(body)

    def in_a_file(self):
        line = b"line %d" % self.number
        self.number += 1
        self.tried.add(line)
        self.accepted.add(line)
        (self.one.directory / "logs" / f"{self.number}.log").write_bytes(line + b"\n")

    def of_the_admin(self):
        for path in ("/readyz", "/healthz", "/metrics"):
            with contextlib.suppress(http.client.HTTPException, OSError):
                assert self.one.admin(path).status in (200, 500, 503)


WAYS = ("over_http", "over_mqtt", "in_a_file", "of_the_admin")


@pytest.mark.parametrize("way", WAYS)
def test_any_allocation_fails(gateway, tools, tmp_path, way):
    """The nth from the moment on at which something new is asked, with n from 1 until it has got its answer and been delivered without. Nothing that is
    acknowledged is lost, and the next one gets through."""
    strike = Strike(tools, tmp_path)
    one = gateway("lake.roll.every=100ms", PATIENT, config=CONFIG, environment=strike.environment)
    sender = Rememberer(one)
    one.start()

    def delivered():
        with contextlib.suppress(*GONE):
            found = set(lake_rows(one.lake))
            return sender.accepted <= found

    for number in itertools.count(1):
        strike.fail_allocation(number)
        with contextlib.suppress(*GONE):
            getattr(sender, way)()
        wait_until(f"delivery, allocation {number}", delivered)
        failed = strike.failed
        strike.fail_allocation(0)
        assert one.process.poll() is None, f"allocation {number}: {one.said()[-2000:]}"
        if not failed:
            break
    print(f"{number - 1} allocations failed one after the other")
    assert number > (3 if way != "of_the_admin" else 1), f"no more than {number - 1} allocations"
    sender.over_http()
    one.stop_cleanly(320)
    seen = collections.Counter(lake_rows(one.lake))
    found = (sender.accepted - set(seen), set(seen) - sender.tried, [row for row, times in seen.items() if times > 1])
    assert not any(found), found
    note(f"the nth allocation fails, {way.replace('_', ' ')}", number - 1, Verdict(len(sender.accepted), len(seen), [], 0, 0, 0, 0, 0))


def test_any_allocation_of_the_start_fails(gateway, tools, tmp_path):
    """It says so and ends, or runs without: with records in the journal that it has to read."""
    generator, seed = new_random()
    strike = Strike(tools, tmp_path)
    one = gateway("lake.roll.every=1h", "gateway.grace=0", config=CONFIG, environment=strike.environment)
    one.directory.joinpath("logs").mkdir(parents=True)
    one.start()
    bodies = {one.send({"sensor_id": number, "kind": "k"}) for number in range(10)}
    one.kill()
    strike.fail_allocation(0)
    one.start()
    stride = max(1, strike.allocations // rounds(25))
    one.kill()
    number, places = generator.randrange(1, stride + 1), 0

    def runs_or_ended():
        said = one.said()
        return "Admin  http" in said or "gateway.banner error" in said or one.process.poll() is not None

    while True:
        strike.fail_allocation(number)
        one.spawn()
        wait_until(f"its banner or its end, allocation {number}", runs_or_ended)
        failed = strike.failed
        if one.process.poll() is None:
            one.kill()
        else:  # by an assert where streams and topics are compiled, before anything is accepted
            assert one.ended() in (1, 2, -signal.SIGABRT) and "memory" in one.said(), f"allocation {number}: {one.said()[-2000:]}"
        if not failed:
            break
        number += stride
        places += 1
    strike.fail_allocation(0)
    one.start()
    bodies.add(one.send({"sensor_id": "fresh", "kind": "k"}))
    one.sets.remove("gateway.grace=0")
    one.stop_cleanly()
    one.start()
    one.stop_cleanly()
    rows = lake_rows(one.lake, "readings/k")  # and in no other folder, by a rendering that was lost
    assert set(rows) == bodies and len(rows) == len(bodies)
    note("the nth allocation of the start fails", places, Verdict(len(bodies), len(rows), [], 0, 0, 0, 0, 0), seed)
