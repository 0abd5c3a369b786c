"""TLS, client certificates and passwords between the gateway and its brokers; and that no secret is ever seen."""

import os
import pathlib
import socket
import subprocess
import time

import pytest

from ports import free_ports
from certificates import Authority
from cutting_proxy import Proxy
from mosquitto import Mosquitto
from mqtt import V5, V311, Client, rows
from penstock import run_command, wait_until
from scripted_broker import ScriptedBroker
from subscribing import condition, connected, degraded, fine, sets, subscriber, value

PASSWORD, WRONG = "broker-secret-51f2", "wrong-secret-0b7d"
VERSIONS = pytest.mark.parametrize("version", ["3.1.1", "5"])


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("authority") / "ca")
    made.issue("server")
    made.issue("client")
    return made


@pytest.fixture
def make(tmp_path):
    """make(lines...): a mosquitto, started; it ends with the test."""
    made = []

    def start(*lines):
        made.append(Mosquitto(tmp_path / f"broker{len(made)}", "autosave_on_changes false", *lines).start())
        return made[-1]

    yield start
    for one in made:
        one.__exit__()


def secret(folder, text):
    file = pathlib.Path(folder) / f"secret-{len(list(pathlib.Path(folder).glob('secret-*')))}"
    file.write_text(text + "\n")
    file.chmod(0o600)
    return file


def tls_lines(authority, port, *more):
    folder = authority.folder
    return [f"listener {port} 127.0.0.1", f"cafile {authority.certificate}", f"certfile {folder / 'server.crt'}",
            f"keyfile {folder / 'server.key'}", *more]


def readable(authority):
    """mosquitto gives up root before it reads its key when it is told to."""
    for file in authority.folder.iterdir():
        file.chmod(0o644 if file.suffix != ".key" or file.name.startswith("server") else 0o600)


def passes(one, broker, count=1):
    """Messages go through."""
    connected(one)
    with Client(broker.port, V5) as client:
        client.connect()
        for number in range(count):
            client.store("readings/a", b'{"n":%d}' % number)
    assert rows(one, count) == [b'{"n":%d}' % number for number in range(count)]


def seen(one):
    """Everything that the gateway has shown to anybody."""
    text = one.said() + one.admin("/readyz").body.decode() + one.admin("/metrics").body.decode()
    command = pathlib.Path(f"/proc/{one.process.pid}/cmdline").read_text()
    checked = run_command("check", *[piece for line in one.sets for piece in ("--set", line)])
    return text + command + checked.stdout + checked.stderr


# ---- passwords ----

@VERSIONS
def test_a_password(gateway, make, tmp_path, version):
    """Wrong, it stands in /readyz that it is, and nowhere what it is; put right, it is read without a restart."""
    passwords = tmp_path / "passwords"
    passwords.touch()
    subprocess.run(["mosquitto_passwd", "-b", str(passwords), "site", PASSWORD], check=True, capture_output=True)
    passwords.chmod(0o644)
    broker = make(f"password_file {passwords}", "allow_anonymous false")
    file = secret(tmp_path, WRONG)
    one = subscriber(gateway, f"mqtt://127.0.0.1:{broker.port}", version=version, user="site", password_file=str(file)).start()
    degraded(one, "user", "password_file", "refuses")
    assert value(one, "connected") == 0
    assert value(one, "troubles_total", "site", 'reason="credentials"') > 0
    assert WRONG not in seen(one)
    file.write_text(PASSWORD)
    connected(one)
    fine(one)
    with Client(broker.port, V5) as client:
        client.connect(user="site", password=PASSWORD)
        client.store("readings/a", '{"n":1}')
    assert rows(one, 1) == [b'{"n":1}']
    text = seen(one)
    assert PASSWORD not in text and WRONG not in text
    one.stop_cleanly()


def test_a_password_that_everybody_may_read(gateway, make, tmp_path):
    """Refused at the start, and at every connection."""
    file = secret(tmp_path, PASSWORD)
    file.chmod(0o644)
    broker = make()
    options = {"url": f"mqtt://127.0.0.1:{broker.port}", "user": "site", "password_file": str(file)}
    done = run_command("check", *[piece for line in sets(**options) for piece in ("--set", line)])
    assert done.returncode == 1 and "chmod 600" in done.stderr and PASSWORD not in done.stderr
    file.chmod(0o600)
    one = connected(subscriber(gateway, **options).start())
    file.chmod(0o644)
    broker.end()
    degraded(one, "chmod 600")
    broker.start()
    file.chmod(0o600)
    connected(one)
    fine(one)
    one.stop_cleanly()


def test_a_password_in_the_url():
    done = run_command("check", *[piece for line in sets(url=f"mqtt://site:{PASSWORD}@broker") for piece in ("--set", line)])
    assert done.returncode == 1 and "password_file" in done.stderr
    assert PASSWORD not in done.stdout + done.stderr


def test_user_and_password_as_they_are_sent(gateway, tmp_path):
    """The line break at the end of the file is not the password's."""
    for version, name in ((V311, "3.1.1"), (V5, "5")):
        with ScriptedBroker() as broker:
            one = subscriber(gateway, broker.url, version=name, user="me", password_file=str(secret(tmp_path, "a b\\\"")),
                             directory=tmp_path / f"gateway-{name}").start()
            with broker.accept() as peer:
                peer.welcome()
                assert (peer.connect.version, peer.connect.user, peer.connect.password) == (version, "me", "a b\\\"")
                one.stop_cleanly()


# ---- TLS ----

@VERSIONS
def test_tls(gateway, make, authority, version):
    readable(authority)
    port = free_ports(1)[0]
    broker = make(*tls_lines(authority, port))
    one = subscriber(gateway, f"mqtts://localhost:{port}", version=version, tls_ca=str(authority.certificate)).start()
    passes(one, broker, 500)
    assert condition(one) is None
    broker.end()
    degraded(one, "refused")
    broker.start()
    connected(one)
    one.stop_cleanly()


def test_a_client_certificate(gateway, make, authority):
    readable(authority)
    port = free_ports(1)[0]
    broker = make(*tls_lines(authority, port, "require_certificate true", "use_identity_as_username true"))
    ours = {"tls_ca": str(authority.certificate), "tls_certificate": str(authority.folder / "client.crt"),
            "tls_key": str(authority.folder / "client.key")}
    one = subscriber(gateway, f"mqtts://localhost:{port}", **ours).start()
    passes(one, broker, 3)
    one.stop_cleanly()
    assert "u'client'" in broker.said()

    other = subscriber(gateway, f"mqtts://localhost:{port}", tls_ca=ours["tls_ca"], directory=gateway.folder / "other").start()
    degraded(other, "tls.certificate")
    assert value(other, "connected") == 0
    other.stop_cleanly()


def test_an_authority_that_is_not_the_brokers(gateway, make, authority, tmp_path):
    """Of several brokers one."""
    readable(authority)
    wrong = Authority(tmp_path / "wrong")
    port = free_ports(1)[0]
    broker = make(*tls_lines(authority, port))
    address = f"mqtts://localhost:{port}"
    one = subscriber(gateway, address, *sets("bad", url=address, tls_ca=str(wrong.certificate)), *sets("system", url=address),
                     tls_ca=str(authority.certificate)).start()
    for name in ("bad", "system"):
        degraded(one, "certificate verify failed", "tls.ca", name=name)
        assert value(one, "connected", name) == 0 and value(one, "troubles_total", name, 'reason="tls"') > 0
    passes(one, broker)
    assert condition(one) is None
    one.stop_cleanly()


def test_a_certificate_of_another_host(gateway, make, authority, tmp_path):
    readable(authority)
    port = free_ports(1)[0]
    make(*tls_lines(authority, port))
    one = subscriber(gateway, f"mqtts://127.0.0.2:{port}", tls_ca=str(authority.certificate))
    with Proxy(port, ("127.0.0.2", port)):  # the same broker by another name
        one.start()
        degraded(one, "tls", "certificate")
    assert value(one, "connected") == 0
    one.stop_cleanly()


def test_tls_to_a_broker_that_speaks_none(gateway, make, authority):
    """And the other way round. Neither keeps a processor busy."""
    readable(authority)
    port = free_ports(1)[0]
    broker = make(*tls_lines(authority, port))
    one = subscriber(gateway, f"mqtts://localhost:{broker.port}", *sets("plain", url=f"mqtt://127.0.0.1:{port}"),
                     tls_ca=str(authority.certificate), reconnect_least="1s", reconnect_most="1s").start()
    degraded(one, "tls")
    degraded(one, "127.0.0.1", name="plain")
    before = os.times(), used(one), time.monotonic()
    wait_until("a second", lambda: time.monotonic() > before[2] + 1)
    assert used(one) - before[1] < 0.5, "seconds of a processor in one second"
    one.stop_cleanly()


def used(one):
    """Seconds of a processor."""
    fields = pathlib.Path(f"/proc/{one.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_broker_that_takes_the_connection_and_says_nothing(gateway):
    """In the clear and over TLS: given up after ten seconds; the stop does not wait for it."""
    with ScriptedBroker() as quiet:
        one = subscriber(gateway, quiet.url, *sets("tls", url=quiet.url.replace("mqtt:", "mqtts:"))).start()
        for name in ("site", "tls"):
            degraded(one, "does not answer", name=name)
        begin = time.monotonic()
        one.stop_cleanly()
        assert time.monotonic() < begin + 8


def test_a_connection_that_cannot_be_made_does_not_hold_up_the_stop(gateway):
    """The backlog is full: a SYN is not answered, which the kernel takes minutes to give up."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fill = [socket.socket() for _ in range(3)]
        try:
            for each in fill:
                each.setblocking(False)
                each.connect_ex(("127.0.0.1", port))
            one = subscriber(gateway, f"mqtt://127.0.0.1:{port}", "gateway.grace=1h").start()
            wait_until("a connection under way", lambda: ":02" in connections(one))
            one.stop_cleanly()
        finally:
            for each in fill:
                each.close()


def connections(one):
    """States of the gateway's sockets (02: SYN_SENT)."""
    links = []
    for entry in pathlib.Path(f"/proc/{one.process.pid}/fd").iterdir():
        try:
            links.append(os.readlink(entry))
        except OSError:
            pass
    own = {link[8:-1] for link in links if link.startswith("socket:[")}
    lines = pathlib.Path(f"/proc/{one.process.pid}/net/tcp").read_text().splitlines()[1:]
    return " ".join(":" + fields[3] for fields in map(str.split, lines) if fields[9] in own)
