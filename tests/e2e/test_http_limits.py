"""The HTTP source under slow, silent, vanishing and greedy senders, a slow journal, and at its end."""

import contextlib
import os
import pathlib
import select
import signal
import socket
import threading
import time

import pytest

import penstock
import siege
from penstock import lake_rows, run_command, wait_until
from wire import CHUNKED, LENGTH, Wire, message, plain, problem

MIB = 1 << 20
READING = b'{"sensor_id":"a"}'


def sockets(gateway):
    folder = pathlib.Path(f"/proc/{gateway.process.pid}/fd")
    count = 0
    for link in folder.iterdir():
        with contextlib.suppress(OSError):
            count += os.readlink(link).startswith("socket:")
    return count


def held(gateway):
    """Bytes of bodies that the gateway holds. One that was handed over counts with its descriptions, more than a KiB."""
    return gateway.metric("penstock_body_bytes_in_flight")


def reachable(gateway):
    try:
        Wire(gateway.ports["http"]).socket.close()
    except ConnectionRefusedError:
        return False
    return True


# ---- many at once ----

@pytest.fixture(scope="module")
def many(tmp_path_factory):
    with penstock.Gateway(tmp_path_factory.mktemp("many")) as gateway:
        yield gateway


@pytest.mark.parametrize("count", [1, 127, 128, 129, 256, 1000])
def test_all_ready_at_once(many, count):
    """They become readable while the process is stopped; libmicrohttpd's own loop would answer none of 128."""
    request = plain(b"x")
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(many.ports["http"])) for _ in range(count)]
        for wire in wires:
            wire.send(request)
        assert [wire.reply().status for wire in wires] == [200] * count
        many.process.send_signal(signal.SIGSTOP)
        try:
            for wire in wires:
                wire.send(request)
        finally:
            many.process.send_signal(signal.SIGCONT)
        assert [wire.reply().status for wire in wires] == [200] * count


def test_connections_wait_above_the_limit(gateway):
    with gateway("http.max_connections=10", "http.threads=1") as server, contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(server.ports["http"])) for _ in range(11)]
        assert [wire.ask(plain(b"x")).status for wire in wires[:10]] == [200] * 10
        wires[10].send(plain(b"x"))
        assert not select.select([wires[10].socket], [], [], 0.3)[0]
        wires[0].socket.close()
        assert wires[10].reply().status == 200


def test_connection_limit_holds_over_all_addresses(gateway):
    two = "http: {max_connections: 4, listen: [127.0.0.1:0, 127.0.0.1:0]}"
    with gateway("admin.listen=127.0.0.1:0", "mqtt.listen=", config=two, default_ports=True) as server, contextlib.ExitStack() as stack:
        ports = [int(line.rsplit(":", 1)[1]) for line in server.said().splitlines() if "HTTP" in line]
        wires = [stack.enter_context(Wire(ports[i % 2])) for i in range(4)]
        assert [wire.ask(plain(b"x")).status for wire in wires] == [200] * 4
        with Wire(ports[0]) as fifth:
            assert "http.max_connections" in problem(fifth.reply(), 503)
            assert fifth.reply() is None


# ---- slow and vanishing senders ----

@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """Deadlines are looked at once a second."""
    with penstock.Gateway(tmp_path_factory.mktemp("hasty"), "http.head_timeout=1s", "http.body_timeout=1s", "http.min_rate=1KiB",
                          "http.idle_timeout=1s") as gateway:
        yield gateway


def trickle(wire, pieces, pause):
    """Sends piece by piece until the other side has had enough; what it says."""
    for piece in pieces:
        if select.select([wire.socket], [], [], pause)[0]:
            break
        wire.send(piece)
    return wire.reply()


@pytest.mark.parametrize("first", [b"", b"PO", b"POST /unorganized HTTP/1.1\r\nHo"], ids=["nothing", "half a line", "half a head"])
def test_slow_head(hasty, first):
    started = time.monotonic()
    with Wire(hasty.ports["http"]) as wire:
        wire.send(first)
        assert "http.head_timeout" in problem(trickle(wire, [b"s"] * 400, 0.1), 408)
        assert wire.reply() is None
        assert 0.9 < time.monotonic() - started < 39


def test_slow_body(hasty):
    with Wire(hasty.ports["http"]) as wire:
        wire.send(message(b"Content-Length: 100000", body=b""))
        assert "http.min_rate" in problem(trickle(wire, [b"x"] * 400, 0.1), 408)
        assert wire.reply() is None


def test_slow_chunks(hasty):
    with Wire(hasty.ports["http"]) as wire:
        wire.send(message(CHUNKED, body=b""))
        problem(trickle(wire, [b"1\r\nx\r\n"] * 400, 0.1), 408)


def test_body_that_is_slow_but_fast_enough(hasty):
    """About 40 KiB/s for three seconds: longer than http.body_timeout, and so far above http.min_rate that it may come to a halt for a while."""
    with Wire(hasty.ports["http"]) as wire:
        wire.send(message(b"Content-Length: 122880", body=b""))
        assert trickle(wire, [b"x" * 4096] * 30, 0.1).status == 200


@pytest.mark.parametrize("before", [0, 1], ids=["half a line", "silent"])
def test_idle_connection_ends_without_a_word(hasty, before):
    with Wire(hasty.ports["http"]) as wire:
        assert wire.ask(plain(b"x")).status == 200
        if before == 0:
            wire.send(b"PO")
        assert wire.reply() is None


def test_vanished_connections_leave_nothing(hasty):
    """A head or body that ends together with its connection is noticed at its deadline, the others at once."""
    wait_until("a quiet start", lambda: hasty.metric("penstock_connections") == 0)
    base = sockets(hasty)
    for first in (b"", b"POST /unor", message(LENGTH, body=b'{"a'), plain(b"x")):
        for end in (lambda wire: wire.reset(), lambda wire: wire.socket.close()):
            wires = [Wire(hasty.ports["http"]).send(first) for _ in range(50)]
            for wire in wires:
                end(wire)
    wait_until("the sockets to be closed", lambda: sockets(hasty) <= base)


def test_reset_while_the_journal_works(gateway):
    with gateway() as server:
        base = sockets(server)
        with siege.hanging_commits(server):
            wires = [Wire(server.ports["http"]).send(plain(b"x")) for _ in range(50)]
            wait_until("them to be handed over", lambda: held(server) > 50 * 1024)
            for wire in wires:
                wire.reset()
        wait_until("the sockets to be closed", lambda: sockets(server) <= base)
        with Wire(server.ports["http"]) as wire:
            assert wire.ask(plain(b"x")).status == 200


# ---- a slow journal ----

def test_commit_timeout_is_an_unknown_outcome(gateway):
    with gateway("http.commit_timeout=4s", "lake.roll.every=100ms") as server:
        with Wire(server.ports["http"]) as wire:
            with siege.hanging_commits(server):
                reply = wire.ask(plain(b"late"))
                assert "outcome unknown" in problem(reply, 504)
                assert "retry-after" not in reply.headers
            wait_until("the commit", lambda: server.metric("penstock_journal_sequence") == 1)
            assert wire.ask(plain(b"next")).status == 200
        wait_until("both lines", lambda: sorted(penstock.lake_rows(server.lake)) == [b"late", b"next"])
        assert held(server) == 0


def test_memory_ack_comes_before_the_commit(gateway):
    with gateway("lake.roll.every=100ms") as server, siege.hanging_commits(server):
        with Wire(server.ports["http"]) as wire:
            assert wire.ask(plain(b"x", b"POST /unorganized HTTP/1.1", b"Penstock-Ack: memory")).status == 200


# ---- room for bodies ----

def half(size):
    """All of a request but the end of its body."""
    return message(b"Content-Length: %d" % size, body=b"x" * (size - 1))


def test_bodies_wait_for_room_until_a_commit(gateway):
    """While the journal holds what fills http.max_in_flight, a further body waits in its socket."""
    with gateway("http.max_in_flight=1365KiB", "http.max_body=1023KiB") as server:
        with Wire(server.ports["http"]) as first, Wire(server.ports["http"]) as second:
            with siege.hanging_commits(server) as go:
                first.send(plain(b"x" * 500 * 1024 + b"\n" + b"x" * 500 * 1024))
                wait_until("the first to be held", lambda: held(server) > 900 * 1024)
                second.send(plain(b"y" * 800 * 1024))
                go()
                assert first.reply().status == 200
                assert second.reply().status == 200
        wait_until("the room to be free", lambda: held(server) == 0)


def test_no_room_that_nothing_will_make(gateway):
    """Bodies that do not end hold all that such may of http.max_in_flight: who comes then is told to come again, unless all of it is there."""
    with gateway("http.max_in_flight=1MiB", "http.max_body=768KiB", "http.max_record=768KiB", "http.body_timeout=1h") as server, contextlib.ExitStack() as stack:
        holders = [stack.enter_context(Wire(server.ports["http"])).send(half(MIB // 8 * 3)) for _ in range(2)]
        wait_until("them to be held", lambda: held(server) > MIB // 4 * 3 - 64)
        with Wire(server.ports["http"]) as late:
            for _ in range(500):
                assert late.ask(plain(b"x" * 1000)).status == 200
            reply = late.ask(plain(b"x" * 40000))
            assert "http.max_in_flight" in problem(reply, 503)
            assert int(reply.headers["retry-after"]) >= 1
            for holder in holders:
                holder.send(b"x")
                assert holder.reply().status == 200
        with Wire(server.ports["http"]) as late:
            assert late.ask(plain(b"x" * 40000)).status == 200


def test_one_address_cannot_hold_all_room(gateway):
    """What it has announced and sent a part of is bounded, its further bodies wait; those of others go on, whatever their size."""
    with gateway("http.max_in_flight=2MiB", "http.max_body=1MiB", "http.max_in_flight_per_address=256KiB", "http.trusted_proxies=[]",
                 "http.body_timeout=1h") as server, contextlib.ExitStack() as stack:  # fmt: skip
        port = server.ports["http"]
        mine = [stack.enter_context(of_this_address(port, "127.0.0.2")) for _ in range(20)]
        for one in mine:
            one.sendall(half(120 * 1024))
        wait_until("two of them to be held", lambda: 239 * 1024 < held(server) <= 256 * 1024)
        with Wire(port) as other:
            for size in (10, 900 * 1024, 10):
                assert other.ask(plain(b"y" * 99 + b"\n") if size == 10 else plain((b"y" * 99 + b"\n") * (size // 100))).status == 200
        assert 239 * 1024 < held(server) <= 256 * 1024
        for one in mine:
            one.sendall(b"x")
        answers = [one.recv(4096) for one in mine]
        assert [answer for answer in answers if not answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 503 "))] == []
        assert sum(answer.startswith(b"HTTP/1.1 200 ") for answer in answers) >= 2
        assert all(b"http.max_in_flight_per_address" in answer for answer in answers if b" 503 " in answer)
        wait_until("the room to be free", lambda: held(server) == 0)
        with of_this_address(port, "127.0.0.2") as again:
            again.sendall(plain(b"x" * 500 * 1024))
            assert again.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_who_waits_for_his_own_address_holds_nobody_up(gateway):
    """What it announces would also be too much for all; those behind it in the line are asked all the same."""
    with gateway("http.max_in_flight=2MiB", "http.max_body=1MiB", "http.max_in_flight_per_address=256KiB", "http.trusted_proxies=[]",
                 "http.body_timeout=1h") as server, contextlib.ExitStack() as stack:  # fmt: skip
        port = server.ports["http"]
        slow = stack.enter_context(Wire(port)).send(half(500 * 1024))
        stack.enter_context(of_this_address(port, "127.0.0.2")).sendall(half(200 * 1024))
        wait_until("both to be held", lambda: 699 * 1024 < held(server) < 710 * 1024)
        stack.enter_context(of_this_address(port, "127.0.0.2")).sendall(half(MIB))
        with of_this_address(port, "127.0.0.3") as other:
            for _ in range(5):
                other.sendall(plain((b"y" * 99 + b"\n") * 1000))
                assert other.recv(4096).startswith(b"HTTP/1.1 200 ")
        slow.send(b"x")
        assert slow.reply().status == 200


def test_a_lone_body_may_hold_more_than_its_address_may(gateway):
    """Of unknown length, so that room is found for it step by step."""
    with gateway("http.max_in_flight=1365KiB", "http.max_body=1023KiB", "http.max_in_flight_per_address=1KiB", "http.trusted_proxies=[]") as server:
        with Wire(server.ports["http"]) as wire:
            pieces = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [b"x" * 999 + b"\n"] * 1000)
            assert wire.ask(message(b"Transfer-Encoding: chunked", body=pieces + b"0\r\n\r\n")).status == 200


def test_many_deadlines_at_once(gateway):
    """A thousand heads that never end have the same deadline: each is told so, nobody else notices, and no descriptor is left."""
    with gateway("http.head_timeout=2s", "http.max_connections=2000") as server, contextlib.ExitStack() as stack:
        port = server.ports["http"]
        before = sockets(server)
        slow = [stack.enter_context(Wire(port)).send(b"POST /unorganized HTTP/1.1\r\n") for _ in range(1000)]
        with Wire(port) as honest:
            wait_until("them to be ended", lambda: honest.ask(plain(b"x")).status == 200 and server.metric("penstock_connections") == 1)
        assert [one.reply().status for one in slow] == [408] * 1000
        wait_until("their descriptors to be closed", lambda: sockets(server) <= before)


def test_memory_is_bounded(gateway):
    """Forty bodies of a megabyte into room for four: who is told to come again, and does, is taken."""
    with gateway("http.max_in_flight=4MiB", "http.max_body=1MiB", "http.max_record=512KiB") as server:
        body = b"\n".join([b"x" * 1023] * 1023)
        peak, statuses, lock = [0], [], threading.Lock()

        def client():
            while True:
                with Wire(server.ports["http"]) as wire:
                    status = wire.ask(plain(body)).status
                with lock:
                    statuses.append(status)
                if status != 503:
                    break

        clients = [threading.Thread(target=client) for _ in range(40)]
        for one in clients:
            one.start()
        while any(one.is_alive() for one in clients):
            peak[0] = max(peak[0], held(server))
        assert set(statuses) <= {200, 503} and statuses.count(200) == 40, statuses
        assert peak[0] < 6 * MIB


# ---- the end ----

def test_stop_answers_what_was_handed_over(gateway):
    server = gateway().start()
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(server.ports["http"])) for _ in range(20)]
        idle = stack.enter_context(Wire(server.ports["http"]))
        unfinished = stack.enter_context(Wire(server.ports["http"])).send(half(1000))
        assert idle.ask(plain(b"x")).status == 200
        with siege.hanging_commits(server) as go:
            for wire in wires:
                wire.send(plain(b"x"))
            wait_until("them to be handed over", lambda: held(server) > 20 * 1024)
            server.process.send_signal(signal.SIGTERM)
            wait_until("the port to be closed", lambda: not reachable(server))
            go()
            assert [wire.reply().status for wire in wires] == [200] * 20
            assert idle.reply() is None
            problem(unfinished.reply(), 503)
        assert server.ended() == 0, server.said()


def test_requests_while_it_stops_are_refused(gateway):
    server = gateway().start()
    with Wire(server.ports["http"]) as first, Wire(server.ports["http"]) as second:
        assert second.ask(plain(b"x")).status == 200
        with siege.hanging_commits(server) as go:
            first.send(plain(b"x"))
            wait_until("it to be handed over", lambda: held(server) > 1024)
            server.process.send_signal(signal.SIGTERM)
            wait_until("the port to be closed", lambda: not reachable(server))
            reply = second.ask(plain(b"x"))
            assert "stopping" in problem(reply, 503)
            assert reply.headers["connection"] == "close" and reply.headers["retry-after"]
            go()
            assert first.reply().status == 200
        assert server.ended() == 0


def test_stop_with_a_journal_that_does_not_answer(gateway):
    server = gateway("gateway.grace=1s").start()
    with Wire(server.ports["http"]) as wire:
        with siege.hanging_commits(server):
            wire.send(plain(b"x"))
            wait_until("it to be handed over", lambda: held(server) > 1024)
            server.process.send_signal(signal.SIGTERM)
            problem(wire.reply(), 504)
        assert server.ended() == 0


def test_beyond_loopback_needs_a_word(gateway):
    server = gateway("http.listen=0.0.0.0:0").spawn()
    assert server.ended() != 0
    assert "http.anonymous" in server.said()
    with gateway("http.listen=0.0.0.0:0", "http.anonymous=true", directory=gateway.folder / "open") as server:
        with Wire(server.ports["http"]) as wire:
            assert wire.ask(plain(b"x")).status == 200


def of_this_address(port, address):
    return socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(address, 0))


def test_an_address_has_no_more_connections_than_it_may(gateway):
    """The next one is told so and nothing of it is taken, also when its request is there at once; others go on; where one has ended there is room again."""
    with gateway("http.max_connections_per_address=3", "http.trusted_proxies=[]") as server, contextlib.ExitStack() as stack:
        port = server.ports["http"]
        mine = [stack.enter_context(of_this_address(port, "127.0.0.2")) for _ in range(3)]
        wait_until("them to be open", lambda: server.metric("penstock_connections") == 3)
        for _ in range(20):
            with of_this_address(port, "127.0.0.2") as more:
                with contextlib.suppress(OSError):
                    more.sendall(plain(b"not taken"))
                answer = b""
                with contextlib.suppress(ConnectionResetError):
                    while piece := more.recv(4096):
                        answer += piece
                assert answer == b"" or (answer.startswith(b"HTTP/1.1 503 ") and b"http.max_connections_per_address" in answer)
        assert server.metric("penstock_requests_refused_total", 'source="http",status="503"') == 20
        with Wire(port) as wire:
            assert wire.ask(plain(b"other")).status == 200
        for one in mine:
            one.sendall(plain(b"mine"))
            assert one.recv(4096).startswith(b"HTTP/1.1 200 ")
        mine[0].close()
        wait_until("room", lambda: server.metric("penstock_connections") == 2)
        with of_this_address(port, "127.0.0.2") as again:
            again.sendall(plain(b"again"))
            assert again.recv(4096).startswith(b"HTTP/1.1 200 ")
        server.stop_cleanly()
        assert sorted(lake_rows(server.lake)) == [b"again", b"mine", b"mine", b"mine", b"other"]


def test_refused_one_gives_its_place_back(gateway):
    """It was the last connection that there may be at all: when it has ended another one comes in, although nothing else happens."""
    with gateway("http.max_connections=3", "http.max_connections_per_address=2", "http.trusted_proxies=[]", "http.threads=1") as server, contextlib.ExitStack() as stack:
        port = server.ports["http"]
        for _ in range(2):
            stack.enter_context(of_this_address(port, "127.0.0.2"))
        wait_until("them to be open", lambda: server.metric("penstock_connections") == 2)
        for _ in range(5):
            with of_this_address(port, "127.0.0.2") as more:
                assert more.recv(4096).startswith(b"HTTP/1.1 503 ")
            with Wire(port) as wire:
                assert wire.ask(plain(b"other")).status == 200


def test_trusted_proxies_are_not_counted(gateway):
    with gateway("http.max_connections_per_address=2", "http.trusted_proxies=[127.0.0.2/31]") as server, contextlib.ExitStack() as stack:
        port = server.ports["http"]
        for address in ("127.0.0.2", "127.0.0.3", "127.0.0.1"):
            for _ in range(2 if address == "127.0.0.1" else 9):
                stack.enter_context(of_this_address(port, address))
        wait_until("them to be open", lambda: server.metric("penstock_connections") == 20)
        with of_this_address(port, "127.0.0.1") as more:
            assert more.recv(4096).startswith(b"HTTP/1.1 503 ")


def test_trusted_proxy_that_is_none(tmp_path):
    done = run_command("check", "--set", "http.trusted_proxies=[loopback, 10.0.0.0/33]")
    assert done.returncode == 1
    assert "http.trusted_proxies" in done.stderr and "'10.0.0.0/33' is no address and no network" in done.stderr


def test_taken_port_is_named(gateway):
    with gateway(directory=gateway.folder / "one") as server:
        other = gateway(f"http.listen=127.0.0.1:{server.ports['http']}", directory=gateway.folder / "other").spawn()
        assert other.ended() != 0
        assert f"127.0.0.1:{server.ports['http']}" in other.said() and "in use" in other.said()
