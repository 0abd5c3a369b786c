"""Senders that repeat what they have no answer for, over all ends and starts of a gateway that is killed beside them: every reading is in the lake once.

A sender is a thread with `done` (what it has sent and had acknowledged, counted), `wrong` (answers that may not be) and `ending` (an event).
"""

import collections

import pytest

from ledger import Verdict
from penstock import lake_rows, wait_until
from sender import GONE
from siege import PATIENT, SMALL_SEGMENTS, cut_power, injected, moment, new_random, note, rounds, run

# What the HTTP thread answers with: the first one behind this is the answer to what was sent.
ANSWER = "sendto,sendmsg,writev:signal=SIGKILL:when=1"
CALLS = {"syncs": "fdatasync,fsync", "writes": "pwrite64,pwritev,write", "answers": "sendto,sendmsg,writev", "renames": "rename,renameat,renameat2,unlink,unlinkat"}
SIZES = {"default sizes": (), "small segments": SMALL_SEGMENTS, "four HTTP threads": ("http.threads=4",)}


def started(senders):
    for one in senders:
        one.start()
    return senders


def answered(senders, more):
    """Waits until each has so many answers more, or has seen a wrong one."""
    before = [one.done for one in senders]
    wait_until(f"{more} answers for each", lambda: all(one.done >= had + more or one.wrong for one, had in zip(senders, before)), 300)
    assert not any(one.wrong for one in senders), [one.wrong for one in senders]


def judge(gateway, senders, sent, fault, count, seed, lake=None):
    """sent(sender): the rows that were acknowledged to it."""
    for one in senders:
        one.ending.set()
    for one in senders:
        one.join(300)
        assert not one.is_alive()
    assert not any(one.wrong for one in senders), [one.wrong for one in senders]
    gateway.stop_cleanly(320)
    seen = collections.Counter(lake_rows(lake or gateway.lake))
    rows = {row for one in senders for row in sent(one)}
    lost = [row for row in rows if row not in seen]
    doubled = sum(seen.values()) - len(seen)
    print(f"of {len(rows)} readings, found stored already: {sum(one.repeated for one in senders)} times")
    note(fault, count, Verdict(len(rows), sum(seen.values()), lost, doubled, 0, 0, 0, 0), seed)
    assert (lost[:5], doubled, set(seen) - rows) == ([], 0, set())


def kill(gateway, sets, config, make, sent, what):
    """At any moment, again and again. make(gateway): the senders."""
    generator, seed = new_random()
    count = rounds(8)
    one = gateway("lake.roll.every=200ms", PATIENT, *sets, config=config).start()
    senders = started(make(one))
    for _ in range(count):
        answered(senders, 3)
        moment(generator)
        one.kill()
        one.start()
    answered(senders, 1)
    judge(one, senders, sent, f"kill -9, {what}", count, seed)


def kill_at_a_call(gateway, folder, calls, config, make, sent, what):
    """The nth call of this kind in any thread is the last thing that happens."""
    generator, seed = new_random()
    count = rounds(4)
    one = gateway("lake.roll.every=100ms", PATIENT, *SMALL_SEGMENTS, config=config).start()
    senders = started(make(one))
    for number in range(count):
        answered(senders, 1)
        with injected(one, f"{CALLS[calls]}:signal=SIGKILL:when={generator.randrange(1, 30)}", folder / f"strace-{number}"):
            assert one.ended(120) == -9
        one.start()
    answered(senders, 1)
    judge(one, senders, sent, f"kill -9 at the nth of {calls}, {what}", count, seed)


def cut(gateway, mount, tools, kind, config, make, sent, what):
    """The power of the gateway's disk, at any moment, again and again; every second time the gateway is killed first, with an answer in its hand."""
    generator, seed = new_random()
    count = rounds(3)
    disk = mount(kind, (320 << 20) + count * (16 << 20))
    one = gateway(f"gateway.data={disk.point}/data", "lake.roll.every=200ms", PATIENT, *SMALL_SEGMENTS, config=config).start()
    senders = started(make(one))
    for number in range(count):
        answered(senders, 3)
        moment(generator)
        if number % 2:
            cut_power(tools, disk, one.process)
            one.kill()
        else:
            with injected(one, ANSWER, one.directory / f"strace-{number}"):
                assert one.ended(120) == -9
            run(tools / "powercut", disk.point)
        disk.unmount()
        disk.mount()
        one.start()
    answered(senders, 1)
    judge(one, senders, sent, f"power cut, {kind}, {what}", count, seed, disk.point / "data" / "lake")


def answer_lost(gateway, folder, body, **headers):
    """The records are durable, and the gateway is killed with the answer in its hand. Returns that to the repeat."""
    with injected(gateway, ANSWER, folder / "strace"):
        with pytest.raises(GONE):
            gateway.post("/readings", body, "application/x-ndjson", **headers)
        assert gateway.ended() == -9
    gateway.start()
    return gateway.post("/readings", body, "application/x-ndjson", **headers)
