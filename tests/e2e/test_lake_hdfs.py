"""The lake in a real HDFS: what was posted stands there, once, under the right names; and what becomes of it while HDFS is in trouble."""

import os
import shutil
import signal
import subprocess

import pytest

import penstock
from hdfs import Hdfs
from lake_hdfs import Lake, complaint, wait_complaint
from penstock import wait_until


@pytest.fixture(scope="module")
def hdfs(tmp_path_factory):
    made = Hdfs(tmp_path_factory.mktemp("hdfs") / "cluster")
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture
def lake(request, hdfs, gateway, tmp_path):
    return Lake(f"/{request.node.name}", hdfs, gateway, tmp_path)


def send(gateway, numbers):
    return [gateway.send({"sensor_id": "a", "value": number}) for number in numbers]


def test_what_was_posted_is_there(lake):
    lake.root = "/a lake/ü+&="
    one = lake.gateway(config='streams: {readings: {key: /sensor, lake: {path: "{stream}/sensor={key}"}}}').start()
    sent = [one.send({"sensor": name, "value": number}) for number in range(3) for name in ("a", "b c", "d/e:f", "ü+%")]
    one.stop_cleanly()
    assert sorted(lake.rows()) == sorted(sent)
    assert {name.rsplit("/", 1)[0] for name in lake.hdfs.files(lake.root)} == {
        "readings/sensor=a", "readings/sensor=b c", "readings/sensor=d%2Fe%3Af", "readings/sensor=ü%2B%25"}
    for name in lake.hdfs.files(lake.root):
        assert penstock.LAKE_FILE.match(name.rsplit("/", 1)[1]), name


def test_a_colon_in_a_path(lake):
    """HDFS takes none."""
    one = lake.gateway(config='streams: {readings: {lake: {path: "{stream}/at=10:30"}}}').start()
    sent = send(one, range(3))
    lake.wait(sent)
    assert {name.rsplit("/", 1)[0] for name in lake.hdfs.files(lake.root)} == {"readings/at=10%3A30"}


def test_data_is_synced_before_it_is_confirmed(lake, tmp_path):
    """By system calls of the data node: fsync of the block, then 201."""
    scope = "/proc/sys/kernel/yama/ptrace_scope"
    if os.geteuid() != 0 and os.path.exists(scope) and open(scope).read().strip() != "0":
        pytest.skip("this kernel lets only root trace a process that runs")
    one = lake.gateway().start()
    lake.wait(send(one, range(1)))
    log = tmp_path / "strace"
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-s", "40", "-o", log, "-e", "trace=fsync,fdatasync,write,writev,sendto",
                               "-p", str(lake.hdfs.data_nodes[0].process.pid)])
    try:
        wait_until("strace to attach", lambda: log.exists() and log.stat().st_size > 0)
        send(one, range(1, 2))
        wait_until("the second file", lambda: len(lake.rows()) == 2)
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(60)
    said = log.read_text(errors="replace")
    confirmed = said.find("201 Created")
    assert confirmed > 0, said[-2000:]
    assert said.count("fsync(", 0, confirmed) >= 2, said[:confirmed][-2000:]


def test_safe_mode(lake):
    one = lake.gateway().start()
    sent = send(one, range(2))
    lake.wait(sent)
    lake.hdfs.admin("-safemode", "enter")
    try:
        sent += send(one, range(2, 5))
    finally:
        lake.hdfs.admin("-safemode", "leave")
    lake.wait(sent)
    assert complaint(one) is None


def test_without_permission(lake):
    """It is told at once, and goes on when the right is given."""
    lake.hdfs.make(lake.root, permission="700")
    one = lake.gateway("lake.hdfs.user=stranger").start()
    sent = send(one, range(3))
    text = wait_complaint(one, "AccessControlException", "stranger", "lake.hdfs.user")
    assert f"{lake.root}/.penstock" in text
    lake.hdfs.ask("PUT", lake.root, "SETPERMISSION", permission="777")
    lake.wait(sent)


def test_quotas(lake):
    lake.hdfs.make(lake.root)
    one = lake.gateway().start()
    sent = send(one, range(2))
    lake.wait(sent)
    lake.hdfs.admin("-setSpaceQuota", "1m", lake.root)
    sent += send(one, range(2, 5))
    wait_complaint(one, "DSQuotaExceededException", "setSpaceQuota")
    lake.hdfs.admin("-clrSpaceQuota", lake.root)
    lake.wait(sent)


def test_a_data_node_is_killed_and_comes_back(lake):
    one = lake.gateway().start()
    sent = send(one, range(2))
    lake.wait(sent)
    lake.hdfs.data_nodes[0].kill()
    sent += send(one, range(2, 6))
    lake.hdfs.start_again()
    lake.wait(sent)


def test_the_name_node_is_killed_and_comes_back(lake):
    one = lake.gateway().start()
    sent = send(one, range(2))
    lake.wait(sent)
    lake.hdfs.name_node.kill()
    sent += send(one, range(2, 6))
    lake.hdfs.start_again()
    lake.wait(sent)


def test_who_stood_still_while_another_took_over_writes_nothing(lake, gateway):
    """A copy of its data goes on in its place: everything comes once. What has stood still says whose id it has."""
    one = lake.gateway("lake.roll.every=3s", "gateway.id=twin").start()
    sent = send(one, range(3))
    one.process.send_signal(signal.SIGSTOP)
    shutil.copytree(one.directory, gateway.folder / "other")
    other = lake.gateway("lake.roll.every=200ms", "gateway.id=twin", directory=gateway.folder / "other").start()
    lake.wait(sent)
    one.process.send_signal(signal.SIGCONT)
    wait_until("the one that stood still to be refused", lambda: "gateway.id" in (complaint(one) or "") or "has taken it over" in one.said())
    one.kill()
    sent += send(other, range(3, 6))
    lake.wait(sent)
