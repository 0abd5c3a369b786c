"""Rows of files that grow: lines per second, many files, a line's delay."""

import os
import re
import statistics
import subprocess
import time
import urllib.request

from harness import Row, Server, count, free_port, median
from rows import reading

LINE = b"%09d " + b"x" * 189 + b"\n"
LINES = 3_000_000
BLOCK = 4 << 20
MANY = 10_000
DROPPED = 300  # files of a spool
SMALL = 100_000  # of one line each
EACH = 10  # lines per second of each of many files
QUIET = 6  # seconds, after which a file that is found counts as complete
DELAYS = 300


class Tail(Server):
    """The product with one watch, and an outlet that takes nothing away from it: the journal holds what is read."""

    def __init__(self, bench, folder, *options, takes="watch={}/*.log"):
        self.admin = free_port()
        port = free_port()
        sets = (f"gateway.data={folder / 'data'}", f"http.listen=127.0.0.1:{port}", "mqtt.listen=", f"admin.listen=127.0.0.1:{self.admin}",
                "lake.enabled=false", "kafka.properties.bootstrap.servers=127.0.0.1:1", "streams.readings.topics=T", "streams.unorganized.topics=T",
                f"files.bench.{takes.format(folder / 'drop')}", "files.bench.stream=unorganized", *options)
        command = [bench.program("penstock"), "run"]
        for item in sets:
            command += ["--set", item]
        super().__init__(command, port, bench.work / "penstock.log", reading())

    def metric(self, name):
        page = urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=30).read().decode()
        return float(re.search(rf'^{name}{{watch="bench"}} (\S+)$', page, re.M)[1])

    def lines(self):
        """Lines that are durable."""
        return int(self.metric("penstock_files_lines_total"))

    def wait(self, lines, seconds=120, pause=0.002):
        deadline = time.monotonic() + seconds
        while self.lines() < lines:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.lines()} of {lines} lines after {seconds} s")
            time.sleep(pause)


def drop(bench, name):
    folder = bench.directory(name)
    (folder / "drop").mkdir()
    return folder


def big_file(bench):
    path = bench.work / "lines.log"
    if not path.exists():
        with open(path, "wb") as file:
            for first in range(0, LINES, 10_000):
                file.write(b"".join(LINE % number for number in range(first, first + 10_000)))
    path.read_bytes()  # into the cache
    return path


def tail_once(bench, path):
    folder = drop(bench, "tail")
    with Tail(bench, folder, "journal.max_size=4GiB") as server:
        before = server.threads()
        start = time.monotonic()
        path.rename(folder / "drop" / "lines.log")
        server.wait(LINES)
        seconds = time.monotonic() - start
        after = server.threads()
        most = server.memory()[1]
    (folder / "drop" / "lines.log").rename(path)
    return {"rate": LINES / seconds, "cpu_us": sum(after[name] - before.get(name, 0) for name in after) * 1e6 / LINES, "rss": most}


def reference_once(bench, path):
    folder = bench.directory("line-commit")
    command = f"cat '{path}' | '{bench.program('line_commit')}' '{folder}/file' {BLOCK}"
    result = bench.json("sh", "-c", command)
    return result


def tail(bench):
    """Lines of 200 bytes from the page cache into the journal, durable."""
    path = big_file(bench)
    ours, theirs = bench.pairs(lambda: tail_once(bench, path), lambda: reference_once(bench, path))
    path.unlink()
    return [Row("files-tail", "lines/s of 200 bytes, durable", count(median(ours, "rate")), f"{count(median(theirs, 'rate'))} cat into line_commit",
                tuple(o["rate"] / t["rate"] for o, t in zip(ours, theirs)), ">= 1,000,000/s and >= 0.5",
                f"CPU {median(ours, 'cpu_us'):.2f} us per line; {median(ours, 'rss'):.0f} MiB at most")]


def dropped(folder, files, lines):
    for number in range(files):
        path = folder / "drop" / f"{number}.txt"
        path.write_bytes(b"".join(LINE % (number * lines + line) for line in range(lines)))
        os.utime(path, (1, 1))
    os.sync()


def spool_once(bench, files, lines, gone=False):
    """The files are there when the product starts, and are deleted once they are durable. gone: until that is done."""
    folder = drop(bench, "spool")
    dropped(folder, files, lines)
    time.sleep(QUIET)
    start = time.monotonic()
    with Tail(bench, folder, "journal.max_size=4GiB", "files.bench.done=delete", takes="spool={}") as server:
        before = server.threads()
        server.wait(files * lines, pause=0.02)
        while gone and next(os.scandir(folder / "drop"), None):
            time.sleep(0.02)
        seconds = time.monotonic() - start
        after = server.threads()
        most = server.memory()[1]
    used = {name: (after[name] - before.get(name, 0)) * 1e6 / files / lines for name in after}
    return {"rate": files * lines / seconds, "files": files / seconds, "rss": most, "cpu_us": sum(used.values()), "thread_us": used["files"]}


def spool_reference(bench, files, lines):
    """cat of the same, by name, into the program that commits what comes."""
    folder = drop(bench, "spool-commit")
    dropped(folder, files, lines)
    return bench.json("sh", "-c", f"find '{folder}/drop' -type f -print0 | xargs -0 cat | '{bench.program('line_commit')}' '{folder}/file' {BLOCK}")


def spool(bench):
    """Files of 10,000 lines of 200 bytes that were dropped."""
    lines = LINES // DROPPED
    ours, theirs = bench.pairs(lambda: spool_once(bench, DROPPED, lines), lambda: spool_reference(bench, DROPPED, lines))
    return [Row("files-spool", "lines/s of 200 bytes, durable", count(median(ours, "rate")), f"{count(median(theirs, 'rate'))} cat into line_commit",
                tuple(o["rate"] / t["rate"] for o, t in zip(ours, theirs)), "",
                f"{count(median(ours, 'files'))} files/s; CPU {median(ours, 'cpu_us'):.2f} us per line; {median(ours, 'rss'):.0f} MiB at most; with the start")]


def small_reference(bench):
    folder = drop(bench, "small-commit")
    dropped(folder, SMALL, 1)
    return bench.json(bench.program("file_commit"), folder / "drop", folder / "file", BLOCK)


def small(bench):
    """Files of one line: what a file costs."""
    ours, theirs = bench.pairs(lambda: spool_once(bench, SMALL, 1, gone=True), lambda: small_reference(bench))
    return [Row("files-small", f"{count(SMALL)} files of one line: files/s, durable and deleted", count(median(ours, "rate")),
                f"{count(median(theirs, 'rate'))} file_commit", tuple(o["rate"] / t["rate"] for o, t in zip(ours, theirs)), "",
                f"CPU {median(ours, 'cpu_us'):.2f} us per file, the thread's {median(ours, 'thread_us'):.2f}, "
                f"file_commit {median(theirs, 'cpu_ns') / 1000:.2f}; {median(ours, 'rss'):.0f} MiB at most; with the start")]


def idle(bench):
    """Many files to which nothing comes."""
    folder = drop(bench, "idle")
    for number in range(MANY):
        (folder / "drop" / f"{number}.log").write_bytes(LINE % number)
    with Tail(bench, folder) as server:
        server.wait(MANY)
        time.sleep(2)  # whatever the beginning leaves behind is done
        before, start = server.threads(), time.monotonic()
        time.sleep(30)
        after, seconds = server.threads(), time.monotonic() - start
        now, most = server.memory()
    share = (after["files"] - before["files"]) / seconds
    return [Row("files-idle", f"{count(MANY)} idle files: resident MiB at most", f"{most:.1f}", goal="<= 64 MiB", more=f"{now:.1f} MiB at rest"),
            Row("files-idle", "share of a core", f"{100 * share:.2f} %", goal="< 1 %", more="30 s, a scan every 10 s")]


def growing(bench):
    """Many files, each with a few lines per second: how far behind is what is durable?"""
    folder = drop(bench, "growing")
    for number in range(MANY):
        (folder / "drop" / f"{number}.log").touch()
    seconds, lags = max(bench.seconds, 10), []
    script = ("import os, time\n"
              f"files = [os.open('{folder}/drop/%d.log' % number, os.O_WRONLY | os.O_APPEND) for number in range({MANY})]\n"
              f"lines = [{LINE!r} % number for number in range({MANY})]\n"  # files that begin alike could be copies, and wait
              "written, start = 0, time.monotonic()\n"
              f"while time.monotonic() - start < {seconds}:\n"
              f"    due = int((time.monotonic() - start) * {EACH} * len(files))\n"
              "    while written < due:\n"
              "        os.write(files[written % len(files)], lines[written % len(files)]); written += 1\n"
              "    time.sleep(0.005)\n"
              "print(written)\n")
    with Tail(bench, folder) as server:
        time.sleep(2)  # all of them are known
        before = server.threads()
        writer = subprocess.Popen(["/usr/bin/python3", "-c", script], stdout=subprocess.PIPE, text=True)
        start = time.monotonic()
        while writer.poll() is None:
            due = min((time.monotonic() - start) * EACH * MANY, seconds * EACH * MANY)
            lags.append(max(0.0, (due - server.lines()) / (EACH * MANY)))
            time.sleep(0.05)
        written = int(writer.stdout.read())
        server.wait(written)
        behind = time.monotonic() - start - seconds
        after = server.threads()
        most = server.memory()[1]
    lags.sort()
    used = sum(after[name] - before.get(name, 0) for name in after)
    return [Row("files-growing", f"{count(MANY)} files, {EACH} lines/s each: seconds behind, p99", f"{lags[int(0.99 * (len(lags) - 1))]:.2f}", goal="< 2 s",
                more=f"p50 {statistics.median(lags):.2f}; {count(written)} lines in {seconds} s, all durable {behind:.2f} s later; "
                     f"CPU {used * 1e6 / written:.2f} us per line; {most:.0f} MiB at most")]


def delay(bench):
    """From the write of a line to its commit, as /metrics shows it."""
    folder = drop(bench, "delay")
    path, delays = folder / "drop" / "one.log", []
    path.touch()
    with Tail(bench, folder) as server, open(path, "ab", buffering=0) as file:
        for number in range(DELAYS):
            start = time.monotonic()
            file.write(LINE % number)
            while server.lines() <= number:
                pass
            delays.append((time.monotonic() - start) * 1000)
            time.sleep(0.01)
    delays.sort()
    return [Row("files-delay", "ms from a line's write to its commit, p50", f"{statistics.median(delays):.1f}", goal="<= 20 ms",
                more=f"p99 {delays[int(0.99 * (DELAYS - 1))]:.1f}; with the time of a GET /metrics")]


ROWS = {"files-tail": tail, "files-spool": spool, "files-small": small, "files-idle": idle, "files-growing": growing, "files-delay": delay}
