"""mqtt.subscribe with Debian's mosquitto: every message that the broker has for us is in the lake once, in order, whatever ends in between."""

import json
import signal
import subprocess

import pytest

from mosquitto import Mosquitto
from mqtt import V5, V311, Client, letters, rows
from mqtt_publisher import Publisher, check_all, tally
from penstock import lake_rows, wait_until
from subscribing import condition, connected, degraded, fine, sets, subscriber, value

VERSIONS = pytest.mark.parametrize("version", ["3.1.1", "5"])


@pytest.fixture
def brokers(tmp_path):
    """make(lines...): a mosquitto that is not started; it ends with the test."""
    made = []

    def make(*lines):
        made.append(Mosquitto(tmp_path / f"broker{len(made)}", *lines))
        return made[-1]

    yield make
    for one in made:
        one.__exit__()


@pytest.fixture
def broker(brokers):
    return brokers("autosave_on_changes false").start()


def url(broker):
    return f"mqtt://127.0.0.1:{broker.port}"


def publishers(broker, count=300, qos=(0, 1, 2), versions=(V311, V5)):
    """One for each version and QoS, running."""
    made = [Publisher(None, f"p{one}-{version}", version, one, 20, count, port=lambda: broker.port) for one in qos for version in versions]
    for each in made:
        each.start()
    return made


def arrived(gateway, made, seconds=60):
    """All that was acknowledged to them."""
    total = sum(one.issued for one in made)
    return wait_until(f"{total} messages in the lake", lambda: len(found := lake_rows(gateway.lake)) >= total and found, seconds)


# ---- what comes ----

@VERSIONS
def test_every_qos_and_version_arrives_once_and_in_order(gateway, broker, version):
    one = connected(subscriber(gateway, url(broker), version=version).start())
    made = publishers(broker)
    for each in made:
        each.wait()
    found = arrived(one, made)
    assert len(found) == 6 * 300
    assert check_all(found, made) == 0
    assert one.metric("penstock_records_accepted_total", 'source="subscriber"', 'stream="readings"') == 6 * 300
    assert condition(one) is None
    one.stop_cleanly()


def test_mosquitto_pub(gateway, broker):
    one = connected(subscriber(gateway, url(broker)).start())
    lines = [json.dumps({"n": number}) for number in range(200)]
    for qos, version in ((0, "mqttv31"), (1, "mqttv311"), (2, "mqttv5")):
        subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-q", str(qos), "-V", version, "-t", f"readings/q{qos}", "-l"],
                       input="\n".join(lines) + "\n", text=True, check=True, timeout=60)
    found = rows(one, 600)
    assert found == [line.encode() for line in lines] * 3
    one.stop_cleanly()


CONFIG = """\
gateway: {id: site-7}
lake: {roll: {every: 200ms}}
mqtt:
  topics: {"grid/{sensor_id}/{unit}": readings, "notes/#": unorganized}
  subscribe:
    - url: "mqtt://127.0.0.1:%d"
      filters: ["grid/#", "notes/#"]
      version: "%s"
streams:
  readings:
    key: topic:sensor_id
    labels: {unit: "topic:unit", client: "mqtt:client_id", qos: "mqtt:qos", retain: "mqtt:retain", source: "header:source",
             type: "mqtt:content_type", reply: "mqtt:response_topic", corr: "mqtt:correlation_data", format: "mqtt:payload_format"}
    lake: {path: "{key}/{unit}/{client}/{qos}/{retain}/x{source}/x{type}/x{reply}/x{corr}/{format}"}
"""


@VERSIONS
def test_what_stands_beside_the_payload(gateway, broker, version):
    """Labels of the topic, of the message, and of its properties in version 5; a mapping of topics; a list without names."""
    with Client(broker.port, V5) as client:
        client.connect("publisher")
        client.store("grid/s1/wattage", '{"n":1}', 1, retain=True)
        one = connected(gateway(config=CONFIG % (broker.port, version)).start(), "1")
        client.store("grid/s2/wattage", '{"n":2}', 2, content_type="application/json", response_topic="answers", correlation_data="c-9",
                     payload_format=1, user=[("source", "roof"), ("source", "cellar")])
        client.publish("grid/s3/wattage", '{"n":3}', 0)
        client.store("notes/a/b", "two\nlines", 1, content_type="text/plain")
        rows(one, 5)
        plain = "/".join(["x__HIVE_DEFAULT_PARTITION__"] * 4) + "/bytes"
        five = "xroof/xapplication%2Fjson/xanswers/xc-9/utf-8" if version == "5" else plain
        folders = {path.parent.relative_to(one.lake).as_posix() for path in one.lake.rglob("*.jsonl")}
        assert folders == {f"s1/wattage/site-7-1/1/true/{plain}", f"s2/wattage/site-7-1/1/false/{five}",
                           f"s3/wattage/site-7-1/0/false/{plain}"}
        assert rows(one, 2, "unorganized") == [b"two", b"lines"]
        one.stop_cleanly()


def test_what_cannot_be_a_record_is_a_dead_letter(gateway, broker):
    """Also with mqtt.unmapped=refuse: there is nobody to refuse it to."""
    one = connected(subscriber(gateway, url(broker), "mqtt.unmapped=refuse", filters="#").start())
    with Client(broker.port, V5) as client:
        client.connect()
        client.store("readings/s1", '{"n":1}', 1)
        client.store("readings/s2", "no JSON", 1)
        client.store("elsewhere/s3", "unmapped", 1)
        client.store("readings/s4", b"\xff\xfe", 1, payload_format=1)
        client.store("readings/s5", "<a/>", 1, content_type="text/xml")
        client.store("readings/s6", "", 1)
        client.store("readings/s7", '[{"n":2},{"n":4}]', 2)
    assert rows(one, 3) == [b'{"n":1}', b'{"n":2}', b'{"n":4}']
    found = letters(one, 5)
    assert [letter["stream"] for letter in found] == ["readings", "unmapped", "readings", "readings", "readings"]
    assert [letter["origin"].split(" ", 2)[::2] for letter in found] == [["mqtt", f"readings/s{n}"] if n != 3 else ["mqtt", "elsewhere/s3"]
                                                                         for n in (2, 3, 4, 5, 6)]
    assert found[1]["payload"] == "unmapped" and "mqtt.topics" in found[1]["reason"]
    assert "UTF-8" in found[2]["reason"] and "content type" in found[3]["reason"] and "empty" in found[4]["reason"]
    assert one.metric("penstock_records_rejected_total", 'source="subscriber"') == 5
    one.stop_cleanly()


def test_several_brokers(gateway, brokers):
    three = [brokers("autosave_on_changes false").start() for _ in range(3)]
    more = [line for number, each in enumerate(three[1:], 2) for line in sets(f"b{number}", url=url(each))]
    one = subscriber(gateway, url(three[0]), *more, name="b1").start()
    for name in ("b1", "b2", "b3"):
        connected(one, name)
    made = [Publisher(None, f"p{number}", V5, 1, 20, 200, port=lambda port=each.port: port) for number, each in enumerate(three)]
    for each in made:
        each.start()
    for each in made:
        each.wait()
    assert check_all(arrived(one, made), made) == 0
    three[1].end()
    degraded(one, f"127.0.0.1:{three[1].port}", name="b2")
    assert condition(one, "b1") is None and condition(one, "b3") is None
    one.stop_cleanly()


@VERSIONS
def test_two_gateways_share_a_subscription(gateway, broker, version):
    both = [connected(subscriber(gateway, url(broker), f"gateway.id=g{number}", directory=gateway.folder / f"g{number}", version=version,
                                 filters=["$share/group/readings/#"]).start()) for number in range(2)]
    made = publishers(broker, qos=(1, 2))
    for each in made:
        each.wait()
    total = sum(each.issued for each in made)
    found = wait_until("all messages in both lakes", lambda: len(all := [row for one in both for row in lake_rows(one.lake)]) >= total and all, 60)
    assert all(set(counts.values()) == {1} for counts in tally(found, made).values())
    assert all(len(lake_rows(one.lake)) > total / 10 for one in both)
    for one in both:
        one.stop_cleanly()


# ---- what ends in between ----

@VERSIONS
def test_a_gateway_that_was_away_gets_what_came_meanwhile(gateway, broker, version):
    """Clean stops under load: nothing is lost, nothing comes again."""
    one = subscriber(gateway, url(broker), version=version)
    made = []
    for number in range(3):
        connected(one.start())
        made += [Publisher(None, f"p{number}-{qos}", V5, qos, 50, 1500, port=lambda: broker.port) for qos in (1, 2)]
        for each in made[-2:]:
            each.start()
        wait_until("messages", lambda: value(one, "batch_messages_sum") > 100)
        one.stop_cleanly()
    for each in made:
        each.wait()
    connected(one.start())
    assert check_all(arrived(one, made), made) == 0
    one.stop_cleanly()


@VERSIONS
def test_a_broker_that_restarts_keeps_the_session(gateway, broker, version):
    """Retained messages do not come again with it."""
    with Client(broker.port, V5) as client:
        client.connect()
        client.store("readings/kept", '{"n":0}', 1, retain=True)
    one = connected(subscriber(gateway, url(broker), version=version).start())
    rows(one, 1)
    made = publishers(broker, 4000, qos=(1, 2))
    for number in range(3):
        wait_until("messages", lambda: value(one, "batch_messages_sum") > 500 * (number + 1), 60)
        broker.end(signal.SIGTERM)
        degraded(one, "127.0.0.1")
        broker.start()
        connected(one)
    for each in made:
        each.wait()
    found = wait_until("all messages", lambda: len(set(lake_rows(one.lake))) >= 4 * 4000 + 1 and lake_rows(one.lake), 60)
    assert found.count(b'{"n":0}') == 1
    found.remove(b'{"n":0}')
    assert all(len(counts) == 4000 for counts in tally(found, made).values())
    assert value(one, "sessions_lost_total") == 0 and value(one, "reconnects_total") >= 3
    fine(one)
    one.stop_cleanly()


@VERSIONS
def test_a_session_that_the_broker_has_lost_is_reported(gateway, brokers, version):
    broker = brokers("persistence false").start()
    one = connected(subscriber(gateway, url(broker), version=version).start())
    with Client(broker.port) as client:
        client.connect()
        client.store("readings/a", '{"n":1}')
    rows(one, 1)
    assert condition(one) is None and value(one, "sessions_lost_total") == 0
    broker.end(signal.SIGKILL)
    degraded(one, "127.0.0.1")
    broker.start()
    text = degraded(one, "lost its session", "persistence")
    assert len(text) < 320
    assert value(one, "sessions_lost_total") == 1
    assert "subscriber.session_lost" in one.said()
    with Client(broker.port) as client:
        client.connect()
        client.store("readings/a", '{"n":2}')
    assert rows(one, 2) == [b'{"n":1}', b'{"n":2}']
    one.stop_cleanly()


@pytest.mark.parametrize("version", [V311, V5])
def test_a_client_id_that_somebody_else_takes(gateway, broker, version):
    """Reported, and no war: who was thrown out some times in a row waits for reconnect.most before it throws out the other one. (This broker
    does not say why it hangs up, in version 5 neither.)"""
    one = connected(subscriber(gateway, url(broker), client_id="twice", version="5" if version == V5 else "3.1.1", reconnect_most="8s").start())
    more = {"session_expiry": 600} if version == V5 else {}
    for number in range(1, 4):
        connected(one)
        with Client(broker.port, version) as thief:
            thief.connect("twice", clean=False, **more)
            wait_until("the gateway to be thrown out", lambda: value(one, "troubles_total") == number)
    text = degraded(one, "another client", "client_id")
    assert "twice" in text
    assert value(one, "troubles_total", "site", 'reason="taken_over"') == 1
    assert value(one, "connected") == 0 and value(one, "reconnects_total") == 2
    connected(one)
    degraded(one, "client_id")  # who was thrown out is not all right because he is in again
    fine(one)
    assert value(one, "reconnects_total") == 3 and value(one, "sessions_lost_total") == 0
    with Client(broker.port) as client:
        client.connect()
        client.store("readings/a", '{"n":1}')
    assert rows(one, 1) == [b'{"n":1}']
    assert len([line for line in one.said().splitlines() if "subscriber." in line]) < 20
    one.stop_cleanly()


def test_a_broker_that_is_not_there(gateway, brokers):
    """The gateway runs, says so, and comes when the broker is up; the log is not flooded, the stop is quick."""
    broker = brokers()
    one = subscriber(gateway, url(broker)).start()
    degraded(one, "Connection refused")
    wait_until("more tries", lambda: value(one, "troubles_total", "site", 'reason="unreachable"') > 10)
    assert one.said().count("subscriber.not_connected") == 1
    one.send({"sensor_id": "s"})
    broker.start()
    connected(one)
    fine(one)
    broker.end()
    degraded(one, "refused")
    one.stop_cleanly()


def test_a_name_that_nobody_knows(gateway):
    one = subscriber(gateway, "mqtt://penstock-test.invalid").start()
    degraded(one, "penstock-test.invalid", "url right")
    one.stop_cleanly()
