"""kafka_rows: the rows of the Kafka outlet, against a real broker on this machine. Like rows.py."""

import json
import statistics
import threading
import time
from functools import partial

from harness import Row, by_thread, count, free_port, measured, median, say, wrk
from kafka_broker import Kafka
from rows import PACE, http_load, penstock, reading, readings

SENSORS = 1000  # keys
BACKLOG_PER_SECOND = 1_000_000  # of the measurement's seconds: records that are to be drained
OUTAGE_PACE = 500  # requests per second of 100 readings while the broker does not answer
MODEST_PACE = 50  # and while the backlog drains
GATEWAY = "bench"
ID = f"{GATEWAY}/00000000/"  # as long as the id in front of a record's sequence


def gateway(bench, data, servers, topic, lake=False, once=False, **properties):
    """The product as a user of Kafka configures it, with nothing but the lake turned off. once: with exactly-once, as a gateway of its own."""
    config = {
        "gateway": {"id": topic if once else GATEWAY},
        "kafka": {
            "properties": {"bootstrap.servers": servers, **properties},
            "delivery": "exactly-once" if once else "at-least-once",
        },
        "lake": {"enabled": lake},
        "streams": {"readings": {"topics": [topic]}},
    }
    server = penstock(bench, data)
    server.command[2:2] = ["-c", bench.file("penstock.yaml", json.dumps(config).encode())]
    return server


def messages_file(bench):
    lines = (b"SENSOR_%04d\t%s\n" % (number, reading(number)) for number in range(SENSORS))
    return bench.file("messages.tsv", b"".join(lines))


def produce(bench, kafka, messages, header=ID, file=None, once=False):
    """The reference's figures; rate is the broker's, as it is for us. file: other messages than readings. once: in transactions."""
    topic = kafka.topic()
    program = bench.program("kafka_produce")
    more = ("enable.gapless.guarantee=false", f"transactional.id={topic}") if once else ()
    header = f"{topic}/00000000/" if once else header
    result = bench.json(program, kafka.servers, topic, file or messages_file(bench), messages, 0, header, *more)
    own = result["rate"]
    result["rate"] = kafka.rate(topic, 1, messages)
    say(
        f"kafka_produce: {count(result['rate'])} messages/s by the broker's clock, {count(own)} by its own, "
        f"{result['cpu_ns'] / 1000:.2f} us"
    )
    return result


# ---- a backlog ---------------------------------------------------------------------------------------------------


def fill(bench, data, topic, records, lake, once):
    """Accepts records while nobody answers at the broker's address; ends by kill -9."""
    body_file = bench.file("readings.ndjson", readings(SENSORS))
    with gateway(bench, data, f"127.0.0.1:{free_port()}", topic, lake, once) as server:
        http_load(bench, server.port, body_file, "application/x-ndjson", 16, records // SENSORS, 100)


def drain_once(bench, kafka, records, lake=False, once=False):
    data, topic = bench.directory("data"), kafka.topic()
    fill(bench, data, topic, records, lake, once)
    with gateway(bench, data, kafka.servers, topic, lake, once) as server:
        kafka.wait(topic, records, 120)
        used = server.threads()
        result = {
            "rate": kafka.rate(topic, 1, records),
            "threads": used,
            "records": records,
            "cpu_us": sum(used.values()) * 1e6 / records,
            "most": server.memory()[1],
        }
    say(
        f"drain{' with the lake' if lake else ''}{', exactly once' if once else ''}: {count(result['rate'])} messages/s, {result['cpu_us']:.2f} us, "
        f"{result['most']:.0f} MiB"
    )
    return result


def drain(bench):
    records = bench.seconds * BACKLOG_PER_SECOND
    per_record = lambda result: result["records"]
    with Kafka(bench) as kafka:
        kafka.warm_up(lambda: produce(bench, kafka, BACKLOG_PER_SECOND)["rate"])
        ours, theirs = bench.pairs(
            partial(drain_once, bench, kafka, records), partial(produce, bench, kafka, records)
        )
        plain = [produce(bench, kafka, records, "") for _ in range(bench.rounds)]
        lake = drain_once(bench, kafka, records, lake=True)
    return [
        Row(
            "kafka-drain",
            f"messages/s, a backlog of {records:,} records",
            count(median(ours, "rate")),
            f"{count(median(theirs, 'rate'))} kafka_produce",
            tuple(o["rate"] / t["rate"] for o, t in zip(ours, theirs)),
            ">= 0.9",
            f"without the header kafka_produce {count(median(plain, 'rate'))}; "
            f"with the lake on {count(lake['rate'])}; RSS at most {median(ours, 'most'):.0f} MiB",
        ),
        Row(
            "kafka-drain",
            "CPU s per million messages",
            f"{median(ours, 'cpu_us'):.2f}",
            f"{median(theirs, 'cpu_ns') / 1000:.2f} kafka_produce",
            tuple(o["cpu_us"] * 1000 / t["cpu_ns"] for o, t in zip(ours, theirs)),
            "",
            f"{by_thread(ours, per_record)}; start and recovery are in it",
        ),
    ]


# ---- the same in transactions --------------------------------------------------------------------------------------


def once(bench):
    records = bench.seconds * BACKLOG_PER_SECOND
    per_record = lambda result: result["records"]
    with Kafka(bench) as kafka:
        kafka.positions()
        kafka.warm_up(lambda: produce(bench, kafka, BACKLOG_PER_SECOND)["rate"])
        ours, theirs = bench.pairs(
            partial(drain_once, bench, kafka, records, once=True), partial(produce, bench, kafka, records, once=True)
        )
        plain = [drain_once(bench, kafka, records) for _ in range(bench.rounds)]
    share = median(ours, "rate") / median(plain, "rate")
    return [
        Row(
            "kafka-once",
            f"messages/s, a backlog of {records:,} records, exactly once",
            count(median(ours, "rate")),
            f"{count(median(theirs, 'rate'))} kafka_produce",
            tuple(o["rate"] / t["rate"] for o, t in zip(ours, theirs)),
            ">= 0.8",
            f"with at-least-once {count(median(plain, 'rate'))}, of which this is {share:.2f}; "
            f"RSS at most {median(ours, 'most'):.0f} MiB",
        ),
        Row(
            "kafka-once",
            "CPU s per million messages",
            f"{median(ours, 'cpu_us'):.2f}",
            f"{median(theirs, 'cpu_ns') / 1000:.2f} kafka_produce",
            tuple(o["cpu_us"] * 1000 / t["cpu_ns"] for o, t in zip(ours, theirs)),
            "",
            f"{by_thread(ours, per_record)}; with at-least-once {median(plain, 'cpu_us'):.2f}; start and recovery are in it",
        ),
    ]


# ---- an outage ---------------------------------------------------------------------------------------------------


def outage_once(bench, kafka, seconds):
    """The broker stops answering under load; when it answers again, a modest load goes on while the backlog drains."""
    body_file = bench.file("hundred.ndjson", readings(100))
    topic = kafka.topic()
    with gateway(bench, bench.directory("data"), kafka.servers, topic) as server:
        post = partial(http_load, bench, server.port, body_file, "application/x-ndjson")
        load = partial(post, 16, 10**6)
        sent = load(2, OUTAGE_PACE)["requests"] * 100
        kafka.wait(topic, sent, 30)
        kafka.broker.pause()
        backlog, sizes = 0, []
        for _ in range(seconds // 2):
            backlog += load(2, OUTAGE_PACE)["requests"] * 100
            sizes.append(server.memory()[0])
        resumed = time.time() * 1000
        kafka.broker.resume()
        # On one connection: of 16 some would be silent for so long that the gateway closes them.
        more = post(1, 10**6, min(max(4, backlog // 200_000), 100), MODEST_PACE)["requests"] * 100
        kafka.wait(topic, sent + backlog + more, 120)
        base = kafka.before(topic, resumed)
        first, last = (kafka.when(topic, number) for number in (base + 1, base + backlog))
        result = {
            "rate": (backlog - 1) * 1000 / (last - first),
            "whole": backlog * 1000 / (last - resumed),
            "pause": (first - resumed) / 1000,
            "backlog": backlog,
            "rss": sizes[len(sizes) // 2 :],
            "most": server.memory()[1],
        }
    say(
        f"outage: {backlog:,} records drained at {count(result['rate'])}/s, first one {result['pause']:.1f} s after the "
        f"broker answered again; {result['most']:.0f} MiB"
    )
    return result


def outage(bench):
    with Kafka(bench) as kafka:
        kafka.warm_up(lambda: produce(bench, kafka, BACKLOG_PER_SECOND)["rate"])
        records = bench.outage * OUTAGE_PACE * 100
        ours, theirs = bench.pairs(
            partial(outage_once, bench, kafka, bench.outage),
            partial(produce, bench, kafka, records),  # as many: a broker that writes for long is slower
        )
    sizes = [size for result in ours for size in result["rss"]]
    return [
        Row(
            "kafka-outage",
            f"messages/s, what came in {bench.outage} s of outage, {MODEST_PACE * 100:,} readings/s meanwhile",
            count(median(ours, "rate")),
            f"{count(median(theirs, 'rate'))} kafka_produce",
            tuple(o["rate"] / t["rate"] for o, t in zip(ours, theirs)),
            ">= 0.8",
            f"backlog {count(median(ours, 'backlog'))}; first delivery {median(ours, 'pause'):.1f} s after the broker "
            f"answers again; from there on counted",
        ),
        Row(
            "kafka-outage",
            f"resident MiB at most, {OUTAGE_PACE * 100:,} readings/s, broker stopped",
            f"{max(result['most'] for result in ours):.1f}",
            goal="<= 64 MiB",
            more=f"second half of the outage {min(sizes):.1f} to {max(sizes):.1f}",
        ),
    ]


# ---- from HTTP to Kafka --------------------------------------------------------------------------------------------


def through_once(bench, kafka, load, per_request):
    """load(server, seconds) while the outlet keeps up or falls behind; CPU time until the last message is delivered."""
    topic = kafka.topic()
    with gateway(bench, bench.directory("data"), kafka.servers, topic) as server:
        warm = load(server, 1)["requests"] * per_request
        kafka.wait(topic, warm, 60)

        def all_of_it():
            start = time.time() * 1000
            result = load(server, bench.seconds)
            result["accepted"] = result["rate"] * per_request
            sent = result["requests"] * per_request
            kafka.wait(topic, warm + sent, 120)
            taken = (kafka.when(topic, warm + sent) - start) / 1000
            return {**result, "records": sent, "delivered": sent / taken, "behind": max(taken - bench.seconds, 0)}

        result = measured(server, all_of_it, lambda r: r["records"])
        result["most"] = server.memory()[1]
    say(
        f"http to kafka: {count(result['accepted'])} accepted/s, {count(result['delivered'])} delivered/s, "
        f"{result['cpu_us']:.2f} us"
    )
    return result


def through_rows(bench, kafka, name, what, load, per_request):
    results = [through_once(bench, kafka, load, per_request) for _ in range(bench.rounds)]
    return [
        Row(
            name,
            f"readings/s acknowledged, {what}",
            count(median(results, "accepted")),
            more=f"all of it in Kafka {median(results, 'behind'):.1f} s after the last answer: "
            f"{count(median(results, 'delivered'))}/s end to end; p50/p99 of the answer {median(results, 'p50_ms'):.2f}/"
            f"{median(results, 'p99_ms'):.2f} ms; RSS at most {max(r['most'] for r in results):.0f} MiB",
        ),
        Row(
            name,
            "CPU s per million readings, delivery included",
            f"{median(results, 'cpu_us'):.2f}",
            more=by_thread(results, lambda r: r["records"]),
        ),
    ]


def through(bench):
    one = bench.file("reading.json", reading())
    rows = []
    with Kafka(bench) as kafka:
        kafka.warm_up(lambda: produce(bench, kafka, BACKLOG_PER_SECOND)["rate"])
        rows += through_rows(
            bench,
            kafka,
            "kafka-post-64",
            "one per request, 64 connections",
            lambda server, seconds: wrk(server.port, 64, seconds, one),
            1,
        )
        for size in (100, 1000):
            body_file = bench.file(f"readings-{size}.ndjson", readings(size))
            rows += through_rows(
                bench,
                kafka,
                f"kafka-ndjson-{size}",
                f"{size} per request, 16 connections",
                lambda server, seconds, body_file=body_file: http_load(
                    bench, server.port, body_file, "application/x-ndjson", 16, 10**6, seconds
                ),
                size,
            )
    return rows


# ---- memory ------------------------------------------------------------------------------------------------------


def memory(bench):
    """100,000 readings/s while the broker, which the gateway knows, is gone."""
    body_file = bench.file("hundred.ndjson", readings(100))
    sizes = []
    with Kafka(bench) as kafka:
        topic = kafka.topic()
        with gateway(bench, bench.directory("data"), kafka.servers, topic) as server:
            load = partial(http_load, bench, server.port, body_file, "application/x-ndjson", 16, 10**6)
            sent = load(2, PACE)["requests"] * 100
            kafka.wait(topic, sent, 60)
            kafka.broker.kill()
            for _ in range(10):
                sent += load(2, PACE)["requests"] * 100
                sizes.append(server.memory()[0])
            most = server.memory()[1]
    say("memory: " + " ".join(f"{size:.1f}" for size in sizes))
    half = sizes[len(sizes) // 2 :]
    return [
        Row(
            "kafka-memory",
            "resident MiB at most, 100,000 readings/s over HTTP, broker killed, 20 s",
            f"{most:.1f}",
            goal="<= 64 MiB",
            more=f"after 2 s {sizes[0]:.1f}, second half {min(half):.1f} to {max(half):.1f} "
            f"(median {statistics.median(half):.1f}); {count(sent)} readings acknowledged",
        )
    ]


class Watched:
    """A server's resident MiB once a second; `with` begins and ends it."""

    def __init__(self, server):
        self.server, self.sizes, self.ended = server, [], threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while not self.ended.wait(1):
            self.sizes.append(self.server.memory()[0])

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def memory_down(bench):
    """50,000 readings/s for as long as an outage lasts; the broker, which the gateway knows, is gone."""
    body_file = bench.file("hundred.ndjson", readings(100))
    with Kafka(bench) as kafka:
        topic = kafka.topic()
        with gateway(bench, bench.directory("data"), kafka.servers, topic) as server:
            load = partial(http_load, bench, server.port, body_file, "application/x-ndjson", 16, 10**6)
            kafka.wait(topic, load(2, OUTAGE_PACE)["requests"] * 100, 60)
            kafka.broker.kill()
            start = time.monotonic()
            with Watched(server) as watched:  # in parts: of 16 connections some would be silent for so long that the gateway closes them
                sent = sum(load(5, OUTAGE_PACE)["requests"] * 100 for _ in range(max(1, bench.outage // 5)))
            taken = time.monotonic() - start
            most = server.memory()[1]
    sizes = watched.sizes
    half = sizes[len(sizes) // 2 :]
    slope = statistics.linear_regression(range(len(half)), half).slope * 60
    say(f"memory-down: {sizes[0]:.1f} first, {statistics.median(sizes):.1f} median, {sizes[-1]:.1f} last, {slope:+.3f} MiB/min in the second half")
    return [
        Row(
            "memory-down",
            f"resident MiB at most, {OUTAGE_PACE * 100:,} readings/s over HTTP, broker killed, {bench.outage} s",
            f"{most:.1f}",
            goal="<= 64 MiB, flat",
            more=f"after 1 s {sizes[0]:.1f}, median {statistics.median(sizes):.1f}, last {sizes[-1]:.1f}; second half {min(half):.1f} to {max(half):.1f}, "
            f"{slope:+.3f} MiB per minute; {count(sent / taken)} readings/s, {count(sent)} acknowledged",
        )
    ]


ROWS = {"kafka-drain": drain, "kafka-once": once, "kafka-outage": outage, "kafka-http": through, "kafka-memory": memory, "memory-down": memory_down}
