"""`penstock land` into S3 and HDFS: members without a disk in common, of which one stands still until another has its partitions, and goes on."""

import signal

import pytest

import s3_lake
from hdfs import Hdfs
from landing import Member, lines, names, produce
from penstock import wait_until
from siege import stands_still

PARTITIONS = 4


class S3:
    def __init__(self, server):
        self.server, self.bucket = server, s3_lake.bucket_of(server)
        self.root, self.lake = f"s3://{self.bucket}/lake", {"s3": {"endpoint": server.url}}

    def copy(self, folder):
        self.server.client.save(self.bucket, folder)
        return folder / "lake"


class InHdfs:
    def __init__(self, cluster):
        self.cluster, self.root, self.lake = cluster, cluster.url("/lake"), {}

    def copy(self, folder):
        return self.cluster.fetch("/lake", folder)


@pytest.fixture(params=["S3", "HDFS"])
def store(request, tmp_path_factory):
    if request.param == "S3":
        yield S3(request.getfixturevalue("s3_server"))
        return
    cluster = Hdfs(tmp_path_factory.mktemp("hdfs") / "cluster")
    try:
        yield InHdfs(cluster.start())
    finally:
        cluster.close()


@pytest.fixture
def members(kafka, store, tmp_path):
    """Two of a group, and the topic that they land."""
    topic = kafka.create(kafka.name("readings"), PARTITIONS)
    made = []
    for name in ("one", "two"):
        made.append(Member(tmp_path / name, kafka, [{"topic": topic, "path": "grid/{key:02}"}], store.root,
                           lake={"roll": {"every": "200ms"}, **store.lake}))
        made[-1].environment = s3_lake.environment()
    yield topic, made
    for one in made:
        if one.process:
            one.process.send_signal(signal.SIGCONT)
            one.kill()


def test_each_record_is_there_once(kafka, store, members, tmp_path):
    topic, (one, two) = members
    sent = []

    def send(count):
        more = [(b"%d" % (number % 7), b'{"n":%d}' % number) for number in range(len(sent), len(sent) + count)]
        produce(kafka, topic, more)
        sent.extend(value for _, value in more)

    def landed(folder="grid"):
        copy = tmp_path / f"copy-{len(list(tmp_path.iterdir()))}"
        return sorted(lines(store.copy(copy), folder))

    def has(member, count):
        return lambda: member.metric("penstock_land_partitions", 'state="open"') == count

    one.start()
    send(300)
    wait_until("all partitions to be open", has(one, PARTITIONS))
    two.start()
    wait_until("two to have half of them", has(two, PARTITIONS // 2))
    send(300)
    one.process.send_signal(signal.SIGSTOP)
    wait_until("it to stand still", lambda: stands_still(one.process))
    send(300)
    wait_until("two to have all", has(two, PARTITIONS))
    wait_until("all records", lambda: len(landed()) >= len(sent))
    one.process.send_signal(signal.SIGCONT)
    send(300)
    wait_until("one to be back", has(one, PARTITIONS // 2))
    produce(kafka, topic, [(b"1", b"no JSON")])
    wait_until("the rest", lambda: len(landed()) >= len(sent) and landed("dead-letters"))
    for member in (one, two):
        member.stop_cleanly()
    assert landed() == sorted(sent)
    last = store.copy(tmp_path / "last")
    assert len(lines(last, "dead-letters")) == 1 and all(name.split("/")[0] in ("grid", "dead-letters") for name in names(last))
