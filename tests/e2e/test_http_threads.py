"""HTTP with four I/O threads: what holds for all requests together, whichever thread has them; and tests of one thread once more.

The kernel shares connections out by their ports, so of forty none are all on one thread.
"""

import concurrent.futures
import contextlib
import os
import pathlib
import select
import subprocess
import threading

import pytest

import penstock
import siege
from penstock import lake_rows, wait_until
from test_delivered import test_many_at_once, test_more_than_may_wait  # noqa: F401
from test_http_limits import (  # noqa: F401
    MIB,
    half,
    held,
    of_this_address,
    test_all_ready_at_once,
    test_bodies_wait_for_room_until_a_commit,
    test_commit_timeout_is_an_unknown_outcome,
    test_memory_is_bounded,
    test_no_room_that_nothing_will_make,
    test_one_address_cannot_hold_all_room,
    test_requests_while_it_stops_are_refused,
    test_reset_while_the_journal_works,
    test_stop_answers_what_was_handed_over,
)
from test_idempotency import (  # noqa: F401
    READING,
    UUID,
    stored,
    test_a_repeat_when_no_more_may_wait,
    test_a_stop_answers_those_that_wait,
    test_one_that_is_in_doubt,
    test_one_that_is_under_way,
    test_several_wait_for_one_delivery,
    test_those_that_wait_for_one_whose_sync_fails,
    test_those_that_wait_hold_their_bodies_and_no_more,
)
from test_operations import test_stop_under_load_keeps_every_answer  # noqa: F401
from wire import Wire, message, plain, problem

THREADS = "http.threads=4"


@pytest.fixture
def gateway(gateway):
    def make(*sets, **more):
        return gateway(THREADS, *sets, **more)

    make.folder = gateway.folder
    return make


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    with penstock.Gateway(tmp_path_factory.mktemp("many"), THREADS) as gateway:
        yield gateway


def at_once(count, what):
    """What each of so many threads got that did it at the same moment."""
    line = threading.Barrier(count)

    def one(number):
        line.wait()
        return what(number)

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def connections(gateway):
    return gateway.metric("penstock_connections")


def threads(gateway):
    return [task.joinpath("comm").read_text().strip() for task in pathlib.Path(f"/proc/{gateway.process.pid}/task").iterdir()].count("http")


def test_there_are_as_many_as_asked_for(many):
    assert threads(many) == 4


def test_there_are_as_many_as_suit_the_machine(gateway):
    with gateway("http.threads=0") as server:
        assert threads(server) == min(max(len(os.sched_getaffinity(0)) // 2, 1), 8)


def admitted(wire):
    """Whether the connection stays: one too many is told so at once."""
    if select.select([wire.socket], [], [], 0)[0]:
        assert "http.max_connections" in problem(wire.reply(), 503)
        return False
    return True


def test_no_more_connections_than_there_may_be(gateway):
    """Those that come at one moment are let in up to the limit and not above; where some have ended as many come in."""
    with gateway("http.max_connections=30") as server, contextlib.ExitStack() as stack:
        for more in (30, 7):
            before = server.metric("penstock_requests_refused_total", 'status="503"')
            wires = [stack.enter_context(wire) for wire in at_once(60, lambda _: Wire(server.ports["http"]))]
            wait_until("the others to be told", lambda: server.metric("penstock_requests_refused_total", 'status="503"') == before + 60 - more)
            assert connections(server) == 30
            mine = [wire for wire in wires if admitted(wire)]
            assert [wire.ask(plain(b"x")).status for wire in mine] == [200] * more
            for wire in mine[:7]:
                wire.socket.close()
            wait_until("them to be gone", lambda: connections(server) == 23)


def test_no_more_connections_from_an_address_than_it_may_have(gateway):
    with gateway("http.max_connections_per_address=20", "http.trusted_proxies=[]") as server, contextlib.ExitStack() as stack:
        port = server.ports["http"]
        for one in at_once(60, lambda _: of_this_address(port, "127.0.0.2")):
            stack.enter_context(one)
        wait_until("the others to be told", lambda: server.metric("penstock_requests_refused_total", 'status="503"') == 40)
        assert connections(server) == 20
        with Wire(port) as other:
            assert other.ask(plain(b"x")).status == 200


def test_a_key_is_taken_once(gateway):
    """Forty requests with the same key, and of the next key, on as many connections: one of each is stored, the others are told what it was told."""
    with gateway("lake.roll.every=200ms") as server, contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(server.ports["http"])) for _ in range(40)]
        assert [wire.ask(plain(b"warm")).status for wire in wires] == [200] * 40
        for number in range(25):
            request = plain(READING.encode(), b"POST /readings HTTP/1.1", b"Idempotency-Key: %s-%d" % (UUID.encode(), number))
            for wire in wires:
                wire.send(request)
            answers = [wire.reply() for wire in wires]
            assert {answer.status for answer in answers} == {200}
            assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
        wait_until("all of it to be delivered", lambda: server.metric("penstock_outlet_delivered_total", 'outlet="lake"') == 65)
        server.stop_cleanly()
        assert [row.decode() for row in lake_rows(server.lake)].count(READING) == 25


def test_room_that_one_thread_gives_back_goes_to_bodies_of_all(gateway):
    """The journal holds what fills the room. Thirty bodies wait for it on all threads, and all of them get in when it is there, in less than the two
    seconds behind which they would be refused."""
    with gateway("http.max_in_flight=1365KiB", "http.max_body=1023KiB") as server, contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(server.ports["http"])) for _ in range(31)]
        with siege.hanging_commits(server) as go:
            wires[0].send(plain(b"x" * 500 * 1024 + b"\n" + b"x" * 500 * 1024))
            wait_until("the first to be held", lambda: held(server) > 900 * 1024)
            for wire in wires[1:]:
                wire.send(plain(b"y" * 300 * 1024))
            go()
            assert [wire.reply().status for wire in wires] == [200] * 31
        wait_until("the room to be free", lambda: held(server) == 0)


def test_bodies_that_all_wait_for_each_other(gateway):
    """Of unknown length, each in pieces, and together more than there is room for: some are told to come again, so that the others get in, and nothing is
    left over."""
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [b"z" * 999 + b"\n"] * 400)
    request = message(b"Transfer-Encoding: chunked", body=pieces + b"0\r\n\r\n")
    with gateway("http.max_in_flight=1MiB", "http.max_body=768KiB", "http.max_record=768KiB") as server:

        def client(_):
            count = 0
            for _ in range(200):
                with Wire(server.ports["http"]) as wire:
                    reply = wire.ask(request)
                count += 1
                if reply.status == 200:
                    return count
                assert "http.max_in_flight" in problem(reply, 503)
            raise AssertionError("never taken")

        assert len(at_once(12, client)) == 12
        wait_until("the room to be free", lambda: held(server) == 0)
        with Wire(server.ports["http"]) as wire:
            assert wire.ask(plain(b"x" * 700 * 1024)).status == 200


def test_what_all_threads_hold_is_told_as_one_sum(gateway):
    with gateway() as server, contextlib.ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(Wire(server.ports["http"])).send(half(10001))
        wait_until("the sums", lambda: (held(server), connections(server)) == (400000, 40))


def test_a_port_is_still_taken(gateway):
    with gateway() as server:
        second = gateway(f"http.listen=127.0.0.1:{server.ports['http']}", directory=gateway.folder / "second").spawn()
        assert second.ended() != 0
        assert f"127.0.0.1:{server.ports['http']}" in second.said() and "in use" in second.said()
        with Wire(server.ports["http"]) as wire:
            assert wire.ask(plain(b"x")).status == 200


def test_a_thread_that_cannot_go_on_leaves_the_port_to_the_others(gateway, tmp_path):
    """epoll fails for one of them. Who is connected to it is not left waiting, whoever comes is served by the others, and /readyz says so."""
    with gateway() as server, contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(server.ports["http"])) for _ in range(40)]
        assert [wire.ask(plain(b"x")).status for wire in wires] == [200] * 40
        task = next(task for task in pathlib.Path(f"/proc/{server.process.pid}/task").iterdir() if (task / "comm").read_text() == "http\n")
        tracer = subprocess.Popen(["strace", "-qq", "-o", "/dev/null", "-e", "trace=epoll_wait", "-e", "inject=epoll_wait:error=EBADF", "-p", task.name],
                                  stderr=subprocess.PIPE, text=True)
        wait_until("the thread to end", lambda: threads(server) == 3 or tracer.poll() is not None)
        assert threads(server) == 3, tracer.stderr.read()
        tracer.communicate(timeout=60)
        left = [wire for wire in wires if not select.select([wire.socket], [], [], 0)[0]]
        assert 0 < len(left) < 40
        assert [wire.ask(plain(b"y")).status for wire in left] == [200] * len(left)
        for _ in range(60):
            with Wire(server.ports["http"]) as wire:
                assert wire.ask(plain(b"z")).status == 200
        assert server.admin("/readyz").status == 503
        server.stop_cleanly()
        assert sorted(lake_rows(server.lake)) == [b"x"] * 40 + [b"y"] * len(left) + [b"z"] * 60
