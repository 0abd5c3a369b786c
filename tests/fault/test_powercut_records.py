"""Power cuts under the journal while stack traces are read and rotated: each is one record, whole, once."""

import base64
import json

import pytest

from penstock import lake_rows, wait_until
from programs import Program, cut_power_while_written, new_random_of, once
from siege import PATIENT, SMALL_SEGMENTS, new_random, rounds
from tailing import Tail, shift, write_all

SEGMENTS = ("journal.segment_size=8MiB", "journal.max_size=128MiB", *SMALL_SEGMENTS[2:])  # in which 800 rotated files can be known


class Java(Program):
    """Writes stack traces, each in two pieces, and rotates between two of them."""

    def run(self):
        try:
            while not self.ends.wait(self.generator.uniform(*self.pause)):
                first, *frames = self.writer.lines(self.generator.randrange(1, 40), self.generator.choice((40, 60, 400)))
                trace = b"\n\tat ".join([b"java.lang.IllegalStateException: " + first, *frames])
                self.traces.append(trace)
                cut = self.generator.randrange(len(trace))
                write_all(self.writer.descriptor, trace[:cut])
                self.ends.wait(self.generator.uniform(*self.pause))
                write_all(self.writer.descriptor, trace[cut:] + b"\n")
                if self.rotations < 200 and self.generator.random() < 0.05:
                    self.rotate()
        except OSError as error:
            self.error = error

    def start(self):
        self.traces = []
        super().start()

    def rotated(self):
        return []  # all of them stay: the last line does not say what has come of a record

    def rotate(self):
        self.rotations += 1
        shift(self.tail.logs, self.name_of_file, self.rotations)
        self.writer.reopen()


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_power_cut_in_the_middle_of_stack_traces(mount, gateway, tools, kind):
    """The files lie on another disk, which has kept them. The last trace of each ends by the time-out: of a log that was rotated before it was known
    nobody says that nothing more will come."""
    generator, seed = new_random()
    count = rounds(3)
    disk = mount(kind, (320 << 20) + count * (32 << 20))
    watch = {"watch": str(gateway.folder / "logs" / "*.log*"), "stream": "blocks", "scan": "100ms", "rotate_wait": "2s", "max_line": "64KiB",
             "multiline": {"preset": "java", "timeout": "10s"}}
    tail = Tail(gateway, "*.none", sets=(f"gateway.data={disk.point}/data", PATIENT, *SEGMENTS, "files.logs.max_line=64KiB"),
                others={"traces": watch}, streams={"lines": {"format": "text"}, "blocks": {"format": "bytes", "lake": {"path": "blocks"}}})
    tail.lake = disk.point / "data" / "lake"
    programs = [Java(tail, f"p{number}", "rename", new_random_of(generator)) for number in range(4)]
    cut_power_while_written(tools, disk, tail, programs, generator, count, "traces", 0.5, 1.5)
    for program in programs:
        program.finish()
    written = [trace for program in programs for trace in program.traces]

    def found():
        return [base64.b64decode(json.loads(row)["payload"]) for row in lake_rows(tail.lake, "blocks")]

    tail.start()
    wait_until("every trace", lambda: not set(written) - set(found()))
    tail.settle()
    tail.gateway.stop_cleanly(320)
    assert sum(program.rotations for program in programs) > count
    once(found(), written, f"power cut, {kind}, stack traces", count, seed)
