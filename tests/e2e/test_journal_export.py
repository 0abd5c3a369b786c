"""`penstock journal export`: what was accepted comes out byte for byte, with everything that was known of it."""

import base64
import json
import re
import resource
import subprocess
import threading

from journals import fingerprint, inspect, journal
from mqtt import V5, Client
from penstock import BINARY, unless_watched, wait_until
from test_journal_verify import Posting, overwrite, queue

KEPT = ("gateway.id=site-7", "lake.roll.every=1h", "streams.blobs.format=bytes", "streams.blobs.labels.host=header:X-Host",
        "streams.words.format=text", "streams.words.key=query:k")


def exported(one, *arguments, code=0):
    done = journal(one, "export", *arguments)
    assert done.returncode == code, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def payload(row):
    assert ("payload" in row) != ("payload_base64" in row)
    return row["payload"].encode() if "payload" in row else base64.b64decode(row["payload_base64"])


def test_everything_that_was_accepted_comes_out(gateway):
    """Text and bytes, keys, labels and times, by HTTP and MQTT, beside the gateway and behind a kill."""
    one = gateway(*KEPT).start()
    sent = [("readings", one.send({"sensor_id": f"S-{number}", "text": "ä\n\"\\ \u2028 \U0001f600", "n": number})) for number in range(50)]
    for data in (bytes(range(256)), b"\xff\xfe", b"plain", b"\x00", "\u0000ü".encode()):
        assert one.post("/blobs/k-1", data, "application/octet-stream", X_Host="north").status == 200
        sent.append(("blobs", data))
    assert one.post("/words?k=one", "first\nsecond line", "text/plain").status == 200
    sent += [("words", b"first"), ("words", b"second line")]
    with Client(one.ports["mqtt"], V5) as client:
        client.connect("meter")
        assert client.store("readings/S", '{"sensor_id": "S"}', qos=1, id=3) == 0
        assert client.store("readings/S", 'no JSON', qos=1, id=4) == 0
    sent += [("readings", b'{"sensor_id": "S"}'), ("readings", b"no JSON")]
    before = None
    for running in True, False:
        rows = exported(one)
        assert sorted((row["stream"], payload(row)) for row in rows) == sorted(sent)
        seen = inspect(one)
        epoch = seen["segments"][-1]["epoch"]
        assert [row["id"] for row in rows] == [f"site-7/{epoch}/{number}" for number in range(1, len(sent) + 1)]
        assert {row["key"] for row in rows if row["stream"] == "words"} == {"one"}
        assert all(row["labels"] == {"host": "north"} for row in rows if row["stream"] == "blobs")
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", row["received"]) for row in rows)
        bad = [row for row in rows if row.get("undecodable")]
        assert [payload(row) for row in bad] == [b"no JSON"] and bad[0]["reason"] and "mqtt" in bad[0]["origin"]
        assert not any({"outlet", "topic", "time"} & set(row) for row in rows)
        if running:
            one.kill()
            before = fingerprint(one.data)
    assert fingerprint(one.data) == before


def test_what_is_asked_for(gateway):
    one = gateway(*KEPT).start()
    for number in range(10):
        one.send({"sensor_id": "S", "n": number})
        assert one.post("/unorganized", f"line {number}", "text/plain").status == 200
    numbers = [int(row["id"].split("/")[2]) for row in exported(one, "--from", "5", "--to", "8")]
    assert numbers == [5, 6, 7, 8]
    assert [row["payload"] for row in exported(one, "--stream", "unorganized", "--from", "15")] == ["line 7", "line 8", "line 9"]
    assert exported(one, "--stream", "nobody") == exported(one, "--from", "21") == exported(one, "--from", "9", "--to", "8") == []
    lines = journal(one, "export", "--payload", "--stream", "unorganized").stdout
    assert lines == "".join(f"line {number}\n" for number in range(10))
    for option, text in ("--from", "x"), ("--to", "-1"), ("--to", "99999999999999999999"), ("--from", ""):
        done = journal(one, "export", option, text)
        assert done.returncode == 2 and f"{option}: found" in done.stderr and done.stdout == ""


def test_what_an_outlet_has_still_to_deliver(gateway):
    one = gateway(*KEPT).start()
    for number in range(10):
        one.send({"sensor_id": "S", "n": number})
    assert [json.loads(payload(row))["n"] for row in exported(one, "--queued", "lake")] == list(range(10))
    one.stop_cleanly()
    assert exported(one, "--queued", "lake") == []
    assert len(exported(one)) in (0, 10), "what every outlet has passed is kept as long as its segment"
    done = journal(one, "export", "--queued", "kafka")
    assert done.returncode == 1 and 'the journal has no outlet "kafka"; it has' in done.stderr and "lake" in done.stderr


def test_damage_is_named_and_its_neighbours_come_out(gateway):
    one, records = queue(gateway)
    file = sorted((one.data / "journal").glob("*.segment"))[0]
    for victim in 137, 138, 900:
        overwrite(file, file.read_bytes().index(b'"id": "record-%d"' % victim) + 100, b"#")
    done = journal(one, "export")
    assert done.returncode == 1
    assert [payload(json.loads(line)) for line in done.stdout.splitlines()] == [
        record for number, record in enumerate(records) if number not in (137, 138, 900)]
    assert re.findall(r"penstock journal: site-7/[0-9a-f]{8}/(\d+(?:\.\.\d+)?): damaged\n", done.stderr) == ["138..139", "901"]
    assert done.stderr.endswith("journal: 3 records are damaged\n")
    assert len(exported(one, "--from", "140", "--to", "900")) == 761
    done = journal(one, "export", "--from", "139", "--to", "139")
    assert done.returncode == 1 and "/139: damaged" in done.stderr


def test_beside_a_gateway_under_load(gateway):
    """Segments are freed while they are read: what comes out is in order, each once, from a sequence that was queued."""
    one = gateway("gateway.id=site-7", "journal.segment_size=1MiB", "journal.max_size=16MiB", "http.max_body=256KiB", "http.max_record=256KiB",
                  "mqtt.max_packet=256KiB", "lake.roll.every=100ms").start()
    posting = Posting(one)
    try:
        for number in range(8):
            wait_until("some more are accepted", lambda: posting.accepted > 1000 * number)
            rows = exported(one)
            numbers = [int(row["id"].split("/")[2]) for row in rows]
            assert numbers == sorted(set(numbers))
            assert all("pad" in json.loads(payload(row)) for row in rows)
    finally:
        posting.stop()


def test_memory_is_bounded(gateway):
    """Some 40 MB of records; the process has 512 MiB of addresses in all."""
    unless_watched()
    one, records = queue(gateway, batches=90)
    limit = 512 << 20
    with subprocess.Popen([BINARY, "journal", "export", "--payload"], cwd=one.directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))) as process:
        complaint = []
        reader = threading.Thread(target=lambda: complaint.append(process.stderr.read()))
        reader.start()
        lines = sum(1 for _ in process.stdout)
        reader.join()
        assert process.wait() == 0, complaint
    assert lines == len(records)


def test_a_reader_that_leaves(gateway):
    one, _ = queue(gateway, batches=2)
    with open("/dev/full", "w") as full:
        done = subprocess.run([BINARY, "journal", "export"], cwd=one.directory, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1 and "standard output" in done.stderr
