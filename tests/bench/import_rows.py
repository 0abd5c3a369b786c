"""import_rows: the rows of `penstock import`. Like rows.py."""

import json
import statistics
from functools import partial

from harness import Row, count, median, say
from import_server import penstock_import, pg_dump, psql_halves, sqoop_import, sqoop_start, tables
from kafka_broker import Kafka
from kafka_rows import BACKLOG_PER_SECOND, produce

CEILING, CEILING_PER_WORKER = 64, 32  # MiB


def once(what, run):
    result = run()
    say(
        f"import {what}: {count(result['rate'])} rows/s, {result['seconds']:.2f} s, {result['cpu_ns']:.0f} ns of CPU per row, "
        f"{result['memory']:.0f} MiB"
    )
    return result


def ours_of(bench, table, *options, connections=2):
    what = " ".join((table, *options))
    return partial(once, what, partial(penstock_import, bench, table, *options, connections=connections))


def psql_of(bench, table, form):
    return partial(once, f"{table} psql {form}", partial(psql_halves, bench, table, form))


def ratios(ours, theirs, name="rate"):
    return tuple(o[name] / t[name] for o, t in zip(ours, theirs))


def beside_psql(bench, name, table, form, *options, goal=">= 0.9"):
    """Rows per second and the client's CPU time, both beside two psql."""
    rows = tables(bench).rows_of(table)
    ours, theirs = bench.pairs(ours_of(bench, table, *options), psql_of(bench, table, form))
    what = f"{table}, {rows:,} rows, 2 connections, {' '.join(options)}"
    return [
        Row(
            name,
            f"rows/s, {what}",
            count(median(ours, "rate")),
            f"{count(median(theirs, 'rate'))} psql {form}",
            ratios(ours, theirs),
            goal,
            f"{median(ours, 'bytes') / 1e6:.0f} MB; RSS at most {max(o['memory'] for o in ours):.0f} MiB",
        ),
        Row(
            name,
            "CPU ns of the client per row",
            count(median(ours, "cpu_ns")),
            f"{count(median(theirs, 'cpu_ns'))} psql {form}",
            ratios(ours, theirs, "cpu_ns"),
        ),
    ]


def parquet(bench):
    return beside_psql(bench, "import-parquet", "telemetry", "binary", "--format", "parquet")


def avro(bench):
    return [
        row
        for more in ((), ("--compression", "zstd"))
        for row in beside_psql(bench, "import-avro", "telemetry", "binary", "--format", "avro", *more)
    ]


def json_lines(bench):
    return beside_psql(bench, "import-jsonl", "telemetry", "text", "--format", "jsonl")


def text(bench):
    return beside_psql(bench, "import-text", "telemetry", "text", "--format", "text")


def wide(bench):
    return beside_psql(
        bench, "import-wide", "wide", "binary", "--format", "parquet", goal=""
    ) + beside_psql(bench, "import-wide", "wide", "text", "--format", "jsonl", goal="")


def order(bench):
    """Tables whose keys lie unevenly, or whose rows lie in no order, beside the one in order."""
    rows = []
    for table in ("skewed", "shuffled"):
        ours, ordered = bench.pairs(ours_of(bench, table), ours_of(bench, "telemetry"))
        rows.append(
            Row(
                "import-order",
                f"seconds, {table}, to Parquet",
                f"{median(ours, 'seconds'):.2f}",
                f"{median(ordered, 'seconds'):.2f} telemetry",
                ratios(ours, ordered, "seconds"),
                "<= 1.1",
                f"{median(ours, 'bytes') / 1e6:.0f} MB, telemetry {median(ordered, 'bytes') / 1e6:.0f}",
            )
        )
    return rows


def memory(bench):
    rows = []
    for connections in (2, 8):
        for table in ("telemetry", "wide"):
            result = ours_of(bench, table, connections=connections)()
            rows.append(
                Row(
                    "import-memory",
                    f"resident MiB at most, {table} to Parquet, {connections} connections",
                    f"{result['memory']:.0f}",
                    goal=f"<= {CEILING + connections * CEILING_PER_WORKER} MiB",
                )
            )
    return rows


def dump(bench):
    ours, theirs = bench.pairs(
        ours_of(bench, "telemetry"), partial(once, "pg_dump", partial(pg_dump, bench, "telemetry"))
    )
    return [
        Row(
            "import-dump",
            "pg_dump -Fd -j2's rows/s as a share of ours to Parquet",
            count(median(ours, "rate")),
            f"{count(median(theirs, 'rate'))} pg_dump",
            ratios(theirs, ours),
            "",
            f"CPU ns per row: {count(median(ours, 'cpu_ns'))}, pg_dump {count(statistics.median(t['cpu_ns'] for t in theirs))}",
        )
    ]


SAME = {  # a line of Sqoop's, and what makes the same files
    "text": ((), ("--format", "sqoop")),
    "text, --direct": (("--direct",), ("--format", "sqoop-direct")),
    "Avro": (("--as-avrodatafile",), ("--format", "avro", "--compression", "none", "--numeric", "string")),
    "Parquet": (("--as-parquetfile",), ("--format", "parquet", "--compression", "snappy", "--numeric", "string")),
}
STARTS = 20


def sqoop(bench):
    """Lines of Sqoop's beside what they stand for."""
    rows = []
    ours_of(bench, "telemetry", "--format", "sqoop")()  # whoever is the first takes longer
    for what, (line, options) in SAME.items():
        ours, theirs = bench.pairs(
            partial(once, f"sqoop {' '.join(line)}", partial(sqoop_import, bench, "telemetry", *line)),
            ours_of(bench, "telemetry", "--names", "sqoop", *options),
        )
        rows.append(
            Row(
                "sqoop",
                f"rows/s, telemetry, {tables(bench).rows_of('telemetry'):,} rows, -m 2, {what}",
                count(median(ours, "rate")),
                f"{count(median(theirs, 'rate'))} penstock import",
                ratios(ours, theirs),
                ">= 0.95",
                f"{median(ours, 'bytes') / 1e6:.0f} MB; CPU ns per row {count(median(ours, 'cpu_ns'))}, penstock import "
                f"{count(median(theirs, 'cpu_ns'))}; RSS at most {max(o['memory'] for o in ours):.0f} MiB",
            )
        )
    first, whole = zip(*(sqoop_start(bench, "telemetry") for _ in range(STARTS)))
    rows.append(
        Row(
            "sqoop",
            "ms from exec to the first row",
            f"{statistics.median(first):.0f}",
            goal="<= 100 ms",
            more=f"{min(first):.0f} to {max(first):.0f} ms; {statistics.median(whole):.0f} ms until that row alone is imported",
        )
    )
    return rows


LINES = 20000  # of the telemetry table, which the reference sends over and over
SENT_ID = "0123456789abcdef/"  # with ten digits behind it as long as the header of a record of ours


def records_file(bench):
    """What our records are, for the reference: the key, a tab, the value."""
    penstock_import(bench, "telemetry", "--format", "jsonl", "--whole", "--where", f"id <= {LINES}")
    (file,) = (bench.work / "imported" / "target").glob("part-*")
    lines = file.read_bytes().splitlines()
    return bench.file("records.tsv", b"".join(b"%d\t%s\n" % (json.loads(line)["id"], line) for line in lines))


def send_once(bench, kafka, *options):
    topic, rows = kafka.topic(), tables(bench).rows_of("telemetry")
    result = penstock_import(
        bench, "telemetry", "--to", f"kafka:{topic}", "--kafka-property", f"bootstrap.servers={kafka.servers}", *options
    )
    result["whole"] = result["rate"]
    result["rate"] = kafka.rate(topic, 1, rows)
    say(
        f"import into kafka {' '.join(options)}: {count(result['rate'])} records/s by the broker's clock, {count(result['whole'])} "
        f"from exec to exit, {result['cpu_ns']:.0f} ns of CPU, {result['memory']:.0f} MiB"
    )
    return result


def topic(bench):
    """To a topic, in transactions and without, beside the producer that only sends."""
    rows, table_rows = [], tables(bench).rows_of("telemetry")
    file = records_file(bench)
    with Kafka(bench) as kafka:
        kafka.warm_up(lambda: produce(bench, kafka, BACKLOG_PER_SECOND, SENT_ID, file)["rate"])
        for options in ((), ("--transactional",)):
            ours, theirs = bench.pairs(
                partial(send_once, bench, kafka, *options), partial(produce, bench, kafka, table_rows, SENT_ID, file)
            )
            rows.append(
                Row(
                    "import-kafka",
                    " ".join((f"records/s, telemetry, {table_rows:,} rows, 2 connections", *options)),
                    count(median(ours, "rate")),
                    f"{count(median(theirs, 'rate'))} kafka_produce",
                    ratios(ours, theirs),
                    ">= 0.8",
                    f"from exec to exit {count(median(ours, 'whole'))}; CPU ns per row {count(median(ours, 'cpu_ns'))}, "
                    f"kafka_produce {count(median(theirs, 'cpu_ns'))}; RSS at most {max(o['memory'] for o in ours):.0f} MiB",
                )
            )
    return rows


ROWS = {
    "import-parquet": parquet,
    "import-avro": avro,
    "import-jsonl": json_lines,
    "import-text": text,
    "import-wide": wide,
    "import-order": order,
    "import-memory": memory,
    "import-dump": dump,
    "import-kafka": topic,
    "sqoop": sqoop,
}
