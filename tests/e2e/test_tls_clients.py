"""Client certificates: who shows one that holds is let in; who shows none, or another, learns why."""

import signal
import ssl

import pytest

import tls
from certificates import Authority
from penstock import Gateway, request, wait_until

READING = b'{"sensor_id":"SENSOR_1","wattage":1.5}'
VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = tls.authority(tmp_path_factory.mktemp("tls") / "ca")
    made.issue("expired", days=-1)
    made.issue("only-server", purpose="serverAuth")
    made.issue("only-client", purpose="clientAuth")
    made.issue("short", key=["-newkey", "rsa:1024"])
    return made


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("tls") / "other", name="another CA")
    made.issue("client")
    return made


@pytest.fixture(scope="module")
def required(tmp_path_factory, authority):
    with Gateway(tmp_path_factory.mktemp("required"), *tls.sets(authority, clients="required")).start() as gateway:
        yield gateway


@pytest.fixture(scope="module")
def optional(tmp_path_factory, authority):
    with Gateway(tmp_path_factory.mktemp("optional"), *tls.sets(authority, clients="optional")).start() as gateway:
        yield gateway


def send(gateway, context):
    return request(gateway.ports["http"], "POST", "/readings", READING, {"Content-Type": "application/json"}, context=context).status


def refused(gateway, context, *words):
    """Nothing is accepted; the client is told one of these words. With TLS 1.3 it may be sending already, and a reset takes what it is told away."""
    before = gateway.metric("penstock_records_accepted_total")
    failed = gateway.metric("penstock_tls_handshakes_total", 'outcome="failed"')
    with pytest.raises((ssl.SSLError, ConnectionError)) as told:
        send(gateway, context)
    wait_until("it was counted", lambda: gateway.metric("penstock_tls_handshakes_total", 'outcome="failed"') == failed + 1)
    assert gateway.metric("penstock_records_accepted_total") == before
    if isinstance(told.value, ssl.SSLError) and not isinstance(told.value, ssl.SSLEOFError):
        assert any(word in str(told.value).lower().replace("_", " ") for word in words), told.value


def only(made, version):
    made.minimum_version = made.maximum_version = version
    return made


@VERSIONS
@pytest.mark.parametrize("name", ["client", "only-client"])
def test_one_that_holds_is_let_in(required, optional, authority, version, name):
    for gateway in (required, optional):
        assert send(gateway, only(tls.context(authority, name), version)) == 200


@VERSIONS
def test_none_is_enough_where_it_is_optional(required, optional, authority, version):
    assert send(optional, only(tls.context(authority), version)) == 200
    refused(required, only(tls.context(authority), version), "certificate required", "handshake failure")


@VERSIONS
def test_one_that_does_not_hold_is_never_let_in(required, optional, authority, stranger, version):
    for gateway in (required, optional):
        refused(gateway, only(tls.context(authority, "expired"), version), "certificate expired")
        refused(gateway, only(tls.context(authority, "client", by=stranger), version), "unknown ca")
        refused(gateway, only(tls.context(authority, "only-server"), version), "unsupported certificate")
    said = required.said()
    assert "the client's certificate has expired" in said and "no authority in client_ca" in said


def test_the_authorities_are_read_again(tmp_path, authority, stranger):
    trusted = tmp_path / "trusted.crt"
    trusted.write_bytes(authority.certificate.read_bytes())
    sets = [*tls.sets(authority), f"http.tls.client_ca={trusted}"]
    with Gateway(tmp_path / "gateway", *sets).start() as gateway:
        other = tls.context(authority, "client", by=stranger)
        refused(gateway, other, "unknown ca")
        trusted.write_bytes(stranger.certificate.read_bytes())
        gateway.process.send_signal(signal.SIGHUP)
        wait_until("it was read", lambda: gateway.metric("penstock_tls_reloads_total", 'outcome="done"') == 1)
        assert send(gateway, other) == 200
        refused(gateway, tls.context(authority, "client"), "unknown ca")


# ---- the admin pages ----

def test_the_admin_pages_have_it_too(tmp_path, authority):
    sets = ["admin.listen=*:0", *tls.sets(authority, listener="admin", clients="required")]
    with Gateway(tmp_path / "gateway", *sets).start() as gateway:
        port, mine = gateway.ports["admin"], tls.context(authority, "client")
        assert f"Admin  https://0.0.0.0:{port}" in gateway.said()
        assert request(port, "GET", "/healthz", context=mine).status == 200
        page = request(port, "GET", "/metrics", context=mine).body.decode()
        assert 'penstock_tls_handshakes_total{listener="admin.tls",outcome="done"}' in page
        for other in (tls.context(authority), tls.context(authority, "expired")):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                request(port, "GET", "/metrics", context=other)
        assert request(port, "GET", "/readyz", context=mine).status == 200


def test_the_admin_pages_stay_at_home_without_client_certificates(tmp_path, authority):
    for clients in (None, "optional"):
        gateway = Gateway(tmp_path / "gateway", "admin.listen=*:0", *tls.sets(authority, listener="admin", clients=clients)).spawn()
        assert gateway.ended() == 1 and "admin.listen: found *:0, which other machines can reach" in gateway.said()


@VERSIONS
def test_a_key_that_is_too_short(required, optional, authority, version):
    for gateway in (required, optional):
        context = tls.context(authority)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # or the client would not show it
        context.load_cert_chain(authority.folder / "short.crt", authority.folder / "short.key")
        refused(gateway, only(context, version), "insufficient security", "bad certificate", "unsupported certificate", "decrypt error", "handshake failure")
