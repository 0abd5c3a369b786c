"""TLS as tests need it: an authority with what a gateway and its clients show, gateways that speak it, and openssl's client."""

import re
import ssl
import subprocess

from certificates import Authority

GARBAGE = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # a ClientHello that promises 508 bytes and brings none


def authority(folder):
    """With server.crt (ECDSA), rsa.crt, client.crt (CN client, a URI and an address of mail beside its name) and their keys."""
    from certificates import NEW_RSA_KEY

    made = Authority(folder)
    made.issue("server")
    made.issue("rsa", key=NEW_RSA_KEY)
    made.issue("client", names="DNS:sensor-7.example,URI:spiffe://example/sensor-7,email:seven@example.com")
    return made


def sets(authority, name="server", listener="http", clients=None):
    """--set of a listener that shows NAME's certificate; clients: required or optional."""
    folder = authority.folder
    mine = [f"{listener}.tls.certificate={folder / name}.crt", f"{listener}.tls.key={folder / name}.key"]
    if clients:
        mine += [f"{listener}.tls.client_ca={authority.certificate}", f"{listener}.tls.clients={clients}"]
    return mine


def context(authority, client=None, by=None):
    """What trusts the authority; client: shows that certificate of the authority `by`, or of the same."""
    made = ssl.create_default_context(cafile=authority.certificate)
    if client:
        folder = (by or authority).folder
        made.load_cert_chain(folder / f"{client}.crt", folder / f"{client}.key")
    return made


def s_client(port, *arguments, text="", seconds=60):
    """openssl s_client; (exit status, output, errors)."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"localhost:{port}", *arguments], input=text, capture_output=True, text=True,
                          timeout=seconds)
    return done.returncode, done.stdout, done.stderr


def spoken(port, *arguments):
    """(version, cipher) of a handshake, or None when there was none."""
    status, out, _ = s_client(port, "-brief", *arguments)
    said = re.search(r"Protocol version: (\S+)\nCiphersuite: (\S+)", out + _)
    return said.groups() if status == 0 and said else None


def serial(port):
    """Which certificate is shown to who comes now."""
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("localhost", port)))
