"""TLS, client certificates and passwords between the gateway and Kafka; and that no secret is ever seen."""

import contextlib
import json
import os
import pathlib

import confluent_kafka
import pytest

from broker import CLIENT, PASSWORDS
from certificates import Authority
from fetch import VERSIONS
from kafka import DESCRIBE, READ, TRANSACTIONAL_ID, WRITE, complaint, content, drained
from landing import Member, landed, produce
from penstock import run_command, wait_until

KEY_PASSWORD = "key-secret-7f1c"
WRONG = "wrong-secret-93ab"
POSITIONS = "penstock-positions"
LIBRARY = confluent_kafka.libversion()[1] >> 8  # 0x020002 is 2.0.2; the gateway uses the same one
OLD_SCRAM = LIBRARY < 0x020601
KAFKA_4 = VERSIONS["kafka"].startswith("4.")


class Login:
    """The ways to log in: properties, and files of secrets."""

    def __init__(self, kafka, folder):
        self.kafka, self.folder = kafka, folder
        self.authority = kafka.cluster.authority
        if not (self.authority.folder / "locked.pem").exists():
            self.authority.issue("locked", KEY_PASSWORD)

    def secret(self, text):
        file = self.folder / f"secret-{len(list(self.folder.glob('secret-*')))}"
        file.write_text(text + "\n")
        file.chmod(0o600)
        return str(file)

    def tls(self):
        return {"bootstrap.servers": self.kafka.cluster.servers("tls"), "security.protocol": "ssl",
                "ssl.ca.location": str(self.authority.certificate)}, {}

    def mutual(self, name=CLIENT):
        properties, files = self.tls()
        return {**properties, "bootstrap.servers": self.kafka.cluster.servers("mutual"),
                "ssl.certificate.location": str(self.authority.folder / f"{name}.crt"),
                "ssl.key.location": str(self.authority.folder / f"{name}.key")}, files

    def locked_key(self):
        properties, _ = self.mutual("locked")
        return properties, {"ssl.key.password": self.secret(KEY_PASSWORD)}

    def sasl(self, mechanism, user="alice", password=None):
        properties, _ = self.tls()
        return {**properties, "bootstrap.servers": self.kafka.cluster.servers("sasl"), "security.protocol": "sasl_ssl",
                "sasl.mechanism": mechanism, "sasl.username": user}, {"sasl.password": self.secret(password or PASSWORDS[user])}

    def plain(self):
        return self.sasl("PLAIN")

    def scram(self):
        return self.sasl("SCRAM-SHA-512", "carol")


def configured(kafka, topic, login, **more):
    properties, files = login
    return kafka.config({"readings": {"key": "/sensor_id", "topics": [topic]}}, properties=properties, files=files, **more)


def assert_secret_is_nowhere(gateway, *secrets):
    """Not in what the gateway says, shows, keeps, or was called with."""
    done = run_command("check", "-c", "penstock.yaml", cwd=gateway.directory)
    assert done.returncode == 0, done.stdout + done.stderr
    process = pathlib.Path(f"/proc/{gateway.process.pid}")
    seen = {"check": (done.stdout + done.stderr).encode(), "argv": (process / "cmdline").read_bytes(),
            "environment": (process / "environ").read_bytes(), "output": gateway.output.read_bytes()}
    for page in ("/readyz", "/metrics", "/healthz"):
        seen[page] = gateway.admin(page).body
    for folder, _, names in os.walk(gateway.data):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # the journal renames its files
                seen[name] = pathlib.Path(folder, name).read_bytes()
    for secret in secrets:
        assert [place for place, text in seen.items() if secret.encode() in text] == []


SMALL = ("journal.segment_size=1MiB", "journal.max_size=16MiB", "mqtt.max_packet=256KiB",
         "http.max_body=256KiB", "http.max_record=256KiB", "kafka.max_topics=100")
WAYS = ("tls", "mutual", "locked_key", "plain", "scram")


@pytest.mark.parametrize("way", WAYS)
def test_login(kafka, gateway, tmp_path, way):
    if way == "scram" and KAFKA_4 and OLD_SCRAM:
        pytest.skip("Kafka 4 refuses SCRAM by librdkafka before 2.6.1")
    topic = kafka.create(kafka.name("secure"))
    for user in ("carol", "CN=locked"):
        kafka.allow(user, topic)
    one = gateway("log.level=debug", *SMALL, config=configured(kafka, topic, getattr(Login(kafka, tmp_path), way)())).start()
    bodies = [one.send({"sensor_id": number}) for number in range(20)]
    drained(one)
    content(one)
    assert_secret_is_nowhere(one, *PASSWORDS.values(), KEY_PASSWORD)
    assert ("2.6.1" in one.said()) == (way == "scram" and OLD_SCRAM), one.said()
    one.stop_cleanly()
    assert kafka.values(topic) == bodies


def test_land_logs_in_again(kafka, tmp_path):
    """What wakes librdkafka gives it the credentials that it has: so it has them when a connection is made anew."""
    topic = kafka.create(kafka.name("login"))
    properties, files = Login(kafka, tmp_path).plain()
    impatient = {"socket.timeout.ms": 2000, "session.timeout.ms": 20000, "heartbeat.interval.ms": 500}
    one = Member(tmp_path / "member", kafka, [{"topic": topic, "path": "all"}], tmp_path / "lake", lake={"roll": {"every": "200ms"}},
                 land={"properties": impatient})
    config = json.loads(one.config)
    config["kafka"] = {"properties": properties, "files": files}
    one.config = json.dumps(config)
    values = [b'{"n":%d}' % number for number in range(24000)]
    broker = kafka.cluster.brokers[0]
    with one:
        produce(kafka, topic, [(b"k", value) for value in values[:12000]])
        landed(tmp_path / "lake", 12000, "all")
        broker.pause()
        try:
            wait_until("its connections to be given up", lambda: one.condition("kafka"))
        finally:
            broker.resume()
        produce(kafka, topic, [(b"k", value) for value in values[12000:]])
        assert landed(tmp_path / "lake", 24000, "all") == values
        assert_secret_is_nowhere(one, *PASSWORDS.values())


def test_exactly_once_says_which_right_is_missing(kafka, gateway, tmp_path):
    """One after the other is given; then all arrives."""
    topic, name = kafka.create(kafka.name("once")), kafka.name("gateway")
    if POSITIONS not in kafka.admin.list_topics(timeout=60).topics:
        kafka.create(POSITIONS, cleanup_policy="compact")
    kafka.allow("bob", topic)
    one = gateway(f"gateway.id={name}", *SMALL, config=configured(kafka, topic, Login(kafka, tmp_path).sasl("PLAIN", "bob"),
                                                                  delivery="exactly-once", hold_retry="300ms")).start()
    bodies = [one.send({"sensor_id": number}) for number in range(5)]
    complaint(one, POSITIONS, "Read, Write and Describe")
    kafka.allow("bob", POSITIONS, READ, WRITE, DESCRIBE)
    complaint(one, f"transactions penstock-{name}", "the right Write on this transactional id is missing")
    for operation in (WRITE, DESCRIBE):
        kafka.allow_all("bob", TRANSACTIONAL_ID, f"penstock-{name}", operation)
    drained(one)
    content(one)
    kafka.forbid("bob", topic)
    bodies.append(one.send({"sensor_id": "forbidden"}))
    complaint(one, topic, "authorization failed")
    kafka.allow("bob", topic, WRITE)
    drained(one)
    content(one)
    assert kafka.values(topic) == bodies


def test_password_in_the_configuration_is_not_shown(kafka, gateway, tmp_path):
    properties, _ = Login(kafka, tmp_path).plain()
    properties["sasl.password"] = PASSWORDS["alice"]
    topic = kafka.create(kafka.name("inline"))
    one = gateway("log.level=debug", *SMALL, config=configured(kafka, topic, (properties, {}))).start()
    body = one.send({"sensor_id": 1})
    drained(one)
    assert_secret_is_nowhere(one, PASSWORDS["alice"])
    assert kafka.values(topic) == [body]


def test_secret_that_others_can_read_is_refused(tmp_path, kafka):
    properties, files = Login(kafka, tmp_path).plain()
    pathlib.Path(files["sasl.password"]).chmod(0o644)
    (tmp_path / "penstock.yaml").write_text(configured(kafka, "A", (properties, files)))
    done = run_command("check", "-c", "penstock.yaml", cwd=tmp_path)
    assert done.returncode != 0 and "chmod 600" in done.stderr + done.stdout
    assert PASSWORDS["alice"] not in done.stderr + done.stdout


def trouble(login):
    """What goes wrong: (properties, files), words of /readyz."""
    stranger = Authority(login.folder / "stranger", "another CA")
    stranger.issue(CLIENT)
    wrong_ca = login.plain()
    wrong_ca[0]["ssl.ca.location"] = str(stranger.certificate)
    no_certificate = login.tls()
    no_certificate[0]["bootstrap.servers"] = login.kafka.cluster.servers("mutual")
    foreign = login.mutual()
    foreign[0].update({"ssl.certificate.location": str(stranger.folder / f"{CLIENT}.crt"),
                       "ssl.key.location": str(stranger.folder / f"{CLIENT}.key")})
    no_tls = login.plain()
    no_tls[0]["security.protocol"] = "sasl_plaintext"
    return {
        "wrong password": (login.sasl("PLAIN", password=WRONG), "authentication"),
        "wrong password by SCRAM": (login.sasl("SCRAM-SHA-512", password=WRONG), "authentication"),
        "wrong CA": (wrong_ca, "certificate"),
        "no client certificate": (no_certificate, "ssl"),
        "a client certificate of another CA": (foreign, "ssl"),
        "no TLS": (no_tls, "kafka"),
    }


TROUBLE = ("wrong password", "wrong password by SCRAM", "wrong CA", "no client certificate", "a client certificate of another CA", "no TLS")


@pytest.mark.parametrize("what", TROUBLE)
def test_readyz_says_why(kafka, gateway, tmp_path, what):
    """The gateway accepts meanwhile; with the mistake put right, all of it arrives."""
    topic = kafka.create(kafka.name("refused"))
    login = Login(kafka, tmp_path)
    bad, word = trouble(login)[what]
    one = gateway("gateway.grace=1s", *SMALL, config=configured(kafka, topic, bad)).start()
    bodies = [one.send({"sensor_id": number}) for number in range(5)]
    assert "degraded" in complaint(one, "kafka", word)
    assert one.ready()[0] == 200
    assert_secret_is_nowhere(one, WRONG, *PASSWORDS.values())
    one.stop_cleanly()
    assert kafka.count(topic) == 0
    one.config = configured(kafka, topic, login.plain())
    one.start()
    drained(one)
    content(one)
    one.stop_cleanly()
    assert kafka.values(topic) == bodies
