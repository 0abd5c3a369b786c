"""The MQTT listener when something stands still: a full journal, clients that do not read, more than memory may hold, a quota that is used
up; and its end under load."""

import contextlib
import resource
import select
import signal
import threading
import time

import pytest

import mqtt
import siege
from mqtt import CONNACK, PUBACK, PUBREC, V5, V311, Client, connected, rows
from mqtt_publisher import Publisher, check_all
from penstock import lake_rows, memory, run_command, wait_until

TEXT = "mqtt: {topics: {'text/#': text, 'readings/{sensor_id}': readings}}\nstreams: {readings: {key: /sensor_id}, text: {format: text}}\n"
MIB = 1 << 20
KEPT = {"clean": False, "session_expiry": 600}


def resident(server):
    return memory(server)


def held(server):
    return server.metric("penstock_body_bytes_in_flight", 'source="mqtt"')


def in_use(server):
    return server.metric("penstock_connections", 'source="mqtt"')


def slow_commits(gateway, delay):
    return siege.injected(gateway, f"fdatasync:delay_enter={delay}", gateway.directory / "strace")


# ---- a full journal ----

def block(gateway, *sets):
    """Starts with a small journal, and a lake that cannot be written until unblock()."""
    one = gateway("lake.url=blocked/lake", "lake.roll.every=200ms", *siege.SMALL_SEGMENTS, "mqtt.max_unacknowledged=1MiB", *sets, config=TEXT)
    one.directory.joinpath("blocked").write_text("a file where a directory should be")
    return one.start()


@pytest.fixture
def blocked(gateway):
    return block(gateway)


def unblock(server):
    server.directory.joinpath("blocked").unlink()


def kept(server):
    return lake_rows(server.directory / "blocked" / "lake")


def fill(server, version=V5):
    """Publishes until no acknowledgement comes; the client and how many it sent. Each is its number and 20 kB."""
    client = connected(server, version, "filler", seconds=60, keep_alive=30)
    sent = 0
    while True:
        sent += 1
        client.publish("text/fill", f"{sent} " + "x" * 20000, 1, sent)
        wait_until("an acknowledgement or a full journal", lambda: not client.silent(2) or server.full())
        if client.silent(0):
            return client, sent
        client.expect(PUBACK, sent)


def stuff(server):
    """Fills the journal at once; a client that waits for its acknowledgement, and the packet id of that."""
    while (status := server.post("/text", b"x" * 200000, "text/plain").status) == 200:
        pass
    assert status == 503
    client = connected(server, V5, "last", seconds=60)
    sent = client.publish("text/last", "x")
    while not client.silent(5):  # a commit may take a while without that the journal is full
        client.expect(PUBACK, sent)
        sent = client.publish("text/last", "x")
    return client, sent


@pytest.mark.parametrize("version", [V311, V5])
def test_full_journal_stops_acknowledgements_and_nothing_else(blocked, version):
    """PINGREQ is answered, nobody is thrown out, and all goes on when there is room."""
    client, sent = fill(blocked, version)
    with client, connected(blocked, version, "other", keep_alive=30) as other, connected(blocked, version, "third", keep_alive=4) as third:
        first = other.publish("text/other", "other", 2)
        began = time.monotonic()
        while time.monotonic() < began + 8:  # longer than the third one's keep alive
            for one in (client, other, third):
                one.ping()
            assert client.silent(0.3) and other.silent(0.3)
        unblock(blocked)
        client.expect(PUBACK, sent)
        other.expect(PUBREC, first)
        assert client.store("text/fill", f"{sent + 1} ") == 0
    wait_until("all rows", lambda: len(kept(blocked)) == sent + 2, 60)
    found = [int(row.split()[0]) for row in kept(blocked) if row != b"other"]
    assert found == list(range(1, sent + 2))
    assert "mqtt.end client=filler" not in blocked.said() and "mqtt.end client=other" not in blocked.said()


def test_full_journal_stops_reading_at_the_limit(blocked):
    """What is sent above mqtt.max_unacknowledged stays with the senders: memory does not grow, and nothing is lost."""
    client, sent = fill(blocked)
    before = resident(blocked)
    message = b"y" * 20000
    with client, contextlib.ExitStack() as stack:
        flooders = [stack.enter_context(connected(blocked, V311, f"flood-{number}", seconds=60, keep_alive=2)) for number in range(10)]
        threads = [threading.Thread(target=flood, args=(one, message, 400), daemon=True) for one in flooders]
        for thread in threads:
            thread.start()
        peak, began = 0, time.monotonic()
        while time.monotonic() < began + 5:  # longer than their keep alive: those that are not read cannot be silent
            peak = max(peak, resident(blocked))
            select.select([], [], [], 0.1)
        assert peak - before < 8 * MIB, f"{(peak - before) / MIB:.1f} MiB more"
        assert any(thread.is_alive() for thread in threads), "all of 80 MB were taken"
        unblock(blocked)
        for one, thread in zip(flooders, threads):
            thread.join(60)
            assert one.acknowledged == list(range(1, 401))
        client.expect(PUBACK, sent)
    wait_until("all rows", lambda: len(kept(blocked)) == sent + 4000, 60)
    assert sum(row == message for row in kept(blocked)) == 4000


def flood(client, message, count):
    """Sends all and reads what comes back; 3.1.1 has no limit that it would have to keep to."""
    def send():
        for id in range(1, count + 1):
            client.send(mqtt.publish(V311, "text/flood", message, 1, id))
        while not done.wait(0.3):  # whoever is read again must not be silent
            client.send(mqtt.PING)
    done, client.acknowledged = threading.Event(), []
    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    while len(client.acknowledged) < count:
        got = client.next()
        assert got is not None, "the connection ended"
        if got.type == PUBACK:
            client.acknowledged.append(got.id)
    done.set()
    sender.join(60)


def test_sessions_and_stops_with_a_full_journal(blocked):
    """Whatever was not acknowledged is there after the next start once the client has sent it again, once."""
    client, sent = fill(blocked)
    with Client(blocked.ports["mqtt"], seconds=60) as two:
        two.connect("two", clean=False, session_expiry=600)
        two.publish("text/two", "two", 2, 1)
        assert two.silent(0.5)
        blocked.sets.append("gateway.grace=500ms")
        blocked.stop()
    client.socket.close()
    unblock(blocked)
    blocked.start()
    with Client(blocked.ports["mqtt"], seconds=60) as two:
        two.connect("two", clean=False, session_expiry=600)
        two.publish("text/two", "two", 2, 1, dup=True)
        two.expect(PUBREC, 1)
    wait_until("the row", lambda: b"two" in kept(blocked), 60)
    assert kept(blocked).count(b"two") == 1


def test_halves_of_packets_wait_for_a_full_journal(gateway):
    """Who is not read any more cannot say the rest of its packet: mqtt.packet_timeout is not for that."""
    server = block(gateway, "mqtt.packet_timeout=3s")
    last, sent = stuff(server)
    with last, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connected(server, V5, f"c{number}", seconds=60)) for number in range(12)]
        threads = [threading.Thread(target=one.publish, args=("text/large", b"z" * 200000, 1, 1), daemon=True) for one in clients]
        for thread in threads:
            thread.start()
        assert last.silent(7)
        unblock(server)
        last.expect(PUBACK, sent)
        for one, thread in zip(clients, threads):
            assert one.expect(PUBACK, 1).reason == 0
            thread.join(30)


NAMES = [f"{number:x>256}" for number in range(600)]  # a client id cannot be longer
LITTLE = ("mqtt.max_packet=16KiB", "mqtt.max_unacknowledged=64KiB")  # a batch has room for 73 kB of descriptions


def test_sessions_that_come_while_the_journal_works(gateway):
    """What a batch has to say of sessions is more than its messages may take, and fits all the same."""
    with gateway(*LITTLE, "lake.roll.every=200ms", config=TEXT) as server, contextlib.ExitStack() as stack:
        with slow_commits(server, "1s"):
            clients = [stack.enter_context(Client(server.ports["mqtt"], seconds=60)) for _ in NAMES]
            for name, client in zip(NAMES, clients):
                client.send(mqtt.connect(V5, name, session_expiry=600))
            for client in clients:
                assert client.expect(CONNACK).reason == 0
        assert clients[0].store("text/a", "x") == 0


def test_sessions_that_go_while_the_journal_is_full(gateway):
    """All clients vanish, come again, vanish again: nobody else is held up, all goes on when there is room, and the sessions are there."""
    server = block(gateway, "journal.segment_size=4MiB", "journal.max_size=20MiB", *LITTLE)
    names = NAMES[:250]  # more have no place in such segments
    for name in names:
        connected(server, V5, name, **KEPT).disconnect()
    last, sent = stuff(server)
    with last, connected(server, V5, "other") as other:
        for _ in range(2):
            with contextlib.ExitStack() as stack:
                for name in names:
                    client = stack.enter_context(connected(server, V5, name, **KEPT))
                    client.publish("text/b", "b", 2, 1)
            other.ping()
        wait_until("their end", lambda: in_use(server) == 2)
        unblock(server)
        last.expect(PUBACK, sent)
        assert other.store("text/a", "x") == 0
    server.stop_cleanly()
    server.start()
    for name in names:
        with Client(server.ports["mqtt"]) as client:
            assert client.connect(name, **KEPT).present


# ---- a stream that takes nothing ----

def suspend(server):
    """Uses up the quota of the dead letters of readings; who waits for an acknowledgement then, and its packet id."""
    bad = connected(server, V5, "bad", seconds=60)
    sent = bad.publish("readings/s1", "no JSON " + "x" * 50000)
    while not (bad.silent(2) and "stream.suspended" in server.said()):
        bad.expect(PUBACK, sent)
        sent = bad.publish("readings/s1", "no JSON " + "x" * 50000)
    assert sent > 15
    return bad, sent


def make_room(server):
    done = run_command("dead-letters", "drop", "readings", "-c", "penstock.yaml", cwd=server.directory)
    assert done.returncode == 0, done


def test_used_up_quota_stops_one_stream_only(gateway):
    """The dead letters of a stream: its messages wait, those of others pass on other connections."""
    with gateway("lake.roll.every=100ms", "dead_letters.quota=1MiB", config=TEXT) as server:
        bad, sent = suspend(server)
        with bad:
            with connected(server, V311, "good") as good:
                assert good.store("text/a", "passes") == 0
            assert rows(server, 1) == [b"passes"]
            make_room(server)
            bad.expect(PUBACK, sent)


def test_wills_that_have_no_room(gateway):
    """They are tried now and then, not with every packet that somebody sends, and are there once there is room."""
    def effort():
        before = server.metric("process_cpu_seconds_total")
        for _ in range(4000):
            other.ping()
        return server.metric("process_cpu_seconds_total") - before

    with gateway("lake.roll.every=200ms", "dead_letters.quota=1MiB", config=TEXT) as server:
        bad, _ = suspend(server)
        with bad, connected(server, V5, "other") as other:
            effort()
            without = effort()
            for number in range(2000):
                connected(server, V5, f"c{number}", will={"topic": "readings/s1", "payload": b'{"n":%d}' % number}).reset()
            wait_until("their end", lambda: in_use(server) == 2)
            waiting = effort()
            assert waiting < 5 * without + 0.2, (without, waiting)
            make_room(server)
            assert sorted(rows(server, 2000)) == sorted(b'{"n":%d}' % number for number in range(2000))


# ---- more than there is room for ----

def test_memory_is_bounded(gateway):
    """Sixty packets of a megabyte, each of them in halves, into room for four: all arrive."""
    with gateway("mqtt.max_unacknowledged=4MiB", "lake.roll.every=200ms", config=TEXT) as server, contextlib.ExitStack() as stack:
        payload = b"z" * (MIB - 100)
        clients = [stack.enter_context(connected(server, V5, f"c{number}", seconds=60)) for number in range(60)]
        clients[0].ping()
        before, peak = resident(server), 0
        threads = [threading.Thread(target=one.publish, args=("text/large", payload, 1, 1), daemon=True) for one in clients]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            peak = max(peak, resident(server))
            select.select([], [], [], 0.02)
        for one in clients:
            one.expect(PUBACK, 1)
        assert peak - before < 24 * MIB, f"{(peak - before) / MIB:.1f} MiB more"
        assert len(rows(server, 60, seconds=60)) == 60


def test_halves_of_packets_hold_up_nobody(gateway):
    """Half packets that never end take all room for packets that are not whole: small messages pass, and the holders are thrown out."""
    with gateway("mqtt.max_unacknowledged=4MiB", "mqtt.packet_timeout=2s", "lake.roll.every=200ms", config=TEXT) as server, \
            contextlib.ExitStack() as stack:
        half = mqtt.publish(V5, "text/large", b"z" * (MIB - 100), 1, 1)[:MIB // 2]
        holders = [stack.enter_context(connected(server, V5, f"holder-{number}", seconds=60)) for number in range(20)]
        threads = [threading.Thread(target=one.send, args=(half,), daemon=True) for one in holders]
        for thread in threads:
            thread.start()
        with connected(server, V5, "small") as small:
            for number in range(200):
                assert small.store("text/small", str(number)) == 0
            wait_until("the holders' end", lambda: server.metric("penstock_connections", 'source="mqtt"') == 1, 60)
            assert small.store("text/small", "x" * (MIB - 100)) == 0
        assert len(rows(server, 201)) == 201


HALF = mqtt.publish(V5, "text/large", b"z" * (MIB - 100), 1, 1)[:MIB // 2]


@pytest.mark.parametrize("version", [V311, V5])
@pytest.mark.parametrize("qos", [1, 2])
def test_packet_of_a_suspended_stream_holds_up_nobody(gateway, version, qos):
    """It is whole, has nowhere to go, and others need the room for theirs: its client is sent away, and comes back."""
    kept = KEPT if version == V5 else {"clean": False}
    message = "readings/s1", "no JSON " + "y" * 400000, qos, 7
    with gateway("mqtt.max_unacknowledged=4MiB", "dead_letters.quota=1MiB", config=TEXT) as server, contextlib.ExitStack() as stack:
        suspend(server)[0].reset()
        wait_until("its end", lambda: held(server) == 0)
        good = stack.enter_context(connected(server, V5, "large"))
        for number in range(2):
            half = stack.enter_context(connected(server, V5, f"half-{number}"))
            for place in range(0, len(HALF), 16384):
                half.send(HALF[place:place + 16384])
                good.ping()  # that much has been read
        bad = stack.enter_context(connected(server, version, "large-and-bad", **kept))
        bad.publish(*message)
        wait_until("it to be whole", lambda: held(server) > 2.3 * MIB)
        assert good.store("text/large", "z" * (MIB - 100)) == 0
        bad.thrown_out(0x97)
        make_room(server)
        with Client(server.ports["mqtt"], version) as bad:
            assert bad.connect("large-and-bad", **kept).present
            bad.publish(*message, dup=True)
            bad.expect(PUBACK if qos == 1 else PUBREC, 7)
        files = server.data.joinpath("dead-letters").glob
        wait_until("its letter", lambda: sum(file.read_bytes().count(b"JSON yyy") for file in files("*.jsonl")) == 1)


def test_bytes_in_flight_of_all_threads(gateway):
    with gateway("mqtt.threads=2", config=TEXT) as server, contextlib.ExitStack() as stack:
        for number in range(8):  # of both threads
            stack.enter_context(connected(server, V5, f"half-{number}")).send(HALF)
        wait_until("all to be held", lambda: held(server) >= 8 * len(HALF))


def test_qos_2_when_memory_is_gone(gateway):
    """The packet id of a message that could not be stored is not remembered: when it comes again it is no duplicate."""
    with gateway("mqtt.max_packet=8MiB", "mqtt.max_unacknowledged=32MiB", "mqtt.max_records=1000000", "lake.roll.every=200ms",
                 config=TEXT) as server:
        payload = b"\n".join(b"%d" % number for number in range(200000))
        with connected(server, V5, "once", **KEPT) as client:
            resource.prlimit(server.process.pid, resource.RLIMIT_AS, (memory(server, "VmSize") + 4 * MIB, resource.RLIM_INFINITY))
            client.publish("text/a", payload, 2, 7)
            client.thrown_out(0x97)
        resource.prlimit(server.process.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        with Client(server.ports["mqtt"], seconds=60) as client:
            assert client.connect("once", **KEPT).present
            client.publish("text/a", payload, 2, 7, dup=True)
            client.expect(PUBREC, 7)
        assert rows(server, 200000, seconds=60) == payload.split(b"\n")


# ---- the end ----

@pytest.mark.parametrize("version", [V311, V5])
def test_stop_under_load_loses_nothing(gateway, version):
    """SIGTERM again and again: what was acknowledged is there, QoS 2 once, QoS 1 again at most what was in flight."""
    server = gateway("lake.roll.every=200ms", "mqtt.threads=2", "gateway.grace=5min").start()
    publishers = [Publisher(server, f"p{qos}-{number}", version, qos, 200) for qos in (0, 1, 2) for number in range(2)]
    for one in publishers:
        one.start()
    for count in range(3):
        before = [len(one.acknowledged) for one in publishers]
        wait_until("messages", lambda: sum(len(one.acknowledged) for one in publishers) > sum(before) + 2000, 60)
        wait_until("some of each", lambda: all(len(one.acknowledged) > count for one, count in zip(publishers, before) if one.qos))
        server.process.send_signal(signal.SIGTERM)
        assert server.ended(60) == 0, "the stop waits for clients"
        server.start()
    for one in publishers:
        one.finish()
    server.stop_cleanly()
    check_all(lake_rows(server.lake), publishers)
    if version == V5:
        assert all(one.told[0x8B] >= 2 for one in publishers if one.qos), [one.told for one in publishers]


def test_stop_while_the_journal_works(gateway):
    """What was handed over is acknowledged before the good-bye."""
    server = gateway("lake.roll.every=200ms", config=TEXT).start()
    with connected(server, V5, "last") as client:
        with siege.hanging_commits(server) as go:
            client.send(*(mqtt.publish(V5, "text/a", str(id), 1, id) for id in range(1, 101)))
            wait_until("them to be held", lambda: server.metric("penstock_body_bytes_in_flight", 'source="mqtt"') > 0)
            server.process.send_signal(signal.SIGTERM)
            wait_until("it to stop", lambda: "gateway.signal" in server.said())
            go()
            got = client.end()
        assert got[-1].type == mqtt.DISCONNECT and got[-1].reason == 0x8B
        acknowledged = [one.id for one in got[:-1]]
        assert acknowledged == list(range(1, len(acknowledged) + 1)) and acknowledged
    assert server.ended() == 0, server.said()
    assert [int(row) for row in lake_rows(server.lake)][:len(acknowledged)] == acknowledged
