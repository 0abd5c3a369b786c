"""Ids that were chosen to do harm, by every way in, and where they end: refused with a reason, or in the record byte for byte."""

import base64
import json
import os
import re
from urllib.parse import quote, unquote_to_bytes

import pytest

import hostile
from hostile import IDS, allowed, controls, text
from kafka import dead_letters, drained
from mqtt import PUBACK, V5, V311, Client, connect, connected, letters, pubrel
from penstock import run_command, wait_until
from tailing import Tail, put
from wire import Wire, plain

QUICK = "lake.roll.every=100ms"


def number(row):
    return json.loads(row)["n"]


def judge(server, sent, depth=1, number=number):
    """sent: {number of a row: its ids, one for each directory behind the stream's}. Each is in a directory of its own ids alone, and all of them are
    there once."""
    def all_there():
        return sum(map(len, hostile.places(server.lake).values())) >= len(sent)

    wait_until(f"{len(sent)} rows", all_there)
    found, taken = {}, set()
    for folder, rows in hostile.places(server.lake).items():
        assert len(folder) == depth + 1, folder
        ids = {sent[number(row)] for row in rows}
        assert len(ids) == 1 and not ids & taken, f"{folder} is that of {ids}"
        taken |= ids
        assert all(hostile.stands_for(name, id) for name, id in zip(folder[1:], ids.copy().pop())), (folder, ids)
        for row in rows:
            assert number(row) not in found
            found[number(row)] = row
    assert set(found) == set(sent)
    hostile.check(server)
    return found


def refusal(reply):
    """A 4xx that says why, in characters that a terminal can take."""
    assert 400 <= reply.status < 500, reply
    assert reply.body and set(controls(reply.body)) <= {"\n"}, reply
    assert b"detail" in reply.body or b"<html>" in reply.body, reply


def shown(server, *command):
    """The lines that it says, in which nothing is for the terminal."""
    done = run_command(*command, "-c", "penstock.yaml", cwd=server.directory)
    assert done.returncode == 0 and set(controls((done.stdout + done.stderr).encode())) <= {"\n"}, done
    return done.stdout.rstrip("\n").split("\n")


def literal(id, escape):
    """The id in a JSON document; escape: as escapes where there are such."""
    if escape and text(id) is not None:
        return json.dumps(text(id)).encode()
    return b'"' + id.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


@pytest.mark.parametrize("escape", [False, True], ids=["raw", "escaped"])
def test_in_the_body(gateway, escape):
    """As key, and as label in the path below it; an empty label has a name of its own."""
    config = "streams: {ids: {key: /id, labels: {site: /site}, lake: {path: 'ids/{key}/{site}'}}}\n"
    with gateway(QUICK, config=config) as server, Wire(server.ports["http"]) as wire:
        sent, bodies = {}, {}
        for n, (id, site) in enumerate([pair for id in IDS for pair in ((id, b"s"), (b"s", id))]):
            body = b'{"id":%s,"site":%s,"n":%d}' % (literal(id, escape), literal(site, escape), n)
            reply = wire.ask(plain(body, b"POST /ids HTTP/1.1"))
            good = allowed(id) and allowed(site) or (id, site) == (b"s", b"")
            assert (reply.status == 200) == good, (id, site, reply)
            if good:
                sent[n], bodies[n] = (id, site or b"__HIVE_DEFAULT_PARTITION__"), body
            else:
                refusal(reply)
        assert judge(server, sent, 2) == bodies


def test_in_the_url(gateway):
    """Percent-encoded, and as it is, where it means what it decodes to or is no request."""
    with gateway(QUICK, config="streams: {ids: {key: /id, lake: {path: 'ids/{key}'}}}\n") as server:
        sent = {}
        for n, id in enumerate(IDS):
            with Wire(server.ports["http"]) as wire:
                reply = wire.ask(plain(b'{"n":%d}' % n, b"POST /ids/%s HTTP/1.1" % quote(id, safe="").encode()))
            assert (reply.status == 200) == allowed(id), (id, reply)
            if allowed(id):
                sent[n] = (id,)
            else:
                refusal(reply)
        for n, id in enumerate(IDS, len(IDS)):
            with Wire(server.ports["http"]) as wire:
                reply = wire.ask(plain(b'{"n":%d}' % n, b"POST /ids/%s HTTP/1.1" % id))
            meant = unquote_to_bytes(id.partition(b"?")[0])
            if reply is None:  # libmicrohttpd closes on blanks in a target
                assert not id.strip(b" ") or b" " in id or b"\t" in id, id
            elif reply.status != 200:
                refusal(reply)
            else:
                assert allowed(meant), (id, reply)
                sent[n] = (meant,)
        judge(server, sent)


def test_in_a_header(gateway):
    """Blanks around it are none of it (RFC 9112, section 5)."""
    with gateway(QUICK, config="streams: {ids: {key: 'header:X-Id', lake: {path: 'ids/{key}'}}}\n") as server:
        sent = {}
        for n, id in enumerate(IDS):
            with Wire(server.ports["http"]) as wire:
                reply = wire.ask(plain(b'{"n":%d}' % n, b"POST /ids HTTP/1.1", b"X-Id: " + id))
            meant = id.strip(b" \t")
            if b"\0" in id or b"\n" in id:  # which libmicrohttpd before 1.0.5 takes for an end, unseen
                meant = meant.partition(b"\0")[0].partition(b"\n")[0].rstrip(b" \t\r")
            else:
                assert (reply.status == 200) == allowed(meant), (id, reply)
            if reply.status == 200:
                assert allowed(meant), id
                sent[n] = (meant,)
            else:
                refusal(reply)
        judge(server, sent)


@pytest.mark.parametrize("version", [V311, V5])
def test_in_a_topic(gateway, version):
    """Acknowledged and there, acknowledged and a dead letter, or no topic at all: the connection ends."""
    config = "mqtt: {topics: {'ids/{id}': ids}}\nstreams: {ids: {key: 'topic:id', lake: {path: 'ids/{key}'}}}\n"
    with gateway(QUICK, config=config) as server:
        sent, buried = {}, {}
        for n, id in enumerate(IDS):
            with connected(server, version, "c") as client:
                client.publish(b"ids/" + id, b'{"n":%d}' % n)
                answer = client.next()
            if text(id) is None or b"\0" in id or b"+" in id or b"#" in id:
                assert answer is None or answer.type != PUBACK, id
                continue
            assert answer and answer.type == PUBACK and answer.reason < 0x80, (id, answer)
            if allowed(id) and b"/" not in id:
                sent[n] = (id,)
            else:
                buried[n] = id
        found = letters(server, len(buried))
        assert sorted(number(one["payload"]) for one in found) == sorted(buried)
        for one in found:
            id = buried[number(one["payload"])]
            assert one["reason"] and not controls(one["reason"].encode()) and one["origin"] == f"mqtt c ids/{text(id)}"[:len(one["origin"])], (id, one)
        judge(server, sent)


# ---- files ----

def test_in_a_line(gateway):
    """A line is any bytes but LF: what may be no key is a dead letter, with the line as it was."""
    pattern = r"(?s)^id=(?<id>.*) n=[0-9]+$$"
    stream = {"format": "text", "key": "line:id", "labels": {"id": "line:id"}, "lake": {"path": "lines/{key}/{id}"}}
    one = Tail(gateway, "*.log", streams={"lines": stream}, probes="*.none", pattern=pattern).start()
    ids = [id for id in IDS if b"\n" not in id]
    lines = [b"id=%s n=%d" % (id, n) for n, id in enumerate(ids)]
    put(one, "a.log", b"".join(line + b"\n" for line in lines))
    good = {n: (id, id) for n, id in enumerate(ids) if allowed(id)}
    judge(one.gateway, good, 2, lambda row: lines.index(row))
    buried = {one.get("payload", "").encode() or base64.b64decode(one["payload_base64"]) for one in letters(one.gateway, len(ids) - len(good))}
    assert buried == {line for n, line in enumerate(lines) if n not in good}


def test_in_the_name_of_a_file(gateway):
    """An empty one is none that a pattern takes."""
    stream = {"format": "json", "key": "file:id", "labels": {"id": "file:id"}, "lake": {"path": "names/{key}/{id}"}}
    one = Tail(gateway, "of-{id}.log", streams={"lines": stream}, probes="{id}.none")
    names = {n: id for n, id in enumerate(IDS) if b"/" not in id and b"\0" not in id and len(id) <= 248}
    for n, id in names.items():
        put(one, b"of-" + id + b".log", b'{"n":%d}\n' % n)
    one.start()
    del names[IDS.index(b"")]
    good = {n: (id, id) for n, id in names.items() if allowed(id)}
    judge(one.gateway, good, 2)
    found = letters(one.gateway, len(names) - len(good))
    assert {number(letter["payload"]) for letter in found} == set(names) - set(good)
    assert not [letter for letter in found if controls((letter["origin"] + letter["reason"]).encode())]
    assert len(shown(one.gateway, "files", "list")) == 2 + len(names)  # the watch, and the names of columns


# ---- Kafka ----

def test_in_the_name_of_a_topic(gateway, kafka):
    """A key that Kafka has no name for is refused at once, and the name of a topic that is the gateways' own is a dead letter. As a message's key, and in a dead letter, each that may be a key arrives."""
    prefix, every, small = kafka.name("of-"), kafka.create(kafka.name("every")), kafka.create(kafka.name("small"), max_message_bytes=2000)
    streams = {"ids": {"key": "/id", "topics": [prefix + "{key}", every]}, "bare": {"key": "/id", "topics": ["{key}"]},
               "large": {"key": "/id", "labels": {"id": "/id"}, "topics": [small]}}
    named = [id for id in IDS if re.fullmatch(rb"[A-Za-z0-9._-]+", id) and len(prefix) + len(id) <= 249]
    for id in named:
        kafka.create(prefix + id.decode())
    with gateway(config=kafka.config(streams)) as server, Wire(server.ports["http"]) as wire:
        for n, id in enumerate(IDS):
            body = b'{"id":%s,"n":%d}' % (literal(id, False), n)
            reply = wire.ask(plain(body, b"POST /ids HTTP/1.1"))
            assert (reply.status == 200) == (id in named), (id, reply)
            if id not in named:
                refusal(reply)
                if id in (b".", b"..") or not re.fullmatch(rb"[A-Za-z0-9._-]+", id):
                    refusal(wire.ask(plain(body, b"POST /bare HTTP/1.1")))
        for id in (b".", b".."):
            refusal(wire.ask(plain(b'{"id":"%s"}' % id, b"POST /bare HTTP/1.1")))
        keys = [id for id in IDS if allowed(id)]
        for n, id in enumerate(keys):
            body = b'{"id":%s,"n":%d,"pad":"%s"}' % (literal(id, False), n, os.urandom(1500).hex().encode())
            assert wire.ask(plain(body, b"POST /large HTTP/1.1")).status == 200
        drained(server)
        assert [message.key for message in kafka.consume(every)] == named
        assert [kafka.count(prefix + id.decode()) for id in named] == [1] * len(named)
        found = dead_letters(server, "large")
        assert [(one["key"].encode(), one["labels"]["id"].encode(), number(one["payload"])) for one in found] == [(id, id, n) for n, id in enumerate(keys)]
        assert wire.ask(plain(b'{"id":"penstock-positions","n":0}', b"POST /bare HTTP/1.1")).status == 200
        drained(server)
        assert [one["topic"] for one in dead_letters(server, "bare")] == ["penstock-positions"]
        hostile.check(server)


# ---- what is shown ----

def test_what_is_shown_of_dead_letters(gateway):
    """Topics that lead nowhere, and members that a schema does not know: the command shows them to a terminal."""
    gateway.folder.joinpath("s.json").write_text(json.dumps({"type": "object", "additionalProperties": False}))
    config = f"mqtt: {{topics: {{'ids/{{id}}': ids}}}}\nstreams: {{ids: {{schema: {gateway.folder / 's.json'}}}}}\n"
    with gateway(QUICK, config=config) as server, connected(server, V311, "\u009b31m client") as client:
        ids = [id for id in IDS if text(id) is not None]
        for id in ids:
            assert client.store(b"ids/x", b"{%s:1}" % literal(id, True)) == 0
        topics = [id for id in ids if not set(id) & set(b"\0+#")]
        for id in topics:
            assert client.store(b"nowhere/" + id, id) == 0
        found = letters(server, len(ids) + len(topics))
        assert [one["payload"].encode() for one in found[len(ids):]] == topics
        assert [one["origin"].encode()[:200] for one in found[len(ids):]] == [("mqtt \u009b31m client nowhere/".encode() + id)[:200] for id in topics]
        hostile.check(server)
        shown(server, "dead-letters", "list")
        for stream, expected in (("ids", len(ids)), ("unmapped", len(topics))):
            assert len(shown(server, "dead-letters", "show", stream, "--limit", "999")) == expected
        assert len(shown(server, "journal", "export")) == len(ids) + len(topics)


def test_what_is_said_of_files_and_clients(gateway):
    """Of files that cannot be read, by /readyz, and of clients that are thrown out, by the log."""
    one = Tail(gateway, "of-*.log", probes="*.none", encoding="utf-16").start()
    names = [id for id in IDS if id and b"/" not in id and b"\0" not in id and len(id) <= 248]
    for id in names:
        put(one, b"of-" + id + b".log", b"no mark\n")
    wait_until("/readyz to name them", lambda: "byte order mark" in json.dumps(one.gateway.ready()[1]))
    for id in [id for id in IDS if text(id) is not None and controls(id)] + [b"the last"]:
        with Client(one.gateway.ports["mqtt"], V5) as client:
            client.send(connect(V5, id, True), pubrel(0))
            client.end()
    wait_until("the log to name one", lambda: "[31mred" in one.gateway.said())
    hostile.check(one.gateway)
