"""MQTT sessions: what is there when a client comes back, over restarts and kills too, when it ends, and the last wills."""

import contextlib
import pathlib
import signal
import time

import pytest

import mqtt
import penstock
import siege
from mqtt import PUBCOMP, PUBREC, V5, V31, V311, Client, Refused, connected, letters, rows
from penstock import wait_until

KEPT = pytest.mark.parametrize("version", [V31, V311, V5], ids=["3.1", "3.1.1", "5"])


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with penstock.Gateway(tmp_path_factory.mktemp("shared"), "lake.roll.every=200ms") as gateway:
        yield gateway


def keep(version, seconds=600):
    """What a CONNECT says that wants its session kept."""
    return {"clean": False, **({"session_expiry": seconds} if version == V5 else {})}


def come(server, version, name, **more):
    """(client, whether its session was there)"""
    client = Client(server.ports["mqtt"], version)
    return client, client.connect(name, **more).present


def present(server, version, name, **more):
    client, there = come(server, version, name, **more)
    with client:
        client.disconnect()
    return there


# ---- there or not ----

@KEPT
def test_session_is_there_again(shared, version):
    name = f"again-{version}"
    assert not present(shared, version, name, **keep(version))
    assert present(shared, version, name, **keep(version)) or version == V31
    client, _ = come(shared, version, name, **keep(version))
    client.reset()
    assert present(shared, version, name, **keep(version)) or version == V31


@KEPT
def test_clean_start_ends_the_one_before(shared, version):
    name = f"clean-{version}"
    present(shared, version, name, **keep(version))
    assert not present(shared, version, name, **{**keep(version), "clean": True})
    # a clean session of 3.1.1 ends with its connection, one of 5 when it expires
    assert present(shared, version, name, **keep(version)) == (version == V5)


def test_session_without_expiry_ends_with_its_connection(shared):
    for clean in (True, False):
        assert not present(shared, V5, "fleeting", clean=clean)


def test_session_of_3_1_1_is_that_of_5(shared):
    present(shared, V311, "both", clean=False)
    assert present(shared, V5, "both", **keep(V5))
    assert present(shared, V311, "both", clean=False)


def test_disconnect_changes_the_expiry(shared):
    client, _ = come(shared, V5, "changes", **keep(V5))
    client.disconnect(0, session_expiry=0)
    assert not present(shared, V5, "changes", **keep(V5))
    client, there = come(shared, V5, "changes", clean=False)
    assert there
    client.disconnect()
    assert not present(shared, V5, "changes", **keep(V5))


def test_disconnect_cannot_keep_what_ends(shared):
    with connected(shared, V5, "too-late") as client:
        client.send(mqtt.disconnect(V5, 0, session_expiry=10))
        client.thrown_out(0x82)


def kept_besides(server, name):
    """Whether there is room for one more session in mqtt.max_sessions; looks at no other session, which would keep that one."""
    try:
        return not present(server, V5, name, **keep(V5))
    except Refused as refused:
        assert refused.reason == 0x97
        return False


@pytest.mark.parametrize("version", [V311, V5], ids=["by the option", "as asked"])
def test_session_expires(gateway, version):
    with gateway("mqtt.max_sessions=1", "mqtt.max_session_expiry=4s") as server:
        began = time.monotonic()
        present(server, version, "short", **keep(version, 4))
        assert not kept_besides(server, "other")
        wait_until("its end", lambda: kept_besides(server, "other"))
        assert time.monotonic() - began > 3.9
        assert not present(server, V5, "short", clean=False)


def test_disconnect_shortens_the_expiry(gateway):
    with gateway("mqtt.max_sessions=1") as server:
        client, _ = come(server, V5, "short", **keep(V5))
        client.disconnect(0, session_expiry=1)
        wait_until("its end", lambda: kept_besides(server, "other"))


def test_session_expires_while_nothing_runs(gateway):
    """How long nothing ran counts, but for the time before it was noticed that the connection had ended."""
    server = gateway().start()
    present(server, V5, "long", **keep(V5))
    present(server, V5, "short", **keep(V5, 1))
    server.stop_cleanly()
    stopped = time.monotonic()
    wait_until("its second to be over", lambda: time.monotonic() > stopped + 1.5)
    server.start()
    assert not present(server, V5, "short", clean=False)
    assert present(server, V5, "long", **keep(V5))


@pytest.mark.parametrize("end", ["stop", "kill"])
@KEPT
def test_session_survives_a_restart(gateway, end, version):
    server = gateway("lake.roll.every=200ms").start()
    client, _ = come(server, version, "kept", **keep(version))
    with client:
        client.publish("readings/s1", "{}", 2, 7)
        client.expect(PUBREC, 7)
        server.stop_cleanly() if end == "stop" else server.kill()
    server.start()
    client, there = come(server, version, "kept", **keep(version))
    with client:
        assert there or version == V31
        client.publish("readings/s1", "{}", 2, 7, dup=True)
        assert client.expect(PUBREC, 7).reason == 0
        assert client.send(mqtt.pubrel(7)).expect(PUBCOMP, 7).reason == 0
    server.kill() if end == "kill" else server.stop_cleanly()
    server.start()
    client, there = come(server, version, "kept", **keep(version))
    with client:
        assert client.send(mqtt.pubrel(7)).expect(PUBCOMP, 7).reason == 0
        client.store("readings/s1", '{"n":2}', 2, id=7)
    assert rows(server, 2) == [b"{}", b'{"n":2}']


def test_clean_start_is_durable_before_its_answer(gateway):
    """A packet id that is used again afterwards must not be taken for the old one, whenever the gateway was killed."""
    server = gateway("lake.roll.every=200ms")
    for number in range(10):
        server.start()
        with connected(server, V5, "reborn", clean=True, session_expiry=600) as client:
            client.publish("readings/s1", f'{{"n":{number}}}', 2, 7)
            client.expect(PUBREC, 7)
            server.kill()
    server.start()
    assert rows(server, 10) == [b'{"n":%d}' % number for number in range(10)]


@pytest.mark.parametrize("journal", ["idle", "at work"])
def test_end_is_durable_before_the_answer_to_the_next_start(gateway, journal):
    """The same where a session had ended by itself: it must not be there again after a kill, with its packet ids."""
    server = gateway("lake.roll.every=200ms", config=WILLS).start()
    with connected(server, V5, "reborn", session_expiry=600) as client, connected(server, V5, "other") as other, \
            siege.injected(server, "pwrite64:delay_enter=3s", server.directory / "strace"):
        client.publish("wills/reborn", "1", 2, 7)
        client.expect(PUBREC, 7)
        if journal == "at work":
            other.publish("wills/other", "x")
            wait_until("it to be held", lambda: server.metric("penstock_body_bytes_in_flight", 'source="mqtt"') > 0)
        client.disconnect(0, session_expiry=0)
        with connected(server, V5, "reborn", session_expiry=600):
            server.kill()
    server.start()
    with connected(server, V5, "reborn", clean=False, session_expiry=600) as client:
        client.publish("wills/reborn", "2", 2, 7)
        client.expect(PUBREC, 7)
        wait_until("both", lambda: [row for row in penstock.lake_rows(server.lake) if row != b"x"] == [b"1", b"2"])


def test_sessions_above_the_limit(gateway):
    with gateway("mqtt.max_sessions=3") as server:
        for number in range(3):
            present(server, V5, f"s{number}", **keep(V5))
        for version, code in ((V311, 3), (V5, 0x97)):
            with Client(server.ports["mqtt"], version) as client, pytest.raises(Refused) as refused:
                client.connect("one-more", **keep(version))
            assert refused.value.reason == code
        assert present(server, V5, "s1", **keep(V5))
        assert not present(server, V5, "fleeting")
        present(server, V5, "s2", clean=True)
        assert not present(server, V5, "one-more", **keep(V5))


def test_smaller_segments_than_the_sessions_need(gateway):
    """The start says how large they have to be, and nothing is gone when they are."""

    def of(segment, quarter):
        return [f"journal.segment_size={segment}", f"mqtt.max_packet={quarter}", f"http.max_body={quarter}", f"http.max_record={quarter}"]

    server = gateway(*of("4MiB", "1MiB")).start()
    names = [f"sensor-{number}" for number in range(400)]
    for name in names:
        present(server, V5, name, **keep(V5))
    server.stop_cleanly()
    server.sets[-4:] = of("1MiB", "256KiB")
    assert server.spawn().ended() == 1
    assert "400 MQTT sessions" in server.said() and "set it to 2MiB at least" in server.said()
    server.sets[-4:] = of("2MiB", "512KiB")
    server.start()
    assert all(present(server, V5, name, **keep(V5)) for name in names)


def test_many_sessions_over_a_restart(gateway):
    server = gateway("mqtt.threads=2", "lake.roll.every=200ms").start()
    names = [f"sensor-{number}" for number in range(300)]
    for name in names:
        client, _ = come(server, V311, name, clean=False)
        with client:
            client.publish("readings/" + name, "{}", 2, 9)
            client.expect(PUBREC, 9)
    server.kill()
    server.sets.append("mqtt.threads=3")
    server.start()
    for name in names:
        client, there = come(server, V311, name, clean=False)
        with client:
            assert there
            client.publish("readings/" + name, "{}", 2, 9, dup=True)
            client.expect(PUBREC, 9)
            client.send(mqtt.pubrel(9)).expect(PUBCOMP, 9)
    assert len(rows(server, 300)) == 300


# ---- wills ----

WILLS = """\
mqtt: {topics: {"readings/{sensor_id}": readings, "wills/{name}": wills}, packet_timeout: 1s}
streams:
  readings: {key: /sensor_id}
  wills: {format: text, labels: {will: "mqtt:will", qos: "mqtt:qos", retain: "mqtt:retain", name: "topic:name", client: "mqtt:client_id"},
          lake: {path: "{will}/{qos}/{retain}/{name}/{client}"}}
"""


@pytest.fixture(scope="module")
def executor(tmp_path_factory):
    with penstock.Gateway(tmp_path_factory.mktemp("executor"), "lake.roll.every=100ms", config=WILLS) as gateway:
        yield gateway


def will(name, **more):
    return {"topic": f"wills/{name}", "payload": f"{name} is gone", **more}


def left(server, name):
    return [row for row in penstock.lake_rows(server.lake) if row == f"{name} is gone".encode()]


@contextlib.contextmanager
def stopped(server):
    """What happens meanwhile is found at one time. A signal reaches the threads one by one."""
    server.process.send_signal(signal.SIGSTOP)
    try:
        tasks = list(pathlib.Path(f"/proc/{server.process.pid}/task").iterdir())
        wait_until("all threads to stand", lambda: all("State:\tT" in (task / "status").read_text() for task in tasks))
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


def settled(server):
    """What comes now comes after all that was left before."""
    with connected(server, V5) as client:
        mark = f"mark {time.monotonic_ns()}"
        client.store("wills/mark", mark)
    wait_until("the mark", lambda: mark.encode() in penstock.lake_rows(server.lake))


ENDS = {
    "closed": lambda client: client.socket.close(),
    "reset": lambda client: client.reset(),
    "half a packet": lambda client: client.send(mqtt.PING[:1]).shut(),
    "malformed": lambda client: client.send(b"\x36\0").end(),
    "keep alive": lambda client: client.end(),
}


@KEPT
@pytest.mark.parametrize("end", ENDS)
def test_will_is_left_at_an_abnormal_end(executor, version, end):
    name = f"{version}-{end.replace(' ', '-')}"
    with connected(executor, version, f"client-{name}", keep_alive=1, will=will(name, qos=1, retain=True)) as client:
        ENDS[end](client)
        wait_until("the will", lambda: left(executor, name) == [f"{name} is gone".encode()])
    folders = {file.folder for file in penstock.read_lake(executor.lake) if f"{name} is gone".encode() in file.rows}
    assert folders == {f"true/1/true/{name}/client-{name}"}


@KEPT
def test_no_will_after_a_good_bye(executor, version):
    with connected(executor, version, will=will(f"polite-{version}"), client_id=f"polite-{version}") as client:
        client.disconnect()
    settled(executor)
    assert left(executor, f"polite-{version}") == []


@pytest.mark.parametrize("since", [0, 2.5], ids=["at once", "a socket that has waited"])
@pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])
def test_good_bye_before_the_next_connection(executor, version, since):
    """A client that ends in good order and comes again at once: all of it may be read at one time, the new connection first."""
    for number in range(1 if since else 5):
        name = f"brisk-{version}-{since}-{number}"
        lines = [f"{name} {line}" for line in range(200)]
        with Client(executor.ports["mqtt"], version) as one, Client(executor.ports["mqtt"], version) as two:
            one.connect("brisk", will=will(name))
            assert two.silent(since)
            with stopped(executor):
                two.send(mqtt.connect(version, "brisk"))  # what is there first is read first
                one.send(*(mqtt.publish(version, "wills/brisk", line) for line in lines), mqtt.disconnect(version)).shut()
            assert two.expect(mqtt.CONNACK).reason == 0
            two.disconnect()
        settled(executor)
        assert left(executor, name) == []
        found = [row.decode() for row in penstock.lake_rows(executor.lake)]
        assert [row for row in found if row.startswith(name + " ")] == lines


def test_good_bye_with_the_will(executor):
    """Any reason but 0 leaves it (3.14.4)."""
    for reason in (0x04, 0x80):
        with connected(executor, will=will(f"reason-{reason}")) as client:
            client.disconnect(reason)
        wait_until("the will", lambda: len(left(executor, f"reason-{reason}")) == 1)


def test_will_waits_for_its_delay(executor):
    began = time.monotonic()
    connected(executor, V5, "delayed", session_expiry=600, will=will("delayed", properties={"will_delay": 4})).reset()
    connected(executor, V5, "ended", session_expiry=1, will=will("ended", properties={"will_delay": 600})).reset()
    connected(executor, V5, "returned", session_expiry=600, will=will("returned", properties={"will_delay": 4})).reset()
    with connected(executor, V5, "returned", session_expiry=600, clean=False) as client:
        wait_until("the end of the session", lambda: left(executor, "ended"))
        assert time.monotonic() - began > 0.9
        wait_until("the delay", lambda: left(executor, "delayed"))
        assert time.monotonic() - began > 3.9
        settled(executor)
        assert left(executor, "returned") == []
        client.disconnect()


def test_clean_start_leaves_the_will_of_the_session_that_it_ends(executor):
    connected(executor, V5, "cut", session_expiry=600, will=will("cut", properties={"will_delay": 600})).reset()
    wait_until("its end", lambda: executor.metric("penstock_connections", 'source="mqtt"') == 0)
    with connected(executor, V5, "cut", clean=True):
        wait_until("the will", lambda: len(left(executor, "cut")) == 1)


def test_will_whose_topic_is_not_mapped(gateway):
    with gateway("lake.roll.every=200ms") as server:
        connected(server, V5, "lost", will={"topic": "no/where", "payload": b"gone"}).reset()
        letter, = letters(server, 1)
        assert (letter["stream"], letter["origin"], letter["payload"]) == ("unmapped", "mqtt lost no/where", "gone")


@pytest.mark.parametrize("bad", [{"topic": "", "payload": b""}, {"topic": "a/#", "payload": b""}, {"topic": "a/+", "payload": b""},
                                 {"topic": b"a\xff", "payload": b""}, {"topic": b"a\0b", "payload": b""}, {"topic": "a", "payload": b"", "qos": 3}])
@pytest.mark.parametrize("version, reasons", [(V311, ()), (V5, (0x81, 0x82, 0x90, 0x99))])
def test_will_that_cannot_be(shared, version, reasons, bad):
    with Client(shared.ports["mqtt"], version) as client:
        last = client.send(mqtt.connect(version, "odd", will=bad)).end()
        assert last == [] if version == V311 and not last else len(last) == 1 and last[0].type == mqtt.CONNACK and last[0].reason
        assert version == V311 or last[0].reason in reasons


def test_wills_of_many_that_vanish_at_once(gateway):
    with gateway("lake.roll.every=200ms", config=WILLS) as server:
        with contextlib.ExitStack() as stack:
            for number in range(500):
                stack.enter_context(connected(server, V311, f"c{number}", will={"topic": f"wills/{number}", "payload": str(number)}))
        assert sorted(rows(server, 500)) == sorted(str(number).encode() for number in range(500))
