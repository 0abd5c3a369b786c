"""Logs that are copied and cut, as logrotate's copytruncate does: each line comes once while it stands in a file."""

import json
import os
import shutil
import time

import pytest

from penstock import wait_until
from tailing import BOTH, copy_and_cut, held, tail  # noqa: F401


@BOTH
@pytest.mark.parametrize("unread", [0, 1000])
def test_copytruncate(tail, watch, unread):
    one = tail(watch, rotate_wait="2s").start()
    writer = one.writer().write(500)
    one.arrived()
    for number in range(3):
        with held(one.gateway):
            writer.write(unread)
            copy_and_cut(one.logs / "app.log", one.logs / f"app.log.{number}")
            writer.write(50)
        one.arrived()
    one.judge(ordered=False)


@BOTH
@pytest.mark.parametrize("between", [0, 10])
def test_copy_that_is_seen_before_the_cut(tail, watch, between):
    """logrotate of a large file: the copy is there for a while before the file is cut, and what is written meanwhile is in no copy."""
    one = tail(watch, rotate_wait="4s").start()
    writer = one.writer().write(500)
    one.arrived()
    shutil.copyfile(one.logs / "app.log", one.logs / "app.log.1")
    one.scanned()
    writer.write(between)
    one.arrived()
    os.truncate(one.logs / "app.log", 0)
    writer.write(50)
    one.judge()


def test_copy_that_takes_long(tail):
    """logrotate of a very large file: while it grows it is a copy, also when that takes more than rotate_wait."""
    one = tail("app.log*", rotate_wait="2s", events=True).start()
    writer = one.writer().write(500)
    one.arrived()
    data, at, begin = (one.logs / "app.log").read_bytes(), 0, time.monotonic()
    with open(one.logs / "app.log.1", "wb", buffering=0) as copy:
        while time.monotonic() < begin + 5:
            copy.write(data[at:at + 500])
            at += 500
            one.scanned()
        assert at < len(data)
        copy.write(data[at:])
    os.truncate(one.logs / "app.log", 0)
    writer.write(50)
    one.judge()


@BOTH
@pytest.mark.parametrize("behind", [50, 900], ids=["shorter", "longer"])
def test_copytruncate_while_it_is_stopped(tail, watch, behind):
    one = tail(watch, rotate_wait="2s").start()
    writer = one.writer().write(500)
    one.arrived()
    one.gateway.stop_cleanly()
    writer.write(300)
    copy_and_cut(one.logs / "app.log", one.logs / "app.log.1")
    writer.write(behind)
    one.start()
    one.judge(ordered=False)


def test_copy_that_is_older_than_what_was_read(tail):
    """What was written and read between the copy and the cut stands in no copy, so none is taken for it."""
    one = tail("app.log", rotate_wait="4s").start()
    writer = one.writer().write(500)
    one.arrived()
    copy = one.gateway.directory / "copy"
    shutil.copyfile(one.logs / "app.log", copy)
    writer.write(10)
    one.arrived()
    with held(one.gateway):
        copy.rename(one.logs / "app.log.1")
        os.truncate(one.logs / "app.log", 0)
        writer.write(50)
    one.judge()


@pytest.mark.parametrize("way", ["at once", "seen before the cut", "another is cut meanwhile", "while it is stopped"])
def test_copies_of_tables_that_begin_alike(tail, way):
    """Of one table no more than its header was read when it was cut: the copies of others have that, too."""
    names = b"id,text,other\n"
    one = tail("*.csv*", streams={"lines": {"format": "json"}}, records="csv", probes="none-*", rotate_wait="5s").start()
    short, long, rows = one.logs / "short.csv", one.logs / "long.csv", []

    def write(path, count):
        with open(path, "ab") as file:
            for _ in range(count):
                rows.append(f"{path.name}-{len(rows)}")
                file.write(f"{rows[-1]},text,more\n".encode())

    def cut(path):
        with open(path, "r+b") as file:
            file.truncate()
            file.write(b"text,id,other\n")

    def ids():
        return sorted(json.loads(row)["id"] for row in one.rows())

    def arrived():
        wait_until("every row", lambda: set(ids()) >= set(rows))

    def scanned(name):
        (one.logs / name).write_bytes(names)
        write(one.logs / name, 1)
        arrived()

    def truncated(count):
        wait_until("a cut", lambda: one.gateway.metric("penstock_files_truncated_total") >= count)

    for path in (short, long):
        path.write_bytes(names)
    write(long, 500)
    scanned("one.csv")
    if way != "another is cut meanwhile":
        cut(short)
        truncated(1)
    if way == "while it is stopped":
        one.gateway.stop_cleanly()
    write(long, 5)
    shutil.copyfile(long, one.logs / "long.csv.1")
    if way in ("seen before the cut", "another is cut meanwhile"):
        scanned("two.csv")
    if way == "another is cut meanwhile":
        cut(short)
        truncated(1)
    cut(long)
    if way == "while it is stopped":
        one.start()
    scanned("three.csv")
    with open(one.logs / "three.csv", "ab") as file:
        rows.append("the end")
        file.write(b"the end,text,more")
    (one.logs / "three.csv").rename(one.logs / "over.csv")
    arrived()  # when its time is up, and so that of all others is
    assert ids() == sorted(rows)
    one.gateway.stop_cleanly()


def test_cut_under_a_writer_that_goes_on_at_its_old_place(tail):
    """Without O_APPEND a hole of zeros stands before its next line."""
    one = tail("app.log").start()
    writer = one.writer(flags=0).write(500)
    one.arrived()
    copy_and_cut(one.logs / "app.log", one.logs / "app.log.1")
    writer.write(50)
    one.judge()
