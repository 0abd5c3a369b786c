#!/usr/bin/python3
"""Builds the programs of e2e/clients: publishers on MQTT libraries that Debian does not package, each with the lock file of what it needs.

`clients.py` builds those whose tools are there and says which are not. What is built stays in the cache of fetch.py, a folder per
program and state of its sources.
"""

import functools
import hashlib
import os
import pathlib
import shutil

import once
from fetch import CACHE

SOURCES = pathlib.Path(__file__).resolve().parents[1] / "e2e" / "clients"
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


def build(name, half):
    _, _, words, _, rest = PROGRAMS[name]
    shutil.copytree(SOURCES / name, half, dirs_exist_ok=True)
    environment = {key: value for key, value in os.environ.items() if key != "CARGO_TARGET_DIR"}
    once.run(words, PATIENCE, cwd=half, env=environment)
    for part in rest:
        shutil.rmtree(half / part, ignore_errors=True)


def command(name):
    """The words that run it; built when it is not there yet."""
    tool, library, _, words, _ = PROGRAMS[name]
    target = folder(name)
    if not target.is_dir():
        if not shutil.which(tool):
            raise Missing(f"{library}: there is no {tool} to build its client with")
        once.folder(target, functools.partial(build, name))
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
