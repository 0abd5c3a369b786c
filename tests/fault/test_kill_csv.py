"""kill -9 and stops while tables are written in pieces, rotated, and dropped packed: every row is in the lake once, under the names of its own header."""

import csv
import gzip
import io
import json
import os

from penstock import lake_rows, wait_until
from programs import Program, kill_while_written, new_random_of, once
from siege import PATIENT, moment, new_random, rounds
from spooling import Spool
from tailing import Tail, copy_and_cut, shift

NAMES = ("id", "text", "a,b")


class Table(Program):
    """Each file has its header, with the names in an order of its own; rows have line breaks, and are written in pieces."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.path = self.tail.logs / self.name_of_file
        self.count = 0
        self.begin()

    def begin(self):
        self.names = self.generator.sample(NAMES, len(NAMES))
        self.put(text(self.names, []).encode())

    def put(self, data):
        while data:
            length = self.generator.randrange(1, len(data) + 1)
            os.write(self.writer.descriptor, data[:length])
            data = data[length:]

    def write(self):
        rows = [{"id": f"{self.name_of_file}-{self.count + number}", "text": "line\n" * self.generator.randrange(4), "a,b": '"'}
                for number in range(self.generator.randrange(1, 100))]
        self.count += len(rows)
        self.written += rows
        self.put(text(self.names, rows).partition("\n")[2].encode())

    def rotated(self):
        return []  # all of them stay: the last line does not say what has come of a row

    def rotate(self):
        if self.rotations == 200:
            return
        self.rotations += 1
        if self.style == "rename":
            shift(self.tail.logs, self.name_of_file, self.rotations)
            self.writer.reopen()
        else:
            copy_and_cut(self.path, self.path.with_name(f"{self.path.name}.{self.rotations}"))
        self.begin()


def text(names, rows):
    made = io.StringIO(newline="")
    writer = csv.DictWriter(made, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return made.getvalue()


def judge(gateway, lake, written, fault, count, seed):
    gateway.stop_cleanly(320)
    found = [json.loads(row) for row in lake_rows(lake) if b"probe" not in row]
    once(*([json.dumps(row, sort_keys=True) for row in rows] for rows in (found, written)), fault, count, seed)
    assert not [file for file in (gateway.data / "dead-letters").glob("*.jsonl") if file.stat().st_size]


def arrived(lake, written):
    wait_until("every row", lambda: not {row["id"] for row in written} - {json.loads(row).get("id") for row in lake_rows(lake)})


def test_kill_9_while_tables_are_rotated(gateway):
    generator, seed = new_random()
    count = rounds(6)
    tail = Tail(gateway, "*.csv*", sets=(PATIENT,), streams={"lines": {"format": "json"}}, records="csv", probes="none-*", rotate_wait="2s",
                scan="100ms", events=True)
    programs = [Table(tail, f"p{number}.csv", style, new_random_of(generator)) for number, style in enumerate(["rename", "copytruncate"] * 2)]
    kill_while_written(tail, programs, generator, count)
    written = [row for program in programs for row in program.finish()]
    arrived(tail.lake, written)
    assert sum(program.rotations for program in programs) > count
    judge(tail.gateway, tail.lake, written, "kill -9, rows of CSV", count, seed)


def test_kill_9_while_tables_are_dropped(gateway):
    """Packed and plain; a rate makes them last."""
    generator, seed = new_random()
    count = rounds(5)
    spool = Spool(gateway, PATIENT, streams={"lines": {"format": "json"}}, records="csv", scan="100ms", rate="2MiB", done="archive")
    spool.start()
    written = []
    for number in range(count):
        rows = [{"id": f"{number}-{row}", "text": "line\n" * generator.randrange(80), "a,b": '"'} for row in range(20000)]
        data = text(generator.sample(NAMES, len(NAMES)), rows).encode()
        written += rows
        spool.move_in(f"{number}.csv", gzip.compress(data, 1) if number % 2 else data)
        before = spool.gateway.metric("penstock_files_lines_total")
        wait_until("some rows", lambda: spool.gateway.metric("penstock_files_lines_total") > before)
        moment(generator, 0, 2)
        spool.gateway.kill()
        spool.start()
    arrived(spool.lake, written)
    wait_until("all of them in the archive", lambda: len(spool.names("archive")) == count)
    judge(spool.gateway, spool.lake, written, "kill -9, spool, rows of CSV", count, seed)
