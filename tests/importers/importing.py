"""penstock import as a process, and what it leaves: the manifest is held against the files, and the files are read by others."""

import decimal
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

BINARY = pathlib.Path(os.environ.get("PENSTOCK") or pathlib.Path(__file__).resolve().parents[2] / "build" / "penstock")
PATIENCE = 120  # seconds
HELD = "(SELECT true FROM pg_advisory_xact_lock_shared(1 + id * 0))"  # a condition that lasts as long as somebody has the lock: HOLD
HOLD = "SELECT pg_advisory_lock(1);"
CRC32C_MOST = 1 << 24  # bytes: Python takes seconds for that many
CRC32C = []
for number in range(256):
    for _ in range(8):
        number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
    CRC32C.append(number)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC32C[(crc ^ byte) & 0xFF] ^ crc >> 8
    return f"{crc ^ 0xFFFFFFFF:08x}"


class Import:
    """One run. What it says is in `out` and `said` once it has ended."""

    def __init__(self, address, *words, cwd, environment=None):
        self.process = subprocess.Popen([BINARY, "import", *(("--connect", address) if address else ()), *map(str, words)], cwd=cwd,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, **(environment or {})}, start_new_session=True)

    def end(self, patience=PATIENCE):
        try:
            self.out, self.said = self.process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        return self.end()


def ending(begin):
    """begin() as a call that waits for the import, which has to end with `status`. What only begins it is its member."""
    def run(*words, status=0, **more):
        one = begin(*words, **more)
        assert one.end() == status, one.said
        return one

    run.begin = begin
    return run


class Imported:
    """A directory that an import made. Its manifest says what the files are, to the byte."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.manifest = json.loads((self.folder / "manifest.json").read_text())
        self.tables = {(table["schema"], table["name"]): table for table in self.manifest["tables"]}
        for table in self.manifest["tables"]:
            self.check(table)

    def check(self, table):
        place = self.folder / table["directory"]
        files = [file for file in table["files"] if file["name"]]
        others = {"manifest.json"} if place == self.folder else set()
        assert {entry.name for entry in place.iterdir()} == {file["name"] for file in files} | {"_SUCCESS"} | others
        assert (place / "_SUCCESS").stat().st_size == 0
        for file in files:
            assert (place / file["name"]).stat().st_size == file["bytes"]
        smallest = min(files, key=lambda file: file["bytes"])
        if smallest["bytes"] < CRC32C_MOST:
            assert crc32c((place / smallest["name"]).read_bytes()) == smallest["crc32c"]
        assert sum(file["rows"] for file in table["files"]) == table["rows"]
        for at, column in enumerate(table["columns"]):
            assert sum(file["nulls"][at] for file in table["files"]) == column["nulls"]

    def files(self, schema="public", name=None):
        table = self.tables[(schema, name)] if name else self.manifest["tables"][0]
        return [str(self.folder / table["directory"] / file["name"]) for file in table["files"] if file["name"]]


def wait_until(what, ready, patience=PATIENCE):
    end = time.monotonic() + patience
    while not ready():
        assert time.monotonic() < end, f"not within {patience} s: {what}"
        time.sleep(0.02)


def peak(command):
    """The most memory, in bytes, that a program had."""
    told = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); " \
           "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    done = subprocess.run([sys.executable, "-c", told, *map(str, command)], stdout=subprocess.PIPE, check=True, timeout=PATIENCE)
    return int(done.stdout) * 1024


def rows_of(path, kind):
    """The rows of a file as a foreign reader of that format sees them: lists of Python values."""
    import fastavro
    import pyarrow.parquet

    if kind == "parquet":
        return [list(row.values()) for row in pyarrow.parquet.read_table(path).to_pylist()]
    if kind == "avro":
        with open(path, "rb") as file:
            return [list(row.values()) for row in fastavro.reader(file)]
    assert kind == "jsonl"
    with open(path, encoding="utf-8") as file:
        return [list(json.loads(line, parse_float=decimal.Decimal).values()) for line in file]
