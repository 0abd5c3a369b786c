"""`penstock journal forget`: on a stopped gateway, with the right gateway.id, for an outlet that the journal knows and the
configuration no longer asks for."""

import json
import re

import pytest

from mqtt import PUBCOMP, PUBREC, V5, Client, pubrel
from penstock import Gateway, lake_rows, run_command, wait_until
from tailing import Tail

FORGOT = re.compile(r"^forgot outlet (?P<outlet>\S+): position (?P<position>\d+), (?P<queued>\d+) records queued, (?P<held>\d+) held, "
                    r"(?P<marks>\d+) marks\n$")

# Of the gateway that goes on without its lake. Nobody listens there.
KAFKA = ("kafka.properties.bootstrap.servers=127.0.0.1:1", "streams.readings.topics=READINGS")
NO_LAKE = ("lake.enabled=false", *KAFKA)


@pytest.fixture
def stopped(gateway):
    """A stopped gateway with five delivered records."""
    one = gateway("lake.roll.every=100ms", "gateway.id=site-7").start()
    for number in range(5):
        one.send({"sensor_id": "S", "n": number})
    wait_until("the lake has all", lambda: len(lake_rows(one.lake)) == 5)
    one.stop_cleanly()
    return one


def forget(gateway, outlet, *more, sets=("gateway.id=site-7", *NO_LAKE)):
    arguments = [argument for one in sets for argument in ("--set", one)]
    return run_command("journal", "forget", outlet, *arguments, *more, cwd=gateway.directory)


def test_says_what_is_gone_and_the_gateway_starts_again(stopped):
    done = forget(stopped, "lake")
    assert done.returncode == 0, done.stderr
    said = FORGOT.match(done.stdout)
    assert said, done.stdout
    assert said["outlet"] == "lake" and said["held"] == said["marks"] == "0"
    assert int(said["position"]) + int(said["queued"]) == 5
    assert done.stderr == ""

    again = forget(stopped, "lake")
    assert again.returncode == 1
    assert "keeps nothing for outlet lake" in again.stderr

    # The lake is new to the journal and finds what its files have already: nothing is there twice.
    stopped.start()
    stopped.send({"sensor_id": "S", "n": 5})
    wait_until("the lake has the sixth", lambda: len(lake_rows(stopped.lake)) == 6)
    assert len(set(lake_rows(stopped.lake))) == 6


def test_positions_of_files_stay(gateway):
    """What was read of a watched file is not read again."""
    tail = Tail(gateway, "*.log", sets=("gateway.id=site-7",)).start()
    tail.writer().write(50)
    tail.arrived()
    tail.gateway.stop_cleanly()
    done = forget(tail.gateway, "lake", "-c", "penstock.yaml", "--set", "streams.lines.topics=LINES")
    assert done.returncode == 0, done.stderr
    tail.start().writer().write(50)
    tail.judge()


def test_sessions_of_mqtt_stay(stopped):
    """What sources keep is written anew with the rest: a message whose PUBREL is still to come is not taken twice."""
    kept = {"clean": False, "session_expiry": 600}
    message = ("readings/S", '{"sensor_id": "S", "n": 5}')
    stopped.start()
    with Client(stopped.ports["mqtt"], V5) as client:
        client.connect("meter", **kept)
        client.publish(*message, qos=2, id=7)
        assert client.expect(PUBREC, 7).reason == 0
        client.disconnect()
    wait_until("the lake has the sixth", lambda: len(lake_rows(stopped.lake)) == 6)
    stopped.stop_cleanly()
    done = forget(stopped, "lake")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""

    stopped.start()
    with Client(stopped.ports["mqtt"], V5) as client:
        assert client.connect("meter", **kept).present
        client.publish(*message, qos=2, id=7, dup=True)
        assert client.expect(PUBREC, 7).reason == 0
        assert client.send(pubrel(7)).expect(PUBCOMP, 7).reason == 0
        assert client.store("readings/S", '{"sensor_id": "S", "n": 6}', qos=2, id=7) == 0
    wait_until("the lake has the seventh", lambda: len(lake_rows(stopped.lake)) >= 7)
    assert sorted(row["n"] for row in map(json.loads, lake_rows(stopped.lake))) == list(range(7))


def test_an_outlet_that_is_not_there_is_told_the_known(stopped):
    before = stopped.journal_files()
    done = forget(stopped, "kafak")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "keeps nothing for outlet kafak" in done.stderr and re.search(r"keeps records for .*\blake\b", done.stderr)
    assert stopped.journal_files() == before


def test_a_configuration_file_says_where(stopped):
    """The way out that the start names: the outlet leaves the configuration, then the journal."""
    (stopped.directory / "c.yaml").write_text("""
gateway: {id: site-7, data: penstock-data}
http: {listen: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
mqtt: {listen: "127.0.0.1:0"}
lake: {enabled: false}
kafka: {properties: {bootstrap.servers: "127.0.0.1:1"}}
streams: {readings: {topics: [READINGS]}}
""")
    refused = run_command("run", "-c", "c.yaml", cwd=stopped.directory)
    assert refused.returncode == 1 and "penstock journal forget lake" in refused.stderr, refused.stderr
    done = forget(stopped, "lake", "-c", "c.yaml", sets=())
    assert done.returncode == 0, done.stderr
    without = Gateway(stopped.directory, config=(stopped.directory / "c.yaml").read_text(), default_ports=True)
    with without.start():
        without.send({"sensor_id": "S", "n": 5})


def test_an_outlet_that_is_configured_is_kept(stopped):
    """What it has still to deliver would be gone without a word, and the default configuration has a lake."""
    before = stopped.journal_files()
    for outlet, sets in ("lake", ()), ("lake", KAFKA), ("kafka", KAFKA), ("kafka", NO_LAKE):
        done = forget(stopped, outlet, sets=("gateway.id=site-7", *sets))
        assert done.returncode == 1 and done.stdout == ""
        assert f"still asks for outlet {outlet}" in done.stderr
        assert "lake.enabled: false" in done.stderr and "kafka.properties" in done.stderr and "-c FILE" in done.stderr
    done = forget(stopped, "dead-letters")
    assert done.returncode == 1 and done.stdout == ""
    assert "outlet dead-letters belongs to every gateway" in done.stderr
    assert stopped.journal_files() == before


def test_a_running_gateway_keeps_its_journal(gateway):
    running = gateway("gateway.id=site-7").start()
    done = forget(running, "lake")
    assert done.returncode == 1
    assert "another penstock is running" in done.stderr
    running.send({"sensor_id": "S", "n": 1})


def test_another_gateway_is_refused(stopped):
    before = stopped.journal_files()
    done = forget(stopped, "lake", sets=("gateway.id=site-8", *NO_LAKE))
    assert done.returncode == 1
    assert "belongs to gateway.id site-7, not site-8" in done.stderr
    assert stopped.journal_files() == before


def test_no_directory_comes_into_being(tmp_path):
    done = run_command("journal", "forget", "kafka", cwd=tmp_path)
    assert done.returncode == 1
    assert "penstock-data/journal" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_errors_of_the_configuration_are_told(tmp_path):
    done = run_command("journal", "forget", "lake", "--set", "journal.max_siz=1GiB", cwd=tmp_path)
    assert done.returncode == 1
    assert "max_size" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["repair"], ["verify", "lake"], ["inspect", "x"], ["export", "x"], ["forget"], ["forget", "--set", "gateway.id=x"], ["--set", "gateway.id=x"],
                                       ["lake", "forget"]], ids=" ".join)
def test_usage(arguments, tmp_path):
    done = run_command("journal", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "penstock journal forget OUTLET" in done.stderr and "penstock journal verify" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["forget", "lake", "--directory", "x"], ["verify", "--json"], ["inspect", "--from", "1"], ["verify", "--to", "1"],
                                       ["forget", "lake", "--stream", "x"], ["inspect", "--queued", "lake"], ["verify", "--payload"],
                                       ["export", "--json"]], ids=" ".join)
def test_options_of_other_subcommands(arguments, tmp_path):
    done = run_command("journal", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    option = next(argument for argument in arguments if argument.startswith("--"))
    assert f"penstock journal: found {option}; {arguments[0]} does not have it" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["forget", "lake", "--nothing"], ["forget", "lake", "kafka"], ["forget", "lake", "--set"]],
                         ids=" ".join)
def test_strange_arguments(arguments, tmp_path):
    done = run_command("journal", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "penstock journal: found" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_help(tmp_path):
    for arguments in (["--help"], ["forget", "--help"], ["forget", "lake", "-h"]):
        done = run_command("journal", *arguments, cwd=tmp_path)
        assert done.returncode == 0
        assert "journal forget OUTLET" in done.stdout
