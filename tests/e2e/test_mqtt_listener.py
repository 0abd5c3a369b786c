"""The MQTT listener's connections: CONNECT and its answer in all versions, keep alive, deadlines, limits, take-over, the refusal of
subscriptions. Section numbers are those of MQTT 5.0."""

import contextlib
import select
import signal
import time

import pytest

import mqtt
import penstock
from mqtt import CONNACK, DISCONNECT, PINGRESP, SUBACK, UNSUBACK, V5, V31, V311, Client, Refused, connected, letters, rows
from penstock import wait_until

VERSIONS = pytest.mark.parametrize("version", [V31, V311, V5], ids=["3.1", "3.1.1", "5"])


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """For tests that ask nothing of it but to be there."""
    with penstock.Gateway(tmp_path_factory.mktemp("shared"), "lake.roll.every=200ms") as gateway:
        yield gateway


def in_use(server):
    return server.metric("penstock_connections", 'source="mqtt"')


def reading(number):
    return f'{{"n":{number}}}'


# ---- CONNECT and CONNACK ----

@VERSIONS
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_message_arrives(gateway, version, qos):
    with gateway("lake.roll.every=200ms") as server:
        with connected(server, version, "sensor") as client:
            assert client.store("readings/s1", reading(1), qos) == 0
            client.disconnect()
        assert rows(server, 1) == [reading(1).encode()]


def test_banner_names_the_listener(shared):
    assert f"mqtt://127.0.0.1:{shared.ports['mqtt']}" in shared.said()


def test_connack_says_what_there_is(shared):
    with Client(shared.ports["mqtt"]) as client:
        answer = client.connect("sensor", keep_alive=60)
        assert not answer.present
        assert answer.properties == {"receive_maximum": 1024, "maximum_packet": 1 << 20, "topic_alias_maximum": 32,
                                     "wildcard_available": 0, "identifiers_available": 0, "shared_available": 0}


def test_connack_says_what_the_options_say(gateway):
    with gateway("mqtt.max_in_flight=7", "mqtt.max_packet=2KiB", "mqtt.max_topic_aliases=0", "mqtt.max_keep_alive=5s",
                 "mqtt.max_session_expiry=100s") as server:
        with Client(server.ports["mqtt"]) as client:
            said = client.connect("sensor", keep_alive=6, session_expiry=101).properties
        assert (said["receive_maximum"], said["maximum_packet"], said["server_keep_alive"], said["session_expiry"]) == (7, 2048, 5, 100)
        assert said.get("topic_alias_maximum", 0) == 0
        for asked, granted in ((0, 5), (5, None)):
            with Client(server.ports["mqtt"]) as client:
                assert client.connect("sensor", keep_alive=asked).properties.get("server_keep_alive") == granted


def test_no_client_id_gets_one_of_its_own(shared):
    with Client(shared.ports["mqtt"]) as one, Client(shared.ports["mqtt"]) as two:
        names = [client.connect("").properties["assigned_client_id"] for client in (one, two)]
        assert names[0] != names[1] and all(names)
        one.ping()
    with Client(shared.ports["mqtt"], V311) as client:
        client.connect("", clean=True)
        client.ping()


@pytest.mark.parametrize("version, code", [(V31, 2), (V311, 2)])
def test_no_client_id_cannot_keep_a_session(shared, version, code):
    with Client(shared.ports["mqtt"], version) as client:
        with pytest.raises(Refused) as refused:
            client.connect("", clean=False)
        assert refused.value.reason == code
        assert client.end() == []


@pytest.mark.parametrize("version, code", [(V311, 2), (V5, 0x85)])
def test_client_id_that_is_too_long(shared, version, code):
    with Client(shared.ports["mqtt"], version) as client:
        client.connect("x" * 256)
    with Client(shared.ports["mqtt"], version) as client, pytest.raises(Refused) as refused:
        client.connect("x" * 257)
    assert refused.value.reason == code


@pytest.mark.parametrize("name, level, answer", [
    ("MQTT", 3, b"\x20\2\0\1"), ("MQTT", 6, b"\x20\3\0\x84\0"), ("MQTT", 0, b"\x20\2\0\1"), ("MQIsdp", 4, b"\x20\2\0\1"),
    ("MQTX", 4, b""), ("", 4, b""), ("mqtt", 5, b""),
])
def test_other_versions(shared, name, level, answer):
    """A name that is not MQTT's may be anything: it gets no answer."""
    with Client(shared.ports["mqtt"]) as client:
        client.send(mqtt.packet(mqtt.CONNECT, 0, mqtt.data(name) + bytes([level, 2, 0, 60]) + b"\0\1a\0"))
        while client.more():
            pass
        # what a CONNACK of MQTT 5 says besides is read elsewhere
        assert client.buffer[:1] + client.buffer[2:4] == answer[:1] + answer[2:4]


def test_enhanced_authentication_is_refused(shared):
    with Client(shared.ports["mqtt"]) as client, pytest.raises(Refused) as refused:
        client.connect("sensor", authentication_method="SCRAM-SHA-1", authentication_data=b"x")
    assert refused.value.reason == 0x8C


@VERSIONS
def test_user_and_password_are_taken(shared, version):
    """Nobody is known yet, so that nobody is refused."""
    with connected(shared, version, "sensor", user="me", password=b"\0secret") as client:
        client.ping()


def test_reason_strings_only_for_those_who_want_them(shared):
    for wanted in (0, 1):
        with connected(shared, V5, f"wants-{wanted}", request_problem=wanted) as client:
            client.send(mqtt.publish(V5, "", b"x"))
            last = client.end()[-1]
            assert (last.type, last.reason) == (DISCONNECT, 0x82)
            assert ("reason_string" in last.properties) == bool(wanted)


# ---- what may not be ----

@pytest.mark.parametrize("most, says", [(1000, True), (60, False)])
def test_no_reason_string_for_those_who_take_no_packet_so_large(shared, most, says):
    with connected(shared, V5, "terse", maximum_packet=most) as client:
        last, = client.send(mqtt.connect(V5, "terse")).end()
        assert last.type == DISCONNECT and ("reason_string" in last.properties) == says
    with Client(shared.ports["mqtt"]) as client:
        last, = client.send(mqtt.connect(V5, "x" * 300, maximum_packet=most)).end()
        assert (last.type, last.reason) == (CONNACK, 0x85) and ("reason_string" in last.properties) == says


def test_answers_that_are_larger_than_the_client_takes(shared):
    with connected(shared, V5, "terse", maximum_packet=60) as client:
        client.send(mqtt.subscribe(V5, 1, *"a" * 52))
        assert len(client.expect(SUBACK, 1).codes) == 52
        client.send(mqtt.subscribe(V5, 2, *"a" * 60))
        client.thrown_out(0x95)
    with Client(shared.ports["mqtt"]) as client:
        last, = client.send(mqtt.connect(V5, "", maximum_packet=20)).end()
        assert last.type == CONNACK and last.reason and not last.properties


@VERSIONS
def test_second_connect(shared, version):
    with connected(shared, version, "twice") as client:
        client.send(mqtt.connect(version, "twice"))
        client.thrown_out(0x82)


@pytest.mark.parametrize("first", [
    mqtt.PING, mqtt.publish(V5, "readings/a", b"{}"), mqtt.disconnect(V5), mqtt.subscribe(V5, 1, "a"), mqtt.pubrel(1), b"GET / HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01", b"\0" * 64, b"\xff" * 64,
], ids=["PINGREQ", "PUBLISH", "DISCONNECT", "SUBSCRIBE", "PUBREL", "HTTP", "TLS", "zeros", "ones"])
def test_first_packet_is_not_connect(shared, first):
    with Client(shared.ports["mqtt"]) as client:
        assert client.send(first).end() == []


@pytest.mark.parametrize("version, codes", [(V31, ()), (V311, (0x80, 0x80, 0x80)), (V5, (0x87, 0xA2, 0x9E))])
def test_subscriptions_are_refused_and_the_connection_stays(shared, version, codes):
    """3.1 has no word for a refusal: 0x80 came with 3.1.1, and its SUBACK means the same to whoever looks."""
    with connected(shared, version, "listener") as client:
        client.send(mqtt.subscribe(version, 11, "readings/a", "readings/#", "$share/group/readings/a"))
        answer = client.expect(SUBACK, 11)
        assert len(answer.codes) == 3 and (not codes or answer.codes == codes), answer
        client.send(mqtt.unsubscribe(version, 12, "readings/a", "b"))
        assert client.expect(UNSUBACK, 12).codes == ((0x11, 0x11) if version == V5 else ())
        client.ping()
        assert client.store("readings/s1", reading(1)) == 0


# ---- silence ----

@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """Deadlines are looked at once a second."""
    with penstock.Gateway(tmp_path_factory.mktemp("hasty"), "lake.roll.every=200ms", "mqtt.connect_timeout=1s", "mqtt.packet_timeout=1s",
                          "mqtt.max_keep_alive=2s") as gateway:
        yield gateway


@VERSIONS
def test_keep_alive(hasty, version):
    """One and a half times, and not a moment earlier (3.1.2.10). Whoever asks for none in MQTT 5 is told the longest there is."""
    with connected(hasty, version, "quiet", keep_alive=0 if version == V5 else 2) as client:
        began = time.monotonic()
        for _ in range(16):  # whatever comes counts
            assert client.silent(0.25)
            last = time.monotonic()
            client.send(mqtt.PING).expect(PINGRESP)
        client.thrown_out(0x8D)
        assert 2.9 < time.monotonic() - last < 30 and last - began >= 3.7


def test_no_keep_alive_before_5(hasty):
    with connected(hasty, V311, "calm", keep_alive=0) as client:
        assert client.silent(4)
        client.ping()


@pytest.mark.parametrize("first", [b"", b"\x10", mqtt.connect(V5, "slow")[:-1]], ids=["nothing", "a byte", "all but a byte"])
def test_connect_timeout(hasty, first):
    began = time.monotonic()
    with Client(hasty.ports["mqtt"]) as client:
        client.send(first)
        assert client.end() == []
        assert 0.9 < time.monotonic() - began < 30


def test_connect_timeout_counts_from_the_beginning(hasty):
    """A byte now and then is no CONNECT."""
    with Client(hasty.ports["mqtt"]) as client:
        began = time.monotonic()
        for byte in mqtt.connect(V5, "x" * 200, user="x" * 200):
            if select.select([client.socket], [], [], 0.1)[0]:
                break
            client.send(bytes([byte]))
        assert client.end() == []
        assert time.monotonic() - began < 39


@VERSIONS
def test_packet_timeout(hasty, version):
    """A packet that does not end, though its bytes keep coming."""
    message = mqtt.publish(version, "readings/s1", b"x" * 400)
    with connected(hasty, version, "slow", keep_alive=2) as client:
        began = time.monotonic()
        for byte in message:
            if select.select([client.socket], [], [], 0.1)[0]:
                break
            client.send(bytes([byte]))
        client.thrown_out(0x80, 0x82, 0x83)
        assert 0.9 < time.monotonic() - began < 39


def test_packets_in_any_pieces(shared):
    """Byte by byte, and many in one piece."""
    whole = mqtt.publish(V5, "readings/s1", reading(1), 1, 5, user=[("a", "b")]) + mqtt.PING + mqtt.publish(V5, "readings/s1", reading(2), 2, 6)
    with connected(shared, V5, "pieces") as client:
        for byte in whole:
            client.send(bytes([byte]))
        got = [client.next() for _ in range(3)]
        assert sorted((one.type, one.id) for one in got) == [(mqtt.PUBACK, 5), (mqtt.PUBREC, 6), (PINGRESP, None)]
        client.send(mqtt.pubrel(6)).expect(mqtt.PUBCOMP, 6)
        client.send(mqtt.PING * 3000)
        for _ in range(3000):
            client.expect(PINGRESP)


# ---- take-over ----

@VERSIONS
def test_take_over(gateway, version):
    with gateway("lake.roll.every=200ms", config=WILLS) as server:
        with connected(server, version, "same", clean=False, will={"topic": "wills/old", "payload": b"gone"}) as old:
            old.store("readings/s1", reading(1))
            with connected(server, version, "same", clean=False) as new:
                old.thrown_out(0x8E)
                new.ping()
                assert rows(server, 1, "wills") == [b"gone"]  # the old connection has ended without a good-bye (3.1.2.5)
                new.disconnect()


def test_take_over_of_one_with_a_will(gateway):
    """The new connection is what its own CONNECT says, and leaves no will of the old one."""
    with gateway("lake.roll.every=200ms", "mqtt.max_session_expiry=1h", config=WILLS) as server:
        with connected(server, V5, "heir", session_expiry=100, keep_alive=50, will={"topic": "wills/old", "payload": b"gone"}) as old:
            with Client(server.ports["mqtt"]) as new:
                said = new.connect("heir", clean=False, session_expiry=7200, keep_alive=0)
                assert said.present and said.properties["session_expiry"] == 3600 and said.properties["server_keep_alive"] == 600
                old.thrown_out(0x8E)
                assert rows(server, 1, "wills") == [b"gone"]
                new.reset()
        with connected(server, V5, "heir", clean=False) as again:
            again.store("wills/mark", "mark")
        assert rows(server, 2, "wills") == [b"gone", b"mark"]


@pytest.mark.parametrize("clean", [True, False], ids=["clean", "kept"])
@pytest.mark.parametrize("was_clean", [True, False], ids=["was clean", "was kept"])
@pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])
def test_take_over_by_one_without_a_will(gateway, version, was_clean, clean):
    """Its session is what its own CONNECT says, and its end leaves nothing."""
    def start(clean):
        return {"clean": clean, **({"session_expiry": 0 if clean else 600} if version == V5 else {})}

    with gateway("lake.roll.every=200ms", config=WILLS) as server:
        with connected(server, version, "heir", will={"topic": "wills/old", "payload": b"gone"}, **start(was_clean)) as old, \
                Client(server.ports["mqtt"], version) as new:
            assert new.connect("heir", **start(clean)).present == (not clean and not was_clean)
            old.thrown_out(0x8E)
            assert rows(server, 1, "wills") == [b"gone"]
            new.reset()
        with Client(server.ports["mqtt"], version) as again:
            assert again.connect("heir", clean=False).present == (not clean)
            again.store("wills/mark", "mark")
        assert rows(server, 2) == [b"gone", b"mark"] and letters(server, 0) == []


def test_take_over_by_many(gateway):
    """Of all that come at once with the same client id one stays."""
    with gateway("mqtt.threads=4") as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(server.ports["mqtt"])) for _ in range(50)]
        for client in clients:
            client.send(mqtt.connect(V5, "same", clean=False, session_expiry=60))
        for client in clients:
            assert client.expect(CONNACK).reason == 0
        assert server.process.poll() is None
        wait_until("one to be left", lambda: in_use(server) == 1)
        told = 0
        for client in clients:
            if not client.silent(0):
                client.thrown_out(0x8E)
                told += 1
        assert told == 49


WILLS = """\
mqtt: {topics: {"readings/{sensor_id}": readings, "wills/{name}": wills}}
streams:
  readings: {key: /sensor_id}
  wills: {format: text}
"""


# ---- limits ----

def test_connections_above_the_limit(gateway):
    """They are closed at once, so that a client tries another gateway; those that are there stay."""
    with gateway("mqtt.max_connections=5") as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connected(server, V5, f"c{number}")) for number in range(5)]
        with Client(server.ports["mqtt"]) as late:
            assert late.send(mqtt.connect(V5, "late")).end() == []
        clients[0].reset()
        wait_until("room", lambda: in_use(server) == 4)
        with connected(server, V5, "late") as late:
            late.ping()
        for client in clients[1:]:
            client.ping()


def test_many_threads_many_clients(gateway):
    """Whatever thread a client comes to, its session is found."""
    with gateway("lake.roll.every=200ms", "mqtt.threads=4") as server:
        for again in range(2):
            for number in range(40):
                with Client(server.ports["mqtt"]) as client:
                    assert client.connect(f"c{number}", clean=False, session_expiry=60).present == bool(again)
                    assert client.store("readings/s1", reading(number), 2) == 0
                    client.disconnect()
        assert len(rows(server, 80)) == 80


def test_packet_that_is_too_large(gateway):
    with gateway("mqtt.max_packet=1KiB", "mqtt.max_unacknowledged=64KiB", "lake.roll.every=200ms") as server:
        head = len(mqtt.publish(V5, "readings/s1", b"x" * 1000, 1, 1)) - 1000
        for version in (V311, V5):
            with connected(server, version, "large") as client:
                fits = b'{"a":"%s"}' % (b"x" * (1024 - head - 8))
                assert client.store("readings/s1", fits) == 0
                client.send(mqtt.packet(mqtt.PUBLISH, 2, b"x" * 1022)[:64])  # the length alone is enough
                client.thrown_out(0x95)


def test_small_segments_need_small_packets(gateway):
    """The start says so, and what to do."""
    server = gateway("journal.segment_size=2MiB", "http.max_body=512KiB", "http.max_record=512KiB")
    assert server.spawn().ended() == 1
    assert "journal.segment_size: found 2MiB; allowed with it: mqtt.max_packet of at most 512KiB" in server.said()
    server.sets.append("mqtt.max_packet=512KiB")
    with server, connected(server) as client:
        client.ping()


def test_beyond_loopback_needs_a_word(gateway):
    server = gateway("mqtt.listen=0.0.0.0:0").spawn()
    assert server.ended() != 0
    assert "mqtt.anonymous" in server.said()
    with gateway("mqtt.listen=0.0.0.0:0", "mqtt.anonymous=true", directory=gateway.folder / "open") as open_server:
        with connected(open_server) as client:
            client.ping()


def test_taken_port_is_named(gateway):
    with gateway(directory=gateway.folder / "one") as server:
        other = gateway(f"mqtt.listen=127.0.0.1:{server.ports['mqtt']}", directory=gateway.folder / "other").spawn()
        assert other.ended() != 0
        assert f"127.0.0.1:{server.ports['mqtt']}" in other.said() and "in use" in other.said()


def test_no_listener_when_there_is_no_address(gateway):
    with gateway("mqtt.listen=") as server:
        assert "mqtt" not in server.ports


def test_stop_says_good_bye(gateway):
    server = gateway("lake.roll.every=200ms", config=WILLS).start()
    with connected(server, V5, "five", will={"topic": "wills/five", "payload": b"gone"}) as five, connected(server, V311, "four") as four, \
            Client(server.ports["mqtt"]) as silent:
        five.store("readings/s1", reading(1))
        server.process.send_signal(signal.SIGTERM)
        five.thrown_out(0x8B)
        four.thrown_out()
        assert silent.end() == []
    assert server.ended() == 0, server.said()
    assert rows(server, 1) == [reading(1).encode()]


def test_log_and_metric_say_who_was_thrown_out(gateway):
    with gateway() as server, connected(server, V5, "odd-one") as client:
        client.send(mqtt.packet(mqtt.PUBLISH, 2, b"\0\1a\0\0\0"))
        client.thrown_out(0x81, 0x82)
        wait_until("the log's line", lambda: [line for line in server.said().splitlines() if "mqtt.end" in line and "odd-one" in line])
        assert server.metric("penstock_requests_refused_total", 'source="mqtt"') == 1
