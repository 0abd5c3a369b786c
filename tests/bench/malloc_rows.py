"""malloc_rows: how often the product asks its malloc for memory, per record, by thread and by who asks. malloc_count.c counts."""

import collections
import json
import re
import subprocess
import time
from functools import partial
from pathlib import Path

import files_rows
import mqtt_rows
from harness import Row, say
from kafka_broker import Kafka
from malloc_count import SAMPLES, MallocCount, thread_names
from mqtt_server import gateway
from rows import http_load, penstock, reading, readings

BATCHES = 100  # requests per second of 1,000 records each
MESSAGES = 20_000  # per second, MQTT
LINES = 50_000  # per second, of a file
PLUMBING = re.compile(r"malloc_count|/libc\.|/ld-|libjemalloc")  # on the way to malloc, not who wants the memory
SETTLE = 1  # seconds behind a load until the outlets have all of it


class Counted:
    """A server of harness.py with the counter preloaded; `with` starts and ends it."""

    def __init__(self, bench, server):
        self.path, self.server = bench.work / "malloc-count", server
        server.command[:0] = ["env", f"LD_PRELOAD={bench.program('malloc_count.so')}", f"MALLOC_COUNT={self.path}"]

    def __enter__(self):
        self.server.__enter__()
        self.counts = MallocCount(self.path)
        return self

    def __exit__(self, *_):
        self.server.__exit__()
        self.counts.close()

    def names(self):
        return thread_names(self.server.process.pid)


class Places:
    """What stands at the addresses of a process that is still there."""

    def __init__(self, pid):
        self.maps, self.first = [], {}
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            fields = line.split(None, 5)
            if len(fields) == 6 and fields[5].startswith("/"):
                low, high = (int(part, 16) for part in fields[0].split("-"))
                self.first.setdefault(fields[5], low)
                self.maps.append((low, high, fields[5]))
        self.program = str(Path(f"/proc/{pid}/exe").readlink())

    def file(self, address):
        return next((file for low, high, file in self.maps if low <= address < high), "?")

    def functions(self, addresses):
        """{address: function} of addresses in the program itself."""
        if not addresses:
            return {}
        # A return address is behind its call, which may have been the function's last instruction.
        given = "".join(f"{address - 1 - self.first[self.program]:#x}\n" for address in addresses)
        told = subprocess.run(["addr2line", "-a", "-f", "-i", "-e", self.program], input=given, stdout=subprocess.PIPE, text=True, check=True).stdout
        each = re.split(r"^0x\w+\n", told, flags=re.M)[1:]
        return {address: lines.splitlines()[-2] for address, lines in zip(addresses, each)}  # the last one is not inlined

    def callers(self, samples):
        """Counter of (library or "", function of ours): who wanted the memory, and who of us had it done."""
        found = []
        for _, frames in samples:
            files = [(frame, self.file(frame)) for frame in frames]
            wants = next((file for _, file in files if not PLUMBING.search(file)), "?")
            ours = next((frame for frame, file in files if file == self.program), None)
            found.append(("" if wants == self.program else Path(wants).name.split(".so")[0], ours))
        names = self.functions(sorted({frame for _, frame in found if frame}))
        return collections.Counter((library, names.get(frame, "")) for library, frame in found)


def once(bench, server, load, records):
    """load(server, seconds) and what was allocated meanwhile; records(result) is what it is divided by."""
    with Counted(bench, server) as counted:
        before = sum(counted.counts.allocations().values())
        load(server, 1)
        time.sleep(SETTLE)
        rate = sum(counted.counts.allocations().values()) - before
        counted.counts.sample(max(1, round(rate * bench.seconds / SAMPLES)))
        before = counted.counts.allocations()
        number = records(load(server, bench.seconds))
        time.sleep(SETTLE)
        names, after = counted.names(), counted.counts.allocations()
        samples = [sample for sample in counted.counts.samples() if names.get(sample[0]) != mqtt_rows.ADMIN]
        callers = Places(server.process.pid).callers(samples)
    threads = collections.Counter()
    for thread, allocations in (after - before).items():
        threads[names.get(thread, "ended")] += allocations / number
    threads.pop(mqtt_rows.ADMIN, None)
    return threads, callers


def row(bench, what, server, load, records):
    threads, callers = once(bench, server, load, records)
    total, samples = sum(threads.values()), max(1, sum(callers.values()))
    own = total * sum(number for (library, _), number in callers.items() if not library) / samples
    by_thread = ", ".join(f"{name} {number:.4f}" for name, number in threads.most_common() if number >= 0.00005)
    by_caller = ", ".join(f"{library + ' for ' if library else ''}{function or 'itself'} {total * number / samples:.4f}"
                          for (library, function), number in callers.most_common(6))
    say(f"mallocs, {what}: {own:.4f} of ours, {total:.4f} in all; {by_thread}; {by_caller}")
    return Row("mallocs", f"of ours per record, {what}", f"{own:.4f}", goal="< 0.01",
               more=f"with the libraries' {total:.4f}; by thread {by_thread or 'none'}; by who asked {by_caller or 'nobody'}")


def posted(bench, body, kind, connections, pace):
    def load(server, seconds):
        return http_load(bench, server.port, bench.file("body", body), kind, connections, 10**9, seconds, pace)

    return load


def grown(path, server, seconds):
    """Writes lines to a file that is watched; how many."""
    start, written = time.monotonic(), 0
    with open(path, "ab", buffering=0) as file:
        while (past := time.monotonic() - start) < seconds:
            due = int(past * LINES)
            file.write(b"".join(files_rows.LINE % number for number in range(written, due)))
            written = due
            time.sleep(0.02)
    return written


def everything(bench, data, servers, topic):
    """Whatever a stream can be told to find in a record and to make of it."""
    readings_stream = {"key": "/sensor_id", "labels": {"event_type": "/event_type", "host": "header:Host"}, "time": {"field": "/created_at"},
                       "topics": [topic], "value": "envelope", "lake": {"path": "{stream}/dt={time:%Y-%m-%d}/{event_type}"}}
    config = {"kafka": {"properties": {"bootstrap.servers": servers}}, "streams": {"readings": readings_stream}}
    server = penstock(bench, data)
    server.command[2:2] = ["-c", bench.file("penstock.yaml", json.dumps(config).encode())]
    return server


def mallocs(bench):
    lines = readings(1000)
    fresh = partial(bench.directory, "data")
    thousands, ones = (lambda result: result["requests"] * 1000), (lambda result: result["requests"])
    batches = partial(posted, bench, connections=16, pace=BATCHES)
    ndjson = batches(lines, "application/x-ndjson")
    rows = [
        row(bench, "NDJSON x 1,000", penstock(bench, fresh()), ndjson, thousands),
        row(bench, "JSON arrays of 1,000", penstock(bench, fresh()),
            batches(b"[" + b",".join(lines.split()) + b"]", "application/json"), thousands),
        row(bench, "single POSTs", penstock(bench, fresh()), posted(bench, reading(), "application/json", 64, 0), ones),
        row(bench, "MQTT, QoS 1", gateway(bench, fresh()),
            lambda server, seconds: mqtt_rows.publish(bench, server, seconds, window=1000, pace=MESSAGES), mqtt_rows.records),
    ]
    folder = files_rows.drop(bench, "grows")
    watch = (f"files.bench.watch={folder}/drop/*.log", "files.bench.stream=unorganized")
    rows.append(row(bench, "lines of a file", penstock(bench, folder / "data", *watch), partial(grown, folder / "drop" / "one.log"), int))
    with Kafka(bench) as kafka:
        topic = kafka.topic()

        def delivered(server, seconds):
            held, result = kafka.held(topic), ndjson(server, seconds)
            kafka.wait(topic, held + thousands(result), 60)
            return result

        rows.append(row(bench, "NDJSON x 1,000 to lake and Kafka, envelope, labels, event time",
                        everything(bench, fresh(), kafka.servers, topic), delivered, thousands))
    return rows


ROWS = {"mallocs": mallocs}
