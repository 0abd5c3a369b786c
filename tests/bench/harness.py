"""harness: build the programs, run them, watch them, print what came out. Measured things stand in rows.py."""

import fcntl
import json
import os
import platform
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Row:
    """One line of the table. ratios has one value per round: penstock and reference of the same round."""

    name: str
    what: str
    penstock: str
    reference: str = ""
    ratios: tuple = ()
    goal: str = ""
    more: str = ""

    def markdown(self):
        ratio = f"{statistics.median(self.ratios):.2f}" if self.ratios else ""
        if len(self.ratios) > 1:
            ratio += f" ({min(self.ratios):.2f} to {max(self.ratios):.2f})"
        cells = (self.name, self.what, self.penstock, self.reference, ratio, self.goal, self.more)
        return f"| {' | '.join(cells)} |"


TABLE_HEAD = "| row | figure | penstock | reference | ratio | goal | more |\n|---|---|---|---|---|---|---|"


def say(text):
    print(f"  {text}", file=sys.stderr, flush=True)


def median(results, name):
    return statistics.median(result[name] for result in results)


def count(number):
    return f"{number:,.0f}"


class Bench:
    """Where the programs are, where they may write, how long they run, how long an outage and how large a table is."""

    def __init__(self, build, work, rounds, seconds, outage, table_rows):
        self.build, self.work = Path(build), Path(work)
        self.rounds, self.seconds, self.outage, self.table_rows = rounds, seconds, outage, table_rows
        self.tables = None  # import_server.py
        self.at_end = ExitStack()  # what several rows use is closed here
        self.work.mkdir(parents=True, exist_ok=True)
        self.lock = open(self.work / "lock", "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def make(self):
        """Configures and builds; the compiler's output is shown only when it fails."""
        for command in (
            ["cmake", "-S", ROOT, "-B", self.build, "-DPENSTOCK_BENCH=ON"],
            ["cmake", "--build", self.build, "-j", str(os.cpu_count())],
        ):
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode:
                sys.exit(done.stdout)

    def program(self, name):
        return str(self.build / name)

    def has(self, name):
        return (self.build / name).exists()

    def directory(self, name):
        """An empty directory."""
        path = self.work / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        os.sync()  # what the measurement before left to write would slow this one down
        return path

    def file(self, name, data):
        path = self.work / name
        path.write_bytes(data)
        return str(path)

    def json(self, *command, limit=180):
        """Runs a program that reports one line of JSON."""
        command = [str(part) for part in command]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=limit
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        if done.stderr.strip():
            say(done.stderr.strip())
        return json.loads(done.stdout)

    def pairs(self, ours, theirs):
        """Runs both in turn, the other one first in every second round. Returns two lists of results."""
        results = ([], [])
        for number in range(self.rounds):
            for side in (0, 1) if number % 2 == 0 else (1, 0):
                os.sync()
                results[side].append((ours, theirs)[side]())
        return results


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port, path, body):
    """Whether a POST is answered with 200."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.settimeout(10)
            connection.sendall(head.encode() + body)
            return connection.recv(4096).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


class Server:
    """A server process; `with` starts it, waits until it is ready and kills it at the end."""

    def __init__(self, command, port, log, body=b"", path="/readings"):
        self.command, self.port, self.log, self.body, self.path = command, port, log, body, path

    def ready(self):
        """Whether a POST is answered with 200."""
        return answers(self.port, self.path, self.body)

    def __enter__(self):
        start = time.monotonic()
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() - start > 60:
                self.__exit__()
                raise RuntimeError(
                    f"{self.command[0]} does not answer:\n{Path(self.log).read_text()[-2000:]}"
                )
            time.sleep(0.0005)
        self.start_seconds = time.monotonic() - start
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def threads(self):
        """CPU seconds by the name of the thread."""
        seconds = {}
        tasks = Path(f"/proc/{self.process.pid}/task")
        for task in tasks.iterdir():
            name, fields = (task / "stat").read_text().split("(", 1)[1].rsplit(")", 1)
            fields = fields.split()
            seconds[name] = seconds.get(name, 0) + (int(fields[11]) + int(fields[12])) / TICKS
        return seconds

    def memory(self):
        """Resident MiB now and at most."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return tuple(int(re.search(rf"{key}:\s+(\d+)", status)[1]) / 1024 for key in ("VmRSS", "VmHWM"))


def measured(server, load, units):
    """Runs load() and adds what the server used meanwhile; units(result) is what CPU time is divided by."""
    before = server.threads()
    result = load()
    after = server.threads()
    used = {name: after[name] - before.get(name, 0) for name in after}
    result["threads"] = used
    result["cpu_us"] = sum(used.values()) * 1e6 / units(result)
    result["rss"] = server.memory()[0]
    return result


def by_thread(results, units):
    """Median CPU time per unit of each thread that matters, as text."""
    names = {name for result in results for name in result["threads"]}
    shares = {
        name: statistics.median(result["threads"].get(name, 0) / units(result) for result in results)
        for name in names
    }
    shown = sorted(
        (name for name in names if shares[name] > 0.02 * sum(shares.values())), key=lambda n: -shares[n]
    )
    return ", ".join(f"{name} {shares[name] * 1e6:.2f}" for name in shown)


def wrk(port, connections, seconds, body_file, scheme="http", kind="application/json"):
    """One thread of wrk, which two cores can feed beside the server."""
    script = str(ROOT / "tests/bench/load/post.lua")
    done = subprocess.run(
        [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds}s",
            "--latency",
            "-s",
            script,
            f"{scheme}://127.0.0.1:{port}/readings",
        ],
        env={**os.environ, "BENCH_BODY": body_file, "BENCH_TYPE": kind},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=seconds + 60,
    )
    trouble = re.search(r"(Socket errors|Non-2xx).*", done.stdout)
    if trouble:
        raise RuntimeError(f"wrk: {trouble[0]}")
    unit = {"us": 0.001, "ms": 1, "s": 1000}
    result = {"requests": int(re.search(r"(\d+) requests in", done.stdout)[1])}
    result["rate"] = float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1])
    for share in ("50", "99"):
        value, of = re.search(rf"^\s+{share}%\s+([\d.]+)(\w+)", done.stdout, re.M).groups()
        result[f"p{share}_ms"] = float(value) * unit[of]
    return result


def disk_counters(path):
    """Writes and flushes that the disk below path has done; None where it cannot be told."""
    device = os.stat(path).st_dev
    try:
        fields = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat").read_text().split()
        return int(fields[4]), int(fields[15])
    except (OSError, IndexError):
        return None


def first_line(*command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.stdout.splitlines()[0].strip()
    except (OSError, IndexError):
        return "not there"


def conditions(work):
    """The machine, as one paragraph for the head of the table."""
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) / 2**20
    system = re.search(r'PRETTY_NAME="(.*)"', Path("/etc/os-release").read_text())[1]
    load = os.getloadavg()[0]
    parts = (
        time.strftime("%Y-%m-%d", time.gmtime()),
        f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB",
        f"{system}, Linux {platform.release()}",
        f"data on {first_line('findmnt', '-no', 'FSTYPE', '-T', str(work))}",
        first_line("cc", "--version"),
        f"libmicrohttpd {first_line('pkg-config', '--modversion', 'libmicrohttpd')}",
        f"librdkafka {first_line('pkg-config', '--modversion', 'rdkafka')}",
        " ".join(first_line("wrk", "-v").split()[:2]),
        f"load average before: {load:.2f}",
    )
    text = "; ".join(parts)
    return text + (" (**not idle: run again**)" if load > 0.5 else "")
