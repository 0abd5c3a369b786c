"""Another configuration takes the place of the one that is in force: SIGHUP, while everything goes on."""

import http.client
import json
import signal
import socket
import threading

import access
import mqtt
import penstock
import pytest
from penstock import lake_rows, wait_until
from sender import Sender, finish_all, start_all

STREAM = "  {name}: {{format: json, key: /id, lake: {{path: '{path}'}}}}\n"


def streams(**paths):
    return "streams:\n" + "".join(STREAM.format(name=name, path=path) for name, path in paths.items())


class Gateway(penstock.Gateway):
    def __init__(self, directory, config, *sets):
        super().__init__(directory, "lake.roll.every=50ms", *sets, config=config)

    def reload(self, config=None, good=True):
        """Until it is done; what the log says of it."""
        if config is not None:
            self.config = config
            (self.directory / "penstock.yaml").write_text(config)
        before = self.told()
        self.process.send_signal(signal.SIGHUP)
        line = wait_until("the reload", lambda: self.told()[len(before):])[0]
        assert good is None or ("kept=" not in line) == good, line
        return line

    def told(self):
        return [line for line in self.said().splitlines() if " gateway.reload" in line]

    def conditions(self):
        return {condition["name"]: condition["text"] for condition in self.ready()[1]["conditions"] if condition["level"] != "ok"}

    def rows(self, count, folder=None):
        return wait_until(f"{count} rows", lambda: len(rows := lake_rows(self.lake, folder)) >= count and rows)


def one(number, **more):
    return {"id": f"s{number % 3}", "n": number, **more}


def test_streams_come_change_and_go(tmp_path):
    with Gateway(tmp_path, streams(old="old", kept="kept", moved="one")) as gateway:
        for stream in ("old", "kept", "moved"):
            gateway.send(one(1), f"/{stream}")
        assert gateway.post("/new", "{}").status == 404
        gateway.reload(streams(new="new", kept="kept", moved="two/{key}"))
        answer = gateway.post("/old", "{}")
        assert answer.status == 404 and b"kept, moved" in answer.body and b"new" in answer.body and b"old" not in answer.body
        for stream in ("new", "kept", "moved"):
            gateway.send(one(2), f"/{stream}")
        gateway.rows(6)
        assert {folder: len(gateway.rows(count, folder)) for folder, count in (("old", 1), ("kept", 2), ("one", 1), ("new", 1), ("two/s2", 1))} == {
            "old": 1, "kept": 2, "one": 1, "new": 1, "two/s2": 1}
        assert gateway.metric("penstock_records_accepted_total", 'stream="moved"') == 2
        gateway.stop_cleanly()
        gateway.start()
        gateway.send(one(3), "/moved")
        assert len(gateway.rows(1, "two/s0")) == 1


def test_what_is_under_way_goes_on_as_it_began(tmp_path):
    """A head was read, a body half; then the stream is another, and then there is none."""
    with Gateway(tmp_path, streams(s="first")) as gateway:
        body = json.dumps(one(1)).encode()
        under_way = []
        for config in (streams(s="second"), streams(other="other")):
            connection = socket.create_connection(("127.0.0.1", gateway.ports["http"]), 60)
            connection.sendall(b"POST /s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:5])
            under_way.append(connection)
            wait_until("the half body", lambda: gateway.metric("penstock_body_bytes_in_flight") > 0)
            gateway.reload(config)
        assert gateway.post("/s", body).status == 404
        for connection in under_way:
            connection.sendall(body[5:])
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
            connection.close()
        assert len(gateway.rows(1, "first")) == len(gateway.rows(1, "second")) == 1


def test_a_connection_of_mqtt_stays_and_its_topics_lead_elsewhere(tmp_path):
    topics = "mqtt: {{topics: {{'{}/{{id}}': s}}}}\n"
    with Gateway(tmp_path, topics.format("a") + streams(s="s{key}")) as gateway, mqtt.connected(gateway) as client:
        client.store("a/x", json.dumps(one(1)))
        gateway.reload(topics.format("b") + streams(s="t{key}"))
        client.store("b/y", json.dumps(one(2)))
        client.store("a/x", json.dumps(one(3)))  # nobody's now: a dead letter
        client.store("b/z", json.dumps(one(4)))
        gateway.rows(3)
        assert len(gateway.rows(1, "sx")) == 1 and len(gateway.rows(1, "ty")) == 1 and len(gateway.rows(1, "tz")) == 1
        assert [letter["reason"] for letter in mqtt.letters(gateway, 1)] == ["no pattern of mqtt.topics matches its topic"]
        client.disconnect()


def test_limits(tmp_path):
    with Gateway(tmp_path, streams(s="s")) as gateway:
        large = json.dumps(one(1, fill="x" * 5000))
        gateway.send(large, "/s")
        line = gateway.reload("http: {max_body: 4KiB, max_record: 2KiB, max_records: 2, idle_timeout: 100ms}\n" + streams(s="s"))
        assert "streams=same" in line or 'streams="the same"' in line, line
        assert gateway.post("/s", large).status == 413
        answer = gateway.post("/s", json.dumps(one(1, fill="x" * 2500)))
        assert answer.status in (413, 422) and b"http.max_record" in answer.body, answer
        assert gateway.post("/s", "\n".join(json.dumps(one(n)) for n in range(3)), "application/x-ndjson").status == 413
        idle = http.client.HTTPConnection("127.0.0.1", gateway.ports["http"], timeout=60)
        idle.request("POST", "/s", json.dumps(one(2)), {"Content-Type": "application/json"})
        idle.getresponse().read()
        assert idle.sock.recv(1) == b"", "it is closed when it has waited too long"
        idle.close()
        gateway.reload(streams(s="s"))
        gateway.send(large, "/s")


def test_a_limit_that_needs_what_takes_a_start(tmp_path):
    with Gateway(tmp_path, "journal: {segment_size: 8MiB, max_size: 64MiB}\nhttp: {max_body: 2MiB}\n" + streams(s="s")) as gateway:
        line = gateway.reload("journal: {segment_size: 64MiB, max_size: 512MiB}\nhttp: {max_body: 16MiB}\n" + streams(s="s", more="more"), good=False)
        assert "http.max_body fits only beside the new journal.segment_size" in line
        assert gateway.post("/more", "{}").status == 404, "nothing of it is in force"
        with socket.create_connection(("127.0.0.1", gateway.ports["http"]), 60) as connection:
            connection.sendall(b"POST /s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (3 << 20))
            assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_what_takes_a_start_is_named_and_the_rest_is_in_force(tmp_path):
    with Gateway(tmp_path, streams(s="s")) as gateway:
        gateway.reload("http: {max_connections: 77}\nlake: {roll: {every: 33s}}\n" + streams(s="s", more="more"))
        gateway.send(one(1), "/more")
        said = gateway.conditions()["reload"]
        assert said == "these options differ and take a restart: http.max_connections", "--set counts for lake.roll.every as before"
        gateway.reload(streams(s="s", more="more"))
        assert "reload" not in gateway.conditions()


@pytest.mark.parametrize("config, found", (
    ("streams:\n  s: {key: id}\n", "penstock.yaml:2:"),
    ("streams:\n  s: {lake: {path: '{nope}'}}\n", "nope"),
    ("streams: [", "penstock.yaml:"),
    ("nothing: 1\n", "nothing"),
    ("mqtt: {topics: {a: nowhere}}\n", "nowhere"),
    ("streams:\n  s: {schema: gone.json}\n", "gone.json"),
    ("files: {f: {watch: /tmp/none/*, stream: gone}}\n", "gone"),
    ("kafka: {properties: {bootstrap.servers: '127.0.0.1:1'}}\nstreams:\n  s: {topics: [T]}\n", "the outlet kafka comes: that takes a restart"),
))  # fmt: skip
def test_a_bad_file_changes_nothing_and_says_why(tmp_path, config, found):
    with Gateway(tmp_path, streams(s="s")) as gateway:
        line = gateway.reload(config, good=False)
        assert found in line, line
        assert found in gateway.conditions()["reload"]
        assert gateway.ready()[0] == 200
        gateway.send(one(1), "/s")
        gateway.rows(1, "s")
        (tmp_path / "penstock.yaml").unlink()
        assert "penstock.yaml" in gateway.reload(good=False)
        gateway.reload(streams(s="s"))
        assert "reload" not in gateway.conditions()


def test_the_logs_level_and_form(tmp_path):
    with Gateway(tmp_path, streams(s="s")) as gateway:
        gateway.reload("log: {format: json, level: info}\n" + streams(s="s"))
        gateway.process.send_signal(signal.SIGHUP)
        wait_until("a line of JSON", lambda: any(line.startswith("{") and json.loads(line)["event"] == "gateway.reload" for line in gateway.said().splitlines()))


def test_a_schema_that_has_changed_in_its_file(tmp_path):
    schema = tmp_path / "s.json"
    schema.write_text('{"required": ["a"]}')
    config = f"streams:\n  s: {{schema: {schema}}}\n"
    with Gateway(tmp_path, config) as gateway:
        assert gateway.post("/s", '{"b":1}').status == 422
        assert 'streams="the same"' in gateway.reload()
        schema.write_text('{"required": ["b"]}')
        assert "streams=others" in gateway.reload()
        assert gateway.post("/s", '{"a":1}').status == 422
        gateway.send('{"b":1}', "/s")
        schema.write_text('{"required": "b"}')
        gateway.reload(good=False)
        gateway.send('{"b":1}', "/s")


# ---- files ----

def watching(folder, path, more=""):
    return f"files: {{f: {{watch: '{folder}/*.log', stream: s, scan: 1s}}{more}}}\n" + streams(s=path).replace("json, key: /id", "text")


def test_watches_come_and_go(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        (folder / "a.log").write_text("1\n")
    with Gateway(tmp_path, watching(first, "one")) as gateway:
        gateway.rows(1, "one")
        gateway.reload(watching(second, "two"))
        gateway.rows(1, "two")
        with open(first / "a.log", "a") as file:
            file.write("2\n")
        with open(second / "a.log", "a") as file:
            file.write("2\n")
        assert len(gateway.rows(2, "two")) == 2
        gateway.reload(watching(first, "three"))
        assert len(gateway.rows(1, "three")) == 1, "what was read before is not read again"
        assert gateway.metric("penstock_files", 'watch="f"') == 1
        gateway.reload(streams(s="four"))
        assert gateway.metric("penstock_files") == 0
        assert [len(lake_rows(gateway.lake, folder)) for folder in ("one", "two", "three")] == [1, 2, 1]


def test_a_file_that_grows_is_read_once_however_often_it_is_reloaded(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    ending, written = threading.Event(), []

    def grow():
        with open(folder / "a.log", "a", buffering=1) as file:
            while not ending.wait(0.001):
                written.append(f"line {len(written)}")
                file.write(written[-1] + "\n")

    with Gateway(tmp_path, watching(folder, "p0")) as gateway:
        writer = threading.Thread(target=grow)
        writer.start()
        try:
            for number in range(20):
                gateway.rows(1, f"p{number}")
                gateway.reload(watching(folder, f"p{number + 1}"))
        finally:
            ending.set()
            writer.join()
        assert sorted(gateway.rows(len(written))) == sorted(line.encode() for line in written)


def test_what_has_lost_its_name_is_read_to_its_end_first(tmp_path):
    """Unread lines behind an open descriptor: no other source would find them."""
    folder = tmp_path / "logs"
    folder.mkdir()

    def slow(path):
        return watching(folder, path).replace("scan: 1s", "scan: 1s, rate: 2000, rotate_wait: 1s")

    with Gateway(tmp_path, slow("one")) as gateway:
        (folder / "a.log").write_text("".join(f"{number:0100}\n" for number in range(60)))
        gateway.rows(1)
        (folder / "a.log").unlink()
        assert f"{folder}/a.log is read that has this name no more" in gateway.reload(slow("two"), good=False)
        assert "a.log" in gateway.conditions()["reload"]
        wait_until("its end", lambda: "kept=" not in gateway.reload(good=None))
        (folder / "b.log").write_text("last\n")
        assert len(gateway.rows(1, "two")) == 1
        assert len(gateway.rows(60, "one")) == 60


def test_watches_that_stay_are_left_alone(tmp_path):
    """Another stream is no reason to look for all files again, nor to let go of one without a name."""
    folder = tmp_path / "logs"
    folder.mkdir()
    config = watching(folder, "one").replace("scan: 1s", "scan: 1s, rate: 2000")
    with Gateway(tmp_path, config) as gateway:
        (folder / "a.log").write_text("".join(f"{number:0100}\n" for number in range(60)))
        gateway.rows(1)
        (folder / "a.log").unlink()
        gateway.reload(config + STREAM.format(name="more", path="more"))
        gateway.send(one(1), "/more")
        assert len(gateway.rows(60, "one")) == 60


def test_a_line_that_is_too_long_for_the_segments_in_force(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    with Gateway(tmp_path, watching(folder, "one")) as gateway:
        line = gateway.reload("journal: {segment_size: 256MiB, max_size: 2GiB}\n" + watching(folder, "one").replace("scan: 1s", "max_line: 16MiB"), good=False)
        assert "files.*.max_line fits only beside the new journal.segment_size" in line


def test_a_watch_needs_a_stream_that_goes_somewhere(tmp_path):
    with Gateway(tmp_path, streams(s="s"), "kafka.properties.bootstrap.servers=127.0.0.1:1", "lake.enabled=false",
                 "streams.s.topics=[T]") as gateway:  # fmt: skip
        line = gateway.reload("files: {f: {watch: '/nowhere/*', stream: unorganized}}\n" + streams(s="s", t="t"), good=False)
        assert "stream unorganized goes nowhere" in gateway.said() or "goes nowhere" in line
        assert gateway.post("/t", "{}").status == 404


def test_a_secret_is_revoked_whatever_the_configuration_is(tmp_path):
    file = tmp_path / "credentials"
    secret = access.add(file, "one")
    with Gateway(tmp_path, streams(s="s"), f"access.credentials={file}") as gateway:
        assert gateway.post("/s", json.dumps(one(1)), **access.bearer(secret)).status == 200
        access.add(file, "other")
        access.revoke(file, "one")
        gateway.reload("streams: {s: {key: no pointer}}\n", good=False)
        assert gateway.post("/s", json.dumps(one(2)), **access.bearer(secret)).status == 401


def test_letters_of_a_stream_that_is_gone_are_no_trouble(tmp_path):
    with Gateway(tmp_path, "mqtt: {topics: {'t/{id}': s}}\n" + streams(s="s"), "dead_letters.quota=64KiB") as gateway:
        with mqtt.connected(gateway) as client:
            while "stream.suspended" not in gateway.said():
                client.publish("t/x", "no JSON" * 100, 0)
        assert "dead-letters" in gateway.conditions()
        gateway.reload(streams(other="other"))
        wait_until("nobody is suspended", lambda: "dead-letters" not in gateway.conditions())


# ---- under load ----

def test_a_storm_of_reloads_under_load(tmp_path):
    """Nothing that was accepted is lost or doubled, and no connection is dropped."""
    def records(name):
        number = 0
        while True:
            yield name, json.dumps({"id": name, "n": number})
            number += 1

    with Gateway(tmp_path, streams(s="p0")) as gateway:
        senders = start_all([Sender(gateway, "/s", records(f"k{i}")) for i in range(4)])
        published = 0
        with mqtt.connected(gateway) as client:
            for number in range(100):
                gateway.reload(f"mqtt: {{topics: {{'t/{{id}}': s}}}}\n" + streams(s=f"p{number % 7}", **{f"extra{number % 5}": "extra"}))
                client.store("t/m", json.dumps({"id": "m", "n": published}))
                published += 1
            client.disconnect()
        finish_all(senders)
        assert not any(sender.maybe or sender.refused for sender in senders), "an answer was missing"
        total = sum(len(sender.accepted) for sender in senders) + published
        assert total > 500
        rows = [json.loads(row) for row in gateway.rows(total)]
        assert len(rows) == total
        assert len({(row["id"], row["n"]) for row in rows}) == total
        gateway.stop_cleanly()
