"""Fixtures of e2e/ and fault/. They stop only what they started."""

import pathlib
import shutil
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "e2e"), str(HERE / "fault"), str(HERE / "parts")]

import penstock  # noqa: E402


def pytest_sessionstart():
    if not pathlib.Path(penstock.BINARY).exists():
        pytest.exit(f"{penstock.BINARY} is not built: bash tests/run", returncode=2)


@pytest.fixture
def tmp_path(request, tmp_path):
    """The folder of a test that passed goes with it: a journal keeps hundreds of MiB in reserve, and there are hundreds of tests."""
    yield tmp_path
    if not getattr(request.node, "failed", False):
        shutil.rmtree(tmp_path, ignore_errors=True)


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
def mount(tmp_path):
    """mount(kind, size): a mounted filesystem that goes away with the test. Name it before `gateway`, so that
    the gateway ends first."""
    from siege import Mount

    mounts = []

    def make(kind, size):
        mounts.append(Mount(tmp_path, kind, size))
        mounts[-1].mount()
        return mounts[-1]

    yield make
    for one in mounts:
        one.close()


@pytest.fixture
def started(gateway):
    """A running gateway whose lake appears within moments."""
    return gateway("lake.roll.every=200ms").start()


@pytest.fixture(scope="session")
def brokers(tmp_path_factory):
    """make(count, settings...): a Kafka cluster that is not started; it ends with the tests."""
    from broker import Cluster

    made = []

    def make(count=1, **settings):
        folder = tmp_path_factory.mktemp("kafka")
        made.append(Cluster(folder / "cluster", count, {name.replace("_", "."): value for name, value in settings.items()}))
        return made[-1]

    yield make
    for cluster in made:
        cluster.close()


@pytest.fixture(scope="session")
def shared_broker(brokers):
    return brokers().start()


@pytest.fixture
def kafka(request, shared_broker):
    """The one broker of all tests that leave it alone; topics of this test have a prefix of their own."""
    from kafka import in_hands_of

    yield from in_hands_of(request, shared_broker)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """One for all tests that leave it alone; each makes a bucket of its own."""
    from s3 import Server

    server = Server(tmp_path_factory.mktemp("s3")).start()
    yield server
    server.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    item.failed = getattr(item, "failed", False) or report.failed
    cluster = getattr(item, "kafka_cluster", None)
    if report.failed and cluster:
        report.sections.append(("the end of Kafka's log", cluster.tail()))
