"""Imports into topics of one test: what they leave, and what a manifest says, held against what a foreign consumer finds."""

import collections
import decimal
import json
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "importers"))

import pytest  # noqa: E402
from importing import Import  # noqa: E402
from postgres import QUIET, Postgres  # noqa: E402


class Importing:
    """Imports of one test: its database, its topic, its folder."""

    def __init__(self, server, kafka, folder, name):
        self.server, self.kafka, self.folder, self.name = server, kafka, folder, name
        self.begun = []
        server.run(f"CREATE DATABASE {name}")

    def run(self, sql):
        return self.server.run(sql, self.name)

    def begin(self, *words, topic=None, target="made", properties=True, address=None):
        properties = self.kafka.properties() if properties is True else properties
        self.begun.append(Import(address or self.server.conninfo(self.name), "--to", f"kafka:{topic or self.topic}", "--target", target, "--progress", "none",
                                 *(f"--kafka-property={name}={value}" for name, value in properties.items()), *words, cwd=self.folder))
        return self.begun[-1]

    def import_(self, *words, status=0, **more):
        one = self.begin(*words, **more)
        assert one.end() == status, one.said
        return one

    def create(self, partitions=1, **settings):
        self.topic = self.kafka.create(self.kafka.name("rows"), partitions, **settings)
        return self.topic

    def manifest(self, target="made"):
        assert {entry.name for entry in (self.folder / target).iterdir()} == {"manifest.json", "_SUCCESS"}
        return json.loads((self.folder / target / "manifest.json").read_text())

    def finished(self):
        """Splits of the import that is at work, or was killed."""
        lines = [line for log in self.folder.glob(".made.import-*/.log") for line in log.read_text().splitlines()]
        said = [json.loads(line) for line in lines]
        return {one["split"] for one in said if "split" in one and "connection" not in one} | {one["committed"] for one in said if "committed" in one}

    def close(self):
        for one in self.begun:
            if one.process.poll() is None:
                one.kill()
        self.server.run(f"DROP DATABASE {self.name} WITH (FORCE)")


@pytest.fixture(scope="module")
def database():
    made = Postgres(QUIET).start()
    yield made
    made.close()


@pytest.fixture
def importing(database, kafka, tmp_path):
    made = Importing(database, kafka, tmp_path, f"test{kafka.prefix.rstrip('-')}")
    yield made
    made.close()


Sent = collections.namedtuple("Sent", "id split row")


def sent(message):
    assert set(message.headers) == {"penstock-import"}, message.headers
    made, split, row = message.headers["penstock-import"].decode().split("/")
    return Sent(made, int(split), int(row))


def check_manifest(manifest, messages, topic):
    """Of an import whose every row was sent once."""
    (table,) = manifest["tables"]
    assert manifest["topic"]["name"] == topic and table["rows"] == len(messages)
    assert {sent(message).id for message in messages} <= {manifest["topic"]["import"]}
    splits = collections.defaultdict(list)
    for message in messages:
        splits[sent(message).split].append(message)
    for file in table["files"]:
        mine = splits.pop(file["split"]["number"], [])
        assert file["name"] is None and file["rows"] == len(mine)
        assert sorted(sent(message).row for message in mine) == list(range(1, len(mine) + 1))
        assert file["bytes"] == sum(len(message.key or b"") + len(message.value) for message in mine)
        places = collections.defaultdict(list)
        for message in mine:
            places[message.partition].append(message.offset)
        assert file["partitions"] == [{"partition": one, "records": len(places[one]), "first_offset": min(places[one]), "last_offset": max(places[one])}
                                      for one in sorted(places)]
    assert not splits


def exact(text):
    return json.loads(text, parse_float=decimal.Decimal)
