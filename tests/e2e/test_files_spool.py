"""Files that are dropped: taken when they are complete, each once, in order, and what is done with them then."""

import os
import time

import pytest
import yaml

from penstock import run_command, wait_until
from spooling import Spool, replace

EVENTS = pytest.mark.parametrize("events", [True, False], ids=["events", "no events"])


@EVENTS
@pytest.mark.parametrize("done", ["keep", "archive", "rename", "delete"])
def test_what_is_done_with_files(gateway, done, events):
    spool = Spool(gateway, done=done, events=events)
    spool.write("before.csv")
    spool.write("other.csv", end=b"")
    spool.start()
    spool.move_in("moved.csv")
    spool.write("written.csv")
    spool.move_in("empty.csv", b"")
    spool.arrived()
    names = ["before.csv", "empty.csv", "moved.csv", "other.csv", "written.csv"]
    wait_until("all of them to be done with", lambda: spool.gateway.metric("penstock_files_finished_total", 'watch="drop"') == 5)
    if done == "keep":
        assert spool.names() == names
    elif done == "archive":
        spool.has(*names, folder=f"archive/{time.strftime('%Y-%m-%d', time.gmtime())}")
        spool.has(*(f"archive/{time.strftime('%Y-%m-%d', time.gmtime())}/{name}" for name in names))
    elif done == "rename":
        spool.has(*(f"{name}.taken" for name in names))
    else:
        spool.has()
    spool.judge()


def test_a_file_waits_until_it_is_complete(gateway):
    """Its writer has it open: nothing of it is read until that is closed."""
    spool = Spool(gateway, quiet="1h", done="archive")
    spool.start()
    with open(spool.root / "slow.csv", "wb") as slow:
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


def test_after_all_outlets(gateway):
    """While the lake cannot be written, nothing is deleted."""
    spool = Spool(gateway, "lake.url=blocked/lake", done="delete", after="outlets")
    blocked = spool.gateway.directory / "blocked"
    blocked.write_text("a file where a directory should be")
    spool.lake = blocked / "lake"
    spool.start()
    spool.move_in("a.csv")
    wait_until("it is read", lambda: spool.gateway.metric("penstock_files_finished_total", 'watch="drop"') == 1)
    spool.gateway.stop()
    spool.gateway.start()
    wait_until("a look at it", lambda: spool.gateway.metric("penstock_files", 'watch="drop"') == 1)
    assert spool.names() == ["a.csv"]
    blocked.unlink()
    spool.arrived().has()
    spool.judge()


def test_an_archive_that_is_in_the_way(gateway):
    """It is told, and other files are read; when there is a place again, they are moved."""
    spool = Spool(gateway, done="archive")
    (spool.root / "archive").write_text("a file where a directory should be")
    spool.start()
    spool.move_in("a.csv")
    spool.move_in("b.csv")
    spool.arrived()
    wait_until("it is told", lambda: "files.trouble" in spool.gateway.said())
    assert spool.names() == ["a.csv", "archive", "b.csv"]
    (spool.root / "archive").unlink()
    spool.has("a.csv", "b.csv", folder=f"archive/{time.strftime('%Y-%m-%d', time.gmtime())}")
    spool.judge()


def test_what_is_done_is_not_done_to_another_file(gateway):
    """A link that leads elsewhere, and the archive as a link, are left alone."""
    spool = Spool(gateway, done="archive")
    secret = spool.outside / "secret"
    secret.write_text("not for the stream\n")
    (spool.root / "archive").symlink_to(spool.outside)
    (spool.root / "link.csv").symlink_to(secret)
    spool.start()
    spool.move_in("a.csv")
    spool.arrived()
    wait_until("it is told", lambda: "files.trouble" in spool.gateway.said())
    assert secret.exists() and (spool.root / "a.csv").exists() and (spool.root / "link.csv").is_symlink()
    assert [path.name for path in spool.outside.iterdir()] == ["secret"]
    (spool.root / "archive").unlink()
    (spool.root / "link.csv").unlink()
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


@pytest.mark.parametrize("settings, complaint", [
    ({"watch": ["/x/*"]}, "stands beside watch"),
    ({"archive": "../elsewhere"}, "a directory below the spool"),
    ({"archive": "/elsewhere"}, "a directory below the spool"),
    ({"suffix": "/x"}, "without a /"),
    ({"read_from": "end"}, "allowed with spool: beginning"),
    ({"follow_symlinks": True, "done": "delete"}, "allowed with follow_symlinks: keep"),
    ({"done": "burn"}, "burn"),
    ({"spool": [], "watch": ["/x/*"], "done": "delete"}, "allowed with watch: keep"),
    ({"spool": []}, "neither watch nor spool"),
])
def test_configurations_that_are_refused(tmp_path, settings, complaint):
    entry = {"spool": [str(tmp_path)], "stream": "lines", **settings}
    (tmp_path / "penstock.yaml").write_text(yaml.safe_dump({"streams": {"lines": {"format": "text"}}, "files": {"drop": entry}}))
    done = run_command("check", "-c", "penstock.yaml", cwd=tmp_path)
    assert done.returncode == 1 and complaint in done.stderr, done
