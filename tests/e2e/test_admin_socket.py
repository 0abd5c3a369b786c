"""The admin listener on Unix sockets: what is there already, who may connect, what is left."""

import json
import os
import pathlib
import pwd
import socket
import stat
import subprocess

import pytest

import penstock
from penstock import run_command, wait_until

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def curl(path, *arguments):
    """(status, body) by --unix-socket."""
    done = subprocess.run(["curl", "-s", "-w", "\n%{http_code}", "--unix-socket", str(path), *arguments], capture_output=True, text=True, timeout=60)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


class Local(penstock.Gateway):
    def __init__(self, directory, *sets, path=None, **more):
        self.path = pathlib.Path(path or pathlib.Path(directory) / "s")
        super().__init__(directory, f"admin.listen=[127.0.0.1:0,unix:{self.path}]", *sets, **more)


def test_unix_socket(tmp_path):
    with Local(tmp_path) as gateway:
        assert f"Admin  unix:{gateway.path}\n" in gateway.said()
        about = gateway.path.stat()
        assert stat.S_ISSOCK(about.st_mode) and stat.S_IMODE(about.st_mode) == 0o660
        assert curl(gateway.path, "http://x/healthz") == (200, "ok\n")
        status, ready = curl(gateway.path, "http://x/readyz")
        assert status == 200 and json.loads(ready) == {"ready": True, "conditions": []}
        assert curl(gateway.path, "http://x/metrics")[1].startswith("# HELP ")
        assert curl(gateway.path, "-X", "POST", "http://x/reload") == (202, '{"reload":"asked for"}\n')
        wait_until("the reload", lambda: "gateway.reload" in gateway.said())
        assert "admin.reload" in gateway.said()
        assert curl(gateway.path, "-X", "POST", "-H", "Origin: http://evil.example", "http://x/reload")[0] == 403
        gateway.stop_cleanly()
        assert not gateway.path.exists()


def test_a_unix_socket_alone(tmp_path):
    gateway = penstock.Gateway(tmp_path, f"admin.listen=unix:{tmp_path}/s")
    gateway.spawn()
    wait_until("the banner", lambda: "Try " in gateway.said())
    assert curl(tmp_path / "s", "http://x/healthz") == (200, "ok\n")
    gateway.stop_cleanly()


def test_what_a_killed_one_left_is_replaced(tmp_path):
    with Local(tmp_path) as gateway:
        for _ in range(3):
            gateway.kill()
            assert gateway.path.exists()
            gateway.start()
            assert curl(gateway.path, "http://x/healthz") == (200, "ok\n")


def test_two_on_one_path(tmp_path):
    path = tmp_path / "s"
    with Local(tmp_path / "a", path=path) as first:
        second = Local(tmp_path / "b", path=path).spawn()
        assert second.ended() == 1
        assert f"{path}: another program listens there" in second.said()
        assert curl(path, "http://x/healthz") == (200, "ok\n"), "the first one is still there"
        first.stop_cleanly()
    assert not path.exists()


def test_two_that_find_what_was_left_at_the_same_moment(tmp_path):
    """One gets it, whatever the order; the other one says why it does not."""
    path = tmp_path / "s"
    both = [Local(tmp_path / name, path=path) for name in "ab"]
    for _ in range(5):
        both[0].start().kill()
        assert path.exists()
        for one in both:
            one.spawn()
        wait_until("one has ended", lambda: any(one.process.poll() is not None for one in both))
        (lost,) = [one for one in both if one.process.poll() is not None]
        (won,) = [one for one in both if one is not lost]
        assert lost.ended() == 1 and "another program listens there" in lost.said(), lost.said()
        wait_until("the other one", lambda: curl(path, "http://x/healthz") == (200, "ok\n"))
        won.stop_cleanly()
        assert not path.exists()


def test_what_is_no_socket_stays(tmp_path):
    (tmp_path / "s").write_text("precious")
    gateway = Local(tmp_path).spawn()
    assert gateway.ended() == 1
    assert f"admin.listen: {tmp_path}/s: there is something that is no socket" in gateway.said()
    assert (tmp_path / "s").read_text() == "precious"


def test_somebody_elses_socket_is_not_taken_away(tmp_path):
    """Who replaced the file has it after our end."""
    with Local(tmp_path) as gateway, socket.socket(socket.AF_UNIX) as other:
        gateway.path.unlink()
        other.bind(str(gateway.path))
        gateway.stop_cleanly()
        assert gateway.path.exists()


def test_paths_that_will_not_do(tmp_path):
    for path, why in ((f"/tmp/{'x' * 103}", "admin.listen: found"), ("relative", "unix:/PATH"), ("/tmp/", "unix:/PATH")):
        done = run_command("check", "--set", f"admin.listen=unix:{path}")
        assert done.returncode == 1 and why in done.stderr, done
    gateway = Local(tmp_path, path="/nowhere/at/all/s").spawn()
    assert gateway.ended() == 1
    assert "admin.listen: the directory of /nowhere/at/all/s: No such file or directory" in gateway.said()
    longest = tmp_path / ("x" * (107 - len(str(tmp_path)) - 1))
    with Local(tmp_path, path=longest):
        assert curl(longest, "http://x/healthz") == (200, "ok\n")


@ROOT_ONLY
def test_with_another_user(tmp_path):
    """Root is given up before the socket is made: it is the user's, in a directory that the user may write."""
    user = pwd.getpwnam("nobody")
    for parent in (tmp_path, *tmp_path.parents[:2]):  # pytest's are for its user alone
        parent.chmod(parent.stat().st_mode | 0o011)
    os.chown(tmp_path, user.pw_uid, user.pw_gid)
    (tmp_path / "roots").mkdir()
    gateway = Local(tmp_path, "gateway.user=nobody", path=tmp_path / "roots" / "s").spawn()
    assert gateway.ended() == 1
    assert f"cannot listen on {tmp_path}/roots/s: .s.lock beside it: Permission denied" in gateway.said()
    with Local(tmp_path, "gateway.user=nobody", "admin.socket.group=nogroup") as gateway:
        about = gateway.path.stat()
        assert (about.st_uid, about.st_gid) == (user.pw_uid, user.pw_gid)
        assert curl(gateway.path, "http://x/healthz") == (200, "ok\n")
        gateway.stop_cleanly()
        assert not gateway.path.exists()
    gateway = Local(tmp_path, "gateway.user=nobody", "admin.socket.group=daemon").spawn()
    assert gateway.ended() == 1, "it is none of that user's groups"
    assert "to give it to the group daemon: Operation not permitted" in gateway.said()
    assert not gateway.path.exists()


@ROOT_ONLY
def test_mode_and_group(tmp_path):
    for mode, group in (("600", "daemon"), ("666", "daemon")):
        with Local(tmp_path, f"admin.socket.mode={mode}", f"admin.socket.group={group}") as gateway:
            about = gateway.path.stat()
            assert stat.S_IMODE(about.st_mode) == int(mode, 8) and gateway.path.group() == group
    gateway = Local(tmp_path, "admin.socket.group=no-such-group").spawn()
    assert gateway.ended() == 1 and "there is no group no-such-group" in gateway.said()
