"""Schemas of streams: what is told to a sender, what becomes a dead letter, what is let pass, and what `penstock check` says of a schema."""

import concurrent.futures
import json
import pathlib
import time

import pytest

from mqtt import connected, letters, rows
from penstock import lake_rows, read_lake, run_command, wait_until

SCHEMA = {"required": ["sensor_id", "wattage"], "properties": {"wattage": {"type": "number", "minimum": 0, "maximum": 1000}, "unit": {"enum": ["W", "kW"]}}}
GOOD, HIGH = '{"sensor_id":"S1","wattage":812.5}', '{"sensor_id":"S2","wattage":5000}'
WHY = "schema: /wattage: 5000 is above the maximum 1000"


@pytest.fixture
def server(gateway, tmp_path):
    """server(**settings of the stream) runs with SCHEMA in a file."""
    def make(**settings):
        (tmp_path / "power.json").write_text(json.dumps(SCHEMA))
        (tmp_path / "drop").mkdir()
        config = {"streams": {"readings": {"key": "/sensor_id", "schema": str(tmp_path / "power.json"), **settings}},
                  "files": {"drop": {"watch": str(tmp_path / "drop" / "*.log"), "stream": "readings", "scan": "200ms"},
                            "tables": {"watch": str(tmp_path / "drop" / "*.csv"), "stream": "readings", "scan": "200ms", "records": "csv", "numbers": True}}}
        return gateway("lake.roll.every=100ms", config=json.dumps(config)).start()
    return make


def answer(one, body, content_type="application/json"):
    got = one.post("/readings", body, content_type)
    return got.status, json.loads(got.body)


def test_http_tells_the_sender(server):
    one = server()
    assert answer(one, GOOD) == (200, {"accepted": 1})
    status, told = answer(one, HIGH)
    assert status == 422 and told["rejected"] == [{"index": 0, "reason": WHY}], told
    status, told = answer(one, f"{GOOD}\n{HIGH}\n{{\"sensor_id\":3}}\n{GOOD}\n", "application/x-ndjson")
    missing = "schema: the record: 'wattage' is missing (required)"
    assert (status, told) == (207, {"accepted": 2, "rejected": [{"index": 1, "reason": WHY}, {"index": 2, "reason": missing}], "rejected_total": 2})
    status, told = answer(one, f"[{HIGH}, {GOOD}]")
    assert (status, told["accepted"], told["rejected"]) == (207, 1, [{"index": 0, "reason": WHY}])
    status, told = answer(one, f"[{HIGH}, {HIGH}]")
    assert status == 422 and told["rejected_total"] == 2
    assert rows(one, 4) == [GOOD.encode()] * 4
    assert one.metric("penstock_records_rejected_total", 'source="http"', 'stream="readings"', 'reason="schema"') == 6


def test_what_has_no_sender_to_be_told_is_a_dead_letter(server, tmp_path):
    one = server()
    with connected(one) as client:
        assert client.store("readings/S9", HIGH) == 0
        assert client.store("readings/S9", GOOD) == 0
    (tmp_path / "drop" / "a.log").write_text(f"{GOOD}\n{HIGH}\n")
    assert rows(one, 2) == [GOOD.encode()] * 2
    (tmp_path / "drop" / "b.csv").write_text("sensor_id,wattage,unit\nS1,7,W\nS2,5000,W\n")
    found = letters(one, 3)
    assert [letter["reason"] for letter in found] == [WHY] * 3
    assert [letter["payload"] for letter in found] == [HIGH, HIGH, '{"sensor_id":"S2","wattage":5000,"unit":"W"}']
    assert all(letter["outlet"] == "source" and letter["stream"] == "readings" for letter in found)
    wait_until("the row that is right", lambda: b'{"sensor_id":"S1","wattage":7,"unit":"W"}' in lake_rows(one.lake))


def test_what_is_let_pass_is_marked(server, tmp_path):
    one = server(schema_invalid="pass", lake={"path": "{stream}/{schema_result}"})
    marked = 'penstock_records_schema_invalid_total{stream="readings"}'
    assert one.metrics()[marked] == 0
    assert answer(one, f"[{GOOD}, {HIGH}]") == (200, {"accepted": 2})
    rows(one, 2)
    assert one.metrics()[marked] == 1
    found = {}
    for file in read_lake(one.lake):
        found.setdefault(file.folder, []).extend(file.rows)
    assert found == {"readings/ok": [GOOD.encode()], "readings/invalid": [HIGH.encode()]}
    assert answer(one, f"[{HIGH}, {{}}]")[0] == 207  # has no key: rejected, and not counted as taken
    with connected(one) as client:
        assert client.store("readings/S9", HIGH) == 0
    (tmp_path / "drop" / "a.log").write_text(f"{GOOD}\n{HIGH}\n")
    wait_until("those of all sources", lambda: one.metrics()[marked] == 4)


def test_a_pattern_that_takes_long_holds_nobody_up(gateway, tmp_path):
    """Thirty thousand records that are made for it: they are told so, records that are not are taken, and so are others meanwhile."""
    (tmp_path / "weak.json").write_text('{"properties":{"text":{"pattern":"^(a+)+$"}}}')
    config = {"streams": {"readings": {"key": "/sensor_id", "schema": str(tmp_path / "weak.json")}}}
    bad = json.dumps({"sensor_id": "S", "text": "a" * 40 + "b"})
    with gateway("http.threads=1", "lake.roll.every=100ms", config=json.dumps(config)) as one, concurrent.futures.ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        call = pool.submit(answer, one, "\n".join([bad] * 29_999 + [GOOD]), "application/x-ndjson")
        assert answer(one, GOOD) == (200, {"accepted": 1})
        status, told = call.result()
        assert time.monotonic() - began < 30  # at a million steps each it would be two minutes
        assert (status, told["accepted"], told["rejected_total"]) == (207, 1, 29_999)
        assert "takes more steps than are allowed" in told["rejected"][0]["reason"]
        assert "it and what came with it take more steps than patterns may take together" in told["rejected"][-1]["reason"]
        rows(one, 2)
        assert answer(one, bad)[1]["rejected"][0]["reason"] == told["rejected"][0]["reason"]  # another request, with steps of its own


def test_own_schema_of_readings(gateway):
    with gateway("streams.readings.schema=reading.v1") as one:
        assert answer(one, GOOD) == (200, {"accepted": 1})
        assert answer(one, '{"sensor_id":"S","created_at":"yesterday"}')[0] == 422


def test_only_the_default_of_nothing_is_default(gateway):
    """Schemas are asked for: without one any JSON with a key goes through."""
    with gateway() as one:
        assert answer(one, '{"sensor_id":"S","created_at":"yesterday"}') == (200, {"accepted": 1})


WRONG = {
    "unknown keyword": ({"properties": {"a": {"multipleOf": 2}}}, "/properties/a/multipleOf: a keyword that is not known here"),
    "reference": ({"$ref": "#/$defs/x"}, "/$ref: a keyword that is not known here"),
    "bad pattern": ({"items": {"pattern": "("}}, "/items/pattern: no pattern of ECMA-262: byte 0: a group that has no end"),
    "bad type": ({"type": "float"}, "/type: no type"),
    "no schema": ([], "the schema: must be an object, true or false"),
}


@pytest.mark.parametrize("name", WRONG)
def test_check_names_the_place_in_a_schema(tmp_path, name):
    schema, why = WRONG[name]
    (tmp_path / "s.json").write_text(json.dumps(schema))
    (tmp_path / "c.yaml").write_text("streams:\n  readings:\n    schema: s.json\n")
    done = run_command("check", "-c", "c.yaml", cwd=tmp_path)
    assert done.returncode == 1 and f"c.yaml:3:13: streams.readings.schema: s.json: {why}" in done.stdout + done.stderr, done


@pytest.mark.parametrize("settings, why", [
    ("{schema: reading.v9}", "no schema that comes with penstock (reading.v1 does), and no file that ends in .json"),
    ("{schema: nowhere.json}", "nowhere.json: No such file or directory"),
    ("{schema: reading.v1, format: bytes}", "needs records of JSON, but the stream's format is bytes"),
    ("{schema_invalid: drop}", "refuse, pass")])
def test_check_names_what_is_wrong_around_it(tmp_path, settings, why):
    (tmp_path / "c.yaml").write_text(f"streams:\n  readings: {settings}\n")
    done = run_command("check", "-c", "c.yaml", cwd=tmp_path)
    assert done.returncode == 1 and why in done.stdout + done.stderr, done
    assert run_command("run", "-c", "c.yaml", cwd=tmp_path).returncode == 1
    assert not pathlib.Path(tmp_path, "penstock-data").exists()
