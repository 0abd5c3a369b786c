"""Rates of addresses and of keys, without any credentials: whoever is too fast is told so, and whoever is not never is."""

import http.client
import json
import subprocess
import threading
import time

import pytest

from access import add, bearer
from http_proxies import HAPROXY, NGINX, Haproxy, Nginx
from mqtt import PUBACK, V5, V311, Client, Refused, connected, rows
from penstock import lake_rows, memory, wait_until
from test_access import Guarded

QUOTA = 0x97
MANY = "application/x-ndjson"


def reading(key="a", **more):
    return json.dumps({"sensor_id": key, **more})


def lines(*keys):
    return "\n".join(map(reading, keys))


class Poster:
    """One connection from an address of ours."""

    def __init__(self, gateway, address="127.0.0.1", port=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", port or gateway.ports["http"], timeout=60, source_address=(address, 0))

    def post(self, body, path="/readings", kind="application/json", **headers):
        self.connection.request("POST", path, body, {"Content-Type": kind, **headers})
        answer = self.connection.getresponse()
        answer.body = answer.read()
        return answer


class Flood(threading.Thread):
    """Sends as fast as it goes, until it is told to stop; what it was answered."""

    def __init__(self, poster, body, **headers):
        super().__init__(daemon=True)
        self.poster, self.body, self.headers, self.over, self.told = poster, body, headers, threading.Event(), {}
        self.began = time.monotonic()
        self.start()

    def run(self):
        while not self.over.is_set():
            answer = self.poster.post(self.body, **self.headers)
            assert answer.status != 429 or int(answer.headers["Retry-After"]) >= 1
            self.told[answer.status] = self.told.get(answer.status, 0) + 1

    def stop(self):
        self.over.set()
        self.join(60)
        assert set(self.told) == {200, 429}, self.told
        return self.told[200], time.monotonic() - self.began


def kept_to(flood, rate):
    taken, seconds = flood.stop()
    assert taken <= rate * (seconds + 1) + 10, f"{taken} in {seconds:.1f} s"


# ---- addresses ----


def test_a_flooder_and_an_honest_one_on_another_address(gateway):
    with gateway("access.address_rate=20", "http.trusted_proxies=[]") as server:
        flood = Flood(Poster(server), reading())
        wait_until("too much", lambda: flood.told.get(429, 0) > 50)
        honest = Poster(server, "127.0.0.2")
        assert {honest.post(reading("honest")).status for _ in range(20)} == {200}
        kept_to(flood, 20)
        curl = ["curl", "-s", "-o", "-", "-w", " %{http_code}", "-d", reading(), f"http://127.0.0.1:{server.ports['http']}/readings"]
        assert Poster(server, "127.0.0.4").post(lines(*"a" * 1200), kind=MANY).status == 200
        said = [subprocess.run([*curl, "--interface", address], capture_output=True, text=True, check=True, timeout=60).stdout
                for address in ("127.0.0.3", "127.0.0.4")]  # fmt: skip
        assert said[0].endswith(" 200") and said[1].endswith(" 429") and "access.address_rate" in said[1]


def test_a_body_is_paid_for_afterwards(gateway):
    with gateway("access.address_rate=10", "http.trusted_proxies=[]") as server:
        poster = Poster(server)
        assert poster.post(lines(*"abcdefghij" * 4), kind=MANY).status == 200
        refused = poster.post(reading())
        assert refused.status == 429 and 1 <= int(refused.headers["Retry-After"]) <= 3
        assert refused.headers.get("Connection") != "close", "the connection is kept"
        wait_until("its turn", lambda: poster.post(reading()).status == 200, 30)


def test_through_a_proxy_the_client_counts(gateway):
    """X-Forwarded-For of one that is trusted: its last address, which the proxy has written, not those before it, which anybody may have."""
    with gateway("access.address_rate=20") as server:
        poster, again = Poster(server), Poster(server)
        assert {poster.post(reading()).status for _ in range(100)} == {200}, "it says for nobody: many share it"
        flood = Flood(poster, reading(), **{"X-Forwarded-For": "192.0.2.2, 192.0.2.8"})
        wait_until("too much", lambda: flood.told.get(429, 0) > 50)
        assert again.post(lines(*"a" * 1200), kind=MANY, **{"X-Forwarded-For": "192.0.2.1"}).status == 200, "a minute's worth"
        for same in ("192.0.2.1", "198.51.100.7, 192.0.2.1, 127.0.0.1", "192.0.2.1:4711"):
            assert again.post(reading(), **{"X-Forwarded-For": same}).status == 429, same
        for other in ("192.0.2.2", "192.0.2.1, 192.0.2.3", "2001:db8::1", "192.0.2.1, unknown"):
            assert {again.post(reading(), **{"X-Forwarded-For": other}).status for _ in range(5)} == {200}, other
        kept_to(flood, 20)


def test_whoever_is_no_proxy_speaks_for_nobody(gateway):
    with gateway("access.address_rate=5", "http.trusted_proxies=[10.0.0.1]") as server:
        poster = Poster(server)
        told = [poster.post(reading(), **{"X-Forwarded-For": f"192.0.2.{n}"}).status for n in range(50)]
        assert told.count(429) > 10


class TellingNginx(Nginx):
    CONFIG = NGINX.replace("proxy_pass", "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_pass")


class TellingHaproxy(Haproxy):
    CONFIG = HAPROXY.replace("http-reuse always", "http-reuse always\n  option forwardfor")


@pytest.mark.parametrize("proxy", [TellingNginx, TellingHaproxy])
def test_a_real_proxy(gateway, tmp_path, proxy):
    """One client's claims about where it comes from do not help it; another client is not held up."""
    with gateway("access.address_rate=20", "http.trusted_proxies=[127.0.0.1]") as server, proxy(tmp_path / "proxy", server.ports["http"]) as front:

        def posts(address, count):
            poster = Poster(server, address, front.port)
            return [poster.post(reading(), **{"X-Forwarded-For": f"192.0.2.{n}"}).status for n in range(count)]

        assert posts("127.0.0.2", 100).count(429) > 20
        assert set(posts("127.0.0.3", 20)) == {200}


def test_retries_with_a_key_are_not_charged_twice(gateway):
    with gateway("access.address_rate=10", "http.trusted_proxies=[]", "streams.readings.key_rate=10") as server:
        poster = Poster(server)
        for _ in range(100):
            answer = poster.post(reading(), **{"Idempotency-Key": "again"})
            assert answer.status == 200
        assert answer.headers["Idempotent-Replayed"] == "true"
        assert poster.post(reading()).status == 200


def test_what_is_deduplicated_is_not_charged(gateway):
    with gateway("access.address_rate=10", "http.trusted_proxies=[]", "streams.readings.key_rate=10", "streams.readings.dedupe.sequence=/seq") as server:
        poster = Poster(server)
        for _ in range(100):
            answer = poster.post(reading(seq=1))
            assert answer.status == 200
        assert json.loads(answer.body) == {"accepted": 0, "duplicates": 1}
        mixed = poster.post("\n".join(reading(seq=n) for n in (1, 2, 1, 3)), kind=MANY)
        assert json.loads(mixed.body) == {"accepted": 2, "duplicates": 2}


def test_it_holds_for_principals_too(tmp_path):
    with Guarded(tmp_path, "access.address_rate=5", "http.trusted_proxies=[]") as gateway:
        one, other = add(gateway.file, "one"), add(gateway.file, "other")
        gateway.reload()
        assert gateway.post("/readings", lines(*"a" * 50), MANY, **bearer(one)).status == 200
        refused = gateway.post("/readings", reading(), **bearer(other))
        assert refused.status == 429 and b"access.address_rate" in refused.body


# ---- keys ----


def test_a_key_that_is_too_fast(gateway):
    with gateway("streams.readings.key_rate=5") as server:
        poster = Poster(server)
        mixed = poster.post(lines(*"aaaaaaaabb"), kind=MANY)
        told = json.loads(mixed.body)
        assert mixed.status == 207 and told["accepted"] == 8 and [one["index"] for one in told["rejected"]] == [6, 7]
        assert "'a'" in told["rejected"][0]["reason"] and "streams.readings.key_rate" in told["rejected"][0]["reason"]
        for body, kind in ((reading(), "application/json"), (lines("a", "a"), MANY), (lines("a") + "\n{}", MANY)):
            refused = poster.post(body, kind=kind)
            assert refused.status == 429 and refused.headers["Retry-After"] == "1", "a later try may be taken, at least in part"
        assert poster.post("{}", path="/readings/a").status == 429, "the URL's key"
        assert poster.post(reading("c")).status == 200
        assert server.metric("penstock_records_rejected_total", 'reason="rate"') == 7
        wait_until("its turn", lambda: poster.post(reading()).status == 200, 30)
        found = wait_until("the rows", lambda: (rows := lake_rows(server.lake)) and len(rows) >= 10 and rows)
        assert len(found) == 10


def test_a_flooder_beside_another_key(gateway):
    with gateway("streams.readings.key_rate=20") as server:
        flood = Flood(Poster(server), reading("flood"))
        wait_until("too much", lambda: flood.told.get(429, 0) > 50)
        honest = Poster(server)
        assert {honest.post(reading("honest")).status for _ in range(20)} == {200}
        assert {honest.post(lines(*(f"k{n}" for n in range(1000))), kind=MANY).status for _ in range(20)} == {200}, "a thousand, each at its pace"
        kept_to(flood, 20)


def test_a_broken_body_costs_its_keys_nothing(gateway):
    with gateway("streams.readings.key_rate=5") as server:
        poster = Poster(server)
        for _ in range(20):
            assert poster.post("[" + ",".join([reading()] * 4) + ",").status == 400
        assert poster.post(reading()).status == 200


def test_a_million_keys_take_no_memory(gateway):
    with gateway("streams.readings.key_rate=1000") as server:
        poster = Poster(server)

        def send(begin):
            return poster.post(lines(*(f"s{n}" for n in range(begin, begin + 50000))), kind=MANY).status

        assert {send(n) for n in range(0, 200000, 50000)} == {200}
        before = memory(server, "RssAnon")
        assert {send(n) for n in range(200000, 1000000, 50000)} == {200}
        assert memory(server, "RssAnon") - before < 8 << 20


# ---- MQTT ----


def test_an_address_is_read_more_slowly(gateway):
    """Nothing is refused: PUBACKs come at the rate. Somebody on another address is not held up."""
    with gateway("access.address_rate=20", "http.trusted_proxies=[]") as server, connected(server) as fast:
        for _ in range(80):
            fast.publish("readings/x", "{}")
        assert fast.expect(PUBACK, 1).reason == 0
        publish = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(server.ports["mqtt"]), "-A", "127.0.0.2", "-q", "1", "-t", "readings/y", "-m", "{}"]
        subprocess.run(publish, check=True, timeout=60)
        assert server.metric("penstock_records_accepted_total", 'source="mqtt"') < 60
        for id in range(2, 81):
            assert fast.expect(PUBACK, id).reason == 0


def far_ahead(server, topic):
    """Who would have to wait for long is told so: MQTT 5 by the acknowledgement, before it by the connection's end."""
    with connected(server, V5, "new") as client:
        assert client.store(topic, "\n".join(["{}"] * 100)) == 0, "a message is paid for afterwards"
        assert client.store(topic, "{}") == QUOTA
        assert client.store(topic, "{}", qos=2) == QUOTA
        client.publish(topic, "{}", qos=0)
        client.ping()
    with connected(server, V311, "old") as client:
        client.publish(topic, "{}")
        assert client.next() is None


def test_an_address_that_is_far_ahead(gateway):
    with gateway("access.address_rate=1", "http.trusted_proxies=[]") as server:
        far_ahead(server, "readings/x")
        with Client(server.ports["mqtt"]) as client, pytest.raises(Refused) as refused:
            client.connect("c", will={"topic": "readings/x", "payload": "{}"})
        assert refused.value.reason == QUOTA, "nor is a will taken"


def test_a_proxy_of_mqtt_is_not_counted(gateway):
    with gateway("access.address_rate=1") as server, connected(server) as client:
        for _ in range(50):
            assert client.store("readings/x", "{}") == 0


def test_a_key_is_read_more_slowly(gateway):
    with gateway("streams.readings.key_rate=20") as server, connected(server) as fast, connected(server) as other:
        for _ in range(80):
            fast.publish("readings/x", "{}")
        assert fast.expect(PUBACK, 1).reason == 0
        for n in range(30):
            assert other.store(f"readings/{n}", "{}") == 0, "other keys are not held up"
        for id in range(2, 81):
            assert fast.expect(PUBACK, id).reason == 0
        assert len(rows(server, 110)) == 110


def test_a_key_that_is_far_ahead(gateway):
    with gateway("streams.readings.key_rate=1") as server:
        far_ahead(server, "readings/x")
        with connected(server) as client:
            assert client.store("readings/y", "{}") == 0, "another key of the same sender"
            assert client.store("readings/x", "{}") == QUOTA
            assert client.store("readings/z", "{}") == 0
        assert len(rows(server, 102)) == 102, "nothing of what was refused is stored"


def test_a_will_of_a_key_that_is_far_ahead(gateway):
    with gateway("streams.readings.key_rate=1") as server:
        with connected(server) as client:
            assert client.store("readings/x", "\n".join(["{}"] * 100)) == 0
        client = Client(server.ports["mqtt"])
        client.connect("c", will={"topic": "readings/x", "payload": "{}"})
        client.reset()
        wait_until("its end", lambda: "mqtt.will_lost" in server.said())
