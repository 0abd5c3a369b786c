#!/usr/bin/python3
"""Installs the foreign readers of the files of tables: the Python packages of readers.txt, of these versions and with these checksums.

They come from PyPI (or what pip is configured to take for it) into a folder of the cache of fetch.py, and touch nothing else:
`sys.path.insert(0, str(readers.folder()))` makes them importable. Another readers.txt or Python is another folder.
"""

import fcntl
import hashlib
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time

from fetch import CACHE

LIST = pathlib.Path(__file__).resolve().parent / "readers.txt"
TRIES = 4
PATIENCE = 900  # seconds for one try


def target():
    what = LIST.read_bytes() + f"{sys.implementation.cache_tag} {sysconfig.get_platform()}".encode()
    return CACHE / f"readers-{hashlib.sha256(what).hexdigest()[:12]}"


def install_once(place):
    """pip's complaint, or None. Into a folder beside it that gets its name when it is whole."""
    half = pathlib.Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=CACHE))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--no-compile",
               "--only-binary", ":all:", "--require-hashes", "--requirement", str(LIST), "--target", str(half)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=PATIENCE)
        if done.returncode:
            return done.stdout
        half.chmod(0o755)
        half.rename(place)
        return None
    except subprocess.TimeoutExpired:
        return f"not done within {PATIENCE} s"
    finally:
        shutil.rmtree(half, ignore_errors=True)


def install(place):
    for count in range(TRIES):
        complaint = install_once(place)
        if complaint is None:
            return
        print(f"readers: try {count + 1} of {TRIES} failed\n{complaint[-3000:]}", file=sys.stderr)
        if count + 1 < TRIES:
            time.sleep(5 * (count + 1))  # a network that is away comes back; nothing here can be waited for
    raise RuntimeError(f"the packages of {LIST} cannot be installed")


def folder():
    """Where they are; installed when they are not there yet, once, whoever asks first."""
    place = target()
    if not place.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with open(CACHE / ".lock-readers", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not place.is_dir():
                install(place)
    return place


if __name__ == "__main__":
    print(f"readers of tables: {folder()}")
