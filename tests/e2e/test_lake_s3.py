"""The lake as objects of an S3 store: what comes out is what was sent, and what goes wrong is said."""

import json
import os
import signal
import urllib.parse

import pytest

import lake_tables
import penstock
import s3
import s3_lake
from penstock import wait_until
from s3_proxy import CUT, Proxy, Reply, error

HOUR = "1h"


@pytest.fixture
def bucket(s3_server):
    return s3_lake.bucket_of(s3_server)


@pytest.fixture
def proxy(s3_server):
    one = Proxy(s3_server.port)
    yield one
    one.close()


def new_gateway(gateway, url, bucket, *sets, every="200ms", **more):
    more.setdefault("environment", s3_lake.environment())
    return gateway(*s3_lake.options(url, bucket, every=every), *sets, **more)


def send(one, count, start=0):
    return [one.send({"sensor_id": f"s{number % 3}", "n": number}) for number in range(start, start + count)]


def wait_for(server, bucket, sent):
    wait_until(f"{len(sent)} rows", lambda: s3_lake.rows(server, bucket) == sent)


def said(one, *words):
    """/readyz says all of this."""
    wait_until(f"/readyz with {words}", lambda: all(word in s3_lake.conditions(one) for word in words))
    return s3_lake.conditions(one)


def test_what_is_posted_comes_out(gateway, s3_server, bucket):
    one = new_gateway(gateway, s3_server.url, bucket).start()
    sent = send(one, 50)
    wait_for(s3_server, bucket, sent)
    one.stop_cleanly()
    assert s3_lake.rows(s3_server, bucket) == sent
    assert s3_server.client.uploads(bucket) == []
    assert (one.data / "lake-spool/s3-uploads").read_bytes() == b""
    assert not one.lake.exists()


def test_tables(gateway, s3_server, bucket, tmp_path):
    """Rows wait in the spool, are read back from there, and become a Parquet file. Some are longer than any buffer."""
    (tmp_path / "reading.json").write_text('{"properties": {"sensor_id": {"type": "string"}, "n": {"type": "integer"}, "text": {"type": "string"}}}')
    config = f"streams: {{readings: {{key: /sensor_id, schema: {tmp_path}/reading.json, lake: {{path: 'r/{{key}}', format: parquet}}}}}}"
    one = gateway(*s3_lake.options(s3_server.url, bucket, every=HOUR), config=config, environment=s3_lake.environment()).start()
    sent = [{"sensor_id": f"s{number % 3}", "n": number, "text": str(number) * (1 if number % 50 else 100000)} for number in range(1000)]
    assert one.post("/readings", json.dumps(sent)).status == 200
    one.stop_cleanly()
    s3_server.client.save(bucket, tmp_path / "objects")
    for reader in range(2):
        found = lake_tables.rows(tmp_path / "objects" / "lake", reader)
        assert sorted((row["sensor_id"], row["n"], row["text"]) for row in found) == sorted((row["sensor_id"], row["n"], row["text"]) for row in sent)
    assert len(s3_server.client.keys(bucket, "lake/r/")) == 3


def test_names_and_prefixes_that_have_to_be_encoded(gateway, s3_server, bucket):
    prefix = "a b=c+d/\u00fc~%41"
    config = "streams: {readings: {key: /sensor_id, lake: {path: 'dt={time:%Y}/k={key}'}}}"
    one = gateway(*s3_lake.options(s3_server.url, bucket, prefix), "lake.s3.part_size=5MiB", config=config, environment=s3_lake.environment()).start()
    keys = ["plain", "a=b", "a b", "a+b", "100%", "\u00fc\u4e16", "a~b", "a&b;c<d>", "'\"", "?#"]
    for key in keys:
        one.send({"sensor_id": key})
    one.stop_cleanly()
    names = s3_server.client.keys(bucket, prefix + "/dt=")
    assert len(names) == len(keys)
    folders = {urllib.parse.unquote(name.split("/")[-2].removeprefix("k=")) for name in names}
    assert folders == set(keys)
    # Found again under these names: nothing is written twice.
    one.start()
    one.stop_cleanly()
    assert s3_server.client.keys(bucket, prefix + "/dt=") == names


def test_large_files_go_in_parts(gateway, s3_server, bucket, proxy):
    one = new_gateway(gateway, proxy.url, bucket, "lake.s3.part_size=5MiB", every=HOUR).start()
    sent = [one.send(f'{{"sensor_id":"s","n":{number},"pad":"{str(number) * 100000}"}}') for number in range(10, 150)]
    one.stop_cleanly()
    assert s3_lake.rows(s3_server, bucket) == sent
    assert proxy.seen.count("complete") == 1
    assert proxy.seen.count("part") == (sum(map(len, sent)) + len(sent)) // (5 << 20) + 1 > 5


def test_many_files_at_once(gateway, s3_server, bucket):
    config = "streams: {readings: {key: /sensor_id, lake: {path: 'k={key}'}}}"
    one = gateway(*s3_lake.options(s3_server.url, bucket, every=HOUR), config=config, environment=s3_lake.environment()).start()
    sent = sorted(one.send({"sensor_id": f"s{number % 150}", "n": number}) for number in range(300))
    one.stop_cleanly()
    assert sorted(s3_lake.rows(s3_server, bucket)) == sent
    assert len(s3_server.client.keys(bucket, "lake/k=")) == 150


def test_path_too_long_for_a_key_is_a_dead_letter(gateway, s3_server, bucket):
    config = "streams: {readings: {key: /sensor_id, labels: {a: /a, b: /b, c: /c}, lake: {path: '{key}/{a}/{b}/{c}'}}}"
    one = gateway(*s3_lake.options(s3_server.url, bucket), config=config, environment=s3_lake.environment()).start()
    long = "\u00fc" * 100
    one.send({"sensor_id": long, "a": long, "b": long, "c": long})
    good = one.send({"sensor_id": "s", "a": "a", "b": "b", "c": "c"})
    wait_for(s3_server, bucket, [good])
    assert one.metric("penstock_outlet_dead_lettered_total", 'outlet="lake"') == 1


def test_list_of_more_than_a_page(gateway, s3_server, bucket, proxy):
    """Our own file stands behind a thousand of others, and a gateway that was killed before it heard of it finds it."""
    def end(phase, *_):
        if phase == "complete":
            one.process.kill()
            return CUT
        return None

    proxy.after = end
    one = new_gateway(gateway, proxy.url, bucket, every=HOUR).start()
    sent = send(one, 5)
    one.process.send_signal(signal.SIGTERM)
    assert one.ended() == -signal.SIGKILL
    own, = s3_server.client.keys(bucket, "lake/readings/")
    for number in range(1005):
        s3_server.client.put(bucket, f"lake/readings/a{number:04}.txt", b"x\n")
    proxy.after = lambda *_: None
    one.start()
    sent += send(one, 3, 5)
    one.stop_cleanly()
    names = [name for name in s3_server.client.keys(bucket, "lake/readings/") if name.endswith(".jsonl")]
    assert own in names
    found = b"".join(s3_server.client.get(bucket, name) for name in sorted(names, key=lambda name: name.split("+")[-2]))
    assert found.splitlines() == sent
    assert proxy.seen.count("list") == 2


# ---- what goes wrong ----

@pytest.mark.parametrize("name, environment, expected", [
    ("secret", s3_lake.environment(secret="wrong-canary"), ("secret key", "SignatureDoesNotMatch")),
    ("key", s3_lake.environment(key="nobody"), (" key",)),
    ("none", {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, ("AWS_ACCESS_KEY_ID", "lake.s3.credentials")),
])
def test_wrong_credentials_are_said(gateway, s3_server, bucket, name, environment, expected):
    one = new_gateway(gateway, s3_server.url, bucket, environment=environment).start()
    send(one, 1)
    text = said(one, *expected)
    one.kill()
    for place in (text, one.said()):
        assert "canary" not in place and s3.SECRET not in place


def test_credentials_of_a_file_are_read_again(gateway, s3_server, bucket, tmp_path):
    file = tmp_path / "credentials"
    file.touch(0o600)
    file.write_text(f"[default]\naws_access_key_id = {s3.KEY}\naws_secret_access_key = wrong-canary\n")
    one = new_gateway(gateway, s3_server.url, bucket, f"lake.s3.credentials={file}", environment={}).start()
    sent = send(one, 3)
    said(one, "SignatureDoesNotMatch")
    file.write_text(f"[default]\naws_access_key_id = {s3.KEY}\naws_secret_access_key = {s3.SECRET}\n")
    wait_for(s3_server, bucket, sent)
    wait_until("health", lambda: s3_lake.conditions(one) == "")
    one.stop_cleanly()
    assert "canary" not in one.said() and s3.SECRET not in one.said()
    checked = penstock.run_command("check", "--set", f"lake.url=s3://{bucket}", "--set", f"lake.s3.credentials={file}")
    assert checked.returncode == 0 and s3.SECRET not in checked.stdout + checked.stderr


def test_missing_bucket_is_said_and_waited_for(gateway, s3_server):
    bucket = f"missing-{os.getpid()}"
    one = new_gateway(gateway, s3_server.url, bucket).start()
    sent = send(one, 3)
    said(one, "NoSuchBucket", "lake.url", bucket)
    s3_server.client.make_bucket(bucket)
    wait_for(s3_server, bucket, sent)


def test_server_goes_away_and_comes_back(gateway, tmp_path):
    server = s3.Server(tmp_path / "own").start()
    try:
        bucket = s3_lake.bucket_of(server)
        one = new_gateway(gateway, server.url, bucket).start()
        sent = send(one, 3)
        wait_for(server, bucket, sent)
        server.stop(signal.SIGKILL)
        sent += send(one, 3, 3)
        said(one, "lake s3://", "connect")
        assert "outlet.waits" in one.said()
        assert "outlet.failed" not in one.said(), "it is told only when the tries have come to nothing"
        server.start()
        wait_for(server, bucket, sent)
        wait_until("/readyz without it", lambda: not s3_lake.conditions(one))
        assert "outlet.recovered" in one.said()
        one.stop_cleanly()
        assert s3_lake.rows(server, bucket) == sent
    finally:
        server.close()


@pytest.mark.parametrize("reply, expected", [
    (error(403, "RequestTimeTooSkewed", headers=[("Date", "Thu, 01 Jan 2026 00:00:00 GMT")]), ("clock of this machine is", "minutes ahead of")),
    (error(403, "RequestTimeTooSkewed", headers=[("Date", "Fri, 01 Jan 2100 00:00:00 GMT")]), ("clock of this machine is", "minutes behind")),
    (error(301, "PermanentRedirect", headers=[("x-amz-bucket-region", "eu-west-9")]), ("region eu-west-9", "lake.s3.region")),
    (error(400, "AuthorizationHeaderMalformed", more="<Region>eu-west-8</Region>"), ("region eu-west-8",)),
    (error(403, "AccessDenied"), ("s3:PutObject",)),
    (error(403, "InvalidAccessKeyId"), ("does not know the key id",)),
    (error(403, "ExpiredToken"), ("has expired",)),
    (Reply(418, [], b"not XML"), ("418",)),
])
def test_answers_are_explained(gateway, s3_server, bucket, proxy, reply, expected):
    proxy.before = lambda *_: reply
    one = new_gateway(gateway, proxy.url, bucket).start()
    sent = send(one, 2)
    said(one, *expected)
    proxy.before = lambda *_: None
    wait_for(s3_server, bucket, sent)


def test_session_token_and_encryption_are_sent(gateway, s3_server, bucket, proxy):
    seen = []
    proxy.before = lambda phase, handler: seen.append((phase, dict(handler.headers.items()))) or error(403, "AccessDenied")
    environment = {**s3_lake.environment(), "AWS_SESSION_TOKEN": "token-canary"}
    one = new_gateway(gateway, proxy.url, bucket, "lake.s3.encryption=aws:kms", "lake.s3.kms_key=alias/k", environment=environment).start()
    send(one, 1)
    text = said(one, "AccessDenied")
    one.kill()
    headers = {name.lower(): value for name, value in seen[0][1].items()}
    assert headers["x-amz-security-token"] == "token-canary"
    assert headers["x-amz-server-side-encryption"] == "aws:kms"
    assert headers["x-amz-server-side-encryption-aws-kms-key-id"] == "alias/k"
    signed = headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    assert signed == sorted(signed) and {name for name in headers if name.startswith("x-amz-")} <= set(signed)
    assert "canary" not in text + one.said()
