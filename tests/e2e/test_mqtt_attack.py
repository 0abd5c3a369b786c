"""The MQTT listener under clients that mean harm, or are only very slow: nobody else has to wait for them without end, and memory stays bounded."""

import contextlib
import threading

import mqtt
from mqtt import PUBACK, V5, V311, Client, connected, rows
from penstock import wait_until

TEXT = "mqtt: {topics: {'text/#': text, 'readings/{sensor_id}': readings}}\nstreams: {readings: {key: /sensor_id}, text: {format: text}}\n"
MIB = 1 << 20
SMALL = ("lake.roll.every=200ms", "mqtt.max_unacknowledged=4MiB")


def pipelined(client, count, payload, seconds=30):
    """Publishes all in one go, at QoS 1, and reads the acknowledgements."""
    client.socket.settimeout(seconds)
    sender = threading.Thread(target=client.send, args=[mqtt.publish(client.version, "text/a", payload, 1, id) for id in range(1, count + 1)],
                              daemon=True)
    sender.start()
    for id in range(1, count + 1):
        assert client.expect(PUBACK, id).reason == 0
    sender.join()


# ---- packets that never become whole ----

def test_announced_packets_take_no_room(gateway):
    """A few bytes of forty packets that claim to be large: nobody else is slowed down by them, or thrown out."""
    with gateway(*SMALL, config=TEXT) as server, contextlib.ExitStack() as stack:
        begun = mqtt.publish(V311, "text/large", b"z" * (MIB - 100), 1, 1)[:20]
        holders = [stack.enter_context(connected(server, V311, f"holder-{number}")) for number in range(40)]
        for one in holders:
            one.send(begun)
        wait_until("what is announced to be known", lambda: server.metric("penstock_body_bytes_in_flight", 'source="mqtt"') >= 40 * len(begun))
        for one in holders:
            one.send(b"z")
        with connected(server, V311, "honest") as honest:
            pipelined(honest, 2000, "x" * 700)
            assert server.metric("penstock_body_bytes_in_flight", 'source="mqtt"') < 2 * MIB


def test_slow_packets_hold_up_nobody(gateway):
    """Memory is used up by large packets that come slowly or never: what others send in one go comes through, whatever its size is,
    long before the packets' time is over."""
    with gateway(*SMALL, "mqtt.packet_timeout=1h", config=TEXT) as server, contextlib.ExitStack() as stack:
        half = mqtt.publish(V311, "text/large", b"z" * (MIB - 100), 1, 1)[:600000]
        holders = [stack.enter_context(connected(server, V311, f"holder-{number}")) for number in range(4)]
        for one in holders:
            threading.Thread(target=one.send, args=(half,), daemon=True).start()
        wait_until("memory to be used up", lambda: server.metric("penstock_body_bytes_in_flight", 'source="mqtt"') > 2 * MIB)
        for size, count in ((100, 3000), (5000, 50), (300000, 2)):
            with connected(server, V311, f"honest-{size}") as honest:
                pipelined(honest, count, "x" * size, 60)
        assert "client=honest" not in server.said()
        assert len(rows(server, 3052)) == 3052
