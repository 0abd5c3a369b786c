"""Fixtures of e2e/ and fault/. They stop only what they started."""

import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "e2e"), str(HERE / "fault")]

import penstock  # noqa: E402


def pytest_sessionstart():
    if not pathlib.Path(penstock.BINARY).exists():
        pytest.exit(f"{penstock.BINARY} is not built: bash tests/run", returncode=2)


@pytest.fixture
def gateway(tmp_path):
    """gateway(*sets, directory=..., config=..., ...) makes a Gateway that is not started yet; it ends with the test."""
    made = []

    def make(*sets, directory=tmp_path / "gateway", **more):
        made.append(penstock.Gateway(directory, *sets, **more))
        return made[-1]

    make.folder = tmp_path
    yield make
    for one in made:
        if one.process:
            one.kill()


@pytest.fixture
def started(gateway):
    """A running gateway whose lake appears within moments."""
    return gateway("lake.roll.every=200ms").start()
