"""Fixtures of imports: one private PostgreSQL for all tests, a database of its own for each."""

import itertools
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "parts")]

from importing import BINARY as PENSTOCK, Import  # noqa: E402
from postgres import QUIET, Postgres  # noqa: E402
from probe import BINARY, Probe  # noqa: E402
from sqooping import Sqoop  # noqa: E402

numbers = itertools.count(1)


def pytest_sessionstart():
    if not pathlib.Path(BINARY).exists():
        pytest.exit(f"{BINARY} is not built: bash tests/run e2e", returncode=2)


@pytest.fixture(scope="session")
def server():
    made = Postgres(QUIET).start()
    yield made
    made.close()


class Database:
    """A database of the server that this test has alone."""

    def __init__(self, server, folder):
        self.server = server
        self.folder = folder
        self.name = f"test{next(numbers)}"
        self.probes = []
        server.run(f"CREATE DATABASE {self.name}")

    @property
    def address(self):
        return self.server.conninfo(self.name)

    def run(self, sql):
        return self.server.run(sql, self.name)

    def probe(self, command="read", **asked):
        asked.setdefault("address", self.address)
        self.probes.append(Probe(self.folder / f"out{len(self.probes)}", command=command, **asked))
        return self.probes[-1]

    def plan(self, **asked):
        """The splits, and why they are as they are."""
        probe = self.probe("plan", **asked)
        probe.end()
        return probe.said("sql"), probe.said("plan")[0]["plan"]

    def describe(self, **asked):
        probe = self.probe("describe", **asked)
        probe.end()
        return probe.said("table")

    def read(self, **asked):
        probe = self.probe("read", **asked)
        probe.end()
        return probe.rows()

    def close(self):
        for probe in self.probes:
            if probe.process.poll() is None:
                probe.process.kill()
                probe.process.wait()
            probe.process.stdin.close()
            probe.process.stdout.close()
        self.server.run(f"DROP DATABASE {self.name} WITH (FORCE)")


@pytest.fixture
def database_of(tmp_path):
    """database_of(server): one of another server, which ends with that."""
    return lambda server: Database(server, tmp_path)


@pytest.fixture
def database(server, tmp_path):
    made = Database(server, tmp_path)
    yield made
    made.close()


@pytest.fixture
def begin_import(tmp_path):
    """begin_import(address, words...): in the test's folder. One that still runs when the test ends is killed."""
    started = []

    def begin(address, *words, **more):
        started.append(Import(address, *words, cwd=tmp_path, **more))
        return started[-1]

    yield begin
    for one in started:
        if one.process.poll() is None:
            one.kill()


@pytest.fixture
def sqoop(cluster, tmp_path):
    """Lines of Sqoop's in the test's folder; cluster: the module's own, of sqooping.begin_server()."""
    return Sqoop(cluster, tmp_path)


def preload(name, tmp_path_factory):
    """A library that is loaded before all others, of NAME.c."""
    if "libasan" in subprocess.run(["ldd", PENSTOCK], capture_output=True, text=True, check=True).stdout:
        pytest.skip("the sanitizer has to be the first library")
    made = tmp_path_factory.mktemp(name) / f"{name}.so"
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-o", made, pathlib.Path(__file__).with_name(f"{name}.c")], check=True)
    return made


@pytest.fixture(scope="session")
def killing(tmp_path_factory):
    """It kills an import while it is published."""
    return preload("killing", tmp_path_factory)


@pytest.fixture(scope="session")
def silent(tmp_path_factory):
    """A resolver that does not answer."""
    return preload("silent", tmp_path_factory)
