"""Who may publish over MQTT: user name and password of a CONNECT, and what may be published then."""

import json

import pytest

import penstock
from access import add, revoke
from mqtt import DISCONNECT, PUBACK, PUBREC, V5, V31, V311, Client, Refused, connect, letters
from penstock import wait_until
from test_access import Guarded

BAD_CREDENTIALS = {V31: 4, V311: 4, V5: 0x86}
NOT_AUTHORIZED = 0x87
VERSIONS = (V31, V311, V5)


class Publishers(Guarded):
    def __init__(self, directory, *sets):
        super().__init__(directory, "mqtt.topics.readings/{sensor_id}=readings", "mqtt.topics.grid/#=grid", *sets)

    def client(self, version=V5):
        return Client(self.ports["mqtt"], version)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with Publishers(tmp_path_factory.mktemp("mqtt")) as gateway:
        gateway.pump = add(gateway.file, "PUMP_7", "readings", keys=["{name}"])
        gateway.reload()
        yield gateway


@pytest.mark.parametrize("version", VERSIONS)
def test_connect(gateway, version):
    right = gateway.root
    for wrong in ({}, {"user": "root", "password": right[:-1]}, {"user": "other", "password": right}, {"user": "root", "password": ""},
                  {"user": "", "password": right}, {"user": "root"}, {"user": "root", "password": right + "\0"}):  # fmt: skip
        if version != V31 or wrong.get("password") != "":
            with gateway.client(version) as client, pytest.raises(Refused) as refused:
                client.connect("c", **wrong)
            assert refused.value.reason == BAD_CREDENTIALS[version], wrong
    with gateway.client(version) as client:
        client.connect("c", user="root", password=right)
        assert client.store("readings/x", "{}") == 0


def test_own_topic_only(gateway):
    with gateway.client() as client:
        client.connect("c", user="PUMP_7", password=gateway.pump)
        before = gateway.metric("penstock_records_accepted_total", 'source="mqtt"')
        for qos in (1, 2):
            assert client.store("readings/PUMP_7", "{}", qos) == 0
            assert client.store("readings/PUMP_8", "{}", qos) == NOT_AUTHORIZED
            assert client.store("grid/PUMP_7", '{"sensor_id":"PUMP_7"}', qos) == NOT_AUTHORIZED, "another stream"
            assert client.store("elsewhere", "x", qos) == NOT_AUTHORIZED, "no stream: it must not fill the dead letters"
        client.publish("readings/PUMP_8", "{}", qos=0)
        client.ping()
        assert client.store("readings/PUMP_7", "{}") == 0
        assert gateway.metric("penstock_records_accepted_total", 'source="mqtt"') == before + 3


@pytest.mark.parametrize("version", (V31, V311))
def test_before_mqtt_5_a_forbidden_message_ends_the_connection(gateway, version):
    with gateway.client(version) as client:
        client.connect("c", user="PUMP_7", password=gateway.pump)
        client.publish("readings/PUMP_8", "{}")
        assert client.next() is None, "no PUBACK: it would say that it is stored"


def test_a_batch_with_somebody_elses_key_is_refused_as_a_whole(tmp_path):
    """The key stands in the payload: nothing of the message is stored, and nothing of it becomes a dead letter."""
    with Publishers(tmp_path) as gateway:
        secret = add(gateway.file, "mine", "grid", keys=["A"])
        gateway.reload()
        with gateway.client() as client:
            client.connect("c", user="mine", password=secret)
            mixed = json.dumps([{"sensor_id": "A"}, {"sensor_id": "B"}])
            assert client.store("grid/x", mixed) == NOT_AUTHORIZED
            assert client.store("grid/x", json.dumps([{"sensor_id": "A", "n": 1}, {"sensor_id": "A", "n": 2}])) == 0
            assert client.store("grid/x", "{no json") == 0, "what cannot be read is a dead letter of its stream"
            assert client.store("grid/x", '{"sensor_id":"B","n":"wrong as well"}') == NOT_AUTHORIZED
        assert [json.loads(row)["n"] for row in gateway.rows(2)] == [1, 2]
        assert [letter["payload"] for letter in letters(gateway, 1)] == ["{no json"]


def test_will(tmp_path):
    with Publishers(tmp_path) as gateway:
        secret = add(gateway.file, "P", "readings", keys=["{name}"])
        gateway.reload()
        with gateway.client() as client, pytest.raises(Refused) as refused:
            client.connect("c", user="P", password=secret, will={"topic": "grid/x", "payload": "{}"})
        assert refused.value.reason == NOT_AUTHORIZED
        for topic in ("readings/Q", "readings/P"):
            client = gateway.client()
            client.connect("c", user="P", password=secret, will={"topic": topic, "payload": json.dumps({"of": topic})})
            client.reset()
        assert [json.loads(row)["of"] for row in gateway.rows(1)] == ["readings/P"]
        wait_until("the other's end", lambda: "mqtt.will_lost" in gateway.said())


def in_memory(pid, text):
    """Whether a process has these bytes anywhere that it may write."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            place, rights = line.split()[:2]
            if not rights.startswith("rw") or line.endswith("[vvar]\n"):
                continue
            begin, end = (int(number, 16) for number in place.split("-"))
            if end - begin > 1 << 30:  # what a sanitizer keeps for itself
                continue
            memory.seek(begin)
            try:
                if text in memory.read(end - begin):
                    return True
            except OSError:  # a device, or gone
                pass
    return False


@pytest.mark.parametrize("cut", (None, -1, -20))
def test_no_secret_stays_in_memory(tmp_path, cut):
    """Also of a CONNECT that comes in two pieces, which stands in two places for a while."""
    with Publishers(tmp_path, "mqtt.threads=1") as gateway, gateway.client() as client:
        packet = connect(V5, "c", user="root", password=gateway.root)
        if cut:
            client.send(packet[:cut])
            wait_until("a piece", lambda: gateway.metric("penstock_body_bytes_in_flight", 'source="mqtt"') > 0)
        client.send(packet[cut:] if cut else packet)
        assert client.next().reason == 0
        assert client.store("readings/x", "{}") == 0
        assert in_memory(gateway.process.pid, b"readings"), "the test sees what is there"
        assert not in_memory(gateway.process.pid, packet[packet.index(b"root") : -2]), "but in what the hash leaves of it"


@pytest.mark.parametrize("version", (V311, V5))
def test_a_connect_that_waits_over_a_reload(tmp_path, version):
    """It was known, and its password is wiped: it is told that others are in force, and is not taken for somebody who guesses."""
    with Publishers(tmp_path, "mqtt.threads=1") as gateway, gateway.client() as first, gateway.client(version) as second:
        secret = add(gateway.file, "pump", rate=1)
        gateway.reload()
        other = tmp_path / "other"
        other.write_text(gateway.file.read_text())
        other.chmod(0o600)
        revoke(other, "pump")
        add(other, "pump")
        held = lambda: gateway.metric("penstock_body_bytes_in_flight", 'source="mqtt"')
        first.connect("c", user="pump", password=secret)
        for _ in range(50):
            first.publish("readings/x", "{}")
        wait_until("its pause", lambda: held() > 0)
        before = held()
        second.send(connect(version, "c", user="pump", password=secret))
        wait_until("it waits for the other one", lambda: held() > before)
        gateway.file.write_text(other.read_text())
        gateway.reload()
        assert second.next().reason == (NOT_AUTHORIZED if version == V5 else 5)
        assert "access.refused" not in gateway.said()


def test_revoked(tmp_path):
    """The connection ends, and its will is not left; others stay."""
    with Publishers(tmp_path) as gateway:
        secret = add(gateway.file, "stolen")
        gateway.reload()
        with gateway.client() as thief, gateway.client() as honest:
            thief.connect("thief", user="stolen", password=secret, will={"topic": "readings/x", "payload": '{"will":1}'})
            honest.connect("honest", user="root", password=gateway.root)
            assert thief.store("readings/y", "{}") == 0
            gateway.reload()
            assert thief.store("readings/y", "{}") == 0, "a reload that changes nothing ends nobody"
            revoke(gateway.file, "stolen")
            gateway.reload()
            ended = thief.next()
            assert (ended.type, ended.reason) == (DISCONNECT, NOT_AUTHORIZED)
            assert honest.store("readings/z", '{"last":1}') == 0
        rows = gateway.rows(3)
        assert len(rows) == 3 and b"will" not in b"".join(rows)


def test_client_ids_belong_to_their_principal(tmp_path):
    """The same client id of two principals is two clients: neither gets at the other's connection, session, packet ids or will."""
    with Publishers(tmp_path) as gateway:
        secrets = {"root": gateway.root, "thief": add(gateway.file, "thief")}
        gateway.reload()

        def session(name, **more):
            client = gateway.client()
            return client, client.connect("shared", user=name, password=secrets[name], clean=False, session_expiry=1000, **more).present

        owner, present = session("root", will={"topic": "readings/w", "payload": '{"n":"will"}', "properties": {"will_delay": 1000}})
        assert not present
        owner.reset()
        thief, present = session("thief")
        assert not present, "the owner's session is not the thief's"
        for id in range(1, 6):  # packet ids that would make the owner's messages known ones
            thief.publish("readings/t", json.dumps({"n": f"thief {id}"}), qos=2, id=id)
            assert thief.expect(PUBREC, id).reason == 0
        again, present = session("root")
        assert present and thief.socket.fileno() > 0
        thief.ping()  # and its connection is not taken over
        for id in range(1, 6):
            again.publish("readings/r", json.dumps({"n": f"owner {id}"}), qos=2, id=id)
            assert again.expect(PUBREC, id).reason == 0
        found = sorted(json.loads(row)["n"] for row in gateway.rows(10))
        assert found == [f"owner {id}" for id in range(1, 6)] + [f"thief {id}" for id in range(1, 6)]


def test_client_id_is_told_as_it_was_sent(tmp_path):
    with Publishers(tmp_path, "streams.readings.labels.client=mqtt:client_id", "streams.readings.lake.path={client}") as gateway:
        with gateway.client() as client:
            client.connect("a-client", user="root", password=gateway.root)
            assert client.store("readings/x", "{}") == 0
        with gateway.client() as client:
            assigned = client.connect("", user="root", password=gateway.root).properties["assigned_client_id"]
            assert assigned.startswith("penstock-")
            assert client.store("readings/x", "{}") == 0
        wait_until("both rows", lambda: {file.folder for file in penstock.read_lake(gateway.lake)} == {"a-client", assigned})


def test_rate_pauses(tmp_path):
    """Nothing is refused: who is too fast is read slowly, and PUBACKs come at the rate."""
    with Publishers(tmp_path) as gateway:
        secret = add(gateway.file, "slow", rate=20)
        gateway.reload()
        with gateway.client() as slow, gateway.client() as other:
            slow.connect("slow", user="slow", password=secret)
            other.connect("other", user="root", password=gateway.root)
            for _ in range(80):
                slow.publish("readings/x", "{}")
            assert slow.expect(PUBACK, 1).reason == 0
            assert other.store("readings/y", "{}") == 0, "others are not held up"
            assert gateway.metric("penstock_records_accepted_total", 'source="mqtt"') < 60
            for id in range(2, 81):
                assert slow.expect(PUBACK, id).reason == 0


def test_far_ahead_of_the_rate(tmp_path):
    """Who would have to wait for long is told so: what stands behind the message, a ping for one, could not be read meanwhile."""
    with Publishers(tmp_path) as gateway:
        secret = add(gateway.file, "slow", rate=1)
        gateway.reload()
        with gateway.client() as client:
            client.connect("c", user="slow", password=secret)
            assert client.store("readings/x", "\n".join(["{}"] * 100)) == 0, "a message is paid for afterwards"
            assert client.store("readings/x", "{}") == 0x97
            client.ping()
        with gateway.client() as client, pytest.raises(Refused) as refused:
            client.connect("c", user="slow", password=secret, will={"topic": "readings/x", "payload": "{}"})
        assert refused.value.reason == 0x97, "nor is a will taken"
        with gateway.client(V311) as client:
            client.connect("d", user="slow", password=secret)
            client.publish("readings/x", "{}")
            assert client.next() is None


def test_a_delayed_will_of_who_was_revoked(tmp_path):
    with Publishers(tmp_path) as gateway:
        secret = add(gateway.file, "gone")
        gateway.reload()
        client = gateway.client()
        client.connect("c", user="gone", password=secret, session_expiry=1000,
                       will={"topic": "readings/x", "payload": '{"will":1}', "properties": {"will_delay": 2}})  # fmt: skip
        client.reset()
        revoke(gateway.file, "gone")
        gateway.reload()
        wait_until("its end", lambda: "mqtt.will_lost" in gateway.said())
        assert not penstock.lake_rows(gateway.lake)


def test_guesses(tmp_path):
    with Publishers(tmp_path, "http.trusted_proxies=10.0.0.1") as gateway:
        reasons = []
        for number in range(60):
            with gateway.client() as client, pytest.raises(Refused) as refused:
                client.connect("c", user="root", password=f"pst_{number}")
            reasons.append(refused.value.reason)
        assert reasons[:20] == [0x86] * 20 and reasons.count(0x97) > 20
        with gateway.client() as client:
            client.connect("c", user="root", password=gateway.root)


def test_anonymous_beside_credentials(tmp_path):
    with Publishers(tmp_path, "mqtt.anonymous=true") as gateway:
        with gateway.client() as client:
            client.connect("c")
            assert client.store("readings/x", "{}") == 0
        with gateway.client() as client, pytest.raises(Refused):
            client.connect("c", user="root", password="wrong")


@pytest.mark.parametrize("threads", (1, 3))
def test_several_threads(tmp_path, threads):
    """A connection moves to the thread of its client id before anybody is asked."""
    with Publishers(tmp_path, f"mqtt.threads={threads}") as gateway:
        for number in range(12):
            with gateway.client() as client:
                client.connect(f"client {number}", user="root", password=gateway.root)
                assert client.store("readings/x", "{}") == 0
            with gateway.client() as client, pytest.raises(Refused):
                client.connect(f"client {number}", user="root", password="x")
