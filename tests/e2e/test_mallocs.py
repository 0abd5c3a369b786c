"""No record costs an allocation, by the counter of tests/bench preloaded into the gateway; libraries do what they do."""

import collections
import subprocess
import sys

import pytest

from mqtt import V311, connected
from penstock import ROOT, wait_until
from test_cardinality import BATCH, over_http, over_mqtt

sys.path.append(str(ROOT / "tests/bench"))

from malloc_count import MallocCount, thread_names  # noqa: E402

BATCHES = 10
ADMIN = "MHD-single"  # the library's thread of /metrics


@pytest.fixture(scope="module")
def counter(tmp_path_factory):
    library = tmp_path_factory.mktemp("malloc") / "malloc_count.so"
    subprocess.run(["cc", "-D_GNU_SOURCE", "-O2", "-shared", "-fPIC", str(ROOT / "tests/bench/malloc_count.c"), "-o", str(library)], check=True)
    return library


class Lines:
    """A file that is watched and grows."""

    def __init__(self, server):
        self.path = server.directory / "grows.log"

    def take(self, first, count):
        with open(self.path, "a") as file:
            file.write("".join(f"line {number:07d} of a file\n" for number in range(first, first + count)))


def taker(server, source):
    if source in ("http", "dedupe", "schema"):
        return lambda first, count: over_http(server, first, count)
    if source == "mqtt":
        client = connected(server, V311)
        return lambda first, count: over_mqtt(client, first, count)
    return Lines(server).take


@pytest.mark.parametrize("source", ["http", "dedupe", "schema", "mqtt", "files"])
def test_no_record_costs_an_allocation(gateway, counter, source):
    counts = gateway.folder / "counts"
    (gateway.folder / "s.json").write_text('{"required":["sensor_id"],"properties":{"sensor_id":{"pattern":"[0-9]$"},"wattage":{"type":"number","enum":[0,1,{}]}}}')
    more = {"dedupe": "dedupe: {sequence: /seq}, ", "schema": f"schema: {gateway.folder / 's.json'}, schema_invalid: pass, "}.get(source, "")
    config = (f"streams: {{readings: {{key: /sensor_id, {more}labels: {{wattage: /wattage, agent: 'header:User-Agent'}}, lake: {{path: 'all/{{wattage}}'}}}}}}\n"
              "files: {grows: {watch: '*.log', stream: unorganized}}\n")
    server = gateway("lake.roll.every=200ms", config=config, environment={"LD_PRELOAD": str(counter), "MALLOC_COUNT": str(counts)}).start()
    take = taker(server, source)

    def all_there(records):
        wait_until("all is in the lake", lambda: server.metric("penstock_outlet_delivered_total", 'outlet="lake"') == records)

    take(0, 2 * BATCH)  # buffers come to their size
    all_there(2 * BATCH)
    counted = MallocCount(counts)
    before = counted.allocations()
    for number in range(2, 2 + BATCHES):
        take(number * BATCH, BATCH)
    all_there((2 + BATCHES) * BATCH)
    names, found = thread_names(server.process.pid), collections.Counter()
    for thread, number in (counted.allocations() - before).items():
        found[names.get(thread, "ended")] += number
    print(dict(found))
    assert found.pop(ADMIN) > 0  # it counts
    assert found.total() < BATCHES * BATCH / 100
