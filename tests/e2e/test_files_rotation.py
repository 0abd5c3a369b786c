"""Every way in which logs are rotated, cut, replaced and moved about: each line comes once while it stands in a file."""

import contextlib
import gzip
import os
import shutil
import time

import pytest

from penstock import wait_until
from tailing import BOTH, held, need, rows_when, run, shift, tail  # noqa: F401

def is_open(one, path):
    """Whether the gateway has the file open."""
    found = set()
    for link in os.scandir(f"/proc/{one.process.pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(link.path))
    return str(path) in found


# ---- rename ----

@BOTH
def test_rename_and_create(tail, watch):
    """The program goes on in the old file for a while, as programs do until they are told."""
    one = tail(watch).start()
    writer = one.writer().write()
    one.arrived()
    for _ in range(3):
        writer.write()
        shift(one.logs)
        writer.write()
        writer.write().reopen()
        writer.write()
        one.arrived()
    one.judge()


@BOTH
def test_ten_rotations_while_it_runs(tail, watch):
    one = tail(watch).start()
    writer = one.writer().write()
    one.arrived()
    for _ in range(10):
        writer.write(300)
        shift(one.logs)
        writer.reopen()
        writer.write(300)
        one.arrived()
    one.judge()


def test_rotations_faster_than_the_scan(tail):
    """Ten files between two looks: a pattern that takes all of them finds each."""
    one = tail("app.log*").start()
    writer = one.writer().write()
    one.arrived()
    with held(one.gateway):
        for _ in range(10):
            writer.write(300)
            shift(one.logs)
            writer.reopen()
            writer.write(300)
    one.judge(ordered=False)


def test_ten_rotations_while_it_is_stopped(tail):
    one = tail("app.log*").start()
    writer = one.writer().write(500)
    one.arrived()
    one.gateway.stop_cleanly()
    for _ in range(10):
        writer.write(300)
        shift(one.logs)
        writer.reopen()
        writer.write(300)
    one.start()
    one.judge(ordered=False)


def test_rotation_while_it_is_stopped_under_a_name_that_no_pattern_takes(tail):
    one = tail("app.log").start()
    writer = one.writer().write(500)
    one.arrived()
    one.gateway.stop_cleanly()
    writer.write(300)
    shift(one.logs)
    writer.reopen()
    writer.write(300)
    one.start()
    one.judge()


def test_renamed_file_goes_on_growing(tail):
    """Nobody told the program: what it appends to app.log.1 is read as long as it appends."""
    one = tail("app.log", rotate_wait="4s").start()
    writer = one.writer().write()
    one.arrived()
    (one.logs / "app.log").rename(one.logs / "app.log.1")
    for _ in range(3):
        writer.write()
        one.arrived()
    one.judge()


# ---- a start of the machine in between ----

def another_boot(one, tmp_path):
    """What this gateway runs on has been started again, as far as it can know."""
    (tmp_path / "boot_id").write_text("00000000-1111-2222-3333-444444444444\n")
    plain = one.gateway.command
    one.gateway.command = lambda: ["unshare", "-m", "sh", "-c", f"mount --bind {tmp_path}/boot_id /proc/sys/kernel/random/boot_id && exec \"$@\"", "sh", *plain()]


def read_and_stopped(tail):
    """500 lines of app.log are in the lake, and then the gateway stops; and their writer."""
    if os.geteuid() != 0:
        pytest.skip("another boot_id needs a mount, and so root")
    one = tail("app.log").start()
    writer = one.writer().write(500)
    one.arrived()
    one.gateway.stop_cleanly()
    return one, writer


@pytest.mark.parametrize("how", ["shorter", "zeros"])
@pytest.mark.parametrize("machine", ["started again", "as before"])
def test_end_of_a_log_that_a_power_cut_has_taken(tail, tmp_path, how, machine):
    """What the journal has, and the log's own writer had not synced, does not come again; without a start of the machine the file was cut."""
    one, writer = read_and_stopped(tail)
    left = 400 * 61
    if how == "shorter":
        os.truncate(one.logs / "app.log", left)
        os.utime(one.logs / "app.log", (0, 0))
    else:
        with open(one.logs / "app.log", "r+b") as file:
            file.seek(left)
            file.write(bytes(100 * 61))
    if machine == "started again":
        another_boot(one, tmp_path)
    one.start()
    if how == "shorter" and machine == "started again":
        wait_until("it is known to be shorter", lambda: "files.shortened" in one.gateway.said())
    writer.write(50)
    if machine == "started again":
        one.judge()
    else:
        one.settle()
        assert len(one.rows()) - len(set(one.rows())) == 400


def test_log_that_a_power_cut_has_shortened_and_its_writer_has_gone_on_with(tail, tmp_path):
    """The writer was started before the gateway: how far the log was right is not known, so nothing of it is taken for read."""
    one, writer = read_and_stopped(tail)
    os.truncate(one.logs / "app.log", 400 * 61)
    writer.write(50)
    another_boot(one, tmp_path)
    one.start()
    one.arrived().settle()
    assert len(one.rows()) - len(set(one.rows())) == 400


def test_files_that_begin_alike_and_whose_names_do_not(tail):
    """A number that goes on is another number: only what may be a copy waits."""
    one = tail("*.log", rotate_wait="1h").start()
    for count, name in enumerate(("1.log", "10.log", "app.log", "apple.log")):
        (one.logs / name).write_bytes(b"time,value\n")
        rows_when(one, count + 1)


# ---- deleted, and its inode used again ----

def test_deleted_with_lines_that_were_not_read(tail):
    one = tail("app.log").start()
    writer = one.writer().write()
    one.arrived()
    with held(one.gateway):
        writer.write(5000)
        (one.logs / "app.log").unlink()
        writer.write(5000)
    one.judge()
    assert one.gateway.directory.joinpath("output.1").read_text().count("files.gap") == 0


def test_deleted_while_it_is_stopped_is_a_gap(tail):
    one = tail("app.log").start()
    writer = one.writer().write()
    one.arrived()
    one.gateway.stop_cleanly()
    (one.logs / "app.log").unlink()
    writer.close()
    one.start()
    one.writer("app.log").write()
    one.judge()


def same_inode(path, most=2000):
    """Deletes the file and makes another one of that name with the same inode, for which a file system may first use up others that are free."""
    inode = path.stat().st_ino
    path.unlink()
    made = []
    for number in range(most):
        made.append(path.with_name(f".{number}.tmp"))
        made[-1].touch()
        if made[-1].stat().st_ino == inode:
            made.pop().rename(path)
            break
    for one in made:
        one.unlink()
    if not path.exists():
        pytest.skip(f"this file system did not use an inode again in {most} tries")


@pytest.mark.parametrize("count", [10, 500, 900], ids=["shorter", "as long", "longer"])
def test_inode_used_again_while_it_is_stopped(tail, count):
    one = tail("app.log").start()
    one.writer().write(500).close()
    one.arrived()
    one.gateway.stop_cleanly()
    same_inode(one.logs / "app.log")
    one.writer().write(count)
    one.start()
    one.judge()


@pytest.mark.parametrize("count", [10, 500, 900], ids=["shorter", "as long", "longer"])
def test_inode_used_again_while_it_is_closed(tail, count):
    one = tail("app.log", close_after="1s").start()
    one.writer().write(500).close()
    one.arrived()
    wait_until("the file is closed", lambda: not is_open(one.gateway, one.logs / "app.log"))
    with held(one.gateway):
        same_inode(one.logs / "app.log")
        one.writer().write(count)
    one.judge()


def test_inode_of_a_compressed_file_for_a_new_one(tail):
    one = tail("app.log*").start()
    (one.logs / "app.log").write_bytes(gzip.compress(b"what was in another file\n"))
    wait_until("a word on the compressed file", lambda: "files.compressed" in one.gateway.said())
    same_inode(one.logs / "app.log")
    one.writer().write(100).close()
    one.judge()


def test_inode_of_the_deleted_file_for_another_name(tail):
    """Both names are watched: what is known of one says nothing about the other."""
    one = tail("*.log", close_after="1s").start()
    one.writer("a.log").write(500).close()
    one.arrived()
    wait_until("the file is closed", lambda: not is_open(one.gateway, one.logs / "a.log"))
    with held(one.gateway):
        same_inode(one.logs / "a.log")
        (one.logs / "a.log").rename(one.logs / "b.log")
        one.writer("b.log").write(700)
    one.judge()


# ---- written anew ----

@pytest.mark.parametrize("size", [60, 400], ids=["", "ending alike"])
@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
@pytest.mark.parametrize("count", [10, 500, 2000], ids=["shorter", "as long", "longer"])
def test_cut_and_written_anew(tail, count, stopped, size):
    one = tail("app.log").start()
    writer = one.writer().write(500, size)
    one.arrived()
    if stopped:
        one.gateway.stop_cleanly()
    with contextlib.nullcontext() if stopped else held(one.gateway):
        os.truncate(one.logs / "app.log", 0)
        writer.write(count, size)
    if stopped:
        one.start()
    one.judge()


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
def test_replaced_by_rename(tail, stopped):
    """Editors and programs that save: a new file under a temporary name, renamed over the old one."""
    one = tail("app.log").start()
    writer = one.writer().write(500)
    one.arrived()
    if stopped:
        one.gateway.stop_cleanly()
    with contextlib.nullcontext() if stopped else held(one.gateway):
        if not stopped:
            writer.write(200)  # what stands in the old one is read all the same
        one.writer("new").write(700)
        (one.logs / "new").rename(one.logs / "app.log")
    if stopped:
        one.start()
    one.judge()


def test_sed_in_place(tail):
    """A new file, read from its beginning: its lines are other ones."""
    one = tail("app.log").start()
    one.writer().write(500)
    one.arrived()
    run("sed", "-i", "s/^/edited-/", one.logs / "app.log")
    one.written += [b"edited-" + line for line in one.written]
    one.judge()


def test_rsync_append_and_in_place(tail):
    rsync = need("rsync")
    one = tail("app.log").start()
    source = one.writer("elsewhere").write(500)
    (one.logs / "elsewhere").rename(one.gateway.directory.parent / "elsewhere")
    source.path = one.gateway.directory.parent / "elsewhere"
    for way in ("--inplace", "--append", "--inplace", "--append-verify", "--inplace"):
        run(rsync, way, source.path, one.logs / "app.log")
        one.arrived()
        source.write(300)
    run(rsync, "--append", source.path, one.logs / "app.log")
    one.judge()


# ---- compressed ----

@BOTH
def test_compressed_behind_the_rotation(tail, watch):
    one = tail(watch).start()
    writer = one.writer().write()
    one.arrived()
    for _ in range(3):
        writer.write(300)
        shift(one.logs)
        writer.reopen()
        writer.write(300)
        one.arrived()
        run("gzip", one.logs / "app.log.1")
        (one.logs / "app.log.1.gz").rename(one.logs / f"app.log.{writer.next}.gz")
    one.judge()


# ---- the real logrotate ----

STYLES = {
    "create": "create",
    "nocreate": "nocreate",
    "compress": "create\ncompress",
    "delaycompress": "create\ncompress\ndelaycompress",
    "dateext": "create\ndateext\ndateformat -%s",
    "olddir": "create\nolddir old",
    "copytruncate": "copytruncate",
    "copytruncate, compress": "copytruncate\ncompress",
}


def logrotate(one, style):
    """One rotation, whatever the time is."""
    config, state = one.gateway.directory.parent / "logrotate.conf", one.gateway.directory.parent / "logrotate.state"
    config.write_text(f"{one.logs}/app.log {{\nrotate 20\nsize 1\nmissingok\n{STYLES[style]}\n}}\n")
    config.chmod(0o644)
    run(need("logrotate"), "--force", "--state", state, config)


@pytest.mark.parametrize("watch", ["app.log", "app.log*", "**/app.log*"])
@pytest.mark.parametrize("style", STYLES)
def test_logrotate(tail, style, watch):
    if style == "olddir" and watch != "**/app.log*":
        pytest.skip("what is moved into another directory is found there only by a pattern that takes it")
    need("logrotate")
    one = tail(watch, rotate_wait="2s").start()
    one.logs.chmod(0o755)
    (one.logs / "old").mkdir()
    writer = one.writer().write(500)
    one.arrived()
    for _ in range(3):
        logrotate(one, style)
        if "copytruncate" not in style:
            writer.write().reopen()
        writer.write(400)
        one.arrived()
        last = time.time()
        wait_until("another second, for dateext", lambda: style != "dateext" or time.time() > last + 1.1)
    one.judge(ordered=False)
