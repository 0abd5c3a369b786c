"""Who may use the admin listener: on loopback, on Unix sockets, beyond; and strangers who want to be in the way."""

import http.client
import json
import socket
import time

import pytest

import penstock
import tls
from access import add, basic, bearer, revoke
from penstock import request, run_command, wait_until
from test_access import Guarded, reading
from test_admin_socket import curl

PAGES = ("/healthz", "/readyz", "/metrics")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = tls.authority(tmp_path_factory.mktemp("tls") / "ca")
    made.issue("nobody")
    return made


class Asking(Guarded):
    """With a principal of each role, and one of none (root, who may write everything)."""

    def __init__(self, directory, *sets, **more):
        super().__init__(directory, *sets, **more)
        self.reads, self.reloads = add(self.file, "reads", admin="read"), add(self.file, "reloads", "readings", admin="reload")

    def ask(self, path, secret=None, method="GET", context=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return request(self.ports["admin"], method, path, headers={**(bearer(secret) if secret else {}), **headers}, context=context)

    def ready(self):
        answer = self.ask("/readyz", self.reads)
        return answer.status, json.loads(answer.body)


# ---- who may what ----


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """Nobody is let in for being here."""
    directory = tmp_path_factory.mktemp("closed")
    with Asking(directory, f"admin.listen=[127.0.0.1:0,unix:{directory}/s]", "admin.anonymous=false") as gateway:
        yield gateway


def test_probes_need_no_credentials(closed):
    """As load balancers ask: whether it lives, and whether it takes records; nothing else about it."""
    assert closed.ask("/healthz").body == b"ok\n"
    answer = closed.ask("/readyz")
    assert (answer.status, answer.body) == (200, b'{"ready":true}\n')
    assert closed.ask("/healthz", method="HEAD").status == 200
    for path in ("/metrics", "/reload", "/nowhere", "/"):
        for method in ("GET", "POST", "HEAD"):
            assert closed.ask(path, method=method).status == 401
    assert closed.ask("/healthz", method="POST").status == 401


def test_whoever_shows_the_wrong_thing_gets_the_same_answer_as_over_http(closed):
    right = closed.reads
    wrong = [bearer("x"), bearer(right[:-1]), bearer(right + "A"), bearer(""), basic("reads", right[:-1]), basic("reloads", right), basic("", right),
             {"Authorization": f"Digest {right}"}, {"Authorization": right}, {"Authorization": "Basic ???"}, {"Authorization": ""}, bearer("A" * 6000)]  # fmt: skip
    data = closed.post("/readings", reading())
    answers = [request(closed.ports["admin"], "GET", path, headers=headers) for headers in wrong for path in (*PAGES, "/reload", "/nowhere")]
    assert {answer.status for answer in answers} == {401}
    assert {answer.body for answer in answers} == {closed.ask("/metrics").body}, "what was wrong is told to nobody"
    assert json.loads(answers[0].body) == json.loads(data.body)
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {data.headers["WWW-Authenticate"]}
    assert {answer.headers["Content-Type"] for answer in answers} == {"application/problem+json"}


def test_roles(closed):
    for secret in (closed.reads, closed.reloads):
        assert [closed.ask(path, secret).status for path in PAGES] == [200, 200, 200]
        assert "conditions" in json.loads(closed.ask("/readyz", secret).body)
        assert closed.ask("/nowhere", secret).status == 404
        assert closed.ask("/metrics", secret, method="POST").status == 405
    refused = closed.ask("/reload", closed.reads, method="POST")
    assert refused.status == 403 and json.loads(refused.body)["detail"] == "reads may not use /reload"
    before = closed.said().count("gateway.reload")
    assert closed.ask("/reload", closed.reloads, method="POST", Origin="http://evil.example").status == 403
    assert closed.ask("/reload", closed.reloads, method="POST").status == 202
    wait_until("one reload", lambda: closed.said().count("gateway.reload") == before + 1)
    assert "principal=reloads" in closed.said()
    assert request(closed.ports["admin"], "GET", "/metrics", headers=basic("reads", closed.reads)).status == 200


def test_who_has_no_role(closed):
    """Who may write may not look; who may look may not write."""
    assert [closed.ask(path, closed.root).status for path in PAGES] == [200, 200, 403]
    assert json.loads(closed.ask("/readyz", closed.root).body) == {"ready": True}
    assert closed.ask("/reload", closed.root, method="POST").status == 403
    assert closed.status(**bearer(closed.reads)) == 403
    assert closed.status(**bearer(closed.reloads)) == 200
    listed = run_command("credentials", "list", "--file", str(closed.file)).stdout.splitlines()
    assert [line.split("\t") for line in listed[1:]] == [["root", "*", "*", "-", "-", "-"], ["reads", "-", "*", "-", "-", "read"],
                                                         ["reloads", "readings", "*", "-", "-", "reload"]]  # fmt: skip


def test_two_headers_are_none(closed):
    with socket.create_connection(("127.0.0.1", closed.ports["admin"])) as wire:
        one = f"Authorization: Bearer {closed.reads}\r\n"
        wire.sendall(f"GET /metrics HTTP/1.1\r\nHost: x\r\n{one}{one}Connection: close\r\n\r\n".encode())
        assert wire.recv(100).startswith(b"HTTP/1.1 401 ")


def test_unix_sockets_ask_too(closed):
    path = closed.directory / "s"
    assert curl(path, "http://x/metrics")[0] == 401
    assert curl(path, "http://x/healthz") == (200, "ok\n")
    assert curl(path, "-H", f"Authorization: Bearer {closed.reads}", "http://x/metrics")[0] == 200
    assert curl(path, "-u", f"reloads:{closed.reloads}", "-X", "POST", "http://x/reload")[0] == 202


def test_on_loopback_whoever_shows_nothing_may_do_everything(tmp_path):
    with Asking(tmp_path) as gateway:
        assert [gateway.ask(path).status for path in PAGES] == [200, 200, 200]
        assert "conditions" in json.loads(gateway.ask("/readyz").body)
        assert gateway.ask("/reload", method="POST").status == 202
        assert gateway.ask("/metrics", "wrong" * 8).status == 401
        assert gateway.ask("/reload", gateway.reads, method="POST").status == 403, "whoever says who it is, is that"
        assert gateway.ask("/metrics", gateway.reads).status == 200


def test_a_page_whose_name_means_loopback(tmp_path):
    """DNS rebinding: a browser says the page's own name, and is told nothing unless somebody is known. Probes learn what they always do."""
    evil = {"Host": "evil.example:8081"}
    with Asking(tmp_path / "open", f"admin.listen=[127.0.0.1:0,unix:{tmp_path}/s]") as gateway:
        for path in (*PAGES, "/", "/nowhere"):
            refused = gateway.ask(path, **evil)
            assert refused.status == 421 and "localhost" in json.loads(refused.body)["detail"]
        assert gateway.ask("/reload", method="POST", **evil).status == 421
        assert gateway.ask("/metrics", "wrong" * 8, **evil).status == 401
        assert gateway.ask("/metrics", gateway.reads, **evil).status == 200, "as through a tunnel"
        assert gateway.ask("/metrics", Host="localhost:9999").status == 200
        assert curl(tmp_path / "s", "http://evil.example/metrics")[0] == 200, "no browser gets there"
    with Asking(tmp_path / "closed", "admin.anonymous=false") as gateway:
        assert [gateway.ask(path, **evil).status for path in PAGES] == [200, 200, 401]
    with penstock.Gateway(tmp_path / "nobody") as gateway:
        port = gateway.ports["admin"]
        assert request(port, "GET", "/metrics", headers={**evil, "Authorization": "Bearer x"}).status == 421, "a page may say that, too"


def test_guesses_are_slowed_down(tmp_path):
    with Asking(tmp_path, "admin.anonymous=false", "http.trusted_proxies=10.0.0.1") as gateway:
        answers = [gateway.ask("/metrics", f"pst_{number:040}") for number in range(200)]
        statuses = [answer.status for answer in answers]
        assert statuses[:20] == [401] * 20 and statuses.count(429) > 150
        assert {answer.headers["Retry-After"] for answer in answers if answer.status == 429} == {"1"}
        assert gateway.ask("/metrics", gateway.reads).status == 200, "an address is never locked out"
        assert gateway.status(**bearer("wrong" * 8)) == 429, "they are the same guesses everywhere"
        assert gateway.ask("/healthz").status == 200


def status_on(connection, path, secret):
    """Of one more request on it."""
    connection.request("GET", path, headers=bearer(secret))
    answer = connection.getresponse()
    answer.read()
    return answer.status


def test_revoked_on_a_connection_that_stays(tmp_path):
    with Asking(tmp_path, "admin.anonymous=false") as gateway:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.ports["admin"], timeout=60)

        def status():
            return status_on(connection, "/metrics", gateway.reads)

        assert [status(), status()] == [200, 200]
        revoke(gateway.file, "reads")
        gateway.reload()
        assert [status(), status()] == [401, 401]
        connection.close()


def test_no_secret_in_its_pages_and_logs(closed):
    canary = "pst_CANARY" + "x" * 33
    for headers in (bearer(canary), basic("reads", canary), basic(canary, "x")):
        assert b"CANARY" not in request(closed.ports["admin"], "GET", "/metrics", headers=headers).body
    pages = [closed.ask(path, closed.reads).body.decode() for path in PAGES]
    for text in (*pages, closed.said()):
        assert "CANARY" not in text and closed.reads not in text and closed.reloads not in text


# ---- beyond loopback ----


def beyond(authority, *sets, clients=None):
    return ("admin.listen=0.0.0.0:0", *tls.sets(authority, listener="admin", clients=clients), *sets)


def test_beyond_loopback_it_takes_both(tmp_path, authority):
    """TLS without credentials, and credentials without TLS, are an error at the start, whatever is said besides."""
    for sets in (["admin.listen=0.0.0.0:0"], [*beyond(authority)], [*beyond(authority, clients="optional")],
                 ["admin.listen=0.0.0.0:0", f"access.credentials={tmp_path}/c"], ["admin.listen=0.0.0.0:0", "admin.anonymous=true"]):  # fmt: skip
        gateway = penstock.Gateway(tmp_path / "gateway", *sets).spawn()
        assert gateway.ended() == 1
        assert "admin.listen: found 0.0.0.0:0, which other machines can reach" in gateway.said()


def test_beyond_loopback_by_secrets(tmp_path, authority):
    with Asking(tmp_path, *beyond(authority)) as gateway:
        context = tls.context(authority)
        assert f"Admin  https://0.0.0.0:{gateway.ports['admin']}" in gateway.said()
        assert [gateway.ask(path, context=context).status for path in (*PAGES, "/nowhere")] == [200, 200, 401, 401]
        assert gateway.ask("/readyz", context=context).body == b'{"ready":true}\n'
        assert gateway.ask("/reload", method="POST", context=context).status == 401, "nobody is let in without, whatever admin.anonymous says"
        assert gateway.ask("/metrics", gateway.reads, context=context).status == 200
        assert gateway.ask("/reload", gateway.reads, method="POST", context=context).status == 403
        assert gateway.ask("/reload", gateway.reloads, method="POST", context=context).status == 202
        with pytest.raises((OSError, http.client.HTTPException)):
            gateway.ask("/healthz")  # in clear


def test_beyond_loopback_by_certificates(tmp_path, authority):
    with Asking(tmp_path, *beyond(authority, clients="optional")) as gateway:
        mine, other, none = (tls.context(authority, name) for name in ("client", "nobody", None))
        assert gateway.ask("/metrics", context=mine).status == 401, "a certificate that holds is nobody's yet"
        done = run_command("credentials", "add", "watcher", "--file", str(gateway.file), "--certificate", "CN=client", "--admin", "read")
        assert (done.returncode, done.stdout) == (0, ""), done
        assert gateway.ask("/reload", gateway.reloads, method="POST", context=none).status == 202
        wait_until("it is known", lambda: gateway.ask("/metrics", context=mine).status == 200)
        assert gateway.ask("/reload", method="POST", context=mine).status == 403
        assert gateway.ask("/reload", gateway.reloads, method="POST", context=mine).status == 202, "a secret counts before the certificate"
        assert [gateway.ask("/metrics", context=one).status for one in (other, none)] == [401, 401]
        assert [gateway.ask("/healthz", context=one).status for one in (other, none)] == [200, 200]


def test_clients_required_with_credentials(tmp_path, authority):
    """Who shows no certificate is not heard; who shows one still needs a role."""
    with Asking(tmp_path, *beyond(authority, clients="required")) as gateway:
        mine = tls.context(authority, "client")
        assert gateway.ask("/healthz", context=mine).status == 200
        assert gateway.ask("/metrics", context=mine).status == 401
        assert gateway.ask("/metrics", gateway.reads, context=mine).status == 200
        with pytest.raises(OSError):
            gateway.ask("/healthz", gateway.reads, context=tls.context(authority))


def test_a_certificate_of_nobody_is_not_nothing(tmp_path, authority):
    """On loopback whoever shows nothing is let in; who was revoked, and still shows a certificate, is not."""
    with Asking(tmp_path, *tls.sets(authority, listener="admin", clients="optional")) as gateway:
        assert gateway.ask("/metrics", context=tls.context(authority)).status == 200
        assert gateway.ask("/metrics", context=tls.context(authority, "nobody")).status == 401


def test_a_unix_socket_beside_it_needs_no_tls(tmp_path, authority):
    sets = [one for one in beyond(authority) if not one.startswith("admin.listen")]
    with Asking(tmp_path, f"admin.listen=[0.0.0.0:0,unix:{tmp_path}/s]", *sets) as gateway:
        assert curl(tmp_path / "s", "http://x/metrics")[0] == 200
        assert gateway.ask("/metrics", context=tls.context(authority)).status == 401


# ---- strangers ----


def strangers(port, count, source="127.0.0.1", text=b""):
    made = []
    for _ in range(count):
        one = socket.socket()
        one.bind((source, 0))
        one.connect(("127.0.0.1", port))
        if text:
            one.sendall(text)
        made.append(one)
    return made


def is_ended(wire):
    """Behind what it may have been answered."""
    wire.setblocking(False)
    try:
        while wire.recv(10000):
            pass
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


@pytest.mark.parametrize("text", [b"", b"GET /metrics HTTP/1.1\r\nHost: x\r\n", tls.GARBAGE], ids=["silent", "slow", "handshake"])
@pytest.mark.parametrize("speaks", ["clear", "tls"])
def test_strangers_are_not_in_the_way(tmp_path, authority, speaks, text):
    """100 connections that say nothing, or never come to an end, from loopback, which is trusted: an honest one is answered long before they would time out."""
    sets, context = (beyond(authority), tls.context(authority)) if speaks == "tls" else (["admin.anonymous=false"], None)
    with Asking(tmp_path, *sets) as gateway:
        wires = []
        for _ in range(10):
            wires += strangers(gateway.ports["admin"], 10, text=text)
            started = time.monotonic()
            assert gateway.ask("/metrics", gateway.reads, context=context).status == 200
            assert time.monotonic() - started < 5, "they time out after 10 s"
        wait_until("those that came first are ended", lambda: sum(map(is_ended, wires)) >= 60)
        for wire in wires:
            wire.close()


def test_an_address_crowds_out_itself(tmp_path):
    """Whoever opens many ends its own; others who have not shown anything yet stay."""
    with Asking(tmp_path, "admin.anonymous=false", "http.trusted_proxies=10.0.0.1") as gateway:
        port = gateway.ports["admin"]
        (honest,) = strangers(port, 1, "127.0.0.7")
        crowd = strangers(port, 100, "127.0.0.8")
        wait_until("all but its last ones are ended", lambda: sum(map(is_ended, crowd)) >= 96)
        assert sum(map(is_ended, crowd)) == 96 and not is_ended(honest)
        honest.setblocking(True)
        honest.sendall(f"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.reads}\r\n\r\n".encode())
        assert honest.recv(15) == b"HTTP/1.1 200 OK"
        for wire in (honest, *crowd):
            wire.close()


def test_who_has_no_role_is_a_stranger_too(tmp_path):
    """A sensor's secret takes nobody's place."""
    with Asking(tmp_path, "admin.anonymous=false") as gateway:
        wires = strangers(gateway.ports["admin"], 40, text=f"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.root}\r\n\r\n".encode())
        for wire in wires[-5:]:
            wire.settimeout(60)
            assert wire.recv(12) == b"HTTP/1.1 403"
        wait_until("those that came first are ended", lambda: sum(map(is_ended, wires)) >= 8)
        with strangers(gateway.ports["admin"], 1, text=f"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.reads}\r\n\r\n".encode())[0] as wire:
            assert b"\r\nConnection: close\r\n" not in wire.recv(1000)
        for wire in wires:
            wire.close()


def test_who_was_let_in_is_not_ended_for_strangers(tmp_path):
    with Asking(tmp_path, "admin.anonymous=false") as gateway:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.ports["admin"], timeout=60)

        def status():
            return status_on(connection, "/healthz", gateway.reads)

        assert status() == 200
        here = connection.sock
        wires = []
        for _ in range(20):
            wires += strangers(gateway.ports["admin"], 10)
            assert status() == 200 and connection.sock is here, "the same connection"
        for wire in wires:
            wire.close()
        connection.close()


def test_connections_that_were_let_in_are_bounded_as_well(tmp_path):
    """The 33rd is answered, and ended."""
    with Asking(tmp_path) as gateway:
        wires = strangers(gateway.ports["admin"], 40, text=b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answers = []
        for wire in wires:
            wire.settimeout(60)
            answer = b""
            while not answer.endswith(b"ok\n"):
                answer += wire.recv(1000)
            answers.append(answer)
        assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
        assert sum(b"\r\nConnection: close\r\n" in answer for answer in answers) == 8
        assert gateway.ask("/healthz").status == 200
        for wire in wires:
            wire.close()
