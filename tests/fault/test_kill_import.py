"""kill -9, crashes and cuts under `penstock import`, of every format and every way to cut a table, while the tables are written to.

What is held against what: each transaction moves an amount from one row to another and writes down that it did. Both tables are imported at once; an import
that is complete has each row once, with the value that its own list of moves makes of it. A row that is lost, doubled or of another moment shows.
"""

import collections
import contextlib
import csv
import itertools
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "importers"), str(HERE.parent / "parts")]

from cutting_proxy import Proxy  # noqa: E402
from importing import BINARY, Import, Imported, rows_of, wait_until  # noqa: E402
import readers  # noqa: E402
from postgres import QUIET, Postgres  # noqa: E402
from siege import injections, new_random, note, rounds  # noqa: E402

sys.path.insert(0, str(readers.folder()))

ACCOUNTS = 2400
FORMATS = ("parquet", "avro", "jsonl", "csv", "text")
SLOWLY = "(NOT slow OR id % 4 > 0 OR (SELECT true FROM pg_sleep(0.001 + id * 0)))"
QUICKLY = "true"
Verdict = collections.namedtuple("Verdict", "accepted lost doubled")

# Per way to cut a table: how it is made, what is said, and what the manifest is to say of it.
TABLE = "(id int NOT NULL, code text, value bigint, slow bool, pad text)"
SPARSE = "WITH (fillfactor = 10)"  # a row per page: a few rows are many pages
PART = "CREATE TABLE part{0} PARTITION OF accounts FOR VALUES FROM ({1}) TO ({2});"
WAYS = {
    "pages": (f"CREATE TABLE accounts {TABLE} {SPARSE}", (), "accounts", "ranges of pages"),
    "statistics": (f"CREATE TABLE accounts {TABLE} {SPARSE}", ("--split-by", "id"), "accounts", "by its statistics"),
    "quantiles": (f"CREATE TABLE accounts {TABLE} {SPARSE}", ("--split-by", "code"), "accounts", "by its quantiles"),
    "whole": (f"CREATE TABLE accounts {TABLE}; CREATE VIEW seen AS SELECT * FROM accounts", (), "seen", "one split"),
    "partitions": (f"CREATE TABLE accounts {TABLE} PARTITION BY RANGE (id);"
                   + "".join(PART.format(part, part * ACCOUNTS // 4, (part + 1) * ACCOUNTS // 4) for part in range(4)),
                   (), "accounts", "partition by partition"),
}
CHURN = """
CREATE PROCEDURE churn(count int) LANGUAGE plpgsql AS $$
DECLARE one int; other int; amount int; taken accounts%%ROWTYPE;
BEGIN
    FOR round IN 1 .. count LOOP
        one := floor(random() * %d); other := floor(random() * %d); amount := 1 + floor(random() * 100);
        UPDATE accounts SET value = value - amount WHERE id = one;
        UPDATE accounts SET value = value + amount WHERE id = other;
        INSERT INTO moves (source, target, amount, slow, code) VALUES (one, other, amount, false, round);
        DELETE FROM accounts WHERE id = one RETURNING * INTO taken;
        INSERT INTO accounts SELECT taken.*;
        COMMIT;
        PERFORM pg_sleep(0.002);
    END LOOP;
END $$;
""" % (ACCOUNTS, ACCOUNTS)


class Writer(threading.Thread):
    """Writes for as long as there is a server, and again when it is back."""

    def __init__(self, bank):
        super().__init__(daemon=True)
        self.bank, self.ending = bank, threading.Event()
        self.start()

    def run(self):
        for way in itertools.cycle(WAYS):
            if self.ending.is_set():
                return
            try:
                self.bank.run(f"SET search_path = {way}; SET statement_timeout = '20s'; CALL churn(20)")
            except AssertionError:
                self.ending.wait(0.1)

    def end(self):
        self.ending.set()
        self.join()


class Bank:
    """A server with a schema for each way, and the imports of it."""

    def __init__(self, folder):
        self.folder = folder
        self.server = Postgres(QUIET).start()
        self.writer = None
        self.completed = 0
        self.begun = []
        for way, (table, *_) in WAYS.items():
            self.run(f"CREATE SCHEMA {way}; SET search_path = {way}; {table};"
                     "CREATE TABLE moves (id serial, source int, target int, amount bigint, slow bool, code text);"
                     f"INSERT INTO accounts SELECT i, md5(i::text), 0, true, repeat('x', 700) FROM generate_series(0, {ACCOUNTS - 1}) i;"
                     f"CREATE INDEX ON accounts (id); {CHURN} {'ANALYZE accounts' if way == 'statistics' else ''}")
        self.writer = Writer(self)
        wait_until("every table is written to", lambda: all(self.moves(way) for way in WAYS))

    def moves(self, way):
        return int(self.run(f"SELECT count(*) FROM {way}.moves"))

    def run(self, sql):
        return self.server.run(sql)

    def words(self, way, kind, target="made", where=SLOWLY):
        _, more, table, _ = WAYS[way]
        # Whoever is killed behind the rename has nothing left that names its keeper: that ends by itself, after this time.
        return ["--keep-snapshot", "20", "--target", target, "--format", kind, "--where", where, *more, "--progress", "none", f"{way}.{table}", f"{way}.moves"]

    def begin(self, way, kind, address=None, **more):
        self.begun.append(Import(address or self.server.conninfo(), *self.words(way, kind, **more), cwd=self.folder))
        return self.begun[-1]

    def judge(self, way, kind, place="made", consistent=True):
        """An import that is complete, value by value."""
        _, _, table, reason = WAYS[way]
        made = Imported(self.folder / place)
        rows = {name: [row for path in made.files(way, name) for row in read(path, kind)] for name in (table, "moves")}
        wanted = [0] * ACCOUNTS
        for _, source, to, amount, *_ in rows["moves"]:
            wanted[int(source)] -= int(amount)
            wanted[int(to)] += int(amount)
        seen = collections.Counter(int(row[0]) for row in rows[table])
        moves = collections.Counter(int(row[0]) for row in rows["moves"])
        lost = [number for number in range(ACCOUNTS) if number not in seen]
        doubled = sum(count - 1 for count in (*seen.values(), *moves.values()))
        assert not lost and not doubled, f"{way}, {kind}: {len(lost)} rows are lost, {doubled} doubled"
        wrong = [row[:3] for row in rows[table] if int(row[2]) != wanted[int(row[0])]]
        assert not wrong, f"{way}, {kind}: {len(wrong)} rows are of another moment, such as {wrong[:3]}"
        assert reason in made.tables[(way, table)]["split_by"] and made.manifest["snapshot"]["consistent"] == consistent
        self.completed += 1
        remove(self.folder / place)

    def end_and_judge(self, one, way, kind, place="made"):
        """Whatever has happened to it: all is there, and it says so, or nothing is."""
        status = one.end()
        there = (self.folder / place).exists()
        assert there == (status == 0), (status, one.said)
        if there:
            self.judge(way, kind, place)
        return status == 0

    def finish(self, way="pages", kind="parquet"):
        """The next import works, and takes away what others left: files, sessions, processes."""
        one = self.begin(way, kind, where=QUICKLY)
        assert one.end() == 0, one.said
        self.judge(way, kind)
        wait_until("an empty folder", lambda: not list(self.folder.iterdir()))
        wait_until("no session is left", lambda: not self.sessions())

    def sessions(self):
        return self.run("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'penstock%'").split()

    def close(self):
        for one in self.begun:
            if one.process.poll() is None:
                one.kill()
        if self.writer:
            self.writer.end()
        self.server.close()


def remove(folder):
    for entry in sorted(folder.rglob("*"), reverse=True):
        entry.rmdir() if entry.is_dir() else entry.unlink()
    folder.rmdir()


def read(path, kind):
    if kind == "csv":
        with open(path, newline="", encoding="utf-8") as file:
            return list(csv.reader(file))
    if kind == "text":
        with open(path, newline="", encoding="utf-8") as file:
            return [line.rstrip("\n").split("\t") for line in file]
    return rows_of(path, kind)


def cases(count):
    """Ways and formats in turn: 25 rounds are all of both."""
    ways = itertools.cycle(itertools.product(range(len(FORMATS)), WAYS))
    return [(way, FORMATS[(at + shift) % len(FORMATS)]) for at, (shift, way) in zip(range(count), ways)]


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bank")
    made = Bank(folder)
    yield made
    made.close()


@pytest.fixture
def lasting(bank):
    """How long an import of each way takes here, so that faults come in the midst of it."""
    if not hasattr(bank, "lasting"):
        bank.lasting = {}
        for way, kind in cases(5):
            start = time.monotonic()
            one = bank.begin(way, kind)
            assert bank.end_and_judge(one, way, kind), one.said
            bank.lasting[way] = time.monotonic() - start
    return bank.lasting


@contextlib.contextmanager
def noted(bank, fault, count):
    generator, seed = new_random()
    before = bank.completed
    yield generator
    moves = bank.moves("pages")
    wait_until("it is written to", lambda: bank.moves("pages") > moves)
    bank.finish()
    note(f"import: {fault}", count, Verdict(bank.completed - before, [], 0), seed)


def moment(generator, lasting, way):
    """When the fault comes, from the first call to the last one: not a wait for anything."""
    time.sleep(generator.uniform(0, 1.1 * lasting[way]))


def test_the_oracle_sees_what_is_not_one_moment(bank):
    """Without a snapshot the same check fails: it can."""
    with pytest.raises(AssertionError, match="of another moment|are lost|doubled"):
        for _ in range(100):  # until one has read while somebody wrote
            one = Import(bank.server.conninfo(), *bank.words("pages", "jsonl", target="loose"), "--not-consistent", cwd=bank.folder)
            assert one.end() == 0
            try:
                bank.judge("pages", "jsonl", "loose", consistent=False)
            finally:
                if (bank.folder / "loose").exists():
                    remove(bank.folder / "loose")


def test_kill_9(bank, lasting):
    count = rounds(10)
    with noted(bank, "kill -9", count) as generator:
        for way, kind in cases(count):
            one = bank.begin(way, kind)
            moment(generator, lasting, way)
            one.kill()
            if (bank.folder / "made").exists():  # it was faster, or was killed behind the rename
                bank.judge(way, kind)


def test_sessions_terminated(bank, lasting):
    """Of workers and of the keeper, one by one and all at once."""
    count = rounds(10)
    with noted(bank, "pg_terminate_backend", count) as generator:
        for way, kind in cases(count):
            one = bank.begin(way, kind)
            for _ in range(generator.randint(1, 4)):
                time.sleep(generator.uniform(0, lasting[way] / 2))
                victims = bank.sessions()
                for victim in generator.sample(victims, generator.randint(min(1, len(victims)), len(victims))):
                    bank.run(f"SELECT pg_terminate_backend({victim})")
            bank.end_and_judge(one, way, kind)


def test_server_crashes(bank, lasting):
    """An immediate shutdown is a crash: what imports see of it is connections that end in the midst of a message."""
    count = rounds(5)
    with noted(bank, "server killed and started", count) as generator:
        for way, kind in cases(count):
            one = bank.begin(way, kind)
            moment(generator, lasting, way)
            bank.server.stop(signal.SIGQUIT)
            bank.server.start()
            bank.end_and_judge(one, way, kind)


@pytest.mark.parametrize("how", ["reset", "closed"])
def test_network_cut(bank, lasting, how):
    """After some bytes, wherever in a message that is: one connection, or all of them."""
    count = rounds(10)
    with noted(bank, f"connection {how}", count) as generator, Proxy(bank.server.port) as proxy:
        address = bank.server.conninfo().replace(f"port={bank.server.port}", f"port={proxy.port}")
        for way, kind in cases(count):
            proxy.cut(how, *(generator.choice((generator.randrange(5000), generator.randrange(3_000_000))) for _ in range(generator.randint(1, 4))))
            one = bank.begin(way, kind, address=address)
            bank.end_and_judge(one, way, kind)
            proxy.cut(how)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_the_network_is_silent(bank, how):
    """Nothing comes any more, and nothing says so: who asks it to stop need not wait for that to be noticed."""
    generator, _ = new_random()
    with Proxy(bank.server.port) as proxy:
        address = bank.server.conninfo().replace(f"port={bank.server.port}", f"port={proxy.port}")
        for distance in (0, 300, 2000, 50_000, generator.randrange(200_000)):
            before = proxy.silent
            proxy.cut("silent", *[distance] * 8)
            one = bank.begin("pages", "jsonl", address=address)
            wait_until("a silent connection", lambda: proxy.silent > before)
            start = time.monotonic()
            assert one.kill(how) == 1, one.said
            assert time.monotonic() - start < 60, f"silent after {distance} bytes: {one.said}"
            proxy.release()
        proxy.cut("silent")
    assert not (bank.folder / "made").exists()
    bank.finish()


def test_disk_full(bank, mount, tmp_path):
    """Whichever write it is that finds no room."""
    count = rounds(6)
    home, bank.folder = bank.folder, mount("tmpfs", 2 << 20).point
    try:
        with noted(bank, "disk full", count) as generator:
            for way, kind in cases(count):
                ballast = bank.folder / "ballast"
                # What an import that failed has left is the next one's room.
                ballast.write_bytes(bytes(max(0, shutil.disk_usage(bank.folder).free - 4096 * generator.randint(1, 40))))
                one = bank.begin(way, kind, where=QUICKLY)
                if not bank.end_and_judge(one, way, kind):
                    assert "No space left on device" in one.said, one.said
                ballast.unlink()
    finally:
        bank.folder = home


# Per system call: what may go wrong with it, once, at its nth call of a thread.
CALLS = ("openat", "mkdirat", "pwrite64", "fsync", "renameat", "unlinkat", "flock")


def traced(bank, fault, way, kind):
    log = pathlib.Path(f"{bank.folder}.strace")
    with contextlib.suppress(FileNotFoundError):
        log.unlink()
    done = subprocess.run(["strace", "-f", "-qq", "-o", log, "-e", f"trace={fault.split(':')[0]}", "-e", f"inject={fault}", BINARY, "import",
                           "--connect", bank.server.conninfo(), *bank.words(way, kind, where=QUICKLY), "--keep-snapshot", "0"],
                          cwd=bank.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stderr, injections(log)


@pytest.mark.parametrize("call", CALLS)
def test_killed_at_the_nth_call(bank, call):
    """Before the rename nothing is there, behind it all is."""
    count = rounds(6)
    with noted(bank, f"kill -9 at {call}", count) as generator:
        for at, (way, kind) in enumerate(cases(count)):
            place = generator.randint(1, 250) if call == "openat" else at + 1 if at < 8 else generator.randint(1, 60)
            status, said, _ = traced(bank, f"{call}:signal=KILL:when={place}", way, kind)
            there = (bank.folder / "made").exists()
            assert there or status != 0, said
            if there:
                bank.judge(way, kind)


@pytest.mark.parametrize("call", ("pwrite64", "fsync", "renameat", "mkdirat"))
def test_the_nth_call_fails(bank, call):
    """A disk that fails once: nothing appears on the strength of the next success."""
    count = rounds(6)
    with noted(bank, f"EIO at {call}", count) as generator:
        for at, (way, kind) in enumerate(cases(count)):
            place = at + 1 if at < 8 else generator.randint(1, 60)
            status, said, failed = traced(bank, f"{call}:error=EIO:when={place}", way, kind)
            there = (bank.folder / "made").exists()
            assert there or status != 0, said
            if failed and call != "renameat":  # one of these only tidies up
                assert status == 1 and "Input/output error" in said, said
            if there:
                bank.judge(way, kind)
