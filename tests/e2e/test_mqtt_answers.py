"""Answers of the MQTT listener: to clients that do not read them, read them late, or begin to while there are new ones."""

import contextlib
import pathlib
import re
import select
import subprocess
import threading
import time

import mqtt
from mqtt import PUBACK, V5, V311, Client, connected
from penstock import wait_until
from test_mqtt_pressure import MIB, TEXT, in_use, resident


def test_acknowledgements_that_nobody_reads(gateway):
    """A client that never reads is not read from either, before its answers take much memory; once it reads, all are there in order."""
    with gateway("lake.roll.every=200ms", config=TEXT) as server:
        client = Client(server.ports["mqtt"], V311, seconds=60, buffer=4096)
        burst = b"".join(mqtt.publish(V311, "text/a", b"x", 1, id) for id in range(1, 65536))
        with client:
            client.connect("deaf")
            connected(server).disconnect()
            before, sent = resident(server), 0
            client.socket.setblocking(False)
            stalled = time.monotonic()
            while time.monotonic() < stalled + 1.5:
                assert sent < 80 * len(burst), "more is read than answers can be written"
                place = sent % len(burst)
                try:
                    sent += client.socket.send(burst[place:place + MIB])
                    stalled = time.monotonic()
                except BlockingIOError:
                    select.select([], [client.socket], [], 0.2)
            assert resident(server) - before < 16 * MIB
            with connected(server, V5, "other") as other:
                assert other.store("text/b", "other") == 0
            client.socket.settimeout(60)
            whole = sent // len(burst) * 65535
            for number in range(whole):
                client.expect(PUBACK, number % 65535 + 1)


def test_client_that_never_reads_is_closed(gateway):
    """Answers that wait longer than mqtt.packet_timeout."""
    with gateway("mqtt.packet_timeout=1s", "lake.roll.every=200ms", config=TEXT) as server:
        client = Client(server.ports["mqtt"], V311, seconds=60, buffer=4096)
        with client:
            client.connect("deaf")
            with contextlib.suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
                for _ in range(2000):
                    client.socket.sendall(mqtt.PING * 10000)
            wait_until("its end", lambda: in_use(server) == 0)


def test_answers_that_were_too_many_at_once(gateway):
    """Who reads them is read again at once, not when somebody happens to look."""
    with gateway() as server, connected(server, V311, "eager") as client:
        sender = threading.Thread(target=client.send, args=(mqtt.PING * 400000,), daemon=True)
        deadline, got = time.monotonic() + 15, 0
        sender.start()
        while got < 800000:
            got += len(client.socket.recv(MIB))
            assert time.monotonic() < deadline, f"{got} bytes"


@contextlib.contextmanager
def slow_rounds(server):
    """Half a second between two rounds of the listener's thread: what happens meanwhile is found at one time."""
    task, = (task for task in pathlib.Path(f"/proc/{server.process.pid}/task").iterdir() if (task / "comm").read_text() == "mqtt\n")
    tracer = subprocess.Popen(["strace", "-qq", "-o", "/dev/null", "-e", "trace=epoll_wait", "-e", "inject=epoll_wait:delay_enter=500ms",
                               "-p", task.name], stderr=subprocess.PIPE, text=True)

    def attached():
        assert tracer.poll() is None, f"strace: {tracer.stderr.read()}"
        return "TracerPid:\t0\n" not in (task / "status").read_text()

    try:
        wait_until("strace to attach", attached)
        yield
    finally:
        tracer.terminate()
        tracer.communicate(timeout=60)


def watches(server, events):
    """Whether the kernel watches a socket for exactly these."""
    wanted = events | select.EPOLLERR | select.EPOLLHUP  # always
    for info in pathlib.Path(f"/proc/{server.process.pid}/fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found = re.findall(r"^tfd: +\d+ events: +([0-9a-f]+)", info.read_text(), re.MULTILINE)
            if any(int(mask, 16) == wanted for mask in found):
                return True
    return False


def test_answers_of_all_kinds_in_one_round(gateway):
    """A client begins to read, says something, and is acknowledged something: all of it is found at one time."""
    with gateway("lake.roll.every=200ms", config=TEXT) as server, connected(server, V311, "slow", seconds=60) as client, \
            connected(server, V5, "other", seconds=60) as other:
        expected = got = 0
        while not watches(server, select.EPOLLIN | select.EPOLLOUT):
            client.send(mqtt.PING * 4000)
            expected += 8000
            other.ping()
            assert expected < 64 * MIB
        before = server.metric("penstock_journal_sequence")
        with slow_rounds(server):
            client.publish("text/a", "x", 1, 1)
            wait_until("the commit", lambda: server.metric("penstock_journal_sequence") > before)
            while select.select([client.socket], [], [], 0)[0]:
                got += len(client.socket.recv(MIB))
            client.send(mqtt.PING)
            while got < expected + 4 + 2:
                got += len(client.socket.recv(MIB))
        assert got == expected + 4 + 2
        other.ping()
