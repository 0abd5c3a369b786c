#!/usr/bin/python3
"""Installs Apache Spark as a foreign reader of the files of tables: pyspark of spark.txt from PyPI, and spark-avro from Maven's repositories.

Both stay in a folder of the cache of fetch.py. It runs on the Java that is there. By hand: `spark.py` prints where it is.
"""

import contextlib
import hashlib
import os
import pathlib
import shutil
import sys

import once
from fetch import CACHE

LIST = pathlib.Path(__file__).resolve().parent / "spark.txt"
VERSION = "3.5.7"
AVRO = f"org.apache.spark:spark-avro_2.12:{VERSION}"
JSON = "org.apache.hive.hcatalog:hive-hcatalog-core:2.3.9"  # Hive's reader of JSON lines, which Spark lacks
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
PATIENCE = 900  # seconds for one try
END_PATIENCE = 60
# What the readers do not need.
REST = ("deps/data", "deps/examples")


def fill(half):
    """The package is published as its sources only, with all of Spark's jars among them: they are used as they are."""
    once.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--no-cache-dir",
              "--no-binary", ":all:", "--require-hashes", "--requirement", str(LIST), "--dest", str(half)], PATIENCE)
    once.run(["tar", "-xzf", f"pyspark-{VERSION}.tar.gz", "--no-same-owner"], PATIENCE, cwd=half)
    package = half / f"pyspark-{VERSION}"
    once.run(["mvn", "-B", "-q", "-C", COPY, f"-Dartifact={AVRO}", f"-DoutputDirectory={package / 'deps' / 'jars'}"], PATIENCE, cwd=half)
    for part in REST:
        shutil.rmtree(package / part, ignore_errors=True)
    return package


def folder():
    what = hashlib.sha256(LIST.read_bytes() + AVRO.encode()).hexdigest()[:12]
    return once.folder(CACHE / f"spark-{VERSION}-{what}", fill)


def hive_json():
    """The jar of it, in a folder of its own."""
    def copy(half):
        once.run(["mvn", "-B", "-q", "-C", COPY, f"-Dartifact={JSON}", f"-DoutputDirectory={half}"], PATIENCE, cwd=half)

    _, name, version = JSON.split(":")
    return once.folder(CACHE / f"{name}-{version}", copy) / f"{name}-{version}.jar"


@contextlib.contextmanager
def session(options):
    """A session in this process, in UTC; options are Spark's own. Its Java ends with it."""
    home = folder()
    sys.path[:0] = [str(home), str(next(home.glob("lib/py4j-*-src.zip")))]
    os.environ |= {"SPARK_HOME": str(home / "deps"), "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
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
    print(f"Spark: {folder()}, {hive_json()}")
