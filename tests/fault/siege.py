"""Loads and faults: the processes, mounts and injections that the tests of this folder share."""

import contextlib
import os
import pathlib
import random
import shutil
import signal
import subprocess
import time

import pytest

from ledger import BATCH
from penstock import wait_until

ROUNDS = int(os.environ.get("ROUNDS", "0"))
CLIENTS = 16
SMALL_SEGMENTS = ("journal.segment_size=1MiB", "journal.max_size=16MiB", "mqtt.max_packet=256KiB",
                  "http.max_body=256KiB", "http.max_record=256KiB")
PATIENT = "gateway.grace=5min"  # what the journal has is in the lake when the gateway has stopped, however busy the disk is
ROWS = []  # of the fault table: fault, rounds, accepted, lost, doubled, seed


def rounds(in_ci):
    return ROUNDS or in_ci


def new_random():
    """A generator and its seed; SEED repeats a run."""
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"SEED={seed}")
    return random.Random(seed), seed


def note(fault, count, verdict, seed="-"):
    ROWS.append((fault, count, verdict.accepted, len(verdict.lost), verdict.doubled, seed))


# ---- loads ----

class Load:
    """load.c against a running gateway."""

    def __init__(self, tools, gateway, ledger, ack=None, clients=CLIENTS):
        run = ledger.new_run()
        command = [tools / "load", str(gateway.ports["http"]), ledger.folder / run, run, str(clients)]
        self.process = subprocess.Popen(command + ([ack] if ack else []), stderr=subprocess.PIPE, text=True)

    def wait(self):
        """Until the gateway has hung up on all clients."""
        _, complaint = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, complaint

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def moment(generator, least=0.05, most=0.5):
    """Lets the load run until a random moment: when the fault comes, not a wait for anything."""
    time.sleep(generator.uniform(least, most))


def busy(gateway, count):
    """Returns when so many records were acknowledged since the start, and read by load.c's clients but for one post of each: a slow disk may take longer
    for them than any random moment."""
    under_way = (BATCH + 3) * CLIENTS // 4
    wait_until(f"{count} records", lambda: gateway.metric("penstock_records_accepted_total") > count + under_way, 120)


# ---- mounts ----

def need_mounts():
    """Where root and loop devices exist, a test that cannot mount fails instead of being skipped."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    if not os.path.exists("/dev/loop-control"):
        pytest.skip("no loop devices here")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


class Mount:
    """A filesystem of its own: kind ext4, xfs (loop mounts of an image) or tmpfs."""

    def __init__(self, folder, kind, size):
        need_mounts()
        self.kind, self.size = kind, size
        self.point = pathlib.Path(folder) / f"mount-{kind}"
        self.image = pathlib.Path(folder) / f"image-{kind}"
        self.point.mkdir(parents=True)
        if kind != "tmpfs":
            with open(self.image, "wb") as image:
                image.truncate(size)
            run(f"mkfs.{kind}", "-q", "-F" if kind == "ext4" else "-f", str(self.image))

    def mount(self):
        if self.kind == "tmpfs":
            run("mount", "-t", "tmpfs", "-o", f"size={self.size}", "none", str(self.point))
        else:
            run("mount", "-o", "loop", str(self.image), str(self.point))

    def unmount(self):
        """Returns when no other mount namespace has it any more, either: the next mount would be of the same filesystem, shut down as it is."""
        wait_until(f"umount {self.point}", lambda: subprocess.run(["umount", str(self.point)]).returncode == 0)
        if self.kind != "tmpfs":
            wait_until(f"{self.image} to be free", lambda: not subprocess.run(["losetup", "-j", str(self.image)], capture_output=True).stdout)

    def mounted(self):
        """Asked of the kernel: a filesystem that was shut down answers nothing itself."""
        return f" {self.point} " in pathlib.Path("/proc/self/mounts").read_text()

    def close(self):
        if self.mounted():
            self.unmount()
        with contextlib.suppress(FileNotFoundError):
            self.image.unlink()

    def free(self):
        return shutil.disk_usage(self.point).free

    def fill(self, leave=0):
        """A ballast file that takes all but `leave` bytes; give it to empty()."""
        ballast = self.point / "ballast"
        with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while self.free() > leave:
                file.write(bytes(min(1 << 20, max(self.free() - leave, 4096))))
        return ballast


def stands_still(process):
    """Has SIGSTOP reached all threads? Those that wait for the disk (D) go no further than the system call that they are in."""
    states = {path.read_text().rpartition(")")[2].split()[0] for path in pathlib.Path(f"/proc/{process.pid}/task").glob("*/stat")}
    return states <= {"T", "t", "D"}


def cut_power(tools, disk, process):
    """The process stands still first: behind a power cut nobody says anything. And it must not: an ext4 that is shut down between the write of
    a block that was never written and the note that it was gives that note up in silence, and the fdatasync() under way returns 0."""
    process.send_signal(signal.SIGSTOP)
    wait_until("all threads stand still", lambda: stands_still(process))
    run(tools / "powercut", disk.point)


# ---- failing system calls ----

@contextlib.contextmanager
def injected(gateway, fault, log):
    """strace makes system calls of the running gateway fail: fault is its `-e inject=` text."""
    scope = pathlib.Path("/proc/sys/kernel/yama/ptrace_scope")
    if os.geteuid() != 0 and scope.exists() and scope.read_text().strip() != "0":
        pytest.skip("this kernel lets only root trace a process that runs")
    calls = fault.split(":")[0]
    process = gateway.process.pid
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", str(log), "-e", f"trace={calls}", "-e", f"inject={fault}",
                               "-p", str(process)], stderr=subprocess.PIPE, text=True)

    def attached():
        ended = tracer.poll()  # before the gateway is looked at: a tracer ends only after what it traces
        if gateway.process.poll() is not None:
            return True  # an injected signal was faster
        assert ended is None, f"strace: {tracer.stderr.read()}"
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ends as we look
            tasks = pathlib.Path(f"/proc/{process}/task").iterdir()
            return all("TracerPid:\t0\n" not in (task / "status").read_text() for task in tasks)
        return False

    try:
        wait_until("strace to attach", attached)
        yield tracer
    finally:
        tracer.terminate()
        tracer.communicate(timeout=60)


@contextlib.contextmanager
def hanging_commits(gateway):
    """No fdatasync ends before the block has ended, or the function that it gets is called: however slow the machine is."""
    with injected(gateway, "fdatasync:delay_enter=600s", gateway.directory / "strace") as tracer:
        try:
            yield tracer.kill  # SIGTERM would wait for the calls that hang
        finally:
            tracer.kill()


def injections(log):
    path = pathlib.Path(log)
    return path.read_text().count("(INJECTED)") if path.exists() else 0
