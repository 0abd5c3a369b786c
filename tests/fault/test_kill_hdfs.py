"""kill -9 while the lake lies in HDFS: nothing acknowledged is lost, and HDFS holds it once. At random moments with a real one, whose name node is killed, too; and
at each request of publishing and opening, before it is done and when it was done but not answered."""

import contextlib
import os
import signal

import pytest

from hdfs import Hdfs
from ledger import CONFIG, assert_kept
from scripted_hdfs import CUT, CUT_BEHIND, ScriptedHdfs
from siege import PATIENT, SMALL_SEGMENTS, Load, busy, moment, new_random, note, rounds

SMALL = (*SMALL_SEGMENTS, "lake.roll.every=200ms")


@pytest.fixture(scope="module")
def hdfs(tmp_path_factory):
    made = Hdfs(tmp_path_factory.mktemp("hdfs") / "cluster", more={"dfs.ls.limit": 20})
    try:
        yield made.start()
    finally:
        made.close()


def finish(one, ledger):
    one.start()
    ledger.send_fresh(one)
    one.stop_cleanly(320)


def test_kill_9_beside_a_real_hdfs(gateway, tools, ledger, hdfs, tmp_path):
    """Lists have several pages (dfs.ls.limit)."""
    generator, seed = new_random()
    count = rounds(6)
    one = gateway(f"lake.url={hdfs.url('/random')}", PATIENT, *SMALL, config=CONFIG)
    for _ in range(count):
        one.start()
        ledger.send_fresh(one)
        with Load(tools, one, ledger) as load:
            moment(generator, most=1.5)
            busy(one, 50)
            one.kill()
            load.wait()
    finish(one, ledger)
    verdict = ledger.judge(hdfs.fetch("/random", tmp_path / "copy"))
    note("kill -9, lake in HDFS", count, verdict, seed)
    assert_kept(verdict)


def test_the_name_node_is_killed_under_load(gateway, tools, ledger, hdfs, tmp_path):
    generator, seed = new_random()
    count = rounds(1)
    one = gateway(f"lake.url={hdfs.url('/name')}", PATIENT, *SMALL, config=CONFIG)
    for _ in range(count):
        one.start()
        ledger.send_fresh(one)
        with Load(tools, one, ledger) as load:
            moment(generator, most=1.5)
            hdfs.name_node.kill()
            moment(generator)
            hdfs.start_again()
            moment(generator)
            one.kill()
            load.wait()
    finish(one, ledger)
    verdict = ledger.judge(hdfs.fetch("/name", tmp_path / "copy"))
    note("kill -9 of HDFS's name node, and of the gateway", count, verdict, seed)
    assert_kept(verdict)


class Killer:
    """Ends the gateway at the nth request that it is for."""

    def __init__(self, gateway, is_it, number, what):
        self.gateway, self.is_it, self.left, self.what = gateway, is_it, number, what

    def __call__(self, request):
        if not self.is_it(request):
            return None
        self.left -= 1
        if self.left:
            return None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.gateway.process.pid, signal.SIGKILL)
        return self.what


PHASES = {
    "the name node is asked where to": lambda request: request.op == "CREATE" and "data" not in request.query,
    "data is sent": lambda request: request.op == "CREATE" and "data" in request.query,
    "lengths are compared": lambda request: request.op == "GETFILESTATUS",
    "directories are made": lambda request: request.op == "MKDIRS" and ".penstock" not in request.path,
    "the owner is looked at": lambda request: request.op.startswith("LISTSTATUS") and request.path.endswith("/owner"),
    "files are renamed": lambda request: request.op == "RENAME",
    "the owner is written": lambda request: "/owner" in request.path and not request.op.startswith("LISTSTATUS"),
    "leftovers are deleted": lambda request: request.op == "DELETE" and request.path.endswith("/files"),
    "files are listed": lambda request: request.op.startswith("LISTSTATUS") and not request.path.endswith("/owner"),
}
OPENING = ("the owner is written", "leftovers are deleted", "files are listed", "directories are made")  # what a start does with what is left


@pytest.mark.parametrize("phase", PHASES)
def test_kill_9_while(gateway, tools, ledger, tmp_path, phase):
    generator, seed = new_random()
    count = rounds(2)
    with ScriptedHdfs() as hdfs:
        one = gateway(f"lake.url={hdfs.url()}", PATIENT, *SMALL, config=CONFIG)
        for number in range(count):
            killer = Killer(one, PHASES[phase], 1 if phase in OPENING else generator.randrange(1, 15), (CUT, CUT_BEHIND)[number % 2])
            one.start()
            ledger.send_fresh(one)
            with Load(tools, one, ledger) as load:
                busy(one, 50)
                if phase in OPENING:
                    one.kill()
                else:
                    hdfs.trouble = killer
                    assert one.ended() == -9
                load.wait()
            if phase in OPENING:
                hdfs.trouble = killer
                assert one.spawn().ended() == -9
            hdfs.trouble = lambda request: None
        finish(one, ledger)
        verdict = ledger.judge(hdfs.copy(tmp_path / "copy"))
    note(f"kill -9 while {phase} (HDFS)", count, verdict, seed)
    assert_kept(verdict)
