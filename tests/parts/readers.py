#!/usr/bin/python3
"""Installs the foreign readers of the files of tables: the Python packages of readers.txt, of these versions and with these checksums.

They come from PyPI (or what pip is configured to take for it) into a folder of the cache of fetch.py, and touch nothing else:
`sys.path.insert(0, str(readers.folder()))` makes them importable. Another readers.txt or Python is another folder.
"""

import hashlib
import pathlib
import sys
import sysconfig

import once
from fetch import CACHE

LIST = pathlib.Path(__file__).resolve().parent / "readers.txt"
PATIENCE = 900  # seconds for one try


def target():
    what = LIST.read_bytes() + f"{sys.implementation.cache_tag} {sysconfig.get_platform()}".encode()
    return CACHE / f"readers-{hashlib.sha256(what).hexdigest()[:12]}"


def install(half):
    once.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--no-compile",
              "--only-binary", ":all:", "--require-hashes", "--requirement", str(LIST), "--target", str(half)], PATIENCE)


def folder():
    """Where they are; installed when they are not there yet."""
    return once.folder(target(), install)


if __name__ == "__main__":
    print(f"readers of tables: {folder()}")
