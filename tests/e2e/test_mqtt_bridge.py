"""A mosquitto broker that bridges its own topics to penstock: nothing is lost over restarts of either side."""

import json
import signal
import subprocess
import threading

import pytest

from ports import free_ports
from mosquitto import Mosquitto
from mqtt import V311
from mqtt_publisher import Publisher
from penstock import lake_rows, wait_until

CONFIG = "mqtt: {topics: {'readings/{sensor_id}': readings, 'plant/{sensor_id}': readings}}\nstreams: {readings: {key: /sensor_id}}\n"
VERSIONS = pytest.mark.parametrize("version", ["mqttv31", "mqttv311", "mqttv50"])


def bridge(port, version, *more):
    return ["connection penstock", f"address 127.0.0.1:{port}", f"bridge_protocol_version {version}", "topic readings/# out 1",
            "cleansession false", "restart_timeout 1", "keepalive_interval 10", "remote_clientid bridge", "bridge_attempt_unsubscribe false",
            *more]


@pytest.fixture
def pair(gateway, tmp_path):
    """make(version, more...): (penstock, mosquitto), both running."""
    brokers = []

    def make(version, *more):
        port = free_ports(1)[0]
        server = gateway("lake.roll.every=200ms", config=CONFIG)
        server.sets = [f"mqtt.listen=127.0.0.1:{port}" if one.startswith("mqtt.listen=") else one for one in server.sets]
        server.start()
        brokers.append(Mosquitto(tmp_path / "mosquitto", *bridge(port, version, *more)).start())
        return server, brokers[-1]

    yield make
    for one in brokers:
        if one.process:
            one.end(signal.SIGKILL)


def publish(broker, first, count):
    """To the broker, as its own clients do."""
    lines = "".join(f'{{"n":{number}}}\n' for number in range(first, first + count))
    done = subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-q", "1", "-t", "readings/local", "-l"], input=lines, text=True,
                          capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr


def numbers(server):
    return {json.loads(row)["n"] for row in lake_rows(server.lake) if row.startswith(b'{"n"')}


@VERSIONS
def test_bridge(pair, version):
    """With its notifications, which are messages that no pattern matches, and a topic in the other direction, which is refused."""
    server, broker = pair(version, "topic commands/# in 1", "topic plant/+ out 2")
    publish(broker, 0, 1000)
    wait_until("all of them", lambda: numbers(server) == set(range(1000)), 60)
    done = subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-q", "2", "-t", "plant/a", "-m", '{"n":1000}'], capture_output=True)
    assert done.returncode == 0, done.stderr
    wait_until("QoS 2", lambda: 1000 in numbers(server), 60)
    assert server.metric("penstock_connections", 'source="mqtt"') == 1
    letters = [json.loads(line) for file in (server.data / "dead-letters").glob("*.jsonl") for line in file.read_text().splitlines()]
    assert letters and all(letter["stream"] == "unmapped" and "$SYS/broker/connection/" in letter["origin"] for letter in letters)
    assert len(lake_rows(server.lake)) == 1001


@VERSIONS
def test_bridge_over_restarts_of_either_side(pair, version):
    """penstock is killed and stopped, the broker is stopped (kill -9 would cost what it has not saved), all under load."""
    server, broker = pair(version, "notifications false")
    publisher = Publisher(server, "local", V311, 1, 20, port=lambda: broker.port)
    publisher.start()

    def more():
        before = len(publisher.acknowledged)
        wait_until("messages", lambda: len(publisher.acknowledged) > before + 50 or not publisher.is_alive(), 60)

    for _ in range(2):
        more()
        server.kill()
        more()
        server.start()
        more()
        broker.end()
        broker.start()
        more()
        server.stop_cleanly()
        more()
        server.start()
    publisher.finish()
    all_there = set(range(1, publisher.issued + 1))

    def there():
        return {int(row.split(b'"')[3].rsplit(b"-", 1)[1]) for row in lake_rows(server.lake)} == all_there
    wait_until("all messages", there, 60)
    server.stop_cleanly()
    rows = lake_rows(server.lake)
    print(f"{publisher.issued} messages, {len(rows) - publisher.issued} came again")
    assert len(rows) >= publisher.issued and "malformed" not in server.said()


def test_bridge_of_many_clients(pair):
    """At once, at both ends QoS 1."""
    server, broker = pair("mqttv311", "notifications false")
    threads = [threading.Thread(target=publish, args=(broker, number * 500, 500)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until("all of them", lambda: numbers(server) == set(range(4000)), 60)
