"""Programs that write files and rotate them while the gateway is killed, and the judgement of what has come of it."""

import collections
import contextlib
import pathlib
import threading

from ledger import Verdict
from penstock import wait_until
from siege import cut_power, moment, note
from tailing import copy_and_cut, shift

MOST = 12  # rotated files of a program


class Program(threading.Thread):
    """Writes and rotates until it is told to end. What counts is what write() has taken: a kill of the gateway does not touch it."""

    def __init__(self, tail, name, style, generator, pause=(0.001, 0.02)):
        super().__init__(daemon=True)
        self.tail, self.name_of_file, self.style, self.generator, self.pause = tail, f"{name}.log", style, generator, pause
        self.written = []
        self.writer = tail.writer(self.name_of_file)
        self.writer.written = self.written
        self.rotations = 0
        self.rotating = threading.Lock()
        self.ends = threading.Event()
        self.error = None

    def write(self):
        self.writer.write(self.generator.randrange(1, 200), self.generator.choice((40, 60, 400)))

    def run(self):
        try:
            while not self.ends.wait(self.generator.uniform(*self.pause)):
                self.write()
                if self.generator.random() < 0.03 and len(self.rotated()) < MOST:
                    with self.rotating:
                        self.rotate()
        except OSError as error:
            self.error = error

    def rotated(self):
        return list(self.tail.logs.glob(f"{self.name_of_file}.*"))

    def remove_read(self, arrived):
        """Removes the rotated files of which the last line, and so all that stood there, is in the lake. The files that are left."""
        with self.rotating:
            for path in self.rotated():
                last = path.read_bytes().decode(self.writer.encoding).split("\n")[-2]
                if last.lstrip("\ufeff").encode() in arrived:
                    path.unlink()
            return self.rotated()

    def rotate(self):
        self.rotations += 1
        path = self.tail.logs / self.name_of_file
        if self.style == "rename":
            shift(self.tail.logs, self.name_of_file, max((int(path.suffix[1:]) for path in self.rotated()), default=0))
            self.writer.write(20).reopen()
        else:
            copy_and_cut(path, path.with_name(f"{path.name}.{self.rotations}"))

    def finish(self):
        self.ends.set()
        self.join(60)
        assert not self.is_alive() and self.error is None, self.error
        return self.written


class Arrived:
    """What was ever seen in the lake, read as its files appear: by hashes, for a long run's lake is larger than memory."""

    def __init__(self, tail):
        self.tail, self.files, self.hashes = tail, set(), set()

    def look(self):
        for path in set(pathlib.Path(self.tail.lake).rglob("*.txt")) - self.files:
            if any(part.startswith(".") for part in path.relative_to(self.tail.lake).parts):
                continue
            with contextlib.suppress(FileNotFoundError):
                self.hashes.update(map(hash, path.read_bytes().splitlines()))
                self.files.add(path)
        return self

    def __contains__(self, line):
        return hash(line) in self.hashes


def make_room(programs, arrived):
    """Long runs rotate to their end: what is rotated, read and in the lake goes, as logrotate takes old logs away. What is in the lake was durable in the
    journal before, with the position behind it, so a power cut needs none of these files again."""
    wait_until("rotated files to be read", lambda: arrived.look() and all(len(one.remove_read(arrived)) < MOST // 2 for one in programs))


def new_random_of(generator):
    return type(generator)(generator.randrange(1 << 32))


def end(gateway, generator):
    """At a random moment, by a kill -9 or, now and then, a stop; then it is gone for a while."""
    moment(generator)
    if generator.random() < 0.75:
        gateway.kill()
    else:
        gateway.stop_cleanly(320)
    moment(generator, 0, 0.3)


def kill_while_written(tail, programs, generator, count):
    """Each round ends while lines go through."""
    arrived = Arrived(tail)
    for program in programs:
        program.start()
    tail.start()
    for _ in range(count):
        make_room(programs, arrived)
        before = tail.gateway.metric("penstock_files_lines_total")
        wait_until("some lines", lambda: tail.gateway.metric("penstock_files_lines_total") > before)
        end(tail.gateway, generator)
        tail.start()


def cut_power_while_written(tools, disk, tail, programs, generator, count, watch="logs", least=0.2, most=0.8):
    """The gateway's disk, in each round, while lines of this watch go through; the files lie on another one."""
    arrived = Arrived(tail)
    for program in programs:
        program.start()
    for _ in range(count):
        tail.start()
        make_room(programs, arrived)
        wait_until("some lines", lambda: tail.gateway.metric("penstock_files_lines_total", f'watch="{watch}"') > 0)
        moment(generator, least, most)
        cut_power(tools, disk, tail.gateway.process)
        tail.gateway.kill()
        disk.unmount()
        disk.mount()


def once(found, written, fault, count, seed):
    """Everything that was written is there once, and nothing else; it becomes a row of the fault table."""
    rows = collections.Counter(found)
    lost = [line for line in written if line not in rows]
    doubled = rows.total() - len(rows)
    foreign = set(rows) - set(written)
    note(fault, count, Verdict(len(written), rows.total(), lost, doubled, len(foreign), 0, 0, 0), seed)
    print(f"{len(written)} written, {len(lost)} lost, {doubled} doubled")
    assert lost == [] or not f"{len(lost)} lost, such as {lost[:3]}"
    assert doubled == 0, [line for line, times in rows.items() if times > 1][:3]
    assert not foreign, sorted(foreign)[:3]
