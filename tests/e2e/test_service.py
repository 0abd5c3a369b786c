"""docker/penstock.service: what systemd says of it, and a gateway that runs under what it forbids."""

import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import zlib

import pytest

import penstock
from access import add, bearer
from mqtt import Client
from penstock import ROOT, wait_until
from test_admin_socket import curl

UNIT = ROOT / "docker" / "penstock.service"
EXPOSURE = 1.5
NOBODY = 65534
PR_SET_NO_NEW_PRIVS, PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 38, 65, 1

analyze = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze on this machine")


def settings(name):
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


@analyze
def test_exposure():
    said = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)], capture_output=True, text=True, check=False).stdout
    level = float(re.search(r"Overall exposure level for penstock.service: ([\d.]+)", said).group(1))
    assert level <= EXPOSURE, said


@analyze
def test_systemd_knows_every_word_of_it(tmp_path):
    there = UNIT.read_text().replace("/usr/local/bin/penstock", penstock.BINARY)
    (tmp_path / UNIT.name).write_text(there)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(tmp_path / UNIT.name)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_nothing_is_hidden_that_it_needs():
    """Each of these would start, and be wrong in silence: see the unit."""
    assert not settings("PrivateUsers") and not settings("ProcSubset")


# ---- under what it forbids ----


def expand(name):
    """The system calls of a set of systemd's."""
    if not name.startswith("@"):
        return {name}
    said = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", name], capture_output=True, text=True, check=True).stdout
    names = [line.strip() for line in said.splitlines()[1:] if line.strip() and not line.strip().startswith("#")]
    return set().union(*map(expand, names))


def allowed():
    """As systemd reads SystemCallFilter: the first line says that the list allows, one with ~ takes away; what every process needs is there anyway."""
    calls = expand("@default")
    for line in settings("SystemCallFilter"):
        for name in line.lstrip("~").split():
            calls = calls - expand(name) if line.startswith("~") else calls | expand(name)
    return calls


def make_filter():
    """Everything but these calls, and sockets of other families, fails with EPERM."""
    import seccomp  # from Debian's python3-seccomp

    found = seccomp.SyscallFilter(seccomp.ERRNO(1))
    families = [getattr(socket, name) for name in settings("RestrictAddressFamilies")[0].split()]
    for name in allowed():
        try:
            if name == "socket":
                for family in families:
                    found.add_rule(seccomp.ALLOW, name, seccomp.Arg(0, seccomp.EQ, family))
            else:
                found.add_rule(seccomp.ALLOW, name)
        except (RuntimeError, ValueError):  # of another machine, or newer than this library
            continue
    return found


class Confined(penstock.Gateway):
    """A gateway whose process has given up what the unit takes from it."""

    def __init__(self, directory, *sets, **more):
        super().__init__(directory, *sets, **more)
        self.filter = make_filter()
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notified.bind(str(self.directory / "notify"))
        self.notified.settimeout(60)
        self.environment = {**self.environment, "NOTIFY_SOCKET": str(self.directory / "notify"), "WATCHDOG_USEC": "60000000"}
        if os.geteuid() == 0:
            for path in (self.directory, *self.directory.rglob("*")):
                os.chown(path, NOBODY, NOBODY)

    def confine(self):
        libc = ctypes.CDLL(None, use_errno=True)
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        os.umask(0o077)
        assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
        libc.prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)  # kernels before 6.3 do not know it
        self.filter.load()

    def spawn(self):
        command = self.command()
        self.starts += 1
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                            env={**os.environ, **self.environment}, preexec_fn=self.confine)  # fmt: skip
        return self

    def told(self, what):
        """Reads what systemd is told until that is among it."""
        while what not in (said := self.notified.recv(4096).decode()):
            pass
        return said


CONFIG = """
streams:
  readings:
    key: /sensor_id
    schema: pump.v1
  lines: {format: text}
files:
  - {watch: "%(directory)s/drop/*.log", stream: lines}
  - {spool: "%(directory)s/batches", stream: readings, done: archive}
"""


@analyze
def test_runs_under_the_unit(tmp_path_factory):
    """HTTP with compressed bodies, MQTT, files, a schema with a pattern, credentials that change, a stop: all that it does to kernel and memory."""
    pytest.importorskip("seccomp", reason="python3-seccomp is not installed")
    directory = pathlib.Path(tmp_path_factory.mktemp("service"))
    for parent in (directory, *directory.parents[:2]):  # pytest's are for its user alone
        parent.chmod(parent.stat().st_mode | 0o011)
    for name in ("drop", "batches"):
        (directory / name).mkdir()
    (directory / "pump.v1.json").write_text('{"type":"object","properties":{"sensor_id":{"type":"string","pattern":"^PUMP_[0-9]+$"}}}')
    file = directory / "credentials"
    secret = add(file, "all")
    config = (CONFIG % {"directory": directory}).replace("pump.v1", f"{directory}/pump.v1.json")
    gateway = Confined(directory, f"access.credentials={file}", "lake.roll.every=50ms", f"admin.listen=[127.0.0.1:0,unix:{directory}/s]", config=config)
    binary = directory / "penstock"  # where it was built may be a place that others do not see
    shutil.copy(penstock.BINARY, binary)
    binary.chmod(0o755)
    command = gateway.command
    gateway.command = lambda: [str(binary), *command()[1:]]
    with gateway:
        gateway.told("READY=1")
        assert gateway.post("/readings", '{"sensor_id":"PUMP_1"}', **bearer(secret)).status == 200
        assert gateway.post("/readings", '{"sensor_id":"PIPE_1"}', **bearer(secret)).status == 422
        packed = zlib.compressobj(wbits=31)
        body = packed.compress(b'{"sensor_id":"PUMP_2"}') + packed.flush()
        assert gateway.post("/readings", body, Content_Encoding="gzip", **bearer(secret)).status == 200
        with Client(gateway.ports["mqtt"]) as client:
            client.connect("c", user="all", password=secret)
            assert client.store("readings/PUMP_3", '{"sensor_id":"PUMP_3"}', qos=2) == 0
        (directory / "drop" / "a.log").write_text("one\ntwo\n")
        (directory / "new").write_text('{"sensor_id":"PUMP_4"}\n')
        for path in (directory / "new", directory / "drop" / "a.log"):
            path.chmod(0o644)
            if os.geteuid() == 0:
                os.chown(path, NOBODY, NOBODY)
        (directory / "new").rename(directory / "batches" / "b.jsonl")
        wait_until("all of it in the lake", lambda: len(penstock.lake_rows(gateway.lake)) == 6)
        wait_until("the archive", lambda: list((directory / "batches" / "archive").rglob("b.jsonl")))
        other = add(file, "other")
        gateway.process.send_signal(signal.SIGHUP)
        gateway.told("RELOADING=1")
        gateway.told("READY=1")
        assert gateway.post("/readings", '{"sensor_id":"PUMP_5"}', **bearer(other)).status == 200
        assert json.loads(gateway.admin("/readyz").body)["ready"]
        assert (directory / "s").stat().st_mode & 0o777 == 0o660 and curl(directory / "s", "http://x/healthz") == (200, "ok\n")
        assert "JIT" not in gateway.said() and "ERROR" not in gateway.said(), gateway.said()
        status = pathlib.Path(f"/proc/{gateway.process.pid}/status").read_text()
        assert "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status
        gateway.process.send_signal(signal.SIGTERM)
        gateway.told("STOPPING=1")
        assert gateway.ended() == 0
        assert not (directory / "s").exists()
