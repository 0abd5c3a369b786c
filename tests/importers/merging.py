"""A directory whose rows are merged with what has changed, for the tests of --merge-key."""

import gzip
import json
import shutil
import subprocess
import sys

import readers
from importing import Import, crc32c, rows_of

sys.path.insert(0, str(readers.folder()))

TABLE = """create table t(id bigint primary key, v text, n numeric(12,2), at timestamptz not null default now());
    create index on t(at); insert into t(id, v, n) select g, 'value ' || g, g / 4.0 from generate_series(1, 3000) g; analyze t"""
CHANGES = """update t set v = 'round {0}: ' || v, at = now() where id % {1} = 0;
    insert into t(id, v) select g, 'new in {0}' from generate_series((select max(id) + 1 from t), (select max(id) + 500 from t)) g"""
TIME = "1970-01-01"


class Lake:
    """A directory that gets all of t, and then what has changed. Its rows are those of an import of t as it is now, byte for byte."""

    def __init__(self, database, folder, *words, key="id", table="t"):
        self.database, self.folder, self.words, self.key, self.table = database, folder, words or ("--format", "sqoop"), key, table
        self.place = folder / "lake"
        self.last = TIME

    def begin(self, *words, target=None, **more):
        return Import(self.database.address, "--target", target or self.place, *self.words, *words, self.table, cwd=self.folder, **more)

    def full(self, target=None, *words):
        now = self.database.run("select clock_timestamp()").strip()
        done = self.begin(*words, target=target)
        assert done.end() == 0, done.said
        self.last = self.last if target else now

    def merging(self, *words, last=None, **more):
        return self.begin("--incremental", "lastmodified", "--check-column", "at", "--last-value", last or self.last, "--merge-key", self.key, *words, **more)

    def merge(self, *words):
        done = self.merging(*words)
        assert done.end() == 0, done.said
        self.last = self.manifest()["incremental"]["last_value"]
        return done.said

    def refused(self, why, *words, **more):
        """It fails, and what is there stays as it is."""
        before = self.bytes()
        done = self.merging(*words, **more)
        status = done.end()
        assert status != 0 and why in done.said, done.said
        assert self.bytes() == before and [path.name for path in self.folder.glob(".lake*")] == []
        assert "--resume" not in done.said
        return status, done.said

    def bytes(self):
        return {path.name: path.read_bytes() for path in self.place.glob("*") if path.is_file()}

    def manifest(self):
        return json.loads((self.place / "manifest.json").read_text())

    def check(self, count=None):
        """The files are those of the manifest, and together the table as it is now."""
        table = self.manifest()["tables"][0]
        files = {file["name"]: file for file in table["files"] if file["name"]}
        assert {path.name for path in self.place.iterdir()} == {*files, "_SUCCESS", "manifest.json"}
        for name, file in files.items():
            data = (self.place / name).read_bytes()
            assert (len(data), crc32c(data)) == (file["bytes"], file["crc32c"])
        rows = self.rows(self.place)
        assert len(rows) == table["rows"] == sum(file["rows"] for file in files.values()) == int(self.database.run(f"select count(*) from {self.table}"))
        shutil.rmtree(self.folder / "fresh", ignore_errors=True)
        self.full(self.folder / "fresh")
        assert rows == self.rows(self.folder / "fresh")
        shutil.rmtree(self.folder / "fresh")
        assert [path.name for path in self.folder.iterdir()] == ["lake"]
        assert count is None or len(rows) == count
        return table

    def rows(self, place):
        """Sorted. What ends a row of text is found by a reader of its own; those of Avro and Parquet are as a foreign reader has them, as text."""
        made = []
        kind = self.words[1]
        if kind in ("avro", "parquet"):
            return sorted(str(row) for path in place.glob("part-*") for row in rows_of(path, kind))
        for path in place.glob("part-*"):
            data = path.read_bytes()
            if path.suffix == ".gz":
                data = gzip.decompress(data)
            elif path.suffix == ".zst":
                data = subprocess.run(["zstd", "-dc"], input=data, stdout=subprocess.PIPE, check=True).stdout
            made += split(data.decode(), self.words)
        return sorted(made)

    def of_server(self, columns):
        return sorted(line.split("|") for line in self.database.run(f"select {columns} from {self.table}").splitlines())


def split(text, words):
    """Rows as texts, quotes and escapes kept."""
    given = dict(zip(words, words[1:]))
    kind, quote, escape = given["--format"], given.get("--enclosed-by") or given.get("--optionally-enclosed-by"), given.get("--escaped-by")
    quote = quote or ('"' if kind in ("csv", "sqoop-direct") else None)
    escape = "\\" if escape == "\\\\" or kind == "text" else None
    end = given.get("--lines-terminated-by", "\n")
    rows, begin, inside, at = [], 0, False, 0
    while at < len(text):
        if text[at] == escape and (inside or kind != "sqoop-direct"):
            at += 1
        elif text[at] == quote:
            inside = not inside
        elif text[at] == end and not inside:
            rows.append(text[begin:at + 1])
            begin = at + 1
        at += 1
    assert begin == len(text) and not inside
    return rows[1:] if "--header" in words else rows
