"""What Wireshark (tshark) makes of a session's packets, captured on the loopback: nothing is malformed, and it reads the reason codes that
the gateway meant."""

import json
import os
import shutil
import subprocess

import pytest

import mqtt
from mqtt import PUBACK, PUBCOMP, PUBREC, SUBACK, UNSUBACK, V5, V311, Client, Refused, connected
from penstock import wait_until

MARK = b"the last packet of all"
CONFIG = "mqtt: {unmapped: refuse, max_packet: 4KiB}\nstreams: {readings: {key: /sensor_id}}\n"


REASONS = ("mqtt.conack.val", "mqtt.suback.qos", *(f"mqtt.{name}.reason_code" for name in (
    "connack", "puback", "pubrec", "pubcomp", "suback", "unsuback", "disconnect")))


def values(tree, *names):
    """The numbers of these fields, wherever they stand."""
    found = []
    for name, value in tree.items():
        if name in names:
            found += map(int, value if isinstance(value, list) else [value])
        elif isinstance(value, dict):
            found += values(value, *names)
    return found


class Capture:
    """dumpcap on the loopback, for one port."""

    def __init__(self, folder, port):
        self.file, self.port = folder / "capture.pcapng", port
        folder.chmod(0o777)
        self.process = subprocess.Popen(["dumpcap", "-q", "-i", "lo", "-f", f"tcp port {port}", "-w", str(self.file)],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        said = ""
        while "File:" not in said:
            line = self.process.stderr.readline()
            assert line, f"dumpcap: {said}"
            said += line

    def end(self):
        """The packets as tshark reads them, once the mark has been captured."""
        wait_until("the mark in the capture", lambda: MARK in self.file.read_bytes())
        self.process.terminate()
        self.process.communicate(timeout=60)
        return Reading(self.file, self.port)


class Reading:
    def __init__(self, file, port):
        self.words = ["tshark", "-r", str(file), "-d", f"tcp.port=={port},mqtt", "-o", "tcp.desegment_tcp_streams:TRUE"]
        self.port = port

    def _run(self, *words):
        done = subprocess.run([*self.words, *words], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def malformed(self):
        """Of what the gateway says: some of what it is told here is wrong on purpose."""
        return self._run("-Y", f"tcp.srcport == {self.port} && (_ws.malformed || mqtt && _ws.expert.severity == error)", "-V")

    def packets(self):
        """[(from the gateway, type, reasons)] in their order."""
        found = []
        for frame in json.loads(self._run("-Y", "mqtt", "-T", "json", "--no-duplicate-keys")):
            layers = frame["_source"]["layers"]
            messages = layers["mqtt"] if isinstance(layers["mqtt"], list) else [layers["mqtt"]]
            for message in messages:
                kind, = values(message, "mqtt.msgtype")
                found.append((int(layers["tcp"]["tcp.srcport"]) == self.port, kind, values(message, *REASONS)))
        return found


@pytest.fixture
def capture(gateway, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("capturing needs root")
    if not shutil.which("dumpcap") or not shutil.which("tshark"):
        pytest.skip("there is no tshark here")
    server = gateway("lake.roll.every=200ms", config=CONFIG).start()
    folder = tmp_path / "captured"
    folder.mkdir()
    made = Capture(folder, server.ports["mqtt"])
    yield server, made
    if made.process.poll() is None:
        made.process.kill()
        made.process.wait()


def finish(server, capture):
    with connected(server, V311, "mark") as client:
        client.store("readings/mark", MARK)
    return capture.end()


def session(server, version):
    """Every packet that a publisher and the gateway say to each other."""
    more = {"session_expiry": 60, "receive_maximum": 5, "request_problem": 1} if version == V5 else {}
    will = {"topic": "readings/will", "payload": b"{}", "qos": 1, "properties": {"will_delay": 1} if version == V5 else {}}
    message = {"content_type": "application/json", "correlation_data": b"\1\2", "response_topic": "r", "message_expiry": 5, "payload_format": 1,
               "user": [("x", "y")], "topic_alias": 1} if version == V5 else {}
    client = connected(server, version, "captured", clean=False, will=will, user="me", password=b"secret", **more)
    with client:
        for qos in (0, 1, 2):
            client.store("readings/s1", b'{"n":1}', qos, **message)
        client.send(mqtt.pubrel(99)).expect(PUBCOMP, 99)
        client.send(mqtt.subscribe(version, 5, "a", "b/#", "$share/g/c")).expect(SUBACK, 5)
        client.send(mqtt.unsubscribe(version, 6, "a", "b")).expect(UNSUBACK, 6)
        client.ping()
        if version == V5:
            assert client.store("", b'{"n":1}', 1, topic_alias=1) == 0
            assert client.store("no/where", b"{}", 1) == client.store("no/where", b"{}", 2) == 0x90
            assert client.store("readings/s1", b"\xff", 1, payload_format=1) == 0x99
            client.disconnect(4, reason_string="over")
        else:
            client.disconnect()


def test_session_of_3_1_1(capture):
    server, captured = capture
    session(server, V311)
    with Client(server.ports["mqtt"], V311) as client, pytest.raises(Refused):
        client.connect("", clean=False)
    read = finish(server, captured)
    assert read.malformed() == ""
    packets = read.packets()
    assert {kind for server_side, kind, _ in packets if server_side} == {2, PUBACK, PUBREC, PUBCOMP, SUBACK, UNSUBACK, mqtt.PINGRESP}
    assert [reasons for server_side, kind, reasons in packets if server_side and kind == 2] == [[0], [2], [0]]
    assert [reasons for server_side, kind, reasons in packets if server_side and kind == SUBACK] == [[0x80] * 3]


def test_session_of_5(capture):
    server, captured = capture
    session(server, V5)
    ends = {0x82: mqtt.publish(V5, "", b"x"), 0x95: mqtt.packet(mqtt.PUBLISH, 0, data(5000)), 0x94: mqtt.publish(V5, "a", b"", topic_alias=99),
            0x81: b"\x36\0"}
    for reason, raw in ends.items():
        with connected(server, V5, "thrown-out") as client:
            client.send(raw).thrown_out(reason)
    with connected(server, V5, "taken") as old, connected(server, V5, "taken"):
        old.thrown_out(0x8E)
    with Client(server.ports["mqtt"]) as client:
        client.connect("")
    with Client(server.ports["mqtt"]) as client, pytest.raises(Refused):
        client.connect("x" * 300)
    read = finish(server, captured)
    assert read.malformed() == ""
    packets = [(kind, reasons) for server_side, kind, reasons in read.packets() if server_side]
    kinds = {kind for kind, _ in packets}
    assert kinds == {2, PUBACK, PUBREC, PUBCOMP, SUBACK, UNSUBACK, mqtt.PINGRESP, mqtt.DISCONNECT}
    assert [reasons for kind, reasons in packets if kind == mqtt.DISCONNECT] == [[reason] for reason in (*ends, 0x8E)]
    assert sorted(code for kind, reasons in packets if kind == PUBACK for code in reasons) == [0x90, 0x99]
    assert [reasons for kind, reasons in packets if kind == SUBACK] == [[0x87, 0xA2, 0x9E]]
    assert [reasons for kind, reasons in packets if kind == UNSUBACK] == [[0x11, 0x11]]
    assert [0x85] in [reasons for kind, reasons in packets if kind == 2]


def data(size):
    return mqtt.data("readings/s1") + b"\0" + b"x" * size


@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
def test_session_of_a_foreign_client(capture, version):
    server, captured = capture
    done = subprocess.run(["mosquitto_pub", "-p", str(server.ports["mqtt"]), "-V", version, "-q", "2", "-t", "readings/a", "-l"],
                          input="{}\n" * 100, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    read = finish(server, captured)
    assert read.malformed() == ""
    assert [kind for server_side, kind, _ in read.packets() if server_side].count(PUBCOMP) == 100
