"""Each statement of gateway/BACKUP.md: copies that were taken while a gateway stood still or ran, restored, moved, cloned."""

import json
import os
import re
import shutil

import pytest

from journals import copy_segments, inspect, journal, verify
from kafka import once_each
from mqtt import V5, Client
from penstock import lake_rows, run_command, wait_until
from siege import SMALL_SEGMENTS
from tailing import Tail
from test_journal_verify import Posting

NOWHERE = ("kafka.properties.bootstrap.servers=127.0.0.1:1", "streams.readings.topics=READINGS")
HERE = ("gateway.id=site-7",)


def rows_of(text):
    return [json.loads(line) for line in text.splitlines()]


def exported(one):
    done = journal(one, "export")
    assert done.returncode == 0, done.stderr
    return {row["id"]: row["payload"] for row in rows_of(done.stdout)}


def settled(one):
    wait_until("an empty queue", lambda: one.metric("penstock_outlet_lag_records") == 0)


def outlet_of(one, name):
    return next(outlet for outlet in inspect(one)["outlets"] if outlet["name"] == name)


def published(lake):
    """All rows. Files of two epochs may have the same sequences."""
    return [row for file in lake.rglob("*+*") if not file.name.startswith(".") for row in file.read_bytes().splitlines()]


def keep_lake(source, target):
    shutil.copytree(source, target, ignore=lambda _, names: [name for name in names if name.startswith(".")])


def keep(source, target):
    """Journal first, then what outlets have written."""
    wait_until("a whole copy", lambda: copy_segments(source / "journal", target / "journal"))
    for name in "dead-letters", "lake":
        if (source / name).exists():
            keep_lake(source / name, target / name)
    return target


def test_moved_to_another_machine(gateway, tmp_path):
    """Stopped, copied, started elsewhere: the queue, the dead letters and the sequence go on; the id must be the old one."""
    old = gateway("lake.enabled=false", *NOWHERE, *HERE, "gateway.grace=1s").start()
    sent = [old.send({"sensor_id": "S", "n": number}) for number in range(50)]
    with Client(old.ports["mqtt"], V5) as client:
        client.connect("meter")
        assert client.store("readings/S", "no JSON", qos=1, id=3) == 0
    wait_until("a dead letter", lambda: "no JSON" in run_command("dead-letters", "show", cwd=old.directory).stdout)
    old.stop()
    backup = keep(old.data, tmp_path / "backup")
    assert not list(backup.rglob("reserve.*"))
    shutil.rmtree(old.data)

    new = tmp_path / "new" / "penstock-data"
    shutil.copytree(backup, new)
    assert verify(new / "journal")[0] == 0
    assert inspect(new / "journal")["gateway_id"] == "site-7"
    refused = gateway("lake.enabled=false", *NOWHERE, "gateway.id=site-8", directory=tmp_path / "new")
    assert refused.spawn().ended() == 1
    assert "belongs to gateway.id site-7, not site-8: set gateway.id back" in refused.said()

    one = gateway("lake.enabled=false", *NOWHERE, *HERE, directory=tmp_path / "new").start()
    assert "no JSON" in run_command("dead-letters", "show", cwd=one.directory).stdout
    sent.append(one.send({"sensor_id": "S", "n": 50}))
    rows = exported(one)
    assert [payload.encode() for payload in rows.values() if payload != "no JSON"] == sent
    numbers = [int(id.rsplit("/", 1)[1]) for id in rows]
    assert numbers == list(range(1, 53)), "the sequence goes on"
    assert len({id.split("/")[1] for id in rows}) == 2, "in a new epoch"


def test_an_outlet_that_is_gone(gateway):
    """What it had still to deliver is exported, or another outlet takes it that is there before it is forgotten."""
    one = gateway("lake.enabled=false", *NOWHERE, *HERE, "gateway.grace=1s").start()
    sent = [one.send({"sensor_id": "S", "n": number}) for number in range(20)]
    one.stop()
    done = journal(one, "export", "--queued", "kafka")
    assert [row["payload"].encode() for row in rows_of(done.stdout)] == sent
    one.sets[3:] = [*NOWHERE, *HERE, "gateway.grace=1s", "lake.roll.every=100ms"]
    one.start()
    wait_until("the new outlet has all", lambda: lake_rows(one.lake) == sent)
    one.stop()
    one.sets[3:] = [*HERE, "lake.roll.every=100ms"]
    assert one.spawn().ended() == 1
    assert "keeps records for outlet kafka, which is not configured any more" in one.said()
    forgot = run_command("journal", "forget", "kafka", "--set", HERE[0], cwd=one.directory)
    assert forgot.returncode == 0 and "20 records queued" in forgot.stdout
    one.start()
    sent.append(one.send({"sensor_id": "S", "n": 20}))
    one.stop_cleanly()
    assert lake_rows(one.lake) == sent


@pytest.mark.parametrize("lake", ["as it was copied", "as the original left it"])
def test_a_copy_taken_while_it_ran_is_restored(gateway, tmp_path, lake):
    """What was accepted before the copy is there once; none of the original's later ids is given again; the lake knows its own files."""
    sets = (*HERE, *SMALL_SEGMENTS, "lake.roll.every=100ms", f"lake.url=file://{tmp_path}/lake")
    one = gateway(*sets).start()
    posting = Posting(one, threads=2)
    try:
        wait_until("some are accepted", lambda: posting.accepted > 1000)
        at_least = posting.accepted
        backup = keep(one.data, tmp_path / "backup")
        keep_lake(tmp_path / "lake", tmp_path / "kept-lake")
        more = posting.accepted
        wait_until("some more are accepted", lambda: posting.accepted > more + 1000)
    finally:
        posting.stop()
    settled(one)
    later = exported(one)
    one.kill()
    assert len(published(tmp_path / "lake")) == posting.accepted
    if lake == "as it was copied":
        shutil.rmtree(tmp_path / "lake")
        shutil.move(tmp_path / "kept-lake", tmp_path / "lake")
    shutil.rmtree(one.data)

    shutil.copytree(backup, tmp_path / "new" / "penstock-data")
    new = gateway(*sets, directory=tmp_path / "new").start()
    fresh = [new.send({"sensor_id": "S", "fresh": number}) for number in range(30)]
    ids = {id for id, payload in exported(new).items() if payload.encode() in fresh}
    assert len(ids) == len(fresh) and not ids & set(later)
    settled(new)
    new.stop_cleanly()
    rows = published(tmp_path / "lake")
    assert len(set(rows)) == len(rows), "exactly once, also what the original wrote after the copy"
    assert set(fresh) <= set(rows)
    assert len(rows) >= at_least + len(fresh)
    if lake == "as the original left it":
        assert len(rows) == posting.accepted + len(fresh), "nothing of what was there is gone"


def test_kafka_gets_again_what_the_original_sent(gateway, kafka, tmp_path):
    """What waited in the copy, here for a topic that is missing, is sent by both, with the same ids, by which a consumer knows it."""
    topic = kafka.name("READINGS")
    sets = ("lake.enabled=false", *HERE, f"streams.readings.topics={topic}", "kafka.hold_retry=1s",
            f"kafka.properties.bootstrap.servers={kafka.properties()['bootstrap.servers']}")
    one = gateway(*sets).start()
    sent = [one.send({"sensor_id": "S", "n": number}) for number in range(20)]
    wait_until("all are held", lambda: outlet_of(one, "kafka")["held"] == 20)
    assert outlet_of(one, "kafka")["marks"] == {topic: 0}
    assert re.search(r"^kafka +held behind 0: " + topic, journal(one, "inspect").stdout, re.MULTILINE)
    code, _, ledgers, said = verify(one)
    assert code == 0 and ledgers["kafka"]["queued"] == 20 and "(20 of these are held)" in said
    queued = journal(one, "export", "--queued", "kafka")
    assert [row["payload"].encode() for row in rows_of(queued.stdout)] == sent and "holds 20 records" in queued.stderr

    shutil.copytree(keep(one.data, tmp_path / "backup"), tmp_path / "new" / "penstock-data")
    kafka.create(topic)
    for again in one, gateway(*sets, directory=tmp_path / "new").start():
        wait_until("all are sent", lambda again=again: outlet_of(again, "kafka")["delivered"] == 20)
        assert outlet_of(again, "kafka")["held"] == 0
        again.stop_cleanly()
    judged = once_each(kafka.consume(topic))
    assert [message.value for message in judged.once] == [message.value for message in judged.doubled] == sent


def test_two_gateways_of_one_copy(gateway, tmp_path):
    """A clone is a gateway of its own: its ids and its files in the lake are its own, though both have one gateway.id."""
    one = gateway(*HERE, "lake.roll.every=100ms").start()
    one.send({"sensor_id": "S", "from": "one"})
    settled(one)
    one.stop_cleanly()
    ids = []
    for name in "a", "b":
        shutil.copytree(one.data, tmp_path / name / "penstock-data")
        clone = gateway(*HERE, "lake.roll.every=100ms", f"lake.url=file://{tmp_path}/shared", directory=tmp_path / name).start()
        clone.send({"sensor_id": "S", "from": name})
        ids += [id for id, payload in exported(clone).items() if json.loads(payload)["from"] == name]
        settled(clone)
        clone.stop_cleanly()
    assert len(set(ids)) == 2 and {id.rsplit("/", 1)[1] for id in ids} == {"2"}
    assert sorted(json.loads(file.read_text())["from"] for file in (tmp_path / "shared").rglob("*.jsonl")) == ["a", "b"]


def test_watched_files_are_other_files_elsewhere(gateway, tmp_path):
    """They are known by device and inode: a copy of them is read from its beginning."""
    tail = Tail(gateway, "*.log", sets=HERE).start()
    tail.writer().write(50)
    tail.arrived()
    tail.gateway.stop_cleanly()
    for file in list(tail.logs.glob("*.log")):
        shutil.copy2(file, file.with_suffix(".copy"))
        os.replace(file.with_suffix(".copy"), file)
    tail.start()
    wait_until("all lines once more", lambda: len(tail.rows()) == 100)


def test_senders_find_what_the_copy_knows(gateway, tmp_path):
    """Positions in files that are the same, and idempotency keys, are those of the copy."""
    tail = Tail(gateway, "*.log", sets=HERE)
    tail.start()
    one, writer = tail.gateway, tail.writer()
    writer.write(50)
    tail.arrived()
    one.send('{"sensor_id": "1"}', Idempotency_Key='"k1"')
    backup = wait_until("a whole copy", lambda: copy_segments(one.data / "journal", tmp_path / "backup"))
    writer.write(30)
    tail.arrived()
    one.send('{"sensor_id": "2"}', Idempotency_Key='"k2"')
    settled(one)
    one.stop_cleanly()

    shutil.rmtree(one.data / "journal")
    shutil.move(backup, one.data / "journal")
    tail.start()
    for number in 1, 2:
        one.send(f'{{"sensor_id": "{number}"}}', Idempotency_Key=f'"k{number}"')
    wait_until("the lines behind the copy's position", lambda: len(lines_of(tail)) == 110)
    settled(one)
    one.stop_cleanly()
    rows = published(one.lake)
    assert sorted(lines_of(tail)) == sorted(tail.written + tail.written[50:])
    assert rows.count(b'{"sensor_id": "1"}') == 1 and rows.count(b'{"sensor_id": "2"}') == 2


def lines_of(tail):
    return [row for row in published(tail.lake) if row in set(tail.written)]


def test_links_are_no_copy(gateway, tmp_path):
    """Segments are used again: what a hard link leads to is written anew."""
    one = gateway(*HERE, *SMALL_SEGMENTS, "lake.roll.every=100ms").start()
    one.send({"sensor_id": "S"})
    (tmp_path / "links").mkdir()
    for file in (one.data / "journal").glob("*.segment"):
        os.link(file, tmp_path / "links" / file.name)
    assert verify(tmp_path / "links")[0] == 0
    posting = Posting(one)
    try:
        wait_until("the segment is used again", lambda: verify(tmp_path / "links")[0] == 1)
    finally:
        posting.stop()
