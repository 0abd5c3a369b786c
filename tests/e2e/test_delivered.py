"""Penstock-Ack: delivered: the answer comes when the outlets are done with the records, and says what became of them."""

import concurrent.futures
import json
import os
import select
import socket
import struct
import subprocess

import pytest

from kafka import by_key, dead_letters, once_each
from penstock import lake_rows, read_lake, request, run_command, unless_watched, wait_until

READING = '{"sensor_id":"SENSOR_1","wattage":812.5}'
MIB = 1 << 20
# Answers about a missing topic within a second, instead of librdkafka's half a minute.
SOON = {"topic.metadata.propagation.max.ms": "1000", "topic.metadata.refresh.interval.ms": "1000"}


def reached(answer):
    return answer.status, answer.headers["Penstock-Ack"], json.loads(answer.body)


def delivered(gateway, body=READING, path="/readings", content_type="application/json"):
    return reached(gateway.post(path, body, content_type, Penstock_Ack="delivered"))


# ---- the lake ----

def test_its_file_is_there_with_the_answer(gateway):
    one = gateway("lake.roll.every=300ms").start()
    for number in range(1, 6):
        body = json.dumps({"sensor_id": "S", "n": number})
        assert delivered(one, body) == (200, "delivered", {"accepted": 1})
        assert lake_rows(one.lake)[-1] == body.encode()
        assert len(read_lake(one.lake)) == number


def test_many_at_once(gateway):
    one = gateway("lake.roll.every=300ms").start()
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda number: delivered(one, json.dumps({"sensor_id": f"S{number}"})), range(200)))
    assert answers == [(200, "delivered", {"accepted": 1})] * 200
    assert len(lake_rows(one.lake)) == 200


def test_some_rejected(gateway):
    one = gateway("lake.roll.every=300ms").start()
    status, level, said = delivered(one, f'[{READING},{{"x":1}}]')
    assert (status, level, said["accepted"], said["rejected_total"]) == (207, "delivered", 1, 1)
    assert lake_rows(one.lake) == [READING.encode()]


def test_a_stream_says_what_its_requests_wait_for(gateway):
    one = gateway("lake.roll.every=300ms", config="streams: {readings: {ack: {level: delivered}}, unorganized: {ack: {level: memory}}}").start()
    assert reached(one.post("/readings", READING)) == (200, "delivered", {"accepted": 1})
    assert lake_rows(one.lake) == [READING.encode()]
    assert reached(one.post("/unorganized", "a line", "text/plain"))[:2] == (200, "memory")
    assert reached(one.post("/readings", READING, Penstock_Ack="fsync"))[:2] == (200, "fsync")


def test_when_time_runs_out_it_says_what_was_reached(gateway):
    one = gateway("lake.roll.every=1h", "http.delivery_timeout=1s").start()
    assert delivered(one) == (202, "fsync", {"accepted": 1})
    status, level, said = delivered(one, f'[{READING},{{"x":1}}]')
    assert (status, level, said["rejected_total"]) == (207, "fsync", 1)
    one.stop_cleanly()
    one.start()
    wait_until("both in the lake", lambda: lake_rows(one.lake) == [READING.encode()] * 2)


def test_more_than_may_wait(gateway):
    """They are refused before anything of them is stored, and the others are not disturbed."""
    one = gateway("lake.roll.every=1h", "http.delivery_timeout=1h", "http.max_deliveries=3").start()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(delivered, one) for _ in range(3)]
        wait_until("three records", lambda: one.metric("penstock_records_accepted_total", 'source="http"', 'stream="readings"') == 0
                   and one.metric("penstock_journal_sequence") == 3)
        answer = one.post("/readings", READING, Penstock_Ack="delivered")
        assert answer.status == 503 and answer.headers["Retry-After"]
        assert "http.max_deliveries" in answer.body.decode()
        assert one.post("/readings", READING).status == 200
        one.stop_cleanly()
        assert [call.result() for call in waiting] == [(202, "fsync", {"accepted": 1})] * 3


def test_what_waits_keeps_no_memory_of_its_body(gateway):
    """40 packed bodies of 4 MiB each: what a decompressor keeps of them would be 160 MiB."""
    one = gateway("lake.roll.every=1h", "lake.roll.size=1GiB", "http.delivery_timeout=1h").start()
    count = 4096
    lines = b"".join(b'{"sensor_id":"S","pad":"%s"}\n' % os.urandom(500).hex().encode() for _ in range(count))
    packed = subprocess.run(["zstd", "-q", "-c", "--long=23"], input=lines, capture_output=True, check=True).stdout
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        waiting = []
        for number in range(1, 41):
            waiting.append(pool.submit(one.post, "/readings", packed, "application/x-ndjson", Penstock_Ack="delivered", Content_Encoding="zstd"))
            wait_until("it is durable", lambda number=number: one.metric("penstock_journal_sequence") == number * count, seconds=20)
        resident = one.metric("process_resident_memory_bytes")
        one.stop_cleanly()
        assert {call.result().status for call in waiting} == {202}
    unless_watched()
    assert resident < 130 * MIB


def test_a_client_that_has_gone(gateway):
    """Its place is free again when its time has run out."""
    one = gateway("lake.roll.every=1h", "http.delivery_timeout=500ms", "http.max_deliveries=1").start()
    with pytest.raises(TimeoutError):
        request(one.ports["http"], "POST", "/readings", READING, {"Content-Type": "application/json", "Penstock-Ack": "delivered"}, seconds=0.1)
    wait_until("its place is free", lambda: delivered(one)[0] == 202)


def asked(server, body=READING, address="127.0.0.1"):
    """A client that has sent a request that waits for its delivery, and is not answered yet."""
    one = socket.create_connection(("127.0.0.1", server.ports["http"]), 30, source_address=(address, 0))
    one.sendall(b"POST /readings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nPenstock-Ack: delivered\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (len(body), body.encode()))
    return one


def told(one):
    """The head of its answer; None when there is none within a second."""
    one.settimeout(1)
    try:
        return one.recv(65536).decode()
    except TimeoutError:
        return None


def fill_places(server, count, address="127.0.0.1"):
    """So many places are taken, by requests that are durable."""
    before = server.metric("penstock_journal_sequence")
    waiting = [asked(server, address=address) for _ in range(count)]
    wait_until("their records", lambda: server.metric("penstock_journal_sequence") == before + count)
    return waiting


@pytest.mark.parametrize("leave", ["close", "reset", "more"])
def test_who_has_gone_gives_his_place_to_who_asks_for_it(gateway, leave):
    """Long before his time runs out: nobody takes all places with connections that he closes at once. What he sent is delivered all the same."""
    server = gateway("lake.roll.every=1h", "http.delivery_timeout=1h", "http.max_deliveries=20").start()
    for one in fill_places(server, 20):
        if leave == "reset":
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif leave == "more":
            one.sendall(b"POST /")
        one.close()

    def waits():
        before, one = server.metric("penstock_journal_sequence"), asked(server)
        wait_until("an answer, or its record", lambda: select.select([one], [], [], 0)[0] or server.metric("penstock_journal_sequence") > before)
        answer = select.select([one], [], [], 0)[0] and told(one)
        assert not answer or answer.startswith("HTTP/1.1 503") and "http.max_deliveries" in answer
        return one.close() if answer else one

    late = [wait_until("a place", waits, 10) for _ in range(20)]  # all of them are free again
    server.stop_cleanly()
    assert all(told(one).startswith("HTTP/1.1 202") for one in late)
    assert len(lake_rows(server.lake)) == 40


def test_who_only_says_no_more_waits_as_long_as_nobody_needs_his_place(gateway):
    """A connection that is closed on one side may still be read."""
    server = gateway("lake.roll.every=3s", "http.delivery_timeout=1h", "http.max_deliveries=1").start()
    one = asked(server)
    one.shutdown(socket.SHUT_WR)
    one.settimeout(30)
    answer = one.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200") and b"Penstock-Ack: delivered" in answer


def test_who_needs_his_place_is_told_at_once_what_was_reached(gateway):
    server = gateway("lake.roll.every=1h", "http.delivery_timeout=1h", "http.max_deliveries=2").start()
    half, whole = fill_places(server, 2)
    half.shutdown(socket.SHUT_WR)
    with asked(server) as refused:
        assert told(refused).startswith("HTTP/1.1 503")
    half.settimeout(10)
    answer = half.recv(65536)
    assert answer.startswith(b"HTTP/1.1 202") and b"Penstock-Ack: fsync" in answer
    assert told(whole) is None  # who reads on keeps his
    server.stop_cleanly()
    assert told(whole).startswith("HTTP/1.1 202")


# ---- what one address may have of it ----

GREEDY = "127.0.0.2"


@pytest.mark.parametrize("threads", [1, 3])
def test_an_address_holds_no_more_places_than_it_may(gateway, threads):
    """What it asks for besides is refused and nothing of it stored; others come in, and are not disturbed by it."""
    server = gateway("lake.roll.every=1h", "http.delivery_timeout=1h", "http.max_deliveries=20", "http.max_deliveries_per_address=12",
                     "http.trusted_proxies=[]", f"http.threads={threads}").start()
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        greedy = list(pool.map(lambda _: asked(server, address=GREEDY), range(40)))
    wait_until("the others to be told", lambda: server.metric("penstock_requests_refused_total", 'status="503"') == 28)
    refused = [one for one in greedy if select.select([one], [], [], 0)[0]]
    wait_until("the twelve", lambda: server.metric("penstock_journal_sequence") == 12)
    assert len(refused) == 28
    for one in refused:
        answer = told(one)
        assert answer.startswith("HTTP/1.1 503 ") and "Retry-After:" in answer and "http.max_deliveries_per_address" in answer
    honest = fill_places(server, 8)
    honest[0].shutdown(socket.SHUT_WR)  # may still be read, and nobody needs his place who could have it
    with asked(server, address=GREEDY) as more:
        assert "http.max_deliveries_per_address" in told(more)
    assert told(honest[0]) is None
    with asked(server) as more:
        assert "(http.max_deliveries)" in told(more)
    honest[0].settimeout(10)
    assert honest.pop(0).recv(65536).startswith(b"HTTP/1.1 202 ")
    server.stop_cleanly()
    assert [told(one)[:12] for one in honest] == ["HTTP/1.1 202"] * 7
    assert len(lake_rows(server.lake)) == 20


def test_an_address_has_its_places_again_when_its_requests_have_ended(gateway):
    """Because their clients have gone, or their time has run out."""
    server = gateway("lake.roll.every=1h", "http.delivery_timeout=5s", "http.max_deliveries_per_address=3", "http.trusted_proxies=[]").start()

    def comes_in():
        before, one = server.metric("penstock_journal_sequence"), asked(server, address=GREEDY)
        wait_until("an answer, or its record", lambda: select.select([one], [], [], 0)[0] or server.metric("penstock_journal_sequence") > before)
        return server.metric("penstock_journal_sequence") > before and one

    for _ in range(2):
        for one in fill_places(server, 3, GREEDY):
            one.close()
        kept = [wait_until("a place", comes_in, 10) for _ in range(3)]
        with asked(server, address=GREEDY) as more:
            assert told(more).startswith("HTTP/1.1 503 ")
        for one in kept:
            one.settimeout(30)
            assert one.recv(65536).startswith(b"HTTP/1.1 202 ")


def test_trusted_proxies_hold_all_places_there_are(gateway):
    server = gateway("lake.roll.every=1h", "http.delivery_timeout=1h", "http.max_deliveries=5", "http.max_deliveries_per_address=2").start()
    fill_places(server, 5)
    with asked(server) as more:
        assert "(http.max_deliveries)" in told(more)


def test_an_address_may_hold_all_places_where_that_is_said(gateway):
    server = gateway("lake.roll.every=1h", "http.delivery_timeout=1h", "http.max_deliveries=5", "http.max_deliveries_per_address=0", "http.trusted_proxies=[]").start()
    fill_places(server, 5, GREEDY)
    with asked(server) as more:
        assert "(http.max_deliveries)" in told(more)


# ---- Kafka ----

@pytest.fixture
def pair(kafka, gateway):
    """start(): a gateway that sends readings to a topic, and the topic."""
    def start(*sets, topic=None, **stream):
        topic = topic or kafka.create(kafka.name("readings"), 2)
        streams = {"readings": {"key": "/sensor_id", "topics": [topic], **stream}}
        return gateway(*sets, config=kafka.config(streams, properties=SOON, hold_retry="300ms")).start(), topic

    return start


def test_its_message_is_there_with_the_answer(kafka, pair):
    one, topic = pair()
    for number in range(1, 11):
        assert delivered(one) == (200, "delivered", {"accepted": 1})
        assert kafka.count(topic) == number


def test_a_record_that_kafka_refuses_is_named(kafka, pair):
    one, topic = pair(topic=kafka.create(kafka.name("small"), max_message_bytes=2000))
    large = json.dumps({"sensor_id": "large", "pad": os.urandom(4000).hex()})
    body = "\n".join([READING, large, READING])
    status, level, said = delivered(one, body, content_type="application/x-ndjson")
    assert (status, level, said["accepted"], said["dead_lettered_total"]) == (207, "delivered", 3, 1)
    (letter,) = dead_letters(one, "readings")
    assert [(one["id"], one["outlet"], one["reason"]) for one in said["dead_lettered"]] == [(letter["id"], "kafka", letter["reason"])]
    assert letter["id"].endswith("/2")
    assert kafka.count(topic) == 2
    assert delivered(one) == (200, "delivered", {"accepted": 1})


def test_a_record_whose_topic_is_held_is_not_delivered(kafka, pair):
    one, topic = pair("http.delivery_timeout=15s", topic=kafka.name("missing"))
    assert delivered(one) == (202, "fsync", {"accepted": 1})
    kafka.create(topic)
    wait_until("it is there", lambda: kafka.count(topic) == 1)
    wait_until("the topic is not held any more", lambda: delivered(one)[0] == 200)


def test_both_outlets(kafka, gateway):
    topic = kafka.create(kafka.name("readings"))
    config = json.loads(kafka.config({"readings": {"key": "/sensor_id", "topics": [topic], "ack": {"outlets": ["kafka", "lake"]}}}))
    config["lake"] = {"roll": {"every": "1s"}}
    one = gateway(config=json.dumps(config)).start()
    assert delivered(one) == (200, "delivered", {"accepted": 1})
    assert kafka.count(topic) == 1 and lake_rows(one.lake) == [READING.encode()]


def test_kill_9_takes_nothing_that_was_delivered(kafka, pair):
    one, topic = pair()
    sent, known = [], []
    for round_number in range(5):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            def send(number):
                body = json.dumps({"sensor_id": f"S{number % 8}", "round": round_number, "n": number})
                try:
                    if delivered(one, body)[:2] == (200, "delivered"):
                        known.append(body.encode())
                except OSError:
                    pass  # it was killed

            for number in range(400):
                sent.append(pool.submit(send, number))
            wait_until("some are delivered", lambda: len(known) > 60 * (round_number + 1))
            there = kafka.count(topic)
            one.kill()
            before = list(known)
        assert there >= 60 * (round_number + 1)
        values = {message.value for message in kafka.consume(topic)}
        assert not set(before) - values, "said to be delivered, and not in the topic"
        known[:] = before
        one.start()
    by_key(once_each(kafka.consume(topic)).once)


# ---- the configuration ----

@pytest.mark.parametrize("ack, says", [
    ("{level: sometimes}", "fsync, memory, delivered"), ("{outlets: [hdfs]}", '"hdfs" is no outlet; there are kafka and lake'),
    ("{outlets: [kafka]}", "kafka gets nothing of a stream without topics")])
def test_what_cannot_be_waited_for(tmp_path, ack, says):
    (tmp_path / "c.yaml").write_text(f"streams: {{readings: {{ack: {ack}}}}}\n")
    done = run_command("check", "-c", "c.yaml", cwd=tmp_path)
    assert done.returncode == 1 and says in done.stderr, done.stderr
