"""import_server: the tables of the import rows in a private PostgreSQL, and programs that read them, with what they cost."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from harness import ROOT, say

sys.path.insert(0, str(ROOT / "tests/parts"))

import postgres as parts  # noqa: E402

# The server has what a small machine's would have, and does nothing by itself while it is measured.
SETTINGS = {
    **parts.QUIET,
    "shared_buffers": "4GB",
    "work_mem": "256MB",
    "maintenance_work_mem": "512MB",
    "max_wal_size": "2GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
}
LIMIT = 600  # seconds for one reading of a table
LOOK = 0.02  # seconds between two looks at a process's memory


class Tables:
    """The server with telemetry, skewed, shuffled and wide."""

    def __init__(self, rows):
        self.rows = rows
        self.server = parts.Postgres(SETTINGS).start()
        start = time.monotonic()
        self.server.run(f"\\set rows {rows}\n{(ROOT / 'tests/bench/import_tables.sql').read_text()}")
        say(f"{rows:,} rows made in {time.monotonic() - start:.0f} s")

    def rows_of(self, table):
        return self.rows // 10 if table == "wide" else self.rows

    def conninfo(self):
        return f"{self.server.conninfo()} sslmode=disable"

    def halves(self, table):
        """Two conditions that cut the table in the middle of its pages."""
        middle = int(self.server.run(f"select pg_relation_size('{table}') / 8192 / 2"))
        return f"ctid < '({middle},0)'::tid", f"ctid >= '({middle},0)'::tid"

    def close(self):
        self.server.close()


def tables(bench):
    """Made by the first row that wants them; they stay until the run ends."""
    if not bench.tables:
        bench.tables = Tables(bench.table_rows)
        bench.at_end.callback(bench.tables.close)
    return bench.tables


class Watched(threading.Thread):
    """A process, waited for, with its CPU time (that of its children, too) and the most memory that it had by itself."""

    def __init__(self, command):
        super().__init__()
        self.command = [str(part) for part in command]
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.cpu = self.memory = 0
        self.start()

    def run(self):
        status = Path(f"/proc/{self.process.pid}/status")
        end = time.monotonic() + LIMIT
        while True:
            pid, self.status, used = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                break
            for line in status.read_text().splitlines():
                if line.startswith("VmHWM:"):
                    self.memory = int(line.split()[1]) / 1024
            if time.monotonic() > end:
                self.process.kill()
            time.sleep(LOOK)
        self.process.returncode = os.waitstatus_to_exitcode(self.status)
        self.cpu = used.ru_utime + used.ru_stime

    def finish(self):
        self.join()
        trouble = self.process.stderr.read().decode(errors="replace")
        self.process.stderr.close()
        if self.process.returncode:
            raise RuntimeError(f"{self.command[0]}: {trouble.strip()[-1000:]}")


def together(commands, rows):
    """Runs all of them at the same time: rows/s until the last one ends, CPU ns per row, MiB of the largest."""
    start = time.monotonic()
    running = [Watched(command) for command in commands]
    for program in running:
        program.finish()
    seconds = time.monotonic() - start
    return {
        "rate": rows / seconds,
        "seconds": seconds,
        "cpu_ns": sum(program.cpu for program in running) * 1e9 / rows,
        "memory": max(program.memory for program in running),
    }


def penstock_import(bench, table, *options, connections=2):
    """One import as users call it: from exec to exit; the directory is there, with fsync, when it ends."""
    target = bench.directory("imported") / "target"
    from_here = tables(bench)
    command = [bench.program("penstock"), "import", "--connect", from_here.conninfo(), "--target", target]
    command += ["--connections", connections, "--progress", "none", *options, table]
    result = together([command], from_here.rows_of(table))
    result["bytes"] = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    return result


def sqoop_line(bench, target, *words):
    url = f"jdbc:postgresql://127.0.0.1:{tables(bench).server.port}/postgres?sslmode=disable"
    return [bench.program("penstock"), "sqoop", "import", "--connect", url, "--username", parts.USER, "--target-dir", target, *words]


def sqoop_import(bench, table, *options):
    """The same by a line of Sqoop's."""
    target = bench.directory("imported") / "target"
    result = together([sqoop_line(bench, target, "--table", table, "-m", 2, *options)], tables(bench).rows_of(table))
    result["bytes"] = sum(path.stat().st_size for path in target.glob("part-*"))
    return result


def sqoop_start(bench, table):
    """Milliseconds from exec until the server makes the first row, which says itself when that was; and until all is done."""
    target = bench.directory("imported") / "target"
    query = f"select extract(epoch from clock_timestamp()) as made from {table} where id = 1 and $CONDITIONS"
    line = sqoop_line(bench, target, "--query", query, "-m", 1)
    start = time.time()
    whole = together([line], 1)["seconds"]
    return (float((target / "part-m-00000").read_text()) - start) * 1000, whole * 1000


def psql_halves(bench, table, form):
    """Two psql, each of which reads half of the table to /dev/null. form: binary or text."""
    from_here = tables(bench)
    commands = [
        ["psql", "-Xq", "-d", from_here.conninfo(), "-c", f"\\copy (select * from {table} where {half}) to /dev/null (format {form})"]
        for half in from_here.halves(table)
    ]
    return together(commands, from_here.rows_of(table))


def pg_dump(bench, table):
    """A dump by two jobs into a directory, with pg_dump's own compression."""
    from_here = tables(bench)
    target = bench.directory("imported") / "dump"
    command = ["pg_dump", "-Fd", "-j2", "-t", table, "-f", target, "-d", from_here.conninfo()]
    return together([command], from_here.rows_of(table))
