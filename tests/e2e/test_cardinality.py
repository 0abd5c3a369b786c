"""Many sensors: what the gateway holds and shows does not grow with the number of ids, whatever they come over and wherever they go."""

import json
import os
import threading
import time

import mqtt
from mqtt import V311, connected
from penstock import lake_rows, wait_until
from test_mqtt_pressure import MIB, resident

WARM = 200_000  # ids until all buffers have their size, those of both threads
MANY = 500_000  # more over HTTP, and as many others over MQTT
BATCH = 10_000
SLACK = 6 * MIB  # of resident memory; an entry for each id, however small, would be 16
OPEN = 300  # files: more than those that have buffers of some size
BIG = 6000  # bytes of a reading, which the others' buffers do not hold


def ids(kind, first, count):
    return (f"{kind}_{number:07d}" for number in range(first, first + count))


def over_http(server, first, count):
    lines = "\n".join(f'{{"sensor_id":"{id}","wattage":1.5,"seq":1}}' for id in ids("HTTP", first, count))
    answer = server.post("/readings", lines, "application/x-ndjson")
    assert (answer.status, json.loads(answer.body)) == (200, {"accepted": count}), answer


def over_mqtt(client, first, count):
    client.send(*(mqtt.publish(V311, f"readings/{id}", b'{"wattage":1.5}', 1, number) for number, id in enumerate(ids("MQTT", first, count), 1)))
    answers = bytearray()
    while len(answers) < 4 * count:
        answers += client.socket.recv(1 << 16)
    assert answers == b"".join(mqtt.identified(mqtt.PUBACK, number) for number in range(1, count + 1))


class Sensors:
    """New ids over HTTP, and as many others over MQTT, until every outlet has what came."""

    def __init__(self, server):
        self.server, self.seen, self.client = server, 0, connected(server, V311)

    def take(self, count):
        for _ in range(0, count, BATCH):
            batch = min(count, BATCH)
            over_http(self.server, self.seen, batch)
            over_mqtt(self.client, self.seen, batch)
            self.seen += batch
        for outlet in ("lake", "kafka"):
            wait_until(f"all in {outlet}", lambda: self.server.metric("penstock_outlet_delivered_total", f'outlet="{outlet}"') == 2 * self.seen)

    def resident(self):
        """Behind a few more, when what a burst needed has been given back."""
        found = []
        for _ in range(8):
            self.take(100)
            time.sleep(0.25)
            found.append(resident(self.server))
        return min(found)


def page(server):
    """The series of /metrics, and how long the page is."""
    return set(server.metrics()), len(server.admin("/metrics").body)


def test_a_million_ids_leave_nothing_behind(gateway, kafka):
    """As keys in Kafka and fields in the lake; nothing is named after them."""
    topic = kafka.create(kafka.name("readings"), 4)
    config = {"kafka": {"properties": {"bootstrap.servers": kafka.address}}, "lake": {"roll": {"every": "100ms"}},
              "streams": {"readings": {"key": "/sensor_id", "topics": [topic]}}, "mqtt": {"topics": {"readings/{sensor_id}": "readings"}}}
    server = gateway("http.threads=2", config=json.dumps(config)).start()
    sensors = Sensors(server)
    sensors.take(10)
    wait_until("what librdkafka tells once a second", lambda: server.metric("penstock_kafka_broker_up"))
    series, length = page(server)
    sensors.take(WARM)
    before = sensors.resident()
    sensors.take(MANY)
    after = sensors.resident()
    more, longer = page(server)
    print(f"resident {before / MIB:.1f} MiB, {after / MIB:.1f} behind {2 * MANY:,} ids; /metrics {length} bytes, {longer}")
    assert more == series
    assert longer < length + 1000  # digits
    assert after < before + SLACK


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def test_a_file_for_each_id_opens_only_so_many(gateway):
    """lake.max_open_files bounds descriptors and buffers: the oldest file is published early. What came is there all the same."""
    sensors = 3 * OPEN
    server = gateway("lake.roll.every=1h", f"lake.max_open_files={OPEN}",
                     config="streams: {readings: {key: /sensor_id, lake: {path: 'by-sensor/{key}'}}}\n").start()
    before, most, ended = descriptors(server), [0, 0], threading.Event()

    def look():
        while not ended.wait(0.002):
            most[0] = max(most[0], descriptors(server))
            most[1] = max(most[1], int(server.metric("penstock_outlet_open_files", 'outlet="lake"')))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for id in ids("KEY", 0, sensors):
            server.send(json.dumps({"sensor_id": id, "text": "x" * BIG}))
        wait_until("all but the newest", lambda: server.metric("penstock_outlet_files_total", 'outlet="lake"') >= sensors - OPEN)
    finally:
        ended.set()
        looking.join()
    print(f"{before} descriptors, {most[0]} at most, {most[1]} files open at most, {resident(server) / MIB:.1f} MiB")
    assert OPEN / 3 < most[0] - before < OPEN + 20  # some are only in their buffers; and there are connections
    assert most[1] == OPEN
    assert resident(server) < 64 * MIB
    server.stop_cleanly()
    assert len({json.loads(row)["sensor_id"] for row in lake_rows(server.lake)}) == sensors
