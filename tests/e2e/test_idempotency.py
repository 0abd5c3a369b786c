"""Idempotency-Key: a request that is repeated is answered as before and stored once."""

import concurrent.futures
import contextlib
import gzip
import json
import signal
import subprocess

import pytest

import siege
from kafka import dead_letters
from penstock import lake_rows, wait_until

READING = '{"sensor_id":"SENSOR_1","wattage":812.5}'
OTHER = '{"sensor_id":"SENSOR_1","wattage":9}'
CONFIG = "streams: {readings: {key: /sensor_id}}"
UUID = "8e03978e-40d5-43dd-bc93-6894a57f9324"


def post(gateway, body=READING, key=UUID, path="/readings", content_type="application/json", **headers):
    return gateway.post(path, body, content_type, Idempotency_Key=key, **headers)


def again(answer):
    """Whether it is the answer to a repeat."""
    value = answer.headers["Idempotent-Replayed"]
    assert value in (None, "true")
    return value == "true"


def said(answer):
    return answer.status, json.loads(answer.body), again(answer)


FIRST, REPEAT = (200, {"accepted": 1}, False), (200, {"accepted": 1}, True)


def stored(gateway, count):
    """The rows, once there are so many and everything has been delivered."""
    wait_until(f"{count} records", lambda: gateway.metric("penstock_journal_sequence") == count)
    wait_until("the lake", lambda: gateway.metric("penstock_outlet_delivered_total", 'outlet="lake"') == count)
    return [row.decode() for row in lake_rows(gateway.lake)]


# ---- the same again ----

def test_a_repeat_is_stored_once(started):
    assert said(post(started)) == FIRST
    assert [said(post(started)) for _ in range(3)] == [REPEAT] * 3
    assert said(started.post("/readings", READING)) == FIRST
    assert said(started.post("/readings", READING)) == FIRST
    assert stored(started, 3) == [READING] * 3
    assert started.metric("penstock_records_accepted_total", 'stream="readings"') == 3
    assert started.metric("penstock_idempotency_replayed_total") == 3
    wait_until("the gauge", lambda: started.metric("penstock_idempotency_keys") == 1)


def test_a_batch_and_the_level_that_was_asked_for(started):
    lines = "\n".join(json.dumps({"sensor_id": "S", "n": number}) for number in range(1000))
    answers = [post(started, lines, content_type="application/x-ndjson", Penstock_Ack=level) for level in ("memory", "memory", "fsync")]
    assert [(answer.headers["Penstock-Ack"], *said(answer)) for answer in answers] == [
        ("memory", 200, {"accepted": 1000}, False), ("memory", 200, {"accepted": 1000}, True), ("fsync", 200, {"accepted": 1000}, True)]
    assert len(stored(started, 1000)) == 1000


def test_the_same_text_is_the_same_key(started):
    assert said(post(started, key=UUID)) == FIRST
    assert said(post(started, key=f'"{UUID}"')) == REPEAT
    assert said(post(started, key=r'"a\"b\\ c"')) == FIRST
    assert said(post(started, key=r'"a\"b\\ c"')) == REPEAT
    assert said(post(started, key="k" * 255)) == FIRST
    assert said(post(started, key='"' + "k" * 255 + '"')) == REPEAT
    assert said(post(started, key=UUID.upper())) == FIRST
    assert said(post(started, "a line", path="/unorganized", content_type="text/plain")) == FIRST, "each stream has its own"


@pytest.mark.parametrize("key", ["", '""', "k" * 256, '"' + "k" * 256 + '"', '"open', 'open"', '"a"b', '"a";b=1', '"a\\b"', '"a\\', "a b", "a,b", "a;b",
                                 "\u00e9", '"\u00e9"', '"a\tb"'])
def test_what_is_no_key(started, key):
    answer = started.post("/readings", READING, Idempotency_Key=key.encode("latin-1"))
    assert answer.status == 400 and answer.headers["Content-Type"] == "application/problem+json"
    assert "Idempotency-Key is a key of 1 to 255 visible ASCII characters" in json.loads(answer.body)["detail"]
    assert started.metric("penstock_journal_sequence") == 0


def test_packed_and_plain_are_the_same(started):
    packed = subprocess.run(["zstd", "-q", "-c"], input=READING.encode(), capture_output=True, check=True).stdout
    assert said(post(started, gzip.compress(READING.encode()), Content_Encoding="gzip")) == FIRST
    assert said(post(started)) == REPEAT
    assert said(post(started, packed, Content_Encoding="zstd")) == REPEAT
    assert stored(started, 1) == [READING]


# ---- something else under the same key ----

def test_another_body(started):
    assert said(post(started)) == FIRST
    answer = post(started, OTHER)
    assert answer.status == 422 and answer.headers["Content-Type"] == "application/problem+json"
    assert "a new body needs a new key" in json.loads(answer.body)["detail"]
    assert said(post(started)) == REPEAT
    assert said(post(started, OTHER, key="another")) == FIRST
    assert stored(started, 2) == [READING, OTHER]


def test_what_changes_the_meaning_is_something_else(gateway):
    one = gateway("lake.roll.every=200ms", config="streams: {readings: {key: /sensor_id, labels: {site: 'query:site', by: 'header:X-By'}}}").start()
    assert said(post(one, X_By="me")) == FIRST
    assert said(post(one, X_By="me", X_Other="1")) == REPEAT
    assert said(post(one, X_By="me", path="/readings?other=1", content_type="application/octet-stream")) == REPEAT
    for change in ({"X_By": "you"}, {}, {"X_By": "me", "path": "/readings?site=north"}, {"X_By": "me", "path": "/readings/key"},
                   {"X_By": "me", "content_type": "application/x-ndjson"}):
        assert post(one, **change).status == 422, change
    assert stored(one, 1) == [READING]


def test_more_labels_do_not_make_it_another_request(gateway):
    labels = "streams: {readings: {key: /sensor_id, labels: {site: 'query:site'%s}}}"
    one = gateway("lake.roll.every=200ms", config=labels % "").start()
    assert said(post(one, path="/readings?site=north")) == FIRST
    one.stop_cleanly()
    one.config = labels % ", unit: /sensor_id, by: 'header:X-By'"
    one.start()
    assert said(post(one, path="/readings?site=north")) == REPEAT
    assert post(one, path="/readings?site=south").status == 422
    assert post(one, path="/readings?site=north", X_By="me").status == 422


def test_the_key_in_the_url_wins_over_the_header(gateway):
    one = gateway("lake.roll.every=200ms", config="streams: {readings: {key: 'header:X-Key'}}").start()
    assert said(post(one, path="/readings/k", X_Key="a")) == FIRST
    assert said(post(one, path="/readings/k", X_Key="b")) == REPEAT
    assert said(post(one, key="other", X_Key="a")) == FIRST
    assert post(one, key="other", X_Key="b").status == 422


# ---- answers that list ----

def test_some_rejected(started):
    body = f'[{READING},{{"x":1}},{OTHER}]'
    first, repeat = (post(started, body) for _ in range(2))
    assert (first.status, again(first), again(repeat)) == (207, False, True)
    assert (first.status, first.body) == (repeat.status, repeat.body)
    assert json.loads(first.body)["accepted"] == 2
    assert stored(started, 2) == [READING, OTHER]


def test_a_long_list_is_cut_and_its_total_is_not(started):
    body = "\n".join([READING] + ['{"x":1}'] * 300)
    first, repeat = (post(started, body, content_type="application/x-ndjson") for _ in range(2))
    told, kept = json.loads(first.body), json.loads(repeat.body)
    assert (first.status, repeat.status, len(told["rejected"])) == (207, 207, 100)
    assert 5 < len(kept["rejected"]) < 100 and len(repeat.body) <= 1024
    assert kept == {**told, "rejected": told["rejected"][:len(kept["rejected"])]} and kept["rejected_total"] == 300


def test_what_stored_nothing_has_not_used_its_key(started):
    for body in ('{"x":1}', "[", '{"sensor_id":'):
        assert post(started, body).status in (400, 422)
    assert said(post(started)) == FIRST
    assert said(post(started)) == REPEAT


# ---- under way ----

@contextlib.contextmanager
def under_way(gateway, *requests):
    """The requests are sent in this order while no commit ends; yields what lets the commits end, and the answers to come."""
    with concurrent.futures.ThreadPoolExecutor(len(requests)) as pool, siege.hanging_commits(gateway) as go:
        calls = []
        for one in requests:
            held = gateway.metric("penstock_body_bytes_in_flight")
            calls.append(pool.submit(one))
            wait_until("it is held", lambda held=held: gateway.metric("penstock_body_bytes_in_flight") > held)
        yield go, calls


def test_one_that_is_under_way(started):
    with under_way(started, *[lambda: post(started)] * 4, lambda: post(started, OTHER)) as (go, calls):
        assert not any(call.done() for call in calls)
        go()
        answers = [call.result() for call in calls]
    assert [said(answer) for answer in answers[:4]] == [FIRST] + [REPEAT] * 3
    assert answers[4].status == 422
    assert stored(started, 1) == [READING]


def test_those_that_wait_hold_their_bodies_and_no_more(gateway):
    """Room for what is unpacked was promised to each, 64 KiB at a time: none of that is kept while they wait."""
    one = gateway("http.max_in_flight=1MiB", "http.max_body=768KiB", "http.max_record=768KiB").start()
    packed = gzip.compress(READING.encode())
    with under_way(one, *[lambda: post(one, packed, Content_Encoding="gzip")] * 30) as (go, calls):
        go()
        assert [said(call.result()) for call in calls] == [FIRST] + [REPEAT] * 29
    wait_until("the room to be free", lambda: one.metric("penstock_body_bytes_in_flight") == 0)


def test_one_that_is_in_doubt(gateway):
    """All are told so, and the next repeat says what has become of it."""
    one = gateway("http.commit_timeout=2s", "lake.roll.every=200ms").start()
    with under_way(one, *[lambda: post(one)] * 4) as (_, calls):
        answers = [call.result() for call in calls]
    assert [answer.status for answer in answers] == [504] * 4
    assert all("outcome unknown" in json.loads(answer.body)["detail"] for answer in answers)
    assert said(post(one)) == REPEAT
    assert stored(one, 1) == [READING]


def test_a_stop_answers_those_that_wait(started):
    with under_way(started, lambda: post(started), lambda: post(started)) as (go, calls):
        started.process.send_signal(signal.SIGTERM)
        go()
        answers = [call.result() for call in calls]
    assert started.ended() == 0
    assert [said(answer) for answer in answers] == [FIRST, REPEAT]
    assert lake_rows(started.lake) == [READING.encode()]


def test_one_whose_sync_fails_is_taken_again(gateway, tmp_path):
    """The segment is given up, and so is the next: nothing of the request is there, and its key is free."""
    one = gateway("lake.roll.every=200ms").start()
    one.send(OTHER)
    with siege.injected(one, "fdatasync:error=EIO", tmp_path / "strace"):
        assert post(one).status in (503, 504)
        assert post(one).status in (503, 504)
    wait_until("it is taken", lambda: post(one).status == 200)
    assert said(post(one)) == REPEAT
    assert stored(one, 2) == [OTHER, READING]


def test_those_that_wait_for_one_whose_sync_fails(gateway, tmp_path):
    """The key is free again: each of them tries for itself, and is refused as long as the journal is."""
    one = gateway("lake.roll.every=200ms").start()
    one.send(OTHER)
    with concurrent.futures.ThreadPoolExecutor(4) as pool, siege.injected(one, "fdatasync:error=EIO:delay_enter=1s", tmp_path / "strace"):
        answers = list(pool.map(lambda _: post(one), range(4)))
    assert {answer.status for answer in answers} <= {503, 504}
    assert "http.commit_timeout" not in "".join(json.loads(answer.body)["detail"] for answer in answers), "nobody was forgotten"
    wait_until("it is taken", lambda: post(one).status == 200)
    assert said(post(one)) == REPEAT
    assert stored(one, 2) == [OTHER, READING]


# ---- delivered ----

def reached(answer):
    return answer.status, answer.headers["Penstock-Ack"], again(answer)


def test_a_repeat_waits_for_the_delivery(gateway):
    one = gateway("lake.roll.every=500ms").start()
    assert said(post(one)) == FIRST
    assert reached(post(one, Penstock_Ack="delivered")) == (200, "delivered", True)
    assert lake_rows(one.lake) == [READING.encode()]
    assert reached(post(one, Penstock_Ack="delivered")) == (200, "delivered", True)
    one.kill()
    one.start()
    assert reached(post(one, Penstock_Ack="delivered")) == (200, "delivered", True)


def test_several_wait_for_one_delivery(gateway):
    one = gateway("lake.roll.every=2s").start()
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: reached(post(one, Penstock_Ack="delivered")), range(5)))
    assert sorted(answers) == [(200, "delivered", False)] + [(200, "delivered", True)] * 4
    assert lake_rows(one.lake) == [READING.encode()]


def test_a_delivery_that_does_not_come(gateway):
    one = gateway("lake.roll.every=1h", "http.delivery_timeout=1s", "http.max_deliveries=1").start()
    assert said(post(one)) == FIRST
    assert reached(post(one, Penstock_Ack="delivered")) == (202, "fsync", True)
    one.stop_cleanly()
    one.start()
    assert reached(post(one, Penstock_Ack="delivered")) == (200, "delivered", True)


def test_a_repeat_when_no_more_may_wait(gateway):
    one = gateway("lake.roll.every=1h", "http.delivery_timeout=1h", "http.max_deliveries=1").start()
    assert said(post(one)) == FIRST
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waits = pool.submit(post, one, key="waits", Penstock_Ack="delivered")
        wait_until("it is stored", lambda: one.metric("penstock_journal_sequence") == 2)
        assert reached(post(one, Penstock_Ack="delivered")) == (202, "fsync", True)
        refused = post(one, key="new", Penstock_Ack="delivered")
        assert refused.status == 503 and "http.max_deliveries" in json.loads(refused.body)["detail"]
        one.stop_cleanly()
        assert reached(waits.result()) == (202, "fsync", False)
    assert len(lake_rows(one.lake)) == 2


def test_a_repeat_does_not_call_a_dead_letter_delivered(kafka, gateway):
    topic = kafka.create(kafka.name("small"), max_message_bytes=2000)
    one = gateway(config=kafka.config({"readings": {"key": "/sensor_id", "topics": [topic]}})).start()
    large = json.dumps({"sensor_id": "large", "pad": "x".join(map(str, range(4000)))})
    assert reached(post(one, large, Penstock_Ack="delivered")) == (207, "delivered", False)
    assert len(dead_letters(one, "readings")) == 1
    assert reached(post(one, large, Penstock_Ack="delivered")) == (202, "fsync", True)
    assert reached(post(one, key="after", Penstock_Ack="delivered")) == (200, "delivered", False)
    assert reached(post(one, key="after", Penstock_Ack="delivered")) == (200, "delivered", True)


# ---- over starts ----

def end_kill(gateway):
    gateway.kill()


def end_stop(gateway):
    gateway.stop_cleanly()


@pytest.mark.parametrize("end", [end_kill, end_stop])
def test_over_starts(gateway, end):
    one = gateway("lake.roll.every=200ms")
    some = f'[{READING},{{"x":1}}]'
    for number in range(4):
        one.start()
        for earlier in range(number):
            assert said(post(one, key=f"key-{earlier}")) == REPEAT
        assert said(post(one, key=f"key-{number}")) == FIRST
        answer = post(one, some, key="some")
        assert (answer.status, again(answer), json.loads(answer.body)["rejected_total"]) == (207, number > 0, 1)
        assert post(one, OTHER, key="key-0").status == 422
        end(one)
    one.start()
    assert stored_after_starts(one, 5) == [READING] * 5


def stored_after_starts(gateway, count):
    wait_until("the lake", lambda: len(lake_rows(gateway.lake)) == count)
    return [row.decode() for row in lake_rows(gateway.lake)]


def test_over_segments(gateway):
    """Keys outlive the segments that their records were in, many times."""
    one = gateway("lake.roll.every=100ms", *siege.SMALL_SEGMENTS, config=CONFIG).start()
    assert said(post(one)) == FIRST
    pad = "x" * 200000
    for number in range(40):
        wait_until("it is taken", lambda number=number: post(one, json.dumps({"sensor_id": "S", "n": number, "pad": pad}), key=f"large-{number}").status == 200)
    wait_until("the first segment to be free", lambda: "00000000000000000001.segment" not in one.journal_files())
    assert said(post(one)) == REPEAT
    one.kill()
    one.start()
    assert said(post(one)) == REPEAT
    assert all(again(post(one, json.dumps({"sensor_id": "S", "n": number, "pad": pad}), key=f"large-{number}")) for number in range(40))


# ---- ceilings ----

def test_the_oldest_makes_room(gateway):
    one = gateway("lake.roll.every=200ms", "http.idempotency.max_keys=3").start()
    for number in range(5):
        assert said(post(one, key=f"key-{number}")) == FIRST
    wait_until("the gauge", lambda: one.metric("penstock_idempotency_keys") == 3)
    wait_until("the counter", lambda: one.metric("penstock_idempotency_evicted_total") == 2)
    assert [said(post(one, key=f"key-{number}")) for number in (2, 3, 4)] == [REPEAT] * 3
    one.kill()
    one.start()
    assert [said(post(one, key=f"key-{number}")) for number in (2, 3, 4)] == [REPEAT] * 3
    assert said(post(one, key="key-0")) == FIRST
    assert said(post(one, key="key-2")) == FIRST


def test_as_many_as_their_share_of_a_segment_holds(gateway):
    one = gateway("lake.roll.every=200ms", *siege.SMALL_SEGMENTS, "http.idempotency.max_keys=1000000", config=CONFIG).start()
    assert all(post(one, key=f"key-{number}").status == 200 for number in range(500))
    wait_until("the counter", lambda: one.metric("penstock_idempotency_evicted_total") > 0)
    wait_until("all of them", lambda: one.metric("penstock_idempotency_keys") + one.metric("penstock_idempotency_evicted_total") == 500)
    assert 300 < one.metric("penstock_idempotency_keys") < 400
    one.kill()
    one.start()
    assert said(post(one, key="key-499")) == REPEAT
    assert said(post(one, key="key-0")) == FIRST


def test_too_old(gateway):
    one = gateway("lake.roll.every=200ms", "http.idempotency.keep=5s").start()
    assert said(post(one)) == FIRST
    assert said(post(one)) == REPEAT
    assert said(post(one, key="two")) == FIRST
    assert said(post(one, key="two")) == REPEAT
    wait_until("the key to be free", lambda: said(post(one, key="two")) == FIRST)
    assert said(post(one)) == FIRST, "it is older than the other"
    assert one.metric("penstock_idempotency_evicted_total") == 0
    one.kill()
    one.start()
    wait_until("another body is taken", lambda: post(one, OTHER).status == 200)


def test_a_full_journal_leaves_the_key_free(gateway):
    one = gateway("lake.url=blocked/lake", "lake.roll.every=100ms", *siege.SMALL_SEGMENTS, config=CONFIG)
    blocked = one.directory / "blocked"
    blocked.write_text("a file where a directory should be")
    one.start()
    body = json.dumps({"sensor_id": "S", "pad": "x" * 200000})
    refused = next(number for number in range(1000) if post(one, body, key=f"key-{number}").status == 503)
    assert post(one, body, key=f"key-{refused}").status == 503
    blocked.unlink()
    wait_until("room", lambda: said(post(one, body, key=f"key-{refused}"))[0] == 200)
    assert said(post(one, body, key=f"key-{refused}")) == REPEAT
    assert all(said(post(one, body, key=f"key-{number}")) == REPEAT for number in range(refused))
    wait_until("each once", lambda: len(lake_rows(blocked / "lake")) == refused + 1)
