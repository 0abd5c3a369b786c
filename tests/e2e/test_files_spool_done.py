"""What becomes of dropped files that were read: when they are moved or deleted, under which name, and what may come in between."""

import os
import shutil
import time

import pytest

from penstock import request, wait_until
from siege import Mount, injected, need_mounts
from spooling import Spool

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


def test_a_file_that_somebody_has_open_again_is_not_moved_yet(gateway):
    spool = Spool(gateway, "lake.url=blocked/lake", done="delete", after="outlets", quiet="100ms")
    blocked = spool.gateway.directory / "blocked"
    blocked.write_text("a file where a directory should be")
    spool.lake = blocked / "lake"
    spool.start()
    path = spool.move_in("a.csv")
    wait_until("it is read", lambda: spool.gateway.metric("penstock_files_finished_total", 'watch="drop"') == 1)
    with open(path, "ab") as again:
        blocked.unlink()
        spool.arrived().settle()
        assert path.exists()
        again.write(spool.content())
    spool.arrived().has()
    spool.judge()


def test_more_comes_while_outlets_are_waited_for(gateway):
    """It is deleted when they have that, too."""
    spool = Spool(gateway, "lake.url=blocked/lake", done="delete", after="outlets", quiet="100ms")
    blocked = spool.gateway.directory / "blocked"
    blocked.write_text("a file where a directory should be")
    spool.lake = blocked / "lake"
    spool.start()
    path = spool.move_in("a.csv")
    lines = 'source="files",stream="lines"'
    wait_until("it is read", lambda: spool.gateway.metric("penstock_records_accepted_total", lines) == 100)
    with open(path, "ab") as more:
        more.write(spool.content(lines=300000))
    wait_until("that is read", lambda: spool.gateway.metric("penstock_records_accepted_total", lines) == 300100)
    blocked.unlink()
    wait_until("it is deleted", lambda: not path.exists())
    spool.gateway.kill()
    assert sorted(set(spool.rows())) == sorted(spool.written)


@EVENTS
def test_one_that_is_written_anew_in_place_before_it_is_moved(gateway, events):
    """As long as it was, with another content."""
    spool = Spool(gateway, "lake.url=blocked/lake", done="archive", after="outlets", events=events, quiet="100ms")
    blocked = spool.gateway.directory / "blocked"
    blocked.write_text("a file where a directory should be")
    spool.lake = blocked / "lake"
    spool.start()
    path = spool.move_in("a.csv")
    wait_until("it is read", lambda: spool.gateway.metric("penstock_files_finished_total", 'watch="drop"') == 1)
    path.write_bytes(spool.content())
    blocked.unlink()
    spool.arrived()
    spool.has(f"archive/{time.strftime('%Y-%m-%d', time.gmtime())}/a.csv")
    spool.judge()


def test_renamed_before_it_is_moved(gateway):
    """The file itself, or a directory above it: it is what it was, and is moved under its new name."""
    spool = Spool(gateway, where="/**", done="archive", exclude="archive")
    spool.start()
    in_the_way = spool.root / "archive"
    in_the_way.write_text("a file where a directory should be")
    one = spool.move_in("one.csv")
    spool.move_in("north/other.csv")
    spool.arrived()
    wait_until("both are read", lambda: spool.gateway.metric("penstock_files_finished_total", 'watch="drop"') == 2)
    one.rename(spool.root / "renamed.csv")
    (spool.root / "north").rename(spool.root / "south")
    in_the_way.unlink()
    spool.has("renamed.csv", "south/other.csv", folder=f"archive/{time.strftime('%Y-%m-%d', time.gmtime())}")
    spool.judge()


def test_its_directory_goes_before_it_is_deleted(gateway):
    spool = Spool(gateway, "lake.url=blocked/lake", where="/**", done="delete", after="outlets")
    blocked = spool.gateway.directory / "blocked"
    blocked.write_text("a file where a directory should be")
    spool.lake = blocked / "lake"
    spool.start()
    spool.move_in("north/a.csv")
    wait_until("it is read", lambda: spool.gateway.metric("penstock_files_finished_total", 'watch="drop"') == 1)
    shutil.rmtree(spool.root / "north")
    blocked.unlink()
    spool.arrived()
    wait_until("it is forgotten", lambda: spool.gateway.metric("penstock_files", 'watch="drop"') == 0)
    assert spool.gateway.metric("penstock_files_gaps_total", 'watch="drop"') == 0
    spool.judge()


@EVENTS
@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarted"])
def test_a_kept_file_that_gets_a_name_that_no_pattern_takes(gateway, restart, events):
    """It does not come again under a name that one takes, be it the old one, or another because a new file has the old one."""
    spool = Spool(gateway, done="keep", exclude="*.aside", events=events, scan="100ms").start()
    paths = [spool.move_in(name) for name in ("a.csv", "b.csv")]
    finished = lambda: spool.gateway.metric("penstock_files_finished_total", 'watch="drop"')
    wait_until("both to be kept", lambda: finished() == 2)
    aside = [path.rename(f"{path}.aside") for path in paths]
    spool.settle()
    if restart:
        spool.gateway.kill()
        spool.start()
    before = finished()
    paths[1] = spool.move_in("b.csv")
    spool.arrived().settle()
    assert finished() == before + 2, "the new one and the probe"
    aside[0].rename(paths[0])
    aside[1].rename(spool.root / "c.csv")
    spool.settle()
    with open(paths[0], "ab") as again:
        again.write(spool.content())
    spool.has("a.csv", "b.csv", "c.csv")
    spool.judge()


def test_done_is_something_else_behind_a_crash(gateway, tmp_path):
    """What had its name for being deleted when the crash came is deleted, whatever becomes of files now."""
    spool = Spool(gateway, done="delete").start()
    with injected(spool.gateway, "unlinkat:signal=SIGKILL", tmp_path / "strace"):
        spool.move_in("a.csv")
        wait_until("the kill", lambda: spool.gateway.process.poll() is not None)
    spool.gateway.kill()
    left, = spool.names()
    assert left.startswith(".penstock-")
    spool.gateway.config = spool.gateway.config.replace("done: delete", "done: keep")
    spool.start().move_in("b.csv")
    spool.arrived().has("b.csv")
    spool.judge()


def test_a_name_that_is_used_very_often(gateway):
    """And one that is as long as names can be. Again and again, also behind starts that know of no file any more."""
    spool = Spool(gateway, done="rename")
    (spool.root / "a.csv.taken").touch()
    for number in range(2, 101):
        (spool.root / f"a.csv.{number}.taken").touch()
    for times in (1, 2, 3):
        spool.start()
        spool.move_in("a.csv")
        spool.move_in("x" * 255)
        spool.arrived()
        wait_until("both are renamed", lambda: not {"a.csv", "x" * 255} & set(spool.names()))
        assert sum(name.startswith("a.csv.n") and name.endswith(".taken") for name in spool.names()) == times
        assert sum(name.startswith("x" * 200) and name.endswith(".taken") for name in spool.names()) == times
        wait_until("both to be forgotten", lambda: spool.gateway.metric("penstock_files", 'watch="drop"') == 0)
        spool.gateway.stop_cleanly()
    spool.start()
    spool.judge()


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


def test_an_archive_on_another_filesystem(gateway):
    """It is told once, in the log and in /readyz, with the reason; nothing is lost, and once the place is right they are moved."""
    need_mounts()
    spool = Spool(gateway, done="archive", archive="mount-tmpfs")
    other = Mount(spool.root, "tmpfs", 1 << 20)
    other.mount()
    try:
        spool.start()
        spool.move_in("a.csv")
        spool.arrived()
        told = "it is on another filesystem than the spool, and files are moved within one"
        wait_until("it is told", lambda: told in request(spool.gateway.ports["admin"], "GET", "/readyz").body.decode())
        spool.settle()
        assert spool.gateway.said().count(told) == 1 and spool.names() == ["a.csv"]
    finally:
        other.close()
    spool.has("a.csv", folder=f"mount-tmpfs/{time.strftime('%Y-%m-%d', time.gmtime())}")
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
