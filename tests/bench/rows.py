"""rows: what is measured, one function per row name; each returns lines of the table."""

import gzip
import os
import signal
import statistics
import subprocess
import time
from functools import partial

from harness import Row, Server, by_thread, count, disk_counters, free_port, measured, median, say, wrk

RECORD_SIZE = 150  # of the journal rows: a head of 40 bytes and a payload of 110
BACKLOG = 10_000_000
PRINCIPALS = 10_000
PACE = 1000  # requests per second of 100 readings each


def reading(number=42):
    """About 110 bytes, as a meter would send it."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    text = (
        f'{{"sensor_id":"SENSOR_{number:04d}","created_at":"{now}.{number % 1000:03d}Z",'
        f'"event_type":"wattage","wattage":{812.5 + number / 1000:.3f}}}'
    )
    return text.encode()


def readings(number):
    return b"".join(reading(i) + b"\n" for i in range(number))


def penstock(bench, data, *options):
    """The product with its default configuration but ports and directory."""
    port = free_port()
    command = [bench.program("penstock"), "run"]
    sets = [
        f"gateway.data={data}",
        f"http.listen=127.0.0.1:{port}",
        "mqtt.listen=",
        f"admin.listen=127.0.0.1:{free_port()}",
        *options,
    ]
    for item in sets:
        command += ["--set", item]
    return Server(command, port, bench.work / "penstock.log", reading())


def reference(bench, name, *arguments):
    port = free_port()
    command = [bench.program(name), str(port), *(str(argument) for argument in arguments)]
    return Server(command, port, bench.work / f"{name}.log", reading())


def http_load(bench, port, body_file, kind, connections, requests, seconds, rate=0, encoding=None):
    result = bench.json(
        bench.program("http_load"),
        port,
        "/readings",
        kind,
        body_file,
        connections,
        requests,
        seconds,
        rate,
        *([encoding] if encoding else []),
        limit=seconds + 60,
    )
    result["requests"] = result["records"]
    result["p50_ms"], result["p99_ms"] = result["p50_us"] / 1000, result["p99_us"] / 1000
    return result


# ---- single POSTs --------------------------------------------------------------------------------


def post_once(bench, server, connections, client):
    body_file = bench.file("reading.json", reading())

    def load(seconds):
        if client == "wrk":
            return wrk(server.port, connections, seconds, body_file)
        return http_load(bench, server.port, body_file, "application/json", connections, 10**9, seconds)

    with server:
        load(1)
        result = measured(server, lambda: load(bench.seconds), lambda r: r["requests"])
    name = os.path.basename(server.command[0])
    say(
        f"post {connections} {name}: {count(result['rate'])}/s, {result['cpu_us']:.2f} us, {result['rss']:.0f} MiB"
    )
    return result


def post_rows(bench, connections, goal, client="wrk"):
    size = len(reading())
    ours, theirs = bench.pairs(
        lambda: post_once(bench, penstock(bench, bench.directory("data")), connections, client),
        lambda: post_once(
            bench, reference(bench, "raw_post", bench.work / "zeroed", size), connections, client
        ),
    )
    name = f"post-{connections}" + ("" if client == "wrk" else "-light")
    per_request = lambda r: r["requests"]
    return [
        Row(
            name,
            "requests/s",
            count(median(ours, "rate")),
            f"{count(median(theirs, 'rate'))} raw_post",
            tuple(o["rate"] / t["rate"] for o, t in zip(ours, theirs)),
            goal,
            f"p50/p99 {median(ours, 'p50_ms'):.2f}/{median(ours, 'p99_ms'):.2f} ms, "
            f"raw {median(theirs, 'p50_ms'):.2f}/{median(theirs, 'p99_ms'):.2f}",
        ),
        Row(
            name,
            "CPU us per request",
            f"{median(ours, 'cpu_us'):.2f}",
            f"{median(theirs, 'cpu_us'):.2f} raw_post",
            tuple(o["cpu_us"] / t["cpu_us"] for o, t in zip(ours, theirs)),
            "<= 13 us",
            f"{by_thread(ours, per_request)}; RSS {median(ours, 'rss'):.0f} MiB",
        ),
    ]


def post(bench):
    rows = []
    for connections, goal in ((16, 0.65), (64, 0.55), (256, 0.6), (1000, 0.6)):
        rows += post_rows(bench, connections, f">= {goal}")
    return rows + post_rows(bench, 1000, "", client="http_load")


# ---- batches -------------------------------------------------------------------------------------


def ndjson_once(bench, server, body_file, kind="application/x-ndjson", encoding=None):
    load = partial(http_load, bench, server.port, body_file, kind, 16, 100_000, encoding=encoding)
    with server:
        load(1)
        result = measured(server, lambda: load(bench.seconds), lambda r: r["requests"] * 1000)
    result["rate"] *= 1000
    io_thread = next(
        (used for name, used in result["threads"].items() if "http" in name), sum(result["threads"].values())
    )
    result["per_io_second"] = result["requests"] * 1000 / max(io_thread, 0.01)
    name = os.path.basename(server.command[0])
    say(
        f"ndjson {name}: {count(result['rate'])} readings/s, "
        f"{count(result['per_io_second'])} per second of its I/O thread"
    )
    return result


def ndjson(bench):
    body_file = bench.file("readings.ndjson", readings(1000))
    ours, theirs = bench.pairs(
        lambda: ndjson_once(bench, penstock(bench, bench.directory("data")), body_file),
        lambda: ndjson_once(bench, reference(bench, "raw_sink"), body_file),
    )
    pick = lambda name: tuple(o[name] / t[name] for o, t in zip(ours, theirs))
    return [
        Row(
            "ndjson",
            "readings/s, durable, lake running",
            count(median(ours, "rate")),
            f"{count(median(theirs, 'rate'))} raw_sink",
            pick("rate"),
            "",
            f"p50/p99 {median(ours, 'p50_ms'):.1f}/{median(ours, 'p99_ms'):.1f} ms; RSS {median(ours, 'rss'):.0f} MiB",
        ),
        Row(
            "ndjson",
            "readings per CPU second of the I/O thread (before the disk)",
            count(median(ours, "per_io_second")),
            f"{count(median(theirs, 'per_io_second'))} raw_sink",
            pick("per_io_second"),
            ">= 3,000,000",
            f"us per reading: {by_thread(ours, lambda r: r['requests'] * 1000)}",
        ),
    ]


def dedupe(bench):
    """Numbered readings of a thousand sensors, in a stream that stores each once, beside one that does not look."""
    lines = b"".join(reading(i)[:-1] + b',"seq":"@@@@@@@@@@@@@@@"}\n' for i in range(1000))
    body_file = bench.file("numbered.ndjson", lines)

    def once(*options):
        server = penstock(bench, bench.directory("data"), *options)
        server.body = server.body[:-1] + b',"seq":0}'
        return ndjson_once(bench, server, body_file)

    return beside("dedupe", *bench.pairs(partial(once, "streams.readings.dedupe.sequence=/seq"), once))


def schema(bench):
    """Readings in a stream with a schema, beside one without."""
    body_file = bench.file("readings.ndjson", readings(1000))

    def once(*options):
        return ndjson_once(bench, penstock(bench, bench.directory("data"), *options), body_file)

    return beside("schema", *bench.pairs(partial(once, "streams.readings.schema=reading.v1"), once))


def access(bench):
    """Who somebody is: asked once for each request, or connection of MQTT."""
    file = bench.directory("access") / "credentials"
    results = [bench.json(bench.program("access_load"), file, PRINCIPALS, 1_000_000) for _ in range(bench.rounds)]
    return [
        Row("access", f"ns of processor time to know one of {PRINCIPALS:,} by its secret", f"{median(results, 'right_ns'):.0f}", goal="<= 1,000",
            more=f"{median(results, 'wrong_ns'):.0f} when it is wrong"),
        Row("access", "ns of processor time that key_rate costs a record, 100,000 keys in turn", f"{median(results, 'keys_ns'):.0f}", goal="<= 100",
            more=f"{median(results, 'key_ns'):.0f} of one key"),
        Row("access", f"MiB of {PRINCIPALS:,} principals", f"{median(results, 'mib'):.1f}", goal="<= 16"),
        Row("access", "Welch's t of the time, wrong in the first or the last characters", f"{median(results, 'welch_t'):.1f}", goal="-4.5 to 4.5",
            more=f"{min(r['welch_t'] for r in results):.1f} to {max(r['welch_t'] for r in results):.1f}"),
        Row("access", "ns of processor time to know a password again", f"{median(results, 'password_ns'):.0f}", goal="<= 1,000",
            more=f"{median(results, 'password_ms'):.0f} ms the first time, of the thread that hashes"),
        Row("access", "Welch's t of the time, wrong password or unknown user", f"{median(results, 'names_t'):.1f}", goal="-4.5 to 4.5",
            more=f"{min(r['names_t'] for r in results):.1f} to {max(r['names_t'] for r in results):.1f}"),
    ]  # fmt: skip


def beside(name, ours, theirs):
    """What an option of a stream costs, beside the same without it."""
    per_reading = lambda results: by_thread(results, lambda r: r["requests"] * 1000)
    return [
        Row(
            name,
            "CPU us per reading",
            f"{median(ours, 'cpu_us'):.2f}",
            f"{median(theirs, 'cpu_us'):.2f} without {name}",
            tuple(o["cpu_us"] / t["cpu_us"] for o, t in zip(ours, theirs)),
            "",
            f"{per_reading(ours)}; without: {per_reading(theirs)}",
        ),
        Row(
            name,
            "readings/s, durable, lake running",
            count(median(ours, "rate")),
            f"{count(median(theirs, 'rate'))} without {name}",
            tuple(o["rate"] / t["rate"] for o, t in zip(ours, theirs)),
            "",
            f"RSS {median(ours, 'rss'):.0f} and {median(theirs, 'rss'):.0f} MiB",
        ),
    ]


def forms(bench):
    """The same thousand readings in other forms, beside the plain lines of the same rounds."""
    lines = readings(1000)
    plain = bench.file("readings.ndjson", lines)
    zstd = subprocess.run(["zstd", "-q", "-c"], input=lines, stdout=subprocess.PIPE, check=True).stdout
    others = (
        ("array", b"[" + b",".join(lines.split()) + b"]", "application/json", None, "<= 1.1"),
        ("gzip", gzip.compress(lines, 6), "application/x-ndjson", "gzip", "<= 2"),
        ("zstd", zstd, "application/x-ndjson", "zstd", "<= 1.25"),
    )
    rows = []
    for name, body, kind, encoding, goal in others:
        body_file = bench.file(f"readings.{name}", body)
        ours, theirs = bench.pairs(
            lambda: ndjson_once(bench, penstock(bench, bench.directory("data")), body_file, kind, encoding),
            lambda: ndjson_once(bench, penstock(bench, bench.directory("data")), plain),
        )
        each = [[1e6 / result["per_io_second"] for result in side] for side in (ours, theirs)]
        rows.append(
            Row(
                f"forms-{name}",
                "CPU us per reading in the I/O thread",
                f"{statistics.median(each[0]):.3f}",
                f"{statistics.median(each[1]):.3f} NDJSON",
                tuple(one / other for one, other in zip(*each)),
                goal,
                f"{len(body):,} bytes for {len(lines):,}; {count(median(ours, 'rate'))} readings/s, durable, NDJSON {count(median(theirs, 'rate'))}",
            )
        )
    return rows


# ---- the journal alone ---------------------------------------------------------------------------


def commits(bench, *command):
    before = disk_counters(bench.work)
    result = bench.json(*command)
    after = disk_counters(bench.work)
    if before and after:
        all_commits = result["commits"] + result["unmeasured"]
        result["writes"], result["flushes"] = (
            (a - b) / max(all_commits, 1) for a, b in zip(after, before)
        )
    say(
        f"{os.path.basename(str(command[0]))}: {count(result['rate'])} records/s, "
        f"{result['cpu_ns']:.0f} ns, p99 {result['p99_us']:.0f} us"
    )
    return result


def journal_once(bench, batch, window):
    return commits(
        bench,
        bench.program("journal_load"),
        "batch",
        bench.directory("journal"),
        batch,
        window,
        bench.seconds,
    )


def plain_once(bench, batch, size=RECORD_SIZE):
    return commits(bench, bench.program("plain_commit"), bench.work / "zeroed", batch, size, bench.seconds)


def lmdb_once(bench, batch):
    return commits(
        bench, bench.program("lmdb_commit"), bench.directory("lmdb"), batch, RECORD_SIZE, bench.seconds
    )


def journal_rows(bench, batch, window, goal):
    ours, theirs = bench.pairs(partial(journal_once, bench, batch, window), partial(plain_once, bench, batch))
    more = (
        f"CPU {median(ours, 'cpu_ns'):.0f} ns per record, plain {median(theirs, 'cpu_ns'):.0f}; "
        f"p99 {median(ours, 'p99_us'):.0f} us, plain {median(theirs, 'p99_us'):.0f}"
    )
    if "flushes" in ours[0]:
        more += f"; per hand-over {median(ours, 'flushes'):.2f} flushes, {median(ours, 'writes'):.2f} device writes"
    name = f"journal-{batch}" + (f"x{window}" if window > 1 else "")
    rows = [
        Row(
            name,
            "records/s",
            count(median(ours, "rate")),
            f"{count(median(theirs, 'rate'))} plain_commit",
            tuple(o["rate"] / t["rate"] for o, t in zip(ours, theirs)),
            goal,
            more,
        )
    ]
    if window == 1 and bench.has("lmdb_commit"):
        lmdb = [lmdb_once(bench, batch) for _ in range(bench.rounds)]
        rows.append(
            Row(
                name,
                "LMDB's records/s as a share of ours",
                count(median(ours, "rate")),
                f"{count(median(lmdb, 'rate'))} lmdb_commit",
                tuple(t["rate"] / o["rate"] for o, t in zip(ours, lmdb)),
                "<= 0.5",
                f"CPU {median(lmdb, 'cpu_ns'):.0f} ns per record; p99 {median(lmdb, 'p99_us'):.0f} us",
            )
        )
    return rows


def journal(bench):
    return (
        journal_rows(bench, 256, 1, ">= 0.9")
        + journal_rows(bench, 256, 4, "")
        + journal_rows(bench, 16, 1, "")
    )


# ---- latency of an acknowledgement ---------------------------------------------------------------


def latency_rows(name, what, ours, disk, goals):
    rows = []
    shares = ("p50_us", "p99_us")
    if all("still_p99_us" in result for result in ours + disk):
        shares, goals = (*shares, "still_p50_us", "still_p99_us"), (*goals, *goals)
        left_out = [f"{median(results, 'left_out'):.1%}" for results in (ours, disk)]
        what_still = f", without moments in which the machine stood still ({left_out[0]}, disk {left_out[1]})"
    for share, goal in zip(shares, goals):
        rows.append(
            Row(
                name,
                f"{share.removeprefix('still_')[:3]} us, {what}{what_still if share.startswith('still_') else ''}",
                f"{median(ours, share):.0f}",
                f"{median(disk, share):.0f} fdatasync of 4 KiB",
                tuple(o[share] / d[share] for o, d in zip(ours, disk)),
                goal,
                f"{count(median(ours, 'rate'))} per s reached; "
                f"p99.9 {median(ours, 'p999_us'):.0f} us, disk {median(disk, 'p999_us'):.0f}",
            )
        )
    return rows


def latency(bench):
    pace = lambda: commits(bench, bench.program("journal_load"), "pace", bench.directory("journal"), 100_000, bench.seconds)
    ours, disk = bench.pairs(pace, partial(plain_once, bench, 1, 4096))
    return latency_rows("latency", "hand-over, 100,000 records/s", ours, disk, ("<= 2", "<= 3"))


def http_latency_once(bench, body_file):
    with penstock(bench, bench.directory("data")) as server:
        load = partial(http_load, bench, server.port, body_file, "application/x-ndjson", 16, 10**6)
        load(1, PACE)
        result = load(bench.seconds, PACE)
    say(f"http latency: p50 {result['p50_us']:.0f} us, p99 {result['p99_us']:.0f} us")
    return result


def http_latency(bench):
    body_file = bench.file("hundred.ndjson", readings(100))
    ours, disk = bench.pairs(partial(http_latency_once, bench, body_file), partial(plain_once, bench, 1, 4096))
    return latency_rows("http-latency", f"HTTP, {PACE:,} requests/s of 100 readings", ours, disk, ("", ""))


# ---- memory --------------------------------------------------------------------------------------


def memory(bench):
    body_file = bench.file("hundred.ndjson", readings(100))
    with penstock(bench, bench.directory("data")) as server:
        load = lambda: http_load(bench, server.port, body_file, "application/x-ndjson", 16, 10**6, 20, PACE)
        result = measured(server, load, lambda r: r["requests"] * 100)
        most = server.memory()[1]
    return [
        Row(
            "memory",
            "resident MiB at most, 100,000 readings/s over HTTP, 20 s",
            f"{most:.1f}",
            goal="<= 64 MiB",
            more=f"{count(result['rate'] * 100)} readings/s reached; "
            f"us per reading: {by_thread([result], lambda r: r['requests'] * 100)}",
        )
    ]


# ---- start ---------------------------------------------------------------------------------------


def start_times(bench, data, times, *options):
    """Milliseconds from exec to the first POST answered with 200; each start follows a kill."""
    taken = []
    for _ in range(times):
        with penstock(bench, data, *options) as server:
            taken.append(server.start_seconds * 1000)
            time.sleep(0.3)  # the preparer fills the reserve again
    say("starts: " + " ".join(f"{ms:.1f}" for ms in taken) + " ms")
    return taken


def make_backlog(bench, data, *options):
    body_file = bench.file("readings.ndjson", readings(1000))
    with penstock(bench, data, *options) as server:
        http_load(bench, server.port, body_file, "application/x-ndjson", 16, BACKLOG // 1000, 100)
        server.process.send_signal(signal.SIGKILL)


def start(bench):
    data = bench.directory("data")
    start_times(bench, data, 1)
    empty = start_times(bench, data, 5)
    data = bench.directory("data")
    blocked = f"lake.url={bench.file('not-a-directory', b'')}"  # nothing can be delivered
    make_backlog(bench, data, blocked)
    queued = start_times(bench, data, 5, blocked)
    bench.directory("data")
    more = statistics.median(queued) - statistics.median(empty)
    spread = lambda taken: f"{min(taken):.0f} to {max(taken):.0f} ms, after kill -9, warm page cache"
    return [
        Row(
            "start",
            "ms to the first 200, segments in reserve",
            f"{statistics.median(empty):.0f}",
            goal="< 100 ms",
            more=spread(empty),
        ),
        Row(
            "start",
            f"ms more with {BACKLOG:,} records queued",
            f"{more:.0f}",
            goal="< 50 ms",
            more=f"{statistics.median(queued):.0f} ms in all, {spread(queued)}",
        ),
    ]


ROWS = {
    "post": post,
    "ndjson": ndjson,
    "forms": forms,
    "dedupe": dedupe,
    "schema": schema,
    "access": access,
    "journal": journal,
    "latency": latency,
    "http-latency": http_latency,
    "memory": memory,
    "start": start,
}
