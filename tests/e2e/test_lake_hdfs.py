"""The lake in a real HDFS: what was posted stands there, once, under the right names; and what becomes of it while HDFS is in trouble."""

import pytest

import penstock
from hdfs import Hdfs
from penstock import wait_until


@pytest.fixture(scope="module")
def hdfs(tmp_path_factory):
    made = Hdfs(tmp_path_factory.mktemp("hdfs") / "cluster")
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture
def lake(request, hdfs, gateway, tmp_path):
    return Lake(f"/{request.node.name}", hdfs, gateway, tmp_path)


class Lake:
    """A directory of HDFS, and gateways that write to it."""

    def __init__(self, root, hdfs, gateway, folder):
        self.root, self.hdfs, self.make, self.folder = root, hdfs, gateway, folder
        self.copies = 0

    def gateway(self, *sets, **more):
        return self.make(f"lake.url={self.hdfs.url(self.root)}", "lake.roll.every=200ms", *sets, **more)

    def rows(self, folder=None):
        self.copies += 1
        return penstock.lake_rows(self.hdfs.fetch(self.root, self.folder / f"copy-{self.copies}"), folder)

    def wait(self, count):
        wait_until(f"{count} rows", lambda: len(self.rows()) >= count)
        return self.rows()


def test_what_was_posted_is_there(lake):
    one = lake.gateway(config='streams: {readings: {key: /sensor, lake: {path: "{stream}/sensor={key}"}}}').start()
    sent = [one.send({"sensor": name, "value": number}) for number in range(3) for name in ("a", "b c", "d/e:f", "ü+%")]
    one.stop_cleanly()
    assert sorted(lake.rows()) == sorted(sent)
    for name in lake.hdfs.files(lake.root):
        assert penstock.LAKE_FILE.match(name.rsplit("/", 1)[1]), name
    assert {name.rsplit("/", 1)[0] for name in lake.hdfs.files(lake.root)} == {
        "readings/sensor=a", "readings/sensor=b c", "readings/sensor=d%2Fe%3Af", "readings/sensor=ü%2B%25"}
