"""What is fetched or built once for all later runs: a folder that gets its name when it is whole, whoever asks first."""

import fcntl
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

TRIES = 4


class Failed(Exception):
    """What a tool or a registry complains of; another try may help."""


def run(command, patience, **options):
    """A program without input, for so many seconds at most; what it prints is the complaint when it fails."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=patience, **options)
    except subprocess.TimeoutExpired:
        raise Failed(f"not done within {patience} s") from None
    if done.returncode:
        raise Failed(done.stdout)


def _fill_half(place, fill):
    half = pathlib.Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
    try:
        whole = fill(half) or half
        half.chmod(0o755)
        whole.chmod(0o755)
        whole.rename(place)
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _fill(place, fill):
    for count in range(TRIES):
        try:
            return _fill_half(place, fill)
        except Failed as failed:
            print(f"{place.name}: try {count + 1} of {TRIES} failed\n{str(failed)[-3000:]}", file=sys.stderr)
        if count + 1 < TRIES:
            time.sleep(5 * (count + 1))  # a network that is away comes back; nothing here can be waited for
    raise RuntimeError(f"{place.name} cannot be made in {place.parent}")


def folder(place, fill):
    """place; when it is not there, fill(half) fills a folder beside it, and returns the folder within it that is meant if it is not
    all of it. Others who ask meanwhile wait."""
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        with open(place.parent / f".lock-{place.name}", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not place.is_dir():
                _fill(place, fill)
    return place
