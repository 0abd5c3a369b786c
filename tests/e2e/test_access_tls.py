"""Client certificates as credentials: whoever shows one that holds is the principal that its name belongs to."""

import http.client
import ssl

import pytest

import penstock
import tls
from access import bearer, revoke
from mqtt import DISCONNECT, V5, V311, Client, Refused
from penstock import request
from test_access import Guarded, reading


class Certified(Guarded):
    def __init__(self, directory, authority, *sets):
        super().__init__(directory, *tls.sets(authority, clients="optional"), *tls.sets(authority, listener="mqtt", clients="optional"),
                         "mqtt.topics.readings/{sensor_id}=readings", *sets)  # fmt: skip
        self.authority = authority

    def add(self, name, certificate, *more):
        done = penstock.run_command("credentials", "add", name, "--file", str(self.file), "--certificate", certificate, "--streams", "readings", *more)
        assert (done.returncode, done.stdout) == (0, ""), done

    def send(self, shown, body=None, path="/readings", **headers):
        context = tls.context(self.authority, shown)
        return request(self.ports["http"], "POST", path, body or reading(), {"Content-Type": "application/json", **headers}, context=context).status

    def client(self, shown, version=V5):
        one = Client(self.ports["mqtt"], version)
        one.socket = tls.context(self.authority, shown).wrap_socket(one.socket, server_hostname="localhost")
        return one


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = tls.authority(tmp_path_factory.mktemp("tls") / "ca")
    made.issue("nobody")
    return made


NAMES = ("CN=client", "DNS:sensor-7.example", "URI:spiffe://example/sensor-7", "email:seven@example.com")


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.split("=")[0].split(":")[0])
def test_each_kind_of_name(tmp_path, authority, name):
    with Certified(tmp_path, authority) as gateway:
        assert gateway.send("client") == 401, "a certificate that is nobody's"
        gateway.add("seven", name, "--keys", "PUMP_7,{name}")
        gateway.reload()
        assert gateway.send("client", reading("PUMP_7")) == 200
        assert gateway.send("client", reading("PUMP_8")) == 403
        assert gateway.send("client", reading("PUMP_7"), path="/grid") == 403
        assert gateway.send("nobody") == 401
        assert gateway.send(None) == 401
        assert gateway.send(None, **bearer(gateway.root)) == 200, "a secret will do as well"
        assert gateway.send("client", **bearer("wrong" * 8)) == 401, "and what is shown has to be right"
        with gateway.client("client") as client:
            client.connect("c")
            assert client.store("readings/PUMP_7", "{}") == 0
            assert client.store("readings/PUMP_8", "{}") == 0x87
        for shown in ("nobody", None):
            with gateway.client(shown) as client, pytest.raises(Refused) as refused:
                client.connect("c")
            assert refused.value.reason == 0x86


def test_revoked_on_a_connection_that_stays(tmp_path, authority):
    with Certified(tmp_path, authority) as gateway:
        gateway.add("seven", "CN=client")
        gateway.reload()
        connection = http.client.HTTPSConnection("localhost", gateway.ports["http"], context=tls.context(authority, "client"))

        def status():
            connection.request("POST", "/readings", reading(), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            return answer.status

        assert [status(), status()] == [200, 200]
        with gateway.client("client") as client:
            client.connect("c")
            revoke(gateway.file, "seven")
            gateway.reload()
            assert status() == 401
            ended = client.next()
            assert ended.reason == 0x87
        connection.close()


@pytest.mark.parametrize("known", (True, False), ids=["a principal", "nobody is asked"])
def test_a_connection_ends_with_its_certificate(tmp_path, authority, known):
    """MQTT within a second, HTTP with the next request."""
    authority.issue("brief")
    if known:
        gateway = Certified(tmp_path, authority)
        gateway.add("seven", "CN=brief")
    else:
        gateway = penstock.Gateway(tmp_path, *tls.sets(authority, clients="required"), *tls.sets(authority, listener="mqtt", clients="required"))
    with gateway:
        authority.shorten("brief", 8)
        clients = []
        for version in (V5, V311):
            client = Client(gateway.ports["mqtt"], version, context=tls.context(authority, "brief"))
            client.connect(f"c{version}")
            assert client.store("readings/x", "{}") == 0
            clients.append(client)
        connection = http.client.HTTPSConnection("localhost", gateway.ports["http"], context=tls.context(authority, "brief"), timeout=60)

        def status():
            connection.request("POST", "/readings", reading(), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers.get("Connection")

        assert status() == (200, None)
        ended = clients[0].next()
        assert (ended.type, ended.reason) == (DISCONNECT, 0x87)
        assert clients[1].next() is None
        assert status() == (401, "close")
        with pytest.raises(ssl.SSLError):
            status()
        for client in clients:
            client.socket.close()
        connection.close()


def test_without_authorities_no_certificate_counts(tmp_path, authority):
    """A name in a certificate that nobody looked at is worth nothing."""
    with Guarded(tmp_path, *tls.sets(authority)) as gateway:
        done = penstock.run_command("credentials", "add", "seven", "--file", str(gateway.file), "--certificate", "CN=client", "--streams", "*")
        assert done.returncode == 0
        gateway.reload()
        context = tls.context(authority, "client")
        assert isinstance(context, ssl.SSLContext)
        answer = request(gateway.ports["http"], "POST", "/readings", reading(), {"Content-Type": "application/json"}, context=context)
        assert answer.status == 401


def test_anonymous_is_who_shows_nothing(tmp_path, authority):
    """A certificate that is nobody's, as that of who was revoked, is no way around what it was held to."""
    with Certified(tmp_path, authority, "http.anonymous=true", "mqtt.anonymous=true") as gateway:
        assert gateway.send(None) == 200
        assert gateway.send("nobody") == 401
        with gateway.client(None) as client:
            client.connect("c")
        with gateway.client("nobody") as client, pytest.raises(Refused) as refused:
            client.connect("c")
        assert refused.value.reason == 0x86
