"""kill -9 while files go to an S3 store: at random, and right at each request that publishing makes, before the server has done it and behind.
Nothing acknowledged is lost, and the store holds it once."""

import contextlib
import threading

import pytest

import s3_lake
from ledger import CONFIG, assert_kept
from s3_proxy import CUT, Proxy
from siege import PATIENT, SMALL_SEGMENTS, Load, busy, moment, new_random, note, rounds

PHASES = ("create", "check", "part", "complete", "owner", "uploads", "abort", "list")


@pytest.fixture
def proxy(s3_server):
    one = Proxy(s3_server.port)
    yield one
    one.close()


def new_gateway(gateway, url, bucket, *sets):
    return gateway(*s3_lake.options(url, bucket, every="50ms"), PATIENT, *SMALL_SEGMENTS, *sets, config=CONFIG, environment=s3_lake.environment())


def judge(ledger, server, bucket, folder):
    return ledger.judge(server.client.save(bucket, folder) / "lake")


def finish(one, ledger):
    one.start()
    ledger.send_fresh(one)
    one.stop_cleanly(320)


@pytest.mark.parametrize("files", ["many files at once", "few open files"])
def test_kill_9_loses_nothing(gateway, tools, ledger, s3_server, tmp_path, files):
    generator, seed = new_random()
    count = rounds(8)
    bucket = s3_lake.bucket_of(s3_server)
    more = ("lake.max_open_files=2", "lake.roll.records=50") if files == "few open files" else ()
    one = new_gateway(gateway, s3_server.url, bucket, *more)
    for _ in range(count):
        one.start()
        ledger.send_fresh(one)
        with Load(tools, one, ledger) as load:
            moment(generator)
            busy(one, 100)
            one.kill()
            load.wait()
    finish(one, ledger)
    verdict = judge(ledger, s3_server, bucket, tmp_path / "saved")
    note(f"kill -9, S3, {files}", count, verdict, seed)
    assert_kept(verdict)
    assert verdict.accepted > 100 * count
    assert s3_server.client.uploads(bucket) == []


class Strike:
    """Kills the gateway at a request of this phase, and answers nothing from then on."""

    def __init__(self, one, phase, nth):
        self.one, self.phase, self.nth = one, phase, nth
        self.lock = threading.Lock()
        self.struck = threading.Event()

    def __call__(self, phase, *_):
        with self.lock:
            if self.struck.is_set():
                return CUT
            self.nth -= phase == self.phase
            if phase != self.phase or self.nth > 0:
                return None
            with contextlib.suppress(ProcessLookupError):
                self.one.process.kill()
            self.struck.set()
            return CUT


@pytest.mark.parametrize("where", ["before", "after"])
def test_kill_9_at_each_request(gateway, tools, ledger, s3_server, proxy, tmp_path, where):
    """`after`: the server has done it, and nobody has heard of it."""
    generator, seed = new_random()
    bucket = s3_lake.bucket_of(s3_server)
    one = new_gateway(gateway, proxy.url, bucket)
    count = 0
    for _ in range(max(1, rounds(10) // 10)):
        for phase in PHASES:
            nobody = lambda *_: None  # noqa: E731
            proxy.before = proxy.after = nobody
            one.spawn()
            # Those of opening come once in a run; a list only when there is something to be read again, an abort when an upload was left.
            strike = Strike(one, phase, 1 if phase in ("owner", "uploads", "abort", "list") else generator.randrange(1, 12))
            setattr(proxy, where, strike)
            if s3_lake.listening(one):
                with Load(tools, one, ledger) as load:
                    strike.struck.wait(20)
                    one.process.kill()
                    load.wait()
            one.process.kill()
            one.ended()
            assert strike.struck.is_set(), f"no {phase} within 20 s"
            count += 1
    proxy.before = proxy.after = lambda *_: None
    finish(one, ledger)
    verdict = judge(ledger, s3_server, bucket, tmp_path / "saved")
    note(f"kill -9 {where} a request to S3", count, verdict, seed)
    assert_kept(verdict)
    assert s3_server.client.uploads(bucket) == []
