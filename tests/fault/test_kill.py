"""kill -9 under load: nothing acknowledged is lost, and the lake holds it once. The control acknowledges before the commit and has
to lose: a run that sees no loss there proves nothing."""

import pytest

from ledger import CONFIG, assert_kept
from siege import PATIENT, SMALL_SEGMENTS, Load, busy, injected, moment, new_random, note, rounds


def kill_rounds(gateway, tools, ledger, generator, count, ack=None):
    for _ in range(count):
        gateway.start()
        ledger.send_fresh(gateway)
        with Load(tools, gateway, ledger, ack) as load:
            moment(generator)
            busy(gateway, 100)
            gateway.kill()
            load.wait()
    gateway.start()
    ledger.send_fresh(gateway)
    gateway.stop_cleanly(320)


SIZES = {
    "default sizes": (),
    "small segments": SMALL_SEGMENTS,
    "four HTTP threads": ("http.threads=4",),
    "small files": (*SMALL_SEGMENTS, "lake.max_open_files=2", "lake.roll.records=50"),
}


@pytest.mark.parametrize("sizes", SIZES)
def test_kill_9_loses_nothing(gateway, tools, ledger, sizes):
    generator, seed = new_random()
    count = rounds(20) // 2
    one = gateway("lake.roll.every=200ms", PATIENT, *SIZES[sizes], config=CONFIG)
    kill_rounds(one, tools, ledger, generator, count)
    verdict = ledger.judge(one.lake)
    note(f"kill -9, {sizes}", count, verdict, seed)
    assert_kept(verdict)
    assert verdict.accepted > 100 * count


CALLS = {
    "renames": "rename,renameat,renameat2,unlink,unlinkat,link,linkat",
    "syncs": "fsync,fdatasync,ftruncate,fallocate",
    "writes": "write,pwrite64,pwritev,writev,sendto,sendmsg",
}


@pytest.mark.parametrize("calls", CALLS)
def test_kill_9_at_a_call(gateway, tools, ledger, tmp_path, calls):
    """The nth call of this kind in any thread is the last thing that happens: publishing, rolling, committing, answering."""
    generator, seed = new_random()
    count = rounds(6)
    one = gateway("lake.roll.every=50ms", PATIENT, *SMALL_SEGMENTS, config=CONFIG)
    for number in range(count):
        one.start()
        ledger.send_fresh(one)
        place = generator.randrange(1, 30)
        fault = f"{CALLS[calls]}:signal=SIGKILL:when={place}"
        with Load(tools, one, ledger) as load, injected(one, fault, tmp_path / f"strace-{number}"):
            assert one.ended() == -9
            load.wait()
    one.start()
    ledger.send_fresh(one)
    one.stop_cleanly(320)
    verdict = ledger.judge(one.lake)
    note(f"kill -9 at the nth of {calls}", count, verdict, seed)
    assert_kept(verdict)


def test_control_acknowledged_from_memory_loses(gateway, tools, ledger):
    generator, seed = new_random()
    count = rounds(20)
    one = gateway("lake.roll.every=200ms", PATIENT, config=CONFIG)
    kill_rounds(one, tools, ledger, generator, count, ack="memory")
    verdict = ledger.judge(one.lake)
    note("control: kill -9, Penstock-Ack: memory", count, verdict, seed)
    assert len(verdict.lost) > 0, "the control lost nothing: the kill tests are void"
    assert (verdict.doubled, verdict.wrong, verdict.torn) == (0, 0, 0)
