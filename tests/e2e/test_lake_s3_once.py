"""Each row once in an S3 store, whatever becomes of requests and answers on the way, and whoever else writes."""

import threading
import urllib.parse

import pytest

import s3_lake
from penstock import wait_until
from s3_proxy import CUT, Reply, error, first
from test_lake_s3 import bucket, new_gateway, proxy, said, send, wait_for  # noqa: F401

PUBLISHING = ("create", "check", "part", "complete")
EVERY = ("owner", "uploads", *PUBLISHING)


def finish(one, server, bucket, sent):  # noqa: F811
    """All is there, once, in order, and nothing is under way."""
    wait_for(server, bucket, sent)
    one.stop_cleanly()
    one.start()  # which ends what nobody had an answer about
    one.stop_cleanly()
    assert s3_lake.rows(server, bucket) == sent
    if server.kind != "minio":  # which lists uploads of one whole key alone: what nobody had an answer about is left to its own clearing away
        assert server.client.uploads(bucket) == []


@pytest.mark.parametrize("reply", [error(503, "SlowDown"), error(500, "InternalError"), Reply(503, [("Retry-After", "1")], b""), error(429, "TooManyRequests"), CUT],
                         ids=["503", "500", "Retry-After", "429", "cut"])
@pytest.mark.parametrize("side", ["before", "after"])
def test_what_passes(gateway, s3_server, bucket, proxy, reply, side):  # noqa: F811
    """Answers in the server's place, and instead of its own behind what it has done: two of each kind of request, and
    one of a completion that has been done."""
    hooks = [first(1 if (side, phase) == ("after", "complete") else 2, [phase], reply) for phase in EVERY]
    setattr(proxy, side, lambda *what: next((answer for hook in hooks if (answer := hook(*what))), None))
    one = new_gateway(gateway, proxy.url, bucket).start()
    sent = send(one, 10)
    wait_for(s3_server, bucket, sent)
    wait_until("all of them", lambda: [hook.left for hook in hooks] == [0] * len(hooks))
    finish(one, s3_server, bucket, sent + send(one, 5, 10))


def test_slow_down_is_tried_again_within_the_store(gateway, s3_server, bucket, proxy):  # noqa: F811
    proxy.before = first(3, PUBLISHING, error(503, "SlowDown"))
    one = new_gateway(gateway, proxy.url, bucket).start()
    sent = send(one, 3)
    wait_for(s3_server, bucket, sent)
    assert proxy.seen.count("owner") == 1  # not opened again
    finish(one, s3_server, bucket, sent)


@pytest.mark.parametrize("code", ["InternalError", "SlowDown"])
@pytest.mark.parametrize("side", ["before", "after"])
def test_complete_that_is_200_with_an_error_in_it(gateway, s3_server, bucket, proxy, code, side):  # noqa: F811
    setattr(proxy, side, first(1, ["complete"], error(200, code)))
    one = new_gateway(gateway, proxy.url, bucket).start()
    sent = send(one, 5)
    again = code == "InternalError"  # SlowDown: only the request; what that is told behind a success is the server's to say
    wait_until("it to be open again", lambda: not again or proxy.seen.count("owner") == 2)
    wait_until("all of it", lambda: proxy.seen.count("complete") >= (1 if again and side == "after" else 2))
    finish(one, s3_server, bucket, sent)


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"<CompleteMultipartUploadResult>"])
def test_complete_whose_answer_says_nothing(gateway, s3_server, bucket, proxy, body):  # noqa: F811
    proxy.before = first(1, ["complete"], Reply(200, [], body))
    one = new_gateway(gateway, proxy.url, bucket).start()
    finish(one, s3_server, bucket, send(one, 5))


def test_part_of_other_bytes_is_seen(gateway, s3_server, bucket, proxy):  # noqa: F811
    proxy.after = first(1, ["part"], Reply(200, [("ETag", '"00000000000000000000000000000000"')], b""))
    one = new_gateway(gateway, proxy.url, bucket).start()
    sent = send(one, 5)
    wait_for(s3_server, bucket, sent)
    assert "does not hold what was sent" in one.said()
    finish(one, s3_server, bucket, sent)


@pytest.mark.parametrize("reply", [error(501, "NotImplemented"), error(400, "InvalidArgument")], ids=["501", "400"])
def test_server_that_does_not_know_if_none_match(gateway, s3_server, bucket, proxy, reply):  # noqa: F811
    proxy.before = lambda phase, handler: reply if phase == "complete" and handler.headers["If-None-Match"] else None
    one = new_gateway(gateway, proxy.url, bucket).start()
    sent = send(one, 5)
    wait_for(s3_server, bucket, sent)
    sent += send(one, 5, 5)
    wait_for(s3_server, bucket, sent)
    assert one.said().count("lake.s3_unconditional") == 1
    assert proxy.seen.count("owner") == 1
    finish(one, s3_server, bucket, sent)


def test_name_that_is_taken_is_never_replaced(gateway, s3_server, bucket, proxy):  # noqa: F811
    """Somebody has put an object there since the list: it stays, and the rows count as there, for their name says so."""
    key = []

    def take(phase, handler):
        if phase == "complete" and not key:
            key.append(handler.path.split("?")[0].split("/", 2)[2])
            s3_server.client.put(bucket, urllib.parse.unquote(key[0]), b"mine\n")

    proxy.before = take
    one = new_gateway(gateway, proxy.url, bucket).start()
    send(one, 1)
    wait_until("a second opening", lambda: proxy.seen.count("owner") > 1)
    said_once = wait_until("its complaint", lambda: "already there" in one.said())
    one.stop_cleanly()
    assert said_once and s3_lake.rows(s3_server, bucket) == [b"mine"]


def test_completion_that_comes_late_fails(gateway, s3_server, bucket, proxy):  # noqa: F811
    """A killed gateway's last request is still on its way when the next one has written the rows again."""
    held, go_on, replies = threading.Event(), threading.Event(), []

    def hold(phase, _):
        if phase == "complete" and not held.is_set():
            held.set()
            assert go_on.wait(120)

    def look(phase, _, reply):
        if phase == "complete":
            replies.append(reply.status)

    proxy.before, proxy.after = hold, look
    one = new_gateway(gateway, proxy.url, bucket).start()
    sent = send(one, 5)
    assert held.wait(60)
    one.kill()
    one.sets += ["lake.roll.every=1h", "lake.roll.records=2"]  # so that its files have other names
    one.start()
    sent += send(one, 5, 5)
    one.stop_cleanly()
    assert s3_lake.rows(s3_server, bucket) == sent
    count = len(replies)
    go_on.set()
    wait_until("the late answer", lambda: len(replies) > count)
    assert replies[-1] == 404
    assert s3_lake.rows(s3_server, bucket) == sent
    assert s3_server.client.uploads(bucket) == []


def test_second_gateway_of_the_same_id_ends_the_first(gateway, s3_server, bucket, tmp_path):  # noqa: F811
    """Nothing of the first appears any more, and it says why; it goes on when it is alone."""
    sets = ("gateway.id=same", "gateway.grace=3s")
    one = new_gateway(gateway, s3_server.url, bucket, *sets, every="1h", directory=tmp_path / "one").start()
    first_rows = send(one, 3)
    wait_until("its rows in a file", lambda: one.metric("penstock_outlet_open_files", 'outlet="lake"') == 1)
    two = new_gateway(gateway, s3_server.url, bucket, *sets, directory=tmp_path / "two").start()
    second_rows = send(two, 3, 10)
    wait_for(s3_server, bucket, second_rows)
    one.stop_cleanly()
    assert "give each gateway its own gateway.id" in one.said()
    assert s3_lake.rows(s3_server, bucket) == second_rows
    two.stop_cleanly()
    assert s3_server.client.uploads(bucket)  # what the first one had begun
    one.start()
    one.stop_cleanly()
    found = [s3_server.client.get(bucket, key).splitlines() for key in s3_server.client.keys(bucket, "lake/readings/")]
    assert sorted(found) == sorted([first_rows, second_rows])
    assert s3_server.client.uploads(bucket) == []


def test_upload_that_another_opening_has_ended(gateway, s3_server, bucket, proxy):  # noqa: F811
    """What a successor does to uploads that are noted: parts and completion of the process that stood still fail, and nothing of it appears."""
    def end(phase, _):
        if phase == "part":
            for key, upload in s3_server.client.uploads(bucket):
                s3_server.client.ask("DELETE", f"/{bucket}/{key}", uploadId=upload)
            proxy.before = lambda *_: None

    proxy.before = end
    one = new_gateway(gateway, proxy.url, bucket).start()
    sent = send(one, 5)
    wait_for(s3_server, bucket, sent)
    assert "ended by somebody else" in one.said()
    finish(one, s3_server, bucket, sent)
