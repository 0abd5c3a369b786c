"""`penstock ddl`: the place, the partitions and the errors; what engines make of the statements is tests/formats/test_spark_ddl.py's and tests/engines/'s."""

import pytest

from penstock import run_command


def ddl(tmp_path, *words, lake="{}", path="a/{stream}/dt={time:%Y-%m-%d}", more=""):
    (tmp_path / "penstock.yaml").write_text(f'lake: {lake}\nstreams:\n  so-me: {{format: text, lake: {{path: "{path}"}}{more}}}\n')
    return run_command("ddl", *words, "-c", "penstock.yaml", cwd=tmp_path)


PLACES = [
    ("spark", "{url: 's3://bucket/raw/'}", (), "s3a://bucket/raw/a/so-me"),
    ("hive", "{url: 's3://bucket'}", (), "s3a://bucket/a/so-me"),
    ("trino", "{url: 's3://bucket'}", (), "s3://bucket/a/so-me"),
    ("spark", "{url: 'file:///srv/lake'}", (), "file:///srv/lake/a/so-me"),
    ("spark", "{url: '/srv/lake'}", (), "file:///srv/lake/a/so-me"),
    ("spark", "{url: 'x/lake'}", (), "file://{here}/x/lake/a/so-me"),
    ("spark", "{}", (), "file://{here}/penstock-data/lake/a/so-me"),
    ("trino", "{url: '/srv/lake'}", ("--location", "local:///"), "local:///a/so-me"),
    ("spark", "{url: 'file:///'}", (), "file:///a/so-me"),
    ("hive", "{url: 'webhdfs://node:9870/x'}", ("--location", "hdfs://node:8020/x/"), "hdfs://node:8020/x/a/so-me"),
]


@pytest.mark.parametrize("engine, lake, more, location", PLACES)
def test_places(tmp_path, engine, lake, more, location):
    done = ddl(tmp_path, engine, "so-me", *more, lake=lake)
    assert done.returncode == 0, done.stderr
    assert f"'{location.format(here=tmp_path)}'" in done.stdout
    assert ("`so_me`" in done.stdout or '"so_me"' in done.stdout) and "dt" in done.stdout


def test_a_table_at_the_root(tmp_path):
    done = ddl(tmp_path, "spark", "so-me", path="dt={time:%Y}", lake="{url: /srv/lake}")
    assert "LOCATION 'file:///srv/lake';" in done.stdout, done


WRONG = [
    (("spark", "so-me"), {"lake": "{url: 'webhdfs://node:9870/x'}"}, 1, "--location hdfs://namenode:8020/lake"),
    (("spark", "so-me"), {"path": "a/sensor{stream}/x{time:%Y}"}, 1, "stream so-me: the directory x{time:%Y}: "),
    (("trino", "so-me"), {"path": "a/LINE={time:%Y}"}, 1, "the files have a column line"),
    (("trino", "so-me", "--table", "a.b.c"), {}, 1, "NAME or DATABASE.NAME"),
    (("trino", "other"), {}, 1, 'there is no stream "other"'),
    (("impala", "so-me"), {}, 2, "hive|spark|trino"),
    (("trino",), {}, 2, "hive|spark|trino"),
    (("trino", "so-me"), {"more": ", key: nope"}, 1, "penstock.yaml:3:"),
]


@pytest.mark.parametrize("words, config, status, says", WRONG)
def test_what_does_not_go(tmp_path, words, config, status, says):
    done = ddl(tmp_path, *words, **config)
    assert (done.returncode, done.stdout) == (status, "") and says in done.stderr, done
