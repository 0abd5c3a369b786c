"""The helper programs, and the fault table at the end."""

import os
import pathlib
import subprocess

import pytest

import siege
import table
from ledger import Ledger

HERE = pathlib.Path(__file__).resolve().parent
FLAGS = ["-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror"]


def pytest_configure(config):
    config.addinivalue_line("markers", "one_round: the test is a whole round of its fault, with a gateway of its own; a long run has ROUNDS / 10 of them")


def pytest_generate_tests(metafunc):
    if siege.ROUNDS and metafunc.definition.get_closest_marker("one_round"):
        metafunc.fixturenames.append("nth")
        metafunc.parametrize("nth", range(max(1, siege.ROUNDS // 10)))


@pytest.fixture(scope="session")
def tools(tmp_path_factory):
    """The folder of the built helpers: load, powercut, nosync.so, commit.so, strike.so, threads.so."""
    folder = tmp_path_factory.mktemp("tools")
    for name, more in (("load", ["-pthread"]), ("powercut", []), ("nosync", ["-shared", "-fPIC"]), ("commit", ["-shared", "-fPIC"]),
                       ("strike", ["-shared", "-fPIC"]), ("threads", ["-shared", "-fPIC"])):
        target = folder / (name + ".so" if "-shared" in more else name)
        subprocess.run(["cc", *FLAGS, *more, str(HERE / f"{name}.c"), "-o", str(target)], check=True)
    return folder


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "notes")


def pytest_terminal_summary(terminalreporter):
    if not siege.ROWS:
        return
    terminalreporter.section("fault table")
    line = "{:44} {:>6} {:>9} {:>8} {:>8}  {}".format
    terminalreporter.write_line(line("fault", "rounds", "accepted", "lost", "doubled", "seed"))
    for row in siege.ROWS:
        terminalreporter.write_line(line(*row))
    if path := os.environ.get("FAULT_TABLE"):
        table.write(path, siege.ROWS)
