"""gateway.user: root becomes somebody else before it touches anything, in every thread, and cannot come back."""

import json
import os
import pathlib
import pwd
import shutil
import socket

import pytest

import penstock
from penstock import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
USER = pwd.getpwnam("nobody")


@pytest.fixture
def directory(tmp_path):
    for parent in (tmp_path, *tmp_path.parents[:2]):  # pytest's are for its user alone
        parent.chmod(parent.stat().st_mode | 0o011)
    os.chown(tmp_path, USER.pw_uid, USER.pw_gid)
    return tmp_path


def threads(gateway):
    """The status of each thread as a dict."""
    found = []
    for task in pathlib.Path(f"/proc/{gateway.process.pid}/task").iterdir():
        found.append(dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line))
    return found


def free_low_port():
    """A port below 1024 that nobody has."""
    for port in range(1023, 600, -1):
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    pytest.fail("no port below 1024 is free")


def test_root_is_given_up(directory):
    port = free_low_port()
    with penstock.Gateway(directory, "gateway.user=nobody", f"http.listen=127.0.0.1:{port}", "http.threads=3", "lake.roll.every=50ms") as gateway:
        assert gateway.ports["http"] == port
        told = threads(gateway)
        assert len(told) > 5
        for thread in told:
            assert set(thread["Uid"].split()) == {str(USER.pw_uid)}, thread["Name"]
            assert set(thread["Gid"].split()) == {str(USER.pw_gid)}
            assert {thread[name].strip("0") for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {""}, thread
            assert thread["NoNewPrivs"] == "1"
        gateway.send({"sensor_id": "A"})
        wait_until("the lake", lambda: penstock.lake_rows(gateway.lake))
        for path in (gateway.data, *gateway.data.rglob("*")):
            assert (path.stat().st_uid, path.stat().st_gid) == (USER.pw_uid, USER.pw_gid), path
        assert gateway.metric("process_open_fds") > 5, "it may still look at itself"
        gateway.stop_cleanly()
        gateway.start()
        gateway.send({"sensor_id": "B"})


def test_data_of_root_is_refused_in_words(directory):
    with penstock.Gateway(directory) as gateway:
        gateway.send({"sensor_id": "A"})
        gateway.stop_cleanly()
    again = penstock.Gateway(directory, "gateway.user=nobody").spawn()
    assert again.ended() == 1
    assert "Permission denied" in again.said(), again.said()


def test_who_is_not_there(directory):
    gateway = penstock.Gateway(directory, "gateway.user=no-such-user").spawn()
    assert gateway.ended() == 1
    assert "gateway.user: there is no user no-such-user" in gateway.said()


def test_only_root_becomes_others(directory):
    """Started as nobody: to be nobody is no change, to be another one takes root."""
    for user, good in (("nobody", True), ("daemon", False)):
        where = directory / user
        where.mkdir()
        os.chown(where, USER.pw_uid, USER.pw_gid)
        gateway = penstock.Gateway(where, f"gateway.user={user}")
        command = gateway.command
        binary = shutil.copy(penstock.BINARY, where)  # where it was built may be a place that others do not see
        gateway.command = lambda: ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", binary, *command()[1:]]
        if good:
            with gateway:
                assert gateway.post("/readings", json.dumps({"sensor_id": "A"})).status == 200
        else:
            gateway.spawn()
            assert gateway.ended() == 1
            assert "only root can become daemon" in gateway.said()
