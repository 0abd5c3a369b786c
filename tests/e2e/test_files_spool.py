"""Files that are dropped: taken when they are complete, each once, in order, by lines or whole."""

import base64
import json
import os
import time

import pytest
import yaml

import siege
from penstock import lake_rows, read_lake, run_command, wait_until
from spooling import Spool, replace

EVENTS = pytest.mark.parametrize("events", [True, False], ids=["events", "no events"])


@EVENTS
def test_a_file_waits_until_it_is_complete(gateway, events):
    """Its writer has it open: nothing of it is read until that is closed, however quiet it is."""
    spool = Spool(gateway, quiet="100ms", done="delete", events=events)
    spool.start()
    with open(spool.root / "slow.csv", "wb") as slow:
        spool.settle()
        spool.settle()
        assert (spool.root / "slow.csv").exists()
        slow.write(spool.content())
        slow.flush()
        spool.settle()
        assert not spool.rows()
        slow.write(spool.content())
    spool.judge()


def test_a_file_waits_until_it_is_quiet(gateway):
    spool = Spool(gateway, complete="quiet", quiet="2s")
    spool.start()
    for _ in range(5):
        before = time.monotonic()
        with open(spool.root / "slow.csv", "ab") as slow:
            slow.write(spool.content())
        rows = spool.rows()
        assert not rows or time.monotonic() - before > 1.9
        time.sleep(0.3)  # the writer's pace: not a wait for anything
    spool.judge()


def test_a_file_waits_for_its_marker(gateway):
    spool = Spool(gateway, complete="marker", done="archive")
    spool.start()
    spool.write("first.csv")
    (spool.root / "second.csv").write_bytes(spool.content())
    second = spool.written[100:]
    (spool.root / "first.csv.done").touch()
    wait_until("the first one", lambda: len(spool.rows()) == 100)
    assert not set(second) & set(spool.rows())
    day = time.strftime("%Y-%m-%d", time.gmtime())
    spool.has(f"archive/{day}/first.csv", "second.csv")
    (spool.root / "second.csv.done").touch()
    spool.arrived().has(f"archive/{day}/first.csv", f"archive/{day}/second.csv")
    spool.gateway.stop_cleanly()
    assert len(spool.rows()) == len(set(spool.rows())) == 200


def test_equal_files_are_two_files(gateway):
    """And a name may be used again, while the file before is in the archive under it."""
    spool = Spool(gateway, done="archive")
    data = spool.content()
    spool.start()
    for number in range(3):
        spool.move_in("daily.csv", data)
        wait_until("it is taken", lambda: not (spool.root / "daily.csv").exists())
    day = time.strftime("%Y-%m-%d", time.gmtime())
    spool.has("daily.csv", "daily.csv.2", "daily.csv.3", folder=f"archive/{day}")
    wait_until("all of it", lambda: len(spool.rows()) == 300)
    assert sorted(spool.rows()) == sorted(3 * spool.written)
    spool.gateway.stop_cleanly()


@pytest.mark.parametrize("done", ["keep", "rename"])
def test_a_file_that_changes_afterwards_is_read_on(gateway, done):
    spool = Spool(gateway, done=done, quiet="300ms")
    spool.start()
    path = spool.move_in("growing.csv")
    spool.arrived()
    if done == "rename":
        spool.has("growing.csv.taken")
        path = spool.move_in("growing.csv")
    else:
        with open(path, "ab") as more:
            more.write(spool.content())
    spool.arrived()
    if done == "keep":
        assert "files.changed" in spool.gateway.said()
        replace(path, spool.content())
        spool.arrived()
        path.write_bytes(spool.content())  # in place: its inode and birth are as they were
        spool.arrived()
    spool.judge()


def test_a_file_that_is_written_while_it_is_read(gateway):
    """As shells do it: each line opens the file and closes it."""
    spool = Spool(gateway, done="archive")
    spool.start()
    for _ in range(40):
        with open(spool.root / "log.csv", "ab") as log:
            log.write(spool.content(lines=20))
    spool.judge()
    assert sum(len((spool.root / "archive").joinpath(name).read_bytes()) for name in spool.names("archive")) == 40 * 20 * 61


def test_directories_below_and_captures(gateway):
    spool = Spool(gateway, where="/{site}/**", done="archive")
    spool.start()
    spool.move_in("here.csv", b"not taken: it lies in no site\n")
    spool.move_in("north/a.csv")
    spool.move_in("north/deep/er/b.csv")
    spool.arrived()
    day = time.strftime("%Y-%m-%d", time.gmtime())
    spool.has("here.csv", f"archive/{day}/north/a.csv", f"archive/{day}/north/deep/er/b.csv")
    spool.gateway.stop_cleanly()
    assert sorted(spool.rows()) == sorted(spool.written)


@pytest.mark.parametrize("order", ["time", "name"])
def test_the_order(gateway, order):
    """One after the other, also where one is larger than what is read at a time."""
    spool = Spool(gateway, order=order)
    names = ["d", "b", "a", "c"]
    for age, name in enumerate(names):
        path = spool.write(name, lines=40000 if name == "b" else 100)
        os.utime(path, (1000000 - age, 1000000 - age))
    wanted = {name: spool.written[start:] [:count] for name, start, count in
              (("d", 0, 100), ("b", 100, 40000), ("a", 40100, 100), ("c", 40200, 100))}
    spool.start().arrived()
    spool.gateway.stop_cleanly()
    files = sorted(names) if order == "name" else names[::-1]
    assert spool.rows() == [line for name in files for line in wanted[name]]


def test_logs_go_on_beside_a_large_file(gateway):
    """A file that takes long keeps no log from being read."""
    folder = gateway.folder / "logs"
    folder.mkdir()
    spool = Spool(gateway, others={"logs": {"watch": [f"{folder}/*.log"], "stream": "lines", "scan": "300ms"}})
    spool.write("large", lines=600000)
    (folder / "small.log").write_bytes(spool.content(lines=10))
    spool.start().arrived()
    spool.gateway.stop_cleanly()
    rows = spool.rows()
    assert sorted(rows) == sorted(spool.written)
    assert rows.index(spool.written[-1]) < len(rows) // 2


def test_an_inode_that_is_used_again(gateway):
    """What its writer has closed is taken at once, whatever was known by this inode."""
    spool = Spool(gateway, quiet="1h")
    spool.start()
    # What was there before the directory was watched, if only for a moment, waits for an hour.
    wait_until("a directory that is watched", lambda: spool.move_in("probe", b"probe\n") and b"probe" in lake_rows(spool.lake))
    for _ in range(20):
        path = spool.write("a.csv")
        spool.arrived()
        path.unlink()
    spool.gateway.stop_cleanly()
    assert sorted(spool.rows()) == sorted(spool.written)


def test_what_came_while_it_was_stopped_waits_until_it_is_complete(gateway):
    spool = Spool(gateway, complete="marker", done="keep")
    path, marker = spool.write("a.csv", b"a line\nha"), spool.root / "a.csv.done"
    marker.touch()
    spool.start()
    wait_until("it is read", lambda: spool.gateway.metric("penstock_files_finished_total", 'watch="drop"') == 1)
    spool.gateway.stop_cleanly()
    marker.unlink()
    with open(path, "ab") as more:
        more.write(b"lf\nanother ")
    spool.start()
    wait_until("it is looked at", lambda: "files.changed" in spool.gateway.said())
    with open(path, "ab") as more:
        more.write(b"line\n")
    marker.touch()
    wait_until("it is read", lambda: len(spool.rows()) == 4)
    assert sorted(spool.rows()) == [b"a line", b"another line", b"ha", b"lf"]
    spool.gateway.stop_cleanly()


def test_a_watch_that_becomes_larger_than_the_journal_has_room_for(gateway):
    """More files are known than fit with one pattern more: it starts, and takes no new ones."""
    spool = Spool(gateway, *siege.SMALL_SEGMENTS, max_line="64KiB")
    for number in range(1000):
        spool.write(f"{number}-{'x' * 100}", lines=1)
    spool.start()
    wait_until("some wait", lambda: spool.gateway.metric("penstock_files_waiting", 'watch="drop"') > 0)
    spool.gateway.stop_cleanly()
    longer = spool.root / ("y" * 200)
    spool.gateway.config = spool.gateway.config.replace(f"- {spool.root}\n", f"- {spool.root}\n    - {longer}\n", 1)
    assert str(longer) in spool.gateway.config
    spool.start()
    spool.gateway.stop_cleanly()


def test_more_files_than_can_be_known_at_once(gateway, tmp_path):
    """There is room for some hundred at a time. Those that wait are not opened until there is, and need no scan that comes of itself."""
    files, log = 4000, tmp_path / "strace"
    spool = Spool(gateway, *siege.SMALL_SEGMENTS, where="/**", max_line="64KiB", done="delete", scan="1h").start()
    outside = spool.outside / "many"
    outside.mkdir()
    for number in range(files):
        (outside / f"{number}-{'x' * 60}").write_bytes(spool.content(lines=1))
    time.sleep(0.5)  # longer than quiet
    with siege.injected(spool.gateway, "openat2:delay_exit=1", log):
        outside.rename(spool.root / "many")
        spool.arrived().has()
        assert spool.gateway.metric("penstock_files_finished_total", 'watch="drop"') == files
    opened = log.read_text().count("openat2(")
    print(f"{opened / files:.1f} calls of openat2() for each file")
    assert opened < 5 * files
    wait_until("none to wait", lambda: spool.gateway.metric("penstock_files_waiting", 'watch="drop"') == 0)
    spool.judge()


def test_names_that_nobody_likes(gateway):
    """Line breaks, control characters, no UTF-8, the longest name there can be."""
    spool = Spool(gateway, done="rename")
    names = [b"line\nbreak", b"\x1b[31mred", b"\xff\xfe", b" ", b"x" * 240]
    spool.start()
    for name in names:
        path = os.path.join(os.fsencode(spool.root), name)
        with open(path, "wb") as file:
            file.write(spool.content())
    spool.arrived()
    wait_until("all are renamed", lambda: sorted(name for name in os.listdir(os.fsencode(spool.root)) if b"probe" not in name)
               == sorted(name + b".taken" for name in names))
    spool.judge()


def test_many_small_files_at_once(gateway):
    spool = Spool(gateway, done="delete")
    for number in range(5000):
        spool.write(f"{number}.txt", lines=1)
    spool.start()
    for number in range(5000, 10000):
        spool.write(f"{number}.txt", lines=1)
    spool.arrived().has()
    spool.judge()


BYTES = {"blobs": {"format": "bytes", "lake": {"path": "blobs"}}}


def test_whole_files(gateway):
    """Binary too: a file is a record."""
    spool = Spool(gateway, streams=BYTES, stream="blobs", records="file", done="archive", max_line="64KiB")
    contents = [bytes(range(256)) * 10, b"one\ntwo\n", b"x" * (64 << 10), "Zürich".encode("utf-16")]
    spool.start()
    for number, content in enumerate(contents):
        spool.move_in(f"{number}.bin", content)
    spool.move_in("empty.bin", b"")
    spool.move_in("large.bin", b"x" * ((64 << 10) + 1))
    wait_until("all of them", lambda: spool.gateway.metric("penstock_files_finished_total", 'watch="drop"') == 5)
    day = time.strftime("%Y-%m-%d", time.gmtime())
    spool.has(*(f"archive/{day}/{name}.bin" for name in (0, 1, 2, 3, "empty")), "failed/large.bin", "failed/large.bin.reason")
    assert "larger than max_line" in (spool.root / "failed" / "large.bin.reason").read_text()
    assert (spool.root / "failed" / "large.bin").stat().st_size == (64 << 10) + 1
    assert spool.gateway.metric("penstock_files_failed_total", 'watch="drop"') == 1
    assert spool.gateway.metric("penstock_records_accepted_total", 'source="files",stream="blobs"') == 4
    wait_until("them in the lake", lambda: sorted(blobs(spool)) == sorted(contents))
    spool.gateway.stop_cleanly()


def blobs(spool):
    return [base64.b64decode(json.loads(row)["payload"]) for row in lake_rows(spool.lake, "blobs")]


def test_whole_documents(gateway):
    """A file of JSON over many lines is a record; an array of them is as many, and a file that was replaced is taken again."""
    spool = Spool(gateway, streams={"documents": {"format": "json"}}, stream="documents", records="file")
    spool.start()
    path = spool.move_in("one.json", b'{\n  "a": 1,\n  "b": [\n    2\n  ]\n}\n')
    spool.move_in("many.json", b'[{"a": 2},\n {"a": 3}]')
    accepted = 'source="files",stream="documents"'
    wait_until("three records", lambda: spool.gateway.metric("penstock_records_accepted_total", accepted) == 3)
    path.write_bytes(b'{"a": 4, "longer": "than it was before, and in place, so that it is the same file with another content"}')
    wait_until("a fourth one", lambda: spool.gateway.metric("penstock_records_accepted_total", accepted) == 4)
    spool.move_in("bad.json", b'{"a": ')
    wait_until("a dead letter", lambda: spool.gateway.metric("penstock_records_rejected_total", accepted + ',reason="syntax"') == 1)
    spool.gateway.stop_cleanly()


def test_text_that_people_type(kafka, gateway):
    """Notes that are dropped go to a topic and, each in a file of its own, to the lake."""
    topic = kafka.create(kafka.name("UNORGANIZED"), 2)
    spool = Spool(gateway, f"kafka.properties.bootstrap.servers={kafka.cluster.servers()}", "lake.enabled=true", "lake.roll.records=1",
                  streams={"unorganized": {"format": "text", "topics": [topic]}}, stream="unorganized", done="archive")
    notes = [f"meter {number} in the cellar was replaced, see \"old\" one; Zähler läuft".encode() for number in range(20)]
    spool.start()
    for number, note in enumerate(notes):
        if number % 2:
            spool.write(f"note {number}.txt", note)
        else:
            spool.move_in(f"note {number}.txt", note + b"\r\n")
    wait_until("them in Kafka", lambda: sorted(kafka.values(topic)) == sorted(notes))
    wait_until("them in the lake", lambda: sorted(lake_rows(spool.lake, "unorganized")) == sorted(notes))
    assert [len(file.rows) for file in read_lake(spool.lake)] == [1] * len(notes)
    spool.has(*(f"note {number}.txt" for number in range(20)), folder=f"archive/{time.strftime('%Y-%m-%d', time.gmtime())}")
    spool.gateway.stop_cleanly()


def test_what_fails_again_and_again(gateway):
    """The failed are not in each other's way, and are left where they are by the next start."""
    spool = Spool(gateway, streams=BYTES, stream="blobs", records="file", max_line="1KiB")
    for reason in ("large.bin.reason", "large.bin.2.reason"):  # written behind the move: the log has it, should there be a crash in between
        spool.start()
        spool.move_in("large.bin", b"x" * 2000)
        wait_until("it is moved away, and why stands beside it", lambda: (spool.root / "failed" / reason).exists())
        spool.gateway.kill()
    spool.has("failed/large.bin", "failed/large.bin.2", "failed/large.bin.2.reason", "failed/large.bin.reason")


@pytest.mark.parametrize("settings, complaint", [
    ({"watch": ["/x/*"]}, "stands beside watch"),
    ({"archive": "../elsewhere"}, "a directory below the spool"),
    ({"archive": "/elsewhere"}, "a directory below the spool"),
    ({"suffix": "/x"}, "without a /"),
    ({"read_from": "end"}, "allowed with spool: beginning"),
    ({"follow_symlinks": True, "done": "delete"}, "allowed with follow_symlinks: keep"),
    ({"hard_links": True, "done": "delete"}, "allowed with hard_links: keep"),
    ({"archive": "archive/"}, "a directory below the spool"),
    ({"done": "burn"}, "burn"),
    ({"spool": [], "watch": ["/x/*"], "done": "delete"}, "allowed with watch: keep"),
    ({"spool": []}, "neither watch nor spool"),
    ({"records": "file"}, "allowed with records: file: streams of json or bytes"),
    ({"failed": "."}, "a directory below the spool"),
])
def test_configurations_that_are_refused(tmp_path, settings, complaint):
    entry = {"spool": [str(tmp_path)], "stream": "lines", **settings}
    (tmp_path / "penstock.yaml").write_text(yaml.safe_dump({"streams": {"lines": {"format": "text"}}, "files": {"drop": entry}}))
    done = run_command("check", "-c", "penstock.yaml", cwd=tmp_path)
    assert done.returncode == 1 and complaint in done.stderr, done
