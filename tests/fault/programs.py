"""Programs that write files and rotate them while the gateway is killed, and the judgement of what has come of it."""

import collections
import threading

from ledger import Verdict
from penstock import wait_until
from siege import cut_power, moment, note
from tailing import copy_and_cut, shift


class Program(threading.Thread):
    """Writes and rotates until it is told to end. What counts is what write() has taken: a kill of the gateway does not touch it."""

    def __init__(self, tail, name, style, generator, pause=(0.001, 0.02)):
        super().__init__(daemon=True)
        self.tail, self.name_of_file, self.style, self.generator, self.pause = tail, f"{name}.log", style, generator, pause
        self.written = []
        self.writer = tail.writer(self.name_of_file)
        self.writer.written = self.written
        self.rotations = 0
        self.ends = threading.Event()
        self.error = None

    def write(self):
        self.writer.write(self.generator.randrange(1, 200), self.generator.choice((40, 60, 400)))

    def run(self):
        try:
            while not self.ends.wait(self.generator.uniform(*self.pause)):
                self.write()
                if self.rotations < 200 and self.generator.random() < 0.03:
                    self.rotate()
        except OSError as error:
            self.error = error

    def rotate(self):
        self.rotations += 1
        path = self.tail.logs / self.name_of_file
        if self.style == "rename":
            shift(self.tail.logs, self.name_of_file, self.rotations)
            self.writer.write(20).reopen()
        else:
            copy_and_cut(path, path.with_name(f"{path.name}.{self.rotations}"))

    def finish(self):
        self.ends.set()
        self.join(60)
        assert not self.is_alive() and self.error is None, self.error
        return self.written


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
    for program in programs:
        program.start()
    tail.start()
    for _ in range(count):
        before = tail.gateway.metric("penstock_files_lines_total")
        wait_until("some lines", lambda: tail.gateway.metric("penstock_files_lines_total") > before)
        end(tail.gateway, generator)
        tail.start()


def cut_power_while_written(tools, disk, tail, programs, generator, count, watch="logs", least=0.2, most=0.8):
    """The gateway's disk, in each round, while lines of this watch go through; the files lie on another one."""
    for program in programs:
        program.start()
    for _ in range(count):
        tail.start()
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
