"""Gateways whose lake is an S3 store."""

import itertools
import os
import pathlib
import tempfile

import penstock
import s3

numbers = itertools.count(1)


def bucket_of(server):
    """A new one."""
    name = f"b{os.getpid()}-{next(numbers)}"
    server.client.make_bucket(name)
    return name


def environment(key=s3.KEY, secret=s3.SECRET):
    return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}


def options(url, bucket, prefix="lake", every="200ms"):
    """For a store at this URL."""
    return [f"lake.url=s3://{bucket}/{prefix}", f"lake.s3.endpoint={url}", f"lake.roll.every={every}"]


def rows(server, bucket, prefix="lake", folder=None):
    """All rows that the lake has, in the order of their files; names are checked."""
    with tempfile.TemporaryDirectory() as place:
        server.client.save(bucket, place)
        return penstock.lake_rows(pathlib.Path(place) / prefix, folder)


def conditions(gateway):
    return " ".join(condition["text"] for condition in gateway.ready()[1]["conditions"])


def listening(gateway):
    """Behind spawn(): until it listens, or False when it has ended before."""
    gateway.ports = penstock.Ports()
    return penstock.wait_until("the banner, or the end", lambda: gateway.process.poll() is not None or gateway._listening()) and gateway.process.poll() is None
