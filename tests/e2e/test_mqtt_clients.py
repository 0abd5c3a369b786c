"""Publishers that others wrote, over reconnects: each publishes 10,000 messages in rounds, a connection and a good-bye each, all with one
session; and at QoS 1 and 2 connections are cut in between, so that acknowledgements are lost of what was stored. All arrive, QoS 2
exactly once; and each as often as the bytes say that went through (mqtt_ledger.py)."""

import collections
import json
import os
import pathlib
import random
import subprocess

import pytest

import clients
import mqtt
import penstock
from mqtt import V5, V311
from mqtt_ledger import Ledger
from mqtt_proxy import Proxy
from penstock import lake_rows, wait_until

HERE = pathlib.Path(__file__).resolve().parent
COUNT = 10000
ROUNDS = 4
CUTS = 5
WINDOW = 100
PATIENCE = 240  # seconds; some clients wait a second before they connect again

CONFIG = """\
streams:
  readings: {key: /sensor_id, lake: {path: "{key}"}}
"""


def library(name):
    """The words that run it; skipped, with the reason, where there is no tool to build it."""
    if name == "paho":
        return ["/usr/bin/python3", str(HERE / "clients" / "python" / "client.py")]
    try:
        return clients.command(name)
    except clients.Missing as missing:
        pytest.skip(str(missing))


LIBRARIES = {"paho": (V311, V5), "js": (V311, V5), "rust": (V311, V5), "go": (V311,)}
NAMES = {"paho": "paho-mqtt", "js": "mqtt.js", "rust": "rumqttc", "go": "paho.mqtt.golang"}
# paho.mqtt.golang (1.4.3 and 1.5.1) does not keep a PUBREL that it has sent. When a connection is lost it sends the PUBLISH again instead
# (against MQTT-4.3.3-1 and MQTT-4.4.0-1 of 3.1.1); where the server has had the PUBREL that is a message of its own, and is stored once more. And it
# calls a message done as soon as it sends it again. A program that goes on from there with an empty store, in the same session, counts packet ids
# from 1 anew, and what it sends under one that was never released is the old message again (4.3.3): acknowledged and not stored (against
# MQTT-4.1.0-1 and MQTT-2.3.1-2). So its program keeps the store, and at QoS 2 it is held to what its bytes say, not to once.
SENDS_AGAIN = {"go"}
CASES = [pytest.param(name, version, qos, id=f"{NAMES[name]}-{'5' if version == V5 else '3.1.1'}-QoS-{qos}")
         for name, versions in LIBRARIES.items() for version in versions
         for qos in (0, 1, 2)]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with penstock.Gateway(tmp_path_factory.mktemp("clients"), "lake.roll.every=200ms", "mqtt.threads=2", config=CONFIG) as gateway:
        yield gateway
        gateway.stop_cleanly()


def arrived(server, name):
    """Counter of the numbers that are in the lake."""
    return collections.Counter(json.loads(row)["n"] for row in lake_rows(server.lake, name))


def check(server, name, qos):
    wait_until(f"all messages of {name}", lambda: len(arrived(server, name)) == COUNT, 60)
    wait_until("an empty queue", lambda: server.metric("penstock_outlet_lag_records") == 0)
    counts = arrived(server, name)
    assert set(counts) == set(range(COUNT))
    if qos == 0:
        assert [json.loads(row)["n"] for row in lake_rows(server.lake, name)] == list(range(COUNT))
    return counts


def check_ledger(counts, ledger):
    """Each as often as was acknowledged, and no more often than was sent."""
    least, most = ({json.loads(payload)["n"]: count for payload, count in one.items()} for one in (ledger.least, ledger.most))
    wrong = [(n, least.get(n, 0), counts[n], most.get(n, 0)) for n in range(COUNT) if not least.get(n, 0) <= counts[n] <= most.get(n, 0)]
    print(f"{sum(least.values())} to {sum(most.values())} due, {sum(counts.values())} stored")
    assert wrong == [], "message, and how often it has to be stored, is, and may be"


HELLO = [(True, mqtt.connect(V311, "a", clean=False)), (False, bytes([mqtt.CONNACK << 4, 2, 1, 0]))]
ONE, OTHER = ((True, mqtt.publish(V311, "t", text, 2, 1)) for text in ("one", "other"))
RECEIVED, RELEASE, COMPLETE = ((upwards, mqtt.identified(kind, 1)) for upwards, kind in
                               ((False, mqtt.PUBREC), (True, mqtt.PUBREL), (False, mqtt.PUBCOMP)))


@pytest.mark.parametrize("connections, least, most", [
    ([[ONE, RECEIVED, RELEASE, COMPLETE, OTHER, RECEIVED]], {b"one": 1, b"other": 1}, {b"one": 1, b"other": 1}),
    ([[ONE, RECEIVED, OTHER, RECEIVED]], {b"one": 1}, {b"one": 1}),  # an id in use: the same message
    ([[ONE, RECEIVED], [OTHER, RECEIVED, ONE, RECEIVED]], {b"one": 1}, {b"one": 1}),
    ([[ONE, RECEIVED, RELEASE, COMPLETE], [ONE, RECEIVED]], {b"one": 2}, {b"one": 2}),
    ([[ONE]], {}, {b"one": 1}),  # it may have arrived
    ([[ONE], [ONE], [ONE, RECEIVED]], {b"one": 1}, {b"one": 1}),
    ([[ONE], [OTHER, RECEIVED]], {}, {b"one": 1, b"other": 1}),
    ([[ONE], [OTHER], [OTHER, RECEIVED]], {}, {b"one": 1, b"other": 2}),
    ([[ONE, RECEIVED, RELEASE], [ONE, RECEIVED]], {b"one": 1}, {b"one": 2}),
    ([[ONE, RECEIVED, RELEASE], [RELEASE, COMPLETE, OTHER, RECEIVED]], {b"one": 1, b"other": 1}, {b"one": 1, b"other": 1}),
])
def test_ledger(connections, least, most):
    ledger = Ledger([HELLO + packets for packets in connections])
    assert (+ledger.least, +ledger.most) == (least, most)


def cuts(qos):
    """Distances in bytes: random, so that they fall anywhere in a packet and in a flow."""
    if qos == 0:
        return []
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"SEED={seed}")
    generator = random.Random(seed)
    return [generator.randrange(20000, 60000) for _ in range(CUTS)]


@pytest.mark.parametrize("name, version, qos", CASES)
def test_library(shared, name, version, qos):
    words = library(name)
    client = f"{name}-{version}-{qos}"
    with Proxy(lambda: shared.ports["mqtt"], in_turn=qos == 0) as proxy:
        wanted = cuts(qos)
        proxy.cut(*wanted)
        done = subprocess.run([*words, *map(str, (proxy.port, version, qos, COUNT, client, f"readings/{client}", WINDOW, ROUNDS))],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stdout + done.stderr
        assert proxy.connections >= ROUNDS + len(wanted) and proxy.made == len(wanted)
    ledger = Ledger(proxy.recorded)
    assert qos == 1 or name in SENDS_AGAIN or set(ledger.most.values()) == {1}, "the client itself sent a message twice"
    check_ledger(check(shared, client, qos), ledger)


@pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_mosquitto_pub(shared, version, qos):
    """-l reads a message per line. A process per round, the same session."""
    client = f"mosquitto-{version}-{qos}"
    kept = ["-c", *(["-x", "600"] if version == V5 else [])]
    with Proxy(lambda: shared.ports["mqtt"]) as proxy:
        for number in range(ROUNDS):
            lines = "".join(f'{{"n":{n}}}\n' for n in range(COUNT * number // ROUNDS, COUNT * (number + 1) // ROUNDS))
            done = subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(proxy.port), "-V", "mqttv5" if version == V5 else "mqttv311",
                                   "-i", client, *kept, "-q", str(qos), "-t", f"readings/{client}", "-l"],
                                  input=lines, capture_output=True, text=True, timeout=PATIENCE)
            assert done.returncode == 0, done.stderr
    check_ledger(check(shared, client, qos), Ledger(proxy.recorded))


def test_mosquitto_pub_repeats_itself(shared):
    """Without an identifier of its own, and with a file as one message."""
    message = json.dumps({"n": 1, "pad": "x" * 100000})
    done = subprocess.run(["mosquitto_pub", "-p", str(shared.ports["mqtt"]), "-V", "mqttv5", "-q", "2", "-t", "readings/file", "-s", "--repeat",
                           "3", "--repeat-delay", "0.05"], input=message, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    wait_until("three of it", lambda: lake_rows(shared.lake, "file") == [message.encode()] * 3)


def test_mosquitto_sub_is_told(shared):
    """A subscriber hears that it gets nothing."""
    done = subprocess.run(["mosquitto_sub", "-p", str(shared.ports["mqtt"]), "-V", "mqttv5", "-t", "readings/#", "-W", "10"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.stdout == "" and "denied" in done.stderr, done
