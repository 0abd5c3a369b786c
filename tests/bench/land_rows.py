"""land_rows: the rows of `penstock land`: a topic into a local directory, beside a consumer that writes the same bytes. Like rows.py."""

import http.client
import json
import re
import signal
import time
from functools import partial

from harness import Row, Server, by_thread, count, free_port, median, say
from kafka_broker import Kafka
from kafka_rows import BACKLOG_PER_SECOND, messages_file

LOOK_EVERY = 0.02  # seconds between two looks at what it has read
PATIENCE = 300  # seconds
SCHEMA = {
    "properties": {
        "sensor_id": {"type": "string"},
        "created_at": {"type": "string", "format": "date-time"},
        "event_type": {"type": "string"},
        "wattage": {"type": "number"},
    }
}


class Land(Server):
    """`penstock land` with its defaults but what a bench must say; ready as soon as its admin listener answers."""

    def __init__(self, bench, kafka, topic, form):
        directory = bench.directory("land")
        port = free_port()
        entry = {"topic": topic}
        if form != "source":
            entry.update(schema=bench.file("reading.json", json.dumps(SCHEMA).encode()), lake={"format": form})
        config = {
            "kafka": {"properties": {"bootstrap.servers": kafka.servers}},
            "admin": {"listen": f"127.0.0.1:{port}"},
            "lake": {"url": str(directory / "lake")},
            "land": {"group": f"{topic}-{time.monotonic_ns()}", "spool": str(directory / "spool"), "topics": [entry]},
        }
        command = [bench.program("penstock"), "land", "-c", bench.file("land.yaml", json.dumps(config).encode())]
        super().__init__(command, port, bench.work / "land.log")

    def ready(self):
        try:
            self.read()
        except OSError:
            return False
        return True

    def read(self):
        """How many records it has read."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return sum(int(value) for value in re.findall(r"^penstock_land_records_total\S* (\d+)$", text, re.M))

    def until(self, records):
        deadline = time.monotonic() + PATIENCE
        while (found := self.read()) < records:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"land has read {found:,} of {records:,} records")
            time.sleep(LOOK_EVERY)


def land_once(bench, kafka, topic, records, form):
    """From its first record until all of them lie in published files."""
    with Land(bench, kafka, topic, form) as server:
        server.until(1)
        before, first, start = server.threads(), server.read(), time.monotonic()
        server.until(records)
        used = {name: value - before.get(name, 0) for name, value in server.threads().items()}
        most = server.memory()[1]
        server.process.send_signal(signal.SIGTERM)
        if server.process.wait(PATIENCE):
            raise RuntimeError(f"land ended with {server.process.returncode}")
        seconds = time.monotonic() - start
    result = {
        "rate": (records - first) / seconds,
        "threads": used,
        "records": records - first,
        "cpu_us": sum(used.values()) * 1e6 / (records - first),
        "most": most,
    }
    say(f"land {form}: {count(result['rate'])} records/s, {result['cpu_us']:.2f} us, {most:.0f} MiB")
    return result


def consume_once(bench, kafka, topic, records):
    result = bench.json(bench.program("kafka_consume"), kafka.servers, topic, bench.directory("consumed"), records)
    say(f"kafka_consume: {count(result['rate'])} messages/s, {result['cpu_ns'] / 1000:.2f} us")
    return result


def land(bench, name, form, goal):
    records = bench.seconds * BACKLOG_PER_SECOND
    per_record = lambda result: result["records"]
    with Kafka(bench) as kafka:
        topic = kafka.topic()
        bench.json(bench.program("kafka_produce"), kafka.servers, topic, messages_file(bench), records, 0, "")
        kafka.warm_up(lambda: consume_once(bench, kafka, topic, records)["rate"])
        ours, theirs = bench.pairs(
            partial(land_once, bench, kafka, topic, records, form), partial(consume_once, bench, kafka, topic, records)
        )
    return [
        Row(
            name,
            f"records/s, {records:,} of 12 partitions, {form if form != 'source' else 'lines of JSON'}",
            count(median(ours, "rate")),
            f"{count(median(theirs, 'rate'))} kafka_consume",
            tuple(o["rate"] / t["rate"] for o, t in zip(ours, theirs)),
            goal,
            f"RSS at most {median(ours, 'most'):.0f} MiB",
        ),
        Row(
            name,
            "CPU s per million records",
            f"{median(ours, 'cpu_us'):.2f}",
            f"{median(theirs, 'cpu_ns') / 1000:.2f} kafka_consume",
            tuple(o["cpu_us"] * 1000 / t["cpu_ns"] for o, t in zip(ours, theirs)),
            "",
            by_thread(ours, per_record),
        ),
    ]


ROWS = {
    "land-lines": partial(land, name="land-lines", form="source", goal=">= 0.8"),
    "land-parquet": partial(land, name="land-parquet", form="parquet", goal=""),
}
