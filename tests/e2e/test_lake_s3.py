"""The lake as objects of an S3 store: what comes out is what was sent, and what goes wrong is said."""

import json

import s3_lake
from penstock import wait_until


def test_what_is_posted_comes_out(gateway, s3_server):
    bucket = s3_lake.bucket_of(s3_server)
    one = gateway(*s3_lake.options(s3_server.url, bucket), environment=s3_lake.environment()).start()
    sent = [one.send({"sensor_id": f"s{number % 3}", "n": number}) for number in range(50)]
    wait_until("all rows", lambda: s3_lake.rows(s3_server, bucket) == sent)
    one.stop_cleanly()
    assert s3_lake.rows(s3_server, bucket) == sent
    assert s3_server.client.uploads(bucket) == []
