"""Power cut: the filesystem under journal and lake is shut down at a random moment without writing its log. The control runs
with fsync and fdatasync made void, and has to lose."""

import pytest

from ledger import CONFIG, assert_kept
from penstock import Torn
from siege import PATIENT, SMALL_SEGMENTS, Load, busy, cut_power, moment, new_random, note, rounds

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
