#!/usr/bin/python3
"""A real HDFS for tests: a name node and data nodes in a process each, WebHDFS on free ports of this machine, without Kerberos.

By hand: `hdfs.py FOLDER [COUNT]` runs it with so many data nodes until Ctrl-C and prints where it listens.
"""

import getpass
import http.client
import json
import os
import pathlib
import signal
import ssl
import subprocess
import sys
import time
import urllib.parse

from certificates import openssl
from fetch import fetch
from ports import free_ports

HEAP = "160m"
JVM = [f"-Xmx{HEAP}", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "--add-opens", "java.base/java.lang=ALL-UNNAMED",
       "--add-opens", "java.base/java.nio=ALL-UNNAMED"]
STORE_PASSWORD = "penstock"
START_PATIENCE = 180  # seconds; a start takes 9 s of a machine that has nothing else to do
USER = getpass.getuser()  # who may do everything
LOG = """\
log4j.rootLogger=INFO,out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d{ISO8601} %p %c{1}: %m%n
"""


class Refused(Exception):
    """What the server says; args are the status and the exception's name."""


def xml(settings):
    rows = "".join(f"<property><name>{name}</name><value>{value}</value></property>\n" for name, value in settings.items())
    return f"<configuration>\n{rows}</configuration>\n"


class Daemon:
    """The name node, or a data node. Its addresses stay the same over all of its starts."""

    def __init__(self, cluster, name, class_name, settings=None):
        self.cluster, self.name, self.class_name = cluster, name, class_name
        self.settings = settings or {}
        self.log = cluster.folder / f"{name}.log"
        self.log.touch()
        self.process = None

    def spawn(self):
        """From the main thread only: it ends with the thread that started it, so that a test run that is killed leaves none behind."""
        assert self.process is None
        more = [word for name, value in self.settings.items() for word in ("-D", f"{name}={value}")]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *self.cluster.java(self.class_name, *more)],
                                            env=self.cluster.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        return self

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


class Hdfs:
    """Not started yet. `port` is the name node's HTTP, or HTTPS where there is an authority (certificates.py): then all speak TLS and nothing else, and show
    what that has issued as "hdfs". More settings as more={"dfs.ls.limit": 20}."""

    def __init__(self, folder, count=1, more=None, authority=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.environment = {**os.environ, "HADOOP_CONF_DIR": str(self.folder)}
        self.tls = ssl.create_default_context(cafile=authority.certificate) if authority else None
        secure = "https" if authority else "http"
        ports = free_ports(2 + 3 * count)
        self.port, self.rpc = ports[:2]
        package = "org.apache.hadoop.hdfs.server"
        self.name_node = Daemon(self, "name", f"{package}.namenode.NameNode")
        self.data_nodes = [Daemon(self, f"data{number}", f"{package}.datanode.DataNode", {
            "dfs.datanode.data.dir": f"file://{self.folder}/data{number}", f"dfs.datanode.{secure}.address": f"127.0.0.1:{http_port}",
            "dfs.datanode.address": f"127.0.0.1:{transfer}", "dfs.datanode.ipc.address": f"127.0.0.1:{ipc}"})
            for number, (http_port, transfer, ipc) in enumerate(zip(ports[2::3], ports[3::3], ports[4::3]), 1)]
        self._configure(count, {f"dfs.namenode.{secure}-address": f"127.0.0.1:{self.port}", **(self._secure(authority) if authority else {}), **(more or {})})

    def _secure(self, authority):
        openssl(authority.folder, "pkcs12", "-export", "-in", "hdfs.crt", "-inkey", "hdfs.key", "-out", "hdfs.p12", "-passout", f"pass:{STORE_PASSWORD}")
        (self.folder / "ssl-server.xml").write_text(xml({
            "ssl.server.keystore.location": authority.folder / "hdfs.p12", "ssl.server.keystore.type": "pkcs12",
            "ssl.server.keystore.password": STORE_PASSWORD, "ssl.server.keystore.keypassword": STORE_PASSWORD}))
        return {"dfs.http.policy": "HTTPS_ONLY"}

    def _configure(self, count, more):
        for place in ("hdfs", "datanode"):  # the jars hold no web pages, and the servers want their folders
            (self.folder / "webapps" / place).mkdir(parents=True)
        (self.folder / "log4j.properties").write_text(LOG)
        (self.folder / "core-site.xml").write_text(xml({
            "fs.defaultFS": f"hdfs://127.0.0.1:{self.rpc}", "hadoop.tmp.dir": self.folder / "tmp", "hadoop.http.staticuser.user": USER}))
        (self.folder / "hdfs-site.xml").write_text(xml({
            "dfs.namenode.name.dir": f"file://{self.folder}/name",
            "dfs.namenode.rpc-address": f"127.0.0.1:{self.rpc}",
            "dfs.replication": count,
            "dfs.webhdfs.enabled": "true",
            "dfs.permissions.enabled": "true",
            "dfs.datanode.hostname": "127.0.0.1",
            "dfs.client.use.datanode.hostname": "true",
            "dfs.namenode.datanode.registration.ip-hostname-check": "false",
            "dfs.namenode.safemode.extension": 0,
            "dfs.namenode.lease-recheck-interval-ms": 500,
            "dfs.heartbeat.interval": 1,
            "dfs.namenode.heartbeat.recheck-interval": 1000,
            "dfs.namenode.fs-limits.min-block-size": 1048576,
            **more}))

    def java(self, *arguments):
        return ["java", *JVM, f"-Dhadoop.home.dir={self.folder}", f"-Dlog4j.configuration=file:{self.folder}/log4j.properties",
                "-cp", f"{self.folder}:{fetch('hdfs')}/*", *arguments]

    # ---- processes ----

    @property
    def daemons(self):
        return [self.name_node, *self.data_nodes]

    def start(self):
        """Formats what is new; returns when files can be written."""
        if not (self.folder / "name" / "current").is_dir():
            done = subprocess.run(self.java(self.name_node.class_name, "-format", "-force", "-nonInteractive"), env=self.environment,
                                  capture_output=True, text=True, stdin=subprocess.DEVNULL)
            assert done.returncode == 0, done.stdout + done.stderr
        try:
            self.start_again()
        except BaseException:
            self.close()
            raise
        return self

    def start_again(self):
        """Those that do not run."""
        for daemon in self.daemons:
            if not daemon.process:
                daemon.spawn()
        self.wait()

    def wait(self):
        """Out of safe mode, with every data node: an open port is not enough."""
        deadline = time.monotonic() + START_PATIENCE
        while not self._serves():
            for daemon in self.daemons:
                assert daemon.process is None or daemon.process.poll() is None, f"{daemon.name} has ended\n{daemon.tail()}"
            assert time.monotonic() < deadline, f"HDFS does not serve within {START_PATIENCE} s\n{self.tail()}"
            time.sleep(0.1)

    def _serves(self):
        try:
            connection = self.connection(f"127.0.0.1:{self.port}", 5)
            connection.request("GET", "/jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState")
            state = json.loads(connection.getresponse().read())["beans"][0]
            connection.close()
        except (OSError, http.client.HTTPException, ValueError, LookupError):
            return False
        return state["FSState"] == "Operational" and state["NumLiveDataNodes"] == sum(bool(node.process) for node in self.data_nodes)

    def close(self):
        for daemon in self.daemons:
            if daemon.process:
                daemon.kill()

    def tail(self):
        return "\n".join(f"{daemon.log}:\n{daemon.tail()}" for daemon in self.daemons)

    def admin(self, *arguments):
        """hdfs dfsadmin ..."""
        done = subprocess.run(self.java("org.apache.hadoop.hdfs.tools.DFSAdmin", *arguments), env=self.environment, capture_output=True,
                              text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    # ---- files ----

    def connection(self, host, seconds):
        return (http.client.HTTPSConnection(host, timeout=seconds, context=self.tls) if self.tls
                else http.client.HTTPConnection(host, timeout=seconds))

    def url(self, path):
        return f"{'s' if self.tls else ''}webhdfs://127.0.0.1:{self.port}{path}"

    def ask(self, method, path, op, body=None, user=USER, **more):
        """The answer's body; what is redirected is followed."""
        query = urllib.parse.urlencode({"op": op, "user.name": user, **more})
        host, target = f"127.0.0.1:{self.port}", f"/webhdfs/v1{urllib.parse.quote(path)}?{query}"
        for first in (True, False):
            connection = self.connection(host, 60)
            try:
                connection.request(method, target, None if first else body)
                answer = connection.getresponse()
                data = answer.read()
            finally:
                connection.close()
            if answer.status != 307:
                break
            to = urllib.parse.urlsplit(answer.headers["Location"])
            host, target = to.netloc, f"{to.path}?{to.query}"
        if answer.status >= 300:
            raise Refused(answer.status, json.loads(data)["RemoteException"]["exception"])
        return data

    def read(self, path):
        return self.ask("GET", path, "OPEN")

    def write(self, path, data, **more):
        self.ask("PUT", path, "CREATE", data, overwrite="true", **more)

    def make(self, path, **more):
        self.ask("PUT", path, "MKDIRS", **more)

    def delete(self, path):
        self.ask("DELETE", path, "DELETE", recursive="true")

    def entries(self, path):
        """[(name, type, length)], of a directory that is not there none."""
        try:
            listing = json.loads(self.ask("GET", path, "LISTSTATUS"))
        except Refused as refused:
            if refused.args[1] == "FileNotFoundException":
                return []
            raise
        return [(entry["pathSuffix"], entry["type"], entry["length"]) for entry in listing["FileStatuses"]["FileStatus"]]

    def files(self, path):
        """The paths, below that one, of all files but hidden ones."""
        found = []
        for name, kind, _ in self.entries(path):
            if not name.startswith("."):
                found += [name] if kind == "FILE" else [f"{name}/{below}" for below in self.files(f"{path}/{name}")]
        return found

    def fetch(self, path, folder):
        """All of them, as files of a folder of this machine."""
        for name in self.files(path):
            target = pathlib.Path(folder) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.read(f"{path}/{name}"))
        return pathlib.Path(folder)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    hdfs = Hdfs(os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) == 3 else 1).start()
    print(f"{hdfs.url('/')}, user {USER}", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        hdfs.close()


if __name__ == "__main__":
    main()
