"""`penstock land` into files of tables: read back by foreign readers, value by value."""

import base64
import json
import time

import pytest

from lake_tables import micros
from landing import Member, files, landed, names, produce
from penstock import run_command, wait_until

SCHEMA = {"type": "object", "properties": {"song": {"type": "string"}, "count": {"type": "integer"}, "rank": {"type": "number"},
                                           "at": {"type": "string", "format": "date-time"}}}
COLUMNS = ["song", "count", "rank", "at", "_rest", "_key", "_time", "_received", "_id"]
NOW = int(time.time() * 1000)
AT = "2026-03-01T11:00:00.123456Z"


@pytest.fixture
def land(kafka, tmp_path):
    """land(entry, **sections): a member that is not started; it ends with the test."""
    made = []
    (tmp_path / "song.json").write_text(json.dumps(SCHEMA))

    def make(entry, **sections):
        lake = {"roll": {"every": "200ms"}, **sections.pop("lake", {})}
        made.append(Member(tmp_path / f"member-{len(made)}", kafka, [{"schema": str(tmp_path / "song.json"), "path": "songs", **entry}], tmp_path / "lake",
                           lake=lake, **sections))
        return made[-1]

    make.lake = tmp_path / "lake"
    yield make
    for one in made:
        if one.process:
            one.kill()


def typed(row, form):
    """A row of CSV as the others have it: all of its values are texts."""
    if form != "csv":
        return row
    kinds = {"count": int, "rank": float, "at": micros, "_time": micros, "_received": micros}
    return {name: kinds.get(name, str)(value.replace(" ", "T") if kinds.get(name) is micros else value) if value is not None else None
            for name, value in row.items()}


@pytest.mark.parametrize("form", ["parquet", "avro", "csv"])
def test_rows_are_what_was_sent(land, kafka, form):
    topic = kafka.create(kafka.name("songs"))
    produce(kafka, topic, [
        (b"k\n\"1\"", b'{"song":"A \\"b\\", \\u00fc","count":7,"rank":0.5,"at":"%s"}' % AT.encode(), None, NOW),
        (None, b'{"count":-3,"more":[1, 2]}', None, NOW + 1),
        (b"x" * 70000, b'{"song":null,"count":1e3}', None, NOW + 2),
    ])
    with land({"topic": topic, "time": "/at", "lake": {"format": form}}) as member:
        landed(land.lake, 3, "songs")
        member.stop_cleanly()
    rows = [typed(row, form) for one in files(land.lake) for row in one.lines]
    assert [list(row) for row in rows] == [COLUMNS] * 3
    empty = dict.fromkeys(COLUMNS)
    for row in rows:
        row["_rest"] = row["_rest"] and json.loads(row["_rest"])
    assert rows == [
        {**empty, "song": 'A "b", ü', "count": 7, "rank": 0.5, "at": micros(AT), "_key": 'k\n"1"', "_time": micros(AT), "_received": NOW * 1000,
         "_id": f"{topic}+0+0"},
        {**empty, "count": -3, "_rest": {"more": [1, 2]}, "_time": NOW * 1000 + 1000, "_received": NOW * 1000 + 1000, "_id": f"{topic}+0+1"},
        {**empty, "count": 1000, "_key": "x" * 70000, "_time": NOW * 1000 + 2000, "_received": NOW * 1000 + 2000, "_id": f"{topic}+0+2"},
    ]
    assert all(name.startswith(f"songs/{topic}+0+") and name.endswith(f".{form}") for name in names(land.lake))


def test_what_no_column_can_hold_is_a_dead_letter(land, kafka):
    topic = kafka.create(kafka.name("odd"))
    sent = [(b"a", b'{"count":1}'), (b"a", b'{"count":"many"}'), (b"a", b'[1]'), (b"\xff", b'{"count":3}'), (b"a", None), (b"a", b"no JSON"), (b"a", b'{"count":6}')]
    produce(kafka, topic, sent)
    with land({"topic": topic, "lake": {"format": "parquet"}}) as member:
        letters = [json.loads(line) for line in landed(land.lake, 5, "dead-letters")]
        assert [row["count"] for row in landed(land.lake, 2, "songs")] == [1, 6]
        wait_until("the metrics", lambda: member.metric("penstock_land_dead_letters_total") == 5)
    assert [letter["offset"] for letter in letters] == [1, 2, 3, 4, 5]
    for letter, word in zip(letters, ("count", "no JSON object", "no UTF-8", "tombstone", "byte 0")):
        assert word in letter["reason"], letter
    assert base64.b64decode(letters[2]["key_base64"]) == b"\xff"


def test_misfits_may_stand_in_the_rest(land, kafka):
    topic = kafka.create(kafka.name("rest"))
    produce(kafka, topic, [(b"a", b'{"count":"many","song":"x"}'), (b"a", b'[1]')])
    with land({"topic": topic, "lake": {"format": "parquet", "misfit": "rest"}}):
        rows = landed(land.lake, 2, "songs")
    assert [(row["song"], row["count"], json.loads(row["_rest"])) for row in rows] == [("x", None, {"count": "many"}), (None, None, [1])]


@pytest.mark.parametrize("format, column, value", [("text", "line", b"two\nlines"), ("bytes", "value", b"\x00\xff")])
def test_texts_and_bytes_have_a_column_each(land, kafka, format, column, value):
    topic = kafka.create(kafka.name(format))
    produce(kafka, topic, [(b"a", value)])
    with land({"topic": topic, "format": format, "schema": "", "lake": {"format": "parquet"}}):
        row, = landed(land.lake, 1, "songs")
    assert row[column] == (value.decode() if format == "text" else value) and row["_key"] == "a"


def test_lines_of_bytes_may_have_any_key(land, kafka):
    topic = kafka.create(kafka.name("keys"))
    produce(kafka, topic, [(b"\xff", b"v"), (b'a"\n', b"v")])
    with land({"topic": topic, "format": "bytes", "schema": ""}):
        one, other = [json.loads(line) for line in landed(land.lake, 2, "songs")]
    assert one["key_base64"] == "/w==" and "key" not in one and other["key"] == 'a"\n'


def test_another_format_goes_on_where_the_other_ended(land, kafka):
    """What stands in files is not read into another one, whatever these are called."""
    topic = kafka.create(kafka.name("changed"))
    produce(kafka, topic, [(b"a", b'{"count":%d}' % n) for n in range(10)])
    with land({"topic": topic, "schema": ""}) as member:
        landed(land.lake, 10, "songs")
        member.kill()
    produce(kafka, topic, [(b"a", b'{"count":%d}' % n) for n in range(10, 20)])
    with land({"topic": topic, "lake": {"format": "parquet"}}) as member:
        found = landed(land.lake, 20, "songs")
        member.stop_cleanly()
    assert [json.loads(one)["count"] if isinstance(one, bytes) else one["count"] for one in found] == list(range(20))


@pytest.mark.parametrize("entry, told", [
    ({"schema": ""}, "land.topics.1.lake.format: 'parquet' needs a schema"),
    ({"schema": "nothing.v1"}, "land.topics.1.schema: 'nothing.v1' is no schema"),
    ({"lake": {"format": "avro", "compression": "gzip"}}, "land.topics.1.lake.compression: avro has no gzip"),
    ({"lake": {"format": "source"}}, "land.topics.1.schema: found "),
    ({"lake": {"format": "source", "compression": "zstd"}, "schema": ""}, "land.topics.1.lake.compression: lines as the source had them"),
    ({"format": "text"}, "land.topics.1.schema: found "),
])
def test_what_is_wrong_is_said_at_its_place(tmp_path, entry, told):
    (tmp_path / "song.json").write_text(json.dumps(SCHEMA))
    config = {"kafka": {"properties": {"bootstrap.servers": "127.0.0.1:9"}},
              "land": {"topics": [{"topic": "t", "schema": "song.json", "lake": {"format": "parquet"}, **entry}]}}
    (tmp_path / "penstock.yaml").write_text(json.dumps(config))
    found = run_command("check", "-c", "penstock.yaml", cwd=tmp_path)
    assert found.returncode == 1 and told in found.stderr, found.stderr
