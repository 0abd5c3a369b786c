#!/usr/bin/python3
"""Real Kafka brokers for tests: KRaft, broker and controller in one process each, on free ports of this machine.

By hand: `broker.py FOLDER [COUNT]` runs one broker, or COUNT of them, until Ctrl-C and prints where they listen.
"""

import os
import pathlib
import signal
import subprocess
import sys
import time

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from certificates import Authority
from fetch import fetch
from ports import free_ports

CLUSTER_ID = "UGVuc3RvY2tUZXN0czEyMw"  # 16 bytes in base64, as Kafka wants it
HEAP = "128m"
NOISY = ("kafka.server.KafkaConfig", "org.apache.kafka.common.config.AbstractConfig", "state.change.logger", "kafka.log",
         "kafka.server.ReplicaFetcherManager", "org.apache.kafka.controller.ReplicationControlManager", "kafka.cluster.Partition")
JVM = [f"-Xmx{HEAP}", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.showDateTime=true",
       "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS", *(f"-Dorg.slf4j.simpleLogger.log.{name}=warn" for name in NOISY)]
START_PATIENCE = 120  # seconds; a start takes 4 to 8 s of a machine that has nothing else to do

# Who may log in. alice and the client certificate may do everything; bob, and carol through SCRAM, what an ACL says.
PASSWORDS = {"alice": "alice-secret", "bob": "bob-secret", "carol": "carol-secret"}
CLIENT = "client"  # subject of the client certificate
# mutual: the client shows a certificate, too. far: plaintext, for clients at the other end of a way that is a test's own: they are told an address
# (far_address) where nobody listens but what the test puts there.
LISTENERS = ("plaintext", "sasl", "tls", "mutual", "far", "controller")
HOSTS = {"plaintext": "127.0.0.1", "sasl": "localhost", "tls": "localhost", "mutual": "localhost", "far": "127.0.0.2"}  # as clients are told


def jaas(module, **options):
    pairs = "".join(f' {name}="{value}"' for name, value in options.items())
    return f"org.apache.kafka.common.security.{module} required{pairs};"


class Broker:
    """One process. Its addresses stay the same over all of its starts."""

    def __init__(self, folder, authority, number, ports):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.authority = authority
        self.number = number
        self.ports = dict(zip(LISTENERS, ports))
        self.process = None
        self.log = self.folder / "log"
        self.log.touch()

    @property
    def address(self):
        return f"127.0.0.1:{self.ports['plaintext']}"

    @property
    def far_address(self):
        return HOSTS["far"], self.ports["far"]

    @property
    def voter(self):
        return f"{self.number}@127.0.0.1:{self.ports['controller']}"

    def configure(self, voters, more):
        """Writes server.properties and makes the log directory, with users of SCRAM in it."""
        copies = 3 if len(voters) >= 3 else 1
        at = self.ports
        plain = {f"user_{user}": password for user, password in PASSWORDS.items()}
        settings = {
            "process.roles": "broker,controller",
            "node.id": self.number,
            "controller.quorum.voters": ",".join(voters),
            "controller.listener.names": "CONTROLLER",
            "listeners": ",".join(f"{name.upper()}://127.0.0.1:{port}" for name, port in at.items()),
            "advertised.listeners": ",".join(f"{name.upper()}://{HOSTS[name]}:{port}" for name, port in at.items() if name in HOSTS),
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,FAR:PLAINTEXT,SASL:SASL_SSL,TLS:SSL,MUTUAL:SSL",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": self.folder / "data",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
            "listener.name.sasl.scram-sha-512.sasl.jaas.config": jaas("scram.ScramLoginModule"),
            "listener.name.sasl.plain.sasl.jaas.config": jaas("plain.PlainLoginModule", **plain),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self.authority.folder / "server.pem",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.authority.certificate,
            "listener.name.mutual.ssl.client.auth": "required",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:ANONYMOUS;User:alice;User:CN={CLIENT}",
            "auto.create.topics.enable": "false",
            "default.replication.factor": copies,
            "min.insync.replicas": 2 if copies > 1 else 1,
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": 2 if copies > 1 else 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.num.partitions": 4,
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": 500,
            "group.initial.rebalance.delay.ms": 0,
            "log.cleaner.dedupe.buffer.size": 4 << 20,  # the default alone is larger than this heap
            "broker.session.timeout.ms": 3000,  # after kill -9 the new process is let in when the old session has ended
            "broker.heartbeat.interval.ms": 500,
            "num.network.threads": 2,
            "num.io.threads": 2,
            **more,
        }
        file = self.folder / "server.properties"
        file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        users = [word for user, password in PASSWORDS.items()
                 for word in ("--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]")]
        done = subprocess.run(self._java("kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config", str(file), *users),
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def _java(self, *arguments):
        return ["java", *JVM, "-cp", f"{fetch('kafka')}/*", *arguments]

    # ---- the process ----

    def spawn(self):
        """Starts and does not wait. From the main thread only: the broker ends with the thread that started it, so
        that a test run that is killed leaves none behind."""
        assert self.process is None
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *self._java("kafka.Kafka", str(self.folder / "server.properties"))],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        return self

    def wait(self):
        """Until this broker is in its own list of brokers: it serves."""
        client = AdminClient({"bootstrap.servers": self.address, "log_level": 0, "socket.timeout.ms": 2000})
        deadline = time.monotonic() + START_PATIENCE
        while True:
            assert self.process.poll() is None, f"Kafka ended with {self.process.returncode}\n{self.tail()}"
            try:
                if self.number in client.list_topics(timeout=1).brokers:
                    return self
            except KafkaException:
                pass
            assert time.monotonic() < deadline, f"Kafka does not serve within {START_PATIENCE} s\n{self.tail()}"
            time.sleep(0.05)

    def start(self):
        return self.spawn().wait()

    def _end(self, number):
        self.process.send_signal(number)
        self.process.wait(60)
        self.process = None

    def stop(self):
        self._end(signal.SIGTERM)

    def kill(self):
        self._end(signal.SIGKILL)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def tail(self, lines=20):
        return "\n".join(line[:240] for line in self.log.read_text(errors="replace").splitlines()[-lines:])


class Cluster:
    """COUNT brokers that know each other. More settings as more={"auto.create.topics.enable": "true"}. Not started."""

    def __init__(self, folder, count=1, more=None):
        self.folder = pathlib.Path(folder)
        self.authority = Authority(self.folder / "certificates")
        self.authority.issue("server")
        self.authority.issue(CLIENT)
        ports = free_ports(count * len(LISTENERS))
        self.brokers = [Broker(self.folder / f"broker-{number}", self.authority, number, ports[number - 1::count])
                        for number in range(1, count + 1)]
        for broker in self.brokers:
            broker.configure([one.voter for one in self.brokers], more or {})

    def servers(self, listener="plaintext"):
        """The value of bootstrap.servers."""
        return ",".join(f"{HOSTS[listener]}:{broker.ports[listener]}" for broker in self.brokers)

    def start(self):
        """All of them first: one alone has no quorum and would never serve."""
        try:
            for broker in self.brokers:
                broker.spawn()
            for broker in self.brokers:
                broker.wait()
        except BaseException:
            self.close()
            raise
        return self

    def start_again(self):
        """Those that do not run, all at once."""
        gone = [broker.spawn() for broker in self.brokers if not broker.process]
        for broker in gone:
            broker.wait()

    def close(self):
        for broker in self.brokers:
            if broker.process:
                broker.kill()

    def tail(self):
        return "\n".join(f"{broker.log}:\n{broker.tail()}" for broker in self.brokers)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    cluster = Cluster(os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) == 3 else 1).start()
    for listener in LISTENERS[:-1]:
        print(f"{listener:10} {cluster.servers(listener)}", flush=True)
    print(f"certificates in {cluster.authority.folder}; users {PASSWORDS}", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        cluster.close()


if __name__ == "__main__":
    main()
