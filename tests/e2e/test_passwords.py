"""Passwords that somebody else has chosen: their hashes take a tenth of a second, which nobody else must notice."""

import base64
import hashlib
import http.client
import json
import os
import pty
import select
import socket
import statistics
import struct
import subprocess
import time

import pytest

import mqtt
import penstock
from access import add, basic, bearer, revoke
from mqtt import DISCONNECT, V5, V311, Refused
from penstock import wait_until
from test_access import Guarded, reading
from test_access_mqtt import BAD_CREDENTIALS, VERSIONS, Publishers

PASSWORD = "correct horse battery"
READING = reading().encode()
STRICT = "http.trusted_proxies=10.0.0.1"  # a test's address is one of the trusted ones by default


def command(verb, name, file, *more, **how):
    words = [penstock.BINARY, "credentials", verb, name, "--file", str(file), "--streams", "*", *more]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, **how)


def add_password(file, name, password, *more):
    done = command("add", name, file, "--password-file", "-", *more, input=password)
    assert done.returncode == 0 and done.stdout == "", done


def line_of(name, password, iterations=1000, digest="sha256", salt=b"saltsaltsaltsalt", **more):
    """A line as another program may write it, hashed by Python."""
    hashed = hashlib.pbkdf2_hmac(digest, password.encode(), salt, iterations)
    text = f"pbkdf2-{digest}:{iterations}:{base64.b64encode(salt).decode()}:{base64.b64encode(hashed).decode()}"
    return json.dumps({"name": name, "password": text, "streams": ["*"], **more}) + "\n"


def put(gateway, text):
    gateway.file.write_text(gateway.file.read_text() + text)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with Publishers(tmp_path_factory.mktemp("passwords")) as gateway:
        add_password(gateway.file, "pump", PASSWORD, "--keys", "{name}")
        put(gateway, line_of("quick", "päss:wörd 1") + line_of("long", "x" * 256, digest="sha512") + line_of("n" * 128, "y" * 256))
        gateway.reload()
        yield gateway


# ---- the file ----


def test_the_line_is_what_hashlib_says(tmp_path):
    file = tmp_path / "credentials"
    add_password(file, "a", "hunter22")
    add_password(file, "b", "hunter22\n")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert "hunter22" not in file.read_text() and file.stat().st_mode & 0o777 == 0o600
    for line in lines:
        kind, iterations, salt, hashed = line["password"].split(":")
        assert kind == "pbkdf2-sha256" and int(iterations) >= 600_000 and len(base64.b64decode(salt)) == 16
        assert base64.b64decode(hashed) == hashlib.pbkdf2_hmac("sha256", b"hunter22", base64.b64decode(salt), int(iterations))
        assert "secret" not in line
    assert lines[0]["password"] != lines[1]["password"], "each has a salt of its own"


def test_where_a_password_comes_from(tmp_path):
    file, of = tmp_path / "credentials", tmp_path / "password"
    said = lambda *more, **how: command("add", "a", file, *more, **how)
    of.write_text("from a file\n")
    of.chmod(0o644)
    assert "chmod 600" in said("--password-file", str(of)).stderr
    of.chmod(0o600)
    done = said("--password-file", str(of))
    assert done.returncode == 0 and "from a file" not in done.stdout + done.stderr
    assert "is there already" in said("--password-file", str(of)).stderr
    revoke(file, "a")
    for bad in ("", "\n", "x" * 257, "x" * 100_000):
        assert "1 to 256 bytes" in said("--password-file", "-", input=bad).stderr
    assert "can be guessed" in said("--password-file", "-", input="short").stderr
    assert said("--password-file", "-", "--ask-password", input="x").returncode == 1
    listed = penstock.run_command("credentials", "list", "--file", str(file), "--password-file", "x")
    assert listed.returncode == 2


def typed(words, *lines):
    """At a terminal of its own; its exit status and what it has shown."""
    pid, leader = pty.fork()
    if pid == 0:
        os.execv(words[0], words)
    shown = b""
    for number, line in enumerate(lines):
        while shown.count(b"Password: ") <= number:
            shown += os.read(leader, 1000)
        os.write(leader, line.encode() + b"\n")
    try:
        while more := os.read(leader, 1000):
            shown += more
    except OSError:  # it has ended
        pass
    os.close(leader)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown


@pytest.mark.parametrize("how", (("--ask-password",), ("--password-file", "-")))
def test_a_terminal_is_asked_and_does_not_show_it(tmp_path, how):
    file = tmp_path / "credentials"
    words = [penstock.BINARY, "credentials", "add", "a", "--file", str(file), "--streams", "*", *how]
    status, shown = typed(words, "hunter22", "hunter23")
    assert status == 1 and b"another one" in shown and b"hunter" not in shown
    assert not file.exists()
    status, shown = typed(words, "hunter22", "hunter22")
    assert status == 0 and b"hunter" not in shown, shown
    kind, iterations, salt, hashed = json.loads(file.read_text())["password"].split(":")
    assert base64.b64decode(hashed) == hashlib.pbkdf2_hmac("sha256", b"hunter22", base64.b64decode(salt), int(iterations))


def test_those_of_mosquitto(tmp_path):
    """What mosquitto_passwd has written is taken over, and lets in whom it let in."""
    theirs = tmp_path / "passwd"
    theirs.touch(0o600)
    for user, password in (("one", "first password"), ("two", "second:password")):
        subprocess.run(["mosquitto_passwd", "-b", str(theirs), user, password], check=True, capture_output=True)
    with Publishers(tmp_path) as gateway:
        done = command("import-mosquitto", str(theirs), gateway.file, "--keys", "{name}")
        assert done.returncode == 0 and "2 users" in done.stderr, done
        gateway.reload()
        assert gateway.status(body=reading("one"), **basic("one", "first password")) == 200
        assert gateway.status(body=reading("two"), **basic("one", "first password")) == 403
        assert gateway.status(body=reading("one"), **basic("one", "second:password")) == 401
        with gateway.client(V311) as client:
            client.connect("c", user="two", password="second:password")
            assert client.store("readings/two", "{}") == 0
        before = gateway.file.read_text()
        for bad, why in (("x:$6$AAAA$AAAA\n", "passwd:1"), ("one:" + theirs.read_text().split(":", 1)[1], "stands in an earlier line"), ("nothing\n", "passwd:1")):
            theirs.write_text(bad)
            refused = command("import-mosquitto", str(theirs), gateway.file)
            assert refused.returncode == 1 and why in refused.stderr, refused
        assert gateway.file.read_text() == before, "all of them or none"


# ---- HTTP ----


def test_http(gateway):
    for _ in range(2):
        assert gateway.status(body=reading("pump"), **basic("pump", PASSWORD)) == 200
        assert gateway.status(body=reading("PUMP_1"), **basic("pump", PASSWORD)) == 403
        assert gateway.status(**basic("quick", "päss:wörd 1")) == 200
        assert gateway.status(**basic("long", "x" * 256)) == 200
        assert gateway.status(**basic("n" * 128, "y" * 256)) == 200
    wrong = [basic("pump", PASSWORD[:-1]), basic("pump", PASSWORD + "x"), basic("quick", PASSWORD), basic("nobody", PASSWORD), basic("root", PASSWORD),
             basic("", PASSWORD), basic("pump", ""), basic("long", "x" * 255), bearer(PASSWORD), {}]  # fmt: skip
    answers = [gateway.post("/readings", reading(), **headers) for headers in wrong]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.body for answer in answers}) == 1


def test_http_with_another_client(gateway):
    url = f"http://127.0.0.1:{gateway.ports['http']}/readings"
    for password, status in (("guess", "401"), (PASSWORD, "200"), (PASSWORD, "200")):
        words = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-u", f"pump:{password}", "-H", "Content-Type: application/json", "-d", reading("pump"), url]
        assert subprocess.run(words, capture_output=True, text=True, timeout=60).stdout == status


def raw(gateway, name, password, head="", body=READING, length=None, source="127.0.0.1"):
    head = (f"POST /readings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: {basic(name, password)['Authorization']}\r\n"
            f"Content-Length: {len(body) if length is None else length}\r\n{head}\r\n").encode()  # fmt: skip
    wire = socket.create_connection(("127.0.0.1", gateway.ports["http"]), 30, (source, 0))
    wire.sendall(head + body)
    return wire


def answer_of(wire):
    said = b""
    while b"\r\n\r\n" not in said:
        more = wire.recv(10000)
        if not more:
            break
        said += more
    return said


def test_http_bodies_of_every_size(gateway):
    """Refused behind a head that had to wait: the body is forgotten, however large; accepted: nothing of it is missing."""
    for size in (2, 1000, 100_000, 3_000_000):
        body = json.dumps({"sensor_id": "x", "fill": "y" * min(size, 800_000)}).encode().ljust(size)
        with raw(gateway, "nobody", f"guess {size}", body=b"", length=size) as wire:
            try:
                wire.sendall(body)
            except OSError:
                pass
            assert answer_of(wire).startswith(b"HTTP/1.1 401 "), size
    put(gateway, line_of("bodies", "many bodies"))
    gateway.reload()
    with raw(gateway, "bodies", "wrong", "Expect: 100-continue\r\n", b"", len(READING)) as wire:
        assert answer_of(wire).startswith(b"HTTP/1.1 401 "), "it is not even asked for its body"
    with raw(gateway, "bodies", "many bodies", "Expect: 100-continue\r\n", b"", len(READING)) as wire:
        assert answer_of(wire).startswith(b"HTTP/1.1 100 ")
        wire.sendall(READING)
        assert answer_of(wire).startswith(b"HTTP/1.1 200 ")
    for head, body, status in (("Idempotency-Key: k1\r\n", READING, 200), ("Penstock-Ack: x\r\n", READING, 400), ("Content-Encoding: x\r\n", READING, 415), ("", b"", 400)):
        put(gateway, line_of(f"first{status}{len(head)}", "first time"))
        gateway.reload()
        with raw(gateway, f"first{status}{len(head)}", "first time", head, body) as wire:
            assert answer_of(wire).startswith(f"HTTP/1.1 {status} ".encode()), head


def test_pipelined_and_chunked(tmp_path):
    with Guarded(tmp_path) as gateway:
        put(gateway, line_of("a", "one two three", 300_000))
        gateway.reload()
        head = f"POST /lines HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nAuthorization: {basic('a', 'one two three')['Authorization']}\r\n"
        first = head + "Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n"
        second = head + "Content-Length: 6\r\n\r\nsecond"
        with socket.create_connection(("127.0.0.1", gateway.ports["http"]), 30) as wire:
            wire.sendall((first + second).encode())
            said = b""
            while said.count(b'{"accepted":1}') < 2:
                more = wire.recv(10000)
                assert more, said
                said += more
        assert sorted(row.strip() for row in gateway.rows(2)) == [b"first", b"second"]


# ---- MQTT ----


@pytest.mark.parametrize("version", VERSIONS)
def test_mqtt(gateway, version):
    put(gateway, line_of(f"m{version}", "mqtt password", 50_000))
    gateway.reload()
    for wrong in ({"user": f"m{version}", "password": "mqtt passwore"}, {"user": "nobody", "password": "mqtt password"}):
        with gateway.client(version) as client, pytest.raises(Refused) as refused:
            client.connect("c", **wrong)
        assert refused.value.reason == BAD_CREDENTIALS[version], wrong
    for _ in range(2):
        with gateway.client(version) as client:
            client.connect("c", user=f"m{version}", password="mqtt password", will={"topic": "readings/w", "payload": "{}"})
            assert client.store("readings/x", "{}") == 0


def test_mqtt_with_another_client(gateway):
    put(gateway, line_of("foreign", "foreign password", 50_000))
    gateway.reload()
    command = ["mosquitto_pub", "-p", str(gateway.ports["mqtt"]), "-t", "readings/x", "-q", "1", "-m", "{}", "-u", "foreign", "-P"]
    assert subprocess.run([*command, "foreign password"], timeout=60).returncode == 0
    assert subprocess.run([*command, "foreign passwore"], timeout=60, capture_output=True).returncode != 0


def test_mqtt_on_several_threads(tmp_path):
    """The connection goes to the thread of its client id once it is known who it is."""
    with Publishers(tmp_path, "mqtt.threads=3") as gateway:
        for number in range(9):
            put(gateway, line_of(f"p{number}", "a password", 20_000))
        gateway.reload()
        for number in range(9):
            with gateway.client() as client:
                client.connect(f"client {number}", user=f"p{number}", password="a password", will={"topic": "readings/x", "payload": "{}"})
                assert client.store("readings/x", "{}") == 0


def test_http_clients_that_do_not_wait(tmp_path):
    """The same: nobody keeps a place of the verifier by leaving."""
    with Guarded(tmp_path) as gateway:
        put(gateway, line_of("slow", "slow password", 300_000))
        gateway.reload()
        for number in range(100):
            secret = basic("slow", f"guess {number}")["Authorization"].encode()
            with socket.create_connection(("127.0.0.1", gateway.ports["http"]), 60) as client:
                client.sendall(b"POST /readings HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: 2\r\n\r\n" % secret)
                if number % 4 == 0:  # its question is under way by then
                    wait_until("it is there", lambda: gateway.metric("penstock_connections", 'source="http"') > 0)
                if number % 2:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wait_until("their end", lambda: gateway.metric("penstock_connections", 'source="http"') == 0)
        for number in range(70):  # more than there are places
            answer = gateway.post("/readings", "{}", **basic("slow", "guess"))
            assert answer.status in (401, 429), answer
        assert gateway.status(body=reading("one"), **basic("slow", "slow password")) == 200


def test_mqtt_clients_that_do_not_wait(tmp_path):
    """They leave before their password was looked at, by a reset or a close: it is not looked at any more, and nothing of them stays."""
    with Publishers(tmp_path) as gateway:
        put(gateway, line_of("slow", "slow password", 500_000))
        gateway.reload()
        for number in range(100):
            client = gateway.client()
            client.send(mqtt.connect(V5, "c", user="slow", password=f"guess {number}"))
            client.reset() if number % 2 else client.socket.close()
        with gateway.client() as client:
            client.connect("c", user="root", password=gateway.root)

        def lets_in():
            try:
                with gateway.client() as client:
                    client.connect("c", user="slow", password="slow password")
                return True
            except Refused:  # one of them is looked at, and their address has guessed too often
                return False

        wait_until("its turn", lets_in)
        wait_until("their end", lambda: gateway.metric("penstock_connections", 'source="mqtt"') == 0)


# ---- guesses, and others beside them ----


def cpu_of_threads(pid, name):
    """Seconds of the threads with this name."""
    ticks = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/stat") as stat:
            text = stat.read()
        if text[text.index("(") + 1 : text.rindex(")")] == name:
            ticks += sum(map(int, text[text.rindex(")") + 2 :].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def test_a_thousand_guesses_cost_twenty(tmp_path):
    """Passwords from one address are not looked at once its guesses are used up; who is known already notices nothing."""
    with Publishers(tmp_path, STRICT) as gateway:
        put(gateway, line_of("pump", PASSWORD, 200_000))
        gateway.reload()
        assert gateway.status(**basic("pump", PASSWORD)) == 200
        with gateway.client() as first:
            first.connect("first", user="pump", password=PASSWORD)
        began = cpu_of_threads(gateway.process.pid, "verifier")
        once = time.process_time()
        hashlib.pbkdf2_hmac("sha256", b"x", b"saltsaltsaltsalt", 200_000)
        once = time.process_time() - once
        started = time.monotonic()
        guesses = [gateway.status(**basic(f"user-{number % 3}" if number % 2 else "pump", f"guess {number}")) for number in range(1000)]
        took = time.monotonic() - started
        assert guesses[:20] == [401] * 20 and set(guesses) == {401, 429}
        assert guesses.count(401) <= 20 + took + 1, "and then one a second"
        reasons = []
        for number in range(20):
            with gateway.client() as client, pytest.raises(Refused) as refused:
                client.connect("c", user="pump", password=f"guess {number}")
            reasons.append(refused.value.reason)
        assert 0x97 in reasons and set(reasons) <= {0x86, 0x97}
        used = cpu_of_threads(gateway.process.pid, "verifier") - began
        assert used < 10 * once * (guesses.count(401) + reasons.count(0x86)), (used, once)
        assert gateway.status(**basic("pump", PASSWORD)) == 200, "who is known is let in"
        with gateway.client() as client:
            client.connect("c", user="pump", password=PASSWORD)


def test_the_others_are_not_held_up(tmp_path):
    """While the verifier hashes without a pause, an I/O thread answers as it did before: its slowest answer is far from the time of a hash."""
    with Guarded(tmp_path, "http.threads=1") as gateway:
        put(gateway, line_of("slow", "slow password", 2_000_000))
        gateway.reload()
        began = time.monotonic()
        assert gateway.status(**basic("slow", "slow passwore")) == 401
        hash_time = time.monotonic() - began
        wires = [raw(gateway, "slow", f"guess {number}") for number in range(20)]
        before = cpu_of_threads(gateway.process.pid, "verifier")
        times = []
        session = http.client.HTTPConnection("127.0.0.1", gateway.ports["http"], timeout=30)
        until = time.monotonic() + 2 * hash_time
        while time.monotonic() < until:
            began = time.monotonic()
            session.request("POST", "/readings", reading(), {"Content-Type": "application/json", **bearer(gateway.root)})
            answer = session.getresponse()
            answer.read()
            assert answer.status == 200
            times.append(time.monotonic() - began)
        session.close()
        assert cpu_of_threads(gateway.process.pid, "verifier") > before, "it was at work"
        assert len(times) > 20
        assert statistics.median(times) < hash_time / 10, (statistics.median(times), hash_time)
        for wire in wires:
            wire.close()


def test_one_address_does_not_fill_the_line(tmp_path):
    """Of one address a quarter of the places; others get in between, and who finds none is told to come again."""
    with Guarded(tmp_path, STRICT) as gateway:
        put(gateway, line_of("slow", "slow password", 1_000_000) + line_of("quick", "quick password"))
        gateway.reload()
        wires = [raw(gateway, "slow", f"guess {number}") for number in range(30)]
        with raw(gateway, "quick", "quick password", source="127.0.0.2") as other:
            assert answer_of(other).startswith(b"HTTP/1.1 200 ")
            told = [select.select([wire], [], [], 0)[0] != [] for wire in wires]
            assert not all(told), "it was not behind all of them"
        statuses = [answer_of(wire)[9:12] for wire in wires]
        assert statuses.count(b"503") >= 5 and set(statuses) == {b"401", b"503"}


def test_when_the_line_is_full(tmp_path):
    """HTTP 503 with Retry-After, MQTT server unavailable or quota exceeded; once it has emptied all go on."""
    with Publishers(tmp_path) as gateway:
        put(gateway, line_of("slow", "slow password", 2_000_000))
        gateway.reload()
        many = lambda: [raw(gateway, "slow", f"guess {number}", f"X-Forwarded-For: 192.0.2.{number}\r\n") for number in range(70)]
        wires = many()
        answer = wait_until("a full line", lambda: (answer := gateway.post("/readings", reading(), **basic("slow", "x"))).status == 503 and answer)
        assert int(answer.headers["Retry-After"]) >= 1

        def refused(version):
            wires.extend(many())
            with gateway.client(version) as client, pytest.raises(Refused) as refused:
                client.connect("c", user="slow", password="x")
            return refused.value.reason

        for version, reason in ((V5, 0x97), (V311, 3)):
            wait_until("a full line", lambda: refused(version) == reason)
        assert gateway.status(**bearer(gateway.root)) == 200, "others are let in"
        statuses = [answer_of(wire)[9:12] for wire in wires]
        assert {b"401", b"503"} <= set(statuses) <= {b"401", b"429", b"503"}, "looked at, or told within seconds that it was not"
        assert gateway.status(**basic("slow", "slow password")) == 200


# ---- changes while one is looked at ----


def test_a_reload_meanwhile(tmp_path):
    with Publishers(tmp_path) as gateway:
        good = gateway.file.read_text()
        gateway.file.write_text(good + line_of("a", "some password", 2_000_000) + line_of("b", "other password", 2_000_000))
        gateway.reload()
        wires = [raw(gateway, name, password) for name, password in (("a", "some password"), ("b", "other password"))]
        gateway.file.write_text(good + line_of("b", "other password", 2_000_000))
        gateway.reload()
        assert answer_of(wires[0])[9:12] in (b"401", b"200")
        assert answer_of(wires[1]).startswith(b"HTTP/1.1 200 ")
        assert gateway.status(**basic("a", "some password")) == 401
        gateway.file.write_text(good + line_of("b", "new password!", 1000))
        with gateway.client() as client:
            client.connect("c", user="b", password="other password")
            gateway.reload()
            ended = client.next()
            assert (ended.type, ended.reason) == (DISCONNECT, 0x87), "another password is another one"
        assert gateway.status(**basic("b", "other password")) == 401, "what was remembered is forgotten"
        assert gateway.status(**basic("b", "new password!")) == 200


@pytest.mark.parametrize("how", ("http", "mqtt"))
def test_stop_meanwhile(tmp_path, how):
    """Nobody waits for hashes; what was accepted is there."""
    with Publishers(tmp_path, "gateway.grace=10s") as gateway:
        put(gateway, line_of("slow", "slow password", 2_000_000))
        gateway.reload()
        gateway.send(reading(n=1), **bearer(gateway.root))
        if how == "http":
            wires = [raw(gateway, "slow", f"guess {number}") for number in range(20)]
        else:
            wires = [socket.create_connection(("127.0.0.1", gateway.ports["mqtt"]), 30) for _ in range(20)]
            for number, wire in enumerate(wires):
                wire.sendall(mqtt.connect(V311, f"c{number}", user="slow", password=f"guess {number}"))
        wait_until("the verifier", lambda: cpu_of_threads(gateway.process.pid, "verifier") > 0.05)
        began = time.monotonic()
        gateway.stop_cleanly()
        assert time.monotonic() - began < 8
        if how == "http":
            assert {answer_of(wire)[9:12] for wire in wires} <= {b"401", b"503", b""}
        assert len(penstock.lake_rows(gateway.lake)) == 1


def test_kill_meanwhile(tmp_path):
    with Publishers(tmp_path) as gateway:
        put(gateway, line_of("slow", "slow password", 2_000_000))
        gateway.reload()
        gateway.send(reading(n=1), **bearer(gateway.root))
        wires = [raw(gateway, "slow", "slow password", body=b'{"n":2}') for _ in range(5)]
        wait_until("the verifier", lambda: cpu_of_threads(gateway.process.pid, "verifier") > 0.05)
        gateway.kill()
        gateway.start()
        assert gateway.status(**basic("slow", "slow password")) == 200
        for wire in wires:
            wire.close()


def test_no_password_anywhere(tmp_path):
    with Publishers(tmp_path, STRICT) as gateway:
        put(gateway, line_of("pump", "CANARY-right", 1000))
        gateway.reload()
        said = [gateway.post("/readings", reading(), **basic("pump", password)).body for password in ("CANARY-right", "CANARY-wrong")]
        with gateway.client() as client:
            client.connect("c", user="pump", password="CANARY-right", will={"topic": "readings/x", "payload": "{}"})
            assert client.store("readings/x", "{}") == 0
        said += [gateway.admin(path).body for path in ("/metrics", "/readyz", "/healthz")]
        gateway.stop_cleanly()
        said += [path.read_bytes() for path in gateway.directory.rglob("*") if path.is_file()]
        for text in said:
            assert b"CANARY" not in text
