"""TLS on the MQTT listener: every record once over every QoS and size, also when TLS has bytes that no descriptor tells of; pauses, client certificates,
handshakes that stall, certificates replaced."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest

import mqtt
import siege
import tls
from mqtt import CONNACK, PUBACK, V5, V311, Client, rows
from penstock import Gateway, wait_until
from test_bombs import cpu
from test_tls import reload, stalled

TEXT = """\
mqtt: {topics: {"text/{name}": text}}
streams:
  text: {format: text, lake: {path: "{stream}/{name}"}, labels: {name: "topic:name"}}
"""
STALLED = 200


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = tls.authority(tmp_path_factory.mktemp("tls") / "ca")
    made.issue("expired", days=-1)
    return made


@pytest.fixture
def speaks(tmp_path, authority):
    """speaks(sets...): a gateway whose MQTT listener speaks TLS."""
    made = []

    def start(*sets, name="server", clients=None):
        made.append(Gateway(tmp_path / f"gateway{len(made)}", *tls.sets(authority, name, "mqtt", clients), "lake.roll.every=100ms", *sets,
                            config=TEXT).start())
        return made[-1]

    yield start
    for one in made:
        one.__exit__()


@contextlib.contextmanager
def connected(gateway, context, version=V5, name="one", **more):
    with Client(gateway.ports["mqtt"], version, context=context) as client:
        client.connect(name, **more)
        yield client


def handshakes(gateway, outcome):
    return gateway.metric("penstock_tls_handshakes_total", 'listener="mqtt.tls"', f'outcome="{outcome}"')


@pytest.mark.parametrize("protocol", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("threads", [1, 3])
def test_every_message_once(speaks, authority, protocol, threads):
    gateway = speaks(f"mqtt.threads={threads}")
    assert f"MQTT   mqtts://127.0.0.1:{gateway.ports['mqtt']}" in gateway.said()
    context = tls.context(authority)
    context.minimum_version = context.maximum_version = protocol
    for name in ("a", "b", "c", "d"):
        with connected(gateway, context, V311 if name == "a" else V5, name) as client:
            for qos in (0, 1, 2):
                assert client.store(f"text/{name}", f"{name} {qos}", qos) == 0
            client.ping()
            client.disconnect()
    assert sorted(rows(gateway, 12)) == sorted(f"{name} {qos}".encode() for name in "abcd" for qos in (0, 1, 2))
    assert handshakes(gateway, "done") == 4 and handshakes(gateway, "failed") == 0


def test_packets_of_every_size(speaks, authority):
    """Larger than a record of TLS, and than what is read at once; many in one record, and one in many."""
    gateway = speaks()
    sizes = [1, 500, 16_000, 16_384, 17_000, 32_768, 33_000, 70_000, 400_000, 900_000]
    with connected(gateway, tls.context(authority)) as client:
        for index, size in enumerate(sizes):
            assert client.store("text/a", f"{index}".ljust(size, "x")) == 0
        many = [mqtt.publish(V5, "text/a", f"m{number}", 1, number + 100) for number in range(900)]
        client.send(*many)
        for number in range(900):
            client.expect(PUBACK, number + 100)
        for byte in mqtt.publish(V5, "text/a", "slowly", 1, 7):
            client.send(bytes([byte]))
        client.expect(PUBACK, 7)
    got = rows(gateway, len(sizes) + 901)
    assert [len(row) for row in got[:len(sizes)]] == sizes
    assert got[len(sizes):] == [f"m{number}".encode() for number in range(900)] + [b"slowly"]


def test_pauses_forget_nothing(speaks, authority):
    """Commits are slow and batches small: connections are paused with bytes in the library, again and again, and resumed."""
    gateway = speaks("mqtt.max_packet=16KiB", "mqtt.max_unacknowledged=64KiB", "mqtt.max_in_flight=2000")
    payloads = [f"{number}".ljust(3000, "y") for number in range(300)]

    def publish(name):
        with connected(gateway, tls.context(authority), name=name) as client:
            client.send(*[mqtt.publish(V5, f"text/{name}", text, 1, id + 1) for id, text in enumerate(payloads)])
            for id in range(len(payloads)):
                client.expect(PUBACK, id + 1)

    with siege.injected(gateway, "fdatasync:delay_enter=5000", gateway.directory / "strace"):
        publishers = [threading.Thread(target=publish, args=(name,)) for name in ("a", "b", "c")]
        for one in publishers:
            one.start()
        for one in publishers:
            one.join()
    assert sorted(rows(gateway, 900)) == sorted(text.encode() for text in payloads * 3)


def test_answers_that_nobody_reads_at_once(speaks, authority):
    gateway = speaks("mqtt.max_in_flight=65535")
    with connected(gateway, tls.context(authority), V311) as client:
        client.send(*[mqtt.publish(V311, "text/a", f"{number}", 1, number) for number in range(1, 30_001)])
        for number in range(1, 30_001):
            client.expect(PUBACK, number)
    assert rows(gateway, 30_000) == [f"{number}".encode() for number in range(1, 30_001)]


def test_an_end_without_a_word(speaks, authority):
    """No close_notify, or a reset: what came before it is there."""
    gateway = speaks()
    client = Client(gateway.ports["mqtt"], V311, context=tls.context(authority))
    client.connect("one")
    client.publish("text/a", "first", 0)
    client.socket.close()
    assert rows(gateway, 1) == [b"first"]
    wait_until("it is gone", lambda: gateway.metric("penstock_connections", 'source="mqtt"') == 0)


def test_foreign_clients(speaks, authority):
    gateway = speaks(clients="required")
    folder = authority.folder
    subprocess.run(["mosquitto_pub", "-h", "localhost", "-p", str(gateway.ports["mqtt"]), "--cafile", str(authority.certificate), "--cert",
                    str(folder / "client.crt"), "--key", str(folder / "client.key"), "-t", "text/a", "-m", "hello", "-q", "2"], check=True,
                   timeout=60)
    assert rows(gateway, 1) == [b"hello"]


def test_client_certificates(speaks, authority):
    gateway = speaks(clients="required")
    with connected(gateway, tls.context(authority, "client")) as client:
        assert client.store("text/a", "in") == 0
    for context in (tls.context(authority), tls.context(authority, "expired")):
        failed = handshakes(gateway, "failed")
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            with connected(gateway, context):
                pass
        wait_until("it was counted", lambda: handshakes(gateway, "failed") == failed + 1)
    assert "mqtt.handshake" in gateway.said() and "the client's certificate has expired" in gateway.said()
    optional = speaks(clients="optional")
    with connected(optional, tls.context(authority)) as client:
        assert client.store("text/a", "in") == 0


def test_nothing_below_1_2(speaks):
    port = speaks().ports["mqtt"]
    assert tls.spoken(port, "-tls1_3")[0] == "TLSv1.3" and tls.spoken(port, "-tls1_2")[0] == "TLSv1.2"
    assert tls.spoken(port, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0") is None
    assert tls.spoken(port, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0") is None


@pytest.mark.skipif(not shutil.which("sslscan"), reason="needs sslscan")
def test_a_scan_ends_nothing(speaks, authority):
    gateway = speaks()
    subprocess.run(["sslscan", f"localhost:{gateway.ports['mqtt']}"], check=True, timeout=300, capture_output=True)
    with connected(gateway, tls.context(authority)) as client:
        assert client.store("text/a", "in") == 0


def test_handshakes_that_stall(speaks, authority):
    gateway = speaks("mqtt.connect_timeout=1h", "mqtt.tls.max_handshakes=150")
    waiting = stalled(gateway.ports["mqtt"], STALLED)
    wait_until("the oldest made room", lambda: handshakes(gateway, "failed") == STALLED - 150)
    before, began = cpu(gateway), time.monotonic()
    while time.monotonic() < began + 2:
        with connected(gateway, tls.context(authority)) as client:
            assert client.store("text/a", "in") == 0
        time.sleep(0.1)
    share = (cpu(gateway) - before) / (time.monotonic() - began)
    print(f"{share:.3f} of a core")
    assert share < 0.3
    gateway.stop_cleanly(seconds=30)
    assert waiting[0].recv(1) == b""


def test_a_handshake_has_the_time_of_a_connect(speaks):
    gateway = speaks("mqtt.connect_timeout=500ms")
    for one in [socket.create_connection(("127.0.0.1", gateway.ports["mqtt"])), *stalled(gateway.ports["mqtt"], 1)]:
        one.settimeout(60)
        assert one.recv(1) == b""


def test_who_does_not_speak_it_is_not_served(speaks):
    gateway = speaks()
    with Client(gateway.ports["mqtt"]) as client:
        client.send(mqtt.connect(V5, "plain"))
        with contextlib.suppress(ConnectionResetError):
            assert client.socket.recv(100)[:1] != bytes([CONNACK << 4])
    wait_until("it was counted", lambda: handshakes(gateway, "failed") == 1)


def test_certificates_are_replaced(speaks, authority, tmp_path):
    shown = {end: tmp_path / f"shown.{end}" for end in ("crt", "key")}
    for end, file in shown.items():
        shutil.copy(authority.folder / f"server.{end}", file)
    gateway = speaks(f"mqtt.tls.certificate={shown['crt']}", f"mqtt.tls.key={shown['key']}")
    before = tls.serial(gateway.ports["mqtt"])
    with connected(gateway, tls.context(authority)) as client:
        assert client.store("text/a", "before") == 0
        for end, file in shown.items():
            shutil.copy(authority.folder / f"rsa.{end}", file)
        reload(gateway, listener="mqtt.tls")
        assert client.store("text/a", "behind") == 0
    assert tls.serial(gateway.ports["mqtt"]) != before
    assert rows(gateway, 2) == [b"before", b"behind"]


def test_a_large_connect_that_belongs_to_another_thread(speaks, authority):
    """It comes in records that end in the middle of what is read at once, so that part of it waits inside of TLS while more comes, and goes to its own thread then."""
    gateway = speaks("mqtt.threads=4")
    context = tls.context(authority)
    failed = []

    def come(number):
        try:
            with Client(gateway.ports["mqtt"], V5, context=context) as client:
                packet = mqtt.connect(V5, f"client {number}", will={"topic": "text/will", "payload": "w" * 60000})
                for at in range(0, len(packet), 1777):
                    client.socket.sendall(packet[at : at + 1777])
                assert client.expect(CONNACK).reason == 0
                assert client.store("text/x", f"{number}") == 0
                client.disconnect()
        except (AssertionError, OSError) as trouble:
            failed.append(trouble)

    for turn in range(4):
        threads = [threading.Thread(target=come, args=(10 * turn + one,)) for one in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failed
    assert sorted(map(int, rows(gateway, 40, "text/x"))) == list(range(40))
