"""Links, directories that come and go, and what may not be read for a while."""

import os
import shutil

import pytest

from penstock import wait_until
from tailing import Tail, need


@pytest.fixture
def tail(gateway):
    def make(*watch, **settings):
        return Tail(gateway, *(watch or ("app.log*",)), **settings)
    return make


# ---- links and directories ----

def test_hard_links_are_one_file(tail):
    one = tail("*.log", hard_links=True).start()
    writer = one.writer("a.log").write()
    os.link(one.logs / "a.log", one.logs / "b.log")
    one.arrived()
    writer.write()
    one.arrived()
    (one.logs / "a.log").unlink()
    writer.write()
    one.judge()


def test_hard_link_of_a_stranger_is_refused(tail):
    one = tail("*.log")
    secret = one.gateway.directory.parent / "secret"
    secret.write_bytes(b"nobody reads this\n")
    os.link(secret, one.logs / "a.log")
    one.start()
    one.writer("b.log").write()
    wait_until("it is told", lambda: "files.trouble" in one.gateway.said() and "hard_links" in one.gateway.said())
    one.judge()


@pytest.mark.parametrize("follow", [False, True])
def test_symbolic_link_that_changes_its_target(tail, follow):
    """current.log leads to today's file."""
    one = tail("current.log", follow_symlinks=follow).start()
    for day in range(3):
        writer = one.writer(f"day-{day}").write()
        if not follow:
            one.written.clear()
        (one.logs / "link").symlink_to(f"day-{day}")
        (one.logs / "link").rename(one.logs / "current.log")
        one.arrived()
        writer.write()
        if not follow:
            one.written.clear()
        one.arrived()
    if not follow:
        wait_until("it is told", lambda: "follow_symlinks" in one.gateway.said())
    one.judge()


def test_directory_removed_and_made_again(tail):
    one = tail("*/app.log").start()
    folder = one.logs / "site"
    for _ in range(3):
        folder.mkdir()
        one.writer("site/app.log").write().close()
        one.arrived()
        shutil.rmtree(folder)
    one.judge()


def test_watched_directory_itself_removed_and_made_again(tail):
    one = tail("app.log").start()
    for _ in range(3):
        one.writer().write().close()
        one.arrived()
        shutil.rmtree(one.logs)
        one.settle()
        one.logs.mkdir()
    one.writer().write()
    one.judge()


def test_watched_directory_renamed_away_and_back(tail):
    """Its files stay known: nothing of them is read again."""
    one = tail("app.log").start()
    writer = one.writer().write()
    one.arrived()
    away = one.logs.with_name("away")
    one.logs.rename(away)
    writer.write()
    one.settle()
    away.rename(one.logs)
    writer.write()
    one.judge()


def test_directory_that_is_not_there_yet(tail):
    one = tail("deep/**/app.log").start()
    one.settle()
    (one.logs / "deep/er/still").mkdir(parents=True)
    one.writer("deep/er/still/app.log").write()
    one.judge()


def bound_by_permissions(gateway):
    """Root without the rights that let it pass over permission bits."""
    if os.geteuid() == 0:
        command = gateway.command()
        gateway.command = lambda: [need("setpriv"), "--bounding-set=-dac_override,-dac_read_search", *command]


def test_unreadable_and_readable_again(tail):
    """What cannot be opened stays known, is told, and goes on where it was."""
    one = tail("app.log")
    bound_by_permissions(one.gateway)
    one.start()
    writer = one.writer().write()
    one.arrived()
    one.gateway.stop_cleanly()
    writer.write()
    (one.logs / "app.log").chmod(0)
    one.start()
    wait_until("it is told", lambda: "files.trouble" in one.gateway.said())
    (one.logs / "app.log").chmod(0o644)
    one.arrived()
    wait_until("it is well", lambda: "files.well" in one.gateway.said())
    one.judge()


def test_directory_unreadable_and_readable_again(tail):
    one = tail("*/app.log")
    bound_by_permissions(one.gateway)
    (one.logs / "site").mkdir()
    one.start()
    writer = one.writer("site/app.log").write()
    one.arrived()
    (one.logs / "site").chmod(0)
    wait_until("it is told", lambda: "files.trouble" in one.gateway.said())
    one.settle()
    (one.logs / "site").chmod(0o755)
    writer.write()
    one.arrived()
    wait_until("it is well", lambda: "files.well" in one.gateway.said())
    one.judge()
