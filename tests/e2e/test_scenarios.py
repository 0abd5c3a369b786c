"""Two pipelines on their real input: a power grid's sensors, and a game's events sent by `ab`. What lies in the lake is compared
byte for byte with what was accepted."""

import collections
import datetime
import http.client
import json
import re
import subprocess
import threading
import time

import pytest

from penstock import lake_rows, leftovers, read_lake

GRID = """\
streams:
  readings:
    key: /sensor_id
    lake: {path: "grid-wattage/sensor{key}/dt={time:%Y-%m-%d}"}
"""
SENSORS = 6
PER_SECOND = 10
SECONDS = 60

GAME = """\
streams:
  events:
    format: json
    labels: {event_type: /event_type, host: "header:Host", agent: "header:User-Agent"}
    lake: {path: "game/type={event_type}/host={host}/agent={agent}"}
"""
EVENTS = 20000


def wattage(sensor, number):
    return json.dumps({"sensor_id": sensor, "modality": 421 + sensor * 13 + number % 7, "unit": "MW",
                       "temporal_aspect": "real_time", "reading": number})


def sensor_posts(port, sensor, accepted):
    """Ten readings a second over one connection; notes what was accepted."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    start = time.monotonic()
    for number in range(PER_SECOND * SECONDS):
        body = wattage(sensor, number)
        connection.request("POST", "/readings", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status == 200 and json.loads(answer.read()) == {"accepted": 1}:
            accepted[sensor].append(body.encode())
        time.sleep(max(0.0, start + (number + 1) / PER_SECOND - time.monotonic()))
    connection.close()


def test_six_sensors_of_a_power_grid_for_a_minute(gateway):
    one = gateway("lake.roll.every=5s", config=GRID).start()
    accepted = collections.defaultdict(list)
    days = {datetime.datetime.now(datetime.timezone.utc).date()}
    threads = [threading.Thread(target=sensor_posts, args=(one.ports["http"], sensor, accepted)) for sensor in range(1, SENSORS + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    days.add(datetime.datetime.now(datetime.timezone.utc).date())
    one.stop_cleanly()

    allowed = {f"grid-wattage/sensor{sensor}/dt={day}" for sensor in accepted for day in days}
    assert {file.folder for file in read_lake(one.lake)} <= allowed
    for sensor in range(1, SENSORS + 1):
        assert len(accepted[sensor]) == PER_SECOND * SECONDS
        rows = [row for day in sorted(days) for row in lake_rows(one.lake, f"grid-wattage/sensor{sensor}/dt={day}")]
        assert rows == accepted[sensor]
    assert leftovers(one.lake) == []


@pytest.mark.parametrize("keep_alive", [False, True], ids=["ab", "ab-k"])
def test_game_events_by_ab(gateway, tmp_path, keep_alive):
    event = b'{"event_type": "purchase_sword", "player": "p\xc3\xa4r", "price": 12.50}'
    (tmp_path / "event.json").write_bytes(event)
    one = gateway("lake.roll.every=1s", config=GAME).start()
    done = subprocess.run(["ab", "-q", *(["-k"] if keep_alive else []), "-n", str(EVENTS), "-c", "16", "-p", tmp_path / "event.json",
                           "-T", "application/json", "-H", "Host: user1.comcast.com", f"http://127.0.0.1:{one.ports['http']}/events"],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    complete = int(re.search(r"Complete requests:\s+(\d+)", done.stdout).group(1))
    failed = int(re.search(r"Failed requests:\s+(\d+)", done.stdout).group(1))
    assert (complete, failed) == (EVENTS, 0), done.stdout
    assert "Non-2xx" not in done.stdout, done.stdout
    one.stop_cleanly()

    files = read_lake(one.lake)
    folders = {file.folder for file in files}
    assert len(folders) == 1
    folder = folders.pop()
    assert folder.startswith("game/type=purchase_sword/host=user1.comcast.com/agent=ApacheBench%2F"), folder
    rows = lake_rows(one.lake)
    assert len(rows) == EVENTS
    assert set(rows) == {event}
    assert (files[0].first, files[-1].last) == (1, EVENTS)
    assert sum(file.last - file.first + 1 for file in files) == EVENTS
