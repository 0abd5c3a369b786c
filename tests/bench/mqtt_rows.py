"""mqtt_rows: the rows of the MQTT listener and of the subscriber. Like rows.py."""

import json
import os
import re
import statistics
import subprocess
import time
import urllib.request
from functools import partial

from harness import Row, by_thread, count, measured, median, say
from mqtt_server import gateway, mosquitto, raw_mqtt
from rows import penstock

SENSORS = 1000
WINDOW = 1000
IDLE = 10_000  # connections
PACE = 1000  # messages per second beside the idle ones
PRELOAD_PER_SECOND = 200_000  # of the measurement's seconds: messages that are to be drained
BURST = 2000  # messages that the subscriber's reference commits at most at a time
SESSION = "bench"
WARM = 20  # seconds at full speed until the journal's segments come again, as the reference's file does from the start
ADMIN = "MHD-single"  # the thread of /metrics


def messages_file(bench):
    """A reading of 150 bytes from each of 1,000 sensors, each on its own topic."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    lines = []
    for number in range(SENSORS):
        payload = (
            f'{{"sensor_id":"SENSOR_{number:04d}","created_at":"{now}.{number:03d}Z","event_type":"wattage",'
            f'"wattage":{812.5 + number / 1000:.3f},"voltage":{228 + number % 10}.25,"phase":"L1","unit":"W"}}'
        )
        lines.append(f"readings/SENSOR_{number:04d}\t{payload}\n")
    return bench.file("messages.tsv", "".join(lines).encode())


def publish(bench, server, seconds, **options):
    """What mqtt_load's mode publish reports."""
    result = bench.json(
        bench.program("mqtt_load"),
        "publish",
        "127.0.0.1",
        server.port,
        messages_file(bench),
        f"seconds={seconds}",
        *(f"{name}={value}" for name, value in options.items()),
        limit=seconds + 120,
    )
    result["load_us"] = result["cpu_ns"] / 1000
    return result


def records(result):
    return result["records"]


def publish_once(bench, start, what, warm=1, **options):
    """start() makes the server. A second to warm up, or `warm`, then the measurement."""
    with start() as server:
        publish(bench, server, warm, **options)
        result = measured(server, lambda: publish(bench, server, bench.seconds, **options), records)
    name = os.path.basename(server.command[0])
    say(
        f"mqtt {what} {name}: {count(result['rate'])}/s, {result['cpu_us']:.2f} us "
        f"({by_thread([result], records)}), load {result['load_us']:.2f} us, p50/p99 {result['p50_us']:.0f}/{result['p99_us']:.0f} us"
    )
    return result


def ours_once(bench, what, *sets, **options):
    return publish_once(bench, lambda: gateway(bench, bench.directory("data"), *sets), what, **options)


def raw_once(bench, what, **options):
    return publish_once(bench, lambda: raw_mqtt(bench), what, **options)


def ratios(ours, theirs, name):
    return tuple(o[name] / t[name] for o, t in zip(ours, theirs))


def latencies(results):
    return f"{median(results, 'p50_us') / 1000:.2f}/{median(results, 'p99_us') / 1000:.2f}"


# ---- QoS 1 -------------------------------------------------------------------------------------------------------


def rate_row(name, what, ours, theirs, goal):
    return Row(
        name,
        f"messages/s, QoS 1, {what}",
        count(median(ours, "rate")),
        f"{count(median(theirs, 'rate'))} raw_mqtt",
        ratios(ours, theirs, "rate"),
        goal,
        f"p50/p99 {latencies(ours)} ms, raw {latencies(theirs)}",
    )


def cpu_row(name, ours, theirs, goal):
    return Row(
        name,
        "CPU us per message",
        f"{median(ours, 'cpu_us'):.2f}",
        f"{median(theirs, 'cpu_us'):.2f} raw_mqtt",
        ratios(ours, theirs, "cpu_us"),
        goal,
        f"{by_thread(ours, records)}; RSS {median(ours, 'rss'):.0f} MiB; the load itself {median(ours, 'load_us'):.2f}",
    )


def one_connection(bench):
    name, options = f"mqtt-1x{WINDOW}", {"window": WINDOW}
    ours, theirs = bench.pairs(
        partial(ours_once, bench, name, warm=WARM, **options), partial(raw_once, bench, name, **options)
    )
    newer = ours_once(bench, f"{name} MQTT 5", warm=WARM, version=5, **options)
    return [
        rate_row(name, f"one connection, window {WINDOW:,}", ours, theirs, ">= 0.7"),
        Row(
            name,
            "the same, absolute",
            count(median(ours, "rate")),
            goal=">= 1,000,000",
            more=f"MQTT 5.0 {count(newer['rate'])}",
        ),
        cpu_row(name, ours, theirs, "<= 0.5 us"),
    ]


def many_connections(bench):
    name, options = "mqtt-64x1", {"connections": 64, "window": 1}
    ours, theirs = bench.pairs(
        partial(ours_once, bench, name, **options), partial(raw_once, bench, name, **options)
    )
    return [rate_row(name, "64 connections, window 1", ours, theirs, ">= 0.8"), cpu_row(name, ours, theirs, "")]


# ---- QoS 2 -------------------------------------------------------------------------------------------------------


def exactly_once(bench):
    name = "mqtt-qos2"
    twice, once = bench.pairs(
        partial(ours_once, bench, name, window=WINDOW, qos=2, persistent=1),
        partial(ours_once, bench, f"{name}, QoS 1", window=WINDOW),
    )
    raw = [raw_once(bench, name, window=WINDOW, qos=2) for _ in range(bench.rounds)]
    return [
        Row(
            name,
            f"messages/s, QoS 2, one connection, window {WINDOW:,}, a session to keep",
            count(median(twice, "rate")),
            f"{count(median(once, 'rate'))} penstock, QoS 1",
            ratios(twice, once, "rate"),
            ">= 0.15",
            f"raw_mqtt, QoS 2 {count(median(raw, 'rate'))}; p50/p99 to PUBCOMP {latencies(twice)} ms, raw {latencies(raw)}",
        ),
        cpu_row(name, twice, raw, ""),
    ]


# ---- connections -------------------------------------------------------------------------------------------------


class Idle:
    """10,000 connections that have their CONNACK; `with` opens and closes them."""

    def __init__(self, bench, port):
        self.command = [bench.program("mqtt_load"), "idle", "127.0.0.1", str(port), str(IDLE)]

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{IDLE:,} connections were not let in")
        self.opened = json.loads(line)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.closed = json.loads(self.process.stdout.readline() or '{"closed": -1}')["closed"]
        self.process.wait()


def paced(bench, server):
    result = publish(bench, server, bench.seconds, pace=PACE)
    if result["rate"] < 0.98 * PACE:
        raise RuntimeError(f"only {result['rate']:.0f} of {PACE} messages per second went through")
    return result


def idle_once(bench):
    with gateway(bench, bench.directory("data"), f"mqtt.max_connections={IDLE + 100}") as server:
        publish(bench, server, 1, pace=PACE)
        before, alone = server.memory()[0], paced(bench, server)
        with Idle(bench, server.port) as idle:
            held, beside = server.memory()[0], paced(bench, server)
        churn = bench.json(
            bench.program("mqtt_load"), "churn", "127.0.0.1", server.port, IDLE, 64, limit=120
        )
        after = server.memory()[0]
    if idle.closed:
        raise RuntimeError(f"{idle.closed} idle connections were closed")
    say(
        f"mqtt idle: {before:.1f} MiB, {held:.1f} with {IDLE:,} connections, opened at {count(idle.opened['rate'])}/s; "
        f"p99 {alone['p99_us']:.0f} us alone, {beside['p99_us']:.0f} beside them; {count(churn['rate'])} opened and dropped per s"
    )
    return {"before": before, "held": held, "after": after, "alone": alone, "beside": beside,
            "opened": idle.opened["rate"], "churn": churn["rate"], "churn_p99": churn["p99_us"]}  # fmt: skip


def idle(bench):
    results = [idle_once(bench) for _ in range(bench.rounds)]
    alone, beside = ([result[name] for result in results] for name in ("alone", "beside"))
    rows = [
        Row(
            "mqtt-idle",
            f"resident MiB with {IDLE:,} idle connections",
            f"{max(result['held'] for result in results):.1f}",
            goal="<= 100 MiB",
            more=f"{median(results, 'before'):.1f} before; they were let in at {count(median(results, 'opened'))} per s",
        )
    ]
    for share in ("p50_us", "p99_us"):
        rows.append(
            Row(
                "mqtt-idle",
                f"{share[:3]} us beside them, {PACE:,} messages/s, QoS 1",
                f"{median(beside, share):.0f}",
                f"{median(alone, share):.0f} without them",
                ratios(beside, alone, share),
                "about 1",
            )
        )
    rows.append(
        Row(
            "mqtt-idle",
            "connections/s opened and dropped",
            count(median(results, "churn")),
            more=f"64 at a time; p99 to the CONNACK {median(results, 'churn_p99') / 1000:.1f} ms; "
            f"RSS after {IDLE:,} {median(results, 'after'):.1f} MiB",
        )
    )
    return rows


# ---- mosquitto ---------------------------------------------------------------------------------------------------

BROKERS = {
    "without persistence": (),
    "persistence true": ("persistence true",),
    "persistence, autosave on changes, 1 s": (
        "persistence true",
        "autosave_interval 1",
        "autosave_on_changes true",
    ),
}


def make_session(bench, server, name):
    """A session that is subscribed to everything and away, so that the broker queues."""
    command = [bench.program("mosq_drain"), str(server.port), name, "#", "-", "0", "1"]
    subprocess.run(command, check=True, timeout=60, stdout=subprocess.DEVNULL)


def broker_once(bench, what, lines):
    with mosquitto(bench, *lines) as server:
        make_session(bench, server, SESSION)
        result = measured(server, lambda: publish(bench, server, bench.seconds, window=WINDOW), records)
    say(f"mosquitto, {what}: {count(result['rate'])}/s, {result['cpu_us']:.2f} us")
    return result


def brokers(bench):
    need(bench)
    ours = [ours_once(bench, "mqtt-mosquitto", window=WINDOW) for _ in range(bench.rounds)]
    rows = []
    for what, lines in BROKERS.items():
        theirs = [broker_once(bench, what, lines) for _ in range(bench.rounds)]
        rows.append(
            Row(
                "mqtt-mosquitto",
                f"mosquitto's messages/s as a share of ours: {what}",
                count(median(ours, "rate")),
                f"{count(median(theirs, 'rate'))} mosquitto",
                ratios(theirs, ours, "rate"),
                "<= 0.1",
                f"CPU {median(theirs, 'cpu_us'):.2f} us per message, ours {median(ours, 'cpu_us'):.2f}; "
                f"p50/p99 {latencies(theirs)} ms, ours {latencies(ours)}",
            )
        )
    return rows


def need(bench):
    if not bench.has("mosq_drain"):
        raise RuntimeError("mosq_drain was not built (Debian package libmosquitto-dev)")


# ---- the subscriber ----------------------------------------------------------------------------------------------


def accepted(server):
    """Records that came from anywhere but HTTP, as the gateway's own metrics say."""
    port = next(item for item in server.command if item.startswith("admin.listen=")).rsplit(":", 1)[1]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    lines = re.findall(r"^penstock_records_accepted_total\{(.*)\} (\d+)$", text, re.M)
    return sum(int(number) for labels, number in lines if 'source="http"' not in labels)


def wait_accepted(server, least, limit=120):
    deadline = time.monotonic() + limit
    while (number := accepted(server)) < least:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{number:,} of {least:,} messages arrived in {limit} s")
        time.sleep(0.02)
    return number, time.monotonic()


def preload(bench, broker, messages):
    make_session(bench, broker, SESSION)
    sent = publish(bench, broker, 120, window=WINDOW, messages=messages)["records"]
    if sent != messages:
        raise RuntimeError(f"the broker took {sent:,} of {messages:,} messages")


def drain_once(bench, messages):
    """From the first messages that are durable until all are."""
    with mosquitto(bench) as broker:
        preload(bench, broker, messages)
        url = f"mqtt://127.0.0.1:{broker.port}"
        options = {"url": url, "filters": "#", "client_id": SESSION}
        sets = [f"mqtt.subscribe.bench.{name}={value}" for name, value in options.items()]
        with penstock(bench, bench.directory("data"), *sets) as server:
            first, start = wait_accepted(server, 1)
            before = server.threads()
            last, end = wait_accepted(server, messages)
            used = {name: seconds - before.get(name, 0) for name, seconds in server.threads().items()}
            most = server.memory()[1]
    used.pop(ADMIN, None)  # it answers wait_accepted()
    result = {"rate": (last - first) / (end - start), "records": last - first, "threads": used, "most": most}
    result["cpu_us"] = sum(result["threads"].values()) * 1e6 / result["records"]
    say(f"mqtt subscriber: {count(result['rate'])}/s, {result['cpu_us']:.2f} us ({by_thread([result], records)})")
    return result


def mosq_drain_once(bench, messages):
    with mosquitto(bench) as broker:
        preload(bench, broker, messages)
        result = bench.json(
            bench.program("mosq_drain"), broker.port, SESSION, "#", bench.work / "zeroed", messages, BURST
        )
    result["cpu_us"] = result["cpu_ns"] / 1000
    say(
        f"mosq_drain: {count(result['rate'])}/s, {result['cpu_us']:.2f} us, {result['records'] / result['commits']:.0f} per commit"
    )
    return result


def subscriber(bench):
    need(bench)
    messages = bench.seconds * PRELOAD_PER_SECOND
    ours, theirs = bench.pairs(
        partial(drain_once, bench, messages), partial(mosq_drain_once, bench, messages)
    )
    return [
        Row(
            "mqtt-subscriber",
            f"messages/s out of a session of mosquitto, {messages:,} queued, QoS 1",
            count(median(ours, "rate")),
            f"{count(median(theirs, 'rate'))} mosq_drain",
            ratios(ours, theirs, "rate"),
            ">= 0.9",
            f"RSS at most {statistics.median(o['most'] for o in ours):.0f} MiB",
        ),
        Row("mqtt-subscriber", "the same, absolute", count(median(ours, "rate")), goal=">= 150,000"),
        Row(
            "mqtt-subscriber",
            "CPU us per message",
            f"{median(ours, 'cpu_us'):.2f}",
            f"{median(theirs, 'cpu_us'):.2f} mosq_drain",
            ratios(ours, theirs, "cpu_us"),
            "",
            by_thread(ours, records),
        ),
    ]


ROWS = {
    "mqtt-1x1000": one_connection,
    "mqtt-64x1": many_connections,
    "mqtt-qos2": exactly_once,
    "mqtt-idle": idle,
    "mqtt-mosquitto": brokers,
    "mqtt-subscriber": subscriber,
}
