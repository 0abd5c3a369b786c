"""kill -9, stops and power cuts while files are dropped, read, archived and deleted: every line is in the lake, once, and no file is lost on its way."""

import threading
import time

import pytest

from penstock import wait_until
from programs import end, once
from siege import PATIENT, SMALL_SEGMENTS, cut_power, injected, moment, new_random, rounds
from spooling import Spool

DONE = pytest.mark.parametrize("done", ["keep", "archive", "rename", "delete"])


class Dropper(threading.Thread):
    """Drops files until it is told to end: moved in, or written there, one line or many, under names of which some are used again."""

    def __init__(self, spool, generator, pause=(0.001, 0.03), lengths=(1, 20, 500, 5000)):
        super().__init__(daemon=True)
        self.spool, self.generator, self.pause, self.lengths = spool, generator, pause, lengths
        self.ends = threading.Event()
        self.error, self.files, self.used = None, 0, 0

    def run(self):
        try:
            while not self.ends.wait(self.generator.uniform(*self.pause)):
                self.drop()
        except OSError as error:
            self.error = error

    def drop(self):
        self.files += 1
        name = f"{self.files}.csv"
        if self.generator.random() < 0.3 and not (self.spool.root / "again.csv").exists():
            name = "again.csv"
            self.used += 1
        lines = self.generator.choice(self.lengths)
        if self.generator.random() < 0.5:
            self.spool.move_in(name, lines=lines, end=self.generator.choice((b"\n", b"")))
        else:
            self.spool.write(name, lines=lines)

    def finish(self):
        self.ends.set()
        self.join(60)
        assert not self.is_alive() and self.error is None, self.error


def judge(spool, dropper, done, fault, count, seed):
    """Every line is there once, and every file is where it belongs, whole."""
    spool.arrived(320).settle()
    wait_until("all files to be done with", lambda: done == "keep" or not waiting(spool, done))
    spool.gateway.stop_cleanly(320)
    print(f"{dropper.files} files")
    once(spool.rows(), spool.written, fault, count, seed)
    if done == "delete":
        assert not left(spool), "nothing of it is left"
    else:
        assert sorted(line for path in left(spool) for line in path.read_bytes().splitlines()) == sorted(spool.written), "no file is lost"


def left(spool):
    """Files, with what a kill may have left under names of our own."""
    return [path for path in spool.root.rglob("*") if path.is_file() and not path.read_bytes().startswith(b"probe")]


def waiting(spool, done):
    return [path for path in spool.root.iterdir() if path.is_file() and not path.name.endswith(".taken")]


@DONE
@pytest.mark.parametrize("sizes", [(), SMALL_SEGMENTS], ids=["default sizes", "small segments"])
def test_kill_9_while_files_are_dropped(gateway, done, sizes):
    generator, seed = new_random()
    count = rounds(5) if not sizes or done != "keep" else 5  # small segments have room for some 300 files, and all that are kept stay known
    line = ("files.drop.max_line=64KiB",) if sizes else ()
    spool = Spool(gateway, PATIENT, *sizes, *line, done=done, scan="100ms")
    spool.start()
    dropper = Dropper(spool, generator, (0.005, 0.06))
    dropper.start()
    for _ in range(count):
        wait_until("some files", lambda: spool.gateway.metric("penstock_files_finished_total", 'watch="drop"') > 0)
        end(spool.gateway, generator)
        spool.start()
    dropper.finish()
    judge(spool, dropper, done, f"kill -9, spool, {done}", count, seed)


@pytest.mark.parametrize("done", ["archive", "rename", "delete"])
@pytest.mark.parametrize("calls", ["renameat2", "fsync", "unlinkat,mkdirat", "fdatasync"])
def test_kill_9_at_a_call(gateway, done, calls, tmp_path):
    """The nth call of this kind in any thread is the last thing that happens."""
    generator, seed = new_random()
    count = rounds(3)
    spool = Spool(gateway, PATIENT, done=done, scan="100ms", quiet="100ms")
    dropper = Dropper(spool, generator)
    for number in range(count):
        spool.start()
        with injected(spool.gateway, f"{calls}:signal=SIGKILL:when={generator.randrange(1, 12)}", tmp_path / f"strace-{number}"):
            for _ in range(30):
                dropper.drop()
            deadline = time.monotonic() + 5  # where nothing calls it that often, it is killed by hand
            wait_until("the kill, or its time to be over", lambda: spool.gateway.process.poll() is not None or time.monotonic() > deadline)
        spool.gateway.kill()
    spool.start()
    judge(spool, dropper, done, f"kill -9 at the nth of {calls}, spool, {done}", count, seed)


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
@pytest.mark.parametrize("done", ["archive", "delete"])
def test_power_cut_under_the_journal_and_the_spool(mount, gateway, tools, done, kind):
    """Journal and spool lie on one disk: what the journal says of a file is never ahead of where the file is."""
    generator, seed = new_random()
    count = rounds(4)
    disk = mount(kind, (320 << 20) + count * (16 << 20))
    spool = Spool(gateway, f"gateway.data={disk.point}/data", PATIENT, *SMALL_SEGMENTS, "files.drop.max_line=64KiB", done=done, scan="100ms",
                  root=disk.point / "drop")
    spool.lake = disk.point / "data" / "lake"
    spool.start()
    dropper = Dropper(spool, generator, lengths=(1, 20, 100, 1000))
    for _ in range(count):
        wait_until("the spool not to grow with the rounds", lambda: len(waiting(spool, done)) < 200, 320)
        for _ in range(40):
            dropper.drop()
        spool.sync()
        moment(generator, 0, 0.3)
        cut_power(tools, disk, spool.gateway.process)
        spool.gateway.kill()
        disk.unmount()
        disk.mount()
        spool.start()
    judge(spool, dropper, done, f"power cut, {kind}, spool, {done}", count, seed)
