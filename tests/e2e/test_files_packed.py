"""Dropped files that are compressed: their lines, once, in bounded memory, whatever happens on the way."""

import contextlib
import gzip
import os
import pathlib
import subprocess
import time

import pytest

from penstock import memory, wait_until
from spooling import Spool


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout


PACKED = pytest.mark.parametrize("pack", [gzip.compress, zstd], ids=["gzip", "zstd"])


@PACKED
@pytest.mark.parametrize("done", ["keep", "archive"])
def test_lines_of_packed_files(gateway, pack, done):
    spool = Spool(gateway, done=done)
    spool.start()
    spool.move_in("one.csv.gz", pack(spool.content()))
    spool.move_in("large.csv.gz", pack(spool.content(lines=200000)))
    spool.move_in("several.csv.gz", pack(spool.content(lines=1000, end=b"")) + pack(b"\n" + spool.content(end=b"")))
    spool.move_in("nothing.gz", pack(b""))
    spool.move_in("plain.csv")
    spool.judge()
    assert spool.gateway.starts == 2 and "files.failed" not in spool.gateway.said()


def test_zeros_behind_a_packed_file(gateway):
    """As tapes leave them, and gzip(1) takes them for nothing."""
    spool = Spool(gateway, done="archive")
    spool.start()
    for number, zeros in enumerate((1, 511, 10240, 200000)):
        packed = gzip.compress(spool.content(lines=1000)) + bytes(zeros)
        subprocess.run(["gzip", "-t"], input=packed, check=True)
        spool.move_in(f"{number}.gz", packed)
    spool.move_in("between.gz", gzip.compress(spool.content()) + bytes(100) + gzip.compress(spool.content()))
    spool.judge()
    assert "files.failed" not in spool.gateway.said()


@PACKED
def test_the_lag_of_one_that_is_being_read(gateway, pack):
    """What came out of it already is more than all that went in."""
    spool = Spool(gateway, rate="1MiB")
    spool.start()
    spool.move_in("a.gz", pack(spool.content(lines=100000)))
    metric = lambda name: spool.gateway.metric(f"penstock_files_{name}", 'watch="drop"')
    wait_until("it to be read", lambda: metric("lines_total") > 0)
    lags = []
    while metric("lines_total") < 100000:
        lags.append((metric("lag_bytes"), metric("oldest_unread_seconds")))
        time.sleep(0.1)
    assert max(lag for lag, _ in lags) > 2**20 and max(age for _, age in lags) > 1, lags
    wait_until("no lag", lambda: metric("lag_bytes") == 0)
    spool.judge()


@PACKED
def test_kept_and_not_unpacked_again(gateway, pack):
    """Behind a restart one that is done is known as it is; in its place another one is taken, and one that has grown is not."""
    spool = Spool(gateway, quiet="100ms")
    spool.start()
    path = spool.move_in("a.gz", pack(spool.content(lines=5000)))
    spool.arrived()
    spool.gateway.kill()
    spool.start().settle()
    path.write_bytes(pack(spool.content(lines=3000)))
    spool.arrived()
    path.write_bytes(spool.content(lines=3000))
    spool.arrived()
    path.write_bytes(pack(spool.content(lines=100)))
    spool.arrived()
    with open(path, "ab") as more:
        more.write(pack(b"more\n"))
    spool.has("failed/a.gz", "failed/a.gz.reason")
    wait_until("the reason", lambda: "has grown" in (spool.root / "failed" / "a.gz.reason").read_text())
    spool.judge()


@PACKED
@pytest.mark.parametrize("how", ["cut", "broken"])
def test_what_cannot_be_unpacked(gateway, pack, how):
    spool = Spool(gateway, done="delete")
    spool.start()
    data = pack(b"".join(b"%d is a number\n" % (number * 7919 % 104729) for number in range(20000)))
    half = len(data) // 2
    spool.move_in("bad.gz", data[:half] if how == "cut" else data[:half] + bytes(200) + data[half + 200:])
    spool.move_in("good.gz", pack(spool.content()))
    spool.has("failed/bad.gz", "failed/bad.gz.reason")
    reason = wait_until("the reason", lambda: (spool.root / "failed" / "bad.gz.reason").read_text())
    assert "ends early" in reason if how == "cut" else "gzip: " in reason or "zstd: " in reason
    wait_until("the others", lambda: not set(spool.written) - set(spool.rows()))
    spool.gateway.stop_cleanly()


@PACKED
def test_memory_for_any_size(gateway, pack):
    """Half a gigabyte comes out of half a megabyte."""
    spool = Spool(gateway, "lake.enabled=true", done="delete", max_line="1MiB")
    spool.start()
    path = spool.move_in("bomb.gz", pack((b"x" * 999 + b"\n") * 500000))
    seen = [0]

    def over(lines):
        seen.append(unpacked(spool.gateway))
        return not path.exists() or spool.gateway.metric("penstock_files_lines_total", 'watch="drop"') > lines

    wait_until("half of it", lambda: over(250000), 300)
    spool.gateway.kill()
    spool.start()
    wait_until("it is deleted", lambda: over(500000), 300)
    assert max(seen) < 40 << 20, "also while it is unpacked up to where it was"
    assert memory(spool.gateway, "VmHWM") < 150 << 20
    spool.gateway.stop_cleanly(300)


def unpacked(gateway):
    """Bytes of memory that what came out takes."""
    size = 0
    for descriptor in pathlib.Path(f"/proc/{gateway.process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if "penstock-unpacked" in os.readlink(descriptor):
                size += descriptor.stat().st_blocks * 512
    return size


@PACKED
def test_killed_while_it_is_read(gateway, pack):
    """It goes on where it was, as often as that happens."""
    spool = Spool(gateway, done="delete")
    spool.move_in("a.gz", pack(spool.content(lines=1000000)))
    for _ in range(4):
        spool.start()
        wait_until("some lines", lambda: not spool.names() or spool.gateway.metric("penstock_files_lines_total", 'watch="drop"'))
        spool.gateway.kill()
    spool.start().arrived().has()
    spool.judge()
