"""Files that are written, rotated and cut while a gateway watches them: who writes them, and whether every line came once.

Lines are numbered and never used twice. They go to a stream of text and are read back from its lake. That nothing comes a second time cannot
be waited for; so a probe, a file of its own, is taken through a life that lasts as long as any other that was begun before it, and once more
behind a restart."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess

import pytest
import yaml

from penstock import lake_rows, wait_until

SETTINGS = {"scan": "300ms", "rotate_wait": "300ms", "events": False}


def configuration(watch, streams=None, others=None, **settings):
    """The text of a configuration whose watch `logs` has these patterns."""
    entry = {"watch": [str(one) for one in watch], "stream": "lines", **SETTINGS, **settings}
    return yaml.safe_dump({"streams": streams or {"lines": {"format": "text"}}, "files": {"logs": entry, **(others or {})}})


class Writer:
    """A program that writes a log: it appends, and keeps its descriptor until it is told to open the name again."""

    numbers = 0  # of all writers, so that no line is there twice

    def __init__(self, path, written, flags=os.O_APPEND, prefix="w", encoding="utf-8"):
        self.path, self.written, self.flags, self.encoding = pathlib.Path(path), written, flags, encoding
        Writer.numbers += 1
        self.name = f"{prefix}{Writer.numbers}"
        self.next = 0
        self.descriptor = None
        self.reopen()

    def reopen(self):
        self.close()
        self.descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | self.flags, 0o644)
        if self.encoding != "utf-8" and os.fstat(self.descriptor).st_size == 0:
            write_all(self.descriptor, "\ufeff".encode(self.encoding))

    def lines(self, count, size=60):
        """New ones, that count as written."""
        made = []
        for _ in range(count):
            line = f"{self.name} {self.next:07} "
            if self.encoding == "utf-8":
                line = line.ljust(size, ".")
            else:  # a marker's 64 bytes are so few characters that the number has to be at the end
                line = line.ljust(size - 8, "ਊ") + f" {self.next:07}"
            made.append(line.encode())
            self.next += 1
        self.written += made
        return made

    def write(self, count=100, size=60):
        data = "".join(line.decode() + "\n" for line in self.lines(count, size)).encode(self.encoding)
        half = len(data) if self.encoding == "utf-8" else len(data) // 2 | 1  # of a code unit, too
        write_all(self.descriptor, data[:half])
        write_all(self.descriptor, data[half:])
        return self

    def sync(self):
        os.fsync(self.descriptor)

    def __del__(self):
        self.close()  # a filesystem of its own could not be unmounted

    def close(self):
        if self.descriptor is not None:
            os.close(self.descriptor)
        self.descriptor = None


def write_all(descriptor, data):
    while data:
        data = data[os.write(descriptor, data):]


@contextlib.contextmanager
def held(gateway):
    """The gateway stands still: what happens meanwhile it sees all at once."""
    gateway.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        gateway.process.send_signal(signal.SIGCONT)


def disorder(rows):
    """How many lines stand behind a later one of their writer."""
    latest, count = {}, 0
    for row in rows:
        name, number = row.split()[:2]
        count += latest.get(name, b"") > number
        latest[name] = max(latest.get(name, b""), number)
    return count


class Tail:
    """A gateway and the directory that it watches."""

    def __init__(self, make, *watch, streams=None, sets=(), probes="probe-*", **settings):
        self.logs = make.folder / "logs"
        self.probes = make.folder / "probes"
        self.logs.mkdir(exist_ok=True)
        self.probes.mkdir(exist_ok=True)
        self.probe_count = 0
        self.written = []
        self.encoding = settings.get("encoding", "utf-8")
        self.config = configuration([*(self.logs / one for one in watch), self.probes / probes], streams, **settings)
        self.gateway = make("lake.roll.every=200ms", *sets, config=self.config)
        self.lake = self.gateway.lake

    def writer(self, name="app.log", **more):
        return Writer(self.logs / name, self.written, encoding=self.encoding, **more)

    def start(self):
        self.gateway.start()
        return self

    def rows(self):
        return [row for row in lake_rows(self.lake) if not row.startswith(b"probe")]

    def arrived(self, what="every line that was written", seconds=60):
        """Waits until every line is in the lake."""
        def missing():
            return not set(self.written) - set(lake_rows(self.lake))

        try:
            wait_until(what, missing, seconds)
        except AssertionError as error:
            lost = sorted(set(self.written) - set(self.rows()))
            raise AssertionError(f"{error}: {len(lost)} of {len(self.written)} are missing, {lost[:3]} to {lost[-1:]}\n"
                                 f"{self.gateway.said()}") from None
        return self

    def encoded(self, text, begins):
        """In the watch's encoding; UTF-16 begins with a byte order mark."""
        return text.decode().encode("utf-16-le" if self.encoding == "utf-16" and not begins else self.encoding)

    def scanned(self):
        """Returns when everything that is there has been looked at."""
        self.probe_count += 1
        probe = f"probe {self.gateway.starts} {self.probe_count}".encode()
        (self.probes / f"probe-{self.probe_count}").write_bytes(self.encoded(probe + b"\n", True))
        wait_until("a scan", lambda: probe in lake_rows(self.lake))

    def settle(self):
        """Returns when everything that was begun before has had its time: see above."""
        self.probe_count += 1
        path = self.probes / f"probe-{self.probe_count}"
        first, last = (f"probe {self.gateway.starts} {self.probe_count} {part}".encode() for part in ("whole", "half"))
        path.write_bytes(self.encoded(first + b"\n", True))
        wait_until("the probe's line", lambda: first in lake_rows(self.lake))
        with open(path, "ab") as file:
            file.write(self.encoded(last, False))
        path.rename(path.with_name(f"over-{self.probe_count}"))
        wait_until("the probe's end", lambda: last in lake_rows(self.lake))
        return self

    def judge(self, ordered=True):
        """Everything that was written is there once; also behind a restart. What came, and in which order."""
        self.arrived().settle()
        self.gateway.stop_cleanly()
        self.gateway.start()
        self.settle()
        self.gateway.stop_cleanly()
        rows = self.rows()
        doubled = len(rows) - len(set(rows))
        print(f"{len(self.written)} lines written, {len(set(self.written) - set(rows))} missing, {doubled} doubled")
        foreign = set(rows) - set(self.written)
        assert not foreign, f"{len(foreign)} rows that nobody wrote, such as {sorted(foreign)[:3]}\n{self.gateway.said()}"
        assert set(rows) == set(self.written)
        assert not doubled, f"{doubled} of {len(rows)} lines came twice, such as {sorted(set(one for one in rows if rows.count(one) > 1))[:3]}"
        assert not ordered or disorder(rows) == 0, f"{disorder(rows)} lines stand behind later ones"
        return rows


BOTH = pytest.mark.parametrize("watch", ["app.log", "app.log*"])


@pytest.fixture
def tail(gateway):
    """tail(*patterns, **settings): one that is not started; of a log and what it is rotated to where nothing is said."""
    def make(*watch, **settings):
        return Tail(gateway, *(watch or ("app.log*",)), **settings)
    return make


# ---- files written by hand, and what became of them ----

def put(one, name, data):
    path = os.path.join(os.fsencode(one.logs), os.fsencode(name))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "ab") as file:
        file.write(data)


def rows_when(one, count):
    try:
        wait_until(f"{count} rows", lambda: len(one.rows()) >= count)
    except AssertionError as error:
        raise AssertionError(f"{error}: {[row[:80] for row in one.rows()]}\n{one.gateway.said()}") from None
    return one.rows()


def letters(one):
    """Also while the gateway runs: what the dead-letter outlet has written."""
    found = []
    for file in sorted((one.gateway.data / "dead-letters").glob("*.jsonl")):
        found += [json.loads(line) for line in file.read_bytes().split(b"\n")[:-1]]  # of the last one a part may be there
    return found


def letters_when(one, count):
    wait_until(f"{count} dead letters", lambda: len(letters(one)) >= count)
    return letters(one)


def numbered(length):
    """A text in which every place is different."""
    return b"".join(b"%07d " % number for number in range(length // 8 + 1))[:length]


# ---- what rotates ----

def shift(folder, name="app.log", most=12):
    """app.log.1 becomes app.log.2 and so on; then app.log becomes app.log.1. The caller opens a new one."""
    for number in range(most, 0, -1):
        with contextlib.suppress(FileNotFoundError):
            (folder / f"{name}.{number}").rename(folder / f"{name}.{number + 1}")
    (folder / name).rename(folder / f"{name}.1")


def copy_and_cut(path, target):
    """As logrotate's copytruncate does."""
    data = path.read_bytes()
    target.write_bytes(data)
    os.truncate(path, 0)


def need(program):
    return shutil.which(program) or pytest.skip(f"there is no {program} here")


def run(*command, **more):
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, timeout=60, **more)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
