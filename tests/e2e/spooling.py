"""Complete files that people put into a directory: who puts them there, and whether each was taken once.

Lines are numbered and never used twice; they go to a stream of text and are read back from its lake. What must not happen is waited for as with
tailing.py: a file that is put there later has come."""

import os
import pathlib

import yaml

from penstock import lake_rows, wait_until


class Spool:
    """A gateway and the directory that it takes files from."""

    def __init__(self, make, *sets, root=None, where="", others=None, streams=None, **settings):
        self.root = root or make.folder / "drop"
        self.root.mkdir(exist_ok=True)
        self.outside = self.root.with_name("outside")
        self.outside.mkdir(exist_ok=True)
        self.written, self.count = [], 0
        entry = {"spool": [f"{self.root}{where}"], "stream": "lines", "scan": "300ms", "quiet": "300ms", **settings}
        config = yaml.safe_dump({"streams": {"lines": {"format": "text"}, **(streams or {})}, "files": {"drop": entry, **(others or {})}})
        self.gateway = make("lake.roll.every=200ms", *sets, config=config)
        self.lake = self.gateway.lake

    def start(self):
        self.gateway.start()
        return self

    def content(self, lines=100, size=60, end=b"\n"):
        """New lines, that count as written."""
        self.count += 1
        made = [f"f{self.count:05} {number:07} ".encode().ljust(size, b".") for number in range(lines)]
        self.written += made
        return b"\n".join(made) + end

    def move_in(self, name, data=None, **more):
        """Complete from the first moment that it is there."""
        data = self.content(**more) if data is None else data
        self.count += 1
        made = self.outside / f"{self.count}"
        made.write_bytes(data)
        return made.rename(self._path(name))

    def write(self, name, data=None, **more):
        path = self._path(name)
        path.write_bytes(self.content(**more) if data is None else data)
        return path

    def sync(self):
        """A disk that loses its power from here on has what was dropped."""
        folder = os.open(self.root, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        os.sync()

    def _path(self, name):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def rows(self):
        return [row for row in lake_rows(self.lake) if not row.startswith(b"probe")]

    def arrived(self, seconds=60):
        try:
            wait_until("every line that was written", lambda: not set(self.written) - set(lake_rows(self.lake)), seconds)
        except AssertionError as error:
            lost = sorted(set(self.written) - set(self.rows()))
            raise AssertionError(f"{error}: {len(lost)} of {len(self.written)} are missing, {lost[:3]}\n{self.gateway.said()}") from None
        return self

    def settle(self):
        """Returns when what was there before has had its time: one that comes later has."""
        self.count += 1
        line = f"probe {self.count}".encode()
        path = self.move_in(f"probe-{self.count}", line + b"\n")
        wait_until("the probe", lambda: line in lake_rows(self.lake))
        return path

    def names(self, folder=""):
        """What is there, but for probes."""
        root = self.root / folder
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and "probe" not in path.name)

    def has(self, *names, folder=""):
        wait_until(f"{folder or 'the spool'} to hold {names}", lambda: self.names(folder) == sorted(names))

    def judge(self):
        """Each line is there once, also behind a restart."""
        self.arrived().settle()
        self.gateway.stop_cleanly()
        self.gateway.start()
        self.settle()
        self.gateway.stop_cleanly()
        rows = self.rows()
        doubled = len(rows) - len(set(rows))
        print(f"{len(self.written)} lines written, {len(set(self.written) - set(rows))} missing, {doubled} doubled")
        assert sorted(set(rows)) == sorted(self.written), sorted(set(rows) ^ set(self.written))[:3]
        assert not doubled, [row for row in rows if rows.count(row) > 1][:3]
        return rows


def replace(path, data):
    """As programs do that take care: another file, and then its name."""
    new = pathlib.Path(f"{path}.tmp")
    new.write_bytes(data)
    os.replace(new, path)
