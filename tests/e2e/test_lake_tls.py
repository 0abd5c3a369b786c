"""Lakes elsewhere over TLS: who is not what it should be gets nothing, and what waits for it is there when it is."""

import json
import shutil

import pytest

import s3
import s3_lake
import tls
from certificates import Authority
from hdfs import Hdfs
from lake_hdfs import Lake
from penstock import wait_until


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    """Ours, and one that nobody trusts; ours has issued certificates that are right, for another host, and of last year."""
    folder = tmp_path_factory.mktemp("authorities")
    ours, other = tls.authority(folder / "ours"), Authority(folder / "other", "another CA")
    ours.issue("hdfs")
    ours.issue("elsewhere", names="DNS:elsewhere.example,IP:192.0.2.1")
    ours.issue("late")
    ours.shorten("late", -86400)
    other.issue("server")
    return ours, other


@pytest.fixture(scope="module")
def store(authorities, tmp_path_factory):
    made = s3.Server(tmp_path_factory.mktemp("s3"), authority=authorities[0])
    try:
        yield made.start()
    finally:
        made.close()


def of_s3(gateway, server, bucket, ca, *sets):
    more = [f"lake.ca={ca.certificate}"] if ca else []
    return gateway(*s3_lake.options(server.url, bucket), *more, *sets, environment=s3_lake.environment())


def send(one, count):
    return [one.send({"sensor_id": "a", "n": number}) for number in range(count)]


def wait_complaint(one, *words):
    def told():
        text = s3_lake.conditions(one)
        return text if all(word in text for word in words) else None

    return wait_until(f"/readyz to say {words}", told)


def told_nothing(one):
    """Neither the log nor /readyz has a secret."""
    assert s3.SECRET not in one.said() + json.dumps(one.ready()[1])


def test_s3(gateway, store, authorities):
    """Large objects, too: their parts are sent as they are, and TLS alone vouches for them."""
    bucket = s3_lake.bucket_of(store)
    one = of_s3(gateway, store, bucket, authorities[0], "lake.roll.size=64MiB").start()
    large = [one.send({"sensor_id": "b", "text": str(number % 10) * (300 << 10)}) for number in range(40)]
    sent = large + send(one, 20)
    told_nothing(one)
    one.stop_cleanly()
    assert s3_lake.rows(store, bucket) == sent


def test_s3_that_nobody_vouches_for(gateway, store, authorities):
    """Nothing is lost meanwhile: who is told of the right authority delivers it all."""
    bucket = s3_lake.bucket_of(store)
    one = of_s3(gateway, store, bucket, authorities[1]).start()
    sent = send(one, 10)
    text = wait_complaint(one, "certificate")
    assert f"127.0.0.1:{store.port}" in text and "lake.ca" in text, text
    told_nothing(one)
    one.stop()
    assert s3_lake.rows(store, bucket) == []
    one.sets = [f"lake.ca={authorities[0].certificate}" if word.startswith("lake.ca=") else word for word in one.sets]
    one.start()
    wait_until("all rows", lambda: s3_lake.rows(store, bucket) == sent)


def test_s3_without_a_ca_asks_the_system(gateway, store):
    one = of_s3(gateway, store, s3_lake.bucket_of(store), None).start()
    send(one, 1)
    wait_complaint(one, "certificate", "lake.ca")


@pytest.mark.parametrize("name", ["elsewhere", "late"])
def test_s3_that_shows_a_wrong_certificate(gateway, authorities, tmp_path, name):
    server = s3.Server(tmp_path / "s3", authority=authorities[0], name=name)
    server.client.tls.check_hostname = False
    server.client.tls.verify_mode = 0
    server.start()
    try:
        bucket = s3_lake.bucket_of(server)
        one = of_s3(gateway, server, bucket, authorities[0]).start()
        send(one, 1)
        wait_complaint(one, "certificate is not trusted: check lake.ca, its host and its date", f"127.0.0.1:{server.port}")
        assert server.client.keys(bucket) == []
    finally:
        server.close()


def test_hdfs(gateway, authorities, tmp_path):
    """The name node and its data nodes speak nothing but TLS."""
    if not shutil.which("java"):
        pytest.skip("no java")
    hdfs = Hdfs(tmp_path / "cluster", authority=authorities[0])
    try:
        hdfs.start()
        lake = Lake("/lake", hdfs, gateway, tmp_path)
        one = lake.gateway(f"lake.ca={authorities[1].certificate}").start()
        sent = send(one, 10)
        text = wait_complaint(one, "certificate", "lake.ca")
        assert f"127.0.0.1:{hdfs.port}" in text, text
        one.stop()
        one.sets = [word if not word.startswith("lake.ca=") else f"lake.ca={authorities[0].certificate}" for word in one.sets]
        one.start()
        lake.wait(sent)
        one.stop_cleanly()
    finally:
        hdfs.close()
