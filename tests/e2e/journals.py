"""`penstock journal inspect|verify|export` as tests call them, and what they say."""

import hashlib
import json
import re
import shutil

from penstock import run_command

LEDGER = re.compile(r"^outlet (?P<outlet>\S+): accepted (?P<accepted>\d+) = delivered (?P<delivered>\d+) \+ dead-lettered (?P<dead_lettered>\d+) "
                    r"\+ not for it (?P<not_for_outlet>\d+) \+ damaged (?P<damaged>\d+) \+ queued (?P<queued>\d+)", re.MULTILINE)
VERDICT = re.compile(r"^(?P<verdict>sound|NOT SOUND): gateway (?P<gateway>\S+), (?P<segments>\d+) segments, (?P<records>\d+) records, "
                     r"newest (?P<newest>\d+), (?P<damaged>\d+) damaged\n\Z", re.MULTILINE)


def journal(one, *arguments):
    """Of a gateway's own directory, or of any other."""
    at = {"cwd": one.directory} if hasattr(one, "directory") else {"cwd": one.parent}
    where = () if hasattr(one, "directory") else ("--directory", str(one))
    return run_command("journal", *arguments, *where, seconds=120, **at)


def verify(one):
    """(exit status, the last line, {outlet: totals}, all that was said)"""
    done = journal(one, "verify")
    last = VERDICT.search(done.stdout)
    assert last, (done.stdout, done.stderr)
    assert (done.returncode == 0) == (last["verdict"] == "sound") == (done.stderr == "")
    ledgers = {found["outlet"]: {name: int(value) for name, value in found.groupdict().items() if name != "outlet"}
               for found in LEDGER.finditer(done.stdout)}
    for ledger in ledgers.values():
        assert ledger["accepted"] == sum(value for name, value in ledger.items() if name != "accepted")
    return done.returncode, last, ledgers, done.stdout


def inspect(one):
    done = journal(one, "inspect", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def fingerprint(directory):
    """Every name and byte below a directory."""
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(directory.rglob("*")) if file.is_file()}


def copy_segments(source, target):
    """A copy of a journal that may be in use, as gateway/BACKUP.md says: the oldest segment first. None: to be made anew."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    try:
        for file in sorted(source.glob("*.segment")):
            shutil.copy2(file, target / file.name)
    except FileNotFoundError:
        return None
    return target if verify(target)[0] == 0 else None
