"""`penstock check`: every kind of error stands at its file, line and column, all of a file at once, with what is allowed."""

import json
import os
import re
import subprocess

import jsonschema
import pytest
import yaml

from penstock import BINARY, run_command

PLACE = re.compile(r"^(?P<file>[^:\s]+):(?P<line>\d+):(?P<column>\d+): (?P<text>.+)$")


@pytest.fixture
def check(tmp_path):
    def run(text, *more, environment=None):
        (tmp_path / "c.yaml").write_text(text)
        return run_command("check", "-c", "c.yaml", *more, cwd=tmp_path, **({"env": environment} if environment else {}))
    return run


# text, line, column, words of the message
ERRORS = {
    "unknown name": ("journal:\n  max_siz: 8GiB\n", 2, 3, ["max_siz", "max_size"]),
    "unknown section": ("jurnal: {max_size: 8GiB}\n", 1, 1, ["jurnal", "journal"]),
    "name of an option elsewhere": ("http:\n  segment_size: 1MiB\n", 2, 3, ["segment_size", "journal.segment_size"]),
    "unknown unit": ("journal:\n  max_size: 8GiX\n", 2, 13, ["GiX", "GiB"]),
    "not a number": ("lake:\n  roll:\n    records: many\n", 3, 14, ["many"]),
    "number below its range": ("journal: {segment_size: 1KiB}\n", 1, 25, ["1KiB", "1MiB"]),
    "negative": ("http: {max_connections: -4}\n", 1, 25, ["-4"]),
    "duration without a unit": ("gateway: {grace: 15}\n", 1, 18, ["15", "min"]),
    "not one of the words": ("log: {level: verbose}\n", 1, 14, ["verbose", "debug"]),
    "not a boolean": ("http: {anonymous: maybe}\n", 1, 19, ["maybe", "true"]),
    "bad address": ("http:\n  listen: [127.0.0.1:99999]\n", 2, 12, ["127.0.0.1:99999"]),
    "beyond loopback": ("http:\n  listen: [0.0.0.0:8080]\n", 2, 12, ["anonymous"]),
    "bound of another option": ("http: {max_body: 64MiB}\n", 1, 18, ["64MiB", "journal.segment_size"]),
    "mapping where a text belongs": ("gateway:\n  data: {a: b}\n", 2, 9, ["data"]),
    "text where a section belongs": ("journal: big\n", 1, 10, ["journal"]),
    "list where a number belongs": ("journal:\n  max_size: [1]\n", 2, 13, ["max_size"]),
    "twice": ("log: {level: info}\nlog: {level: warn}\n", 2, 1, ["log"]),
    "bad pointer": ("streams:\n  readings:\n    key: sensor_id\n", 3, 10, ["sensor_id"]),
    "bad escape in a pointer": ("streams:\n  readings:\n    key: /a~2b\n", 3, 10, ["~"]),
    "unknown label in a path": ("streams:\n  readings:\n    lake: {path: \"{site}\"}\n", 3, 18, ["site"]),
    "bad time format": ("streams:\n  readings:\n    lake: {path: \"{time:%Q}\"}\n", 3, 18, ["%Q"]),
    "open brace": ("streams:\n  readings:\n    lake: {path: \"a/{key\"}\n", 3, 18, ["{"]),
    "path that climbs": ("streams:\n  readings:\n    lake: {path: \"../x\"}\n", 3, 18, [".."]),
    "bad stream name": ("streams:\n  \"a/b\": {}\n", 2, 3, ["a/b"]),
    "bad gateway id": ("gateway: {id: \"site 7\"}\n", 1, 15, ["site 7"]),
    "missing variable": ("gateway: {data: \"${PENSTOCK_NO_SUCH}\"}\n", 1, 17, ["PENSTOCK_NO_SUCH"]),
    "dollar alone": ("gateway: {data: \"a$b\"}\n", 1, 17, ["$$"]),
    "control character in a property": ("kafka: {properties: {bootstrap.servers: \"a\\tb\"}}\n", 1, 41, ["bootstrap.servers", "PROPERTY"]),
    "unknown section of Kafka": ("kafka:\n  property: {linger.ms: 5}\n", 2, 3, ["property", "kafka.properties"]),
    "property beside properties": ("kafka: {linger.ms: 5}\n", 1, 9, ["linger.ms"]),
    "bad name of a property": ("kafka: {properties: {Linger.ms: 5}}\n", 1, 22, ["Linger.ms", "a-z"]),
    "unknown fact of a message": ("streams:\n  readings: {labels: {who: \"mqtt:clientid\"}}\n", 2, 28, ["clientid", "mqtt:client_id"]),
    "unknown level of a topic": ("mqtt: {topics: {\"a/{site}\": readings}}\nstreams: {readings: {labels: {zone: \"topic:zone\"}}}\n", 2, 37,
                                 ["topic:zone", "a/{site}"]),
    "wildcard in a level": ("mqtt:\n  topics: {\"grid/a+\": readings}\n", 2, 23, ["level 2, 'a+'", "slashes"]),
    "two patterns of the same topics": ("mqtt:\n  topics:\n    \"a/{x}\": readings\n    \"a/{y}\": unorganized\n", 4, 14, ["a/{y}", "'a/{x}'"]),
    "pattern without a stream": ("mqtt: {topics: {\"a/#\": reading}}\n", 1, 24, ["reading", "unorganized", "did you mean \"readings\""]),
    "name of a level": ("mqtt: {topics: {\"{A}\": readings}}\n", 1, 24, ["{A}", "a-z 0-9 _"]),
    "topic without text": ("streams:\n  readings: {topics: [a, \"\"]}\n", 2, 26, ["topics"]),
    "unquoted topic": ("streams:\n  readings:\n    topics: [A, B_{key}]\n", 3, 19, ["quotes"]),
    "wrong word for a topic": ("kafka: {unwritable_topic: drop}\n", 1, 27, ["drop", "hold"]),
    "YAML syntax": ("gateway: {id: a\nlog: [\n", None, None, []),
    "tab": ("gateway:\n\tid: a\n", 2, None, []),
}


@pytest.mark.parametrize("name", ERRORS)
def test_error_stands_at_its_place(check, name):
    text, line, column, words = ERRORS[name]
    done = check(text)
    assert done.returncode == 1, done
    places = [PLACE.match(one) for one in done.stderr.splitlines()]
    assert places and all(places), done.stderr
    assert len(places) == 1, done.stderr
    place = places[0]
    assert place["file"] == "c.yaml"
    assert line in (None, int(place["line"])), done.stderr
    assert column in (None, int(place["column"])), done.stderr
    for word in words:
        assert word in place["text"], done.stderr


def test_all_errors_at_once_in_the_order_of_the_file(check):
    done = check("journal: {max_size: 8GiX}\nlog: {level: verbose}\nstreams:\n  readings: {key: nope}\n  more: {kex: /a}\n")
    assert done.returncode == 1
    assert [int(PLACE.match(one)["line"]) for one in done.stderr.splitlines()] == [1, 2, 4, 5], done.stderr


def test_errors_of_set_name_the_option(check):
    done = check("", "--set", "journal.max_siz=1GiB", "--set", "log.level=loud")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert "--set journal.max_siz" in lines[0] and "journal.max_size" in lines[0]
    assert "--set log.level" in lines[1] and "loud" in lines[1]


def test_run_refuses_what_check_refuses(check, tmp_path):
    (tmp_path / "bad.yaml").write_text("log: {level: verbose}\n")
    done = run_command("run", "-c", "bad.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("bad.yaml:1:14: ")
    assert not (tmp_path / "penstock-data").exists()


def test_missing_file(tmp_path):
    done = run_command("check", "-c", "absent.yaml", cwd=tmp_path)
    assert done.returncode == 1 and "absent.yaml" in done.stderr and "No such file" in done.stderr


@pytest.mark.parametrize("arguments", [["check", "--no-such"], ["check", "-c"], ["run", "--set"], ["run", "surplus"]])
def test_wrong_command_line(arguments):
    done = run_command(*arguments)
    assert done.returncode == 2 and done.stderr


@pytest.mark.parametrize("arguments", ["check", "--help", "--version", "import --types", "sqoop help import"])
def test_output_that_is_lost_is_told(tmp_path, arguments):
    with open("/dev/full", "w") as full:
        done = subprocess.run([BINARY, *arguments.split()], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr.startswith("penstock: standard output: ")) == (1, True), done.stderr


def test_effective_configuration_names_its_sources(check):
    done = check("gateway: {data: \"${PENSTOCK_TEST_DIR}/x$$y\"}\nstreams:\n  events: {labels: {kind: /kind}}\n",
                 "--set", "lake.roll.every=3s", environment={**os.environ, "PENSTOCK_TEST_DIR": "somewhere"})
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    effective = yaml.safe_load(done.stdout)
    assert effective["gateway"]["data"] == "somewhere/x$y" or effective["gateway"]["data"] == "somewhere/x$$y"
    assert effective["lake"]["roll"]["every"] == "3s"
    assert set(effective["streams"]) == {"readings", "unorganized", "events"}
    source = {line.split(":")[0].strip(): line.partition("#")[2] for line in done.stdout.splitlines() if "#" in line}
    assert "c.yaml:1" in source["data"]
    assert "--set" in source["every"]
    assert "default" in source["max_size"]


def test_effective_configuration_is_itself_valid(check, tmp_path):
    first = check("streams:\n  events: {labels: {kind: /kind, host: \"header:Host\"}}\n", "--set", "http.max_connections=7")
    second = check(first.stdout)
    assert second.returncode == 0, second.stderr
    assert yaml.safe_load(second.stdout) == yaml.safe_load(first.stdout)


def test_schema_takes_what_check_takes(check):
    schema = json.loads(run_command("check", "--schema").stdout)
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(check("").stdout), schema)
    for wrong in ({"jurnal": {}}, {"log": {"level": "verbose"}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


KAFKA = """
kafka:
  properties:
    bootstrap.servers: "127.0.0.1:1"
    security.protocol: sasl_plaintext
    sasl.mechanism: PLAIN
    sasl.username: site
    sasl.password: "${PENSTOCK_TEST_PASSWORD}"
streams:
  readings: {labels: {host: "header:Host"}, topics: [INGESTION, "SENSOR_ID_{key}"], value: envelope, headers: {Host: host}}
"""


def test_no_secret_is_printed(check, tmp_path):
    (tmp_path / "password").write_text("hunter2")
    (tmp_path / "password").chmod(0o600)
    environment = {**os.environ, "PENSTOCK_TEST_PASSWORD": "hunter2"}
    done = check(KAFKA, environment=environment)
    assert done.returncode == 0, done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert yaml.safe_load(done.stdout)["kafka"]["properties"]["sasl.password"] == "(secret)"
    assert re.search(r'sasl\.password: "\(secret\)" +# c\.yaml:8, environment PENSTOCK_TEST_PASSWORD\n', done.stdout), done.stdout

    from_file = KAFKA.replace('    sasl.password: "${PENSTOCK_TEST_PASSWORD}"\n', "  files: {sasl.password: password}\n")
    done = check(from_file)
    assert done.returncode == 0, done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert yaml.safe_load(done.stdout)["kafka"]["files"] == {"sasl.password": "password"}

    done = check(from_file, "--set", "kafka.properties.sasl.password:hunter2", "--set", "kafka.properties.ssl.key.password=hunter2$")
    assert done.returncode == 1 and len(done.stderr.splitlines()) >= 2, done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_kafka_is_printed_as_it_is_read(check):
    environment = {**os.environ, "PENSTOCK_TEST_PASSWORD": "hunter2"}
    schema = json.loads(run_command("check", "--schema").stdout)
    first = check(KAFKA, "--set", "kafka.properties.linger.ms=7", environment=environment)
    second = check(first.stdout)
    assert second.returncode == 0, second.stderr
    assert yaml.safe_load(second.stdout) == yaml.safe_load(first.stdout)
    jsonschema.validate(yaml.safe_load(KAFKA), schema)
    jsonschema.validate(yaml.safe_load(first.stdout), schema)
    assert yaml.safe_load(first.stdout)["streams"]["readings"]["topics"] == ["INGESTION", "SENSOR_ID_{key}"]
    for wrong in ({"kafka": {"properties": {"Linger": 1}}}, {"streams": {"a": {"topics": [1]}}}, {"kafka": {"max_topics": 0}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
