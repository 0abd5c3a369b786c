"""What is done to a process from outside: it stands still, is told to stop again and again, has no descriptors left."""

import contextlib
import os
import resource
import signal
import socket
import time

import pytest

from ledger import CONFIG, assert_kept
from penstock import wait_until
from siege import PATIENT, ROUNDS, SMALL_SEGMENTS, Load, busy, moment, new_random, note, rounds, stands_still

STOPPED = 60 if ROUNDS else 5  # seconds


def test_stands_still_and_goes_on(gateway, tools, ledger):
    one = gateway("lake.roll.every=200ms", PATIENT, config=CONFIG).start()
    with Load(tools, one, ledger) as load:
        busy(one, 100)
        one.process.send_signal(signal.SIGSTOP)
        wait_until("all threads stand still", lambda: stands_still(one.process))
        time.sleep(STOPPED)  # the fault itself
        one.process.send_signal(signal.SIGCONT)
        busy(one, one.metric("penstock_records_accepted_total") + 100)
        assert one.ready()[0] == 200
        load.stop()
    ledger.send_fresh(one)
    one.stop_cleanly(320)
    verdict = ledger.judge(one.lake)
    note(f"SIGSTOP, {STOPPED} s, SIGCONT", 1, verdict)
    assert_kept(verdict)


def test_storm_of_stops(gateway, tools, ledger):
    """Under load, and while it starts: the first signal stops it in good order, a later one at once."""
    generator, seed = new_random()
    count = rounds(4)
    one = gateway("lake.roll.every=200ms", PATIENT, *SMALL_SEGMENTS, config=CONFIG)

    def storm():
        while one.process.poll() is None:
            one.process.send_signal(generator.choice((signal.SIGTERM, signal.SIGINT)))
            moment(generator, 0, 0.02)
        return one.ended()

    for _ in range(count):
        one.start()
        ledger.send_fresh(one)
        with Load(tools, one, ledger) as load:
            busy(one, 50)
            moment(generator)
            assert storm() in (0, 1), one.said()
            load.wait()
        one.spawn()
        moment(generator, 0, 0.2)
        assert storm() in (0, 1, -signal.SIGTERM, -signal.SIGINT), one.said()
    one.start()
    ledger.send_fresh(one)
    one.stop_cleanly(320)
    verdict = ledger.judge(one.lake)
    note("storm of SIGTERM and SIGINT", count, verdict, seed)
    assert_kept(verdict)


def seconds_used(process):
    with open(f"/proc/{process.pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def crowd(port, count):
    """Connections that nobody uses, in a stack that closes them."""
    made = contextlib.ExitStack()
    for _ in range(count):
        client = made.enter_context(socket.socket())
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            client.connect(("127.0.0.1", port))
    return made


@pytest.mark.one_round
def test_out_of_descriptors(gateway, tools, ledger):
    """A crowd leaves enough for journal and outlets, at either port and however long it stays. Nobody spins."""
    one = gateway("lake.roll.every=200ms", "http.head_timeout=1min", PATIENT, *SMALL_SEGMENTS, config=CONFIG).start()
    ledger.send_fresh(one)
    with Load(tools, one, ledger, clients=4) as load:
        busy(one, 50)
        limit = descriptors(one.process) + 60
        resource.prlimit(one.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        for source in ("mqtt", "http"):
            with crowd(one.ports[source], 200):
                wait_until("a refused connection", lambda: one.metric("penstock_requests_refused_total", f'source="{source}"') > 0)
                before = one.metrics()
                for name in ("penstock_journal_sequence", 'penstock_outlet_files_total{outlet="lake"}'):
                    wait_until(f"more of {name}", lambda: one.metrics()[name] > before[name] + 20)
                assert one.ready()[0] == 200 and "Too many open files" not in one.said(), one.said()
                if source == "http":
                    load.stop()
                    begin, used = time.monotonic(), seconds_used(one.process)
                    time.sleep(1)
                    assert seconds_used(one.process) - used < 0.6 * (time.monotonic() - begin)
    ledger.send_fresh(one)
    wait_until("delivery", lambda: one.metric("penstock_outlet_lag_records") == 0)
    assert one.ready()[0] == 200
    one.stop_cleanly(320)
    verdict = ledger.judge(one.lake)
    note("no descriptors left", 1, verdict)
    assert_kept(verdict)
