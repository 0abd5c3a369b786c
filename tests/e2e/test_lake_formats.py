"""Streams whose files in the lake are tables: read back by foreign readers, value by value."""

import base64
import json
import signal

import lake_tables
import penstock
import pytest
from lake_tables import micros
from penstock import memory, run_command, wait_until

SCHEMA = {
    "type": "object",
    "required": ["sensor_id", "wattage"],
    "properties": {
        "sensor_id": {"type": "string"},
        "wattage": {"type": ["number", "null"]},
        "count": {"type": "integer"},
        "on": {"type": "boolean"},
        "at": {"type": "string", "format": "date-time"},
        "tags": {"type": "array"},
        "either": {"type": ["string", "integer"]},
        "naïve \"name\", with a comma": {"type": "string"},
    },
}
ODD = "naïve \"name\", with a comma"
NAMES = [*SCHEMA["properties"], "_rest", "_key", "_time", "_received", "_id"]
FORMS = [("parquet", word) for word in ("default", "none", "gzip", "snappy", "zstd")] + \
        [("avro", word) for word in ("default", "none", "snappy", "zstd")] + [("csv", word) for word in ("default", "none", "gzip", "zstd")]
EXTENSIONS = {("csv", "gzip"): "csv.gz", ("csv", "zstd"): "csv.zst"}
INT64 = 2**63

# What is sent, and what its columns have; columns that are not named are NULL.
READINGS = [
    ('{"sensor_id":"a","wattage":1.5,"count":3,"on":true,"at":"2026-03-01T12:00:00.123456789+01:00","tags":[1, {"x": "y z"}],"either":"e"}',
     {"sensor_id": "a", "wattage": 1.5, "count": 3, "on": True, "at": micros("2026-03-01T11:00:00.123456Z"),
      "tags": '[1,{"x":"y z"}]', "either": "e"}),
    ('{"sensor_id":"b","wattage":null,"either":7}', {"sensor_id": "b", "either": "7"}),
    ('{"sensor_id":"c","wattage":-0,"count":1e3,"on":false}', {"sensor_id": "c", "wattage": -0.0, "count": 1000, "on": False}),
    ('{"sensor_id":"d","wattage":12345678901234567890123,"count":-9223372036854775808}',
     {"sensor_id": "d", "wattage": 12345678901234567890123.0, "count": -INT64}),
    ('{"sensor_id":"e\\u0041\\"\\ud83d\\ude00","wattage":0.1,"count":9223372036854775807.0,"co\\u0075nt":9223372036854775807}',
     {"sensor_id": "eA\"😀", "wattage": 0.1, "count": INT64 - 1}),
    ('{"sensor_id":"f","wattage":1,"wattage":2,"more": {"a" : [1, 2]},"x\\u0079":null}',
     {"sensor_id": "f", "wattage": 2.0, "_rest": '{"more":{"a":[1,2]},"x\\u0079":null}'}),
    (json.dumps({"sensor_id": "g", "wattage": 4.9e-324, ODD: "ü,\"\r\n"}), {"sensor_id": "g", "wattage": 4.9e-324, ODD: "ü,\"\r\n"}),
]


def make(gateway, tmp_path, form="parquet", compression="default", misfit="dead-letter", schema=None, key="/sensor_id", more=""):
    (tmp_path / "reading.json").write_text(json.dumps(schema or SCHEMA))
    return gateway("lake.roll.every=200ms", config=f"""\
streams:
  readings:
    schema: {tmp_path}/reading.json
    key: {key}
    time: {{field: /at, past: 36500d}}
    lake: {{path: "r/{{key}}", format: {form}, compression: {compression}, misfit: {misfit}}}
{more}""")


def wait_rows(one, count, reader=0):
    return wait_until(f"{count} rows", lambda: len(found := lake_tables.rows(one.lake, reader)) >= count and found)


def as_text(value):
    """As CSV says it."""
    if value is None or isinstance(value, str):
        return value
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else value


def same(found, wanted, form):
    if form != "csv":
        return repr(found) == repr(wanted)  # -0.0 is not 0.0, and True is not 1
    if wanted is None or isinstance(wanted, (bool, str)):
        return found == as_text(wanted)
    return float(found) == wanted if isinstance(wanted, float) else int(found) == wanted


@pytest.mark.parametrize("form, compression", FORMS)
def test_values_come_back(gateway, tmp_path, form, compression):
    one = make(gateway, tmp_path, form, compression).start()
    for body, _ in READINGS:
        one.send(body)
    extension = EXTENSIONS.get((form, compression), form)
    for reader in range(len(lake_tables.READERS[form])):
        found = {row["sensor_id"]: row for row in wait_rows(one, len(READINGS), reader)}
        assert len(found) == len(READINGS)
        for body, wanted in READINGS:
            row = found[wanted["sensor_id"]]
            if form == "avro":  # whose names are letters, digits and _
                row = {ODD if name == "na_ve_name_with_a_comma" else name: value for name, value in row.items()}
            assert list(row) == NAMES
            for name in NAMES[:-4]:
                at = form == "csv" and name == "at" and row[name]
                assert same(micros(row[name]) if at else row[name], wanted.get(name), form), (body, name, row[name])
            assert row["_key"] == wanted["sensor_id"]
            received, time = (micros(row[name]) if form == "csv" else row[name] for name in ("_received", "_time"))
            assert time == wanted.get("at", received)
            identity = row["_id"].split("/")
            path = next(path for path in lake_tables.files(one.lake) if int(identity[2]) == int(penstock.LAKE_FILE.match(path.name)["first"]))
            name = penstock.LAKE_FILE.match(path.name)
            assert (name["gateway"], name["epoch"], name["extension"]) == (identity[0], identity[1], extension)


def letters(one):
    return [json.loads(line) for file in sorted((one.data / "dead-letters").glob("*.jsonl")) for line in file.read_text().splitlines()]


# What the schema would not allow comes with schema_invalid: pass.
MISFITS = [
    ("count", "9223372036854775808", "an integer of 64 bits"),
    ("count", "1.5", "an integer of 64 bits"),
    ("count", "1e19", "an integer of 64 bits"),
    ("count", '"3"', "an integer of 64 bits"),
    ("wattage", "1e400", "a number that a double can hold"),
    ("wattage", "true", "a number that a double can hold"),
    ("on", "1", "true or false"),
    ("at", '"2026-02-30T00:00:00Z"', "a time as in 2026-01-31T12:00:00Z"),
    (ODD, '{"a":\t[1]}', "a string"),
    ("either", "[1]", "a string, a number, true or false"),
]


@pytest.mark.parametrize("form", ["parquet", "avro", "csv"])
def test_misfits_are_dead_letters(gateway, tmp_path, form):
    one = make(gateway, tmp_path, form, key="header:X-Key", more="    schema_invalid: pass\n").start()
    for name, value, _ in MISFITS:
        one.send(f'{{"sensor_id":"m","wattage":1,{json.dumps(name)}:{value}}}', X_Key="k")
    one.send('[["no", "object"]]', content_type="application/x-ndjson", X_Key="k")
    one.send('{"sensor_id":"m","wattage":2}', X_Key="k")
    found = wait_until("the letters", lambda: len(found := letters(one)) == len(MISFITS) + 1 and found)
    for letter, (name, value, wanted) in zip(found, MISFITS):
        shown = value.replace("\t", " ")
        assert letter["reason"] == f"column {name}: {shown} is not {wanted}", letter
    assert "no JSON object" in found[-1]["reason"]
    assert [row["sensor_id"] for row in wait_rows(one, 1)] == ["m"]


@pytest.mark.parametrize("form", ["parquet", "avro", "csv"])
def test_misfits_go_to_the_rest(gateway, tmp_path, form):
    one = make(gateway, tmp_path, form, misfit="rest", key="header:X-Key", more="    schema_invalid: pass\n").start()
    for name, value, _ in MISFITS:
        one.send(f'{{"more":1,"sensor_id":"m","at":null,{json.dumps(name)}:{value}}}', X_Key="k")
    one.send('[["no", "object"]]', content_type="application/x-ndjson", X_Key="k")
    found = wait_rows(one, len(MISFITS) + 1)
    found.sort(key=lambda row: int(row["_id"].rsplit("/", 1)[1]))
    for row, (name, value, _) in zip(found, MISFITS):
        assert row["na_ve_name_with_a_comma" if form == "avro" and name == ODD else name] is None
        assert row["_rest"] == '{"more":1,' + json.dumps(name, ensure_ascii=True) + ":" + value.replace("\t", "") + "}"
    assert found[-1]["_rest"] == '[["no","object"]]'
    assert letters(one) == []


def test_text_and_bytes(gateway):
    config = "streams:\n" + "".join(f"  {kind}-{form}: {{format: {kind}, key: 'header:X-Key', lake: {{format: {form}}}}}\n"
                                    for kind in ("text", "bytes") for form in ("parquet", "avro", "csv"))
    one = gateway("lake.roll.every=200ms", config=config).start()
    raw = bytes(range(256))
    for form in ("parquet", "avro", "csv"):
        one.post(f"/text-{form}", "a \"line\", more\nüber\n".encode(), content_type="text/plain", X_Key="k")
        one.post(f"/text-{form}", b"no \xff text\n", content_type="text/plain", X_Key="k")
        one.send(raw, f"/bytes-{form}", content_type="application/octet-stream", X_Key="k")
    for form in ("parquet", "avro", "csv"):
        lines = wait_until("lines", lambda: len(found := lake_tables.rows(one.lake / f"text-{form}")) == 2 and found)
        assert [row["line"] for row in lines] == ["a \"line\", more", "über"]
        assert list(lines[0]) == ["line", "_key", "_time", "_received", "_id"]
        values = wait_until("bytes", lambda: lake_tables.rows(one.lake / f"bytes-{form}"))
        value = values[0]["value"]
        assert list(values[0]) == ["value", "_key", "_time", "_received", "_id"] and values[0]["_key"] == "k"
        assert (base64.b64decode(value) if form == "csv" else value) == raw
    assert sorted(letter["stream"] for letter in letters(one)) == ["text-avro", "text-csv", "text-parquet"]
    assert all("not UTF-8" in letter["reason"] for letter in letters(one))


def test_another_schema_begins_another_file(gateway, tmp_path):
    one = make(gateway, tmp_path).start()
    one.sets[0] = "lake.roll.every=0"
    one.stop_cleanly()
    one.start()
    one.send('{"sensor_id":"a","wattage":1,"fresh":5}')
    (tmp_path / "reading.json").write_text(json.dumps({"properties": {"fresh": {"type": "integer"}, **SCHEMA["properties"]}}))
    one.process.send_signal(signal.SIGHUP)
    wait_until("the reload", lambda: "gateway.reload" in one.said())
    one.send('{"sensor_id":"a","wattage":2,"fresh":6}')
    one.stop_cleanly()
    old, new = lake_tables.files(one.lake)
    old, new = lake_tables.by_pyarrow(old), lake_tables.by_pyarrow(new)
    assert [(row["wattage"], row["_rest"]) for row in old] == [(1.0, '{"fresh":5}')] and list(old[0]) == NAMES
    assert [(row["wattage"], row["fresh"], row["_rest"]) for row in new] == [(2.0, 6, None)] and list(new[0]) == ["fresh", *NAMES]


def test_lines_become_a_table_and_again_lines(gateway, tmp_path):
    """What was accepted before a change is written as it was to be then."""
    one = make(gateway, tmp_path, "source")
    forms = ["source", "avro", "csv", "source"]
    for number, form in enumerate(forms):
        one.config = make(gateway, tmp_path, form).config
        one.sets[0] = "lake.roll.every=0"
        one.start()
        one.send(f'{{"sensor_id":"a","wattage":{number}}}')
        one.kill()
    one.start()
    one.stop_cleanly()
    assert [path.suffix for path in lake_tables.files(one.lake)] == [".jsonl", ".avro", ".csv", ".jsonl"]
    assert float(lake_tables.by_fastavro(lake_tables.files(one.lake)[1])[0]["wattage"]) == 1


WRONG = {
    "{lake: {format: csv}}": "streams.s.lake.format: 'csv' needs a schema",
    "{schema: reading.v1, lake: {format: avro, compression: gzip}}": "streams.s.lake.compression: avro has no gzip",
    "{schema: reading.v1, lake: {format: csv, compression: snappy}}": "streams.s.lake.compression: ",
    "{schema: reading.v1, lake: {compression: zstd}}": "streams.s.lake.compression: ",
    "{schema: own.json, lake: {format: parquet}}": "streams.s.lake.format: the schema has a property _id",
    "{schema: many.json, lake: {format: parquet}}": "streams.s.lake.format: the schema has 501 properties",
    "{schema: long.json, lake: {format: parquet}}": "streams.s.lake.format: the names",
    "{schema: empty.json, lake: {format: parquet}}": "streams.s.lake.format: the schema has a property without a name",
    "{schema: control.json, lake: {format: parquet}}": "streams.s.lake.format: the schema has a property with control",
}


@pytest.mark.parametrize("stream", WRONG)
def test_what_check_says(tmp_path, stream):
    for name, names in {"own": ["_id"], "many": [f"p{i}" for i in range(501)], "long": ["x" * 1000 + str(i) for i in range(30)],
                        "empty": [""], "control": ["a\tb"]}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({"properties": {one: {} for one in names}}))
    (tmp_path / "penstock.yaml").write_text(f"streams:\n  s: {stream}\n")
    done = run_command("check", "-c", "penstock.yaml", cwd=tmp_path)
    assert done.returncode and WRONG[stream] in done.stdout + done.stderr, done
    assert "penstock.yaml:2:" in done.stdout + done.stderr


def test_five_hundred_columns(gateway, tmp_path):
    schema = {"properties": {f"p{i}": {"type": "integer"} for i in range(499)} | {"sensor_id": {"type": "string"}}}
    one = make(gateway, tmp_path, schema=schema).start()
    one.send(json.dumps({"sensor_id": "a"} | {f"p{i}": i for i in range(0, 499, 2)}))
    row, = wait_rows(one, 1)
    assert [row[f"p{i}"] for i in range(499)] == [None if i % 2 else i for i in range(499)]


def test_two_thousand_keys_take_little_memory(gateway, tmp_path):
    one = make(gateway, tmp_path)
    one.sets = ["lake.roll.every=1h" if "roll.every" in word else word for word in one.sets]
    one.sets.append("gateway.grace=5min")
    one.start()
    count = 2000
    for turn in range(10):
        body = "\n".join(f'{{"sensor_id":"k{key}","wattage":{key}.{turn},"tags":["{"x" * 300}"]}}' for key in range(count))
        assert json.loads(one.post("/readings", body, content_type="application/x-ndjson").body)["accepted"] == count
    wait_until("all of them open", lambda: one.metric("penstock_outlet_open_files") == count)
    open_files = memory(one)
    one.process.send_signal(signal.SIGTERM)
    peak = 0
    while one.process.poll() is None:
        try:
            peak = max(peak, memory(one, "VmHWM"))
        except (TypeError, OSError):
            break
    assert one.ended() == 0
    found = lake_tables.rows(one.lake)
    assert len(found) == 10 * count == len({row["_id"] for row in found})
    assert {(row["sensor_id"], row["wattage"]) for row in found} == {(f"k{key}", float(f"{key}.{turn}")) for key in range(count) for turn in range(10)}
    print(f"open: {open_files >> 20} MiB, peak: {peak >> 20} MiB")
    assert open_files < 64 << 20 and peak < 64 << 20
