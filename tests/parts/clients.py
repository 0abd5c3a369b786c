#!/usr/bin/python3
"""Builds the programs of e2e/clients: publishers on MQTT libraries that Debian does not package, each with the lock file of what it needs.

`clients.py` builds those whose tools are there and says which are not. What is built stays in the cache of fetch.py, a folder per
program and state of its sources.
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

from fetch import CACHE

SOURCES = pathlib.Path(__file__).resolve().parents[1] / "e2e" / "clients"
TRIES = 3
PATIENCE = 900  # seconds for one try

# tool, the library whose client it makes, how it is built in a copy of its sources, how it is run from there, what may go afterwards
PROGRAMS = {
    "js": ("npm", "mqtt.js", ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], ["node", "client.js"], ()),
    "rust": ("cargo", "rumqttc", ["cargo", "build", "--release", "--locked", "--quiet"], ["target/release/penstock-test-client"],
             ("target/release/build", "target/release/deps", "target/release/incremental")),
    "go": ("go", "paho.mqtt.golang", ["go", "build", "-o", "client", "."], ["./client"], ()),
}


class Missing(Exception):
    """There is no tool to build it with."""


def folder(name):
    digest = hashlib.sha256()
    for file in sorted(path for path in (SOURCES / name).rglob("*") if path.is_file()):
        digest.update(f"{file.relative_to(SOURCES)}\0".encode() + file.read_bytes())
    return CACHE / f"client-{name}-{digest.hexdigest()[:12]}"


def build_once(name, target):
    """The tool's complaint, or None."""
    _, _, build, _, rest = PROGRAMS[name]
    half = pathlib.Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=CACHE))
    try:
        shutil.copytree(SOURCES / name, half, dirs_exist_ok=True)
        environment = {key: value for key, value in os.environ.items() if key != "CARGO_TARGET_DIR"}
        done = subprocess.run(build, cwd=half, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=PATIENCE)
        if done.returncode:
            return done.stdout
        for part in rest:
            shutil.rmtree(half / part, ignore_errors=True)
        half.chmod(0o755)
        half.rename(target)
        return None
    except subprocess.TimeoutExpired:
        return f"not done within {PATIENCE} s"
    finally:
        shutil.rmtree(half, ignore_errors=True)


def build(name, target):
    for count in range(TRIES):
        complaint = build_once(name, target)
        if complaint is None:
            return
        print(f"clients: {name}: try {count + 1} of {TRIES} failed\n{complaint[-3000:]}", file=sys.stderr)
        if count + 1 < TRIES:
            time.sleep(5 * (count + 1))  # a network that is away comes back; nothing here can be waited for
    raise RuntimeError(f"the client {name} cannot be built")


def command(name):
    """The words that run it; built when it is not there yet."""
    tool, library, _, words, _ = PROGRAMS[name]
    target = folder(name)
    if not target.is_dir():
        if not shutil.which(tool):
            raise Missing(f"{library}: there is no {tool} to build its client with")
        CACHE.mkdir(parents=True, exist_ok=True)
        with open(CACHE / ".lock-clients", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.is_dir():
                build(name, target)
    if not shutil.which(words[0]) and not (target / words[0]).exists():
        raise Missing(f"{library}: there is no {words[0]} to run its client with")
    return [str(target / word) if (target / word).exists() else word for word in words]


def main():
    for name in PROGRAMS:
        try:
            print(f"{PROGRAMS[name][1]}: {' '.join(command(name))}")
        except Missing as missing:
            print(f"{missing}: skipped")


if __name__ == "__main__":
    main()
