"""mqtt.subscribe while the journal stands still, is full, or a stream is suspended: nothing is acknowledged, nothing is lost, nothing is stored
twice; and then it goes on."""

import json
import pathlib
import re
import signal
import subprocess

import pytest

import siege
from mqtt import DISCONNECT, PUBACK, V5, V311
from penstock import lake_rows, run_command, wait_until
from scripted_broker import ScriptedBroker
from subscribing import connected, degraded, fine, sets, subscriber, value
from test_subscriber_wire import NAMES, message, packet

VERSIONS = pytest.mark.parametrize("version", [V311, V5])


@pytest.fixture
def broker():
    with ScriptedBroker(seconds=60) as one:
        yield one


def library(gateway):
    """The version of libmosquitto that the gateway has loaded."""
    maps = pathlib.Path(f"/proc/{gateway.process.pid}/maps").read_text()
    path = re.search(r"\S*libmosquitto\S*", maps)[0]
    return re.findall(rb"\b\d+\.\d+\.\d+\b", pathlib.Path(path).read_bytes())[:1], path


# ---- before the commit ----

@VERSIONS
@pytest.mark.parametrize("count", [1, 500])
def test_no_acknowledgement_before_the_commit(gateway, broker, version, count):
    """The library queues each PUBACK before it gives us the message: that none of them, and nothing else, leaves before the commit holds is
    a matter of the order of our calls, and of what the library's version makes of them."""
    one = subscriber(gateway, broker.url, version=NAMES[version]).start()
    print("libmosquitto", *library(one))
    with broker.accept() as peer:
        peer.welcome()
        connected(one)
        with siege.hanging_commits(one):
            peer.send(*[packet(version, number) for number in range(1, count + 1)])
            assert peer.silent(1.5), "something left before the commit"
            assert one.metric("penstock_records_accepted_total", 'source="subscriber"') == 0
        assert peer.pubacks(count) == list(range(1, count + 1))
    found = wait_until("all messages", lambda: len(there := lake_rows(one.lake)) >= count and there)
    assert found == [message(number) for number in range(1, count + 1)]
    one.stop_cleanly()


@VERSIONS
def test_killed_before_the_commit(gateway, broker, version):
    """What was not acknowledged may or may not be there; the broker sends it again, and then it is."""
    one = subscriber(gateway, broker.url, version=NAMES[version]).start()
    with broker.accept() as peer:
        peer.welcome()
        connected(one)
        with siege.hanging_commits(one) as go:
            peer.send(*[packet(version, number) for number in range(1, 11)])
            assert peer.silent(0.5)
            one.process.kill()
            go()
            one.ended()
            assert [kind for kind, _, _ in peer.ends()] == []
    one.start()
    with broker.accept() as peer:
        peer.welcome(present=True)
        peer.send(*[packet(version, number) for number in range(1, 11)])
        assert peer.pubacks(10) == list(range(1, 11))
    found = wait_until("all messages", lambda: len(set(there := lake_rows(one.lake))) == 10 and there)
    assert len(found) <= 20
    one.stop_cleanly()


@VERSIONS
def test_a_stop_waits_for_the_commit(gateway, broker, version):
    one = subscriber(gateway, broker.url, version=NAMES[version]).start()
    with broker.accept() as peer:
        peer.welcome()
        connected(one)
        with siege.hanging_commits(one) as go:
            peer.send(*[packet(version, number) for number in range(1, 51)])
            assert peer.silent(0.5)
            one.process.terminate()
            wait_until("it to stop", lambda: "gateway.signal" in one.said())
            go()
            assert peer.pubacks(50) == list(range(1, 51))
            assert [kind for kind, _, _ in peer.ends()] == [DISCONNECT]
            assert one.ended() == 0


@VERSIONS
def test_a_stop_does_not_wait_for_ever(gateway, broker, version):
    """Nor does it say good-bye: a PUBACK is queued in front of that."""
    one = subscriber(gateway, broker.url, "gateway.grace=1s", version=NAMES[version]).start()
    with broker.accept() as peer:
        peer.welcome()
        connected(one)
        with siege.hanging_commits(one):
            peer.send(*[packet(version, number) for number in range(1, 51)])
            assert peer.silent(0.5)
            one.process.terminate()
            assert [kind for kind, _, _ in peer.ends()] == []
        assert one.ended() == 0


# ---- a full journal ----

@pytest.fixture
def blocked(gateway, broker):
    """blocked(version): a small journal, and a lake that cannot be written until unblock()."""
    def make(version, *more):
        one = subscriber(gateway, broker.url, "lake.url=blocked/lake", *siege.SMALL_SEGMENTS, *more, version=NAMES[version])
        one.directory.joinpath("blocked").write_text("a file where a directory should be")
        return one.start()
    return make


def unblock(one):
    one.directory.joinpath("blocked").unlink()


def kept(one):
    return lake_rows(one.directory / "blocked" / "lake")


def fill(one, peer, version):
    """Sends until no acknowledgement comes; how many were acknowledged."""
    sent = 0
    while True:
        sent += 1
        peer.send(packet(version, sent, 50_000))
        wait_until("an acknowledgement or a full journal", lambda: not peer.silent(1.5) or one.full())
        if peer.silent(0):
            return sent - 1
        assert peer.pubacks(1) == [sent]


@VERSIONS
def test_a_full_journal(blocked, broker, version):
    """The batch waits, nothing is read or written, and it goes on with the same connection."""
    one = blocked(version)
    with broker.accept() as peer:
        peer.welcome()
        acknowledged = fill(one, peer, version)
        peer.send(*[packet(version, number) for number in range(acknowledged + 2, acknowledged + 101)])
        degraded_text = wait_until("the held batch in /readyz", lambda: "journal takes nothing" in json.dumps(one.ready()[1]))
        assert degraded_text and peer.silent(2)
        assert value(one, "troubles_total", "site", 'reason="held"') == 1
        unblock(one)
        assert peer.pubacks(100) == list(range(acknowledged + 1, acknowledged + 101))
        fine(one, seconds=60)
    numbers = wait_until("all messages", lambda: len(there := kept(one)) >= acknowledged + 100 and there, 60)
    assert [json.loads(row)["n"] for row in numbers] == list(range(1, acknowledged + 101))
    assert one.said().count("subscriber.trouble") == 1
    one.stop_cleanly()


@VERSIONS
def test_a_broker_that_hangs_up_while_the_journal_is_full(blocked, broker, version):
    """What was read is given up, for the broker sends it again; nobody connects before there is room."""
    one = blocked(version)
    with broker.accept() as peer:
        peer.welcome()
        acknowledged = fill(one, peer, version)
        peer.send(packet(version, acknowledged + 2))
    wait_until("the end in the log", lambda: "subscriber.lost" in one.said())
    assert broker.nobody(2)
    unblock(one)
    with broker.accept() as peer:
        peer.welcome(present=True, subscribe=False)
        peer.send(packet(version, acknowledged + 1, 50_000), packet(version, acknowledged + 2))
        assert peer.pubacks(2) == [acknowledged + 1, acknowledged + 2]
    numbers = wait_until("all messages", lambda: len(there := kept(one)) >= acknowledged + 2 and there, 60)
    assert [json.loads(row)["n"] for row in numbers] == list(range(1, acknowledged + 3))
    one.stop_cleanly()


@VERSIONS
def test_a_stop_while_the_journal_is_full(blocked, broker, version):
    one = blocked(version, "gateway.grace=2s")
    with broker.accept() as peer:
        peer.welcome()
        acknowledged = fill(one, peer, version)
        one.process.terminate()
        assert [kind for kind, _, _ in peer.ends()] == []
        one.ended(30)
    one.sets.remove("gateway.grace=2s")
    unblock(one)
    one.start()
    with broker.accept() as peer:
        peer.welcome(present=True)
        peer.send(packet(version, acknowledged + 1, 50_000))
        assert peer.pubacks(1) == [acknowledged + 1]
    numbers = wait_until("all messages", lambda: len(there := kept(one)) >= acknowledged + 1 and there, 60)
    assert sorted(json.loads(row)["n"] for row in numbers) == list(range(1, acknowledged + 2))
    one.stop_cleanly()


# ---- a stream that is suspended ----

@VERSIONS
def test_a_quota_of_dead_letters_that_is_used_up(gateway, broker, version):
    one = subscriber(gateway, broker.url, "dead_letters.quota=64KiB", version=NAMES[version]).start()
    with broker.accept() as peer:
        peer.welcome()
        sent = 0
        bad = [packet(version, number).replace(b'{"n"', b'("n"') for number in range(1, 20000)]
        while "stream.suspended" not in one.said():
            peer.send(bad[sent])
            sent += 1
            if not peer.silent(0.01):
                peer.pubacks(1)
        acknowledged = sent
        peer.send(bad[sent])
        wait_until("the held batch in /readyz", lambda: "dead_letters.quota" in json.dumps(one.ready()[1]["conditions"][-1]))
        while not peer.silent(1):
            peer.pubacks(1)
        degraded(one, "dead letters of a stream", "dead_letters.quota")
        assert run_command("dead-letters", "drop", "readings", cwd=one.directory).returncode == 0
        peer.pubacks(1)
        fine(one)
    assert acknowledged > 10
    wait_until("letters of what was held", lambda: any(file.stat().st_size for file in (one.data / "dead-letters").glob("*.jsonl")))
    one.stop_cleanly()


@VERSIONS
def test_a_quota_that_a_reload_has_given_to_another_stream(gateway, broker, version):
    """What is held was of the stream as it was; it goes on when the letters of that name are gone."""
    one = subscriber(gateway, broker.url, "dead_letters.quota=64KiB", version=NAMES[version])
    one.config = "streams: {readings: {key: /sensor_id}}\n"
    one.start()
    with broker.accept() as peer:
        peer.welcome()
        bad = iter([packet(version, number).replace(b'{"n"', b'("n"') for number in range(1, 20000)])
        while "stream.suspended" not in one.said():
            peer.send(next(bad))
            if not peer.silent(0.01):
                peer.pubacks(1)
        peer.send(next(bad))
        degraded(one, "dead letters of a stream", "dead_letters.quota")
        (one.directory / "penstock.yaml").write_text("streams: {readings: {key: /sensor_id, lake: {path: elsewhere}}}\n")
        one.process.send_signal(signal.SIGHUP)
        wait_until("the reload", lambda: "streams=others" in one.said())
        assert run_command("dead-letters", "drop", "readings", cwd=one.directory).returncode == 0
        peer.pubacks(1)
        fine(one)
        wait_until("nothing suspended in /readyz", lambda: "dead_letters.quota" not in json.dumps(one.ready()[1]))
    one.stop_cleanly()


# ---- the largest of everything ----

def test_all_at_once(gateway, broker):
    """Batches of one, of many brokers, with small segments, while the journal's calls take their time."""
    one = subscriber(gateway, broker.url, *siege.SMALL_SEGMENTS, *sets("two", url=broker.url, version="3.1.1"), batch="1").start()
    peers = [broker.accept(), broker.accept()]
    for peer in peers:
        peer.welcome()
    with siege.injected(one, "fdatasync:delay_enter=20000", one.directory / "strace"):
        for peer in peers:
            peer.send(*[packet(peer.version, number, 3000) for number in range(1, 101)])
        for peer in peers:
            assert peer.pubacks(100) == list(range(1, 101))
    wait_until("all messages", lambda: len(lake_rows(one.lake)) == 200, 60)
    one.stop_cleanly()


__all__ = ["PUBACK", "subprocess"]
