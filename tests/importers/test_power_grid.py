"""docker/scenarios/power-grid with servers of this machine: the README's own lines send readings, notes and a table; HDFS holds every byte of them where README.md says."""

import re
import subprocess

import pytest

from broker import Cluster
from hdfs import USER, Hdfs
from importing import BINARY
from landing import LANDED, Land
from penstock import ROOT, wait_until

SCENARIO = ROOT / "docker/scenarios/power-grid"
README = (SCENARIO / "README.md").read_text()
SEND, IMPORT = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
LISTED = re.findall(r"^    /(\S+)$", README, re.MULTILINE)
READINGS = {f"{sensor}": [b'{"sensor_id":"%d","wattage":%d%d.5}' % (sensor, sensor, reading) for reading in range(1, 11)] for sensor in range(1, 7)}


@pytest.fixture
def broker(tmp_path):
    """Of its own: the scenario's topics are called as it says."""
    made = Cluster(tmp_path / "kafka")
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture
def hdfs(tmp_path):
    made = Hdfs(tmp_path / "hdfs")
    try:
        yield made.start()
    finally:
        made.close()


def shell(lines, folder):
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", lines], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def landed(hdfs, path):
    """The lines of a directory's files, in the order of their offsets."""
    names = sorted(hdfs.files(path))
    assert all(LANDED.match(name) for name in names), names
    return [line for name in names for line in hdfs.read(f"{path}/{name}").split(b"\n")[:-1]]


def test_power_grid(gateway, broker, database, hdfs, tmp_path):
    (tmp_path / "drop").mkdir()
    database.run((SCENARIO / "telemetry.sql").read_text())
    config = (SCENARIO / "penstock.yaml").read_text()
    for there, here in (("kafka:19092", broker.servers()), ("webhdfs://namenode:9870/", hdfs.url("/")), ("user: root", f"user: {USER}"), ("/srv/drop", str(tmp_path / "drop"))):
        assert there in config
        config = config.replace(there, here)
    one = gateway("gateway.data=penstock-data", config=config).start()
    with Land(tmp_path / "land", config, "land.spool=spool") as land:
        ports = {name: one.ports[name] for name in ("http", "mqtt")}
        answers = shell(SEND.replace("127.0.0.1:8080", f"127.0.0.1:{ports['http']}").replace("-p 1883", f"-p {ports['mqtt']}"), tmp_path)
        assert answers == '{"accepted":1}\n' * 30

        (tmp_path / "penstock.yaml").write_text(config)
        address = dict(word.split("=", 1) for word in database.address.split())
        words = IMPORT.replace("docker compose run --rm sqoop", f"{BINARY} sqoop").replace("/etc/penstock/penstock.yaml", "penstock.yaml")
        words = words.replace("//postgres/telemetry", f"//127.0.0.1:{address['port']}/{address['dbname']}").replace("--username postgres", f"--username {address['user']}")
        shell(words, tmp_path)

        notes = "/unorganized/UNORGANIZED/partition=0"
        places = {sensor: f"/grid-wattage/sensor0{sensor}/SENSOR_ID_{sensor}/partition=0" for sensor in READINGS}
        wait_until("the readings", lambda: all(len(landed(hdfs, place)) >= 10 for place in places.values()), 120)
        wait_until("the notes", lambda: len(landed(hdfs, notes)) >= 2, 120)
        land.stop_cleanly()
    one.stop_cleanly()

    assert {sensor: landed(hdfs, place) for sensor, place in places.items()} == READINGS
    assert landed(hdfs, notes) == [b"the dam is half full", b"turbine 2 hums"]
    table = database.run("COPY telemetry TO STDOUT WITH (FORMAT csv, NULL 'null')")
    assert hdfs.read("/old-telemetry/part-m-00000").decode() == table
    for line in re.findall(r"^    (\{.*|\d+,.*)$", README, re.MULTILINE):
        assert line.encode() in READINGS["4"] or line in table.splitlines(), line
    assert {path.rsplit("/", 1)[0] for path in LISTED} == {place[1:] for place in (notes, "/old-telemetry", *places.values())}
    assert sorted(hdfs.files("/old-telemetry")) == sorted(path.rsplit("/", 1)[1] for path in LISTED if path.startswith("old-telemetry"))
    assert all(re.fullmatch(r"part-m-00000|_manifest.json|_SUCCESS", name) or LANDED.match(name) for name in (path.rsplit("/", 1)[1] for path in LISTED))
