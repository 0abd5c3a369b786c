"""Who may write over HTTP, and how credentials are kept, changed and taken away."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

import penstock
import siege
from access import add, basic, bearer, revoke
from penstock import wait_until

STREAMS = """
streams:
  readings: {format: json, key: /sensor_id}
  "grid": {format: json, key: /sensor_id}
  lines: {format: text}
"""


def reading(sensor="PUMP_1", **more):
    return json.dumps({"sensor_id": sensor, **more})


class Guarded(penstock.Gateway):
    def __init__(self, directory, *sets, **more):
        super().__init__(directory, f"access.credentials={directory}/credentials", "lake.roll.every=50ms", *sets, config=STREAMS, **more)
        self.file = self.directory / "credentials"
        self.root = add(self.file, "root")

    def status(self, path="/readings", body=None, **headers):
        return self.post(path, body or reading(), **headers).status

    def reload(self, good=True):
        """Until it is done."""
        said = self.said().count("gateway.reload")
        self.process.send_signal(signal.SIGHUP)
        wait_until("the reload", lambda: self.said().count("gateway.reload") > said)

    def rows(self, count):
        return wait_until("the rows", lambda: (rows := penstock.lake_rows(self.lake)) and len(rows) >= count and rows)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with Guarded(tmp_path_factory.mktemp("access")) as gateway:
        yield gateway


# ---- who ----


def test_whoever_shows_nothing_or_the_wrong_thing_gets_the_same_answer(gateway):
    right = gateway.root
    wrong = [{}, bearer("x"), bearer(right[:-1]), bearer(right + "A"), bearer(right.lower()), bearer(""), basic("root", right[:-1]), basic("other", right),
             basic("", right), basic("root", ""), {"Authorization": f"Digest {right}"}, {"Authorization": right}, {"Authorization": "Basic ???"},
             {"Authorization": "Bearer"}, bearer("A" * 6000), {"Authorization": "Basic " + "QUFB" * 1000}]  # fmt: skip
    answers = [gateway.post("/readings", reading(), **headers) for headers in wrong]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.body for answer in answers}) == 1, "what was wrong is told to nobody"
    assert all(answer.headers["WWW-Authenticate"].startswith("Bearer") for answer in answers)
    assert all(answer.headers["Content-Type"] == "application/problem+json" for answer in answers)


def test_streams_are_not_told_to_strangers(gateway):
    assert gateway.post("/nowhere", reading()).status == 401
    known = gateway.post("/nowhere", reading(), **bearer(gateway.root))
    assert known.status == 404 and b"grid" in known.body
    one = add(gateway.file, "lines", "lines")
    gateway.reload()
    told = gateway.post("/nowhere", reading(), **bearer(one)).body
    assert b"lines" in told and b"grid" not in told, "nor what somebody else may write"


@pytest.mark.parametrize("how", (bearer, lambda secret: basic("root", secret), lambda secret: {"Authorization": f"bEARER   {secret} \t "}))
def test_the_right_secret(gateway, how):
    assert gateway.status(**how(gateway.root)) == 200


def test_two_headers_are_none(gateway):
    with socket.create_connection(("127.0.0.1", gateway.ports["http"])) as wire:
        body = reading().encode()
        one = b"Authorization: Bearer " + gateway.root.encode() + b"\r\n"
        wire.sendall(b"POST /readings HTTP/1.1\r\nHost: x\r\n" + one + one + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert wire.recv(100).startswith(b"HTTP/1.1 400 ")


def test_the_banner_says_how(tmp_path):
    """The command that is shown works for whoever has the secret."""
    with Guarded(tmp_path) as gateway:
        shown = re.search(r"^Try    (curl .*)$", gateway.said(), re.MULTILINE).group(1)
        said = subprocess.run(["bash", "-c", shown + " -s"], env={**os.environ, "SECRET": gateway.root}, capture_output=True, text=True, check=True).stdout
        assert json.loads(said) == {"accepted": 1}


# ---- what ----


def test_a_principal_writes_its_streams(gateway):
    secret = add(gateway.file, "grids", "grid*")
    gateway.reload()
    assert gateway.status("/grid", **bearer(secret)) == 200
    refused = gateway.post("/readings", reading(), **bearer(secret))
    assert refused.status == 403 and b"grids may not write stream readings" in refused.body


def test_a_principal_writes_its_keys(gateway):
    secret = add(gateway.file, "PUMP_7", "*", keys=["{name}", "PUMP_7_*"])
    gateway.reload()
    mine = bearer(secret)
    assert gateway.status(body=reading("PUMP_7"), **mine) == 200
    assert gateway.status(body=reading("PUMP_7_a"), **mine) == 200
    assert gateway.status("/readings/PUMP_7", body="{}", **mine) == 200
    for other in ("PUMP_8", "PUMP_", "PUMP_77", "pump_7", "{name}"):
        refused = gateway.post("/readings", reading(other), **mine)
        assert refused.status == 403 and b"may not write the key" in refused.body, other
        assert gateway.status(f"/readings/{other}", body=reading("PUMP_7"), **mine) == 403, "the URL's key wins"
    assert gateway.status("/lines", body="no key", content_type="text/plain", **mine) == 403, "no key is none of its own"
    for said in ("PUMP_8", 8):
        assert gateway.status("/readings/PUMP_7", body=reading(said), **mine) == 403, "whoever reads the record would believe it"
    mixed = gateway.post("/readings", "\n".join(map(reading, ("PUMP_7", "PUMP_8", "PUMP_7"))), "application/x-ndjson", **mine)
    assert mixed.status == 207
    assert [one["index"] for one in json.loads(mixed.body)["rejected"]] == [1]
    assert gateway.metric("penstock_records_rejected_total", 'reason="forbidden"') >= 1


def test_nothing_forbidden_is_in_the_lake(tmp_path):
    with Guarded(tmp_path) as gateway:
        secret = add(gateway.file, "one", "readings", keys=["A"])
        gateway.reload()
        body = "\n".join(reading(key, n=n) for n, key in enumerate("ABAB"))
        assert gateway.post("/readings", body, "application/x-ndjson", **bearer(secret)).status == 207
        assert [json.loads(row)["n"] for row in gateway.rows(2)] == [0, 2]


# ---- how fast ----


def test_rate(tmp_path):
    with Guarded(tmp_path) as gateway:
        secret = add(gateway.file, "slow", "*", rate=10)
        gateway.reload()
        # The first second is ahead; a body counts by its records, and is paid for afterwards.
        assert gateway.post("/readings", "\n".join([reading()] * 60), "application/x-ndjson", **bearer(secret)).status == 200
        refused = gateway.post("/readings", reading(), **bearer(secret))
        assert refused.status == 429 and 1 <= int(refused.headers["Retry-After"]) <= 5
        assert refused.headers.get("Connection") != "close", "the connection is kept"
        assert gateway.status(**bearer(gateway.root)) == 200, "others go on"
        gateway.reload()
        assert gateway.status(**bearer(secret)) == 429, "a reload forgives nothing"
        wait_until("its turn", lambda: gateway.status(**bearer(secret)) == 200, 30)


def test_what_the_gateway_refuses_costs_no_rate(tmp_path):
    """A full journal (503) is nobody's debt; nor does a storm of 503 and 429 forgive one."""
    gateway = Guarded(tmp_path, "lake.url=blocked/lake", *siege.SMALL_SEGMENTS)
    slow, debtor = add(gateway.file, "slow", rate=5), add(gateway.file, "debtor", rate=1)
    blocked = gateway.directory / "blocked"
    blocked.write_text("a file where a directory should be")
    with gateway:
        large = reading(pad="x" * 200_000)
        began = time.monotonic()
        assert gateway.post("/readings", "\n".join([reading()] * 300), "application/x-ndjson", **bearer(debtor)).status == 200
        wait_until("a full journal", lambda: gateway.status(body=large, **bearer(gateway.root)) == 503)
        assert [gateway.status(body=large, **bearer(slow)) for _ in range(50)] == [503] * 50
        assert [gateway.status(body=large, **bearer(debtor)) for _ in range(50)] == [429] * 50
        owed = int(gateway.post("/readings", reading(), **bearer(debtor)).headers["Retry-After"])
        assert owed >= 299 - (time.monotonic() - began)
        blocked.unlink()
        wait_until("room", lambda: gateway.status(body=large, **bearer(slow)) == 200)


def test_many_at_once_are_not_ahead_of_the_rate(tmp_path):
    """The rate is asked again behind the body: of many that began at the same time, one is taken (by each thread)."""
    with Guarded(tmp_path, "http.threads=1") as gateway:
        secret = add(gateway.file, "slow", rate=1)
        gateway.reload()
        body = "\n".join([reading()] * 1000).encode()
        head = (f"POST /readings HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nContent-Type: application/x-ndjson\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode()  # fmt: skip
        wires = [socket.create_connection(("127.0.0.1", gateway.ports["http"]), 60) for _ in range(10)]
        for wire in wires:
            wire.sendall(head + body[:-1])
        wait_until("all of them", lambda: gateway.metric("penstock_request_bytes_total", 'source="http"') >= 10 * (len(body) - 1))
        for wire in wires:
            wire.sendall(body[-1:])
        statuses = sorted(int(wire.recv(12).split()[1]) for wire in wires)
        assert statuses == [200] + [429] * 9
        for wire in wires:
            wire.close()


def test_guesses_are_slowed_down(tmp_path):
    """1,000 wrong secrets from one address, and an honest one beside them. Without trusted proxies: a test's address is one of those by default."""
    with Guarded(tmp_path, "http.trusted_proxies=10.0.0.1") as gateway:
        guesses = [gateway.status(**bearer(f"pst_{number}")) for number in range(1000)]
        assert guesses[:20] == [401] * 20
        assert guesses.count(429) > 900
        assert gateway.status(**bearer(gateway.root)) == 200, "an address is never locked out"
        assert gateway.metric("penstock_requests_refused_total", 'status="429"') > 900


# ---- changes ----


def test_a_revoked_secret_ends_with_the_reload(tmp_path):
    with Guarded(tmp_path) as gateway:
        secret = add(gateway.file, "stolen")
        assert gateway.status(**bearer(secret)) == 401, "not before the reload"
        gateway.reload()
        assert gateway.status(**bearer(secret)) == 200
        revoke(gateway.file, "stolen")
        gateway.reload()
        assert gateway.status(**bearer(secret)) == 401
        assert gateway.status(**bearer(gateway.root)) == 200


def test_reload_by_the_admin_listener(tmp_path):
    with Guarded(tmp_path) as gateway:
        secret = add(gateway.file, "new")
        answer = penstock.request(gateway.ports["admin"], "POST", "/reload")
        assert answer.status == 202, answer
        wait_until("the reload", lambda: gateway.status(**bearer(secret)) == 200)
        revoke(gateway.file, "new")
        assert penstock.request(gateway.ports["admin"], "POST", "/reload", headers={"Origin": "http://evil.example"}).status == 403
        assert penstock.request(gateway.ports["admin"], "GET", "/reload").status == 405
        assert gateway.status(**bearer(secret)) == 200, "neither did anything"


def test_a_bad_file_changes_nothing(tmp_path):
    with Guarded(tmp_path) as gateway:
        good = gateway.file.read_text()
        for bad, why in ((good + '{"name":"x"}\n', "credentials:2"), (good + good, "stands in an earlier line"), ("{", "one JSON object in each line")):
            gateway.file.write_text(bad)
            gateway.reload()
            assert why in gateway.said().splitlines()[-1]
            status, state = gateway.ready()
            assert status == 200 and any(one["name"] == "reload" and why in one["text"] for one in state["conditions"]), state
            assert gateway.status(**bearer(gateway.root)) == 200
        gateway.file.write_text(good)
        gateway.file.chmod(0o644)
        gateway.reload()
        assert "chmod 600" in gateway.said().splitlines()[-1]
        gateway.file.chmod(0o600)
        gateway.reload()
        assert not any(one["name"] == "reload" for one in gateway.ready()[1].get("conditions", []))


def test_reloads_under_load_lose_nothing(tmp_path):
    """Credentials change a hundred times; whoever may write all the time is never refused, and all of it is in the lake."""
    with Guarded(tmp_path) as gateway:
        accepted, troubles, stop = [], [], threading.Event()

        def write(number):
            n = 0
            while not stop.is_set():
                answer = gateway.post("/readings", reading(f"S{number}", n=n), **bearer(gateway.root))
                if answer.status != 200:
                    troubles.append(answer)
                    return
                accepted.append((f"S{number}", n))
                n += 1

        writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for writer in writers:
            writer.start()
        for turn in range(100):
            if turn % 2:
                revoke(gateway.file, "other")
            else:
                add(gateway.file, "other")
            gateway.process.send_signal(signal.SIGHUP)
        stop.set()
        for writer in writers:
            writer.join()
        assert not troubles and len(accepted) > 100
        rows = gateway.rows(len(accepted))
        assert sorted((row["sensor_id"], row["n"]) for row in map(json.loads, rows)) == sorted(accepted)


# ---- start ----


def test_beyond_loopback_somebody_must_be_named(tmp_path):
    open_to_all = penstock.Gateway(tmp_path / "a", "http.listen=0.0.0.0:0")
    open_to_all.spawn()
    assert open_to_all.ended() == 1
    assert "access.credentials" in open_to_all.said()
    with Guarded(tmp_path / "b", "http.listen=0.0.0.0:0", "mqtt.listen=0.0.0.0:0") as gateway:
        assert gateway.status() == 401
        assert gateway.status(**bearer(gateway.root)) == 200


def test_anonymous_beside_credentials(tmp_path):
    with Guarded(tmp_path, "http.anonymous=true") as gateway:
        assert gateway.status() == 200
        assert gateway.status(**bearer("wrong")) == 401
        assert gateway.status(**bearer(gateway.root)) == 200


def test_a_start_needs_sound_credentials(tmp_path):
    gateway = Guarded(tmp_path)
    gateway.file.unlink()
    gateway.spawn()
    assert gateway.ended() == 1
    assert "access.credentials" in gateway.said() and "No such file" in gateway.said()


def test_no_secret_anywhere(tmp_path):
    """Right and wrong ones, by every way in: in no log, metric, page, answer, file, command line or environment of the gateway."""
    with Guarded(tmp_path) as gateway:
        canary = "pst_CANARY" + "x" * 33
        gateway.send(reading(), **bearer(gateway.root))
        said = [gateway.post("/readings", reading(), **headers).body for headers in (bearer(canary), basic("root", canary), basic(canary, "x"))]
        said += [gateway.admin(path).body for path in ("/metrics", "/readyz", "/healthz")]
        said += [penstock.run_command("check", "-c", str(gateway.directory / "penstock.yaml"), "--set", f"access.credentials={gateway.file}").stdout.encode()]
        said += [open(f"/proc/{gateway.process.pid}/{name}", "rb").read() for name in ("cmdline", "environ")]
        gateway.stop_cleanly()
        said += [path.read_bytes() for path in gateway.directory.rglob("*") if path.is_file()]
        for text in said:
            assert gateway.root.encode() not in text and b"CANARY" not in text


# ---- the command ----


def test_command(tmp_path):
    file = tmp_path / "credentials"
    first, second = add(file, "one", "readings", keys=["A*", "{name}"], rate=7), add(file, "two")
    assert first != second and all(re.fullmatch(r"pst_[A-Za-z0-9_-]{43}", secret) for secret in (first, second))
    assert file.stat().st_mode & 0o777 == 0o600
    assert first not in file.read_text() and '"sha256:' in file.read_text()
    listed = penstock.run_command("credentials", "list", "--file", str(file)).stdout
    assert [line.split("\t") for line in listed.splitlines()[1:]] == [["one", "readings", "A*,{name}", "7/s", "-", "-"], ["two", "*", "*", "-", "-", "-"]]

    file.write_text("# ours\n\n" + file.read_text())
    revoke(file, "one")
    assert file.read_text().startswith("# ours\n\n{") and file.read_text().count("{") == 1
    for arguments, why in ((["add", "two", "--streams", "x"], "is there already"), (["revoke", "one"], "there is no principal one"),
                           (["add", "three"], "--streams is missing"), (["add", "a b", "--streams", "x"], '"name": allowed'),
                           (["add", "three", "--streams", "x", "--rate", "-1"], "--rate"), (["add", "three", "--streams", ","], "patterns of 1 to 256"),
                           (["add", "three", "--streams", "x", "--certificate", "pump"], '"certificate": allowed'),
                           (["add", "three", "--admin", "root"], "--admin: found")):  # fmt: skip
        before = file.read_text()
        done = penstock.run_command("credentials", *arguments, "--file", str(file))
        assert done.returncode == 1 and why in done.stderr and not done.stdout, (arguments, done)
        assert file.read_text() == before
    assert penstock.run_command("credentials", "sell", "--file", str(file)).returncode == 2
    assert penstock.run_command("credentials", "list").returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["credentials"]


def test_command_follows_links(tmp_path):
    """What the gateway reads is changed, not the link to it."""
    (tmp_path / "real").mkdir()
    file, link = tmp_path / "real" / "credentials", tmp_path / "link"
    add(file, "one")
    link.symlink_to(file)
    revoke(link, "one")
    assert link.is_symlink() and file.read_text() == ""


def test_others_need_not_read_them(tmp_path):
    """Who looks after dead letters has other things to do than to mend credentials."""
    with Guarded(tmp_path) as gateway:
        gateway.file.write_text("{")
        config = ["-c", str(gateway.directory / "penstock.yaml"), "--set", f"access.credentials={gateway.file}", "--set", f"gateway.data={gateway.data}"]
        assert penstock.run_command("dead-letters", "list", *config).returncode == 0
        assert "one JSON object" in penstock.run_command("check", *config).stderr


def test_command_keeps_mode_and_owner(tmp_path):
    file = tmp_path / "credentials"
    add(file, "one")
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file, 12345, 23456)
    add(file, "two")
    about = file.stat()
    assert about.st_mode & 0o777 == 0o640
    assert os.geteuid() or (about.st_uid, about.st_gid) == (12345, 23456)


def test_commands_at_the_same_time(tmp_path):
    file = tmp_path / "credentials"
    threads = [threading.Thread(target=add, args=(file, f"p{number}")) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(file.read_text().splitlines()) == 20
