"""kill -9 while files of tables are made of what was accepted: every record is in one of them, once, with its values."""

import collections
import json

import pytest

import lake_tables
from ledger import assert_kept
from penstock import LAKE_FILE
from siege import PATIENT, SMALL_SEGMENTS, Load, busy, injected, moment, new_random, note, rounds

TableFile = collections.namedtuple("TableFile", "folder rows")
NAMES = ("id", "sensor_id", "kind", "pad")


def config(folder, form):
    (folder / "load.json").write_text(json.dumps({"properties": {name: {"type": "string"} for name in NAMES}}))
    return f"""\
streams:
  readings:
    key: /sensor_id
    schema: {folder}/load.json
    labels: {{kind: /kind}}
    lake: {{path: "{{stream}}/{{kind}}", format: {form}}}
"""


def payload(row):
    """As it was sent."""
    assert row["_rest"] is None and row["_key"] == row["sensor_id"]
    return json.dumps({name: row[name] for name in NAMES if row[name] is not None}, separators=(",", ":")).encode()


def read(root):
    ids = set()
    for path in lake_tables.files(root):
        name = LAKE_FILE.match(path.name)
        rows = lake_tables.READERS[name["extension"]][0](path)
        found = [row["_id"] for row in rows]
        assert ids.isdisjoint(found) and len(set(found)) == len(found)
        ids.update(found)
        positions = [int(one.rsplit("/", 1)[1]) for one in found]
        assert positions == sorted(positions) and (positions[0], positions[-1]) == (int(name["first"]), int(name["last"]))
        yield TableFile(str(path.parent.relative_to(root)), [payload(row) for row in rows])


def judge(one, ledger, fault, count, seed):
    one.start()
    ledger.send_fresh(one)
    one.stop_cleanly(320)
    verdict = ledger.judge(one.lake, read)
    note(fault, count, verdict, seed)
    assert_kept(verdict)
    return verdict


@pytest.mark.parametrize("form", ["parquet", "avro"])
def test_kill_9_loses_no_row(gateway, tools, ledger, tmp_path, form):
    generator, seed = new_random()
    count = rounds(10)
    one = gateway("lake.roll.every=100ms", PATIENT, config=config(tmp_path, form))
    for _ in range(count):
        one.start()
        ledger.send_fresh(one)
        with Load(tools, one, ledger) as load:
            moment(generator)
            busy(one, 100)
            one.kill()
            load.wait()
    verdict = judge(one, ledger, f"kill -9, files of {form}", count, seed)
    assert verdict.accepted > 100 * count


CALLS = {
    "renames": "rename,renameat,renameat2,unlink,unlinkat,link,linkat",
    "writes": "write,pwrite64,pwritev,writev",
    "reads": "pread64",
}


@pytest.mark.parametrize("calls", CALLS)
def test_kill_9_at_a_call_loses_no_row(gateway, tools, ledger, tmp_path, calls):
    """The nth call of this kind is the last thing that happens: frames written, read again, the table written, published."""
    generator, seed = new_random()
    count = rounds(6)
    one = gateway("lake.roll.every=50ms", PATIENT, *SMALL_SEGMENTS, config=config(tmp_path, "parquet"))
    for number in range(count):
        one.start()
        ledger.send_fresh(one)
        fault = f"{CALLS[calls]}:signal=SIGKILL:when={generator.randrange(1, 30)}"
        with Load(tools, one, ledger) as load, injected(one, fault, tmp_path / f"strace-{number}"):
            assert one.ended() == -9
            load.wait()
    judge(one, ledger, f"kill -9 at the nth of {calls}, files of parquet", count, seed)
