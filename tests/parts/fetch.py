#!/usr/bin/python3
"""Fetches the servers that Debian does not package: PART/pom.xml names their jars, Maven gets them from its repositories.

`fetch.py [PART...]`, all parts when none is named. The jars stay in ${PENSTOCK_PARTS:-~/.cache/penstock/parts}, a folder per
part and version, for all later runs. KAFKA_VERSION takes another Kafka.
"""

import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("PENSTOCK_PARTS") or pathlib.Path.home() / ".cache" / "penstock" / "parts")
VERSIONS = {"kafka": os.environ.get("KAFKA_VERSION") or "3.9.2", "hdfs": "3.5.0"}
TRIES = 4
PATIENCE = 600  # seconds for one try


def folder(part):
    """Where the part's jars are or will be. Another pom.xml is another folder."""
    digest = hashlib.sha256((HERE / part / "pom.xml").read_bytes()).hexdigest()[:8]
    return CACHE / f"{part}-{VERSIONS[part]}-{digest}"


def copy_jars(part, target, again):
    """Maven's complaint, or None. Checksums are strict; a second try also asks again for what was not there at the first."""
    command = ["mvn", "-B", "-q", "-C", *(["-U"] if again else []), "-f", str(HERE / part / "pom.xml"),
               f"-D{part}.version={VERSIONS[part]}", f"-DoutputDirectory={target}", "dependency:copy-dependencies"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return f"not done within {PATIENCE} s"
    return done.stdout if done.returncode else None


def download(part, target):
    """Into a folder beside the target that gets its name when it is whole: a broken download is never taken."""
    for count in range(TRIES):
        half = pathlib.Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=CACHE))
        try:
            complaint = copy_jars(part, half, count > 0)
            if complaint is None:
                half.chmod(0o755)
                half.rename(target)
                return
        finally:
            shutil.rmtree(half, ignore_errors=True)
        print(f"fetch {part} {VERSIONS[part]}: try {count + 1} of {TRIES} failed\n{complaint[-3000:]}", file=sys.stderr)
        if count + 1 < TRIES:
            time.sleep(5 * (count + 1))  # a network that is away comes back; nothing here can be waited for
    sys.exit(f"fetch: {part} {VERSIONS[part]} cannot be downloaded; `mvn -f {HERE / part / 'pom.xml'} dependency:tree` says more")


def fetch(part):
    """The folder of the part's jars, downloaded when it is not there. One download at a time."""
    target = folder(part)
    if not target.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with open(CACHE / ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.is_dir():
                download(part, target)
    return target


if __name__ == "__main__":
    for name in sys.argv[1:] or VERSIONS:
        if name not in VERSIONS:
            sys.exit(f"fetch: there is no part {name}, only {', '.join(VERSIONS)}")
        print(f"{name} {VERSIONS[name]}: {fetch(name)}")
