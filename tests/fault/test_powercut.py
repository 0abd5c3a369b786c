"""Power cut: the filesystem under journal and lake is shut down at a random moment without writing its log. The control runs
with fsync and fdatasync made void, and has to lose. A kill -9 before it leaves bytes in the page cache that a start may read and a power cut takes."""

import pytest

from ledger import CONFIG, assert_kept
from penstock import Torn, wait_until
from siege import PATIENT, SMALL_SEGMENTS, Load, busy, cut_power, moment, new_random, note, rounds
from strike import Strike

SIZES = {"ext4": 256 << 20, "xfs": 320 << 20}
A_ROUND = 32 << 20  # that the lake grows by


def cut_rounds(gateway, tools, ledger, generator, count, disk):
    for _ in range(count):
        gateway.start()
        ledger.send_fresh(gateway)
        with Load(tools, gateway, ledger) as load:
            moment(generator, 0.2, 0.8)
            busy(gateway, 50)
            cut_power(tools, disk, gateway.process)
            gateway.kill()
            load.wait()
        disk.unmount()
        disk.mount()
    gateway.environment.clear()
    gateway.start()
    ledger.send_fresh(gateway)
    gateway.stop_cleanly(320)


def on_mount(disk):
    return (f"gateway.data={disk.point}/data", "lake.roll.every=200ms", PATIENT, *SMALL_SEGMENTS)


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_power_cut_loses_nothing(mount, gateway, tools, ledger, kind):
    generator, seed = new_random()
    count = rounds(5)
    disk = mount(kind, SIZES[kind] + count * A_ROUND)
    one = gateway(*on_mount(disk), config=CONFIG)
    cut_rounds(one, tools, ledger, generator, count, disk)
    verdict = ledger.judge(disk.point / "data" / "lake")
    note(f"power cut, {kind}", count, verdict, seed)
    assert_kept(verdict)
    assert verdict.accepted > 50 * count


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_control_without_sync_loses(mount, gateway, tools, ledger, kind):
    generator, seed = new_random()
    disk = mount(kind, SIZES[kind])
    one = gateway(*on_mount(disk), config=CONFIG, environment={"LD_PRELOAD": str(tools / "nosync.so")})
    cut_rounds(one, tools, ledger, generator, 2, disk)
    try:
        verdict = ledger.judge(disk.point / "data" / "lake")
    except Torn as torn:  # its name was written in time and its end was not: that is a loss
        return print(torn)
    note(f"control: power cut, {kind}, nothing synced", 2, verdict, seed)
    assert len(verdict.lost) > 0, "the control lost nothing: the power-cut tests are void"


def behind_the_lake(mount, gateway, tools, ledger, tmp_path, kind, count, generator, library="strike.so"):
    """A kill leaves something written and not synced, the next start (with this library) delivers it to a lake that is spared, and then the power is cut. The
    gateway, and how many records the journal lacks after each cut of those that were delivered."""
    disk = mount(kind, SIZES[kind])
    strike = Strike(tools, tmp_path)
    one = gateway(f"gateway.data={disk.point}/data", f"lake.url={tmp_path}/lake", "lake.roll.every=200ms", PATIENT, *SMALL_SEGMENTS,
                  config=CONFIG, environment=strike.environment).start()
    lacking = []
    for _ in range(count):
        ledger.send_fresh(one)
        with Load(tools, one, ledger) as load:
            busy(one, 50)
            strike.kill_at("syncs", generator.randrange(1, 20))
            assert one.ended(120) == -9
            load.wait()
        one.environment["LD_PRELOAD"] = str(tools / library)
        one.start()
        wait_until("delivery", lambda: one.metric("penstock_outlet_lag_records") == 0)
        cut_power(tools, disk, one.process)
        one.kill()
        disk.unmount()
        disk.mount()
        one.environment["LD_PRELOAD"] = str(tools / "strike.so")
        one.start()
        rows = sum(len(file.read_bytes().splitlines()) for file in (tmp_path / "lake").rglob("*.jsonl"))
        lacking.append(rows - one.metric("penstock_journal_sequence"))
    return one, lacking


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_kill_9_then_power_cut(mount, gateway, tools, ledger, tmp_path, kind):
    generator, seed = new_random()
    count = rounds(4)
    one, lacking = behind_the_lake(mount, gateway, tools, ledger, tmp_path, kind, count, generator)
    assert max(lacking) <= 0, lacking
    ledger.send_fresh(one)
    one.stop_cleanly(320)
    verdict = ledger.judge(tmp_path / "lake")
    note(f"kill -9, start, delivery, power cut, {kind}", count, verdict, seed)
    assert_kept(verdict)


def test_control_start_that_trusts_the_page_cache(mount, gateway, tools, ledger, tmp_path):
    generator, _ = new_random()
    _, lacking = behind_the_lake(mount, gateway, tools, ledger, tmp_path, "ext4", 1, generator, "nosync.so")
    assert max(lacking) > 0, "the control lost nothing: the test above is void"
