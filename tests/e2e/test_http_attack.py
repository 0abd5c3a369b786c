"""Clients of HTTP that take without giving: they never read, never speak, or speak very slowly. The others go on, memory stays bounded, and the
processor has nothing to do."""

import contextlib
import resource
import threading
import time

import pytest

import penstock
from penstock import memory, wait_until
from test_bombs import Honest, cpu
from test_http_limits import sockets
from test_mqtt_pressure import MIB
from wire import Wire, plain

SECONDS = 3  # so long the processor's time is looked at
SHARE = 0.3  # of one core: a loop that does not sleep takes all of it
IDLE = 10_000
MANY = 20_000  # requests that, as their answers, are more than sockets hold
SILENT = ("http.head_timeout=1h", "http.idle_timeout=1h", "http.max_connections_per_address=0")


@contextlib.contextmanager
def at_rest(server):
    """A busy loop would show, and so would an honest client who has to wait."""
    before, honest = cpu(server), Honest(server.ports["http"])
    began = time.monotonic()
    yield began + SECONDS
    time.sleep(max(0, began + SECONDS - time.monotonic()))
    share = (cpu(server) - before) / (time.monotonic() - began)
    honest.start()
    time.sleep(0.2)
    honest.over.set()
    honest.join()
    print(f"{share:.3f} of a core, {memory(server, 'VmRSS') / MIB:.1f} MiB resident, {honest.longest * 1000:.0f} ms for the honest one")
    assert share < SHARE
    assert honest.answers == {200} and honest.longest < 10


@pytest.fixture
def descriptors():
    """Room for all ends of the connections, in this process; the gateway inherits it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = IDLE + 500
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"{hard} descriptors are allowed here (ulimit -Hn), {needed} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_idle_connections(gateway, descriptors):
    with gateway(*SILENT, f"http.max_connections={IDLE + 100}") as server, contextlib.ExitStack() as stack:
        before, base = memory(server, "VmRSS"), sockets(server)
        for _ in range(IDLE):
            stack.enter_context(Wire(server.ports["http"]))
        wait_until("all of them", lambda: server.metric("penstock_connections", 'source="http"') == IDLE)
        with at_rest(server):
            pass
        assert memory(server, "VmRSS") - before < 160 * MIB
        stack.close()
        wait_until("their sockets to be closed", lambda: sockets(server) <= base)


def test_slow_heads(gateway):
    """A thousand of them, a byte of each once a second."""
    head = b"POST /readings HTTP/1.1\r\nHost: x\r\nX-A: "
    with gateway(*SILENT) as server, contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(server.ports["http"])).send(head) for _ in range(1000)]
        with at_rest(server) as end:
            while time.monotonic() < end:
                turn = time.monotonic()
                for wire in wires:
                    wire.send(b"a")
                time.sleep(max(0, turn + 1 - time.monotonic()))
        for wire in wires[:50]:
            assert wire.ask(b"\r\nContent-Length: 17\r\n\r\n" + b'{"sensor_id":"a"}').status == 200


def flood(wire):
    """Sends MANY requests whose answers have many KiB; the thread."""
    request = plain(b"{}\n" * 100, b"POST /readings HTTP/1.1", b"Content-Type: application/x-ndjson")
    sender = threading.Thread(target=wire.send, args=(request * MANY,), daemon=True)
    sender.start()
    return sender


def test_who_reads_no_answers_is_read_no_further(gateway):
    """Once it reads, each of its requests has its answer."""
    with gateway(*SILENT) as server, Wire(server.ports["http"]) as wire:
        before, answered = memory(server, "VmRSS"), [-1]
        sender = flood(wire)

        def stuck():
            time.sleep(1)
            answered.append(server.metric("penstock_requests_refused_total"))
            return 0 < answered[-1] == answered[-2]

        wait_until("it to be read no further", stuck)
        with at_rest(server):
            pass
        assert sender.is_alive() and server.metric("penstock_requests_refused_total") == answered[-1]
        print(f"{answered[-1]:.0f} of {MANY} requests answered")
        assert memory(server, "VmRSS") - before < 16 * MIB
        assert {wire.reply().status for _ in range(MANY)} == {422}
        sender.join()


def test_who_reads_no_answers_is_idle(gateway):
    with gateway("http.idle_timeout=1s") as server, Wire(server.ports["http"]) as wire:
        flood(wire)
        wait_until("its end", lambda: server.metric("penstock_requests_refused_total") and not server.metric("penstock_connections", 'source="http"'))
        assert server.metric("penstock_requests_refused_total") < MANY
