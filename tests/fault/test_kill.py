"""kill -9 under load: nothing acknowledged is lost, and the lake holds it once. The control acknowledges before the commit and has
to lose: a run that sees no loss there proves nothing."""

import pytest

from ledger import CONFIG, assert_kept
from siege import SMALL_SEGMENTS, Load, moment, new_random, note, rounds


def kill_rounds(gateway, tools, ledger, generator, count, ack=None):
    for _ in range(count):
        gateway.start()
        ledger.send_fresh(gateway)
        with Load(tools, gateway, ledger, ack) as load:
            moment(generator)
            gateway.kill()
            load.wait()
    gateway.start()
    ledger.send_fresh(gateway)
    gateway.stop_cleanly()


@pytest.mark.parametrize("segments", ["default", "small"])
def test_kill_9_loses_nothing(gateway, tools, ledger, segments):
    generator, seed = new_random()
    count = rounds(20) // 2
    sets = SMALL_SEGMENTS if segments == "small" else ()
    one = gateway("lake.roll.every=200ms", *sets, config=CONFIG)
    kill_rounds(one, tools, ledger, generator, count)
    verdict = ledger.judge(one.lake)
    note(f"kill -9, {segments} segments", count, verdict, seed)
    assert_kept(verdict)
    assert verdict.accepted > 100 * count


def test_control_acknowledged_from_memory_loses(gateway, tools, ledger):
    generator, seed = new_random()
    count = rounds(20)
    one = gateway("lake.roll.every=200ms", config=CONFIG)
    kill_rounds(one, tools, ledger, generator, count, ack="memory")
    verdict = ledger.judge(one.lake)
    note("control: kill -9, Penstock-Ack: memory", count, verdict, seed)
    assert len(verdict.lost) > 0, "the control lost nothing: the kill tests are void"
    assert (verdict.doubled, verdict.wrong, verdict.torn) == (0, 0, 0)
