"""`penstock journal inspect` and `verify`: beside a gateway under load, behind a kill, on copies and on damage; nothing is changed."""

import itertools
import json
import re
import shutil
import threading

import pytest

from journals import copy_segments, fingerprint, inspect, journal, verify
from mqtt import PUBREC, V5, Client
from penstock import lake_rows, run_command, wait_until
from siege import SMALL_SEGMENTS
from tailing import Tail

SETS = ("gateway.id=site-7", *SMALL_SEGMENTS)
ID = re.compile(r"^damaged: (?P<gateway>[^/]+)/(?P<epoch>[0-9a-f]{8}|\*)/(?P<first>\d+)(?:\.\.(?P<last>\d+))?: (?P<file>\d{20}\.segment), "
                r"bytes (?P<from>\d+)\.\.(?P<to>\d+)", re.MULTILINE)


class Posting:
    """Threads that post batches until they are stopped, or the gateway is gone."""

    def __init__(self, one, threads=3, batch=50):
        self.one, self.batch, self.accepted, self.stopped = one, batch, 0, False
        self.lock, self.numbers = threading.Lock(), itertools.count()
        self.threads = [threading.Thread(target=self._run) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def _run(self):
        while not self.stopped:
            lines = "\n".join(json.dumps({"sensor_id": "S", "n": next(self.numbers), "pad": "x" * 300}) for _ in range(self.batch))
            try:
                answer = self.one.post("/readings", lines, "application/x-ndjson")
            except OSError:
                return
            if answer.status == 200:
                with self.lock:
                    self.accepted += self.batch

    def stop(self):
        self.stopped = True
        for thread in self.threads:
            thread.join(60)
        return self.accepted


def queue(gateway, batches=20, directory="gateway", name="record"):
    """A killed gateway whose records wait in several segments; their bytes in the order of their sequences 1, 2, ..."""
    one = gateway(*SETS, "journal.max_size=64MiB", "lake.roll.every=1h", directory=gateway.folder / directory).start()
    records = [json.dumps({"id": f"{name}-{number}", "sensor_id": "S", "pad": "x" * 500}).encode() for number in range(batches * 200)]
    for first in range(0, len(records), 200):
        assert one.post("/readings", b"\n".join(records[first:first + 200]), "application/x-ndjson").status == 200
    one.kill()
    return one, records


def test_beside_a_gateway_under_load(gateway):
    """Segments are made, filled and freed while they are looked at: it is sound each time, and totals only grow."""
    one = gateway(*SETS, "lake.roll.every=100ms").start()
    posting = Posting(one)
    before = {}
    try:
        for _ in range(25):
            code, last, ledgers, said = verify(one)
            assert code == 0, said
            assert "damaged:" not in said and "wrong:" not in said
            assert set(ledgers) == {"lake", "dead-letters"}
            for outlet, ledger in ledgers.items():
                assert ledger["accepted"] == int(last["newest"])
                for total in "accepted", "delivered", "not_for_outlet":
                    assert ledger[total] >= before.get((outlet, total), 0)
                    before[outlet, total] = ledger[total]
            seen = inspect(one)
            assert seen["gateway_id"] == "site-7" and seen["last"] >= int(last["newest"])
    finally:
        posting.stop()
    wait_until("the lake has all", lambda: verify(one)[2]["lake"]["queued"] == 0)
    ledger = verify(one)[2]["lake"]
    assert ledger["accepted"] == ledger["delivered"] == posting.accepted > 0
    one.stop_cleanly()
    assert verify(one)[2]["lake"] == ledger
    assert len(lake_rows(one.lake)) == posting.accepted


def test_behind_a_kill(gateway):
    """What a crash has torn is no damage; what was acknowledged is there."""
    one = gateway(*SETS, "journal.max_size=64MiB", "lake.roll.every=200ms")
    accepted = 0
    for _ in range(5):
        one.start()
        posting = Posting(one)
        wait_until("some are accepted", lambda: posting.accepted > 500)
        one.kill()
        accepted += posting.stop()
        before = fingerprint(one.data)
        code, last, ledgers, said = verify(one)
        assert code == 0, said
        assert int(last["newest"]) >= accepted and ledgers["lake"]["accepted"] == int(last["newest"])
        inspect(one)
        assert fingerprint(one.data) == before
        accepted = int(last["newest"])
    one.start()
    assert verify(one)[2]["lake"]["accepted"] == accepted, "the next start found the same"


def test_a_copy_on_another_machine(gateway, tmp_path):
    """gateway.id is not asked for, no configuration is needed, nothing comes into being."""
    one, records = queue(gateway)
    copy = tmp_path / "elsewhere" / "copied"
    shutil.copytree(one.data / "journal", copy)
    before = fingerprint(tmp_path / "elsewhere")
    code, last, _, _ = verify(copy)
    assert code == 0 and last["gateway"] == "site-7" and int(last["records"]) == len(records)
    assert inspect(copy)["gateway_id"] == "site-7"
    assert journal(copy, "inspect", "--set", "gateway.id=site-8").returncode == 0
    assert fingerprint(tmp_path / "elsewhere") == before
    for verb in "inspect", "verify", "export":
        for where, text in ("nowhere", "No such file or directory"), (".", "holds no segment of a journal"):
            done = run_command("journal", verb, "--directory", where, cwd=tmp_path / "elsewhere")
            assert done.returncode == 1 and text in done.stderr
    assert fingerprint(tmp_path / "elsewhere") == before


def test_a_copy_taken_while_it_runs(gateway, tmp_path):
    """The oldest segment first, anew when one was freed meanwhile or records overtook the copy."""
    one = gateway(*SETS, "lake.roll.every=100ms").start()
    posting = Posting(one)
    try:
        for number in range(5):
            wait_until("some more are accepted", lambda: posting.accepted > 1000 * number)
            at_least = posting.accepted
            copy = wait_until("a whole copy", lambda: copy_segments(one.data / "journal", tmp_path / f"copy-{number}"))
            code, last, ledgers, said = verify(copy)
            assert code == 0 and int(last["newest"]) >= at_least, said
            assert ledgers["lake"]["accepted"] == int(last["newest"])
    finally:
        posting.stop()


# ---- damage ----

def overwrite(file, offset, data):
    with open(file, "r+b") as target:
        target.seek(offset)
        target.write(data)


def named(said):
    """{sequence}, and the rows that named them."""
    rows = [found.groupdict() for found in ID.finditer(said)]
    return {number for row in rows for number in range(int(row["first"]), int(row["last"] or row["first"]) + 1)}, rows


def told_by_start(one):
    """What the outlet that reads all says of damage, once it has read all."""
    one.sets[-1] = "lake.roll.every=200ms"
    one.start()
    wait_until("an empty queue", lambda: one.metric("penstock_outlet_lag_records") == 0)
    ranges = re.findall(r"outlet=lake first=(\d+) last=(\d+)", one.said())
    return {number for first, last in ranges for number in range(int(first), int(last) + 1)}


def test_a_flipped_byte_is_named(gateway):
    one, records = queue(gateway)
    victim = 137
    file = sorted((one.data / "journal").glob("*.segment"))[0]
    offset = file.read_bytes().index(b'"id": "record-%d"' % victim) + 100
    overwrite(file, offset, b"#")
    before = fingerprint(one.data)
    code, last, ledgers, said = verify(one)
    assert code == 1 and last["damaged"] == "1"
    numbers, rows = named(said)
    assert numbers == {victim + 1}
    seen = inspect(one)
    assert rows[0]["gateway"] == "site-7" and rows[0]["epoch"] == seen["segments"][0]["epoch"]
    assert rows[0]["file"] == file.name and int(rows[0]["from"]) < offset < int(rows[0]["to"])
    assert "still needed by lake" in said
    assert ledgers["lake"]["queued"] == len(records)
    assert fingerprint(one.data) == before
    assert told_by_start(one) == numbers


@pytest.mark.parametrize("harm", ["zeroed", "cut", "missing", "header", "tail"])
def test_what_is_lost_is_named_as_the_start_names_it(gateway, harm):
    one, records = queue(gateway)
    segments = sorted((one.data / "journal").glob("*.segment"))
    if harm == "zeroed":
        overwrite(segments[0], 64 * 4096, bytes(4096))
    elif harm == "cut":
        with open(segments[1], "r+b") as file:
            file.truncate(300001)
    elif harm == "missing":
        segments[1].unlink()
    elif harm == "header":
        overwrite(segments[1], 0, bytes(4096))
    else:
        overwrite(segments[-1], segments[-1].read_bytes().index(b'"id": "record-%d"' % (len(records) - 250)), b"#")
    before = fingerprint(one.data)
    code, last, _, said = verify(one)
    assert code == 1
    assert fingerprint(one.data) == before
    numbers, _ = named(said)
    assert numbers and int(last["damaged"]) == len(numbers)
    assert int(last["records"]) + len(numbers) == int(last["newest"]) == len(records)
    if harm == "header":
        assert f"{segments[1].name}: no valid segment header" in said
    if harm == "cut":
        assert f"{segments[1].name} is cut short, 300001 bytes" in said
    assert told_by_start(one) == numbers


@pytest.mark.parametrize("copy", [0, 2048])
def test_half_a_header_is_named(gateway, copy):
    """The other half is enough for everything else."""
    one, records = queue(gateway)
    file = sorted((one.data / "journal").glob("*.segment"))[1]
    overwrite(file, copy, bytes(256))
    code, last, ledgers, said = verify(one)
    assert code == 1 and last["damaged"] == "0" and int(last["records"]) == len(records)
    assert f"damaged: {file.name}: one of the two copies of its header; no record lost" in said
    assert said.count("damaged: ") == 1
    assert [segment["file"] for segment in inspect(one)["segments"] if segment["header_copy_lost"]] == [file.name]
    assert f"{file.name} (one copy of its header is left)" in journal(one, "inspect").stdout
    assert told_by_start(one) == set()


def test_strange_files_are_named(gateway):
    one, records = queue(gateway)
    segments = sorted((one.data / "journal").glob("*.segment"))
    segments[0].rename(segments[0].with_name("1.segment"))
    shutil.copyfile(segments[1], segments[1].with_name(f"{99:020}.segment"))
    (one.data / "journal" / "notes\n.txt").write_text("nobody's")
    code, last, _, said = verify(one)
    assert code == 1 and last["damaged"] == "0" and int(last["records"]) == len(records)
    assert "wrong: 1.segment holds segment 1; the next start renames it" in said
    assert f"wrong: {99:020}.segment: a second copy of a segment; the next start sets it aside" in said
    shown = journal(one, "inspect").stdout
    assert "1.segment (the name of another segment)" in shown and "notes\\x0A.txt: not the journal's" in shown
    assert inspect(one)["segments"][0]["misnamed"]


# ---- inspect ----

def test_what_a_journal_holds(gateway):
    """Everything that a journal can hold, counted."""
    tail = Tail(gateway, "*.log", sets=("gateway.id=site-7", "lake.roll.every=100ms", "streams.counted.key=/s", "streams.counted.dedupe.sequence=/n")).start()
    one = tail.gateway
    tail.writer().write(10)
    tail.arrived()
    one.send({"sensor_id": "S"})
    one.send({"sensor_id": "S"}, Idempotency_Key='"k1"')
    for sensor in "a", "b":
        one.send({"s": sensor, "n": 1}, path="/counted")
    with Client(one.ports["mqtt"], V5) as client:
        client.connect("meter", clean=False, session_expiry=600)
        client.publish("readings/S", '{"sensor_id": "S"}', qos=2, id=7)
        assert client.expect(PUBREC, 7).reason == 0
    for running in True, False:
        wait_until("the lake has all", lambda: all(outlet["queued"] == 0 for outlet in inspect(one)["outlets"]))
        seen = inspect(one)
        assert seen["last"] == 15
        assert seen["state"] == {"renderings": {"counted": 1, "lines": 1, "readings": 1, "unorganized": 1}, "sessions": 1, "packet_ids": 1,
                                 "files": 1, "answers": 1, "sequence_keys": 2}
        lake, letters = (next(outlet for outlet in seen["outlets"] if outlet["name"] == name) for name in ("lake", "dead-letters"))
        assert (lake["position"], lake["base"], lake["delivered"], lake["held"], lake["marks"]) == (15, 0, 15, 0, {})
        assert letters["not_for_outlet"] == 15
        assert seen["tail"] is None
        segment = seen["segments"][-1]
        assert segment["last"] == 15 and segment["size"] == 64 << 20 and not segment["cut"]
        assert {file["name"].split(".")[0] for file in seen["files"]} == {"reserve"}
        text = journal(one, "inspect").stdout
        assert text.startswith("journal of gateway site-7, newest record 15: ") and segment["file"] in text
        assert re.search(r"^lake +15 +0 +0 +15 +0 +0 +0 +0$", text, re.MULTILINE), text
        assert re.search(r"^ +1  renderings of stream counted$", text, re.MULTILINE), text
        assert re.search(r"^ +2  keys with sequence numbers$", text, re.MULTILINE), text
        if running:
            one.stop_cleanly()
