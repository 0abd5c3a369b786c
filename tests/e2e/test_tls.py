"""TLS on the HTTP listener: what is spoken, what is refused at the start, handshakes that stall or flood, certificates replaced under load."""

import concurrent.futures
import http.client
import json
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import xml.etree.ElementTree as xml

import pytest

import tls
from penstock import Gateway, read_lake, request, wait_until
from test_bombs import cpu

STALLED = 300
READING = {"sensor_id": "SENSOR_1", "wattage": 1.5}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return tls.authority(tmp_path_factory.mktemp("tls") / "ca")


@pytest.fixture
def speaks(tmp_path, authority):
    """speaks(sets...): a gateway whose HTTP listener speaks TLS."""
    made = []

    def start(*sets, name="server", clients=None, context=None):
        made.append(Gateway(tmp_path / f"gateway{len(made)}", *tls.sets(authority, name, clients=clients), *sets,
                            context=context or tls.context(authority)).start())
        return made[-1]

    yield start
    for one in made:
        one.__exit__()


# ---- what is spoken ----

@pytest.mark.parametrize("name", ["server", "rsa"])
def test_records_come_through(speaks, name):
    gateway = speaks(name=name)
    assert f"HTTP   https://127.0.0.1:{gateway.ports['http']}" in gateway.said()
    gateway.send(READING)
    lines = b"".join(b'{"sensor_id":"S%d"}\n' % i for i in range(50_000))
    answer = gateway.post("/readings", lines, "application/x-ndjson")
    assert (answer.status, json.loads(answer.body)) == (200, {"accepted": 50_000})
    gateway.stop_cleanly()
    assert sum(len(file.rows) for file in read_lake(gateway.lake)) == 50_001


def test_a_connection_is_kept_and_pipelined_on(speaks, authority):
    gateway = speaks()
    body = json.dumps(READING).encode()
    one = b"POST /readings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with socket.create_connection(("localhost", gateway.ports["http"])) as plain:
        with tls.context(authority).wrap_socket(plain, server_hostname="localhost") as wire:
            wire.sendall(one * 200)
            got = b""
            while got.count(b'{"accepted":1}') < 200:
                more = wire.recv(65536)
                assert more, got[-500:]
                got += more
            for byte in one:  # each in a record of its own
                wire.sendall(bytes([byte]))
            assert b" 200 " in wire.recv(65536)
    assert gateway.metric("penstock_tls_handshakes_total", 'listener="http.tls"', 'outcome="done"') == 1


def test_nothing_below_1_2_and_nothing_but_aead(speaks):
    for name in ("server", "rsa"):
        port = speaks(name=name).ports["http"]
        assert tls.spoken(port, "-tls1_3")[0] == "TLSv1.3"
        assert tls.spoken(port, "-tls1_2")[0] == "TLSv1.2"
        for old in ("-tls1", "-tls1_1"):
            assert tls.spoken(port, old, "-cipher", "ALL:@SECLEVEL=0") is None
        kind = "ECDSA" if name == "server" else "RSA"
        for cipher in (f"ECDHE-{kind}-AES128-SHA256", f"ECDHE-{kind}-AES256-SHA384", "AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256"):
            assert tls.spoken(port, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0") is None, cipher
        for cipher in (f"ECDHE-{kind}-AES128-GCM-SHA256", f"ECDHE-{kind}-CHACHA20-POLY1305"):
            assert tls.spoken(port, "-tls1_2", "-cipher", cipher) == ("TLSv1.2", cipher)


@pytest.mark.skipif(not shutil.which("sslscan"), reason="needs sslscan")
@pytest.mark.parametrize("name", ["server", "rsa"])
def test_a_scan_finds_nothing_weak(speaks, name, tmp_path):
    port = speaks(name=name).ports["http"]
    subprocess.run(["sslscan", "--no-colour", f"--xml={tmp_path / 'scan.xml'}", f"localhost:{port}"], check=True, timeout=300,
                   capture_output=True)
    found = xml.parse(tmp_path / "scan.xml").getroot().find("ssltest")
    assert {p.get("version") for p in found.iter("protocol") if p.get("type") == "tls" and p.get("enabled") == "1"} == {"1.2", "1.3"}
    assert not [p for p in found.iter("protocol") if p.get("type") == "ssl" and p.get("enabled") == "1"]
    ciphers = {c.get("cipher") for c in found.iter("cipher")}
    assert ciphers and all("GCM" in c or "CHACHA20" in c for c in ciphers), ciphers
    assert all(h.get("vulnerable") == "0" for h in found.iter("heartbleed"))
    for weakness in (*found.iter("compression"), *found.iter("renegotiation")):
        assert weakness.get("supported") == "0" or weakness.get("secure") == "1", weakness.attrib


def test_another_name_is_noticed_by_the_client(speaks, authority):
    port = speaks().ports["http"]
    trust = ["-CAfile", str(authority.certificate), "-verify_return_error"]
    assert tls.s_client(port, *trust, "-verify_hostname", "localhost")[0] == 0
    status, _, errors = tls.s_client(port, *trust, "-verify_hostname", "other.example")
    assert status != 0 and "hostname mismatch" in errors


def test_who_does_not_speak_it_is_not_served(speaks):
    gateway = speaks()
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        request(gateway.ports["http"], "POST", "/readings", b"{}")
    wait_until("it was counted", lambda: gateway.metric("penstock_tls_handshakes_total", 'outcome="failed"') == 1)
    gateway.send(READING)


# ---- what is refused at the start ----

def complaint(folder, *sets):
    """What a start says that must fail."""
    gateway = Gateway(folder, *sets).spawn()
    assert gateway.ended() == 1
    return gateway.said()


def test_files_that_will_not_do(tmp_path, authority):
    folder = authority.folder
    copies = tmp_path / "copies"
    shutil.copytree(folder, copies)
    authority.issue("locked", password="sesame")
    authority.issue("short", key=["-newkey", "rsa:1024"])
    (copies / "none.crt").write_text("nothing\n")
    (copies / "chain.crt").write_bytes((folder / "server.crt").read_bytes() + (folder / "rsa.crt").read_bytes())
    (copies / "open.key").write_bytes((folder / "server.key").read_bytes())
    (copies / "open.key").chmod(0o644)

    def wrong(certificate, key, *more):
        return complaint(tmp_path / "gateway", f"http.tls.certificate={certificate}", f"http.tls.key={key}", *more)

    good = folder / "server.crt", folder / "server.key"
    assert f"http.tls.certificate: {folder / 'gone'}: No such file" in wrong(folder / "gone", good[1])
    assert f"http.tls.certificate: {copies / 'none.crt'}: holds no certificate" in wrong(copies / "none.crt", good[1])
    assert "chain.crt: its certificates are not in order" in wrong(copies / "chain.crt", good[1])
    (copies / "server.crt").chmod(0o600)
    assert f"http.tls.key: {copies / 'server.crt'}: holds no private key" in wrong(good[0], copies / "server.crt")
    assert "rsa.key: is not the key of the first certificate in" in wrong(good[0], folder / "rsa.key")
    assert "locked.key: needs a passphrase" in wrong(folder / "locked.crt", folder / "locked.key")
    assert "an RSA key of 1024 bits" in wrong(folder / "short.crt", folder / "short.key")
    assert "open.key holds a secret, but its mode is 0644: chmod 600 it" in wrong(good[0], copies / "open.key")
    assert f"http.tls.client_ca: {copies / 'none.crt'}: " in wrong(*good, f"http.tls.client_ca={copies / 'none.crt'}")


def test_a_group_may_read_the_key(speaks, authority, tmp_path):
    for end in ("crt", "key"):
        shutil.copy(authority.folder / f"server.{end}", tmp_path / f"mine.{end}")
    (tmp_path / "mine.key").chmod(0o440)
    speaks(f"http.tls.certificate={tmp_path / 'mine.crt'}", f"http.tls.key={tmp_path / 'mine.key'}").send(READING)


def test_an_expired_certificate_is_told_and_served(speaks, authority):
    authority.issue("expired", days=-1)
    gateway = speaks(name="expired")
    status, state = wait_until("it is noticed", lambda: [s for s in [gateway.ready()] if s[1]["conditions"]])[0]
    assert status == 200 and "has ended: clients refuse it" in state["conditions"][0]["text"]
    assert gateway.metric("penstock_tls_certificate_expiry_seconds", 'listener="http.tls"') < time.time()
    with pytest.raises(ssl.SSLCertVerificationError):
        gateway.send(READING)
    gateway.context = ssl._create_unverified_context()
    gateway.send(READING)


# ---- handshakes that stall, and that come all at once ----

def stalled(port, count):
    made = []
    for _ in range(count):
        made.append(socket.create_connection(("127.0.0.1", port)))
        made[-1].sendall(tls.GARBAGE)
    return made


def test_handshakes_that_stall_cost_nothing(speaks):
    gateway = speaks("http.head_timeout=1h")
    waiting = stalled(gateway.ports["http"], STALLED)
    wait_until("they are there", lambda: gateway.metric("penstock_connections", 'source="http"') >= STALLED)
    before, began = cpu(gateway), time.monotonic()
    while time.monotonic() < began + 2:
        gateway.send(READING)
        time.sleep(0.1)
    share = (cpu(gateway) - before) / (time.monotonic() - began)
    print(f"{share:.3f} of a core")
    assert share < 0.3
    for one in waiting:
        one.close()
    wait_until("they are gone", lambda: gateway.metric("penstock_connections", 'source="http"') == 0)
    assert gateway.metric("penstock_tls_handshakes_total", 'outcome="failed"') == STALLED


def test_the_one_that_has_stalled_longest_makes_room(speaks):
    gateway = speaks("http.head_timeout=1h", "http.threads=1", "http.tls.max_handshakes=10")
    port = gateway.ports["http"]
    first = stalled(port, 10)
    wait_until("they are there", lambda: gateway.metric("penstock_connections", 'source="http"') >= 10)
    gateway.send(READING)
    first[0].settimeout(60)
    assert first[0].recv(1) == b""
    first[9].setblocking(False)
    with pytest.raises(BlockingIOError):
        first[9].recv(1)


def test_a_handshake_that_stalls_has_a_deadline(speaks):
    gateway = speaks("http.head_timeout=500ms")
    began = time.monotonic()
    for one in [socket.create_connection(("127.0.0.1", gateway.ports["http"])), *stalled(gateway.ports["http"], 1)]:
        one.settimeout(60)
        assert one.recv(1) == b""
    assert time.monotonic() - began >= 0.4


def test_a_stop_does_not_wait_for_handshakes(speaks):
    gateway = speaks("http.head_timeout=1h", "gateway.grace=1h")
    waiting = stalled(gateway.ports["http"], 20) + [socket.create_connection(("127.0.0.1", gateway.ports["http"]))]
    wait_until("they are there", lambda: gateway.metric("penstock_connections", 'source="http"') >= 21)
    gateway.stop_cleanly(seconds=30)
    assert all(one.recv(1) == b"" for one in waiting)


def test_a_flood_of_handshakes_takes_nobody_his_place(speaks, authority):
    gateway = speaks("http.threads=1")
    port = gateway.ports["http"]
    floods = [subprocess.Popen(["openssl", "s_time", "-connect", f"localhost:{port}", "-new", "-time", "600"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL) for _ in range(8)]
    try:
        wait_until("it has begun", lambda: gateway.metric("penstock_tls_handshakes_total") > 100)
        honest = http.client.HTTPSConnection("localhost", port, context=tls.context(authority))
        honest.connect()
        before, times = gateway.metric("penstock_tls_handshakes_total"), []
        while len(times) < 100:
            began = time.monotonic()
            honest.request("POST", "/readings", json.dumps(READING), {"Content-Type": "application/json"})
            assert json.loads(honest.getresponse().read()) == {"accepted": 1}
            times.append(time.monotonic() - began)
        beside = gateway.metric("penstock_tls_handshakes_total") - before
    finally:
        for one in floods:
            one.kill()
            one.wait()
    print(f"{beside:.0f} handshakes beside; the honest one waits {sorted(times)[50] * 1000:.1f} ms, {max(times) * 1000:.1f} ms at most")
    assert beside > 0 and sorted(times)[50] < 1


# ---- certificates replaced ----

class Shown:
    """A gateway's own copy of a certificate and its key, which can be replaced."""

    def __init__(self, folder, authority):
        self.folder, self.authority = folder, authority
        folder.mkdir()
        self.put("server")

    def put(self, name):
        for end in ("crt", "key"):
            fresh = self.folder / f"new.{end}"
            fresh.write_bytes((self.authority.folder / f"{name}.{end}").read_bytes())
            fresh.chmod(0o600)
            fresh.rename(self.folder / f"shown.{end}")

    @property
    def sets(self):
        return [f"http.tls.certificate={self.folder / 'shown.crt'}", f"http.tls.key={self.folder / 'shown.key'}"]


def reload(gateway, outcome="done", listener="http.tls"):
    def count():
        return gateway.metric("penstock_tls_reloads_total", f'listener="{listener}"', f'outcome="{outcome}"')

    before = count()
    gateway.process.send_signal(signal.SIGHUP)
    wait_until("the files were read again", lambda: count() == before + 1)


def test_certificates_are_replaced_under_load(tmp_path, authority):
    shown = Shown(tmp_path / "shown", authority)
    gateway = Gateway(tmp_path / "gateway", *shown.sets, "lake.roll.every=100ms", context=tls.context(authority)).start()
    over = threading.Event()

    def sender(number):
        """One connection for all; the ids that were accepted."""
        connection = http.client.HTTPSConnection("localhost", gateway.ports["http"], context=tls.context(authority), timeout=60)
        connection.connect()
        mine, sent = connection.sock, []
        while not over.is_set():
            one = f"{number}-{len(sent)}"
            connection.request("POST", "/readings", json.dumps({"sensor_id": f"S{number}", "id": one}), {"Content-Type": "application/json"})
            assert json.loads(connection.getresponse().read()) == {"accepted": 1}
            assert connection.sock is mine, "it was dropped"
            sent.append(one)
        return sent

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        senders = [pool.submit(sender, number) for number in range(6)]
        seen = []
        try:
            for name in ["rsa", "server"] * 5:
                shown.put(name)
                reload(gateway)
                seen.append(tls.serial(gateway.ports["http"]))
            accepted = gateway.metric("penstock_records_accepted_total")
            wait_until("they go on behind it", lambda: gateway.metric("penstock_records_accepted_total") > accepted + 100)
        finally:
            over.set()
        sent = [one for each in senders for one in each.result()]
    expected = [ssl.PEM_cert_to_DER_cert((authority.folder / f"{name}.crt").read_text()) for name in ["rsa", "server"] * 5]
    assert seen == expected
    gateway.stop_cleanly()
    got = [json.loads(row)["id"] for file in read_lake(gateway.lake) for row in file.rows]
    assert sorted(got) == sorted(sent)


def test_a_certificate_does_not_wait_for_a_configuration_that_will_not_do(tmp_path, authority):
    shown = Shown(tmp_path / "shown", authority)
    with Gateway(tmp_path / "gateway", *shown.sets, config="streams: {s: {}}\n", context=tls.context(authority)) as gateway:
        (gateway.directory / "penstock.yaml").write_text("streams: {s: {key: no pointer}}\n")
        for name in ("rsa", "server"):
            shown.put(name)
            reload(gateway)
            assert tls.serial(gateway.ports["http"]) == ssl.PEM_cert_to_DER_cert((authority.folder / f"{name}.crt").read_text())
        assert gateway.said().count("kept=") == 2


def test_what_cannot_be_read_changes_nothing(tmp_path, authority):
    shown = Shown(tmp_path / "shown", authority)
    with Gateway(tmp_path / "gateway", *shown.sets, context=tls.context(authority)).start() as gateway:
        before = tls.serial(gateway.ports["http"])
        (tmp_path / "shown" / "shown.key").write_bytes((authority.folder / "rsa.key").read_bytes())
        reload(gateway, "failed")
        assert "is not the key of the first certificate" in gateway.said()
        assert tls.serial(gateway.ports["http"]) == before
        gateway.send(READING)
        shown.put("rsa")
        reload(gateway)
        assert tls.serial(gateway.ports["http"]) != before


def test_without_tls_the_signal_ends_nothing(tmp_path):
    with Gateway(tmp_path / "gateway").start() as gateway:
        gateway.process.send_signal(signal.SIGHUP)
        wait_until("it was seen", lambda: "gateway.reload" in gateway.said())
        gateway.send(READING)
