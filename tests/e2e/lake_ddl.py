"""Streams whose files in the lake are of every form, and what an engine has to find in the tables that `penstock ddl` describes."""

import datetime
import json

from lake_tables import micros
from penstock import run_command

SCHEMA = {"type": "object", "properties": {
    "sensor_id": {"type": ["string", "integer"]}, "wattage": {"type": ["number", "null"]}, "count": {"type": "integer"}, "on": {"type": "boolean"},
    "at": {"type": "string", "format": "date-time"}, "note": {"type": "string"}, "tags": {"type": "array"}}}
FORMS = ("parquet", "avro", "csv", "source")
READINGS = [
    {"sensor_id": "a", "wattage": 1.5, "count": 3, "on": True, "at": "2026-03-01T12:00:00.123+01:00", "note": "a \"word\", and\\more", "tags": [1, {"x": "y z"}], "more": [1]},
    {"sensor_id": 7, "wattage": None, "count": -2**63, "on": False, "at": "2026-03-01T23:59:59.999Z"},
    {"sensor_id": "true", "wattage": -0.1, "at": "2026-03-02T00:00:00Z", "note": "ü€😀"},
    {"sensor_id": "a b/c=%ü'", "wattage": 4.9e-324, "count": 2**63 - 1, "at": "1999-12-31T23:59:59.500Z", "note": " "},
]
LINES = ["a \"line\", more\\n", "über\x01 and \t that", "x" * 5000]
CONFIG = """\
streams:
""" + "".join(f"""\
  power-{form}:
    schema: reading.json
    key: /sensor_id
    time: {{field: /at, past: 36500d}}
    lake: {{path: "all/{{stream}}/dt={{time:%Y-%m-%d}}/hour={{time:%H}}/sensor={{key}}", format: {form}}}
""" for form in FORMS) + """\
  lines: {format: text, lake: {path: "all/lines"}}
  octets: {format: bytes, key: "header:X-Key", lake: {path: "all/octets/sensor={key}"}}
"""
STREAMS = [f"power-{form}" for form in FORMS] + ["lines", "octets"]


def write(gateway):
    """A gateway that has written all of it, and has ended."""
    one = gateway("lake.roll.every=200ms", config=CONFIG)
    (one.directory / "reading.json").write_text(json.dumps(SCHEMA))
    one.start()
    for form in FORMS:
        for reading in READINGS:
            one.send(json.dumps(reading), f"/power-{form}")
    one.post("/lines", "".join(line + "\n" for line in LINES).encode(), content_type="text/plain")
    one.send(bytes(range(256)), "/octets", content_type="application/octet-stream", X_Key="k")
    one.stop_cleanly()
    return one


def statements(one, engine, stream, *more):
    """What `penstock ddl` says, statement by statement."""
    done = run_command("ddl", engine, stream, "-c", "penstock.yaml", *more, cwd=one.directory)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if not line.startswith("--")]
    return [text.strip() for text in "\n".join(lines).split(";") if text.strip()]


def moment(value):
    if value is None or isinstance(value, int):
        return value
    text = value.replace(" ", "T")
    return micros(text if text[10:].count("+") or text.endswith("Z") else text + "Z")


def plain(reading):
    """A row of the files, with its partitions; columns that are not named are NULL."""
    at = moment(reading["at"])
    day = datetime.datetime.fromtimestamp(at // 1_000_000, datetime.timezone.utc)
    key = str(reading["sensor_id"])
    return {"sensor_id": key, "wattage": reading.get("wattage"), "count": reading.get("count"), "on": reading.get("on"), "at": at, "note": reading.get("note"),
            "tags": json.dumps(reading["tags"], separators=(",", ":")) if "tags" in reading else None, "dt": f"{day:%Y-%m-%d}", "hour": f"{day:%H}", "sensor": key}


def found(row, texts):
    """What an engine has of such a row; texts: all its columns are strings, and NULL is ''."""
    made = {name: None if texts and value == "" else value for name, value in row.items() if name in plain(READINGS[0])}
    made["at"] = moment(made["at"])
    made["dt"] = str(made["dt"])
    if texts:
        made |= {"wattage": made["wattage"] and float(made["wattage"]), "count": made["count"] and int(made["count"]), "on": made["on"] and made["on"] == "true"}
    return made


def check(rows, form, engine):
    """rows: dicts of a table of one of the forms."""
    texts = form == "csv" and engine != "spark"
    expected = [plain(reading) for reading in READINGS]
    for row in expected:
        if form == "source" and engine != "spark":
            del row["tags"]
    by = lambda row: row["sensor_id"]  # noqa: E731
    assert sorted((found(row, texts) for row in rows), key=by) == sorted(expected, key=by)
    if form == "source":
        assert not any(name.startswith("_") for name in rows[0])
        return
    assert {row["_key"] for row in rows} == {row["sensor"] for row in expected}
    assert {row["_rest"] or None for row in rows} == {'{"more":[1]}', None}
    assert all(moment(row["_time"]) == moment(row["at"]) for row in rows) and len({row["_id"] for row in rows}) == len(rows)
    assert all(moment(row["_received"]) > moment("2026-01-01T00:00:00Z") for row in rows)
