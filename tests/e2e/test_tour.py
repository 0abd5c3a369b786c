"""The README's tour, as a newcomer types it."""

import json
import pathlib
import re
import signal
import socket
import subprocess

import pytest

from penstock import lake_rows, leftovers, read_lake, wait_until


def curl(line):
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def banner_curl(one):
    """The line that the banner offers."""
    return re.search(r"curl .*http://\S+", one.said()).group()


def free(*ports):
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


@pytest.mark.parametrize("default_ports", [True, False], ids=["default-ports", "free-ports"])
def test_tour(gateway, default_ports):
    if default_ports and not free(8080, 8081, 1883):
        pytest.skip("something else listens on 8080, 8081 or 1883; the same tour runs on free ports")
    one = gateway(default_ports=default_ports).start()
    assert not default_ports or one.ports == {"http": 8080, "admin": 8081, "mqtt": 1883}
    line = banner_curl(one)
    assert json.loads(curl(line)) == {"accepted": 1}
    sent = re.search(r"-d '([^']*)'", line).group(1).encode()
    folder = one.data / "lake" / "readings"
    wait_until("the reading in the lake", lambda: folder.exists() and lake_rows(one.lake) == [sent])

    second = one.send('{"sensor_id":"SENSOR_2","wattage":1}')
    assert one.stop(signal.SIGINT) == 0
    assert lake_rows(one.lake) == [sent, second]
    assert leftovers(one.lake) == []

    one.start()
    third = one.send('{"sensor_id":"SENSOR_3","wattage":2}')
    one.stop_cleanly()
    assert lake_rows(one.lake) == [sent, second, third]
    files = read_lake(one.lake)
    assert [(file.first, file.last) for file in files] == [(1, 1), (2, 2), (3, 3)]
    assert len({file.epoch for file in files}) == 2


def typed(block):
    """What is typed in a block of the README, and what it says that is answered."""
    return [one.split("\n", 1) for one in re.split(r"^\$ ", block.replace("|\n", "|"), flags=re.MULTILINE)[1:]]


def test_readme_says_what_is_answered(gateway):
    readme = (pathlib.Path(__file__).resolve().parents[2] / "README.md").read_text()
    _, lines, files, _ = re.findall(r"^```\n(.*?)^```$", readme.split("## Five minutes")[1].split("## The promise")[0], re.MULTILINE | re.DOTALL)
    one = gateway("lake.roll.every=1h").start()
    here = {"penstock-data": str(one.data), ":8080": f":{one.ports['http']}", ":8081": f":{one.ports['admin']}", "mosquitto_pub": f"mosquitto_pub -p {one.ports['mqtt']}"}
    for line, answer in typed(lines):
        for place, mine in here.items():
            line = line.replace(place, mine)
        assert curl(line).strip() == answer.strip()
    wait_until("the dropped line", lambda: one.metric("penstock_files_lines_total") == 1)
    wait_until("the dropped file in the archive", lambda: list(one.data.glob("drop/archive/*/notes.txt")))
    one.stop_cleanly()
    (line, answer), = typed(files)
    names = re.compile(r"(\+[^+]+\.)[0-9a-f]{8}\+")
    assert names.sub("+", curl(line.replace("penstock-data", str(one.data))).replace(str(one.data), "penstock-data")) == names.sub("+", answer)


def test_banner_names_only_what_is_built(started):
    said = started.said()
    assert "Files  penstock-data/drop (unorganized)" in said
    for absent in ("Kafka", "kafka"):
        assert absent not in said


@pytest.mark.parametrize("sets", [("lake.enabled=false", "kafka.properties.bootstrap.servers=127.0.0.1:1", "streams.readings.topics=[A]"),
                                  ("streams.unorganized.format=json",)])
def test_no_drop_folder_where_its_lines_could_not_go(gateway, sets):
    one = gateway(*sets).start()
    assert "Files" not in one.said() and not (one.data / "drop").exists()


def test_drop_folder_lies_in_the_data_directory(gateway):
    """Also where that would be a pattern."""
    one = gateway("gateway.data=here[1]{x}*", "lake.roll.every=200ms").start()
    data = one.directory / "here[1]{x}*"
    assert "Files  here[1]{x}*/drop (unorganized)" in one.said()
    (data / "drop" / "notes.txt").write_text("hello\n")
    wait_until("the line", lambda: lake_rows(data / "lake") == [b"hello"])


def test_with_a_configuration_file_there_is_no_drop_folder(gateway):
    one = gateway(config="log: {level: info}\n").start()
    assert "Files" not in one.said() and not (one.data / "drop").exists()


def test_help_and_version():
    from penstock import run_command
    assert "run" in run_command("--help").stdout
    assert re.match(r"penstock \d+\.\d+\.\d+\n", run_command("--version").stdout)
    unknown = run_command("rnu")
    assert unknown.returncode == 2 and "run" in unknown.stderr


def test_restart_after_kill_goes_on(gateway):
    one = gateway("lake.roll.every=1h").start()
    before = [one.send({"sensor_id": 1, "n": n}) for n in range(5)]
    one.kill()
    assert lake_rows(one.lake) == []
    one.start()
    after = [one.send({"sensor_id": 1, "n": n}) for n in range(5, 8)]
    one.stop_cleanly()
    assert lake_rows(one.lake) == before + after
    assert leftovers(one.lake) == []
