"""Fixtures: the product's writers as the program write_table, and the foreign readers of parts/readers.py."""

import os
import pathlib
import subprocess
import sys

import pytest

import readers
import tables

sys.path.insert(0, str(readers.folder()))

BINARY = pathlib.Path(os.environ.get("WRITE_TABLE") or pathlib.Path(__file__).resolve().parents[2] / "build" / "write_table")
PATIENCE = 300  # seconds for one file on a loaded machine, with sanitizers


class Refused(Exception):
    """The writers do not take it; the text says why: "reject: column ..."."""


@pytest.fixture
def write_table(tmp_path):
    """write_table(fields, rows, format="avro", codec="snappy", ...) writes a file and returns its path, or raises Refused."""
    if not BINARY.exists():
        pytest.fail(f"{BINARY} is not built: bash tests/run e2e")
    count = 0

    def write(fields, rows, **options):
        nonlocal count
        count += 1
        path = tmp_path / f"table-{count}"
        done = subprocess.run([BINARY, path], input=tables.describe(fields, rows, **options), capture_output=True, encoding="utf-8",
                              errors="replace", timeout=PATIENCE)
        if done.returncode == 1:
            raise Refused(done.stdout.strip())
        assert done.returncode == 0, done.stderr
        return path

    write.Refused = Refused
    return write
