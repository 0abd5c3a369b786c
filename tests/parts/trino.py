#!/usr/bin/python3
"""Trino as a foreign reader: the server and its Hive connector from Maven's repositories, with a metastore of files. It needs a Java of version 24 or newer, which Debian 12 has not: $TRINO_JAVA, or one below /usr/lib/jvm.

By hand: `trino.py FOLDER` starts one until Ctrl-C.
"""

import http.client
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import zipfile

import once
from fetch import CACHE
from ports import free_ports

VERSION = "476"
SERVER = f"io.trino:trino-server-core:{VERSION}:tar.gz"
HIVE = f"io.trino:trino-hive:{VERSION}:zip"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
JAVA_LEAST = 24
PATIENCE = 1800  # seconds for one try of a download
START_PATIENCE = 300
QUERY_PATIENCE = 300
REST = ("geospatial", "exchange-filesystem", "functions-python", "password-authenticators", "spooling-filesystem")
JVM = ("-Xmx1500M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djdk.attach.allowAttachSelf=true", "-XX:+EnableDynamicAgentLoading",
       "--enable-native-access=ALL-UNNAMED", "-Duser.timezone=UTC")


class Failed(Exception):
    """What Trino says of a statement."""


def fill(half):
    for artifact in (SERVER, HIVE):
        once.run(["mvn", "-B", "-q", "-C", COPY, f"-Dartifact={artifact}", f"-DoutputDirectory={half}"], PATIENCE, cwd=half)
    once.run(["tar", "-xzf", f"trino-server-core-{VERSION}.tar.gz", "--no-same-owner"], PATIENCE, cwd=half)
    home = half / f"trino-server-core-{VERSION}"
    for part in REST:
        shutil.rmtree(home / "plugin" / part, ignore_errors=True)
    with zipfile.ZipFile(half / f"trino-hive-{VERSION}.zip") as archive:
        archive.extractall(home / "plugin")
    (home / "plugin" / f"trino-hive-{VERSION}").rename(home / "plugin" / "hive")
    return home


def folder():
    return once.folder(CACHE / f"trino-{VERSION}", fill)


def java():
    """The home of a Java that will do; None: there is none."""
    said = os.environ.get("TRINO_JAVA")
    for home in [pathlib.Path(said)] if said else sorted(pathlib.Path("/usr/lib/jvm").glob("*")):
        if (home / "bin/java").exists() and (home / "release").exists():
            version = re.search(r'JAVA_VERSION="(\d+)', (home / "release").read_text())
            if version and int(version[1]) >= JAVA_LEAST:
                return home
    return None


class Trino:
    """One server; its catalog `lake` reads files of this machine below `root`, by local:///, and objects by s3:// where an S3 server is named."""

    def __init__(self, place, root, s3=None, schema="default"):
        self.place = pathlib.Path(place)
        self.schema = schema  # of names that say none
        self.port = free_ports(1)[0]
        etc = self.place / "etc"
        (etc / "catalog").mkdir(parents=True)
        address = f"http://127.0.0.1:{self.port}"
        (etc / "node.properties").write_text(f"node.environment=test\nnode.id=test\nnode.data-dir={self.place}/data\nnode.bind-ip=127.0.0.1\n"
                                             "node.internal-address=127.0.0.1\n")
        (etc / "config.properties").write_text(f"coordinator=true\nnode-scheduler.include-coordinator=true\nhttp-server.http.port={self.port}\n"
                                               f"discovery.uri={address}\nquery.max-memory-per-node=400MB\n")
        (etc / "jvm.config").write_text("\n".join(JVM) + "\n")
        (etc / "catalog" / "lake.properties").write_text(
            f"connector.name=hive\nhive.metastore=file\nhive.metastore.catalog.dir=local:///metastore\nfs.native-local.enabled=true\nlocal.location={root}\n"
            + (f"fs.native-s3.enabled=true\ns3.endpoint={s3[0]}\ns3.region=us-east-1\ns3.path-style-access=true\ns3.aws-access-key={s3[1]}\n"
               f"s3.aws-secret-key={s3[2]}\n" if s3 else ""))
        self.process = None

    def start(self):
        home = java()
        environment = {**os.environ, "JAVA_HOME": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}"}
        with open(self.place / "log", "wb") as log:
            self.process = subprocess.Popen([folder() / "bin/launcher", "run", "--etc-dir", self.place / "etc"], cwd=self.place, env=environment,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + START_PATIENCE
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() > until:
                raise Failed((self.place / "log").read_text(errors="replace")[-4000:])
            time.sleep(0.5)
        return self

    def _request(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {"X-Trino-User": "test", "X-Trino-Catalog": "lake", "X-Trino-Schema": self.schema, "X-Trino-Time-Zone": "UTC"})
            return json.loads(connection.getresponse().read() or b"{}")
        finally:
            connection.close()

    def _is_ready(self):
        try:
            return self._request("GET", "/v1/info").get("starting") is False
        except (OSError, ValueError, http.client.HTTPException):
            return False

    def _answers(self, text):
        answer = self._request("POST", "/v1/statement", text.encode())
        while True:
            yield answer
            if "nextUri" not in answer:
                return
            answer = self._request("GET", answer["nextUri"].split(f":{self.port}", 1)[1])

    def sql(self, text):
        """Rows as dicts. A server that has started knows only later that it is a node of the catalog itself."""
        until = time.monotonic() + QUERY_PATIENCE
        while True:
            rows, error = [], None
            for answer in self._answers(text):
                names = [column["name"] for column in answer.get("columns", ())]
                rows += [dict(zip(names, row)) for row in answer.get("data", ())]
                error = answer.get("error", error)
                if time.monotonic() > until:
                    raise Failed(f"not done within {QUERY_PATIENCE} s\n{text}")
            if not error:
                return rows
            if error["errorName"] != "NO_NODES_AVAILABLE" or time.monotonic() > until:
                raise Failed(f"{error['message']}\n{text}")
            time.sleep(0.5)

    def close(self):
        if self.process:
            self.process.terminate()
            self.process.wait(60)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        print(f"Trino: {folder()}, Java: {java()}")
    else:
        place = pathlib.Path(sys.argv[1]).resolve()
        server = Trino(place, place / "lake").start()
        print(f"http://127.0.0.1:{server.port}, tables of {place}/lake by local:///")
        try:
            server.process.wait()
        except KeyboardInterrupt:
            server.close()
