"""docker/scenarios/music-chart with servers of this machine: the README's own lines send what was played, Spark's job counts it from Kafka to Kafka, `penstock land` writes the
counts to S3, and Trino reads them there. Other names are played as well; the rows are those of all of them."""

import json
import re
import shlex
import subprocess

import pytest

import kafka
import s3_lake
import spark
import trino
from landing import LANDED, Land
from penstock import ROOT, wait_until

SCENARIO = ROOT / "docker/scenarios/music-chart"
README = (SCENARIO / "README.md").read_text()
SEND, COUNT, ASK = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PLAYED = {name: int(count) for count, name in re.findall(r"^play (\d+) '(.*)'$", SEND, re.MULTILINE)}
OBJECTS = re.findall(r"^    (\{.*\})$", README, re.MULTILINE)
ROWS = re.findall(r'^    ("\d+",".*")$', README, re.MULTILINE)
QUERY, = re.findall(r"--execute '(.*)'$", ASK, re.MULTILINE)
OBJECT, = re.findall(r"the object `songs/(.*)`:$", README, re.MULTILINE)
# More than the README has: names with what JSON escapes, two that differ in case alone, and many.
OTHERS = {'"Heroes"': 11, "a\\b\tc": 4, "Füchse 🦊": 6, "greensleeves": 2, "": 1, **{f"Étude {number}": number % 17 + 1 for number in range(200)}}


@pytest.fixture
def broker(brokers):
    """Of its own: the scenario's topics are called as it says. Spark's producer makes the one of the counts, as in compose.yaml."""
    return brokers(auto_create_topics_enable="true").start()


@pytest.fixture
def server(s3_server, tmp_path):
    """By the scenario's own catalog."""
    if not trino.java():
        pytest.skip(f"Trino needs a Java of version {trino.JAVA_LEAST} or newer: TRINO_JAVA=DIRECTORY")
    root = tmp_path / "tables"
    root.mkdir()
    made = trino.Trino(tmp_path / "trino", root, schema="charts")
    catalog = replaced((SCENARIO / "lake.properties").read_text(), {"http://minio:9000": s3_server.url, "/data/trino": str(root)})
    (made.place / "etc/catalog/lake.properties").write_text(catalog)
    yield made
    made.close()


def replaced(text, places):
    for there, here in places.items():
        assert there in text
        text = text.replace(there, here)
    return text


def send(port, s3_port):
    lines = replaced(SEND, {"127.0.0.1:8080": f"127.0.0.1:{port}", "127.0.0.1:9000": f"127.0.0.1:{s3_port}"})
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", lines], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, '{"accepted":1}\n' * sum(PLAYED.values())), done


def count(broker, plays):
    """The README's line, with the connector in the place of what --packages would fetch, as soon as so many are in Kafka."""
    wait_until(f"{plays} songs in Kafka", lambda: len(kafka.Kafka(broker).values("songs")) >= plays)
    words = shlex.split(COUNT)
    assert words[words.index("--packages") + 1] == spark.KAFKA[0]
    job, servers = words[-2:]
    spark.submit(replaced(job, {"/chart/": f"{SCENARIO}/"}), replaced(servers, {"kafka:19092": broker.servers()}), jars=spark.kafka())


def landed(server, rows):
    """The lines of all objects below the table, as soon as there are so many; with the names of the objects."""
    def found():
        keys = sorted(server.client.keys("charts", "songs/"))
        return keys, [line for key in keys for line in server.client.get("charts", key).decode().split("\n")[:-1]]

    wait_until(f"{rows} rows in S3", lambda: len(found()[1]) >= rows, 120)
    return found()


def chart(plays):
    return [{"count": times, "songname": name} for name, times in plays.items()]


def ordered(rows):
    return sorted(rows, key=lambda row: (row["songname"], row["count"]))


def test_music_chart(gateway, broker, s3_server, server, tmp_path):
    config = replaced((SCENARIO / "penstock.yaml").read_text(), {"kafka:19092": broker.servers(), "/etc/penstock": str(SCENARIO), "http://minio:9000": s3_server.url})
    one = gateway("gateway.data=penstock-data", config=config).start()
    land = Land(tmp_path / "land", config, "land.spool=spool")
    land.environment = s3_lake.environment()
    with land:
        send(one.ports["http"], s3_server.port)
        assert one.post("/songs", '{"listener": "ada"}').status == 422
        count(broker, sum(PLAYED.values()))
        keys, lines = landed(s3_server, len(PLAYED))
        assert keys == [f"songs/{OBJECT}"] and LANDED.match(OBJECT)
        assert lines == OBJECTS and sorted(lines) == sorted(f'{{"count":{times},"songName":"{name}"}}' for name, times in PLAYED.items())

        server.start()
        for statement in (SCENARIO / "songs.sql").read_text().split(";\n"):
            if statement.strip():
                server.sql(statement)
        rows = server.sql(QUERY)
        assert ordered(rows) == ordered(chart(PLAYED))
        assert [f'"{row["count"]}","{row["songname"]}"' for row in rows] == ROWS

        body = "\n".join(json.dumps({"songName": name}, ensure_ascii=False) for name, times in OTHERS.items() for _ in range(times))
        answer = one.post("/songs", body, "application/x-ndjson")
        assert (answer.status, json.loads(answer.body)) == (200, {"accepted": sum(OTHERS.values())}), answer
        plays = {**PLAYED, **OTHERS}
        count(broker, sum(plays.values()))
        _, lines = landed(s3_server, len(PLAYED) + len(plays))
        land.stop_cleanly()
    one.stop_cleanly()
    assert sorted(json.loads(line)["count"] for line in lines) == sorted([*PLAYED.values(), *plays.values()])
    assert ordered(server.sql(QUERY)) == ordered(chart(PLAYED) + chart(plays))
