"""The MQTT listener under clients that mean harm, or are only very slow: nobody else has to wait for them without end, and memory stays bounded."""

import contextlib
import itertools
import select
import subprocess
import threading

import pytest

import mqtt
import siege
from mqtt import CONNACK, PUBACK, PUBCOMP, PUBREC, V5, V311, Client, connected, rows
from penstock import lake_rows, memory, wait_until

TEXT = "mqtt: {topics: {'text/#': text, 'readings/{sensor_id}': readings}}\nstreams: {readings: {key: /sensor_id}, text: {format: text}}\n"
MIB = 1 << 20
SMALL = ("lake.roll.every=200ms", "mqtt.max_unacknowledged=4MiB")


def pipelined(client, count, payload, seconds=60):
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


# ---- those who never come to an end with CONNECT ----


def test_an_address_that_never_says_connect(gateway):
    """It has so many connections for that and no more; others come in, and so does itself as soon as one of them is let in, or gone."""
    sets = ("mqtt.max_new_per_address=20", "mqtt.connect_timeout=1h", "mqtt.packet_timeout=1h", "http.trusted_proxies=[]")
    with gateway(*sets, config=TEXT) as server, contextlib.ExitStack() as stack:
        begun = mqtt.connect(V311, "x", will={"topic": "text/w", "payload": "x" * 30000})[:-1]
        slow = [stack.enter_context(Client(server.ports["mqtt"], V311)).send(begun) for _ in range(50)]
        is_closed = lambda client: bool(select.select([client.socket], [], [], 0)[0])  # nothing else is ever said to it
        wait_until("the others' end", lambda: sum(map(is_closed, slow)) == 30)
        assert server.metric("penstock_connections", 'source="mqtt"') == 20
        publish = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(server.ports["mqtt"]), "-A", "127.0.0.2", "-q", "1", "-t", "text/other", "-m", "x"]
        subprocess.run(publish, check=True, timeout=60)
        left = [client for client in slow if not is_closed(client)]
        left[0].send(b"x")
        left[0].expect(CONNACK)
        for number in range(30):
            stack.enter_context(connected(server, V5, f"let in {number}"))
        for client in left[1:]:
            client.reset()
        wait_until("their end", lambda: server.metric("penstock_connections", 'source="mqtt"') == 31)
        again = [stack.enter_context(Client(server.ports["mqtt"], V311)).send(begun) for _ in range(20)]
        wait_until("as many again", lambda: server.metric("penstock_connections", 'source="mqtt"') == 51)
        assert not any(map(is_closed, again))


# ---- while the journal is full ----

def resident(server):
    return memory(server)


@pytest.fixture
def full(gateway):
    """A gateway whose journal takes nothing until unblock()."""
    server = gateway("lake.url=blocked/lake", "lake.roll.every=200ms", *siege.SMALL_SEGMENTS, "mqtt.max_unacknowledged=4MiB", config=TEXT)
    server.directory.joinpath("blocked").write_text("a file where a directory should be")
    server.start()
    with connected(server, V5, "filler", seconds=60) as client:
        for id in itertools.count(1):
            client.publish("text/fill", "x" * 20000, 1, id)
            wait_until("an acknowledgement or a full journal", lambda: not client.silent(2) or server.full())
            if client.silent(0):
                break
            client.expect(PUBACK, id)
        yield server


def unblock(server):
    server.directory.joinpath("blocked").unlink()


def test_wills_that_wait_are_bounded(full):
    """Clients that come with a will and vanish, one after the other: before they take the memory the next ones are refused, and none
    that was taken is lost."""
    number = 0
    while True:
        client = Client(full.ports["mqtt"], V311)
        client.send(mqtt.connect(V311, f"w{number}", will={"topic": "text/will", "payload": f"will {number}"}))
        answer = client.expect(CONNACK)
        client.reset()
        if answer.reason:
            break
        number += 1
        assert number < 20000, "no end of wills is in sight"
    assert answer.reason == 3 and number > 1000
    unblock(full)
    expected = sorted(f"will {each}".encode() for each in range(number))
    wait_until("all wills", lambda: sorted(row for row in lake_rows(full.directory / "blocked" / "lake") if row.startswith(b"will")) == expected, 60)


def test_releases_that_wait_are_bounded(full):
    """PUBRELs without end, more than sockets hold: its answers do not take the memory, nor the room of others' answers."""
    with connected(full, V311, "releases", seconds=60) as client:
        before = resident(full)

        def send():
            with contextlib.suppress(OSError):  # the end comes before all are sent
                client.send(mqtt.pubrel(7) * 12000000)

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        with connected(full, V5, "other", seconds=60) as other:
            for _ in range(20):
                other.ping()
                assert other.silent(0.1)
            assert sender.is_alive(), "all were taken"
            assert resident(full) - before < 4 * MIB
        unblock(full)
        for _ in range(1000000 // 4):
            client.expect(PUBCOMP, 7)


# ---- sessions ----

def test_sessions_leave_room_for_packet_ids(gateway):
    """Strangers open sessions until no more fit, of every size: who has one goes on publishing at QoS 2."""
    with gateway("lake.roll.every=200ms", *siege.SMALL_SEGMENTS, config=TEXT) as server, \
            connected(server, V311, "resident", clean=False) as honest:
        for size in (256, 1):
            for number in itertools.count():
                client = Client(server.ports["mqtt"], V311)
                client.send(mqtt.connect(V311, (f"{number}" if size > 1 else chr(0x21 + number)).ljust(size, "-"), clean=False))
                refused = client.expect(CONNACK).reason
                client.reset()
                if refused:
                    break
                assert number < 2000
        honest.send(*(mqtt.publish(V311, "text/a", str(id), 2, id) for id in range(1, 501)))
        for id in range(1, 501):
            honest.expect(PUBREC, id)
        honest.send(*(mqtt.pubrel(id) for id in range(1, 501)))
        for id in range(1, 501):
            honest.expect(PUBCOMP, id)
        assert len(rows(server, 500)) == 500
