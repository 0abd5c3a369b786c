"""The lake's way with servers that misbehave as a real HDFS does not when it is told to."""

import threading

import pytest

from lake_hdfs import complaint, wait_complaint
from penstock import run_command, wait_until
from scripted_hdfs import CUT, CUT_BEHIND, HALF, ScriptedHdfs


class Nth:
    """Trouble for the numbers of all requests with this op."""

    def __init__(self, op, what, *numbers, where=lambda request: True):
        self.op, self.what, self.numbers, self.where = op, what, numbers or (1,), where
        self.seen = 0

    def __call__(self, request):
        if request.op != self.op or not self.where(request):
            return None
        self.seen += 1
        return self.what if self.seen in self.numbers else None


def start(gateway, hdfs, *sets):
    return gateway(f"lake.url={hdfs.url()}", "lake.roll.every=100ms", *sets).start()


def send(gateway, numbers):
    return [gateway.send({"sensor_id": "a", "value": number}) for number in numbers]


def wait(hdfs, sent):
    wait_until(f"{len(sent)} rows", lambda: len(hdfs.rows()) >= len(sent))
    assert hdfs.rows() == sorted(sent)


is_data = lambda request: "data" in request.query  # noqa: E731


@pytest.mark.parametrize("what", (CUT, CUT_BEHIND), ids=("before", "behind"))
def test_a_connection_is_cut_at_a_rename(gateway, what):
    """Nobody knows whether it was done: the gateway looks, page by page, and writes nothing twice."""
    trouble = Nth("RENAME", what, 6, 9)
    with ScriptedHdfs(trouble) as hdfs:
        one = start(gateway, hdfs, "lake.roll.records=1")
        sent = send(one, range(12))
        wait(hdfs, sent)
        one.stop_cleanly()
        assert trouble.seen >= 12
        assert hdfs.rows() == sorted(sent)


@pytest.mark.parametrize("pages", (
    {"pages": False}, {"after": "startAfter"}, {"after": "startafter"}, {"after": "nothing"}), ids=("none", "as documented", "as Hadoop 3.5", "the first alone"))
def test_pages_of_several_servers(gateway, pages):
    """One that gives the first page for ever is asked for everything at once."""
    with ScriptedHdfs(Nth("RENAME", CUT_BEHIND, 7), **pages) as hdfs:
        one = start(gateway, hdfs, "lake.roll.records=1")
        wait(hdfs, send(one, range(9)))
        assert (hdfs.count("LISTSTATUS") > 0) == (pages in ({"pages": False}, {"after": "nothing"}))


@pytest.mark.parametrize("op, what", [("CREATE", CUT), ("CREATE", (403, "IOException")), ("CREATE", (403, "SafeModeException")),
                                      ("GETFILESTATUS", CUT), ("MKDIRS", (403, "RetriableException")), ("RENAME", (403, "SafeModeException")),
                                      ("RENAME", (503, "RetriableException")), ("LISTSTATUS_BATCH", (502, ""))])
def test_what_passes_is_tried_again_at_once(gateway, op, what):
    with ScriptedHdfs(Nth(op, what, 2, 3)) as hdfs:
        one = start(gateway, hdfs)
        wait(hdfs, send(one, range(3)) + [one.send({"sensor_id": "b"})])
        wait_until("three more", lambda: hdfs.count(op) > 3 or send(one, range(9, 10)))
        assert one.metric("penstock_outlet_errors_total", 'outlet="lake"') == 0


def test_what_lasts_is_told_while_it_is_tried_again(gateway):
    with ScriptedHdfs() as hdfs:
        one = start(gateway, hdfs)
        wait(hdfs, send(one, range(3)))
        hdfs.trouble = lambda request: (503, "RetriableException") if request.op == "CREATE" else None
        sent = hdfs.rows() + send(one, range(3, 6))
        wait_until("/readyz", lambda: any("RetriableException" in condition["text"] for condition in one.ready()[1]["conditions"]))
        assert "outlet.waits" in one.said() and "outlet.failed" not in one.said()
        hdfs.trouble = lambda request: None
        wait(hdfs, sent)
        wait_until("/readyz without it", lambda: not one.ready()[1]["conditions"])
        assert "outlet.recovered" in one.said()


def test_a_body_that_breaks_off_goes_to_a_new_name(gateway):
    with ScriptedHdfs(Nth("CREATE", CUT, 1, 2, where=is_data)) as hdfs:
        one = start(gateway, hdfs)
        wait(hdfs, send(one, range(3)))
        names = [request.path for request in hdfs.requests if request.op == "CREATE" and is_data(request)]
        assert len(names) >= 3 and len(set(names)) == len(names)


def test_a_file_that_is_too_short_is_written_again(gateway):
    """A data node closes what a broken connection has left."""
    with ScriptedHdfs(Nth("CREATE", HALF, 1, where=is_data)) as hdfs:
        one = start(gateway, hdfs)
        sent = send(one, range(3))
        wait(hdfs, sent)
        assert "bytes there instead of" in one.said()
        assert "createflag" in next(request for request in hdfs.requests if request.op == "CREATE").query


def test_the_other_name_node_is_found(gateway):
    with ScriptedHdfs(lambda request: (403, "StandbyException")) as standby, ScriptedHdfs() as active:
        one = start(gateway, standby, f"lake.hdfs.name_nodes=127.0.0.1:{active.port}")
        wait(active, send(one, range(3)))
        assert not standby.files
        active.trouble, standby.trouble = standby.trouble, active.trouble
        sent = active.rows() + send(one, range(3, 6))
        wait_until("the rest", lambda: len(active.rows()) + len(standby.rows()) == 6)
        assert sorted(active.rows() + standby.rows()) == sorted(sent)


@pytest.mark.parametrize("to, sets, why", [
    ("http://169.254.169.254:80", (), "a local one"), ("http://[::ffff:169.254.169.254]:80", (), "a local one"),
    ("http://2852039166:80", (), "a local one"), ("http://127.0.0.1@10.0.0.1:80", (), "no URL of a data node"),
    ("http://127.0.0.1\\@10.0.0.1", (), "no URL of a data node"), ("ftp://127.0.0.1", (), "no URL of a data node"),
    ("http://localhost:1", ("lake.hdfs.redirects=*.example",), "lake.hdfs.redirects")])
def test_where_data_may_not_be_sent(gateway, to, sets, why):
    with ScriptedHdfs() as hdfs:
        hdfs.data = to
        one = start(gateway, hdfs, *sets)
        sent = send(one, range(2))
        wait_complaint(one, why)
        assert not hdfs.files
        hdfs.data = f"http://127.0.0.1:{hdfs.port}"
        wait(hdfs, sent)


def test_hosts_that_are_named(gateway):
    with ScriptedHdfs() as hdfs, ScriptedHdfs() as data:
        data.files, data.folders, data.lock = hdfs.files, hdfs.folders, hdfs.lock
        hdfs.data = f"http://localhost:{data.port}"
        one = start(gateway, hdfs, "lake.hdfs.redirects=[\"nobody.example\", \"LOCAL*\"]")
        wait(hdfs, send(one, range(2)))
        assert data.count("CREATE") > 0


def negotiate(handler):
    handler.answer(401, WWW_Authenticate="Negotiate")


def test_kerberos_is_said_to_be_missing(gateway, tmp_path):
    """A token does; it is in no log and on no page."""
    token = tmp_path / "token"
    token.write_text("s3cret/token=\n")
    token.chmod(0o600)
    with ScriptedHdfs(lambda request: None if request.query.get("delegation") == "s3cret/token=" else negotiate) as hdfs:
        one = start(gateway, hdfs)
        sent = send(one, range(2))
        wait_complaint(one, "Kerberos", "lake.hdfs.token")
        one.stop()
        one.sets.append(f"lake.hdfs.token={token}")
        one.start()
        wait(hdfs, sent)
        assert not any("user.name" in request.query for request in hdfs.requests if "delegation" in request.query)
        hdfs.trouble = lambda request: (403, "InvalidToken", "it has expired")
        send(one, range(2, 3))
        text = wait_complaint(one, "InvalidToken", "lake.hdfs.token")
        assert "s3cret" not in text and "s3cret" not in one.said()


def test_answers_that_take_their_time(gateway):
    slow = threading.Event()
    with ScriptedHdfs(lambda request: slow.wait(0.3) and None) as hdfs:
        one = start(gateway, hdfs)
        wait(hdfs, send(one, range(3)))
        assert complaint(one) is None


def test_answers_that_are_none(gateway):
    """Whatever it is that listens there."""
    with ScriptedHdfs(lambda request: lambda handler: handler.answer(200, b"<html>hello</html>")) as hdfs:
        one = start(gateway, hdfs)
        sent = send(one, range(2))
        wait_complaint(one, "lake")
        hdfs.trouble = lambda request: None
        wait(hdfs, sent)


@pytest.mark.parametrize("url, why", [
    ("hdfs://namenode:8020/lake", "webhdfs://namenode:9870/lake"), ("webhdfs://:1/lake", "HOST:PORT"), ("webhdfs://a:0/lake", "HOST:PORT"),
    ("webhdfs://a/b%20c", "no place in its path"), ("webhdfs://a/b/../c", ".."), ("webhdfs://a/b:c", "HDFS takes no such path")])
def test_check_says_what_is_wrong(url, why):
    done = run_command("check", "--set", f"lake.url={url}")
    assert done.returncode == 1 and "lake.url" in done.stderr and why in done.stderr, done
    assert run_command("check", "--set", "lake.url=swebhdfs://a/b").returncode == 0
    done = run_command("check", "--set", "lake.url=webhdfs://a/b", "--set", "lake.hdfs.name_nodes=b:x")
    assert done.returncode == 1 and "lake.hdfs.name_nodes" in done.stderr
