"""kill -9 in a storm of reloads: each record leaves as the stream said that it was accepted under, and a file that grows is read once."""

import signal
import threading

import pytest

from ledger import Verdict, assert_kept
from penstock import lake_rows, read_lake, wait_until
from siege import PATIENT, SMALL_SEGMENTS, Load, busy, moment, new_random, note, rounds

PLACES = 7


def config(place, folder):
    return f"""\
streams:
  readings:
    key: /sensor_id
    labels: {{kind: /kind}}
    lake: {{path: "p{place % PLACES}/{{kind}}"}}
  lines: {{format: text, lake: {{path: "l{place % PLACES}"}}}}
files: {{f: {{watch: "{folder}/*.log", stream: lines, scan: 1s, max_line: 4KiB}}}}
"""


class Reloads(threading.Thread):
    """One after the other, until the gateway is gone."""

    def __init__(self, gateway, folder, first):
        super().__init__(daemon=True)
        self.gateway, self.folder, self.number = gateway, folder, first
        self.process, self.ending = gateway.process, threading.Event()

    def run(self):
        file = self.gateway.directory / "penstock.yaml"
        while not self.ending.wait(0.02):
            self.number += 1
            fresh = file.with_suffix(".fresh")
            fresh.write_text(config(self.number, self.folder))
            fresh.rename(file)
            try:
                self.process.send_signal(signal.SIGHUP)
            except ProcessLookupError:
                return

    def end(self):
        self.ending.set()
        self.join()
        return self.number


class Writer(threading.Thread):
    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.written, self.ending = path, 0, threading.Event()

    def run(self):
        with open(self.path, "a", buffering=1) as file:
            while not self.ending.wait(0.0005):
                file.write(f"line {self.written}\n")
                self.written += 1

    def end(self):
        self.ending.set()
        self.join()


@pytest.mark.parametrize("sizes", [(), SMALL_SEGMENTS], ids=["default sizes", "small segments"])
def test_kill_9_in_a_storm_of_reloads(gateway, tools, ledger, tmp_path, sizes):
    generator, seed = new_random()
    count, number = rounds(6), 0
    folder = tmp_path / "logs"
    folder.mkdir()
    one = gateway("lake.roll.every=50ms", PATIENT, *sizes, config=config(0, folder))
    writer = Writer(folder / "a.log")
    writer.start()
    reloaded = 0
    for _ in range(count):
        one.config = config(number, folder)
        one.start()
        ledger.send_fresh(one)
        with Load(tools, one, ledger) as load:
            reloads = Reloads(one, folder, number)
            reloads.start()
            wait_until("some reloads", lambda: one.said().count("streams=others") > 1)
            moment(generator)
            busy(one, 100)
            one.kill()
            number = reloads.end()
            load.wait()
        reloaded += one.said().count("streams=others")
    writer.end()
    one.config = config(number, folder)
    one.start()
    ledger.send_fresh(one)
    wait_until("all lines", lambda: sum(len(file.rows) for file in read_lake(one.lake) if file.stream == "lines") >= writer.written)
    one.stop_cleanly(320)
    lines = [row for place in range(PLACES) for row in lake_rows(one.lake, f"l{place}")]
    for file in read_lake(one.lake):
        if file.stream == "lines":
            file.path.unlink()  # the ledger knows readings
    verdict = ledger.judge(one.lake)
    note("kill -9 in a storm of reloads", count, verdict, seed)
    note("kill -9 in a storm of reloads, lines of a file", count, Verdict(writer.written, len(lines), [], len(lines) - len(set(lines)), 0, 0, 0, 0), seed)
    print(f"{reloaded} reloads took effect")
    assert reloaded > count
    assert_kept(verdict)
    assert sorted(lines) == sorted(b"line %d" % n for n in range(writer.written))
    assert {file.folder.split("/")[0] for file in read_lake(one.lake)} <= {f"p{place}" for place in range(PLACES)}
