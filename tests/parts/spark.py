#!/usr/bin/python3
"""Installs Apache Spark as a foreign reader of the files of tables: pyspark of spark.txt from PyPI, spark-avro and the connector to Kafka from Maven's repositories.

They stay in folders of the cache of fetch.py. It runs on the Java that is there. By hand: `spark.py` prints where it is.
"""

import contextlib
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

import once
from fetch import CACHE

LIST = pathlib.Path(__file__).resolve().parent / "spark.txt"
VERSION = "3.5.7"
AVRO = f"org.apache.spark:spark-avro_2.12:{VERSION}"
JSON = "org.apache.hive.hcatalog:hive-hcatalog-core:2.3.9"  # Hive's reader of JSON lines, which Spark lacks
# Spark's connector to Kafka, and what Spark itself does not have of that which it needs.
KAFKA = (f"org.apache.spark:spark-sql-kafka-0-10_2.12:{VERSION}", f"org.apache.spark:spark-token-provider-kafka-0-10_2.12:{VERSION}",
         "org.apache.kafka:kafka-clients:3.4.1", "org.apache.commons:commons-pool2:2.11.1")
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
PATIENCE = 900  # seconds for one try
END_PATIENCE = 60
SUBMIT_PATIENCE = 300
# What the readers do not need.
REST = ("deps/data", "deps/examples")


def copy(target, artifact):
    once.run(["mvn", "-B", "-q", "-C", COPY, f"-Dartifact={artifact}", f"-DoutputDirectory={target}"], PATIENCE, cwd=target)


def fill(half):
    """The package is published as its sources only, with all of Spark's jars among them: they are used as they are."""
    once.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--no-cache-dir",
              "--no-binary", ":all:", "--require-hashes", "--requirement", str(LIST), "--dest", str(half)], PATIENCE)
    once.run(["tar", "-xzf", f"pyspark-{VERSION}.tar.gz", "--no-same-owner"], PATIENCE, cwd=half)
    package = half / f"pyspark-{VERSION}"
    copy(package / "deps" / "jars", AVRO)
    for part in REST:
        shutil.rmtree(package / part, ignore_errors=True)
    return package


def folder():
    what = hashlib.sha256(LIST.read_bytes() + AVRO.encode()).hexdigest()[:12]
    return once.folder(CACHE / f"spark-{VERSION}-{what}", fill)


def jar(artifact):
    """In a folder of its own."""
    _, name, version = artifact.split(":")
    return once.folder(CACHE / f"{name}-{version}", lambda half: copy(half, artifact)) / f"{name}-{version}.jar"


def hive_json():
    return jar(JSON)


def kafka():
    return [jar(artifact) for artifact in KAFKA]


def packages():
    """Where Python finds it."""
    return [str(folder()), str(next(folder().glob("lib/py4j-*-src.zip")))]


def environment():
    return {"SPARK_HOME": str(folder() / "deps"), "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}


def submit(*words, jars=()):
    """Runs `spark-submit` with these words to its end, as a program of its own; what it printed."""
    options = ["--master", "local[1]", "--conf", "spark.ui.enabled=false", "--conf", "spark.driver.host=127.0.0.1", *(["--jars", ",".join(map(str, jars))] if jars else [])]
    done = subprocess.run([folder() / "deps/bin/spark-submit", *options, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SUBMIT_PATIENCE,
                          env={**os.environ, **environment(), "PYTHONPATH": os.pathsep.join(packages())})
    if done.returncode:
        raise RuntimeError(f"spark-submit ended with {done.returncode}\n{done.stderr[-4000:]}")
    return done.stdout


@contextlib.contextmanager
def session(options):
    """A session in this process, in UTC; options are Spark's own. Its Java ends with it."""
    sys.path[:0] = packages()
    os.environ |= environment()
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    settings = {"spark.ui.enabled": False, "spark.ui.showConsoleProgress": False, "spark.log.level": "OFF", "spark.driver.host": "127.0.0.1",
                "spark.driver.memory": "1g", "spark.sql.session.timeZone": "UTC", **options}
    builder = SparkSession.builder.master("local[1]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    made = builder.getOrCreate()
    java = made.sparkContext._gateway.proc
    try:
        yield made
    finally:
        made.stop()
        made.sparkContext._gateway.shutdown()
        SparkContext._gateway = SparkContext._jvm = None  # the next session gets a Java of its own
        java.stdin.close()
        java.wait(END_PATIENCE)


if __name__ == "__main__":
    print(f"Spark: {folder()}, {hive_json()}, {kafka()[0]}")
