"""kill -9, stops and power cuts while files are written, rotated and cut: every line is in the lake, once, and in order."""

import base64
import json

import pytest

from penstock import lake_rows, wait_until
from programs import Arrived, Program, cut_power_while_written, kill_while_written, make_room, new_random_of, once
from siege import PATIENT, SMALL_SEGMENTS, injected, new_random, rounds
from tailing import Tail, disorder, shift, write_all


STYLES = {"rename": ["rename"] * 4, "copytruncate": ["copytruncate"] * 4, "both": ["rename", "copytruncate"] * 2}


def judge(tail, fault, count, seed):
    """The order holds within one file; a rotated one and its successor may be read side by side."""
    once(tail.rows(), tail.written, fault, count, seed)


@pytest.mark.parametrize("sizes", [(), SMALL_SEGMENTS], ids=["default sizes", "small segments"])
@pytest.mark.parametrize("styles", STYLES)
def test_kill_9_while_files_are_rotated(gateway, styles, sizes):
    kill_while_rotated(gateway, styles, sizes)


def test_kill_9_while_files_of_utf_16_are_rotated(gateway):
    """Written so that code units come in halves; a program that goes on behind copytruncate writes no byte order mark again."""
    tail = kill_while_rotated(gateway, "both", (), encoding="utf-16le", invalid="fail")
    assert not list((tail.gateway.data / "dead-letters").glob("*.jsonl"))


def kill_while_rotated(gateway, styles, sizes, **settings):
    generator, seed = new_random()
    count = rounds(6)
    line = ("files.logs.max_line=64KiB",) if sizes else ()
    tail = Tail(gateway, "*.log*", sets=(PATIENT, *sizes, *line), rotate_wait="2s", scan="100ms", events=True, **settings)
    programs = [Program(tail, f"p{number}", style, new_random_of(generator)) for number, style in enumerate(STYLES[styles])]
    kill_while_written(tail, programs, generator, count)
    for program in programs:
        tail.written += program.finish()
    tail.arrived(seconds=320).settle()
    tail.gateway.stop_cleanly(320)
    assert sum(program.rotations for program in programs) > count
    judge(tail, f"kill -9, files, {' '.join([styles, *settings.values()])}", count, seed)
    return tail


class Tracer(Program):
    """Writes records of several lines, each in two pieces; rotates between two records, or between two lines of one."""

    def __init__(self, *more, **most):
        super().__init__(*more, **most)
        self.records = []

    def run(self):
        try:
            while not self.ends.wait(self.generator.uniform(*self.pause)):
                lines = self.writer.lines(self.generator.randrange(1, 40), self.generator.choice((40, 60, 400)))
                self.records.append(b"\n  ".join(lines))
                data = self.records[-1] + b"\n"
                rotates = self.rotations < 200 and self.generator.random() < 0.05
                cut = self.generator.randrange(len(data))
                if rotates and self.style == "within":
                    cut = data.index(b"\n", cut) + 1
                write_all(self.writer.descriptor, data[:cut])
                self.ends.wait(self.generator.uniform(*self.pause))
                if rotates and self.style == "within":
                    self.rotate()
                write_all(self.writer.descriptor, data[cut:])
                if rotates and self.style == "between":
                    self.rotate()
        except OSError as error:
            self.error = error

    def rotated(self):
        return []  # all of them stay: the last line does not say what has come of a record

    def rotate(self):
        self.rotations += 1
        shift(self.tail.logs, self.name_of_file, self.rotations)
        self.writer.reopen()


@pytest.mark.parametrize("style", ["between", "within"])
def test_kill_9_in_the_middle_of_records_of_several_lines(gateway, style):
    """No crash splits a record, nor does a rotation between two; where one is rotated within, its lines are there once all the same. The last one of a log
    that was rotated before it was known ends by the time-out alone."""
    generator, seed = new_random()
    count = rounds(6)
    watch = {"watch": str(gateway.folder / "logs" / "*.log*"), "stream": "blocks", "scan": "100ms", "rotate_wait": "2s",
             "multiline": {"start": r"^\w", "timeout": "10s"}}
    tail = Tail(gateway, "*.none", sets=(PATIENT,), others={"traces": watch},
                streams={"lines": {"format": "text"}, "blocks": {"format": "bytes", "lake": {"path": "blocks"}}})
    programs = [Tracer(tail, f"p{number}", style, new_random_of(generator)) for number in range(4)]
    kill_while_written(tail, programs, generator, count)
    for program in programs:
        program.finish()
        program.rotate()  # the last record has an end, too

    def records():
        return [base64.b64decode(json.loads(row)["payload"]) for row in lake_rows(tail.lake, "blocks")]

    def lines(of):
        return [line.removeprefix(b"  ") for record in of for line in record.split(b"\n")]

    written = [record for program in programs for record in program.records]
    wait_until("every line", lambda: not set(lines(written)) - set(lines(records())))
    tail.settle()
    tail.gateway.stop_cleanly(320)
    tail.written, found = lines(written), records()
    assert sum(program.rotations for program in programs) > count
    tail.rows = lambda: lines(found)
    judge(tail, f"kill -9, records of several lines, rotated {style} them", count, seed)
    if style == "between":
        assert sorted(found) == sorted(written)


@pytest.mark.parametrize("calls", ["fdatasync,fsync", "pread64,openat2,statx", "pwrite64,pwritev,write,writev"])
def test_kill_9_at_a_call(gateway, calls, tmp_path):
    """The nth call of this kind in any thread is the last thing that happens."""
    generator, seed = new_random()
    count = rounds(4)
    tail = Tail(gateway, "*.log*", sets=(PATIENT,), rotate_wait="2s", scan="100ms", events=True)
    programs = [Program(tail, f"p{number}", style, new_random_of(generator), (0.01, 0.05)) for number, style in enumerate(STYLES["both"])]
    arrived = Arrived(tail)
    for program in programs:
        program.start()
    for number in range(count):
        tail.start()
        make_room(programs, arrived)
        with injected(tail.gateway, f"{calls}:signal=SIGKILL:when={generator.randrange(1, 60)}", tmp_path / f"strace-{number}"):
            assert tail.gateway.ended() == -9
    for program in programs:
        tail.written += program.finish()
    tail.start().arrived(seconds=320).settle()
    tail.gateway.stop_cleanly(320)
    judge(tail, f"kill -9 at the nth of {calls.split(',')[0]}, files", count, seed)


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_power_cut_under_the_journal_while_files_are_read(mount, gateway, tools, kind):
    """The files lie on another disk, which has kept them: the journal's lost end is read from them again."""
    generator, seed = new_random()
    count = rounds(3)
    disk = mount(kind, (320 << 20) + count * (32 << 20))
    tail = Tail(gateway, "*.log*", sets=(f"gateway.data={disk.point}/data", PATIENT, *SMALL_SEGMENTS, "files.logs.max_line=64KiB"),
                rotate_wait="2s", scan="100ms", events=True)
    tail.lake = disk.point / "data" / "lake"
    programs = [Program(tail, f"p{number}", style, new_random_of(generator)) for number, style in enumerate(STYLES["both"])]
    cut_power_while_written(tools, disk, tail, programs, generator, count)
    for program in programs:
        tail.written += program.finish()
    tail.start().arrived(seconds=320).settle()
    tail.gateway.stop_cleanly(320)
    judge(tail, f"power cut, {kind}, files", count, seed)


def test_full_journal_is_waited_for(gateway):
    """While the lake cannot be written the journal fills: nothing more is read then, and nothing is lost, also over a kill."""
    tail = Tail(gateway, "*.log*", sets=("lake.url=blocked/lake", PATIENT, *SMALL_SEGMENTS, "files.logs.max_line=64KiB"), rotate_wait="1s")
    blocked = tail.gateway.directory / "blocked"
    blocked.write_text("a file where a directory should be")
    tail.lake = blocked / "lake"
    tail.start()
    writers = [tail.writer(f"{number}.log") for number in range(3)]
    for _ in range(5):
        for writer in writers:
            writer.write(4000, 400)
        shift(tail.logs, "0.log")
        writers[0].reopen()
    wait_until("the journal is full", tail.gateway.full)
    tail.gateway.kill()
    tail.gateway.spawn()
    blocked.unlink()
    wait_until("it listens", tail.gateway._listening)
    tail.arrived(seconds=320).settle()
    tail.gateway.stop_cleanly(320)
    judge(tail, "full journal, files", 1, "-")
    assert disorder([row for row in tail.rows() if not row.startswith(writers[0].name.encode())]) == 0
