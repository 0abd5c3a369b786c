"""Imports that are interrupted and go on: a table of several splits, and what an unfinished import has left."""

import contextlib
import json
import os
import pathlib
import signal

import pytest
from importing import HELD, Import, Imported, ending
from postgres import Session

PARTS = 8
ROWS = 800
# Every row takes its time. Four of the partitions wait for whoever has the first lock of held(), and the last two of those for the second, too.
SLOWLY = (f"(SELECT true FROM pg_sleep(0.002 + id * 0)) AND (tableoid < 'public.part4'::regclass OR {HELD}) "
          f"AND (tableoid < 'public.part6'::regclass OR {HELD.replace('(1 +', '(2 +')})")
WORDS = ("--target", "made", "--format", "jsonl")


@pytest.fixture
def begin(database, tmp_path):
    """begin(words...): an import of this test's database."""
    started = []

    def begin_one(*words, **more):
        started.append(Import(database.address, *words, cwd=tmp_path, **more))
        return started[-1]

    begin_one.database = database
    yield begin_one
    for one in started:
        if one.process.poll() is None:
            one.kill()
    for pid in keepers(tmp_path):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


@pytest.fixture
def run(begin):
    return ending(begin)


@pytest.fixture
def parts(database):
    """A table of eight partitions, each of which is a split."""
    database.run(f"CREATE TABLE parts (id int PRIMARY KEY, v int) PARTITION BY HASH (id);"
                 + "".join(f"CREATE TABLE part{n} PARTITION OF parts FOR VALUES WITH (MODULUS {PARTS}, REMAINDER {n});" for n in range(PARTS))
                 + f"INSERT INTO parts SELECT i, 0 FROM generate_series(0, {ROWS - 1}) i; ANALYZE parts")


@contextlib.contextmanager
def held(database, lock=1):
    """The import does not come to its end meanwhile, however long the test takes."""
    with contextlib.closing(Session(database.server, database.name)) as holder:
        holder.say(f"SELECT pg_advisory_lock({lock});")
        yield


def hidden(folder):
    """The directories that unfinished imports have left."""
    return sorted(path for path in folder.iterdir() if path.name.startswith(".made.import-") and path.is_dir())


def log(folder):
    """The whole lines of the only unfinished import's log; none: it has none yet."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        place, = hidden(folder)
        return [json.loads(line) for line in (place / ".log").read_bytes().split(b"\n")[:-1]]
    return []


def done(folder):
    """Of the splits that are done, the numbers."""
    return [line["split"] for line in log(folder) if "split" in line]


def keepers(folder):
    return [line["process"] for line in log(folder) if line.get("process")]


def lives(pid):
    """Is it there, and is it a keeper?"""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
    return "penstock-keeper" in status and "State:\tZ" not in status


def made_rows(folder):
    made = Imported(folder / "made")
    return made, sorted(tuple(json.loads(line).values()) for path in made.files() for line in pathlib.Path(path).read_text().splitlines())


def assert_whole(folder):
    made, rows = made_rows(folder)
    assert rows == [(i, 0) for i in range(ROWS)]
    return made
